//! Values to test with: every field that exists in a version gets one, from a seed.

use bytes::Bytes;

use crate::wire::error_code::ErrorCode;
use crate::wire::field::Version;
use crate::wire::float64::Float64;
use crate::wire::records::Records;
use crate::wire::secret::Secret;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

/// What kind of message to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Every option and tagged field present, every array with elements.
    Full,
    /// Every option null where its version allows, every tagged field absent, arrays empty.
    Null,
    /// Options present, but strings, bytes and arrays empty.
    Empty,
    /// Anything goes.
    Mixed,
}

/// A seeded source of values (splitmix64).
#[derive(Debug)]
pub(crate) struct Source {
    state: u64,
    shape: Shape,
}

impl Source {
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        Self { state: seed, shape }
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Whether this option is null, where it may be.
    fn null(&mut self) -> bool {
        match self.shape {
            Shape::Full | Shape::Empty => false,
            Shape::Null => true,
            Shape::Mixed => self.below(3) == 0,
        }
    }

    /// Whether this tagged field stays at its default.
    pub(crate) fn absent(&mut self) -> bool {
        self.null()
    }

    /// How many elements or characters.
    fn count(&mut self, max: u64) -> u64 {
        match self.shape {
            Shape::Full => 1 + self.below(max),
            Shape::Null | Shape::Empty => 0,
            Shape::Mixed => self.below(max + 1),
        }
    }

    /// Letters only, so that printed values compare simply.
    fn text(&mut self) -> String {
        (0..self.count(12)).map(|_| char::from(b'a' + self.below(26) as u8)).collect()
    }

    /// A number: often small or extreme, for those are where codecs break.
    fn number(&mut self) -> i64 {
        match self.below(6) {
            0 => 0,
            1 => -1,
            2 => i64::MAX,
            3 => i64::MIN,
            4 => self.below(300) as i64,
            _ => self.next() as i64,
        }
    }
}

/// A type with sample values.
pub(crate) trait Sample: Sized {
    /// A value; for an option, never null.
    fn sample(source: &mut Source, version: Version) -> Self;

    /// A value of a field that may be null.
    fn sample_nullable(source: &mut Source, version: Version) -> Self {
        Self::sample(source, version)
    }
}

macro_rules! sample_numbers {
    ($($ty:ty),*) => {$(
        impl Sample for $ty {
            fn sample(source: &mut Source, _: Version) -> Self {
                source.number() as $ty
            }
        }
    )*};
}

sample_numbers!(i8, i16, u16, i32, i64);

impl Sample for bool {
    fn sample(source: &mut Source, _: Version) -> Self {
        source.below(2) == 0
    }
}

impl Sample for ErrorCode {
    fn sample(source: &mut Source, _: Version) -> Self {
        Self::from_number(source.number() as i16)
    }
}

impl Sample for Float64 {
    fn sample(source: &mut Source, _: Version) -> Self {
        let number = source.number() as f64;
        match source.below(8) {
            0 => f64::NAN.into(),
            1 => f64::INFINITY.into(),
            2 => f64::MIN_POSITIVE.into(),
            _ => (number / 8.0).into(),
        }
    }
}

impl Sample for Uuid {
    fn sample(source: &mut Source, _: Version) -> Self {
        Self((u128::from(source.next()) << 64 | u128::from(source.next())).to_be_bytes())
    }
}

impl Sample for Str {
    fn sample(source: &mut Source, _: Version) -> Self {
        source.text().into()
    }
}

impl Sample for Bytes {
    fn sample(source: &mut Source, _: Version) -> Self {
        source.text().into()
    }
}

impl Sample for Secret {
    fn sample(source: &mut Source, version: Version) -> Self {
        Bytes::sample(source, version).into()
    }
}

impl Sample for Records {
    fn sample(source: &mut Source, version: Version) -> Self {
        let mut records = Self::from(Bytes::sample(source, version));
        if source.count(1) > 0 {
            // Long enough to be referenced rather than copied.
            records.push(Bytes::from(vec![b'r'; 600]));
        }
        records
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(source: &mut Source, version: Version) -> Self {
        Some(T::sample(source, version))
    }

    fn sample_nullable(source: &mut Source, version: Version) -> Self {
        if source.null() { None } else { Some(T::sample(source, version)) }
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(source: &mut Source, version: Version) -> Self {
        (0..source.count(3)).map(|_| T::sample(source, version)).collect()
    }
}

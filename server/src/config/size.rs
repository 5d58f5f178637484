//! Sizes: `64MiB`, `1GiB`, `500000`.

use std::fmt;

use super::table::Kind;
use super::value::{Value, kind};

/// One mebibyte in bytes.
pub const MIB: u64 = 1024 * 1024;
/// One gibibyte in bytes.
pub const GIB: u64 = 1024 * MIB;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Units, largest first. Powers of ten are taken too, and never printed.
const UNITS: &[(&str, u64)] = &[
    ("TiB", 1024 * GIB),
    ("GiB", GIB),
    ("MiB", MIB),
    ("KiB", 1024),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("KB", 1000),
    ("B", 1),
];

impl Value for ByteSize {
    const KIND: Kind = kind("size", "SIZE");

    fn parse(text: &str) -> Result<Self, String> {
        let unit = UNITS.iter().find(|(name, _)| text.ends_with(name)).unwrap_or(&("", 1));
        let number = text[..text.len() - unit.0.len()].trim_end().replace('_', "");
        let wrong = || format!("is {text:?}, which is not a size such as 64MiB, 1GiB or 500000 (bytes)");
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let bytes = number.parse::<u64>().ok().and_then(|n| n.checked_mul(unit.1));
        bytes.map(ByteSize).ok_or_else(wrong)
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn measure(&self) -> Option<u128> {
        Some(u128::from(self.0))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary =
            UNITS.iter().take(4).find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor));
        match binary {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("0", 0),
            ("500000", 500_000),
            ("64MiB", 64 * MIB),
            ("1 GiB", GIB),
            ("2kB", 2000),
            ("7B", 7),
            ("1_000", 1000),
        ] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "MiB", "-1", "+1", "1.5GiB", "64MB/s", "20000000TiB", "64Mib", "ten"] {
            assert!(ByteSize::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_size_is_printed_in_the_largest_unit_that_divides_it() {
        for (bytes, text) in
            [(0, "0"), (1000, "1000"), (1024, "1KiB"), (64 * MIB, "64MiB"), (1536 * MIB, "1536MiB")]
        {
            assert_eq!(ByteSize(bytes).to_string(), text);
            assert_eq!(ByteSize::parse(text), Ok(ByteSize(bytes)));
        }
    }
}

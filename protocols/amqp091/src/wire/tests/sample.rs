//! Values for every argument of every method.

use bytes::Bytes;

use crate::wire::properties::PropertyList;
use crate::wire::table::{Array, ArrayBuilder, Table, TableBuilder, Value};
use crate::wire::{Properties, ShortStr};

/// Numbers that follow from a seed, and what can be made of them.
pub(crate) struct Source {
    state: u64,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next number; small ones, large ones and the largest occur often enough.
    pub(crate) fn number(&mut self) -> u64 {
        let n = self.next();
        match n % 8 {
            0 => u64::MAX,
            1 => 0,
            2..6 => n >> 40 & 0xff,
            _ => n,
        }
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    pub(crate) fn short_str(&mut self) -> ShortStr {
        let length = if self.below(8) == 0 { 255 } else { self.below(12) };
        let text: String = (0..length).map(|_| char::from(b'a' + self.below(26) as u8)).collect();
        ShortStr::new(text).expect("it is short")
    }

    pub(crate) fn bytes(&mut self) -> Bytes {
        (0..self.below(40)).map(|_| self.next() as u8).collect()
    }

    pub(crate) fn table(&mut self) -> Table {
        self.table_of(3)
    }

    fn table_of(&mut self, depth: u64) -> Table {
        let fields = self.below(5);
        let mut builder = TableBuilder::new();
        for number in 0..fields {
            // Names that differ, and in an order: the oracle keeps neither repetitions nor another one.
            let name = format!("{number}{}", char::from(b'a' + self.below(26) as u8));
            builder = self.with_value(depth, |value| builder.put(&name, value));
        }
        builder.finish().expect("it is small")
    }

    fn array_of(&mut self, depth: u64) -> Array {
        let items = self.below(4);
        let mut builder = ArrayBuilder::new();
        for _ in 0..items {
            builder = self.with_value(depth, |value| builder.put(value));
        }
        builder.finish().expect("it is small")
    }

    /// Hands some value of some type on.
    fn with_value<T>(&mut self, depth: u64, take: impl FnOnce(Value<'_>) -> T) -> T {
        let n = self.number();
        match self.below(if depth == 0 { 15 } else { 17 }) {
            0 => take(Value::Bool(n.is_multiple_of(2))),
            1 => take(Value::I8(n as i8)),
            2 => take(Value::U8(n as u8)),
            3 => take(Value::I16(n as i16)),
            4 => take(Value::U16(n as u16)),
            5 => take(Value::I32(n as i32)),
            6 => take(Value::U32(n as u32)),
            7 => take(Value::I64(n as i64)),
            8 => take(Value::F32(n as f32)),
            9 => take(Value::F64(n as f64)),
            10 => take(Value::Decimal { scale: n as u8, digits: (n >> 8) as u32 }),
            11 => take(Value::LongStr(&self.bytes())),
            12 => take(Value::Timestamp(n)),
            13 => take(Value::Void),
            14 => take(Value::Bytes(&self.bytes())),
            15 => take(Value::Array(self.array_of(depth - 1).view())),
            _ => take(Value::Table(self.table_of(depth - 1).view())),
        }
    }

    pub(crate) fn properties(&mut self) -> Properties {
        let mut list = PropertyList::default();
        let short = |source: &mut Self| (source.below(2) == 0).then(|| source.short_str());
        list.content_type = short(self);
        list.content_encoding = short(self);
        list.correlation_id = short(self);
        list.reply_to = short(self);
        list.expiration = short(self);
        list.message_id = short(self);
        list.kind = short(self);
        list.user_id = short(self);
        list.app_id = short(self);
        list.cluster_id = short(self);
        list.headers = (self.below(2) == 0).then(|| self.table());
        list.delivery_mode = (self.below(2) == 0).then(|| self.number() as u8);
        list.priority = (self.below(2) == 0).then(|| self.number() as u8);
        list.timestamp = (self.below(2) == 0).then(|| self.number());
        list.encode()
    }

    /// The next of a sequence that is known for its good mixture (splitmix64).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.state;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }
}

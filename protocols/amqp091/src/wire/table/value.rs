//! The values of tables and arrays: the types that RabbitMQ knows, by its own letters. They are not those of the
//! specification, which nobody follows: `s` is a short integer here and no string.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::check::{Stop, take};
use super::{ArrayView, TableView};
use crate::wire::text::write_text;

/// A value, as a slice of what holds it.
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'t> {
    /// `t`: any octet but 0 is true.
    Bool(bool),
    /// `b`.
    I8(i8),
    /// `B`.
    U8(u8),
    /// `s`.
    I16(i16),
    /// `u`.
    U16(u16),
    /// `I`.
    I32(i32),
    /// `i`.
    U32(u32),
    /// `l`; `L` is read as the same and never written.
    I64(i64),
    /// `f`.
    F32(f32),
    /// `d`.
    F64(f64),
    /// `D`: a whole number with the decimal point moved to the left.
    Decimal {
        /// Digits behind the point.
        scale: u8,
        /// The number without its point.
        digits: u32,
    },
    /// `S`: a text, as a rule in UTF-8.
    LongStr(&'t [u8]),
    /// `A`.
    Array(ArrayView<'t>),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`.
    Table(TableView<'t>),
    /// `V`: nothing.
    Void,
    /// `x`.
    Bytes(&'t [u8]),
}

impl<'t> Value<'t> {
    /// A text.
    #[must_use]
    pub const fn text(text: &'t str) -> Self {
        Self::LongStr(text.as_bytes())
    }

    /// Any whole number; RabbitMQ takes each of its types where it wants one.
    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match *self {
            Self::I8(n) => Some(n.into()),
            Self::U8(n) => Some(n.into()),
            Self::I16(n) => Some(n.into()),
            Self::U16(n) => Some(n.into()),
            Self::I32(n) => Some(n.into()),
            Self::U32(n) => Some(n.into()),
            Self::I64(n) => Some(n),
            _ => None,
        }
    }

    /// The letter before it on the wire.
    #[must_use]
    pub const fn letter(&self) -> u8 {
        match self {
            Self::Bool(_) => b't',
            Self::I8(_) => b'b',
            Self::U8(_) => b'B',
            Self::I16(_) => b's',
            Self::U16(_) => b'u',
            Self::I32(_) => b'I',
            Self::U32(_) => b'i',
            Self::I64(_) => b'l',
            Self::F32(_) => b'f',
            Self::F64(_) => b'd',
            Self::Decimal { .. } => b'D',
            Self::LongStr(_) => b'S',
            Self::Array(_) => b'A',
            Self::Timestamp(_) => b'T',
            Self::Table(_) => b'F',
            Self::Void => b'V',
            Self::Bytes(_) => b'x',
        }
    }

    /// Takes a letter and its value. What is inside of a table or an array is not looked at.
    pub(super) fn read(rest: &mut &'t [u8]) -> Result<Self, Stop> {
        let [letter] = fixed(rest)?;
        Ok(match letter {
            b't' => Self::Bool(fixed(rest)? != [0]),
            b'b' => Self::I8(i8::from_be_bytes(fixed(rest)?)),
            b'B' => Self::U8(u8::from_be_bytes(fixed(rest)?)),
            b's' => Self::I16(i16::from_be_bytes(fixed(rest)?)),
            b'u' => Self::U16(u16::from_be_bytes(fixed(rest)?)),
            b'I' => Self::I32(i32::from_be_bytes(fixed(rest)?)),
            b'i' => Self::U32(u32::from_be_bytes(fixed(rest)?)),
            b'l' | b'L' => Self::I64(i64::from_be_bytes(fixed(rest)?)),
            b'f' => Self::F32(f32::from_be_bytes(fixed(rest)?)),
            b'd' => Self::F64(f64::from_be_bytes(fixed(rest)?)),
            b'D' => {
                let [scale] = fixed(rest)?;
                Self::Decimal { scale, digits: u32::from_be_bytes(fixed(rest)?) }
            }
            b'S' => Self::LongStr(long(rest)?),
            b'A' => Self::Array(ArrayView(long(rest)?)),
            b'T' => Self::Timestamp(u64::from_be_bytes(fixed(rest)?)),
            b'F' => Self::Table(TableView(long(rest)?)),
            b'V' => Self::Void,
            b'x' => Self::Bytes(long(rest)?),
            other => return Err(Stop::UnknownType(other)),
        })
    }

    /// Appends the letter and the value.
    pub(super) fn put(&self, out: &mut BytesMut) {
        out.put_u8(self.letter());
        match *self {
            Self::Bool(is_true) => out.put_u8(is_true.into()),
            Self::I8(n) => out.put_i8(n),
            Self::U8(n) => out.put_u8(n),
            Self::I16(n) => out.put_i16(n),
            Self::U16(n) => out.put_u16(n),
            Self::I32(n) => out.put_i32(n),
            Self::U32(n) => out.put_u32(n),
            Self::I64(n) => out.put_i64(n),
            Self::F32(n) => out.put_f32(n),
            Self::F64(n) => out.put_f64(n),
            Self::Decimal { scale, digits } => {
                out.put_u8(scale);
                out.put_u32(digits);
            }
            Self::Timestamp(seconds) => out.put_u64(seconds),
            Self::LongStr(bytes) | Self::Bytes(bytes) => put_long(out, bytes),
            Self::Array(array) => put_long(out, array.as_bytes()),
            Self::Table(table) => put_long(out, table.as_bytes()),
            Self::Void => {}
        }
    }
}

fn fixed<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Stop> {
    let (head, behind) = rest.split_first_chunk().ok_or(Stop::Ended)?;
    *rest = behind;
    Ok(*head)
}

fn long<'t>(rest: &mut &'t [u8]) -> Result<&'t [u8], Stop> {
    let length = u32::from_be_bytes(fixed(rest)?);
    take(rest, length as usize)
}

/// Bytes above 4 GiB get a length that lies; the check of what was built finds it.
fn put_long(out: &mut BytesMut, bytes: &[u8]) {
    out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
    out.put_slice(bytes);
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(is_true) => write!(f, "{is_true}"),
            Self::I8(n) => write!(f, "{n}i8"),
            Self::U8(n) => write!(f, "{n}u8"),
            Self::I16(n) => write!(f, "{n}i16"),
            Self::U16(n) => write!(f, "{n}u16"),
            Self::I32(n) => write!(f, "{n}i32"),
            Self::U32(n) => write!(f, "{n}u32"),
            Self::I64(n) => write!(f, "{n}i64"),
            Self::F32(n) => write!(f, "{n:?}f32"),
            Self::F64(n) => write!(f, "{n:?}f64"),
            Self::Decimal { scale, digits } => write!(f, "{digits}e-{scale}"),
            Self::LongStr(bytes) => write_text(f, bytes),
            Self::Array(array) => array.fmt(f),
            Self::Timestamp(seconds) => write!(f, "@{seconds}"),
            Self::Table(table) => table.fmt(f),
            Self::Void => f.write_str("void"),
            Self::Bytes(bytes) => write!(f, "x\"{}\"", bytes.escape_ascii()),
        }
    }
}

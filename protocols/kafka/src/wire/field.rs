//! The types of fields: how each is read and written in a given version.

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::{DecodeError, EncodeError, Fault};
use super::records::Records;
use super::text::Str;
use super::uuid::Uuid;
use super::writer::{Writer, length_u32};

/// A version of one message, and what it means for every field in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// The number on the wire.
    pub number: i16,
    /// How lengths are written, and whether structs end with tagged fields.
    pub form: Form,
}

/// Kafka's two ways to write lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Strings with an `i16` length, arrays and bytes with an `i32`; -1 is null; no tagged fields.
    Classic,
    /// Lengths plus one as variable-length integers; 0 is null; every struct ends with tagged fields ("flexible").
    Compact,
}

impl Version {
    /// A version in the classic form.
    #[must_use]
    pub const fn classic(number: i16) -> Self {
        Self { number, form: Form::Classic }
    }

    /// A version in the compact form.
    #[must_use]
    pub const fn compact(number: i16) -> Self {
        Self { number, form: Form::Compact }
    }

    pub(crate) fn is_compact(self) -> bool {
        self.form == Form::Compact
    }
}

/// A value with a place on the wire.
pub trait Wire: Sized {
    /// The fewest bytes any value of this type takes in `version`. Array counts are checked with it.
    fn bytes_min(version: Version) -> usize;

    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode(cursor: &mut Cursor<'_>, version: Version) -> Result<Self, DecodeError>;

    /// Writes the value.
    ///
    /// # Errors
    /// What of the value `version` cannot say.
    fn encode(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError>;

    /// Says for how many milliseconds the client is held back, in a response that has a place for it.
    fn hold_back(&mut self, ms: i32) {
        let _ = ms;
    }

    /// Whether this is a null, which only an `Option` can be.
    fn is_null(&self) -> bool {
        false
    }
}

/// A value that can be null on the wire; `Option<T>` is then its field type.
pub trait Nullable: Wire {
    /// Reads a value or a null.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    fn decode_nullable(cursor: &mut Cursor<'_>, version: Version) -> Result<Option<Self>, DecodeError>;

    /// Writes a value or a null.
    ///
    /// # Errors
    /// What of the value `version` cannot say.
    fn encode_nullable(this: Option<&Self>, writer: &mut Writer, version: Version)
    -> Result<(), EncodeError>;
}

impl<T: Nullable> Wire for Option<T> {
    fn bytes_min(version: Version) -> usize {
        // A null struct is one byte; a null string, array or byte field is as short as an empty one.
        T::bytes_min(version).min(1)
    }

    #[inline]
    fn decode(cursor: &mut Cursor<'_>, version: Version) -> Result<Self, DecodeError> {
        T::decode_nullable(cursor, version)
    }

    fn encode(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        T::encode_nullable(self.as_ref(), writer, version)
    }

    fn is_null(&self) -> bool {
        self.is_none()
    }
}

macro_rules! fixed_width {
    ($($ty:ty),*) => {$(
        impl Wire for $ty {
            fn bytes_min(_: Version) -> usize {
                size_of::<$ty>()
            }

            #[inline]
            fn decode(cursor: &mut Cursor<'_>, _: Version) -> Result<Self, DecodeError> {
                cursor.array().map(<$ty>::from_be_bytes)
            }

            #[inline]
            fn encode(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
                writer.put(&self.to_be_bytes());
                Ok(())
            }
        }
    )*};
}

fixed_width!(i8, i16, u16, i32, i64);

impl Wire for bool {
    fn bytes_min(_: Version) -> usize {
        1
    }

    fn decode(cursor: &mut Cursor<'_>, _: Version) -> Result<Self, DecodeError> {
        let [byte] = cursor.array()?;
        Ok(byte != 0)
    }

    fn encode(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.put(&[u8::from(*self)]);
        Ok(())
    }
}

impl Wire for Uuid {
    fn bytes_min(_: Version) -> usize {
        16
    }

    fn decode(cursor: &mut Cursor<'_>, _: Version) -> Result<Self, DecodeError> {
        cursor.array().map(Self)
    }

    fn encode(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.put(&self.0);
        Ok(())
    }
}

/// What precedes a value of variable length in the classic form.
#[derive(Clone, Copy)]
enum Prefix {
    /// Strings.
    I16,
    /// Byte fields, records and arrays.
    I32,
}

/// Reads a length or count; `None` is null.
#[inline]
fn read_length(
    cursor: &mut Cursor<'_>,
    version: Version,
    prefix: Prefix,
) -> Result<Option<usize>, DecodeError> {
    let length = match (version.form, prefix) {
        (Form::Compact, _) => return Ok((cursor.uvarint()? as usize).checked_sub(1)),
        (Form::Classic, Prefix::I16) => i32::from(cursor.array().map(i16::from_be_bytes)?),
        (Form::Classic, Prefix::I32) => cursor.array().map(i32::from_be_bytes)?,
    };
    match length {
        -1 => Ok(None),
        _ => usize::try_from(length).map(Some).map_err(|_| Fault::NegativeLength(length).into()),
    }
}

/// Writes a length or count; `None` is null.
#[inline]
fn write_length(
    writer: &mut Writer,
    version: Version,
    prefix: Prefix,
    length: Option<usize>,
) -> Result<(), EncodeError> {
    match (version.form, prefix) {
        (Form::Compact, _) => writer.uvarint(length.map_or(Ok(0), |length| length_u32(length + 1))?),
        (Form::Classic, Prefix::I16) => {
            let length = length.map_or(Ok(-1), |length| {
                i16::try_from(length).map_err(|_| EncodeError::TooLong { length })
            })?;
            writer.put(&length.to_be_bytes());
        }
        (Form::Classic, Prefix::I32) => {
            let length = length.map_or(Ok(-1), |length| {
                i32::try_from(length).map_err(|_| EncodeError::TooLong { length })
            })?;
            writer.put(&length.to_be_bytes());
        }
    }
    Ok(())
}

/// The length of an empty value.
fn length_bytes(version: Version, prefix: Prefix) -> usize {
    match (version.form, prefix) {
        (Form::Compact, _) => 1,
        (Form::Classic, Prefix::I16) => 2,
        (Form::Classic, Prefix::I32) => 4,
    }
}

/// `Wire` for a `Nullable` type: the same without the null.
macro_rules! wire_from_nullable {
    ($prefix:expr) => {
        fn bytes_min(version: Version) -> usize {
            length_bytes(version, $prefix)
        }

        #[inline]
        fn decode(cursor: &mut Cursor<'_>, version: Version) -> Result<Self, DecodeError> {
            Self::decode_nullable(cursor, version)?.ok_or_else(|| Fault::NullNotAllowed.into())
        }

        #[inline]
        fn encode(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
            Self::encode_nullable(Some(self), writer, version)
        }
    };
}

impl Wire for Str {
    wire_from_nullable!(Prefix::I16);
}

impl Nullable for Str {
    #[inline]
    fn decode_nullable(cursor: &mut Cursor<'_>, version: Version) -> Result<Option<Self>, DecodeError> {
        match read_length(cursor, version, Prefix::I16)? {
            Some(length) => Self::from_utf8(cursor.bytes(length)?).map(Some),
            None => Ok(None),
        }
    }

    fn encode_nullable(
        this: Option<&Self>,
        writer: &mut Writer,
        version: Version,
    ) -> Result<(), EncodeError> {
        write_length(writer, version, Prefix::I16, this.map(Self::len))?;
        writer.put(this.map_or(&[], |text| text.as_bytes()));
        Ok(())
    }
}

impl Wire for Bytes {
    wire_from_nullable!(Prefix::I32);
}

impl Nullable for Bytes {
    #[inline]
    fn decode_nullable(cursor: &mut Cursor<'_>, version: Version) -> Result<Option<Self>, DecodeError> {
        match read_length(cursor, version, Prefix::I32)? {
            Some(length) => cursor.bytes(length).map(Some),
            None => Ok(None),
        }
    }

    fn encode_nullable(
        this: Option<&Self>,
        writer: &mut Writer,
        version: Version,
    ) -> Result<(), EncodeError> {
        write_length(writer, version, Prefix::I32, this.map(Self::len))?;
        if let Some(bytes) = this {
            writer.put_chunk(bytes);
        }
        Ok(())
    }
}

impl Wire for Records {
    wire_from_nullable!(Prefix::I32);
}

impl Nullable for Records {
    #[inline]
    fn decode_nullable(cursor: &mut Cursor<'_>, version: Version) -> Result<Option<Self>, DecodeError> {
        Ok(Bytes::decode_nullable(cursor, version)?.map(Self::from))
    }

    fn encode_nullable(
        this: Option<&Self>,
        writer: &mut Writer,
        version: Version,
    ) -> Result<(), EncodeError> {
        write_length(writer, version, Prefix::I32, this.map(Self::len))?;
        if let Some(records) = this {
            records.pieces().for_each(|piece| writer.put_chunk(piece));
        }
        Ok(())
    }
}

impl<T: Wire> Wire for Vec<T> {
    wire_from_nullable!(Prefix::I32);
}

impl<T: Wire> Nullable for Vec<T> {
    #[inline]
    fn decode_nullable(cursor: &mut Cursor<'_>, version: Version) -> Result<Option<Self>, DecodeError> {
        let Some(count) = read_length(cursor, version, Prefix::I32)? else { return Ok(None) };
        cursor.claim(count, T::bytes_min(version), size_of::<T>())?;
        let mut elements = Self::with_capacity(count);
        for _ in 0..count {
            elements.push(T::decode(cursor, version)?);
        }
        Ok(Some(elements))
    }

    fn encode_nullable(
        this: Option<&Self>,
        writer: &mut Writer,
        version: Version,
    ) -> Result<(), EncodeError> {
        write_length(writer, version, Prefix::I32, this.map(Self::len))?;
        this.into_iter().flatten().try_for_each(|element| element.encode(writer, version))
    }
}

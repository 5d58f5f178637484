//! The field-list language that messages are written in.
//!
//! ```text
//! wire_struct! {
//!     /// What it is.
//!     pub struct Name {
//!         /// What it means.
//!         field: Type [versions, option, option ...];
//!     }
//! }
//! ```
//! `versions` is a Rust range, half-open: `..` every version, `3..` from 3 on, `..13` up to 12. Outside its versions a field
//! reads as its default, and must hold its default when written. Options:
//!
//! - `null(9..)`: an `Option` that may be null only in these versions (without it: in all);
//! - `tag(0)`: a tagged field with this tag; tags rise down the list, tagged fields come last;
//! - `lossy(true)`: outside its versions the value is dropped when written, because the peer loses nothing it acts on;
//! - `default(-1)`: the default, where it is not the type's.

/// The range option's value, or every version.
macro_rules! null_versions {
    () => { .. };
    (null($versions:expr) $(, $rest:ident($ignored:expr))*) => { $versions };
    ($other:ident($ignored:expr) $(, $key:ident($value:expr))*) => {
        $crate::wire::schema::null_versions!($($key($value)),*)
    };
}

/// `Some(tag)`, or `None` for a field in line.
macro_rules! tag_number {
    () => { None::<u32> };
    (tag($tag:expr) $(, $rest:ident($ignored:expr))*) => { Some::<u32>($tag) };
    ($other:ident($ignored:expr) $(, $key:ident($value:expr))*) => {
        $crate::wire::schema::tag_number!($($key($value)),*)
    };
}

/// Whether the value may be dropped in versions without the field.
macro_rules! lossy {
    () => { false };
    (lossy($lossy:expr) $(, $rest:ident($ignored:expr))*) => { $lossy };
    ($other:ident($ignored:expr) $(, $key:ident($value:expr))*) => {
        $crate::wire::schema::lossy!($($key($value)),*)
    };
}

/// The field's default.
macro_rules! default_value {
    ($ty:ty;) => { <$ty as Default>::default() };
    ($ty:ty; default($default:expr) $(, $rest:ident($ignored:expr))*) => { $default };
    ($ty:ty; $other:ident($ignored:expr) $(, $key:ident($value:expr))*) => {
        $crate::wire::schema::default_value!($ty; $($key($value)),*)
    };
}

/// Sets the field that says for how long a client is held back, if it is among these.
macro_rules! set_throttle_time {
    ($this:expr, $ms:expr;) => { let _ = $ms; };
    ($this:expr, $ms:expr; throttle_time_ms $($rest:ident)*) => { $this.throttle_time_ms = $ms };
    ($this:expr, $ms:expr; $other:ident $($rest:ident)*) => {
        $crate::wire::schema::set_throttle_time!($this, $ms; $($rest)*)
    };
}

/// Declares structs whose fields come and go with versions; see the module's documentation.
macro_rules! wire_struct {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(
                $(#[$field_meta:meta])*
                $field:ident: $ty:ty [$versions:expr $(, $key:ident($value:expr))*];
            )*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[doc = concat!("\n\nVersions `", stringify!($versions), "`.")]
                pub $field: $ty,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $crate::wire::schema::default_value!($ty; $($key($value)),*),)* }
            }
        }

        impl $crate::wire::field::Wire for $name {
            fn bytes_min(version: $crate::wire::field::Version) -> usize {
                let mut bytes = usize::from(version.is_compact());
                $(
                    if $crate::wire::schema::tag_number!($($key($value)),*).is_none()
                        && $crate::wire::schema::has(&($versions), version)
                    {
                        bytes += <$ty as $crate::wire::field::Wire>::bytes_min(version);
                    }
                )*
                bytes
            }

            fn decode(
                cursor: &mut $crate::wire::cursor::Cursor<'_>,
                version: $crate::wire::field::Version,
            ) -> Result<Self, $crate::wire::error::DecodeError> {
                $(
                    #[allow(unused_mut, reason = "only tagged fields are assigned later")]
                    let mut $field = if $crate::wire::schema::tag_number!($($key($value)),*).is_none()
                        && $crate::wire::schema::has(&($versions), version)
                    {
                        $crate::wire::schema::read::<$ty>(
                            cursor,
                            version,
                            &($crate::wire::schema::null_versions!($($key($value)),*)),
                            concat!(stringify!($name), ".", stringify!($field)),
                        )?
                    } else {
                        $crate::wire::schema::default_value!($ty; $($key($value)),*)
                    };
                )*
                if version.is_compact() {
                    cursor
                        .tagged(|cursor, tag| {
                            $(
                                if $crate::wire::schema::tag_number!($($key($value)),*) == Some(tag)
                                    && $crate::wire::schema::has(&($versions), version)
                                {
                                    $field = $crate::wire::schema::read::<$ty>(
                                        cursor,
                                        version,
                                        &($crate::wire::schema::null_versions!($($key($value)),*)),
                                        concat!(stringify!($name), ".", stringify!($field)),
                                    )?;
                                    return Ok(true);
                                }
                            )*
                            let _ = (cursor, tag);
                            Ok(false)
                        })
                        .map_err(|error| error.at(concat!(stringify!($name), "'s tagged fields")))?;
                }
                Ok(Self { $($field),* })
            }

            fn encode(
                &self,
                writer: &mut $crate::wire::writer::Writer,
                version: $crate::wire::field::Version,
            ) -> Result<(), $crate::wire::error::EncodeError> {
                let mut tags = 0_u32;
                $(
                    let tagged = $crate::wire::schema::tag_number!($($key($value)),*).is_some();
                    if $crate::wire::schema::has(&($versions), version) {
                        if !tagged {
                            $crate::wire::schema::write(
                                &self.$field,
                                writer,
                                version,
                                &($crate::wire::schema::null_versions!($($key($value)),*)),
                                concat!(stringify!($name), ".", stringify!($field)),
                            )?;
                        } else if self.$field != $crate::wire::schema::default_value!($ty; $($key($value)),*) {
                            tags += 1;
                        }
                    } else if !$crate::wire::schema::lossy!($($key($value)),*)
                        && self.$field != $crate::wire::schema::default_value!($ty; $($key($value)),*)
                    {
                        return Err($crate::wire::error::EncodeError::NotInVersion {
                            field: concat!(stringify!($name), ".", stringify!($field)),
                            version: version.number,
                        });
                    }
                )*
                if version.is_compact() {
                    writer.tag_count(tags);
                    $(
                        if let Some(tag) = $crate::wire::schema::tag_number!($($key($value)),*)
                            && $crate::wire::schema::has(&($versions), version)
                            && self.$field != $crate::wire::schema::default_value!($ty; $($key($value)),*)
                        {
                            writer.tagged(tag, |writer| {
                                $crate::wire::field::Wire::encode(&self.$field, writer, version)
                            })?;
                        }
                    )*
                    writer.tag_end();
                }
                Ok(())
            }

            fn hold_back(&mut self, ms: i32) {
                $crate::wire::schema::set_throttle_time!(self, ms; $($field)*);
            }
        }

        impl $crate::wire::field::Nullable for $name {
            fn decode_nullable(
                cursor: &mut $crate::wire::cursor::Cursor<'_>,
                version: $crate::wire::field::Version,
            ) -> Result<Option<Self>, $crate::wire::error::DecodeError> {
                $crate::wire::schema::read_presence(cursor)?
                    .then(|| <Self as $crate::wire::field::Wire>::decode(cursor, version))
                    .transpose()
            }

            fn encode_nullable(
                this: Option<&Self>,
                writer: &mut $crate::wire::writer::Writer,
                version: $crate::wire::field::Version,
            ) -> Result<(), $crate::wire::error::EncodeError> {
                $crate::wire::schema::write_presence(writer, this.is_some());
                this.map_or(Ok(()), |this| $crate::wire::field::Wire::encode(this, writer, version))
            }
        }

        #[cfg(test)]
        impl $crate::wire::tests::sample::Sample for $name {
            fn sample(source: &mut $crate::wire::tests::sample::Source, version: $crate::wire::field::Version) -> Self {
                Self {
                    $(
                        $field: if !$crate::wire::schema::has(&($versions), version)
                            || $crate::wire::schema::tag_number!($($key($value)),*).is_some() && source.absent()
                        {
                            $crate::wire::schema::default_value!($ty; $($key($value)),*)
                        } else if $crate::wire::schema::has(
                            &($crate::wire::schema::null_versions!($($key($value)),*)),
                            version,
                        ) {
                            $crate::wire::tests::sample::Sample::sample_nullable(source, version)
                        } else {
                            $crate::wire::tests::sample::Sample::sample(source, version)
                        },
                    )*
                }
            }
        }
    )*};
}

pub(crate) use {default_value, lossy, null_versions, set_throttle_time, tag_number, wire_struct};

use std::ops::RangeBounds;

use super::cursor::Cursor;
use super::error::{DecodeError, EncodeError, Fault};
use super::field::{Version, Wire};
use super::writer::Writer;

/// Whether a field exists in this version.
#[inline]
pub(crate) fn has(versions: &impl RangeBounds<i16>, version: Version) -> bool {
    versions.contains(&version.number)
}

/// Reads one field.
#[inline]
pub(crate) fn read<T: Wire>(
    cursor: &mut Cursor<'_>,
    version: Version,
    null_versions: &impl RangeBounds<i16>,
    field: &'static str,
) -> Result<T, DecodeError> {
    match T::decode(cursor, version) {
        Ok(value) if value.is_null() && !has(null_versions, version) => {
            Err(DecodeError::from(Fault::NullNotAllowed).at(field))
        }
        Ok(value) => Ok(value),
        Err(error) => Err(error.at(field)),
    }
}

/// Writes one field.
#[inline]
pub(crate) fn write<T: Wire>(
    value: &T,
    writer: &mut Writer,
    version: Version,
    null_versions: &impl RangeBounds<i16>,
    field: &'static str,
) -> Result<(), EncodeError> {
    if value.is_null() && !has(null_versions, version) {
        return Err(EncodeError::NullNotAllowed { field, version: version.number });
    }
    value.encode(writer, version)
}

/// Reads the byte before a struct that may be null.
pub(crate) fn read_presence(cursor: &mut Cursor<'_>) -> Result<bool, DecodeError> {
    match cursor.array().map(i8::from_be_bytes)? {
        -1 => Ok(false),
        1 => Ok(true),
        other => Err(Fault::BadPresence(other).into()),
    }
}

/// Writes the byte before a struct that may be null.
pub(crate) fn write_presence(writer: &mut Writer, present: bool) {
    let byte: i8 = if present { 1 } else { -1 };
    writer.put(&byte.to_be_bytes());
}

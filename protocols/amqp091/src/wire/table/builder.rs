//! Making tables and arrays.

use bytes::{BufMut, BytesMut};

use super::value::Value;
use super::{Array, Table};
use crate::limits::SHORT_STRING_BYTES_MAX;
use crate::wire::error::EncodeError;

/// A table under construction. Fields keep the order in which they are put, and a name may occur twice.
#[derive(Debug, Default)]
pub struct TableBuilder {
    out: BytesMut,
    /// The first name that does not fit; `finish` tells.
    too_long: Option<usize>,
}

/// An array under construction.
#[derive(Debug, Default)]
pub struct ArrayBuilder {
    out: BytesMut,
}

impl TableBuilder {
    /// No fields yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field. A table or an array is put as its view.
    #[must_use]
    pub fn put(self, name: &str, value: Value<'_>) -> Self {
        self.put_raw(name.as_bytes(), value)
    }

    /// Adds a field whose name may be any bytes, such as one out of another table.
    #[must_use]
    pub fn put_raw(mut self, name: &[u8], value: Value<'_>) -> Self {
        match u8::try_from(name.len()) {
            Ok(length) => {
                self.out.put_u8(length);
                self.out.put_slice(name);
                value.put(&mut self.out);
            }
            Err(_) => {
                debug_assert!(name.len() > SHORT_STRING_BYTES_MAX);
                self.too_long.get_or_insert(name.len());
            }
        }
        self
    }

    /// The table.
    ///
    /// # Errors
    /// [`EncodeError::ShortStringTooLong`] for a name, [`EncodeError::Table`] for what is nested too deep or has too much in
    /// it.
    pub fn finish(self) -> Result<Table, EncodeError> {
        match self.too_long {
            Some(length) => Err(EncodeError::ShortStringTooLong { length }),
            None => Table::parse(self.out.freeze()).map_err(EncodeError::Table),
        }
    }
}

impl ArrayBuilder {
    /// No items yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an item.
    #[must_use]
    pub fn put(mut self, value: Value<'_>) -> Self {
        value.put(&mut self.out);
        self
    }

    /// The array.
    ///
    /// # Errors
    /// [`EncodeError::Table`] for what is nested too deep or has too much in it.
    pub fn finish(self) -> Result<Array, EncodeError> {
        Array::parse(self.out.freeze()).map_err(EncodeError::Table)
    }
}

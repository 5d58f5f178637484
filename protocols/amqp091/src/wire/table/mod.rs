//! Field tables and arrays: kept as they came, read where somebody looks, in order and with what occurs twice.
//!
//! | module | what it is |
//! | --- | --- |
//! | here | a table or an array that was checked, owned or borrowed |
//! | [`value`] | the types of values |
//! | `check` | that everything inside can be read, without recursion and without memory |
//! | [`builder`] | making one |

pub mod builder;
mod check;
pub mod value;

use std::fmt;

use bytes::Bytes;

pub use builder::{ArrayBuilder, TableBuilder};
pub use value::Value;

use self::check::Nest;
use super::error::TableFault;
use super::text::write_text;

/// A field table, without the length before it. Everything in it can be read: that was checked when it was made.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Table(Bytes);

/// A list of values, without the length before it. Everything in it can be read: that was checked when it was made.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Array(Bytes);

/// A table, borrowed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct TableView<'t>(&'t [u8]);

/// An array, borrowed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct ArrayView<'t>(&'t [u8]);

/// The fields of a table in their order.
#[derive(Debug, Clone)]
pub struct Fields<'t>(&'t [u8]);

/// The items of an array in their order.
#[derive(Debug, Clone)]
pub struct Items<'t>(&'t [u8]);

impl Table {
    /// The empty table.
    pub const EMPTY: Self = Self(Bytes::new());

    /// Takes the bytes behind a table's length.
    ///
    /// # Errors
    /// [`TableFault`].
    pub fn parse(bytes: Bytes) -> Result<Self, TableFault> {
        check::check(&bytes, Nest::Table)?;
        Ok(Self(bytes))
    }

    /// Bytes that are part of something that was checked.
    pub(super) fn of_checked(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The table, borrowed.
    #[must_use]
    pub fn view(&self) -> TableView<'_> {
        TableView(&self.0)
    }

    /// The fields in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        self.view().fields()
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Value<'_>> {
        self.view().get(name)
    }

    /// Whether it has no fields.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// A copy that keeps no frame alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl Array {
    /// Takes the bytes behind an array's length.
    ///
    /// # Errors
    /// [`TableFault`].
    pub fn parse(bytes: Bytes) -> Result<Self, TableFault> {
        check::check(&bytes, Nest::Array)?;
        Ok(Self(bytes))
    }

    /// The array, borrowed.
    #[must_use]
    pub fn view(&self) -> ArrayView<'_> {
        ArrayView(&self.0)
    }
}

impl<'t> TableView<'t> {
    /// The fields in their order.
    #[must_use]
    pub fn fields(self) -> Fields<'t> {
        Fields(self.0)
    }

    /// The first value of this name.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Value<'t>> {
        self.fields().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
    }

    /// Whether it has no fields.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, as they came.
    #[must_use]
    pub fn as_bytes(self) -> &'t [u8] {
        self.0
    }

    /// A copy on its own.
    #[must_use]
    pub fn to_table(self) -> Table {
        Table(Bytes::copy_from_slice(self.0))
    }

    /// Looks whether everything in the bytes behind a table's length can be read.
    ///
    /// # Errors
    /// [`TableFault`].
    pub fn parse(bytes: &'t [u8]) -> Result<Self, TableFault> {
        check::check(bytes, Nest::Table)?;
        Ok(Self(bytes))
    }

    /// Bytes that are part of something that was checked.
    pub(super) fn of_checked(bytes: &'t [u8]) -> Self {
        Self(bytes)
    }
}

impl<'t> ArrayView<'t> {
    /// The items in their order.
    #[must_use]
    pub fn items(self) -> Items<'t> {
        Items(self.0)
    }

    /// Whether it has no items.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, as they came.
    #[must_use]
    pub fn as_bytes(self) -> &'t [u8] {
        self.0
    }
}

impl<'t> Iterator for Fields<'t> {
    type Item = (&'t [u8], Value<'t>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let name = check::name(&mut self.0).expect("checked when the table was made");
        let value = Value::read(&mut self.0).expect("checked when the table was made");
        Some((name, value))
    }
}

impl<'t> Iterator for Items<'t> {
    type Item = Value<'t>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        Some(Value::read(&mut self.0).expect("checked when the array was made"))
    }
}

/// A name that prints as text.
struct Name<'t>(&'t [u8]);

impl fmt::Debug for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, self.0)
    }
}

impl fmt::Debug for TableView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.fields().map(|(name, value)| (Name(name), value))).finish()
    }
}

impl fmt::Debug for ArrayView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.items()).finish()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
mod tests;

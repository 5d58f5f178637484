//! Whether everything in a table can be read: one walk from front to back, whose memory is a short list on the stack. What is
//! nested deeper than the list is long is refused, so that no reader behind it has to fear depth.

use super::value::Value;
use crate::limits::{TABLE_DEPTH_MAX, TABLE_ENTRIES_MAX};
use crate::wire::error::{TableFault, TableFlaw, clamp};

/// What holds values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nest {
    /// Names and values.
    Table,
    /// Values.
    Array,
}

/// Why a value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Ended,
    UnknownType(u8),
}

/// A table or an array that the walk is in: what is left of it behind the current value.
#[derive(Clone, Copy)]
struct Open<'t> {
    nest: Nest,
    rest: &'t [u8],
}

/// Walks all of it.
pub(super) fn check(bytes: &[u8], nest: Nest) -> Result<(), TableFault> {
    let mut open = [Open { nest, rest: &[] }; TABLE_DEPTH_MAX];
    open[0].rest = bytes;
    let (mut depth, mut entries) = (0, 0);
    loop {
        let here = &mut open[depth];
        if here.rest.is_empty() {
            match depth.checked_sub(1) {
                Some(outer) => depth = outer,
                None => return Ok(()),
            }
            continue;
        }
        let at = here.rest;
        let fault = |flaw| fault(bytes, at, flaw);
        entries += 1;
        if entries > TABLE_ENTRIES_MAX {
            return Err(fault(TableFlaw::TooMany));
        }
        let value = entry(here).map_err(|stop| fault(stop.into()))?;
        if let Some(inner) = inside(value) {
            depth += 1;
            *open.get_mut(depth).ok_or_else(|| fault(TableFlaw::TooDeep))? = inner;
        }
    }
}

/// The next value, and its name before it.
fn entry<'t>(open: &mut Open<'t>) -> Result<Value<'t>, Stop> {
    if open.nest == Nest::Table {
        name(&mut open.rest)?;
    }
    Value::read(&mut open.rest)
}

fn inside(value: Value<'_>) -> Option<Open<'_>> {
    match value {
        Value::Table(table) => Some(Open { nest: Nest::Table, rest: table.as_bytes() }),
        Value::Array(array) => Some(Open { nest: Nest::Array, rest: array.as_bytes() }),
        _ => None,
    }
}

/// The name of a field: any bytes, as with RabbitMQ.
pub(super) fn name<'t>(rest: &mut &'t [u8]) -> Result<&'t [u8], Stop> {
    let (&length, behind) = rest.split_first().ok_or(Stop::Ended)?;
    *rest = behind;
    take(rest, usize::from(length))
}

pub(super) fn take<'t>(rest: &mut &'t [u8], length: usize) -> Result<&'t [u8], Stop> {
    let (head, behind) = rest.split_at_checked(length).ok_or(Stop::Ended)?;
    *rest = behind;
    Ok(head)
}

/// `at` is a tail of some slice of `whole`, so the distance between their beginnings is where it stands.
#[cold]
fn fault(whole: &[u8], at: &[u8], flaw: TableFlaw) -> TableFault {
    TableFault { flaw, at: clamp(at.as_ptr().addr() - whole.as_ptr().addr()) }
}

impl From<Stop> for TableFlaw {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Ended => Self::Ended,
            Stop::UnknownType(octet) => Self::UnknownType(octet),
        }
    }
}

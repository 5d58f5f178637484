//! Charts and the page of figures, drawn from the records.

pub mod metric;
pub mod results;
pub mod spread;
pub mod text;

#[cfg(test)]
pub(crate) mod fixture;

use crate::failure::Failure;
use crate::place::Place;

/// Draws everything anew from the records of this machine.
pub fn run(place: &Place) -> Result<(), Failure> {
    Err(Failure::new(format!("there is no report of {} yet", place.records().display())))
}

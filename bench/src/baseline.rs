//! What has moved since the last recorded run on this machine.

use crate::failure::Failure;
use crate::place::Place;

/// Compares the newest records with those before them.
pub fn run(place: &Place) -> Result<(), Failure> {
    Err(Failure::new(format!("there is no comparison of {} yet", place.records().display())))
}

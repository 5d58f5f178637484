//! What has moved since the last recorded run on this machine.

use clap::Args;

use crate::failure::Failure;
use crate::place::Place;

/// What `bench baseline` is told.
#[derive(Args, Clone, Debug, Default)]
pub struct BaselineArguments {}

/// Compares the newest records with those before them.
pub fn run(place: &Place, _arguments: &BaselineArguments) -> Result<(), Failure> {
    Err(Failure::new(format!("there is no comparison of {} yet", place.records().display())))
}

//! The codec against itself, and against its own documentation.

mod cost;
mod document;
mod errors;
mod round_trip;
pub(crate) mod sample;

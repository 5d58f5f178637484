//! The codec against an independent one, against itself, and against its own documentation.

mod cost;
mod document;
mod errors;
mod oracle;
mod round_trip;
pub(crate) mod sample;

//! The codec against an independent one, against itself, and against hostile bytes.

mod apache;
mod cost;
mod hostile;
mod oracle;
mod round_trip;
pub(crate) mod sample;
mod table;

//! The codec against an independent one, against itself, and against hostile bytes.

mod oracle;
pub(crate) mod sample;

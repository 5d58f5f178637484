//! The forebay binary.
#![forbid(unsafe_code)]
fn main() {}

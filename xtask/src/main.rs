//! The tooling of the project, in Rust.
#![forbid(unsafe_code)]
fn main() {}

//! Black-box tests: real clients against the real binary.
#![forbid(unsafe_code)]

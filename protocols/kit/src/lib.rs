//! The contract between a wire protocol and the broker.
#![forbid(unsafe_code)]

//! Puts a node together: configuration, registry, start, drain, stop.
#![forbid(unsafe_code)]

pub mod config;

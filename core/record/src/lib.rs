//! The stored batch layout: header, patch, iterate, keys, compression.
#![forbid(unsafe_code)]

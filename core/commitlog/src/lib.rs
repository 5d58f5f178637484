//! Segmented, checksummed, append-only files and their indexes.
#![deny(unsafe_code)]

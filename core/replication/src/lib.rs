//! Raft over the commit log.
#![forbid(unsafe_code)]

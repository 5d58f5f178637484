//! A whole cluster with clients in one thread, from a seed.
#![forbid(unsafe_code)]

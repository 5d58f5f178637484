//! The replicated state: catalogue, partitions, producers, groups; pure and deterministic.
#![forbid(unsafe_code)]

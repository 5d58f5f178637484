//! One shard: mailbox, propose, flush, apply, deliver.
#![forbid(unsafe_code)]

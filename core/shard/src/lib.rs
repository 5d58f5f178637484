//! One shard: a Raft group, its log, its machine, and the one thread of work that serves them.
//!
//! [`Shard::turn`] does everything; [`Mailbox`] is how other threads reach it; [`Board`] is what it says of itself.
#![forbid(unsafe_code)]

mod ahead;
mod apply;
mod archive;
mod barrier;
mod big;
mod board;
mod checkpoint;
mod cold;
mod compaction;
pub mod coordinator;
mod crowd;
mod delivery;
mod draft;
mod end;
pub mod entry;
pub mod fuzz;
mod group;
mod guard;
mod hot;
mod housekeeping;
mod index;
mod intake;
mod keys;
mod log_clock;
mod mailbox;
mod membership;
#[cfg(test)]
#[allow(dead_code, reason = "the stories use the rest of it")]
#[path = "../tests/stories/memory_disk.rs"]
mod memory_disk;
mod metrics;
mod pace;
mod pending;
mod planted;
mod propose;
mod provision;
mod reach;
mod read;
mod reclaim;
mod refuse_group;
mod relay;
mod retention;
mod scrub;
mod sealed;
mod shard;
mod sharing;
mod stamp;
mod summary;
mod transaction;
mod trim;
mod waiting;
mod work;
mod write;

pub use board::{Board, ShardStatus};
pub use checkpoint::RestoreError;
pub use cold::ColdDone;
pub use compaction::CompactionDone;
pub use delivery::{Attendee, BeginDone, Consumer, ReceiveDone};
pub use forebay_record::{PropertyReaders, ReadProperties, message_batch};
pub use guard::{DiskGuard, GuardState};
pub use intake::{check_timestamps, compressed, takes_long};
pub use keys::check_keys;
pub use log_clock::StepPolicy;
pub use mailbox::{
    Lane, Left, MAILBOX_ITEMS_MAX, MAILBOX_READS_MAX, Mailbox, Parcel, Room, Source, Taken, Wake,
};
pub use membership::{MembersOrder, MembersReply, MembersRequest, MembersView};
pub use metrics::ShardMetrics;
pub use reclaim::{CarriedOut, ReclaimDone, Surveyed};
pub use refuse_group::refuse_group;
pub use relay::{ENDS_AWAITED_MAX, Passed, RELAYS_PASSED_BYTES_MAX, RELAYS_PASSED_MAX};
pub use retention::RetentionDone;
pub use scrub::ScrubDone;
pub use shard::{
    Answers, Done, Fittings, Hooks, NextTurn, Shard, ShardConfig, ShardMailbox, ShardOpenError, TICK,
};
pub use summary::{
    CursorSummary, GroupSummary, PartitionSummary, SUMMARY_CURSORS_MAX, SUMMARY_INTERVAL,
    SUMMARY_PARTITIONS_MAX, Summary,
};
pub use trim::TrimDone;
pub use work::{
    Answer, Append, Counted, FetchItemWork, FetchWork, FindEpochEndWork, FindOffsetWork, Proposed, Read,
    ReceiveItemWork, ReceiveWork, SettleItemWork, SettleWork, SharingAnswer, SharingWork, SubscriptionWork,
    TransactionAnswer, TransactionWork, Trim, Work,
};

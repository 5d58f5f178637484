//! Publishing.

use bytes::Bytes;

use crate::transaction::InTransaction;
use crate::{Offset, PartitionRef, Refusal, Timestamp};

/// When a publish is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// To the session only, as soon as its fate is known: the client hears nothing. A session that wants to can hold back or
    /// close the connection.
    None,
    /// When the leader has it as durable as its shard's class says.
    Leader,
    /// When a majority has.
    Quorum,
}

/// What a payload is. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum PayloadKind {
    /// A record batch in the v2 layout, stored as it came.
    RecordBatch = 1,
    /// Our own batch of messages with raw foreign properties.
    MessageBatch = 2,
}

/// Publishes to any number of partitions; each item is accepted or refused by itself.
#[derive(Clone, Debug)]
pub struct Publish {
    /// What to append where. Items for one partition keep their order.
    pub items: Vec<PublishItem>,
    /// When to answer.
    pub confirm: Confirm,
    /// The transaction of those batches that belong to one; they belong to the same.
    pub transaction: Option<InTransaction>,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// One payload for one partition. The session has checked the payload's framing and checksum.
#[derive(Clone, Debug)]
pub struct PublishItem {
    /// Where to.
    pub partition: PartitionRef,
    /// What it is.
    pub kind: PayloadKind,
    /// The batch, verbatim.
    pub payload: Bytes,
    /// What it is to an import, if it is part of one.
    pub import: Option<Box<Import>>,
}

/// What an item is to an import: the records of a partition are taken over from another log, at the offsets that they have there.
/// A partition under import takes nothing else. Such an item is answered with where the partition ends, but for a batch with
/// where that begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    /// Puts the partition under import, or goes on with the import from the same source; the payload is empty.
    Begin {
        /// Where the records come from, in the importer's own words.
        source: String,
        /// The first offset that the source has: a partition that ends before it begins and ends here.
        start: Offset,
    },
    /// The payload is a batch of the source, which brings its own offset.
    Batch {
        /// Where the partition has to end for it. What lies between is a gap of the source.
        after: Offset,
    },
    /// Ends the import; the payload is empty.
    End {
        /// Where the partition has to end.
        end: Offset,
    },
}

/// The fate of one item.
pub type Published = Result<Appended, Refusal>;

/// Where an item was stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record.
    pub base_offset: Offset,
    /// The partition's first readable offset.
    pub start_offset: Offset,
    /// The append's time, where the topic uses it; else none.
    pub append_time: Option<Timestamp>,
}

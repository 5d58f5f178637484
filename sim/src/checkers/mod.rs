//! The promises, one file each. A checker hears what clients hear and looks at disks and states; the first broken promise
//! ends the run.

mod cursors;
mod duplicates;
mod durable;
mod ends;
mod fences;
mod gaps;
mod liveness;
mod lost;
mod newest;
mod offsets;
mod order;
mod owners;
mod refused;
mod replicas;
mod retention;
mod shared;
mod unserved;

use bytes::Bytes;
use forebay_model::fetch::FetchedRecords;
use forebay_record::batch::{BatchHeader, Batches, Records, verify};

pub use cursors::Cursors;
pub use durable::{NEWEST_FILES, is_on_a_majority};
pub use ends::Ends;
pub use fences::check as check_fences;
pub use liveness::Deadlines;
pub use newest::{Newest, STAYS, Seen, Stay, TOMBSTONES};
pub use owners::{ONE_OWNER, Owners};
pub use replicas::{Replicas, segments_agree};
pub use shared::{NEVER_AGAIN, NONE_LOST, NOT_MORE_OFTEN, Shared, settled_of};

use crate::history::{BatchId, History, Place, Uid, uid_of};

/// What [`Ends`] promises.
pub const NOTHING_OPEN: &str = "nothing of a transaction is seen before its commit";
/// A transaction's records and its cursors are there together, or not at all.
pub const WHOLE: &str = "a transaction is whole or nothing";

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which promise.
    pub promise: &'static str,
    /// What was seen.
    pub what: String,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// What a check says.
pub type Check = Result<(), Broken>;

pub(crate) fn broken(promise: &'static str, what: String) -> Check {
    Err(Broken { promise, what })
}

/// One batch that a reader was served.
pub(crate) struct ReadBatch {
    pub(crate) base: u64,
    pub(crate) last: u64,
    pub(crate) epoch: i32,
    pub(crate) records: Vec<(u64, Uid)>,
}

/// A producer was told that a batch is stored at `base`.
pub fn confirmed(history: &mut History, batch: BatchId, base: u64, start: u64, now_ms: i64) -> Check {
    let sent = history.sent(batch).clone();
    if sent.confirmed.is_none() {
        history.sent(batch).confirmed = Some(base);
    }
    retention::start_moved(history, sent.place, start, now_ms)?;
    for record in 0..sent.count {
        let (offset, uid) = (base + u64::from(record), Uid::new(batch, record));
        learn(history, sent.place, offset, uid)?;
        if let Some(fact) = history.known(sent.place).facts.get_mut(&offset) {
            fact.confirmed = true;
        }
    }
    Ok(())
}

/// A producer was told that a batch is stored, and not where.
pub fn confirmed_somewhere(history: &mut History, batch: BatchId) {
    history.sent(batch).confirmed_somewhere = true;
}

/// Every attempt to store a batch was refused by an answer that promises that nothing of it took effect.
pub fn refused_for_good(history: &mut History, batch: BatchId) -> Check {
    refused::nowhere(history, batch)
}

/// A reader that asked for `wanted` was served this.
pub fn read(
    history: &mut History,
    place: Place,
    wanted: u64,
    fetched: &FetchedRecords,
    now_ms: i64,
) -> Check {
    retention::start_moved(history, place, fetched.start_offset.0, now_ms)?;
    let batches = decode(&fetched.records)?;
    gaps::contiguous(place, wanted, fetched.high_watermark.0, &batches)?;
    for batch in &batches {
        offsets::epochs_rise(history, place, batch)?;
        for (offset, uid) in &batch.records {
            learn(history, place, *offset, *uid)?;
            refused::may_be_read(history, *uid)?;
            if let Some(fact) = history.known(place).facts.get_mut(offset) {
                fact.read = true;
            }
        }
    }
    Ok(())
}

/// A reader was told that the partition holds `start..=end` only. `wanted` is what it asked for, if that was known to exist
/// then.
pub fn out_of_range(
    history: &mut History,
    place: Place,
    wanted: Option<u64>,
    start: u64,
    end: u64,
    now_ms: i64,
) -> Check {
    retention::start_moved(history, place, start, now_ms)?;
    match wanted {
        Some(wanted) => lost::may_be_out_of_range(history, place, wanted, start, end),
        None => Ok(()),
    }
}

/// After everything was healed, a partition was read from `start` to its end; `next` is the offset behind the last
/// record.
pub fn read_to_the_end(history: &mut History, place: Place, next: u64) -> Check {
    lost::nothing_missing(history, place, next)?;
    lost::nothing_unseen(history, place)?;
    unserved::nothing_vanished(history, place, next)
}

/// The offset behind the last record that was served; nothing when none was.
pub fn end_of(fetched: &FetchedRecords) -> Option<u64> {
    let last = Batches::new(Bytes::from(fetched.records.concat())).last()?.ok()?;
    let header = BatchHeader::peek(&last).ok()?;
    Some(u64::try_from(header.base_offset).ok()? + header.offset_count())
}

fn learn(history: &mut History, place: Place, offset: u64, uid: Uid) -> Check {
    offsets::belongs(history, place, uid)?;
    offsets::used_once(history, place, offset, uid)?;
    duplicates::stored_once(history, place, offset, uid)?;
    order::kept(history, place, offset, uid)
}

fn decode(pieces: &[Bytes]) -> Result<Vec<ReadBatch>, Broken> {
    let damaged = |what: String| Broken { promise: "damage is never served", what };
    let bytes = Bytes::from(pieces.concat());
    let mut all = Vec::new();
    for batch in Batches::new(bytes) {
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        verify(&batch).map_err(|error| damaged(error.to_string()))?;
        let header = BatchHeader::peek(&batch).map_err(|error| damaged(error.to_string()))?;
        let mut records = Vec::new();
        for record in Records::open(&batch, 1 << 20).map_err(|error| damaged(error.to_string()))? {
            let record = record.map_err(|error| damaged(error.to_string()))?;
            let uid = record.value.as_deref().and_then(uid_of);
            let uid =
                uid.ok_or_else(|| damaged(format!("the value at offset {} is nobody's", record.offset)))?;
            records.push((record.offset.0, uid));
        }
        let base = u64::try_from(header.base_offset).map_err(|_| damaged("a negative offset".into()))?;
        let last = base + header.offset_count() - 1;
        all.push(ReadBatch { base, last, epoch: header.leader_epoch, records });
    }
    Ok(all)
}

//! Which records a partition no longer has to keep.

use forebay_model::{LogTime, Offset, Timestamp};

use crate::Partition;

/// What the index knows of a run: consecutive payloads of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunSummary {
    /// The offset behind its last record.
    pub end: Offset,
    /// The greatest timestamp in it; -1 when there is none.
    pub max_timestamp: Timestamp,
    /// A log time at or after all its appends: decides for records without a timestamp. `None` when not known; such a
    /// run without timestamps is not too old.
    pub appended_by: Option<LogTime>,
    /// Its bytes.
    pub bytes: u64,
}

/// A trim that retention allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimDue {
    /// The first offset to keep.
    pub start: Offset,
    /// Bytes that become dead.
    pub bytes: u64,
}

/// How far a partition may be trimmed at log time `now`. `runs` are its runs from its start on, in offset order, without
/// those that the caller does not want to give up yet. Whole runs only: a run goes when its newest record is older than
/// the time kept, or when the partition would still hold at least the bytes kept without it, or when the consumers of the queue that it
/// is have settled everything before `settled`. A record from the future is not old, and never makes another partition's records old.
pub fn retention_due(
    partition: &Partition,
    now: LogTime,
    settled: Offset,
    runs: impl IntoIterator<Item = RunSummary>,
) -> Option<TrimDue> {
    let settings = &partition.settings;
    let mut due: Option<TrimDue> = None;
    let mut live = partition.bytes;
    for run in runs {
        let old = settings.retention_ms.is_some_and(|ms| is_old(&run, now, ms));
        let too_many = settings.retention_bytes.is_some_and(|kept| live.saturating_sub(run.bytes) >= kept);
        let is_settled = settings.queue.is_some() && run.end <= settled;
        if !old && !too_many && !is_settled {
            break;
        }
        live = live.saturating_sub(run.bytes);
        let bytes = due.map_or(0, |due| due.bytes) + run.bytes;
        due = Some(TrimDue { start: run.end.min(partition.end), bytes });
    }
    due.filter(|due| due.start > partition.start)
}

fn is_old(run: &RunSummary, now: LogTime, kept_ms: u64) -> bool {
    let written = match run.max_timestamp {
        Timestamp(ms) if ms >= 0 => Some(ms),
        _ => run.appended_by.map(|time| time.0),
    };
    written.is_some_and(|ms| ms.saturating_add_unsigned(kept_ms) < now.0)
}

//! Finds segments of which little or nothing is alive. Runs on a background thread, on a picture taken by the leader.

use std::collections::{BTreeMap, BTreeSet};

use forebay_commitlog::{Fault, Generation, IndexEntry, PartitionRun, SegmentId, Sidecar};
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, Offset, PartitionId, Ratio, SlotNumber};

use crate::archive::{Archive, ArchiveError};
use crate::compaction::DeadPicture;
use crate::entry::decode_parts;
use crate::reclaim::choose::{Choice, choose};
use crate::reclaim::segments::Segments;
use crate::reclaim::settled::SettledPicture;
use crate::sealed;

/// A segment is copied forward when less than one in this many of its bytes is alive.
const LIVE_FRACTION: u64 = 2;

/// Up to this length a segment may be framing for the greater part.
const FRAMING_BYTES_MAX: u64 = 64 << 10;

/// What a survey works on.
pub(crate) struct Survey {
    pub(crate) archive: Archive,
    /// The segments that count: a decision about any other is void.
    pub(crate) segments: Segments,
    /// Per partition that exists, the first offset that lives.
    pub(crate) starts: BTreeMap<PartitionId, Offset>,
    /// Entries with parts that no sidecar has yet.
    pub(crate) big_in_memory: Vec<forebay_machine::IndexEntry>,
    /// Nothing from this entry on is judged.
    pub(crate) parts_from: LogIndex,
    /// What compaction found to be dead.
    pub(crate) dead: DeadPicture,
    /// What the consumers of queues have settled behind where these begin.
    pub(crate) settled: SettledPicture,
    /// Whether segments may be rewritten for compaction alone.
    pub(crate) may_rewrite: bool,
}

/// The pieces of living big payloads, as far as they were looked for.
#[derive(Default)]
pub(crate) struct LiveParts(BTreeSet<(LogIndex, SlotNumber, u32)>);

impl LiveParts {
    pub(crate) fn of(
        &self,
        first: LogIndex,
        last: LogIndex,
    ) -> impl Iterator<Item = &(LogIndex, SlotNumber, u32)> {
        self.0.range((first, SlotNumber(0), 0)..=(last, SlotNumber(u32::MAX), u32::MAX))
    }
}

pub(crate) fn survey(job: &Survey) -> Result<Choice, String> {
    job.survey().map_err(|error| error.to_string())
}

/// A candidate: its id and what of its own records lives.
pub(crate) struct Candidate {
    pub(crate) id: SegmentId,
    pub(crate) last: LogIndex,
    /// Length of its file.
    pub(crate) bytes: u64,
    /// What its index entries account for.
    pub(crate) indexed_bytes: u64,
    /// What of that lies behind the starts of its partitions.
    pub(crate) live_bytes: u64,
    /// Of how much of that compaction says that it is dead, or consumers of a queue that they need it no more.
    pub(crate) compacted_bytes: u64,
    /// The partitions that live on, and where they begin.
    pub(crate) starts: Vec<(PartitionId, Offset)>,
    /// Compaction says of some of it that it has to go, or that so much may be dead and no more.
    pub(crate) compaction: Urgency,
}

/// How much compaction wants a segment to be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// It has found nothing in it.
    None,
    /// When this share of the segment is dead.
    From(Ratio),
    /// Whatever it costs.
    Due,
}

/// Why a segment is worth being rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It is not.
    None,
    /// It is mostly dead.
    Space,
    /// Compaction wants it to be.
    Compaction,
}

impl Candidate {
    /// Whether it is worth being rewritten if so many of its own bytes are dead by compaction, and so many bytes of others' parts live.
    pub(crate) fn worth(&self, compacted_bytes: u64, part_bytes: u64) -> Worth {
        let live = self.live_bytes.saturating_sub(compacted_bytes) + part_bytes;
        let dead = self.indexed_bytes.saturating_sub(self.live_bytes) + compacted_bytes;
        let by_compaction = match self.compaction {
            _ if compacted_bytes == 0 => false,
            Urgency::None => false,
            Urgency::From(ratio) => ratio.is_reached(dead, self.bytes),
            Urgency::Due => true,
        };
        // What was copied forward has nothing left but what lived then: of a short one half may be framing.
        let may_shrink = self.id.generation == Generation(0) || dead > 0 || self.bytes > FRAMING_BYTES_MAX;
        match (may_shrink && live * LIVE_FRACTION < self.bytes, by_compaction) {
            (true, _) => Worth::Space,
            (false, true) => Worth::Compaction,
            (false, false) => Worth::None,
        }
    }
}

impl Urgency {
    /// The greater of two.
    fn or(self, other: Urgency) -> Urgency {
        match (self, other) {
            (Urgency::Due, _) | (_, Urgency::Due) => Urgency::Due,
            (Urgency::From(a), Urgency::From(b)) => Urgency::From(a.min(b)),
            (Urgency::None, other) | (other, Urgency::None) => other,
        }
    }
}

impl Survey {
    fn survey(&self) -> Result<Choice, ArchiveError> {
        let mut candidates = Vec::new();
        for segment in self.archive.reader.segments() {
            if !self.segments.count(segment.id) {
                continue;
            }
            let Some(sidecar) = self.archive.reader.sidecar(segment.id) else { continue };
            let last = sidecar.summary().last.index;
            if last >= self.parts_from {
                break;
            }
            match self.weigh(segment.id, last, &sidecar) {
                Ok(found) if found.worth(found.compacted_bytes, 0) != Worth::None => candidates.push(found),
                Ok(_) => {}
                Err(fault) => spare_up_to(segment.id, &fault, &mut candidates),
            }
        }
        let parts = self.live_parts(&mut candidates)?;
        Ok(choose(self, &candidates, &parts))
    }

    /// How much of a segment's own records is alive.
    fn weigh(&self, id: SegmentId, last: LogIndex, sidecar: &Sidecar) -> Result<Candidate, Fault> {
        let mut candidate = Candidate {
            id,
            last,
            bytes: sidecar.summary().bytes,
            indexed_bytes: sidecar.summary().live_bytes,
            live_bytes: 0,
            compacted_bytes: 0,
            starts: Vec::new(),
            compaction: Urgency::None,
        };
        sidecar.for_each_partition::<Fault>(|run: PartitionRun| {
            let Some(start) = self.starts.get(&run.partition).filter(|start| **start < run.end_offset) else {
                return Ok(());
            };
            candidate.starts.push((run.partition, *start));
            let live =
                if *start <= run.first_offset { run.live_bytes } else { tail_bytes(sidecar, &run, *start)? };
            candidate.live_bytes += live;
            if let Some((dead, urgency)) = self.dead.of(id, run.partition) {
                candidate.compacted_bytes += dead.bytes.min(live);
                candidate.compaction = candidate.compaction.or(urgency);
            }
            if let Some(settled) = self.settled.of(sidecar, run.partition, *start)? {
                candidate.compacted_bytes += settled.bytes.min(live);
            }
            Ok(())
        })?;
        Ok(candidate)
    }

    /// The pieces of living big payloads that may lie in the candidates.
    fn live_parts(&self, candidates: &mut Vec<Candidate>) -> Result<LiveParts, ArchiveError> {
        let Some(first) = candidates.first().map(|candidate| candidate.id.first) else {
            return Ok(LiveParts::default());
        };
        let mut big = Vec::new();
        for segment in self.archive.reader.segments().into_iter().filter(|segment| segment.id.first >= first)
        {
            let Some(sidecar) = self.archive.reader.sidecar(segment.id) else { continue };
            let found = sidecar.for_each_entry::<Fault>(|line| {
                if line.bytes as usize > PART_BYTES_MAX && self.lives(&line) {
                    big.push((line.log_index, line.slot));
                }
                Ok(())
            });
            if let Err(fault) = found {
                spare_up_to(segment.id, &fault, candidates);
                // Their pieces lie before them too.
                big.clear();
            }
        }
        for entry in &self.big_in_memory {
            if self.lives(&sealed::line(entry)) {
                big.push((entry.log_index, entry.slot));
            }
        }
        let mut parts = LiveParts::default();
        for (index, slot) in big {
            let list = self.archive.reader.read_slot(index, slot)?;
            let list = decode_parts(&list).map_err(|malformed| ArchiveError::Damaged(malformed.0.into()))?;
            parts.0.extend(list.iter().map(|part| (part.index, part.slot, part.bytes)));
        }
        Ok(parts)
    }

    fn lives(&self, line: &IndexEntry) -> bool {
        self.starts.get(&line.partition).is_some_and(|start| *start < line.end_offset())
            && !self.settled.takes(line)
    }
}

/// The pieces of the big payloads in a segment lie before it. Where its index is damaged nobody knows which they are:
/// nothing up to there may be judged. What comes after it can.
fn spare_up_to(damaged: SegmentId, fault: &Fault, candidates: &mut Vec<Candidate>) {
    tracing::error!(%fault, "an index is damaged: no space up to its segment is given back");
    candidates.retain(|candidate| candidate.id.first > damaged.first);
}

/// Bytes of a run that lie at or behind `start`.
fn tail_bytes(sidecar: &Sidecar, run: &PartitionRun, start: Offset) -> Result<u64, Fault> {
    let lines = sidecar.scan(run.partition, start, usize::try_from(run.entries).unwrap_or(usize::MAX))?;
    Ok(lines.iter().map(|line| u64::from(line.bytes)).sum())
}

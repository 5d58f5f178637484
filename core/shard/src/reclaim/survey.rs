//! Finds segments of which little or nothing is alive. Runs on a background thread, on a picture taken by the leader.

use std::collections::{BTreeMap, BTreeSet};

use forebay_commitlog::{Fault, PartitionRun, SegmentId, Sidecar};
use forebay_machine::IndexEntry;
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber};

use crate::archive::Archive;
use crate::entry::decode_parts;
use crate::reclaim::decision::{DECISION_BYTES_MAX, Decision, Named, Rewrite, SEGMENT_BYTES};
use crate::reclaim::segments::Segments;

/// A segment is copied forward when less than one in this many of its bytes is alive.
const LIVE_FRACTION: u64 = 2;
/// Segments copied forward by one decision.
const REWRITES_MAX: usize = 16;
/// Segments unlinked by one decision.
const UNLINKS_MAX: usize = 1024;

/// What a survey works on.
pub(crate) struct Survey {
    pub(crate) archive: Archive,
    /// The segments that count: a decision about any other is void.
    pub(crate) segments: Segments,
    /// Per partition that exists, the first offset that lives.
    pub(crate) starts: BTreeMap<PartitionId, Offset>,
    /// Entries with parts that no sidecar has yet.
    pub(crate) big_in_memory: Vec<IndexEntry>,
    /// Nothing from this entry on is judged.
    pub(crate) parts_from: LogIndex,
}

/// The pieces of living big payloads, as far as they were looked for.
#[derive(Default)]
struct LiveParts(BTreeSet<(LogIndex, SlotNumber, u32)>);

impl LiveParts {
    fn of(&self, first: LogIndex, last: LogIndex) -> impl Iterator<Item = &(LogIndex, SlotNumber, u32)> {
        self.0.range((first, SlotNumber(0), 0)..=(last, SlotNumber(u32::MAX), u32::MAX))
    }
}

pub(crate) fn survey(job: &Survey) -> Result<Option<Decision>, String> {
    job.survey().map_err(|error| error.to_string())
}

/// A candidate: its id and what of its own records lives.
struct Candidate {
    id: SegmentId,
    last: LogIndex,
    bytes: u64,
    live_bytes: u64,
    starts: Vec<(PartitionId, Offset)>,
}

impl Survey {
    fn survey(&self) -> Result<Option<Decision>, crate::archive::ArchiveError> {
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
                Ok(found) if found.live_bytes * LIVE_FRACTION < found.bytes => candidates.push(found),
                Ok(_) => {}
                Err(fault) => spare_up_to(segment.id, &fault, &mut candidates),
            }
        }
        let parts = self.live_parts(&mut candidates)?;
        if candidates.is_empty() {
            return Ok(None);
        }
        Ok(decide(&candidates, &parts))
    }

    /// How much of a segment's own records is alive.
    fn weigh(&self, id: SegmentId, last: LogIndex, sidecar: &Sidecar) -> Result<Candidate, Fault> {
        let bytes = sidecar.summary().bytes;
        let mut candidate = Candidate { id, last, bytes, live_bytes: 0, starts: Vec::new() };
        sidecar.for_each_partition::<Fault>(|run: PartitionRun| {
            let Some(start) = self.starts.get(&run.partition).filter(|start| **start < run.end_offset) else {
                return Ok(());
            };
            candidate.starts.push((run.partition, *start));
            candidate.live_bytes +=
                if *start <= run.first_offset { run.live_bytes } else { tail_bytes(sidecar, &run, *start)? };
            Ok(())
        })?;
        Ok(candidate)
    }

    /// The pieces of living big payloads that may lie in the candidates.
    fn live_parts(&self, candidates: &mut Vec<Candidate>) -> Result<LiveParts, crate::archive::ArchiveError> {
        let Some(first) = candidates.first().map(|candidate| candidate.id.first) else {
            return Ok(LiveParts::default());
        };
        let mut big = Vec::new();
        for segment in self.archive.reader.segments().into_iter().filter(|segment| segment.id.first >= first)
        {
            let Some(sidecar) = self.archive.reader.sidecar(segment.id) else { continue };
            let found = sidecar.for_each_entry::<Fault>(|line| {
                if line.bytes as usize > PART_BYTES_MAX && self.lives(line.partition, line.end_offset()) {
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
            if self.lives(entry.partition, Offset(entry.first_offset.0 + u64::from(entry.count))) {
                big.push((entry.log_index, entry.slot));
            }
        }
        let mut parts = LiveParts::default();
        for (index, slot) in big {
            let list = self.archive.reader.read_slot(index, slot)?;
            let list = decode_parts(&list)
                .map_err(|malformed| crate::archive::ArchiveError::Damaged(malformed.0.into()))?;
            parts.0.extend(list.iter().map(|part| (part.index, part.slot, part.bytes)));
        }
        Ok(parts)
    }

    fn lives(&self, partition: PartitionId, end: Offset) -> bool {
        self.starts.get(&partition).is_some_and(|start| *start < end)
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

fn decide(candidates: &[Candidate], parts: &LiveParts) -> Option<Decision> {
    let mut decision = Decision::default();
    let mut bytes = 16;
    for candidate in candidates {
        let segment = Named { first: candidate.id.first, generation: candidate.id.generation };
        let own: Vec<_> = parts.of(candidate.id.first, candidate.last).collect();
        if candidate.starts.is_empty() && own.is_empty() {
            if decision.unlink.len() < UNLINKS_MAX {
                decision.unlink.push(segment);
                bytes += SEGMENT_BYTES;
            }
            continue;
        }
        let live = candidate.live_bytes + own.iter().map(|(_, _, bytes)| u64::from(*bytes)).sum::<u64>();
        if live * LIVE_FRACTION >= candidate.bytes || decision.rewrite.len() >= REWRITES_MAX {
            continue;
        }
        let rewrite = Rewrite {
            segment,
            starts: candidate.starts.clone(),
            parts: own.iter().map(|(index, slot, _)| (*index, *slot)).collect(),
        };
        bytes += rewrite.encoded_len();
        if bytes > DECISION_BYTES_MAX {
            break;
        }
        decision.rewrite.push(rewrite);
    }
    (decision != Decision::default()).then_some(decision)
}

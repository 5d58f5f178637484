//! Carries a decision out on this replica's files. Runs on a background thread.

use std::collections::BTreeMap;

use forebay_commitlog::{
    IndexEntry, Judge, Keeper, Liveness, Reader, ReclaimError, SegmentId, Sidecar, SlotKind,
};
use forebay_model::{LogIndex, Offset, PartitionId, SlotNumber};

use crate::entry::SLOT_PART;
use crate::reclaim::decision::{Decision, Named, Rewrite};

/// Unlinks and copies forward what the decision names; answers how many bytes that gave back. What cannot be done here is
/// passed over: it costs space only. A failed write fences the log by itself.
pub(crate) fn carry_out(keeper: &Keeper, reader: &Reader, decision: &Decision) -> Result<u64, String> {
    let mut freed = 0;
    let mut failed = None;
    for segment in &decision.unlink {
        // By its place in the log: a replica that missed a rewrite has an older generation of it.
        let Some(id) = present(reader, segment.first) else { continue };
        match keeper.unlink(&[id]) {
            Ok(bytes) => freed += bytes,
            Err(error) => note(&mut failed, &error),
        }
    }
    for rewrite in &decision.rewrite {
        match copy_forward(keeper, reader, rewrite) {
            Ok(bytes) => freed += bytes,
            Err(error) => note(&mut failed, &error),
        }
    }
    match failed {
        Some(error) => Err(format!("{error} ({freed} bytes were given back all the same)")),
        None => Ok(freed),
    }
}

fn note(failed: &mut Option<String>, error: &ReclaimError) {
    failed.get_or_insert_with(|| error.to_string());
}

fn present(reader: &Reader, first: LogIndex) -> Option<SegmentId> {
    reader.segments().into_iter().map(|segment| segment.id).find(|id| id.first == first)
}

fn copy_forward(keeper: &Keeper, reader: &Reader, rewrite: &Rewrite) -> Result<u64, ReclaimError> {
    let Named { first, generation } = rewrite.segment;
    let Some(old) = present(reader, first).filter(|id| id.generation == generation) else { return Ok(0) };
    let Some(sidecar) = reader.sidecar(old) else { return Err(ReclaimError::NoSidecar(old)) };
    let mut survivors = Survivors::of(rewrite, &sidecar)?;
    let new = keeper.rewrite(old, &mut survivors)?;
    keeper.replace(old, new.id)
}

/// What survives, as the decision says.
struct Survivors<'a> {
    starts: BTreeMap<PartitionId, Offset>,
    parts: &'a [(LogIndex, SlotNumber)],
    /// Slots that a surviving index entry points to; ascending.
    slots: Vec<(LogIndex, SlotNumber)>,
}

impl<'a> Survivors<'a> {
    fn of(rewrite: &'a Rewrite, sidecar: &Sidecar) -> Result<Survivors<'a>, ReclaimError> {
        let starts = rewrite.starts.iter().copied().collect();
        let mut survivors = Survivors { starts, parts: &rewrite.parts, slots: Vec::new() };
        let mut slots = Vec::new();
        sidecar.for_each_entry::<ReclaimError>(|line| {
            if survivors.lives(&line) {
                slots.push((line.log_index, line.slot));
            }
            Ok(())
        })?;
        slots.sort_unstable();
        slots.dedup();
        survivors.slots = slots;
        Ok(survivors)
    }

    fn lives(&self, line: &IndexEntry) -> bool {
        self.starts.get(&line.partition).is_some_and(|start| *start < line.end_offset())
    }
}

impl Judge for Survivors<'_> {
    fn slot(&mut self, index: LogIndex, slot: SlotNumber, kind: SlotKind) -> Liveness {
        // Turns are of no use below the floor: the checkpoint holds what they did.
        let listed = if kind == SLOT_PART { self.parts } else { &self.slots };
        if listed.binary_search(&(index, slot)).is_ok() { Liveness::Live } else { Liveness::Dead }
    }

    fn index_entry(&mut self, entry: &IndexEntry) -> Liveness {
        if self.lives(entry) { Liveness::Live } else { Liveness::Dead }
    }
}

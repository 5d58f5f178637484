//! Lets this replica's files follow the list of segments that the log orders. Runs on a background thread.
//!
//! What a rewrite keeps stands in the entry of the decision that ordered it, which this replica's own log holds: a segment
//! with a decision that is still to be carried out is not touched before that is done. So nothing is remembered in
//! between, and a replica that stopped, or was installed from another's files, goes on from what it finds.
//!
//! What compaction takes goes in the order of segments: a tombstone must not be gone here while a record is left that it hides, which lies
//! before it. What is dead because its partition begins behind it waits for nothing of that kind.

use std::collections::BTreeMap;
use std::fmt;

use forebay_commitlog::{Body, Fault, Generation, Held, Keeper, ReadError, Reader, ReclaimError, SegmentId};
use forebay_model::{LogIndex, Offset, PartitionId};

use crate::entry::SLOT_RECLAIM;
use crate::reclaim::decision::{Decision, Rewrite};
use crate::reclaim::segments::Segments;
use crate::reclaim::survivors::Survivors;

/// What one pass over the files did.
#[derive(Clone, Debug, Default)]
pub struct CarriedOut {
    /// Bytes of disk given back.
    pub freed_bytes: u64,
    /// Segments that were copied forward...
    pub rewritten: u64,
    /// ...and those of them whose old file somebody was still reading or sending.
    pub rewritten_held: u64,
    /// Segments that were unlinked.
    pub unlinked: u64,
    /// Something waits for an install that counts on it.
    pub counted_on: bool,
    /// What cannot be done here. It costs space only.
    pub failed: Option<String>,
}

/// Whether there is anything to carry out, now or once the floor is higher. Looks at memory only.
pub(crate) fn differ(reader: &Reader, segments: &Segments) -> bool {
    reader.segments().iter().any(|info| ordered(info.id, segments) != Ordered::Nothing)
}

/// What the log orders about a segment that is here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ordered {
    Nothing,
    Rewrite(Generation),
    Unlink,
}

fn ordered(here: SegmentId, segments: &Segments) -> Ordered {
    if here.first > segments.end() {
        return Ordered::Nothing;
    }
    match segments.generation(here.first) {
        None => Ordered::Unlink,
        // A later one: the files are ahead of what was applied, after a restart or an install.
        Some(wanted) if wanted <= here.generation => Ordered::Nothing,
        Some(wanted) => Ordered::Rewrite(wanted),
    }
}

/// Unlinks and copies forward what stands otherwise in `segments`. `starts` are the first living offsets of the partitions
/// that compaction may have taken something of. A failed write fences the log by itself.
pub(crate) fn carry_out(
    keeper: &Keeper,
    reader: &Reader,
    segments: &Segments,
    starts: &BTreeMap<PartitionId, Offset>,
) -> CarriedOut {
    let done = CarriedOut::default();
    let mut pass = Pass { keeper, reader, starts, pending: Vec::new(), left: Vec::new(), done };
    loop {
        let before = pass.done.rewritten + pass.done.unlinked;
        // First what needs no space.
        let gone = pass.look(segments);
        pass.unlink(gone);
        pass.rewrite();
        // An install may have brought segments meanwhile that need a decision which is to go. One under way will.
        if keeper.is_anything_counted_on() {
            pass.done.counted_on = true;
            return pass.done;
        }
        // What was done may be what others waited for.
        if pass.done.rewritten + pass.done.unlinked == before {
            return pass.done;
        }
    }
}

struct Pass<'a> {
    keeper: &'a Keeper,
    reader: &'a Reader,
    starts: &'a BTreeMap<PartitionId, Offset>,
    /// Segments to be rewritten, and what they are to become.
    pending: Vec<(SegmentId, Generation)>,
    /// Segments that were to be unlinked and are still here.
    left: Vec<SegmentId>,
    done: CarriedOut,
}

impl Pass<'_> {
    /// Notes what is to be rewritten; answers what is to be unlinked.
    fn look(&mut self, segments: &Segments) -> Vec<SegmentId> {
        self.pending.clear();
        let mut gone = Vec::new();
        for info in self.reader.segments() {
            match ordered(info.id, segments) {
                Ordered::Nothing => {}
                Ordered::Rewrite(wanted) => self.pending.push((info.id, wanted)),
                Ordered::Unlink => gone.push(info.id),
            }
        }
        gone
    }

    /// Whether a segment may hold a decision that is still to be carried out.
    fn holds_a_decision(&self, id: SegmentId) -> bool {
        let needs = |(old, wanted): &(SegmentId, Generation)| {
            old.first < id.first && Generation::ordered_by(id.first) <= *wanted
        };
        self.pending.iter().any(needs)
    }

    /// Whether something before a segment is still to be carried out.
    fn is_behind_others(&self, id: SegmentId) -> bool {
        let mut others = self.pending.iter().map(|(old, _)| *old).chain(self.left.iter().copied());
        others.any(|other| other.first < id.first)
    }

    /// Whether a segment loses records that would live if it were not for compaction. `kept` is what a rewrite leaves of it.
    fn loses_to_compaction(&self, id: SegmentId, kept: Option<&Rewrite>) -> Result<bool, CarryError> {
        if self.starts.is_empty() {
            return Ok(false);
        }
        let sidecar = self.reader.sidecar(id).ok_or(ReclaimError::NoSidecar(id))?;
        let stays_whole = |partition: &PartitionId| {
            kept.is_some_and(|kept| {
                kept.starts.binary_search_by_key(partition, |(id, _)| *id).is_ok()
                    && kept.dead.binary_search_by_key(partition, |(id, _)| *id).is_err()
            })
        };
        let mut loses = false;
        sidecar.for_each_partition::<Fault>(|run| {
            let lives = self.starts.get(&run.partition).is_some_and(|start| *start < run.end_offset);
            loses |= lives && !stays_whole(&run.partition);
            Ok(())
        })?;
        Ok(loses)
    }

    fn unlink(&mut self, gone: Vec<SegmentId>) {
        self.left.clear();
        for id in gone {
            match self.unlink_one(id) {
                Ok(Some(bytes)) => {
                    self.done.freed_bytes += bytes;
                    self.done.unlinked += 1;
                }
                Ok(None) => self.left.push(id),
                Err(error) => {
                    self.left.push(id);
                    self.note(error);
                }
            }
        }
    }

    /// Unlinks a segment unless it is not its turn; answers how many bytes that freed.
    fn unlink_one(&self, id: SegmentId) -> Result<Option<u64>, CarryError> {
        if self.holds_a_decision(id) || (self.is_behind_others(id) && self.loses_to_compaction(id, None)?) {
            return Ok(None);
        }
        Ok(Some(self.keeper.unlink(&[id])?))
    }

    fn rewrite(&mut self) {
        for (old, wanted) in self.pending.clone() {
            if self.holds_a_decision(old) {
                continue;
            }
            match self.copy_forward(old, wanted) {
                Ok(Carried::Done) => self.pending.retain(|(id, _)| *id != old),
                Ok(Carried::NotItsTurn) => {}
                Err(error) => self.note(error),
            }
        }
    }

    fn note(&mut self, error: CarryError) {
        match error {
            // It is looked at again when the floor rises.
            CarryError::Reclaim(ReclaimError::Needed { .. } | ReclaimError::NoSidecar(_)) => {}
            CarryError::Reclaim(ReclaimError::CountedOn(_)) => self.done.counted_on = true,
            error => {
                self.done.failed.get_or_insert_with(|| error.to_string());
            }
        }
    }

    /// Takes a segment through the decisions that lie between what it is and what it is to become.
    fn copy_forward(&mut self, old: SegmentId, wanted: Generation) -> Result<Carried, CarryError> {
        self.keeper.check_free(old)?;
        let mut steps = Vec::new();
        let mut at = wanted;
        while at > old.generation {
            let rewrite = self.decision(LogIndex(at.0), old.first)?;
            let source = rewrite.segment.generation;
            if source >= at {
                return Err(CarryError::NoDecision(LogIndex(at.0), old.first));
            }
            steps.push((at, rewrite));
            at = source;
        }
        let mut from = old;
        for (generation, rewrite) in steps.into_iter().rev() {
            if from.generation != rewrite.segment.generation {
                return Err(CarryError::NoDecision(LogIndex(generation.0), old.first));
            }
            if self.is_behind_others(from) && self.loses_to_compaction(from, Some(&rewrite))? {
                return Ok(Carried::NotItsTurn);
            }
            from = self.step(from, generation, &rewrite)?;
        }
        Ok(Carried::Done)
    }

    fn step(
        &mut self,
        old: SegmentId,
        generation: Generation,
        rewrite: &Rewrite,
    ) -> Result<SegmentId, CarryError> {
        let sidecar = self.reader.sidecar(old).ok_or(ReclaimError::NoSidecar(old))?;
        let mut survivors = Survivors::of(rewrite, &sidecar)?;
        let new = self.keeper.rewrite(old, generation, &mut survivors)?.id;
        let replaced = self.keeper.replace(old, new)?;
        self.done.freed_bytes += replaced.freed_bytes;
        self.done.rewritten += 1;
        self.done.rewritten_held += u64::from(replaced.held == Held::Yes);
        Ok(new)
    }

    /// What the decision in the entry at `index` says of the segment that begins at `first`.
    fn decision(&self, index: LogIndex, first: LogIndex) -> Result<Rewrite, CarryError> {
        let none = || CarryError::NoDecision(index, first);
        let entry = self.reader.read_entry(index)?;
        let body = Body::parse(entry.body).map_err(|_| none())?;
        for slot in body.slots().filter(|slot| slot.kind == SLOT_RECLAIM) {
            let decision = Decision::decode(&slot.bytes).map_err(|_| none())?;
            if let Some(rewrite) = decision.rewrite.into_iter().find(|rewrite| rewrite.segment.first == first)
            {
                return Ok(rewrite);
            }
        }
        Err(none())
    }
}

/// Whether a segment went through what was ordered about it.
enum Carried {
    Done,
    /// Something before it has to be done first.
    NotItsTurn,
}

/// Why a segment was left as it is.
#[derive(Debug)]
enum CarryError {
    Reclaim(ReclaimError),
    Read(ReadError),
    /// The entry of a decision does not say what the segment is to become.
    NoDecision(LogIndex, LogIndex),
}

impl fmt::Display for CarryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CarryError::Reclaim(error) => error.fmt(f),
            CarryError::Read(error) => error.fmt(f),
            CarryError::NoDecision(index, first) => {
                write!(f, "entry {index} does not say what the segment from entry {first} on is to become")
            }
        }
    }
}

impl From<ReclaimError> for CarryError {
    fn from(error: ReclaimError) -> CarryError {
        CarryError::Reclaim(error)
    }
}

impl From<Fault> for CarryError {
    fn from(fault: Fault) -> CarryError {
        CarryError::Reclaim(ReclaimError::Fault(fault))
    }
}

impl From<ReadError> for CarryError {
    fn from(error: ReadError) -> CarryError {
        CarryError::Read(error)
    }
}

#[cfg(test)]
mod tests;

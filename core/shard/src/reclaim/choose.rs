//! Chooses among the candidates of a survey what one decision orders. Of a segment that loses records to compaction it is looked up what
//! exactly that gives back: payloads are taken apart as they will be when the decision is carried out.

use forebay_commitlog::{IndexEntry, Sidecar, SlotPlace};
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, Offset, PartitionId};

use crate::archive::ArchiveError;
use crate::reclaim::dead::DeadSet;
use crate::reclaim::decision::{DECISION_BYTES_MAX, Decision, Named, Rewrite, SEGMENT_BYTES};
use crate::reclaim::settled::SettledHere;
use crate::reclaim::sieve::{Sieved, sieve};
use crate::reclaim::survey::{Candidate, LiveParts, Survey, Worth};

/// Segments copied forward by one decision.
const REWRITES_MAX: usize = 16;
/// Segments unlinked by one decision.
const UNLINKS_MAX: usize = 1024;
/// Index entries read at once.
const ENTRIES_AT_ONCE: usize = 256;

/// What was chosen.
#[derive(Default)]
pub(crate) struct Choice {
    pub(crate) decision: Decision,
    /// What the decision takes from between what lives of compacted partitions and of queues, in bytes of payloads.
    pub(crate) freed: Vec<(PartitionId, u64)>,
    /// In these segments the dead records of these partitions give nothing back.
    pub(crate) vain: Vec<(LogIndex, PartitionId)>,
    /// Bytes of the segments that are rewritten for compaction alone.
    pub(crate) for_compaction: u64,
    /// Some are to be rewritten for it later.
    pub(crate) put_off: bool,
}

/// A segment without what compaction takes.
#[derive(Default)]
struct Sifted {
    /// The partitions that live on, and where they begin.
    starts: Vec<(PartitionId, Offset)>,
    /// What goes from between, and how many bytes that is.
    dead: Vec<(PartitionId, DeadSet, u64)>,
    /// Partitions of which nothing is left, and how many bytes that was.
    gone: Vec<(PartitionId, u64)>,
    vain: Vec<PartitionId>,
}

impl Sifted {
    fn freed(&self) -> u64 {
        let between = self.dead.iter().map(|(_, _, bytes)| bytes);
        between.chain(self.gone.iter().map(|(_, bytes)| bytes)).sum()
    }
}

/// As much as one decision may hold.
pub(crate) fn choose(survey: &Survey, candidates: &[Candidate], parts: &LiveParts) -> Choice {
    let mut choice = Choice::default();
    let mut room = DECISION_BYTES_MAX - 16;
    for candidate in candidates {
        let own: Vec<_> = parts.of(candidate.id.first, candidate.last).collect();
        if choice.decision.rewrite.len() >= REWRITES_MAX && !(candidate.starts.is_empty() && own.is_empty()) {
            continue;
        }
        let part_bytes = own.iter().map(|(_, _, bytes)| u64::from(*bytes)).sum::<u64>();
        if !survey.may_rewrite && candidate.worth(candidate.compacted_bytes, part_bytes) == Worth::Compaction
        {
            choice.put_off = true;
            continue;
        }
        let sifted = match sift(survey, candidate) {
            Ok(sifted) => sifted,
            Err(error) => {
                tracing::error!(%error, segment = %candidate.id, "it cannot be compacted");
                continue;
            }
        };
        let vain = sifted.vain.iter().map(|partition| (candidate.id.first, *partition));
        choice.vain.extend(vain);
        let segment = Named { first: candidate.id.first, generation: candidate.id.generation };
        if sifted.starts.is_empty() && own.is_empty() {
            if choice.decision.unlink.len() < UNLINKS_MAX {
                choice.decision.unlink.push(segment);
                choice.freed.extend(&sifted.gone);
                room = room.saturating_sub(SEGMENT_BYTES);
            }
            continue;
        }
        let worth = candidate.worth(sifted.freed(), part_bytes);
        if worth == Worth::None {
            continue;
        }
        let Sifted { starts, dead, gone, .. } = sifted;
        let parts = own.iter().map(|(index, slot, _)| (*index, *slot)).collect();
        let mut rewrite = Rewrite { segment, starts, parts, dead: Vec::new() };
        let mut freed = gone;
        // What there is no room for is found again, by itself.
        let mut left = room.saturating_sub(rewrite.encoded_len());
        let wanted = dead.len();
        for (partition, dead, bytes) in dead {
            if let Some(less) = left.checked_sub(8 + dead.encoded_len()) {
                left = less;
                rewrite.dead.push((partition, dead));
                freed.push((partition, bytes));
            }
        }
        let is_cut = rewrite.encoded_len() > room || rewrite.dead.len() < wanted;
        if is_cut && (rewrite.encoded_len() > room || !choice.decision.rewrite.is_empty()) {
            // It is the first one of the next decision.
            break;
        }
        room -= rewrite.encoded_len();
        choice.decision.rewrite.push(rewrite);
        choice.freed.extend(freed);
        choice.for_compaction += if worth == Worth::Compaction { candidate.bytes } else { 0 };
    }
    choice
}

/// What is left of a segment.
fn sift(survey: &Survey, candidate: &Candidate) -> Result<Sifted, ArchiveError> {
    let mut sifted = Sifted::default();
    for (partition, start) in &candidate.starts {
        if let Some(settled) = settled_of(survey, candidate, *partition, *start)? {
            match settled.lives {
                false => sifted.gone.push((*partition, settled.bytes)),
                true => {
                    sifted.starts.push((*partition, *start));
                    sifted.dead.push((*partition, settled.dead, settled.bytes));
                }
            }
            continue;
        }
        let found = survey.dead.of(candidate.id, *partition);
        let (Some((found, _)), Some(sidecar)) = (found, survey.archive.reader.sidecar(candidate.id)) else {
            sifted.starts.push((*partition, *start));
            continue;
        };
        let (freed, lives) = sift_partition(survey, &sidecar, *partition, *start, &found.set)?;
        if freed == 0 {
            sifted.vain.push(*partition);
        }
        match lives {
            false => sifted.gone.push((*partition, freed)),
            true => {
                sifted.starts.push((*partition, *start));
                sifted.dead.extend((freed > 0).then(|| (*partition, found.set.clone(), freed)));
            }
        }
    }
    Ok(sifted)
}

/// What consumers have settled of a queue in a segment.
fn settled_of(
    survey: &Survey,
    candidate: &Candidate,
    partition: PartitionId,
    start: Offset,
) -> Result<Option<SettledHere>, ArchiveError> {
    let Some(sidecar) = survey.archive.reader.sidecar(candidate.id) else { return Ok(None) };
    survey.settled.of(&sidecar, partition, start).map_err(ArchiveError::fault)
}

/// How many bytes a partition's payloads in a segment lose, and whether any lives on.
fn sift_partition(
    survey: &Survey,
    sidecar: &Sidecar,
    partition: PartitionId,
    start: Offset,
    dead: &DeadSet,
) -> Result<(u64, bool), ArchiveError> {
    let mut slots = survey.archive.reader.slots();
    let (mut freed, mut lives) = (0, false);
    let mut at = start;
    loop {
        let placed = sidecar.scan_placed(partition, at, ENTRIES_AT_ONCE).map_err(ArchiveError::fault)?;
        let Some(last) = placed.last() else { return Ok((freed, lives)) };
        at = last.entry.end_offset();
        for placed in &placed {
            let entry @ IndexEntry { first_offset, bytes, .. } = placed.entry;
            if dead.covers(first_offset, entry.end_offset()) {
                freed += u64::from(bytes);
                continue;
            }
            if bytes as usize > PART_BYTES_MAX || !dead.touches(first_offset, entry.end_offset()) {
                lives = true;
                continue;
            }
            let here = (entry.log_index, entry.slot);
            let payload = match &placed.place {
                Some(place) => slots.read_placed(here, place, SlotPlace::end)?,
                None => slots.read(here.0, here.1)?,
            };
            let left = match sieve(&payload, first_offset, dead) {
                // All its records are dead, and offsets between them never had one.
                Sieved::Empty => 0,
                Sieved::Less(left, _) => left.len(),
                Sieved::Whole => payload.len(),
            };
            freed += (payload.len() - left) as u64;
            lives |= left > 0;
        }
    }
}

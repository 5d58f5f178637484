//! What is dead of queues behind where they begin: their consumers have settled it, and something older waits still. Payloads go whole, when
//! all of their messages are settled: what is kept of one would have to be written again for next to nothing.
//!
//! The marks that end transactions stay: whoever reads such a partition as a log needs them to know where what was aborted ends.

use std::collections::BTreeMap;

use forebay_commitlog::{Fault, IndexEntry, Sidecar};
use forebay_machine::{Progress, RecordState};
use forebay_model::{Offset, PartitionId};

use crate::reclaim::dead::DeadSet;
use crate::retention::is_mark;
use crate::sealed;

/// Index entries read at once.
const ENTRIES_AT_ONCE: usize = 256;

/// What consumers have settled behind what they have not, by queue.
#[derive(Default)]
pub(crate) struct SettledPicture(BTreeMap<PartitionId, DeadSet>);

/// What of it lies in one segment, as whole payloads.
#[derive(Default)]
pub(crate) struct SettledHere {
    pub(crate) dead: DeadSet,
    /// How many bytes of payloads that is.
    pub(crate) bytes: u64,
    /// Whether the segment has something of the partition that lives.
    pub(crate) lives: bool,
}

impl SettledPicture {
    /// Adds a queue whose consumers are so far.
    pub(crate) fn add(&mut self, partition: PartitionId, progress: &Progress) {
        let mut settled = DeadSet::default();
        for run in progress.runs().filter(|run| run.state == RecordState::Settled) {
            if !settled.push(run.range.first, run.range.end()) {
                // The rest is found when this is gone.
                break;
            }
        }
        if !settled.is_empty() {
            self.0.insert(partition, settled);
        }
    }

    /// Whether all messages of a payload are settled, and nobody needs it.
    pub(crate) fn takes(&self, line: &IndexEntry) -> bool {
        let settled = self.0.get(&line.partition);
        settled.is_some_and(|settled| settled.covers(line.first_offset, line.end_offset()))
            && !is_mark(&sealed::entry(line))
    }

    /// What goes of a partition that begins at `start`; `None` where nothing does.
    pub(crate) fn of(
        &self,
        sidecar: &Sidecar,
        partition: PartitionId,
        start: Offset,
    ) -> Result<Option<SettledHere>, Fault> {
        if !self.0.contains_key(&partition) {
            return Ok(None);
        }
        let mut here = SettledHere::default();
        let mut at = start;
        loop {
            let lines = sidecar.scan(partition, at, ENTRIES_AT_ONCE)?;
            let Some(last) = lines.last() else { break };
            at = last.end_offset();
            for line in &lines {
                if self.takes(line) && here.dead.push(line.first_offset, line.end_offset()) {
                    here.bytes += u64::from(line.bytes);
                } else {
                    here.lives = true;
                }
            }
        }
        Ok((!here.dead.is_empty()).then_some(here))
    }
}

//! Checkpoints: made at seals, restored at open and when another replica's is installed.

use std::fmt;

use forebay_machine::{Machine, SectionKind};
use forebay_model::ShardId;
use forebay_replication::{Checkpoint, CheckpointRequest, Committed};

use crate::reclaim::segments::{self, Segments};
use crate::sealed;
use crate::shard::Shard;

/// A checkpoint that is intact and still makes no sense.
#[derive(Debug)]
pub struct RestoreError(String);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RestoreError {}

/// The state of a checkpoint; of the founders' empty one, that before the first entry.
pub(crate) fn restore(shard: ShardId, checkpoint: &Checkpoint) -> Result<(Machine, Segments), RestoreError> {
    if checkpoint.sections.is_empty() {
        return Ok((Machine::new(shard), Segments::behind(checkpoint.index)));
    }
    let of_machine = checkpoint.sections.iter().filter(|(kind, _)| *kind != segments::SECTION);
    let sections: Vec<_> = of_machine.map(|(kind, bytes)| (SectionKind(*kind), bytes.clone())).collect();
    let machine = Machine::decode_checkpoint(&sections).map_err(|error| RestoreError(error.to_string()))?;
    if machine.shard() != shard {
        return Err(RestoreError(format!("it belongs to shard {}, not {shard}", machine.shard())));
    }
    let mut list = checkpoint.sections.iter().filter(|(kind, _)| *kind == segments::SECTION);
    let (_, list) = list.next().ok_or_else(|| RestoreError("it has no list of segments".into()))?;
    let segments = Segments::decode(checkpoint.index, list).map_err(|what| RestoreError(what.into()))?;
    Ok((machine, segments))
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// A segment ended: its index entries go into a sidecar, the state into a checkpoint.
    pub(crate) fn apply_seal(&mut self, entry: &Committed) {
        self.sealing = false;
        let stretch = self.index.freeze(entry.index);
        self.reclaim.segments.seal(entry.index);
        // The machine counts it as applied before its state is written down as of it.
        let sections = self.machine.encode_checkpoint().into_iter().map(|(kind, bytes)| (kind.0, bytes));
        let list = (segments::SECTION, self.reclaim.segments.encode());
        let request = CheckpointRequest {
            index: entry.index,
            machine_version: self.machine.version(),
            sections: sections.chain([list]).collect(),
            entries: Box::new(stretch.into_entries().map(|entry| sealed::line(&entry))),
        };
        self.applied = entry.index;
        self.replica.applied(entry.index);
        self.replica.checkpoint(crate::planted::checkpoint(self.config.id, request));
    }
}

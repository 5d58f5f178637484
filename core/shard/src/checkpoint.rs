//! Checkpoints: made at seals, restored at open and when another replica's is installed.

use std::fmt;

use forebay_machine::{Machine, SectionKind};
use forebay_model::ShardId;
use forebay_replication::{Checkpoint, CheckpointRequest, Committed};

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

/// The machine of a checkpoint; of none, the state before the first entry.
pub(crate) fn restore(shard: ShardId, checkpoint: &Checkpoint) -> Result<Machine, RestoreError> {
    if checkpoint.sections.is_empty() {
        return Ok(Machine::new(shard));
    }
    let sections: Vec<_> =
        checkpoint.sections.iter().map(|(kind, bytes)| (SectionKind(*kind), bytes.clone())).collect();
    let machine = Machine::decode_checkpoint(&sections).map_err(|error| RestoreError(error.to_string()))?;
    if machine.shard() != shard {
        return Err(RestoreError(format!("it belongs to shard {}, not {shard}", machine.shard())));
    }
    Ok(machine)
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// A segment ended: its index entries go into a sidecar, the state into a checkpoint.
    pub(crate) fn apply_seal(&mut self, entry: &Committed) {
        self.sealing = false;
        let stretch = self.index.freeze(entry.index);
        // The machine counts it as applied before its state is written down as of it.
        let sections = self.machine.encode_checkpoint();
        let request = CheckpointRequest {
            index: entry.index,
            machine_version: self.machine.version(),
            sections: sections.into_iter().map(|(kind, bytes)| (kind.0, bytes)).collect(),
            entries: stretch.iter().map(sealed::line).collect(),
        };
        self.applied = entry.index;
        self.replica.applied(entry.index);
        self.replica.checkpoint(crate::planted::checkpoint(self.config.id, request));
    }
}

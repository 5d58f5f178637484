//! The planted bugs of a shard, for the simulator: what each does in place of the right thing. None of it is in the binary:
//! the places that call it ask [`planted`] first, which is constantly false there.

use bytes::Bytes;
use forebay_env::fault::{self, Fault, planted};
use forebay_machine::{Append as AppendCommand, Machine, Partition, SectionKind};
use forebay_model::{Offset, Refusal, ShardId};
use forebay_replication::CheckpointRequest;

use crate::delivery::{Settler, settled_answer};
use crate::hot::Hot;
use crate::shard::Shard;

/// A checkpoint; it lacks what the state knows of producers if that bug is planted.
pub(crate) fn checkpoint(shard: ShardId, mut request: CheckpointRequest) -> CheckpointRequest {
    if planted(Fault::DedupMissingFromCheckpoint) {
        let empty = Machine::new(shard).encode_checkpoint();
        let producers = empty.into_iter().find(|(kind, _)| *kind == SectionKind::PRODUCERS);
        for (kind, bytes) in &mut request.sections {
            if let Some((_, empty)) = producers.as_ref().filter(|(producers, _)| producers.0 == *kind) {
                bytes.clone_from(empty);
            }
        }
    }
    request
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// A batch that was met before is a duplicate, whatever became of the first one.
    pub(crate) fn confirms_early(&self, command: &AppendCommand) -> bool {
        let (Some(stamp), Some((partition, _))) = (&command.producer, command.targets.first()) else {
            return false;
        };
        let (id, epoch, sequence) = (stamp.id.0 as u64, stamp.epoch.0 as u64, stamp.base_sequence.0 as u64);
        let key = [self.proposer, partition.0, id, epoch, sequence];
        fault::met_before(Fault::DuplicateConfirmedEarly, &key)
    }

    /// What is about to be proposed can be read, at the offset that it will have if all goes well.
    pub(crate) fn show_unapplied(&mut self, command: &AppendCommand, payload: &Bytes) {
        let Some(&(partition, _)) = command.targets.first() else { return };
        let Some(known) = self.machine.partition(partition) else { return };
        let first_offset = self.shown_end(known);
        let hot = Hot { first_offset, count: command.count, payload: payload.clone() };
        self.hot.insert(partition, hot);
    }

    /// A settlement counts, whatever becomes of it.
    pub(crate) fn confirm_early(&mut self, settler: Option<Settler<T>>) {
        if let Some((ticket, known)) = settler {
            let known = known.into_iter().map(|known| known.or(Some(Ok(())))).collect();
            self.answers.push((ticket, settled_answer(known, &Refusal::Unknown)));
        }
    }

    /// The end of what readers of completed transactions are shown.
    pub(crate) fn stable_end(&self, partition: &Partition) -> Offset {
        match planted(Fault::OpenServed) {
            true => partition.high_watermark(),
            false => partition.last_stable_offset(),
        }
    }

    /// The end of a partition that its readers are shown: what is applied, unless a bug is planted.
    pub(crate) fn shown_end(&self, partition: &Partition) -> Offset {
        match planted(Fault::UnappliedServed) {
            true => self.hot.end(partition.id).max(Some(partition.end)).unwrap_or(partition.end),
            false => partition.high_watermark(),
        }
    }
}

//! No confirm, and no reply to a retried batch, before the original is on the media of a majority.

use super::{Check, broken};
use crate::history::{BatchId, Uid};
use crate::world::machine::Machine;
use forebay_model::ShardId;

/// A batch that was just confirmed is in one of so many segments.
pub const NEWEST_FILES: usize = 4;

/// Looks for the batch's first record in what would survive if the power failed everywhere now.
pub fn is_on_a_majority(machines: &[Machine], shard: ShardId, batch: BatchId, files_max: usize) -> Check {
    let name = Uid::new(batch, 0).0.to_be_bytes();
    let dir = Machine::shard_dir(shard);
    let holds = |machine: &&Machine| machine.disk.holds_durably(&dir, ".seg", &name, files_max);
    let held = machines.iter().filter(holds).count();
    if held * 2 > machines.len() {
        return Ok(());
    }
    let what = format!("{batch:?} was confirmed; it is on the media of {held} of {} nodes", machines.len());
    broken("no confirm before a majority has flushed", what)
}

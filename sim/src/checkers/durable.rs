//! No confirm, and no reply to a retried batch, before the original is on the media of a majority.

use super::{Check, broken};
use crate::history::{BatchId, Uid};
use crate::world::machine::{DATA_DIR, Machine};
use forebay_model::ShardId;

/// A batch that was just confirmed is in one of so many segments.
pub const NEWEST_FILES: usize = 4;

/// Looks for the batch's first record in what would survive if the power failed everywhere now.
pub fn is_on_a_majority<'a>(
    machines: impl Iterator<Item = &'a Machine>,
    shard: ShardId,
    batch: BatchId,
    files_max: usize,
) -> Check {
    let name = Uid::new(batch, 0).0.to_be_bytes();
    let dir = Machine::shard_dir(shard);
    let holds = machines.map(|machine| {
        let disk = &machine.disk;
        disk.holds_durably(&dir, ".seg", &name, files_max)
            || disk.journal_holds_durably(DATA_DIR, shard.0, &name)
    });
    let holds: Vec<bool> = holds.collect();
    let held = holds.iter().filter(|held| **held).count();
    if held * 2 > holds.len() {
        return Ok(());
    }
    let what = format!("{batch:?} was confirmed; it is on the media of {held} of {} nodes", holds.len());
    broken("no confirm before a majority has flushed", what)
}

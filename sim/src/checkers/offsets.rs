//! No offset is used twice: what is at an offset never changes, for nobody.

use super::{Check, ReadBatch, broken};
use crate::history::{Fact, History, Place, Uid};

const PROMISE: &str = "no offset is used twice";

/// Every record was sent, to this partition.
pub(super) fn belongs(history: &History, place: Place, uid: Uid) -> Check {
    match history.sent.get(&uid.batch()) {
        Some(sent) if sent.place == place => Ok(()),
        Some(sent) => broken(PROMISE, format!("{uid:?} of {:?} is in {place:?}", sent.place)),
        None => broken(PROMISE, format!("{uid:?} in {place:?} was never sent")),
    }
}

pub(super) fn used_once(history: &mut History, place: Place, offset: u64, uid: Uid) -> Check {
    let known = history.known(place);
    let fact = known.facts.entry(offset).or_insert(Fact { uid, confirmed: false, read: false });
    if fact.uid == uid {
        return Ok(());
    }
    let how = if fact.confirmed { "confirmed" } else { "read" };
    broken(PROMISE, format!("{place:?} offset {offset}: {:?} was {how}, now it is {uid:?}", fact.uid))
}

/// The leader epochs of batches never fall along the offsets, and a batch keeps its own.
pub(super) fn epochs_rise(history: &mut History, place: Place, batch: &ReadBatch) -> Check {
    let epochs = &mut history.known(place).epochs;
    let before = epochs.range(..batch.base).next_back().is_some_and(|(_, epoch)| *epoch > batch.epoch);
    let behind = epochs.range(batch.base + 1..).next().is_some_and(|(_, epoch)| *epoch < batch.epoch);
    let own = epochs.insert(batch.base, batch.epoch).is_some_and(|epoch| epoch != batch.epoch);
    if before || behind || own {
        let what = format!("{place:?} offset {}: leader epoch {} is out of order", batch.base, batch.epoch);
        return broken("leader epochs never fall", what);
    }
    Ok(())
}

//! Order per partition: the records of an idempotent producer lie in the order in which it made them, over all of its
//! epochs.

use super::{Check, broken};
use crate::history::{History, Place, Uid};

pub(super) fn kept(history: &mut History, place: Place, offset: u64, uid: Uid) -> Check {
    let Some(producer_id) = history.sent(uid.batch()).producer_id else { return Ok(()) };
    let order = history.known(place).orders.entry(producer_id).or_default();
    let before = order.range(..offset).next_back().filter(|(_, other)| **other >= uid);
    let behind = order.range(offset + 1..).next().filter(|(_, other)| **other <= uid);
    if let Some((at, other)) = before.or(behind) {
        let what = format!("{place:?}: {uid:?} is at offset {offset}, {other:?} at {at}");
        return broken("order is kept per partition", what);
    }
    order.insert(offset, uid);
    Ok(())
}

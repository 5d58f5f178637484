//! A refusal that promises that nothing took effect keeps it.

use super::{Check, broken};
use crate::history::{BatchId, History, Uid};

const PROMISE: &str = "nothing of a refused batch takes effect";

/// The batch has not been seen anywhere.
pub(super) fn nowhere(history: &mut History, batch: BatchId) -> Check {
    let place = history.sent(batch).place;
    match history.known(place).places.get(&Uid::new(batch, 0)) {
        Some(offset) => {
            broken(PROMISE, format!("{batch:?} was refused and is at offset {offset} of {place:?}"))
        }
        None => Ok(()),
    }
}

/// A record that is served has an attempt that was not refused.
pub(super) fn may_be_read(history: &mut History, uid: Uid) -> Check {
    let sent = history.sent(uid.batch());
    if sent.open == 0 {
        let what = format!("{uid:?} is served; all {} attempts to store it were refused", sent.attempts);
        return broken(PROMISE, what);
    }
    Ok(())
}

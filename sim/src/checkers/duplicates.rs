//! No duplicate with idempotence: a record of an idempotent producer, or one that was sent once, is stored once.

use super::{Check, broken};
use crate::history::{History, Place, Uid};

pub(super) fn stored_once(history: &mut History, place: Place, offset: u64, uid: Uid) -> Check {
    let sent = history.sent(uid.batch());
    let (once, attempts) = (sent.producer_id.is_some() || sent.attempts == 1, sent.attempts);
    let first = *history.known(place).places.entry(uid).or_insert(offset);
    if first == offset || !once {
        return Ok(());
    }
    let what = format!("{place:?}: {uid:?}, sent {attempts} times, is at offset {first} and at {offset}");
    broken("no duplicate with idempotence", what)
}

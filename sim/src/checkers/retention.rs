//! A leader's clock a year ahead or behind deletes nothing: a partition's start moves only past records that are old by
//! a correct clock, or by the bytes behind them; and not at all where nothing is set.

use super::{Check, broken};
use crate::history::{History, Place};

/// What a node's clock may be wrong by in ordinary times, with the time that its log clock takes over from another's.
const TOLERANCE_MS: i64 = 3_000;

pub(super) fn start_moved(history: &mut History, place: Place, start: u64, now_ms: i64) -> Check {
    let known = history.known.entry(place).or_default();
    if start <= known.start {
        return Ok(());
    }
    let before = std::mem::replace(&mut known.start, start);
    let Some(topic) = history.topics.get(&place.topic) else { return Ok(()) };
    let by_bytes = topic.settings.retention_bytes.flatten().is_some();
    let Some(retention_ms) = topic.settings.retention_ms.flatten() else {
        if by_bytes {
            return Ok(());
        }
        let what = format!("{place:?} keeps everything; its start moved from {before} to {start}");
        return broken("nothing is deleted that is to be kept", what);
    };
    let youngest = known.facts.range(before..start).filter_map(|(offset, fact)| {
        let made = history.sent.get(&fact.uid.batch())?.made_ms;
        Some((made, *offset, fact.uid))
    });
    match youngest.max() {
        Some((made, offset, uid)) if !by_bytes && now_ms - made < retention_ms as i64 - TOLERANCE_MS => {
            let age = now_ms - made;
            let what = format!(
                "{place:?}: {uid:?} at {offset} was deleted at the age of {age} ms of {retention_ms}"
            );
            broken("a wrong clock deletes nothing", what)
        }
        _ => Ok(()),
    }
}

//! No confirmed record is lost.

use super::{Check, broken};
use crate::history::{BatchId, History, Place, Uid};

const PROMISE: &str = "no confirmed record is lost";

/// A reader may be told that an offset lies outside only if it does.
pub(super) fn may_be_out_of_range(
    history: &mut History,
    place: Place,
    wanted: u64,
    start: u64,
    end: u64,
) -> Check {
    let fact = history.known(place).facts.get(&wanted).copied();
    match fact.filter(|fact| fact.confirmed || fact.read) {
        Some(fact) if wanted >= end => {
            let what =
                format!("{place:?}: {:?} at {wanted} exists, a reader heard {start}..={end}", fact.uid);
            broken(PROMISE, what)
        }
        _ => Ok(()),
    }
}

/// Every confirmed record from the start on was among those read up to `next` in the end.
pub(super) fn nothing_missing(history: &mut History, place: Place, next: u64) -> Check {
    let known = history.known(place);
    let start = known.start;
    match known.facts.range(next.max(start)..).find(|(_, fact)| fact.confirmed) {
        Some((offset, fact)) => {
            let what =
                format!("{place:?}: {:?} was confirmed at {offset}, the partition ends at {next}", fact.uid);
            broken(PROMISE, what)
        }
        None => Ok(()),
    }
}

/// Every batch that was confirmed without its offset was met by the reader of everything.
pub(super) fn nothing_unseen(history: &mut History, place: Place) -> Check {
    if !history.keeps_everything(place) {
        return Ok(());
    }
    let places = history.known.get(&place).map(|known| &known.places);
    let seen = |batch: BatchId| places.is_some_and(|places| places.contains_key(&Uid::new(batch, 0)));
    let mut confirmed =
        history.sent.iter().filter(|(_, sent)| sent.place == place && sent.confirmed_somewhere);
    match confirmed.find(|(batch, _)| !seen(**batch)) {
        Some((batch, _)) => broken(PROMISE, format!("{place:?}: {batch:?} was confirmed and is nowhere")),
        None => Ok(()),
    }
}

//! Nothing uncommitted is ever read: what a reader was served once is there for ever.

use super::{Check, broken};
use crate::history::{History, Place};

pub(super) fn nothing_vanished(history: &mut History, place: Place, next: u64) -> Check {
    let known = history.known(place);
    match known.facts.range(next.max(known.start)..).find(|(_, fact)| fact.read) {
        Some((offset, fact)) => {
            let what =
                format!("{place:?}: {:?} was read at {offset}, the partition ends at {next}", fact.uid);
            broken("nothing uncommitted is ever read", what)
        }
        None => Ok(()),
    }
}

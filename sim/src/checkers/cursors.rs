//! Committed offsets never go back by themselves.

use std::collections::BTreeMap;

use super::{Check, broken};
use crate::history::Place;

/// What committers of groups know. Each cursor has one committer, which only goes forward.
#[derive(Debug, Default)]
pub struct Cursors {
    known: BTreeMap<(String, Place), Cursor>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// The last one confirmed.
    confirmed: u64,
    /// The greatest one ever sent.
    sent: u64,
}

impl Cursors {
    /// A commit goes out.
    pub fn sent(&mut self, group: &str, place: Place, offset: u64) {
        let cursor = self.known.entry((group.to_owned(), place)).or_default();
        cursor.sent = cursor.sent.max(offset);
    }

    /// A commit was confirmed.
    pub fn confirmed(&mut self, group: &str, place: Place, offset: u64) {
        let cursor = self.known.entry((group.to_owned(), place)).or_default();
        cursor.confirmed = cursor.confirmed.max(offset);
    }

    /// What was confirmed, to be compared with what a question asked after it is told.
    pub fn floor(&self, group: &str, place: Place) -> u64 {
        self.known.get(&(group.to_owned(), place)).map_or(0, |cursor| cursor.confirmed)
    }

    /// A cursor was read; `floor` was confirmed before the question was sent.
    pub fn read(&self, group: &str, place: Place, floor: u64, offset: Option<u64>) -> Check {
        let cursor = self.known.get(&(group.to_owned(), place)).copied().unwrap_or_default();
        let found = offset.unwrap_or(0);
        if found < floor {
            let what = format!("{group} in {place:?}: {floor} was committed, now it is {offset:?}");
            return broken("committed offsets never go back", what);
        }
        if found > cursor.sent {
            let what = format!("{group} in {place:?}: is at {found}, nobody committed above {}", cursor.sent);
            return broken("committed offsets never go back", what);
        }
        Ok(())
    }
}

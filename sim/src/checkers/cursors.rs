//! Committed offsets never go back by themselves.

use std::collections::{BTreeMap, BTreeSet};

use super::{Check, broken};
use crate::history::Place;

/// What committers of groups know. Each cursor has one committer, which only goes forward.
#[derive(Debug, Default)]
pub struct Cursors {
    known: BTreeMap<(String, Place), Cursor>,
}

#[derive(Clone, Debug, Default)]
struct Cursor {
    /// The last one confirmed.
    confirmed: u64,
    /// The greatest one ever sent.
    sent: u64,
    /// Those whose connection was closed before an answer: nothing orders them against what came on the next connection, so each may
    /// still take effect, once.
    given_up: BTreeSet<u64>,
}

impl Cursors {
    /// A commit goes out.
    pub fn sent(&mut self, group: &str, place: Place, offset: u64) {
        let cursor = self.known.entry((group.to_owned(), place)).or_default();
        cursor.sent = cursor.sent.max(offset);
    }

    /// The connection of a commit is gone, and its answer with it.
    pub fn gave_up(&mut self, group: &str, place: Place, offset: u64) {
        self.known.entry((group.to_owned(), place)).or_default().given_up.insert(offset);
    }

    /// A member is in a new generation: no commit of an earlier one is taken any more.
    pub fn joined(&mut self, group: &str, place: Place) {
        self.known.entry((group.to_owned(), place)).or_default().given_up.clear();
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
    pub fn read(&mut self, group: &str, place: Place, floor: u64, offset: Option<u64>) -> Check {
        let cursor = self.known.entry((group.to_owned(), place)).or_default();
        let found = offset.unwrap_or(0);
        if found < floor && cursor.given_up.remove(&found) {
            // It has taken effect, late, and stands until the next one.
            cursor.confirmed = found;
            return Ok(());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::TopicId;

    #[test]
    fn a_cursor_goes_back_only_to_a_commit_that_was_given_up() {
        let place = Place { topic: TopicId([1; 16]), number: 0 };
        let mut cursors = Cursors::default();
        for offset in [70, 73, 84] {
            cursors.sent("outside", place, offset);
        }
        cursors.gave_up("outside", place, 73);
        cursors.confirmed("outside", place, 84);
        let mut read = |offset| {
            let floor = cursors.floor("outside", place);
            cursors.read("outside", place, floor, offset).is_ok()
        };
        assert!(read(Some(84)) && !read(Some(70)) && !read(None) && !read(Some(85)));
        assert!(read(Some(73)) && read(Some(73)) && !read(Some(70)));
        cursors.confirmed("outside", place, 84);
        let floor = cursors.floor("outside", place);
        assert!(cursors.read("outside", place, floor, Some(73)).is_err(), "it took effect once");
    }
}

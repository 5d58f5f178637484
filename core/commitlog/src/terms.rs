//! The terms of the log as runs: a lookup never touches the disk, and a term costs sixteen bytes however many entries
//! it has.

use forebay_model::{LogIndex, Term};

/// An index and the term of its entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// The log index.
    pub index: LogIndex,
    /// The term of the entry there.
    pub term: Term,
}

/// The terms from the Raft floor to the end of the log.
pub(crate) struct TermTable {
    /// The last entry that Raft no longer sees; its term is still known.
    floor: Point,
    /// First index of each term above the floor, ascending.
    runs: Vec<Point>,
    last: LogIndex,
}

impl TermTable {
    pub(crate) fn new(floor: Point) -> TermTable {
        TermTable { floor, runs: Vec::new(), last: floor.index }
    }

    pub(crate) fn floor(&self) -> Point {
        self.floor
    }

    pub(crate) fn last(&self) -> Point {
        let term = self.runs.last().map_or(self.floor.term, |run| run.term);
        Point { index: self.last, term }
    }

    /// The term of `index`, from the floor itself up to the end.
    pub(crate) fn term(&self, index: LogIndex) -> Option<Term> {
        if index < self.floor.index || index > self.last {
            return None;
        }
        let behind = self.runs.partition_point(|run| run.index <= index);
        Some(behind.checked_sub(1).map_or(self.floor.term, |at| self.runs[at].term))
    }

    /// Says that the entry behind the last one has this term.
    pub(crate) fn push(&mut self, term: Term) {
        self.extend(term, self.last.next());
    }

    /// Says that all entries behind the last one, up to and with `upto`, have this term.
    pub(crate) fn extend(&mut self, term: Term, upto: LogIndex) {
        if upto <= self.last {
            return;
        }
        if self.last().term != term {
            self.runs.push(Point { index: self.last.next(), term });
        }
        self.last = upto;
    }

    /// Forgets `index` and all behind it.
    pub(crate) fn truncate(&mut self, index: LogIndex) {
        debug_assert!(index > self.floor.index, "what Raft no longer sees is never truncated");
        self.runs.retain(|run| run.index < index);
        self.last = self.last.min(index.previous());
    }

    /// Moves the floor up to `index`, which must be known; a lower or unknown one changes nothing.
    pub(crate) fn raise_floor(&mut self, index: LogIndex) {
        let Some(term) = self.term(index) else { return };
        self.floor = Point { index, term };
        self.runs.retain(|run| run.index > index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(terms: &[u64]) -> TermTable {
        let mut table = TermTable::new(Point { index: LogIndex(5), term: Term(5) });
        for term in terms {
            table.push(Term(*term));
        }
        table
    }

    #[test]
    fn terms_are_known_from_the_floor_to_the_end() {
        let table = table(&[5, 5, 7, 7, 9]);
        let terms: Vec<_> = (4..=11).map(|i| table.term(LogIndex(i)).map(|t| t.0)).collect();
        assert_eq!(terms, [None, Some(5), Some(5), Some(5), Some(7), Some(7), Some(9), None]);
        assert_eq!(table.last(), Point { index: LogIndex(10), term: Term(9) });
    }

    #[test]
    fn truncation_and_the_floor_move_the_ends() {
        let mut table = table(&[5, 5, 7, 7, 9]);
        table.raise_floor(LogIndex(8));
        assert_eq!(table.floor(), Point { index: LogIndex(8), term: Term(7) });
        assert_eq!((table.term(LogIndex(7)), table.term(LogIndex(9))), (None, Some(Term(7))));
        table.truncate(LogIndex(10));
        assert_eq!(table.last(), Point { index: LogIndex(9), term: Term(7) });
        table.push(Term(11));
        assert_eq!(table.term(LogIndex(10)), Some(Term(11)));
        table.raise_floor(LogIndex(10));
        assert_eq!(table.last(), Point { index: LogIndex(10), term: Term(11) });
    }
}

//! A partition on its way over.

use std::collections::VecDeque;

use super::batch::Batch;
use crate::client::Place;

/// A partition on its way over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Which.
    pub place: Place,
    /// What the target is told of where it comes from.
    pub origin: String,
    /// Where the target ends: what comes next begins here or behind it.
    pub end: i64,
    /// Where the source is read next.
    pub next: i64,
    /// It is done when the target ends here; without it, it goes on as long as others do.
    pub goal: Option<i64>,
    /// Fetched and not confirmed yet, in order.
    pub waiting: VecDeque<Batch>,
    /// Where it is.
    pub state: LaneState,
    /// What this run carried over.
    pub carried: Carried,
    /// How often in a row the source had nothing.
    silent: u32,
}

/// So often the source may have nothing before an end that it names.
const SILENT_MAX: u32 = 40;

/// Where a lane is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// The target has to say where to go on.
    Asking,
    /// Batches come over.
    Copying,
    /// The target ends where it should.
    Done,
    /// It was cut over before: producers write to the target.
    CutOver,
    /// It goes no further, for this reason.
    Failed(String),
}

/// What came over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Batches.
    pub batches: u64,
    /// Records of clients in them.
    pub records: u64,
    /// Bytes of the batches.
    pub bytes: u64,
    /// Offsets that no batch of the source has: what compaction and the like left out.
    pub gaps: u64,
    /// Of these, offsets that the source dropped at its old end before they came over.
    pub lost: u64,
}

impl Carried {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Carried) -> Carried {
        Carried {
            batches: self.batches + other.batches,
            records: self.records + other.records,
            bytes: self.bytes + other.bytes,
            gaps: self.gaps + other.gaps,
            lost: self.lost + other.lost,
        }
    }
}

impl Lane {
    /// A lane that has not asked yet.
    pub fn new(place: Place, origin: String, goal: Option<i64>) -> Lane {
        Lane {
            place,
            origin,
            end: 0,
            next: 0,
            goal,
            waiting: VecDeque::new(),
            state: LaneState::Asking,
            carried: Carried::default(),
            silent: 0,
        }
    }

    /// Whether it still has something to do.
    pub fn is_open(&self) -> bool {
        matches!(self.state, LaneState::Asking | LaneState::Copying)
    }

    /// Whether it is under import: it can go on, and be cut over.
    pub fn is_under_import(&self) -> bool {
        matches!(self.state, LaneState::Asking | LaneState::Copying | LaneState::Done)
    }

    /// The target said where it ends; the source is read from there on, or from its start.
    pub fn go_on(&mut self, end: i64, source_start: i64) {
        self.waiting.clear();
        self.end = end;
        self.next = end.max(source_start);
        self.state = LaneState::Copying;
        self.finish_if_due();
    }

    /// The source had nothing from where it is read next. Before a goal that cannot go on for ever.
    pub fn brought_nothing(&mut self) {
        self.silent += 1;
        if let Some(goal) = self.goal.filter(|_| self.silent >= SILENT_MAX) {
            self.fail(format!(
                "the source hands out nothing from {} on and says that it ends at {goal}",
                self.next
            ));
        }
    }

    /// Where a target that has nothing yet has to begin for the source's first batch, which begins at `base`: where the source does,
    /// which may lie in the middle of that batch, or in a gap before it. `None` where the target begins there already.
    pub fn begins_at(&self, base: i64) -> Option<i64> {
        let start = base.min(self.next);
        (self.end == 0 && self.waiting.is_empty() && start > 0).then_some(start)
    }

    /// Takes in what was fetched.
    ///
    /// # Errors
    /// When it is not the log that came over until now.
    pub fn take(&mut self, batches: Vec<Batch>) -> Result<(), String> {
        self.silent = 0;
        for batch in batches {
            let last = self.waiting.back().map_or(self.end, |before| before.end);
            if batch.base < last {
                return Err(format!(
                    "the source has a batch of {}..{}, and the target ends at {last}: it is not the log that came over",
                    batch.base, batch.end
                ));
            }
            self.next = batch.end;
            self.waiting.push_back(batch);
        }
        Ok(())
    }

    /// The first `count` waiting batches are confirmed.
    pub fn confirmed(&mut self, count: usize, end: i64) {
        for batch in self.waiting.drain(..count.min(self.waiting.len())) {
            self.carried.batches += 1;
            self.carried.records += u64::from(batch.records);
            self.carried.bytes += batch.bytes.len() as u64;
            self.carried.gaps += u64::try_from(batch.base - self.end).unwrap_or(0);
            self.end = batch.end;
        }
        self.end = end;
        self.finish_if_due();
    }

    /// Nobody knows what became of what was sent: the target has to say.
    pub fn ask_again(&mut self) {
        if self.state == LaneState::Copying {
            self.state = LaneState::Asking;
            self.waiting.clear();
        }
    }

    /// It goes no further.
    pub fn fail(&mut self, why: impl Into<String>) {
        self.waiting.clear();
        self.state = LaneState::Failed(why.into());
    }

    fn finish_if_due(&mut self) {
        let reached = self.goal.is_some_and(|goal| self.end >= goal);
        if reached && self.waiting.is_empty() && self.state == LaneState::Copying {
            self.state = LaneState::Done;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::{split, tests::bytes};
    use super::*;

    fn lane(goal: i64) -> Lane {
        Lane::new(Place::new("t", 0), "there".into(), Some(goal))
    }

    #[test]
    fn a_lane_counts_what_came_over_and_ends_at_its_goal() {
        let mut lane = lane(10);
        lane.go_on(2, 0);
        assert_eq!((lane.next, &lane.state), (2, &LaneState::Copying));
        lane.take(split([bytes(2, 3), bytes(8, 2)].concat().into(), 2).unwrap()).unwrap();
        assert_eq!(lane.next, 10);
        lane.confirmed(1, 5);
        assert_eq!((lane.end, lane.is_open()), (5, true));
        lane.confirmed(1, 10);
        assert_eq!(lane.state, LaneState::Done);
        let Carried { batches, records, gaps, lost, .. } = lane.carried;
        assert_eq!((batches, records, gaps, lost), (2, 5, 3, 0));
    }

    #[test]
    fn what_was_lost_on_the_way_is_asked_for_and_fetched_again() {
        let mut lane = lane(5);
        lane.go_on(0, 0);
        lane.take(split(bytes(0, 5), 0).unwrap()).unwrap();
        lane.ask_again();
        assert_eq!((&lane.state, lane.waiting.len()), (&LaneState::Asking, 0));
        lane.go_on(0, 0);
        assert_eq!(lane.next, 0);
    }

    #[test]
    fn a_source_whose_batches_overlap_what_came_over_is_another_log() {
        let mut lane = lane(9);
        lane.go_on(3, 0);
        assert!(lane.take(split(bytes(2, 4), 3).unwrap()).unwrap_err().contains("ends at 3"));
        // Its own start may lie in the middle of its first batch.
        let mut lane = self::lane(9);
        lane.go_on(0, 2);
        assert_eq!(lane.next, 2);
        lane.take(split(bytes(1, 4), 2).unwrap()).unwrap();
        assert_eq!(lane.waiting.len(), 1);
    }

    #[test]
    fn the_target_begins_where_the_source_does() {
        let begins = |start: i64, base: i64| {
            let mut lane = lane(9);
            lane.go_on(0, start);
            lane.begins_at(base)
        };
        // Compaction left a gap at the beginning; a trim ended in the middle of a batch, or in a gap.
        assert_eq!([begins(0, 7), begins(0, 0)], [None, None]);
        assert_eq!([begins(5, 3), begins(5, 5), begins(5, 7)], [Some(3), Some(5), Some(5)]);
        let mut lane = lane(9);
        lane.go_on(4, 0);
        assert_eq!(lane.begins_at(4), None);
    }

    #[test]
    fn an_empty_partition_is_done_at_once() {
        let mut lane = lane(0);
        lane.go_on(0, 0);
        assert_eq!(lane.state, LaneState::Done);
    }
}

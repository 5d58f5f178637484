//! Since when the tombstones of a compacted partition have nothing left to hide.
//!
//! A tombstone may go when no earlier record of its key is left, and a while after that, so that a reader who has met such a record
//! meets the tombstone too. A pass of compaction says up to where tombstones are that far; the machine notes when it was told.

use forebay_model::{LogTime, Offset};

use crate::limits::CLEAN_MARKS_MAX;

/// How many marks fall into the time that tombstones stay. With one that is ripe and one that is in the making there are
/// [`CLEAN_MARKS_MAX`] at most.
const MARKS_PER_PERIOD: u64 = CLEAN_MARKS_MAX as u64 - 2;

/// No tombstone before `end` had an earlier record of its key left at this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanMark {
    /// Behind the last tombstone that it speaks of.
    pub end: Offset,
    /// The log time.
    pub time: LogTime,
}

/// The marks of a partition: offsets and times rise. Few are kept, so the times are rounded up and tombstones stay a little
/// longer than they have to, by a sixth at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CleanMarks(Vec<CleanMark>);

impl CleanMarks {
    /// Tombstones before this offset have nothing left to hide.
    pub fn end(&self) -> Offset {
        self.0.last().map_or(Offset(0), |mark| mark.end)
    }

    /// Tombstones before this offset have had nothing left to hide for `kept_ms` at log time `now`: they may go.
    pub fn ripe_end(&self, now: LogTime, kept_ms: u64) -> Offset {
        let ripe = self.0.iter().take_while(|mark| mark.is_ripe(now, kept_ms)).last();
        ripe.map_or(Offset(0), |mark| mark.end)
    }

    /// When more tombstones may go than at `now`, if any ever do.
    pub fn next_ripe(&self, now: LogTime, kept_ms: u64) -> Option<LogTime> {
        let next = self.0.iter().find(|mark| !mark.is_ripe(now, kept_ms))?;
        Some(LogTime(next.time.0.saturating_add_unsigned(kept_ms)))
    }

    /// Notes what a pass found. What says no more than is known changes nothing.
    pub(crate) fn note(&mut self, end: Offset, now: LogTime, kept_ms: u64) {
        if end <= self.end() {
            return;
        }
        let ripe = self.0.iter().take_while(|mark| mark.is_ripe(now, kept_ms)).count();
        self.0.drain(..ripe.saturating_sub(1));
        let time = rounded_up(now, kept_ms.div_ceil(MARKS_PER_PERIOD));
        match self.0.last_mut() {
            // Not before the one before: the time that they stay may have been another.
            Some(last) if last.time >= time => last.end = end,
            _ => self.0.push(CleanMark { end, time }),
        }
        if self.0.len() > CLEAN_MARKS_MAX {
            // What it said counts from the time of the next.
            self.0.remove(1);
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn marks(&self) -> &[CleanMark] {
        &self.0
    }

    /// `None` when they cannot have come about.
    pub(crate) fn restore(marks: Vec<CleanMark>) -> Option<CleanMarks> {
        let rise = marks.is_sorted_by(|a, b| a.end < b.end && a.time < b.time);
        (rise && marks.len() <= CLEAN_MARKS_MAX).then_some(CleanMarks(marks))
    }
}

impl CleanMark {
    fn is_ripe(&self, now: LogTime, kept_ms: u64) -> bool {
        self.time.0.saturating_add_unsigned(kept_ms) <= now.0
    }
}

/// The next multiple of `step`.
fn rounded_up(time: LogTime, step: u64) -> LogTime {
    let step = i64::try_from(step.max(1)).unwrap_or(i64::MAX);
    let over = time.0.rem_euclid(step);
    LogTime(if over == 0 { time.0 } else { time.0.saturating_add(step - over) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_waits_its_time_and_hardly_longer_however_often_marks_come() {
        for kept_ms in [0, 1, 5, 11, 1_000, 86_400_000] {
            let mut marks = CleanMarks::default();
            let step = (kept_ms / 50).max(1);
            // Offset and time at which each was said to be clean.
            let mut said: Vec<(u64, i64)> = Vec::new();
            for round in 1..600i64 {
                let now = LogTime(1_000_000 + round * step as i64);
                marks.note(Offset(round as u64), now, kept_ms);
                said.push((round as u64, now.0));
                assert!(marks.marks().len() <= CLEAN_MARKS_MAX, "{kept_ms}: {marks:?}");
                assert_eq!(CleanMarks::restore(marks.marks().to_vec()).as_ref(), Some(&marks));
                let ripe = marks.ripe_end(now, kept_ms);
                let early = said.iter().filter(|(_, at)| at + kept_ms as i64 > now.0);
                assert!(early.map(|(end, _)| *end).all(|end| end > ripe.0), "{kept_ms}: too early");
                let late = kept_ms as i64 + kept_ms.div_ceil(MARKS_PER_PERIOD).max(1) as i64;
                let due = said.iter().filter(|(_, at)| at + late <= now.0).map(|(end, _)| *end).max();
                assert!(due.unwrap_or(0) <= ripe.0, "{kept_ms}: {due:?} is due, {ripe} went");
            }
        }
    }

    #[test]
    fn what_is_known_is_not_said_again_and_another_time_loses_nothing() {
        let mut marks = CleanMarks::default();
        marks.note(Offset(10), LogTime(1_000), 6_000);
        marks.note(Offset(7), LogTime(9_000), 6_000);
        marks.note(Offset(10), LogTime(9_000), 6_000);
        assert_eq!(marks.marks(), [CleanMark { end: Offset(10), time: LogTime(1_000) }]);
        assert_eq!(marks.next_ripe(LogTime(2_000), 6_000), Some(LogTime(7_000)));
        assert_eq!((marks.ripe_end(LogTime(6_999), 6_000), marks.ripe_end(LogTime(7_000), 6_000)), {
            (Offset(0), Offset(10))
        });
        // Shorter by much: more marks than there is room for.
        for round in 0..100 {
            marks.note(
                Offset(20 + round),
                LogTime(10_000 + round as i64),
                if round < 50 { 600_000 } else { 6 },
            );
        }
        assert!(marks.marks().len() <= CLEAN_MARKS_MAX);
        assert_eq!(marks.end(), Offset(119));
        assert_eq!(CleanMarks::restore(vec![marks.0[0]; 2]), None);
    }
}

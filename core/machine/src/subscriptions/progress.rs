//! How far one subscription is with one partition: what is settled, and how often what is not was handed out in vain.

use std::collections::VecDeque;

use forebay_model::subscription::{OffsetRange, Settlement};
use forebay_model::{Attempts, LogIndex, Offset, Term};

use super::mark::{Mark, RecordState};
use crate::codec::{DecodeError, Reader, Writer};
use crate::limits::SUBSCRIPTION_SPAN_MAX;

/// The progress of one subscription in one partition.
///
/// ```text
///   settled  |  unsettled, but for what the marks say is settled  |  never handed out
///          cursor                                             delivered
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The entry that opened it or set it back last: what was handed out before that is settled in vain.
    pub since: LogIndex,
    /// Everything before it is settled.
    cursor: Offset,
    /// Nothing from here on was handed out. The leader moves it ahead of what it hands out, so that it may be more than was.
    delivered: Offset,
    /// The term whose leader moved `delivered` last.
    term: Term,
    /// What became of each record from the cursor on. What lies behind the last mark is fresh, so the last one is not; the first one is
    /// not settled.
    marks: VecDeque<Mark>,
}

/// Consecutive records that share a fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which.
    pub range: OffsetRange,
    /// Theirs.
    pub state: RecordState,
}

impl Progress {
    pub(crate) fn begin(since: LogIndex, term: Term, at: Offset) -> Progress {
        Progress { since, cursor: at, delivered: at, term, marks: VecDeque::new() }
    }

    /// Everything before it is settled.
    pub fn cursor(&self) -> Offset {
        self.cursor
    }

    /// Nothing from here on was handed out.
    pub fn delivered(&self) -> Offset {
        self.delivered
    }

    /// The term whose leader said last how far it hands out. Whoever leads in a later one says so before it hands anything out.
    pub fn term(&self) -> Term {
        self.term
    }

    /// What is settled or was tried, behind the cursor, by rising offset and as long as it goes; what is not named is neither.
    pub fn runs(&self) -> impl Iterator<Item = Run> + '_ {
        let mut next = self.cursor;
        std::iter::from_fn(move || {
            loop {
                let (state, end) = self.stretch(next);
                if end == Offset(u64::MAX) {
                    return None;
                }
                let range = OffsetRange::until(next, end)?;
                next = end;
                if state != RecordState::FRESH {
                    return Some(Run { range, state });
                }
            }
        })
    }

    /// What it has with one record.
    pub fn state(&self, offset: Offset) -> RecordState {
        self.stretch(offset).0
    }

    /// What it has with the record at `offset`, and up to where all records share that.
    pub fn stretch(&self, offset: Offset) -> (RecordState, Offset) {
        if offset < self.cursor {
            return (RecordState::Settled, self.cursor);
        }
        let at = self.place(offset);
        let Some(mark) = self.marks.get(at) else { return (RecordState::FRESH, Offset(u64::MAX)) };
        let alike = self.marks.range(at..).take_while(|other| *other == mark).count();
        (mark.state(), Offset(offset.0 + alike as u64))
    }

    /// How many records before `end` are not settled, for an end behind all that are.
    pub fn unsettled(&self, end: Offset) -> u64 {
        let settled = self.marks.iter().filter(|mark| **mark == Mark::SETTLED).count();
        end.0.saturating_sub(self.cursor.0).saturating_sub(settled as u64)
    }

    /// The furthest that `delivered` may lie now.
    pub fn delivered_max(&self) -> Offset {
        Offset(self.cursor.0.saturating_add(SUBSCRIPTION_SPAN_MAX))
    }

    /// What the marks may come to take in memory, in bytes: one for each record that may have been handed out. It is counted from the moment in
    /// which they may be handed out, so that settling them never fails for want of memory.
    pub(super) fn marks_bytes_max(&self) -> usize {
        self.place(self.delivered)
    }

    /// Ends deliveries. What is settled already stays so, and what was never handed out is not touched.
    pub(super) fn settle(&mut self, range: OffsetRange, how: Settlement) {
        self.change(range, |mark| mark.ended(how));
        self.advance();
    }

    /// Says how far a leader may hand out. What another one may have been handing out before, up to `lost_end`, was tried
    /// once more in vain, though it never counts above `attempts_max` for that: a record that may not have been
    /// handed out at all is not given up without anybody seeing it.
    pub(super) fn deliver(&mut self, term: Term, up_to: Offset, lost_end: Offset, attempts_max: Attempts) {
        let lost = OffsetRange::until(self.cursor, self.delivered.min(lost_end));
        if term > self.term
            && let Some(lost) = lost
        {
            self.change(lost, |mark| mark.lost(attempts_max));
        }
        self.term = term.max(self.term);
        self.delivered = self.delivered.max(up_to);
    }

    /// Everything before `start` is gone from the partition.
    pub(super) fn trim(&mut self, start: Offset) {
        if start <= self.cursor {
            return;
        }
        let gone = self.place(start).min(self.marks.len());
        self.marks.drain(..gone);
        self.cursor = start;
        self.delivered = self.delivered.max(start);
        self.advance();
    }

    /// Whether something ends before `start`, so that a trim would change it.
    pub(super) fn begins_before(&self, start: Offset) -> bool {
        self.cursor < start
    }

    /// Where the mark of a record at or behind the cursor stands.
    fn place(&self, offset: Offset) -> usize {
        usize::try_from(offset.0.saturating_sub(self.cursor.0)).unwrap_or(usize::MAX)
    }

    /// Changes the marks of a range, as far as it lies between cursor and `delivered`.
    fn change(&mut self, range: OffsetRange, to: impl Fn(Mark) -> Mark) {
        let Some(range) = range.within(self.cursor, self.delivered) else { return };
        let (first, end) = (self.place(range.first), self.place(range.end()));
        if self.marks.len() < end {
            self.marks.resize(end, Mark::FRESH);
        }
        for mark in self.marks.range_mut(first..end) {
            *mark = to(*mark);
        }
        let fresh = self.marks.iter().rev().take_while(|mark| **mark == Mark::FRESH).count();
        self.marks.truncate(self.marks.len() - fresh);
    }

    /// Moves the cursor over what is settled.
    fn advance(&mut self) {
        let settled = self.marks.iter().take_while(|mark| **mark == Mark::SETTLED).count();
        self.marks.drain(..settled);
        self.cursor = Offset(self.cursor.0 + settled as u64);
        // One that was spread far does not keep the memory for it.
        if self.marks.capacity() > 64 + 4 * self.marks.len() {
            self.marks.shrink_to(2 * self.marks.len());
        }
    }

    pub(super) fn encode(&self, out: &mut Writer) {
        out.uint(self.since.0);
        out.uint(self.cursor.0);
        out.uint(self.delivered.0);
        out.uint(self.term.0);
        let runs: Vec<Run> = self.runs().collect();
        let mut before = self.cursor;
        out.list(runs.iter(), |out, run| {
            out.uint(run.range.first.0 - before.0);
            out.uint(run.range.len());
            match run.state {
                RecordState::Settled => out.uint(0u32),
                RecordState::Open(attempts) => out.uint(attempts.0),
            }
            before = run.range.end();
        });
    }

    pub(super) fn decode(input: &mut Reader<'_>) -> Result<Progress, DecodeError> {
        let since = LogIndex(input.uint("a log index")?);
        let cursor = Offset(input.uint("a cursor")?);
        let delivered = Offset(input.uint("an offset")?);
        let term = Term(input.uint("a term")?);
        if delivered < cursor || delivered.0 - cursor.0 > SUBSCRIPTION_SPAN_MAX {
            return Err(DecodeError::Invalid("how far a subscription was handed out"));
        }
        let mut progress = Progress { delivered, ..Progress::begin(since, term, cursor) };
        for _ in 0..input.count("runs")? {
            progress.decode_run(input)?;
        }
        Ok(progress)
    }

    /// Whatever touches and is alike is one run; what is settled at the cursor is before it.
    fn decode_run(&mut self, input: &mut Reader<'_>) -> Result<(), DecodeError> {
        let invalid = || DecodeError::Invalid("a run of records");
        let next = Offset(self.cursor.0 + self.marks.len() as u64);
        let first = next.checked_add(input.uint("a run's distance")?).ok_or_else(invalid)?;
        let end = first.checked_add(input.uint("a run's length")?).ok_or_else(invalid)?;
        let mark = match input.narrow::<u16>("a run's attempts")? {
            0 => Mark::SETTLED,
            attempts => Mark::tried(Attempts(attempts)).ok_or_else(invalid)?,
        };
        let belongs_to = first == next
            && match self.marks.back() {
                Some(last) => *last == mark,
                None => mark == Mark::SETTLED,
            };
        if belongs_to || end <= first || end > self.delivered {
            return Err(invalid());
        }
        self.marks.resize(self.place(first), Mark::FRESH);
        self.marks.resize(self.place(end), mark);
        Ok(())
    }
}

//! Who has which records of one partition for one subscription at the moment. It lies over the replicated progress, which knows what
//! is settled and what was tried: a record that is neither settled there nor held here is free.

use std::collections::{BTreeMap, BTreeSet};

use forebay_env::Monotonic;
use forebay_env::fault::{Fault, planted};
use forebay_machine::{Progress, RecordState};
use forebay_model::subscription::{Delivery, DeliveryRules, OffsetRange, Settlement};
use forebay_model::{Attempts, LogIndex, Offset, Refusal};

use super::Consumer;

/// Ranges handed out by one receive; more comes with the next.
const DELIVERIES_PER_RECEIVE_MAX: usize = 1_000;

/// The mark runs ahead of what is handed out by so many records at least.
const MARK_STEP_MIN: u64 = 16;

/// The deliveries of one subscription in one partition.
pub(crate) struct Ledger {
    /// The progress that it lies over: see [`Progress::since`].
    pub(super) since: LogIndex,
    /// As the last consumer that received brought them.
    pub(super) rules: DeliveryRules,
    /// By first offset, apart from each other.
    holds: BTreeMap<Offset, Hold>,
    /// Who may have something, and was not heard to have ended.
    pub(super) consumers: BTreeSet<Consumer>,
    /// No record before it is free.
    free_from: Offset,
    /// Everything before it was handed out by this leader, or is nobody's to hand out.
    handed: Offset,
    /// The most records that one receive was handed.
    taken_max: u64,
    /// Records of the largest batch that was handed out of: whole batches go so far beyond what bounds records.
    batch_max: u64,
    /// How far this term's leader asked to hand out, if it did.
    pub(super) asked_up_to: Option<Offset>,
    /// Somebody's records are being read from files: what is free may not be much longer.
    pub(super) reading: bool,
}

/// Records with one consumer.
#[derive(Clone, Copy, Debug)]
struct Hold {
    last: Offset,
    consumer: Consumer,
    attempt: Attempts,
    /// When the lease ends.
    until: Monotonic,
    /// How it ends is on its way through the log: nothing else becomes of it until that is known.
    ends: bool,
}

/// Who wants records, and until when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(super) consumer: Consumer,
    pub(super) until: Monotonic,
}

impl Ledger {
    pub(super) fn new(since: LogIndex, rules: DeliveryRules) -> Ledger {
        Ledger {
            since,
            rules,
            holds: BTreeMap::new(),
            consumers: BTreeSet::new(),
            free_from: Offset(0),
            handed: Offset(0),
            taken_max: 0,
            batch_max: 0,
            asked_up_to: None,
            reading: false,
        }
    }

    /// Whether nothing would be lost with it.
    pub(super) fn is_idle(&self) -> bool {
        self.holds.is_empty() && !self.reading
    }

    /// The records are gone that were settled by trimming.
    pub(super) fn forget_before(&mut self, cursor: Offset) {
        if self.holds.first_key_value().is_some_and(|(first, _)| *first < cursor) {
            self.split(cursor);
            self.holds = self.holds.split_off(&cursor);
        }
        self.free_from = self.free_from.max(cursor);
    }

    /// The first free records before `end`, up to the next that are not; where fewer than `hole_max` in between are not, further.
    pub(super) fn first_free(
        &mut self,
        progress: &Progress,
        end: Offset,
        hole_max: u64,
    ) -> Option<OffsetRange> {
        let mut free = self.free(progress, self.free_from, end);
        let Some((first, _)) = free.next() else {
            self.free_from = self.free_from.max(end);
            return None;
        };
        let mut last = first.last;
        for (range, _) in free {
            if range.first.0 - last.0 > hole_max {
                break;
            }
            last = range.last;
        }
        self.free_from = first.first;
        Some(OffsetRange { first: first.first, last })
    }

    /// By how much the mark runs ahead of what is handed out: one more receive like this one, or like the largest before. Whatever lies before
    /// the mark and was not handed out when the leader dies counts as tried all the same, so it is not all that may be out.
    pub(super) fn step(&self, records_max: u64) -> u64 {
        records_max.max(self.taken_max).max(MARK_STEP_MIN).min(self.rules.span_max.into()).max(1)
    }

    /// How far a leader asks to hand out, so that it need not ask again soon. `slack` is what goes beyond for whole batches.
    pub(super) fn mark_ahead(&self, progress: &Progress, step: u64, slack: u64) -> Offset {
        let handed = self.handed.max(progress.cursor());
        Offset(handed.0.saturating_add(step).saturating_add(slack)).min(span_end(
            progress,
            &self.rules,
            slack,
        ))
    }

    /// How far whole batches may go beyond what bounds records.
    pub(super) fn slack(&self, whole_batches: bool) -> u64 {
        if whole_batches { self.batch_max } else { 0 }
    }

    /// A batch of so many records was handed out of.
    pub(super) fn note_batch(&mut self, records: u64) {
        self.batch_max = self.batch_max.max(records);
    }

    /// Nothing is free before `end`.
    pub(super) fn nothing_free_before(&mut self, end: Offset) {
        self.handed = self.handed.max(end);
    }

    /// Hands out what is free in `range`, but for `skipped`, up to `records_max` records.
    pub(super) fn hand_out(
        &mut self,
        progress: &Progress,
        range: OffsetRange,
        skipped: &[OffsetRange],
        records_max: u64,
        lease: Lease,
    ) -> HandedOut {
        let mut out = HandedOut::default();
        let mut left = records_max;
        let mut skipped = skipped.iter().copied().peekable();
        let mut free = self.free(progress, range.first, range.end());
        let mut next = free.next();
        while let Some((range, attempts)) = next {
            if left == 0 || out.deliveries.len() >= DELIVERIES_PER_RECEIVE_MAX {
                break;
            }
            while skipped.next_if(|skip| skip.last < range.first).is_some() {}
            let (piece, is_skipped) = first_piece(range, skipped.peek().copied());
            let mut taken = piece;
            if is_skipped {
                out.skipped.push(piece);
            } else {
                if let Some(few) = few_at_a_time(attempts, self.rules.attempts_max, piece.len()) {
                    if !out.deliveries.is_empty() {
                        break;
                    }
                    left = left.min(few);
                }
                taken.last = taken.last.min(Offset(range.first.0.saturating_add(left - 1)));
                left -= taken.len();
                out.deliveries
                    .push(Delivery { range: taken, attempt: Attempts(attempts.0.saturating_add(1)) });
            }
            next = match OffsetRange::until(taken.end(), range.end()) {
                Some(rest) => Some((rest, attempts)),
                None => free.next(),
            };
        }
        self.taken_max = self.taken_max.max(out.deliveries.iter().map(|delivery| delivery.range.len()).sum());
        for delivery in &out.deliveries {
            self.hold(delivery.range, delivery.attempt, lease, false);
        }
        for range in &out.skipped {
            // Nobody has them; they are only kept from everybody until they are settled.
            self.hold(*range, Attempts(0), lease, true);
        }
        out
    }

    fn hold(&mut self, range: OffsetRange, attempt: Attempts, lease: Lease, ends: bool) {
        let Lease { consumer, until } = lease;
        self.holds.insert(range.first, Hold { last: range.last, consumer, attempt, until, ends });
        self.handed = self.handed.max(range.end());
    }

    /// Whether a consumer has these records, as far as they are not settled.
    pub(super) fn check(
        &self,
        progress: &Progress,
        consumer: Consumer,
        range: OffsetRange,
    ) -> Result<(), Refusal> {
        let Some(wanted) = range.within(progress.cursor(), Offset(u64::MAX)) else { return Ok(()) };
        let mut next = wanted.first;
        for (first, hold) in self.holds_in(wanted) {
            if first > next || hold.consumer != consumer || hold.ends {
                return Err(Refusal::NotHeld);
            }
            next = Offset(hold.last.0 + 1);
        }
        if next > wanted.last { Ok(()) } else { Err(Refusal::NotHeld) }
    }

    /// The end of these deliveries is on its way: what it comes to, piece by piece. A delivery that nobody got done with is the
    /// last one of its record when it had as many as it may have.
    pub(super) fn end(&mut self, range: OffsetRange, how: Settlement) -> Vec<(OffsetRange, Settlement)> {
        self.split(range.first);
        self.split(range.end());
        let attempts_max = self.rules.attempts_max;
        let mut ended = Vec::new();
        for (first, hold) in self.holds.range_mut(range.first..=range.last) {
            hold.ends = true;
            let is_last = hold.attempt >= attempts_max && !planted(Fault::AttemptsNotLimited);
            let how = match how {
                Settlement::Release { counts: true } if is_last => Settlement::Reject,
                how => how,
            };
            ended.push((OffsetRange { first: *first, last: hold.last }, how));
        }
        ended
    }

    /// Begins the lease anew.
    pub(super) fn renew(&mut self, range: OffsetRange, until: Monotonic) {
        self.split(range.first);
        self.split(range.end());
        for (_, hold) in self.holds.range_mut(range.first..=range.last) {
            hold.until = until;
        }
    }

    /// The end of these deliveries was applied.
    pub(super) fn ended(&mut self, range: OffsetRange) {
        let gone: Vec<Offset> = self.holds.range(range.first..=range.last).map(|(first, _)| *first).collect();
        for first in gone {
            self.holds.remove(&first);
        }
        self.free_from = self.free_from.min(range.first);
    }

    /// Nothing came of their end: they are still with their consumers.
    pub(super) fn not_ended(&mut self, range: OffsetRange) {
        for (_, hold) in self.holds.range_mut(range.first..=range.last) {
            hold.ends = false;
        }
    }

    /// How many records are held.
    pub(super) fn held(&self, cursor: Offset) -> u64 {
        let held = self.holds.iter().map(|(first, hold)| OffsetRange { first: *first, last: hold.last });
        held.filter_map(|range| range.within(cursor, Offset(u64::MAX))).map(OffsetRange::len).sum()
    }

    /// What is held by a consumer.
    pub(super) fn of_consumer(&self, consumer: Consumer) -> Vec<OffsetRange> {
        self.held_if(|hold| hold.consumer == consumer)
    }

    /// When the last lease of a consumer ends, of what is not on its way to be settled.
    pub(super) fn last_lease_of(&self, consumer: Consumer) -> Option<Monotonic> {
        let its = self.holds.values().filter(|hold| !hold.ends && hold.consumer == consumer);
        its.map(|hold| hold.until).max()
    }

    /// What is held by consumers whose lease has ended.
    pub(super) fn overdue(&self, now: Monotonic) -> Vec<OffsetRange> {
        self.held_if(|hold| hold.until <= now)
    }

    fn held_if(&self, wanted: impl Fn(&Hold) -> bool) -> Vec<OffsetRange> {
        let found = self.holds.iter().filter(|(_, hold)| !hold.ends && wanted(hold));
        found.map(|(first, hold)| OffsetRange { first: *first, last: hold.last }).collect()
    }

    /// When the next lease ends.
    pub(super) fn next_end(&self) -> Option<Monotonic> {
        self.holds.values().filter(|hold| !hold.ends).map(|hold| hold.until).min()
    }

    /// What is free between two offsets, in ranges that were tried equally often.
    fn free<'a>(&'a self, progress: &'a Progress, from: Offset, end: Offset) -> Free<'a> {
        Free { ledger: self, progress, next: from.max(progress.cursor()), end }
    }

    /// The hold with this record.
    fn hold_at(&self, offset: Offset) -> Option<(Offset, Hold)> {
        let (first, hold) = self.holds.range(..=offset).next_back()?;
        (hold.last >= offset).then_some((*first, *hold))
    }

    fn holds_in(&self, range: OffsetRange) -> impl Iterator<Item = (Offset, Hold)> + '_ {
        let before = self.hold_at(range.first).filter(|(first, _)| *first < range.first);
        let within = self.holds.range(range.first..=range.last).map(|(first, hold)| (*first, *hold));
        before.into_iter().chain(within)
    }

    /// Has a hold begin at `at`, if one goes over it.
    fn split(&mut self, at: Offset) {
        let Some((first, hold)) = self.hold_at(at).filter(|(first, _)| *first < at) else { return };
        if let Some(before) = self.holds.get_mut(&first) {
            before.last = Offset(at.0 - 1);
        }
        self.holds.insert(at, hold);
    }
}

/// The first part of a range that nobody may see, or that anybody may; and whether nobody may. `skip` ends in the range or behind it.
fn first_piece(range: OffsetRange, skip: Option<OffsetRange>) -> (OffsetRange, bool) {
    match skip {
        Some(skip) if skip.first <= range.first => {
            (OffsetRange { first: range.first, last: range.last.min(skip.last) }, true)
        }
        Some(skip) if skip.first <= range.last => {
            (OffsetRange { first: range.first, last: Offset(skip.first.0 - 1) }, false)
        }
        _ => (range, false),
    }
}

/// Records that were handed out in vain again and again come few at a time, and alone for the last time: one that its consumers cannot
/// digest does not take its neighbours with it. How many, of so many that share their attempts; `None` where it does not matter yet.
fn few_at_a_time(tried: Attempts, attempts_max: Attempts, records: u64) -> Option<u64> {
    let begins = attempts_max.0.div_ceil(2).max(2);
    if attempts_max.0 > 2 && tried.0 + 1 >= attempts_max.0 {
        return Some(1);
    }
    let halvings = tried.0.checked_sub(begins)? + 1;
    Some(records.checked_shr(halvings.into()).unwrap_or(0).max(1))
}

/// How far records may be handed out as long as the oldest that is not settled stays; `slack` is what goes beyond for whole batches.
pub(super) fn span_end(progress: &Progress, rules: &DeliveryRules, slack: u64) -> Offset {
    let span = u64::from(rules.span_max).saturating_add(slack);
    Offset(progress.cursor().0.saturating_add(span)).min(progress.delivered_max())
}

/// What came of handing out.
#[derive(Debug, Default)]
pub(crate) struct HandedOut {
    pub(super) deliveries: Vec<Delivery>,
    /// What nobody is to see: it is to be settled.
    pub(super) skipped: Vec<OffsetRange>,
}

/// See [`Ledger::free`].
struct Free<'a> {
    ledger: &'a Ledger,
    progress: &'a Progress,
    next: Offset,
    end: Offset,
}

impl Iterator for Free<'_> {
    type Item = (OffsetRange, Attempts);

    fn next(&mut self) -> Option<(OffsetRange, Attempts)> {
        while self.next < self.end {
            if let Some((_, hold)) = self.ledger.hold_at(self.next) {
                self.next = Offset(hold.last.0 + 1);
                continue;
            }
            let (state, alike) = self.progress.stretch(self.next);
            let RecordState::Open(attempts) = state else {
                self.next = alike;
                continue;
            };
            let held = self.ledger.holds.range(self.next..).next().map_or(self.end, |(first, _)| *first);
            let range = OffsetRange::until(self.next, alike.min(held).min(self.end))?;
            self.next = range.end();
            return Some((range, attempts));
        }
        None
    }
}

#[cfg(test)]
mod tests;

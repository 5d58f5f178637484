//! The feed of lanes that always have something to send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::crew::{Share, Work};
use super::lane::{Flight, Lane, Load, Outcome};
use super::pump::{Feed, Patience, pump};
use super::tally::Tally;
use super::window::Window;

/// When enough was sent.
#[derive(Clone, Debug)]
pub enum Until {
    /// When the measured time is over.
    EndOfWindow,
    /// When so many records were sent in the measured time.
    Records(Arc<Quota>),
}

/// A number of records, cut into batches that threads take one by one.
#[derive(Debug)]
pub struct Quota {
    taken: AtomicU64,
    full: u64,
    /// One batch of what the full ones leave over.
    tail: bool,
}

impl Quota {
    /// So many records, in batches of `per_batch`.
    pub fn new(records: u64, per_batch: u32) -> Quota {
        let per_batch = u64::from(per_batch);
        Quota {
            taken: AtomicU64::new(0),
            full: records / per_batch,
            tail: !records.is_multiple_of(per_batch),
        }
    }

    fn take(&self) -> Option<Portion> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        match number {
            number if number < self.full => Some(Portion::Full),
            number if number == self.full && self.tail => Some(Portion::Tail),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.full + u64::from(self.tail)
    }
}

/// What one batch is, as a flight remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Portion {
    /// Before the measured time.
    Warm = 0,
    /// One of the prepared batches.
    Full = 1,
    /// The last of the prepared batches, with what the others leave over.
    Tail = 2,
}

/// Sends the lanes' prepared batches in turn, to their partitions in turn.
#[derive(Debug)]
pub struct Steady {
    window: Window,
    until: Until,
    /// The next turn of each lane.
    turns: Vec<usize>,
    /// Batches that were taken and then refused.
    owed: Vec<Portion>,
    tally: Tally,
    last: Option<Instant>,
}

impl Steady {
    /// A feed for these lanes. With [`Until::Records`] the last prepared batch of each is the one of what is left over.
    pub fn new(lanes: &[Lane], window: Window, until: Until) -> Steady {
        // Lanes begin at different partitions, so that they do not walk in step.
        let turns = (0..lanes.len()).collect();
        Steady { window, until, turns, owed: Vec::new(), tally: Tally::default(), last: None }
    }

    /// What a thread does with these lanes.
    pub fn work(mut lanes: Vec<Lane>, window: Window, until: Until, patience: Patience) -> Work {
        Box::new(move || {
            let mut feed = Steady::new(&lanes, window, until);
            pump(&mut lanes, &mut feed, &patience)?;
            Ok(Share { tally: feed.tally, last: feed.last })
        })
    }

    fn portion(&mut self, now: Instant) -> Option<Portion> {
        match &self.until {
            Until::EndOfWindow => Some(Portion::Full).filter(|_| !self.window.is_over(now)),
            Until::Records(_) if now < self.window.begin => Some(Portion::Warm),
            Until::Records(quota) => self.owed.pop().or_else(|| quota.take()),
        }
    }
}

impl Feed for Steady {
    fn next(&mut self, id: usize, lane: &Lane, now: Instant) -> Option<Load> {
        let portion = self.portion(now)?;
        let turn = self.turns[id];
        self.turns[id] = turn.wrapping_add(1);
        let (full, tail) = match &self.until {
            Until::Records(quota) if quota.tail => (lane.pool_len() - 1, lane.pool_len() - 1),
            _ => (lane.pool_len(), 0),
        };
        let prepared = if portion == Portion::Tail || full == 0 { tail } else { turn % full };
        Some(Load { prepared, slot: turn % lane.slots(), mark: portion as u64 })
    }

    fn came(&mut self, _: usize, flight: &Flight, outcome: &Outcome<'_>, now: Instant) {
        let measured = [Portion::Full, Portion::Tail].into_iter().find(|p| *p as u64 == flight.mark);
        let Some(portion) = measured else { return };
        let since_begin = self.window.since_begin(now);
        match (outcome, since_begin) {
            (Outcome::Stored, Some(since_begin)) => {
                self.tally.records(flight.records.into(), flight.payload_bytes, since_begin);
                self.tally.latency(now.saturating_duration_since(flight.sent), 1);
                self.last = Some(now);
            }
            (Outcome::Stored, None) => {}
            (Outcome::Refused(refusal), _) => {
                if since_begin.is_some() {
                    self.tally.refusal(refusal.code, || refusal.words());
                }
                if let Until::Records(_) = &self.until {
                    self.owed.push(portion);
                }
            }
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        match &self.until {
            Until::EndOfWindow => self.window.is_over(now),
            Until::Records(quota) => now >= self.window.begin && self.owed.is_empty() && quota.is_empty(),
        }
    }
}

//! Many senders over one connection: what gathers while requests are on their way goes out as one batch.

use std::collections::VecDeque;
use std::time::Instant;

use forebay_kafka::record::batch::Codec;

use super::crew::{self, Share, Work};
use super::lane::{Flight, Lane, Load, Outcome};
use super::payload::Payloads;
use super::prepared::Prepared;
use super::produce::{IN_FLIGHT_MAX, batch, unpreparable};
use super::pump::{Feed, Patience, pump};
use super::setup::Target;
use super::tally::Tally;
use super::window::Window;
use crate::args::BenchClassic;
use crate::exit::Failure;

/// Most records in one batch; a request is prepared for every number up to it.
const BATCH_RECORDS_MAX: usize = 256;
/// Bytes that the prepared requests may take together.
const POOL_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Does it.
///
/// # Errors
/// When it cannot be begun, or the connection does not last.
pub fn run(args: &BenchClassic) -> Result<(), Failure> {
    let senders = args.connections as usize;
    let largest = largest_batch(senders, args.bytes as usize);
    let mut payloads = Payloads::open(args.load.payload.as_deref())?;
    let mut target = Target::for_load(&args.on, &args.load)?;
    let leader = target.leaders[0].clone();
    let mut lane = target.lane(&leader, leader.partitions.clone(), IN_FLIGHT_MAX, &args.load)?;
    for records in 1..=largest {
        let (batch, payload_bytes) = batch(&mut payloads, Codec::None, args.bytes as usize, records as u32)?;
        let prepared = Prepared::new(lane.version(), &target.topic, &batch, payload_bytes);
        lane.pool().push(prepared.map_err(unpreparable)?);
    }
    let window = Window::after(args.load.warm(), Some(args.seconds));
    let patience = target.patience();
    let work = work(lane, Gathering::new(senders, window), patience.clone());
    crew::run("classic", window, vec![work], target.out, &patience.interrupt)
}

/// The largest batch for which all up to it can be prepared within bounds.
fn largest_batch(senders: usize, bytes: usize) -> usize {
    let fits = |largest: &usize| largest * (largest + 1) / 2 * bytes <= POOL_BYTES_MAX;
    (1..=senders.min(BATCH_RECORDS_MAX)).take_while(fits).last().unwrap_or(1)
}

fn work(lane: Lane, mut feed: Gathering, patience: Patience) -> Work {
    Box::new(move || {
        pump(&mut [lane], &mut feed, &patience)?;
        Ok(Share { tally: feed.tally, last: feed.last })
    })
}

/// Senders that became idle at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Idle {
    count: usize,
    since: Instant,
}

/// Senders, idle or waiting for a confirm.
#[derive(Debug)]
struct Gathering {
    window: Window,
    idle: VecDeque<Idle>,
    /// Those whose records are on their way, by request.
    waiting: VecDeque<Vec<Idle>>,
    /// Most records in one of the first requests: senders do not begin in step.
    first_max: usize,
    first_left: usize,
    turn: usize,
    tally: Tally,
    last: Option<Instant>,
}

impl Gathering {
    fn new(senders: usize, window: Window) -> Gathering {
        Gathering {
            window,
            idle: VecDeque::from([Idle { count: senders, since: Instant::now() }]),
            waiting: VecDeque::new(),
            first_max: senders.div_ceil(IN_FLIGHT_MAX),
            first_left: IN_FLIGHT_MAX,
            turn: 0,
            tally: Tally::default(),
            last: None,
        }
    }

    /// Takes up to so many senders, those that were idle first.
    fn take(&mut self, most: usize) -> Vec<Idle> {
        let (mut taken, mut left) = (Vec::new(), most);
        while left > 0
            && let Some(front) = self.idle.front_mut()
        {
            let count = front.count.min(left);
            taken.push(Idle { count, ..*front });
            front.count -= count;
            left -= count;
            if front.count == 0 {
                self.idle.pop_front();
            }
        }
        taken
    }
}

impl Feed for Gathering {
    fn next(&mut self, _: usize, lane: &Lane, now: Instant) -> Option<Load> {
        if self.idle.is_empty() || self.window.is_over(now) {
            return None;
        }
        let mut most = lane.pool_len();
        if self.first_left > 0 {
            self.first_left -= 1;
            most = most.min(self.first_max);
        }
        let taken = self.take(most);
        let records: usize = taken.iter().map(|idle| idle.count).sum();
        self.waiting.push_back(taken);
        self.turn = self.turn.wrapping_add(1);
        Some(Load { prepared: records - 1, slot: self.turn % lane.slots(), mark: 0 })
    }

    fn came(&mut self, _: usize, flight: &Flight, outcome: &Outcome<'_>, now: Instant) {
        let senders = self.waiting.pop_front().expect("every request has its senders");
        let since_begin = self.window.since_begin(now);
        match (outcome, since_begin) {
            (Outcome::Stored, Some(since_begin)) => {
                self.tally.records(flight.records.into(), flight.payload_bytes, since_begin);
                self.last = Some(now);
                for sender in &senders {
                    let latency = now.saturating_duration_since(sender.since);
                    self.tally.latency(latency, sender.count as u64);
                }
            }
            (Outcome::Refused(refusal), Some(_)) => self.tally.refusal(refusal.code, || refusal.words()),
            (_, None) => {}
        }
        let count = senders.iter().map(|sender| sender.count).sum();
        self.idle.push_back(Idle { count, since: now });
    }

    fn is_over(&self, now: Instant) -> bool {
        self.window.is_over(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn counts(taken: &[Idle]) -> Vec<usize> {
        taken.iter().map(|idle| idle.count).collect()
    }

    #[test]
    fn senders_go_in_the_order_they_became_idle() {
        let now = Instant::now();
        let mut gathering = Gathering::new(10, Window::after(Duration::ZERO, None));
        gathering.idle.push_back(Idle { count: 5, since: now });
        assert_eq!(counts(&gathering.take(4)), [4]);
        assert_eq!(counts(&gathering.take(8)), [6, 2]);
        assert_eq!(counts(&gathering.take(8)), [3]);
        assert_eq!(counts(&gathering.take(8)), [0; 0]);
    }

    #[test]
    fn what_is_prepared_is_bounded() {
        assert_eq!(largest_batch(64, 124), 64);
        assert_eq!(largest_batch(10_000, 124), BATCH_RECORDS_MAX);
        assert!(largest_batch(10_000, 1_000_000) < 30);
        assert_eq!(largest_batch(1, 1_000_000), 1);
    }
}

//! A thread that carries batches over: fetches from the source, publishes to the target, and asks where to go on when something was
//! lost on the way. What it holds is bounded by one fetch.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use forebay_kafka::wire::{ErrorCode, ImportOrder, Records};

use super::batch::split;
use super::lane::{Lane, LaneState};
use super::source::{self, Raw};
use super::target::{self, Extent, Ordered};
use crate::client::cluster::AutoCreate;
use crate::client::deadline::{Backoff, Deadline};
use crate::client::fetcher::is_out_of_range;
use crate::client::offsets::{self, Which};
use crate::client::{ClientError, Cluster, ClusterOptions, Place};

/// How long the source is waited for when it has nothing new.
const FETCH_WAIT: Duration = Duration::from_millis(500);
/// Batches of one request: the target takes 4096.
const BATCHES_PER_REQUEST: usize = 2_000;
/// Bytes of one request; one larger batch goes alone.
const REQUEST_BYTES: usize = 8 * 1024 * 1024;
/// Partitions that are asked for in one request.
const ASKED_AT_ONCE: usize = 500;

/// What the workers of a crew share.
#[derive(Debug, Default)]
pub struct Shared {
    /// Raised to end the work: what is fetched is published first.
    pub stop: AtomicBool,
    /// Records carried over.
    pub records: AtomicU64,
    /// Bytes carried over.
    pub bytes: AtomicU64,
}

/// How long trouble is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endurance {
    /// As long as one thing may take.
    Patience,
    /// Until somebody ends it.
    Forever,
}

/// Trouble for ever: longer than any process runs.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A thread's work.
pub struct Worker<'a> {
    source: Cluster,
    target: Cluster,
    lanes: Vec<Lane>,
    shared: &'a Shared,
    endurance: Endurance,
    trouble: Option<(Backoff, Deadline)>,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There may be more to do.
    More,
    /// No lane is open.
    Finished,
}

/// Carries lanes over until each is done, or until the crew is told to stop.
pub fn run(
    source: &ClusterOptions,
    target: &ClusterOptions,
    mut lanes: Vec<Lane>,
    endurance: Endurance,
    shared: &Shared,
) -> Vec<Lane> {
    let mut names: Vec<String> = lanes.iter().map(|lane| lane.place.topic.to_string()).collect();
    names.sort();
    names.dedup();
    match connect(source, &names).and_then(|source| Ok((source, connect(target, &names)?))) {
        Ok((source, target)) => Worker { source, target, lanes, shared, endurance, trouble: None }.work(),
        Err(why) => {
            fail_all(&mut lanes, &why);
            lanes
        }
    }
}

fn connect(options: &ClusterOptions, topics: &[String]) -> Result<Cluster, ClientError> {
    let mut cluster = Cluster::connect(options.clone())?;
    cluster.work_with(topics, AutoCreate::Forbidden)?;
    Ok(cluster)
}

fn fail_all(lanes: &mut [Lane], why: &ClientError) {
    if *why != ClientError::Interrupted {
        lanes.iter_mut().filter(|lane| lane.is_open()).for_each(|lane| lane.fail(why.to_string()));
    }
}

impl Worker<'_> {
    fn work(mut self) -> Vec<Lane> {
        while !self.shared.stop.load(Ordering::Relaxed) {
            match self.step().or_else(|why| self.bear(why)) {
                Ok(Step::More) => {}
                Ok(Step::Finished) => break,
                Err(why) => {
                    fail_all(&mut self.lanes, &why);
                    break;
                }
            }
        }
        self.lanes
    }

    fn step(&mut self) -> Result<Step, ClientError> {
        self.ask()?;
        if !self.lanes.iter().any(Lane::is_open) {
            return Ok(Step::Finished);
        }
        self.fetch()?;
        while self.lanes.iter().any(|lane| lane.is_open() && !lane.waiting.is_empty()) {
            self.publish()?;
        }
        self.trouble = None;
        Ok(Step::More)
    }

    /// Waits when something may pass, with fresh metadata of both sides behind it.
    fn bear(&mut self, why: ClientError) -> Result<Step, ClientError> {
        self.lanes.iter_mut().for_each(Lane::ask_again);
        if !may_pass(&why) {
            return Err(why);
        }
        let deadline = match self.endurance {
            Endurance::Patience => self.source.deadline(),
            Endurance::Forever => Deadline::after(FOREVER),
        };
        let (backoff, deadline) = self.trouble.get_or_insert_with(|| (Backoff::default(), deadline));
        let until = *deadline;
        let source = self.source.wait_and_refresh(backoff, "carrying records over", why, until);
        let soon = self.target.deadline();
        match source.and_then(|()| self.target.refresh(AutoCreate::Forbidden, soon)) {
            Err(why) if until.left().is_none() || !may_pass(&why) => Err(why),
            _ => Ok(Step::More),
        }
    }

    /// Asks the target where lanes go on.
    fn ask(&mut self) -> Result<(), ClientError> {
        loop {
            let asking = self.lanes.iter().filter(|lane| lane.state == LaneState::Asking).take(ASKED_AT_ONCE);
            let begin = |lane: &Lane| {
                let order = ImportOrder::Begin { source: lane.origin.clone(), start: 0 };
                (lane.place.clone(), order)
            };
            let orders: Vec<_> = asking.map(begin).collect();
            if orders.is_empty() {
                return Ok(());
            }
            let places: Vec<Place> = orders.iter().map(|(place, _)| place.clone()).collect();
            let outcomes = target::carry_out(&mut self.target, &orders)?;
            // Behind the target's answer: what it has, the source had before.
            let starts = offsets::list(&mut self.source, &places, Which::Earliest)?;
            let ends = offsets::list(&mut self.source, &places, Which::Latest)?;
            for place in places {
                let source = Extent {
                    start: starts.get(&place).copied().unwrap_or(0),
                    end: ends.get(&place).copied().unwrap_or(0),
                };
                match outcomes.get(&place) {
                    Some(Ok(extent)) => self.begun(&place, *extent, source)?,
                    Some(Err(why)) if why.code() == Some(ErrorCode::PolicyViolation) => {
                        self.not_importable(&place, source, why)?;
                    }
                    Some(Err(why)) => return Err(why.clone()),
                    None => return Err(ClientError::Invalid(format!("{place} was not answered"))),
                }
            }
        }
    }

    fn lane(&mut self, place: &Place) -> Option<&mut Lane> {
        self.lanes.iter_mut().find(|lane| lane.place == *place)
    }

    /// The target takes the lane's batches from `extent` on.
    fn begun(&mut self, place: &Place, extent: Extent, source: Extent) -> Result<(), ClientError> {
        let mut end = extent.end;
        if source.end < end {
            if let Some(lane) = self.lane(place) {
                let has = source.end;
                lane.fail(format!("the source ends at {has}, and the target at {end}: it lost records"));
            }
            return Ok(());
        }
        // A source that holds nothing any more still has its next offset.
        if source.start == source.end && end < source.start {
            end = self.skip_to(place, source.start)?;
        }
        let Some(lane) = self.lane(place) else { return Ok(()) };
        if extent.end > 0 && source.start > extent.end {
            lane.carried.lost += u64::try_from(source.start - extent.end).unwrap_or(0);
        }
        lane.go_on(end, source.start);
        Ok(())
    }

    /// Makes an empty partition, or one whose records the source has no more, begin and end there.
    fn skip_to(&mut self, place: &Place, start: i64) -> Result<i64, ClientError> {
        let Some(origin) = self.lane(place).map(|lane| lane.origin.clone()) else { return Ok(start) };
        let order = ImportOrder::Begin { source: origin, start };
        let mut outcomes = target::carry_out(&mut self.target, &[(place.clone(), order)])?;
        let outcome = outcomes.remove(place);
        outcome
            .unwrap_or_else(|| Err(ClientError::Invalid(format!("{place} was not answered"))))
            .map(|e| e.end)
    }

    /// The partition of the target is not under this import: it was cut over, or somebody else wrote to it.
    fn not_importable(
        &mut self,
        place: &Place,
        source: Extent,
        why: &ClientError,
    ) -> Result<(), ClientError> {
        let ends = offsets::list(&mut self.target, std::slice::from_ref(place), Which::Latest)?;
        let end = ends.get(place).copied().unwrap_or(0);
        let Some(lane) = self.lane(place) else { return Ok(()) };
        lane.end = end;
        if end >= source.end && why.to_string().contains("the import of the partition has ended") {
            lane.state = LaneState::CutOver;
        } else {
            lane.fail(why.to_string());
        }
        Ok(())
    }

    fn fetch(&mut self) -> Result<(), ClientError> {
        let copying = self.lanes.iter().filter(|lane| lane.state == LaneState::Copying);
        let positions: Vec<_> = copying.map(|lane| (lane.place.clone(), lane.next)).collect();
        let mut brought = Vec::new();
        for Raw { place, batches } in source::fetch(&mut self.source, &positions, FETCH_WAIT)? {
            match batches {
                Ok(bytes) => {
                    if !bytes.is_empty() {
                        brought.push(place.clone());
                    }
                    self.fetched(&place, bytes)?;
                }
                Err(why) if is_out_of_range(&why) => {
                    // Its old end moved up, or it is not what it was: the target's answer is held against the source again.
                    if let Some(lane) = self.lane(&place) {
                        lane.ask_again();
                    }
                }
                Err(why) => return Err(why),
            }
        }
        // Whoever brought something goes behind the others.
        let lanes = std::mem::take(&mut self.lanes).into_iter();
        let (behind, front): (Vec<Lane>, Vec<Lane>) = lanes.partition(|lane| brought.contains(&lane.place));
        self.lanes = front;
        self.lanes.extend(behind);
        Ok(())
    }

    fn fetched(&mut self, place: &Place, bytes: Bytes) -> Result<(), ClientError> {
        let Some(lane) = self.lane(place) else { return Ok(()) };
        if bytes.is_empty() {
            lane.brought_nothing();
            return Ok(());
        }
        let batches = match split(bytes, lane.next) {
            Ok(batches) => batches,
            Err(why) => {
                lane.fail(format!("at offset {}: {why}", lane.next));
                return Ok(());
            }
        };
        if let Some(start) = batches.first().and_then(|first| lane.begins_at(first.base)) {
            let end = self.skip_to(place, start)?;
            if let Some(lane) = self.lane(place) {
                lane.end = end;
            }
        }
        if let Some(lane) = self.lane(place)
            && let Err(why) = lane.take(batches)
        {
            lane.fail(why);
        }
        Ok(())
    }

    /// Publishes what fits into one request, and learns what became of it.
    fn publish(&mut self) -> Result<(), ClientError> {
        let sent = next_orders(&self.lanes);
        let orders: Vec<_> = sent.iter().map(|sent| (sent.place.clone(), sent.order())).collect();
        let mut outcomes: BTreeMap<Place, Ordered> = target::carry_out(&mut self.target, &orders)?;
        let mut failed = None;
        for Sent { place, batches, records, bytes, .. } in sent {
            let Some(outcome) = outcomes.remove(&place) else { continue };
            let Some(lane) = self.lanes.iter_mut().find(|lane| lane.place == place) else { continue };
            match outcome {
                Ok(extent) => {
                    lane.confirmed(batches, extent.end);
                    self.shared.records.fetch_add(records, Ordering::Relaxed);
                    self.shared.bytes.fetch_add(bytes, Ordering::Relaxed);
                }
                Err(why) if is_out_of_range(&why) => lane.ask_again(),
                Err(why) if why.is_retriable() && why.code() != Some(ErrorCode::CorruptMessage) => {
                    lane.ask_again();
                    failed = Some(why);
                }
                Err(why @ ClientError::TimedOut { .. }) => {
                    lane.ask_again();
                    failed = Some(why);
                }
                Err(ClientError::Interrupted) => return Err(ClientError::Interrupted),
                Err(why) => lane.fail(why.to_string()),
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Whether something may go away by itself.
fn may_pass(why: &ClientError) -> bool {
    why.is_retriable() || matches!(why, ClientError::TimedOut { .. })
}

/// What of a lane goes into one request.
struct Sent {
    place: Place,
    after: i64,
    batches: usize,
    records: u64,
    bytes: u64,
    pieces: Vec<Bytes>,
}

impl Sent {
    fn order(&self) -> ImportOrder {
        let mut batches = Records::new();
        self.pieces.iter().for_each(|piece| batches.push(piece.clone()));
        ImportOrder::Batches { after: self.after, batches }
    }
}

/// The first waiting batches of lanes, as many as one request takes; one at least.
fn next_orders(lanes: &[Lane]) -> Vec<Sent> {
    let (mut count, mut bytes) = (0, 0);
    let mut sent = Vec::new();
    for lane in lanes.iter().filter(|lane| lane.state == LaneState::Copying && !lane.waiting.is_empty()) {
        let mut of_lane = Sent {
            place: lane.place.clone(),
            after: lane.end,
            batches: 0,
            records: 0,
            bytes: 0,
            pieces: Vec::new(),
        };
        for batch in &lane.waiting {
            if count > 0 && (count == BATCHES_PER_REQUEST || bytes + batch.bytes.len() > REQUEST_BYTES) {
                break;
            }
            count += 1;
            bytes += batch.bytes.len();
            of_lane.batches += 1;
            of_lane.records += u64::from(batch.records);
            of_lane.bytes += batch.bytes.len() as u64;
            of_lane.pieces.push(batch.bytes.clone());
        }
        if of_lane.batches > 0 {
            sent.push(of_lane);
        }
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::bytes;
    use super::*;

    fn copying(number: i32, batches: usize) -> Lane {
        let mut lane = Lane::new(Place::new("t", number), "there".into(), None);
        lane.go_on(7, 0);
        let fetched = (0..batches).flat_map(|at| bytes(7 + at as u64, 1).to_vec()).collect::<Vec<u8>>();
        lane.take(split(fetched.into(), 7).unwrap()).unwrap();
        lane
    }

    #[test]
    fn a_request_takes_so_many_batches_and_each_lane_says_where_they_go() {
        let lanes = [copying(0, 1_500), copying(1, 0), copying(2, 1_500)];
        let sent = next_orders(&lanes);
        let shares: Vec<_> =
            sent.iter().map(|sent| (sent.place.partition, sent.after, sent.batches)).collect();
        assert_eq!(shares, [(0, 7, 1_500), (2, 7, 500)]);
        let ImportOrder::Batches { after, batches } = sent[1].order() else { panic!("batches are sent") };
        assert_eq!((after, split(batches.into_bytes(), 7).unwrap().len()), (7, 500));
    }

    #[test]
    fn a_lane_that_is_done_sends_nothing() {
        let mut lane = copying(0, 3);
        lane.fail("why");
        assert!(next_orders(&[lane]).is_empty());
    }
}

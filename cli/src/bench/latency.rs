//! Records at a fixed rate, timed from when each was due until it is read.
//!
//! A record that could not be sent in time, because others were on their way, was due all the same: what it waited counts.
//! One thread does it all, so that nothing of the time is its own waking up others.

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use forebay_kafka::model::Timestamp;
use forebay_kafka::record::batch::{BatchBuilder, Codec, NewRecord, Record};
use mio::{Events, Poll, Token};

use super::alarm::Alarm;
use super::crew::{self, Share, Work};
use super::lane::{Flight, Lane, Load, Outcome};
use super::link::Drained;
use super::payload::Payloads;
use super::prepared::Prepared;
use super::produce::IN_FLIGHT_MAX;
use super::pump::{Patience, of_the_system};
use super::reader::{Depth, Reader};
use super::schedule::{Came, Schedule, Strand, number, put_number};
use super::setup::Target;
use super::tally::{Fault, Tally};
use super::window::Window;
use crate::args::BenchLatency;
use crate::client::ClientError;
use crate::client::deadline::NAP;
use crate::client::offsets::{self, Which};
use crate::exit::Failure;
use crate::output::time;

/// Sockets that are told of at a time.
const EVENTS_MAX: usize = 1024;
/// Largest batch, bytes; a larger value still makes one.
const BATCH_BYTES_MAX: usize = 1_000_000;
/// Bytes wanted of one partition in one answer.
const FETCH_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Different values.
const VALUES: usize = 256;
/// What a record comes to beside its value at most, bytes.
const RECORD_ROOM_BYTES: usize = 32;
/// The clock's token; the sockets have those above.
const ALARM: Token = Token(0);

/// Does it.
///
/// # Errors
/// When it cannot be begun, or a connection does not last.
pub fn run(args: &BenchLatency) -> Result<(), Failure> {
    let mut payloads = Payloads::open(args.load.payload.as_deref())?;
    let mut target = Target::for_load(&args.on, &args.load)?;
    let values = (0..VALUES).map(|_| payloads.next(args.bytes as usize)).collect();
    let routes = routes(&mut target, args)?;
    let partitions: Vec<i32> = target.leaders.iter().flat_map(|leader| leader.partitions.clone()).collect();
    let stride = partitions.len() as u64;
    let strands =
        partitions.iter().zip(0..).map(|(partition, first)| (*partition, Strand::new(first, stride)));
    let (begin, warm) = (Instant::now(), args.load.warm());
    let window = Window { begin: begin + warm, end: Some(begin + warm + args.seconds) };
    let run = Run {
        topic: target.topic.clone(),
        schedule: Schedule::new(begin, args.rate, warm + args.seconds),
        window,
        values,
        strands: strands.collect(),
        tally: Tally::default(),
        last: None,
    };
    let patience = target.patience();
    let work = work(run, routes, patience.clone());
    crew::run("latency", window, vec![work], target.out, &patience.interrupt)
}

/// A broker: records go to it over one connection and come back over another.
struct Route {
    lane: Lane,
    reader: Reader,
    /// The slot that is looked at first.
    turn: usize,
}

fn routes(target: &mut Target, args: &BenchLatency) -> Result<Vec<Route>, Failure> {
    let places = target.cluster.places(&target.topic);
    let ends = offsets::list(&mut target.cluster, &places, Which::Latest)?;
    let mut routes = Vec::new();
    for leader in target.leaders.clone() {
        let lane = target.lane(&leader, leader.partitions.clone(), IN_FLIGHT_MAX, &args.load)?;
        let spans = places.iter().filter(|place| leader.partitions.contains(&place.partition));
        let spans = spans.map(|place| (place.partition, ends[place]..i64::MAX)).collect();
        let reader = Reader::open(target, &leader.address, spans, FETCH_BYTES_MAX, Depth::Records)?;
        routes.push(Route { lane, reader, turn: 0 });
    }
    Ok(routes)
}

fn work(mut run: Run, mut routes: Vec<Route>, patience: Patience) -> Work {
    Box::new(move || {
        run.drive(&mut routes, &patience)?;
        if !patience.interrupt.is_raised() {
            run.count_missing();
        }
        Ok(Share { tally: run.tally, last: run.last })
    })
}

/// What is due, what was sent, and what has come.
struct Run {
    topic: String,
    schedule: Schedule,
    window: Window,
    values: Vec<Bytes>,
    /// By partition.
    strands: BTreeMap<i32, Strand>,
    tally: Tally,
    last: Option<Instant>,
}

impl Run {
    /// Sends what is due and reads what comes, until all has come or what is missing is given up.
    fn drive(&mut self, routes: &mut [Route], patience: &Patience) -> Result<(), ClientError> {
        let mut poll = Poll::new().map_err(of_the_system)?;
        let alarm = Alarm::ticking(self.schedule.due(0), self.schedule.tick()).map_err(of_the_system)?;
        alarm.register(poll.registry(), ALARM).map_err(of_the_system)?;
        for (id, route) in routes.iter_mut().enumerate() {
            let (lane, reader) = (Token(2 * id + 1), Token(2 * id + 2));
            route.lane.link().register(poll.registry(), lane).map_err(of_the_system)?;
            route.reader.link().register(poll.registry(), reader).map_err(of_the_system)?;
            route.reader.ask()?;
        }
        let given_up = self.schedule.due(self.schedule.total()) + patience.answer;
        let mut events = Events::with_capacity(EVENTS_MAX);
        loop {
            match poll.poll(&mut events, Some(NAP)) {
                Err(why) if why.kind() == std::io::ErrorKind::Interrupted => continue,
                polled => polled.map_err(of_the_system)?,
            }
            for event in &events {
                let Token(id) = event.token();
                if event.token() == ALARM {
                    alarm.heard().map_err(of_the_system)?;
                    continue;
                }
                let route = &mut routes[(id - 1) / 2];
                if id % 2 == 1 { self.on_lane(route)? } else { self.on_reader(route)? }
            }
            let now = Instant::now();
            let everything_came = self.missing() == 0;
            if everything_came || now >= given_up || patience.interrupt.is_raised() {
                return Ok(());
            }
            for route in routes.iter_mut() {
                route.lane.check_patience(patience.answer, now)?;
                self.send_due(route)?;
            }
        }
    }

    fn on_lane(&mut self, route: &mut Route) -> Result<(), ClientError> {
        let lane = &mut route.lane;
        lane.write_on()?;
        while lane.read(|flight, outcome, now| self.answered(flight, outcome, now))? == Drained::No {}
        Ok(())
    }

    /// What was refused is sent again, and is as late as it is then.
    fn answered(&mut self, flight: &Flight, outcome: &Outcome<'_>, now: Instant) {
        if let Outcome::Refused(refusal) = outcome {
            if self.window.since_begin(now).is_some() {
                self.tally.refusal(refusal.code, || refusal.words());
            }
            strand(&mut self.strands, flight.partition).rewind(flight.mark);
        }
    }

    fn on_reader(&mut self, route: &mut Route) -> Result<(), ClientError> {
        let reader = &mut route.reader;
        reader.write_on()?;
        reader.on_readable();
        while reader.read(|partition, record| self.record_came(partition, record, Instant::now()))?.is_some()
        {
            reader.ask()?;
        }
        Ok(())
    }

    fn record_came(&mut self, partition: i32, record: &Record, now: Instant) {
        let Some(number) = record.value.as_deref().and_then(number) else { return };
        match strand(&mut self.strands, partition).came(number) {
            Came::After { missing } => {
                self.tally.fault(Fault::Missing, missing);
                self.count(number, record, now);
            }
            Came::Again => self.tally.fault(Fault::Repeated, 1),
            // Somebody else writes to the topic too.
            Came::Foreign => {}
        }
    }

    /// Times a record that was due in the measured time.
    fn count(&mut self, number: u64, record: &Record, now: Instant) {
        let due = self.schedule.due(number);
        if due < self.window.begin {
            return;
        }
        let bytes = record.value.as_ref().map_or(0, |value| value.len() as u64);
        self.tally.records(1, bytes, now.saturating_duration_since(self.window.begin));
        self.tally.latency(now.saturating_duration_since(due), 1);
        self.last = Some(now);
    }

    /// Sends what is due on a route, as far as it is open.
    fn send_due(&mut self, route: &mut Route) -> Result<(), ClientError> {
        let mut now = Instant::now();
        while route.lane.is_open(now) {
            let due = self.schedule.due_by(now);
            let slots = route.lane.slots();
            let in_turn = (0..slots).map(|slot| (route.turn + slot) % slots);
            let found = in_turn.into_iter().find_map(|slot| {
                let strand = &self.strands[&route.lane.partition(slot)];
                Some((slot, strand.next(due)?))
            });
            let Some((slot, first)) = found else { return Ok(()) };
            route.turn = slot + 1;
            let prepared = self.batch(route.lane.partition(slot), due, route.lane.version())?;
            let pool = route.lane.pool();
            pool.clear();
            pool.push(prepared);
            route.lane.send(Load { prepared: 0, slot, mark: first }, now, Timestamp(time::now_ms()))?;
            now = Instant::now();
        }
        Ok(())
    }

    /// Everything that is due on a partition, as far as one batch takes it.
    fn batch(&mut self, partition: i32, due: u64, version: i16) -> Result<Prepared, ClientError> {
        let unsendable = |why: String| ClientError::Invalid(format!("a batch cannot be made: {why}"));
        let strand = strand(&mut self.strands, partition);
        let record_bytes = self.values[0].len() + RECORD_ROOM_BYTES;
        let mut builder = BatchBuilder::new(Codec::None, usize::MAX);
        let mut payload_bytes = 0;
        while let Some(number) = strand.next(due) {
            if builder.record_count() > 0 && builder.encoded_len() + record_bytes > BATCH_BYTES_MAX {
                break;
            }
            let mut value = self.values[number as usize % self.values.len()].to_vec();
            put_number(&mut value, number);
            payload_bytes += value.len() as u64;
            let timestamp = Timestamp(time::now_ms());
            let record = NewRecord { timestamp, value: Some(value.into()), ..NewRecord::default() };
            builder.push(&record).map_err(|why| unsendable(why.to_string()))?;
            strand.take();
        }
        let batch = builder.build().map_err(|why| unsendable(why.to_string()))?;
        Prepared::new(version, &self.topic, &batch, payload_bytes).map_err(|why| unsendable(why.to_string()))
    }

    fn missing(&self) -> u64 {
        self.strands.values().map(|strand| strand.missing(self.schedule.total())).sum()
    }

    /// At the end: what was due and did not come.
    fn count_missing(&mut self) {
        let due = self.schedule.due_by(Instant::now());
        let missing = self.strands.values().map(|strand| strand.missing(due)).sum();
        self.tally.fault(Fault::Missing, missing);
    }
}

fn strand(strands: &mut BTreeMap<i32, Strand>, partition: i32) -> &mut Strand {
    strands.get_mut(&partition).expect("every partition that is written and read has a strand")
}

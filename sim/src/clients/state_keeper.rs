//! Keeps the last record of every key in a compacted topic, and reads what it keeps. It has one batch under way at a time and sends it
//! until it is confirmed, so that at any time it knows what a reader must find.

use bytes::Bytes;
use forebay_model::acl::Right;
use forebay_model::admin::{CreateTopics, DescribeTopics, NewTopic, TopicSelection};
use forebay_model::fetch::{Fetch, FetchItem, Fetched, Isolation};
use forebay_model::{
    AllocateProducer, BatchSequence, CleanupPolicy, CleanupSettings, Offset, PartitionRef, ProducerEpoch,
    ProducerId, Ratio, Refusal, Reply, Request, Timestamp, TopicId, TopicName, TopicRef, TopicSettings,
    TopicView,
};
use forebay_record::batch::{BatchBuilder, Batches, Codec, NewRecord, Producer, Records};

use super::producer::publish;
use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check, Newest, Seen, Stay};
use crate::history::Place;
use crate::plan::Kind;

/// A client gives up waiting for one answer.
const CALL_MS_MAX: u64 = 3_000;
/// The timer of the next step.
const NEXT: u64 = 1 << 62;
const TOPIC: &str = "state";
/// How long tombstones stay, in milliseconds.
const TOMBSTONE_MS: u64 = 3_000;
/// Keys that come and go...
const KEYS: u8 = 12;
/// ...and the one that every batch ends with: whoever finds its last value has everything before it.
const LAST_KEY: u8 = 255;
/// Values are so long at most, in bytes: room for the number, and something to compress.
const VALUE_LEN_MAX: usize = 400;

/// See the module.
pub struct StateKeeper {
    route: Route,
    place: Place,
    instance: (ProducerId, ProducerEpoch),
    next_sequence: i32,
    /// The batch under way, or the last one.
    number: u64,
    newest: Newest,
    step: Step,
    waits: Option<u64>,
    stops: bool,
    over: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Create,
    /// It was created, and the answer lost.
    Describe,
    Identify,
    Write(Written),
    Read {
        next: u64,
        seen: Vec<Seen>,
    },
}

/// A batch on its way.
#[derive(Clone, Debug)]
struct Written {
    bytes: Bytes,
    /// When it was first sent, in milliseconds.
    at: i64,
    records: Vec<Seen>,
}

impl StateKeeper {
    /// One that has done nothing yet.
    pub fn new(desk: &mut Desk<'_>) -> StateKeeper {
        StateKeeper {
            route: Route::any(desk.rng, desk.cluster.plan.nodes),
            place: Place { topic: TopicId([0; 16]), number: 0 },
            instance: (ProducerId(-1), ProducerEpoch(-1)),
            next_sequence: 0,
            number: 0,
            newest: Newest::default(),
            step: Step::Create,
            waits: None,
            stops: false,
            over: false,
        }
    }

    fn go_on(&mut self, desk: &mut Desk<'_>) {
        if self.waits.is_some() || self.over {
            return;
        }
        let token = desk.call(self.route.node(), self.request());
        self.waits = Some(token);
        desk.ring_after(CALL_MS_MAX, token);
    }

    fn request(&self) -> Request {
        match &self.step {
            Step::Create => create(),
            Step::Describe => describe(),
            Step::Identify => Request::AllocateProducer(AllocateProducer::default()),
            Step::Write(written) => publish(self.place, written.bytes.clone()),
            Step::Read { next, .. } => self.fetch(*next),
        }
    }

    fn fetch(&self, next: u64) -> Request {
        let partition = PartitionRef { topic: TopicRef::Id(self.place.topic), number: self.place.number };
        Request::Fetch(Fetch {
            items: vec![FetchItem { partition, offset: Offset(next), bytes_max: 20_000, leader_epoch: None }],
            bytes_min: 0,
            bytes_max: 20_000,
            wait_ms_max: 0,
            isolation: Isolation::Committed,
        })
    }

    fn is_there(&mut self, view: &TopicView) {
        self.place.topic = view.id;
        self.step = Step::Identify;
    }

    fn write(&mut self, desk: &mut Desk<'_>) {
        self.number += 1;
        let number = self.number;
        let keys = (0..desk.rng.between(0, 4)).map(|_| desk.rng.index(usize::from(KEYS)) as u8);
        let mut records: Vec<Seen> = keys.map(|key| Seen { key, number: Some(number) }).collect();
        for record in &mut records {
            record.number = record.number.filter(|_| !desk.rng.chance(200));
        }
        records.push(Seen { key: LAST_KEY, number: Some(number) });
        let codec =
            desk.rng.pick(&[Codec::None, Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]);
        let (id, epoch) = self.instance;
        let producer = Producer { id, epoch, base_sequence: BatchSequence(self.next_sequence) };
        let mut builder = BatchBuilder::new(codec, 1 << 16).producer(producer);
        for record in &records {
            let record = NewRecord {
                timestamp: Timestamp(desk.now_ms()),
                key: Some(Bytes::copy_from_slice(&[record.key])),
                value: record.number.map(|number| value_of(number, desk.rng.index(VALUE_LEN_MAX))),
                ..NewRecord::default()
            };
            builder.push(&record).expect("a small record fits");
        }
        let bytes = builder.build().expect("it has a record");
        self.step = Step::Write(Written { bytes, at: desk.now_ms(), records });
    }

    fn written(&mut self, desk: &mut Desk<'_>, written: &Written) {
        desk.cluster.counters.hit("batches of state");
        self.next_sequence += written.records.len() as i32;
        for record in &written.records {
            let deleted_at = record.number.is_none().then_some(written.at);
            self.newest.wrote(record.key, self.number, deleted_at);
        }
        if self.stops || desk.rng.chance(50) {
            self.step = Step::Read { next: 0, seen: Vec::new() };
        } else {
            self.write(desk);
        }
    }

    fn heard(&mut self, desk: &mut Desk<'_>, reply: Reply) -> Result<(), Heard> {
        match (self.step.clone(), reply) {
            (Step::Create, Reply::CreateTopics(mut created)) => match created.remove(0).topic {
                Ok(view) => self.is_there(&view),
                Err(Refusal::TopicExists) => self.step = Step::Describe,
                Err(refusal) => return Err(Heard::Refused(refusal)),
            },
            (Step::Describe, Reply::DescribeTopics(_, mut described)) => {
                let view = described.remove(0).topic.map_err(Heard::Refused)?;
                self.is_there(&view);
            }
            (Step::Identify, Reply::AllocateProducer(allocated)) => {
                self.instance = allocated.map_err(Heard::Refused)?;
                self.write(desk);
            }
            (Step::Write(written), Reply::Publish(mut published)) => match published.remove(0) {
                Ok(_) | Err(Refusal::DuplicateSequence) => self.written(desk, &written),
                Err(refusal) => return Err(Heard::Refused(refusal)),
            },
            (Step::Read { next, seen }, Reply::Fetch(mut fetched)) => {
                self.read(desk, next, seen, fetched.remove(0))?;
            }
            (_, reply) => {
                let what = format!("an answer to something else: {reply:?}");
                return Err(Heard::Broken(Broken { promise: "a request is answered once", what }));
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        desk: &mut Desk<'_>,
        mut next: u64,
        mut seen: Vec<Seen>,
        fetched: Fetched,
    ) -> Result<(), Heard> {
        let records = fetched.map_err(|refused| Heard::Refused(refused.refusal))?;
        let end = records.last_stable_offset.0;
        let is_empty = records.records.is_empty();
        take(records.records.concat().into(), &mut next, &mut seen).map_err(Heard::Broken)?;
        if next < end && !is_empty {
            self.step = Step::Read { next, seen };
            return Ok(());
        }
        let last = seen.iter().rev().find(|record| record.key == LAST_KEY).and_then(|record| record.number);
        if last != self.newest.number(LAST_KEY) {
            // Who does not know yet that another leads may not know the last ones.
            self.route.elsewhere(desk.rng);
            self.step = Step::Read { next: 0, seen: Vec::new() };
            return Ok(());
        }
        let has_true_clocks = !desk.cluster.plan.kinds.contains(&Kind::ClockStep);
        let stay = has_true_clocks.then(|| Stay { now: desk.now_ms(), age_min: TOMBSTONE_MS.cast_signed() });
        self.newest.read(&seen, stay).map_err(Heard::Broken)?;
        desk.cluster.counters.hit("reads of all state");
        let batches = self.number as usize;
        if seen.iter().filter(|record| record.key == LAST_KEY).count() < batches {
            desk.cluster.counters.hit("reads of compacted state");
        }
        self.over = self.stops;
        if !self.over {
            self.write(desk);
        }
        Ok(())
    }

    fn refused(&mut self, desk: &mut Desk<'_>, refusal: Refusal) -> Check {
        match (&self.step, refusal) {
            (_, refusal) if may_retry(&refusal) => self.route.refused(desk.rng, &refusal),
            // Not everybody knows the topic yet, or where it ends.
            (Step::Describe | Step::Write(_), Refusal::UnknownTopic | Refusal::UnknownPartition) => {}
            (
                Step::Read { .. },
                Refusal::UnknownTopic | Refusal::UnknownPartition | Refusal::OffsetOutOfRange { .. },
            ) => {
                self.route.elsewhere(desk.rng);
                self.step = Step::Read { next: 0, seen: Vec::new() };
            }
            (step, refusal) => {
                let what = format!("{step:?}: {refusal:?}");
                return Err(Broken { promise: "state can be kept", what });
            }
        }
        Ok(())
    }
}

fn create() -> Request {
    let cleanup = CleanupSettings {
        policy: Some(CleanupPolicy::Compact),
        tombstone_ms: Some(TOMBSTONE_MS),
        lag_ms_max: Some(4_000),
        dirty_ratio_min: Ratio::from_millionths(10_000),
        fresh_bytes: Some(2_000),
        fresh_ms: Some(1_000),
        ..CleanupSettings::default()
    };
    Request::CreateTopics(CreateTopics {
        topics: vec![NewTopic {
            name: TOPIC.into(),
            partitions: Some(1),
            replicas: None,
            assignment: Vec::new(),
            settings: Ok(TopicSettings { cleanup, ..TopicSettings::default() }),
        }],
        dry_run: false,
        timeout_ms: 1000,
    })
}

fn describe() -> Request {
    let name = TopicName::parse(TOPIC).expect("our own names are names");
    let topics = TopicSelection::These(vec![TopicRef::Name(name)]);
    Request::DescribeTopics(DescribeTopics { topics, right: Right::Describe, create: false })
}

/// The number of its batch, and more of the same.
fn value_of(number: u64, len: usize) -> Bytes {
    let number = number.to_le_bytes();
    number.iter().copied().chain(number.iter().copied().cycle().take(len)).collect()
}

/// Goes over what was fetched; `next` is where it goes on.
fn take(bytes: Bytes, next: &mut u64, seen: &mut Vec<Seen>) -> Result<(), Broken> {
    let damaged = |what: String| Broken { promise: "damage is never served", what };
    for batch in Batches::new(bytes) {
        let batch = batch.map_err(|error| damaged(error.to_string()))?;
        let records = Records::open(&batch, 1 << 20).map_err(|error| damaged(error.to_string()))?;
        let header = *records.header();
        let end = header.base_offset.cast_unsigned() + u64::from(header.last_offset_delta) + 1;
        if end <= *next {
            continue;
        }
        *next = end;
        for record in records {
            let record = record.map_err(|error| damaged(error.to_string()))?;
            let key = record.key.as_deref().and_then(|key| key.first().copied());
            let key = key.ok_or_else(|| damaged(format!("no key at offset {}", record.offset)))?;
            let number =
                record.value.as_deref().map(|value| value.first_chunk().copied().map(u64::from_le_bytes));
            if number == Some(None) {
                return Err(damaged(format!("the value at offset {} is nobody's", record.offset)));
            }
            seen.push(Seen { key, number: number.flatten() });
        }
    }
    Ok(())
}

enum Heard {
    Refused(Refusal),
    Broken(Broken),
}

impl Client for StateKeeper {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.go_on(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        if self.waits != Some(token) {
            return Ok(());
        }
        self.waits = None;
        match reply.map(|reply| self.heard(desk, reply)) {
            Some(Ok(())) => {}
            Some(Err(Heard::Broken(broken))) => return Err(broken),
            Some(Err(Heard::Refused(refusal))) => self.refused(desk, refusal)?,
            None => self.route.elsewhere(desk.rng),
        }
        let after = desk.rng.between(5, 150);
        desk.ring_after(after, NEXT);
        Ok(())
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            NEXT => self.go_on(desk),
            token if self.waits == Some(token) => desk.hang_up(self.route.node()),
            _ => {}
        }
        Ok(())
    }

    fn wind_down(&mut self, desk: &mut Desk<'_>) {
        self.stops = true;
        self.go_on(desk);
    }

    fn waits_for(&self) -> Option<String> {
        (self.stops && !self.over).then(|| format!("the state: {:?}", self.step))
    }
}

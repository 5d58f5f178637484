//! Producers. An idempotent one has up to five batches in flight and sends each again until it is confirmed; a plain one
//! sends one after the other, once.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use forebay_model::publish::{Confirm, PayloadKind, Publish, PublishItem, Published};
use forebay_model::{
    AllocateProducer, BatchSequence, PartitionRef, ProducerEpoch, ProducerId, Refusal, Reply, Request,
    Timestamp, TopicRef,
};
use forebay_record::batch;
use forebay_record::batch::{BatchBuilder, Codec, NewRecord};

use super::fencing::Fenced;
use super::{Client, Desk, Route, is_uncertain, may_retry};
use crate::checkers::{self, Broken, Check};
use crate::history::{BatchId, Place, Sent, Uid, value_of};

/// Batches of one partition that may be under way.
pub(super) const IN_FLIGHT_MAX: usize = 5;
/// A client gives up waiting for one answer.
const CALL_MS_MAX: u64 = 3_000;
/// The timer of the next batch.
const NEXT: u64 = 1 << 62;
/// The timer of sending again.
const AGAIN: u64 = 1 << 61;

/// How it produces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProducerKind {
    /// With sequences.
    Idempotent,
    /// Without.
    Plain,
}

/// A producer of one partition.
pub struct Producer {
    number: u16,
    kind: ProducerKind,
    place: Place,
    pace_ms: u64,
    route: Route,
    id_route: Route,
    pub(super) session: Option<Session>,
    pub(super) in_flight: VecDeque<InFlight>,
    next_batch: u32,
    /// By token: from which process to which node.
    calls: BTreeMap<u64, (u32, usize)>,
    /// Which process of this producer is at work.
    process: u32,
    /// Batches whose time will come.
    planned: usize,
    /// How long what is sent now is held up on its way, in milliseconds.
    held_up_ms: u64,
    asks_for_id: Option<u64>,
    again_planned: bool,
    winds_down: bool,
    pub(super) fenced: Option<Fenced>,
    /// Batches until the next fencing.
    until_fencing: u64,
}

/// An idempotent producer's identity.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) id: ProducerId,
    pub(super) epoch: ProducerEpoch,
    pub(super) next_sequence: i32,
}

/// A batch on its way.
pub(super) struct InFlight {
    pub(super) batch: BatchId,
    pub(super) bytes: Bytes,
    pub(super) waits: Option<u64>,
    /// Whether everything before it was confirmed when it was sent last.
    sent_as_head: bool,
}

impl Producer {
    /// The producer `number`, for `place`.
    pub fn new(number: u16, kind: ProducerKind, place: Place, pace_ms: u64, desk: &mut Desk<'_>) -> Producer {
        Producer {
            number,
            kind,
            place,
            pace_ms,
            route: Route::any(desk.rng, desk.cluster.plan.nodes),
            id_route: Route::any(desk.rng, desk.cluster.plan.nodes),
            session: None,
            in_flight: VecDeque::new(),
            next_batch: 1,
            calls: BTreeMap::new(),
            process: 0,
            planned: 0,
            held_up_ms: 0,
            asks_for_id: None,
            again_planned: false,
            winds_down: false,
            fenced: None,
            until_fencing: desk.rng.between(50, 400),
        }
    }

    fn ask_for_id(&mut self, desk: &mut Desk<'_>) {
        let request = Request::AllocateProducer(AllocateProducer::default());
        let token = desk.call(self.id_route.node(), request);
        self.asks_for_id = Some(token);
        desk.ring_after(CALL_MS_MAX, token);
    }

    /// Makes the next batch, if there is room for one.
    fn next(&mut self, desk: &mut Desk<'_>) {
        let room = match self.kind {
            ProducerKind::Idempotent => IN_FLIGHT_MAX,
            ProducerKind::Plain => 1,
        };
        if self.winds_down || self.in_flight.len() >= room || self.waits_for_calm() {
            return;
        }
        self.send_new(desk);
    }

    fn send_new(&mut self, desk: &mut Desk<'_>) {
        let batch = BatchId { producer: self.number, number: self.next_batch };
        self.next_batch += 1;
        let (bytes, sent) = self.make(desk, batch);
        desk.cluster.history.sent.insert(batch, sent);
        self.in_flight.push_back(InFlight { batch, bytes, waits: None, sent_as_head: false });
        let last = self.in_flight.len() - 1;
        self.send(desk, last);
    }

    fn make(&mut self, desk: &mut Desk<'_>, id: BatchId) -> (Bytes, Sent) {
        let count = desk.rng.between(1, 5) as u8;
        let made_ms = desk.now_ms();
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
        if let Some(session) = &mut self.session {
            builder = builder.producer(session.stamp(count));
        }
        let len = if desk.rng.chance(20) { desk.rng.index(6_000) } else { desk.rng.index(200) };
        for record in 0..count {
            let value = value_of(Uid::new(id, record), len);
            let record =
                NewRecord { timestamp: Timestamp(made_ms), value: Some(value), ..NewRecord::default() };
            builder.push(&record).expect("a small record fits");
        }
        let sent = Sent {
            place: self.place,
            count,
            producer_id: self.session.map(|session| session.id.0),
            attempts: 0,
            open: 0,
            confirmed: None,
            confirmed_somewhere: false,
            made_ms,
        };
        (builder.build().expect("it has records"), sent)
    }

    fn send(&mut self, desk: &mut Desk<'_>, at: usize) {
        let flight = &mut self.in_flight[at];
        let sent = desk.cluster.history.sent(flight.batch);
        sent.attempts += 1;
        sent.open += 1;
        let node = self.route.node();
        let request = publish(self.place, flight.bytes.clone());
        let token = desk.call_from(self.process, node, self.held_up_ms, request);
        flight.waits = Some(token);
        flight.sent_as_head = at == 0;
        self.calls.insert(token, (self.process, node));
        desk.ring_after(CALL_MS_MAX, token);
    }

    /// Sends again, in order, what was refused.
    fn send_again(&mut self, desk: &mut Desk<'_>) {
        for at in 0..self.in_flight.len() {
            if self.in_flight[at].waits.is_none() {
                self.send(desk, at);
            }
        }
    }

    fn plan_again(&mut self, desk: &mut Desk<'_>) {
        if !self.again_planned {
            self.again_planned = true;
            let after = desk.rng.between(10, 150);
            desk.ring_after(after, AGAIN);
        }
    }

    fn published(&mut self, desk: &mut Desk<'_>, at: usize, result: Option<Published>) -> Check {
        let batch = self.in_flight[at].batch;
        let as_head = std::mem::take(&mut self.in_flight[at].sent_as_head);
        self.in_flight[at].waits = None;
        match result {
            Some(Ok(appended)) => {
                self.in_flight.remove(at);
                self.confirmed(desk, batch, appended.base_offset.0, appended.start_offset.0)
            }
            Some(Err(Refusal::DuplicateSequence)) if self.kind == ProducerKind::Idempotent => {
                desk.cluster.counters.hit("confirmed without an offset");
                self.in_flight.remove(at);
                desk.cluster.confirmed_without_offset(batch)?;
                self.plan_next(desk);
                Ok(())
            }
            Some(Err(refusal)) => {
                if !is_uncertain(&refusal) {
                    desk.cluster.history.sent(batch).open -= 1;
                }
                self.refused(desk, at, &refusal, as_head)
            }
            None => self.refused(desk, at, &Refusal::Unknown, as_head),
        }
    }

    fn confirmed(&mut self, desk: &mut Desk<'_>, batch: BatchId, base: u64, start: u64) -> Check {
        desk.cluster.counters.hit("confirms");
        if desk.cluster.history.sent(batch).attempts > 1 {
            desk.cluster.counters.hit("confirms of retried batches");
        }
        let now_ms = desk.now_ms();
        checkers::confirmed(&mut desk.cluster.history, batch, base, start, now_ms)?;
        desk.cluster.look_at_media(batch)?;
        self.plan_next(desk);
        Ok(())
    }

    fn plan_next(&mut self, desk: &mut Desk<'_>) {
        // A take-over sends more at once than was planned.
        if self.planned + self.in_flight.len() >= IN_FLIGHT_MAX {
            return;
        }
        self.planned += 1;
        let after = desk.rng.between(0, 2 * self.pace_ms);
        desk.ring_after(after, NEXT);
    }

    fn refused(&mut self, desk: &mut Desk<'_>, at: usize, refusal: &Refusal, as_head: bool) -> Check {
        let batch = self.in_flight[at].batch;
        match refusal {
            refusal if may_retry(refusal) => self.route.refused(desk.rng, refusal),
            // One before it was refused too, or is on its way to another node.
            Refusal::OutOfOrderSequence if !as_head => {}
            refusal => {
                let what = format!("{batch:?} for {:?}: {refusal:?}", self.place);
                return Err(Broken { promise: "an idempotent producer can go on", what });
            }
        }
        if self.kind == ProducerKind::Plain {
            self.in_flight.remove(at);
            if desk.cluster.history.sent(batch).open == 0 {
                checkers::refused_for_good(&mut desk.cluster.history, batch)?;
            }
            self.plan_next(desk);
            return Ok(());
        }
        self.plan_again(desk);
        Ok(())
    }

    fn allocated(&mut self, desk: &mut Desk<'_>, reply: Option<Reply>) {
        match reply {
            Some(Reply::AllocateProducer(Ok((id, epoch)))) => {
                self.session = Some(Session { id, epoch, next_sequence: 0 });
                for _ in 0..IN_FLIGHT_MAX {
                    self.next(desk);
                }
            }
            Some(Reply::AllocateProducer(Err(refusal))) => {
                self.id_route.refused(desk.rng, &refusal);
                desk.ring_after(40, AGAIN);
            }
            _ => {
                self.id_route.elsewhere(desk.rng);
                desk.ring_after(40, AGAIN);
            }
        }
    }

    /// Before a take-over everything sent comes to its end, so that what is under way then is known.
    fn waits_for_calm(&self) -> bool {
        self.kind == ProducerKind::Idempotent && self.until_fencing == 0 && self.fenced.is_none()
    }

    /// Another process of the same producer takes over, while five batches of this one are held up on their way: what it
    /// sends overtakes them.
    fn maybe_be_fenced(&mut self, desk: &mut Desk<'_>) {
        self.until_fencing = self.until_fencing.saturating_sub(1);
        let calm = self.waits_for_calm() && self.in_flight.is_empty() && !self.winds_down;
        if !calm || self.session.is_none() {
            return;
        }
        self.until_fencing = desk.rng.between(100, 600);
        desk.cluster.counters.hit("producers that take over");
        self.held_up_ms = desk.rng.between(10, 150);
        for _ in 0..IN_FLIGHT_MAX {
            self.send_new(desk);
        }
        self.held_up_ms = 0;
        self.fenced = Some(Fenced::new(std::mem::take(&mut self.in_flight)));
        self.process += 1;
        if let Some(session) = &mut self.session {
            session.epoch.0 += 1;
            session.next_sequence = 0;
        }
        for _ in 0..IN_FLIGHT_MAX {
            self.send_new(desk);
        }
    }
}

impl Session {
    fn stamp(&mut self, count: u8) -> batch::Producer {
        let base_sequence = BatchSequence(self.next_sequence);
        self.next_sequence += i32::from(count);
        batch::Producer { id: self.id, epoch: self.epoch, base_sequence }
    }
}

pub(super) fn publish(place: Place, payload: Bytes) -> Request {
    let partition = PartitionRef { topic: TopicRef::Id(place.topic), number: place.number };
    Request::Publish(Publish {
        items: vec![PublishItem { partition, kind: PayloadKind::RecordBatch, payload, import: None }],
        confirm: Confirm::Quorum,
        transaction: None,
        timeout_ms: 1500,
    })
}

impl Client for Producer {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        match self.kind {
            ProducerKind::Idempotent => self.ask_for_id(desk),
            ProducerKind::Plain => self.next(desk),
        }
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        if self.asks_for_id == Some(token) {
            self.asks_for_id = None;
            self.allocated(desk, reply);
            return Ok(());
        }
        self.calls.remove(&token);
        let result = match reply {
            Some(Reply::Publish(mut published)) => Some(published.remove(0)),
            _ => None,
        };
        if let Some(fenced) = &mut self.fenced
            && fenced.waits_for(token)
        {
            fenced.answered(desk, token, result)?;
            if fenced.is_over() {
                self.fenced = None;
            }
            return Ok(());
        }
        let Some(at) = self.in_flight.iter().position(|flight| flight.waits == Some(token)) else {
            return Ok(());
        };
        self.published(desk, at, result)?;
        self.maybe_be_fenced(desk);
        Ok(())
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            NEXT => {
                self.planned -= 1;
                self.next(desk);
                self.maybe_be_fenced(desk);
            }
            AGAIN if self.session.is_none() && self.kind == ProducerKind::Idempotent => {
                if self.asks_for_id.is_none() {
                    self.ask_for_id(desk);
                }
            }
            AGAIN => {
                self.again_planned = false;
                self.send_again(desk);
            }
            token if self.asks_for_id == Some(token) => desk.hang_up(self.id_route.node()),
            token => {
                if let Some((process, node)) = self.calls.get(&token) {
                    desk.cluster.counters.hit("calls given up");
                    desk.hang_up_from(*process, *node);
                }
            }
        }
        Ok(())
    }

    fn wind_down(&mut self, _desk: &mut Desk<'_>) {
        self.winds_down = true;
    }

    fn waits_for(&self) -> Option<String> {
        let first = self.in_flight.front()?;
        Some(format!("the confirm of {:?} in {:?}", first.batch, self.place))
    }
}

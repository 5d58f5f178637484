//! A connection that batches go out on: the requests on their way, and the numbers of what was sent.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use forebay_kafka::model::{BatchSequence, ProducerEpoch, ProducerId, Timestamp};
use forebay_kafka::record::batch::Producer;
use forebay_kafka::wire::ErrorCode;

use super::confirm::{self, Confirm};
use super::link::{Drained, Link};
use super::prepared::Prepared;
use crate::client::producer::sequence_after;
use crate::client::{ClientError, Place};

/// Pause after a refusal.
const PAUSE: Duration = Duration::from_millis(100);
/// Refusals in a row after which it makes no sense to go on.
const REFUSED_IN_A_ROW_MAX: u32 = 100;

/// One connection, to the leader of its partitions.
#[derive(Debug)]
pub struct Lane {
    link: Link,
    version: i16,
    topic: String,
    /// Who we are to the broker; without it, it does not recognise what it gets twice.
    identity: Option<(ProducerId, ProducerEpoch)>,
    slots: Vec<Slot>,
    pool: Vec<Prepared>,
    in_flight: VecDeque<Flight>,
    in_flight_max: usize,
    next_correlation: i32,
    writing: Option<Writing>,
    trouble: Option<Trouble>,
}

/// What a lane is for.
#[derive(Debug)]
pub struct LaneOptions {
    /// The version of Produce that both sides speak.
    pub version: i16,
    /// The topic.
    pub topic: String,
    /// Partitions that the broker leads.
    pub partitions: Vec<i32>,
    /// Who we are to the broker, if it is to recognise what it gets twice.
    pub identity: Option<(ProducerId, ProducerEpoch)>,
    /// Requests that may be on their way at a time.
    pub in_flight_max: usize,
}

/// A partition, and where we are in it.
#[derive(Debug)]
struct Slot {
    partition: i32,
    next_sequence: i32,
    /// The number to go on with once nothing is on its way any more: that of the first batch that was refused.
    rewind: Option<i32>,
    /// The offset last confirmed.
    last_offset: i64,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    correlation: i32,
    slot: usize,
    sequence: i32,
    /// The partition it is for.
    pub partition: i32,
    /// Records in it.
    pub records: u32,
    /// Bytes of their values.
    pub payload_bytes: u64,
    /// When it was sent.
    pub sent: Instant,
    /// What the sender wants to remember.
    pub mark: u64,
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Which of the prepared requests.
    pub prepared: usize,
    /// To which of the lane's partitions, by its place among them.
    pub slot: usize,
    /// What to remember.
    pub mark: u64,
}

/// A request that is being written.
#[derive(Clone, Copy, Debug)]
struct Writing {
    prepared: usize,
    written: usize,
}

/// Refusals, and nothing confirmed since.
#[derive(Clone, Copy, Debug)]
struct Trouble {
    in_a_row: u32,
    until: Instant,
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome<'f> {
    /// It is stored.
    Stored,
    /// It is not.
    Refused(Refusal<'f>),
}

/// A broker's no.
#[derive(Debug)]
pub struct Refusal<'f> {
    /// Its error.
    pub code: ErrorCode,
    frame: &'f [u8],
    version: i16,
}

impl Refusal<'_> {
    /// Its words, if it had any.
    pub fn words(&self) -> Option<String> {
        confirm::words(self.frame, self.version)
    }
}

impl Lane {
    /// A lane over a link on which nothing is on its way.
    pub fn new(link: Link, options: LaneOptions) -> Lane {
        let slot = |partition| Slot { partition, next_sequence: 0, rewind: None, last_offset: -1 };
        Lane {
            link,
            version: options.version,
            topic: options.topic,
            identity: options.identity,
            slots: options.partitions.into_iter().map(slot).collect(),
            pool: Vec::new(),
            in_flight: VecDeque::with_capacity(options.in_flight_max),
            in_flight_max: options.in_flight_max,
            next_correlation: 0,
            writing: None,
            trouble: None,
        }
    }

    /// The requests it can send. They may only be exchanged while [`Lane::is_open`].
    pub fn pool(&mut self) -> &mut Vec<Prepared> {
        &mut self.pool
    }

    /// How many requests it can send.
    pub fn pool_len(&self) -> usize {
        self.pool.len()
    }

    /// The version of Produce that its requests are prepared in.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// How many partitions it sends to.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// A partition by its place.
    pub fn partition(&self, slot: usize) -> i32 {
        self.slots[slot].partition
    }

    /// The socket.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Whether something may be sent now.
    pub fn is_open(&self, now: Instant) -> bool {
        let calm = match &self.trouble {
            None => self.in_flight.len() < self.in_flight_max,
            Some(trouble) => self.in_flight.is_empty() && now >= trouble.until,
        };
        calm && self.writing.is_none()
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Sends the next of its requests. Only while [`Lane::is_open`].
    ///
    /// # Errors
    /// [`ClientError::Lost`].
    pub fn send(&mut self, load: Load, now: Instant, time: Timestamp) -> Result<(), ClientError> {
        debug_assert!(self.is_open(now), "who sends has looked whether it may");
        let (slot, prepared) = (&mut self.slots[load.slot], &mut self.pool[load.prepared]);
        let (correlation, sequence) = (self.next_correlation, slot.next_sequence);
        let numbered =
            self.identity.map(|(id, epoch)| Producer { id, epoch, base_sequence: BatchSequence(sequence) });
        prepared.renew(correlation, slot.partition, numbered, time);
        self.next_correlation = correlation.wrapping_add(1);
        slot.next_sequence = sequence_after(sequence, prepared.records());
        self.in_flight.push_back(Flight {
            correlation,
            slot: load.slot,
            sequence,
            partition: slot.partition,
            records: prepared.records(),
            payload_bytes: prepared.payload_bytes(),
            sent: now,
            mark: load.mark,
        });
        self.writing = Some(Writing { prepared: load.prepared, written: 0 });
        self.write_on()
    }

    /// Goes on writing, if the last request is not written to its end.
    ///
    /// # Errors
    /// [`ClientError::Lost`].
    pub fn write_on(&mut self) -> Result<(), ClientError> {
        let Some(writing) = &mut self.writing else { return Ok(()) };
        let bytes = self.pool[writing.prepared].bytes();
        writing.written += self.link.write(&bytes[writing.written..])?;
        if writing.written == bytes.len() {
            self.writing = None;
        }
        Ok(())
    }

    /// Reads once, and says of each answer which request it is for and what became of it.
    ///
    /// # Errors
    /// [`ClientError::Lost`]; [`ClientError::Garbled`] for an answer nobody asked for, or an offset that was given out
    /// before; [`ClientError::Refused`] after too many refusals in a row.
    pub fn read(
        &mut self,
        mut came: impl FnMut(&Flight, &Outcome<'_>, Instant),
    ) -> Result<Drained, ClientError> {
        let drained = self.link.read()?;
        let now = Instant::now();
        let (slots, in_flight, trouble, version) =
            (&mut self.slots, &mut self.in_flight, &mut self.trouble, self.version);
        let mut given_up = None;
        self.link.frames(|frame| {
            let confirm = Confirm::read(frame, version).ok_or("it is not an answer about one partition")?;
            let flight = in_flight.pop_front().ok_or("it answers a request that was not sent")?;
            let slot = &mut slots[flight.slot];
            if (confirm.correlation, confirm.partition) != (flight.correlation, slot.partition) {
                return Err(format!(
                    "it answers request {} for partition {}, and {} for partition {} is next",
                    confirm.correlation, confirm.partition, flight.correlation, slot.partition
                ));
            }
            match confirm.error {
                ErrorCode::None => {
                    slot.confirm(confirm.base_offset, flight.records)?;
                    *trouble = None;
                    came(&flight, &Outcome::Stored, now);
                }
                // What arrived twice arrived.
                ErrorCode::DuplicateSequenceNumber => {
                    *trouble = None;
                    came(&flight, &Outcome::Stored, now);
                }
                code => {
                    let refusal = Refusal { code, frame, version };
                    slot.rewind.get_or_insert(flight.sequence);
                    let in_a_row = trouble.map_or(0, |trouble| trouble.in_a_row) + 1;
                    *trouble = Some(Trouble { in_a_row, until: now + PAUSE });
                    if in_a_row >= REFUSED_IN_A_ROW_MAX {
                        given_up.get_or_insert_with(|| (slot.partition, code, refusal.words()));
                    }
                    came(&flight, &Outcome::Refused(refusal), now);
                }
            }
            Ok(())
        })?;
        if let Some((partition, code, message)) = given_up {
            let doing = format!("sending to {}", Place::new(&self.topic, partition));
            return Err(ClientError::Refused { doing, code, message });
        }
        if self.in_flight.is_empty() {
            self.slots.iter_mut().for_each(Slot::rewind);
        }
        Ok(drained)
    }

    /// Fails when the oldest request has waited for longer than that.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`].
    pub fn check_patience(&self, patience: Duration, now: Instant) -> Result<(), ClientError> {
        match self.in_flight.front() {
            Some(flight) if now.saturating_duration_since(flight.sent) > patience => {
                let doing = format!("waiting for {} to answer Produce", self.link.address());
                Err(ClientError::TimedOut { doing, last: None })
            }
            _ => Ok(()),
        }
    }
}

impl Slot {
    fn confirm(&mut self, base_offset: i64, records: u32) -> Result<(), String> {
        if base_offset <= self.last_offset {
            return Err(format!("it gives out offset {base_offset} after {}", self.last_offset));
        }
        self.last_offset = base_offset + i64::from(records) - 1;
        Ok(())
    }

    fn rewind(&mut self) {
        if let Some(sequence) = self.rewind.take() {
            self.next_sequence = sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use forebay_kafka::record::batch::{BatchBuilder, BatchHeader, Codec, NewRecord};
    use forebay_kafka::wire::frame::Framing;
    use forebay_kafka::wire::messages::ProduceResponse;
    use forebay_kafka::wire::messages::produce::{PartitionProduceResponse, TopicProduceResponse};
    use forebay_kafka::wire::{AnyRequest, Cursor, RequestHeader, Response, Str};
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    const VERSION: i16 = 9;

    /// A lane that may have five requests of two records on their way, and the broker's end of it.
    fn lane() -> (Lane, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (broker, _) = listener.accept().unwrap();
        let options = LaneOptions {
            version: VERSION,
            topic: "t".into(),
            partitions: vec![4],
            identity: Some((ProducerId(1), ProducerEpoch(0))),
            in_flight_max: 5,
        };
        let mut lane = Lane::new(Link::new(stream, "b:1", 1000).unwrap(), options);
        let mut builder = BatchBuilder::new(Codec::None, 1000);
        for _ in 0..2 {
            let record = NewRecord { value: Some(Bytes::from_static(b"v")), ..NewRecord::default() };
            builder.push(&record).unwrap();
        }
        lane.pool().push(Prepared::new(VERSION, "t", &builder.build().unwrap(), 2).unwrap());
        (lane, broker)
    }

    fn send(lane: &mut Lane, mark: u64) {
        lane.send(Load { prepared: 0, slot: 0, mark }, Instant::now(), Timestamp(1)).unwrap();
    }

    /// The sequence of the next batch that the broker gets.
    fn sequence(broker: &mut TcpStream) -> i32 {
        let mut prefix = [0; 4];
        broker.read_exact(&mut prefix).unwrap();
        let length = Framing::default().next_length(&prefix).unwrap().unwrap();
        let mut frame = vec![0; length];
        broker.read_exact(&mut frame).unwrap();
        let frame = Bytes::from(frame);
        let mut cursor = Cursor::new(&frame);
        let header = RequestHeader::decode(&mut cursor).unwrap();
        let AnyRequest::Produce(request) = AnyRequest::read(&mut cursor, &header).unwrap() else {
            panic!("not Produce")
        };
        let records = request.topic_data[0].partition_data[0].records.clone().unwrap().into_bytes();
        BatchHeader::peek(&records).unwrap().base_sequence.0
    }

    fn answer(broker: &mut TcpStream, correlation: i32, error_code: ErrorCode, base_offset: i64) {
        let partition = PartitionProduceResponse {
            index: 4,
            error_code,
            base_offset,
            ..PartitionProduceResponse::default()
        };
        let topic = TopicProduceResponse {
            name: Str::from("t"),
            partition_responses: vec![partition],
            ..TopicProduceResponse::default()
        };
        let response = ProduceResponse { responses: vec![topic], ..ProduceResponse::default() };
        let frame = response.to_frame(VERSION, correlation).unwrap().into_bytes();
        broker.write_all(&frame).unwrap();
    }

    /// Reads until so many answers came: (mark, code).
    fn answers(lane: &mut Lane, count: usize) -> Result<Vec<(u64, ErrorCode)>, ClientError> {
        let mut came = Vec::new();
        while came.len() < count {
            lane.read(|flight, outcome, _| {
                let code = match outcome {
                    Outcome::Stored => ErrorCode::None,
                    Outcome::Refused(refusal) => refusal.code,
                };
                came.push((flight.mark, code));
            })?;
        }
        Ok(came)
    }

    #[test]
    fn as_many_requests_as_allowed_are_on_their_way() {
        let (mut lane, mut broker) = lane();
        for mark in 0..5 {
            assert!(lane.is_open(Instant::now()));
            send(&mut lane, mark);
        }
        assert!(!lane.is_open(Instant::now()));
        assert_eq!([0; 5].map(|_| sequence(&mut broker)), [0, 2, 4, 6, 8]);
        answer(&mut broker, 0, ErrorCode::None, 100);
        answer(&mut broker, 1, ErrorCode::None, 102);
        assert_eq!(answers(&mut lane, 2).unwrap(), [(0, ErrorCode::None), (1, ErrorCode::None)]);
        assert!(lane.is_open(Instant::now()) && !lane.is_idle());
    }

    #[test]
    fn after_a_refusal_the_numbers_go_on_where_it_was() {
        let (mut lane, mut broker) = lane();
        (0..3).for_each(|mark| send(&mut lane, mark));
        answer(&mut broker, 0, ErrorCode::None, 0);
        answer(&mut broker, 1, ErrorCode::NotEnoughReplicas, -1);
        answers(&mut lane, 2).unwrap();
        let later = Instant::now() + 10 * PAUSE;
        assert!(!lane.is_open(later), "the third is still on its way");
        answer(&mut broker, 2, ErrorCode::OutOfOrderSequenceNumber, -1);
        assert_eq!(answers(&mut lane, 1).unwrap(), [(2, ErrorCode::OutOfOrderSequenceNumber)]);
        assert!(!lane.is_open(Instant::now()) && lane.is_open(later));
        lane.send(Load { prepared: 0, slot: 0, mark: 3 }, later, Timestamp(1)).unwrap();
        assert_eq!([0; 4].map(|_| sequence(&mut broker)), [0, 2, 4, 2]);
        answer(&mut broker, 3, ErrorCode::DuplicateSequenceNumber, -1);
        assert_eq!(answers(&mut lane, 1).unwrap(), [(3, ErrorCode::None)]);
        assert!(lane.is_open(Instant::now()));
    }

    #[test]
    fn too_many_refusals_in_a_row_end_it() {
        let (mut lane, mut broker) = lane();
        let mut later = Instant::now();
        for correlation in 0..REFUSED_IN_A_ROW_MAX as i32 - 1 {
            later += 2 * PAUSE;
            lane.send(Load { prepared: 0, slot: 0, mark: 0 }, later, Timestamp(1)).unwrap();
            answer(&mut broker, correlation, ErrorCode::TopicAuthorizationFailed, -1);
            answers(&mut lane, 1).unwrap();
        }
        lane.send(Load { prepared: 0, slot: 0, mark: 0 }, later + 2 * PAUSE, Timestamp(1)).unwrap();
        let correlation = REFUSED_IN_A_ROW_MAX as i32 - 1;
        answer(&mut broker, correlation, ErrorCode::TopicAuthorizationFailed, -1);
        let why = answers(&mut lane, 1).unwrap_err();
        assert_eq!(
            why.to_string(),
            "sending to t partition 4: the broker refused: TOPIC_AUTHORIZATION_FAILED"
        );
    }

    #[test]
    fn answers_that_make_no_sense_are_said_so() {
        for (correlation, offset, expected) in
            [(7, 100, "answers request 7"), (1, 99, "offset 99 after 101"), (1, 101, "offset 101 after 101")]
        {
            let (mut lane, mut broker) = lane();
            (0..2).for_each(|mark| send(&mut lane, mark));
            answer(&mut broker, 0, ErrorCode::None, 100);
            answers(&mut lane, 1).unwrap();
            answer(&mut broker, correlation, ErrorCode::None, offset);
            let why = answers(&mut lane, 1).unwrap_err();
            assert!(why.to_string().contains(expected), "{why}");
        }
        let (mut lane, mut broker) = lane();
        answer(&mut broker, 0, ErrorCode::None, 0);
        let why = answers(&mut lane, 1).unwrap_err();
        assert!(why.to_string().contains("a request that was not sent"), "{why}");
    }

    #[test]
    fn a_broker_that_does_not_answer_is_waited_for_only_so_long() {
        let (mut lane, _broker) = lane();
        let patience = Duration::from_secs(30);
        let later = Instant::now() + 2 * patience;
        lane.check_patience(patience, later).unwrap();
        send(&mut lane, 0);
        lane.check_patience(patience, Instant::now()).unwrap();
        let why = lane.check_patience(patience, later).unwrap_err();
        assert!(matches!(why, ClientError::TimedOut { .. }), "{why}");
    }
}

//! Stories of a connection: a client's bytes in, the broker's words out, and back.

mod acls;
mod administration;
mod alterations;
mod assigned;
mod cost;
mod every_version;
mod fetches;
mod groups;
mod imports;
mod listings;
mod order;
mod page;
mod publishes;
mod quorum;
mod quotas;
mod refusals;
mod sasl;
mod shares;
mod topics;
mod transactions;

use std::collections::VecDeque;
use std::sync::Arc;

use forebay_kit::model::acl::Operations;
use forebay_kit::model::publish::Appended;
use forebay_kit::model::{
    Cleanup, ClusterView, FlushClass, Intake, NodeId, NodeView, Offset, PartitionRef, Reply, Request,
    TimestampType, TopicDefaults, TopicName, TopicRef,
};
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord};
use forebay_kit::{
    Bytes, BytesMut, CloseReason, ConnectionInfo, Input, Instant, Output, Session, SessionError,
    SessionMemory, Token, Unmetered,
};

use super::KafkaSession;
use crate::wire::frame::Framing;
use crate::wire::messages::produce::{PartitionProduceData, TopicProduceData};
use crate::wire::messages::{ApiVersionsRequest, ProduceRequest};
use crate::wire::{ApiKey, Cursor, Records, Request as WireRequest, Response as WireResponse};

/// A client and a session, with the test in the place of the broker.
struct Pair {
    session: KafkaSession,
    sent: BytesMut,
    calls: VecDeque<(Token, Request)>,
    closed: Option<CloseReason>,
    correlation_id: i32,
    now: Instant,
    /// When the session wants to be woken: a client is held back, or let go because it could not authenticate.
    wake_at: Option<Instant>,
    /// What its client may do.
    rights: Operations,
}

impl Pair {
    fn new() -> Pair {
        Pair::with_open_max(64)
    }

    fn with_open_max(requests_open_max: usize) -> Pair {
        Pair::within(&SessionMemory::new(1 << 20), requests_open_max)
    }

    fn within(memory: &Arc<SessionMemory>, requests_open_max: usize) -> Pair {
        Pair::with(info(memory, requests_open_max))
    }

    fn at_listener(is_encrypted: bool) -> Pair {
        Pair::with(ConnectionInfo { is_encrypted, ..info(&SessionMemory::new(1 << 20), 64) })
    }

    fn with(info: ConnectionInfo) -> Pair {
        Pair {
            session: KafkaSession::new(info),
            sent: BytesMut::new(),
            calls: VecDeque::new(),
            closed: None,
            correlation_id: 0,
            now: Instant(0),
            wake_at: None,
            rights: Operations::ALL,
        }
    }

    fn handle(&mut self, input: Input) -> Result<(), SessionError> {
        let handled = self.session.handle(self.now, input);
        self.drain();
        handled
    }

    /// Takes what the session has to say.
    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Bytes(bytes) => self.sent.extend_from_slice(&bytes),
                // What the asker may do is the same for everything, and said at once.
                Output::Call(token, Request::Rights(resources)) => {
                    let rights = Reply::Rights(vec![self.rights; resources.len()]);
                    self.session
                        .handle(Instant(0), Input::Reply(token, rights))
                        .expect("Rights were asked for");
                }
                Output::Call(token, request) => self.calls.push_back((token, request)),
                Output::WakeAt(at) => self.wake_at = Some(at),
                Output::Close(reason) => self.closed = Some(reason),
            }
        }
    }

    fn receive(&mut self, bytes: impl Into<Bytes>) -> Result<(), SessionError> {
        self.handle(Input::Bytes(bytes.into()))
    }

    /// The next request as bytes; correlation ids rise from 1.
    fn frame(&mut self, version: i16, request: &impl WireRequest) -> Bytes {
        self.correlation_id += 1;
        let client = Some("tester".into());
        request
            .to_frame(version, self.correlation_id, client)
            .expect("a request that can be said")
            .into_bytes()
    }

    fn ask(&mut self, version: i16, request: &impl WireRequest) {
        let frame = self.frame(version, request);
        self.receive(frame).expect("a request that can be read");
    }

    /// The oldest call of the session.
    fn call(&mut self) -> (Token, Request) {
        self.calls.pop_front().expect("the session calls the broker")
    }

    fn reply(&mut self, token: Token, reply: Reply) {
        self.handle(Input::Reply(token, reply)).expect("the right kind of reply");
    }

    fn next_frame(&mut self) -> Option<Bytes> {
        Framing::default().next(&mut self.sent).expect("a sane length")
    }

    /// The next response; it must be to the request with this correlation id.
    fn response_to<R: WireResponse>(&mut self, correlation_id: i32, version: i16) -> R {
        let frame = self.next_frame().expect("a response");
        let (id, response) =
            R::read(&mut Cursor::new(&frame), version).expect("a response its client can read");
        assert_eq!(id, correlation_id, "responses come in the order of their requests");
        response
    }

    /// Asks what is answered at once.
    fn answer<Q: WireRequest>(&mut self, version: i16, request: &Q) -> Q::Response {
        self.ask(version, request);
        assert!(self.calls.is_empty(), "the broker is not asked");
        self.response_to(self.correlation_id, version)
    }

    /// Asks, lets the broker answer the one call, and reads the response.
    fn exchange<Q: WireRequest>(
        &mut self,
        version: i16,
        request: &Q,
        broker: impl FnOnce(Request) -> Reply,
    ) -> Q::Response {
        self.ask(version, request);
        let (token, call) = self.call();
        assert!(self.calls.is_empty(), "the broker is asked once");
        assert!(self.next_frame().is_none(), "nothing is answered before the broker has");
        self.reply(token, broker(call));
        self.response_to(self.correlation_id, version)
    }

    /// Asks something that is answered at once, to see that the connection serves.
    fn is_served(&mut self) -> bool {
        let response = self.answer(0, &ApiVersionsRequest::default());
        response.error_code.is_none()
    }
}

fn info(memory: &Arc<SessionMemory>, requests_open_max: usize) -> ConnectionInfo {
    ConnectionInfo {
        peer: std::net::SocketAddr::from(([10, 1, 2, 3], 50_000)),
        frame_bytes_max: 1 << 20,
        requests_open_max,
        memory: Arc::clone(memory),
        meter: Arc::new(Unmetered),
        login: None,
        is_encrypted: false,
    }
}

fn name(text: &str) -> TopicName {
    TopicName::parse(text).expect("a legal name")
}

fn place(topic: &str, number: u32) -> PartitionRef {
    PartitionRef { topic: TopicRef::Name(name(topic)), number }
}

fn cluster() -> ClusterView {
    let node = NodeView { id: NodeId(1), host: "broker.example".into(), port: 9092 };
    ClusterView { id: "the-cluster".into(), nodes: vec![node], controller: Some(NodeId(1)) }
}

fn defaults() -> TopicDefaults {
    TopicDefaults {
        retention_ms: Some(604_800_000),
        retention_bytes: None,
        message_bytes_max: 1_048_588,
        timestamp_type: TimestampType::Create,
        flush: FlushClass::Sync,
        cleanup: Cleanup::default(),
        intake: Intake::default(),
        partitions: 3,
    }
}

/// A batch with one record of this value.
fn batch(codec: Codec, value: &'static str) -> Bytes {
    let mut builder = BatchBuilder::new(codec, 1 << 20);
    builder
        .push(&NewRecord { value: Some(Bytes::from_static(value.as_bytes())), ..Default::default() })
        .unwrap();
    builder.build().unwrap()
}

fn produce(acks: i16, topic: &str, batches: Vec<Bytes>) -> ProduceRequest {
    let partition = |(index, batch): (usize, Bytes)| PartitionProduceData {
        index: index as i32,
        records: Some(Records::from(batch)),
    };
    ProduceRequest {
        acks,
        timeout_ms: 1500,
        topic_data: vec![TopicProduceData {
            name: topic.into(),
            partition_data: batches.into_iter().enumerate().map(partition).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn appended(base_offset: u64) -> Appended {
    Appended { base_offset: Offset(base_offset), start_offset: Offset(3), append_time: None }
}

/// The key, version, correlation id and nothing else, as a frame.
fn bare(key: i16, version: i16, body: &[u8]) -> Bytes {
    let head =
        [&key.to_be_bytes()[..], &version.to_be_bytes(), &77_i32.to_be_bytes(), &(-1_i16).to_be_bytes()];
    let frame = [&head.concat(), body].concat();
    [&(frame.len() as i32).to_be_bytes(), frame.as_slice()].concat().into()
}

fn api(key: i16) -> ApiKey {
    ApiKey::from_number(key).expect("a key there is")
}

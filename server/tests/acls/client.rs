//! A client of Kafka's protocol without a network: its session and the node's front desk in one process.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use forebay_broker::{Broker, ClientInfo, ConnectionId, Delivered, FrontDesk, Outbox};
use forebay_kafka::Kafka;
use forebay_kafka::wire::frame::Framing;
use forebay_kafka::wire::{Cursor, Request, Response};
use forebay_kit::{ConnectionInfo, Input, Output, Protocol, Session, SessionMemory, Token, Unmetered};
use forebay_model::Principal;

use crate::common::PATIENCE;

/// Where the client comes from.
pub const HOST: &str = "10.1.2.3";

#[derive(Default)]
struct Inbox {
    delivered: Mutex<Vec<Delivered>>,
    arrived: Condvar,
}

impl Outbox for Inbox {
    fn deliver(&self, batch: Vec<Delivered>) {
        self.delivered.lock().unwrap().extend(batch);
        self.arrived.notify_all();
    }
}

/// One connection.
pub struct Client {
    desk: Broker,
    id: ConnectionId,
    inbox: Arc<Inbox>,
    session: Box<dyn Session>,
    received: BytesMut,
    correlation: i32,
}

impl Client {
    /// Connects as somebody; as nobody without a name.
    pub fn new(desk: &Broker, id: u64, user: Option<&str>) -> Client {
        let id = ConnectionId(id);
        let inbox = Arc::new(Inbox::default());
        let peer: SocketAddr = format!("{HOST}:50000").parse().unwrap();
        let client = ClientInfo { protocol: "kafka", peer, local: "127.0.0.1:9092".parse().unwrap() };
        desk.open(id, inbox.clone(), client);
        if let Some(user) = user {
            desk.identify(id, Principal::user(user).unwrap());
        }
        let session = Kafka.open(ConnectionInfo {
            peer,
            frame_bytes_max: 1 << 20,
            requests_open_max: 16,
            memory: SessionMemory::new(1 << 20),
            login: None,
            is_encrypted: false,
            meter: Arc::new(Unmetered),
        });
        Client { desk: desk.clone(), id, inbox, session, received: BytesMut::new(), correlation: 0 }
    }

    /// Asks, and waits for the response.
    pub fn ask<Q: Request>(&mut self, version: i16, request: &Q) -> Q::Response {
        self.correlation += 1;
        let frame = request.to_frame(version, self.correlation, Some("matrix".into()));
        self.handle(Input::Bytes(frame.unwrap().into_bytes()));
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(frame) = Framing::default().next(&mut self.received).unwrap() {
                let (correlation, response) = Q::Response::read(&mut Cursor::new(&frame), version).unwrap();
                assert_eq!(correlation, self.correlation);
                return response;
            }
            for delivered in self.next_delivered(until) {
                self.handle(Input::Reply(Token(delivered.token), delivered.reply));
            }
        }
    }

    fn next_delivered(&self, until: Instant) -> Vec<Delivered> {
        let mut delivered = self.inbox.delivered.lock().unwrap();
        while delivered.is_empty() {
            assert!(Instant::now() < until, "the broker answers");
            delivered = self.inbox.arrived.wait_timeout(delivered, Duration::from_secs(1)).unwrap().0;
        }
        std::mem::take(&mut *delivered)
    }

    fn handle(&mut self, input: Input) {
        self.session.handle(forebay_kit::Instant(0), input).unwrap();
        while let Some(output) = self.session.poll() {
            match output {
                Output::Bytes(bytes) => self.received.extend_from_slice(&bytes),
                Output::Call(token, request) => self.desk.call(self.id, token.0, request),
                Output::WakeAt(_) => {}
                Output::Close(reason) => panic!("the connection was closed: {reason:?}"),
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.desk.close(self.id);
    }
}

/// The codes of a response, as text, that say that somebody may not.
pub fn denials_of(response: &str) -> BTreeSet<String> {
    let words = response.split(|c: char| !c.is_ascii_uppercase() && c != '_');
    words.filter(|word| word.ends_with("_AUTHORIZATION_FAILED")).map(str::to_owned).collect()
}

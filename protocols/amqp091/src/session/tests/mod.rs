//! Stories of a connection: a client's bytes in, the broker's words out, and back.

mod channels;
mod consumers;
mod cuts;
mod desk;
mod document;
mod hostile;
mod opening;
mod publishes;
mod replies;
mod routes;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use forebay_kit::model::login::Mechanism;
use forebay_kit::model::queue::RouteAsk;
use forebay_kit::model::{Reply, Request};
use forebay_kit::{
    Bytes, BytesMut, CloseReason, ConnectionInfo, Input, Instant, Output, Session, SessionError,
    SessionMemory, Token, Unmetered,
};

use self::desk::Desk;
use super::AmqpSession;
use crate::wire::method::{BasicPublish, ChannelOpen, ConnectionOpen, ConnectionStartOk, ConnectionTuneOk};
use crate::wire::{
    Assembly, ChannelId, Command, Content, FrameMax, FrameWriter, Intake, Method, OutgoingContent,
    PROTOCOL_HEADER, Progress, Properties, Secret, ShortStr, Table, TableBuilder, Value, WireMethod,
};

/// A client and a session, with a desk in the place of the broker.
struct Pair {
    session: AmqpSession,
    desk: Desk,
    /// What the broker was asked and has not answered; the desk answers at once unless it is held.
    calls: VecDeque<(Token, Request)>,
    is_held: bool,
    intake: Intake,
    assemblies: BTreeMap<u16, Assembly>,
    heard: VecDeque<(u16, Command)>,
    /// Heartbeats that the client heard.
    beats: usize,
    closed: Option<CloseReason>,
    now: Instant,
    wake_at: Option<Instant>,
    frame_max: FrameMax,
}

fn info() -> ConnectionInfo {
    info_within(&SessionMemory::new(1 << 20))
}

fn info_within(memory: &Arc<SessionMemory>) -> ConnectionInfo {
    ConnectionInfo {
        peer: "127.0.0.1:40000".parse().unwrap(),
        frame_bytes_max: 17 << 20,
        requests_open_max: 64,
        memory: Arc::clone(memory),
        meter: Arc::new(Unmetered),
        login: None,
        is_encrypted: false,
    }
}

fn short(text: &str) -> ShortStr {
    ShortStr::new(text.to_owned()).unwrap()
}

impl Pair {
    fn with(info: ConnectionInfo) -> Pair {
        Pair {
            session: AmqpSession::new(info, 0),
            desk: Desk::default(),
            calls: VecDeque::new(),
            is_held: false,
            intake: Intake::new(FrameMax::new(1 << 20).unwrap()),
            assemblies: BTreeMap::new(),
            heard: VecDeque::new(),
            beats: 0,
            closed: None,
            now: Instant(1),
            wake_at: None,
            frame_max: FrameMax::DEFAULT,
        }
    }

    /// In a namespace, with channel 1 open.
    fn open() -> Pair {
        Pair::open_with(info(), Table::EMPTY)
    }

    /// The same, of a client that says what it can.
    fn open_with(info: ConnectionInfo, properties: Table) -> Pair {
        let mut pair = Pair::with(info);
        pair.enter(properties);
        pair.open_channel(1);
        pair
    }

    fn enter(&mut self, properties: Table) {
        self.raw(&PROTOCOL_HEADER);
        self.say(0, start_ok(properties));
        self.say(0, ConnectionTuneOk { channel_max: 2_047, frame_max: 131_072, heartbeat: 60 });
        self.say(0, ConnectionOpen { virtual_host: short("/"), ..Default::default() });
        assert_eq!(self.names(), ["connection.start", "connection.tune", "connection.open-ok"]);
    }

    fn open_channel(&mut self, number: u16) {
        self.say(number, ChannelOpen::default());
        assert_eq!(self.names(), ["channel.open-ok"]);
    }

    fn say(&mut self, channel: u16, method: impl WireMethod) {
        let bytes = self.written(|to| to.method(ChannelId(channel), &method).unwrap());
        self.raw(&bytes);
    }

    fn publish(&mut self, channel: u16, exchange: &str, key: &str, body: &str) {
        self.publish_with(channel, publish(exchange, key), &Properties::NONE, body.as_bytes());
    }

    fn publish_with(&mut self, channel: u16, method: BasicPublish, properties: &Properties, body: &[u8]) {
        let bytes = self.publish_bytes(channel, &method, properties, body);
        self.raw(&bytes);
    }

    fn publish_bytes(
        &self,
        channel: u16,
        method: &BasicPublish,
        properties: &Properties,
        body: &[u8],
    ) -> Bytes {
        let content = OutgoingContent { properties: properties.as_bytes(), body };
        self.written(|to| to.message(ChannelId(channel), method, content).unwrap())
    }

    fn written(&self, write: impl FnOnce(&mut FrameWriter<'_>)) -> Bytes {
        let mut out = BytesMut::new();
        write(&mut FrameWriter::new(&mut out, self.frame_max));
        out.freeze()
    }

    fn raw(&mut self, bytes: &[u8]) {
        self.input(Input::Bytes(Bytes::copy_from_slice(bytes)));
    }

    fn input(&mut self, input: Input) {
        self.handle(input).expect("the session has no bug");
        self.settle_down();
    }

    fn handle(&mut self, input: Input) -> Result<(), SessionError> {
        let handled = self.session.handle(self.now, input);
        while let Some(output) = self.session.poll() {
            assert!(self.closed.is_none(), "nothing comes behind the close: {output:?}");
            match output {
                Output::Bytes(bytes) => self.hear(bytes),
                Output::Call(token, request) => self.calls.push_back((token, request)),
                Output::WakeAt(at) => self.wake_at = Some(at),
                Output::Close(reason) => self.closed = Some(reason),
            }
        }
        handled
    }

    /// Lets the desk answer until nobody asks anything, unless it is held.
    fn settle_down(&mut self) {
        while !self.is_held {
            let Some((token, request)) = self.calls.pop_front() else { break };
            for (token, reply) in self.desk.ask(token, request) {
                self.handle(Input::Reply(token, reply)).expect("the session has no bug");
            }
        }
    }

    fn release(&mut self) {
        self.is_held = false;
        self.settle_down();
    }

    /// The next of what the broker was asked, while it is held.
    fn asked(&mut self) -> (Token, Request) {
        self.calls.pop_front().expect("the broker was asked something")
    }

    fn answer(&mut self, token: Token, reply: Reply) {
        self.input(Input::Reply(token, reply));
    }

    fn hear(&mut self, bytes: Bytes) {
        self.intake.push(bytes);
        while let Some(frame) = self.intake.frame().expect("the session says what can be read") {
            assert!(frame.payload.len() <= self.frame_max.payload(), "no frame is larger than was agreed");
            let assembly = self.assemblies.entry(frame.channel.0).or_default();
            match assembly.take(&frame).expect("the session says what can be read") {
                Progress::Done(command) => self.heard.push_back((frame.channel.0, command)),
                Progress::Heartbeat => self.beats += 1,
                Progress::More | Progress::Announced { .. } => {}
            }
        }
    }

    /// Everything that the client heard since it listened last.
    fn all(&mut self) -> Vec<(u16, Command)> {
        self.heard.drain(..).collect()
    }

    /// The one thing that it heard.
    fn one(&mut self) -> Method {
        let mut all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        method_of(all.remove(0).1)
    }

    fn message(&mut self) -> (Method, Content) {
        let mut all = self.all();
        assert_eq!(all.len(), 1, "{all:?}");
        match all.remove(0).1 {
            Command::WithContent(method, content) => (method, content),
            other => panic!("{other:?}"),
        }
    }

    fn names(&mut self) -> Vec<&'static str> {
        let name = |(_, command): (u16, Command)| method_of(command).info().name;
        self.all().into_iter().map(name).collect()
    }

    /// How the channel was closed: the code, the text, the method that is to blame.
    fn channel_error(&mut self) -> (u16, String, String) {
        match self.one() {
            Method::ChannelClose(close) => {
                let blamed = format!("{}.{}", close.class_id, close.method_id);
                (close.reply_code.number(), close.reply_text.as_str().unwrap().into(), blamed)
            }
            other => panic!("{other:?}"),
        }
    }

    /// How the connection was closed.
    fn connection_error(&mut self) -> (u16, String) {
        match self.one() {
            Method::ConnectionClose(close) => {
                (close.reply_code.number(), close.reply_text.as_str().unwrap().into())
            }
            other => panic!("{other:?}"),
        }
    }

    fn later(&mut self, by: Duration) {
        self.now = self.now + by;
        if self.wake_at.is_some_and(|at| at <= self.now) {
            self.wake_at = None;
            self.input(Input::Timeout);
        }
    }

    /// What the namespace was asked so far.
    fn routes(&self) -> Vec<&RouteAsk> {
        let asked = self.desk.asked.iter();
        asked
            .filter_map(|request| if let Request::Route(route) = request { Some(&route.ask) } else { None })
            .collect()
    }
}

fn method_of(command: Command) -> Method {
    match command {
        Command::Plain(method) | Command::WithContent(method, _) => method,
    }
}

fn publish(exchange: &str, key: &str) -> BasicPublish {
    BasicPublish { exchange: short(exchange), routing_key: short(key), ..Default::default() }
}

/// The words of a client that says `user` and `password`.
fn start_ok_as(user: &str, password: &str, client_properties: Table) -> ConnectionStartOk {
    ConnectionStartOk {
        client_properties,
        mechanism: short("PLAIN"),
        response: Secret(Bytes::from(format!("\0{user}\0{password}"))),
        locale: short("en_US"),
    }
}

fn start_ok(client_properties: Table) -> ConnectionStartOk {
    start_ok_as("guest", "guest", client_properties)
}

/// The properties of a client that can do all that there is.
fn able() -> Table {
    let can = ["consumer_cancel_notify", "authentication_failure_close"];
    let can = can.iter().fold(TableBuilder::new(), |can, name| can.put(name, Value::Bool(true)));
    TableBuilder::new().put("capabilities", Value::Table(can.finish().unwrap().view())).finish().unwrap()
}

fn passwords() -> Option<Arc<[Mechanism]>> {
    Some(Mechanism::ALL.into())
}

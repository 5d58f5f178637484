//! Writes down what a client and a server say to each other on one connection, for `tests/wire`:
//!
//! ```text
//! cargo run -p forebay-amqp091 --example record -- 127.0.0.1:5672 target/pika-story.txt "pika 1.4.4 tells its story"
//! ```
//! The server is a play: it lets everybody in and answers each method with what comes next in a good story. It keeps nothing
//! but the last message published, which it hands to consumers and to `basic.get`. The file is complete when the connection
//! has ended; `UPDATE_WIRE=1 cargo test -p forebay-amqp091 --test wire` then writes what its bytes mean.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use bytes::{Bytes, BytesMut};
use forebay_amqp091::wire::method::*;
use forebay_amqp091::wire::table::{TableBuilder, Value};
use forebay_amqp091::wire::{
    Assembly, ChannelId, Command, Content, DeliveryTag, FrameMax, FrameWriter, Intake, LongStr, Method,
    OutgoingContent, Progress, ReplyCode, ShortStr, Table,
};

/// Small, so that a recording has bodies in several frames.
const FRAME_MAX: u32 = 4_096;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, file, about] = words.as_slice() else { panic!("record ADDRESS FILE ABOUT") };
    let listener = TcpListener::bind(address).expect("the address is free");
    println!("listening at {address}");
    let (socket, _) = listener.accept().expect("a client comes");
    let mut play = Play::new(socket);
    play.run();
    std::fs::write(file, format!("# {about}\n{}", play.written)).expect("the file can be written");
}

/// One connection.
struct Play {
    socket: TcpStream,
    written: String,
    channels: Vec<Channel>,
    /// The message published last.
    message: Content,
    has_ended: bool,
}

/// A channel: what comes next on it.
#[derive(Default)]
struct Channel {
    assembly: Assembly,
    publishes: u64,
    deliveries: u64,
    confirms: bool,
}

impl Play {
    fn new(socket: TcpStream) -> Play {
        let channels = (0..10).map(|_| Channel::default()).collect();
        Play { socket, written: String::new(), channels, message: Content::default(), has_ended: false }
    }

    fn run(&mut self) {
        let mut intake = Intake::new(FrameMax::DEFAULT);
        let mut greeted = false;
        let mut buffer = [0; 64 * 1024];
        while !self.has_ended {
            let count = self.socket.read(&mut buffer).expect("the client speaks");
            assert!(count > 0, "the client has left before it closed its connection");
            intake.push(Bytes::copy_from_slice(&buffer[..count]));
            if !greeted && intake.protocol_header().expect("it is AMQP").is_some() {
                greeted = true;
                self.write_down('>', b"AMQP\x00\x00\x09\x01");
                self.say(ChannelId::CONNECTION, &start());
            }
            while let Some(frame) = intake.frame().expect("it is a frame") {
                self.write_down('>', &whole(&frame));
                let channel = &mut self.channels[usize::from(frame.channel.0)];
                if let Progress::Done(command) = channel.assembly.take(&frame).expect("it is in turn") {
                    self.answer(frame.channel, command);
                }
            }
        }
    }

    fn answer(&mut self, channel: ChannelId, command: Command) {
        match command {
            Command::Plain(method) if wants_no_answer(&method) => {}
            Command::Plain(method) => self.answer_plain(channel, method),
            Command::WithContent(Method::BasicPublish(publish), content) => {
                self.answer_publish(channel, publish, content);
            }
            other => panic!("no client says {other:?}"),
        }
    }

    fn answer_plain(&mut self, channel: ChannelId, method: Method) {
        match method {
            Method::ConnectionStartOk(_) => {
                let tune = ConnectionTune { channel_max: 9, frame_max: FRAME_MAX, heartbeat: 60 };
                self.say(channel, &tune);
            }
            Method::ConnectionOpen(_) => self.say(channel, &ConnectionOpenOk::default()),
            Method::ConnectionUpdateSecret(_) => self.say(channel, &ConnectionUpdateSecretOk::default()),
            Method::ConnectionClose(_) => {
                self.say(channel, &ConnectionCloseOk::default());
                self.has_ended = true;
            }
            Method::ChannelOpen(_) => self.say(channel, &ChannelOpenOk::default()),
            Method::ChannelFlow(flow) => self.say(channel, &ChannelFlowOk { active: flow.active }),
            Method::ChannelClose(_) => self.say(channel, &ChannelCloseOk::default()),
            Method::ExchangeDeclare(_) => self.say(channel, &ExchangeDeclareOk::default()),
            Method::ExchangeDelete(_) => self.say(channel, &ExchangeDeleteOk::default()),
            Method::ExchangeBind(_) => self.say(channel, &ExchangeBindOk::default()),
            Method::ExchangeUnbind(_) => self.say(channel, &ExchangeUnbindOk::default()),
            Method::QueueDeclare(declare) => {
                let generated = ShortStr::from_static("amq.gen-JzTY20BRgKO-HjmUJj0wLg");
                let queue = if declare.queue.is_empty() { generated } else { declare.queue };
                self.say(channel, &QueueDeclareOk { queue, message_count: 3, consumer_count: 1 });
            }
            Method::QueueBind(_) => self.say(channel, &QueueBindOk::default()),
            Method::QueueUnbind(_) => self.say(channel, &QueueUnbindOk::default()),
            Method::QueuePurge(_) => self.say(channel, &QueuePurgeOk { message_count: 3 }),
            Method::QueueDelete(_) => self.say(channel, &QueueDeleteOk { message_count: 0 }),
            other => self.answer_use(channel, other),
        }
    }

    /// Answers what is done with messages.
    fn answer_use(&mut self, channel: ChannelId, method: Method) {
        match method {
            Method::BasicQos(_) => self.say(channel, &BasicQosOk::default()),
            Method::BasicConsume(consume) => self.answer_consume(channel, consume),
            Method::BasicCancel(cancel) => {
                self.say(channel, &BasicCancelOk { consumer_tag: cancel.consumer_tag });
            }
            Method::BasicGet(get) if get.queue == "empty" => self.say(channel, &BasicGetEmpty::default()),
            Method::BasicGet(get) => {
                let delivery_tag = self.next_delivery(channel);
                let got = BasicGetOk {
                    delivery_tag,
                    redelivered: true,
                    exchange: ShortStr::EMPTY,
                    routing_key: get.queue,
                    message_count: 2,
                };
                let message = self.message.clone();
                self.say_with(channel, &got, &message);
            }
            Method::BasicRecover(_) => self.say(channel, &BasicRecoverOk::default()),
            Method::ConfirmSelect(_) => {
                self.channels[usize::from(channel.0)].confirms = true;
                self.say(channel, &ConfirmSelectOk::default());
            }
            Method::TxSelect(_) => self.say(channel, &TxSelectOk::default()),
            Method::TxCommit(_) => self.say(channel, &TxCommitOk::default()),
            Method::TxRollback(_) => self.say(channel, &TxRollbackOk::default()),
            // The rest has no answer: settlements, tune-ok.
            _ => {}
        }
    }

    /// Lets the consumer begin, with three deliveries.
    fn answer_consume(&mut self, channel: ChannelId, consume: BasicConsume) {
        let chosen = ShortStr::from_static("amq.ctag-4xE0");
        let consumer_tag = if consume.consumer_tag.is_empty() { chosen } else { consume.consumer_tag };
        self.say(channel, &BasicConsumeOk { consumer_tag: consumer_tag.clone() });
        for _ in 0..3 {
            let deliver = BasicDeliver {
                consumer_tag: consumer_tag.clone(),
                delivery_tag: self.next_delivery(channel),
                redelivered: false,
                exchange: ShortStr::from_static("orders"),
                routing_key: consume.queue.clone(),
            };
            let message = self.message.clone();
            self.say_with(channel, &deliver, &message);
        }
    }

    /// Confirms a message; one that nobody wants comes back first.
    fn answer_publish(&mut self, channel: ChannelId, publish: BasicPublish, content: Content) {
        if publish.mandatory && publish.routing_key == "nowhere" {
            let back = BasicReturn {
                reply_code: ReplyCode::NoRoute,
                reply_text: ShortStr::from_static("NO_ROUTE"),
                exchange: publish.exchange,
                routing_key: publish.routing_key,
            };
            self.say_with(channel, &back, &content);
        } else {
            self.message = content;
        }
        let here = &mut self.channels[usize::from(channel.0)];
        if here.confirms {
            here.publishes += 1;
            let delivery_tag = DeliveryTag(here.publishes);
            self.say(channel, &BasicAck { delivery_tag, multiple: false });
        }
    }

    fn next_delivery(&mut self, channel: ChannelId) -> DeliveryTag {
        let here = &mut self.channels[usize::from(channel.0)];
        here.deliveries += 1;
        DeliveryTag(here.deliveries)
    }

    fn say(&mut self, channel: ChannelId, method: &impl WireMethod) {
        let mut out = BytesMut::new();
        FrameWriter::new(&mut out, frame_max()).method(channel, method).expect("it fits");
        self.send(out.freeze());
    }

    fn say_with(&mut self, channel: ChannelId, method: &impl WireMethod, content: &Content) {
        let mut out = BytesMut::new();
        let content = OutgoingContent { properties: content.properties.as_bytes(), body: &content.body };
        FrameWriter::new(&mut out, frame_max()).message(channel, method, content).expect("it fits");
        self.send(out.freeze());
    }

    /// Sends frames, each written down by itself.
    fn send(&mut self, frames: Bytes) {
        self.socket.write_all(&frames).expect("the client hears");
        let mut intake = Intake::new(frame_max());
        intake.push(frames);
        while let Some(frame) = intake.frame().expect("it is our own") {
            self.write_down('<', &whole(&frame));
        }
    }

    fn write_down(&mut self, side: char, bytes: &[u8]) {
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(self.written, "{side}\n{}", hex.join(" ")).expect("a String takes all");
    }
}

/// Whether a client said that it waits for no answer.
fn wants_no_answer(method: &Method) -> bool {
    match method {
        Method::ExchangeDeclare(declare) => declare.no_wait,
        Method::ExchangeDelete(delete) => delete.no_wait,
        Method::ExchangeBind(bind) => bind.no_wait,
        Method::ExchangeUnbind(unbind) => unbind.no_wait,
        Method::QueueDeclare(declare) => declare.no_wait,
        Method::QueueBind(bind) => bind.no_wait,
        Method::QueuePurge(purge) => purge.no_wait,
        Method::QueueDelete(delete) => delete.no_wait,
        Method::BasicCancel(cancel) => cancel.no_wait,
        Method::ConfirmSelect(select) => select.no_wait,
        _ => false,
    }
}

fn frame_max() -> FrameMax {
    FrameMax::new(FRAME_MAX).expect("it is the least there is")
}

/// All bytes of a frame.
fn whole(frame: &forebay_amqp091::wire::Frame) -> Vec<u8> {
    let length = u32::try_from(frame.payload.len()).expect("a frame is short");
    let head = [&[frame.kind.octet()][..], &frame.channel.0.to_be_bytes(), &length.to_be_bytes()].concat();
    [&head, &frame.payload[..], &[0xce]].concat()
}

/// The first words of a RabbitMQ of version 4, more or less.
fn start() -> ConnectionStart {
    ConnectionStart {
        version_major: 0,
        version_minor: 9,
        server_properties: server_properties(),
        mechanisms: LongStr::from("PLAIN AMQPLAIN"),
        locales: LongStr::from("en_US"),
    }
}

fn server_properties() -> Table {
    let mut capabilities = TableBuilder::new();
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        capabilities = capabilities.put(name, Value::Bool(true));
    }
    let capabilities = capabilities.finish().expect("it is small");
    let properties = TableBuilder::new()
        .put("capabilities", Value::Table(capabilities.view()))
        .put("product", Value::text("A play"))
        .put("version", Value::text("4.0.5"));
    properties.finish().expect("it is small")
}

//! Clients that mean harm, or nothing at all.

use forebay_kit::model::Refusal;

use super::*;
use crate::limits::{BACKLOG_COMMANDS_MAX, CHANNEL_BYTES, CONSUMER_BYTES, UNACKED_BYTES};
use crate::wire::method::{
    BasicAck, BasicCancel, BasicConsume, BasicGet, BasicNack, BasicQos, BasicRecover, BasicReject,
    ChannelClose, ChannelCloseOk, ConfirmSelect, ConnectionClose, ConnectionCloseOk, ExchangeDeclare,
    QueueBind, QueueDeclare, QueueDelete, QueuePurge,
};
use crate::wire::tests::sample::Source;
use crate::wire::{DeliveryTag, FrameHead, FrameKind};

fn queue(name: &str) -> QueueDeclare {
    QueueDeclare { queue: short(name), durable: true, ..Default::default() }
}

/// A publish as its frames.
fn frames(pair: &Pair, channel: u16, exchange: &str, body: usize) -> Vec<Bytes> {
    let mut bytes = pair.publish_bytes(channel, &publish(exchange, "q"), &Properties::NONE, &vec![7; body]);
    let mut frames = Vec::new();
    while let Some(head) = FrameHead::peek(&bytes, FrameMax::DEFAULT).unwrap() {
        frames.push(bytes.split_to(head.frame_bytes()));
    }
    frames
}

fn narrow() -> ConnectionInfo {
    ConnectionInfo { frame_bytes_max: 1 << 20, ..info() }
}

#[test]
fn bodies_that_never_end_are_bounded_over_all_channels() {
    let mut pair = Pair::with(narrow());
    pair.enter(able());
    for channel in 1.. {
        pair.open_channel(channel);
        let mut frames = frames(&pair, channel, "", 400_000);
        frames.pop();
        pair.raw(&frames.concat());
        if !pair.heard.is_empty() {
            assert_eq!(pair.connection_error().0, 506);
            assert_eq!(channel, 3, "two have nearly 400,000 bytes each");
            return;
        }
        assert!(channel < 10, "it is bounded");
    }
}

#[test]
fn a_body_that_goes_with_its_channel_is_forgotten() {
    let mut pair = Pair::with(narrow());
    pair.enter(able());
    for _ in 0..20 {
        pair.open_channel(1);
        pair.is_held = true;
        pair.raw(&frames(&pair, 1, "nope", 0).concat());
        let frames = frames(&pair, 1, "", 400_000);
        pair.raw(&frames[..3].concat());
        pair.release();
        assert_eq!(pair.channel_error().0, 404);
        pair.raw(&frames[3..].concat());
        pair.say(1, ChannelCloseOk {});
        assert!(pair.all().is_empty());
    }
}

#[test]
fn channels_and_consumers_come_out_of_the_share_of_memory_and_go_back() {
    let memory = SessionMemory::new(10 * CHANNEL_BYTES);
    let mut pair = Pair::with(info_within(&memory));
    pair.enter(able());
    for channel in 1..=10 {
        pair.open_channel(channel);
    }
    pair.say(11, ChannelOpen::default());
    let why = "RESOURCE_ERROR - the memory of connections is used up";
    assert_eq!(pair.connection_error(), (506, why.into()));
    assert_eq!(memory.used(), 0);
    let mut pair = Pair::with(info_within(&memory));
    pair.enter(able());
    for _ in 0..100 {
        pair.open_channel(1);
        pair.say(1, ChannelClose::default());
        assert_eq!(pair.names(), ["channel.close-ok"]);
    }
    pair.open_channel(1);
    assert_eq!(memory.used(), CHANNEL_BYTES);
    drop(pair);
    assert_eq!(memory.used(), 0);
}

#[test]
fn a_client_that_never_acks_gets_as_much_as_memory_is_for() {
    let memory = SessionMemory::new(CHANNEL_BYTES + CONSUMER_BYTES + 5 * UNACKED_BYTES);
    let mut pair = Pair::open_with(info_within(&memory), able());
    pair.say(1, queue("q"));
    (0..20).for_each(|_| pair.publish(1, "", "q", "x"));
    pair.all();
    pair.say(1, BasicConsume { no_wait: true, ..Default::default() });
    for _ in 0..20 {
        pair.later(Duration::from_secs(1));
    }
    assert_eq!(pair.names().len(), 5);
    pair.say(1, BasicAck { delivery_tag: DeliveryTag(0), multiple: true });
    for _ in 0..20 {
        pair.later(Duration::from_secs(1));
    }
    assert_eq!(pair.names().len(), 5, "room for as many again");
    pair.say(1, ChannelClose::default());
    assert_eq!(pair.names(), ["channel.close-ok"]);
    assert_eq!(memory.used(), 0);
}

#[test]
fn what_waits_behind_a_slow_command_is_bounded() {
    let mut pair = Pair::open();
    pair.is_held = true;
    let bytes = pair.written(|to| to.method(ChannelId(1), &queue("q")).unwrap());
    let mut said = 0;
    while pair.session.wants_bytes() {
        pair.raw(&bytes);
        said += 1;
        assert!(said <= BACKLOG_COMMANDS_MAX + 1, "it is bounded");
    }
    assert!(said > 100);
    pair.release();
    assert_eq!(pair.names().len(), said);
    assert!(pair.session.wants_bytes() && pair.session.is_quiet());
}

#[test]
fn one_input_of_any_length_fills_no_more_than_the_bounds() {
    let mut pair = Pair::open();
    pair.is_held = true;
    let bytes =
        pair.written(|to| to.method(ChannelId(1), &queue("q")).unwrap()).repeat(3 * BACKLOG_COMMANDS_MAX);
    pair.raw(&bytes);
    assert!(!pair.session.wants_bytes());
    pair.release();
    assert_eq!(pair.names().len(), 3 * BACKLOG_COMMANDS_MAX, "nothing is lost");
}

#[test]
fn a_wrong_reply_is_a_bug_and_said_so() {
    let mut pair = Pair::open();
    pair.is_held = true;
    pair.say(1, queue("q"));
    let (token, _) = pair.asked();
    let handled = pair.handle(Input::Reply(token, Reply::Post(vec![])));
    assert!(matches!(handled, Err(SessionError::Bug(_))));
    assert!(pair.session.poll().is_none() && !pair.session.wants_bytes());
    let mut pair = Pair::open();
    let handled = pair.handle(Input::Reply(Token(999), Reply::Post(vec![])));
    assert!(matches!(handled, Err(SessionError::Bug(_))));
}

/// One of a few names, so that what is named often is.
fn name(source: &mut Source) -> ShortStr {
    short(["", "q", "p", "x", "amq.topic", "c"][source.below(6) as usize])
}

fn is(source: &mut Source, one_in: u64) -> bool {
    source.below(one_in) == 0
}

/// Something that a client may say, and mostly means.
fn some_method(source: &mut Source) -> Method {
    let tag = DeliveryTag(source.below(6));
    let (multiple, requeue) = (is(source, 2), is(source, 2));
    match source.below(23) {
        0 if is(source, 8) => ChannelOpen::default().into(),
        0 => BasicAck { delivery_tag: DeliveryTag(0), multiple: true }.into(),
        1 => ChannelClose::default().into(),
        2 if is(source, 8) => ChannelCloseOk {}.into(),
        2 => QueueDeclare { passive: true, ..queue("q") }.into(),
        3 => ConfirmSelect { no_wait: is(source, 2) }.into(),
        4 => ExchangeDeclare {
            exchange: name(source),
            kind: short("fanout"),
            passive: is(source, 4),
            ..Default::default()
        }
        .into(),
        5 => QueueDeclare { no_wait: is(source, 2), ..queue(name(source).as_str().unwrap()) }.into(),
        6 => QueueBind { queue: name(source), exchange: name(source), ..Default::default() }.into(),
        7 => QueuePurge { queue: name(source), ..Default::default() }.into(),
        8 => QueueDelete { queue: name(source), ..Default::default() }.into(),
        9..12 => {
            let (consumer_tag, queue) = (short(&source.below(1 << 20).to_string()), name(source));
            BasicConsume { queue, consumer_tag, no_ack: is(source, 3), ..Default::default() }.into()
        }
        12 => BasicCancel { consumer_tag: name(source), no_wait: is(source, 2) }.into(),
        13 => BasicGet { queue: name(source), no_ack: is(source, 2), ..Default::default() }.into(),
        14..17 => BasicAck { delivery_tag: tag, multiple }.into(),
        17 => BasicNack { delivery_tag: tag, multiple, requeue }.into(),
        18 => BasicReject { delivery_tag: tag, requeue }.into(),
        19 => BasicRecover { requeue: true }.into(),
        20 | 21 => {
            BasicQos { prefetch_count: source.below(4) as u16, global: is(source, 2), prefetch_size: 0 }
                .into()
        }
        _ if is(source, 2) => QueueDeclare { passive: true, ..queue("p") }.into(),
        _ => {
            let mut all = crate::wire::method::samples(source);
            let at = source.below(all.len() as u64) as usize;
            all.swap_remove(at)
        }
    }
}

/// A run of a client that says anything, with a broker that answers in any order and refuses some.
struct Run {
    pair: Pair,
    source: Source,
    memory: Arc<SessionMemory>,
}

impl Run {
    fn new(seed: u64) -> Run {
        let memory = SessionMemory::new(1 << 16);
        let mut pair = Pair::open_with(info_within(&memory), able());
        pair.open_channel(2);
        for name in ["q", "p"] {
            pair.say(1, queue(name));
        }
        pair.all();
        pair.is_held = true;
        Run { pair, source: Source::new(seed), memory }
    }

    /// Opens channels again that were closed; says how much was heard.
    fn listen(&mut self) -> usize {
        let all = self.pair.all();
        for (channel, command) in &all {
            match command {
                Command::Plain(Method::ChannelClose(_)) => {
                    self.pair.say(*channel, ChannelCloseOk {});
                    self.pair.say(*channel, ChannelOpen::default());
                }
                Command::Plain(Method::ChannelCloseOk(_)) => self.pair.say(*channel, ChannelOpen::default()),
                Command::Plain(Method::ConnectionClose(_)) => self.pair.say(0, ConnectionCloseOk {}),
                _ => {}
            }
        }
        all.len()
    }

    fn step(&mut self) {
        match self.source.below(8) {
            0..3 if self.pair.session.wants_bytes() => {
                let channel = 1 + self.source.below(2) as u16;
                let method = some_method(&mut self.source);
                if !method.info().carries_content {
                    self.pair.say(channel, method);
                }
            }
            3..5 if self.pair.session.wants_bytes() => {
                let (exchange, key) = (name(&mut self.source), name(&mut self.source));
                let mandatory = is(&mut self.source, 2);
                let method = BasicPublish { exchange, routing_key: key, mandatory, ..Default::default() };
                self.pair.publish_with(1 + self.source.below(2) as u16, method, &Properties::NONE, b"body");
            }
            5 => self.pair.later(Duration::from_millis(self.source.below(200))),
            6 if is(&mut self.source, 8) => {
                let refusal = [Refusal::Busy, Refusal::NotHeld, Refusal::UnknownTopicId];
                let refusal = refusal[self.source.below(3) as usize].clone();
                self.pair.desk.refuse_settles.push_back(refusal.clone());
                if refusal != Refusal::NotHeld {
                    self.pair.desk.refuse_receives.push_back(refusal);
                }
            }
            _ => self.answer_some(),
        }
    }

    /// The broker takes requests in their order, and answers them in any.
    fn answer_some(&mut self) {
        let mut answers = Vec::new();
        while let Some((token, request)) = self.pair.calls.pop_front() {
            answers.extend(self.pair.desk.ask(token, request));
        }
        while !answers.is_empty() {
            let at = self.source.below(answers.len() as u64) as usize;
            let (token, reply) = answers.swap_remove(at);
            self.pair.answer(token, reply);
        }
    }

    fn end(mut self) {
        if self.pair.session.wants_bytes() {
            self.pair.say(0, ConnectionClose::default());
        }
        for _ in 0..4 {
            self.answer_some();
            self.pair.later(Duration::from_secs(10));
        }
        if self.pair.closed.is_none() {
            self.pair.say(0, ConnectionCloseOk {});
        }
        self.answer_some();
        assert!(self.pair.closed.is_some(), "it ends");
        assert_eq!(self.memory.used(), 0, "all memory went back");
    }
}

#[test]
fn whatever_a_client_says_the_session_has_no_bug() {
    let mut heard = 0;
    for seed in 0..600 {
        let mut run = Run::new(seed);
        for _ in 0..120 {
            run.step();
            heard += run.listen();
            if run.pair.closed.is_some() {
                break;
            }
        }
        run.end();
    }
    assert!(heard > 5_000, "most of what is said means something: {heard}");
}

/// A frame of any kind, with something in it that may or may not belong there.
fn some_frame(pair: &Pair, source: &mut Source) -> Vec<u8> {
    let kind = [FrameKind::Method, FrameKind::Header, FrameKind::Body][source.below(6).min(2) as usize];
    let payload = match kind {
        FrameKind::Method => {
            let method = some_method(source);
            let bytes = pair.written(|to| to.method(ChannelId(1), &method).unwrap());
            bytes.slice(7..bytes.len() - 1)
        }
        _ => source.bytes(),
    };
    let mut frame = vec![kind.octet(), 0, source.below(3) as u8];
    frame.extend_from_slice(&(payload.len() as u32).to_be_bytes());
    frame.extend_from_slice(&payload);
    frame.push(0xce);
    frame
}

#[test]
fn random_frames_end_a_connection_or_leave_it_as_it_was() {
    let (mut ended, mut lives) = (0, 0);
    for seed in 0..400 {
        let mut pair = Pair::open();
        let mut source = Source::new(seed);
        for _ in 0..source.below(4) {
            let frame = some_frame(&pair, &mut source);
            pair.raw(&frame);
        }
        let is_ended = pair.names().contains(&"connection.close") || pair.closed.is_some();
        pair.later(Duration::from_secs(10));
        assert_eq!(pair.closed.is_some(), is_ended, "{seed}");
        if is_ended {
            ended += 1;
        } else {
            pair.open_channel(9);
            lives += 1;
        }
    }
    assert!(ended > 100 && lives > 100, "{ended} {lives}");
}

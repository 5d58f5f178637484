//! Wherever a client's bytes are cut, the same comes of them.

use proptest::prelude::*;

use super::*;
use crate::wire::PropertyList;
use crate::wire::method::{
    BasicAck, BasicConsume, BasicGet, ChannelClose, ConfirmSelect, ConnectionClose, ExchangeDeclare,
    QueueBind, QueueDeclare, QueuePurge,
};

/// What a client says from the beginning to the end.
fn stream() -> Vec<u8> {
    let pair = Pair::with(info());
    let mut stream = PROTOCOL_HEADER.to_vec();
    let mut say = |channel: u16, method: Method| {
        stream.extend_from_slice(&pair.written(|to| to.method(ChannelId(channel), &method).unwrap()));
    };
    let queue = |name| QueueDeclare { queue: short(name), durable: true, ..Default::default() };
    say(0, start_ok(able()).into());
    say(0, ConnectionTuneOk { channel_max: 10, frame_max: 131_072, heartbeat: 60 }.into());
    say(0, ConnectionOpen { virtual_host: short("/"), ..Default::default() }.into());
    for channel in 1..=3 {
        say(channel, ChannelOpen::default().into());
    }
    say(1, ExchangeDeclare { exchange: short("x"), kind: short("fanout"), ..Default::default() }.into());
    say(1, queue("q").into());
    say(1, QueueBind { exchange: short("x"), ..Default::default() }.into());
    say(1, ConfirmSelect::default().into());
    for (exchange, key, size) in [("", "q", 0), ("x", "", 10), ("x", "k", 200_000), ("", "nowhere", 5)] {
        let method = BasicPublish { mandatory: true, ..publish(exchange, key) };
        let list = PropertyList { message_id: Some(short("m")), ..Default::default() };
        stream.extend_from_slice(&pair.publish_bytes(1, &method, &list.encode(), &vec![7; size]));
    }
    let mut say = |channel: u16, method: Method| {
        stream.extend_from_slice(&pair.written(|to| to.method(ChannelId(channel), &method).unwrap()));
    };
    say(1, QueueDeclare { passive: true, ..queue("q") }.into());
    say(1, BasicGet { no_ack: false, ..Default::default() }.into());
    say(1, BasicAck::default().into());
    say(2, queue("p").into());
    say(2, BasicConsume { no_ack: true, ..Default::default() }.into());
    for body in ["a", "b", "c"] {
        stream.extend_from_slice(&pair.publish_bytes(
            2,
            &publish("", "p"),
            &Properties::NONE,
            body.as_bytes(),
        ));
    }
    stream.extend_from_slice(&pair.publish_bytes(3, &publish("nope", ""), &Properties::NONE, b"lost"));
    let mut say = |channel: u16, method: Method| {
        stream.extend_from_slice(&pair.written(|to| to.method(ChannelId(channel), &method).unwrap()));
    };
    say(2, QueuePurge { queue: short("p"), ..Default::default() }.into());
    say(2, ChannelClose::default().into());
    say(0, ConnectionClose::default().into());
    stream
}

/// What came of it: per channel what was answered, confirmed and delivered; what the broker was asked; the end.
#[derive(Debug, PartialEq)]
struct Outcome {
    heard: BTreeMap<(u16, &'static str), Vec<String>>,
    posted: Vec<(String, usize)>,
    routes: Vec<String>,
    closed: Option<CloseReason>,
}

fn outcome(pieces: impl Iterator<Item = Vec<u8>>) -> Outcome {
    let mut pair = Pair::with(info());
    pieces.for_each(|piece| pair.raw(&piece));
    let mut heard: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let mut confirmed: BTreeMap<u16, u64> = BTreeMap::new();
    for (channel, command) in pair.all() {
        match command {
            Command::Plain(Method::BasicAck(ack)) => {
                let last = confirmed.entry(channel).or_default();
                let from = if ack.multiple { *last + 1 } else { ack.delivery_tag.0 };
                let tags = (from..=ack.delivery_tag.0).map(|tag| tag.to_string());
                heard.entry((channel, "confirmed")).or_default().extend(tags);
                *last = ack.delivery_tag.0;
            }
            Command::WithContent(Method::BasicDeliver(delivery), content) => {
                heard.entry((channel, "delivered")).or_default().push(format!("{delivery:?} {content:?}"));
            }
            other => heard.entry((channel, "answered")).or_default().push(format!("{other:?}")),
        }
    }
    let mut posted = Vec::new();
    for request in &pair.desk.asked {
        if let Request::Post(post) = request {
            posted.extend(post.items.iter().map(|item| (item.exchange.as_str().to_owned(), item.body.len())));
        }
    }
    posted.sort();
    let mut routes: Vec<_> = pair.routes().iter().map(|ask| format!("{ask:?}")).collect();
    routes.sort();
    Outcome { heard, posted, routes, closed: pair.closed.clone() }
}

#[test]
fn a_story_is_the_same_in_one_piece_and_byte_by_byte() {
    let stream = stream();
    let whole = outcome([stream.clone()].into_iter());
    assert_eq!(whole.closed, Some(CloseReason::Protocol("the client closed the connection".into())));
    assert_eq!(whole.heard[&(1, "confirmed")], ["1", "2", "3", "4"]);
    assert_eq!(whole.heard[&(2, "delivered")].len(), 3);
    assert_eq!(whole.posted.len(), 8);
    let dripped = outcome(stream.chunks(1).map(<[u8]>::to_vec));
    assert_eq!(dripped, whole);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn cuts_do_not_matter(cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40)) {
        let stream = stream();
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
        at.extend([0, stream.len()]);
        at.sort_unstable();
        let pieces = at.windows(2).map(|ends| stream[ends[0]..ends[1]].to_vec());
        prop_assert_eq!(outcome(pieces), outcome([stream.clone()].into_iter()));
    }
}

//! Publishes and their confirms.

use forebay_kit::model::post::{Post, PostRefusal, PostedTo};
use forebay_kit::model::publish::Confirm;
use forebay_kit::model::{Refusal, Timestamp};

use super::*;
use crate::limits::{POST_ITEMS_MAX, PUBLISHES_OPEN_BYTES_MAX, PUBLISHES_OPEN_MAX};
use crate::wire::method::{BasicAck, BasicNack, ConfirmSelect, QueueDeclare};
use crate::wire::{ArrayBuilder, DeliveryTag, PropertyList};

fn confirming() -> Pair {
    let mut pair = Pair::open();
    pair.desk.exchanges.insert("x".into());
    pair.say(1, QueueDeclare { queue: short("q"), durable: true, ..Default::default() });
    pair.say(1, ConfirmSelect::default());
    assert_eq!(pair.names(), ["queue.declare-ok", "confirm.select-ok"]);
    pair
}

fn post(request: Request) -> Post {
    match request {
        Request::Post(post) => post,
        other => panic!("{other:?}"),
    }
}

fn posts(pair: &Pair) -> Vec<&Post> {
    let asked = pair.desk.asked.iter();
    asked.filter_map(|request| if let Request::Post(post) = request { Some(post) } else { None }).collect()
}

/// Several publishes in one piece.
fn burst(pair: &mut Pair, bodies: usize) {
    let bytes: Vec<u8> = (0..bodies)
        .flat_map(|n| pair.publish_bytes(1, &publish("", "q"), &Properties::NONE, n.to_string().as_bytes()))
        .collect();
    pair.raw(&bytes);
}

fn acks(pair: &mut Pair) -> Vec<(u64, bool, bool)> {
    let ack = |(_, command)| match method_of(command) {
        Method::BasicAck(BasicAck { delivery_tag, multiple }) => (delivery_tag.0, multiple, true),
        Method::BasicNack(BasicNack { delivery_tag, multiple, requeue: false }) => {
            (delivery_tag.0, multiple, false)
        }
        other => panic!("{other:?}"),
    };
    pair.all().into_iter().map(ack).collect()
}

#[test]
fn publishes_of_one_input_go_together_and_are_confirmed_in_one_word() {
    let mut pair = confirming();
    burst(&mut pair, 5);
    assert_eq!(acks(&mut pair), [(5, true, true)]);
    burst(&mut pair, 1);
    assert_eq!(acks(&mut pair), [(6, false, true)]);
    let posts = posts(&pair);
    assert_eq!(posts.iter().map(|post| post.items.len()).collect::<Vec<_>>(), [5, 1]);
    assert_eq!(posts[0].confirm, Confirm::Quorum);
    let bodies: Vec<_> = posts[0].items.iter().map(|item| &item.body[..]).collect();
    assert_eq!(bodies, [b"0", b"1", b"2", b"3", b"4"]);
}

#[test]
fn what_a_message_says_reaches_the_broker() {
    let mut pair = confirming();
    let headers = TableBuilder::new().put("n", Value::I32(7)).finish().unwrap();
    let list = PropertyList {
        headers: Some(headers),
        delivery_mode: Some(2),
        priority: Some(9),
        expiration: Some(short("60000")),
        message_id: Some(short("m")),
        correlation_id: Some(short("c")),
        timestamp: Some(5),
        user_id: Some(short("guest")),
        ..Default::default()
    };
    pair.publish_with(1, publish("x", "a.b"), &list.encode(), b"body");
    pair.publish(1, "x", "k", "plain");
    let posts = posts(&pair);
    let item = &posts[0].items[0];
    assert_eq!((item.exchange.as_str(), &item.keys[..]), ("x", &[Bytes::from_static(b"a.b")][..]));
    assert_eq!((item.is_transient, item.priority, item.ttl_ms, item.origin), (false, 9, Some(60_000), 2));
    assert_eq!(item.routing.message_id.as_deref(), Some(&b"m"[..]));
    assert_eq!(item.routing.correlation_id.as_deref(), Some(&b"c"[..]));
    assert_eq!(item.routing.timestamp, Some(Timestamp(5_000)));
    assert_eq!(item.routing.headers.len(), 1);
    let stored = [&b"\x01\x01x\x03a.b"[..], list.encode().as_bytes()].concat();
    assert_eq!((&item.properties[..], &item.body[..]), (&stored[..], &b"body"[..]));
    assert!(posts[1].items[0].is_transient && posts[1].items[0].ttl_ms.is_none());
}

#[test]
fn copies_go_by_further_keys_and_blind_ones_are_not_seen() {
    let mut pair = confirming();
    let keys = |keys: &[&str]| {
        keys.iter().fold(ArrayBuilder::new(), |all, key| all.put(Value::text(key))).finish().unwrap()
    };
    let (cc, bcc) = (keys(&["b", "c"]), keys(&["d"]));
    let headers = TableBuilder::new()
        .put("CC", Value::Array(cc.view()))
        .put("n", Value::I32(7))
        .put("BCC", Value::Array(bcc.view()))
        .finish()
        .unwrap();
    let list = PropertyList { headers: Some(headers), ..Default::default() };
    pair.publish_with(1, publish("x", "a"), &list.encode(), b"");
    let posts = posts(&pair);
    let item = &posts[0].items[0];
    let keys: Vec<_> = item.keys.iter().map(|key| &key[..]).collect();
    assert_eq!(keys, [b"a", b"b", b"c", b"d"]);
    let kept = Properties::parse(item.properties.slice(5..)).unwrap().header_table().unwrap();
    assert_eq!(format!("{kept:?}"), r#"{"CC": ["b", "c"], "n": 7i32}"#);
    let headers = TableBuilder::new().put("CC", Value::text("b")).finish().unwrap();
    let list = PropertyList { headers: Some(headers), ..Default::default() };
    pair.all();
    pair.publish_with(1, publish("x", "a"), &list.encode(), b"");
    let why = "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,<<\"CC\">>}";
    assert_eq!(pair.channel_error(), (406, why.into(), "60.40".into()));
}

#[test]
fn what_a_message_may_not_say_closes_its_channel() {
    let property = |list: PropertyList| list.encode();
    let expiration = property(PropertyList { expiration: Some(short("abc")), ..Default::default() });
    let user = property(PropertyList { user_id: Some(short("bob")), ..Default::default() });
    let reply =
        property(PropertyList { reply_to: Some(short("amq.rabbitmq.reply-to")), ..Default::default() });
    for (properties, why) in [
        (expiration, "invalid expiration 'abc': no_integer"),
        (user, "user_id property set to 'bob' but authenticated user was 'guest'"),
        (reply, "fast reply consumer does not exist"),
    ] {
        let mut pair = confirming();
        pair.publish_with(1, publish("x", "k"), &properties, b"");
        assert_eq!(pair.channel_error(), (406, format!("PRECONDITION_FAILED - {why}"), "60.40".into()));
        assert!(posts(&pair).is_empty());
    }
    let mut pair = confirming();
    pair.publish_with(1, BasicPublish { immediate: true, ..publish("x", "k") }, &Properties::NONE, b"");
    assert_eq!(pair.connection_error(), (540, "NOT_IMPLEMENTED - immediate=true".into()));
}

#[test]
fn a_body_above_the_limit_is_refused_when_it_is_announced() {
    let mut pair = confirming();
    let whole = pair.publish_bytes(1, &publish("x", "k"), &Properties::NONE, &vec![7; (16 << 20) + 1]);
    pair.raw(&whole[..100]);
    let why = "PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216";
    assert_eq!(pair.channel_error(), (406, why.into(), "60.40".into()));
    pair.raw(&whole[100..]);
    assert!(pair.all().is_empty() && posts(&pair).is_empty(), "the rest is read and forgotten");
    let mut pair = confirming();
    pair.publish_with(1, publish("x", "k"), &Properties::NONE, &vec![7; 16 << 20]);
    assert_eq!(acks(&mut pair), [(1, false, true)]);
}

#[test]
fn exchanges_that_cannot_be_published_to_close_the_channel() {
    for (exchange, code, why) in [
        ("nope", 404, "NOT_FOUND - no exchange 'nope' in vhost '/'"),
        ("internal", 403, "ACCESS_REFUSED - cannot publish to internal exchange 'internal' in vhost '/'"),
    ] {
        let mut pair = confirming();
        pair.publish(1, exchange, "k", "");
        assert_eq!(pair.channel_error(), (code, why.into(), "60.40".into()));
        assert!(pair.session.is_quiet());
    }
    let mut pair = confirming();
    let odd = BasicPublish { exchange: ShortStr::new(vec![0xff]).unwrap(), ..Default::default() };
    pair.publish_with(1, odd, &Properties::NONE, b"");
    assert_eq!(pair.channel_error().0, 404);
}

#[test]
fn confirms_before_an_error_are_told() {
    let mut pair = confirming();
    let good = pair.publish_bytes(1, &publish("", "q"), &Properties::NONE, b"x");
    let bad = pair.publish_bytes(1, &publish("nope", "q"), &Properties::NONE, b"x");
    pair.raw(&[good, bad].concat());
    assert_eq!(pair.names(), ["basic.ack", "channel.close"]);
}

#[test]
fn mandatory_messages_come_back_before_they_are_confirmed() {
    let mut pair = confirming();
    let list = PropertyList { message_id: Some(short("m")), ..Default::default() };
    let method = BasicPublish { mandatory: true, ..publish("x", "k") };
    pair.publish_with(1, method.clone(), &list.encode(), b"body");
    let heard = pair.all();
    let Command::WithContent(Method::BasicReturn(returned), content) = &heard[0].1 else {
        panic!("{heard:?}")
    };
    assert_eq!((returned.reply_code.number(), &returned.reply_text), (312, &short("NO_ROUTE")));
    assert_eq!((&returned.exchange, &returned.routing_key), (&short("x"), &short("k")));
    assert_eq!((&content.properties, &content.body[..]), (&list.encode(), &b"body"[..]));
    let ack = BasicAck { delivery_tag: DeliveryTag(1), multiple: false };
    assert_eq!((heard.len(), &heard[1].1), (2, &Command::Plain(ack.into())));
    pair.publish_with(1, BasicPublish { mandatory: true, ..publish("", "q") }, &list.encode(), b"body");
    assert_eq!(acks(&mut pair), [(2, false, true)]);
    pair.publish(1, "x", "k", "nobody minds");
    assert_eq!(acks(&mut pair), [(3, false, true)]);
}

#[test]
fn without_confirms_nothing_is_said() {
    let mut pair = Pair::open();
    pair.desk.exchanges.insert("x".into());
    pair.publish(1, "x", "k", "lost, and nobody minds");
    assert!(pair.all().is_empty());
    assert_eq!(posts(&pair)[0].confirm, Confirm::None);
    pair.publish(1, "broken", "k", "");
    assert_eq!(pair.connection_error().0, 506, "else its publisher would never know");
}

#[test]
fn what_was_not_taken_is_nacked_and_the_order_of_answers_does_not_matter() {
    let mut pair = confirming();
    pair.publish(1, "broken", "k", "");
    assert_eq!(acks(&mut pair), [(1, false, false)]);
    pair.is_held = true;
    for _ in 0..4 {
        burst(&mut pair, 1);
    }
    let calls: Vec<_> = (0..4).map(|_| pair.asked()).collect();
    let answer = |posted| Reply::Post(vec![posted]);
    let taken = || answer(Ok(PostedTo::Queues(1)));
    pair.answer(calls[2].0, taken());
    assert_eq!(acks(&mut pair), [(4, false, true)], "2 and 3 are not known");
    pair.answer(calls[1].0, answer(Err(PostRefusal::NotTaken(Refusal::TimedOut))));
    assert_eq!(acks(&mut pair), [(3, false, false)]);
    pair.answer(calls[0].0, taken());
    pair.answer(calls[3].0, taken());
    assert_eq!(acks(&mut pair), [(2, false, true), (5, false, true)]);
}

#[test]
fn channels_with_and_without_confirms_keep_their_order() {
    let mut pair = confirming();
    pair.open_channel(2);
    let with = pair.publish_bytes(1, &publish("", "q"), &Properties::NONE, b"1");
    let without = pair.publish_bytes(2, &publish("", "q"), &Properties::NONE, b"2");
    pair.raw(&[with.clone(), with.clone(), without, with].concat());
    let posts: Vec<_> = posts(&pair).iter().map(|post| (post.confirm, post.items.len())).collect();
    assert_eq!(posts, [(Confirm::Quorum, 2), (Confirm::None, 1), (Confirm::Quorum, 1)]);
    assert_eq!(acks(&mut pair), [(2, true, true), (3, false, true)]);
}

#[test]
fn posts_and_their_bytes_are_bounded() {
    let mut pair = Pair::with(ConnectionInfo { requests_open_max: 2, ..info() });
    pair.enter(able());
    pair.open_channel(1);
    pair.say(1, ConfirmSelect::default());
    pair.all();
    pair.is_held = true;
    let (mut said, bytes) = (0, pair.publish_bytes(1, &publish("", "q"), &Properties::NONE, b"x"));
    while pair.session.wants_bytes() {
        pair.raw(&bytes);
        said += 1;
        assert!(said < 1_000_000, "it is bounded");
    }
    assert_eq!((pair.calls.len(), said), (2, 2 + POST_ITEMS_MAX + 1), "two are open, and one more gathers");
    pair.release();
    assert!(pair.session.wants_bytes() && pair.session.is_quiet());
    let told: u64 = acks(&mut pair).last().map_or(0, |(tag, _, _)| *tag);
    assert_eq!(told, said as u64, "each of them is answered");
}

#[test]
fn messages_of_one_long_input_and_their_bytes_are_bounded() {
    for (body, most) in [(1, PUBLISHES_OPEN_MAX), (100_000, PUBLISHES_OPEN_BYTES_MAX / 100_000 + 1)] {
        let mut pair = confirming();
        pair.is_held = true;
        let bytes = pair.publish_bytes(1, &publish("", "q"), &Properties::NONE, &vec![7; body]);
        pair.raw(&bytes.repeat(most + 100));
        assert!(!pair.session.wants_bytes());
        let asked: usize = pair.calls.iter().map(|(_, request)| post(request.clone()).items.len()).sum();
        assert_eq!(asked, most);
        pair.release();
        assert_eq!(acks(&mut pair).last().map(|(tag, _, _)| *tag), Some(most as u64 + 100));
    }
}

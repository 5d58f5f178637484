//! Direct reply-to.

use super::*;
use crate::wire::PropertyList;
use crate::wire::method::{BasicCancel, BasicConsume, BasicDeliver, ChannelClose, QueueDeclare};

const PSEUDO: &str = "amq.rabbitmq.reply-to";

fn replies() -> BasicConsume {
    BasicConsume { queue: short(PSEUDO), consumer_tag: short("r"), no_ack: true, ..Default::default() }
}

fn asking() -> Properties {
    PropertyList { reply_to: Some(short(PSEUDO)), ..Default::default() }.encode()
}

/// A channel that consumes answers, another that consumes questions.
fn pair() -> Pair {
    let mut pair = Pair::open();
    pair.open_channel(2);
    pair.say(2, QueueDeclare { queue: short("q"), durable: true, ..Default::default() });
    pair.say(2, BasicConsume { queue: short("q"), no_ack: true, ..Default::default() });
    pair.say(1, replies());
    assert_eq!(pair.names(), ["queue.declare-ok", "basic.consume-ok", "basic.consume-ok"]);
    pair
}

fn delivered(pair: &mut Pair) -> (BasicDeliver, Content) {
    match pair.all().pop() {
        Some((_, Command::WithContent(Method::BasicDeliver(delivery), content))) => (delivery, content),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_comes_to_the_channel_that_asked() {
    let mut pair = pair();
    pair.publish_with(1, publish("", "q"), &asking(), b"question");
    let (_, question) = delivered(&mut pair);
    let to = question.properties.reply_to().map(<[u8]>::to_vec).expect("somewhere to answer to");
    let to = String::from_utf8(to).unwrap();
    assert!(to.starts_with("amq.rabbitmq.reply-to.") && to.len() > PSEUDO.len() + 20, "{to}");
    // Who answers may look first whether anybody waits.
    for (name, passive) in [(&to[..], true), (&to, false), (PSEUDO, true)] {
        pair.say(2, QueueDeclare { queue: short(name), passive, ..Default::default() });
        let Method::QueueDeclareOk(found) = pair.one() else { panic!("it is there") };
        assert_eq!((found.queue, found.message_count, found.consumer_count), (short(name), 0, 1));
    }
    pair.publish(2, "", &to, "answer");
    let (delivery, answer) = delivered(&mut pair);
    assert_eq!((delivery.consumer_tag, delivery.routing_key), (short("r"), short(&to)));
    assert_eq!(&answer.body[..], b"answer");
}

#[test]
fn who_does_not_consume_answers_cannot_ask_for_them() {
    let refused = |pair: &mut Pair| {
        pair.publish_with(1, publish("", "q"), &asking(), b"question");
        pair.channel_error()
    };
    let why = "PRECONDITION_FAILED - fast reply consumer does not exist";
    let expected = (406, why.to_owned(), "60.40".to_owned());
    assert_eq!(refused(&mut Pair::open()), expected);
    let mut pair = pair();
    pair.say(1, BasicCancel { consumer_tag: short("r"), no_wait: true });
    assert_eq!(refused(&mut pair), expected);
}

#[test]
fn a_channel_has_one_consumer_of_answers_that_acknowledges_nothing() {
    let mut pair = pair();
    pair.say(1, BasicConsume { consumer_tag: short("again"), ..replies() });
    assert_eq!(pair.channel_error().1, "PRECONDITION_FAILED - reply consumer already set");
    pair.open_channel(3);
    pair.say(3, BasicConsume { no_ack: false, ..replies() });
    assert_eq!(pair.channel_error().1, "PRECONDITION_FAILED - reply consumer cannot acknowledge");
    pair.open_channel(4);
    pair.say(4, replies());
    assert_eq!(pair.names(), ["basic.consume-ok"], "another channel has one of its own");
    pair.say(4, ChannelClose::default());
    assert_eq!(pair.names(), ["channel.close-ok"]);
}

#[test]
fn nobody_waits_where_nobody_asked() {
    let gone = "amq.rabbitmq.reply-to.gone";
    let declare = |passive| QueueDeclare { queue: short(gone), passive, ..Default::default() };
    let mut pair = Pair::open();
    pair.say(1, declare(true));
    assert_eq!(pair.channel_error().1, format!("NOT_FOUND - no queue '{gone}' in vhost '/'"));
    pair.open_channel(2);
    pair.say(2, declare(false));
    let why = format!("ACCESS_REFUSED - queue name '{gone}' contains reserved prefix 'amq.*'");
    assert_eq!(pair.channel_error().1, why);
}

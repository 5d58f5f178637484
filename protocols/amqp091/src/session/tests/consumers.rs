//! Consumers, and what becomes of their messages.

use forebay_kit::model::Refusal;
use forebay_kit::model::subscription::{Settlement, SubscriptionRequest};
use forebay_kit::record::PayloadKind;
use forebay_kit::record::batch::{BatchBuilder, Codec, NewRecord};

use super::desk::State;
use super::*;
use crate::limits::RETRY_AFTER;
use crate::wire::DeliveryTag;
use crate::wire::method::{
    BasicAck, BasicCancel, BasicConsume, BasicDeliver, BasicGet, BasicNack, BasicQos, BasicRecover,
    BasicRecoverAsync, BasicReject, ChannelClose, ConnectionClose, QueueDeclare, QueueDelete,
};

const READY: State = State::Ready;
const ACCEPTED: State = State::Done(Settlement::Accept);
const REJECTED: State = State::Done(Settlement::Reject);

fn queue(arguments: Table) -> Pair {
    let mut pair = Pair::open_with(info(), able());
    pair.say(1, QueueDeclare { queue: short("q"), durable: true, arguments, ..Default::default() });
    pair.all();
    pair
}

/// A queue with so many messages.
fn filled(messages: usize) -> Pair {
    let mut pair = queue(Table::EMPTY);
    (0..messages).for_each(|n| pair.publish(1, "", "q", &n.to_string()));
    pair
}

fn consume(tag: &str) -> BasicConsume {
    BasicConsume { queue: short("q"), consumer_tag: short(tag), ..Default::default() }
}

fn qos(prefetch_count: u16, global: bool) -> BasicQos {
    BasicQos { prefetch_count, global, ..Default::default() }
}

fn ack(tag: u64, multiple: bool) -> BasicAck {
    BasicAck { delivery_tag: DeliveryTag(tag), multiple }
}

/// Deliveries that were heard: tag, body, whether they come again.
fn delivered(pair: &mut Pair) -> Vec<(u64, String, bool)> {
    let delivery = |(_, command)| match command {
        Command::WithContent(
            Method::BasicDeliver(BasicDeliver { delivery_tag, redelivered, .. }),
            content,
        ) => (delivery_tag.0, String::from_utf8(content.body.to_vec()).unwrap(), redelivered),
        other => panic!("{other:?}"),
    };
    pair.all().into_iter().map(delivery).collect()
}

fn bodies(pair: &mut Pair) -> Vec<String> {
    delivered(pair).into_iter().map(|(_, body, _)| body).collect()
}

/// A consumer of a queue with so many messages.
fn consuming(messages: usize, prefetch: u16) -> Pair {
    let mut pair = filled(messages);
    pair.say(1, qos(prefetch, false));
    pair.is_held = true;
    pair.say(1, consume("c"));
    // Whether there is the queue, and that somebody consumes from it.
    for _ in 0..2 {
        let (token, request) = pair.asked();
        for (token, reply) in pair.desk.ask(token, request) {
            pair.answer(token, reply);
        }
    }
    assert_eq!(pair.names(), ["basic.qos-ok", "basic.consume-ok"]);
    pair.release();
    pair
}

fn settles(pair: &Pair) -> usize {
    let settles =
        |request: &&Request| matches!(request, Request::Subscription(SubscriptionRequest::Settle(_)));
    pair.desk.asked.iter().filter(settles).count()
}

#[test]
fn messages_come_as_they_were_published() {
    let mut pair = queue(Table::EMPTY);
    pair.say(1, consume("c"));
    assert_eq!(pair.names(), ["basic.consume-ok"]);
    let headers = TableBuilder::new().put("n", Value::I32(7)).finish().unwrap();
    let list = crate::wire::PropertyList { headers: Some(headers), priority: Some(3), ..Default::default() };
    let body = vec![7; 300_000];
    pair.publish_with(1, publish("", "q"), &list.encode(), &body);
    let (Method::BasicDeliver(delivery), content) = pair.message() else { panic!("it is delivered") };
    assert_eq!((delivery.consumer_tag, delivery.delivery_tag), (short("c"), DeliveryTag(1)));
    assert_eq!(
        (delivery.exchange, delivery.routing_key, delivery.redelivered),
        (short(""), short("q"), false)
    );
    assert_eq!((content.properties, &content.body[..]), (list.encode(), &body[..]));
}

#[test]
fn a_prefetch_bounds_what_is_not_settled() {
    let mut pair = consuming(5, 2);
    assert_eq!(bodies(&mut pair), ["0", "1"]);
    assert!(pair.desk.waiting().is_empty(), "it may have no more");
    pair.say(1, ack(1, false));
    assert_eq!(delivered(&mut pair), [(3, "2".into(), false)]);
    pair.say(1, ack(3, true));
    assert_eq!(bodies(&mut pair), ["3", "4"]);
    assert_eq!(pair.desk.states("q")[..3], [ACCEPTED; 3]);
    pair.say(1, ack(0, true));
    assert_eq!(pair.desk.states("q"), [ACCEPTED; 5]);
    assert_eq!(pair.desk.waiting().len(), 1);
}

#[test]
fn settlements_of_one_input_go_together() {
    let mut pair = consuming(4, 0);
    assert_eq!(bodies(&mut pair).len(), 4);
    let said = [ack(2, false), ack(1, false), ack(4, false)];
    let bytes: Vec<u8> =
        said.iter().flat_map(|ack| pair.written(|to| to.method(ChannelId(1), ack).unwrap())).collect();
    pair.raw(&bytes);
    assert_eq!(settles(&pair), 1);
    let states = pair.desk.states("q");
    assert_eq!((states[0], states[1], states[3]), (ACCEPTED, ACCEPTED, ACCEPTED));
    assert!(matches!(states[2], State::With(_)));
}

#[test]
fn what_is_not_accepted_comes_again_or_never() {
    let mut pair = consuming(3, 0);
    pair.all();
    pair.say(1, BasicReject { delivery_tag: DeliveryTag(1), requeue: false });
    pair.say(1, BasicNack { delivery_tag: DeliveryTag(2), requeue: false, multiple: true });
    pair.say(1, BasicReject { delivery_tag: DeliveryTag(3), requeue: true });
    assert_eq!(delivered(&mut pair), [(4, "2".into(), true)]);
    assert_eq!(pair.desk.states("q")[..2], [REJECTED; 2]);
    pair.say(1, BasicNack { delivery_tag: DeliveryTag(0), requeue: true, multiple: true });
    assert_eq!(delivered(&mut pair), [(5, "2".into(), true)]);
    pair.say(1, BasicRecover { requeue: true });
    let heard = pair.all();
    assert!(matches!(heard[0].1, Command::Plain(Method::BasicRecoverOk(_))) && heard.len() == 2, "{heard:?}");
    pair.say(1, BasicRecoverAsync { requeue: true });
    assert_eq!(delivered(&mut pair), [(7, "2".into(), true)]);
    pair.say(1, BasicRecover { requeue: false });
    assert_eq!(pair.connection_error(), (540, "NOT_IMPLEMENTED - requeue=false".into()));
}

#[test]
fn a_tag_that_is_not_open_closes_the_channel_and_everything_goes_back() {
    for tag in [0, 3, 99] {
        for multiple in [false, true] {
            if tag == 0 && multiple {
                continue;
            }
            let mut pair = consuming(2, 0);
            pair.all();
            pair.say(1, ack(tag, multiple));
            let why = format!("PRECONDITION_FAILED - unknown delivery tag {tag}");
            assert_eq!(pair.channel_error(), (406, why, "60.80".into()));
            assert_eq!(pair.desk.states("q"), [READY; 2]);
        }
    }
    let mut pair = consuming(2, 0);
    pair.all();
    pair.say(1, ack(1, false));
    pair.say(1, ack(1, false));
    assert_eq!(pair.channel_error().0, 406, "it is settled once");
    assert_eq!(pair.desk.states("q"), [ACCEPTED, READY]);
    let mut pair = queue(Table::EMPTY);
    pair.say(1, ack(0, true));
    assert!(pair.all().is_empty(), "all of nothing is no error");
}

#[test]
fn without_acks_a_message_is_settled_as_it_is_sent() {
    let mut pair = filled(3);
    pair.say(1, qos(1, false));
    pair.say(1, BasicConsume { no_ack: true, ..consume("c") });
    assert_eq!(pair.names().len(), 5, "no prefetch holds it");
    assert_eq!(pair.desk.states("q"), [ACCEPTED; 3]);
    pair.say(1, ack(1, false));
    assert_eq!(pair.channel_error().0, 406);
}

#[test]
fn a_closed_channel_gives_back_before_it_says_so() {
    let mut pair = consuming(2, 0);
    pair.all();
    pair.is_held = true;
    pair.say(1, ack(1, false));
    pair.say(1, ChannelClose::default());
    assert!(pair.all().is_empty());
    pair.release();
    assert_eq!(pair.names(), ["channel.close-ok"]);
    assert_eq!(pair.desk.states("q"), [ACCEPTED, READY]);
    pair.open_channel(1);
    pair.say(1, consume("c"));
    let heard = pair.all();
    assert!(matches!(&heard[1].1, Command::WithContent(Method::BasicDeliver(again), _) if again.redelivered));
}

#[test]
fn a_cancelled_consumer_keeps_what_it_has_and_gets_no_more() {
    let mut pair = consuming(2, 0);
    pair.all();
    pair.is_held = true;
    pair.say(1, BasicCancel { consumer_tag: short("c"), no_wait: false });
    pair.publish(1, "", "q", "late");
    assert!(pair.all().is_empty(), "its receive is open");
    pair.release();
    assert_eq!(pair.names(), ["basic.cancel-ok"]);
    assert!(matches!(pair.desk.states("q")[..], [State::With(_), State::With(_), READY]));
    pair.say(1, ack(2, true));
    assert_eq!(pair.desk.states("q"), [ACCEPTED, ACCEPTED, READY]);
    pair.say(1, BasicCancel { consumer_tag: short("c"), no_wait: false });
    assert_eq!(pair.names(), ["basic.cancel-ok"], "that there is none is no error");
    pair.say(1, consume("c"));
    assert_eq!(pair.names(), ["basic.consume-ok", "basic.deliver"], "the tag is free");
}

#[test]
fn messages_that_come_for_a_cancelled_consumer_go_back_untouched() {
    let mut pair = queue(Table::EMPTY);
    pair.say(1, consume("c"));
    pair.all();
    pair.is_held = true;
    pair.publish(1, "", "q", "x");
    let (token, request) = pair.asked();
    let answers = pair.desk.ask(token, request);
    assert_eq!(answers.len(), 2, "the post's and the receive's");
    pair.say(1, BasicCancel { consumer_tag: short("c"), no_wait: false });
    for (token, reply) in answers {
        pair.answer(token, reply);
    }
    pair.release();
    assert_eq!(pair.names(), ["basic.cancel-ok"]);
    assert_eq!(pair.desk.states("q"), [READY]);
    assert_eq!(pair.desk.queues["q"].messages[0].attempts, 0);
}

#[test]
fn a_global_prefetch_is_shared() {
    let mut pair = filled(5);
    pair.say(1, qos(3, true));
    pair.say(1, consume("a"));
    pair.say(1, consume("b"));
    assert_eq!(pair.names().iter().filter(|name| **name == "basic.deliver").count(), 3);
    pair.say(1, ack(0, true));
    assert_eq!(pair.names(), ["basic.deliver"; 2]);
    let quorum = TableBuilder::new().put("x-queue-type", Value::text("quorum")).finish().unwrap();
    let mut pair = queue(quorum);
    pair.say(1, qos(3, true));
    pair.all();
    pair.say(1, consume("a"));
    let why = "NOT_IMPLEMENTED - queue 'q' in vhost '/' does not support global qos";
    assert_eq!(pair.connection_error(), (540, why.into()));
}

#[test]
fn what_exceeds_a_shared_prefetch_goes_back_untouched() {
    let mut pair = queue(Table::EMPTY);
    pair.say(1, qos(1, true));
    pair.say(1, consume("a"));
    pair.say(1, consume("b"));
    pair.all();
    assert_eq!(pair.desk.waiting().len(), 2, "either may be the first");
    pair.is_held = true;
    pair.publish(1, "", "q", "0");
    pair.publish(1, "", "q", "1");
    pair.release();
    assert_eq!(bodies(&mut pair), ["0"]);
    assert_eq!(pair.desk.states("q")[1], READY);
    assert_eq!(pair.desk.queues["q"].messages[1].attempts, 0);
    pair.say(1, ack(1, false));
    assert_eq!(delivered(&mut pair), [(2, "1".into(), false)]);
}

#[test]
fn quorum_queues_count_deliveries_and_classic_ones_do_not() {
    for (queue_type, counts) in [("quorum", true), ("classic", false)] {
        let mut pair =
            queue(TableBuilder::new().put("x-queue-type", Value::text(queue_type)).finish().unwrap());
        pair.publish(1, "", "q", "x");
        pair.say(1, consume("c"));
        pair.all();
        for count in 1..=2 {
            pair.say(1, BasicNack { delivery_tag: DeliveryTag(0), requeue: true, multiple: true });
            let (_, content) = pair.message();
            let told = content.properties.headers().and_then(|headers| headers.get("x-delivery-count"));
            assert_eq!(told, counts.then_some(Value::I64(count)));
        }
    }
}

#[test]
fn get_gives_one_message_or_none() {
    let mut pair = filled(2);
    let get = |no_ack| BasicGet { queue: short("q"), no_ack, ..Default::default() };
    pair.say(1, get(false));
    let (Method::BasicGetOk(got), content) = pair.message() else { panic!("it is there") };
    assert_eq!((got.delivery_tag, got.message_count, got.redelivered), (DeliveryTag(1), 1, false));
    assert_eq!((got.routing_key, &content.body[..]), (short("q"), &b"0"[..]));
    pair.say(1, get(true));
    assert_eq!(pair.names(), ["basic.get-ok"]);
    pair.say(1, get(false));
    assert_eq!(pair.names(), ["basic.get-empty"]);
    pair.say(1, ack(1, false));
    assert_eq!(pair.desk.states("q"), [ACCEPTED; 2]);
    pair.say(1, BasicGet { queue: short("nope"), ..Default::default() });
    let why = "NOT_FOUND - no queue 'nope' in vhost '/'";
    assert_eq!(pair.channel_error(), (404, why.into(), "60.70".into()));
}

#[test]
fn what_consumers_cannot_ask_for() {
    let mut pair = queue(Table::EMPTY);
    pair.say(1, consume("c"));
    pair.all();
    pair.say(1, consume("c"));
    assert_eq!(pair.connection_error(), (530, "NOT_ALLOWED - attempt to reuse consumer tag 'c'".into()));
    let refused = |method: BasicConsume| {
        let mut pair = queue(Table::EMPTY);
        pair.say(1, method);
        pair.connection_error()
    };
    let not_implemented = |why: &str| (540, format!("NOT_IMPLEMENTED - {why}"));
    let arguments = TableBuilder::new().put("x-stream-offset", Value::text("first")).finish().unwrap();
    assert_eq!(
        refused(BasicConsume { arguments, ..consume("c") }),
        not_implemented("argument 'x-stream-offset' of a consumer")
    );
    let mut pair = queue(Table::EMPTY);
    pair.say(1, BasicConsume { queue: short("nope"), ..Default::default() });
    let why = "NOT_FOUND - no queue 'nope' in vhost '/'";
    assert_eq!(pair.channel_error(), (404, why.into(), "60.20".into()));
}

#[test]
fn a_consumer_without_a_name_gets_one() {
    let mut pair = queue(Table::EMPTY);
    pair.say(1, BasicConsume { no_wait: true, ..consume("") });
    pair.say(1, BasicConsume { queue: short(""), ..consume("") });
    let Method::BasicConsumeOk(consuming) = pair.one() else { panic!("one wanted to hear") };
    assert!(consuming.consumer_tag.as_str().unwrap().starts_with("amq.ctag-"));
    assert_eq!(pair.desk.waiting().len(), 2);
}

#[test]
fn a_client_hears_that_its_queue_is_gone_if_it_wants_to() {
    for (properties, words) in [(able(), 2), (Table::EMPTY, 1)] {
        let mut pair = Pair::open_with(info(), properties);
        pair.say(1, QueueDeclare { queue: short("q"), durable: true, ..Default::default() });
        pair.say(1, consume("c"));
        pair.all();
        pair.say(1, QueueDelete { queue: short("q"), ..Default::default() });
        let names = pair.names();
        assert_eq!((names.len(), names.contains(&"basic.cancel")), (words, words == 2));
        assert!(pair.desk.waiting().is_empty());
    }
}

#[test]
fn what_passes_is_tried_again() {
    let mut pair = queue(Table::EMPTY);
    pair.publish(1, "", "q", "x");
    pair.desk.refuse_receives.extend([Refusal::Loading, Refusal::NotLeader { leader: None }]);
    pair.say(1, consume("c"));
    assert_eq!(pair.names(), ["basic.consume-ok"]);
    pair.later(RETRY_AFTER);
    assert!(pair.all().is_empty());
    pair.later(RETRY_AFTER);
    assert_eq!(bodies(&mut pair), ["x"]);
    pair.desk.refuse_settles.extend([Refusal::Busy, Refusal::Unknown]);
    pair.say(1, ack(1, false));
    pair.later(RETRY_AFTER);
    assert!(matches!(pair.desk.states("q")[..], [State::With(_)]));
    pair.later(RETRY_AFTER);
    assert_eq!(pair.desk.states("q"), [ACCEPTED]);
}

#[test]
fn one_lease_that_ended_does_not_hold_up_the_others() {
    let mut pair = consuming(4, 0);
    pair.all();
    // All four, then the first two: 0 and 1 are tried alone.
    pair.desk.refuse_settles.extend([Refusal::NotHeld, Refusal::NotHeld]);
    pair.say(1, ack(4, true));
    let states = pair.desk.states("q");
    assert_eq!(states, [ACCEPTED; 4], "each half is tried by itself");
    assert_eq!(settles(&pair), 5);
    let mut pair = consuming(1, 0);
    pair.all();
    pair.desk.refuse_settles.push_back(Refusal::NotHeld);
    pair.say(1, ack(1, false));
    assert!(pair.all().is_empty() && settles(&pair) == 1, "it comes again, to whoever");
}

#[test]
fn a_consumer_reads_what_producers_of_records_wrote() {
    let mut pair = queue(Table::EMPTY);
    let record = |key: &'static str, value: &'static str| NewRecord {
        timestamp: forebay_kit::model::Timestamp(7_000),
        key: Some(Bytes::from_static(key.as_bytes())),
        value: Some(Bytes::from_static(value.as_bytes())),
        headers: vec![],
    };
    let mut batch = BatchBuilder::new(Codec::None, 1 << 20);
    batch.push(&record("orders.eu", "body")).unwrap();
    let bytes = batch.build().unwrap();
    pair.desk.queues.get_mut("q").unwrap().put(PayloadKind::RecordBatch, bytes);
    pair.say(1, consume("c"));
    let heard = pair.all();
    let Command::WithContent(Method::BasicDeliver(delivery), content) = &heard[1].1 else {
        panic!("{heard:?}")
    };
    assert_eq!((&delivery.exchange, &delivery.routing_key), (&short(""), &short("orders.eu")));
    assert_eq!((&content.body[..], content.properties.timestamp()), (&b"body"[..], Some(7)));
}

#[test]
fn a_payload_that_cannot_be_read_ends_the_connection() {
    let mut pair = queue(Table::EMPTY);
    let broken = Bytes::from_static(b"broken");
    pair.desk.queues.get_mut("q").unwrap().put(PayloadKind::MessageBatch, broken);
    pair.say(1, BasicConsume { no_wait: true, ..consume("c") });
    assert_eq!(pair.connection_error().0, 541);
}

#[test]
fn a_closed_connection_settles_and_gives_back_before_it_says_so() {
    let mut pair = consuming(2, 0);
    pair.all();
    pair.is_held = true;
    pair.say(1, ack(1, false));
    pair.say(0, ConnectionClose::default());
    assert!(pair.all().is_empty() && pair.closed.is_none());
    let (token, settle) = pair.asked();
    assert!(
        matches!(settle, Request::Subscription(SubscriptionRequest::Settle(_))),
        "it comes first: {settle:?}"
    );
    for (token, reply) in pair.desk.ask(token, settle) {
        pair.answer(token, reply);
    }
    assert!(pair.all().is_empty(), "its consumer has not ended");
    pair.release();
    assert_eq!(pair.names(), ["connection.close-ok"]);
    assert_eq!(pair.desk.states("q"), [ACCEPTED, READY]);
}

#[test]
fn a_channel_is_closed_when_the_last_of_its_consumers_has_ended() {
    let mut pair = filled(1);
    pair.say(1, BasicGet { queue: short("q"), ..Default::default() });
    pair.say(1, consume("a"));
    pair.say(1, consume("b"));
    pair.all();
    pair.is_held = true;
    pair.say(1, ChannelClose::default());
    assert_eq!(pair.calls.len(), 3, "the one that gets is one as well");
    while let Some((token, request)) = pair.calls.pop_front() {
        assert!(pair.all().is_empty());
        for (token, reply) in pair.desk.ask(token, request) {
            pair.answer(token, reply);
        }
    }
    assert_eq!(pair.names(), ["channel.close-ok"]);
}

#[test]
fn what_is_taken_out_of_a_queue_comes_behind_what_was_said_before() {
    let mut pair = consuming(2, 1);
    pair.all();
    pair.open_channel(2);
    pair.is_held = true;
    pair.say(1, BasicNack { delivery_tag: DeliveryTag(1), requeue: true, multiple: false });
    let get = BasicGet { queue: short("q"), no_ack: true, ..Default::default() };
    pair.say(2, get);
    // The consumer's end of its delivery, and nothing of the other channel.
    let (token, settle) = pair.asked();
    assert!(matches!(settle, Request::Subscription(SubscriptionRequest::Settle(_))), "{settle:?}");
    let asks = |request: &Request| matches!(request, Request::Route(_));
    assert!(!pair.calls.iter().any(|(_, request)| asks(request)), "the queue is not looked at yet");
    for (token, reply) in pair.desk.ask(token, settle) {
        pair.answer(token, reply);
    }
    assert!(pair.calls.iter().any(|(_, request)| asks(request)), "now it is");
}

#[test]
fn a_queue_is_told_of_its_consumers() {
    let mut pair = queue(Table::EMPTY);
    let arguments = TableBuilder::new().put("x-priority", Value::I32(-7)).finish().unwrap();
    pair.say(1, BasicConsume { arguments, exclusive: true, ..consume("a") });
    pair.say(1, consume("b"));
    assert_eq!(pair.names(), ["basic.consume-ok", "basic.consume-ok"]);
    let told: Vec<_> = pair.desk.joined.iter().map(|join| (join.exclusive, join.priority)).collect();
    assert_eq!(told, [(true, -7), (false, 0)]);
    pair.say(1, QueueDeclare { queue: short("q"), passive: true, ..Default::default() });
    let Method::QueueDeclareOk(found) = pair.one() else { panic!("the queue is there") };
    assert_eq!(found.consumer_count, 2);
    pair.is_held = true;
    pair.say(1, BasicCancel { consumer_tag: short("a"), no_wait: false });
    while pair.desk.joined.len() == 2 {
        assert!(pair.all().is_empty(), "the queue has not heard of it");
        let (token, request) = pair.asked();
        for (token, reply) in pair.desk.ask(token, request) {
            pair.answer(token, reply);
        }
    }
    pair.release();
    assert_eq!(pair.names(), ["basic.cancel-ok"]);
    pair.say(1, ChannelClose::default());
    assert!(pair.desk.joined.is_empty());
}

#[test]
fn who_cannot_be_alone_or_beside_somebody_is_refused() {
    let mut pair = queue(Table::EMPTY);
    pair.desk.refuse_joins.push_back(Refusal::ConsumedByOthers);
    pair.say(1, consume("c"));
    let why = "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use";
    assert_eq!(pair.channel_error(), (403, why.into(), "60.20".into()));
    pair.open_channel(2);
    pair.say(2, consume("c"));
    assert_eq!(pair.names(), ["basic.consume-ok"], "the tag is free");
}

#[test]
fn a_consumer_that_may_be_forgotten_comes_again() {
    let mut pair = queue(Table::EMPTY);
    pair.desk.refuse_receives.push_back(Refusal::NotLeader { leader: None });
    pair.say(1, consume("c"));
    assert_eq!(pair.desk.joined.len(), 1);
    pair.later(RETRY_AFTER);
    assert_eq!(pair.desk.joined.len(), 2, "it is told again");
    assert_eq!(pair.desk.waiting().len(), 1);
}

#[test]
fn what_a_consumer_gave_back_comes_before_what_lies_behind() {
    let mut pair = consuming(4, 2);
    assert_eq!(bodies(&mut pair), ["0", "1"]);
    pair.is_held = true;
    pair.say(1, BasicNack { delivery_tag: DeliveryTag(1), requeue: true, multiple: false });
    let (token, settle) = pair.asked();
    assert!(matches!(settle, Request::Subscription(SubscriptionRequest::Settle(_))), "{settle:?}");
    assert!(pair.calls.is_empty(), "nothing more is asked for before it is there again");
    for (token, reply) in pair.desk.ask(token, settle) {
        pair.answer(token, reply);
    }
    pair.release();
    assert_eq!(bodies(&mut pair), ["0"]);
    pair.say(1, ack(2, false));
    assert_eq!(bodies(&mut pair), ["2"]);
}

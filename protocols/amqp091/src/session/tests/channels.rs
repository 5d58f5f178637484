//! Channels: opened, closed, and one thing after the other.

use super::*;
use crate::wire::method::{
    AccessRequest, BasicQos, ChannelClose, ChannelCloseOk, ChannelFlow, ConfirmSelect, ExchangeDeclare,
    QueueDeclare, TxCommit, TxSelect,
};

fn durable(name: &str) -> QueueDeclare {
    QueueDeclare { queue: short(name), durable: true, ..Default::default() }
}

#[test]
fn a_channel_is_opened_once_and_used_only_then() {
    let mut pair = Pair::open();
    pair.say(1, ChannelOpen::default());
    assert_eq!(pair.connection_error(), (504, "CHANNEL_ERROR - second 'channel.open' seen".into()));
    let mut pair = Pair::open();
    pair.say(2, BasicQos::default());
    assert_eq!(pair.connection_error(), (504, "CHANNEL_ERROR - expected 'channel.open'".into()));
    let mut pair = Pair::open();
    pair.raw(b"\x03\x00\x02\x00\x00\x00\x01a\xce");
    assert_eq!(pair.connection_error().0, 504);
}

#[test]
fn a_channel_that_was_closed_can_be_opened_again() {
    let mut pair = Pair::open();
    pair.say(1, ChannelClose::default());
    assert_eq!(pair.one(), ChannelCloseOk {}.into());
    pair.open_channel(1);
}

#[test]
fn an_error_closes_its_channel_and_what_its_client_said_meanwhile_is_void() {
    let mut pair = Pair::open();
    pair.open_channel(2);
    pair.say(1, ExchangeDeclare { exchange: short("x"), passive: true, ..Default::default() });
    let why = "NOT_FOUND - no exchange 'x' in vhost '/'";
    assert_eq!(pair.channel_error(), (404, why.into(), "40.10".into()));
    let asked = pair.desk.asked.len();
    pair.publish(1, "", "q", "body");
    pair.say(1, durable("q"));
    pair.say(1, ChannelOpen::default());
    assert_eq!(pair.desk.asked.len(), asked);
    assert!(pair.all().is_empty());
    pair.say(2, BasicQos::default());
    assert_eq!(pair.names(), ["basic.qos-ok"], "the others go on");
    pair.say(1, ChannelClose::default());
    assert_eq!(pair.names(), ["channel.close-ok"], "both close at once");
    pair.say(1, ChannelCloseOk {});
    pair.open_channel(1);
}

#[test]
fn what_is_said_without_waiting_takes_effect_in_order() {
    let mut pair = Pair::open();
    pair.desk.exchanges.insert("x".into());
    pair.is_held = true;
    pair.say(1, durable("q"));
    pair.publish(1, "", "q", "one");
    pair.publish(1, "", "q", "two");
    pair.say(1, QueueDeclare { passive: true, ..durable("q") });
    pair.say(1, BasicQos::default());
    assert_eq!(pair.calls.len(), 1, "the declaration alone is with the broker");
    pair.release();
    let heard = pair.all();
    let Command::Plain(Method::QueueDeclareOk(second)) = &heard[1].1 else { panic!("{heard:?}") };
    assert_eq!(second.message_count, 2, "it comes behind the publishes");
    let names: Vec<_> = heard.into_iter().map(|(_, command)| method_of(command).info().name).collect();
    assert_eq!(names, ["queue.declare-ok", "queue.declare-ok", "basic.qos-ok"]);
}

#[test]
fn channels_do_not_wait_for_each_other() {
    let mut pair = Pair::open();
    pair.open_channel(2);
    pair.is_held = true;
    pair.say(1, durable("q"));
    pair.say(2, BasicQos::default());
    assert_eq!(pair.names(), ["basic.qos-ok"]);
    pair.say(1, ChannelClose::default());
    assert!(pair.all().is_empty());
    pair.release();
    assert_eq!(pair.names(), ["queue.declare-ok", "channel.close-ok"]);
}

#[test]
fn an_answer_to_a_channel_that_is_gone_is_not_taken_for_the_next_ones() {
    let mut pair = Pair::open();
    pair.is_held = true;
    pair.say(1, durable("q"));
    pair.raw(&pair.written(|to| to.method(ChannelId(1), &ConfirmSelect::default()).unwrap()));
    // Another channel's failure ends the connection's channels, not its calls.
    pair.say(0, crate::wire::method::ConnectionTuneOk::default());
    assert_eq!(pair.names(), ["connection.close"]);
    pair.release();
    assert!(pair.all().is_empty());
}

#[test]
fn flow_access_and_transactions() {
    let mut pair = Pair::open();
    pair.say(1, ChannelFlow { active: true });
    pair.say(1, AccessRequest::default());
    assert_eq!(pair.names(), ["channel.flow-ok", "access.request-ok"]);
    pair.say(1, TxCommit {});
    let why = "PRECONDITION_FAILED - channel is not transactional";
    assert_eq!(pair.channel_error(), (406, why.into(), "90.20".into()));
    let mut pair = Pair::open();
    pair.say(1, TxSelect {});
    assert_eq!(pair.connection_error(), (540, "NOT_IMPLEMENTED - transactions".into()));
    let mut pair = Pair::open();
    pair.say(1, ChannelFlow { active: false });
    assert_eq!(pair.connection_error(), (540, "NOT_IMPLEMENTED - active=false".into()));
    let mut pair = Pair::open();
    pair.say(1, BasicQos { prefetch_size: 1, ..Default::default() });
    assert_eq!(pair.connection_error(), (540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)".into()));
}

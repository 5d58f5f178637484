//! The beginning and the end of a connection.

use super::*;
use crate::limits::{CLOSE_WAIT, FRAME_BYTES_DEFAULT};
use crate::wire::ReplyCode;
use crate::wire::method::{
    BasicQos, ChannelOpenOk, ConnectionClose, ConnectionCloseOk, ConnectionUpdateSecret,
};

const REFUSED: &str = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. \
                       For details see the broker logfile.";

fn greeted(info: ConnectionInfo) -> Pair {
    let mut pair = Pair::with(info);
    pair.raw(&PROTOCOL_HEADER);
    pair.all();
    pair
}

fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> ConnectionTuneOk {
    ConnectionTuneOk { channel_max, frame_max, heartbeat }
}

/// Up to the tune.
fn tuned() -> Pair {
    let mut pair = greeted(info());
    pair.say(0, start_ok(able()));
    assert_eq!(pair.names(), ["connection.tune"]);
    pair
}

#[test]
fn a_wrong_header_is_answered_with_ours() {
    for header in [b"AMQP\x00\x01\x00\x00", b"GET / HT", b"AMQP\x00\x00\x09\x02"] {
        let mut session = AmqpSession::new(info(), 0);
        session.handle(Instant(1), Input::Bytes(Bytes::from_static(header))).unwrap();
        let Some(Output::Bytes(bytes)) = session.poll() else { panic!("it is answered") };
        assert_eq!(bytes, PROTOCOL_HEADER[..]);
        assert!(matches!(session.poll(), Some(Output::Close(CloseReason::Protocol(_)))));
        assert!(!session.wants_bytes() && session.poll().is_none());
    }
}

#[test]
fn the_server_says_what_it_is_and_can() {
    let mut pair = Pair::with(info());
    pair.raw(&PROTOCOL_HEADER);
    let Method::ConnectionStart(start) = pair.one() else { panic!("it is the first word") };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!((start.mechanisms, start.locales), ("PLAIN AMQPLAIN".into(), "en_US".into()));
    let Some(Value::Table(can)) = start.server_properties.get("capabilities") else { panic!("it says") };
    assert_eq!(can.get("publisher_confirms"), Some(Value::Bool(true)));
    assert_eq!(can.get("connection.blocked"), None, "nobody does it yet");
    assert!(start.server_properties.get("product").is_some() && !pair.session.is_known());
}

#[test]
fn where_nobody_is_asked_guests_come_in_from_the_same_machine() {
    let mut pair = tuned();
    assert!(pair.session.is_known());
    pair.say(0, tune_ok(10, FRAME_BYTES_DEFAULT, 0));
    pair.say(0, ConnectionOpen { virtual_host: short("/"), ..Default::default() });
    assert_eq!(pair.names(), ["connection.open-ok"]);
    for (peer, user, password) in [
        ("127.0.0.1:1", "guest", "wrong"),
        ("127.0.0.1:1", "bob", "guest"),
        ("10.0.0.1:1", "guest", "guest"),
        ("[2001:db8::1]:1", "guest", "guest"),
    ] {
        let mut pair = greeted(ConnectionInfo { peer: peer.parse().unwrap(), ..info() });
        pair.say(0, start_ok_as(user, password, able()));
        assert_eq!(pair.connection_error(), (403, REFUSED.into()), "{peer} {user}");
        assert!(!pair.session.is_idle() && pair.closed.is_none());
        pair.say(0, ConnectionCloseOk {});
        assert_eq!(pair.closed, Some(CloseReason::Protocol(REFUSED.into())));
    }
    let mut near = greeted(ConnectionInfo { peer: "[::ffff:127.0.0.1]:1".parse().unwrap(), ..info() });
    near.say(0, start_ok(able()));
    assert_eq!(near.names(), ["connection.tune"]);
}

#[test]
fn a_client_that_would_not_understand_hears_nothing() {
    let mut pair = greeted(info());
    pair.say(0, start_ok_as("bob", "x", Table::EMPTY));
    assert!(pair.all().is_empty());
    assert_eq!(pair.closed, Some(CloseReason::Protocol(REFUSED.into())));
}

#[test]
fn where_somebody_is_asked_the_broker_judges() {
    let asking = || ConnectionInfo { login: passwords(), ..info() };
    let mut pair = greeted(asking());
    pair.say(0, start_ok_as("alice", "secret", able()));
    assert_eq!(pair.names(), ["connection.tune"]);
    let mut pair = greeted(asking());
    pair.say(0, start_ok(able()));
    assert_eq!(pair.connection_error(), (403, REFUSED.into()), "guest is as everybody");
    let table = TableBuilder::new().put("LOGIN", Value::text("alice")).put("PASSWORD", Value::text("secret"));
    let response = Secret(table.finish().unwrap().as_bytes().clone());
    let amqplain =
        |response| ConnectionStartOk { mechanism: short("AMQPLAIN"), response, ..start_ok(able()) };
    let mut pair = greeted(asking());
    pair.say(0, amqplain(response));
    assert_eq!(pair.names(), ["connection.tune"]);
    let mut pair = greeted(asking());
    pair.say(0, amqplain(Secret(Bytes::from_static(b"\x01"))));
    assert_eq!(pair.connection_error().0, 502);
    let mut pair = greeted(asking());
    pair.say(0, ConnectionStartOk { response: Secret(Bytes::from_static(b"alice")), ..start_ok(able()) });
    assert_eq!(pair.connection_error().0, 502);
    let mut pair = greeted(asking());
    pair.say(0, ConnectionStartOk { mechanism: short("EXTERNAL"), ..start_ok(able()) });
    let unknown = "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'";
    assert_eq!(pair.connection_error(), (503, unknown.into()));
    let scram = Some([Mechanism::ALL[1]].into());
    let mut pair = greeted(ConnectionInfo { login: scram, ..info() });
    pair.say(0, start_ok_as("alice", "secret", able()));
    assert_eq!(pair.connection_error().0, 503, "it was not offered");
}

#[test]
fn while_the_broker_judges_nothing_is_read() {
    let mut pair = greeted(ConnectionInfo { login: passwords(), ..info() });
    pair.is_held = true;
    pair.say(0, start_ok_as("alice", "secret", able()));
    assert!(!pair.session.wants_bytes() && !pair.session.is_known());
    pair.release();
    assert!(pair.session.wants_bytes() && pair.session.is_known());
}

#[test]
fn what_is_agreed_on_is_within_what_was_proposed() {
    let text = |said: &str| format!("NOT_ALLOWED - negotiated {said}");
    for (said, why) in [
        (
            tune_ok(0, 131_072, 60),
            "channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
        ),
        (tune_ok(2_048, 131_072, 60), "channel_max = 2048 is higher than the maximum allowed value (2047)"),
        (tune_ok(1, 4_095, 60), "frame_max = 4095 is lower than the minimum allowed value (4096)"),
        (tune_ok(1, 131_073, 60), "frame_max = 131073 is higher than the maximum allowed value (131072)"),
        (tune_ok(1, 0, 60), "frame_max = 0 is higher than the maximum allowed value (131072)"),
    ] {
        let mut pair = tuned();
        pair.say(0, said);
        assert_eq!(pair.connection_error(), (530, text(why)));
    }
}

#[test]
fn an_unknown_vhost_is_no_place_to_be() {
    let mut pair = tuned();
    pair.say(0, tune_ok(1, 131_072, 0));
    pair.say(0, ConnectionOpen { virtual_host: short("nope"), ..Default::default() });
    assert_eq!(pair.connection_error(), (530, "NOT_ALLOWED - vhost nope not found".into()));
    let mut pair = tuned();
    pair.say(0, tune_ok(1, 131_072, 0));
    pair.say(0, ConnectionOpen::default());
    assert_eq!(pair.connection_error().0, 530);
}

#[test]
fn what_comes_out_of_turn_ends_the_connection() {
    let mut pair = greeted(info());
    pair.say(0, ConnectionOpen::default());
    assert_eq!(pair.connection_error().0, 503);
    let mut pair = greeted(info());
    pair.say(1, ChannelOpen::default());
    assert_eq!(pair.connection_error().0, 505);
    let mut pair = Pair::open();
    pair.say(0, ConnectionTuneOk::default());
    assert_eq!(pair.connection_error().0, 503);
    let mut pair = Pair::open();
    pair.say(0, BasicQos::default());
    assert_eq!(pair.connection_error().0, 503);
    let mut pair = Pair::open();
    pair.say(0, ConnectionUpdateSecret::default());
    assert_eq!(pair.connection_error(), (540, "NOT_IMPLEMENTED - connection.update-secret".into()));
}

#[test]
fn wrong_frames_end_the_connection_and_are_the_last_thing_that_is_read() {
    for (bytes, code) in [
        (&b"\x09\x00\x01\x00\x00\x00\x00"[..], 501),
        (b"\x03\x00\x01\x00\x00\x00\x01a\xcd", 501),
        (b"\x01\x00\x01\x80\x00\x00\x00", 501),
        (b"\x08\x00\x01\x00\x00\x00\x00\xce", 505),
    ] {
        let mut pair = Pair::open();
        pair.raw(bytes);
        assert_eq!(pair.connection_error().0, code);
        pair.say(0, ConnectionCloseOk {});
        assert!(pair.closed.is_none(), "nobody knows where frames begin");
        pair.later(CLOSE_WAIT);
        assert!(pair.closed.is_some());
    }
    // These are frames, and the client is heard behind them.
    for (bytes, code) in [
        (&b"\x03\x00\x01\x00\x00\x00\x01a\xce"[..], 505),
        (b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x01\xce", 503),
        (b"\x01\x00\x01\x00\x00\x00\x04\x00\x46\x00\x01\xce", 540),
        (b"\x01\x00\x01\x00\x00\x00\x04\x00\x3c\x00\x50\xce", 501),
    ] {
        let mut pair = Pair::open();
        pair.raw(bytes);
        assert_eq!(pair.connection_error().0, code);
        pair.say(0, ConnectionCloseOk {});
        assert!(pair.closed.is_some());
    }
}

#[test]
fn a_client_that_does_not_answer_the_close_is_waited_for_only_so_long() {
    let mut pair = Pair::open();
    pair.say(0, ConnectionTuneOk::default());
    assert_eq!(pair.connection_error().0, 503);
    pair.say(1, ChannelOpen::default());
    pair.publish(1, "", "q", "x");
    assert!(pair.all().is_empty() && pair.calls.is_empty(), "nothing else counts");
    pair.later(CLOSE_WAIT - Duration::from_millis(1));
    assert!(pair.closed.is_none());
    pair.later(Duration::from_millis(1));
    assert!(pair.closed.is_some());
}

#[test]
fn both_may_close_at_once() {
    let mut pair = Pair::open();
    pair.say(0, ConnectionTuneOk::default());
    pair.all();
    pair.say(0, ConnectionClose { reply_code: ReplyCode::Success, ..Default::default() });
    assert_eq!(pair.one(), ConnectionCloseOk {}.into());
    pair.say(0, ConnectionCloseOk {});
    assert!(pair.closed.is_some());
}

#[test]
fn a_client_that_closes_is_told_when_all_is_done() {
    let mut pair = Pair::open();
    pair.desk.exchanges.insert("x".into());
    pair.is_held = true;
    pair.publish(1, "x", "k", "body");
    pair.say(0, ConnectionClose::default());
    assert!(pair.all().is_empty() && !pair.session.wants_bytes(), "a publish is on its way");
    pair.release();
    assert_eq!(pair.one(), ConnectionCloseOk {}.into());
    assert!(pair.closed.is_some());
    let mut slow = Pair::open();
    slow.is_held = true;
    slow.publish(1, "", "k", "body");
    slow.say(0, ConnectionClose::default());
    slow.later(CLOSE_WAIT);
    assert_eq!(slow.one(), ConnectionCloseOk {}.into());
    assert!(slow.closed.is_some());
}

#[test]
fn a_server_that_stops_says_so_when_all_is_done() {
    let mut pair = Pair::open();
    pair.is_held = true;
    pair.publish(1, "", "k", "body");
    assert!(!pair.session.is_quiet());
    pair.input(Input::Shutdown);
    assert!(pair.all().is_empty() && !pair.session.wants_bytes());
    pair.release();
    let why = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
    assert_eq!(pair.connection_error(), (320, why.into()));
    pair.say(0, ConnectionCloseOk {});
    assert_eq!(pair.closed, Some(CloseReason::Shutdown));
    let mut early = greeted(info());
    early.input(Input::Shutdown);
    assert_eq!(early.closed, Some(CloseReason::Shutdown));
}

#[test]
fn hearts_beat_at_half_the_time_and_two_missed_are_too_many() {
    let second = Duration::from_secs(1);
    let mut pair = Pair::open();
    for beats in 1..=3 {
        pair.later(30 * second);
        assert_eq!(pair.beats, beats);
        if beats == 2 {
            pair.raw(&pair.written(|to| to.heartbeat()));
        }
    }
    assert!(pair.closed.is_none());
    pair.later(30 * second);
    pair.later(30 * second);
    pair.later(29 * second);
    assert!(pair.closed.is_none(), "it was heard after 60 seconds");
    pair.later(second);
    let why = "missed heartbeats from client, timeout: 60s";
    assert_eq!(pair.closed, Some(CloseReason::Protocol(why.into())));
}

#[test]
fn without_heartbeats_nobody_is_woken() {
    let mut pair = tuned();
    pair.say(0, tune_ok(1, 131_072, 0));
    assert_eq!(pair.wake_at, None);
}

#[test]
fn a_client_that_is_not_read_is_not_given_up() {
    let mut pair = Pair::open();
    pair.is_held = true;
    while pair.session.wants_bytes() {
        pair.publish(1, "", "k", &"x".repeat(100_000));
    }
    for _ in 0..10 {
        pair.later(Duration::from_secs(60));
    }
    assert!(pair.closed.is_none() && pair.beats > 5);
}

#[test]
fn the_channels_are_counted() {
    let mut pair = tuned();
    pair.say(0, tune_ok(2, 4_096, 0));
    pair.say(0, ConnectionOpen { virtual_host: short("/"), ..Default::default() });
    pair.all();
    pair.open_channel(7);
    pair.open_channel(65_535);
    pair.say(8, ChannelOpen::default());
    let why = "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)";
    assert_eq!(pair.connection_error(), (530, why.into()));
}

#[test]
fn a_method_of_the_server_is_none_of_a_client() {
    let mut pair = Pair::open();
    pair.say(1, ChannelOpenOk::default());
    assert_eq!(pair.connection_error(), (503, "COMMAND_INVALID - unimplemented method".into()));
}

#[test]
fn a_silent_connection_is_not_idle_until_it_is_closed() {
    let mut pair = Pair::open();
    assert!(
        pair.session.is_quiet() && !pair.session.is_idle(),
        "without heartbeats it may be silent for days"
    );
    pair.input(Input::Shutdown);
    assert!(!pair.session.is_idle(), "it has to hear that the server stops");
    pair.say(0, ConnectionCloseOk {});
    assert!(pair.session.is_idle());
}

//! Stories of clients that do harm, and of bugs of ours: each costs one connection.

mod toy;

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::time::Duration;

use forebay_gateway::Listener;
use forebay_kit::model::login::Mechanism;
use toy::{Answering, Desk, Hall, PATIENCE, config};

#[test]
fn a_client_that_misbehaves_is_told_and_closed_and_nobody_else_notices() {
    let hall = Hall::open(config(|c| c.workers = 1), Desk::new(Answering::AtOnce));
    let (mut good, mut bad) = (hall.client(), hall.client());
    good.echo(b"before");
    bad.send(b'x', b"");
    assert_eq!(bad.receive(), (b'x', vec![]));
    bad.expect_close();
    good.echo(b"after");
    hall.wait_closed("misbehaved", 1);
    hall.desk.wait_closed(1);
}

#[test]
fn what_came_before_the_mistake_is_carried_out() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::WhenTold));
    let mut client = hall.client();
    let mut together = [0, 0, 0, 9, b'c'].to_vec();
    together.extend_from_slice(&7_u64.to_be_bytes());
    together.extend_from_slice(&[0, 0, 0, 1, b'x']);
    client.write(&together);
    assert_eq!(client.receive(), (b'x', vec![]));
    client.expect_close();
    let answers = hall.desk.take(1);
    hall.desk.wait_closed(1);
    // Nobody is there to hear it any more: it is dropped, or kept for a closing connection and dropped with it.
    hall.desk.deliver(answers);
    hall.client().echo(b"still here");
}

#[test]
fn a_length_beyond_the_limit_is_refused_before_anything_is_kept() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut client = hall.client();
    client.write(&u32::MAX.to_be_bytes());
    client.expect_close();
    hall.wait_closed("misbehaved", 1);
}

#[test]
fn a_panic_in_a_session_closes_that_connection_only() {
    let hall = Hall::open(config(|c| c.workers = 1), Desk::new(Answering::AtOnce));
    let (mut good, mut bad) = (hall.client(), hall.client());
    good.echo(b"before");
    bad.send(b'p', b"");
    bad.expect_close();
    good.echo(b"after");
    hall.wait_closed("panic", 1);
    hall.desk.wait_closed(1);
    let mut bad = hall.client();
    bad.send(b'b', b"");
    bad.expect_close();
    hall.wait_closed("bug", 1);
}

#[test]
fn a_panic_at_the_front_desk_closes_that_connection_only() {
    let hall = Hall::open(config(|c| c.workers = 1), Desk::new(Answering::Panicking));
    let (mut good, mut bad) = (hall.client(), hall.client());
    bad.call(1);
    bad.expect_close();
    good.echo(b"after");
    hall.wait_closed("panic", 1);
}

#[test]
fn a_session_that_closes_says_its_last_word_first() {
    let hall = Hall::open(config(|c| c.limits.linger_max = PATIENCE), Desk::new(Answering::AtOnce));
    let mut client = hall.client();
    client.send(b'q', b"");
    // Much more than the kernel keeps: the client is still writing when we close, and must come to reading.
    client.write(&vec![0; 64 * 1024 * 1024]);
    assert_eq!(client.receive(), (b'q', vec![]));
    client.expect_close();
    hall.wait_closed("protocol", 1);
}

#[test]
fn a_client_that_does_not_read_is_paused_and_then_gets_everything() {
    const FRAMES: u64 = 2_000;
    let hall = Hall::open(config(|c| c.workers = 1), Desk::new(Answering::AtOnce));
    let (mut slow, mut other) = (hall.client(), hall.client());
    slow.send(b'f', &FRAMES.to_be_bytes());
    slow.send(b'e', b"behind the flood");
    hall.wait_metric("read_pauses_total{reason=\"write_backlog_bytes_max\"}", 1);
    other.echo(b"meanwhile");
    let given = hall.toy.flooded.load(std::sync::atomic::Ordering::SeqCst) as u64;
    assert!(given < FRAMES * 64 * 1024 / 2, "the session was asked for {given} bytes that nobody reads");
    assert!(hall.budget.used() > 0, "a backlog is charged to the budget");
    for _ in 0..FRAMES {
        assert_eq!(slow.receive().1.len(), 64 * 1024);
    }
    assert_eq!(slow.receive(), (b'e', b"behind the flood".to_vec()));
    drop((slow, other));
    hall.wait_closed("peer_closed", 2);
    assert_eq!(hall.budget.used(), 0);
}

#[test]
fn a_client_that_never_reads_is_closed() {
    let stall = Duration::from_millis(100);
    let hall = Hall::open(config(|c| c.limits.write_stall_max = stall), Desk::new(Answering::AtOnce));
    let mut slow = hall.client();
    slow.send(b'f', &10_000_u64.to_be_bytes());
    hall.wait_closed("write_stall_max", 1);
    hall.desk.wait_closed(1);
    hall.client().echo(b"and the next one is served");
    assert_eq!(hall.budget.used(), 0);
}

#[test]
fn a_client_that_says_nothing_is_closed() {
    let handshake = Duration::from_millis(50);
    let hall = Hall::open(config(|c| c.limits.handshake_max = handshake), Desk::new(Answering::AtOnce));
    let mut greeted = hall.client();
    greeted.echo(b"in time");
    let (mut silent, mut halfway) = (hall.client(), hall.client());
    halfway.write(&[0, 0, 0]);
    silent.expect_close();
    halfway.expect_close();
    hall.wait_closed("handshake_max", 2);
    greeted.echo(b"still here");
}

#[test]
fn a_client_that_asks_much_and_does_not_say_who_it_is_is_closed() {
    let listener = Listener {
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        login: Some([Mechanism::Plain].into()),
        tls: None,
    };
    let config = config(|c| c.limits.handshake_max = Duration::from_millis(200));
    let hall = Hall::at(listener, config, Desk::new(Answering::AtOnce), usize::MAX);
    let (mut known, mut unknown) = (hall.client(), hall.client());
    known.send(b'l', b"");
    assert_eq!(known.receive(), (b'l', vec![]));
    let again = |_| {
        unknown.send(b'e', b"me again");
        std::thread::sleep(Duration::from_millis(10));
        unknown.try_receive().err()
    };
    let end = (0..500).find_map(again).expect("who only asks is let go");
    assert!(matches!(end.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{end}");
    hall.wait_closed("handshake_max", 1);
    known.echo(b"still here");
}

#[test]
fn an_idle_client_is_closed_and_one_that_waits_for_an_answer_is_not() {
    let idle = Duration::from_millis(100);
    let hall = Hall::open(config(|c| c.limits.idle_max = idle), Desk::new(Answering::WhenTold));
    let mut waiting = hall.client();
    waiting.call(5);
    let answers = hall.desk.take(1);
    let (mut idle, mut halfway) = (hall.client(), hall.client());
    idle.echo(b"last words");
    halfway.echo(b"first words");
    halfway.write(&[0, 0, 0, 5, b'e']);
    idle.expect_close();
    halfway.expect_close();
    hall.wait_closed("idle_max", 2);
    hall.desk.deliver(answers);
    assert_eq!(waiting.receive_call(), 5);
}

#[test]
fn a_connection_too_many_is_refused_and_counted() {
    let change = |c: &mut forebay_gateway::Config| {
        c.limits.connections_max = 3;
        c.limits.connections_per_peer_max = 2;
    };
    let hall = Hall::open(config(change), Desk::new(Answering::AtOnce));
    let (mut a, mut b) = (hall.client(), hall.client());
    a.echo(b"a");
    b.echo(b"b");
    hall.client().expect_close();
    assert_eq!(hall.metric("connections_refused_total{reason=\"connections_per_peer_max\"}"), 1);
    drop(a);
    hall.wait_closed("peer_closed", 1);
    // The place is free when the descriptor is, which is a little after the connection was counted as closed.
    hall.wait_open(1);
    hall.client().echo(b"c");
}

#[test]
fn the_limit_on_all_connections_holds() {
    let hall = Hall::open(config(|c| c.limits.connections_max = 2), Desk::new(Answering::AtOnce));
    let (mut a, mut b) = (hall.client(), hall.client());
    a.echo(b"a");
    b.echo(b"b");
    hall.client().expect_close();
    assert_eq!(hall.metric("connections_refused_total{reason=\"connections_max\"}"), 1);
    assert_eq!(hall.desk.clients().len(), 2, "the front desk never hears of a refused one");
}

//! Stories of starting and stopping.

mod toy;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use forebay_env::{Clock, Monotonic, WallMs};
use forebay_gateway::{ByteBudget, Drained, Gateway, Listener, StartError};
use toy::{Answering, Desk, Hall, PATIENCE, Toy, config};

#[test]
fn a_drain_lets_open_requests_finish_and_closes_idle_connections() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::WhenTold));
    let (mut idle, mut busy) = (hall.client(), hall.client());
    idle.echo(b"done");
    busy.call(1);
    busy.call(2);
    let mut answers = hall.desk.take(2);
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| hall.gateway.drain(PATIENCE));
        idle.expect_close();
        drop(idle);
        // Refused by the kernel, or closed at once by us, but never served.
        hall.wait_closed("drained", 1);
        assert_eq!(answers.len(), 2);
        hall.desk.deliver(answers.split_off(1));
        assert_eq!(busy.receive_call(), 2);
        hall.desk.deliver(answers);
        assert_eq!(busy.receive_call(), 1);
        busy.expect_close();
        drop(busy);
        assert_eq!(draining.join().unwrap(), Drained { finished: 2, cut: 0 });
    });
    hall.desk.wait_closed(2);
    TcpStream::connect(hall.address).expect_err("nobody listens any more");
    assert_eq!(hall.gateway.drain(PATIENCE), Drained { finished: 0, cut: 0 });
}

#[test]
fn a_drain_takes_no_new_requests() {
    let hall = Hall::open(config(|c| c.workers = 1), Desk::new(Answering::WhenTold));
    let (mut witness, mut busy) = (hall.client(), hall.client());
    witness.echo(b"connected");
    busy.call(1);
    let answers = hall.desk.take(1);
    std::thread::scope(|scope| {
        let draining = scope.spawn(|| hall.gateway.drain(PATIENCE));
        witness.expect_close();
        drop(witness);
        // The worker has told all its sessions by now.
        busy.call(2);
        hall.desk.deliver(answers);
        assert_eq!(busy.receive_call(), 1);
        busy.expect_close();
        drop(busy);
        assert_eq!(draining.join().unwrap().cut, 0);
    });
    assert_eq!(hall.metric("calls_total"), 1);
}

#[test]
fn a_drain_ends_at_its_deadline() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::WhenTold));
    let mut busy = hall.client();
    busy.call(1);
    let answers = hall.desk.take(1);
    assert_eq!(hall.gateway.drain(Duration::from_millis(50)), Drained { finished: 0, cut: 1 });
    busy.expect_close();
    assert_eq!(hall.closed("cut"), 1);
    hall.desk.wait_closed(1);
    // The answer comes too late and is dropped.
    hall.desk.deliver(answers);
    assert_eq!(hall.metric("replies_dropped_total"), 1);
    assert_eq!(hall.gateway.connections_open(), 0);
}

#[test]
fn a_client_that_does_not_close_cannot_hold_up_a_drain_for_long() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut stubborn = hall.client();
    stubborn.echo(b"I stay");
    // It never closes its side, so the drain waits for linger_max and no longer.
    assert_eq!(hall.gateway.drain(PATIENCE), Drained { finished: 1, cut: 0 });
    stubborn.expect_close();
}

/// The real clock, put forward by whole minutes.
struct Ahead(Arc<dyn Clock>, AtomicU64);

impl Clock for Ahead {
    fn monotonic(&self) -> Monotonic {
        self.0.monotonic() + Duration::from_secs(60 * self.1.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallMs {
        self.0.wall()
    }
}

#[test]
fn clients_that_were_told_nothing_lately_do_not_hold_up_a_drain() {
    let toy: &'static Toy = Box::leak(Box::default());
    let clock = Arc::new(Ahead(forebay_env::real::env().clock, AtomicU64::new(0)));
    let gateway = Gateway::start(
        config(|c| c.limits.linger_max = Duration::from_secs(60)),
        vec![(toy, vec![(Ipv4Addr::LOCALHOST, 0).into()])],
        Desk::new(Answering::AtOnce),
        clock.clone(),
        Arc::new(ByteBudget::new(usize::MAX)),
    )
    .unwrap();
    let address = gateway.listening()[0].address;
    let (mut quiet, _silent) = (toy::Client::connect(address), toy::Client::connect(address));
    quiet.echo(b"told a minute ago");
    let began = Instant::now();
    while gateway.connections_open() < 2 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }
    clock.1.store(1, Ordering::Relaxed);
    assert_eq!(gateway.drain(PATIENCE), Drained { finished: 2, cut: 0 });
    quiet.expect_close();
}

#[test]
fn dropping_a_gateway_closes_everything() {
    let Hall { gateway, desk, address, .. } = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut client = toy::Client::connect(address);
    client.echo(b"hello");
    drop(gateway);
    client.expect_close();
    desk.wait_closed(1);
    TcpStream::connect(address).expect_err("nobody listens any more");
}

fn start(toy: &'static Toy, addresses: Vec<SocketAddr>) -> Result<Gateway, StartError> {
    Gateway::start(
        config(|_| {}),
        vec![(toy, addresses.into_iter().map(Listener::from).collect())],
        Desk::new(Answering::AtOnce),
        forebay_env::real::env().clock,
        Arc::new(ByteBudget::new(usize::MAX)),
    )
}

#[test]
fn an_address_in_use_is_named_with_what_to_do() {
    let toy: &'static Toy = Box::leak(Box::default());
    let free: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let first = start(toy, vec![free, free]).unwrap();
    let taken = first.listening()[1].address;
    assert_ne!(first.listening()[0].address, taken);
    let error = start(toy, vec![free, taken]).err().expect("the address is taken");
    assert!(matches!(error, StartError::AddressInUse { protocol: "toy", address } if address == taken));
    let text = error.to_string();
    assert!(text.contains(&taken.to_string()) && text.contains("--listen toy="), "{text}");
    drop(first);
    start(toy, vec![taken]).expect("free again at once");
}

#[test]
fn an_address_of_another_machine_is_named() {
    let toy: &'static Toy = Box::leak(Box::default());
    let elsewhere: SocketAddr = ([192, 0, 2, 1], 9092).into();
    let error = start(toy, vec![elsewhere]).err().expect("192.0.2.1 is nobody's");
    assert!(matches!(error, StartError::AddressNotHere { .. }), "{error:?}");
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let error = Gateway::start(
        config(|c| c.limits.read_bytes_max = 0),
        Vec::new(),
        Desk::new(Answering::AtOnce),
        forebay_env::real::env().clock,
        Arc::new(ByteBudget::new(1)),
    );
    assert!(matches!(error, Err(StartError::Config(text)) if text.contains("read_bytes_max")));
}

//! Stories of clients that behave.

mod toy;

use toy::{Answering, Client, Desk, Hall, config};

#[test]
fn a_client_hears_its_echo() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut client = hall.client();
    client.echo(b"hello");
    client.echo(&vec![7; 3_000_000]);
    assert_eq!(hall.desk.clients()[0].local, hall.address);
    assert_eq!(hall.desk.clients()[0].peer, client.socket.local_addr().unwrap());
    assert_eq!(hall.desk.clients()[0].protocol, "toy");
    drop(client);
    hall.wait_closed("peer_closed", 1);
    hall.desk.wait_closed(1);
    assert_eq!(hall.metric("connections_open{protocol=\"toy\"}"), 0);
}

#[test]
fn frames_cut_anywhere_are_still_frames() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut client = hall.client();
    for byte in [0, 0, 0, 4, b'e', b'a', b'b', b'c'] {
        client.write(&[byte]);
    }
    assert_eq!(client.receive(), (b'e', b"abc".to_vec()));
}

#[test]
fn what_was_sent_together_is_answered_in_one_write() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut client = hall.client();
    client.echo(b"in");
    let together: Vec<u8> = (0..200_u8).flat_map(|i| [0, 0, 0, 2, b'e', i]).collect();
    client.write(&together);
    for i in 0..200 {
        assert_eq!(client.receive(), (b'e', vec![i]));
    }
    client.echo(b"out");
    drop(client);
    hall.wait_closed("peer_closed", 1);
    assert_eq!(hall.metric("writes_total"), 3);
}

#[test]
fn requests_are_called_in_order_and_answered_out_of_order() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::WhenTold));
    let mut client = hall.client();
    (0..50).for_each(|id| client.call(id));
    let mut answers = hall.desk.take(50);
    assert!(answers.windows(2).all(|pair| pair[0].token < pair[1].token));
    answers.reverse();
    let late = answers.split_off(25);
    hall.desk.deliver(answers);
    (25..50).rev().for_each(|id| assert_eq!(client.receive_call(), id));
    hall.desk.deliver(late);
    (0..25).rev().for_each(|id| assert_eq!(client.receive_call(), id));
}

#[test]
fn a_batch_of_replies_wakes_its_worker_once() {
    let hall = Hall::open(config(|c| c.workers = 1), Desk::new(Answering::WhenTold));
    let mut clients: Vec<Client> = (0..100).map(|_| hall.client()).collect();
    for round in 0..3 {
        for (i, client) in clients.iter_mut().enumerate() {
            client.call(round * 1_000 + i as u64);
        }
        let batch = hall.desk.take(100);
        let wakeups = hall.metric("wakeups_total");
        hall.desk.deliver(batch);
        for (i, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.receive_call(), round * 1_000 + i as u64);
        }
        assert_eq!(hall.metric("wakeups_total"), wakeups + 1);
        assert_eq!(hall.metric("reply_batches_total"), round + 1);
    }
}

#[test]
fn a_client_with_all_its_requests_open_is_not_read_until_one_is_answered() {
    let hall = Hall::open(config(|c| c.limits.requests_open_max = 4), Desk::new(Answering::WhenTold));
    let mut client = hall.client();
    (0..10).for_each(|id| client.call(id));
    let mut first = hall.desk.take(4);
    assert_eq!(first.len(), 4);
    hall.wait_metric("read_pauses_total{reason=\"requests_open_max\"}", 1);
    hall.desk.deliver(first.drain(..1).collect());
    let next = hall.desk.take(1);
    assert_eq!(next.len(), 1, "one answered, one more called");
    hall.desk.deliver(first);
    hall.desk.deliver(next);
    let rest = hall.desk.take(4);
    hall.desk.deliver(rest);
    for _ in 0..9 {
        client.receive_call();
    }
    let last = hall.desk.take(1);
    hall.desk.deliver(last);
    client.receive_call();
}

#[test]
fn a_session_is_woken_when_it_asked_to_be() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut client = hall.client();
    let started = std::time::Instant::now();
    client.send(b't', &50_u64.to_be_bytes());
    // A later wish replaces the earlier one, in both directions.
    client.send(b't', &60_000_u64.to_be_bytes());
    client.send(b't', &100_u64.to_be_bytes());
    assert_eq!(client.receive(), (b't', vec![]));
    assert!(started.elapsed() >= std::time::Duration::from_millis(100));
    client.echo(b"only once");
}

#[test]
fn a_client_that_is_held_back_is_answered_first_and_read_again_when_its_time_is_over() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut client = hall.client();
    let started = std::time::Instant::now();
    client.send(b'm', &300_u64.to_be_bytes());
    assert_eq!(client.receive(), (b'm', vec![]));
    assert!(started.elapsed() < std::time::Duration::from_millis(300), "the answer does not wait");
    hall.wait_metric("read_pauses_total{reason=\"requests_open_max\"}", 1);
    client.echo(b"at last");
    assert!(started.elapsed() >= std::time::Duration::from_millis(300));
}

#[test]
fn a_client_that_the_desk_does_not_admit_is_closed_when_its_time_is_over() {
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::AtOnce));
    let mut before = hall.client();
    before.echo(b"in");
    hall.desk.turn_away(std::time::Duration::from_millis(200));
    let started = std::time::Instant::now();
    hall.client().expect_close();
    assert!(started.elapsed() >= std::time::Duration::from_millis(200));
    hall.wait_metric("connections_refused_total{reason=\"quota\"}", 1);
    before.echo(b"still in");
    hall.desk.turn_away(std::time::Duration::ZERO);
    hall.client().echo(b"in again");
}

#[test]
fn a_thousand_clients_are_served_at_once() {
    raise_descriptor_limit();
    let hall = Hall::open(config(|_| {}), Desk::new(Answering::WhenTold));
    let mut clients: Vec<Client> = (0..1_000).map(|_| hall.client()).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.call(i as u64);
    }
    let answers = hall.desk.take(1_000);
    assert_eq!(hall.metric("connections_open{protocol=\"toy\"}"), 1_000);
    assert_eq!(hall.desk.connections_per_worker(), [500, 500], "sockets are dealt in turn");
    for answer in answers {
        hall.desk.deliver(vec![answer]);
    }
    for (i, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.receive_call(), i as u64);
    }
    drop(clients);
    hall.wait_closed("peer_closed", 1_000);
    hall.desk.wait_closed(1_000);
    hall.wait_open(0);
}

/// Two ends of a thousand connections live in this process; some systems allow 1,024 descriptors until asked.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).unwrap();
}

//! Stories about the byte budget.

mod toy;

use std::time::Duration;

use forebay_gateway::Budget;
use toy::{Answering, Client, Desk, Hall, config};

const KIB: usize = 1024;

#[test]
fn nobody_is_read_while_the_budget_is_spent_by_others() {
    let hall = Hall::with_budget(config(|_| {}), Desk::new(Answering::AtOnce), 64 * KIB);
    let mut clients: Vec<Client> = (0..4).map(|_| hall.client()).collect();
    clients.iter_mut().for_each(|client| client.echo(b"room"));
    hall.budget.charge(64 * KIB);
    // What was ready to be read when the budget ran out may still be read once: only then the pause begins.
    clients.iter_mut().for_each(|client| client.send(b'e', b"first"));
    hall.wait_metric("read_pauses_total{reason=\"memory\"}", 4);
    clients.iter_mut().for_each(|client| client.send(b'e', b"second"));
    let read = hall.metric("bytes_read_total{protocol=\"toy\"}");
    assert!(read <= 4 * 9 + 4 * 10, "{read} bytes were read");
    hall.budget.release(64 * KIB);
    for client in &mut clients {
        assert_eq!(client.receive(), (b'e', b"first".to_vec()));
        assert_eq!(client.receive(), (b'e', b"second".to_vec()));
    }
    assert_eq!(hall.budget.used(), 0);
}

#[test]
fn half_read_frames_do_not_wait_for_each_other_for_ever() {
    const BODY: usize = 400 * KIB;
    let change = |c: &mut forebay_gateway::Config| c.limits.read_bytes_max = 16 * KIB;
    let hall = Hall::with_budget(config(change), Desk::new(Answering::AtOnce), 64 * KIB);
    let mut clients: Vec<Client> = (0..8).map(|_| hall.client()).collect();
    let mut frame = (1 + BODY as u32).to_be_bytes().to_vec();
    frame.push(b'e');
    frame.resize(5 + BODY, 9);
    for client in &mut clients {
        client.write(&frame[..200 * KIB]);
    }
    // Together they hold more than there is, and all but one wait.
    hall.wait_metric("read_pauses_total{reason=\"memory\"}", 7);
    assert!(hall.budget.used() <= 64 * KIB + 8 * 16 * KIB + 200 * KIB, "{}", hall.budget.used());
    std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                client.write(&frame[200 * KIB..]);
                assert_eq!(client.receive(), (b'e', vec![9; BODY]));
            });
        }
    });
    assert_eq!(hall.closed("overdraft_max"), 0);
}

#[test]
fn a_client_that_stops_within_a_frame_cannot_keep_the_overdraft() {
    let change = |c: &mut forebay_gateway::Config| c.limits.overdraft_max = Duration::from_millis(100);
    let hall = Hall::with_budget(config(change), Desk::new(Answering::AtOnce), KIB);
    let (mut greedy, mut other) = (hall.client(), hall.client());
    other.echo(b"before");
    greedy.write(&(100 * KIB as u32).to_be_bytes());
    greedy.write(&[b'e'; 10 * KIB]);
    greedy.expect_close();
    hall.wait_closed("overdraft_max", 1);
    other.echo(b"after");
    assert_eq!(hall.budget.used(), 0);
}

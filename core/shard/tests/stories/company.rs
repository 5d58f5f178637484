//! When the next flush begins, and for whom.

use std::time::Duration;

use forebay_env::IoClass;
use forebay_shard::NextTurn;

use crate::world::{World, batch, settings};

const CLIENTS: u64 = 8;
const FLUSH: Duration = Duration::from_micros(300);

/// A shard to which so many clients send, one payload each, and a flush for the first of them is under way.
fn crowd(clients: u64) -> World {
    let mut world = World::new();
    world.open_partitions([1], settings());
    for _ in 0..10 {
        for client in 1..=clients {
            world.publish(client, 1, batch(b"before"));
        }
        flush(&mut world);
    }
    world.publish(1, 1, batch(b"first"));
    world.turn();
    assert!(is_flushing(&world));
    world
}

/// Writes what waits, and lets its flush take its time.
fn flush(world: &mut World) {
    world.turn();
    world.advance(FLUSH);
    world.settle();
}

fn is_flushing(world: &World) -> bool {
    world.jobs.len() > 0
}

fn end_flush(world: &mut World) -> NextTurn {
    world.advance(FLUSH);
    assert!(world.run_jobs_of(|class| class == IoClass::Flush));
    world.turn()
}

#[test]
fn the_next_flush_begins_when_half_of_the_clients_wait_for_it() {
    let mut world = crowd(CLIENTS);
    let second = world.publish(2, 1, batch(b"second"));
    end_flush(&mut world);
    assert!(!is_flushing(&world), "it waits for company");
    for client in 3..=4 {
        world.publish(client, 1, batch(b"more"));
        world.turn();
        assert!(!is_flushing(&world));
    }
    world.publish(5, 1, batch(b"enough"));
    world.turn();
    assert!(is_flushing(&world));
    world.settle();
    assert!(world.published(second).is_some());
}

#[test]
fn half_of_the_clients_at_once_wait_for_nobody() {
    let mut world = crowd(CLIENTS);
    for client in 2..=5 {
        world.publish(client, 1, batch(b"more"));
    }
    end_flush(&mut world);
    assert!(is_flushing(&world));
}

#[test]
fn whoever_gets_no_company_has_waited_as_long_as_a_flush_takes() {
    let mut world = crowd(CLIENTS);
    let second = world.publish(2, 1, batch(b"second"));
    let next = end_flush(&mut world);
    let NextTurn::At(deadline) = next else { panic!("{next:?}") };
    let wait = deadline.since(world.now());
    assert!(wait <= FLUSH && wait > FLUSH / 2, "{wait:?}");
    world.advance(wait - Duration::from_nanos(1));
    world.turn();
    assert!(!is_flushing(&world));
    world.advance(Duration::from_nanos(1));
    world.turn();
    assert!(is_flushing(&world));
    world.settle();
    assert!(world.published(second).is_some());
}

#[test]
fn one_client_alone_never_waits() {
    let mut world = crowd(1);
    world.publish(1, 1, batch(b"second"));
    end_flush(&mut world);
    assert!(is_flushing(&world));
}

#[test]
fn a_small_payload_waits_no_longer_beside_a_large_one() {
    let mut world = crowd(CLIENTS);
    // Written in parts: a flush is under way whenever one ends.
    world.publish(9, 1, batch(&[7; 30 << 20]));
    let small = world.publish(2, 1, batch(b"small"));
    let mut flushes = 0;
    while world.published(small).is_none() {
        end_flush(&mut world);
        flushes += 1;
        assert!(flushes < 10, "it waits behind every part");
    }
}

#[test]
fn a_payload_that_waits_is_refused_at_once_when_the_shard_ends() {
    let mut world = crowd(CLIENTS);
    let second = world.publish(2, 1, batch(b"second"));
    end_flush(&mut world);
    assert!(!is_flushing(&world));
    world.shard.close();
    world.settle();
    assert!(world.answer(second).is_some());
}

#[test]
fn small_payloads_beside_large_ones_have_a_write_and_a_flush_of_their_own() {
    let mut world = crowd(CLIENTS);
    let large = |world: &mut World| world.publish(9, 1, batch(&[7; 200 << 10]));
    let first = large(&mut world);
    let small = world.publish(2, 1, batch(b"small"));
    end_flush(&mut world);
    assert!(is_flushing(&world), "the small one goes at once");
    let late = world.publish(3, 1, batch(b"late"));
    world.turn();
    assert_eq!(world.mailbox.items(), 2, "nothing is written behind the back of its flush");
    end_flush(&mut world);
    assert!(world.published(small).is_some() && world.published(first).is_none());
    assert_eq!(world.mailbox.items(), 0, "then both go");
    let second = large(&mut world);
    world.turn();
    assert_eq!(world.mailbox.items(), 1, "and again");
    end_flush(&mut world);
    assert!(world.published(first).is_some() && world.published(late).is_some());
    world.settle();
    assert!(world.published(second).is_some());
    // Where no small ones come any more, large ones wait for no flush.
    world.advance(Duration::from_millis(20));
    large(&mut world);
    world.turn();
    large(&mut world);
    world.turn();
    assert!(is_flushing(&world));
    assert_eq!(world.mailbox.items(), 0);
    world.settle();
}

#[test]
fn a_small_payload_beside_one_in_parts_waits_for_few_of_their_flushes() {
    let mut world = crowd(CLIENTS);
    let big = world.publish(9, 1, batch(&[7; 20 << 20]));
    // Small ones beside a large one, so that payloads are held during flushes.
    world.publish(8, 1, batch(&[7; 200 << 10]));
    world.publish(2, 1, batch(b"first"));
    end_flush(&mut world);
    for _ in 0..3 {
        let small = world.publish(3, 1, batch(b"small"));
        world.turn();
        let mut flushes = 0;
        while world.published(small).is_none() {
            world.run_jobs_of(|class| class == IoClass::Background);
            end_flush(&mut world);
            flushes += 1;
            assert!(flushes <= 4, "it waits behind every part");
        }
    }
    world.settle();
    assert!(world.published(big).is_some());
}

#[test]
fn what_is_no_payload_waits_for_no_flush_where_payloads_are_held() {
    let mut world = crowd(CLIENTS);
    world.publish(9, 1, batch(&[7; 200 << 10]));
    world.publish(2, 1, batch(b"small"));
    end_flush(&mut world);
    assert!(is_flushing(&world));
    world.publish(3, 1, batch(b"held"));
    world.propose(vec![]);
    world.turn();
    assert_eq!(world.mailbox.items(), 2, "the payloads");
    world.settle();
}

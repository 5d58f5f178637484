//! A publish is answered at its deadline wherever it waits: refused for certain when it was not proposed, else unknown.

use std::time::Duration;

use forebay_model::Refusal;
use forebay_shard::GuardState;

use crate::world::{World, batch, settings};

const SECOND: Duration = Duration::from_secs(1);

/// A world with two partitions.
fn world() -> World {
    let mut world = World::new();
    world.open_partitions([1, 2], settings());
    world
}

fn refusal(world: &World, ticket: u64) -> Option<Refusal> {
    world.published(ticket).map(|published| published.expect_err("it is not confirmed"))
}

#[test]
fn in_the_mailbox_while_the_disk_fills_up() {
    let mut world = world();
    world.guard.set(GuardState::Slow, 1, 1, None);
    // Larger than what the pace allows for seconds to come.
    let large = world.publish(1, 1, batch(&[7; 30 << 20]));
    world.settle();
    let waiting = world.publish_within(2, 1, batch(b"waits"), SECOND);
    let patient = world.publish(2, 1, batch(b"waits longer"));
    world.pass(SECOND / 2);
    assert_eq!(refusal(&world, waiting), None);
    world.pass(SECOND);
    assert_eq!(refusal(&world, waiting), Some(Refusal::TimedOut));
    for _ in 0..20 {
        world.pass(SECOND);
    }
    assert_eq!((world.offset(large), world.offset(patient), world.end(1)), (0, 1, 2), "nothing took effect");
}

#[test]
fn behind_a_big_payload_of_the_same_connection_and_in_its_parts() {
    let mut world = world();
    let big = world.publish_within(1, 1, batch(&[1; 5 << 20]), 3 * SECOND);
    let behind = world.publish_within(1, 1, batch(b"behind"), SECOND);
    // No flush ends, so no part is applied.
    world.settle_with(|_| false);
    world.advance(2 * SECOND);
    world.turn();
    assert_eq!((refusal(&world, behind), refusal(&world, big)), (Some(Refusal::TimedOut), None));
    world.advance(2 * SECOND);
    world.turn();
    assert_eq!(refusal(&world, big), Some(Refusal::TimedOut));
    // Parts of the first one are still on their way when the next one begins.
    let next = world.publish(1, 1, batch(&[2; 3 << 20]));
    let last = world.publish(1, 1, batch(b"last"));
    world.settle();
    assert_eq!((world.offset(next), world.offset(last), world.end(1)), (0, 1, 2));
    assert_eq!(world.read_value(1, 0), [2; 3 << 20]);
}

#[test]
fn in_a_turn_that_the_replica_cannot_take() {
    let mut world = world();
    // More than may be uncommitted, and no flush ends.
    let proposed: Vec<u64> = (0..90)
        .map(|_| {
            let ticket = world.publish_within(1, 1, batch(&[3; 1_000_000]), SECOND);
            world.turn();
            ticket
        })
        .collect();
    let drafted = world.publish_within(2, 2, batch(b"drafted"), SECOND);
    world.turn();
    world.advance(2 * SECOND);
    world.turn();
    let fate = |ticket: &u64| refusal(&world, *ticket).expect("its time is up");
    let fates: Vec<_> = proposed.iter().map(fate).collect();
    let unknown = fates.iter().take_while(|fate| **fate == Refusal::Unknown).count();
    assert!((60..70).contains(&unknown), "{unknown} were proposed");
    assert!(fates[unknown..].iter().all(|fate| *fate == Refusal::TimedOut));
    assert_eq!(refusal(&world, drafted), Some(Refusal::TimedOut));
    let later = world.publish(2, 2, batch(b"later"));
    world.settle();
    assert_eq!(world.end(1), unknown as u64, "what was proposed was stored, what was refused was not");
    assert_eq!((world.offset(later), world.end(2)), (0, 1));
}

//! A shard that ends in good order.

use std::time::Duration;

use forebay_model::Refusal;
use forebay_shard::{Answer, GuardState, NextTurn, Read, Source, Work};

use crate::world::{World, batch, settings};

#[test]
fn what_comes_while_it_closes_is_refused_and_the_close_ends() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let proposed = world.publish(1, 1, batch(b"proposed"));
    world.turn();
    world.guard.set(GuardState::Full, 0, 1, None);
    world.shard.close();
    assert_eq!(world.published(proposed).unwrap().unwrap_err(), Refusal::Unknown);
    // Its last flush takes a while.
    let late = world.publish(2, 1, batch(b"late"));
    let (commands, barrier) = (world.propose(Vec::new()), world.ticket());
    world.read(Read::Barrier(barrier));
    assert_ne!(world.turn(), NextTurn::Never);
    assert_eq!(world.published(late).unwrap().unwrap_err(), Refusal::ShuttingDown);
    assert!(matches!(world.answer(commands), Some(Answer::Outcomes(Err(Refusal::ShuttingDown)))));
    assert!(matches!(world.answer(barrier), Some(Answer::Barrier(Err(Refusal::ShuttingDown)))));
    let mut turns = 0;
    loop {
        let last = world.publish(2, 1, batch(b"at the last moment"));
        let next = world.turn();
        assert_eq!(world.published(last).unwrap().unwrap_err(), Refusal::ShuttingDown);
        if next == NextTurn::Never {
            break;
        }
        turns += 1;
        assert!(turns < 10, "it never ends");
        world.run_jobs();
        world.advance(Duration::from_millis(1));
    }
    let posted = world.mailbox.post_work(Source(2), Work::Propose(0, Vec::new()).parcel(0));
    assert!(posted.is_err(), "nobody would answer it");
    assert!(world.mailbox.post_read(Read::Barrier(0)).is_err());
}

//! What stops a shard for good, and what it says and does afterwards.

use std::time::Duration;

use forebay_machine::Command;
use forebay_model::Refusal;
use forebay_shard::{Answer, NextTurn, Read};

use crate::memory_disk::Fail;
use crate::world::{World, batch, settings};

#[test]
fn a_failed_write_or_flush_fences_the_shard_and_clients_are_told_to_come_back() {
    for fail in [Fail::Writes, Fail::Flushes] {
        let mut world = World::new();
        world.open_partitions([1], settings());
        let stored = world.publish(1, 1, batch(b"stored"));
        world.settle();
        assert!(world.published(stored).unwrap().is_ok());
        world.disk.fail(fail);
        let lost = world.publish(1, 1, batch(b"lost"));
        world.settle();
        assert_eq!(world.published(lost).unwrap().unwrap_err(), Refusal::Unknown, "{fail:?}");
        let late = world.publish(1, 1, batch(b"late"));
        let barrier = world.ticket();
        world.read(Read::Barrier(barrier));
        world.settle();
        assert_eq!(world.published(late).unwrap().unwrap_err(), Refusal::Storage);
        assert!(matches!(world.answer(barrier), Some(Answer::Barrier(Err(Refusal::Storage)))));
        let why = world.board.status().fenced.expect("the board says so");
        assert!(why.contains("/shard"), "it names the file: {why}");
    }
}

#[test]
fn a_shard_that_stops_itself_stops_its_replica() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let halted = world.propose(vec![Command::SetMachineVersion { version: 1_000_000 }]);
    world.settle();
    assert!(matches!(world.answer(halted), Some(Answer::Outcomes(Err(_)))));
    assert!(world.board.status().fenced.is_some());
    // A replica that goes on records the end of a silent log, ticks, votes and acknowledges.
    world.advance(Duration::from_secs(5));
    world.turn();
    assert_eq!(world.jobs.len(), 0, "nothing is flushed for a shard that is fenced");
    world.shard.close();
    assert_eq!(world.turn(), NextTurn::Never, "there is nothing left to record");
}

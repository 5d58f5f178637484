//! Segments end, and not faster than their checkpoints are written.

use std::time::Duration;

use forebay_env::IoClass;
use forebay_machine::Command;
use forebay_model::{Offset, PartitionId};
use forebay_shard::ShardConfig;

use crate::world::{World, batch, config, settings};

fn not_background(class: IoClass) -> bool {
    class != IoClass::Background
}

#[test]
fn segments_that_end_early_wait_for_the_checkpoints_of_those_before() {
    let mut replica = config().replica;
    (replica.segment_bytes_first, replica.segment_bytes_max) = (32 << 20, 32 << 20);
    let mut world = World::with(ShardConfig { replica, ..config() });
    world.open_partitions([1], settings());
    let mut surveys = 0;
    for round in 1..=6 {
        for _ in 0..3 {
            world.publish(1, 1, batch(&[round as u8; 600_000]));
        }
        world.settle_with(not_background);
        // All of it dies, so the segment should end early.
        let start = Offset(world.end(1));
        world.propose(vec![Command::Trim { partition: PartitionId(1), start, bytes: 1_800_000 }]);
        world.settle_with(not_background);
        world.advance(Duration::from_secs(60));
        world.turn();
        // The survey is the newest job; the checkpoints' stay where they are.
        let mut jobs = world.jobs.take(|class| class == IoClass::Background);
        surveys += 1;
        let checkpoints: Vec<_> = jobs.drain(..jobs.len().min(usize::from(round > 1))).collect();
        jobs.into_iter().for_each(|job| job());
        world.jobs.put(IoClass::Background, checkpoints);
        world.settle_with(not_background);
    }
    assert_eq!(surveys, 6);
    // One is being written, one waits, and the third segment is the active one.
    assert_eq!(world.disk.files(".seg"), 3);
}

#[test]
fn payloads_wait_while_the_checkpoints_of_full_segments_are_not_written() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let tickets: Vec<u64> = (0..20)
        .map(|round| {
            let ticket = world.publish(1, 1, batch(&[round; 900_000]));
            world.settle_with(not_background);
            ticket
        })
        .collect();
    let confirmed = tickets.iter().filter(|ticket| world.published(**ticket).is_some()).count();
    assert!((3..8).contains(&confirmed), "{confirmed} were confirmed");
    world.settle();
    assert_eq!(world.end(1), 20);
}

//! Space is given back when records die, and never that of records that live.

use std::time::Duration;

use forebay_env::IoClass;
use forebay_machine::Command;
use forebay_model::{Offset, PartitionId};
use forebay_shard::ShardConfig;

use crate::world::{World, batch, config, settings};

/// A world whose reads find nothing in memory.
fn world() -> World {
    let mut replica = config().replica;
    replica.tail_cache_bytes_max = 64 << 10;
    World::with(ShardConfig { replica, hot_bytes_max: 64 << 10, ..config() })
}

fn fill(world: &mut World, partition: u64, count: u64) {
    let tickets: Vec<u64> =
        (0..count).map(|n| world.publish(partition, partition, batch(&[n as u8; 600_000]))).collect();
    world.settle();
    assert!(tickets.iter().all(|ticket| world.published(*ticket).unwrap().is_ok()));
}

/// Everything of a partition dies.
fn trim(world: &mut World, partition: u64) {
    let (start, bytes) = (Offset(world.end(partition)), 600_000 * world.end(partition));
    world.propose(vec![Command::Trim { partition: PartitionId(partition), start, bytes }]);
    world.settle();
}

#[test]
fn a_survey_that_runs_late_judges_nothing_that_came_after_its_picture() {
    let mut world = world();
    world.open_partitions([1], settings());
    fill(&mut world, 1, 6);
    trim(&mut world, 1);
    world.advance(Duration::from_secs(60));
    world.turn();
    let late = world.jobs.take(|class| class == IoClass::Background);
    assert_eq!(late.len(), 1, "the survey");
    // It knows nothing of this partition, whose segments are sealed before it looks at them.
    world.open_partitions([2], settings());
    fill(&mut world, 2, 6);
    late.into_iter().for_each(|job| job());
    for _ in 0..10 {
        world.pass(Duration::from_secs(30));
    }
    for n in 0..6 {
        assert_eq!(world.read_value(2, n), vec![n as u8; 600_000]);
    }
}

#[test]
fn what_died_before_a_restart_is_looked_for_after_it() {
    let mut world = world();
    world.open_partitions([1, 2], settings());
    fill(&mut world, 1, 20);
    trim(&mut world, 1);
    // The checkpoint of this segment knows of the deaths, so no replay tells of them again.
    fill(&mut world, 2, 3);
    let before = world.disk.files(".seg");
    world.restart();
    for _ in 0..10 {
        world.pass(Duration::from_secs(30));
    }
    let after = world.disk.files(".seg");
    assert!(before >= 6 && after <= 3, "{after} of {before} files are left");
    for n in 0..3 {
        assert_eq!(world.read_value(2, n), vec![n as u8; 600_000]);
    }
}

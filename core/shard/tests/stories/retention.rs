//! Retention comes round to every partition.

use std::time::Duration;

use forebay_machine::PartitionSettings;
use forebay_model::PartitionId;
use forebay_model::fetch::{Isolation, OffsetTarget};
use forebay_shard::{Answer, FindOffsetWork, Read};

use crate::world::{World, batch, settings};

#[test]
fn partitions_that_stay_suspect_do_not_keep_it_from_the_others() {
    let mut world = World::new();
    // One batch larger than what is kept: looked at every time, and never dropped.
    let stuck = PartitionSettings { retention_bytes: Some(10), ..settings() };
    let short = PartitionSettings { retention_ms: Some(1000), ..settings() };
    world.open_partitions(0..1100, stuck);
    world.open_partitions([5000], short);
    for id in 0..1100 {
        world.publish(id, id, batch(b"more than ten bytes"));
    }
    world.publish(5000, 5000, batch(b"old soon"));
    world.settle();
    assert_eq!(world.end(1099), 1);
    for _ in 0..3 {
        world.pass(Duration::from_secs(30));
    }
    let partition = world.shard.machine().partition(PartitionId(5000)).unwrap();
    assert_eq!((partition.start, partition.end), (partition.end, partition.end), "it was never looked at");
}

#[test]
fn a_greatest_timestamp_is_found_until_retention_has_dropped_its_record() {
    let mut world = World::new();
    // Records whose producer dates them a week back and more are old when they come.
    let week = PartitionSettings { retention_ms: Some(7 * 24 * 3_600_000), ..settings() };
    world.open_partitions([1], week);
    world.advance(Duration::from_secs(8 * 24 * 3600));
    // A step of the clock is believed after a steady minute.
    for _ in 0..70 {
        world.pass(Duration::from_secs(1));
    }
    for _ in 0..3 {
        world.publish(1, 1, batch(b"dated before the week"));
    }
    world.settle();
    let greatest = |world: &mut World| {
        let ticket = world.ticket();
        let (partition, target) = (PartitionId(1), OffsetTarget::MaxTimestamp);
        let item = FindOffsetWork { partition, target, leader_epoch: None };
        world.read(Read::FindOffsets(ticket, vec![item], Isolation::Uncommitted));
        world.settle();
        let Some(Answer::FoundOffsets(found)) = world.answer(ticket) else { panic!("it is answered") };
        found[0].clone().unwrap().map(|at| at.offset.0)
    };
    assert_eq!(greatest(&mut world), Some(0));
    world.pass(Duration::from_secs(31));
    assert_eq!((greatest(&mut world), world.end(1)), (None, 3));
}

#[test]
fn a_partition_that_fills_with_small_batches_is_emptied_as_fast() {
    let mut world = World::new();
    let kept = PartitionSettings { retention_bytes: Some(1_000), ..settings() };
    world.open_partitions([1], kept);
    // More than one job looks at.
    for _ in 0..104 {
        for source in 0..500 {
            world.publish(source, 1, batch(b"small"));
        }
        world.settle();
    }
    assert_eq!(world.end(1), 52_000);
    world.pass(Duration::from_secs(31));
    world.pass(Duration::from_secs(1));
    let partition = world.shard.machine().partition(PartitionId(1)).unwrap();
    assert!(partition.start.0 > 51_900, "the rest waits for the next interval: {}", partition.start);
}

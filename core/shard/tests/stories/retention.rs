//! Retention comes round to every partition.

use std::time::Duration;

use forebay_machine::PartitionSettings;
use forebay_model::PartitionId;

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

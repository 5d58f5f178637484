//! Which flushes the shard's own thread runs.

use std::time::Duration;

use forebay_env::IoClass;
use forebay_model::Refusal;
use forebay_shard::{NextTurn, ShardConfig};

use crate::memory_disk::Fail;
use crate::world::{World, batch, config, settings};

/// Longer than a shard's own thread would wait for a flush.
const SLOW: Duration = Duration::from_millis(20);

fn flushes_itself() -> ShardConfig {
    let mut config = config();
    config.replica.flush_here_max = Duration::from_millis(1);
    config
}

fn quiet_world(config: ShardConfig) -> World {
    let mut world = World::with(config);
    world.open_partitions([1], settings());
    world.publish(1, 1, batch(b"before"));
    world.settle();
    world
}

/// Whether a job flushes.
fn flushes_elsewhere(world: &World) -> bool {
    let jobs = world.jobs.take(|class| class == IoClass::Flush);
    let any = !jobs.is_empty();
    world.jobs.put(IoClass::Flush, jobs);
    any
}

#[test]
fn a_small_write_is_flushed_by_the_shard_and_confirmed_in_its_next_turn() {
    let mut world = quiet_world(flushes_itself());
    let small = world.publish(1, 1, batch(b"small"));
    let before = world.metrics.flush.count();
    assert_eq!(world.turn(), NextTurn::Now, "its confirm is due");
    assert_eq!(world.metrics.flush.count(), before + 1, "it was flushed");
    assert!(!flushes_elsewhere(&world));
    assert!(world.published(small).is_none());
    world.turn();
    assert_eq!(world.offset(small), 1);
}

#[test]
fn whoever_forbids_it_has_every_flush_on_another_thread() {
    let mut world = quiet_world(config());
    let small = world.publish(1, 1, batch(b"small"));
    world.turn();
    assert!(flushes_elsewhere(&world));
    world.turn();
    assert!(world.published(small).is_none());
    world.settle();
    assert_eq!(world.offset(small), 1);
}

#[test]
fn a_large_write_is_flushed_elsewhere() {
    let mut world = quiet_world(flushes_itself());
    let large = world.publish(1, 1, batch(&[7; 65 << 10]));
    world.turn();
    assert!(flushes_elsewhere(&world));
    world.settle();
    assert_eq!(world.offset(large), 1);
}

#[test]
fn a_slow_disk_holds_no_shard_up() {
    let mut world = quiet_world(flushes_itself());
    // Another thread's flush takes its time: the shard knows how long.
    world.publish(1, 1, batch(&[7; 65 << 10]));
    world.turn();
    world.advance(SLOW);
    world.settle();
    let small = world.publish(1, 1, batch(b"small"));
    world.turn();
    assert!(flushes_elsewhere(&world), "this one may take as long");
    world.settle();
    assert_eq!(world.offset(small), 2);
    for _ in 0..100 {
        world.publish(1, 1, batch(b"quick"));
        world.settle();
    }
    world.publish(1, 1, batch(b"quick"));
    world.turn();
    assert!(!flushes_elsewhere(&world), "the disk is quick again");
}

#[test]
fn a_reader_that_catches_up_waits_for_no_flush() {
    let mut config = flushes_itself();
    config.hot_bytes_max = 0;
    let mut world = quiet_world(config);
    assert_eq!(world.read_value(1, 0), b"before");
    let soon = world.publish(1, 1, batch(b"soon"));
    world.turn();
    assert!(flushes_elsewhere(&world), "the reader may come again while it runs");
    world.settle();
    assert_eq!(world.offset(soon), 1);
    world.pass(Duration::from_millis(20));
    world.publish(1, 1, batch(b"later"));
    world.turn();
    assert!(!flushes_elsewhere(&world));
}

#[test]
fn a_failed_flush_fences_the_shard_and_confirms_nothing() {
    let mut world = quiet_world(flushes_itself());
    world.disk.fail(Fail::Flushes);
    let lost = world.publish(1, 1, batch(b"lost"));
    world.turn();
    world.turn();
    assert_eq!(world.published(lost).unwrap().unwrap_err(), Refusal::Unknown);
    assert!(world.board.status().fenced.is_some());
    assert_eq!(world.jobs.len(), 0);
}

#[test]
fn a_clean_stop_and_a_kill_keep_what_the_shard_flushed_itself() {
    for clean in [true, false] {
        let mut world = quiet_world(flushes_itself());
        let kept = world.publish(1, 1, batch(b"kept"));
        world.turn();
        world.turn();
        assert_eq!(world.offset(kept), 1);
        if clean {
            world.shard.close();
            world.settle();
            assert_eq!(world.turn(), NextTurn::Never);
        }
        world.restart();
        assert_eq!((world.end(1), world.read_value(1, 1)), (2, b"kept".to_vec()));
    }
}

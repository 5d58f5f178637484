//! Partitions are trimmed by hand.

use std::time::Duration;

use bytes::Bytes;
use forebay_env::IoClass;
use forebay_machine::{Command, PartitionSettings};
use forebay_model::fetch::{Isolation, OffsetTarget};
use forebay_model::partition::{TrimTo, Trimmed};
use forebay_model::{Offset, PartitionId, Refusal, Timestamp};
use forebay_record::batch::{BatchBuilder, Codec, NewRecord};
use forebay_shard::{Answer, FindOffsetWork, Read, ShardConfig, Trim, Work};

use crate::world::{BEGAN_MS, FAR, World, batch, config, settings};

/// A batch of records with these timestamps, counted from the beginning of the world.
fn batch_of(times: &[i64]) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    for time in times {
        let (timestamp, value) = (Timestamp(BEGAN_MS + time), Some(Bytes::from_static(b"value")));
        builder.push(&NewRecord { timestamp, key: None, value, headers: Vec::new() }).unwrap();
    }
    builder.build().unwrap()
}

fn ask(world: &mut World, items: &[(u64, TrimTo)], time: Duration) -> u64 {
    let ticket = world.ticket();
    let items = items.iter().map(|(partition, to)| (PartitionId(*partition), *to)).collect();
    let deadline = world.now() + time;
    world.post(7, 0, Work::Trim(Trim { ticket, items, deadline }));
    ticket
}

fn trimmed(world: &World, ticket: u64) -> Option<Vec<Trimmed>> {
    match world.answer(ticket)? {
        Answer::Trimmed(trimmed) => Some(trimmed),
        other => panic!("a trim was answered with {other:?}"),
    }
}

fn trim(world: &mut World, items: &[(u64, TrimTo)]) -> Vec<Trimmed> {
    let ticket = ask(world, items, FAR);
    world.settle();
    trimmed(world, ticket).expect("it is answered")
}

fn at(offset: u64) -> TrimTo {
    TrimTo::Offset(Offset(offset))
}

/// Where a partition begins, and its bytes.
fn state(world: &World, partition: u64) -> (u64, u64) {
    let partition = world.shard.machine().partition(PartitionId(partition)).expect("it exists");
    (partition.start.0, partition.bytes)
}

fn find(world: &mut World, partition: u64, target: OffsetTarget) -> Option<(u64, i64)> {
    let ticket = world.ticket();
    let item = FindOffsetWork { partition: PartitionId(partition), target, leader_epoch: None };
    world.read(Read::FindOffsets(ticket, vec![item], Isolation::Uncommitted));
    world.settle();
    let Some(Answer::FoundOffsets(found)) = world.answer(ticket) else { panic!("it is answered") };
    found[0].clone().unwrap().map(|at| (at.offset.0, at.timestamp.unwrap().0 - BEGAN_MS))
}

#[test]
fn every_partition_of_a_request_has_its_own_answer() {
    let mut world = World::new();
    world.open_partitions([1, 2], settings());
    for n in 0..4 {
        world.publish(1, 1, batch(&[n; 100]));
        world.publish(2, 2, batch(&[n; 100]));
    }
    world.settle();
    let all = state(&world, 1).1;
    let answers = trim(&mut world, &[(1, at(2)), (2, TrimTo::End), (1, at(5)), (9, at(0)), (1, at(0))]);
    let outside = Refusal::OffsetOutOfRange { start: Offset(0), end: Offset(4) };
    // Nothing is known of a partition that is opened nowhere: it may be on its way.
    let expected = [Ok(Offset(2)), Ok(Offset(4)), Err(outside), Err(Refusal::Loading), Ok(Offset(0))];
    assert_eq!(answers, expected);
    assert_eq!(state(&world, 1), (2, all / 2));
    assert_eq!(state(&world, 2), (4, 0));
    // What is gone already is no error, and what is told is where it begins now.
    assert_eq!(trim(&mut world, &[(1, at(1)), (1, at(2))]), [Ok(Offset(2)), Ok(Offset(2))]);
    assert_eq!(world.read_value(1, 2), [2; 100]);
    // It is in the log: it holds after a crash.
    world.restart();
    world.settle();
    assert_eq!((state(&world, 1).0, state(&world, 2).0), (2, 4));
}

#[test]
fn the_bytes_before_the_new_start_are_counted_in_files_too() {
    let mut replica = config().replica;
    replica.tail_cache_bytes_max = 64 << 10;
    let mut world = World::with(ShardConfig { replica, hot_bytes_max: 64 << 10, ..config() });
    world.open_partitions([1], settings());
    for n in 0..20u8 {
        world.publish(1, 1, batch(&[n; 300_000]));
        world.settle();
    }
    assert!(world.disk.files(".idx") > 1, "segments are sealed");
    let all = state(&world, 1).1;
    assert_eq!(trim(&mut world, &[(1, at(15))]), [Ok(Offset(15))]);
    assert_eq!(state(&world, 1), (15, all / 4));
    assert_eq!(world.read_value(1, 15), [15; 300_000]);
    assert_eq!(trim(&mut world, &[(1, TrimTo::End)]), [Ok(Offset(20))]);
    assert_eq!(state(&world, 1), (20, 0));
    // The space comes back.
    for _ in 0..20 {
        world.pass(Duration::from_secs(30));
    }
    assert!(world.disk.files(".seg") < 3, "{} segments", world.disk.files(".seg"));
}

#[test]
fn a_partition_may_begin_in_the_middle_of_a_batch() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.publish(1, 1, batch_of(&[10, 90, 20, 70, 30]));
    world.publish(1, 1, batch_of(&[40, 60]));
    world.settle();
    let all = state(&world, 1).1;
    assert_eq!(find(&mut world, 1, OffsetTarget::MaxTimestamp), Some((1, 90)));
    assert_eq!(trim(&mut world, &[(1, at(2))]), [Ok(Offset(2))]);
    // The batch that is cut still takes its bytes.
    assert_eq!(state(&world, 1), (2, all));
    // Records before the start are not found, those behind it are.
    assert_eq!(find(&mut world, 1, OffsetTarget::MaxTimestamp), Some((3, 70)));
    let after = |time| OffsetTarget::AtOrAfter(Timestamp(BEGAN_MS + time));
    assert_eq!(find(&mut world, 1, after(5)), Some((2, 20)));
    assert_eq!(find(&mut world, 1, after(25)), Some((3, 70)));
    assert_eq!(find(&mut world, 1, after(80)), None);
    assert_eq!(trim(&mut world, &[(1, at(4))]), [Ok(Offset(4))]);
    assert_eq!(find(&mut world, 1, OffsetTarget::MaxTimestamp), Some((6, 60)));
    assert_eq!(find(&mut world, 1, after(35)), Some((5, 40)));
    // With its last record the batch goes, and its bytes.
    assert_eq!(trim(&mut world, &[(1, at(5))]), [Ok(Offset(5))]);
    assert!((1..all).contains(&state(&world, 1).1));
    assert_eq!(trim(&mut world, &[(1, at(7))]), [Ok(Offset(7))]);
    assert_eq!(state(&world, 1), (7, 0));
}

#[test]
fn what_was_trimmed_while_a_job_looked_does_not_count_twice() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    for n in 0..4 {
        world.publish(1, 1, batch(&[n; 100]));
    }
    world.settle();
    let all = state(&world, 1).1;
    let ticket = ask(&mut world, &[(1, at(3))], FAR);
    world.turn();
    world.settle_with(|class| class != IoClass::Read);
    // The job has not run yet.
    world.propose(vec![Command::Trim { partition: PartitionId(1), start: Offset(2), bytes: all / 2 }]);
    world.settle_with(|class| class != IoClass::Read);
    assert_eq!(state(&world, 1), (2, all / 2));
    world.settle();
    assert_eq!(trimmed(&world, ticket), Some(vec![Ok(Offset(3))]));
    assert_eq!(state(&world, 1), (3, all / 4));
}

fn four_batches() -> (World, u64) {
    let mut world = World::new();
    world.open_partitions([1], settings());
    for n in 0..4 {
        world.publish(1, 1, batch(&[n; 100]));
    }
    world.settle();
    let all = state(&world, 1).1;
    (world, all)
}

#[test]
fn what_a_trim_on_its_way_takes_does_not_count_twice() {
    let (mut world, all) = four_batches();
    let first = ask(&mut world, &[(1, at(1))], FAR);
    world.settle_with(|class| class == IoClass::Read);
    let (second, hurried) = (ask(&mut world, &[(1, at(3))], FAR), Duration::from_secs(1));
    let hurried = ask(&mut world, &[(1, at(2))], hurried);
    world.settle_with(|class| class == IoClass::Read);
    world.advance(Duration::from_secs(2));
    world.turn();
    assert_eq!(trimmed(&world, hurried), Some(vec![Err(Refusal::TimedOut)]));
    assert_eq!((trimmed(&world, first), trimmed(&world, second)), (None, None));
    world.settle();
    assert_eq!(trimmed(&world, first), Some(vec![Ok(Offset(1))]));
    assert_eq!(trimmed(&world, second), Some(vec![Ok(Offset(3))]));
    assert_eq!(state(&world, 1), (3, all / 4));
}

#[test]
fn two_trims_of_a_partition_in_one_request_count_its_bytes_once() {
    let (mut world, all) = four_batches();
    let answers = trim(&mut world, &[(1, at(2)), (1, at(1)), (1, at(3))]);
    assert_eq!(answers, [Ok(Offset(2)), Ok(Offset(2)), Ok(Offset(3))]);
    assert_eq!(state(&world, 1), (3, all / 4));
}

#[test]
fn retention_does_not_look_at_what_is_being_trimmed() {
    let (mut world, all) = four_batches();
    world.open_partitions([1], PartitionSettings { retention_bytes: Some(all / 2), ..settings() });
    let interval = Duration::from_secs(30);
    world.pass(interval / 2);
    // More is written while a job looks...
    world.advance(interval);
    world.turn();
    world.publish(1, 1, batch(&[9; 100]));
    world.settle_with(|class| class != IoClass::Background);
    assert_eq!(state(&world, 1), (0, all / 4 * 5));
    // ...and what it found is on its way to the disk when it is time to look again.
    world.settle_with(|class| class != IoClass::Flush);
    world.advance(interval);
    world.settle_with(|class| class != IoClass::Flush);
    world.settle();
    for _ in 0..3 {
        world.pass(interval);
    }
    assert_eq!(state(&world, 1), (3, all / 2));
}

#[test]
fn a_trim_that_takes_too_long_is_answered_all_the_same() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    for n in 0..4 {
        world.publish(1, 1, batch(&[n; 100]));
    }
    world.settle();
    // Its time is up before its job has run: it never happens.
    let late = ask(&mut world, &[(1, at(1)), (1, at(9))], Duration::from_secs(1));
    world.settle_with(|class| class != IoClass::Read);
    world.advance(Duration::from_secs(2));
    world.settle();
    let outside = Refusal::OffsetOutOfRange { start: Offset(0), end: Offset(4) };
    assert_eq!(trimmed(&world, late), Some(vec![Err(Refusal::TimedOut), Err(outside)]));
    assert_eq!(state(&world, 1).0, 0);
    // Its time is up on the way to the disk: nobody knows, and here it happens.
    let unknown = ask(&mut world, &[(1, at(1))], Duration::from_secs(1));
    world.settle_with(|class| class == IoClass::Read);
    world.advance(Duration::from_secs(2));
    world.turn();
    assert_eq!(trimmed(&world, unknown), Some(vec![Err(Refusal::Unknown)]));
    world.settle();
    assert_eq!(state(&world, 1).0, 1);
}

#[test]
fn a_closing_shard_refuses_trims() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.publish(1, 1, batch(b"value"));
    world.settle();
    let looking = ask(&mut world, &[(1, TrimTo::End)], FAR);
    world.settle_with(|class| class != IoClass::Read);
    world.shard.close();
    let refused = ask(&mut world, &[(1, TrimTo::End)], FAR);
    world.settle();
    assert_eq!(trimmed(&world, refused), Some(vec![Err(Refusal::ShuttingDown)]));
    assert_eq!(trimmed(&world, looking), Some(vec![Err(Refusal::ShuttingDown)]));
}

#[test]
fn retention_goes_on_behind_a_trim() {
    let mut world = World::new();
    let kept = PartitionSettings { retention_bytes: Some(250), ..settings() };
    world.open_partitions([1], kept);
    world.publish(1, 1, batch_of(&[1, 2, 3]));
    for n in 0..6 {
        world.publish(1, 1, batch(&[n; 20]));
    }
    world.settle();
    assert_eq!(trim(&mut world, &[(1, at(1))]), [Ok(Offset(1))]);
    world.pass(Duration::from_secs(31));
    let (start, bytes) = state(&world, 1);
    assert!(start > 3 && (250..400).contains(&bytes), "{start}, {bytes} bytes");
}

#[test]
fn retention_does_not_count_what_was_trimmed_while_it_looked() {
    let mut world = World::new();
    let kept = PartitionSettings { retention_bytes: Some(250), ..settings() };
    world.open_partitions([1], kept);
    for n in 0..6 {
        world.publish(1, 1, batch(&[n; 20]));
    }
    world.settle();
    let one = state(&world, 1).1 / 6;
    world.advance(Duration::from_secs(31));
    world.turn();
    assert!(world.jobs.len() > 0, "it looks");
    let ticket = ask(&mut world, &[(1, at(2))], FAR);
    world.settle_with(|class| class != IoClass::Background);
    assert_eq!(trimmed(&world, ticket), Some(vec![Ok(Offset(2))]));
    world.settle();
    assert_eq!(state(&world, 1), (2, 4 * one));
    // The next round does what is left to do.
    world.pass(Duration::from_secs(31));
    assert_eq!(state(&world, 1), (3, 3 * one));
}

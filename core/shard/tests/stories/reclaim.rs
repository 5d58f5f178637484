//! Space is given back, and what it leaves follows from the log.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_env::IoClass;
use forebay_machine::Command;
use forebay_model::{Offset, PartitionId};

use crate::world::{World, batch, settings};

const MOSTLY_DEAD: u64 = 1;
const ALIVE: u64 = 2;

fn not_background(class: IoClass) -> bool {
    class != IoClass::Background
}

/// Three sealed segments of a partition that dies and a little of one that lives.
fn filled() -> World {
    let mut world = World::new();
    world.open_partitions([MOSTLY_DEAD, ALIVE], settings());
    fill(&mut world, 16);
    assert!(world.disk.files(".idx") >= 3, "three segments are sealed");
    world
}

fn fill(world: &mut World, rounds: u8) {
    for round in 0..rounds {
        world.publish(1, MOSTLY_DEAD, batch(&[round; 200_000]));
        world.publish(1, ALIVE, batch(&[round; 100]));
        world.settle();
    }
}

/// Lets all of one partition die; on return the leader's decision is applied, and its work is the one job there is.
fn decide(world: &mut World) {
    let start = Offset(world.end(MOSTLY_DEAD));
    world.propose(vec![Command::Trim { partition: PartitionId(MOSTLY_DEAD), start, bytes: 1_600_000 }]);
    world.settle();
    world.advance(Duration::from_secs(60));
    world.settle_with(not_background);
    let survey = world.jobs.take(|class| class == IoClass::Background);
    assert_eq!(survey.len(), 1);
    survey.into_iter().for_each(|job| job());
    world.settle_with(not_background);
    assert_eq!(world.jobs.len(), 1);
}

fn rewritten(world: &World) -> BTreeMap<String, Vec<u8>> {
    let mut files = world.disk.contents(".seg");
    files.extend(world.disk.contents(".idx"));
    files.retain(|name, _| !name.contains("-00000000000000000000."));
    files
}

fn everything_alive_is_there(world: &mut World) {
    for offset in 0..world.end(ALIVE) {
        assert_eq!(world.read_value(ALIVE, offset).len(), 100, "offset {offset}");
    }
}

#[test]
fn a_rewritten_segment_is_named_by_the_decision_that_ordered_it() {
    let mut world = filled();
    decide(&mut world);
    let before = world.disk.files(".seg");
    world.settle();
    let names: Vec<String> = rewritten(&world).into_keys().collect();
    assert!(names.len() >= 4, "two segments and their sidecars: {names:?}");
    let generation = names[0].split(['-', '.']).nth(1).unwrap();
    assert!(names.iter().all(|name| name.contains(generation)), "one decision ordered them all: {names:?}");
    assert_eq!(world.metrics.segments_rewritten.value(), names.len() as u64 / 2);
    assert_eq!(world.disk.files(".seg"), before);
    everything_alive_is_there(&mut world);
}

#[test]
fn a_decision_that_a_kill_left_undone_is_carried_out_after_the_restart() {
    let mut twin = filled();
    decide(&mut twin);
    twin.settle();

    let mut world = filled();
    decide(&mut world);
    // It is never carried out, and a checkpoint behind it says that it was applied.
    let undone = world.jobs.take(|class| class == IoClass::Background);
    let checkpoints = world.disk.contents(".ckpt");
    fill(&mut world, 8);
    assert_ne!(world.disk.contents(".ckpt"), checkpoints);
    assert!(rewritten(&world).is_empty());
    drop(undone);
    world.restart();
    world.pass(Duration::from_secs(1));
    let (found, expected) = (rewritten(&world), rewritten(&twin));
    assert!(found.keys().eq(expected.keys()), "{:?} and {:?}", found.keys(), expected.keys());
    assert!(found == expected, "equal names and other bytes");
    everything_alive_is_there(&mut world);
}

#[test]
fn a_restart_in_the_middle_finds_its_files_ahead_of_its_checkpoint() {
    let mut world = filled();
    decide(&mut world);
    world.settle();
    let files = rewritten(&world);
    assert!(!files.is_empty());
    // The current checkpoint is older than the decision, which is applied once more.
    world.restart();
    world.settle();
    assert!(rewritten(&world) == files);
    everything_alive_is_there(&mut world);
    world.propose(vec![Command::Trim {
        partition: PartitionId(ALIVE),
        start: Offset(world.end(ALIVE)),
        bytes: 800,
    }]);
    world.pass(Duration::from_secs(60));
    world.pass(Duration::from_secs(60));
    assert!(world.metrics.segments_unlinked.value() >= 2, "what was rewritten goes when nothing in it lives");
    assert!(rewritten(&world).is_empty());
}

/// Begins a survey when a big payload has gone so many steps of its way, and looks whether all of it is there at the end;
/// answers whether it was still on its way.
fn survey_after(steps: usize) -> bool {
    let mut world = filled();
    let start = Offset(world.end(MOSTLY_DEAD));
    world.propose(vec![Command::Trim { partition: PartitionId(MOSTLY_DEAD), start, bytes: 1_600_000 }]);
    world.settle();
    let value = vec![7; 6 << 20];
    let big = world.publish(2, ALIVE, batch(&value));
    for _ in 0..steps {
        world.turn();
        world.run_jobs();
    }
    if world.published(big).is_some() {
        return false;
    }
    world.pass(Duration::from_secs(60));
    world.pass(Duration::from_secs(60));
    let offset = world.offset(big);
    // Nothing of it is in memory any more.
    world.restart();
    assert!(world.read_value(ALIVE, offset) == value, "surveyed after {steps} steps");
    true
}

#[test]
fn no_survey_takes_the_parts_of_a_payload_for_dead_while_their_list_is_on_its_way() {
    let mut steps = 0;
    while survey_after(steps) {
        steps += 1;
    }
    assert!(steps > 3, "a payload of six parts takes some");
}

#[test]
fn a_damaged_index_keeps_the_space_before_its_segment_and_no_other() {
    let mut world = filled();
    let damaged = world.disk.damage_first(".idx");
    let start = Offset(world.end(MOSTLY_DEAD));
    world.propose(vec![Command::Trim { partition: PartitionId(MOSTLY_DEAD), start, bytes: 1_600_000 }]);
    world.settle();
    world.pass(Duration::from_secs(60));
    world.pass(Duration::from_secs(60));
    assert!(world.metrics.segments_rewritten.value() >= 1, "the later segments are given back");
    assert!(world.disk.contents(".idx").contains_key(&damaged), "nobody knows what lives in {damaged}");
    let last = world.end(ALIVE) - 1;
    assert_eq!(world.read_value(ALIVE, last).len(), 100);
}

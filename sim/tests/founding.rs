//! The first start of a node, cut short after each of its changes of the disk in turn.

use std::collections::BTreeSet;

use forebay_model::NodeId;
use forebay_sim::random::Rng;
use forebay_sim::world::clock::VirtualTime;
use forebay_sim::world::disk::Crash;
use forebay_sim::world::machine::{Machine, Sizes, Start};

const SIZES: Sizes = Sizes {
    shards_sync: 1,
    shards_async: 1,
    segment_bytes_first: 64 << 10,
    segment_bytes_max: 64 << 10,
    journal_file_bytes: 1 << 20,
    flush_here_max: std::time::Duration::from_millis(1),
    hot_bytes: 64 << 10,
    tail_bytes: 64 << 10,
    scrub_bytes_per_second: 0,
};

/// Starts a process of `machine`, which ends after `fuse` changes of the disk; answers whether it opened.
fn start(machine: &mut Machine, time: &VirtualTime, seed: u64, fuse: Option<u64>) -> Result<(), String> {
    let nodes = BTreeSet::from([machine.id]);
    let rng = Rng::stream(seed, "life");
    let start = Start { time, nodes: &nodes, sizes: SIZES, rng, fuse };
    let opened = machine.start(start).map_err(|error| error.to_string());
    machine.process = None;
    opened
}

#[test]
fn a_node_starts_wherever_its_first_start_was_cut() {
    let mut cuts = 0;
    for crash in [Crash::Kill, Crash::Power] {
        for seed in 0..4 {
            for fuse in 0.. {
                let time = VirtualTime::default();
                let rng = Rng::stream(seed, "disk");
                let mut machine = Machine::new(NodeId(1), rng, &time, 64 << 20, 0, 1 << 20);
                let first = start(&mut machine, &time, seed, Some(fuse));
                machine.disk.crash(crash);
                let second = start(&mut machine, &time, seed + 100, None);
                assert_eq!(second, Ok(()), "{crash:?} after {fuse} changes, seed {seed}");
                if first.is_ok() {
                    break;
                }
                cuts += 1;
            }
        }
    }
    assert!(cuts > 100, "{cuts} cuts are too few to have met every change");
}

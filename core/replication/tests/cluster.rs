//! Stories of several replicas.

mod harness;

use std::time::Duration;

use forebay_env::IoClass;
use forebay_replication::{Change, Dropped, Fence, LeaderReady, Role, ShardClass};
use harness::{Fail, World, peer};

const CLASSES: [ShardClass; 2] = [ShardClass::Sync, ShardClass::Async];

#[test]
fn three_replicas_elect_a_leader_and_agree() {
    for (class, seed) in CLASSES.into_iter().zip([1, 2]) {
        let mut world = World::new(seed, 3, class);
        let leader = world.wait_for_leader();
        for _ in 0..20 {
            world.propose(leader, 5).unwrap();
        }
        world.wait_until_equal();
        assert_eq!(world.confirmed.len(), 100);
        world.check_confirmed();
        for node in world.nodes.values() {
            assert_eq!(node.applied.len(), world.chosen.len());
        }
    }
}

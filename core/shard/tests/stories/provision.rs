//! Partitions that the catalogue places on a shard.

use std::sync::Arc;

use forebay_machine::{CATALOGUE_SHARD, Command, CreateTopic, Effects, Machine, Meta};
use forebay_model::{LogIndex, LogTime, NodeId, ShardId, Term, TopicId, TopicName, TopicSettings};
use forebay_replication::{Bootstrap, PeerId, ReplicaConfig, ShardClass};
use forebay_shard::{NextTurn, ShardConfig};

use crate::world::{World, config};

#[test]
fn a_shard_that_needs_no_flush_tells_of_its_partitions_without_waiting() {
    let peer = PeerId::first(NodeId(1)).unwrap();
    let id = ShardId(1);
    let replica = ReplicaConfig::new(id, peer, ShardClass::Async, Bootstrap::Found([peer].into()));
    let mut world = World::with(ShardConfig { id, replica, ..config() });
    let mut catalogue = Machine::new(CATALOGUE_SHARD);
    for n in 1..=3 {
        let create = Command::CreateTopic(CreateTopic {
            name: TopicName::parse(&format!("t{n}")).unwrap(),
            id: TopicId([n; 16]),
            settings: TopicSettings::default(),
            shards: vec![id],
        });
        let meta = Meta { index: LogIndex(n.into()), term: Term(1), time: LogTime(0) };
        catalogue.apply(meta, create, &mut Effects::default()).unwrap();
        let version = catalogue.catalog().version();
        world.board.wish(Arc::new(catalogue.catalog().clone()));
        world.mailbox.notify();
        // No time passes.
        while world.turn() == NextTurn::Now {}
        assert_eq!(world.board.provisioned(), version);
        assert_eq!(world.shard.machine().partitions().count(), usize::from(n));
    }
}

//! Who belongs to a shard, asked and changed through its mailbox.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_model::{NodeId, ShardId};
use forebay_replication::{Bootstrap, Change, ChangeRefused, PeerId, ReplicaConfig, ShardClass};
use forebay_shard::{MembersOrder, MembersReply, MembersRequest, Read};

use crate::world::{World, config};

fn peer(node: u64) -> PeerId {
    PeerId::first(NodeId(node)).unwrap()
}

fn order(request: MembersRequest) -> (Read<u64>, Arc<Mutex<Option<MembersReply>>>) {
    let told: Arc<Mutex<Option<MembersReply>>> = Arc::default();
    let reply = Arc::clone(&told);
    (Read::Members(MembersOrder::new(request, move |told| *reply.lock().unwrap() = Some(told))), told)
}

fn ask(world: &mut World, request: MembersRequest) -> MembersReply {
    let (read, told) = order(request);
    world.read(read);
    world.settle();
    told.lock().unwrap().take().expect("a running shard answers within a turn")
}

#[test]
fn one_change_at_a_time_and_no_vote_for_a_learner_that_has_nothing() {
    let mut world = World::new();
    world.settle();
    let view = ask(&mut world, MembersRequest::Describe).unwrap();
    assert!(view.leads && view.replica == peer(1));
    assert_eq!(view.members.voters, [peer(1)].into());

    // Both are asked in one turn: the first is not applied when the second comes.
    let (first, first_told) = order(MembersRequest::Change(Change::AddLearner(peer(2))));
    let (second, second_told) = order(MembersRequest::Change(Change::AddLearner(peer(3))));
    world.read(first);
    world.read(second);
    world.turn();
    assert!(first_told.lock().unwrap().take().unwrap().is_ok());
    assert_eq!(second_told.lock().unwrap().take(), Some(Err(ChangeRefused::Busy)));
    world.settle();
    let view = ask(&mut world, MembersRequest::Describe).unwrap();
    assert_eq!(view.members.learners, [peer(2)].into());
    assert_eq!(view.progress.len(), 1);

    let promote = MembersRequest::Change(Change::Promote(peer(2)));
    assert_eq!(ask(&mut world, promote), Err(ChangeRefused::LearnerBehind));
    let leave = MembersRequest::Change(Change::Remove(peer(1)));
    assert_eq!(ask(&mut world, leave), Err(ChangeRefused::Senseless), "the last voter stays");

    // Who was a member once is none again under that id.
    assert!(ask(&mut world, MembersRequest::Change(Change::Remove(peer(2)))).is_ok());
    let again = MembersRequest::Change(Change::AddLearner(peer(2)));
    assert_eq!(ask(&mut world, again), Err(ChangeRefused::Spent));
}

#[test]
fn a_shard_that_joins_waits_without_a_vote_and_refuses_changes() {
    let mut joins = config();
    joins.replica = ReplicaConfig::new(ShardId(0), peer(1), ShardClass::Sync, Bootstrap::Join);
    let mut world = World::waiting(joins);
    world.pass(Duration::from_secs(60));
    world.settle();
    let view = ask(&mut world, MembersRequest::Describe).unwrap();
    assert!(!view.leads && view.members.everybody().is_empty());
    let add = MembersRequest::Change(Change::AddLearner(peer(2)));
    assert_eq!(ask(&mut world, add), Err(ChangeRefused::NotLeader));
    assert_eq!(ask(&mut world, MembersRequest::HandOver(peer(2))), Err(ChangeRefused::NotLeader));
}

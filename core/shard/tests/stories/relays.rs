//! Transactions over several shards, as the shard of their producer sees them and as another one does.

use std::sync::Arc;
use std::time::Duration;

use forebay_machine::{AdmitGuest, Instance, JoinTransaction, Next, OpenProducer, RelayedEnd, Span};
use forebay_machine::{Machine, TransactionState};
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{GroupId, LogIndex, PartitionId, ProducerEpoch, ProducerId, Refusal, ShardId};
use forebay_shard::{
    Answer, Done, ENDS_AWAITED_MAX, Passed, RELAYS_PASSED_BYTES_MAX, TransactionAnswer, TransactionWork, Work,
};

use crate::transactions::{MINUTE, id, transactional};
use crate::world::{World, config, settings};

const OTHER: ShardId = ShardId(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A partition of the other shard.
fn far() -> Span {
    Span { partitions: [PartitionId(70)].into(), ..Span::default() }
}

/// As many groups of the other shard as one transaction may name, in bytes.
fn far_and_wide() -> Span {
    let groups = (0..250).map(|number| GroupId(format!("{number:0>4096}").into()));
    Span { groups: groups.collect(), ..Span::default() }
}

fn opening(id: TransactionalId, timeout_ms: u32, present: Option<Instance>, spare: i64) -> TransactionWork {
    TransactionWork::Open(OpenProducer { id, timeout_ms, present, spare: ProducerId(spare) })
}

/// The instance so many epochs behind.
fn behind((producer, epoch): Instance, more: i16) -> Instance {
    (producer, ProducerEpoch(epoch.0 + more))
}

fn state<'m>(machine: &'m Machine, id: &TransactionalId) -> &'m TransactionState {
    &machine.transactions().get(id).expect("it was opened").state
}

impl World {
    /// Joins something of the other shard.
    fn join_elsewhere(
        &mut self,
        id: TransactionalId,
        instance: Instance,
        span: Span,
    ) -> Result<Option<LogIndex>, Refusal> {
        let elsewhere = vec![(OTHER, span)];
        let join = JoinTransaction { id, instance, partitions: vec![], groups: vec![], elsewhere };
        match self.transact(TransactionWork::Join(join)) {
            TransactionAnswer::Joined(joined) => joined,
            other => panic!("{other:?}"),
        }
    }

    /// Asks for an end, which may be answered later.
    fn ask_for_end(&mut self, id: TransactionalId, instance: Instance, decision: Decision) -> u64 {
        let ticket = self.ticket();
        let next = Next::Raised { spare: ProducerId(-1) };
        let end = TransactionWork::End { id, instance, decision, next };
        self.post(1, 0, Work::Transaction(ticket, end));
        ticket
    }

    /// What an end or an opening was answered, once.
    fn answered(&self, ticket: u64) -> Option<Result<Instance, Refusal>> {
        match self.answer(ticket)? {
            Answer::Transaction(TransactionAnswer::Instance(answer)) => Some(answer),
            other => panic!("{other:?}"),
        }
    }

    /// The other shard says that it has carried out everything up to this number.
    fn carried_out(&self, up_to: u64) {
        self.mailbox.post_completion(Done::Passed(Passed::Done { target: OTHER, up_to }));
    }

    /// The numbers of what was passed to the other shard and lies in its mailbox, by pass.
    fn passed_numbers(&self) -> Vec<Vec<u64>> {
        let passed_on = self.passed_on.lock().unwrap();
        let numbers = |passed: &Passed| match passed {
            Passed::Items { items, .. } => items.iter().map(|(number, _)| *number).collect(),
            other => panic!("{other:?}"),
        };
        passed_on.iter().map(|(_, passed)| numbers(passed)).collect()
    }
}

#[test]
fn the_answer_of_an_end_is_that_of_its_own_producer() {
    let mut world = World::new();
    let old = world.open_producer(MINUTE);
    world.join_elsewhere(id(), old, far()).expect("joined");
    let ended = world.ask_for_end(id(), old, Decision::Commit);
    world.settle();
    assert_eq!(world.answered(ended), None, "the other shard has not carried it out");
    // Another process takes the producer over in the turn in which that is heard.
    world.carried_out(1);
    let opened = world.ticket();
    world.post(2, 0, Work::Transaction(opened, opening(id(), MINUTE, None, 41)));
    let applied = world.shard.machine().applied().index;
    world.settle();
    assert_eq!(world.shard.machine().applied().index, applied.next(), "both are in one entry");
    assert_eq!(world.answered(ended), Some(Ok(behind(old, 1))));
    assert_eq!(world.answered(opened), Some(Ok(behind(old, 2))));
}

#[test]
fn no_more_than_so_many_wait_for_one_end() {
    let mut world = World::new();
    let old = world.open_producer(MINUTE);
    world.join_elsewhere(id(), old, far()).expect("joined");
    let mut asked = Vec::new();
    for _ in 0..ENDS_AWAITED_MAX + 4 {
        asked.push(world.ask_for_end(id(), old, Decision::Commit));
        world.settle();
    }
    let (first, others) = asked.split_at(4);
    let again = Some(Err(Refusal::ConcurrentTransaction));
    assert!(first.iter().all(|ticket| world.answered(*ticket) == again));
    assert!(others.iter().all(|ticket| world.answered(*ticket).is_none()));
    world.carried_out(1);
    world.settle();
    assert!(others.iter().all(|ticket| world.answered(*ticket) == Some(Ok(behind(old, 1)))));
}

#[test]
fn whoever_is_fenced_by_an_opening_over_shards_begins_nothing_more() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let old = world.open_producer(MINUTE);
    world.join_elsewhere(id(), old, far()).expect("joined");
    let opened = world.instance(opening(id(), MINUTE, None, 41));
    assert_eq!(opened, Err(Refusal::ConcurrentTransaction), "the other shard has to abort first");
    world.carried_out(1);
    world.settle();
    // Whoever opens has not come again yet, and may never do so.
    let late = world.publish_joining(1, transactional(old, 0, b"late"), Joining::Now);
    assert_eq!(world.published(late), Some(Err(Refusal::ProducerFenced)));
    assert_eq!(world.join_elsewhere(id(), old, far()), Err(Refusal::ProducerFenced));
    let late = world.ask_for_end(id(), old, Decision::Abort);
    world.settle();
    assert_eq!(world.answered(late), Some(Err(Refusal::ProducerFenced)));
    assert_eq!(world.instance(opening(id(), MINUTE, Some(old), 41)), Err(Refusal::ProducerFenced));
    assert_eq!(world.instance(opening(id(), MINUTE, None, 41)), Ok(behind(old, 2)));
}

#[test]
fn a_client_that_says_who_it_is_opens_over_its_own_transaction() {
    let mut world = World::new();
    let old = world.open_producer(MINUTE);
    world.join_elsewhere(id(), old, far()).expect("joined");
    let again = || opening(id(), MINUTE, Some(old), 41);
    assert_eq!(world.instance(again()), Err(Refusal::ConcurrentTransaction));
    world.carried_out(1);
    world.settle();
    assert_eq!(world.instance(again()), Ok(behind(old, 1)));
}

#[test]
fn an_abort_that_finds_no_room_is_not_proposed_in_every_turn() {
    let mut config = config();
    (config.replica.segment_bytes_first, config.replica.segment_bytes_max) = (256 << 20, 256 << 20);
    let mut world = World::with(config);
    // The other shard takes nothing, until nothing more can be handed over to it.
    let named = |number: i64| TransactionalId(format!("tx {number}").into());
    let full = (0..).find_map(|number| {
        let id = named(number);
        let instance = world.instance(opening(id.clone(), 2_000, None, 100 + number)).expect("opened");
        world.join_elsewhere(id.clone(), instance, far_and_wide()).expect("joined");
        let ended = world.ask_for_end(id.clone(), instance, Decision::Commit);
        world.settle();
        world.answered(ended).map(|answer| (id, answer))
    });
    let (last, answer) = full.expect("it is found");
    assert_eq!(answer, Err(Refusal::Busy), "clients ask again");
    assert!(matches!(state(world.shard.machine(), &last), TransactionState::Open(_)));

    let before = world.shard.machine().applied().index;
    world.pass(Duration::from_secs(3));
    world.pass(Duration::from_millis(100));
    let proposed = world.shard.machine().applied().index.0 - before.0;
    assert!((1..4).contains(&proposed), "{proposed} entries");

    world.carried_out(1);
    world.pass(Duration::from_secs(2));
    let aborts = |state: &TransactionState| state.decided() == Some(Decision::Abort);
    assert!(aborts(state(world.shard.machine(), &last)));
}

#[test]
fn what_is_passed_is_bounded_and_passed_again_when_it_is_lost() {
    let mut world = World::new();
    let named = |number: i64| TransactionalId(format!("tx {number}").into());
    for number in 0..3 {
        let id = named(number);
        let instance = world.instance(opening(id.clone(), MINUTE, None, 100 + number)).expect("opened");
        world.join_elsewhere(id.clone(), instance, far_and_wide()).expect("joined");
        world.ask_for_end(id, instance, Decision::Commit);
        world.settle();
    }
    assert!(
        world
            .shard
            .machine()
            .relays()
            .waiting_for(OTHER, 1)
            .all(|(_, item)| { 2 * item.weight() > RELAYS_PASSED_BYTES_MAX })
    );
    assert_eq!(world.passed_numbers(), [[1]], "one is large enough");
    // A shard whose thread hangs takes nothing out of its mailbox.
    for _ in 0..5 {
        world.pass(Duration::from_secs(2));
    }
    assert_eq!(world.passed_numbers(), [[1]]);
    // It is lost, and passed again; it arrives, and others follow.
    world.passed_on.lock().unwrap().clear();
    world.pass(Duration::from_secs(2));
    assert_eq!(world.passed_numbers(), [[1]]);
    world.carried_out(1);
    world.settle();
    assert_eq!(world.passed_numbers(), [[1], [2]]);
}

#[test]
fn a_guest_is_forgotten_in_time_also_where_nothing_else_happens() {
    let mut world = World::new();
    world.open_partitions([1], settings());
    let instance = (ProducerId(9), ProducerEpoch(0));
    let span = Span { partitions: [PartitionId(1)].into(), ..Span::default() };
    let begun = LogIndex(7);
    let admit = TransactionWork::Admit(AdmitGuest { instance, begun, span: span.clone() });
    assert!(matches!(world.transact(admit), TransactionAnswer::Joined(Ok(None))));
    let end = RelayedEnd { id: id(), instance, next: instance, begun, decision: Decision::Commit, span };
    for _ in 0..2 {
        let items = Arc::new(vec![(1, end.clone())]);
        world.mailbox.post_completion(Done::Passed(Passed::Items { source: OTHER, items }));
        world.settle();
    }
    let told: Vec<_> = std::mem::take(&mut *world.passed_on.lock().unwrap());
    let is_done = |(to, passed): &(ShardId, Passed)| {
        *to == OTHER && matches!(passed, Passed::Done { target: ShardId(0), up_to: 1 })
    };
    assert!(told.len() == 2 && told.iter().all(is_done), "{told:?}");
    let late = world.publish_joining(1, transactional(instance, 0, b"late"), Joining::Now);
    assert_eq!(world.published(late), Some(Err(Refusal::InvalidTransactionState)));
    assert_eq!(world.shard.machine().guests().len(), 1);
    for _ in 0..10 {
        world.pass(DAY);
    }
    assert!(world.shard.machine().guests().is_empty());
}

//! Who has what, against a naive picture.

use super::*;
use crate::mailbox::Source;
use forebay_machine::*;
use forebay_model::fetch::Isolation;
use forebay_model::subscription::{ConsumerNumber, StartAt};
use forebay_model::{GroupId, LeaderEpoch, LogTime, PartitionId, ShardId, Term, TimestampType, TopicId};

const END: Offset = Offset(60);

fn rules(attempts_max: u16) -> DeliveryRules {
    DeliveryRules {
        lease_ms: 1_000,
        attempts_max: Attempts(attempts_max),
        span_max: 1_000,
        begin: StartAt::Earliest,
        isolation: Isolation::Uncommitted,
    }
}

fn range(first: u64, last: u64) -> OffsetRange {
    OffsetRange { first: Offset(first), last: Offset(last) }
}

fn lease(consumer: u64, until: u64) -> Lease {
    Lease { consumer: consumer_of(consumer), until: Monotonic(until) }
}

fn consumer_of(source: u64) -> Consumer {
    Consumer { source: Source(source), number: ConsumerNumber(0) }
}

/// A machine with a subscription that may hand out everything, and the ledger over it.
struct World {
    machine: Machine,
    index: u64,
    ledger: Ledger,
}

impl World {
    fn new(attempts_max: u16) -> World {
        let ledger = Ledger::new(LogIndex(0), rules(attempts_max));
        let mut world = World { machine: Machine::new(ShardId(0)), index: 5, ledger };
        world.apply(Command::SetMachineVersion { version: MACHINE_VERSION_SUBSCRIPTIONS });
        world.apply(Command::OpenPartition(OpenPartition {
            catalogue_version: 1,
            partition: PartitionId(1),
            topic: TopicId([1; 16]),
            number: 0,
            settings: PartitionSettings {
                retention_ms: None,
                retention_bytes: None,
                message_bytes_max: 1,
                timestamp_type: TimestampType::Create,
                compaction: None,
                queue: None,
            },
            base_epoch: LeaderEpoch(0),
        }));
        world.apply(Command::OpenSubscription { subscription: key(), at: StartAt::Earliest, anew: false });
        let since = world.progress().since;
        let up_to = END;
        let deliver = DeliveredUpTo { subscription: key(), since, up_to, attempts_max: Attempts(2) };
        world.apply(Command::DeliveredUpTo(deliver));
        world.ledger = Ledger::new(since, rules(attempts_max));
        world
    }

    fn apply(&mut self, command: Command) {
        self.index += 1;
        let meta = Meta { index: LogIndex(self.index), term: Term(1), time: LogTime(1) };
        let outcome = self.machine.apply(meta, command, &mut Effects::default());
        assert_eq!(outcome, Ok(if self.index == 7 { Outcome::Opened } else { Outcome::Done }));
    }

    fn progress(&self) -> &Progress {
        self.machine.subscriptions().get(&key()).expect("it is there")
    }

    fn hand_out(&mut self, wanted: OffsetRange, records: u64, lease: Lease) -> Vec<(u64, u64, u16)> {
        let progress = self.machine.subscriptions().get(&key()).expect("it is there");
        let out = self.ledger.hand_out(progress, wanted, &[], records, lease);
        out.deliveries.iter().map(|d| (d.range.first.0, d.range.last.0, d.attempt.0)).collect()
    }

    /// Ends deliveries as a leader does: on their way, applied, known.
    fn settle(&mut self, wanted: OffsetRange, how: Settlement) -> Vec<Settlement> {
        let ended = self.ledger.end(wanted, how);
        let settled = ended.iter().map(|(range, how)| Settled { range: *range, how: *how }).collect();
        let since = self.progress().since;
        self.apply(Command::Settle(Settle { subscription: key(), since, settled }));
        ended.iter().for_each(|(range, _)| self.ledger.ended(*range));
        let progress = self.machine.subscriptions().get(&key()).expect("it is there");
        self.ledger.forget_before(progress.cursor());
        ended.into_iter().map(|(_, how)| how).collect()
    }

    fn first_free(&mut self, hole_max: u64) -> Option<OffsetRange> {
        let progress = self.machine.subscriptions().get(&key()).expect("it is there");
        self.ledger.first_free(progress, END, hole_max)
    }
}

fn key() -> SubscriptionKey {
    SubscriptionKey { partition: PartitionId(1), name: GroupId("s".into()) }
}

const RELEASE: Settlement = Settlement::Release { counts: true };

#[test]
fn what_is_held_or_settled_is_not_free() {
    let mut world = World::new(3);
    assert_eq!(world.hand_out(range(0, 59), 10, lease(1, 5)), [(0, 9, 1)]);
    assert_eq!(world.first_free(0), Some(range(10, 59)));
    assert_eq!(world.hand_out(range(0, 19), 99, lease(2, 9)), [(10, 19, 1)]);
    world.settle(range(3, 4), Settlement::Accept);
    world.settle(range(6, 7), RELEASE);
    assert_eq!(world.first_free(0), Some(range(6, 7)), "the next is far");
    assert_eq!(world.first_free(13), Some(range(6, 59)), "or is not");
    assert_eq!(world.hand_out(range(0, 25), 99, lease(3, 9)), [(6, 7, 2), (20, 25, 1)]);
    let overdue = world.ledger.overdue(Monotonic(5));
    assert_eq!(overdue, [range(0, 2), range(5, 5), range(8, 9)]);
    assert_eq!(world.ledger.next_end(), Some(Monotonic(5)));
}

#[test]
fn the_last_delivery_that_nobody_accepts_gives_the_record_up() {
    let mut world = World::new(3);
    for attempt in 1..=3 {
        assert_eq!(world.hand_out(range(0, 0), 9, lease(1, 5)), [(0, 0, attempt)]);
        let how = world.settle(range(0, 0), RELEASE);
        assert_eq!(how, [if attempt < 3 { RELEASE } else { Settlement::Reject }]);
    }
    assert_eq!(world.first_free(0), Some(range(1, 59)));
}

#[test]
fn what_nobody_may_see_is_passed_over() {
    let mut world = World::new(3);
    let progress = world.machine.subscriptions().get(&key()).expect("it is there");
    let skipped = [range(2, 3), range(7, 7), range(50, 80)];
    let out = world.ledger.hand_out(progress, range(0, 9), &skipped, 99, lease(1, 5));
    let deliveries: Vec<_> = out.deliveries.iter().map(|delivery| delivery.range).collect();
    assert_eq!(deliveries, [range(0, 1), range(4, 6), range(8, 9)]);
    assert_eq!(out.skipped, [range(2, 3), range(7, 7)]);
    assert_eq!(world.first_free(0), Some(range(10, 59)));
    let progress = world.machine.subscriptions().get(&key()).expect("it is there");
    assert!(world.ledger.check(progress, consumer_of(1), range(2, 2)).is_err());
}

#[test]
fn what_is_handed_out_in_vain_again_and_again_comes_few_at_a_time_and_alone_at_last() {
    let mut world = World::new(6);
    for attempt in 1..=3 {
        assert_eq!(world.hand_out(range(0, 20), 8, lease(1, 5)), [(0, 7, attempt)]);
        world.settle(range(0, 7), RELEASE);
    }
    assert_eq!(world.hand_out(range(0, 20), 99, lease(1, 5)), [(0, 3, 4)], "half of them");
    assert_eq!(world.hand_out(range(0, 20), 99, lease(2, 5)), [(4, 5, 4)]);
    world.settle(range(0, 3), RELEASE);
    assert_eq!(world.hand_out(range(0, 20), 99, lease(1, 5)), [(0, 0, 5)], "a quarter of those");
    world.settle(range(0, 0), RELEASE);
    assert_eq!(world.hand_out(range(0, 20), 99, lease(1, 5)), [(0, 0, 6)], "for the last time");
    assert_eq!(world.settle(range(0, 0), RELEASE), [Settlement::Reject]);
}

#[test]
fn what_was_handed_out_in_vain_again_and_again_does_not_come_with_others() {
    let mut world = World::new(6);
    for attempt in 1..=5 {
        assert_eq!(world.hand_out(range(5, 5), 1, lease(1, 5)), [(5, 5, attempt)]);
        world.settle(range(5, 5), RELEASE);
    }
    assert_eq!(world.hand_out(range(0, 20), 99, lease(1, 5)), [(0, 4, 1)]);
    assert_eq!(world.hand_out(range(0, 20), 99, lease(1, 5)), [(5, 5, 6)]);
    assert_eq!(world.hand_out(range(0, 20), 99, lease(1, 5)), [(6, 20, 1)]);
}

#[test]
fn the_mark_is_a_step_ahead_of_what_is_out_and_no_further_than_the_span() {
    let mut world = World::new(6);
    let ahead = |world: &World| world.ledger.mark_ahead(world.progress(), 100, 0).0;
    assert_eq!(ahead(&world), 100);
    world.hand_out(range(0, 29), 99, lease(1, 5));
    assert_eq!(ahead(&world), 130);
    world.ledger.nothing_free_before(Offset(950));
    assert_eq!(ahead(&world), 1_000);
    world.settle(range(0, 9), Settlement::Accept);
    assert_eq!(ahead(&world), 1_010);
    assert_eq!(world.ledger.step(5), 30, "as much as the largest receive");
    assert_eq!(world.ledger.step(500), 500, "or as this one");
    assert_eq!(world.ledger.step(5_000), 1_000, "but no more than the span");
}

/// Numbers as good as random.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn range(&mut self, len: u64) -> OffsetRange {
        let first = self.below(END.0);
        range(first, (first + self.below(len)).min(END.0 - 1))
    }
}

/// A naive picture: who has each record, and which are settled.
#[derive(Default)]
struct Model {
    holders: BTreeMap<u64, u64>,
    settled: BTreeSet<u64>,
}

impl Model {
    fn hand_out(&mut self, world: &mut World, draw: &mut Draw) {
        let (consumer, wanted, records) = (draw.below(3), draw.range(20), 1 + draw.below(14));
        let mut count = 0;
        for (first, last, attempt) in world.hand_out(wanted, records, lease(consumer, 5)) {
            assert!((1..=2).contains(&attempt));
            for offset in first..=last {
                assert!(wanted.first.0 <= offset && offset <= wanted.last.0);
                assert!(!self.settled.contains(&offset));
                assert_eq!(self.holders.insert(offset, consumer), None);
                count += 1;
            }
        }
        let is_free = |offset: &u64| !self.settled.contains(offset) && !self.holders.contains_key(offset);
        let free = (wanted.first.0..=wanted.last.0).filter(is_free).count();
        assert!(count == records || free == 0, "{count} of {records}, {free} free");
    }

    fn settle(&mut self, world: &mut World, draw: &mut Draw) {
        let hows = [Settlement::Accept, RELEASE, Settlement::Release { counts: false }, Settlement::Reject];
        let (consumer, wanted, how) = (draw.below(3), draw.range(6), hows[draw.below(4) as usize]);
        let progress = world.progress();
        let cursor = progress.cursor().0;
        let may = world.ledger.check(progress, consumer_of(consumer), wanted).is_ok();
        let mut left = wanted.first.0.max(cursor)..=wanted.last.0;
        assert_eq!(may, left.all(|offset| self.holders.get(&offset) == Some(&consumer)), "{wanted:?}");
        if may {
            world.settle(wanted, how);
            self.holders.retain(|offset, _| !(wanted.first.0..=wanted.last.0).contains(offset));
            let is_settled = |offset: &u64| world.progress().state(Offset(*offset)) == RecordState::Settled;
            self.settled.extend((wanted.first.0..=wanted.last.0).filter(is_settled));
        }
    }

    fn lose(&mut self, world: &mut World, draw: &mut Draw) {
        let consumer = draw.below(3);
        for lost in world.ledger.of_consumer(consumer_of(consumer)) {
            world.settle(lost, Settlement::Release { counts: false });
            for offset in lost.first.0..=lost.last.0 {
                assert_eq!(self.holders.remove(&offset), Some(consumer));
            }
        }
        assert!(self.holders.values().all(|holder| *holder != consumer));
    }
}

#[test]
fn a_record_has_one_consumer_at_a_time_who_alone_settles_it() {
    for seed in 0..200 {
        let (mut world, mut model, mut draw) = (World::new(2), Model::default(), Draw(seed));
        for _ in 0..60 {
            match draw.below(8) {
                0..3 => model.hand_out(&mut world, &mut draw),
                3..7 => model.settle(&mut world, &mut draw),
                _ => model.lose(&mut world, &mut draw),
            }
        }
    }
}

//! Shared subscriptions of one shard: who gets what, how often, and what becomes of it over leases, consumers and kills.

use std::time::Duration;

use bytes::Bytes;
use forebay_machine::{Command, Instance, JoinTransaction, Next, OpenProducer, SubscriptionKey};
use forebay_model::fetch::Isolation;
use forebay_model::group::{GroupRequest, JoinGroup, Strategy};
use forebay_model::publish::{Confirm, PayloadKind};
use forebay_model::subscription::{
    ConsumerNumber, DeliveryRules, OffsetRange, ReceiveForm, ReceivedRecords, Settlement, StartAt,
    SubscriptionView, Verdict,
};
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{
    Attempts, BatchSequence, GroupId, LeaderEpoch, Offset, PartitionId, ProducerId, Refusal, Timestamp,
    TopicId,
};
use forebay_record::batch::{BatchBuilder, Batches, Codec, NewRecord, Producer, Records};
use forebay_shard::{
    Answer, Append, Consumer, Read, ReceiveItemWork, ReceiveWork, SettleItemWork, SettleWork, SharingAnswer,
    SharingWork, Source, SubscriptionWork, TransactionAnswer, TransactionWork, Work,
};

use crate::world::{BEGAN_MS, FAR, World, config, settings};

const LEASE: Duration = Duration::from_secs(30);
const ACCEPT: Verdict = Verdict::End(Settlement::Accept);
const RELEASE: Verdict = Verdict::End(Settlement::Release { counts: true });
const REJECT: Verdict = Verdict::End(Settlement::Reject);

fn rules() -> DeliveryRules {
    DeliveryRules {
        lease_ms: 30_000,
        attempts_max: Attempts(5),
        span_max: 100,
        begin: StartAt::Earliest,
        isolation: Isolation::Uncommitted,
    }
}

/// What a consumer wants.
#[derive(Clone)]
struct Wish {
    consumer: u64,
    partitions: Vec<u64>,
    records_max: u64,
    whole_batches: bool,
    wait: Duration,
    rules: DeliveryRules,
}

fn wish(consumer: u64) -> Wish {
    Wish {
        consumer,
        partitions: vec![1],
        records_max: 500,
        whole_batches: true,
        wait: Duration::ZERO,
        rules: rules(),
    }
}

fn consumer(number: u64) -> Consumer {
    Consumer { source: Source(number), number: ConsumerNumber(0) }
}

fn name() -> GroupId {
    GroupId("jobs".into())
}

fn ranges(pairs: &[(u64, u64)], verdict: Verdict) -> Vec<(OffsetRange, Verdict)> {
    let range = |(first, last): &(u64, u64)| OffsetRange { first: Offset(*first), last: Offset(*last) };
    pairs.iter().map(|pair| (range(pair), verdict)).collect()
}

/// First and last offset, and which attempt it is.
fn deliveries(received: &ReceivedRecords) -> Vec<(u64, u64, u16)> {
    let one = |d: &forebay_model::subscription::Delivery| (d.range.first.0, d.range.last.0, d.attempt.0);
    received.deliveries.iter().map(one).collect()
}

/// A batch of so many records.
fn records(count: usize, bytes: usize) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 8 << 20);
    for _ in 0..count {
        let value = Some(Bytes::from(vec![b'v'; bytes]));
        builder.push(&NewRecord { timestamp: Timestamp(1), value, ..NewRecord::default() }).unwrap();
    }
    builder.build().unwrap()
}

/// A batch of records with these timestamps.
fn dated(times: &[i64]) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
    for time in times {
        let value = Some(Bytes::from_static(b"v"));
        builder.push(&NewRecord { timestamp: Timestamp(*time), value, ..NewRecord::default() }).unwrap();
    }
    builder.build().unwrap()
}

impl World {
    /// Posts a receive.
    fn ask(&mut self, wish: &Wish) -> u64 {
        let ticket = self.ticket();
        let item = |id: &u64| ReceiveItemWork { partition: PartitionId(*id), topic: TopicId([1; 16]) };
        self.read(Read::Receive(ReceiveWork {
            ticket,
            number: ticket,
            subscription: name(),
            consumer: consumer(wish.consumer),
            items: wish.partitions.iter().map(item).collect(),
            records_max: wish.records_max,
            whole_batches: wish.whole_batches,
            form: ReceiveForm::Records,
            bytes_min: 1,
            bytes_max: 1 << 20,
            deadline: self.now() + wish.wait,
            rules: wish.rules,
        }));
        ticket
    }

    fn received(&self, ticket: u64) -> Option<ReceivedRecords> {
        match self.answer(ticket)? {
            Answer::Received(mut received) => Some(received.remove(0).expect("it can be received")),
            other => panic!("a receive was answered with {other:?}"),
        }
    }

    /// What a consumer gets within a second, which is long enough to begin.
    fn receive(&mut self, wish: &Wish) -> Vec<(u64, u64, u16)> {
        let ticket = self.ask(&Wish { wait: Duration::from_secs(1), ..wish.clone() });
        self.settle();
        if let Some(received) = self.received(ticket) {
            return deliveries(&received);
        }
        self.pass(Duration::from_secs(1));
        deliveries(&self.received(ticket).expect("its time is up"))
    }

    fn verdicts(&mut self, of: u64, verdicts: Vec<(OffsetRange, Verdict)>) -> Result<(), Refusal> {
        let ticket = self.ask_to_settle(of, verdicts);
        self.settle();
        self.settled(ticket).expect("it is answered")
    }

    fn ask_to_settle(&mut self, of: u64, verdicts: Vec<(OffsetRange, Verdict)>) -> u64 {
        let ticket = self.ticket();
        let settle = SettleWork {
            ticket,
            subscription: name(),
            consumer: consumer(of),
            items: vec![SettleItemWork { partition: PartitionId(1), verdicts }],
        };
        self.post(of, 0, Work::Settle(settle));
        ticket
    }

    fn settled(&self, ticket: u64) -> Option<Result<(), Refusal>> {
        match self.answer(ticket)? {
            Answer::Settled(mut settled) => Some(settled.remove(0)),
            other => panic!("a settlement was answered with {other:?}"),
        }
    }

    fn administer(&mut self, work: SubscriptionWork) -> Vec<Result<Option<SubscriptionView>, Refusal>> {
        let ticket = self.ticket();
        self.post(99, 0, Work::Subscriptions(ticket, work));
        self.settle();
        match self.answer(ticket) {
            Some(Answer::Subscriptions(Ok(states))) => states.into_iter().map(|state| state.view).collect(),
            other => panic!("{other:?}"),
        }
    }

    fn cursor(&mut self) -> u64 {
        let described = self.administer(SubscriptionWork::Describe(name(), Some(vec![PartitionId(1)])));
        described[0].clone().expect("it can be described").expect("it is there").cursor.0
    }

    fn fill(&mut self, batches: &[usize]) {
        for count in batches {
            self.publish(50, 1, records(*count, 10));
            self.settle();
        }
    }
}

fn world(batches: &[usize]) -> World {
    let mut world = World::new();
    world.open_partitions([1], settings());
    world.fill(batches);
    world
}

#[test]
fn a_record_goes_to_one_consumer_and_never_again_once_accepted() {
    let mut world = world(&[3, 3, 4]);
    assert_eq!(world.receive(&Wish { records_max: 4, ..wish(1) }), [(0, 5, 1)], "whole batches");
    assert_eq!(world.receive(&wish(2)), [(6, 9, 1)], "the rest");
    assert_eq!(world.receive(&wish(3)), []);
    assert_eq!(world.verdicts(1, ranges(&[(0, 1), (3, 5)], ACCEPT)), Ok(()));
    assert_eq!(world.cursor(), 2);
    assert_eq!(world.verdicts(2, ranges(&[(6, 9)], ACCEPT)), Ok(()));
    assert_eq!(world.verdicts(1, ranges(&[(2, 2)], RELEASE)), Ok(()));
    assert_eq!(world.receive(&wish(3)), [(2, 2, 2)], "what was released comes again");
    assert_eq!(world.verdicts(3, ranges(&[(2, 2)], ACCEPT)), Ok(()));
    assert_eq!((world.receive(&wish(1)), world.cursor()), (vec![], 10));
}

#[test]
fn a_consumer_that_wants_no_more_gets_no_more() {
    let mut world = world(&[10, 10]);
    let exact = |consumer, records_max| Wish { records_max, whole_batches: false, ..wish(consumer) };
    assert_eq!(world.receive(&exact(1, 4)), [(0, 3, 1)]);
    assert_eq!(world.receive(&exact(2, 8)), [(4, 11, 1)]);
    assert_eq!(world.receive(&exact(3, 100)), [(12, 15, 1)], "up to the mark");
    assert_eq!(world.receive(&exact(3, 100)), [(16, 19, 1)]);
}

#[test]
fn the_batches_come_whole_and_stamped() {
    let mut world = world(&[2, 3]);
    world.verdicts(9, Vec::new()).expect_err("nobody has read yet");
    let first = Wish { records_max: 1, whole_batches: false, wait: Duration::from_secs(1), ..wish(1) };
    assert_eq!(world.receive(&first), [(0, 0, 1)]);
    let ticket = world.ask(&Wish { wait: Duration::from_secs(1), ..wish(2) });
    world.settle();
    let received = world.received(ticket).expect("there is more");
    assert_eq!(deliveries(&received), [(1, 4, 1)]);
    let mut offsets = Vec::new();
    for one in Batches::new(received.records.concat().into()) {
        let records = Records::open(&one.expect("whole"), 1 << 20).expect("whole");
        offsets.extend(records.map(|record| record.expect("whole").offset.0));
    }
    assert_eq!(offsets, [0, 1, 2, 3, 4], "also the record that somebody else has");
}

#[test]
fn only_who_has_a_record_settles_it() {
    let mut world = world(&[6]);
    assert_eq!(world.receive(&Wish { records_max: 3, whole_batches: false, ..wish(1) }), [(0, 2, 1)]);
    assert_eq!(world.verdicts(2, ranges(&[(0, 0)], ACCEPT)), Err(Refusal::NotHeld), "not its own");
    assert_eq!(world.verdicts(1, ranges(&[(0, 4)], ACCEPT)), Err(Refusal::NotHeld), "more than it has");
    let crossed = ranges(&[(2, 2), (0, 1)], ACCEPT);
    assert!(matches!(world.verdicts(1, crossed), Err(Refusal::InvalidRequest(_))));
    assert_eq!(world.verdicts(1, ranges(&[(0, 2)], REJECT)), Ok(()));
    assert_eq!(world.verdicts(1, ranges(&[(0, 2)], ACCEPT)), Ok(()), "what is settled stays as it is");
    assert_eq!(world.cursor(), 3);
}

#[test]
fn a_settlement_is_answered_when_it_is_durable() {
    let mut world = world(&[2]);
    assert_eq!(world.receive(&wish(1)), [(0, 1, 1)]);
    let ticket = world.ask_to_settle(1, ranges(&[(0, 1)], ACCEPT));
    world.settle_with(|_| false);
    assert_eq!(world.settled(ticket), None, "nothing was flushed");
    let twice = world.ask_to_settle(1, ranges(&[(0, 1)], RELEASE));
    world.settle_with(|_| false);
    assert_eq!(world.settled(twice), Some(Err(Refusal::NotHeld)), "it is on its way");
    world.settle();
    assert_eq!(world.settled(ticket), Some(Ok(())));
}

#[test]
fn who_has_what_is_in_the_way_does_not_wait_for_others() {
    let long = |consumer| Wish { wait: Duration::from_secs(5), ..wish(consumer) };
    let mut world = world(&[100, 10]);
    assert_eq!(world.receive(&wish(1)), [(0, 99, 1)], "as much as may be out");
    let (its, other) = (world.ask(&long(1)), world.ask(&long(2)));
    world.settle();
    world.pass(Duration::from_millis(4));
    assert!(world.received(its).is_none(), "records may become free at any moment");
    world.pass(Duration::from_millis(1));
    let told = world.received(its).expect("perhaps it settles when it is answered");
    assert_eq!(deliveries(&told), []);
    world.pass(Duration::from_millis(95));
    let again = world.ask(&long(1));
    world.settle();
    world.pass(Duration::from_millis(99));
    assert!(world.received(again).is_none(), "its work takes longer than that");
    world.pass(Duration::from_millis(2));
    assert!(world.received(again).is_some());
    assert!(world.received(other).is_none(), "it has nothing to settle");
    assert_eq!(world.verdicts(1, ranges(&[(0, 99)], ACCEPT)), Ok(()));
    let received = world.received(other).expect("they are free now");
    assert_eq!(deliveries(&received), [(100, 109, 1)]);
}

#[test]
fn who_has_records_waits_for_what_comes_like_everybody() {
    let mut world = world(&[10]);
    assert_eq!(world.receive(&wish(1)), [(0, 9, 1)], "all there is");
    let ticket = world.ask(&Wish { wait: Duration::from_secs(5), ..wish(1) });
    world.settle();
    world.pass(Duration::from_secs(4));
    assert!(world.received(ticket).is_none(), "nothing that it has is in the way of more");
    world.fill(&[1]);
    assert_eq!(deliveries(&world.received(ticket).expect("more came")), [(10, 10, 1)]);
}

#[test]
fn a_lease_ends_and_a_renewed_one_later() {
    let mut world = world(&[4]);
    assert_eq!(world.receive(&wish(1)), [(0, 3, 1)]);
    world.pass(LEASE - Duration::from_secs(5));
    assert_eq!(world.verdicts(1, ranges(&[(2, 3)], Verdict::Renew)), Ok(()));
    world.pass(Duration::from_secs(6));
    assert_eq!(world.receive(&wish(2)), [(0, 1, 2)]);
    assert_eq!(world.verdicts(1, ranges(&[(0, 0)], ACCEPT)), Err(Refusal::NotHeld), "it was too late");
    assert_eq!(world.verdicts(1, ranges(&[(2, 2)], ACCEPT)), Ok(()), "it was renewed");
    world.pass(LEASE);
    assert_eq!(world.receive(&wish(3)), [(0, 1, 3), (3, 3, 2)]);
}

#[test]
fn a_record_is_given_up_after_its_last_attempt() {
    let mut world = world(&[1]);
    for attempt in 1..=5 {
        assert_eq!(world.receive(&wish(1)), [(0, 0, attempt)]);
        match attempt {
            // Released by hand, or because the lease ended: both count.
            1..=3 => assert_eq!(world.verdicts(1, ranges(&[(0, 0)], RELEASE)), Ok(())),
            _ => world.pass(LEASE + Duration::from_secs(1)),
        }
    }
    assert_eq!(world.receive(&wish(1)), []);
    assert_eq!(world.cursor(), 1);
    assert_eq!(world.metrics.records_given_up.value(), 1);
}

#[test]
fn what_a_consumer_had_goes_back_with_it() {
    let mut world = world(&[4]);
    assert_eq!(world.receive(&wish(1)), [(0, 3, 1)]);
    assert_eq!(world.verdicts(1, ranges(&[(1, 1)], ACCEPT)), Ok(()));
    let ticket = world.ticket();
    world.post(1, 0, Work::EndConsumer(ticket, consumer(1)));
    world.settle();
    assert!(matches!(world.answer(ticket), Some(Answer::ConsumerEnded)));
    assert_eq!(world.receive(&wish(2)), [(0, 0, 2), (2, 3, 2)]);
    let unseen = Verdict::End(Settlement::Release { counts: false });
    assert_eq!(world.verdicts(2, ranges(&[(3, 3)], unseen)), Ok(()));
    assert_eq!(world.receive(&wish(3)), [(3, 3, 2)], "what is given back unseen counts as no attempt");
    world.post(2, 0, Work::EndSource(Source(2)));
    world.settle();
    assert_eq!(world.receive(&wish(3)), [(0, 0, 3), (2, 2, 3)]);
}

#[test]
fn receivers_wait_for_records_for_releases_and_for_leases() {
    let mut world = world(&[]);
    let patient = |consumer| Wish { wait: FAR, ..wish(consumer) };
    let first = world.ask(&patient(1));
    world.settle();
    assert!(world.received(first).is_none(), "there is nothing");
    world.fill(&[2]);
    assert_eq!(deliveries(&world.received(first).expect("an append wakes it")), [(0, 1, 1)]);
    let second = world.ask(&patient(2));
    world.settle();
    assert!(world.received(second).is_none(), "somebody has it");
    assert_eq!(world.verdicts(1, ranges(&[(1, 1)], RELEASE)), Ok(()));
    assert_eq!(deliveries(&world.received(second).expect("a release wakes it")), [(1, 1, 2)]);
    let third = world.ask(&patient(3));
    world.pass(LEASE - Duration::from_secs(1));
    assert!(world.received(third).is_none(), "its lease lasts");
    world.pass(Duration::from_secs(1));
    let both = [(0, 0, 2), (1, 1, 3)];
    assert_eq!(deliveries(&world.received(third).expect("the end of a lease wakes it")), both);
    let fourth = world.ask(&patient(4));
    world.settle();
    world.read(Read::EndFetch(fourth));
    world.settle();
    assert_eq!(deliveries(&world.received(fourth).expect("it was ended")), []);
}

#[test]
fn no_more_is_handed_out_than_may_lie_between_cursor_and_end() {
    let mut world = world(&[60, 60, 60]);
    let few = Wish { rules: DeliveryRules { span_max: 100, ..rules() }, whole_batches: false, ..wish(1) };
    assert_eq!(
        world.receive(&few),
        [(0, 99, 1)],
        "who does not want them whole has them cut where the span ends"
    );
    assert_eq!(world.receive(&few), []);
    assert_eq!(world.verdicts(1, ranges(&[(50, 99)], ACCEPT)), Ok(()));
    assert_eq!(world.receive(&few), [], "the oldest holds them up");
    assert_eq!(world.verdicts(1, ranges(&[(0, 9)], ACCEPT)), Ok(()));
    assert_eq!(world.receive(&few), [(100, 109, 1)]);
}

#[test]
fn after_a_kill_what_was_accepted_stays_away_and_what_was_out_comes_again() {
    let mut world = world(&[4]);
    assert_eq!(world.receive(&wish(1)), [(0, 3, 1)]);
    assert_eq!(world.verdicts(1, ranges(&[(0, 1)], ACCEPT)), Ok(()));
    world.restart();
    assert_eq!(world.verdicts(1, ranges(&[(2, 2)], ACCEPT)), Err(Refusal::NotHeld), "the lease is gone");
    world.fill(&[2]);
    assert_eq!(world.receive(&wish(2)), [(2, 3, 2), (4, 5, 1)], "what came since was out at nobody");
    for _ in 0..8 {
        world.restart();
        assert!(!world.receive(&wish(2)).is_empty(), "nothing is given up for kills alone");
    }
    world.restart();
    for offset in 2..6 {
        assert_eq!(world.receive(&wish(2)), [(offset, offset, 5)], "each comes alone for the last time");
    }
    assert_eq!(world.receive(&wish(2)), []);
    assert_eq!(world.verdicts(2, ranges(&[(2, 5)], RELEASE)), Ok(()));
    assert_eq!((world.receive(&wish(3)), world.cursor()), (vec![], 6), "that was the last attempt");
}

#[test]
fn a_kill_counts_for_what_may_have_been_out_and_not_for_all_that_is_there() {
    let mut world = world(&[90]);
    let few = Wish { records_max: 10, whole_batches: false, ..wish(1) };
    assert_eq!(world.receive(&few), [(0, 9, 1)]);
    world.restart();
    let received = world.receive(&wish(2));
    let [(0, tried, 2), (fresh, 89, 1)] = received[..] else { panic!("{received:?}") };
    assert_eq!(tried + 1, fresh);
    assert!((9..40).contains(&tried), "{tried}: little more than what was out");
}

#[test]
fn a_subscription_begins_where_it_is_told() {
    let mut world = world(&[5]);
    let latest = Wish { rules: DeliveryRules { begin: StartAt::Latest, ..rules() }, ..wish(1) };
    assert_eq!(world.receive(&latest), []);
    world.fill(&[2]);
    assert_eq!(world.receive(&latest), [(5, 6, 1)]);
    assert_eq!(world.cursor(), 5);
}

#[test]
fn a_subscription_begins_with_the_first_record_that_is_young_enough() {
    let mut world = world(&[5]);
    let begin = |number, ms| {
        let rules = DeliveryRules { begin: StartAt::NoOlderThan { ms }, ..rules() };
        Wish { rules, ..wish(number) }
    };
    // Where all are older, it is the next one, whatever it is dated.
    assert_eq!(world.receive(&begin(1, 60_000)), []);
    world.fill(&[2]);
    assert_eq!(world.receive(&begin(1, 60_000)), [(5, 6, 1)]);
    assert_eq!(world.administer(SubscriptionWork::Drop(name(), None)), [Ok(None)]);
    // In the middle of a batch, in which older ones lie behind younger ones too.
    let now = BEGAN_MS + 60_000;
    world.pass(Duration::from_secs(60).saturating_sub(Duration::from_nanos(world.now().0)));
    world.publish(50, 1, dated(&[now - 5_000, now - 3_000, now - 9_000, now]));
    world.settle();
    assert_eq!(world.receive(&begin(2, 3_500)), [(8, 10, 1)]);
    assert_eq!(world.cursor(), 8);
    assert_eq!(world.administer(SubscriptionWork::Drop(name(), None)), [Ok(None)]);
    assert_eq!(world.receive(&begin(3, u64::MAX)), [(0, 10, 1)], "nothing is as old as that");
}

#[test]
fn a_subscription_is_set_back_and_forgotten() {
    let mut world = world(&[5]);
    assert_eq!(world.receive(&wish(1)), [(0, 4, 1)]);
    let key = SubscriptionKey { partition: PartitionId(1), name: name() };
    let reset = SubscriptionWork::Reset(vec![(key, StartAt::Offset(Offset(2)))]);
    let view = |unsettled| {
        let leader_epoch = LeaderEpoch(0);
        [Ok(Some(SubscriptionView { cursor: Offset(2), unsettled, leader_epoch }))]
    };
    assert_eq!(world.administer(reset), view(3));
    assert_eq!(world.verdicts(1, ranges(&[(3, 3)], ACCEPT)), Err(Refusal::NotHeld), "it was set back");
    assert_eq!(world.receive(&wish(2)), [(2, 4, 1)]);
    assert_eq!(world.verdicts(2, ranges(&[(3, 3)], ACCEPT)), Ok(()));
    assert_eq!(world.administer(SubscriptionWork::Describe(name(), None)), view(2));
    assert_eq!(world.administer(SubscriptionWork::Drop(name(), None)), [Ok(None)]);
    assert_eq!(world.administer(SubscriptionWork::Describe(name(), None)), []);
    assert_eq!(world.receive(&wish(3)), [(0, 4, 1)]);
}

#[test]
fn a_group_of_another_kind_shares_nothing_also_before_it_is_in_the_log() {
    let mut world = world(&[]);
    let strategy = Strategy { name: "range".into(), metadata: Bytes::new() };
    let join = JoinGroup {
        group: GroupId("classic".into()),
        member: String::new(),
        instance: None,
        client: "c".into(),
        host: "h".into(),
        kind: "consumer".into(),
        strategies: vec![strategy],
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        id_first: true,
        reason: None,
        may_skip_assignment: false,
        dialect: None,
    };
    let ticket = world.ticket();
    world.post(1, 0, Work::Group(ticket, GroupRequest::Join(join)));
    world.settle();
    let mut found = |group: &str| {
        let ticket = world.ticket();
        world.post(2, 0, Work::Sharing(ticket, SharingWork::Found(GroupId(group.into()))));
        world.settle();
        match world.answer(ticket) {
            Some(Answer::Sharing(SharingAnswer::Members(members))) => members.map(|view| view.members.len()),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(found("classic"), Err(Refusal::UnknownGroup));
    assert_eq!(found("shared"), Ok(0));
}

#[test]
fn records_that_retention_takes_are_settled() {
    let mut world = world(&[5, 5]);
    assert_eq!(world.receive(&wish(1)), [(0, 9, 1)]);
    let trim = Command::Trim { partition: PartitionId(1), start: Offset(7), bytes: 0 };
    world.propose(vec![trim]);
    world.settle();
    assert_eq!(world.cursor(), 7);
    assert_eq!(world.verdicts(1, ranges(&[(4, 8)], ACCEPT)), Ok(()), "what is gone is settled already");
    assert_eq!(world.cursor(), 9);
}

#[test]
fn what_compaction_took_is_in_nobodys_way() {
    let mut world = crate::compaction::filled();
    world.compact_for(Duration::from_secs(300));
    world.restart();
    let left: Vec<u64> = world.read_on(1, 0).iter().map(|(offset, ..)| *offset).collect();
    assert!(left.len() < 150 && left[0] > 0, "{left:?}");
    let mut seen = Vec::new();
    while let got = world.receive(&wish(1))
        && !got.is_empty()
    {
        let pairs: Vec<_> = got.iter().map(|(first, last, _)| (*first, *last)).collect();
        seen.extend(pairs.iter().flat_map(|(first, last)| *first..=*last));
        world.verdicts(1, ranges(&pairs, ACCEPT)).unwrap();
    }
    assert_eq!(seen, left);
    assert_eq!(world.cursor(), world.end(1));
}

#[test]
fn records_are_received_from_files() {
    let mut small = config();
    small.hot_bytes_max = 16 << 10;
    let mut world = World::with(small);
    world.open_partitions([1], settings());
    for _ in 0..30 {
        world.publish(50, 1, records(2, 8 << 10));
        world.settle();
    }
    let mut seen = Vec::new();
    for consumer in 0..30 {
        let one = world.receive(&Wish { records_max: 4, ..wish(consumer % 3) });
        seen.extend(one.iter().flat_map(|(first, last, attempt)| {
            assert_eq!(*attempt, 1);
            *first..=*last
        }));
        if seen.len() == 60 {
            break;
        }
    }
    assert_eq!(seen, (0..60).collect::<Vec<u64>>());
    let two: Vec<u64> = [7, 8].map(|consumer| world.ask(&Wish { wait: FAR, ..wish(consumer) })).into();
    world.settle();
    assert!(two.iter().all(|ticket| world.received(*ticket).is_none()));
    world.post(0, 0, Work::EndSource(Source(0)));
    world.settle();
    assert!(two.iter().any(|ticket| world.received(*ticket).is_some()), "what went back is read again");
}

#[test]
fn a_consumer_that_ends_while_files_are_read_for_it_leaves_nothing_behind() {
    let mut small = config();
    small.hot_bytes_max = 1 << 10;
    let mut world = World::with(small);
    world.open_partitions([1], settings());
    world.fill(&[2]);
    world.publish(50, 1, records(2, 8 << 10));
    world.settle();
    assert_eq!(world.receive(&Wish { records_max: 1, ..wish(1) }), [(0, 1, 1)]);
    let ticket = world.ask(&Wish { wait: FAR, ..wish(2) });
    world.turn();
    world.post(2, 0, Work::EndSource(Source(2)));
    world.turn();
    world.settle();
    assert!(world.answer(ticket).is_some());
    assert_eq!(world.receive(&wish(3)), [(2, 3, 1)]);
}

fn transactional(instance: Instance, sequence: i32) -> Bytes {
    let (id, epoch) = instance;
    let producer = Producer { id, epoch, base_sequence: BatchSequence(sequence) };
    let mut builder = BatchBuilder::new(Codec::None, 1 << 20).producer(producer).transactional();
    let value = Some(Bytes::from_static(b"t"));
    builder.push(&NewRecord { timestamp: Timestamp(1), value, ..NewRecord::default() }).unwrap();
    builder.build().unwrap()
}

#[test]
fn marks_are_seen_by_nobody_and_aborted_records_by_those_who_ask_for_all() {
    let id = || TransactionalId("tx".into());
    let mut world = world(&[1]);
    let ask = |world: &mut World, work: TransactionWork| {
        let ticket = world.ticket();
        world.post(70, 0, Work::Transaction(ticket, work));
        world.settle();
        match world.answer(ticket) {
            Some(Answer::Transaction(answer)) => answer,
            other => panic!("{other:?}"),
        }
    };
    let open = OpenProducer { id: id(), timeout_ms: 60_000, present: None, spare: ProducerId(40) };
    let TransactionAnswer::Instance(Ok(instance)) = ask(&mut world, TransactionWork::Open(open)) else {
        panic!("not opened")
    };
    for (sequence, decision) in [(0, Decision::Abort), (1, Decision::Commit)] {
        let join = JoinTransaction {
            id: id(),
            instance,
            partitions: vec![PartitionId(1)],
            groups: Vec::new(),
            elsewhere: Vec::new(),
        };
        ask(&mut world, TransactionWork::Join(join));
        let (ticket, deadline) = (world.ticket(), world.now() + FAR);
        world.post(
            70,
            100,
            Work::Append(Append {
                ticket,
                partition: PartitionId(1),
                also: Vec::new(),
                kind: PayloadKind::RecordBatch,
                payload: transactional(instance, sequence),
                confirm: Confirm::Quorum,
                joining: Joining::Before,
                deadline,
                import: None,
            }),
        );
        world.settle();
        let committed = Wish {
            rules: DeliveryRules { isolation: Isolation::Committed, ..rules() },
            partitions: vec![1],
            ..wish(4)
        };
        if sequence == 0 {
            assert_eq!(world.receive(&committed), [(0, 0, 1)], "the transaction is open");
            assert_eq!(world.receive(&committed), []);
        }
        let end = TransactionWork::End { id: id(), instance, decision, next: Next::Same };
        ask(&mut world, end);
        if sequence == 1 {
            assert_eq!(world.receive(&committed), [(3, 3, 1)], "1 was aborted, 2 and 4 are marks");
            assert_eq!(world.receive(&committed), []);
            assert_eq!(world.verdicts(4, ranges(&[(0, 0), (3, 3)], ACCEPT)), Ok(()));
            assert_eq!(world.cursor(), 5);
        }
    }
    let key = SubscriptionKey { partition: PartitionId(1), name: name() };
    world.administer(SubscriptionWork::Reset(vec![(key, StartAt::Earliest)]));
    assert_eq!(world.receive(&wish(5)), [(0, 1, 1), (3, 3, 1)]);
}

#[test]
fn a_partition_that_goes_ends_its_receivers() {
    let mut world = world(&[]);
    let ticket = world.ask(&Wish { wait: FAR, ..wish(1) });
    world.settle();
    world.propose(vec![Command::DropPartition { catalogue_version: 2, partition: PartitionId(1) }]);
    world.settle();
    let Some(Answer::Received(received)) = world.answer(ticket) else { panic!("it is answered") };
    assert!(matches!(received[..], [Err(Refusal::UnknownPartition)]));
}

#[test]
fn batches_come_whole_and_the_last_one_beyond_the_span() {
    let mut world = world(&[60, 60, 60, 60]);
    let patient = |consumer| Wish { wait: Duration::from_secs(1), ..wish(consumer) };
    assert_eq!(world.receive(&patient(1)), [(0, 59, 1)], "the next one is cut by the mark");
    assert_eq!(world.receive(&patient(1)), [(60, 119, 1)], "100 may be out, and it begins before that");
    assert_eq!(world.receive(&wish(2)), [], "this one does not");
    assert_eq!(world.verdicts(1, ranges(&[(0, 59)], ACCEPT)), Ok(()));
    assert_eq!(world.receive(&patient(2)), [(120, 179, 1)]);
    // Who wants no more than it says gets a part of a batch, up to the span.
    assert_eq!(world.verdicts(1, ranges(&[(60, 119)], ACCEPT)), Ok(()));
    let exact = Wish { records_max: 7, whole_batches: false, ..patient(3) };
    assert_eq!(world.receive(&exact), [(180, 186, 1)]);
    assert_eq!(world.receive(&patient(2)), [(187, 239, 1)], "what is left of it");
}

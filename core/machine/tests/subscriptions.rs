//! Shared subscriptions against a naive model: a map from offsets to what a subscription has with them.

use std::collections::BTreeMap;

use forebay_machine::limits::SUBSCRIPTION_SPAN_MAX;
use forebay_machine::*;
use forebay_model::publish::PayloadKind;
use forebay_model::subscription::{OffsetRange, Settlement, StartAt};
use forebay_model::*;
use proptest::prelude::*;

const PARTITION: PartitionId = PartitionId(7);
const NAMES: [&str; 2] = ["a", "b"];

#[derive(Clone, Debug)]
enum Step {
    Append(u32),
    Open(usize, StartAt),
    Reset(usize, StartAt),
    Drop(usize),
    /// Ranges are counted from the cursor.
    Settle(usize, Vec<(u64, u64, Settlement)>),
    /// As somebody who does not know that it was set back.
    SettleLate(usize),
    /// So many behind the cursor, and never more attempts than these.
    Deliver(usize, u64, u16),
    Term,
    Trim(u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let name = || 0..NAMES.len();
    let at = || {
        prop_oneof![
            Just(StartAt::Earliest),
            Just(StartAt::Latest),
            (0..60u64).prop_map(|offset| StartAt::Offset(Offset(offset))),
        ]
    };
    let how = prop::sample::select(vec![
        Settlement::Accept,
        Settlement::Accept,
        Settlement::Release { counts: true },
        Settlement::Release { counts: true },
        Settlement::Release { counts: false },
        Settlement::Reject,
    ]);
    let settled = prop::collection::vec((0..25u64, 0..6u64, how), 0..5);
    prop_oneof![
        4 => (1..9u32).prop_map(Step::Append),
        2 => (name(), at()).prop_map(|(name, at)| Step::Open(name, at)),
        1 => (name(), at()).prop_map(|(name, at)| Step::Reset(name, at)),
        1 => name().prop_map(Step::Drop),
        12 => (name(), settled).prop_map(|(name, settled)| Step::Settle(name, settled)),
        1 => name().prop_map(Step::SettleLate),
        6 => (name(), 0..30u64, 0..4u16).prop_map(|(name, ahead, attempts)| Step::Deliver(name, ahead, attempts)),
        2 => Just(Step::Term),
        1 => (0..30u64).prop_map(Step::Trim),
        1 => Just(Step::Restart),
    ]
}

/// What a subscription has with each record, by offset.
#[derive(Clone)]
struct Model {
    since: LogIndex,
    /// From here on, to each offset: whether it is settled, and how often it was tried in vain.
    records: BTreeMap<u64, (bool, u16)>,
    delivered: u64,
    term: Term,
}

impl Model {
    fn new(since: LogIndex, term: Term, at: u64) -> Model {
        Model { since, records: (at..400).map(|offset| (offset, (false, 0))).collect(), delivered: at, term }
    }

    fn cursor(&self) -> u64 {
        self.records.iter().find(|(_, (settled, _))| !settled).map_or(400, |(offset, _)| *offset)
    }

    fn settle(&mut self, range: OffsetRange, how: Settlement) {
        let end = range.end().0.min(self.delivered);
        for (_, (settled, attempts)) in self.records.range_mut(range.first.0.min(end)..end) {
            match how {
                Settlement::Accept | Settlement::Reject => *settled = true,
                Settlement::Release { counts } => *attempts += u16::from(counts && !*settled),
            }
        }
    }

    fn deliver(&mut self, term: Term, up_to: u64, lost_end: u64, attempts_max: u16) {
        if term > self.term {
            for (_, (settled, attempts)) in self.records.range_mut(..self.delivered.min(lost_end)) {
                if !*settled && *attempts < attempts_max {
                    *attempts += 1;
                }
            }
        }
        self.term = term;
        self.delivered = self.delivered.max(up_to);
    }

    fn state(&self, offset: u64) -> RecordState {
        match self.records.get(&offset) {
            Some((false, attempts)) => RecordState::Open(Attempts(*attempts)),
            _ => RecordState::Settled,
        }
    }
}

struct World {
    machine: Machine,
    meta: Meta,
    start: u64,
    end: u64,
    /// Where the records of the present term begin, and of each term before.
    terms: BTreeMap<Term, u64>,
    models: BTreeMap<usize, Model>,
}

impl World {
    fn new() -> World {
        let meta = Meta { index: LogIndex(5), term: Term(1), time: LogTime(1_000) };
        let terms = BTreeMap::from([(Term(1), 0)]);
        let models = BTreeMap::new();
        let mut world = World { machine: Machine::new(ShardId(0)), meta, start: 0, end: 0, terms, models };
        world.apply(Command::SetMachineVersion { version: MACHINE_VERSION_SUBSCRIPTIONS });
        world.apply(Command::OpenPartition(OpenPartition {
            catalogue_version: 1,
            partition: PARTITION,
            topic: TopicId([1; 16]),
            number: 0,
            settings: PartitionSettings {
                retention_ms: None,
                retention_bytes: None,
                message_bytes_max: 1_000,
                timestamp_type: TimestampType::Create,
                compaction: None,
                queue: None,
            },
            base_epoch: LeaderEpoch(0),
        }));
        world
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.meta.index = self.meta.index.next();
        let bytes = encode_commands(std::slice::from_ref(&command));
        let command = decode_commands(&bytes).unwrap().remove(0);
        self.machine.apply(self.meta, command, &mut Effects::default()).unwrap()
    }

    fn key(name: usize) -> SubscriptionKey {
        SubscriptionKey { partition: PARTITION, name: GroupId(NAMES[name].into()) }
    }

    fn place(&self, at: StartAt) -> u64 {
        match at {
            StartAt::Earliest => self.start,
            StartAt::Latest => self.end,
            StartAt::Offset(Offset(offset)) => offset.clamp(self.start, self.end),
            StartAt::NoOlderThan { .. } => unreachable!("the machine looks into no records"),
        }
    }

    fn since(&self, name: usize) -> LogIndex {
        self.models.get(&name).map_or(LogIndex(1), |model| model.since)
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Append(count) => self.append(count),
            Step::Open(name, at) => self.begin(name, at, false),
            Step::Reset(name, at) => self.begin(name, at, true),
            Step::Drop(name) => {
                let dropped = self.apply(Command::DropSubscription { subscription: World::key(name) });
                let known = self.models.remove(&name).is_some();
                let unknown = Outcome::Refused(Refusal::UnknownSubscription);
                assert_eq!(dropped, if known { Outcome::Done } else { unknown });
            }
            Step::Settle(name, settled) => self.settle(name, &settled),
            Step::SettleLate(name) => {
                let range = OffsetRange { first: Offset(0), last: Offset(400) };
                let settled = vec![Settled { range, how: Settlement::Accept }];
                let since = LogIndex(self.since(name).0 - 1);
                let late = Command::Settle(Settle { subscription: World::key(name), since, settled });
                assert!(matches!(self.apply(late), Outcome::Refused(_)));
            }
            Step::Deliver(name, ahead, attempts_max) => self.deliver(name, ahead, attempts_max),
            Step::Term => {
                self.meta.term.0 += 1;
                self.terms.insert(self.meta.term, self.end);
            }
            Step::Trim(start) => self.trim(start),
            Step::Restart => {
                let checkpoint = self.machine.encode_checkpoint();
                self.machine = Machine::decode_checkpoint(&checkpoint).unwrap();
                assert_eq!(self.machine.encode_checkpoint(), checkpoint);
            }
        }
    }

    fn append(&mut self, count: u32) {
        self.apply(Command::Append(Append {
            targets: [(PARTITION, Which::All)].into(),
            slot: SlotNumber(1),
            kind: PayloadKind::RecordBatch,
            count,
            bytes: 100,
            max_timestamp: Timestamp(-1),
            append_time: None,
            producer: None,
            transaction: None,
            parts: Vec::new(),
            import: None,
        }));
        self.end += u64::from(count);
    }

    fn begin(&mut self, name: usize, at: StartAt, anew: bool) {
        let subscription = World::key(name);
        let place = self.place(at);
        let command = Command::OpenSubscription { subscription, at, anew };
        assert_eq!(self.apply(command), Outcome::Done);
        let model = Model::new(self.meta.index, self.meta.term, place);
        match anew {
            true => drop(self.models.insert(name, model)),
            false => drop(self.models.entry(name).or_insert(model)),
        }
    }

    fn settle(&mut self, name: usize, settled: &[(u64, u64, Settlement)]) {
        let cursor = self.models.get(&name).map_or(0, Model::cursor);
        let range = |from: u64, more: u64| {
            let first = (cursor + from).saturating_sub(3);
            OffsetRange { first: Offset(first), last: Offset(first + more) }
        };
        let one =
            |(from, more, how): &(u64, u64, Settlement)| Settled { range: range(*from, *more), how: *how };
        let settled: Vec<Settled> = settled.iter().map(one).collect();
        let (subscription, since) = (World::key(name), self.since(name));
        let outcome = self.apply(Command::Settle(Settle { subscription, since, settled: settled.clone() }));
        let Some(model) = self.models.get_mut(&name) else {
            return assert_eq!(outcome, Outcome::Refused(Refusal::UnknownSubscription));
        };
        assert_eq!(outcome, Outcome::Done);
        settled.iter().for_each(|settled| model.settle(settled.range, settled.how));
    }

    fn deliver(&mut self, name: usize, ahead: u64, attempts_max: u16) {
        let up_to = self.models.get(&name).map_or(0, Model::cursor) + ahead;
        let (subscription, since) = (World::key(name), self.since(name));
        let deliver =
            DeliveredUpTo { subscription, since, up_to: Offset(up_to), attempts_max: Attempts(attempts_max) };
        let outcome = self.apply(Command::DeliveredUpTo(deliver));
        let Some(model) = self.models.get_mut(&name) else {
            return assert_eq!(outcome, Outcome::Refused(Refusal::UnknownSubscription));
        };
        assert_eq!(outcome, Outcome::Done);
        // What was appended in a later term than the one that said it last cannot have been handed out.
        let later = self.terms.range(Term(model.term.0 + 1)..).next();
        let lost_end = later.map_or(self.end, |(_, start)| *start);
        model.deliver(self.meta.term, up_to, lost_end, attempts_max);
    }

    fn trim(&mut self, start: u64) {
        let start = start.min(self.end);
        self.apply(Command::Trim { partition: PARTITION, start: Offset(start), bytes: 0 });
        self.start = self.start.max(start);
        for model in self.models.values_mut() {
            for (_, (settled, _)) in model.records.range_mut(..start) {
                *settled = true;
            }
            model.delivered = model.delivered.max(start);
        }
    }

    fn check(&self) {
        assert_eq!(self.machine.subscriptions().len(), self.models.len());
        for (name, model) in &self.models {
            let key = World::key(*name);
            let progress = self.machine.subscriptions().get(&key).unwrap();
            assert_eq!(progress.cursor().0, model.cursor(), "{key:?}");
            assert_eq!(
                (progress.delivered().0, progress.since),
                (model.delivered.max(model.cursor()), model.since)
            );
            for offset in 0..self.end + 40 {
                let expected = model.state(offset);
                assert_eq!(progress.state(Offset(offset)), expected, "{key:?} at {offset}: {progress:?}");
            }
            let runs: Vec<Run> = progress.runs().collect();
            for pair in runs.windows(2) {
                let apart = pair[0].range.end() < pair[1].range.first;
                let touching = pair[0].range.end() == pair[1].range.first;
                assert!(apart || touching && pair[0].state != pair[1].state, "{progress:?}");
            }
            assert!(runs.iter().all(|run| run.range.end() <= progress.delivered()));
            let settled =
                (progress.cursor().0..self.end).filter(|at| model.state(*at) == RecordState::Settled);
            let unsettled = self.end.saturating_sub(progress.cursor().0) - settled.count() as u64;
            if self.end >= progress.delivered().0 {
                assert_eq!(progress.unsettled(Offset(self.end)), unsettled);
            }
            assert!(progress.delivered().0 - progress.cursor().0 <= SUBSCRIPTION_SPAN_MAX);
            let read = self.machine.subscriptions().of_name(&key.name);
            assert_eq!(read.collect::<Vec<_>>(), [PARTITION]);
        }
    }
}

/// A settlement names as many records as may be out, in as many pieces as there can be.
fn every_other(cursor: u64, end: u64) -> Vec<Settled> {
    let odd = (cursor + 1..end).step_by(2);
    let one = |at| OffsetRange { first: Offset(at), last: Offset(at) };
    odd.map(|at| Settled { range: one(at), how: Settlement::Accept }).collect()
}

#[test]
fn one_old_record_costs_no_more_memory_whatever_is_settled_behind_it() {
    let mut world = World::new();
    world.append(9);
    world.begin(0, StartAt::Earliest, false);
    let since = world.since(0);
    let subscription = World::key(0);
    let deliver = |up_to| {
        Command::DeliveredUpTo(DeliveredUpTo {
            subscription: World::key(0),
            since,
            up_to: Offset(up_to),
            attempts_max: Attempts(4),
        })
    };
    assert_eq!(world.apply(deliver(SUBSCRIPTION_SPAN_MAX)), Outcome::Done);
    let bytes = |world: &World| world.machine.subscriptions().bytes();
    let before = bytes(&world);
    let settle = |settled| Command::Settle(Settle { subscription: World::key(0), since, settled });
    assert_eq!(world.apply(settle(every_other(0, SUBSCRIPTION_SPAN_MAX))), Outcome::Done);
    assert_eq!(bytes(&world), before, "what was handed out was counted");
    let progress = world.machine.subscriptions().get(&subscription).unwrap();
    assert_eq!(progress.runs().count() as u64, SUBSCRIPTION_SPAN_MAX / 2);
    assert_eq!(progress.unsettled(Offset(SUBSCRIPTION_SPAN_MAX)), SUBSCRIPTION_SPAN_MAX / 2);
    let far = world.apply(deliver(SUBSCRIPTION_SPAN_MAX + 1));
    assert_eq!(far, Outcome::Refused(Refusal::LimitReached { limit: "SUBSCRIPTION_SPAN_MAX" }));
    let checkpoint = world.machine.encode_checkpoint();
    assert_eq!(Machine::decode_checkpoint(&checkpoint).unwrap().encode_checkpoint(), checkpoint);
    let all = OffsetRange { first: Offset(0), last: Offset(SUBSCRIPTION_SPAN_MAX - 1) };
    world.apply(settle(vec![Settled { range: all, how: Settlement::Accept }]));
    assert!(bytes(&world) < before - 60_000, "and is given back");
}

#[test]
fn where_there_is_no_memory_nothing_more_is_handed_out_and_everything_settled() {
    let mut world = World::new();
    world.append(9);
    let name = |number: usize| GroupId(format!("n{number}").as_str().into());
    let key = |number| SubscriptionKey { partition: PARTITION, name: name(number) };
    let mut opened = Vec::new();
    let full = loop {
        let number = opened.len();
        let open =
            Command::OpenSubscription { subscription: key(number), at: StartAt::Earliest, anew: false };
        assert_eq!(world.apply(open), Outcome::Done);
        opened.push(world.meta.index);
        let deliver = Command::DeliveredUpTo(DeliveredUpTo {
            subscription: key(number),
            since: world.meta.index,
            up_to: Offset(SUBSCRIPTION_SPAN_MAX),
            attempts_max: Attempts(4),
        });
        match world.apply(deliver) {
            Outcome::Done => {}
            Outcome::Refused(Refusal::LimitReached { limit: "SUBSCRIPTIONS_PER_SHARD_MAX" }) => break number,
            other => panic!("{other:?}"),
        }
        assert!(number < 10_000, "there is a limit");
    };
    for (number, since) in opened.iter().enumerate().take(full) {
        let settled = every_other(0, 2_000);
        let settle = Settle { subscription: key(number), since: *since, settled };
        assert_eq!(world.apply(Command::Settle(settle)), Outcome::Done);
    }
    let all =
        Settled { range: OffsetRange { first: Offset(0), last: Offset(60_000) }, how: Settlement::Accept };
    let settle = Settle { subscription: key(0), since: opened[0], settled: vec![all] };
    assert_eq!(world.apply(Command::Settle(settle)), Outcome::Done);
    let deliver = Command::DeliveredUpTo(DeliveredUpTo {
        subscription: key(full),
        since: opened[full],
        up_to: Offset(40_000),
        attempts_max: Attempts(4),
    });
    assert_eq!(world.apply(deliver), Outcome::Done, "there is memory again");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_subscription_is_a_map_from_offsets_to_fates(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in steps {
            world.play(step);
            world.check();
        }
    }
}

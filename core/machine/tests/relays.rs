//! Transactions over several shards: whatever is late, passed twice or lost on its way, a transaction is there on all of them or on
//! none, and nothing of it stays open.

use std::collections::{BTreeMap, BTreeSet};

use forebay_machine::*;
use forebay_model::publish::PayloadKind;
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::*;
use proptest::prelude::*;

const SHARDS: u32 = 3;
const PRODUCERS: u64 = 2;
/// The shard that keeps the producers.
const HOME: ShardId = ShardId(0);

#[derive(Clone, Debug)]
enum Step {
    /// Joins a shard, is admitted there, and writes.
    Write {
        producer: u64,
        shard: u32,
    },
    /// Joins a shard; its admission comes later, if it comes.
    Late {
        producer: u64,
        shard: u32,
    },
    /// The oldest late admission arrives.
    Admit,
    End {
        producer: u64,
        commit: bool,
        raise: bool,
    },
    /// The time of a producer's transaction is up.
    Overdue {
        producer: u64,
    },
    /// What waits for a shard is passed to it, and its answer back; or that gets lost.
    Pass {
        shard: u32,
        answered: bool,
    },
    Restart {
        shard: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let producer = || 0..PRODUCERS;
    prop_oneof![
        10 => (producer(), 0..SHARDS).prop_map(|(producer, shard)| Step::Write { producer, shard }),
        2 => (producer(), 1..SHARDS).prop_map(|(producer, shard)| Step::Late { producer, shard }),
        2 => Just(Step::Admit),
        4 => (producer(), any::<bool>(), any::<bool>())
            .prop_map(|(producer, commit, raise)| Step::End { producer, commit, raise }),
        1 => producer().prop_map(|producer| Step::Overdue { producer }),
        6 => (1..SHARDS, any::<bool>()).prop_map(|(shard, answered)| Step::Pass { shard, answered }),
        1 => (0..SHARDS).prop_map(|shard| Step::Restart { shard }),
    ]
}

struct Shard {
    machine: Machine,
    meta: Meta,
}

impl Shard {
    fn new(id: u32) -> Shard {
        let meta = Meta { index: LogIndex(5), term: Term(1), time: LogTime(1_000) };
        let mut shard = Shard { machine: Machine::new(ShardId(id)), meta };
        shard.apply(Command::SetMachineVersion { version: MACHINE_VERSION_RELAYS });
        let settings = PartitionSettings {
            retention_ms: None,
            retention_bytes: None,
            message_bytes_max: 1_000,
            timestamp_type: TimestampType::Create,
            compaction: None,
            queue: None,
        };
        shard.apply(Command::OpenPartition(OpenPartition {
            catalogue_version: 1,
            partition: partition(id),
            topic: TopicId([1; 16]),
            number: id,
            settings,
            base_epoch: LeaderEpoch(0),
        }));
        shard
    }

    fn apply(&mut self, command: Command) -> Outcome {
        self.meta.index = self.meta.index.next();
        self.meta.time = LogTime(self.meta.time.0 + 1);
        self.machine.apply(self.meta, command, &mut Effects::default()).unwrap()
    }
}

/// A transaction of a producer, by number.
type Owner = (u64, u32);

struct World {
    shards: Vec<Shard>,
    instances: BTreeMap<u64, Instance>,
    /// Who wrote each batch of each shard, by offset.
    written: BTreeMap<(u32, Offset), Owner>,
    sequences: BTreeMap<(Instance, u32), i32>,
    numbers: BTreeMap<u64, u32>,
    committed: BTreeSet<Owner>,
    late: Vec<(u32, AdmitGuest)>,
}

fn partition(shard: u32) -> PartitionId {
    PartitionId(10 + u64::from(shard))
}

fn id(producer: u64) -> TransactionalId {
    TransactionalId(format!("p{producer}").into())
}

impl World {
    fn new() -> World {
        let mut world = World {
            shards: (0..SHARDS).map(Shard::new).collect(),
            instances: BTreeMap::new(),
            written: BTreeMap::new(),
            sequences: BTreeMap::new(),
            numbers: BTreeMap::new(),
            committed: BTreeSet::new(),
            late: Vec::new(),
        };
        for producer in 0..PRODUCERS {
            world.open(producer);
        }
        world
    }

    fn apply(&mut self, shard: u32, command: Command) -> Outcome {
        self.shards[shard as usize].apply(command)
    }

    fn open(&mut self, producer: u64) {
        let spare = ProducerId(100 + producer.cast_signed());
        let open = OpenProducer { id: id(producer), timeout_ms: 60_000, present: None, spare };
        if let Outcome::ProducerOpened { instance } = self.apply(0, Command::OpenProducer(open)) {
            self.instances.insert(producer, instance);
        }
    }

    /// Joins; the admission that another shard needs then. `None` where the producer's shard refuses.
    fn join(&mut self, producer: u64, shard: u32) -> Option<Option<AdmitGuest>> {
        let instance = self.instances[&producer];
        let span = Span { partitions: [partition(shard)].into(), ..Span::default() };
        let is_home = ShardId(shard) == HOME;
        let (partitions, elsewhere) = match is_home {
            true => (vec![partition(shard)], Vec::new()),
            false => (Vec::new(), vec![(ShardId(shard), span.clone())]),
        };
        let join = JoinTransaction { id: id(producer), instance, partitions, groups: Vec::new(), elsewhere };
        match self.apply(0, Command::JoinTransaction(join)) {
            Outcome::Refused(refusal) => {
                let known = [Refusal::ConcurrentTransaction, Refusal::ProducerFenced];
                assert!(known.contains(&refusal), "{refusal:?}");
                None
            }
            Outcome::Joined { begun } if !is_home => Some(Some(AdmitGuest { instance, begun, span })),
            Outcome::Joined { .. } | Outcome::Done if is_home => Some(None),
            other => panic!("{other:?}"),
        }
    }

    fn write(&mut self, producer: u64, shard: u32) {
        let Some(admit) = self.join(producer, shard) else {
            if self.is_idle(producer) {
                self.open(producer);
            }
            return;
        };
        if let Some(admit) = admit {
            let admitted = self.apply(shard, Command::AdmitGuest(admit));
            assert_eq!(admitted, Outcome::Done, "whoever was joined just now is admitted");
        }
        let instance = self.instances[&producer];
        let sequence = self.sequences.get(&(instance, shard)).copied().unwrap_or(0);
        let stamp =
            ProducerStamp { id: instance.0, epoch: instance.1, base_sequence: BatchSequence(sequence) };
        let append = Append {
            targets: smallvec::smallvec![(partition(shard), Which::All)],
            slot: SlotNumber(1),
            kind: PayloadKind::RecordBatch,
            count: 1,
            bytes: 100,
            max_timestamp: Timestamp(-1),
            append_time: None,
            producer: Some(stamp),
            transaction: Some(Joining::Before),
            import: None,
            parts: Vec::new(),
        };
        let Outcome::Appended(appended) = self.apply(shard, Command::Append(append)) else { panic!() };
        let base_offset = appended[0].as_ref().expect("it was admitted").base_offset;
        self.sequences.insert((instance, shard), sequence + 1);
        let number = self.numbers.get(&producer).copied().unwrap_or(0);
        self.written.insert((shard, base_offset), (producer, number));
    }

    fn is_idle(&self, producer: u64) -> bool {
        let known = self.shards[0].machine.transactions().get(&id(producer)).unwrap();
        matches!(known.state, TransactionState::Empty | TransactionState::Ended(_))
    }

    fn end(&mut self, producer: u64, decision: Decision, next: Next) {
        let known = self.shards[0].machine.transactions().get(&id(producer)).unwrap();
        if !matches!(known.state, TransactionState::Open(_)) {
            return;
        }
        let instance = known.now;
        let end = EndTransaction {
            id: id(producer),
            instance,
            decision,
            next,
            mark: SlotNumber(1),
            mark_bytes: 78,
        };
        match self.apply(0, Command::EndTransaction(end)) {
            Outcome::TransactionEnded { .. } | Outcome::TransactionEnding { .. } => {}
            other => panic!("{other:?}"),
        }
        let number = self.numbers.entry(producer).or_default();
        if decision == Decision::Commit {
            self.committed.insert((producer, *number));
        }
        *number += 1;
        let now = self.shards[0].machine.transactions().get(&id(producer)).unwrap().now;
        if next != Next::Fenced {
            self.instances.insert(producer, now);
        }
    }

    fn pass(&mut self, shard: u32, answered: bool) {
        let target = ShardId(shard);
        let items: Vec<_> = self.shards[0]
            .machine
            .relays()
            .waiting_for(target, 0)
            .map(|(n, item)| (n, item.clone()))
            .collect();
        let mut up_to = None;
        for (number, item) in items {
            let relay = Relay { source: HOME, number, item, mark: SlotNumber(1), mark_bytes: 78 };
            let Outcome::Relayed { up_to: now } = self.apply(shard, Command::Relay(relay)) else { panic!() };
            assert!(now >= number);
            up_to = Some(now);
        }
        if let Some(up_to) = up_to.filter(|_| answered) {
            assert_eq!(self.apply(0, Command::Relayed { target, up_to }), Outcome::Done);
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write { producer, shard } => self.write(producer, shard),
            Step::Late { producer, shard } => {
                if let Some(Some(admit)) = self.join(producer, shard) {
                    self.late.push((shard, admit));
                }
            }
            Step::Admit if !self.late.is_empty() => {
                let (shard, admit) = self.late.remove(0);
                self.apply(shard, Command::AdmitGuest(admit));
            }
            Step::Admit => {}
            Step::End { producer, commit, raise } => {
                let decision = if commit { Decision::Commit } else { Decision::Abort };
                let next = if raise { Next::Raised { spare: ProducerId(-1) } } else { Next::Same };
                self.end(producer, decision, next);
            }
            Step::Overdue { producer } => self.end(producer, Decision::Abort, Next::Fenced),
            Step::Pass { shard, answered } => self.pass(shard, answered),
            Step::Restart { shard } => {
                let shard = &mut self.shards[shard as usize];
                let again = Machine::decode_checkpoint(&shard.machine.encode_checkpoint()).unwrap();
                assert_eq!(again, shard.machine);
                shard.machine = again;
            }
        }
    }

    /// Everything that was begun ends, and everything late arrives.
    fn settle(&mut self) {
        for producer in 0..PRODUCERS {
            self.end(producer, Decision::Abort, Next::Fenced);
        }
        for shard in 1..SHARDS {
            self.pass(shard, true);
        }
        for (shard, admit) in std::mem::take(&mut self.late) {
            let late = self.apply(shard, Command::AdmitGuest(admit));
            assert!(matches!(late, Outcome::Refused(_)), "what it was joined to has ended: {late:?}");
        }
    }

    fn check(&self) {
        assert!(self.shards[0].machine.relays().is_empty());
        for producer in 0..PRODUCERS {
            assert!(self.is_idle(producer));
        }
        for (number, shard) in (0..).zip(&self.shards) {
            let machine = &shard.machine;
            let partition = machine.partition(partition(number)).unwrap();
            assert_eq!(machine.unstable().first_open(partition.id), None, "nothing stays open");
            let aborted: Vec<_> = machine.unstable().aborted_from(partition.id, Offset(0)).collect();
            for ((_, offset), owner) in self.written.iter().filter(|((shard, _), _)| *shard == number) {
                let (producer, _) = owner;
                let by = |range: &&AbortedRange| range.first <= *offset && *offset <= range.last;
                let of = |range: &&AbortedRange| range.producer == ProducerId(100 + producer.cast_signed());
                let is_aborted = aborted.iter().filter(by).any(|range| of(&range));
                assert_eq!(!is_aborted, self.committed.contains(owner), "{owner:?} at {offset} of {number}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_transaction_over_shards_is_whole_or_nothing(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.settle();
        world.check();
    }
}

#[test]
fn whoever_waits_for_the_end_hears_when_the_last_shard_has_carried_it_out() {
    let mut world = World::new();
    world.write(0, 1);
    world.write(0, 2);
    world.end(0, Decision::Commit, Next::Same);
    assert!(world.join(0, 0).is_none(), "the next transaction waits");
    world.pass(1, true);
    assert!(!world.is_idle(0));
    world.pass(2, false);
    world.pass(2, true);
    assert!(world.is_idle(0));
    assert!(world.join(0, 0).is_some());
}

#[test]
fn a_partition_under_import_joins_no_transaction_wherever_the_producer_is_kept() {
    let mut world = World::new();
    for shard in 0..2 {
        let begin = BeginImport { partition: partition(shard), source: "there".into(), start: Offset(0) };
        let begun = world.apply(shard, Command::BeginImport(begin));
        assert!(matches!(begun, Outcome::Appended(_)), "{begun:?}");
    }
    let instance = world.instances[&0];
    let partitions = vec![partition(0)];
    let join = JoinTransaction { id: id(0), instance, partitions, groups: Vec::new(), elsewhere: Vec::new() };
    let joined = world.apply(0, Command::JoinTransaction(join));
    assert!(matches!(joined, Outcome::Refused(Refusal::Forbidden(_))), "{joined:?}");
    let admit = world.join(0, 1).flatten().expect("its own shard does not know the other's partitions");
    let admitted = world.apply(1, Command::AdmitGuest(admit));
    assert!(matches!(admitted, Outcome::Refused(Refusal::Forbidden(_))), "{admitted:?}");
}

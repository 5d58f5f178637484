//! What readers of completed transactions see, whatever producers do: a model that knows which batches were committed, against a
//! reader that goes by the aborted ranges, as clients do.

use std::collections::{BTreeMap, BTreeSet};

use forebay_machine::*;
use forebay_model::publish::PayloadKind;
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::*;
use proptest::prelude::*;

const PARTITIONS: u64 = 3;
const PRODUCERS: i64 = 3;
/// The producer that writes without transactions.
const PLAIN: i64 = 99;

#[derive(Clone, Debug)]
enum Step {
    Write {
        producer: i64,
        partition: u64,
        count: u32,
    },
    End {
        producer: i64,
        commit: bool,
        raise: bool,
    },
    /// Opens the producer anew, behind an abort.
    Reopen {
        producer: i64,
    },
    Plain {
        partition: u64,
    },
    Trim {
        partition: u64,
        start: u64,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let producer = || 0..PRODUCERS;
    let partition = || 0..PARTITIONS;
    prop_oneof![
        12 => (producer(), partition(), 1..4u32)
            .prop_map(|(producer, partition, count)| Step::Write { producer, partition, count }),
        4 => (producer(), any::<bool>(), any::<bool>())
            .prop_map(|(producer, commit, raise)| Step::End { producer, commit, raise }),
        1 => producer().prop_map(|producer| Step::Reopen { producer }),
        2 => partition().prop_map(|partition| Step::Plain { partition }),
        1 => (partition(), 0..30u64).prop_map(|(partition, start)| Step::Trim { partition, start }),
        1 => Just(Step::Restart),
    ]
}

/// Whose batch it is, and which of its transactions.
type Owner = (i64, u32);

/// A batch or a mark of one partition.
struct Stored {
    first: Offset,
    count: u32,
    producer: i64,
    what: What,
}

#[derive(PartialEq)]
enum What {
    Data(Option<Owner>),
    Mark,
}

struct World {
    machine: Machine,
    meta: Meta,
    instances: BTreeMap<i64, Instance>,
    /// The next sequence per producer id, epoch and partition.
    sequences: BTreeMap<(ProducerId, ProducerEpoch, u64), i32>,
    numbers: BTreeMap<i64, u32>,
    open: BTreeSet<Owner>,
    committed: BTreeSet<Owner>,
    logs: BTreeMap<PartitionId, Vec<Stored>>,
}

fn id(producer: i64) -> TransactionalId {
    TransactionalId(format!("p{producer}").into())
}

impl World {
    fn new() -> World {
        let mut world = World {
            machine: Machine::new(ShardId(0)),
            meta: Meta { index: LogIndex(5), term: Term(1), time: LogTime(1_000) },
            instances: BTreeMap::new(),
            sequences: BTreeMap::new(),
            numbers: BTreeMap::new(),
            open: BTreeSet::new(),
            committed: BTreeSet::new(),
            logs: BTreeMap::new(),
        };
        world.apply(Command::SetMachineVersion { version: MACHINE_VERSION_TRANSACTIONS });
        for number in 0..PARTITIONS {
            let settings = PartitionSettings {
                retention_ms: None,
                retention_bytes: None,
                message_bytes_max: 1_000,
                timestamp_type: TimestampType::Create,
                compaction: None,
                queue: None,
            };
            world.apply(Command::OpenPartition(OpenPartition {
                catalogue_version: 1,
                partition: PartitionId(number),
                topic: TopicId([1; 16]),
                number: number as u32,
                settings,
                base_epoch: LeaderEpoch(0),
            }));
        }
        for producer in 0..PRODUCERS {
            world.reopen(producer);
        }
        world
    }

    fn apply(&mut self, command: Command) -> (Outcome, Effects) {
        self.meta.index = self.meta.index.next();
        let mut effects = Effects::default();
        let outcome = self.machine.apply(self.meta, command, &mut effects).expect("a known version");
        (outcome, effects)
    }

    fn reopen(&mut self, producer: i64) {
        let open =
            OpenProducer { id: id(producer), timeout_ms: 60_000, present: None, spare: ProducerId(producer) };
        let (outcome, _) = self.apply(Command::OpenProducer(open));
        let Outcome::ProducerOpened { instance } = outcome else { panic!("{outcome:?}") };
        self.instances.insert(producer, instance);
    }

    fn owner(&self, producer: i64) -> Owner {
        (producer, self.numbers.get(&producer).copied().unwrap_or(0))
    }

    fn append(&mut self, producer: i64, partition: u64, count: u32, transactional: bool) {
        let instance = self.instances.get(&producer).copied().filter(|_| transactional);
        let stamp = instance.map(|(id, epoch)| {
            let next = self.sequences.entry((id, epoch, partition)).or_default();
            let base_sequence = BatchSequence(*next);
            *next += count as i32;
            ProducerStamp { id, epoch, base_sequence }
        });
        let append = Append {
            targets: [(PartitionId(partition), Which::All)].into(),
            slot: SlotNumber(1),
            kind: PayloadKind::RecordBatch,
            count,
            bytes: 100,
            max_timestamp: Timestamp(-1),
            append_time: None,
            producer: stamp,
            transaction: transactional.then_some(Joining::Now),
            import: None,
            parts: Vec::new(),
        };
        let (outcome, effects) = self.apply(Command::Append(append));
        let Outcome::Appended(results) = outcome else { panic!("{outcome:?}") };
        assert!(results.iter().all(Result::is_ok), "{results:?}");
        let owner = transactional.then(|| self.owner(producer));
        self.open.extend(owner);
        self.store(&effects, producer, |_| What::Data(owner));
    }

    fn store(&mut self, effects: &Effects, producer: i64, what: impl Fn(PartitionId) -> What) {
        for entry in &effects.indexed {
            let log = self.logs.entry(entry.partition).or_default();
            assert_eq!(
                entry.first_offset.0,
                log.last().map_or(0, |last| last.first.0 + u64::from(last.count))
            );
            let (first, count) = (entry.first_offset, entry.count);
            log.push(Stored { first, count, producer, what: what(entry.partition) });
        }
    }

    fn end(&mut self, producer: i64, commit: bool, raise: bool) {
        let decision = if commit { Decision::Commit } else { Decision::Abort };
        let next = if raise { Next::Raised { spare: ProducerId(-1) } } else { Next::Same };
        let instance = self.instances[&producer];
        let (mark, mark_bytes) = (SlotNumber(1), 78);
        let end = EndTransaction { id: id(producer), instance, decision, next, mark, mark_bytes };
        let (outcome, effects) = self.apply(Command::EndTransaction(end));
        let owner = self.owner(producer);
        match outcome {
            Outcome::TransactionEnded { instance } => {
                self.instances.insert(producer, instance);
                if self.open.remove(&owner) && commit {
                    self.committed.insert(owner);
                }
                *self.numbers.entry(producer).or_default() += 1;
            }
            Outcome::Refused(Refusal::InvalidTransactionState) => assert!(!self.open.contains(&owner)),
            other => panic!("{other:?}"),
        }
        self.store(&effects, producer, |_| What::Mark);
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Write { producer, partition, count } => self.append(producer, partition, count, true),
            Step::Plain { partition } => self.append(PLAIN, partition, 1, false),
            Step::End { producer, commit, raise } => self.end(producer, commit, raise),
            Step::Reopen { producer } => {
                if self.open.contains(&self.owner(producer)) {
                    self.end(producer, false, false);
                }
                self.reopen(producer);
            }
            Step::Trim { partition, start } => {
                let partition = PartitionId(partition);
                self.apply(Command::Trim { partition, start: Offset(start), bytes: 0 });
            }
            Step::Restart => {
                let checkpoint = self.machine.encode_checkpoint();
                self.machine = Machine::decode_checkpoint(&checkpoint).expect("just encoded");
                assert_eq!(self.machine.encode_checkpoint(), checkpoint);
            }
        }
    }

    /// The offsets of batches that a client sees which reads completed transactions from `from` on.
    fn seen(&self, partition: PartitionId, from: Offset) -> Vec<Offset> {
        let state = self.machine.partition(partition).expect("opened");
        if from >= state.last_stable_offset() {
            return Vec::new();
        }
        let mut aborted: Vec<AbortedRange> = self.machine.unstable().aborted_from(partition, from).collect();
        aborted.sort_by_key(|range| range.first);
        let mut aborted = aborted.into_iter().peekable();
        let mut passing_over = BTreeSet::new();
        let mut seen = Vec::new();
        for stored in self.logs.get(&partition).into_iter().flatten() {
            let end = Offset(stored.first.0 + u64::from(stored.count));
            if end <= from || stored.first >= state.last_stable_offset() {
                continue;
            }
            while let Some(range) = aborted.next_if(|range| range.first < end) {
                passing_over.insert(range.producer.0);
            }
            match stored.what {
                What::Mark => drop(passing_over.remove(&stored.producer)),
                What::Data(Some(_)) if passing_over.contains(&stored.producer) => {}
                What::Data(_) => seen.push(stored.first),
            }
        }
        seen
    }

    fn check(&self) {
        for number in 0..PARTITIONS {
            let partition = PartitionId(number);
            let state = self.machine.partition(partition).expect("opened");
            let log = self.logs.get(&partition).map_or(&[][..], Vec::as_slice);
            let is_open = |stored: &&Stored| matches!(stored.what, What::Data(Some(owner)) if self.open.contains(&owner));
            let stable = log.iter().find(is_open).map_or(state.end, |stored| stored.first).max(state.start);
            assert_eq!(state.last_stable_offset(), stable, "of partition {number}");
            for from in state.start.0..=state.end.0 {
                let committed = |stored: &&Stored| match stored.what {
                    What::Mark => false,
                    What::Data(None) => true,
                    What::Data(Some(owner)) => self.committed.contains(&owner),
                };
                let behind = |stored: &&Stored| stored.first.0 + u64::from(stored.count) > from;
                let before = |stored: &&Stored| Offset(from) < stable && stored.first < stable;
                let expected = log.iter().filter(committed).filter(behind).filter(before);
                let expected: Vec<Offset> = expected.map(|stored| stored.first).collect();
                assert_eq!(self.seen(partition, Offset(from)), expected, "from {from} of partition {number}");
            }
            // Where a range's `stable` ends, everything that began before has its mark at or before the range's own.
            let ranges: Vec<AbortedRange> =
                self.machine.unstable().aborted_from(partition, Offset(0)).collect();
            assert!(ranges.is_sorted_by(|a, b| a.last < b.last && a.stable <= b.stable));
            for (at, range) in ranges.iter().enumerate() {
                assert!(ranges[at + 1..].iter().all(|later| later.first >= range.stable));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn readers_see_what_was_committed_and_nothing_else(steps in prop::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        for step in steps {
            world.play(step);
            world.check();
        }
    }
}

#[test]
fn a_producer_at_its_last_epoch_is_fenced_too_and_gets_another_id_then() {
    let mut world = World::new();
    while world.instances[&0].1.0 < forebay_machine::limits::PRODUCER_EPOCH_MAX {
        world.end(0, false, true);
    }
    let last = world.instances[&0];
    world.append(0, 1, 1, true);
    let (decision, next) = (Decision::Abort, Next::Fenced);
    let (mark, mark_bytes) = (SlotNumber(1), 78);
    let end = EndTransaction { id: id(0), instance: last, decision, next, mark, mark_bytes };
    let (outcome, _) = world.apply(Command::EndTransaction(end));
    assert!(matches!(outcome, Outcome::TransactionEnded { .. }), "{outcome:?}");
    let join = JoinTransaction {
        id: id(0),
        instance: last,
        partitions: vec![PartitionId(1)],
        groups: Vec::new(),
        elsewhere: Vec::new(),
    };
    let (outcome, _) = world.apply(Command::JoinTransaction(join));
    assert_eq!(outcome, Outcome::Refused(Refusal::ProducerFenced));
    let open = OpenProducer { id: id(0), timeout_ms: 60_000, present: None, spare: ProducerId(70) };
    let (outcome, _) = world.apply(Command::OpenProducer(open));
    assert_eq!(outcome, Outcome::ProducerOpened { instance: (ProducerId(70), ProducerEpoch(0)) });
}

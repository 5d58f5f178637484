//! A transactional producer that reads what it wrote. Each of its transactions puts its number into every partition of a topic of its
//! own, and sets the cursor of a group to it; it is asked about until its fate is known, so that at any time the client knows which numbers
//! readers of completed transactions may see: those that committed, in order, in every partition; and the last of them is the cursor.

use bytes::Bytes;
use forebay_model::admin::{CreateTopics, NewTopic};
use forebay_model::fetch::Fetched;
use forebay_model::group::{CommitOffset, CommitOffsets, FetchOffsets, GroupReply, GroupRequest};
use forebay_model::publish::{Confirm, PayloadKind, Publish, PublishItem, Published};
use forebay_model::transaction::{
    Decision, EndTransaction, InTransaction, JoinTransaction, Joining, OpenProducer, TransactionReply,
    TransactionRequest, TransactionalId,
};
use forebay_model::{
    BatchSequence, GroupId, Offset, ProducerEpoch, ProducerId, Refusal, Reply, Request, TopicSettings,
};
use forebay_record::batch::{BatchBuilder, Codec, NewRecord, Producer};

use super::completed::{PARTITIONS, Reading, TOPIC, place};
use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check, WHOLE};
use crate::plan::Nodes;

/// A client gives up waiting for one answer.
const CALL_MS_MAX: u64 = 3_000;
/// The timer of the next step.
const NEXT: u64 = 1 << 62;
/// The group whose cursor each transaction sets to its own number.
const GROUP: &str = "of-transactions";

const GOES_ON: &str = "a transactional producer can go on";
const ENDED: &str = "who asks behind an end sees it";
const FENCED: &str = "whoever was taken over from writes nothing";

/// See the module.
pub struct Transactor {
    route: Route,
    instance: (ProducerId, ProducerEpoch),
    /// The next sequence in each partition.
    sequences: Vec<i32>,
    joining: Joining,
    /// The transaction under way.
    number: u64,
    committed: Vec<u64>,
    step: Step,
    /// A transaction was left open by a process that may still write.
    abandoned: bool,
    waits: Option<u64>,
    stops: bool,
    over: bool,
}

#[derive(Clone, Debug)]
enum Step {
    Create,
    Open,
    Join,
    /// Into this partition.
    Write(u32),
    /// The group's.
    Cursor,
    /// Into this partition, by the process that is being taken over from.
    Stray(u32),
    End(Decision, bool),
    Read(Reading),
    ReadCursor,
}

impl Transactor {
    /// One that has done nothing yet.
    pub fn new(desk: &mut Desk<'_>) -> Transactor {
        Transactor {
            route: Route::any(desk.rng, desk.cluster.plan.nodes),
            instance: (ProducerId(-1), ProducerEpoch(-1)),
            sequences: Vec::new(),
            joining: Joining::Now,
            number: 0,
            committed: Vec::new(),
            step: Step::Create,
            abandoned: false,
            waits: None,
            stops: false,
            over: false,
        }
    }

    fn go_on(&mut self, desk: &mut Desk<'_>) {
        if self.waits.is_some() || self.over {
            return;
        }
        if let Step::End(Decision::Commit, _) = self.step {
            desk.cluster.ends.asks(self.number);
        }
        let request = self.request(desk);
        let token = desk.call(self.route.node(), request);
        self.waits = Some(token);
        desk.ring_after(CALL_MS_MAX, token);
    }

    fn request(&self, desk: &mut Desk<'_>) -> Request {
        let (producer, epoch) = self.instance;
        match &self.step {
            Step::Create => Request::CreateTopics(CreateTopics {
                topics: vec![NewTopic {
                    name: TOPIC.into(),
                    partitions: Some(PARTITIONS),
                    replicas: None,
                    assignment: Vec::new(),
                    settings: Ok(TopicSettings {
                        retention_ms: Some(None),
                        retention_bytes: Some(None),
                        ..TopicSettings::default()
                    }),
                }],
                dry_run: false,
                timeout_ms: 1000,
            }),
            Step::Open => Request::Transaction(TransactionRequest::Open(OpenProducer {
                id: id(),
                timeout_ms: desk.rng.pick(&[5_000, 60_000]),
                present: None,
            })),
            Step::Join => Request::Transaction(TransactionRequest::Join(JoinTransaction {
                id: id(),
                producer,
                epoch,
                partitions: (0..PARTITIONS).map(place).collect(),
                groups: vec![group()],
            })),
            Step::Write(partition) | Step::Stray(partition) => Request::Publish(Publish {
                items: vec![PublishItem {
                    partition: place(*partition),
                    kind: PayloadKind::RecordBatch,
                    payload: self.batch(*partition),
                    import: None,
                }],
                confirm: Confirm::Quorum,
                transaction: Some(InTransaction { id: id(), producer, epoch, joining: self.joining() }),
                timeout_ms: 1500,
            }),
            Step::Cursor => Request::Group(GroupRequest::CommitOffsets(CommitOffsets {
                group: group(),
                generation: -1,
                member: String::new(),
                instance: None,
                transaction: Some(InTransaction { id: id(), producer, epoch, joining: self.joining() }),
                offsets: vec![CommitOffset {
                    partition: place(0),
                    offset: Offset(self.number),
                    leader_epoch: None,
                    metadata: String::new(),
                }],
            })),
            Step::End(decision, raise) => Request::Transaction(TransactionRequest::End(EndTransaction {
                id: id(),
                producer,
                epoch,
                decision: *decision,
                raise: *raise,
            })),
            Step::Read(reading) => reading.request(),
            Step::ReadCursor => Request::Group(GroupRequest::FetchOffsets(FetchOffsets {
                group: group(),
                partitions: Some(vec![place(0)]),
                stable: true,
                member: None,
            })),
        }
    }

    fn joining(&self) -> Joining {
        if matches!(self.step, Step::Stray(_)) { Joining::Now } else { self.joining }
    }

    fn batch(&self, partition: u32) -> Bytes {
        let (id, epoch) = self.instance;
        let base_sequence = BatchSequence(self.sequences[partition as usize]);
        let mut builder = BatchBuilder::new(Codec::None, 1 << 16)
            .producer(Producer { id, epoch, base_sequence })
            .transactional();
        let value = Some(Bytes::copy_from_slice(&self.number.to_le_bytes()));
        builder.push(&NewRecord { value, ..NewRecord::default() }).expect("a small record fits");
        builder.build().expect("it has a record")
    }

    fn begin_transaction(&mut self, desk: &mut Desk<'_>) {
        self.number += 1;
        self.joining = if desk.rng.chance(500) { Joining::Now } else { Joining::Before };
        self.step = if self.joining == Joining::Before { Step::Join } else { Step::Write(0) };
    }

    /// No transaction is under way.
    fn idle(&mut self, desk: &mut Desk<'_>) {
        desk.cluster.ends.ended();
        if self.stops || desk.rng.chance(200) {
            self.step = Step::Read(Reading::default());
        } else {
            self.begin_transaction(desk);
        }
    }

    fn took(&mut self, instance: (ProducerId, ProducerEpoch)) {
        if self.instance != instance {
            self.instance = instance;
            self.sequences = vec![0; PARTITIONS as usize];
        }
    }

    fn written(&mut self, desk: &mut Desk<'_>, partition: u32) {
        self.sequences[partition as usize] += 1;
        desk.cluster.ends.opens();
        self.step = if partition + 1 < PARTITIONS { Step::Write(partition + 1) } else { Step::Cursor };
    }

    /// All of it is written.
    fn complete(&mut self, desk: &mut Desk<'_>) {
        self.step = if desk.rng.chance(100) {
            // Another process takes over, and knows nothing of what is open.
            desk.cluster.counters.hit("transactions abandoned");
            self.abandoned = true;
            Step::Open
        } else {
            let decision = if desk.rng.chance(600) { Decision::Commit } else { Decision::Abort };
            Step::End(decision, desk.rng.chance(500))
        };
    }

    fn heard(&mut self, desk: &mut Desk<'_>, reply: Reply) -> Result<(), Heard> {
        match (self.step.clone(), reply) {
            (Step::Create, Reply::CreateTopics(mut created)) => {
                match created.remove(0).topic {
                    Ok(_) | Err(Refusal::TopicExists) => self.step = Step::Open,
                    Err(refusal) => return Err(refusal.into()),
                };
            }
            (Step::Open, Reply::Transaction(TransactionReply::Open(opened))) => {
                self.took(opened?);
                self.abandoned = false;
                self.idle(desk);
            }
            (Step::Join, Reply::Transaction(TransactionReply::Join(joined))) => match joined {
                Ok(()) => self.step = Step::Write(0),
                Err(forebay_model::transaction::JoinRefused::All(refusal)) => return Err(refusal.into()),
                Err(forebay_model::transaction::JoinRefused::Partitions(mut refused)) => {
                    return Err(refused.remove(0).unwrap_or(Refusal::Loading).into());
                }
            },
            (Step::Write(partition), Reply::Publish(mut published)) => {
                stored(published.remove(0))?;
                self.written(desk, partition);
            }
            (Step::Cursor, Reply::Group(GroupReply::CommitOffsets(mut committed))) => {
                committed.remove(0).1?;
                desk.cluster.counters.hit("cursors set in transactions");
                self.complete(desk);
            }
            (Step::ReadCursor, Reply::Group(GroupReply::FetchOffsets(fetched))) => {
                let cursor = fetched?.remove(0).cursor?.map(|cursor| cursor.offset.0);
                self.read_cursor(desk, cursor)?;
            }
            (Step::Stray(partition), Reply::Publish(mut published)) => {
                self.step = Step::Open;
                if let Ok(appended) = published.remove(0) {
                    let what = format!("partition {partition} took a record at {}", appended.base_offset);
                    return Err(Heard::Broken(Broken { promise: FENCED, what }));
                }
            }
            (Step::End(decision, _), Reply::Transaction(TransactionReply::End(ended))) => {
                self.took(ended?);
                desk.cluster.counters.hit("transactions ended");
                if decision == Decision::Commit {
                    self.committed.push(self.number);
                }
                self.idle(desk);
            }
            (Step::Read(reading), Reply::Fetch(mut fetched)) => {
                self.read(desk, reading, fetched.remove(0)).map_err(|heard| *heard)?;
            }
            (_, reply) => {
                let what = format!("an answer to something else: {reply:?}");
                return Err(Heard::Broken(Broken { promise: "a request is answered once", what }));
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        desk: &mut Desk<'_>,
        mut reading: Reading,
        fetched: Fetched,
    ) -> Result<(), Box<Heard>> {
        let records = fetched.map_err(|refused| Box::new(Heard::Refused(refused.refusal)))?;
        let stable = records.last_stable_offset.0;
        reading.take(&records);
        if reading.next < stable && !records.records.is_empty() {
            self.step = Step::Read(reading);
            return Ok(());
        }
        desk.cluster.counters.hit("reads of completed transactions");
        desk.cluster
            .ends
            .seen(reading.partition, &reading.numbers)
            .map_err(|broken| Box::new(Heard::Broken(broken)))?;
        let (partition, numbers) = (reading.partition, &reading.numbers);
        // Who does not know yet that another leads may not know the last ones.
        let is_all = numbers.len() == self.committed.len();
        if !self.committed.starts_with(numbers) {
            let committed = &self.committed;
            let what = format!("partition {partition} shows {numbers:?}, committed are {committed:?}");
            return Err(Box::new(Heard::Broken(Broken { promise: WHOLE, what })));
        }
        if !is_all && desk.cluster.plan.nodes == Nodes::One && reading.next >= stable {
            let (all, seen) = (self.committed.len(), numbers.len());
            let what = format!("partition {partition} shows {seen} of {all} committed up to {stable}");
            return Err(Box::new(Heard::Broken(Broken { promise: ENDED, what })));
        }
        if self.stops && !is_all {
            self.route.elsewhere(desk.rng);
            self.step = Step::Read(Reading::of(partition));
        } else if partition + 1 < PARTITIONS {
            self.step = Step::Read(Reading::of(partition + 1));
        } else {
            self.step = Step::ReadCursor;
        }
        Ok(())
    }

    fn read_cursor(&mut self, desk: &mut Desk<'_>, cursor: Option<u64>) -> Result<(), Broken> {
        desk.cluster.counters.hit("reads of cursors set in transactions");
        let last = self.committed.last().copied();
        // As above: an earlier one may be all that a node knows that does not know yet that another leads.
        let is_earlier = cursor.is_none_or(|number| self.committed.contains(&number));
        if !is_earlier || (cursor != last && desk.cluster.plan.nodes == Nodes::One) {
            let what = format!("the cursor is {cursor:?}, the last committed is {last:?}");
            return Err(Broken { promise: WHOLE, what });
        }
        if self.stops && cursor != last {
            self.route.elsewhere(desk.rng);
        } else if self.stops {
            self.over = true;
        } else {
            self.begin_transaction(desk);
        }
        Ok(())
    }

    fn refused(&mut self, desk: &mut Desk<'_>, refusal: Refusal) -> Check {
        match (&self.step, refusal) {
            (_, refusal) if may_retry(&refusal) => self.route.refused(desk.rng, &refusal),
            // Other shards have not carried out the end of the one before: asked again until they have.
            (
                Step::Open | Step::Join | Step::Write(_) | Step::Cursor | Step::End(..),
                Refusal::ConcurrentTransaction,
            ) => {
                desk.cluster.counters.hit("ends of transactions awaited");
                if self.abandoned && desk.rng.chance(500) {
                    desk.cluster.counters.hit("writes of who was taken over from");
                    self.step = Step::Stray(desk.rng.pick(&[0, PARTITIONS - 1]));
                }
            }
            // Its time was up: it was aborted, whatever was asked for last.
            (
                Step::Join | Step::Write(_) | Step::Cursor | Step::End(..),
                Refusal::ProducerFenced | Refusal::InvalidTransactionState,
            ) => {
                desk.cluster.counters.hit("transactions whose time was up");
                self.step = Step::Open;
            }
            (
                Step::Join | Step::Write(_) | Step::Cursor | Step::ReadCursor,
                Refusal::UnknownPartition | Refusal::UnknownTopic,
            ) => {}
            // A node that does not know yet that another leads waits for the end of one that has ended.
            (Step::ReadCursor, Refusal::UnstableCursor) => self.route.elsewhere(desk.rng),
            (Step::Read(_), Refusal::UnknownTopic | Refusal::OffsetOutOfRange { .. }) => {
                self.route.elsewhere(desk.rng);
            }
            (step, refusal) => {
                let what = format!("{step:?}: {refusal:?}");
                return Err(Broken { promise: GOES_ON, what });
            }
        }
        Ok(())
    }
}

/// A batch that is stored, now or before.
fn stored(published: Published) -> Result<(), Heard> {
    match published {
        Ok(_) | Err(Refusal::DuplicateSequence) => Ok(()),
        Err(refusal) => Err(refusal.into()),
    }
}

fn id() -> TransactionalId {
    TransactionalId("transactor".into())
}

fn group() -> GroupId {
    GroupId(GROUP.into())
}

enum Heard {
    Refused(Refusal),
    Broken(Broken),
}

impl From<Broken> for Heard {
    fn from(broken: Broken) -> Heard {
        Heard::Broken(broken)
    }
}

impl From<Refusal> for Heard {
    fn from(refusal: Refusal) -> Heard {
        Heard::Refused(refusal)
    }
}

impl Client for Transactor {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.go_on(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        if self.waits != Some(token) {
            return Ok(());
        }
        self.waits = None;
        match reply.map(|reply| self.heard(desk, reply)) {
            Some(Ok(())) => {}
            Some(Err(Heard::Broken(broken))) => return Err(broken),
            Some(Err(Heard::Refused(refusal))) => self.refused(desk, refusal)?,
            None => {
                self.route.elsewhere(desk.rng);
                if matches!(self.step, Step::Stray(_)) {
                    self.step = Step::Open;
                }
            }
        }
        let after = desk.rng.between(5, 150);
        desk.ring_after(after, NEXT);
        Ok(())
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            NEXT => self.go_on(desk),
            token if self.waits == Some(token) => desk.hang_up(self.route.node()),
            _ => {}
        }
        Ok(())
    }

    fn wind_down(&mut self, desk: &mut Desk<'_>) {
        self.stops = true;
        self.go_on(desk);
    }

    fn waits_for(&self) -> Option<String> {
        (self.stops && !self.over).then(|| format!("the last transaction: {:?}", self.step))
    }
}

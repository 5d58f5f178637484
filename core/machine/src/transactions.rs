//! Transactional producers of this shard: who they are now, and what their open transaction spans.
//!
//! The rules are Kafka's (KIP-98, KIP-360, KIP-890): a transactional id has one producer id and one epoch at a time, whoever opens it
//! anew gets the next epoch, and everything that comes with an older one is fenced.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{GroupId, LogTime, PartitionId, ProducerEpoch, ProducerId, Refusal};

use crate::codec::{DecodeError, Reader, Writer};
use crate::command::{OpenProducer, decode, encode};
use crate::limits::{
    GROUP_ID_BYTES_MAX, PARTICIPANTS_PER_TRANSACTION_MAX, PRODUCER_EPOCH_MAX, TRANSACTIONAL_ID_BYTES_MAX,
    TRANSACTIONAL_IDS_BYTES_MAX, TRANSACTIONAL_IDS_EXPIRED_PER_COMMAND_MAX, TRANSACTIONAL_IDS_PER_SHARD_MAX,
};
use crate::table::{Stored, Table, TableLimit};

/// A producer and the instance of it that may write.
pub type Instance = (ProducerId, ProducerEpoch);

/// A transactional producer as it is replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionalProducer {
    /// Who may write now.
    pub now: Instance,
    /// Who could write before the last change, where that client may not have heard of it: it may ask again.
    pub before: Option<Instance>,
    /// A transaction that is open for longer is aborted.
    pub timeout_ms: u32,
    /// Its transaction.
    pub state: TransactionState,
    /// When it changed last.
    pub changed_at: LogTime,
}

/// Where the transaction of a producer stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransactionState {
    /// None since the producer was opened.
    Empty,
    /// It is open.
    Open(OpenTransaction),
    /// It has ended so, completely.
    Ended(Decision),
}

/// What an open transaction spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// When it began.
    pub since: LogTime,
    /// Partitions that it may write to.
    pub partitions: BTreeSet<PartitionId>,
    /// Groups whose cursors it may set.
    pub groups: BTreeSet<GroupId>,
}

impl OpenTransaction {
    fn since(since: LogTime) -> OpenTransaction {
        OpenTransaction { since, partitions: BTreeSet::new(), groups: BTreeSet::new() }
    }
}

/// Something that becomes part of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Participant {
    /// Appends to this partition.
    Partition(PartitionId),
    /// Cursors of this group.
    Group(GroupId),
}

/// What an end finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// This is what it spans; [`Transactions::end`] ends it.
    Due(OpenTransaction),
    /// It has ended so before: the answer is who may write now.
    Before(Instance),
}

/// All transactional producers of a shard.
#[derive(Clone, Debug)]
pub struct Transactions {
    table: Table<TransactionalId, TransactionalProducer>,
    by_producer: BTreeMap<ProducerId, TransactionalId>,
    /// Open transactions, the one that is aborted first in front.
    deadlines: BTreeSet<(LogTime, TransactionalId)>,
    /// The others, the one idle longest in front.
    idle: BTreeSet<(LogTime, TransactionalId)>,
}

const LIMIT: TableLimit = TableLimit {
    name: "TRANSACTIONAL_IDS_PER_SHARD_MAX",
    entries: TRANSACTIONAL_IDS_PER_SHARD_MAX,
    bytes: TRANSACTIONAL_IDS_BYTES_MAX,
};

impl Default for Transactions {
    fn default() -> Transactions {
        Transactions {
            table: Table::new(LIMIT),
            by_producer: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            idle: BTreeSet::new(),
        }
    }
}

impl Transactions {
    /// A producer by its transactional id.
    pub fn get(&self, id: &TransactionalId) -> Option<&TransactionalProducer> {
        self.table.get(id)
    }

    /// All of them by rising id.
    pub fn iter(&self) -> impl Iterator<Item = (&TransactionalId, &TransactionalProducer)> {
        self.table.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The id whose producer this is.
    pub fn id_of(&self, producer: ProducerId) -> Option<&TransactionalId> {
        self.by_producer.get(&producer)
    }

    /// Open transactions whose time was up at `now`, the oldest first.
    pub fn overdue(&self, now: LogTime) -> impl Iterator<Item = &TransactionalId> {
        self.deadlines.iter().take_while(move |(deadline, _)| *deadline <= now).map(|(_, id)| id)
    }

    /// When the first open transaction is aborted.
    pub fn next_deadline(&self) -> Option<LogTime> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Makes whoever asks the one that may write. An open transaction has to end first.
    pub(crate) fn open(&mut self, open: OpenProducer, now: LogTime) -> Result<Instance, Refusal> {
        let OpenProducer { id, timeout_ms, present, spare } = open;
        check_id(&id)?;
        let known = self.table.get(&id);
        if let (Some(known), Some(present)) = (known, present)
            && known.now != present
        {
            match known.state {
                _ if known.before != Some(present) => return Err(Refusal::ProducerFenced),
                // It has not heard the answer of its opening...
                TransactionState::Empty => return Ok(known.now),
                // ...or that of the end of its transaction, and nobody else has come since.
                TransactionState::Ended(_) | TransactionState::Open(_) => {}
            }
        }
        if known.is_some_and(|known| matches!(known.state, TransactionState::Open(_))) {
            return Err(Refusal::ConcurrentTransaction);
        }
        let instance = match known {
            Some(known) => instance_after(known.now, spare)?,
            None => (self.check_spare(spare)?, ProducerEpoch(0)),
        };
        let producer = TransactionalProducer {
            now: instance,
            before: present.filter(|_| known.is_some()),
            timeout_ms,
            state: TransactionState::Empty,
            changed_at: now,
        };
        self.put(id, producer)?;
        Ok(instance)
    }

    /// Adds to a transaction, which begins if none is open.
    pub(crate) fn join(
        &mut self,
        id: &TransactionalId,
        instance: Instance,
        participants: impl IntoIterator<Item = Participant>,
        now: LogTime,
    ) -> Result<(), Refusal> {
        let producer = self.check(id, instance)?;
        let mut producer = producer.clone();
        let mut open = match producer.state {
            TransactionState::Open(open) => open,
            TransactionState::Empty | TransactionState::Ended(_) => OpenTransaction::since(now),
        };
        for participant in participants {
            match participant {
                Participant::Partition(partition) => drop(open.partitions.insert(partition)),
                Participant::Group(group) => drop(open.groups.insert(group)),
            }
        }
        if open.groups.iter().any(|group| group.0.is_empty() || group.0.len() > GROUP_ID_BYTES_MAX) {
            return Err(Refusal::InvalidGroupId);
        }
        if open.partitions.len() + open.groups.len() > PARTICIPANTS_PER_TRANSACTION_MAX {
            return Err(Refusal::LimitReached { limit: "PARTICIPANTS_PER_TRANSACTION_MAX" });
        }
        producer.state = TransactionState::Open(open);
        producer.before = None;
        producer.changed_at = now;
        self.put(id.clone(), producer)
    }

    /// Whether `participant` may be written to by this instance now; joins it where that is how it joins.
    pub(crate) fn admit(
        &mut self,
        instance: Instance,
        participant: Participant,
        joining: Joining,
        now: LogTime,
    ) -> Result<(), Refusal> {
        let id = self.by_producer.get(&instance.0).ok_or(Refusal::UnknownTransaction)?.clone();
        let open = match &self.check(&id, instance)?.state {
            TransactionState::Open(open) => Some(open),
            TransactionState::Empty | TransactionState::Ended(_) => None,
        };
        let joined = open.is_some_and(|open| match &participant {
            Participant::Partition(partition) => open.partitions.contains(partition),
            Participant::Group(group) => open.groups.contains(group),
        });
        match joining {
            _ if joined => Ok(()),
            Joining::Now => self.join(&id, instance, [participant], now),
            Joining::Before => Err(Refusal::InvalidTransactionState),
        }
    }

    /// What ending the producer's transaction means; nothing is changed.
    pub(crate) fn ending(
        &self,
        id: &TransactionalId,
        instance: Instance,
        decision: Decision,
        next: Next,
    ) -> Result<Ending, Refusal> {
        let producer = self.table.get(id).ok_or(Refusal::UnknownTransaction)?;
        if producer.before == Some(instance)
            && let TransactionState::Ended(ended) = producer.state
        {
            let again = ended == decision;
            return if again {
                Ok(Ending::Before(producer.now))
            } else {
                Err(Refusal::InvalidTransactionState)
            };
        }
        let raises = matches!(next, Next::Raised { .. });
        match &self.check(id, instance)?.state {
            TransactionState::Open(open) => Ok(Ending::Due(open.clone())),
            // A client that gets an instance with every end would have asked with the one before.
            TransactionState::Ended(ended) if *ended == decision && !raises => {
                Ok(Ending::Before(producer.now))
            }
            // It does not know whether anything of its transaction has come here, and wants to begin anew.
            _ if raises && decision == Decision::Abort => {
                Ok(Ending::Due(OpenTransaction::since(producer.changed_at)))
            }
            TransactionState::Empty | TransactionState::Ended(_) => Err(Refusal::InvalidTransactionState),
        }
    }

    /// Ends the open transaction of a producer; who may write behind it.
    pub(crate) fn end(
        &mut self,
        id: &TransactionalId,
        decision: Decision,
        next: Next,
        now: LogTime,
    ) -> Result<Instance, Refusal> {
        let mut producer = self.table.get(id).ok_or(Refusal::UnknownTransaction)?.clone();
        let before = producer.now;
        match next {
            Next::Same => producer.before = None,
            Next::Raised { spare } => {
                producer.now = instance_after(before, spare)?;
                producer.before = Some(before);
            }
            Next::Fenced => {
                // Also the epoch that nobody writes with: whoever opens the producer then gets another id.
                producer.now.1 = ProducerEpoch(before.1.0.saturating_add(1));
                producer.before = None;
            }
        }
        producer.state = TransactionState::Ended(decision);
        producer.changed_at = now;
        let instance = producer.now;
        self.put(id.clone(), producer)?;
        Ok(instance)
    }

    /// Forgets producers without an open transaction that were idle at `oldest` or before; a bounded number, the next command
    /// goes on.
    pub(crate) fn expire(&mut self, oldest: LogTime) {
        for _ in 0..TRANSACTIONAL_IDS_EXPIRED_PER_COMMAND_MAX {
            match self.idle.first() {
                Some((since, id)) if *since <= oldest => {
                    let id = id.clone();
                    self.remove(&id);
                }
                _ => return,
            }
        }
    }

    /// The producer, if this is who may write for it.
    fn check(&self, id: &TransactionalId, instance: Instance) -> Result<&TransactionalProducer, Refusal> {
        let producer = self.table.get(id).ok_or(Refusal::UnknownTransaction)?;
        if producer.now == instance {
            Ok(producer)
        } else if producer.now.0 == instance.0 {
            Err(Refusal::ProducerFenced)
        } else {
            Err(Refusal::UnknownTransaction)
        }
    }

    fn check_spare(&self, spare: ProducerId) -> Result<ProducerId, Refusal> {
        if spare.0 < 0 || self.by_producer.contains_key(&spare) {
            return Err(Refusal::InvalidRequest(format!("the producer id {spare} cannot be given out")));
        }
        Ok(spare)
    }

    fn put(&mut self, id: TransactionalId, producer: TransactionalProducer) -> Result<(), Refusal> {
        let (instance, place) = (producer.now, Place::of(&producer));
        if self.by_producer.get(&instance.0).is_some_and(|owner| *owner != id) {
            return Err(Refusal::InvalidRequest(format!("the producer id {} is taken", instance.0)));
        }
        if let Some(before) = self.table.insert(id.clone(), producer)? {
            self.unlist(&id, &before);
        }
        self.by_producer.insert(instance.0, id.clone());
        match place {
            Place::Open { deadline } => self.deadlines.insert((deadline, id)),
            Place::Idle { since } => self.idle.insert((since, id)),
        };
        Ok(())
    }

    fn remove(&mut self, id: &TransactionalId) {
        if let Some(producer) = self.table.remove(id) {
            self.unlist(id, &producer);
        }
    }

    fn unlist(&mut self, id: &TransactionalId, producer: &TransactionalProducer) {
        self.by_producer.remove(&producer.now.0);
        match Place::of(producer) {
            Place::Open { deadline } => self.deadlines.remove(&(deadline, id.clone())),
            Place::Idle { since } => self.idle.remove(&(since, id.clone())),
        };
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.table.encode(out);
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Transactions, DecodeError> {
        let table = Table::<TransactionalId, TransactionalProducer>::decode(LIMIT, input)?;
        let mut transactions = Transactions::default();
        for (id, producer) in table.iter() {
            transactions
                .put(id.clone(), producer.clone())
                .map_err(|_| DecodeError::Invalid("a transactional producer"))?;
        }
        Ok(transactions)
    }
}

/// Who may write behind an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The same instance.
    Same,
    /// The next one, and the client that asked for the end is told so (KIP-890); it may ask again.
    Raised {
        /// A producer id that nobody has, for when this one has no epochs left.
        spare: ProducerId,
    },
    /// The next one, which nobody is told: whoever had it is fenced.
    Fenced,
}

/// In which order a producer waits.
enum Place {
    Open { deadline: LogTime },
    Idle { since: LogTime },
}

impl Place {
    fn of(producer: &TransactionalProducer) -> Place {
        match &producer.state {
            TransactionState::Open(open) => {
                Place::Open { deadline: LogTime(open.since.0.saturating_add(producer.timeout_ms.into())) }
            }
            TransactionState::Empty | TransactionState::Ended(_) => {
                Place::Idle { since: producer.changed_at }
            }
        }
    }
}

/// The instance behind this one: the next epoch, or the first of another producer id. The last epoch is kept for the mark of a
/// transaction that is aborted to fence its producer.
fn instance_after((producer, epoch): Instance, spare: ProducerId) -> Result<Instance, Refusal> {
    if epoch.0 < PRODUCER_EPOCH_MAX {
        return Ok((producer, ProducerEpoch(epoch.0 + 1)));
    }
    if spare.0 < 0 || spare == producer {
        return Err(Refusal::InvalidRequest(format!("the producer id {spare} cannot be given out")));
    }
    Ok((spare, ProducerEpoch(0)))
}

fn check_id(id: &TransactionalId) -> Result<(), Refusal> {
    if id.0.is_empty() || id.0.len() > TRANSACTIONAL_ID_BYTES_MAX {
        let text = format!("a transactional id has 1 to {TRANSACTIONAL_ID_BYTES_MAX} bytes");
        return Err(Refusal::InvalidRequest(text));
    }
    Ok(())
}

impl Stored for TransactionalId {
    fn bytes(&self) -> usize {
        // Itself, its text's head, its place by producer and among the open or idle ones.
        160 + self.0.len()
    }

    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<TransactionalId, DecodeError> {
        decode::transactional_id(input)
    }
}

impl Stored for TransactionalProducer {
    fn bytes(&self) -> usize {
        let participants = match &self.state {
            TransactionState::Open(open) => {
                let groups = open.groups.iter().map(|group| 48 + group.0.len()).sum::<usize>();
                open.partitions.len() * 16 + groups
            }
            TransactionState::Empty | TransactionState::Ended(_) => 0,
        };
        160 + participants
    }

    fn encode(&self, out: &mut Writer) {
        encode::instance(self.now, out);
        out.option(self.before, |out, before| encode::instance(before, out));
        out.uint(self.timeout_ms);
        out.int(self.changed_at.0);
        match &self.state {
            TransactionState::Empty => out.u8(0),
            TransactionState::Open(open) => {
                out.u8(1);
                out.int(open.since.0);
                out.list(open.partitions.iter(), |out, partition| out.uint(partition.0));
                out.list(open.groups.iter(), |out, group| out.text(&group.0));
            }
            TransactionState::Ended(Decision::Commit) => out.u8(2),
            TransactionState::Ended(Decision::Abort) => out.u8(3),
        }
    }

    fn decode(input: &mut Reader<'_>) -> Result<TransactionalProducer, DecodeError> {
        Ok(TransactionalProducer {
            now: decode::instance(input)?,
            before: input.option("an instance", decode::instance)?,
            timeout_ms: input.narrow("a transaction's timeout")?,
            changed_at: LogTime(input.int("a log time")?),
            state: match input.u8("a transaction's state")? {
                0 => TransactionState::Empty,
                1 => TransactionState::Open(OpenTransaction {
                    since: LogTime(input.int("a log time")?),
                    partitions: input
                        .list("partitions", |input| Ok(PartitionId(input.uint("a partition")?)))?
                        .into_iter()
                        .collect(),
                    groups: input.list("groups", decode::group_id)?.into_iter().collect(),
                }),
                2 => TransactionState::Ended(Decision::Commit),
                3 => TransactionState::Ended(Decision::Abort),
                _ => return Err(DecodeError::Invalid("a transaction's state")),
            },
        })
    }
}

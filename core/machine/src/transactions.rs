//! Transactional producers of this shard: who they are now, and what their open transaction spans.
//!
//! The rules are Kafka's (KIP-98, KIP-360, KIP-890): a transactional id has one producer id and one epoch at a time, whoever opens it
//! anew gets the next epoch, and everything that comes with an older one is fenced.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{LogIndex, LogTime, ProducerEpoch, ProducerId, Refusal, ShardId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::command::{Meta, OpenProducer, decode, encode};
use crate::limits::{
    GROUP_ID_BYTES_MAX, PARTICIPANTS_PER_TRANSACTION_MAX, PRODUCER_EPOCH_MAX, TRANSACTION_SPAN_BYTES_MAX,
    TRANSACTIONAL_ID_BYTES_MAX, TRANSACTIONAL_IDS_BYTES_MAX, TRANSACTIONAL_IDS_EXPIRED_PER_COMMAND_MAX,
    TRANSACTIONAL_IDS_PER_SHARD_MAX,
};
use crate::span::{Participant, Span};
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
    /// It was decided so, and other shards that it spans have not carried that out yet.
    Ending {
        /// How.
        decision: Decision,
        /// Which shards; at least one.
        left: BTreeSet<ShardId>,
    },
    /// It has ended so, completely.
    Ended(Decision),
}

impl TransactionState {
    /// How it was decided, if it was.
    pub fn decided(&self) -> Option<Decision> {
        match self {
            TransactionState::Empty | TransactionState::Open(_) => None,
            TransactionState::Ending { decision, .. } | TransactionState::Ended(decision) => Some(*decision),
        }
    }
}

/// What an open transaction spans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenTransaction {
    /// When it began.
    pub since: LogTime,
    /// What of this shard.
    pub here: Span,
    /// What of others.
    pub elsewhere: Elsewhere,
}

/// What an open transaction spans on shards that do not keep its producer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The entry by which it first spanned one: names the transaction there. It rises from one to the next of a producer.
    pub begun: LogIndex,
    /// By shard; none is empty.
    pub spans: BTreeMap<ShardId, Span>,
}

impl OpenTransaction {
    fn since(since: LogTime) -> OpenTransaction {
        OpenTransaction { since, here: Span::default(), elsewhere: Elsewhere::default() }
    }

    /// Partitions and groups.
    fn len(&self) -> usize {
        self.here.len() + self.elsewhere.spans.values().map(Span::len).sum::<usize>()
    }

    fn groups(&self) -> impl Iterator<Item = &forebay_model::GroupId> {
        self.here.groups.iter().chain(self.elsewhere.spans.values().flat_map(|span| &span.groups))
    }
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
                TransactionState::Ended(_) | TransactionState::Ending { .. } | TransactionState::Open(_) => {}
            }
        }
        let busy = |state: &TransactionState| match state {
            TransactionState::Open(_) | TransactionState::Ending { .. } => true,
            TransactionState::Empty | TransactionState::Ended(_) => false,
        };
        if known.is_some_and(|known| busy(&known.state)) {
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

    /// Adds to a transaction, which begins if none is open. Answers by which entry it first spanned another shard, if it spans one.
    pub(crate) fn join(
        &mut self,
        id: &TransactionalId,
        instance: Instance,
        here: Span,
        elsewhere: Vec<(ShardId, Span)>,
        meta: &Meta,
    ) -> Result<Option<LogIndex>, Refusal> {
        let mut producer = self.check(id, instance)?.clone();
        let mut open = match producer.state {
            TransactionState::Open(open) => open,
            TransactionState::Ending { .. } => return Err(Refusal::ConcurrentTransaction),
            TransactionState::Empty | TransactionState::Ended(_) => OpenTransaction::since(meta.time),
        };
        open.here.add_all(here);
        for (shard, span) in elsewhere {
            if open.elsewhere.spans.is_empty() {
                open.elsewhere.begun = meta.index;
            }
            open.elsewhere.spans.entry(shard).or_default().add_all(span);
        }
        if open.groups().any(|group| group.0.is_empty() || group.0.len() > GROUP_ID_BYTES_MAX) {
            return Err(Refusal::InvalidGroupId);
        }
        if open.len() > PARTICIPANTS_PER_TRANSACTION_MAX {
            return Err(Refusal::LimitReached { limit: "PARTICIPANTS_PER_TRANSACTION_MAX" });
        }
        if open.elsewhere.spans.values().map(Span::bytes).sum::<usize>() > TRANSACTION_SPAN_BYTES_MAX {
            return Err(Refusal::LimitReached { limit: "TRANSACTION_SPAN_BYTES_MAX" });
        }
        let begun = (!open.elsewhere.spans.is_empty()).then_some(open.elsewhere.begun);
        producer.state = TransactionState::Open(open);
        producer.before = None;
        producer.changed_at = meta.time;
        self.put(id.clone(), producer)?;
        Ok(begun)
    }

    /// Whether `participant` may be written to by this instance now; joins it where that is how it joins.
    pub(crate) fn admit(
        &mut self,
        instance: Instance,
        participant: Participant,
        joining: Joining,
        meta: &Meta,
    ) -> Result<(), Refusal> {
        let id = self.by_producer.get(&instance.0).ok_or(Refusal::UnknownTransaction)?.clone();
        let open = match &self.check(&id, instance)?.state {
            TransactionState::Open(open) => Some(open),
            TransactionState::Ending { .. } => return Err(Refusal::ConcurrentTransaction),
            TransactionState::Empty | TransactionState::Ended(_) => None,
        };
        let joined = open.is_some_and(|open| open.here.contains(&participant));
        match joining {
            _ if joined => Ok(()),
            Joining::Now => {
                let mut here = Span::default();
                here.add(participant);
                self.join(&id, instance, here, Vec::new(), meta).map(drop)
            }
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
            && let Some(ended) = producer.state.decided()
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
            state if state.decided() == Some(decision) && !raises => Ok(Ending::Before(producer.now)),
            TransactionState::Ending { .. } => Err(Refusal::ConcurrentTransaction),
            // It does not know whether anything of its transaction has come here, and wants to begin anew.
            _ if raises && decision == Decision::Abort => {
                Ok(Ending::Due(OpenTransaction::since(producer.changed_at)))
            }
            TransactionState::Empty | TransactionState::Ended(_) => Err(Refusal::InvalidTransactionState),
        }
    }

    /// Decides the open transaction of a producer; who may write behind it. `left` are the shards that have to be told.
    pub(crate) fn end(
        &mut self,
        id: &TransactionalId,
        decision: Decision,
        next: Next,
        left: BTreeSet<ShardId>,
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
        producer.state = match left.is_empty() {
            true => TransactionState::Ended(decision),
            false => TransactionState::Ending { decision, left },
        };
        producer.changed_at = now;
        let instance = producer.now;
        self.put(id.clone(), producer)?;
        Ok(instance)
    }

    /// A shard has carried out the end of this producer's transaction. Says whether it was the last one.
    pub(crate) fn carried_out(&mut self, id: &TransactionalId, shard: ShardId, now: LogTime) -> bool {
        let Some(mut producer) = self.table.get(id).cloned() else { return false };
        let TransactionState::Ending { decision, left } = &mut producer.state else { return false };
        left.remove(&shard);
        let last = left.is_empty();
        if last {
            producer.state = TransactionState::Ended(*decision);
            producer.changed_at = now;
        }
        // It is no larger than it was.
        let put = self.put(id.clone(), producer);
        debug_assert_eq!(put, Ok(()), "what shrinks finds room");
        last
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
            Place::Open { deadline } => drop(self.deadlines.insert((deadline, id))),
            Place::Ending => {}
            Place::Idle { since } => drop(self.idle.insert((since, id))),
        }
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
            Place::Open { deadline } => drop(self.deadlines.remove(&(deadline, id.clone()))),
            Place::Ending => {}
            Place::Idle { since } => drop(self.idle.remove(&(since, id.clone()))),
        }
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
    Open {
        deadline: LogTime,
    },
    /// It ends by itself.
    Ending,
    Idle {
        since: LogTime,
    },
}

impl Place {
    fn of(producer: &TransactionalProducer) -> Place {
        match &producer.state {
            TransactionState::Open(open) => {
                Place::Open { deadline: LogTime(open.since.0.saturating_add(producer.timeout_ms.into())) }
            }
            TransactionState::Ending { .. } => Place::Ending,
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
                let elsewhere = open.elsewhere.spans.values().map(|span| 64 + span.bytes());
                open.here.bytes() + elsewhere.sum::<usize>()
            }
            TransactionState::Ending { left, .. } => left.len() * 16,
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
            TransactionState::Open(open) if open.elsewhere.spans.is_empty() => {
                out.u8(1);
                out.int(open.since.0);
                open.here.encode(out);
            }
            TransactionState::Ended(Decision::Commit) => out.u8(2),
            TransactionState::Ended(Decision::Abort) => out.u8(3),
            // From machine version 3 on.
            TransactionState::Open(open) => {
                out.u8(4);
                out.int(open.since.0);
                open.here.encode(out);
                out.uint(open.elsewhere.begun.0);
                out.list(open.elsewhere.spans.iter(), |out, (shard, span)| {
                    out.uint(shard.0);
                    span.encode(out);
                });
            }
            TransactionState::Ending { decision, left } => {
                out.u8(5);
                out.u8(encode::decision(*decision));
                out.list(left.iter(), |out, shard| out.uint(shard.0));
            }
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
                    here: Span::decode(input)?,
                    elsewhere: Elsewhere::default(),
                }),
                2 => TransactionState::Ended(Decision::Commit),
                3 => TransactionState::Ended(Decision::Abort),
                4 => TransactionState::Open(OpenTransaction {
                    since: LogTime(input.int("a log time")?),
                    here: Span::decode(input)?,
                    elsewhere: Elsewhere::decode(input)?,
                }),
                5 => {
                    TransactionState::Ending { decision: decode::decision(input)?, left: shards_left(input)? }
                }
                _ => return Err(DecodeError::Invalid("a transaction's state")),
            },
        })
    }
}

impl Elsewhere {
    fn decode(input: &mut Reader<'_>) -> Result<Elsewhere, DecodeError> {
        let begun = LogIndex(input.uint("a log index")?);
        let spans = input.list("what a transaction spans", |input| {
            Ok((ShardId(input.narrow("a shard")?), Span::decode(input)?))
        })?;
        if spans.is_empty() {
            return Err(DecodeError::Invalid("what a transaction spans"));
        }
        Ok(Elsewhere { begun, spans: spans.into_iter().collect() })
    }
}

fn shards_left(input: &mut Reader<'_>) -> Result<BTreeSet<ShardId>, DecodeError> {
    let left = input.list("shards", |input| Ok(ShardId(input.narrow("a shard")?)))?;
    match left.is_empty() {
        true => Err(DecodeError::Invalid("a transaction's state")),
        false => Ok(left.into_iter().collect()),
    }
}

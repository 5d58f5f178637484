//! Transactional producers: each is served by the shard of its transactional id. What its transaction spans elsewhere is joined there too
//! (`joins`); what lies on shards of other nodes, or on those that confirm before they flush, is refused before anything is written.

use std::collections::{BTreeMap, BTreeSet};

use forebay_machine::limits::{GROUP_ID_BYTES_MAX, PARTICIPANTS_PER_TRANSACTION_MAX, PRODUCER_EPOCH_MAX};
use forebay_machine::{Next as NextInstance, OpenProducer as OpenCommand, Span};
use forebay_model::limits::TRANSACTION_TIMEOUT_MS_MAX;
use forebay_model::transaction::{
    EndTransaction, JoinRefused, JoinTransaction, OpenProducer, TransactionReply, TransactionRequest,
    TransactionView,
};
use forebay_model::{
    FlushClass, GroupId, PartitionId, PartitionRef, ProducerId, Refusal, Reply, Request, ShardId, TopicRef,
};
use forebay_shard::{Read, TransactionAnswer, TransactionWork, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, Gather, Next, Step, Ticket};
use crate::joins::{Spread, Then};
use crate::place;
use crate::shards::ShardHandle;

const NODES: &str = "transactions are not served yet where several nodes have several shards";
const UNFLUSHED: &str = "a transaction cannot span what is confirmed before it is flushed";

/// What was asked, for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Open,
    End,
    Describe,
}

impl Inner {
    pub(crate) fn transaction(
        &self,
        asker: Asker,
        request: TransactionRequest,
        currency: Currency,
        replies: &mut Replies,
    ) {
        match request {
            TransactionRequest::Open(open) => self.open_transactional(asker, open, replies),
            TransactionRequest::Join(join) => self.join_transaction(asker, join, currency, replies),
            TransactionRequest::End(end) => {
                asker.publishes.forget_joined();
                self.end_transaction(asker, end, None, replies);
            }
            TransactionRequest::Describe(id) => {
                let shard = self.shards.of_group(&id.0);
                self.ask_producer(asker, shard, Asked::Describe, TransactionWork::Describe(id), replies);
            }
        }
    }

    pub(crate) fn list_transactions(&self, asker: Asker, replies: &mut Replies) {
        let shards = self.shards.all();
        let call = Call::new(asker, Gather::ListTransactions(Vec::new(), shards.len()));
        for (part, shard) in shards.iter().enumerate() {
            let ticket = Ticket { call: call.clone(), part };
            self.post_read(shard, Read::ListTransactions(ticket), replies);
        }
    }

    /// A description as it leaves: with names.
    pub(crate) fn name_partitions(&self, mut view: TransactionView) -> Reply {
        let catalogue = self.catalogue();
        let elsewhere: BTreeSet<PartitionId> = std::mem::take(&mut view.elsewhere).into_iter().collect();
        for topic in catalogue.topics().filter(|_| !elsewhere.is_empty()) {
            let numbered = (0..).zip(&topic.partitions);
            let joined = numbered.filter(|(_, partition)| elsewhere.contains(&partition.id));
            view.partitions
                .extend(joined.map(|(number, _)| PartitionRef { topic: TopicRef::Id(topic.id), number }));
        }
        view.partitions.retain_mut(|partition| match place::topic(&catalogue, &partition.topic) {
            Ok(topic) => {
                partition.topic = TopicRef::Name(topic.name.clone());
                true
            }
            Err(_) => false,
        });
        Reply::Transaction(TransactionReply::Describe(Ok(view)))
    }

    fn open_transactional(&self, asker: Asker, open: OpenProducer, replies: &mut Replies) {
        if open.timeout_ms == 0 || open.timeout_ms > TRANSACTION_TIMEOUT_MS_MAX {
            let reply = TransactionReply::Open(Err(Refusal::InvalidTransactionTimeout));
            return self.finish(&asker, Reply::Transaction(reply), replies);
        }
        if self.config.nodes.len() > 1 && self.shards.of_class(FlushClass::Sync).len() > 1 {
            // Their leaders may be on different nodes, which pass each other nothing yet.
            let reply = TransactionReply::Open(Err(Refusal::Unsupported(NODES)));
            return self.finish(&asker, Reply::Transaction(reply), replies);
        }
        self.with_producer(asker, TransactionRequest::Open(open), replies);
    }

    /// Goes on with a producer id that nobody has.
    pub(crate) fn transaction_with(
        &self,
        asker: Asker,
        request: TransactionRequest,
        spare: Result<ProducerId, Refusal>,
        replies: &mut Replies,
    ) {
        let spare = match spare {
            Ok(spare) => spare,
            Err(refusal) => return self.refuse(&asker, &Request::Transaction(request), &refusal, replies),
        };
        match request {
            TransactionRequest::Open(OpenProducer { id, timeout_ms, present }) => {
                let work = TransactionWork::Open(OpenCommand { id: id.clone(), timeout_ms, present, spare });
                self.ask_producer(asker, self.shards.of_group(&id.0), Asked::Open, work, replies);
            }
            TransactionRequest::End(end) => self.end_transaction(asker, end, Some(spare), replies),
            TransactionRequest::Join(_) | TransactionRequest::Describe(_) => {
                unreachable!("these need no producer id")
            }
        }
    }

    fn join_transaction(
        &self,
        asker: Asker,
        join: JoinTransaction,
        currency: Currency,
        replies: &mut Replies,
    ) {
        if join.partitions.len() + join.groups.len() > PARTICIPANTS_PER_TRANSACTION_MAX {
            let limit = "PARTICIPANTS_PER_TRANSACTION_MAX";
            return self.join_refused(&asker, JoinRefused::All(Refusal::LimitReached { limit }), replies);
        }
        let long = |group: &GroupId| group.0.is_empty() || group.0.len() > GROUP_ID_BYTES_MAX;
        if join.groups.iter().any(long) {
            return self.join_refused(&asker, JoinRefused::All(Refusal::InvalidGroupId), replies);
        }
        let shard = self.shards.of_group(&join.id.0);
        let catalogue = self.catalogue();
        let defaults = self.defaults(&catalogue);
        let placed: Vec<Result<(ShardId, PartitionId), Refusal>> = join
            .partitions
            .iter()
            .map(|partition| {
                let placed = place::partition(&catalogue, &defaults, partition)?;
                match self.is_sync(placed.shard) {
                    true => Ok((placed.shard, placed.id)),
                    false => Err(Refusal::Unsupported(UNFLUSHED)),
                }
            })
            .collect();
        let stale = placed.iter().filter_map(|placed| placed.as_ref().err()).any(place::may_be_stale);
        if stale && currency == Currency::Unknown {
            let request = Request::Transaction(TransactionRequest::Join(join));
            return self.after_barrier(asker, Step::Unresolved(Box::new(request)), replies);
        }
        if placed.iter().any(Result::is_err) {
            let refused = JoinRefused::Partitions(placed.into_iter().map(Result::err).collect());
            return self.join_refused(&asker, refused, replies);
        }
        let JoinTransaction { id, producer, epoch, groups, .. } = join;
        let mut spans: BTreeMap<ShardId, Span> = BTreeMap::new();
        for (shard, partition) in placed.into_iter().flatten() {
            spans.entry(shard).or_default().partitions.insert(partition);
        }
        for group in groups {
            let shard = self.shards.of_group(&group.0).id;
            spans.entry(shard).or_default().groups.insert(group);
        }
        let here = spans.remove(&shard.id).unwrap_or_default();
        let spread = Spread { id, instance: (producer, epoch), here, elsewhere: spans };
        self.join(asker, spread, Then::Reply, replies);
    }

    fn join_refused(&self, asker: &Asker, refused: JoinRefused, replies: &mut Replies) {
        self.finish(asker, Reply::Transaction(TransactionReply::Join(Err(refused))), replies);
    }

    fn end_transaction(
        &self,
        asker: Asker,
        end: EndTransaction,
        spare: Option<ProducerId>,
        replies: &mut Replies,
    ) {
        if end.raise && end.epoch.0 >= PRODUCER_EPOCH_MAX && spare.is_none() {
            return self.with_producer(asker, TransactionRequest::End(end), replies);
        }
        let EndTransaction { id, producer, epoch, decision, raise } = end;
        let next = match raise {
            true => NextInstance::Raised { spare: spare.unwrap_or(ProducerId(-1)) },
            false => NextInstance::Same,
        };
        let shard = self.shards.of_group(&id.0);
        let work = TransactionWork::End { id, instance: (producer, epoch), decision, next };
        self.ask_producer(asker, shard, Asked::End, work, replies);
    }

    fn ask_producer(
        &self,
        asker: Asker,
        shard: &ShardHandle,
        asked: Asked,
        work: TransactionWork,
        replies: &mut Replies,
    ) {
        let from = asker.connection;
        let bytes = transaction_bytes(&work);
        let call = Call::new(asker, Gather::Transaction(asked));
        self.post_work(shard, from, bytes, Work::Transaction(Ticket { call, part: 0 }, work), replies);
    }
}

/// What the shard's answer means to whoever asked.
pub(crate) fn next(asked: Asked, answer: TransactionAnswer) -> Next {
    let reply = match (asked, answer) {
        (Asked::Describe, TransactionAnswer::Described(Ok(view))) => return Next::NamePartitions(view),
        (Asked::Describe, TransactionAnswer::Described(Err(refusal))) => {
            TransactionReply::Describe(Err(refusal))
        }
        (Asked::Open, TransactionAnswer::Instance(result)) => TransactionReply::Open(result),
        (Asked::End, TransactionAnswer::Instance(result)) => TransactionReply::End(result),
        (asked, answer) => panic!("{asked:?} was asked, and answered {answer:?}"),
    };
    Next::Reply(Reply::Transaction(reply))
}

/// The reply that refuses a request.
pub(crate) fn refused(request: &TransactionRequest, refusal: &Refusal) -> TransactionReply {
    match request {
        TransactionRequest::Open(_) => TransactionReply::Open(Err(refusal.clone())),
        TransactionRequest::Join(_) => TransactionReply::Join(Err(JoinRefused::All(refusal.clone()))),
        TransactionRequest::End(_) => TransactionReply::End(Err(refusal.clone())),
        TransactionRequest::Describe(_) => TransactionReply::Describe(Err(refusal.clone())),
    }
}

/// What a request weighs in a mailbox.
pub(crate) fn transaction_bytes(work: &TransactionWork) -> usize {
    match work {
        TransactionWork::Open(open) => open.id.0.len(),
        TransactionWork::End { id, .. } | TransactionWork::Describe(id) => id.0.len(),
        TransactionWork::Join(join) => {
            let groups = join.groups.iter().map(|group| group.0.len()).sum::<usize>();
            let elsewhere = join.elsewhere.iter().map(|(_, span)| span_bytes(span)).sum::<usize>();
            join.id.0.len() + join.partitions.len() * 10 + groups + elsewhere
        }
        TransactionWork::Admit(admit) => span_bytes(&admit.span),
    }
}

fn span_bytes(span: &Span) -> usize {
    span.partitions.len() * 10 + span.groups.iter().map(|group| group.0.len()).sum::<usize>()
}

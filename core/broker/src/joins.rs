//! Transactions over several shards. A producer is kept on the shard of its transactional id. Before it writes elsewhere that shard notes
//! what the transaction spans there, and then the other shard admits it: so whoever ends the transaction knows whom to tell.
//!
//! ```text
//!   the producer's shard: Join, noted --> each other shard: Admit --> what was asked for goes on
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_machine::{AdmitGuest, Instance, JoinTransaction, Span};
use forebay_model::group::{GroupReply, GroupRequest};
use forebay_model::publish::Publish;
use forebay_model::transaction::{InTransaction, JoinRefused, Joining, TransactionReply, TransactionalId};
use forebay_model::{FlushClass, LogIndex, PartitionId, Refusal, Reply, ShardId};
use forebay_shard::{Answer, TransactionAnswer, TransactionWork, Work};

use crate::broker::{Inner, Replies};
use crate::call::{Asker, Call, Gather, Step, Ticket};
use crate::line::PublishLine;
use crate::place::Placed;
use crate::transactions::transaction_bytes;

/// What is added to a transaction.
pub(crate) struct Spread {
    pub(crate) id: TransactionalId,
    pub(crate) instance: Instance,
    /// On the producer's own shard.
    pub(crate) here: Span,
    /// On others.
    pub(crate) elsewhere: BTreeMap<ShardId, Span>,
}

/// What goes on behind it.
pub(crate) enum Then {
    /// The asker is answered.
    Reply,
    /// The publish in front of this line, if it is still this one; it writes to these partitions of other shards.
    Publish { line: Arc<PublishLine>, token: u64, instance: Instance, partitions: Vec<PartitionId> },
    /// A request of a group.
    Group(Box<GroupRequest>),
}

/// Waits for the producer's own shard.
pub(crate) struct JoinStep {
    instance: Instance,
    elsewhere: BTreeMap<ShardId, Span>,
    then: Then,
}

/// Waits for the other shards.
pub(crate) struct AdmitGather {
    missing: usize,
    refusal: Option<Refusal>,
    then: Then,
}

impl AdmitGather {
    /// Takes one shard's answer; what goes on when it was the last.
    pub(crate) fn answer(&mut self, answer: TransactionAnswer) -> Option<(Then, Result<(), Refusal>)> {
        let TransactionAnswer::Joined(admitted) = answer else {
            panic!("it was asked to admit, not {answer:?}")
        };
        if let Err(refusal) = admitted {
            self.refusal.get_or_insert(refusal);
        }
        self.missing -= 1;
        if self.missing > 0 {
            return None;
        }
        let result = self.refusal.take().map_or(Ok(()), Err);
        Some((std::mem::replace(&mut self.then, Then::Reply), result))
    }
}

impl Inner {
    /// Adds to a transaction on every shard, then goes on.
    pub(crate) fn join(&self, asker: Asker, spread: Spread, then: Then, replies: &mut Replies) {
        let Spread { id, instance, here, elsewhere } = spread;
        let shard = self.shards.of_group(&id.0);
        let join = JoinTransaction {
            id,
            instance,
            partitions: here.partitions.into_iter().collect(),
            groups: here.groups.into_iter().collect(),
            elsewhere: elsewhere.iter().map(|(shard, span)| (*shard, span.clone())).collect(),
        };
        let from = asker.connection;
        let work = TransactionWork::Join(join);
        let bytes = transaction_bytes(&work);
        let call =
            Call::new(asker, Gather::Step(Step::Join(Box::new(JoinStep { instance, elsewhere, then }))));
        self.post_work(shard, from, bytes, Work::Transaction(Ticket { call, part: 0 }, work), replies);
    }

    /// The producer's own shard has answered.
    pub(crate) fn joined(&self, asker: Asker, step: JoinStep, answer: Answer, replies: &mut Replies) {
        let Answer::Transaction(TransactionAnswer::Joined(joined)) = answer else {
            panic!("it was asked to join, not {answer:?}")
        };
        let JoinStep { instance, elsewhere, then } = step;
        match joined {
            Err(refusal) => self.after_join(asker, then, Err(refusal), replies),
            Ok(Some(begun)) if !elsewhere.is_empty() => {
                self.admit(asker, instance, begun, elsewhere, then, replies);
            }
            Ok(_) => self.after_join(asker, then, Ok(()), replies),
        }
    }

    fn admit(
        &self,
        asker: Asker,
        instance: Instance,
        begun: LogIndex,
        elsewhere: BTreeMap<ShardId, Span>,
        then: Then,
        replies: &mut Replies,
    ) {
        let from = asker.connection;
        let gather = AdmitGather { missing: elsewhere.len(), refusal: None, then };
        let call = Call::new(asker, Gather::Admit(gather));
        for (part, (shard, span)) in elsewhere.into_iter().enumerate() {
            let work = TransactionWork::Admit(AdmitGuest { instance, begun, span });
            let bytes = transaction_bytes(&work);
            let ticket = Ticket { call: Arc::clone(&call), part };
            let shard = self.shards.at(shard.0 as usize);
            self.post_work(shard, from, bytes, Work::Transaction(ticket, work), replies);
        }
    }

    /// Every shard has answered.
    pub(crate) fn after_join(
        &self,
        asker: Asker,
        then: Then,
        result: Result<(), Refusal>,
        replies: &mut Replies,
    ) {
        match (then, result) {
            (Then::Reply, result) => {
                let reply = TransactionReply::Join(result.map_err(JoinRefused::All));
                self.finish(&asker, Reply::Transaction(reply), replies);
            }
            (Then::Publish { line, token, instance, partitions }, result) => {
                match result {
                    Ok(()) => line.note_joined(instance, partitions),
                    Err(refusal) => line.note_refused(token, refusal),
                }
                self.publishes_go_on(&line, None, replies);
            }
            (Then::Group(request), Ok(())) => self.group_joined(asker, *request, replies),
            (Then::Group(request), Err(refusal)) => {
                let reply: GroupReply = forebay_shard::refuse_group(&request, &refusal);
                self.finish(&asker, Reply::Group(reply), replies);
            }
        }
    }

    /// What a publish must join before it is placed; nothing where all of it lies on its producer's own shard, is joined already, or was
    /// joined by requests of its own.
    pub(crate) fn publish_to_join(
        &self,
        line: &PublishLine,
        publish: &Publish,
        placed: &[Result<Placed, Refusal>],
    ) -> Option<(Spread, Vec<PartitionId>)> {
        let InTransaction { id, producer, epoch, joining } = publish.transaction.as_ref()?;
        let home = self.home_of_several(id).filter(|_| *joining == Joining::Now)?;
        let instance = (*producer, *epoch);
        let mut elsewhere: BTreeMap<ShardId, Span> = BTreeMap::new();
        let foreign =
            placed.iter().flatten().filter(|placed| placed.shard != home && self.is_sync(placed.shard));
        for placed in foreign.filter(|placed| !line.has_joined(instance, placed.id)) {
            elsewhere.entry(placed.shard).or_default().partitions.insert(placed.id);
        }
        if elsewhere.is_empty() {
            return None;
        }
        let partitions = elsewhere.values().flat_map(|span| span.partitions.iter().copied()).collect();
        Some((Spread { id: id.clone(), instance, here: Span::default(), elsewhere }, partitions))
    }

    /// What a commit of cursors must join before it reaches its group.
    pub(crate) fn group_to_join(&self, request: &GroupRequest) -> Option<Spread> {
        let GroupRequest::CommitOffsets(commit) = request else { return None };
        let InTransaction { id, producer, epoch, joining } = commit.transaction.as_ref()?;
        let home = self.home_of_several(id).filter(|_| *joining == Joining::Now)?;
        let shard = self.shards.of_group(&commit.group.0).id;
        if shard == home {
            return None;
        }
        let span = Span { groups: [commit.group.clone()].into(), ..Span::default() };
        let elsewhere = [(shard, span)].into();
        Some(Spread { id: id.clone(), instance: (*producer, *epoch), here: Span::default(), elsewhere })
    }

    /// The shard of a transactional producer, where there is more than one it could be.
    fn home_of_several(&self, id: &TransactionalId) -> Option<ShardId> {
        (self.shards.of_class(FlushClass::Sync).len() > 1).then(|| self.shards.of_group(&id.0).id)
    }

    pub(crate) fn is_sync(&self, shard: ShardId) -> bool {
        self.shards.get(shard).is_some_and(|shard| shard.class == Some(FlushClass::Sync))
    }
}

//! Transactions: appends and cursors of several partitions and groups that become visible together, or never.

use std::fmt;
use std::sync::Arc;

use crate::{GroupId, PartitionId, PartitionRef, ProducerEpoch, ProducerId, Refusal, Timestamp};

/// The name of a transactional producer: any non-empty text. Whoever opens it anew fences those before. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionalId(pub Arc<str>);

impl fmt::Display for TransactionalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// All of it becomes visible.
    Commit,
    /// Nothing of it ever does.
    Abort,
}

/// How a partition or a group becomes part of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joining {
    /// It was joined by a request of its own; without that, what comes for it is refused.
    Before,
    /// By the first thing that is written to it.
    Now,
}

/// By which transaction something is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InTransaction {
    /// Whose.
    pub id: TransactionalId,
    /// Its producer...
    pub producer: ProducerId,
    /// ...and the instance of it.
    pub epoch: ProducerEpoch,
    /// How what is written to becomes part of it.
    pub joining: Joining,
}

/// Everything asked of a transactional producer. All of it is served by the shard of hash(transactional id).
#[derive(Clone, Debug)]
pub enum TransactionRequest {
    /// Become the one that may write.
    Open(OpenProducer),
    /// Add partitions and groups to the transaction; it begins if none is open.
    Join(JoinTransaction),
    /// End the transaction.
    End(EndTransaction),
    /// State and participants.
    Describe(TransactionalId),
}

impl TransactionRequest {
    /// The producer that is asked.
    pub fn id(&self) -> &TransactionalId {
        match self {
            TransactionRequest::Open(r) => &r.id,
            TransactionRequest::Join(r) => &r.id,
            TransactionRequest::End(r) => &r.id,
            TransactionRequest::Describe(id) => id,
        }
    }
}

/// Opens a transactional producer.
#[derive(Clone, Debug)]
pub struct OpenProducer {
    /// Which.
    pub id: TransactionalId,
    /// A transaction that is open for longer is aborted.
    pub timeout_ms: u32,
    /// Who the client believes that it is: somebody else's instance is not taken over then.
    pub present: Option<(ProducerId, ProducerEpoch)>,
}

/// Adds to a transaction.
#[derive(Clone, Debug)]
pub struct JoinTransaction {
    /// Whose.
    pub id: TransactionalId,
    /// Its producer...
    pub producer: ProducerId,
    /// ...and the instance that asks.
    pub epoch: ProducerEpoch,
    /// Partitions that it will write to; all of them or none.
    pub partitions: Vec<PartitionRef>,
    /// Groups whose cursors it will set.
    pub groups: Vec<GroupId>,
}

/// Ends a transaction.
#[derive(Clone, Debug)]
pub struct EndTransaction {
    /// Whose.
    pub id: TransactionalId,
    /// Its producer...
    pub producer: ProducerId,
    /// ...and the instance that asks.
    pub epoch: ProducerEpoch,
    /// How.
    pub decision: Decision,
    /// Whether the client goes on with the next instance, which the answer names.
    pub raise: bool,
}

/// Answers of a transactional producer.
#[derive(Clone, Debug)]
pub enum TransactionReply {
    /// To [`TransactionRequest::Open`]: who it is now.
    Open(Result<(ProducerId, ProducerEpoch), Refusal>),
    /// To [`TransactionRequest::Join`].
    Join(Result<(), JoinRefused>),
    /// To [`TransactionRequest::End`]: who it is from here on.
    End(Result<(ProducerId, ProducerEpoch), Refusal>),
    /// To [`TransactionRequest::Describe`]; partitions are named, those of deleted topics are left out.
    Describe(Result<TransactionView, Refusal>),
}

/// Where the transaction of a producer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionPhase {
    /// None since the producer was opened.
    Empty,
    /// It is open.
    Open,
    /// It was decided so, and some of what it spans has not carried that out yet.
    Ending(Decision),
    /// It has committed.
    Committed,
    /// It was aborted.
    Aborted,
}

/// A transactional producer as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionView {
    /// Its transactional id.
    pub id: TransactionalId,
    /// Its producer...
    pub producer: ProducerId,
    /// ...and the instance that may write.
    pub epoch: ProducerEpoch,
    /// A transaction that is open for longer is aborted.
    pub timeout_ms: u32,
    /// Where its transaction stands.
    pub phase: TransactionPhase,
    /// When the open one began.
    pub since: Option<Timestamp>,
    /// What the open one may write to.
    pub partitions: Vec<PartitionRef>,
    /// More of that, by id: the front desk names them and leaves none.
    pub elsewhere: Vec<PartitionId>,
}

/// A transactional producer in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionListing {
    /// Its transactional id.
    pub id: TransactionalId,
    /// Its producer.
    pub producer: ProducerId,
    /// Where its transaction stands.
    pub phase: TransactionPhase,
    /// For how many milliseconds one has been open.
    pub open_ms: Option<u64>,
}

/// Why nothing was added to a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JoinRefused {
    /// For this reason.
    All(Refusal),
    /// Because of these partitions; one per partition, in order.
    Partitions(Vec<Option<Refusal>>),
}

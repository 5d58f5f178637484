//! Transactions: one file per request.

pub(super) mod add_offsets;
pub(super) mod add_partitions;
pub(super) mod commit_offsets;
pub(super) mod describe;
pub(super) mod end;
pub(super) mod list;

use forebay_kit::SessionError;
use forebay_kit::model::limits::TRANSACTIONAL_ID_BYTES_MAX;
use forebay_kit::model::transaction::{Decision, TransactionPhase, TransactionReply, TransactionalId};
use forebay_kit::model::{ProducerEpoch, ProducerId, Refusal, Reply};

use super::errors::{self, Area};
use super::open::strange;
use crate::wire::{ErrorCode, Str};

/// First version whose clients know `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 2;

/// Who a client says that it is.
pub(super) struct Claim {
    pub(super) id: TransactionalId,
    pub(super) producer: ProducerId,
    pub(super) epoch: ProducerEpoch,
}

impl Claim {
    /// It, unless nobody can be that.
    fn new(id: &Str, producer: i64, epoch: i16) -> Result<Claim, ErrorCode> {
        if producer < 0 || epoch < 0 {
            return Err(ErrorCode::InvalidProducerIdMapping);
        }
        let (producer, epoch) = (ProducerId(producer), ProducerEpoch(epoch));
        Ok(Claim { id: transactional_id(id)?, producer, epoch })
    }
}

/// A transactional id, unless it cannot be one.
pub(super) fn transactional_id(text: &Str) -> Result<TransactionalId, ErrorCode> {
    let fits = (1..=TRANSACTIONAL_ID_BYTES_MAX).contains(&text.len());
    if fits { Ok(TransactionalId(text.as_str().into())) } else { Err(ErrorCode::InvalidRequest) }
}

/// A refusal as transactional clients of this version know it.
fn code(refusal: &Refusal, version: i16) -> ErrorCode {
    match refusal {
        Refusal::ProducerFenced if version < FENCED_FROM => ErrorCode::InvalidProducerEpoch,
        refusal => errors::code(refusal, Area::Transaction),
    }
}

/// Kafka's name for where a transaction stands.
fn phase_name(phase: TransactionPhase) -> &'static str {
    match phase {
        TransactionPhase::Empty => "Empty",
        TransactionPhase::Open => "Ongoing",
        TransactionPhase::Ending(Decision::Commit) => "PrepareCommit",
        TransactionPhase::Ending(Decision::Abort) => "PrepareAbort",
        TransactionPhase::Committed => "CompleteCommit",
        TransactionPhase::Aborted => "CompleteAbort",
    }
}

/// The producer's answer in a reply.
pub(super) fn of_producer(reply: Reply) -> Result<TransactionReply, SessionError> {
    match reply {
        Reply::Transaction(reply) => Ok(reply),
        _ => Err(strange("Transaction")),
    }
}

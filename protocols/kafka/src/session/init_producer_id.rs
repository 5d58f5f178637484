//! InitProducerId: ids for idempotent producers, and the next instance of transactional ones.

use forebay_kit::SessionError;
use forebay_kit::model::transaction::{OpenProducer, TransactionReply, TransactionRequest};
use forebay_kit::model::{AllocateProducer, ProducerEpoch, ProducerId, Refusal, Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::names::milliseconds;
use super::open::{Replies, strange};
use super::transactions::{of_producer, transactional_id};
use crate::wire::ErrorCode;
use crate::wire::messages::{InitProducerIdRequest, InitProducerIdResponse};

/// First version whose clients know `PRODUCER_FENCED`.
const FENCED_FROM: i16 = 4;

pub(super) struct Asked;

pub(super) struct AskedTransactional;

pub(super) fn ask(_: &mut Asking<'_>, request: InitProducerIdRequest) -> Step<InitProducerIdResponse> {
    let present = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (0.., 0..) => Some((ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch))),
        _ => return Step::Answer(refused(ErrorCode::InvalidRequest)),
    };
    let Some(id) = &request.transactional_id else {
        return Step::One(Request::AllocateProducer(AllocateProducer { present }), Asked.into());
    };
    let id = match transactional_id(id) {
        Ok(id) => id,
        Err(code) => return Step::Answer(refused(code)),
    };
    let timeout_ms = milliseconds(request.transaction_timeout_ms);
    let open = TransactionRequest::Open(OpenProducer { id, timeout_ms, present });
    Step::One(Request::Transaction(open), AskedTransactional.into())
}

impl Answer for Asked {
    type Response = InitProducerIdResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<InitProducerIdResponse, SessionError> {
        let Reply::AllocateProducer(allocated) = replies.one()? else {
            return Err(strange("AllocateProducer"));
        };
        Ok(response(version, Area::Producer, allocated))
    }
}

impl Answer for AskedTransactional {
    type Response = InitProducerIdResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<InitProducerIdResponse, SessionError> {
        let TransactionReply::Open(opened) = of_producer(replies.one()?)? else {
            return Err(strange("Open"));
        };
        // Its client has a coordinator, and looks for another one.
        Ok(response(version, Area::Transaction, opened))
    }
}

fn response(
    version: i16,
    area: Area,
    opened: Result<(ProducerId, ProducerEpoch), Refusal>,
) -> InitProducerIdResponse {
    match opened {
        Ok((id, epoch)) => {
            InitProducerIdResponse { producer_id: id.0, producer_epoch: epoch.0, ..Default::default() }
        }
        Err(Refusal::ProducerFenced) if version < FENCED_FROM => refused(ErrorCode::InvalidProducerEpoch),
        // Of the codes a transactional producer may get, the one after which all of them stop at once.
        Err(Refusal::Unsupported(_)) => refused(ErrorCode::TransactionalIdAuthorizationFailed),
        Err(refusal) => refused(errors::code(&refusal, area)),
    }
}

fn refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }
}

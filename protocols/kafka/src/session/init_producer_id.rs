//! InitProducerId: ids for idempotent producers; transactional ones are refused.

use forebay_kit::SessionError;
use forebay_kit::model::{AllocateProducer, ProducerEpoch, ProducerId, Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::errors::{self, Area};
use super::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::{InitProducerIdRequest, InitProducerIdResponse};

/// What everything that belongs to a transaction is refused with, beside `TRANSACTIONAL_ID_AUTHORIZATION_FAILED`: of the
/// codes a transactional producer may get, the one after which all of them stop at once instead of trying for minutes.
pub(super) const NO_TRANSACTIONS: &str = "transactions are not served yet";

pub(super) struct Asked;

pub(super) fn ask(_: &mut Asking<'_>, request: InitProducerIdRequest) -> Step<InitProducerIdResponse> {
    match &request.transactional_id {
        Some(id) if id.is_empty() => return Step::Answer(refused(ErrorCode::InvalidRequest)),
        Some(_) => return Step::Answer(refused(ErrorCode::TransactionalIdAuthorizationFailed)),
        None => {}
    }
    let present = match (request.producer_id, request.producer_epoch) {
        (-1, -1) => None,
        (0.., 0..) => Some((ProducerId(request.producer_id), ProducerEpoch(request.producer_epoch))),
        _ => return Step::Answer(refused(ErrorCode::InvalidRequest)),
    };
    Step::One(Request::AllocateProducer(AllocateProducer { present }), Asked.into())
}

impl Answer for Asked {
    type Response = InitProducerIdResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<InitProducerIdResponse, SessionError> {
        let Reply::AllocateProducer(allocated) = replies.one()? else {
            return Err(strange("AllocateProducer"));
        };
        Ok(match allocated {
            Ok((id, epoch)) => {
                InitProducerIdResponse { producer_id: id.0, producer_epoch: epoch.0, ..Default::default() }
            }
            Err(refusal) => refused(errors::code(&refusal, Area::Producer)),
        })
    }
}

fn refused(error_code: ErrorCode) -> InitProducerIdResponse {
    InitProducerIdResponse { error_code, producer_epoch: -1, ..Default::default() }
}

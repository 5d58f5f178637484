//! AddOffsetsToTxn: a group becomes part of a transaction, before offsets are committed in it.

use forebay_kit::SessionError;
use forebay_kit::model::Request;
use forebay_kit::model::transaction::{JoinRefused, JoinTransaction, TransactionReply, TransactionRequest};

use super::{Claim, code, of_producer};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::names::group_id;
use crate::session::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: AddOffsetsToTxnRequest,
) -> Step<AddOffsetsToTxnResponse> {
    match join(&request) {
        Ok(request) => Step::One(request, Asked.into()),
        Err(code) => Step::Answer(response(code)),
    }
}

fn join(request: &AddOffsetsToTxnRequest) -> Result<Request, ErrorCode> {
    let Claim { id, producer, epoch } =
        Claim::new(&request.transactional_id, request.producer_id, request.producer_epoch)?;
    let groups = vec![group_id(&request.group_id)?];
    let join = JoinTransaction { id, producer, epoch, partitions: Vec::new(), groups };
    Ok(Request::Transaction(TransactionRequest::Join(join)))
}

impl Answer for Asked {
    type Response = AddOffsetsToTxnResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AddOffsetsToTxnResponse, SessionError> {
        match of_producer(replies.one()?)? {
            TransactionReply::Join(Ok(())) => Ok(response(ErrorCode::None)),
            TransactionReply::Join(Err(JoinRefused::All(refusal))) => Ok(response(code(&refusal, version))),
            _ => Err(strange("Join of a group")),
        }
    }
}

fn response(error_code: ErrorCode) -> AddOffsetsToTxnResponse {
    AddOffsetsToTxnResponse { error_code, ..Default::default() }
}

//! EndTxn: a transaction commits or is aborted. From version 5 on its producer goes on with the next epoch (KIP-890).

use forebay_kit::SessionError;
use forebay_kit::model::Request;
use forebay_kit::model::transaction::{Decision, EndTransaction, TransactionReply, TransactionRequest};

use super::{Claim, code, of_producer};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::{EndTxnRequest, EndTxnResponse};

/// First version that answers with the producer's next epoch.
const RAISES_FROM: i16 = 5;

pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(asking: &mut Asking<'_>, request: EndTxnRequest) -> Step<EndTxnResponse> {
    let claim = Claim::new(&request.transactional_id, request.producer_id, request.producer_epoch);
    let Claim { id, producer, epoch } = match claim {
        Ok(claim) => claim,
        Err(code) => return Step::Answer(refused(code)),
    };
    let decision = if request.committed { Decision::Commit } else { Decision::Abort };
    let raise = asking.version() >= RAISES_FROM;
    let end = EndTransaction { id, producer, epoch, decision, raise };
    Step::One(Request::Transaction(TransactionRequest::End(end)), Asked.into())
}

impl Answer for Asked {
    type Response = EndTxnResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<EndTxnResponse, SessionError> {
        let TransactionReply::End(ended) = of_producer(replies.one()?)? else {
            return Err(strange("End"));
        };
        Ok(match ended {
            Ok((producer, epoch)) => {
                EndTxnResponse { producer_id: producer.0, producer_epoch: epoch.0, ..Default::default() }
            }
            Err(refusal) => refused(code(&refusal, version)),
        })
    }
}

fn refused(error_code: ErrorCode) -> EndTxnResponse {
    EndTxnResponse { error_code, producer_id: -1, producer_epoch: -1, ..Default::default() }
}

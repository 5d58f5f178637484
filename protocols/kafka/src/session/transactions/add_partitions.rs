//! AddPartitionsToTxn: all partitions of a request become part of the transaction, or none.

use forebay_kit::SessionError;
use forebay_kit::model::transaction::{JoinRefused, JoinTransaction, TransactionReply, TransactionRequest};
use forebay_kit::model::{PartitionRef, Refusal, Request};

use super::{Claim, code, of_producer};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::add_partitions_to_txn::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnTopicResult,
};
use crate::wire::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

/// The response to be, with an error where one is known.
pub(in crate::session) struct Asked(AddPartitionsToTxnResponse);

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: AddPartitionsToTxnRequest,
) -> Step<AddPartitionsToTxnResponse> {
    let claim = Claim::new(
        &request.v3_and_below_transactional_id,
        request.v3_and_below_producer_id,
        request.v3_and_below_producer_epoch,
    );
    let (mut partitions, mut topics) = (Vec::new(), Vec::new());
    for topic in &request.v3_and_below_topics {
        let key = asking.connection.names.key(&topic.name);
        let results = topic.partitions.iter().map(|index| {
            let found = key.partition(*index);
            let partition_error_code = found.as_ref().err().copied().unwrap_or_default();
            partitions.extend(found);
            AddPartitionsToTxnPartitionResult { partition_index: *index, partition_error_code }
        });
        topics.push(AddPartitionsToTxnTopicResult {
            results_by_partition: results.collect(),
            name: key.text(),
        });
    }
    let mut response =
        AddPartitionsToTxnResponse { results_by_topic_v3_and_below: topics, ..Default::default() };
    match claim {
        Err(code) => {
            set_all(&mut response, code);
            Step::Answer(response)
        }
        Ok(_) if results(&mut response).any(|result| !result.partition_error_code.is_none()) => {
            set_rest(&mut response, ErrorCode::OperationNotAttempted);
            Step::Answer(response)
        }
        Ok(_) if partitions.is_empty() => Step::Answer(response),
        Ok(claim) => Step::One(join(claim, partitions), Asked(response).into()),
    }
}

fn join(claim: Claim, partitions: Vec<PartitionRef>) -> Request {
    let Claim { id, producer, epoch } = claim;
    let join = JoinTransaction { id, producer, epoch, partitions, groups: Vec::new() };
    Request::Transaction(TransactionRequest::Join(join))
}

impl Answer for Asked {
    type Response = AddPartitionsToTxnResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AddPartitionsToTxnResponse, SessionError> {
        let TransactionReply::Join(joined) = of_producer(replies.one()?)? else {
            return Err(strange("Join"));
        };
        let Asked(mut response) = self;
        match joined {
            Ok(()) => {}
            Err(JoinRefused::All(refusal)) => set_all(&mut response, code(&refusal, version)),
            Err(JoinRefused::Partitions(refused)) => set_each(&mut response, refused, version)?,
        }
        Ok(response)
    }
}

fn results(
    response: &mut AddPartitionsToTxnResponse,
) -> impl Iterator<Item = &mut AddPartitionsToTxnPartitionResult> {
    response.results_by_topic_v3_and_below.iter_mut().flat_map(|topic| &mut topic.results_by_partition)
}

fn set_all(response: &mut AddPartitionsToTxnResponse, code: ErrorCode) {
    results(response).for_each(|result| result.partition_error_code = code);
}

/// Says of those without an error of their own what became of them.
fn set_rest(response: &mut AddPartitionsToTxnResponse, code: ErrorCode) {
    let rest = results(response).filter(|result| result.partition_error_code.is_none());
    rest.for_each(|result| result.partition_error_code = code);
}

fn set_each(
    response: &mut AddPartitionsToTxnResponse,
    refused: Vec<Option<Refusal>>,
    version: i16,
) -> Result<(), SessionError> {
    let mut refused = refused.into_iter();
    for result in results(response) {
        let refusal = refused.next().ok_or_else(|| strange("Join of this length"))?;
        result.partition_error_code =
            refusal.map_or(ErrorCode::OperationNotAttempted, |refusal| code(&refusal, version));
    }
    Ok(())
}

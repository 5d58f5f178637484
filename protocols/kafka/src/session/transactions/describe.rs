//! DescribeTransactions: any number of transactional ids; each is asked by itself.

use forebay_kit::SessionError;
use forebay_kit::model::transaction::{TransactionReply, TransactionRequest, TransactionView};
use forebay_kit::model::{Refusal, Request, TopicRef};

use super::{code, of_producer, phase_name, transactional_id};
use crate::limits::GROUPS_PER_REQUEST_MAX;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::names::name_text;
use crate::session::open::{Replies, strange};
use crate::wire::messages::describe_transactions::{TopicData, TransactionState};
use crate::wire::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse};
use crate::wire::{ErrorCode, Str};

/// The ids of the request; those without an error wait for their reply, in order.
pub(in crate::session) struct Asked(Vec<(Str, ErrorCode)>);

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DescribeTransactionsRequest,
) -> Step<DescribeTransactionsResponse> {
    let (mut asked, mut requests) = (Vec::new(), Vec::new());
    for text in &request.transactional_ids {
        let id = if requests.len() < GROUPS_PER_REQUEST_MAX {
            transactional_id(text)
        } else {
            Err(ErrorCode::InvalidRequest)
        };
        asked.push((text.detached(), id.as_ref().err().copied().unwrap_or_default()));
        requests.extend(id.map(|id| Request::Transaction(TransactionRequest::Describe(id))));
    }
    if requests.is_empty() {
        let refused = asked.into_iter().map(|(id, code)| refused(id, code));
        return Step::Answer(response(refused.collect()));
    }
    Step::Many(requests, Asked(asked).into())
}

impl Answer for Asked {
    type Response = DescribeTransactionsResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeTransactionsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let mut states = Vec::with_capacity(self.0.len());
        for (id, error_code) in self.0 {
            if !error_code.is_none() {
                states.push(refused(id, error_code));
                continue;
            }
            let reply = replies.next().ok_or_else(|| strange("Describe for every id"))?;
            let TransactionReply::Describe(described) = of_producer(reply)? else {
                return Err(strange("Describe"));
            };
            states.push(match described {
                Ok(view) => state(id, view),
                Err(Refusal::UnknownTransaction) => refused(id, ErrorCode::TransactionalIdNotFound),
                Err(refusal) => refused(id, code(&refusal, version)),
            });
        }
        Ok(response(states))
    }
}

fn response(transaction_states: Vec<TransactionState>) -> DescribeTransactionsResponse {
    DescribeTransactionsResponse { transaction_states, ..Default::default() }
}

fn refused(transactional_id: Str, error_code: ErrorCode) -> TransactionState {
    TransactionState { transactional_id, error_code, ..Default::default() }
}

fn state(transactional_id: Str, view: TransactionView) -> TransactionState {
    let mut topics: Vec<TopicData> = Vec::new();
    for partition in &view.partitions {
        let TopicRef::Name(name) = &partition.topic else { continue };
        let (topic, number) = (name_text(name), i32::try_from(partition.number).unwrap_or(i32::MAX));
        match topics.iter_mut().find(|known| known.topic == topic) {
            Some(known) => known.partitions.push(number),
            None => topics.push(TopicData { topic, partitions: vec![number] }),
        }
    }
    TransactionState {
        error_code: ErrorCode::None,
        transactional_id,
        transaction_state: Str::from_static(phase_name(view.phase)),
        transaction_timeout_ms: i32::try_from(view.timeout_ms).unwrap_or(i32::MAX),
        transaction_start_time_ms: view.since.map_or(-1, |since| since.0),
        producer_id: view.producer.0,
        producer_epoch: view.epoch.0,
        topics,
    }
}

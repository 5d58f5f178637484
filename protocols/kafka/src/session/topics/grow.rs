//! CreatePartitions.

use forebay_kit::SessionError;
use forebay_kit::model::admin::{CreatePartitions, MorePartitions};
use forebay_kit::model::{NodeId, Refusal, Reply, Request};

use super::nodes;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{milliseconds, owned};
use crate::session::open::{Replies, strange};
use crate::wire::messages::create_partitions::{CreatePartitionsTopic, CreatePartitionsTopicResult};
use crate::wire::messages::{CreatePartitionsRequest, CreatePartitionsResponse};

/// The response to be: topics without an error wait for their reply, in order.
pub(in crate::session) struct Asked(CreatePartitionsResponse);

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: CreatePartitionsRequest,
) -> Step<CreatePartitionsResponse> {
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut result = CreatePartitionsTopicResult { name: topic.name.detached(), ..Default::default() };
        match more(topic) {
            Ok(more) => topics.push(more),
            Err(refusal) => refuse(&mut result, &refusal),
        }
        results.push(result);
    }
    let response = CreatePartitionsResponse { results, ..Default::default() };
    if topics.is_empty() {
        return Step::Answer(response);
    }
    let (dry_run, timeout_ms) = (request.validate_only, milliseconds(request.timeout_ms));
    let create = CreatePartitions { topics, dry_run, timeout_ms };
    Step::One(Request::CreatePartitions(create), Asked(response).into())
}

fn more(topic: &CreatePartitionsTopic) -> Result<MorePartitions, Refusal> {
    let Ok(total @ 1..) = u32::try_from(topic.count) else {
        let text = format!("the number of partitions must be larger than 0; it is {}", topic.count);
        return Err(Refusal::InvalidPartitionCount(text));
    };
    Ok(MorePartitions { name: owned(&topic.name), total, assignment: assignment(topic)? })
}

fn assignment(topic: &CreatePartitionsTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let Some(assigned) = &topic.assignments else { return Ok(Vec::new()) };
    if assigned.is_empty() {
        return Err(Refusal::InvalidAssignment("the assignment names no partition".into()));
    }
    assigned.iter().map(|assigned| nodes(&assigned.broker_ids)).collect()
}

fn refuse(result: &mut CreatePartitionsTopicResult, refusal: &Refusal) {
    result.error_code = errors::code(refusal, Area::Catalogue);
    result.error_message = errors::message(refusal);
}

impl Answer for Asked {
    type Response = CreatePartitionsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<CreatePartitionsResponse, SessionError> {
        let Reply::CreatePartitions(grown) = replies.one()? else { return Err(strange("CreatePartitions")) };
        let Asked(mut response) = self;
        let mut grown = grown.into_iter();
        for result in response.results.iter_mut().filter(|result| result.error_code.is_none()) {
            let grown = grown.next().ok_or_else(|| strange("CreatePartitions of this length"))?;
            if let Err(refusal) = grown.result {
                refuse(result, &refusal);
            }
        }
        Ok(response)
    }
}

//! DeleteTopics.

use std::collections::BTreeSet;

use forebay_kit::SessionError;
use forebay_kit::model::admin::{DeleteTopics, DeletedTopic};
use forebay_kit::model::{Refusal, Reply, Request, TopicId, TopicName, TopicRef};

use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{milliseconds, name_text, uuid};
use crate::session::open::{Replies, strange};
use crate::wire::messages::delete_topics::{DeletableTopicResult, DeleteTopicState};
use crate::wire::messages::{DeleteTopicsRequest, DeleteTopicsResponse};
use crate::wire::{ErrorCode, Str, Uuid};

/// First version that names topics by name or by id.
const STATES_FROM: i16 = 6;

/// The response to be: topics without an error wait for their reply, in order.
pub(in crate::session) struct Asked(DeleteTopicsResponse);

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: DeleteTopicsRequest,
) -> Step<DeleteTopicsResponse> {
    let wanted = if asking.version() >= STATES_FROM {
        request.topics
    } else {
        let by_name = |name| DeleteTopicState { name: Some(name), ..Default::default() };
        request.topic_names.into_iter().map(by_name).collect()
    };
    let mut topics = Vec::with_capacity(wanted.len());
    let mut responses = Vec::with_capacity(wanted.len());
    let repeated = repeated(&wanted);
    for state in &wanted {
        let mut response = DeletableTopicResult {
            name: state.name.as_ref().map(Str::detached),
            topic_id: state.topic_id,
            ..Default::default()
        };
        match reference(state, &repeated) {
            Ok(reference) => topics.push(reference),
            Err((code, why)) => {
                response.error_code = code;
                response.error_message = Some(Str::from_static(why));
            }
        }
        responses.push(response);
    }
    let response = DeleteTopicsResponse { responses, ..Default::default() };
    if topics.is_empty() {
        return Step::Answer(response);
    }
    let delete = DeleteTopics { topics, timeout_ms: milliseconds(request.timeout_ms) };
    Step::One(Request::DeleteTopics(delete), Asked(response).into())
}

/// A topic as a request names it.
type Named<'r> = (Option<&'r Str>, Uuid);

fn named(state: &DeleteTopicState) -> Named<'_> {
    (state.name.as_ref(), state.topic_id)
}

/// Topics that are named more than once.
fn repeated(wanted: &[DeleteTopicState]) -> BTreeSet<Named<'_>> {
    let mut seen = BTreeSet::new();
    wanted.iter().map(named).filter(|named| !seen.insert(*named)).collect()
}

fn reference(
    state: &DeleteTopicState,
    repeated: &BTreeSet<Named<'_>>,
) -> Result<TopicRef, (ErrorCode, &'static str)> {
    if repeated.contains(&named(state)) {
        return Err((ErrorCode::InvalidRequest, "this topic is named more than once"));
    }
    match (&state.name, state.topic_id.is_zero()) {
        (Some(name), true) => TopicName::parse(name.as_str())
            .map(TopicRef::Name)
            .map_err(|_| (ErrorCode::UnknownTopicOrPartition, "no topic can have this name")),
        (None, false) => Ok(TopicRef::Id(TopicId(state.topic_id.0))),
        (Some(_), false) => Err((ErrorCode::InvalidRequest, "a topic is named by name or by id, not both")),
        (None, true) => Err((ErrorCode::InvalidRequest, "a topic is named by name or by id")),
    }
}

impl Answer for Asked {
    type Response = DeleteTopicsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DeleteTopicsResponse, SessionError> {
        let Reply::DeleteTopics(deleted) = replies.one()? else { return Err(strange("DeleteTopics")) };
        let Asked(mut response) = self;
        let mut deleted = deleted.into_iter();
        for result in response.responses.iter_mut().filter(|result| result.error_code.is_none()) {
            told(result, deleted.next().ok_or_else(|| strange("DeleteTopics of this length"))?);
        }
        Ok(response)
    }
}

fn told(result: &mut DeletableTopicResult, deleted: DeletedTopic) {
    match deleted.result {
        Ok((name, id)) => {
            result.name = Some(name_text(&name));
            result.topic_id = uuid(id);
        }
        // Somebody else was faster. Who named it by name is told in these words: older clients know no ids.
        Err(Refusal::UnknownTopicId) if result.topic_id.is_zero() => refuse(result, &Refusal::UnknownTopic),
        Err(refusal) => refuse(result, &refusal),
    }
}

fn refuse(result: &mut DeletableTopicResult, refusal: &Refusal) {
    result.error_code = errors::code(refusal, Area::Catalogue);
    result.error_message = errors::message(refusal);
}

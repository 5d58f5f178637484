//! CreateTopics.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, Resource, ResourceKind};
use forebay_kit::model::admin::{CreateTopics, CreatedTopic, DescribedDefaults, NewTopic};
use forebay_kit::model::{NodeId, Refusal, Reply, Request, TopicView};

use super::nodes;
use crate::session::asked::{Answer, Connection};
use crate::session::configs;
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{milliseconds, owned, partition_index, uuid};
use crate::session::open::{Replies, strange};
use crate::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfigs, CreatableTopicResult};
use crate::wire::messages::{CreateTopicsRequest, CreateTopicsResponse};
use crate::wire::{ErrorCode, Str, Uuid};

/// First version whose response says what was made.
const SETTINGS_FROM: i16 = 5;

/// The response to be: topics without an error wait for their reply, in order.
pub(in crate::session) struct Asked {
    response: CreateTopicsResponse,
    dry_run: bool,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: CreateTopicsRequest,
) -> Step<CreateTopicsResponse> {
    let mut topics = Vec::with_capacity(request.topics.len());
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in &request.topics {
        let mut result = CreatableTopicResult { name: topic.name.detached(), ..Default::default() };
        match new_topic(topic) {
            Ok(new) => topics.push(new),
            Err(refusal) => refuse(&mut result, &refusal),
        }
        results.push(result);
    }
    let response = CreateTopicsResponse { topics: results, ..Default::default() };
    if topics.is_empty() {
        return Step::Answer(response);
    }
    let (dry_run, timeout_ms) = (request.validate_only, milliseconds(request.timeout_ms));
    let create = Request::CreateTopics(CreateTopics { topics, dry_run, timeout_ms });
    let asked = Asked { response, dry_run };
    if asking.version() >= SETTINGS_FROM {
        let topics = asked.response.topics.iter().filter(|topic| topic.error_code.is_none());
        let resources = topics.map(|topic| Resource { kind: ResourceKind::Topic, name: owned(&topic.name) });
        let rights = Request::Rights(resources.collect());
        Step::Many(vec![create, Request::DescribeDefaults, rights], asked.into())
    } else {
        Step::One(create, asked.into())
    }
}

fn new_topic(topic: &CreatableTopic) -> Result<NewTopic, Refusal> {
    let is_manual = !topic.assignments.is_empty();
    if is_manual && (topic.num_partitions != -1 || topic.replication_factor != -1) {
        let text = "with an assignment, the counts of partitions and replicas are -1";
        return Err(Refusal::InvalidRequest(text.into()));
    }
    let settings =
        topic.configs.iter().map(|config| (config.name.as_str(), config.value.as_ref().map(Str::as_str)));
    Ok(NewTopic {
        name: owned(&topic.name),
        partitions: partitions(topic.num_partitions)?,
        replicas: replicas(topic.replication_factor)?,
        assignment: assignment(topic)?,
        settings: configs::settings(settings),
    })
}

fn partitions(count: i32) -> Result<Option<u32>, Refusal> {
    match u32::try_from(count) {
        Ok(count @ 1..) => Ok(Some(count)),
        Err(_) if count == -1 => Ok(None),
        _ => Err(Refusal::InvalidPartitionCount(format!(
            "the number of partitions must be larger than 0, or -1 for the default; it is {count}"
        ))),
    }
}

fn replicas(count: i16) -> Result<Option<u16>, Refusal> {
    match u16::try_from(count) {
        Ok(count @ 1..) => Ok(Some(count)),
        Err(_) if count == -1 => Ok(None),
        _ => Err(Refusal::InvalidReplicaCount(format!(
            "the replication factor must be larger than 0, or -1 for the default; it is {count}"
        ))),
    }
}

/// Nodes by partition; the partitions come in any order, each once.
fn assignment(topic: &CreatableTopic) -> Result<Vec<Vec<NodeId>>, Refusal> {
    let mut assigned: Vec<_> = topic.assignments.iter().collect();
    assigned.sort_by_key(|assigned| assigned.partition_index);
    let is_whole =
        assigned.iter().enumerate().all(|(number, one)| one.partition_index == partition_index(number));
    if !is_whole {
        let text = "an assignment names the partitions from 0 on, each once";
        return Err(Refusal::InvalidAssignment(text.into()));
    }
    assigned.into_iter().map(|assigned| nodes(&assigned.broker_ids)).collect()
}

fn refuse(result: &mut CreatableTopicResult, refusal: &Refusal) {
    result.error_code = errors::code(refusal, Area::Catalogue);
    result.error_message = errors::message(refusal);
    // Null would say that this client may not see the settings.
    result.configs = Some(Vec::new());
}

impl Answer for Asked {
    type Response = CreateTopicsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<CreateTopicsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let Some(Reply::CreateTopics(created)) = replies.next() else { return Err(strange("CreateTopics")) };
        let defaults = match replies.next() {
            None => None,
            Some(Reply::DescribeDefaults(defaults, _)) => Some(defaults),
            Some(_) => return Err(strange("DescribeDefaults")),
        };
        let mut rights = match replies.next() {
            None => None,
            Some(Reply::Rights(rights)) => Some(rights.into_iter()),
            Some(_) => return Err(strange("Rights")),
        };
        let Asked { mut response, dry_run } = self;
        let mut created = created.into_iter();
        for result in response.topics.iter_mut().filter(|result| result.error_code.is_none()) {
            let created = created.next().ok_or_else(|| strange("CreateTopics of this length"))?;
            told(result, created, defaults.as_deref());
            let allowed = rights.as_mut().and_then(Iterator::next);
            if result.error_code.is_none()
                && allowed.is_some_and(|allowed| !allowed.has(Operation::DescribeConfigs))
            {
                hide_settings(result);
            }
            if dry_run {
                // The id of a topic that was not made names nothing.
                result.topic_id = Uuid::ZERO;
            }
        }
        Ok(response)
    }
}

fn told(result: &mut CreatableTopicResult, created: CreatedTopic, defaults: Option<&DescribedDefaults>) {
    let view = match created.topic {
        Ok(view) => view,
        Err(refusal) => return refuse(result, &refusal),
    };
    result.topic_id = uuid(view.id);
    result.num_partitions = partition_index(view.partitions.len());
    result.replication_factor = replica_count(&view);
    result.configs = defaults.map(|defaults| {
        configs::of_topic(&view.settings, defaults)
            .map(|config| CreatableTopicConfigs {
                name: Str::from_static(config.name),
                value: Some(Str::from(config.value)),
                read_only: config.is_read_only,
                config_source: configs::describe::source_number(config.source),
                is_sensitive: false,
            })
            .collect()
    });
    result.error_code = ErrorCode::None;
}

/// Its creator may not see the settings of the topic: then nothing but its id is told.
fn hide_settings(result: &mut CreatableTopicResult) {
    result.topic_config_error_code = ErrorCode::TopicAuthorizationFailed;
    result.num_partitions = -1;
    result.replication_factor = -1;
    result.configs = Some(Vec::new());
}

fn replica_count(view: &TopicView) -> i16 {
    let replicas = view.partitions.first().map_or(0, |partition| partition.replicas.len());
    i16::try_from(replicas).unwrap_or(i16::MAX)
}

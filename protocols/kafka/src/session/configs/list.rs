//! ListConfigResources: what has settings, as DescribeConfigs shows them: topics, nodes, and groups for which something was set.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, Right};
use forebay_kit::model::admin::{DescribeTopics, TopicSelection};
use forebay_kit::model::subscription::{SubscriptionReply, SubscriptionRequest};
use forebay_kit::model::{Reply, Request};

use super::{BROKER, GROUP, TOPIC};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::names::{name_text, node_number};
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::messages::list_config_resources::ConfigResource;
use crate::wire::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use crate::wire::{ErrorCode, Str};

/// Kafka's number for the loggers of brokers; they have no settings here.
const BROKER_LOGGER: i8 = 8;
/// Kafka's number for what clients are to measure; there is none of it.
const CLIENT_METRICS: i8 = 16;
/// First version that knows more than client metrics.
const KINDS_FROM: i16 = 1;

/// Which kinds are wanted.
pub(in crate::session) struct Asked {
    topics: bool,
    brokers: bool,
    groups: bool,
}

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: ListConfigResourcesRequest,
) -> Step<ListConfigResourcesResponse> {
    if asking.version() < KINDS_FROM {
        // What clients are to measure: there is none of it.
        return Step::One(
            rights::on_cluster(),
            Asked { topics: false, brokers: false, groups: false }.into(),
        );
    }
    let kinds = &request.resource_types;
    if !kinds.iter().all(|kind| [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP].contains(kind)) {
        let error_code = ErrorCode::UnsupportedVersion;
        return Step::Answer(ListConfigResourcesResponse { error_code, ..Default::default() });
    }
    let wants = |kind| kinds.is_empty() || kinds.contains(&kind);
    let asked = Asked { topics: wants(TOPIC), brokers: wants(BROKER), groups: wants(GROUP) };
    let topics = if asked.topics { TopicSelection::All } else { TopicSelection::These(Vec::new()) };
    let mut requests = vec![describe(topics)];
    if asked.groups {
        requests.push(Request::Subscription(SubscriptionRequest::Settings(None)));
    }
    requests.push(rights::on_cluster());
    Step::Many(requests, asked.into())
}

/// Who may see what has settings may see all of it.
fn describe(topics: TopicSelection) -> Request {
    let right = Right::OnCluster(Operation::DescribeConfigs);
    Request::DescribeTopics(DescribeTopics { topics, right, create: false })
}

impl Answer for Asked {
    type Response = ListConfigResourcesResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ListConfigResourcesResponse, SessionError> {
        let mut replies = replies.all();
        if !rights::grants(replies.pop(), Operation::DescribeConfigs)? {
            let error_code = ErrorCode::ClusterAuthorizationFailed;
            return Ok(ListConfigResourcesResponse { error_code, ..Default::default() });
        }
        let mut replies = replies.into_iter();
        let (cluster, topics) = match replies.next() {
            None => return Ok(ListConfigResourcesResponse::default()),
            Some(Reply::DescribeTopics(cluster, topics)) => (cluster, topics),
            Some(_) => return Err(strange("DescribeTopics")),
        };
        let groups = match replies.next() {
            Some(Reply::Subscription(SubscriptionReply::Settings(groups))) => groups,
            _ => Vec::new(),
        };
        let resource = |resource_name, resource_type| ConfigResource { resource_name, resource_type };
        let topics = topics.iter().filter(|_| self.topics).filter_map(|topic| topic.topic.as_ref().ok());
        let topics = topics.map(|view| resource(name_text(&view.name), TOPIC));
        let brokers = cluster.nodes.iter().filter(|_| self.brokers);
        let brokers = brokers.map(|node| resource(Str::from(node_number(node.id).to_string()), BROKER));
        let groups = groups.iter().map(|(name, _)| resource(Str::from(&*name.0), GROUP));
        let config_resources = topics.chain(brokers).chain(groups).collect();
        Ok(ListConfigResourcesResponse { config_resources, ..Default::default() })
    }
}

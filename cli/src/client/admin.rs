//! Topics and groups: listed, described, created, deleted.

use forebay_kafka::wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use forebay_kafka::wire::messages::describe_configs::DescribeConfigsResource;
use forebay_kafka::wire::messages::describe_groups::{DescribedGroup, DescribedGroupMember};
use forebay_kafka::wire::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, DescribeGroupsRequest,
    ListGroupsRequest,
};
use forebay_kafka::wire::{ErrorCode, Str};

use super::cluster::{Cluster, To};
use super::deadline::Deadline;
use super::error::ClientError;
use super::group::share;
use super::metadata::Node;
use super::place::Place;

/// A topic to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: String,
    /// How many partitions; `None` for the broker's default.
    pub partitions: Option<i32>,
    /// How many copies of each; `None` for the broker's default.
    pub replication_factor: Option<i16>,
    /// Its own settings.
    pub configs: Vec<(String, String)>,
}

/// What became of one of several things asked.
pub type Outcome = (String, Result<(), ClientError>);

/// Creates topics; each succeeds or fails by itself.
///
/// # Errors
/// When nothing could be asked at all.
pub fn create_topics(cluster: &mut Cluster, topics: &[NewTopic]) -> Result<Vec<Outcome>, ClientError> {
    let creatable = |topic: &NewTopic| CreatableTopic {
        name: Str::from(&*topic.name),
        num_partitions: topic.partitions.unwrap_or(-1),
        replication_factor: topic.replication_factor.unwrap_or(-1),
        configs: topic.configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest {
        topics: topics.iter().map(creatable).collect(),
        ..CreateTopicsRequest::default()
    };
    let mut answers = cluster.persist("creating topics", |cluster, deadline| {
        let response = cluster.call(To::Controller, &request, deadline)?;
        not_controller(response.topics.iter().map(|topic| topic.error_code))?;
        Ok(response.topics)
    })?;
    answers.sort_by(|a, b| a.name.cmp(&b.name));
    let outcome = |answer: &forebay_kafka::wire::messages::create_topics::CreatableTopicResult| {
        let name = answer.name.to_string();
        let message = answer.error_message.as_ref().map(Str::as_str);
        let result = ClientError::check(format!("creating topic {name}"), answer.error_code, message);
        (name, result)
    };
    Ok(answers.iter().map(outcome).collect())
}

/// Deletes topics; each succeeds or fails by itself.
///
/// # Errors
/// When nothing could be asked at all.
pub fn delete_topics(cluster: &mut Cluster, names: &[String]) -> Result<Vec<Outcome>, ClientError> {
    let request = DeleteTopicsRequest {
        topic_names: names.iter().map(|name| Str::from(&**name)).collect(),
        timeout_ms: 60_000,
        ..DeleteTopicsRequest::default()
    };
    let answers = cluster.persist("deleting topics", |cluster, deadline| {
        let response = cluster.call(To::Controller, &request, deadline)?;
        not_controller(response.responses.iter().map(|topic| topic.error_code))?;
        Ok(response.responses)
    })?;
    let outcome = |answer: &forebay_kafka::wire::messages::delete_topics::DeletableTopicResult| {
        let name = answer.name.as_ref().map_or_else(String::new, Str::to_string);
        let message = answer.error_message.as_ref().map(Str::as_str);
        let result = ClientError::check(format!("deleting topic {name}"), answer.error_code, message);
        (name, result)
    };
    Ok(answers.iter().map(outcome).collect())
}

/// A setting of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// Its name.
    pub name: String,
    /// Its value; `None` when it is secret or has none.
    pub value: Option<String>,
    /// Whether it was set on the topic itself.
    pub own: bool,
    /// Whether nobody set it, neither on the topic nor on a broker.
    pub default: bool,
}

/// Where a value comes from, when it was set on the topic.
const SOURCE_TOPIC: i8 = 1;
/// Where a value comes from, when nobody set it.
const SOURCE_DEFAULT: i8 = 5;
const RESOURCE_TOPIC: i8 = 2;

/// The settings of a topic.
///
/// # Errors
/// The broker's.
pub fn topic_configs(cluster: &mut Cluster, topic: &str) -> Result<Vec<TopicConfig>, ClientError> {
    let resource = DescribeConfigsResource {
        resource_type: RESOURCE_TOPIC,
        resource_name: Str::from(topic),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
    cluster.persist("describing a topic's settings", |cluster, deadline| {
        let response = cluster.call(To::Anyone, &request, deadline)?;
        let mut configs = Vec::new();
        for result in response.results {
            let message = result.error_message.as_ref().map(Str::as_str);
            ClientError::check(format!("describing topic {topic}"), result.error_code, message)?;
            configs.extend(result.configs.iter().map(|config| TopicConfig {
                name: config.name.to_string(),
                value: config.value.as_ref().map(Str::to_string),
                own: config.config_source == SOURCE_TOPIC,
                default: config.config_source == SOURCE_DEFAULT,
            }));
        }
        Ok(configs)
    })
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupListing {
    /// Its name.
    pub group: String,
    /// Its state by Kafka's name; empty when the broker is too old to say.
    pub state: String,
    /// What kind of members it has: `consumer`, `connect` ...
    pub protocol_type: String,
    /// `classic` or `consumer`; empty when the broker is too old to say.
    pub kind: String,
}

/// Every group of the cluster: each broker keeps some.
///
/// # Errors
/// Of any broker: half a list is worse than none.
pub fn list_groups(cluster: &mut Cluster) -> Result<Vec<GroupListing>, ClientError> {
    cluster.persist("listing groups", |cluster, deadline| {
        let requests: Vec<(Node, ListGroupsRequest)> =
            cluster.nodes().into_iter().map(|node| (node, ListGroupsRequest::default())).collect();
        let mut groups = Vec::new();
        for response in cluster.call_each(&requests, deadline) {
            let response = response?;
            ClientError::check("listing groups", response.error_code, None)?;
            groups.extend(response.groups.into_iter().map(|group| GroupListing {
                group: group.group_id.to_string(),
                state: group.group_state.to_string(),
                protocol_type: group.protocol_type.to_string(),
                kind: group.group_type.to_string(),
            }));
        }
        groups.sort();
        groups.dedup();
        Ok(groups)
    })
}

/// A group with its members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupDescription {
    /// Its name.
    pub group: String,
    /// Its state by Kafka's name: `Stable`, `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Dead`.
    pub state: String,
    /// The assignment strategy in force.
    pub strategy: String,
    /// The broker that keeps it.
    pub coordinator: Node,
    /// Its members.
    pub members: Vec<GroupMember>,
    /// Whether `members` is all there is to know.
    pub visibility: Visibility,
}

/// Whether the members of a group can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// They can.
    #[default]
    Members,
    /// Its members speak a newer group protocol, which is described by requests that we do not speak.
    StateOnly,
}

/// A member of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// Its own lasting name, if it has one.
    pub instance: Option<String>,
    /// What its client calls itself.
    pub client: String,
    /// Where it connects from.
    pub host: String,
    /// Its share; empty while the group is being shared out, or when the members speak a protocol of their own.
    pub share: Vec<Place>,
}

/// A group as its coordinator has it. One that nobody knows is described as `Dead`.
///
/// # Errors
/// The broker's.
pub fn describe_group(cluster: &mut Cluster, group: &str) -> Result<GroupDescription, ClientError> {
    let request =
        DescribeGroupsRequest { groups: vec![Str::from(group)], ..DescribeGroupsRequest::default() };
    let doing = format!("describing group {group}");
    cluster.persist(&doing, |cluster, deadline| {
        let node = cluster.coordinator(group, deadline)?;
        let response = cluster.call(To::Node(node), &request, deadline)?;
        let described = response.groups.into_iter().next();
        let described: DescribedGroup = described.ok_or_else(|| ClientError::Garbled {
            address: cluster.address_of(node).into(),
            why: "it describes no group".into(),
        })?;
        // Newer brokers say that there is no such group, older ones describe a dead one; and both say so of a group
        // whose members speak a newer protocol.
        if described.error_code == ErrorCode::GroupIdNotFound || described.group_state == "Dead" {
            return describe_from_list(cluster, group, node, deadline);
        }
        let message = described.error_message.as_ref().map(Str::as_str);
        ClientError::check(&*doing, described.error_code, message)?;
        Ok(GroupDescription {
            group: group.into(),
            state: described.group_state.to_string(),
            strategy: described.protocol_data.to_string(),
            coordinator: node,
            members: described.members.iter().map(|m| member(m, &described.protocol_type)).collect(),
            visibility: Visibility::Members,
        })
    })
}

/// What the list of its coordinator says of a group that it did not describe.
fn describe_from_list(
    cluster: &mut Cluster,
    group: &str,
    node: Node,
    deadline: Deadline,
) -> Result<GroupDescription, ClientError> {
    let response = cluster.call(To::Node(node), &ListGroupsRequest::default(), deadline)?;
    ClientError::check("listing groups", response.error_code, None)?;
    let listed = response.groups.iter().find(|listed| listed.group_id == group);
    let (state, visibility) = match listed {
        Some(listed) => (listed.group_state.to_string(), Visibility::StateOnly),
        None => ("Dead".to_owned(), Visibility::Members),
    };
    let group = group.to_owned();
    Ok(GroupDescription { group, state, coordinator: node, visibility, ..GroupDescription::default() })
}

fn member(described: &DescribedGroupMember, protocol_type: &Str) -> GroupMember {
    let consumes = *protocol_type == "consumer";
    GroupMember {
        id: described.member_id.to_string(),
        instance: described.group_instance_id.as_ref().map(Str::to_string),
        client: described.client_id.to_string(),
        host: described.client_host.as_str().trim_start_matches('/').to_owned(),
        share: if consumes {
            share::read_share(&described.member_assignment).unwrap_or_default()
        } else {
            Vec::new()
        },
    }
}

fn config((name, value): &(String, String)) -> CreatableTopicConfig {
    CreatableTopicConfig { name: Str::from(&**name), value: Some(Str::from(&**value)) }
}

/// Administration sent to a broker that is no longer the controller has to be sent again.
pub(super) fn not_controller(codes: impl Iterator<Item = ErrorCode>) -> Result<(), ClientError> {
    let mut moved = codes.filter(|code| *code == ErrorCode::NotController);
    ClientError::check("finding the controller", moved.next().unwrap_or_default(), None)
}

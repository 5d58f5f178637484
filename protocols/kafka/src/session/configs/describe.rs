//! DescribeConfigs: settings of topics and of groups, and the defaults that nodes give to topics.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, Right};
use forebay_kit::model::admin::{DescribeTopics, DescribedDefaults, DescribedTopic, TopicSelection};
use forebay_kit::model::subscription::{SubscriptionReply, SubscriptionRequest};
use forebay_kit::model::{ClusterView, GroupId, Refusal, Reply, Request, TopicName, TopicRef};

use super::{BROKER, Config, GROUP, Source, TOPIC, groups, node, of_topic};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::node_number;
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::messages::describe_configs::{
    DescribeConfigsResource, DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use crate::wire::messages::{DescribeConfigsRequest, DescribeConfigsResponse};
use crate::wire::{ErrorCode, Str};

/// Where a value comes from: the topic.
const SOURCE_TOPIC: i8 = 1;
/// Where a value comes from: it was set for all nodes while they run.
const SOURCE_NODES: i8 = 3;
/// Where a value comes from: the node's own configuration.
const SOURCE_NODE: i8 = 4;
/// Where a value comes from: nobody set it.
const SOURCE_DEFAULT: i8 = 5;
/// Where a value comes from: the group.
const SOURCE_GROUP: i8 = 8;

/// What the response needs of the request.
pub(in crate::session) struct Asked {
    resources: Vec<Resource>,
    has_synonyms: bool,
    has_documentation: bool,
}

/// Something whose settings are wanted.
struct Resource {
    kind: i8,
    name: Str,
    /// Only these settings; all if absent.
    keys: Option<Vec<Str>>,
    place: Place,
}

enum Place {
    /// The next described topic.
    Topic,
    /// The node with this id; no id for what all nodes share.
    Node(Option<i32>),
    /// The next group.
    Group,
    Refused(ErrorCode, &'static str),
}

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DescribeConfigsRequest,
) -> Step<DescribeConfigsResponse> {
    let (mut topics, mut groups) = (Vec::new(), Vec::new());
    let resource = |resource: &DescribeConfigsResource| {
        let (place, topic) = place(resource);
        topics.extend(topic);
        if matches!(place, Place::Group) {
            groups.push(GroupId(resource.resource_name.as_str().into()));
        }
        Resource {
            kind: resource.resource_type,
            name: resource.resource_name.detached(),
            keys: keys(resource),
            place,
        }
    };
    let asked = Asked {
        resources: request.resources.iter().map(resource).collect(),
        has_synonyms: request.include_synonyms,
        has_documentation: request.include_documentation,
    };
    let topics = TopicSelection::These(topics);
    let describe = DescribeTopics { topics, right: Right::DescribeConfigs, create: false };
    let mut requests =
        vec![Request::DescribeTopics(describe), Request::DescribeDefaults, rights::on_cluster()];
    if !groups.is_empty() {
        requests.push(Request::Rights(groups.iter().map(|group| rights::group(&group.0)).collect()));
        requests.push(Request::Subscription(SubscriptionRequest::Settings(Some(groups))));
    }
    Step::Many(requests, asked.into())
}

/// No keys and an empty list of them both stand for all.
fn keys(resource: &DescribeConfigsResource) -> Option<Vec<Str>> {
    let keys = resource.configuration_keys.as_ref().filter(|keys| !keys.is_empty())?;
    Some(keys.iter().map(Str::detached).collect())
}

fn place(resource: &DescribeConfigsResource) -> (Place, Option<TopicRef>) {
    let name = resource.resource_name.as_str();
    match resource.resource_type {
        TOPIC => match TopicName::parse(name) {
            Ok(name) => (Place::Topic, Some(TopicRef::Name(name))),
            Err(_) => (Place::Refused(ErrorCode::InvalidTopic, "no topic can have this name"), None),
        },
        BROKER if name.is_empty() => (Place::Node(None), None),
        BROKER => match name.parse() {
            Ok(id) => (Place::Node(Some(id)), None),
            Err(_) => (Place::Refused(ErrorCode::InvalidRequest, "a broker is named by its number"), None),
        },
        GROUP if name.is_empty() => (Place::Refused(ErrorCode::InvalidGroupId, "a group has a name"), None),
        GROUP => (Place::Group, None),
        _ => {
            let why = "only topics, brokers and groups have settings here";
            (Place::Refused(ErrorCode::InvalidRequest, why), None)
        }
    }
}

impl Answer for Asked {
    type Response = DescribeConfigsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        connection: &mut Connection,
    ) -> Result<DescribeConfigsResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let (Some(Reply::DescribeTopics(_, topics)), Some(Reply::DescribeDefaults(defaults, cluster))) =
            (replies.next(), replies.next())
        else {
            return Err(strange("DescribeTopics and DescribeDefaults"));
        };
        let of_nodes = rights::grants(replies.next(), Operation::DescribeConfigs)?;
        let of_groups = match replies.next() {
            Some(Reply::Rights(rights)) => rights,
            _ => Vec::new(),
        };
        let settings = match replies.next() {
            Some(Reply::Subscription(SubscriptionReply::Settings(settings))) => settings,
            _ => Vec::new(),
        };
        let (mut topics, mut of_groups) = (topics.into_iter(), of_groups.into_iter());
        // Only of those that may be described.
        let mut settings = settings.into_iter();
        let mut results = Vec::with_capacity(self.resources.len());
        for resource in &self.resources {
            let configs = match resource.place {
                Place::Topic => {
                    let topic = topics.next().ok_or_else(|| strange("DescribeTopics of this length"))?;
                    configs_of(&topic, &defaults)
                }
                Place::Node(_) if !of_nodes => {
                    let why = Str::from_static("not authorized for this cluster");
                    Err((ErrorCode::ClusterAuthorizationFailed, why))
                }
                Place::Node(id) => configs_of_node(id, connection.listener, &cluster, &defaults),
                Place::Group
                    if !of_groups.next().is_some_and(|group| group.has(Operation::DescribeConfigs)) =>
                {
                    Err((
                        ErrorCode::GroupAuthorizationFailed,
                        Str::from_static("not authorized for this group"),
                    ))
                }
                Place::Group => {
                    let (_, of_group) = settings.next().ok_or_else(|| strange("Settings of this length"))?;
                    Ok(groups::of_group(&of_group))
                }
                Place::Refused(code, why) => Err((code, Str::from_static(why))),
            };
            results.push(self.result(resource, configs));
        }
        Ok(DescribeConfigsResponse { results, ..Default::default() })
    }
}

type Configs = Result<Vec<Config>, (ErrorCode, Str)>;

fn configs_of(described: &DescribedTopic, defaults: &DescribedDefaults) -> Configs {
    match &described.topic {
        Ok(view) => Ok(of_topic(&view.settings, defaults).collect()),
        Err(refusal) => Err(refused(refusal)),
    }
}

fn refused(refusal: &Refusal) -> (ErrorCode, Str) {
    (errors::code(refusal, Area::Catalogue), errors::message(refusal).unwrap_or_default())
}

fn configs_of_node(
    id: Option<i32>,
    listener: &str,
    cluster: &ClusterView,
    defaults: &DescribedDefaults,
) -> Configs {
    let Some(id) = id else { return Ok(node::of_all(defaults).collect()) };
    match cluster.nodes.iter().find(|node| node_number(node.id) == id) {
        Some(node) => {
            let mut configs = node::defaults(defaults);
            configs.extend(node::configs(node, cluster.nodes.len()));
            configs.push(node::address(node, listener));
            // Clients exist that ask for several and tell them apart by their place.
            configs.sort_unstable_by_key(|config| config.name);
            Ok(configs)
        }
        None => Err((ErrorCode::InvalidRequest, Str::from_static("no node has this number"))),
    }
}

impl Asked {
    fn result(&self, resource: &Resource, configs: Configs) -> DescribeConfigsResult {
        let mut result = DescribeConfigsResult {
            resource_type: resource.kind,
            resource_name: resource.name.clone(),
            ..Default::default()
        };
        match configs {
            Ok(configs) => {
                let wanted = configs.iter().filter(|config| resource.wants(config));
                result.configs = wanted.map(|config| self.config(config)).collect();
            }
            Err((code, why)) => {
                result.error_code = code;
                result.error_message = Some(why);
            }
        }
        result
    }

    fn config(&self, config: &Config) -> DescribeConfigsResourceResult {
        DescribeConfigsResourceResult {
            name: Str::from_static(config.name),
            value: Some(Str::from(config.value.as_str())),
            read_only: config.is_read_only,
            config_source: source_number(config.source),
            is_sensitive: false,
            synonyms: if self.has_synonyms { synonyms(config) } else { Vec::new() },
            config_type: config.kind as i8,
            documentation: self.has_documentation.then(|| Str::from_static(config.means)),
        }
    }
}

impl Resource {
    fn wants(&self, config: &Config) -> bool {
        self.keys.as_ref().is_none_or(|keys| keys.iter().any(|key| key == config.name))
    }
}

/// Where the value could have come from, the winner first.
fn synonyms(config: &Config) -> Vec<DescribeConfigsSynonym> {
    let synonym = |value: &str, source| DescribeConfigsSynonym {
        name: Str::from_static(config.name),
        value: Some(Str::from(value)),
        source,
    };
    let is_own = matches!(config.source, Source::Topic | Source::Group | Source::Node);
    let own = is_own.then(|| synonym(&config.value, source_number(config.source)));
    let of_nodes = config.of_nodes.as_ref().map(|value| synonym(value, SOURCE_NODES));
    let default = config.default.as_ref().map(|default| synonym(default, SOURCE_DEFAULT));
    own.into_iter().chain(of_nodes).chain(default).collect()
}

pub(in crate::session) fn source_number(source: Source) -> i8 {
    match source {
        Source::Topic => SOURCE_TOPIC,
        Source::Group => SOURCE_GROUP,
        Source::Nodes => SOURCE_NODES,
        Source::Node => SOURCE_NODE,
        Source::Default => SOURCE_DEFAULT,
    }
}

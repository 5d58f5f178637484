//! IncrementalAlterConfigs and AlterConfigs: settings of topics and of groups, and what applies to topics that set nothing, one by one or
//! all of them. What one node is configured with stands in its configuration, and is not changed from here.

use std::collections::{BTreeMap, BTreeSet};

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation as Right, Resource as Asset, ResourceKind};
use forebay_kit::model::admin::{AlterDefaults, AlterTopics, TopicChange};
use forebay_kit::model::subscription::{SubscriptionChange, SubscriptionReply, SubscriptionRequest};
use forebay_kit::model::{GroupId, Refusal, Reply, Request, SettingsChange, TopicName};

use super::{BROKER, GROUP, Operation, TOPIC, change, groups, node};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::open::{Replies, strange};
use crate::session::rights;
use crate::wire::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, alter_configs, incremental_alter_configs,
};
use crate::wire::{ErrorCode, Str};

/// How long the shards may take to catch up with a change: these requests bring no time of their own.
const TIMEOUT_MS: u32 = 30_000;

/// The response to an [`AlterConfigsRequest`] to be: resources without an error wait for their answer, in order.
pub(in crate::session) struct AskedAll(Vec<Resource>);

/// The same for an [`IncrementalAlterConfigsRequest`].
pub(in crate::session) struct AskedSome(Vec<Resource>);

/// Something whose settings are to change.
struct Resource {
    kind: i8,
    name: Str,
    is_named_twice: bool,
    refused: Option<Refusal>,
}

/// One key of a resource with what becomes of it; an operation without a value, or one that does not exist, is none.
type Named<'a> = (&'a Str, Option<Operation<'a>>);

pub(in crate::session) fn ask_all(
    _: &mut Asking<'_>,
    request: AlterConfigsRequest,
) -> Step<AlterConfigsResponse> {
    let resources = request.resources.iter().map(|resource| {
        let named = resource.configs.iter().map(replacement);
        (resource.resource_type, &resource.resource_name, named.collect())
    });
    let from = Base {
        topics: SettingsChange::CLEAR,
        groups: SubscriptionChange::CLEAR,
        defaults: node::clear_defaults(),
    };
    let (requests, resources) = sort_out(resources.collect(), &from, request.validate_only);
    match requests.is_empty() {
        false => Step::Many(requests, AskedAll(resources).into()),
        true => Step::Answer(all(resources)),
    }
}

pub(in crate::session) fn ask_some(
    _: &mut Asking<'_>,
    request: IncrementalAlterConfigsRequest,
) -> Step<IncrementalAlterConfigsResponse> {
    let resources = request.resources.iter().map(|resource| {
        let named = resource.configs.iter().map(operation);
        (resource.resource_type, &resource.resource_name, named.collect())
    });
    let (requests, resources) = sort_out(resources.collect(), &Base::default(), request.validate_only);
    match requests.is_empty() {
        false => Step::Many(requests, AskedSome(resources).into()),
        true => Step::Answer(some(resources)),
    }
}

fn replacement(config: &alter_configs::AlterableConfig) -> Named<'_> {
    (&config.name, config.value.as_ref().map(|value| Operation::Set(value.as_str())))
}

fn operation(config: &incremental_alter_configs::AlterableConfig) -> Named<'_> {
    let value = config.value.as_ref().map(Str::as_str);
    let operation = match config.config_operation {
        0 => value.map(Operation::Set),
        1 => Some(Operation::Delete),
        2 => value.map(Operation::Append),
        3 => value.map(Operation::Subtract),
        _ => None,
    };
    (&config.name, operation)
}

/// What becomes of the settings that a request does not name.
#[derive(Default)]
struct Base {
    topics: SettingsChange,
    groups: SubscriptionChange,
    defaults: SettingsChange,
}

/// A change that is asked of the broker.
enum Change {
    Defaults(SettingsChange),
    Topic(TopicChange),
    Group(GroupId, SubscriptionChange),
}

/// Refuses what need not be asked for; what is left, as requests: that for topics, if there is one, that for the defaults, and that for
/// groups, behind one for the rights that what is refused would need.
fn sort_out(
    asked: Vec<(i8, &Str, Vec<Named<'_>>)>,
    from: &Base,
    dry_run: bool,
) -> (Vec<Request>, Vec<Resource>) {
    let mut times: BTreeMap<(i8, &Str), usize> = BTreeMap::new();
    asked.iter().for_each(|(kind, name, _)| *times.entry((*kind, *name)).or_default() += 1);
    let (mut topics, mut groups, mut defaults) = (Vec::new(), Vec::new(), None);
    let mut resources = Vec::with_capacity(asked.len());
    for (kind, name, named) in &asked {
        let is_named_twice = times[&(*kind, *name)] > 1;
        let change = if is_named_twice {
            Err(Refusal::InvalidRequest("a resource is named at most once".into()))
        } else {
            changed(*kind, name, named, from)
        };
        resources.push(Resource {
            kind: *kind,
            name: name.detached(),
            is_named_twice,
            refused: change.as_ref().err().cloned(),
        });
        match change {
            Ok(Change::Topic(change)) => topics.push(change),
            Ok(Change::Group(name, change)) => groups.push((name, change)),
            Ok(Change::Defaults(change)) => defaults = Some(change),
            Err(_) => {}
        }
    }
    if resources.is_empty() {
        return (Vec::new(), resources);
    }
    let mut requests = vec![Request::Rights(resources.iter().filter_map(Resource::asset).collect())];
    if !topics.is_empty() {
        requests.push(Request::AlterTopics(AlterTopics { topics, dry_run, timeout_ms: TIMEOUT_MS }));
    }
    if let Some(change) = defaults {
        requests.push(Request::AlterDefaults(AlterDefaults { change, dry_run, timeout_ms: TIMEOUT_MS }));
    }
    if !groups.is_empty() {
        requests.push(Request::Subscription(SubscriptionRequest::Alter { changes: groups, dry_run }));
    }
    (requests, resources)
}

fn changed(kind: i8, name: &Str, named: &[Named<'_>], from: &Base) -> Result<Change, Refusal> {
    let mut names = BTreeSet::new();
    if !named.iter().all(|(name, _)| names.insert(*name)) {
        return Err(Refusal::InvalidRequest("a setting is named at most once".into()));
    }
    let operations = named.iter().map(|(name, operation)| {
        let operation = operation.ok_or_else(|| {
            Refusal::InvalidRequest(format!("{} has no value, or no operation that exists", name.as_str()))
        })?;
        Ok((name.as_str(), operation))
    });
    let operations: Vec<_> = operations.collect::<Result<_, Refusal>>()?;
    match kind {
        TOPIC if name.is_empty() => Err(Refusal::InvalidRequest(
            "what applies to topics that set nothing is configured on nodes".into(),
        )),
        TOPIC => {
            let name = TopicName::parse(name.as_str()).map_err(Refusal::InvalidTopicName)?;
            let change = change(from.topics.clone(), operations.into_iter())?;
            Ok(Change::Topic(TopicChange { name, change }))
        }
        GROUP if name.is_empty() => Err(Refusal::InvalidGroupId),
        GROUP => {
            let change = groups::change(from.groups, operations.into_iter())?;
            Ok(Change::Group(GroupId(name.as_str().into()), change))
        }
        BROKER if name.is_empty() => {
            node::change_defaults(from.defaults.clone(), operations.into_iter()).map(Change::Defaults)
        }
        BROKER => Err(Refusal::InvalidSetting(
            "settings of one node stand in its configuration: only what applies on all of them is changed while they run, with no node's name".into(),
        )),
        _ => Err(Refusal::InvalidRequest(
            "only topics and groups have settings that can be changed here".into(),
        )),
    }
}

impl Answer for AskedAll {
    type Response = AlterConfigsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<AlterConfigsResponse, SessionError> {
        answered(self.0, replies).map(all)
    }
}

impl Answer for AskedSome {
    type Response = IncrementalAlterConfigsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<IncrementalAlterConfigsResponse, SessionError> {
        answered(self.0, replies).map(some)
    }
}

fn answered(mut resources: Vec<Resource>, replies: Replies) -> Result<Vec<Resource>, SessionError> {
    let mut replies = replies.all().into_iter();
    let Some(Reply::Rights(rights)) = replies.next() else { return Err(strange("Rights")) };
    let mut rights = rights.into_iter();
    let (mut topics, mut groups) = (Vec::new().into_iter(), Vec::new().into_iter());
    let mut defaults = None;
    for reply in replies {
        match reply {
            Reply::AlterTopics(altered) => topics = altered.into_iter(),
            Reply::Subscription(SubscriptionReply::Alter(altered)) => groups = altered.into_iter(),
            Reply::AlterDefaults(altered) => defaults = Some(altered),
            _ => return Err(strange("AlterTopics, AlterDefaults or Alter")),
        }
    }
    for resource in &mut resources {
        if resource.refused.is_none() {
            let altered = match resource.kind {
                GROUP => groups.next(),
                BROKER => defaults.take(),
                _ => topics.next().map(|altered| altered.result),
            };
            resource.refused = altered.ok_or_else(|| strange("changes of this length"))?.err();
        } else if let Some(asset) = resource.asset() {
            let allowed = rights.next().ok_or_else(|| strange("Rights of this length"))?;
            if !allowed.has(Right::AlterConfigs) {
                resource.refused = Some(Refusal::NotAuthorized { kind: asset.kind });
            }
        }
    }
    Ok(resources)
}

fn all(resources: Vec<Resource>) -> AlterConfigsResponse {
    let response = |resource: Resource| {
        let (error_code, error_message) = resource.error();
        alter_configs::AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.kind,
            resource_name: resource.name,
        }
    };
    let responses = resources.into_iter().map(response).collect();
    AlterConfigsResponse { responses, ..Default::default() }
}

fn some(resources: Vec<Resource>) -> IncrementalAlterConfigsResponse {
    let response = |resource: Resource| {
        let (error_code, error_message) = resource.error();
        incremental_alter_configs::AlterConfigsResourceResponse {
            error_code,
            error_message,
            resource_type: resource.kind,
            resource_name: resource.name,
        }
    };
    let responses = resources.into_iter().map(response).collect();
    IncrementalAlterConfigsResponse { responses, ..Default::default() }
}

impl Resource {
    /// What the right is about that its change would need, where it is refused: who lacks that is told nothing else. What is named twice
    /// is no resource.
    fn asset(&self) -> Option<Asset> {
        if self.refused.is_none() || self.is_named_twice {
            return None;
        }
        match self.kind {
            TOPIC => Some(Asset { kind: ResourceKind::Topic, name: self.name.as_str().to_owned() }),
            BROKER => Some(Asset::cluster()),
            GROUP => Some(rights::group(self.name.as_str())),
            _ => None,
        }
    }

    fn error(&self) -> (ErrorCode, Option<Str>) {
        let Some(refusal) = &self.refused else { return (ErrorCode::None, None) };
        let code = match refusal {
            // As Apache Kafka does, where a topic's would be another.
            Refusal::InvalidSetting(_) if self.kind == BROKER => ErrorCode::InvalidRequest,
            refusal => errors::code(refusal, Area::Catalogue),
        };
        (code, errors::message(refusal))
    }
}

//! The catalogue's requests: describe, create, delete, add partitions, change settings.
//!
//! A change is answered when shard 0 has applied it, this node's copy of the catalogue has it, and every shard has
//! caught up with it; so whoever was told that a topic exists can use it at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_machine::{AddPartitions, Catalog, Command, CreateTopic, Outcome, Topic};
use forebay_model::acl::Operations;
use forebay_model::admin::{
    AlterTopics, AlteredTopic, CreatePartitions, CreateTopics, CreatedTopic, DeleteTopics, DeletedTopic,
    DescribeTopics, DescribedTopic, GrownTopic, MorePartitions, NewTopic, TopicChange, TopicSelection,
};
use forebay_model::limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX};
use forebay_model::queue::RouteRefusal;
use forebay_model::{
    FlushClass, LeaderEpoch, NodeId, PartitionId, PartitionView, Refusal, Reply, Request, SettingsChange,
    ShardId, TopicId, TopicName, TopicRef, TopicSettings, TopicView,
};
use forebay_shard::{Answer, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, CreateStep, Gather, Step, Ticket};
use crate::defaults::check_lags;
use crate::place;
use crate::provision::{Change, Waiter};
use crate::quotas::altered_quotas;
use crate::shards::leader_of;

/// How long an automatic creation may take.
const AUTO_CREATE_TIMEOUT_MS: u32 = 10_000;

impl Inner {
    pub(crate) fn describe_topics(
        &self,
        asker: Asker,
        describe: DescribeTopics,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let catalogue = self.catalogue();
        let TopicSelection::These(asked) = &describe.topics else {
            let described = catalogue
                .public_topics()
                .map(|topic| self.described(TopicRef::Name(topic.name.clone()), topic));
            let reply = Reply::DescribeTopics(self.cluster(&asker), described.collect());
            return self.finish(&asker, reply, replies);
        };
        let missing = asked.iter().any(|topic| place::topic(&catalogue, topic).is_err());
        if missing && currency == Currency::Unknown {
            return self.after_barrier(asker, Step::Describe(describe), replies);
        }
        if missing && describe.create && self.config.auto_create {
            let create = missing_names(&catalogue, asked);
            if !create.topics.is_empty() {
                let describe = DescribeTopics { create: false, ..describe };
                return self.create(asker, create, Some(describe), replies);
            }
        }
        let reply = self.describe_these(&asker, asked);
        self.finish(&asker, reply, replies);
    }

    /// Describes from the local copy.
    pub(crate) fn describe_these(&self, asker: &Asker, asked: &[TopicRef]) -> Reply {
        let catalogue = self.catalogue();
        let describe = |asked: &TopicRef| match place::topic(&catalogue, asked) {
            Ok(topic) => self.described(asked.clone(), topic),
            Err(refusal) => {
                DescribedTopic { asked: asked.clone(), topic: Err(refusal), operations: Operations::NONE }
            }
        };
        Reply::DescribeTopics(self.cluster(asker), asked.iter().map(describe).collect())
    }

    fn described(&self, asked: TopicRef, topic: &Arc<Topic>) -> DescribedTopic {
        DescribedTopic { asked, topic: Ok(self.view(topic)), operations: Operations::ALL }
    }

    /// A topic with the leaders of its partitions.
    pub(crate) fn view(&self, topic: &Topic) -> TopicView {
        let partition =
            |partition: &forebay_machine::TopicPartition| self.partition_view(partition.id, partition.shard);
        TopicView {
            name: topic.name.clone(),
            id: topic.id,
            settings: topic.settings.clone(),
            partitions: topic.partitions.iter().map(partition).collect(),
        }
    }

    fn partition_view(&self, id: PartitionId, shard: ShardId) -> PartitionView {
        let (leader, term) = self.shards.get(shard).map_or((None, Default::default()), leader_of);
        PartitionView {
            id,
            shard,
            leader,
            // The base epoch of an extent is the term at its opening, so that the sum is the term itself.
            leader_epoch: LeaderEpoch(u32::try_from(term.0).unwrap_or(u32::MAX)),
            replicas: self.config.nodes.clone(),
        }
    }

    pub(crate) fn create_topics(&self, asker: Asker, create: CreateTopics, replies: &mut Replies) {
        self.create(asker, create, None, replies);
    }

    fn create(
        &self,
        asker: Asker,
        create: CreateTopics,
        describe: Option<DescribeTopics>,
        replies: &mut Replies,
    ) {
        let catalogue = self.catalogue();
        let mut commands = Vec::new();
        let mut refused = Vec::new();
        let mut views = Vec::new();
        let named = count_names(create.topics.iter().map(|topic| topic.name.as_str()));
        let mut room = PARTITIONS_MAX;
        for topic in &create.topics {
            // Who asks for a topic may see it, and need not be one who may create it.
            let not_by_asking = describe.as_ref().and_then(|_| self.creation_refused(&asker, &topic.name));
            let checked = if named[topic.name.as_str()] > 1 {
                Err(Refusal::DuplicateItem)
            } else if let Some(refusal) = not_by_asking {
                Err(refusal)
            } else {
                self.new_topic(&catalogue, topic, &mut room)
            };
            match checked {
                Err(refusal) => refused.push(Some(refusal)),
                Ok(command) => {
                    refused.push(None);
                    if create.dry_run {
                        views.push(self.would_be(&command));
                    }
                    commands.push(Command::CreateTopic(command));
                }
            }
        }
        if create.dry_run {
            let mut views = views.into_iter();
            let result = |(topic, refusal): (&NewTopic, Option<Refusal>)| CreatedTopic {
                name: topic.name.clone(),
                topic: refusal.map_or_else(|| Ok(views.next().expect("one per accepted topic")), Err),
            };
            let reply = Reply::CreateTopics(create.topics.iter().zip(refused).map(result).collect());
            return self.finish(&asker, reply, replies);
        }
        let step = CreateStep { topics: create, refused, describe };
        if commands.is_empty() {
            return self.created(asker, step, nothing_proposed(), replies);
        }
        self.propose(asker, Step::Create(step), commands, replies);
    }

    /// Checks one topic to be and decides where its partitions go.
    /// `room` is what one request may still ask for: a short one could ask for more than memory holds.
    fn new_topic(
        &self,
        catalogue: &Catalog,
        topic: &NewTopic,
        room: &mut usize,
    ) -> Result<CreateTopic, Refusal> {
        let name = TopicName::parse(&topic.name).map_err(Refusal::InvalidTopicName)?;
        // Before anything else: whoever makes sure that a topic exists goes on, however it was made.
        if catalogue.topic(&name).is_some() {
            return Err(Refusal::TopicExists);
        }
        let settings = topic.settings.clone()?;
        self.check_cleanup(&settings)?;
        let partitions = self.new_partition_count(topic)?;
        self.check_replicas(topic.replicas)?;
        self.check_assignment(&topic.assignment, partitions)?;
        spend(room, partitions)?;
        let shards = self.place_new(&settings, partitions)?;
        Ok(CreateTopic { name, id: self.topic_id(), settings, shards })
    }

    fn new_partition_count(&self, topic: &NewTopic) -> Result<u32, Refusal> {
        let assigned = u32::try_from(topic.assignment.len()).unwrap_or(u32::MAX);
        let count = match topic.partitions {
            _ if assigned > 0 => assigned,
            Some(count) => count,
            None => self.config.defaults.partitions,
        };
        if count == 0 {
            let text = "the number of partitions must be larger than 0";
            return Err(Refusal::InvalidPartitionCount(text.into()));
        }
        if count > PARTITIONS_PER_TOPIC_MAX {
            let text = format!("a topic has at most {PARTITIONS_PER_TOPIC_MAX} partitions");
            return Err(Refusal::InvalidPartitionCount(text));
        }
        Ok(count)
    }

    fn check_replicas(&self, replicas: Option<u16>) -> Result<(), Refusal> {
        let nodes = self.config.nodes.len();
        match replicas {
            None => Ok(()),
            Some(count) if usize::from(count) == nodes => Ok(()),
            Some(0) => {
                Err(Refusal::InvalidReplicaCount("the replication factor must be larger than 0".into()))
            }
            Some(count) if usize::from(count) > nodes => Err(Refusal::InvalidReplicaCount(format!(
                "replication factor {count} is larger than the number of nodes, {nodes}"
            ))),
            Some(count) => Err(Refusal::InvalidReplicaCount(format!(
                "every shard is replicated to all {nodes} nodes; a replication factor of {count} cannot be kept"
            ))),
        }
    }

    fn check_assignment(&self, assignment: &[Vec<NodeId>], partitions: u32) -> Result<(), Refusal> {
        if assignment.is_empty() {
            return Ok(());
        }
        if assignment.len() != partitions as usize {
            return Err(Refusal::InvalidAssignment(format!(
                "{} partitions are assigned, {partitions} asked for",
                assignment.len()
            )));
        }
        let everywhere: BTreeSet<_> = self.config.nodes.iter().collect();
        let wrong = assignment.iter().find(|nodes| {
            let these: BTreeSet<_> = nodes.iter().collect();
            these != everywhere || nodes.len() != everywhere.len()
        });
        match wrong {
            None => Ok(()),
            Some(nodes) => Err(Refusal::InvalidAssignment(format!(
                "a partition lives on all of the nodes {:?}, not on {:?}",
                self.config.nodes.iter().map(|node| node.0).collect::<Vec<_>>(),
                nodes.iter().map(|node| node.0).collect::<Vec<_>>()
            ))),
        }
    }

    /// Spreads new partitions over the shards of their class, one after the other.
    pub(crate) fn place_new(
        &self,
        settings: &TopicSettings,
        partitions: u32,
    ) -> Result<Vec<ShardId>, Refusal> {
        let class = place::class(settings, &self.config.defaults);
        let shards = self.shards.of_class(class);
        if shards.is_empty() {
            let name = if class == FlushClass::Async { "async" } else { "sync" };
            return Err(Refusal::InvalidSetting(format!("this cluster has no {name} shard")));
        }
        let first = self.next_place.fetch_add(u64::from(partitions), Ordering::Relaxed);
        let at = |i: u64| shards[usize::try_from((first + i) % shards.len() as u64).expect("below a length")];
        Ok((0..u64::from(partitions)).map(at).collect())
    }

    pub(crate) fn topic_id(&self) -> TopicId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.env.random.next_u64().to_le_bytes());
        bytes[8..].copy_from_slice(&self.env.random.next_u64().to_le_bytes());
        // RFC 9562, 5.4: version 4, variant 10.
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        TopicId(bytes)
    }

    fn would_be(&self, command: &CreateTopic) -> TopicView {
        let partition = |shard: &ShardId| self.partition_view(PartitionId(0), *shard);
        TopicView {
            name: command.name.clone(),
            id: command.id,
            settings: command.settings.clone(),
            partitions: command.shards.iter().map(partition).collect(),
        }
    }

    pub(crate) fn created(&self, asker: Asker, mut step: CreateStep, answer: Answer, replies: &mut Replies) {
        let version = settle(&mut step.refused, answer);
        let timeout_ms = step.topics.timeout_ms;
        self.when_provisioned(asker, version, timeout_ms, Change::Created(step), replies);
    }

    pub(crate) fn delete_topics(
        &self,
        asker: Asker,
        delete: DeleteTopics,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let catalogue = self.catalogue();
        let found: Vec<_> =
            delete.topics.iter().map(|topic| place::topic(&catalogue, topic).cloned()).collect();
        if currency == Currency::Unknown && found.iter().any(Result::is_err) {
            let step = Step::Unresolved(Box::new(Request::DeleteTopics(delete)));
            return self.after_barrier(asker, step, replies);
        }
        let mut names = Vec::new();
        let mut commands = Vec::new();
        let mut refused = Vec::new();
        for topic in found {
            match topic {
                Err(refusal) => {
                    refused.push(Some(refusal));
                    names.push(None);
                }
                Ok(topic) => {
                    refused.push(None);
                    names.push(Some((topic.name.clone(), topic.id)));
                    commands.push(Command::DeleteTopic { id: topic.id });
                }
            }
        }
        if commands.is_empty() {
            let reply = Reply::DeleteTopics(deleted_topics(&delete, &names, refused));
            return self.finish(&asker, reply, replies);
        }
        self.propose(asker, Step::Delete(delete, names, refused), commands, replies);
    }

    pub(crate) fn deleted(
        &self,
        asker: Asker,
        delete: DeleteTopics,
        names: Vec<Option<(TopicName, TopicId)>>,
        mut refused: Vec<Option<Refusal>>,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let version = settle(&mut refused, answer);
        let timeout_ms = delete.timeout_ms;
        self.when_provisioned(asker, version, timeout_ms, Change::Deleted(delete, names, refused), replies);
    }

    pub(crate) fn create_partitions(
        &self,
        asker: Asker,
        grow: CreatePartitions,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let catalogue = self.catalogue();
        let named = count_names(grow.topics.iter().map(|topic| topic.name.as_str()));
        let mut room = PARTITIONS_MAX;
        let more: Vec<_> = grow
            .topics
            .iter()
            .map(|topic| match named[topic.name.as_str()] {
                1 => self.more_partitions(&catalogue, topic, &mut room),
                _ => Err(Refusal::DuplicateItem),
            })
            .collect();
        let stale = |more: &Result<AddPartitions, Refusal>| more.as_ref().is_err_and(place::may_be_stale);
        if currency == Currency::Unknown && more.iter().any(stale) {
            let step = Step::Unresolved(Box::new(Request::CreatePartitions(grow)));
            return self.after_barrier(asker, step, replies);
        }
        let refused: Vec<_> = more.iter().map(|more| more.as_ref().err().cloned()).collect();
        let commands: Vec<_> = more.into_iter().flatten().map(Command::AddPartitions).collect();
        if grow.dry_run || commands.is_empty() {
            let reply = Reply::CreatePartitions(grown_topics(&grow, refused));
            return self.finish(&asker, reply, replies);
        }
        self.propose(asker, Step::Grow(grow, refused), commands, replies);
    }

    fn more_partitions(
        &self,
        catalogue: &Catalog,
        more: &MorePartitions,
        room: &mut usize,
    ) -> Result<AddPartitions, Refusal> {
        let name = TopicName::parse(&more.name).map_err(Refusal::InvalidTopicName)?;
        let topic = catalogue.topic(&name).ok_or(Refusal::UnknownTopic)?;
        let present = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
        if more.total <= present {
            return Err(Refusal::InvalidPartitionCount(format!(
                "the topic has {present} partitions already; {} would not be an increase",
                more.total
            )));
        }
        if more.total > PARTITIONS_PER_TOPIC_MAX {
            let text = format!("a topic has at most {PARTITIONS_PER_TOPIC_MAX} partitions");
            return Err(Refusal::InvalidPartitionCount(text));
        }
        let added = more.total - present;
        self.check_assignment(&more.assignment, added)?;
        spend(room, added)?;
        let shards = self.place_new(&topic.settings, added)?;
        Ok(AddPartitions { id: topic.id, total: more.total, shards })
    }

    pub(crate) fn grown(
        &self,
        asker: Asker,
        grow: CreatePartitions,
        mut refused: Vec<Option<Refusal>>,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let version = settle(&mut refused, answer);
        let timeout_ms = grow.timeout_ms;
        self.when_provisioned(asker, version, timeout_ms, Change::Grown(grow, refused), replies);
    }

    pub(crate) fn alter_topics(
        &self,
        asker: Asker,
        alter: AlterTopics,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let catalogue = self.catalogue();
        let named = count_names(alter.topics.iter().map(|topic| topic.name.as_str()));
        let changes: Vec<_> = alter
            .topics
            .iter()
            .map(|topic| match named[topic.name.as_str()] {
                1 => self.alteration(&catalogue, topic),
                _ => Err(Refusal::DuplicateItem),
            })
            .collect();
        let stale = |change: &Result<Command, Refusal>| change.as_ref().is_err_and(place::may_be_stale);
        if currency == Currency::Unknown && changes.iter().any(stale) {
            let step = Step::Unresolved(Box::new(Request::AlterTopics(alter)));
            return self.after_barrier(asker, step, replies);
        }
        let refused: Vec<_> = changes.iter().map(|change| change.as_ref().err().cloned()).collect();
        let commands: Vec<_> = changes.into_iter().flatten().collect();
        if alter.dry_run || commands.is_empty() {
            let reply = Reply::AlterTopics(altered_topics(&alter, refused));
            return self.finish(&asker, reply, replies);
        }
        self.propose(asker, Step::Alter(alter, refused), commands, replies);
    }

    /// Checks one change. A topic stays on the shards that it was placed on, so its flush class stays too: no change that
    /// comes between can make it another.
    fn alteration(&self, catalogue: &Catalog, change: &TopicChange) -> Result<Command, Refusal> {
        let topic = catalogue.topic(&change.name).ok_or(Refusal::UnknownTopic)?;
        let defaults = &self.config.defaults;
        let before = place::class(&topic.settings, defaults);
        if place::class(&change.change.of(&topic.settings), defaults) != before {
            let name = if before == FlushClass::Async { "async" } else { "sync" };
            return Err(Refusal::InvalidSetting(format!(
                "forebay.flush stays {name}: a topic cannot be moved to shards of another flush class yet"
            )));
        }
        self.check_cleanup(&change.change.of(&topic.settings))?;
        let change = SettingsChange {
            cleanup: change.change.cleanup.without_idle(&topic.settings.cleanup),
            intake: change.change.intake.without_idle(&topic.settings.intake),
            ..change.change.clone()
        };
        Ok(Command::AlterTopic { id: topic.id, change })
    }

    /// Whether how records go makes sense as a whole.
    fn check_cleanup(&self, settings: &TopicSettings) -> Result<(), Refusal> {
        check_lags(&self.defaults(&self.catalogue()).cleanup.with(&settings.cleanup))
    }

    pub(crate) fn altered(
        &self,
        asker: Asker,
        alter: AlterTopics,
        mut refused: Vec<Option<Refusal>>,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let version = settle(&mut refused, answer);
        let timeout_ms = alter.timeout_ms;
        self.when_provisioned(asker, version, timeout_ms, Change::Altered(alter, refused), replies);
    }

    pub(crate) fn propose(&self, asker: Asker, step: Step, commands: Vec<Command>, replies: &mut Replies) {
        let from = asker.connection;
        let bytes = commands.len() * 64;
        let call = Call::new(asker, Gather::Step(step));
        let work = Work::Propose(Ticket { call, part: 0 }, commands);
        self.post_work(self.shards.catalogue(), from, bytes, work, replies);
    }

    pub(crate) fn when_provisioned(
        &self,
        asker: Asker,
        version: u64,
        timeout_ms: u32,
        change: Change,
        replies: &mut Replies,
    ) {
        let deadline = self.env.clock.monotonic() + Duration::from_millis(u64::from(timeout_ms));
        self.wait_provisioned(Waiter { asker, version, deadline, change }, replies);
    }

    /// Says how a change went, `late` when not every shard has caught up in time.
    pub(crate) fn report(&self, asker: Asker, change: Change, late: bool, replies: &mut Replies) {
        let late = late.then_some(Refusal::TimedOut);
        let merge = |refused: Vec<Option<Refusal>>| -> Vec<Option<Refusal>> {
            refused.into_iter().map(|refusal| refusal.or_else(|| late.clone())).collect()
        };
        let reply = match change {
            Change::Created(CreateStep { describe: Some(describe), topics, refused }) => {
                return self.describe_created(asker, &describe, &topics, &merge(refused), replies);
            }
            Change::Created(step) => {
                Reply::CreateTopics(self.created_topics(&step.topics, merge(step.refused)))
            }
            Change::Deleted(delete, names, refused) => {
                Reply::DeleteTopics(deleted_topics(&delete, &names, merge(refused)))
            }
            Change::Grown(grow, refused) => Reply::CreatePartitions(grown_topics(&grow, merge(refused))),
            Change::Defaults(refused) => {
                Reply::AlterDefaults(refused.or_else(|| late.clone()).map_or(Ok(()), Err))
            }
            Change::Quotas(refused) => Reply::AlterQuotas(altered_quotas(merge(refused))),
            Change::Altered(alter, refused) => Reply::AlterTopics(altered_topics(&alter, merge(refused))),
            Change::UsersAltered(step) => Reply::AlterUsers(step.altered(late.clone())),
            Change::AclsAdded(step) => Reply::AddAcls(Ok(step.added(late.clone()))),
            Change::Routed(step, refused) => {
                let refused = refused.or_else(|| late.clone().map(RouteRefusal::Broker));
                return self.report_route(asker, *step, refused, replies);
            }
            Change::SettledIn(request) => {
                return self.route(asker, *request, Currency::Confirmed, replies);
            }
            Change::AclsRemoved(step) => Reply::RemoveAcls(Ok(step.removed(late.clone()))),
        };
        self.finish(&asker, reply, replies);
    }

    fn created_topics(&self, create: &CreateTopics, refused: Vec<Option<Refusal>>) -> Vec<CreatedTopic> {
        let catalogue = self.catalogue();
        let result = |(topic, refusal): (&NewTopic, Option<Refusal>)| {
            let found = || {
                let name = TopicName::parse(&topic.name).map_err(Refusal::InvalidTopicName)?;
                // Deleted again between its creation and this answer.
                catalogue.topic(&name).map(|topic| self.view(topic)).ok_or(Refusal::UnknownTopic)
            };
            CreatedTopic { name: topic.name.clone(), topic: refusal.map_or_else(found, Err) }
        };
        create.topics.iter().zip(refused).map(result).collect()
    }

    /// Answers a description whose missing topics were created on the way.
    fn describe_created(
        &self,
        asker: Asker,
        describe: &DescribeTopics,
        create: &CreateTopics,
        refused: &[Option<Refusal>],
        replies: &mut Replies,
    ) {
        let TopicSelection::These(asked) = &describe.topics else {
            unreachable!("only named topics are created by asking for them")
        };
        let mut reply = self.describe_these(&asker, asked);
        if let Reply::DescribeTopics(_, described) = &mut reply {
            for one in described.iter_mut().filter(|one| one.topic.is_err()) {
                if let Some(refusal) = refusal_of(&one.asked, create, refused) {
                    one.topic = Err(refusal);
                }
            }
        }
        self.finish(&asker, reply, replies);
    }
}

/// How often each name is in a request.
pub(crate) fn count_names<'a>(names: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

/// Takes partitions out of what a request may ask for.
fn spend(room: &mut usize, partitions: u32) -> Result<(), Refusal> {
    let left = room.checked_sub(partitions as usize);
    *room = left.ok_or(Refusal::LimitReached { limit: "PARTITIONS_MAX" })?;
    Ok(())
}

/// The refusal of the creation that a description asked for; a topic that somebody else created first is none.
fn refusal_of(asked: &TopicRef, create: &CreateTopics, refused: &[Option<Refusal>]) -> Option<Refusal> {
    let TopicRef::Name(name) = asked else { return None };
    let at = create.topics.iter().position(|topic| topic.name == name.as_str())?;
    refused[at].clone().filter(|refusal| *refusal != Refusal::TopicExists)
}

fn missing_names(catalogue: &Catalog, asked: &[TopicRef]) -> CreateTopics {
    let names: BTreeSet<&TopicName> = asked
        .iter()
        .filter_map(|topic| match topic {
            TopicRef::Name(name) => Some(name),
            TopicRef::Id(_) => None,
        })
        .filter(|name| catalogue.topic(name).is_none())
        .collect();
    let topic = |name: &TopicName| NewTopic {
        name: name.as_str().to_owned(),
        partitions: None,
        replicas: None,
        assignment: Vec::new(),
        settings: Ok(TopicSettings::default()),
    };
    CreateTopics {
        topics: names.into_iter().map(topic).collect(),
        dry_run: false,
        timeout_ms: AUTO_CREATE_TIMEOUT_MS,
    }
}

/// What a topic was, where there was one.
type DeletedName = Option<(TopicName, TopicId)>;

fn deleted_topics(
    delete: &DeleteTopics,
    names: &[DeletedName],
    refused: Vec<Option<Refusal>>,
) -> Vec<DeletedTopic> {
    let items = delete.topics.iter().zip(names).zip(refused);
    let result = |((asked, name), refusal): ((&TopicRef, &DeletedName), Option<Refusal>)| {
        let result = match (refusal, name) {
            (Some(refusal), _) if matches!(asked, TopicRef::Name(_)) => Err(place::by_name(refusal)),
            (Some(refusal), _) => Err(refusal),
            (None, Some(name)) => Ok(name.clone()),
            (None, None) => Err(Refusal::UnknownTopic),
        };
        DeletedTopic { asked: asked.clone(), result }
    };
    items.map(result).collect()
}

fn grown_topics(grow: &CreatePartitions, refused: Vec<Option<Refusal>>) -> Vec<GrownTopic> {
    let result = |(topic, refusal): (&MorePartitions, Option<Refusal>)| GrownTopic {
        name: topic.name.clone(),
        result: refusal.map(place::by_name).map_or(Ok(()), Err),
    };
    grow.topics.iter().zip(refused).map(result).collect()
}

fn altered_topics(alter: &AlterTopics, refused: Vec<Option<Refusal>>) -> Vec<AlteredTopic> {
    let result = |(topic, refusal): (&TopicChange, Option<Refusal>)| AlteredTopic {
        name: topic.name.clone(),
        result: refusal.map(place::by_name).map_or(Ok(()), Err),
    };
    alter.topics.iter().zip(refused).map(result).collect()
}

/// Puts the outcomes of the proposed commands into the free places; returns the catalogue's version behind them.
pub(crate) fn settle(refused: &mut [Option<Refusal>], answer: Answer) -> u64 {
    let proposed = match answer {
        Answer::Outcomes(Ok(proposed)) => proposed,
        Answer::Outcomes(Err(refusal)) => {
            refused
                .iter_mut()
                .filter(|place| place.is_none())
                .for_each(|place| *place = Some(refusal.clone()));
            return 0;
        }
        other => panic!("outcomes were asked for, not {other:?}"),
    };
    let open = refused.iter_mut().filter(|place| place.is_none());
    for (place, outcome) in open.zip(proposed.outcomes) {
        match outcome {
            Outcome::Done
            | Outcome::TopicCreated(_)
            | Outcome::TopicDeleted(_)
            | Outcome::PartitionsAdded { .. }
            | Outcome::TopicAltered(_) => {}
            Outcome::Refused(refusal) => *place = Some(refusal),
            other => panic!("a change of the catalogue was asked for, not {other:?}"),
        }
    }
    proposed.catalogue_version
}

/// The answer where every item was refused before anything was proposed.
fn nothing_proposed() -> Answer {
    Answer::Outcomes(Ok(forebay_shard::Proposed { outcomes: Vec::new(), catalogue_version: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_vanished_meanwhile_is_unknown_by_what_it_was_called() {
        let id = TopicId([7; 16]);
        let name = TopicName::parse("orders").expect("a name");
        let topics = vec![TopicRef::Name(name.clone()), TopicRef::Id(id)];
        let delete = DeleteTopics { topics, timeout_ms: 0 };
        let found = [Some((name.clone(), id)), Some((name, id))];
        let gone = || Some(Refusal::UnknownTopicId);
        let deleted = deleted_topics(&delete, &found, vec![gone(), gone()]);
        let results: Vec<_> = deleted.into_iter().map(|topic| topic.result).collect();
        assert_eq!(results, [Err(Refusal::UnknownTopic), Err(Refusal::UnknownTopicId)]);
    }
}

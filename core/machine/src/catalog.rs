//! The catalogue: topics, where their partitions live, users, rules of access, and quotas of clients. Replicated on shard 0, copied
//! to every node.

use std::sync::Arc;

use forebay_model::acl::Acl;
use forebay_model::exchange::{QueueId, QueueName};
use forebay_model::limits::{PARTITIONS_MAX, PARTITIONS_PER_TOPIC_MAX, QUEUE_BATCH_BYTES_MAX, TOPICS_MAX};
use forebay_model::queue::NamespaceName;
use forebay_model::quota::{QuotaChange, QuotaTable};
use forebay_model::subscription::{StartAt, SubscriptionChange, SubscriptionSettings};
use forebay_model::{
    CleanupChange, GroupId, LogTime, NodeId, PartitionId, PolicyChange, Refusal, SettingChange,
    SettingsChange, ShardId, TimestampType, TopicId, TopicName, TopicSettings,
};

use crate::acls::Acls;
use crate::limits::{ATTEMPTS_MAX, GROUP_ID_BYTES_MAX, SUBSCRIPTION_SETTINGS_MAX};
use crate::namespaces::{Namespaces, StoredNamespace, StoredQueue};
use crate::routes::{CreateQueue, EndOfStay, Queue, QueueOf, Route, RouteChange, Stay};
use crate::shared_map::SharedMap;
use crate::users::{CredentialKey, SetCredential, Users};
use crate::{AddPartitions, CreateTopic, Outcome, quotas};

/// All topics, users and rules at one version. A clone is a snapshot and costs some reference counts; see [`SharedMap`] for what a
/// change behind a snapshot costs.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    version: u64,
    by_name: SharedMap<TopicName, Arc<Topic>>,
    by_id: SharedMap<TopicId, Arc<Topic>>,
    partitions: usize,
    next_partition: u64,
    /// What applies to topics that set nothing, where it is not what a node's configuration says.
    defaults: Arc<TopicSettings>,
    /// The version that changed it last.
    defaults_version: u64,
    quotas: Arc<QuotaTable>,
    users: Users,
    acls: Acls,
    /// Of the subscriptions for which something was set.
    subscriptions: SharedMap<GroupId, SubscriptionSettings>,
    namespaces: Namespaces,
    /// The queues that do not stay for ever, by the node that they depend on.
    staying: SharedMap<(NodeId, TopicId), Stay>,
}

/// A topic of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its id for life.
    pub id: TopicId,
    /// What was set on it.
    pub settings: TopicSettings,
    /// Its partitions, by number from zero.
    pub partitions: Vec<TopicPartition>,
    /// The version of the catalogue that changed it last.
    pub version: u64,
    /// When it was created.
    pub created_at: LogTime,
    /// The queue that it is, if it is one.
    pub queue: QueueOf,
}

/// A partition of a topic of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicPartition {
    /// The never-reused id.
    pub id: PartitionId,
    /// Where it is written.
    pub shard: ShardId,
}

impl Catalog {
    /// Rises by one with every change.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A topic by name.
    pub fn topic(&self, name: &TopicName) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    /// A topic by id.
    pub fn topic_by_id(&self, id: TopicId) -> Option<&Arc<Topic>> {
        self.by_id.get(&id)
    }

    /// All topics by rising name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.iter().map(|(_, topic)| topic)
    }

    /// Those that clients of topics see, by rising name: queues whose names no topic could have are none of them.
    pub fn public_topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.topics().filter(|topic| topic.name.is_public())
    }

    /// How many topics there are.
    pub fn topics_len(&self) -> usize {
        self.by_name.len()
    }

    /// How many partitions there are.
    pub fn partitions_len(&self) -> usize {
        self.partitions
    }

    /// What applies to topics that set nothing, where it is not what a node's configuration says.
    pub fn defaults(&self) -> &TopicSettings {
        &self.defaults
    }

    /// The version that changed the defaults last; 0 if none has.
    pub fn defaults_version(&self) -> u64 {
        self.defaults_version
    }

    /// A change that changes nothing is none, as in [`Catalog::alter`].
    pub(crate) fn alter_defaults(&mut self, change: &SettingsChange) -> Result<(), Refusal> {
        if change.flush != SettingChange::Keep || change.cleanup.policy != PolicyChange::Keep {
            let text = "where records are kept and how they go is each topic's own";
            return Err(Refusal::InvalidSetting(text.into()));
        }
        let defaults = change.of(&self.defaults);
        if defaults != *self.defaults {
            self.version += 1;
            (self.defaults, self.defaults_version) = (Arc::new(defaults), self.version);
        }
        Ok(())
    }

    /// Puts the defaults of a checkpoint back; whether that makes sense.
    pub(crate) fn restore_defaults(&mut self, defaults: TopicSettings, version: u64) -> bool {
        let has_none = defaults == TopicSettings::default();
        let sound = version <= self.version
            && (version > 0 || has_none)
            && defaults.flush.is_none()
            && defaults.cleanup.policy.is_none();
        (self.defaults, self.defaults_version) = (Arc::new(defaults), version);
        sound
    }

    /// How much clients may ask for.
    pub fn quotas(&self) -> &Arc<QuotaTable> {
        &self.quotas
    }

    /// Puts the quotas back that a checkpoint has.
    pub(crate) fn restore_quotas(&mut self, quotas: QuotaTable) {
        self.quotas = Arc::new(quotas);
    }

    /// A change that changes nothing is none: nobody has to catch up with it.
    pub(crate) fn alter_quotas(&mut self, change: &QuotaChange) -> Result<(), Refusal> {
        if quotas::alter(&mut self.quotas, change)? {
            self.version += 1;
        }
        Ok(())
    }

    /// Who may log in.
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// A change that changes nothing is none, as in [`Catalog::alter`].
    pub(crate) fn set_credential(&mut self, set: SetCredential) -> Result<(), Refusal> {
        let changed = self.users.set(set)?;
        self.version += u64::from(changed);
        Ok(())
    }

    pub(crate) fn remove_credential(&mut self, key: &CredentialKey) -> Result<(), Refusal> {
        self.users.remove(key)?;
        self.version += 1;
        Ok(())
    }

    /// Puts the users of a checkpoint back.
    pub(crate) fn restore_users(&mut self, users: Users) {
        self.users = users;
    }

    /// What was set on a subscription, whether there is one of that name or not.
    pub fn subscription(&self, name: &GroupId) -> SubscriptionSettings {
        self.subscriptions.get(name).copied().unwrap_or_default()
    }

    /// The subscriptions for which something was set, by name.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&GroupId, &SubscriptionSettings)> {
        self.subscriptions.iter()
    }

    /// How many there are.
    pub(crate) fn subscriptions_len(&self) -> usize {
        self.subscriptions.len()
    }

    /// Who may do what.
    pub fn acls(&self) -> &Acls {
        &self.acls
    }

    /// Adds rules, all or none. Rules that are there are no change.
    pub(crate) fn add_acls(&mut self, added: &[Acl]) -> Result<(), Refusal> {
        let mut acls = self.acls.clone();
        let mut changed = false;
        for acl in added {
            changed |= acls.add(acl)?;
        }
        if changed {
            self.acls = acls;
            self.version += 1;
        }
        Ok(())
    }

    /// Removes rules; those that are not there are no change.
    pub(crate) fn remove_acls(&mut self, removed: &[Acl]) {
        let mut changed = false;
        for acl in removed {
            changed |= self.acls.remove(acl);
        }
        self.version += u64::from(changed);
    }

    /// Puts the rules of a checkpoint back.
    pub(crate) fn restore_acls(&mut self, acls: Acls) {
        self.acls = acls;
    }

    /// The id that the next partition will get.
    pub(crate) fn next_partition(&self) -> u64 {
        self.next_partition
    }

    /// The exchanges and queues of all namespaces.
    pub fn namespaces(&self) -> &Namespaces {
        &self.namespaces
    }

    /// The topic of a queue.
    pub fn queue(&self, namespace: &NamespaceName, name: &QueueName) -> Option<&Arc<Topic>> {
        self.topic(&TopicName::of_queue(namespace, name)).filter(|topic| topic.queue.is_some())
    }

    /// Whether queues are there that stay no longer.
    pub fn has_over(&self, end: EndOfStay) -> bool {
        self.over(end).next().is_some()
    }

    /// The queues that stay no longer.
    fn over(&self, end: EndOfStay) -> impl Iterator<Item = TopicId> {
        let node = end.node();
        let of_node =
            self.staying.iter_from(move |(of, _)| *of < node).take_while(move |((of, _), _)| *of == node);
        of_node.filter(move |(_, stay)| end.ends(**stay)).map(|((_, topic), _)| *topic)
    }

    pub(crate) fn route(&mut self, route: Route, now: LogTime) -> Result<Outcome, Refusal> {
        let Route { namespace, change } = route;
        if let RouteChange::CreateQueue(create) = change {
            return self.create_queue(namespace, create, now).map(Outcome::TopicCreated);
        }
        if let RouteChange::EndStays(end) = change {
            self.end_stays(end);
            return Ok(Outcome::Routed(Ok(())));
        }
        let changed = self.namespaces.change(&namespace, change);
        self.version += u64::from(changed == Ok(true));
        Ok(Outcome::Routed(changed.map(drop)))
    }

    fn create_queue(
        &mut self,
        namespace: NamespaceName,
        create: CreateQueue,
        now: LogTime,
    ) -> Result<Arc<Topic>, Refusal> {
        let CreateQueue { declaration, id, shard, stay } = create;
        if self.namespaces.get(&namespace).is_none() {
            return Err(Refusal::InvalidRequest(format!("there is no namespace '{namespace}'")));
        }
        let name = TopicName::of_queue(&namespace, &declaration.name);
        // What consumers have settled goes, nothing else does.
        let settings = TopicSettings {
            retention_ms: Some(None),
            retention_bytes: Some(None),
            message_bytes_max: Some(QUEUE_BATCH_BYTES_MAX),
            timestamp_type: Some(TimestampType::Create),
            ..TopicSettings::default()
        };
        let topic = self.create(CreateTopic { name, id, settings, shards: vec![shard] }, now)?;
        Ok(self.set_queue(&topic, Queue { namespace, declaration, stay }))
    }

    /// Queues that stayed for somebody who is no more go.
    fn end_stays(&mut self, end: EndOfStay) {
        let over: Vec<TopicId> = self.over(end).collect();
        for topic in over {
            self.delete(topic).expect("what stays is there");
        }
    }

    /// A topic is a queue from now on.
    fn set_queue(&mut self, topic: &Topic, queue: Queue) -> Arc<Topic> {
        let id = QueueId(topic.partitions[0].id.0);
        self.namespaces.add_queue(&queue.namespace, queue.declaration.name.clone(), id);
        if let Some(node) = queue.stay.node() {
            self.staying.insert((node, topic.id), queue.stay);
        }
        self.put(Topic { queue: Some(Arc::new(queue)), ..topic.clone() })
    }

    /// Puts the exchanges and queues of a checkpoint back; whether that makes sense.
    pub(crate) fn restore_namespaces(&mut self, namespaces: Vec<StoredNamespace>) -> bool {
        let in_order = namespaces.is_sorted_by(|a, b| a.name < b.name);
        in_order && namespaces.into_iter().all(|stored| self.restore_namespace(stored).is_some())
    }

    fn restore_namespace(&mut self, stored: StoredNamespace) -> Option<()> {
        self.namespaces.get(&stored.name)?;
        for StoredQueue { topic, declaration, stay } in stored.queues {
            let topic = self
                .by_id
                .get(&topic)
                .filter(|topic| topic.queue.is_none() && !topic.partitions.is_empty())?;
            if topic.name != TopicName::of_queue(&stored.name, &declaration.name) {
                return None;
            }
            let topic = Arc::clone(topic);
            self.set_queue(&topic, Queue { namespace: stored.name.clone(), declaration, stay });
        }
        let exchanges = stored.exchanges.into_iter().map(RouteChange::DeclareExchange);
        let changes = exchanges.chain(stored.bindings.into_iter().map(RouteChange::Bind));
        // Each of them made something when it was said first.
        let mut changes = changes.map(|change| self.namespaces.change(&stored.name, change));
        changes.all(|changed| changed == Ok(true)).then_some(())
    }

    pub(crate) fn create(&mut self, create: CreateTopic, now: LogTime) -> Result<Arc<Topic>, Refusal> {
        if self.by_name.get(&create.name).is_some() {
            return Err(Refusal::TopicExists);
        }
        if create.id == TopicId::NONE {
            return Err(Refusal::InvalidRequest("a topic cannot have the id of zeros".into()));
        }
        if self.by_id.get(&create.id).is_some() {
            return Err(Refusal::InvalidRequest(format!("the topic id {} is taken", create.id)));
        }
        if self.by_name.len() >= TOPICS_MAX {
            return Err(Refusal::LimitReached { limit: "TOPICS_MAX" });
        }
        self.check_partitions(0, &create.shards)?;
        self.version += 1;
        let partitions = self.allocate(&create.shards);
        let topic = Topic {
            name: create.name,
            id: create.id,
            settings: create.settings,
            partitions,
            version: self.version,
            created_at: now,
            queue: None,
        };
        Ok(self.put(topic))
    }

    pub(crate) fn delete(&mut self, id: TopicId) -> Result<Arc<Topic>, Refusal> {
        let topic = self.by_id.remove(&id).ok_or(Refusal::UnknownTopicId)?;
        self.by_name.remove(&topic.name);
        self.partitions -= topic.partitions.len();
        if let Some(queue) = &topic.queue {
            self.namespaces.remove_queue(&queue.namespace, &queue.declaration.name);
            if let Some(node) = queue.stay.node() {
                self.staying.remove(&(node, id));
            }
        }
        self.version += 1;
        Ok(topic)
    }

    /// Returns the topic and the number of its first new partition.
    pub(crate) fn grow(&mut self, grow: &AddPartitions) -> Result<(Arc<Topic>, u32), Refusal> {
        let topic = self.by_id.get(&grow.id).ok_or(Refusal::UnknownTopicId)?;
        if topic.queue.is_some() {
            return Err(Refusal::InvalidPartitionCount("a queue has one partition".into()));
        }
        let present = topic.partitions.len();
        if present + grow.shards.len() != grow.total as usize {
            return Err(Refusal::InvalidPartitionCount(format!(
                "the topic has {present} partitions: {} more do not make {}",
                grow.shards.len(),
                grow.total
            )));
        }
        self.check_partitions(present, &grow.shards)?;
        let mut topic = Topic::clone(topic);
        self.version += 1;
        topic.version = self.version;
        topic.partitions.extend(self.allocate(&grow.shards));
        Ok((self.put(topic), present as u32))
    }

    /// Returns the topic as it is now. A change that changes nothing is none: nobody has to catch up with it.
    pub(crate) fn alter(&mut self, id: TopicId, change: &SettingsChange) -> Result<Arc<Topic>, Refusal> {
        let topic = self.by_id.get(&id).ok_or(Refusal::UnknownTopicId)?;
        let settings = change.of(&topic.settings);
        if topic.queue.is_some()
            && (change.cleanup != CleanupChange::default()
                || (settings.retention_ms, settings.retention_bytes)
                    != (topic.settings.retention_ms, topic.settings.retention_bytes))
        {
            return Err(Refusal::InvalidSetting("a queue keeps what is not settled".into()));
        }
        if settings == topic.settings {
            return Ok(Arc::clone(topic));
        }
        self.version += 1;
        let topic = Topic { settings, version: self.version, ..Topic::clone(topic) };
        Ok(self.put(topic))
    }

    /// Changes what is set on a subscription.
    pub(crate) fn alter_subscription(
        &mut self,
        name: GroupId,
        change: &SubscriptionChange,
    ) -> Result<(), Refusal> {
        if name.0.is_empty() || name.0.len() > GROUP_ID_BYTES_MAX {
            return Err(Refusal::InvalidGroupId);
        }
        let before = self.subscription(&name);
        let settings = change.of(&before);
        if matches!(settings.begin, Some(StartAt::Offset(_))) {
            return Err(Refusal::InvalidSetting(
                "a subscription begins at one of the ends, or by time".into(),
            ));
        }
        if settings.attempts_max.is_some_and(|attempts| attempts.0 > ATTEMPTS_MAX) {
            return Err(Refusal::InvalidSetting(format!("no more than {ATTEMPTS_MAX} attempts are counted")));
        }
        if settings == before {
            return Ok(());
        }
        let is_new = before == SubscriptionSettings::default();
        if is_new && self.subscriptions.len() >= SUBSCRIPTION_SETTINGS_MAX {
            return Err(Refusal::LimitReached { limit: "SUBSCRIPTION_SETTINGS_MAX" });
        }
        self.put_subscription(name, settings);
        self.version += 1;
        Ok(())
    }

    /// Settings that are all defaults are not kept.
    fn put_subscription(&mut self, name: GroupId, settings: SubscriptionSettings) {
        if settings == SubscriptionSettings::default() {
            self.subscriptions.remove(&name);
        } else {
            self.subscriptions.insert(name, settings);
        }
    }

    /// Takes over what [`Catalog::subscriptions`] gave; whether that makes sense.
    pub(crate) fn restore_subscriptions(&mut self, all: Vec<(GroupId, SubscriptionSettings)>) -> bool {
        let sorted = all.is_sorted_by(|a, b| a.0 < b.0) && all.len() <= SUBSCRIPTION_SETTINGS_MAX;
        let count = all.len();
        for (name, settings) in all {
            self.put_subscription(name, settings);
        }
        sorted && self.subscriptions.len() == count
    }

    fn check_partitions(&self, present: usize, added: &[ShardId]) -> Result<(), Refusal> {
        let total = present + added.len();
        if added.is_empty() || total > PARTITIONS_PER_TOPIC_MAX as usize {
            return Err(Refusal::InvalidPartitionCount(format!(
                "a topic has 1 to {PARTITIONS_PER_TOPIC_MAX} partitions and only gets more; asked for {total}, had {present}"
            )));
        }
        if self.partitions + added.len() > PARTITIONS_MAX {
            return Err(Refusal::LimitReached { limit: "PARTITIONS_MAX" });
        }
        Ok(())
    }

    fn allocate(&mut self, shards: &[ShardId]) -> Vec<TopicPartition> {
        let first = self.next_partition;
        self.next_partition += shards.len() as u64;
        self.partitions += shards.len();
        let ids = (first..).map(PartitionId);
        ids.zip(shards).map(|(id, &shard)| TopicPartition { id, shard }).collect()
    }

    fn put(&mut self, topic: Topic) -> Arc<Topic> {
        let topic = Arc::new(topic);
        self.by_name.insert(topic.name.clone(), Arc::clone(&topic));
        self.by_id.insert(topic.id, Arc::clone(&topic));
        topic
    }

    /// Puts a catalogue together again; `None` when the parts contradict each other.
    pub(crate) fn restore(version: u64, next_partition: u64, topics: Vec<Topic>) -> Option<Catalog> {
        let mut catalog = Catalog { version, next_partition, ..Catalog::default() };
        let count = topics.len();
        for topic in topics {
            if topic.version > version || topic.partitions.iter().any(|p| p.id.0 >= next_partition) {
                return None;
            }
            catalog.partitions += topic.partitions.len();
            catalog.put(topic);
        }
        (catalog.by_name.len() == count && catalog.by_id.len() == count).then_some(catalog)
    }
}

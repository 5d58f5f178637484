//! Keeping a shard's partitions in step with the catalogue. What a data shard needs of it reaches it as commands in its
//! own log; the leader proposes what is missing and drops what is gone.

use std::collections::BTreeSet;

use forebay_env::Monotonic;
use forebay_machine::{Catalog, Command, Compaction, OpenPartition, Partition, PartitionSettings, Topic};
use forebay_model::{LeaderEpoch, PartitionId, Term, TopicDefaults, TopicId};

use crate::pending::{Asking, Own};
use crate::shard::Shard;

/// Partitions opened or dropped by one turn.
const PROVISION_COMMANDS_MAX: usize = 2048;

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn provision(&mut self, _now: Monotonic) {
        if let Some(wish) = self.board.take_wish() {
            self.wish = Some(wish);
        }
        let Some(wish) = &self.wish else { return };
        if self.provisioning || self.fenced.is_some() {
            return;
        }
        let commands = self.missing(wish);
        if commands.is_empty() {
            let version = wish.version();
            self.reconciled = self.wish.take();
            self.board.set_provisioned(version);
            (self.hooks.noticed)();
        } else if self.leads() && self.stalled.is_none() {
            self.provisioning = true;
            self.raise_version(&commands);
            self.draft.push_all(&commands, Asking::Shard(Own::Provision));
        }
    }

    /// What has to change so that this shard holds what the catalogue places on it.
    fn missing(&self, catalogue: &Catalog) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut wanted = BTreeSet::new();
        let defaults = self.config.defaults.with(catalogue.defaults());
        for topic in catalogue.topics() {
            for (number, partition) in (0u32..).zip(&topic.partitions) {
                if partition.shard != self.config.id {
                    continue;
                }
                wanted.insert(partition.id);
                let mut command = open(topic, number, partition.id, self.term, &defaults);
                command.catalogue_version = topic.version.max(catalogue.defaults_version());
                if self.is_missing(&command) && commands.len() < PROVISION_COMMANDS_MAX {
                    commands.push(Command::OpenPartition(command));
                }
            }
        }
        // A copy of the catalogue that is behind (its shard is still being replayed here) does not know yet what was made
        // after it: only one at least as new as what opened a partition can say that it is gone.
        let known_then = |partition: &&Partition| partition.catalogue_version <= catalogue.version();
        let gone = self.machine.partitions().filter(known_then);
        let gone = gone.map(|partition| partition.id).filter(|id| !wanted.contains(id));
        let room = PROVISION_COMMANDS_MAX - commands.len();
        let catalogue_version = catalogue.version();
        commands
            .extend(gone.take(room).map(|partition| Command::DropPartition { catalogue_version, partition }));
        let groups = self.machine.groups();
        let forgotten: BTreeSet<_> = groups
            .iter()
            .flat_map(|(group, _)| groups.offsets(group))
            .map(|(topic, _, _)| topic)
            .filter(|topic| self.was_deleted(*topic, catalogue))
            .take(forebay_machine::limits::TOPICS_PER_FORGET_MAX)
            .collect();
        if !forgotten.is_empty() {
            commands.push(Command::ForgetTopics { topics: forgotten.into_iter().collect() });
        }
        commands
    }

    /// Whether a topic was there in the last catalogue that this shard agreed with, and is not in this one. That it is not
    /// there proves nothing by itself, for the same reason; what is deleted unseen is left to the expiry of groups.
    fn was_deleted(&self, topic: TopicId, catalogue: &Catalog) -> bool {
        let before = self.reconciled.as_ref().filter(|before| before.version() <= catalogue.version());
        before.is_some_and(|before| before.topic_by_id(topic).is_some())
            && catalogue.topic_by_id(topic).is_none()
    }

    fn is_missing(&self, wanted: &OpenPartition) -> bool {
        match self.machine.partition(wanted.partition) {
            None => !self.machine.was_dropped(wanted.partition),
            Some(present) => {
                present.settings != wanted.settings && present.catalogue_version <= wanted.catalogue_version
            }
        }
    }
}

fn open(
    topic: &Topic,
    number: u32,
    partition: PartitionId,
    term: Term,
    defaults: &TopicDefaults,
) -> OpenPartition {
    let set = &topic.settings;
    let cleanup = defaults.cleanup.with(&set.cleanup);
    let deletes = cleanup.policy.deletes();
    OpenPartition {
        catalogue_version: topic.version,
        partition,
        topic: topic.id,
        number,
        settings: PartitionSettings {
            retention_ms: set.retention_ms.unwrap_or(defaults.retention_ms).filter(|_| deletes),
            retention_bytes: set.retention_bytes.unwrap_or(defaults.retention_bytes).filter(|_| deletes),
            message_bytes_max: set.message_bytes_max.unwrap_or(defaults.message_bytes_max),
            timestamp_type: set.timestamp_type.unwrap_or(defaults.timestamp_type),
            queue: topic.queue.as_ref().map(|queue| queue.declaration.rules()),
            compaction: cleanup.policy.compacts().then_some(Compaction {
                tombstone_ms: cleanup.tombstone_ms,
                lag_ms_min: cleanup.lag_ms_min,
                lag_ms_max: cleanup.lag_ms_max,
                dirty_ratio_min: cleanup.dirty_ratio_min,
                fresh_bytes: cleanup.fresh_bytes,
                fresh_ms: cleanup.fresh_ms,
            }),
        },
        // The base of an extent is the term at its opening: then base + (term - term at opening) is the term.
        base_epoch: LeaderEpoch(u32::try_from(term.0).unwrap_or(u32::MAX)),
    }
}

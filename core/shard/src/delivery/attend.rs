//! Consumers of queues that come and go, and queues that go because nobody uses them.

use forebay_env::Monotonic;
use forebay_machine::{CATALOGUE_SHARD, Command, EndOfStay, Route, RouteChange, SubscriptionKey};
use forebay_model::queue::{NamespaceName, QueueRules};
use forebay_model::{PartitionId, Refusal, TopicId};

use super::Consumer;
use super::attendance::Attendee;
use crate::pending::{Asking, Own};
use crate::relay::Passed;
use crate::retention::queue_key;
use crate::shard::Shard;
use crate::work::Answer;

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn join(&mut self, ticket: T, key: &SubscriptionKey, joining: Attendee) {
        let joined = self.try_to_join(key, joining);
        self.answers.push((ticket, Answer::Joined(joined)));
    }

    fn try_to_join(&mut self, key: &SubscriptionKey, joining: Attendee) -> Result<(), Refusal> {
        let rules = self.queue_rules(key.partition)?;
        self.deliveries.attendance.join(key, rules, joining)
    }

    /// A consumer is to get nothing more: it is none of those that a queue has any more.
    pub(crate) fn leave(&mut self, consumer: Consumer) {
        let left = self.deliveries.attendance.leave(consumer);
        self.deliveries.freed.extend(left.activated);
        let now = self.env.clock.monotonic();
        for key in left.empty {
            let Ok(rules) = self.queue_rules(key.partition) else { continue };
            if rules.auto_delete {
                self.deliveries.attendance.give_up(key.partition, now);
            } else {
                self.deliveries.attendance.touch(&key, rules, now);
            }
        }
    }

    /// Somebody looked at a queue, or takes of it without being one of its consumers.
    pub(crate) fn touch(&mut self, key: &SubscriptionKey) {
        if let Ok(rules) = self.queue_rules(key.partition) {
            let now = self.env.clock.monotonic();
            self.deliveries.attendance.touch(key, rules, now);
        }
    }

    /// Queues that this shard serves from now on.
    pub(crate) fn watch_queues(&mut self, opened: &[PartitionId]) {
        if !self.leads() {
            return;
        }
        let keys = opened.iter().filter_map(|id| self.machine.partition(*id)).map(queue_key);
        let keys: Vec<SubscriptionKey> = keys.collect();
        keys.iter().for_each(|key| self.touch(key));
    }

    /// The same of all, for a leader that begins.
    pub(crate) fn watch_all_queues(&mut self) {
        let expires = |rules: QueueRules| rules.expires_ms.is_some();
        let partitions = self.machine.partitions().filter(|one| one.settings.queue.is_some_and(expires));
        let ids: Vec<PartitionId> = partitions.map(|partition| partition.id).collect();
        self.watch_queues(&ids);
    }

    /// Tells the catalogue of queues that nobody uses any more.
    pub(crate) fn end_unused(&mut self, now: Monotonic) {
        while let Some(id) = self.deliveries.attendance.pop_over(now) {
            let Some(partition) = self.machine.partition(id) else {
                self.deliveries.attendance.forget(id);
                continue;
            };
            (self.hooks.pass)(CATALOGUE_SHARD, Passed::Unused { topic: partition.topic });
        }
    }

    /// A queue is over, as the shard of its messages says. It is told again if nothing comes of this.
    pub(crate) fn delete_unused(&mut self, topic: TopicId) {
        let found = self.machine.catalog().topic_by_id(topic);
        if found.is_some_and(|topic| topic.queue.is_some()) {
            self.draft.push(&Command::DeleteTopic { id: topic }, Asking::Shard(Own::Unused));
        }
    }

    /// Somebody is no more for whom queues stayed.
    pub(crate) fn end_stays(&mut self, end: EndOfStay) {
        let route = Route { namespace: NamespaceName::default(), change: RouteChange::EndStays(end) };
        self.draft.push(&Command::Route(route), Asking::Shard(Own::Unused));
    }

    fn queue_rules(&self, id: PartitionId) -> Result<QueueRules, Refusal> {
        let partition = self.machine.partition(id).ok_or_else(|| self.no_partition(id))?;
        let no_queue = || Refusal::InvalidRequest("only queues are told who consumes from them".into());
        partition.settings.queue.ok_or_else(no_queue)
    }
}

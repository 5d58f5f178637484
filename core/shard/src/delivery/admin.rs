//! What operators ask of shared subscriptions: where they stand, to begin elsewhere, to forget them.

use forebay_machine::{Command, MACHINE_VERSION_SUBSCRIPTIONS, Outcome, SubscriptionKey};
use forebay_model::subscription::{StartAt, SubscriptionState, SubscriptionView};
use forebay_model::{GroupId, PartitionId, PartitionRef, Refusal, TopicId, TopicRef};

use crate::barrier::Behind;
use crate::pending::{Asking, Subscribing};
use crate::shard::Shard;
use crate::work::{Answer, Counted, SubscriptionWork};

/// The answer that refuses all of it.
pub(crate) fn refuse_admin(refusal: &Refusal) -> Answer {
    Answer::Subscriptions(Err(refusal.clone()))
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn subscriptions(&mut self, ticket: T, work: SubscriptionWork) {
        match work {
            // Nobody hears from an old leader how far a subscription is.
            SubscriptionWork::Describe(..) | SubscriptionWork::Count(_) => {
                self.wait_behind_barrier(Behind::Subscriptions(ticket, work))
            }
            SubscriptionWork::Join(key, joining) => self.join(ticket, &key, joining),
            SubscriptionWork::Leave(consumer) => {
                self.leave(consumer);
                self.answers.push((ticket, Answer::Joined(Ok(()))));
            }
            SubscriptionWork::Reset(items) => {
                self.raise_version_to(MACHINE_VERSION_SUBSCRIPTIONS);
                let keys = items.iter().map(|(key, _)| key.clone()).collect();
                let reset = |(subscription, at): (SubscriptionKey, StartAt)| Command::OpenSubscription {
                    subscription,
                    at,
                    anew: true,
                };
                self.change_subscriptions(ticket, keys, items.into_iter().map(reset).collect());
            }
            SubscriptionWork::Drop(name, partitions) => {
                let key = |partition| SubscriptionKey { partition, name: name.clone() };
                let keys: Vec<_> = match partitions {
                    Some(partitions) => partitions.into_iter().map(key).collect(),
                    None => self.machine.subscriptions().of_name(&name).map(key).collect(),
                };
                if !keys.is_empty() {
                    self.raise_version_to(MACHINE_VERSION_SUBSCRIPTIONS);
                }
                let end = |key: &SubscriptionKey| Command::DropSubscription { subscription: key.clone() };
                let commands = keys.iter().map(end).collect();
                self.change_subscriptions(ticket, keys, commands);
            }
        }
    }

    /// Whoever leads no more never comes here: it is behind a barrier.
    pub(crate) fn describe_subscriptions(&mut self, ticket: T, work: SubscriptionWork) {
        let (name, partitions) = match work {
            SubscriptionWork::Describe(name, partitions) => (name, partitions),
            SubscriptionWork::Count(key) => {
                self.touch(&key);
                let answer = self.count(&key).map_or_else(|refusal| refuse_admin(&refusal), Answer::Counted);
                return self.answers.push((ticket, answer));
            }
            work => return self.subscriptions(ticket, work),
        };
        let partitions = partitions.unwrap_or_else(|| self.machine.subscriptions().of_name(&name).collect());
        let described = partitions.iter().map(|id| self.state(&name, *id)).collect();
        self.answers.push((ticket, Answer::Subscriptions(Ok(described))));
    }

    fn count(&self, key: &SubscriptionKey) -> Result<Counted, Refusal> {
        let partition =
            self.machine.partition(key.partition).ok_or_else(|| self.no_partition(key.partition))?;
        let (end, records) = (partition.high_watermark(), partition.high_watermark().0 - partition.start.0);
        let progress = self.machine.subscriptions().get(key);
        let held = progress.map_or(0, |progress| self.deliveries.held(key, progress));
        // Without one nobody has received anything yet.
        let unsettled = progress.map_or(records, |progress| progress.unsettled(end));
        let consumers = u32::try_from(self.deliveries.attendance.count(key)).unwrap_or(u32::MAX);
        Ok(Counted { ready: unsettled.saturating_sub(held), held, consumers })
    }

    fn view(&self, name: &GroupId, id: PartitionId) -> Result<Option<SubscriptionView>, Refusal> {
        let partition = self.machine.partition(id).ok_or_else(|| self.no_partition(id))?;
        let key = SubscriptionKey { partition: id, name: name.clone() };
        Ok(self.machine.subscriptions().get(&key).map(|progress| SubscriptionView {
            cursor: progress.cursor(),
            unsettled: progress.unsettled(partition.high_watermark()),
            leader_epoch: partition.leader_epoch(self.term),
        }))
    }

    fn state(&self, name: &GroupId, id: PartitionId) -> SubscriptionState {
        let known = self.machine.partition(id);
        let (topic, number) =
            known.map_or((TopicId::NONE, 0), |partition| (partition.topic, partition.number));
        let partition = PartitionRef { topic: TopicRef::Id(topic), number };
        SubscriptionState { partition, topic, view: self.view(name, id) }
    }

    fn change_subscriptions(&mut self, ticket: T, keys: Vec<SubscriptionKey>, commands: Vec<Command>) {
        if commands.is_empty() {
            return self.answers.push((ticket, Answer::Subscriptions(Ok(Vec::new()))));
        }
        self.draft.push_all(&commands, Asking::Subscriptions(ticket, keys));
    }

    pub(crate) fn subscriptions_changed(
        &mut self,
        ticket: T,
        keys: Vec<SubscriptionKey>,
        outcomes: impl Iterator<Item = Outcome>,
    ) {
        let mut changed = Vec::with_capacity(keys.len());
        for (key, outcome) in keys.into_iter().zip(outcomes) {
            let state = self.state(&key.name, key.partition);
            changed.push(match outcome {
                // One that was to be forgotten, and is.
                Outcome::Refused(Refusal::UnknownSubscription) => state,
                Outcome::Refused(refusal) => SubscriptionState { view: Err(refusal), ..state },
                _ => state,
            });
            // Receivers that wait for it look again: what they waited for is not what there is now.
            self.subscribed(Subscribing::Changed(key), None);
        }
        self.answers.push((ticket, Answer::Subscriptions(Ok(changed))));
    }
}

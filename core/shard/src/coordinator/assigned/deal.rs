//! What each member is to have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_machine::Catalog;
use forebay_model::group::PartitionSet;
use forebay_model::{TopicId, TopicName};

use super::AssignedGroup;
use super::saved::Dealt;
use super::strategy::{Reader, Strategy};

impl AssignedGroup {
    /// The strategy that most members want.
    pub(super) fn wanted_strategy(&self) -> Strategy {
        Strategy::most_wanted(self.members.values().filter_map(|member| member.strategy))
    }

    /// Deals anew if members, what they read or the topics have changed since. Topics that give everybody what it has raise no
    /// epoch.
    pub(super) fn deal(&mut self, topics: &Catalog) {
        let has_changed = self.dealt.epoch != self.epoch;
        if !self.may_deal() {
            return;
        }
        if !has_changed && topics.version() == self.dealt.topics {
            return;
        }
        let strategy = self.wanted_strategy();
        let shares = self.shares(strategy, topics);
        let moves = self.members.values().zip(&shares).any(|(member, share)| member.target != *share);
        self.dealt.topics = topics.version();
        if !has_changed && !moves && strategy == self.strategy {
            return;
        }
        if !has_changed {
            self.epoch = self.epoch.saturating_add(1);
        }
        self.strategy = strategy;
        self.dealt = Dealt { epoch: self.epoch, topics: topics.version() };
        for (member, share) in self.members.values_mut().zip(shares) {
            member.target = share;
        }
        self.touch(None);
    }

    /// Whether it is known what everybody may see. A member of the classic protocol that is the first to be heard after a new leader's
    /// load has to wait for one that can say for whom patterns match; until then everybody has what it has.
    pub(super) fn may_deal(&self) -> bool {
        self.patterns.is_empty() || self.is_viewer_known
    }

    /// One share per member, in their order.
    fn shares(&mut self, strategy: Strategy, topics: &Catalog) -> Vec<PartitionSet> {
        let read: Vec<BTreeSet<TopicId>> = self.topics_read(topics);
        let counts: BTreeMap<TopicId, u32> = read
            .iter()
            .flatten()
            .filter_map(|id| topics.topic_by_id(*id))
            .map(|topic| (topic.id, u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX)))
            .collect();
        let readers: Vec<Reader<'_>> = self
            .members
            .values()
            .zip(read)
            .map(|(member, topics)| Reader {
                id: &member.id,
                instance: member.instance.as_deref(),
                topics,
                before: &member.target,
            })
            .collect();
        strategy.deal(&readers, &counts)
    }

    /// Per member the topics that it reads, of those that there are.
    fn topics_read(&mut self, topics: &Catalog) -> Vec<BTreeSet<TopicId>> {
        let AssignedGroup { members, patterns, viewer, .. } = self;
        let mut read = Vec::with_capacity(members.len());
        for member in members.values() {
            let named = member.topics.iter().filter_map(|name| TopicName::parse(name).ok());
            let named = named.filter_map(|name| topics.topic(&name).map(|topic| topic.id));
            let mut ids: BTreeSet<TopicId> = named.collect();
            if let Some(pattern) = member.pattern.as_ref().and_then(|text| patterns.get_mut(text)) {
                ids.extend(pattern.topics(topics, viewer.as_ref()));
            }
            read.push(ids);
        }
        read
    }

    /// Whether a member reads a topic of this name.
    pub(super) fn reads(&self, name: &str, topics: &Catalog) -> bool {
        let id = TopicName::parse(name).ok().and_then(|name| topics.topic(&name)).map(|topic| topic.id);
        let by_name = self.members.values().any(|member| member.topics.contains(name));
        let is_had = |id: TopicId| {
            let has = |places: &PartitionSet| places.range((id, 0)..=(id, u32::MAX)).next().is_some();
            self.members.values().any(|member| has(&member.target))
        };
        by_name || id.is_some_and(is_had)
    }

    /// Who has a partition, or may still have it.
    pub(super) fn owner(&self, place: super::Place) -> Option<&Arc<str>> {
        self.owners.get(&place)
    }
}

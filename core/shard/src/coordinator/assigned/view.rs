//! Groups as operators see them.

use forebay_machine::Catalog;
use forebay_model::group::{
    AssignedBy, AssignedMemberView, AssignedView, GroupListing, GroupState, NamedPartitions,
};

use super::member::Member;
use super::{AssignedGroup, Place};

impl AssignedGroup {
    pub(in super::super) fn state(&self) -> GroupState {
        let is_settled =
            |member: &Member| member.is_away || (member.epoch == self.epoch && member.has_its_target());
        if self.is_empty() {
            GroupState::Empty
        } else if self.dealt.epoch != self.epoch {
            GroupState::Assigning
        } else if self.members.values().all(is_settled) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    pub(in super::super) fn listing(&self) -> GroupListing {
        GroupListing {
            group: self.id.clone(),
            state: self.state(),
            kind: String::new(),
            assigned_by: AssignedBy::Broker,
        }
    }

    pub(in super::super) fn view(&self, topics: Option<&Catalog>) -> AssignedView {
        let view = |member: &Member| AssignedMemberView {
            member: member.id.to_string(),
            instance: member.instance.clone(),
            rack: member.rack.clone(),
            client: member.client.clone(),
            host: member.host.clone(),
            epoch: (!member.is_away).then_some(member.epoch),
            is_classic: member.classic.is_some(),
            topics: member.topics.iter().cloned().collect(),
            pattern: member.pattern.clone(),
            held: named(member.held.keys().copied(), topics),
            target: named(member.target.iter().copied(), topics),
        };
        AssignedView {
            group: self.id.clone(),
            state: self.state(),
            epoch: self.epoch,
            assigned_epoch: self.dealt.epoch,
            strategy: self.strategy.name(),
            members: self.members.values().map(view).collect(),
        }
    }
}

/// By topic, with the name that the topic has now.
pub(super) fn named(places: impl Iterator<Item = Place>, topics: Option<&Catalog>) -> Vec<NamedPartitions> {
    let mut named: Vec<NamedPartitions> = Vec::new();
    for (topic, number) in places {
        match named.last_mut().filter(|last| last.topic == topic) {
            Some(last) => last.numbers.push(number),
            None => {
                let found = topics.and_then(|topics| topics.topic_by_id(topic));
                let name = found.map_or(String::new(), |topic| topic.name.as_str().to_owned());
                named.push(NamedPartitions { topic, name, numbers: vec![number] });
            }
        }
    }
    named
}

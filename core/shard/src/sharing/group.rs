//! The members of one group that shares a subscription.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_machine::Catalog;
use forebay_model::subscription::{Attend, AttendStep, SharedTopic, SharerView, SharersView};
use forebay_model::{Refusal, TopicId, TopicName};

use super::deal::{Place, deal};
use super::limits::{MEMBERS_MAX, NAME_BYTES_MAX, TOPICS_PER_MEMBER_MAX};

/// A group with members.
#[derive(Debug, Default)]
pub(super) struct SharedGroup {
    /// Rises with every change of members and of what they are to read.
    pub(super) epoch: i32,
    pub(super) members: BTreeMap<Arc<str>, Sharer>,
    /// The version of the topics that were dealt.
    topics: u64,
}

/// A member.
#[derive(Debug, Default)]
pub(super) struct Sharer {
    client: String,
    host: String,
    rack: Option<String>,
    topics: BTreeSet<String>,
    /// What it was told last.
    epoch: i32,
    /// And before: it may not have heard the last.
    previous_epoch: i32,
    share: BTreeSet<(TopicId, u32)>,
    /// Its share is not what it was told last.
    has_news: bool,
    /// When its session ends, in monotonic nanoseconds.
    pub(super) until: u64,
}

/// What a member is told of itself.
pub(super) struct Told {
    pub(super) epoch: i32,
    pub(super) partitions: Option<Vec<SharedTopic>>,
}

impl SharedGroup {
    pub(super) fn new(epoch: i32) -> SharedGroup {
        SharedGroup { epoch, ..SharedGroup::default() }
    }

    /// A member comes or stays; `until` is when its session ends.
    pub(super) fn attend(&mut self, attend: &Attend, topics: &Catalog, until: u64) -> Result<Told, Refusal> {
        check(attend)?;
        self.admit(attend)?;
        let mut has_changed = false;
        if let Some(member) = self.members.get_mut(attend.member.as_str()) {
            member.until = until;
            member.client.clone_from(&attend.client);
            member.host.clone_from(&attend.host);
            if attend.rack.is_some() {
                member.rack.clone_from(&attend.rack);
            }
            if let Some(topics) = &attend.topics {
                let topics: BTreeSet<String> = topics.iter().cloned().collect();
                has_changed = topics != member.topics;
                member.topics = topics;
            }
            if attend.step == AttendStep::Join {
                (member.epoch, member.has_news) = (0, true);
            }
        }
        if has_changed {
            self.epoch = self.epoch.saturating_add(1);
        }
        self.deal(topics, has_changed);
        self.tell(attend, topics)
    }

    /// Lets a new member in, or checks the epoch of one that is.
    fn admit(&mut self, attend: &Attend) -> Result<(), Refusal> {
        let known = self.members.get(attend.member.as_str());
        match (attend.step, known) {
            (AttendStep::Join, Some(_)) => Ok(()),
            (AttendStep::Join, None) if attend.topics.as_ref().is_none_or(Vec::is_empty) => {
                Err(Refusal::InvalidRequest("a member that joins says what it reads".into()))
            }
            (AttendStep::Join, None) if self.members.len() >= MEMBERS_MAX => Err(Refusal::GroupFull),
            (AttendStep::Join, None) => {
                self.members.insert(attend.member.as_str().into(), Sharer::default());
                Ok(())
            }
            (AttendStep::Stay(epoch), Some(member))
                if epoch == member.epoch || epoch == member.previous_epoch =>
            {
                Ok(())
            }
            (AttendStep::Stay(_), Some(_)) => Err(Refusal::FencedMember),
            (AttendStep::Stay(_) | AttendStep::Leave, _) => Err(Refusal::UnknownMember),
        }
    }

    fn tell(&mut self, attend: &Attend, topics: &Catalog) -> Result<Told, Refusal> {
        let epoch = self.epoch;
        let member = self.members.get_mut(attend.member.as_str()).ok_or(Refusal::UnknownMember)?;
        // Whoever comes with the epoch before did not hear what it was told last.
        let missed = matches!(attend.step, AttendStep::Stay(told) if told != member.epoch);
        let tells = member.has_news || missed || attend.topics.is_some();
        if member.epoch != epoch {
            (member.previous_epoch, member.epoch) = (member.epoch, epoch);
        }
        member.has_news = false;
        Ok(Told { epoch, partitions: tells.then(|| named(&member.share, topics)) })
    }

    /// Puts a member out; whether it was one.
    pub(super) fn remove(&mut self, member: &str, topics: Option<&Catalog>) -> bool {
        if self.members.remove(member).is_none() {
            return false;
        }
        self.epoch = self.epoch.saturating_add(1);
        if let Some(topics) = topics {
            self.deal(topics, true);
        }
        true
    }

    /// Deals anew if anything has changed since.
    fn deal(&mut self, topics: &Catalog, has_changed: bool) {
        if !has_changed && topics.version() == self.topics {
            return;
        }
        self.topics = topics.version();
        let mut ids: Vec<(TopicId, u32)> = Vec::new();
        let mut places: BTreeMap<TopicId, usize> = BTreeMap::new();
        let mut reads = Vec::with_capacity(self.members.len());
        for member in self.members.values() {
            let named = member.topics.iter().filter_map(|name| TopicName::parse(name).ok());
            let mut read = BTreeSet::new();
            for topic in named.filter_map(|name| topics.topic(&name)) {
                let place = *places.entry(topic.id).or_insert_with(|| {
                    ids.push((topic.id, u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX)));
                    ids.len() - 1
                });
                read.insert(place);
            }
            reads.push(read);
        }
        let counts: Vec<u32> = ids.iter().map(|(_, count)| *count).collect();
        let mut moves = false;
        for (member, share) in self.members.values_mut().zip(deal(&reads, &counts)) {
            let share = share.into_iter().map(|(place, number): Place| (ids[place].0, number)).collect();
            if member.share != share {
                member.share = share;
                member.has_news = true;
                moves = true;
            }
        }
        if moves && !has_changed {
            self.epoch = self.epoch.saturating_add(1);
        }
    }

    pub(super) fn view(&self, topics: Option<&Catalog>) -> SharersView {
        let view = |(id, member): (&Arc<str>, &Sharer)| SharerView {
            member: id.to_string(),
            epoch: member.epoch,
            rack: member.rack.clone(),
            client: member.client.clone(),
            host: member.host.clone(),
            topics: member.topics.iter().cloned().collect(),
            partitions: topics.map_or(Vec::new(), |topics| named(&member.share, topics)),
        };
        SharersView { epoch: self.epoch, members: self.members.iter().map(view).collect() }
    }
}

/// By topic, with the name that it has now.
fn named(share: &BTreeSet<(TopicId, u32)>, topics: &Catalog) -> Vec<SharedTopic> {
    let mut named: Vec<SharedTopic> = Vec::new();
    for (topic, number) in share {
        match named.last_mut().filter(|last| last.topic == *topic) {
            Some(last) => last.numbers.push(*number),
            None => {
                let found = topics.topic_by_id(*topic);
                let name = found.map_or(String::new(), |topic| topic.name.as_str().to_owned());
                named.push(SharedTopic { topic: *topic, name, numbers: vec![*number] });
            }
        }
    }
    named
}

/// What does not depend on the group.
fn check(attend: &Attend) -> Result<(), Refusal> {
    let names = [Some(&attend.member), attend.rack.as_ref()];
    if names.into_iter().flatten().any(|name| name.is_empty() || name.len() > NAME_BYTES_MAX) {
        return Err(Refusal::InvalidRequest("a member's id or rack is empty or too long".into()));
    }
    if attend.topics.as_ref().is_some_and(|topics| topics.len() > TOPICS_PER_MEMBER_MAX) {
        return Err(Refusal::LimitReached { limit: "TOPICS_PER_MEMBER_MAX" });
    }
    Ok(())
}

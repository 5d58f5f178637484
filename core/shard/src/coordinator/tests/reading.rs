//! Members of the classic protocol that say what the broker understands.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::group::*;
use forebay_model::{Refusal, TopicId, TopicName};

use super::dialect::{DIALECT, write};
use super::world::*;

/// A client that follows the classic protocol.
#[derive(Clone, Debug)]
pub(super) struct Reader {
    pub(super) name: String,
    /// Empty before it was given one.
    pub(super) member: String,
    pub(super) instance: Option<String>,
    /// Whether it gives up everything before it joins again.
    pub(super) is_eager: bool,
    pub(super) topics: Vec<String>,
    pub(super) generation: i32,
    /// What it takes itself to have.
    pub(super) owned: PartitionSet,
    pub(super) session_timeout_ms: u32,
    pub(super) rebalance_timeout_ms: u32,
}

impl Reader {
    pub(super) fn new(name: &str, topics: &[&str]) -> Reader {
        Reader {
            name: name.to_owned(),
            member: String::new(),
            instance: None,
            is_eager: true,
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            generation: -1,
            owned: PartitionSet::new(),
            session_timeout_ms: 10_000,
            rebalance_timeout_ms: 60_000,
        }
    }

    pub(super) fn careful(name: &str, topics: &[&str]) -> Reader {
        Reader { is_eager: false, ..Reader::new(name, topics) }
    }

    /// Its request; what it has it gives up first if it is eager.
    pub(super) fn join_request(&mut self, world: &World) -> JoinGroup {
        if self.is_eager {
            self.owned.clear();
        }
        let metadata = Bytes::from(format!("{};{}", self.topics.join(" "), written(world, &self.owned)));
        JoinGroup {
            member: self.member.clone(),
            instance: self.instance.clone(),
            strategies: vec![Strategy { name: "range".into(), metadata }],
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            dialect: Some(&DIALECT),
            ..new_member(&self.name)
        }
    }

    pub(super) fn join(&mut self, world: &mut World) -> u64 {
        let request = self.join_request(world);
        world.join(request)
    }

    pub(super) fn has_joined(&mut self, joined: &Joined) {
        (self.member, self.generation) = (joined.member.clone(), joined.generation);
    }

    pub(super) fn sync_request(&self, assignments: Vec<(String, Bytes)>) -> SyncGroup {
        SyncGroup {
            proof: self.proof(),
            kind: Some("consumer".into()),
            strategy: Some("range".into()),
            assignments,
            dialect: Some(&DIALECT),
        }
    }

    pub(super) fn has_synced(&mut self, world: &World, synced: &Synced) {
        self.owned = read(world, &synced.assignment);
    }

    /// Joins a group whose partitions the broker assigns, and hears what it may have.
    pub(super) fn come(&mut self, world: &mut World) -> Result<(), Refusal> {
        let key = self.join(world);
        let joined = world.joined(key)?;
        assert!(joined.leader.is_empty() && joined.members.is_empty(), "the broker leads");
        self.has_joined(&joined);
        let key = world.ask(GroupRequest::Sync(self.sync_request(Vec::new())));
        let synced = world.synced(key)?;
        self.has_synced(world, &synced);
        Ok(())
    }

    /// A heartbeat; joins again if it is told to.
    pub(super) fn beat(&mut self, world: &mut World) -> Result<(), Refusal> {
        match world.prove(self.proof()) {
            Err(Refusal::RebalanceInProgress) => self.come(world),
            other => other,
        }
    }

    pub(super) fn proof(&self) -> MemberProof {
        MemberProof {
            group: group(),
            generation: self.generation,
            member: self.member.clone(),
            instance: self.instance.clone(),
        }
    }
}

/// What a leader hands out: everybody's equal part of what it reads, but nothing that somebody else still has.
pub(super) fn dealt(world: &World, joined: &Joined) -> Vec<(String, Bytes)> {
    let said = |member: &JoinedMember| (DIALECT.subscription)(&member.metadata).expect("it is readable");
    let said: Vec<(String, Subscription)> =
        joined.members.iter().map(|member| (member.member.clone(), said(member))).collect();
    let mut owners: BTreeMap<(TopicId, u32), &str> = BTreeMap::new();
    for (member, said) in &said {
        for place in places(world, &said.owned) {
            owners.insert(place, member);
        }
    }
    let mut shares: BTreeMap<&str, PartitionSet> =
        said.iter().map(|(member, _)| (member.as_str(), PartitionSet::new())).collect();
    for topic in world.machine.catalog().topics() {
        let name = topic.name.as_str().to_owned();
        let readers: Vec<&str> = said
            .iter()
            .filter(|(_, said)| said.topics.contains(&name))
            .map(|(member, _)| member.as_str())
            .collect();
        for number in 0..topic.partitions.len() {
            let Some(reader) = readers.get(number % readers.len().max(1)) else { continue };
            let place = (topic.id, u32::try_from(number).expect("few partitions"));
            if owners.get(&place).is_none_or(|owner| owner == reader) {
                shares.entry(reader).or_default().insert(place);
            }
        }
    }
    shares.into_iter().map(|(member, share)| (member.to_owned(), written(world, &share).into())).collect()
}

/// Partitions as they are written.
fn written(world: &World, places: &PartitionSet) -> String {
    let mut by_topic: BTreeMap<TopicId, Vec<u32>> = BTreeMap::new();
    for (topic, number) in places {
        by_topic.entry(*topic).or_default().push(*number);
    }
    let topic = |(id, numbers): (TopicId, Vec<u32>)| {
        let topic = world.machine.catalog().topic_by_id(id);
        topic.map_or(String::new(), |topic| write(topic.name.as_str(), &numbers))
    };
    by_topic.into_iter().map(topic).collect()
}

pub(super) fn read(world: &World, share: &Bytes) -> PartitionSet {
    places(world, &(DIALECT.share)(share, &Bytes::new()).expect("it is readable"))
}

fn places(world: &World, named: &[(String, Vec<u32>)]) -> PartitionSet {
    let mut places = PartitionSet::new();
    for (name, numbers) in named {
        let name = TopicName::parse(name).expect("it is a name");
        if let Some(topic) = world.machine.catalog().topic(&name) {
            places.extend(numbers.iter().map(|number| (topic.id, *number)));
        }
    }
    places
}

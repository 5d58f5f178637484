//! Members of groups whose partitions the broker assigns, and topics for them to read.

use forebay_machine::{AddPartitions, Command, CreateTopic, Outcome};
use forebay_model::group::*;
use forebay_model::{Refusal, ShardId, TopicId, TopicName, TopicSettings};

use super::dialect::DIALECT;
use super::world::*;

/// A client that follows the protocol.
#[derive(Clone, Debug)]
pub(super) struct Attendant {
    pub(super) id: String,
    pub(super) instance: Option<String>,
    /// 0: it has to join.
    pub(super) epoch: i32,
    /// What it takes itself to have.
    pub(super) owned: PartitionSet,
    pub(super) topics: Vec<String>,
    pub(super) pattern: Option<String>,
    pub(super) strategy: Option<String>,
}

impl Attendant {
    pub(super) fn new(id: &str, topics: &[&str]) -> Attendant {
        Attendant {
            id: id.to_owned(),
            instance: None,
            epoch: 0,
            owned: PartitionSet::new(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            pattern: None,
            strategy: None,
        }
    }

    pub(super) fn named(id: &str, instance: &str, topics: &[&str]) -> Attendant {
        Attendant { instance: Some(instance.to_owned()), ..Attendant::new(id, topics) }
    }

    pub(super) fn with_presence(&self, presence: Presence) -> AttendGroup {
        AttendGroup {
            group: group(),
            member: self.id.clone(),
            presence,
            instance: self.instance.clone(),
            client: "client".into(),
            host: "/127.0.0.1".into(),
            rack: None,
            rebalance_timeout_ms: None,
            topics: None,
            pattern: None,
            strategy: None,
            owned: None,
            viewer: None,
            dialect: &DIALECT,
        }
    }

    /// A heartbeat that says everything.
    pub(super) fn full(&self) -> AttendGroup {
        let presence = if self.epoch == 0 { Presence::Joins } else { Presence::Stays(self.epoch) };
        AttendGroup {
            rebalance_timeout_ms: Some(60_000),
            topics: Some(self.topics.clone()),
            pattern: self.pattern.clone(),
            strategy: self.strategy.clone(),
            owned: Some(self.owned.clone()),
            viewer: None,
            ..self.with_presence(presence)
        }
    }

    /// Joins, or says that it lives and what it has; takes over what it hears.
    pub(super) fn beat(&mut self, world: &mut World) -> Result<Attended, Refusal> {
        let attended = world.attend(self.full())?;
        self.hear(&attended);
        Ok(attended)
    }

    pub(super) fn hear(&mut self, attended: &Attended) {
        self.epoch = attended.epoch;
        if let Some(assignment) = &attended.assignment {
            self.owned.clone_from(assignment);
        }
    }

    pub(super) fn go(&self, world: &mut World, presence: Presence) -> Result<Attended, Refusal> {
        world.attend(self.with_presence(presence))
    }

    /// How many partitions it has.
    pub(super) fn has(&self) -> usize {
        self.owned.len()
    }
}

impl World {
    pub(super) fn attend(&mut self, attend: AttendGroup) -> Result<Attended, Refusal> {
        let key = self.ask(GroupRequest::Attend(Box::new(attend)));
        self.attended(key)
    }

    pub(super) fn attended(&self, key: u64) -> Result<Attended, Refusal> {
        match self.answer(key) {
            Some(GroupReply::Attend(result)) => result.clone(),
            other => panic!("no answer to an attendance: {other:?}"),
        }
    }

    pub(super) fn assigned(&mut self) -> Result<AssignedView, Refusal> {
        let key = self.ask(GroupRequest::DescribeAssigned(group()));
        match self.answer(key) {
            Some(GroupReply::DescribeAssigned(result)) => result.clone(),
            other => panic!("no answer to a describe: {other:?}"),
        }
    }

    pub(super) fn create(&mut self, name: &str, partitions: usize) -> TopicId {
        // An id that is never used twice, although names are.
        let version = self.machine.catalog().version();
        let mut id = [0; 16];
        id[..8].copy_from_slice(&(version + 1).to_be_bytes());
        let create = CreateTopic {
            name: TopicName::parse(name).unwrap(),
            id: TopicId(id),
            settings: TopicSettings::default(),
            shards: vec![ShardId(0); partitions],
        };
        let outcome = self.apply(Command::CreateTopic(create));
        assert!(matches!(outcome, Outcome::TopicCreated(_)), "{outcome:?}");
        TopicId(id)
    }

    pub(super) fn grow(&mut self, id: TopicId, total: u32) {
        let present = self.machine.catalog().topic_by_id(id).unwrap().partitions.len();
        let shards = vec![ShardId(0); total as usize - present];
        let outcome = self.apply(Command::AddPartitions(AddPartitions { id, total, shards }));
        assert!(matches!(outcome, Outcome::PartitionsAdded { .. }), "{outcome:?}");
    }

    pub(super) fn drop_topic(&mut self, id: TopicId) {
        let outcome = self.apply(Command::DeleteTopic { id });
        assert!(matches!(outcome, Outcome::TopicDeleted(_)), "{outcome:?}");
    }

    /// Everybody's heartbeats, until nothing changes any more.
    pub(super) fn beat_all(&mut self, members: &mut [&mut Attendant]) {
        for _ in 0..6 {
            for member in &mut *members {
                member.beat(self).unwrap();
            }
        }
    }
}

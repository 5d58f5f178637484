//! Members come, stay, go and are lost.

use forebay_machine::{Catalog, CreateTopic, Effects, Groups, Machine, Meta};
use forebay_model::{LogIndex, LogTime, ShardId, Term, TopicId, TopicName, TopicSettings};

use super::*;

const SECOND: u64 = 1_000_000_000;

struct World {
    machine: Machine,
    sharers: Sharers,
    now: u64,
    index: u64,
}

impl World {
    /// With topics of so many partitions.
    fn new(topics: &[(&str, u32)]) -> World {
        let mut world =
            World { machine: Machine::new(ShardId(0)), sharers: Sharers::default(), now: 0, index: 5 };
        for (at, (name, partitions)) in topics.iter().enumerate() {
            world.create(name, at as u8 + 1, *partitions);
        }
        world
    }

    fn apply(&mut self, command: Command) {
        self.index += 1;
        let meta = Meta { index: LogIndex(self.index), term: Term(1), time: LogTime(1_000) };
        let outcome = self.machine.apply(meta, command, &mut Effects::default());
        assert!(!matches!(outcome, Ok(forebay_machine::Outcome::Refused(_)) | Err(_)), "{outcome:?}");
    }

    fn create(&mut self, name: &str, id: u8, partitions: u32) {
        self.apply(Command::CreateTopic(CreateTopic {
            name: TopicName::parse(name).unwrap(),
            id: TopicId([id; 16]),
            settings: TopicSettings::default(),
            shards: vec![ShardId(0); partitions as usize],
        }));
    }

    fn ask(&mut self, member: &str, step: AttendStep, topics: Option<&[&str]>) -> Result<Attending, Refusal> {
        let attend = Attend {
            subscription: GroupId("g".into()),
            member: member.into(),
            step,
            client: "c".into(),
            host: "/10.0.0.1".into(),
            rack: None,
            topics: topics.map(|topics| topics.iter().map(|topic| (*topic).to_owned()).collect()),
        };
        let catalog: Catalog = self.machine.catalog().clone();
        let groups: Groups = self.machine.groups().clone();
        let known = Known { groups: &groups, topics: Some(&catalog) };
        let Attended { attending, save } = self.sharers.attend(self.now, &attend, known)?;
        save.into_iter().for_each(|save| self.apply(Command::SaveGeneration(save)));
        Ok(attending)
    }

    fn join(&mut self, member: &str, topics: &[&str]) -> (i32, Vec<u32>) {
        told(self.ask(member, AttendStep::Join, Some(topics)))
    }

    fn stay(&mut self, member: &str, epoch: i32) -> Result<(i32, Option<Vec<u32>>), Refusal> {
        self.ask(member, AttendStep::Stay(epoch), None)
            .map(|attending| (attending.epoch, numbers(&attending)))
    }
}

fn numbers(attending: &Attending) -> Option<Vec<u32>> {
    let partitions = attending.partitions.as_ref()?;
    Some(partitions.iter().flat_map(|topic| topic.numbers.iter().copied()).collect())
}

fn told(attending: Result<Attending, Refusal>) -> (i32, Vec<u32>) {
    let attending = attending.expect("it may");
    (attending.epoch, numbers(&attending).expect("it is told"))
}

#[test]
fn members_share_the_partitions_and_hear_of_changes_with_their_heartbeats() {
    let mut world = World::new(&[("orders", 3)]);
    assert_eq!(world.join("a", &["orders"]), (1, vec![0, 1, 2]));
    assert_eq!(world.stay("a", 1), Ok((1, None)), "nothing is new");
    assert_eq!(world.join("b", &["orders"]), (2, vec![1]));
    assert_eq!(world.stay("a", 1), Ok((2, Some(vec![0, 2]))));
    assert_eq!(world.stay("a", 1), Ok((2, Some(vec![0, 2]))), "it did not hear it");
    assert_eq!(world.stay("a", 2), Ok((2, None)));
    let left = world.ask("b", AttendStep::Leave, None).expect("it may");
    assert_eq!((left.epoch, left.partitions), (0, None));
    assert_eq!(world.stay("a", 2), Ok((3, Some(vec![0, 1, 2]))));
}

#[test]
fn there_may_be_more_members_than_partitions() {
    let mut world = World::new(&[("orders", 1)]);
    for member in ["a", "b", "c"] {
        assert_eq!(world.join(member, &["orders"]).1, [0]);
    }
}

#[test]
fn a_topic_that_comes_or_grows_is_dealt_out() {
    let mut world = World::new(&[]);
    assert_eq!(world.join("a", &["orders"]), (1, vec![]));
    world.create("other", 8, 2);
    assert_eq!(world.stay("a", 1), Ok((1, None)));
    world.create("orders", 9, 2);
    assert_eq!(world.stay("a", 1), Ok((2, Some(vec![0, 1]))));
}

#[test]
fn who_is_silent_is_put_out_and_may_come_again() {
    let mut world = World::new(&[("orders", 2)]);
    world.join("a", &["orders"]);
    world.join("b", &["orders"]);
    world.now += 30 * SECOND;
    assert_eq!(world.stay("a", 1).map(|(epoch, _)| epoch), Ok(2));
    world.now += 20 * SECOND;
    assert!(world.sharers.next_deadline().is_some_and(|at| at <= world.now));
    let catalog = world.machine.catalog().clone();
    world.sharers.timeout(world.now, Some(&catalog));
    assert_eq!(world.stay("b", 2), Err(Refusal::UnknownMember));
    assert_eq!(world.stay("a", 2), Ok((3, Some(vec![0, 1]))));
    assert_eq!(world.join("b", &["orders"]).0, 4);
}

#[test]
fn epochs_that_were_never_told_are_fenced() {
    let mut world = World::new(&[("orders", 2)]);
    world.join("a", &["orders"]);
    assert_eq!(world.stay("a", 7), Err(Refusal::FencedMember));
    assert_eq!(world.stay("x", 1), Err(Refusal::UnknownMember));
    assert!(matches!(world.ask("y", AttendStep::Join, None), Err(Refusal::InvalidRequest(_))));
    assert!(matches!(world.ask("", AttendStep::Join, Some(&["orders"])), Err(Refusal::InvalidRequest(_))));
}

#[test]
fn the_group_outlives_its_members_and_leaders() {
    let mut world = World::new(&[("orders", 2)]);
    world.join("a", &["orders"]);
    world.sharers.clear();
    let id = GroupId("g".into());
    assert!(world.sharers.has(&id, world.machine.groups()));
    assert_eq!(world.stay("a", 1), Err(Refusal::UnknownMember), "it joins again");
    let known = Known { groups: world.machine.groups(), topics: None };
    assert_eq!(world.sharers.members(&id, known), Ok(SharersView { epoch: 1, members: Vec::new() }));
    assert_eq!(world.join("a", &["orders"]), (2, vec![0, 1]));
}

#[test]
fn a_group_can_be_made_without_members() {
    let mut world = World::new(&[("orders", 2)]);
    let id = GroupId("g".into());
    let known = Known { groups: world.machine.groups(), topics: None };
    let (view, save) = world.sharers.found(&id, known).expect("it may");
    assert_eq!(view.members.len(), 0);
    world.apply(Command::SaveGeneration(save.expect("it was not there")));
    world.join("a", &["orders"]);
    let known = Known { groups: world.machine.groups(), topics: None };
    let found = world.sharers.found(&id, known).map(|(view, save)| (view.members.len(), save));
    assert_eq!(found, Ok((1, None)));
    assert!(world.sharers.found(&GroupId("".into()), known).is_err());
}

#[test]
fn a_group_of_another_kind_is_none_of_these() {
    let mut world = World::new(&[("orders", 2)]);
    world.apply(Command::SaveGeneration(SaveGeneration {
        group: GroupId("g".into()),
        generation: 3,
        kind: "consumer".into(),
        strategy: "range".into(),
        leader: String::new(),
        members: Vec::new(),
    }));
    assert_eq!(world.ask("a", AttendStep::Join, Some(&["orders"])), Err(Refusal::UnknownGroup));
}

//! A command that an older binary does not know comes behind the machine version that does.

use forebay_machine::{Command, CreateTopic, MACHINE_VERSION_FIRST, Outcome};
use forebay_model::{SettingChange, SettingsChange, ShardId, TopicId, TopicName, TopicSettings};
use forebay_shard::Answer;

use crate::world::World;

/// The outcomes of commands that were answered.
fn outcomes(world: &World, ticket: u64) -> Vec<Outcome> {
    let Some(Answer::Outcomes(Ok(proposed))) = world.answer(ticket) else { panic!("it is answered") };
    proposed.outcomes
}

#[test]
fn the_version_is_raised_by_the_first_command_that_needs_it() {
    let mut world = World::new();
    let id = TopicId([1; 16]);
    let create = CreateTopic {
        name: TopicName::parse("t").unwrap(),
        id,
        settings: TopicSettings::default(),
        shards: vec![ShardId(0)],
    };
    world.propose(vec![Command::CreateTopic(create)]);
    world.settle();
    // A log without it is understood by the binary before.
    assert_eq!(world.shard.machine().version(), MACHINE_VERSION_FIRST);
    let alter = |bytes| Command::AlterTopic {
        id,
        change: SettingsChange { message_bytes_max: SettingChange::Set(bytes), ..SettingsChange::default() },
    };
    // Two at once: the second finds it asked for already.
    let (first, second) = (world.propose(vec![alter(5), alter(6)]), world.propose(vec![alter(7)]));
    world.settle();
    assert_eq!(world.shard.machine().version(), alter(5).since());
    assert!(matches!(outcomes(&world, first)[..], [Outcome::TopicAltered(_), Outcome::TopicAltered(_)]));
    assert!(matches!(outcomes(&world, second)[..], [Outcome::TopicAltered(_)]));
    world.restart();
    world.settle();
    assert_eq!(world.shard.machine().version(), alter(5).since());
    let again = world.propose(vec![alter(8)]);
    world.settle();
    assert!(matches!(outcomes(&world, again)[..], [Outcome::TopicAltered(_)]));
}

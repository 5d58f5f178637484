//! Rules of access in the replicated state: when they count, what changes nothing, and what a checkpoint keeps of them.

use forebay_machine::{
    Command, Effects, MACHINE_VERSION_ACLS, Machine, Meta, Outcome, SectionKind, Verdict, Who,
};
use forebay_model::acl::{Acl, Operation, Pattern, Permission, ResourceKind, WILDCARD};
use forebay_model::{LogIndex, LogTime, Refusal, ShardId, Term};

struct Shard {
    machine: Machine,
    index: u64,
}

impl Shard {
    fn new(id: u32, version: u32) -> Shard {
        let mut shard = Shard { machine: Machine::new(ShardId(id)), index: 0 };
        shard.apply(Command::SetMachineVersion { version });
        shard
    }

    fn apply(&mut self, command: Command) -> (Outcome, Option<u64>) {
        self.index += 1;
        let meta = Meta { index: LogIndex(self.index), term: Term(1), time: LogTime(0) };
        let mut effects = Effects::default();
        let outcome = self.machine.apply(meta, command, &mut effects).expect("a known version");
        (outcome, effects.catalogue_version)
    }

    fn add(&mut self, acls: &[Acl]) -> (Outcome, Option<u64>) {
        self.apply(Command::AddAcls { acls: acls.to_vec() })
    }

    fn remove(&mut self, acls: &[Acl]) -> (Outcome, Option<u64>) {
        self.apply(Command::RemoveAcls { acls: acls.to_vec() })
    }

    fn rules(&self) -> Vec<Acl> {
        self.machine.catalog().acls().iter().collect()
    }
}

fn rule(name: &str) -> Acl {
    Acl {
        kind: ResourceKind::Topic,
        pattern: Pattern::Literal,
        name: name.into(),
        principal: "User:alice".into(),
        host: WILDCARD.into(),
        operation: Operation::Read,
        permission: Permission::Allow,
    }
}

#[test]
fn before_its_version_there_are_no_rules() {
    let mut shard = Shard::new(0, MACHINE_VERSION_ACLS - 1);
    assert!(matches!(shard.add(&[rule("a")]), (Outcome::Refused(Refusal::Unsupported(_)), None)));
    assert!(matches!(shard.remove(&[rule("a")]), (Outcome::Refused(Refusal::Unsupported(_)), None)));
    let sections = shard.machine.encode_checkpoint();
    assert!(sections.iter().all(|(kind, _)| *kind != SectionKind::ACLS));
    let back = Machine::decode_checkpoint(&sections).expect("it comes back");
    assert!(back.catalog().acls().is_empty());
}

#[test]
fn only_what_changes_something_is_a_change() {
    let mut shard = Shard::new(0, MACHINE_VERSION_ACLS);
    assert_eq!(shard.add(&[rule("a"), rule("b")]), (Outcome::Done, Some(1)));
    assert_eq!(shard.add(&[rule("a")]), (Outcome::Done, None));
    assert_eq!(shard.remove(&[rule("c")]), (Outcome::Done, None));
    assert_eq!(shard.remove(&[rule("c"), rule("a")]), (Outcome::Done, Some(2)));
    assert_eq!(shard.rules(), [rule("b")]);
}

#[test]
fn one_that_cannot_be_keeps_its_command_out() {
    let mut shard = Shard::new(0, MACHINE_VERSION_ACLS);
    assert!(matches!(shard.add(&[rule("a"), rule("")]), (Outcome::Refused(Refusal::InvalidAcl(_)), None)));
    assert!(shard.rules().is_empty());
}

#[test]
fn rules_are_a_part_of_the_catalogue() {
    let mut data = Shard::new(1, MACHINE_VERSION_ACLS);
    assert!(matches!(data.add(&[rule("a")]), (Outcome::Refused(_), None)), "another shard has none");
    assert!(data.rules().is_empty());
}

#[test]
fn a_checkpoint_keeps_them() {
    let mut shard = Shard::new(0, MACHINE_VERSION_ACLS);
    let rules: Vec<Acl> = (0..300).map(|at| rule(&format!("topic-{at:03}"))).collect();
    shard.add(&rules);
    let sections = shard.machine.encode_checkpoint();
    let back = Machine::decode_checkpoint(&sections).expect("it comes back");
    assert_eq!(back.catalog().acls().iter().collect::<Vec<_>>(), rules);
    assert_eq!(back.encode_checkpoint(), sections);
    let alice = Who { principal: "User:alice", host: "::1", host_in_full: "0:0:0:0:0:0:0:1" };
    let verdict = back.catalog().acls().verdict(alice, Operation::Describe, ResourceKind::Topic, "topic-007");
    assert_eq!(verdict, Verdict::Allowed);
    let damaged: Vec<_> = sections
        .into_iter()
        .map(|(kind, bytes)| match kind {
            SectionKind::ACLS => (kind, bytes.slice(..bytes.len() - 1)),
            _ => (kind, bytes),
        })
        .collect();
    assert!(Machine::decode_checkpoint(&damaged).is_err());
}

//! The matrix: every case with none of the rights that it needs, with all, with all but one, and with one denied.

use std::collections::BTreeSet;

use forebay_kafka::wire::api::APIS;
use forebay_model::acl::{Acl, EVERYBODY, Operation, Pattern, Permission, ResourceKind, WILDCARD};

use crate::cases::{self, CASES, FREE, World};
use crate::client::{self, HOST};
use crate::{allow, node};

/// A right that a case needs.
pub struct Need {
    pub kind: ResourceKind,
    pub name: &'static str,
    pub operation: Operation,
    /// What its lack looks like.
    pub lack: Lack,
}

/// What is answered to whom a right lacks.
#[derive(Clone, Copy, Debug)]
pub enum Lack {
    /// This code, and no other that says that somebody may not.
    Says(&'static str),
    /// This name is left out.
    Hides(&'static str),
}

/// A request of an API, and every right that it needs.
pub struct Case {
    pub api: forebay_kafka::wire::ApiKey,
    pub what: &'static str,
    pub needs: &'static [Need],
    /// The response as text.
    pub ask: fn(&mut World<'_>) -> String,
}

impl Need {
    fn rule(&self) -> Acl {
        allow(self.kind, self.name, self.operation)
    }

    fn denied(&self) -> Acl {
        Acl { permission: Permission::Deny, ..self.rule() }
    }
}

impl Case {
    fn rules(&self) -> Vec<Acl> {
        self.needs.iter().map(Need::rule).collect()
    }

    fn rules_like(&self, change: impl Fn(Acl) -> Acl) -> Vec<Acl> {
        self.rules().into_iter().map(change).collect()
    }

    fn is_allowed(&self, world: &mut World<'_>, rules: Vec<Acl>, how: &str) {
        let said = self.said(world, rules);
        assert_eq!(client::denials_of(&said), BTreeSet::new(), "{} {how}: {said}", self.name());
        for need in self.needs {
            if let Lack::Hides(name) = need.lack {
                assert!(said.contains(name), "{} {how}: {said}", self.name());
            }
        }
    }

    fn is_denied(&self, world: &mut World<'_>, rules: Vec<Acl>, lack: Lack, how: &str) {
        let said = self.said(world, rules);
        let denials = client::denials_of(&said);
        match lack {
            Lack::Says(code) => {
                assert_eq!(denials, [code.to_owned()].into(), "{} {how}: {said}", self.name())
            }
            Lack::Hides(name) => {
                assert!(denials.is_empty() && !said.contains(name), "{} {how}: {said}", self.name());
            }
        }
    }

    fn said(&self, world: &mut World<'_>, rules: Vec<Acl>) -> String {
        world.node.set_rules(rules);
        (self.ask)(world)
    }

    fn name(&self) -> String {
        format!("{}, {}", self.api.name(), self.what)
    }
}

/// The cluster has one name; of all else any.
fn renamed(acl: Acl, change: impl FnOnce(Acl) -> Acl) -> Acl {
    if acl.kind == ResourceKind::Cluster { acl } else { change(acl) }
}

#[test]
fn every_api_has_a_case_or_needs_no_right() {
    let served = APIS.iter().filter(|api| api.advertised().is_some()).map(|api| api.key.name());
    let told: BTreeSet<_> =
        CASES.iter().map(|case| case.api).chain(FREE.iter().copied()).map(|key| key.name()).collect();
    assert_eq!(served.collect::<BTreeSet<_>>(), told);
}

#[test]
fn what_is_needed_is_needed_and_enough() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    cases::prepare(&node);
    let mut world = World::new(&node);
    for case in CASES {
        let first = case.needs[0].lack;
        case.is_denied(&mut world, Vec::new(), first, "with nothing");
        case.is_allowed(&mut world, case.rules(), "with all of it");
        for (at, need) in case.needs.iter().enumerate() {
            let mut others = case.rules();
            others.remove(at);
            case.is_denied(&mut world, others, need.lack, "with all but one");
            let denied = case.rules().into_iter().chain([need.denied()]).collect();
            case.is_denied(&mut world, denied, need.lack, "with one denied");
        }
    }
    drop(world);
    node.close();
}

#[test]
fn a_right_may_be_said_in_several_ways() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    cases::prepare(&node);
    let mut world = World::new(&node);
    for case in CASES {
        let every = |acl| renamed(acl, |acl| Acl { name: WILDCARD.into(), ..acl });
        case.is_allowed(&mut world, case.rules_like(every), "for every name");
        let cut = |acl: Acl| Acl { name: acl.name[..3].into(), pattern: Pattern::Prefixed, ..acl };
        case.is_allowed(&mut world, case.rules_like(|acl| renamed(acl, cut)), "by a prefix");
        let all = |acl| Acl { operation: Operation::All, ..acl };
        case.is_allowed(&mut world, case.rules_like(all), "for every operation");
        let everybody = |acl| Acl { principal: EVERYBODY.into(), ..acl };
        case.is_allowed(&mut world, case.rules_like(everybody), "for everybody");
        let here = |acl| Acl { host: HOST.into(), ..acl };
        case.is_allowed(&mut world, case.rules_like(here), "from her address");
    }
    drop(world);
    node.close();
}

#[test]
fn what_is_said_of_others_does_not_help() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    cases::prepare(&node);
    let mut world = World::new(&node);
    for case in CASES {
        let first = case.needs[0].lack;
        let there = |acl| Acl { host: "10.1.2.4".into(), ..acl };
        case.is_denied(&mut world, case.rules_like(there), first, "from another address");
        let bob = |acl| Acl { principal: "User:bob".into(), ..acl };
        case.is_denied(&mut world, case.rules_like(bob), first, "for somebody else");
        let by_name = |need: &Need| need.kind != ResourceKind::Cluster && need.name != cases::ANY_TOPIC;
        if case.needs.iter().all(by_name) {
            let longer =
                |acl: Acl| Acl { name: format!("{}x", acl.name).into(), pattern: Pattern::Prefixed, ..acl };
            case.is_denied(&mut world, case.rules_like(longer), first, "for longer names");
        }
        let denied = case.rules_like(|acl| {
            renamed(acl, |acl| Acl {
                name: acl.name[..3].into(),
                pattern: Pattern::Prefixed,
                principal: EVERYBODY.into(),
                operation: Operation::All,
                permission: Permission::Deny,
                ..acl
            })
        });
        if case.needs.iter().any(|need| need.kind != ResourceKind::Cluster) {
            let rules = case.rules().into_iter().chain(denied).collect();
            let lack =
                case.needs.iter().find(|need| need.kind != ResourceKind::Cluster).map(|need| need.lack);
            case.is_denied(&mut world, rules, lack.unwrap_or(first), "denied to everybody by a prefix");
        }
    }
    drop(world);
    node.close();
}

#[test]
fn nobody_asks_super_users_for_rules() {
    let dir = tempfile::tempdir().unwrap();
    let node = node(dir.path());
    cases::prepare(&node);
    let mut world = World::of(&node, "root");
    for case in CASES {
        let denied = case.needs.iter().map(Need::denied);
        let denied = denied.map(|acl| Acl { principal: EVERYBODY.into(), ..acl }).collect();
        case.is_allowed(&mut world, denied, "as a super user");
    }
    drop(world);
    node.close();
}

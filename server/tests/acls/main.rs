//! Rules of access from a client's bytes to a node's log: for every API what it needs, and what is answered without it.
#![allow(clippy::needless_update, reason = "a request that gets another field is still the same case")]

mod cases;
mod client;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../common/mod.rs"]
mod common;
mod matrix;
mod parts;
mod shares;

use std::path::Path;

use forebay_broker::{AclPolicy, Authorization};
use forebay_model::acl::{
    Acl, AclFilter, AddAcls, EVERYBODY, Operation, Pattern, Permission, RemoveAcls, ResourceKind, WILDCARD,
};
use forebay_model::{Reply, Request};
use forebay_server::node::NodeConfig;

use client::Client;
use common::{Running, config};

/// Whose rights are tried.
const ALICE: &str = "User:alice";

/// A node at which access is controlled; who asks it directly may do everything.
fn node(dir: &Path) -> Running {
    Running::open(&forebay_env::real::env(), &controlled(dir, false), |_| ()).0
}

fn controlled(dir: &Path, allow_everyone_if_no_acl: bool) -> NodeConfig {
    let super_users = ["User:root".to_owned(), "User:ANONYMOUS".to_owned()].into();
    let policy = AclPolicy { super_users, allow_everyone_if_no_acl };
    NodeConfig { authorization: Authorization::Acl(policy), ..config(dir) }
}

/// Alice may do this to this one, wherever she comes from.
fn allow(kind: ResourceKind, name: &str, operation: Operation) -> Acl {
    Acl {
        kind,
        pattern: Pattern::Literal,
        name: name.into(),
        principal: ALICE.into(),
        host: WILDCARD.into(),
        operation,
        permission: Permission::Allow,
    }
}

impl Running {
    /// These are the rules from now on.
    fn set_rules(&self, acls: Vec<Acl>) {
        let filters = vec![AclFilter::ALL];
        let reply = self.ask(Request::RemoveAcls(RemoveAcls { filters, timeout_ms: 10_000 }));
        assert!(matches!(&reply, Reply::RemoveAcls(Ok(removed)) if removed[0].is_ok()), "{reply:?}");
        self.add_rules(acls);
    }

    fn add_rules(&self, acls: Vec<Acl>) {
        let count = acls.len();
        let reply = self.ask(Request::AddAcls(AddAcls { acls, timeout_ms: 10_000 }));
        let Reply::AddAcls(Ok(added)) = &reply else { panic!("{reply:?}") };
        assert!(added.len() == count && added.iter().all(Result::is_ok), "{added:?}");
    }

    fn rules(&self) -> Vec<Acl> {
        let reply = self.ask(Request::DescribeAcls(AclFilter::ALL));
        let Reply::DescribeAcls(Ok(rules)) = reply else { panic!("{reply:?}") };
        rules
    }
}

#[test]
fn rules_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let rules = vec![
        allow(ResourceKind::Topic, "orders", Operation::Read),
        Acl { permission: Permission::Deny, ..allow(ResourceKind::Topic, "orders", Operation::Write) },
        Acl {
            principal: EVERYBODY.into(),
            pattern: Pattern::Prefixed,
            ..allow(ResourceKind::Group, "r", Operation::Read)
        },
    ];
    let first = node(dir.path());
    first.create("t", 1);
    first.set_rules(rules.clone());
    assert_eq!(first.rules(), rules);
    first.close();
    let again = node(dir.path());
    again.create("u", 1);
    assert_eq!(again.rules(), rules);
    let mut alice = Client::new(&again.desk, 7, Some("alice"));
    assert_eq!(parts::metadata_codes(&mut alice, &["orders"]), ["UNKNOWN_TOPIC_OR_PARTITION"]);
    again.close();
}

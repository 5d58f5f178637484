//! The fast way against the plain one: every rule is looked at.

use forebay_model::acl::EVERYBODY;
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 6] = ["a", "ab", "abc", "b", "bä", WILDCARD];
const PREFIXES: [&str; 5] = ["a", "ab", "b", "bä", "c"];
const WHO: [&str; 3] = ["User:alice", "User:bob", EVERYBODY];
const HOSTS: [&str; 3] = ["10.0.0.1", "10.0.0.2", WILDCARD];

fn kind() -> impl Strategy<Value = ResourceKind> {
    prop::sample::select(vec![ResourceKind::Topic, ResourceKind::Group, ResourceKind::Cluster])
}

fn operation() -> impl Strategy<Value = Operation> {
    prop::sample::select([Operation::All].into_iter().chain(Operation::EACH).collect::<Vec<_>>())
}

fn acl() -> impl Strategy<Value = Acl> {
    let place = prop_oneof![
        prop::sample::select(&NAMES[..]).prop_map(|name| (Pattern::Literal, name)),
        prop::sample::select(&PREFIXES[..]).prop_map(|name| (Pattern::Prefixed, name)),
    ];
    let permission = prop::sample::select(vec![Permission::Deny, Permission::Allow, Permission::Allow]);
    let who = (prop::sample::select(&WHO[..]), prop::sample::select(&HOSTS[..]));
    (kind(), place, who, operation(), permission).prop_map(
        |(kind, (pattern, name), (principal, host), operation, permission)| Acl {
            kind,
            pattern,
            name: name.into(),
            principal: principal.into(),
            host: host.into(),
            operation,
            permission,
        },
    )
}

fn is_about(acl: &Acl, kind: ResourceKind, name: &str) -> bool {
    acl.kind == kind
        && (kind == ResourceKind::Cluster
            || match acl.pattern {
                Pattern::Literal => &*acl.name == name || &*acl.name == WILDCARD,
                Pattern::Prefixed => name.starts_with(&*acl.name),
            })
}

fn implied(said: Operation, asked: Operation) -> bool {
    use Operation::*;
    said == All
        || said == asked
        || (asked == Describe && [Read, Write, Delete, Alter].contains(&said))
        || (asked == DescribeConfigs && said == AlterConfigs)
}

fn plain(rules: &[Acl], who: Who<'_>, operation: Operation, kind: ResourceKind, name: &str) -> Verdict {
    let about: Vec<_> = rules.iter().filter(|acl| is_about(acl, kind, name)).collect();
    let mine = about.iter().filter(|acl| {
        (&*acl.host == WILDCARD || &*acl.host == who.host)
            && (&*acl.principal == EVERYBODY || &*acl.principal == who.principal)
    });
    let mine: Vec<_> = mine.collect();
    let denies = |acl: &&&&Acl| {
        acl.permission == Permission::Deny && [Operation::All, operation].contains(&acl.operation)
    };
    let allows = |acl: &&&&Acl| acl.permission == Permission::Allow && implied(acl.operation, operation);
    if mine.iter().any(|acl| denies(&acl)) {
        Verdict::Denied
    } else if mine.iter().any(|acl| allows(&acl)) {
        Verdict::Allowed
    } else if about.is_empty() {
        Verdict::NoRule
    } else {
        Verdict::NotAllowed
    }
}

const ALICE: Who<'_> = Who { principal: "User:alice", host: "10.0.0.1", host_in_full: "10.0.0.1" };

proptest! {
    #[test]
    fn a_lookup_says_what_looking_at_every_rule_says(
        added in prop::collection::vec(acl(), 0..40),
        removed in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let mut acls = Acls::default();
        let mut rules: Vec<Acl> = Vec::new();
        for acl in added {
            let is_new = !rules.contains(&acl);
            prop_assert_eq!(acls.add(&acl), Ok(is_new));
            if is_new {
                rules.push(acl);
            }
        }
        for index in removed {
            if !rules.is_empty() {
                let gone = rules.swap_remove(index.index(rules.len()));
                prop_assert!(acls.remove(&gone) && !acls.remove(&gone));
            }
        }
        for kind in [ResourceKind::Topic, ResourceKind::Group, ResourceKind::Cluster] {
            for name in ["a", "ab", "abcd", "b", "bä", "bäh", "c", "z"] {
                let mut set = Operations::NONE;
                for operation in Operation::EACH {
                    let verdict = plain(&rules, ALICE, operation, kind, name);
                    prop_assert_eq!(acls.verdict(ALICE, operation, kind, name), verdict);
                    if verdict == Verdict::Allowed {
                        set = set.with(operation);
                    }
                }
                let any = rules.iter().any(|acl| is_about(acl, kind, name));
                let expected = if any { set } else { Operations::ALL };
                prop_assert_eq!(acls.operations(ALICE, kind, name, Operations::ALL), expected);
            }
        }
        rules.sort();
        prop_assert_eq!(acls.iter().collect::<Vec<_>>(), rules);
        let mut out = Writer::default();
        acls.encode(&mut out);
        let bytes = out.finish();
        let back = Acls::decode(&mut Reader::new(&bytes)).expect("it comes back");
        prop_assert_eq!(back.iter().collect::<Vec<_>>(), acls.iter().collect::<Vec<_>>());
    }
}

fn rule(pattern: Pattern, name: &str, permission: Permission) -> Acl {
    Acl {
        kind: ResourceKind::Topic,
        pattern,
        name: name.into(),
        principal: "User:alice".into(),
        host: WILDCARD.into(),
        operation: Operation::Write,
        permission,
    }
}

fn may_write_some(rules: &[(Pattern, &str, Permission)]) -> bool {
    let mut acls = Acls::default();
    for (pattern, name, permission) in rules {
        acls.add(&rule(*pattern, name, *permission)).expect("a rule");
    }
    acls.allows_some(ALICE, Operation::Write, ResourceKind::Topic)
}

#[test]
fn some_resource_is_allowed_unless_what_denies_covers_all_that_allows() {
    use Pattern::{Literal, Prefixed};
    use Permission::{Allow, Deny};
    assert!(!may_write_some(&[]));
    assert!(may_write_some(&[(Literal, "a", Allow)]));
    assert!(!may_write_some(&[(Literal, "a", Allow), (Literal, "a", Deny)]));
    assert!(!may_write_some(&[(Literal, "ab", Allow), (Prefixed, "a", Deny)]));
    assert!(!may_write_some(&[(Prefixed, "ab", Allow), (Prefixed, "a", Deny)]));
    assert!(may_write_some(&[(Prefixed, "a", Allow), (Prefixed, "ab", Deny)]));
    assert!(may_write_some(&[(Literal, WILDCARD, Allow), (Prefixed, "a", Deny)]));
    assert!(!may_write_some(&[(Prefixed, "a", Allow), (Literal, WILDCARD, Deny)]));
}

#[test]
fn a_rule_that_could_mean_nothing_is_refused() {
    let with = |change: &dyn Fn(&mut Acl)| {
        let mut acl = rule(Pattern::Literal, "orders", Permission::Allow);
        change(&mut acl);
        Acls::default().add(&acl).expect_err("it is refused").to_string()
    };
    assert!(with(&|acl| acl.name = "".into()).contains("name"));
    assert!(with(&|acl| acl.host = "".into()).contains("host"));
    assert!(with(&|acl| acl.principal = "alice".into()).contains("User:alice"));
    assert!(with(&|acl| acl.principal = "User:".into()).contains("User:alice"));
    assert!(with(&|acl| acl.principal = ":alice".into()).contains("User:alice"));
    let long = PRINCIPAL_KIND_BYTES_MAX + 1;
    assert!(with(&|acl| acl.principal = format!("{}:alice", "x".repeat(long)).into()).contains("alice"));
    assert!(with(&|acl| acl.host = "a\nb".into()).contains("control"));
    assert!(with(&|acl| acl.name = "x".repeat(ACL_NAME_BYTES_MAX + 1).into()).contains("name"));
}

#[test]
fn rules_for_many_on_one_name_come_and_go() {
    let of = |at: u32| Acl {
        principal: format!("User:{at}").into(),
        ..rule(Pattern::Prefixed, "orders", Permission::Allow)
    };
    let mut acls = Acls::default();
    for at in 0..2_000 {
        assert_eq!(acls.add(&of(at)), Ok(true));
    }
    let before = acls.clone();
    let may = |acls: &Acls, who: &str| {
        let who = Who { principal: who, ..ALICE };
        acls.verdict(who, Operation::Write, ResourceKind::Topic, "orders.eu")
    };
    for at in 0..1_999 {
        assert!(acls.remove(&of(at)));
    }
    assert_eq!((may(&acls, "User:7"), may(&acls, "User:1999")), (Verdict::NotAllowed, Verdict::Allowed));
    assert_eq!(may(&before, "User:7"), Verdict::Allowed, "a snapshot stays");
    assert!(acls.remove(&of(1_999)));
    assert_eq!(may(&acls, "User:1999"), Verdict::NoRule);
    assert!(acls.is_empty() && acls.bytes == 0);
}

#[test]
fn an_address_may_be_written_with_all_its_parts() {
    let who = Who { host: "::1", host_in_full: "0:0:0:0:0:0:0:1", ..ALICE };
    for (host, verdict) in [
        ("::1", Verdict::Allowed),
        ("0:0:0:0:0:0:0:1", Verdict::Allowed),
        (WILDCARD, Verdict::Allowed),
        ("::2", Verdict::NotAllowed),
    ] {
        let mut acls = Acls::default();
        let acl = Acl { host: host.into(), ..rule(Pattern::Literal, "a", Permission::Allow) };
        assert_eq!(acls.add(&acl), Ok(true));
        assert_eq!(acls.verdict(who, Operation::Write, ResourceKind::Topic, "a"), verdict, "{host}");
    }
}

//! Rules of access: shown, added, removed (KIP-140, KIP-290, KIP-373).

pub(super) mod create;
pub(super) mod delete;
pub(super) mod describe;

use forebay_kit::model::Refusal;
use forebay_kit::model::acl::{Acl, AclFilter, Operation, Pattern, PatternFilter, Permission, ResourceKind};

use super::errors;
use super::names::owned_option;
use super::rights::{self, kind_number};
use crate::wire::{ErrorCode, Str};

/// How long the nodes may take to catch up with a change: these requests bring no time of their own.
const TIMEOUT_MS: u32 = 30_000;
/// What Kafka's rules call the cluster.
const CLUSTER: &str = "kafka-cluster";

const ANY: i8 = 1;
const MATCH: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const DENY: i8 = 2;
const ALLOW: i8 = 3;

/// An error, and in words.
type Trouble = (ErrorCode, Option<Str>);

fn trouble(refusal: &Refusal) -> Trouble {
    (errors::code(refusal, errors::Area::Catalogue), errors::message(refusal))
}

fn invalid(why: &'static str) -> Trouble {
    (ErrorCode::InvalidRequest, Some(Str::from_static(why)))
}

fn kind(number: i8) -> Option<ResourceKind> {
    ResourceKind::EVERY.into_iter().find(|kind| kind_number(*kind) == number)
}

fn operation(number: i8) -> Option<Operation> {
    let mut every = [Operation::All].into_iter().chain(Operation::EACH);
    every.find(|operation| rights::number(*operation) == number)
}

fn pattern(number: i8) -> Option<Pattern> {
    match number {
        LITERAL => Some(Pattern::Literal),
        PREFIXED => Some(Pattern::Prefixed),
        _ => None,
    }
}

fn pattern_number(pattern: Pattern) -> i8 {
    match pattern {
        Pattern::Literal => LITERAL,
        Pattern::Prefixed => PREFIXED,
    }
}

fn permission(number: i8) -> Option<Permission> {
    match number {
        DENY => Some(Permission::Deny),
        ALLOW => Some(Permission::Allow),
        _ => None,
    }
}

fn permission_number(permission: Permission) -> i8 {
    match permission {
        Permission::Deny => DENY,
        Permission::Allow => ALLOW,
    }
}

/// A filter as a request has it.
struct Wanted<'a> {
    kind: i8,
    name: &'a Option<Str>,
    pattern: i8,
    principal: &'a Option<Str>,
    host: &'a Option<Str>,
    operation: i8,
    permission: i8,
}

impl Wanted<'_> {
    /// As the broker knows it.
    fn filter(&self) -> Result<AclFilter, Trouble> {
        let pattern_filter = match self.pattern {
            ANY => PatternFilter::Any,
            MATCH => PatternFilter::Match,
            number => {
                PatternFilter::Is(pattern(number).ok_or_else(|| invalid("there is no such type of pattern"))?)
            }
        };
        Ok(AclFilter {
            kind: any_or(self.kind, kind, "there is no such type of resource")?,
            name: owned_option(self.name),
            pattern: pattern_filter,
            principal: owned_option(self.principal),
            host: owned_option(self.host),
            operation: any_or(self.operation, operation, "there is no such operation")?,
            permission: any_or(self.permission, permission, "there is no such permission")?,
        })
    }
}

fn any_or<T>(number: i8, known: fn(i8) -> Option<T>, why: &'static str) -> Result<Option<T>, Trouble> {
    if number == ANY { Ok(None) } else { known(number).map(Some).ok_or_else(|| invalid(why)) }
}

/// The order in which rules of one resource follow each other is theirs.
fn is_of(acl: &Acl, other: &Acl) -> bool {
    (acl.kind, acl.pattern, &acl.name) == (other.kind, other.pattern, &other.name)
}

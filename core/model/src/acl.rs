//! Access control: who may do what, and what is asked about it. What the rules mean together is worked out by the machine.

use std::fmt;
use std::sync::Arc;

/// What something that rights are about is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// Topics, by name.
    Topic,
    /// Groups, by id.
    Group,
    /// The cluster itself: there is one, whatever a rule calls it.
    Cluster,
    /// Transactional producers, by transactional id.
    TransactionalId,
    /// Delegation tokens, by id.
    DelegationToken,
    /// Users, by principal.
    User,
}

/// What may be done or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Each of the others; only rules say so.
    All,
    /// Read.
    Read,
    /// Write.
    Write,
    /// Create.
    Create,
    /// Delete.
    Delete,
    /// Change.
    Alter,
    /// See that it is there, and how it is.
    Describe,
    /// What brokers do among each other.
    ClusterAction,
    /// See settings.
    DescribeConfigs,
    /// Change settings.
    AlterConfigs,
    /// Write with sequences.
    IdempotentWrite,
    /// Create tokens for a user.
    CreateTokens,
    /// See tokens of a user.
    DescribeTokens,
    /// Take part in two-phase commits.
    TwoPhaseCommit,
}

/// Which names a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pattern {
    /// This one; `*` stands for all.
    Literal,
    /// Those that begin so.
    Prefixed,
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Permission {
    /// No, whatever others say.
    Deny,
    /// Yes, unless another denies.
    Allow,
}

/// The name that stands for all in a literal pattern, and the host that stands for all.
pub const WILDCARD: &str = "*";
/// The principal that stands for all.
pub const EVERYBODY: &str = "User:*";

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Acl {
    /// What it is about.
    pub kind: ResourceKind,
    /// How its name is meant.
    pub pattern: Pattern,
    /// The name, or how names begin.
    pub name: Arc<str>,
    /// Who, as `User:alice`, or [`EVERYBODY`].
    pub principal: Arc<str>,
    /// The address that they come from, or [`WILDCARD`].
    pub host: Arc<str>,
    /// What they do.
    pub operation: Operation,
    /// Whether they may.
    pub permission: Permission,
}

/// Which patterns a filter wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternFilter {
    /// Any with this name.
    Any,
    /// Any that is about the name: it itself, its prefixes, and what stands for all.
    Match,
    /// Of this kind, with this name.
    Is(Pattern),
}

/// Which rules are meant; what is absent may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    /// What they are about.
    pub kind: Option<ResourceKind>,
    /// The name.
    pub name: Option<String>,
    /// How the name is meant.
    pub pattern: PatternFilter,
    /// Who.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// What they do.
    pub operation: Option<Operation>,
    /// Whether they may.
    pub permission: Option<Permission>,
}

impl AclFilter {
    /// Every rule.
    pub const ALL: AclFilter = AclFilter {
        kind: None,
        name: None,
        pattern: PatternFilter::Any,
        principal: None,
        host: None,
        operation: None,
        permission: None,
    };

    /// Whether a rule is meant.
    #[must_use]
    pub fn matches(&self, acl: &Acl) -> bool {
        self.means(acl.kind, acl.pattern, &acl.name)
            && self.principal.as_deref().is_none_or(|principal| principal == &*acl.principal)
            && self.host.as_deref().is_none_or(|host| host == &*acl.host)
            && self.operation.is_none_or(|operation| operation == acl.operation)
            && self.permission.is_none_or(|permission| permission == acl.permission)
    }

    /// Whether rules that are about this are meant, as far as that goes.
    #[must_use]
    pub fn means(&self, kind: ResourceKind, pattern: Pattern, about: &str) -> bool {
        if self.kind.is_some_and(|wanted| wanted != kind) {
            return false;
        }
        if let PatternFilter::Is(wanted) = self.pattern
            && wanted != pattern
        {
            return false;
        }
        let Some(name) = self.name.as_deref() else { return true };
        match (self.pattern, pattern) {
            (PatternFilter::Match, Pattern::Literal) => name == about || about == WILDCARD,
            (PatternFilter::Match, Pattern::Prefixed) => name.starts_with(about),
            _ => name == about,
        }
    }
}

/// Adds rules; each by itself.
#[derive(Clone, Debug)]
pub struct AddAcls {
    /// Which.
    pub acls: Vec<Acl>,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// Removes rules; each filter by itself.
#[derive(Clone, Debug)]
pub struct RemoveAcls {
    /// Which.
    pub filters: Vec<AclFilter>,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// Something that rights are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name; of the cluster it does not matter.
    pub name: String,
}

impl Resource {
    /// The cluster itself.
    #[must_use]
    pub fn cluster() -> Resource {
        Resource { kind: ResourceKind::Cluster, name: String::new() }
    }
}

/// Which right a description of topics needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Right {
    /// To see each topic: where all are meant, those that the asker may not see are left out.
    #[default]
    Describe,
    /// To see the settings of each.
    DescribeConfigs,
    /// This one on the cluster, and none on topics.
    OnCluster(Operation),
}

/// A set of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations(u16);

impl Operations {
    /// Every one.
    pub const ALL: Operations = Operations(u16::MAX);
    /// None.
    pub const NONE: Operations = Operations(0);

    /// This set, and one more.
    #[must_use]
    pub const fn with(self, operation: Operation) -> Operations {
        Operations(self.0 | (1 << operation as u16))
    }

    /// Whether it is among them.
    #[must_use]
    pub const fn has(self, operation: Operation) -> bool {
        self.0 & (1 << operation as u16) != 0
    }
}

impl ResourceKind {
    /// Every kind.
    pub const EVERY: [ResourceKind; 6] = [
        ResourceKind::Topic,
        ResourceKind::Group,
        ResourceKind::Cluster,
        ResourceKind::TransactionalId,
        ResourceKind::DelegationToken,
        ResourceKind::User,
    ];

    /// Its word, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            ResourceKind::Topic => "topic",
            ResourceKind::Group => "group",
            ResourceKind::Cluster => "cluster",
            ResourceKind::TransactionalId => "transactional id",
            ResourceKind::DelegationToken => "delegation token",
            ResourceKind::User => "user",
        }
    }
}

impl Operation {
    /// Every one that can be asked for: all but [`Operation::All`].
    pub const EACH: [Operation; 13] = [
        Operation::Read,
        Operation::Write,
        Operation::Create,
        Operation::Delete,
        Operation::Alter,
        Operation::Describe,
        Operation::ClusterAction,
        Operation::DescribeConfigs,
        Operation::AlterConfigs,
        Operation::IdempotentWrite,
        Operation::CreateTokens,
        Operation::DescribeTokens,
        Operation::TwoPhaseCommit,
    ];

    /// Its word, for people.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Operation::All => "all",
            Operation::Read => "read",
            Operation::Write => "write",
            Operation::Create => "create",
            Operation::Delete => "delete",
            Operation::Alter => "alter",
            Operation::Describe => "describe",
            Operation::ClusterAction => "cluster action",
            Operation::DescribeConfigs => "describe settings",
            Operation::AlterConfigs => "alter settings",
            Operation::IdempotentWrite => "idempotent write",
            Operation::CreateTokens => "create tokens",
            Operation::DescribeTokens => "describe tokens",
            Operation::TwoPhaseCommit => "two-phase commit",
        }
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Whom to ask the rules about later than when it asked: what it asked for may find topics then that it did not name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// The principal as rules write it: `User:alice`.
    pub principal: String,
    /// The address, as it is usually written.
    pub host: String,
    /// The same address with all its parts.
    pub host_in_full: String,
    /// Whether it may see what no rule is about.
    pub sees_free: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(pattern: Pattern, name: &str) -> Acl {
        Acl {
            kind: ResourceKind::Topic,
            pattern,
            name: name.into(),
            principal: "User:alice".into(),
            host: WILDCARD.into(),
            operation: Operation::Read,
            permission: Permission::Allow,
        }
    }

    #[test]
    fn a_filter_means_rules_by_name_and_by_what_they_are_about() {
        let filter = |pattern| AclFilter { name: Some("orders".into()), pattern, ..AclFilter::ALL };
        let rules = [
            acl(Pattern::Literal, "orders"),
            acl(Pattern::Prefixed, "orders"),
            acl(Pattern::Prefixed, "or"),
            acl(Pattern::Literal, WILDCARD),
            acl(Pattern::Literal, "or"),
        ];
        let meant = |filter: AclFilter| rules.iter().map(|acl| filter.matches(acl)).collect::<Vec<_>>();
        assert_eq!(meant(filter(PatternFilter::Any)), [true, true, false, false, false]);
        assert_eq!(meant(filter(PatternFilter::Match)), [true, true, true, true, false]);
        assert_eq!(meant(filter(PatternFilter::Is(Pattern::Literal))), [true, false, false, false, false]);
        assert_eq!(meant(AclFilter { permission: Some(Permission::Deny), ..AclFilter::ALL }), [false; 5]);
        assert_eq!(meant(AclFilter::ALL), [true; 5]);
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let set = Operations::NONE.with(Operation::Read).with(Operation::TwoPhaseCommit);
        let has = |operation: &Operation| set.has(*operation);
        let found: Vec<_> = Operation::EACH.into_iter().filter(has).collect();
        assert_eq!(found, [Operation::Read, Operation::TwoPhaseCommit]);
    }
}

//! Whether rules are asked at all, who is above them, and what they say of one asker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use forebay_machine::{Catalog, Verdict, Who};
use forebay_model::acl::{Operation, Operations, ResourceKind, Viewer};
use forebay_model::{Refusal, TopicRef};

use crate::broker::Inner;
use crate::call::Asker;
use crate::place;

/// Whether access is controlled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorization {
    /// Everybody may do everything, and no rules are kept.
    #[default]
    Off,
    /// Rules are kept and asked.
    Acl(AclPolicy),
}

/// What the configuration says beside the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclPolicy {
    /// Who may do everything, as `User:alice`.
    pub super_users: BTreeSet<String>,
    /// Whether everybody may do what no rule is about.
    pub allow_everyone_if_no_acl: bool,
}

/// Says of one asker what it may do, by one version of the catalogue.
pub(crate) struct Judge<'a> {
    desk: &'a Inner,
    policy: &'a AclPolicy,
    catalogue: Arc<Catalog>,
    asker: &'a Asker,
    /// As rules write it.
    principal: String,
    is_super: bool,
}

impl Inner {
    /// Nobody judges where access is not controlled.
    pub(crate) fn judge<'a>(&'a self, asker: &'a Asker) -> Option<Judge<'a>> {
        let Authorization::Acl(policy) = &self.config.authorization else { return None };
        let principal = asker.principal.to_string();
        let is_super = policy.super_users.contains(&principal);
        Some(Judge { desk: self, policy, catalogue: self.catalogue(), asker, principal, is_super })
    }

    /// Whether this node's copy of the catalogue has been brought up once since the node began: before, it may lack rules that deny,
    /// and those that would keep a resource from being free for all.
    pub(super) fn knows_rules(&self) -> bool {
        if self.rules_known.load(Ordering::Acquire) {
            return true;
        }
        let known = self.shards.catalogue().board.status().leader.is_some();
        self.rules_known.fetch_or(known, Ordering::AcqRel);
        known
    }
}

impl Judge<'_> {
    /// Whether the asker may do everything.
    pub(crate) fn is_super(&self) -> bool {
        self.is_super
    }

    /// Whether it may.
    pub(crate) fn may(&self, operation: Operation, kind: ResourceKind, name: &str) -> bool {
        self.is_super
            || match self.catalogue.acls().verdict(self.who(), operation, kind, name) {
                Verdict::Allowed => true,
                Verdict::NoRule => self.policy.allow_everyone_if_no_acl,
                Verdict::Denied | Verdict::NotAllowed => false,
            }
    }

    /// Why it may not; noted, for somebody was about to.
    pub(crate) fn refusal(&self, operation: Operation, kind: ResourceKind, name: &str) -> Option<Refusal> {
        (!self.may(operation, kind, name)).then(|| self.denied(operation, kind, name))
    }

    /// Notes that something was denied.
    pub(crate) fn denied(&self, operation: Operation, kind: ResourceKind, name: &str) -> Refusal {
        self.desk.audit.denied(self.desk.env.clock.monotonic(), self.asker, operation, kind, name);
        Refusal::NotAuthorized { kind }
    }

    /// Why it may not do this to a topic, whichever way the topic is named.
    pub(crate) fn topic(&self, operation: Operation, topic: &TopicRef) -> Option<Refusal> {
        match topic {
            TopicRef::Name(name) => self.refusal(operation, ResourceKind::Topic, name.as_str()),
            TopicRef::Id(_) => match place::topic(&self.catalogue, topic) {
                Ok(topic) => self.refusal(operation, ResourceKind::Topic, topic.name.as_str()),
                Err(refusal) => Some(refusal),
            },
        }
    }

    /// Why it may not create a topic of this name: neither any, nor this one.
    pub(crate) fn creation(&self, name: &str) -> Option<Refusal> {
        match self.may(Operation::Create, ResourceKind::Cluster, "") {
            true => None,
            false => self.refusal(Operation::Create, ResourceKind::Topic, name),
        }
    }

    /// Why it may not delete a topic: neither any, nor this one. Who may see that there is none is told so.
    pub(crate) fn deletion(&self, topic: &TopicRef) -> Option<Refusal> {
        if self.may(Operation::Delete, ResourceKind::Cluster, "") {
            return None;
        }
        if let Some(refusal) = self.topic(Operation::Describe, topic) {
            return Some(refusal);
        }
        let refusal = self.topic(Operation::Delete, topic)?;
        Some(place::topic(&self.catalogue, topic).err().unwrap_or(refusal))
    }

    /// Whether it may write with sequences: because a rule says so, or because there may be a topic that it may write to.
    pub(crate) fn may_be_idempotent(&self) -> bool {
        let acls = self.catalogue.acls();
        self.may(Operation::IdempotentWrite, ResourceKind::Cluster, "")
            || acls.allows_some(self.who(), Operation::Write, ResourceKind::Topic)
            // No topic can have this name: is it free to write where no rule is?
            || self.may(Operation::Write, ResourceKind::Topic, "?")
    }

    /// Everything that it may do to a resource.
    pub(crate) fn operations(&self, kind: ResourceKind, name: &str) -> Operations {
        if self.is_super {
            return Operations::ALL;
        }
        let otherwise = match self.policy.allow_everyone_if_no_acl {
            true => Operations::ALL,
            false => Operations::NONE,
        };
        self.catalogue.acls().operations(self.who(), kind, name, otherwise)
    }

    /// For whoever has to ask the rules later.
    pub(crate) fn viewer(&self) -> Viewer {
        Viewer {
            principal: self.principal.clone(),
            host: self.asker.host.plain().to_owned(),
            host_in_full: self.asker.host.in_full().to_owned(),
            sees_free: self.policy.allow_everyone_if_no_acl,
        }
    }

    fn who(&self) -> Who<'_> {
        Who {
            principal: &self.principal,
            host: self.asker.host.plain(),
            host_in_full: self.asker.host.in_full(),
        }
    }
}

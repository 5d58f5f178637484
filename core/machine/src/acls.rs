//! Rules of access: a part of the catalogue, so that every node can tell who may do what.
//!
//! A rule that denies wins over all that allow; where no rule is about a resource, nobody has said that anybody may. To be allowed
//! to read, write, delete or alter something is to be allowed to describe it, and to alter its settings is to describe them.

mod rules;

use forebay_model::Refusal;
use forebay_model::acl::{
    Acl, AclFilter, Operation, Operations, Pattern, Permission, ResourceKind, Viewer, WILDCARD,
};
use forebay_model::limits::{
    ACL_HOST_BYTES_MAX, ACL_NAME_BYTES_MAX, ACLS_BYTES_MAX, ACLS_MAX, PRINCIPAL_KIND_BYTES_MAX,
    PRINCIPAL_NAME_BYTES_MAX,
};

use crate::codec::{DecodeError, Reader, Writer};
use rules::{KindRules, NameRules, Rule};

/// Who asks, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The principal as rules write it: `User:alice`.
    pub principal: &'a str,
    /// The address, as it is usually written.
    pub host: &'a str,
    /// The same address with all its parts, where that is another text: rules may have either.
    pub host_in_full: &'a str,
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allowed,
    /// No.
    Denied,
    /// There are rules for this resource, and none allows it.
    NotAllowed,
    /// There is no rule for this resource.
    NoRule,
}

/// All rules; a clone is a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Acls {
    kinds: [KindRules; ResourceKind::EVERY.len()],
    len: usize,
    bytes: usize,
}

impl Acls {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether this very rule is there.
    pub fn contains(&self, acl: &Acl) -> bool {
        self.of(acl.kind).contains(acl)
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Acl> {
        static ALL: AclFilter = AclFilter::ALL;
        self.matching(&ALL)
    }

    /// Those that a filter means, in their order.
    pub fn matching(&self, filter: &AclFilter) -> impl Iterator<Item = Acl> {
        let every = ResourceKind::EVERY.into_iter();
        let patterned =
            every.flat_map(|kind| [Pattern::Literal, Pattern::Prefixed].map(|pattern| (kind, pattern)));
        patterned.flat_map(move |(kind, pattern)| {
            let named = self.of(kind).of(pattern).iter();
            let meant = named.filter(move |(name, _)| filter.means(kind, pattern, name));
            meant.flat_map(move |(name, rules)| {
                let acl = move |(principal, rule): (_, &Rule)| rule.acl(kind, pattern, name, principal);
                rules.iter().map(acl).filter(move |acl| filter.matches(acl))
            })
        })
    }

    /// What the rules say of one operation.
    pub fn verdict(&self, who: Who<'_>, operation: Operation, kind: ResourceKind, name: &str) -> Verdict {
        let mut verdict = Verdict::NoRule;
        for rules in self.about(kind, name) {
            if verdict == Verdict::NoRule {
                verdict = Verdict::NotAllowed;
            }
            for rule in rules.for_whom(who) {
                match rule.permission {
                    Permission::Deny if rule.denies(operation) => return Verdict::Denied,
                    Permission::Allow if rule.allows(operation) => verdict = Verdict::Allowed,
                    _ => {}
                }
            }
        }
        verdict
    }

    /// Whether somebody may see a topic.
    pub fn shows(&self, viewer: &Viewer, topic: &str) -> bool {
        let Viewer { principal, host, host_in_full, sees_free } = viewer;
        let who = Who { principal, host, host_in_full };
        match self.verdict(who, Operation::Describe, ResourceKind::Topic, topic) {
            Verdict::Allowed => true,
            Verdict::NoRule => *sees_free,
            Verdict::Denied | Verdict::NotAllowed => false,
        }
    }

    /// Every operation that the rules allow on a resource; `otherwise` where there is no rule for it.
    pub fn operations(
        &self,
        who: Who<'_>,
        kind: ResourceKind,
        name: &str,
        otherwise: Operations,
    ) -> Operations {
        let (mut any, mut allowed, mut denied) = (false, Operations::NONE, Operations::NONE);
        for rules in self.about(kind, name) {
            any = true;
            for rule in rules.for_whom(who) {
                for operation in Operation::EACH {
                    match rule.permission {
                        Permission::Deny if rule.denies(operation) => denied = denied.with(operation),
                        Permission::Allow if rule.allows(operation) => allowed = allowed.with(operation),
                        _ => {}
                    }
                }
            }
        }
        if !any {
            return otherwise;
        }
        let left = Operation::EACH
            .into_iter()
            .filter(|operation| allowed.has(*operation) && !denied.has(*operation));
        left.fold(Operations::NONE, Operations::with)
    }

    /// Whether there is any resource of a kind that the rules allow an operation on: one whose name we need not know. Looks at
    /// every name of the kind.
    pub fn allows_some(&self, who: Who<'_>, operation: Operation, kind: ResourceKind) -> bool {
        let rules = self.of(kind);
        let (literal, prefixed) = (rules.of(Pattern::Literal), rules.of(Pattern::Prefixed));
        let denied = |named: &NameRules| named.say(Permission::Deny, who, operation);
        let allowed = |named: &NameRules| named.say(Permission::Allow, who, operation);
        if literal.get(WILDCARD).is_some_and(denied) {
            return false;
        }
        // A prefix is denied where a denied one covers it whole, a name where any denied rule is about it.
        let covered = |name: &str| rules.prefixes_of(name).any(denied);
        let mut names = literal.iter().filter(|(_, named)| allowed(named));
        let mut prefixes = prefixed.iter().filter(|(_, named)| allowed(named));
        names.any(|(name, named)| &**name == WILDCARD || (!denied(named) && !covered(name)))
            || prefixes.any(|(name, _)| !covered(name))
    }

    /// Says whether it was not there.
    pub(crate) fn add(&mut self, acl: &Acl) -> Result<bool, Refusal> {
        check(acl)?;
        if self.contains(acl) {
            return Ok(false);
        }
        if self.len >= ACLS_MAX {
            return Err(Refusal::LimitReached { limit: "ACLS_MAX" });
        }
        if self.bytes + bytes(acl) > ACLS_BYTES_MAX {
            return Err(Refusal::LimitReached { limit: "ACLS_BYTES_MAX" });
        }
        self.kinds[acl.kind as usize].add(acl);
        self.len += 1;
        self.bytes += bytes(acl);
        Ok(true)
    }

    /// Says whether it was there.
    pub(crate) fn remove(&mut self, acl: &Acl) -> bool {
        let removed = self.kinds[acl.kind as usize].remove(acl);
        if removed {
            self.len -= 1;
            self.bytes -= bytes(acl);
        }
        removed
    }

    fn of(&self, kind: ResourceKind) -> &KindRules {
        &self.kinds[kind as usize]
    }

    /// The rules that are about a name.
    fn about(&self, kind: ResourceKind, name: &str) -> impl Iterator<Item = &NameRules> {
        let rules = self.of(kind);
        // There is one cluster: what is said of it is meant, whatever it was called.
        let is_cluster = kind == ResourceKind::Cluster;
        let all = is_cluster.then(|| rules.all()).into_iter().flatten();
        all.chain((!is_cluster).then(|| rules.about(name)).into_iter().flatten())
    }

    /// In their order, so that equal states give equal bytes.
    pub(crate) fn encode(&self, out: &mut Writer) {
        out.len(self.len);
        self.iter().for_each(|acl| encode_acl(&acl, out));
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Acls, DecodeError> {
        let listed = input.list("rules of access", decode_acl)?;
        if !listed.is_sorted_by(|a, b| a < b) {
            return Err(DecodeError::Invalid("the order of the rules of access"));
        }
        let mut acls = Acls::default();
        for acl in &listed {
            acls.add(acl).map_err(|_| DecodeError::Invalid("the rules of access"))?;
        }
        Ok(acls)
    }
}

fn check(acl: &Acl) -> Result<(), Refusal> {
    let no = |why: String| Err(Refusal::InvalidAcl(why));
    if acl.name.is_empty() || acl.name.len() > ACL_NAME_BYTES_MAX {
        return no(format!("a rule is about a name of 1 to {ACL_NAME_BYTES_MAX} bytes"));
    }
    if acl.host.is_empty() || acl.host.len() > ACL_HOST_BYTES_MAX {
        return no(format!("the host of a rule has 1 to {ACL_HOST_BYTES_MAX} bytes"));
    }
    let (kind, name) = acl.principal.split_once(':').unwrap_or_default();
    let has_kind = (1..=PRINCIPAL_KIND_BYTES_MAX).contains(&kind.len());
    if !has_kind || !(1..=PRINCIPAL_NAME_BYTES_MAX).contains(&name.len()) {
        return no(format!(
            "a principal is a kind and a name of 1 to {PRINCIPAL_NAME_BYTES_MAX} bytes, as User:alice"
        ));
    }
    let line = [&acl.name, &acl.host, &acl.principal];
    if line.iter().any(|text| text.chars().any(char::is_control)) {
        return no("a rule has no control characters".into());
    }
    Ok(())
}

fn bytes(acl: &Acl) -> usize {
    acl.name.len() + acl.principal.len() + acl.host.len()
}

/// Shared with the commands.
pub(crate) fn encode_acl(acl: &Acl, out: &mut Writer) {
    out.u8(acl.kind as u8);
    out.u8(acl.pattern as u8);
    out.text(&acl.name);
    out.text(&acl.principal);
    out.text(&acl.host);
    out.u8(acl.operation as u8);
    out.u8(acl.permission as u8);
}

/// Shared with the commands.
pub(crate) fn decode_acl(input: &mut Reader<'_>) -> Result<Acl, DecodeError> {
    let kind = input.u8("a kind of resource")?;
    let kind = ResourceKind::EVERY.into_iter().find(|known| *known as u8 == kind);
    let pattern = match input.u8("a pattern")? {
        0 => Pattern::Literal,
        1 => Pattern::Prefixed,
        _ => return Err(DecodeError::Invalid("a pattern")),
    };
    let name = input.text("the name of a resource")?.into();
    let principal = input.text("a principal")?.into();
    let host = input.text("a host")?.into();
    let operation = input.u8("an operation")?;
    let mut operations = [Operation::All].into_iter().chain(Operation::EACH);
    let operation = operations.find(|known| *known as u8 == operation);
    let permission = match input.u8("a permission")? {
        0 => Permission::Deny,
        1 => Permission::Allow,
        _ => return Err(DecodeError::Invalid("a permission")),
    };
    Ok(Acl {
        kind: kind.ok_or(DecodeError::Invalid("a kind of resource"))?,
        pattern,
        name,
        principal,
        host,
        operation: operation.ok_or(DecodeError::Invalid("an operation"))?,
        permission,
    })
}

#[cfg(test)]
#[path = "acls/tests.rs"]
mod tests;

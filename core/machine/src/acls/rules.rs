//! The rules for resources of one kind: by name, and there by principal, so that whoever asks looks at their own alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_model::acl::{Acl, EVERYBODY, Operation, Pattern, Permission, ResourceKind, WILDCARD};

use super::Who;
use crate::shared_map::SharedMap;

/// By the name that they are about.
#[derive(Clone, Debug, Default)]
pub(super) struct KindRules {
    literal: SharedMap<Arc<str>, NameRules>,
    prefixed: SharedMap<Arc<str>, NameRules>,
    /// Lengths of the prefixes, and how many have each: a name is only cut where some prefix ends.
    lengths: Arc<BTreeMap<usize, usize>>,
}

/// What is said of one name, by principal; never empty.
#[derive(Clone, Debug, Default)]
pub(super) struct NameRules {
    by_principal: SharedMap<Arc<str>, Arc<Vec<Rule>>>,
}

/// What is said of one principal. Sorted and each once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rule {
    host: Arc<str>,
    operation: Operation,
    pub(super) permission: Permission,
}

impl KindRules {
    pub(super) fn of(&self, pattern: Pattern) -> &SharedMap<Arc<str>, NameRules> {
        match pattern {
            Pattern::Literal => &self.literal,
            Pattern::Prefixed => &self.prefixed,
        }
    }

    fn of_mut(&mut self, pattern: Pattern) -> &mut SharedMap<Arc<str>, NameRules> {
        match pattern {
            Pattern::Literal => &mut self.literal,
            Pattern::Prefixed => &mut self.prefixed,
        }
    }

    /// All of them, whatever they are about.
    pub(super) fn all(&self) -> impl Iterator<Item = &NameRules> {
        self.literal.iter().chain(self.prefixed.iter()).map(|(_, rules)| rules)
    }

    /// Those that are about a name: this very one, all, and those that it begins with.
    pub(super) fn about(&self, name: &str) -> impl Iterator<Item = &NameRules> {
        let every = (name != WILDCARD).then(|| self.literal.get(WILDCARD)).flatten();
        self.literal.get(name).into_iter().chain(every).chain(self.prefixes_of(name))
    }

    /// The rules of every prefix that a name begins with.
    pub(super) fn prefixes_of(&self, name: &str) -> impl Iterator<Item = &NameRules> {
        let lengths = self.lengths.range(..=name.len());
        let cut = lengths.filter_map(move |(length, _)| name.get(..*length));
        cut.filter_map(|prefix| self.prefixed.get(prefix))
    }

    pub(super) fn contains(&self, acl: &Acl) -> bool {
        let rules = self.of(acl.pattern).get(&*acl.name).and_then(|named| named.of(&acl.principal));
        rules.is_some_and(|rules| rules.binary_search(&Rule::of(acl)).is_ok())
    }

    /// Adds one that is not there.
    pub(super) fn add(&mut self, acl: &Acl) {
        let named = self.of_mut(acl.pattern);
        // Taken out and put back, what nobody else looks at is changed where it is.
        let before = named.remove(&*acl.name);
        let is_new_name = before.is_none();
        let mut rules = before.unwrap_or_default();
        rules.add(acl);
        named.insert(Arc::clone(&acl.name), rules);
        if is_new_name && acl.pattern == Pattern::Prefixed {
            *Arc::make_mut(&mut self.lengths).entry(acl.name.len()).or_default() += 1;
        }
    }

    /// Says whether it was there.
    pub(super) fn remove(&mut self, acl: &Acl) -> bool {
        if !self.contains(acl) {
            return false;
        }
        let named = self.of_mut(acl.pattern);
        let Some(mut rules) = named.remove(&*acl.name) else { return false };
        rules.remove(acl);
        if !rules.by_principal.is_empty() {
            named.insert(Arc::clone(&acl.name), rules);
        } else if acl.pattern == Pattern::Prefixed {
            let lengths = Arc::make_mut(&mut self.lengths);
            match lengths.get_mut(&acl.name.len()) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(lengths.remove(&acl.name.len())),
            }
        }
        true
    }
}

impl NameRules {
    /// Those for this principal and for everybody, from where they come.
    pub(super) fn for_whom<'a>(&'a self, who: Who<'a>) -> impl Iterator<Item = &'a Rule> {
        let everybody = (who.principal != EVERYBODY).then_some(EVERYBODY);
        let principals = [who.principal].into_iter().chain(everybody);
        let rules = principals.filter_map(|principal| self.of(principal)).flatten();
        rules.filter(move |rule| [WILDCARD, who.host, who.host_in_full].contains(&&*rule.host))
    }

    /// Whether they say this of an operation.
    pub(super) fn say(&self, permission: Permission, who: Who<'_>, operation: Operation) -> bool {
        self.for_whom(who).any(|rule| {
            rule.permission == permission
                && match permission {
                    Permission::Deny => rule.denies(operation),
                    Permission::Allow => rule.allows(operation),
                }
        })
    }

    /// All of them, in their order, with their principals.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Rule)> {
        let each = self.by_principal.iter();
        each.flat_map(|(principal, rules)| rules.iter().map(move |rule| (principal, rule)))
    }

    fn of(&self, principal: &str) -> Option<&Vec<Rule>> {
        self.by_principal.get(principal).map(|rules| &**rules)
    }

    fn add(&mut self, acl: &Acl) {
        let mut rules = self.by_principal.remove(&*acl.principal).unwrap_or_default();
        let rule = Rule::of(acl);
        let sorted = Arc::make_mut(&mut rules);
        let at = sorted.partition_point(|other| *other < rule);
        sorted.insert(at, rule);
        self.by_principal.insert(Arc::clone(&acl.principal), rules);
    }

    fn remove(&mut self, acl: &Acl) {
        let Some(mut rules) = self.by_principal.remove(&*acl.principal) else { return };
        let rule = Rule::of(acl);
        Arc::make_mut(&mut rules).retain(|other| *other != rule);
        if !rules.is_empty() {
            self.by_principal.insert(Arc::clone(&acl.principal), rules);
        }
    }
}

impl Rule {
    fn of(acl: &Acl) -> Rule {
        Rule { host: Arc::clone(&acl.host), operation: acl.operation, permission: acl.permission }
    }

    pub(super) fn acl(
        &self,
        kind: ResourceKind,
        pattern: Pattern,
        name: &Arc<str>,
        principal: &Arc<str>,
    ) -> Acl {
        Acl {
            kind,
            pattern,
            name: Arc::clone(name),
            principal: Arc::clone(principal),
            host: Arc::clone(&self.host),
            operation: self.operation,
            permission: self.permission,
        }
    }

    pub(super) fn denies(&self, operation: Operation) -> bool {
        self.operation == Operation::All || self.operation == operation
    }

    pub(super) fn allows(&self, operation: Operation) -> bool {
        self.denies(operation)
            || match operation {
                Operation::Describe => matches!(
                    self.operation,
                    Operation::Read | Operation::Write | Operation::Delete | Operation::Alter
                ),
                Operation::DescribeConfigs => self.operation == Operation::AlterConfigs,
                _ => false,
            }
    }
}

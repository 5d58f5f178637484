//! Which of several quotas applies to a client: the one that says most exactly who it is, with Kafka's precedence (KIP-55).

use std::sync::Arc;

use forebay_model::quota::{QuotaEntity, QuotaKind, QuotaName, QuotaTable};

/// The quota that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// So much per second.
    pub(super) bound: u64,
    /// Whether each user has it for itself.
    pub(super) tells_users: bool,
    /// Whether each client has it for itself.
    pub(super) tells_clients: bool,
}

/// The first of these that has a quota of this kind applies: user and client; user and any client; user; any user and client;
/// any user and any client; any user; client; any client.
pub(super) fn rule(quotas: &QuotaTable, kind: QuotaKind, user: &str, client: &str) -> Option<Rule> {
    let (user, client) = (named(user), named(client));
    let (any, none) = (Some(QuotaName::Default), None);
    let levels = [
        (&user, &client),
        (&user, &any),
        (&user, &none),
        (&any, &client),
        (&any, &any),
        (&any, &none),
        (&none, &client),
        (&none, &any),
    ];
    levels.into_iter().find_map(|(user, client)| {
        let (tells_users, tells_clients) = (user.is_some(), client.is_some());
        let entity = QuotaEntity::Client { user: user.clone(), client: client.clone() };
        quotas.get(&entity)?.of(kind).map(|bound| Rule { bound, tells_users, tells_clients })
    })
}

/// How many connections per second may come from an address: its own quota, or the default, which each has for itself.
pub(super) fn connections(quotas: &QuotaTable, address: &str) -> Option<u64> {
    let levels = [QuotaName::Named(address.into()), QuotaName::Default];
    levels.into_iter().find_map(|name| quotas.get(&QuotaEntity::Address(name))?.of(QuotaKind::Connections))
}

fn named(name: &str) -> Option<QuotaName> {
    Some(QuotaName::Named(Arc::from(name)))
}

#[cfg(test)]
mod tests {
    use forebay_model::quota::QuotaRates;

    use super::*;

    #[test]
    fn the_quota_that_says_most_exactly_who_it_is_applies() {
        let any = || Some(QuotaName::Default);
        let levels = [
            (named("u"), named("c")),
            (named("u"), any()),
            (named("u"), None),
            (any(), named("c")),
            (any(), any()),
            (any(), None),
            (None, named("c")),
            (None, any()),
        ];
        let mut quotas: QuotaTable = (1..)
            .zip(&levels)
            .map(|(bound, (user, client))| {
                let rates = QuotaRates { publish_bytes: Some(bound), ..QuotaRates::default() };
                (QuotaEntity::Client { user: user.clone(), client: client.clone() }, rates)
            })
            .collect();
        for (bound, (user, client)) in (1..).zip(levels) {
            let rule = rule(&quotas, QuotaKind::PublishBytes, "u", "c").expect("a quota");
            let (tells_users, tells_clients) = (user.is_some(), client.is_some());
            assert_eq!(rule, Rule { bound, tells_users, tells_clients });
            quotas.remove(&QuotaEntity::Client { user, client });
        }
        assert_eq!(rule(&quotas, QuotaKind::PublishBytes, "u", "c"), None);
    }

    #[test]
    fn a_quota_of_another_kind_hides_nothing() {
        let named_reads = QuotaRates { read_bytes: Some(7), ..QuotaRates::default() };
        let any_publishes = QuotaRates { publish_bytes: Some(9), ..QuotaRates::default() };
        let quotas = QuotaTable::from([
            (QuotaEntity::Client { user: None, client: named("c") }, named_reads),
            (QuotaEntity::Client { user: None, client: Some(QuotaName::Default) }, any_publishes),
        ]);
        let bound = |kind, client| rule(&quotas, kind, "u", client).map(|rule| rule.bound);
        assert_eq!(bound(QuotaKind::PublishBytes, "c"), Some(9));
        assert_eq!(bound(QuotaKind::ReadBytes, "c"), Some(7));
        assert_eq!(bound(QuotaKind::ReadBytes, "d"), None);
    }
}

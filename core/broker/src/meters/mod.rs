//! What clients have asked for lately, held against their quotas. Each node counts for itself, as each of Kafka's brokers does.

mod connection;
mod rules;
mod window;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_env::metrics::{Counter, Kind, MetricsText};
use forebay_model::quota::{QuotaKind, QuotaTable};

use crate::broker::lock;
use crate::limits::{METER_NAME_BYTES_MAX, METERS_MAX};
pub use connection::ConnectionMeter;
use rules::{Rule, connections, rule};
use window::{BURST_SECONDS, FORGOTTEN_AFTER_MS, RateWindow};

/// Those that are silent are looked for so often at most, in milliseconds.
const SWEEP_MS: u64 = 1_000;

/// The meters of a node.
#[derive(Debug, Default)]
pub struct Meters {
    /// Whether anybody has a quota: the one thing that is looked at where nobody has.
    on: AtomicBool,
    /// Whether anybody has one of work.
    timed: AtomicBool,
    /// Whether any address has one.
    guarded: AtomicBool,
    state: Mutex<State>,
    held: [Counter; KINDS.len()],
}

/// Every kind, and its name in metrics.
const KINDS: [(QuotaKind, &str); 4] = [
    (QuotaKind::PublishBytes, "publish_bytes"),
    (QuotaKind::ReadBytes, "read_bytes"),
    (QuotaKind::WorkNanos, "work"),
    (QuotaKind::Connections, "connections"),
];

#[derive(Debug, Default)]
struct State {
    quotas: Arc<QuotaTable>,
    meters: BTreeMap<Counted, Meter>,
    /// When silent ones are looked for next.
    sweep_at_ms: u64,
}

/// Who shares one count; a name is empty where the quota does not tell by it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Counted {
    kind: QuotaKind,
    user: Box<str>,
    client: Box<str>,
}

#[derive(Debug, Default)]
struct Meter {
    window: RateWindow,
    at_ms: u64,
}

impl Meters {
    /// Takes over quotas. What was counted stays.
    pub(crate) fn set(&self, quotas: &Arc<QuotaTable>) {
        let mut state = lock(&self.state);
        if Arc::ptr_eq(&state.quotas, quotas) {
            return;
        }
        state.quotas = Arc::clone(quotas);
        if quotas.is_empty() {
            state.meters.clear();
        }
        self.timed.store(quotas.values().any(|rates| rates.work_nanos.is_some()), Ordering::Release);
        self.guarded.store(quotas.values().any(|rates| rates.connections.is_some()), Ordering::Release);
        self.on.store(!quotas.is_empty(), Ordering::Release);
    }

    fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    fn is_timed(&self) -> bool {
        self.timed.load(Ordering::Relaxed)
    }

    /// Counts, and says how long the client is to be held back for it.
    fn count(&self, kind: QuotaKind, user: &str, client: &str, amount: u64, now: Monotonic) -> Duration {
        let hold = {
            let mut state = lock(&self.state);
            let Some(rule) = rule(&state.quotas, kind, user, client) else { return Duration::ZERO };
            let now_ms = now.0 / 1_000_000;
            let counted = state.counted(kind, &rule, user, client, now_ms);
            let meter = state.meters.entry(counted).or_default();
            meter.at_ms = now_ms;
            meter.window.count(now_ms, amount, rule.bound)
        };
        if !hold.is_zero() {
            self.held[kind as usize].increment();
        }
        hold
    }

    /// Counts a new connection from this address if it may come; else says for how long its client is to be kept waiting.
    pub(crate) fn admit(&self, address: IpAddr, now: Monotonic) -> Duration {
        if !self.guarded.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        let address = address.to_canonical().to_string();
        let hold = {
            let mut state = lock(&self.state);
            let Some(bound) = connections(&state.quotas, &address) else { return Duration::ZERO };
            let rule = Rule { bound, tells_users: false, tells_clients: true };
            let now_ms = now.0 / 1_000_000;
            let counted = state.counted(QuotaKind::Connections, &rule, "", &address, now_ms);
            let meter = state.meters.entry(counted).or_default();
            meter.at_ms = now_ms;
            meter.window.admit(now_ms, 1, bound)
        };
        if !hold.is_zero() {
            self.held[QuotaKind::Connections as usize].increment();
        }
        hold
    }

    /// The most that one request of a client may get without holding it back for long; nothing for a client without a quota.
    fn burst(&self, kind: QuotaKind, user: &str, client: &str) -> Option<u64> {
        let state = lock(&self.state);
        rule(&state.quotas, kind, user, client).map(|rule| rule.bound.saturating_mul(BURST_SECONDS))
    }

    /// Writes how often clients were held back.
    pub fn write(&self, out: &mut MetricsText) {
        let mut held = out.family(
            "forebay_quota_holds_total",
            "Times that a client was held back for exceeding a quota, by kind of quota.",
            Kind::Counter,
        );
        for (kind, name) in KINDS {
            held.sample(&[("quota", name)], &self.held[kind as usize]);
        }
    }
}

impl State {
    fn counted(&mut self, kind: QuotaKind, rule: &Rule, user: &str, client: &str, now_ms: u64) -> Counted {
        let name = |tells: bool, name: &str| if tells { cut(name).into() } else { Box::default() };
        let counted =
            Counted { kind, user: name(rule.tells_users, user), client: name(rule.tells_clients, client) };
        if self.meters.len() < METERS_MAX || self.meters.contains_key(&counted) {
            return counted;
        }
        if now_ms >= self.sweep_at_ms {
            self.sweep_at_ms = now_ms + SWEEP_MS;
            // Who was silent for so long begins anew anyway.
            self.meters.retain(|_, meter| now_ms.saturating_sub(meter.at_ms) < FORGOTTEN_AFTER_MS);
        }
        if self.meters.len() < METERS_MAX {
            return counted;
        }
        // One more per kind at most.
        Counted { kind, user: Box::default(), client: Box::default() }
    }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(METER_NAME_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use forebay_model::quota::{QuotaEntity, QuotaName, QuotaRates};

    use super::*;

    fn meters(user: Option<QuotaName>, client: Option<QuotaName>) -> Meters {
        let rates = QuotaRates { publish_bytes: Some(100), ..QuotaRates::default() };
        let meters = Meters::default();
        meters.set(&Arc::new(BTreeMap::from([(QuotaEntity::Client { user, client }, rates)])));
        meters
    }

    fn held(meters: &Meters, user: &str, client: &str, amount: u64) -> Duration {
        meters.count(QuotaKind::PublishBytes, user, client, amount, Monotonic(0))
    }

    #[test]
    fn a_default_gives_each_client_a_count_of_its_own() {
        let meters = meters(None, Some(QuotaName::Default));
        assert!(meters.is_on() && !meters.is_timed());
        assert_eq!(held(&meters, "u", "a", 2_000), Duration::from_secs(10));
        assert_eq!(held(&meters, "u", "b", 1_000), Duration::ZERO);
        assert_eq!(held(&meters, "v", "a", 0), Duration::from_secs(10), "whoever it is");
    }

    #[test]
    fn the_clients_of_a_user_share_its_quota() {
        let meters = meters(Some(QuotaName::Named("u".into())), None);
        assert_eq!(held(&meters, "u", "a", 1_000), Duration::ZERO);
        assert_eq!(held(&meters, "u", "b", 1_000), Duration::from_secs(10));
        assert_eq!(held(&meters, "v", "a", 9_000), Duration::ZERO);
    }

    #[test]
    fn a_kind_without_a_quota_is_not_counted_and_nothing_is_once_none_is_left() {
        let meters = meters(None, Some(QuotaName::Default));
        let reads = meters.count(QuotaKind::ReadBytes, "u", "a", 9_000, Monotonic(0));
        assert_eq!((reads, meters.burst(QuotaKind::ReadBytes, "u", "a")), (Duration::ZERO, None));
        assert_eq!(meters.burst(QuotaKind::PublishBytes, "u", "a"), Some(1_000));
        meters.set(&Arc::default());
        assert!(!meters.is_on());
        assert_eq!(held(&meters, "u", "a", 9_000), Duration::ZERO);
    }

    #[test]
    fn a_new_quota_holds_for_what_was_counted_before() {
        let meters = meters(None, Some(QuotaName::Default));
        assert_eq!(held(&meters, "u", "a", 1_000), Duration::ZERO);
        let entity = QuotaEntity::Client { user: None, client: Some(QuotaName::Default) };
        let half = QuotaRates { publish_bytes: Some(50), ..QuotaRates::default() };
        meters.set(&Arc::new(BTreeMap::from([(entity, half)])));
        assert_eq!(held(&meters, "u", "a", 0), Duration::from_secs(10), "1,000 are 20 seconds' worth now");
    }

    #[test]
    fn work_is_counted_where_somebody_has_a_quota_of_it() {
        let meters = Meters::default();
        let entity = QuotaEntity::Client { user: None, client: Some(QuotaName::Default) };
        // A tenth of a thread.
        let rates = QuotaRates { work_nanos: Some(100_000_000), ..QuotaRates::default() };
        meters.set(&Arc::new(BTreeMap::from([(entity, rates)])));
        assert!(meters.is_on() && meters.is_timed());
        let work = |nanos| meters.count(QuotaKind::WorkNanos, "u", "a", nanos, Monotonic(0));
        assert_eq!(work(1_000_000_000), Duration::ZERO, "ten seconds' worth");
        assert_eq!(work(50_000_000), Duration::from_millis(500));
    }

    #[test]
    fn each_address_has_its_own_connections() {
        let meters = Meters::default();
        let rates = |connections| QuotaRates { connections: Some(connections), ..QuotaRates::default() };
        meters.set(&Arc::new(BTreeMap::from([
            (QuotaEntity::Address(QuotaName::Default), rates(1)),
            (QuotaEntity::Address(QuotaName::Named("10.0.0.3".into())), rates(2)),
        ])));
        let [one, two, three] = [1, 2, 3].map(|last| IpAddr::from([10, 0, 0, last]));
        let dressed = IpAddr::from(std::net::Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped());
        let admitted =
            |address| (0..30).take_while(|_| meters.admit(address, Monotonic(0)).is_zero()).count();
        assert_eq!((admitted(one), admitted(dressed), admitted(two), admitted(three)), (10, 0, 10, 20));
        assert_eq!(held(&meters, "u", "10.0.0.1", 1_000), Duration::ZERO, "clients have none");
        assert!(meters.admit(one, Monotonic(30_000_000_000)).is_zero(), "later it may come again");
    }

    #[test]
    fn names_that_nobody_counts_on_share_a_count() {
        let meters = meters(None, Some(QuotaName::Default));
        (0..METERS_MAX).for_each(|n| assert_eq!(held(&meters, "u", &n.to_string(), 1), Duration::ZERO));
        assert_eq!(held(&meters, "u", "one more", 1_000), Duration::ZERO);
        assert_eq!(held(&meters, "u", "yet one more", 1_000), Duration::from_secs(10));
        assert_eq!(held(&meters, "u", "7", 999), Duration::ZERO, "those that came before have their own");
        let later = Monotonic(60_000_000_000);
        let late = meters.count(QuotaKind::PublishBytes, "u", "a new one", 1_000, later);
        assert_eq!(
            (late, lock(&meters.state).meters.len()),
            (Duration::ZERO, 1),
            "who is silent is forgotten"
        );
    }

    #[test]
    fn a_long_name_counts_by_its_beginning() {
        let meters = meters(None, Some(QuotaName::Default));
        let long = "ä".repeat(METER_NAME_BYTES_MAX);
        assert_eq!(held(&meters, "u", &long, 1_000), Duration::ZERO);
        assert_eq!(held(&meters, "u", &format!("{long}x"), 1_000), Duration::from_secs(10));
    }

    #[test]
    fn holds_are_told() {
        let meters = meters(None, Some(QuotaName::Default));
        held(&meters, "u", "a", 2_000);
        let mut out = MetricsText::new(0);
        meters.write(&mut out);
        let text = out.finish();
        for line in [
            "forebay_quota_holds_total{quota=\"publish_bytes\"} 1",
            "forebay_quota_holds_total{quota=\"work\"} 0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}

//! AlterClientQuotas, DescribeClientQuotas, and what quotas do to a connection.

use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::wire::ErrorCode;
use crate::wire::field::Wire;
use crate::wire::messages::alter_client_quotas::{EntityData, EntryData, OpData};
use crate::wire::messages::describe_client_quotas::ComponentData;
use crate::wire::messages::{
    AlterClientQuotasRequest, DescribeClientQuotasRequest, DescribeClientQuotasResponse, ProduceResponse,
};
use forebay_kit::Meter;
use forebay_kit::model::quota::{
    AlterQuotas, QuotaChange, QuotaEntity, QuotaKind, QuotaName, QuotaRates, QuotaTable,
};
use forebay_kit::model::{Refusal, SettingChange};

fn part(kind: &str, name: Option<&str>) -> EntityData {
    EntityData { entity_type: kind.into(), entity_name: name.map(Into::into) }
}

fn set(key: &str, value: f64) -> OpData {
    OpData { key: key.into(), value: value.into(), remove: false }
}

fn entry(entity: Vec<EntityData>, ops: Vec<OpData>) -> EntryData {
    EntryData { entity, ops }
}

fn named(name: &str) -> Option<QuotaName> {
    Some(QuotaName::Named(name.into()))
}

#[test]
fn quotas_are_changed_entity_by_entity() {
    let remove = OpData { key: "consumer_byte_rate".into(), remove: true, ..Default::default() };
    let entries = vec![
        entry(vec![part("client-id", Some("c"))], vec![set("producer_byte_rate", 1_000.0), remove]),
        entry(vec![part("ip", Some("localhost"))], vec![set("connection_creation_rate", 5.0)]),
        entry(vec![part("user", Some("u")), part("client-id", None)], vec![set("consumer_byte_rate", 7.0)]),
        entry(vec![part("ip", Some("::ffff:10.0.0.1"))], vec![set("connection_creation_rate", 5.0)]),
    ];
    let request = AlterClientQuotasRequest { entries, validate_only: true };
    let response = Pair::new().exchange(1, &request, |call| {
        let Request::AlterQuotas(AlterQuotas { changes, dry_run: true }) = call else { panic!("{call:?}") };
        let first = QuotaEntity::Client { user: None, client: named("c") };
        let second = QuotaEntity::Client { user: named("u"), client: Some(QuotaName::Default) };
        let third = QuotaEntity::Address(QuotaName::Named("10.0.0.1".into()));
        let publish_bytes = SettingChange::Set(1_000);
        assert_eq!(
            changes,
            [
                QuotaChange { publish_bytes, read_bytes: SettingChange::Clear, ..QuotaChange::of(first) },
                QuotaChange { read_bytes: SettingChange::Set(7), ..QuotaChange::of(second) },
                QuotaChange { connections: SettingChange::Set(5), ..QuotaChange::of(third) },
            ]
        );
        Reply::AlterQuotas(vec![Ok(()), Err(Refusal::LimitReached { limit: "QUOTAS_MAX" }), Ok(())])
    });
    let codes: Vec<_> = response.entries.iter().map(|entry| entry.error_code).collect();
    let (none, invalid) = (ErrorCode::None, ErrorCode::InvalidRequest);
    assert_eq!(codes, [none, invalid, ErrorCode::PolicyViolation, none], "names of hosts are not looked up");
    assert_eq!(response.entries[2].entity.len(), 2);
}

#[test]
fn what_is_no_quota_or_not_enforced_is_refused_by_name() {
    let client = || vec![part("client-id", Some("c"))];
    let wrong = [
        (entry(Vec::new(), Vec::new()), "empty client quota entity"),
        (entry(vec![part("group", Some("g"))], Vec::new()), "entity type: group"),
        (entry(vec![part("user", Some(""))], Vec::new()), "Empty user"),
        (entry([client(), client()].concat(), Vec::new()), "duplicate client-id"),
        (entry(vec![part("ip", None), part("user", None)], Vec::new()), "combination"),
        (entry(vec![part("ip", None)], vec![set("producer_byte_rate", 5.0)]), "Invalid configuration key"),
        (entry(client(), vec![set("request_percentage", 1e30)]), "too large"),
        (entry(client(), vec![set("consumer_byte_rate", 5.0); 2]), "Duplicate quota key consumer_byte_rate"),
        (
            entry(client(), vec![set("controller_mutation_rate", 5.0)]),
            "controller_mutation_rate is not enforced",
        ),
        (entry(client(), vec![set("connection_creation_rate", 5.0)]), "Invalid configuration key"),
        (entry(client(), vec![set("producer_byte_rate", 0.0)]), "greater than 0"),
        (entry(client(), vec![set("producer_byte_rate", f64::NAN)]), "greater than 0"),
        (entry(client(), vec![set("producer_byte_rate", 1.5)]), "fractional"),
        (entry(client(), vec![set("producer_byte_rate", f64::INFINITY)]), "too large"),
    ];
    for (entry, why) in wrong {
        let request = AlterClientQuotasRequest { entries: vec![entry], validate_only: false };
        let response = Pair::new().answer(0, &request);
        let entry = &response.entries[0];
        let message = entry.error_message.as_ref().expect("a reason").as_str();
        assert_eq!(entry.error_code, ErrorCode::InvalidRequest);
        assert!(message.contains(why), "{message}");
    }
}

fn component(kind: &str, match_type: i8, name: Option<&str>) -> ComponentData {
    ComponentData { entity_type: kind.into(), match_type, r#match: name.map(Into::into) }
}

/// The entities found, in words.
fn found(components: Vec<ComponentData>, strict: bool) -> Vec<String> {
    let rates = QuotaRates { publish_bytes: Some(5), ..QuotaRates::default() };
    let entities = [
        QuotaEntity::Client { user: None, client: Some(QuotaName::Default) },
        QuotaEntity::Client { user: None, client: named("c") },
        QuotaEntity::Client { user: named("u"), client: None },
        QuotaEntity::Client { user: named("u"), client: named("c") },
        QuotaEntity::Address(QuotaName::Named("10.0.0.1".into())),
    ];
    let quotas: QuotaTable = entities.into_iter().map(|entity| (entity, rates)).collect();
    let request = DescribeClientQuotasRequest { components, strict };
    let response = Pair::new().exchange(1, &request, |call| {
        assert!(matches!(call, Request::DescribeQuotas));
        Reply::DescribeQuotas(Ok(Arc::new(quotas)))
    });
    let mut found: Vec<String> = response
        .entries
        .expect("entries")
        .iter()
        .map(|entry| {
            assert_eq!(entry.values.len(), 1);
            assert_eq!(
                (entry.values[0].key.as_str(), entry.values[0].value.get()),
                ("producer_byte_rate", 5.0)
            );
            let name = |part: &crate::wire::messages::describe_client_quotas::EntityData| {
                part.entity_name.as_ref().map_or("*".to_owned(), |name| name.as_str().to_owned())
            };
            entry.entity.iter().map(name).collect::<Vec<_>>().join("/")
        })
        .collect();
    found.sort();
    found
}

#[test]
fn quotas_are_found_by_what_holds_of_their_entities() {
    assert_eq!(found(Vec::new(), false), ["*", "10.0.0.1", "c", "u", "u/c"]);
    assert!(found(Vec::new(), true).is_empty());
    assert_eq!(found(vec![component("client-id", 0, Some("c"))], false), ["c", "u/c"]);
    assert_eq!(found(vec![component("client-id", 0, Some("c"))], true), ["c"]);
    assert_eq!(found(vec![component("client-id", 1, None)], true), ["*"]);
    assert_eq!(found(vec![component("client-id", 2, None)], true), ["*", "c"]);
    let both = vec![component("client-id", 2, None), component("user", 0, Some("u"))];
    assert_eq!(found(both, true), ["u/c"]);
    assert_eq!(found(vec![component("ip", 2, None)], false), ["10.0.0.1"]);
    assert!(found(vec![component("ip", 1, None)], false).is_empty());
}

#[test]
fn a_filter_that_is_none_is_refused() {
    let wrong = [
        (vec![component("", 2, None)], ErrorCode::InvalidRequest),
        (vec![component("group", 2, None)], ErrorCode::UnsupportedVersion),
        (vec![component("user", 0, None)], ErrorCode::InvalidRequest),
        (vec![component("user", 1, Some("u"))], ErrorCode::InvalidRequest),
        (vec![component("user", 3, None)], ErrorCode::InvalidRequest),
        (vec![component("user", 2, None); 2], ErrorCode::InvalidRequest),
        (vec![component("user", 2, None), component("ip", 2, None)], ErrorCode::InvalidRequest),
    ];
    for (components, code) in wrong {
        let request = DescribeClientQuotasRequest { components, strict: false };
        let response = Pair::new().exchange(1, &request, |_| Reply::DescribeQuotas(Ok(Arc::default())));
        assert_eq!((response.error_code, response.entries.is_none()), (code, true));
    }
}

/// Holds back for this long whoever sends or gets anything, and remembers who that was.
#[derive(Debug)]
struct Strict {
    hold: Duration,
    counted: Mutex<Vec<(QuotaKind, String, u64)>>,
}

impl Meter for Strict {
    fn is_on(&self) -> bool {
        true
    }

    fn is_timed(&self) -> bool {
        true
    }

    fn count(&self, kind: QuotaKind, client: &str, amount: u64, _: Instant) -> Duration {
        self.counted.lock().unwrap().push((kind, client.to_owned(), amount));
        self.hold
    }

    fn burst(&self, _: QuotaKind, _: &str) -> Option<u64> {
        Some(100)
    }
}

fn held(hold: Duration) -> (Pair, Arc<Strict>) {
    let meter = Arc::new(Strict { hold, counted: Mutex::default() });
    let info = ConnectionInfo {
        peer: std::net::SocketAddr::from(([10, 1, 2, 3], 50_000)),
        frame_bytes_max: 1 << 20,
        requests_open_max: 64,
        memory: SessionMemory::new(1 << 20),
        meter: meter.clone(),
        login: None,
        is_encrypted: false,
    };
    (Pair::with(info), meter)
}

#[test]
fn who_is_above_its_quota_is_answered_told_and_not_read_from_until_its_time_is_over() {
    let (mut pair, meter) = held(Duration::from_millis(250));
    let request = produce(-1, "t", vec![batch(Codec::None, "a")]);
    let (first, second) = (pair.frame(9, &request), pair.frame(9, &request));
    let bytes = first.len() as u64 - 4;
    pair.receive([first, second].concat()).unwrap();
    assert_eq!(*meter.counted.lock().unwrap(), [(QuotaKind::PublishBytes, "tester".into(), bytes)]);
    let woken = pair.wake_at.take().expect("it wants to be woken");
    assert_eq!(woken, Instant(250_000_000));
    assert!(!pair.session.wants_bytes());
    let (token, _) = pair.call();
    assert!(pair.calls.is_empty(), "what came with it has to wait");
    pair.now = Instant(50_000_000);
    pair.reply(token, Reply::Publish(vec![Ok(appended(5))]));
    let response: ProduceResponse = pair.response_to(1, 9);
    assert_eq!(response.throttle_time_ms, 200, "what is left of it");
    pair.now = Instant(woken.0 - 1);
    pair.handle(Input::Timeout).unwrap();
    assert!(pair.calls.is_empty() && !pair.session.wants_bytes());
    pair.now = woken;
    pair.handle(Input::Timeout).unwrap();
    assert_eq!(pair.calls.len(), 1, "now the second is carried out");
    assert!(pair.wake_at.is_some(), "and held against it again");
}

#[test]
fn a_publish_that_nobody_confirms_is_held_against_its_client_too() {
    let (mut pair, _) = held(Duration::from_millis(250));
    pair.ask(9, &produce(0, "t", vec![batch(Codec::None, "a")]));
    assert!(pair.wake_at.is_some() && !pair.session.wants_bytes());
    pair.handle(Input::Shutdown).unwrap();
    let (token, _) = pair.call();
    pair.reply(token, Reply::Publish(vec![Ok(appended(5))]));
    assert_eq!(pair.closed, Some(CloseReason::Shutdown), "a server that stops waits for nobody");
}

#[test]
fn the_drivers_work_is_counted_for_the_client_and_told_with_the_next_response() {
    let (mut pair, meter) = held(Duration::from_millis(250));
    let request = DescribeClientQuotasRequest { components: Vec::new(), strict: false };
    let (first, second) = (pair.frame(1, &request), pair.frame(1, &request));
    pair.receive(first).unwrap();
    pair.session.charge(pair.now, Duration::from_micros(30));
    pair.drain();
    assert_eq!(*meter.counted.lock().unwrap(), [(QuotaKind::WorkNanos, "tester".into(), 30_000)]);
    let (token, _) = pair.call();
    pair.reply(token, Reply::DescribeQuotas(Ok(Arc::default())));
    let response: DescribeClientQuotasResponse = pair.response_to(1, 1);
    assert_eq!(response.throttle_time_ms, 250);
    pair.receive(second).unwrap();
    assert!(!pair.session.wants_bytes() && pair.calls.is_empty(), "what comes has to wait");
    // The answer was work too, but nobody waits for longer because of it.
    let woken = pair.wake_at.take().expect("it wants to be woken");
    pair.session.charge(Instant(woken.0 - 1), Duration::from_micros(30));
    pair.drain();
    assert_eq!((pair.wake_at, meter.counted.lock().unwrap().len()), (None, 2));
    pair.now = woken;
    pair.handle(Input::Timeout).unwrap();
    assert_eq!(pair.calls.len(), 1);
}

#[test]
fn work_holds_for_a_second_per_request_at_most() {
    let (mut pair, _) = held(Duration::from_secs(60));
    let frames =
        [pair.frame(0, &ApiVersionsRequest::default()), pair.frame(0, &ApiVersionsRequest::default())];
    pair.receive(frames.concat()).unwrap();
    pair.session.charge(pair.now, Duration::from_micros(30));
    pair.drain();
    assert_eq!(pair.wake_at, Some(Instant(2_000_000_000)));
    let (mut pair, _) = held(Duration::from_secs(60));
    pair.ask(9, &produce(0, "t", vec![batch(Codec::None, "a")]));
    assert_eq!(pair.wake_at, Some(Instant(60_000_000_000)), "bytes hold for as long as they take");
}

#[test]
fn a_response_with_a_place_for_it_says_how_long_to_wait() {
    let mut metadata = crate::wire::messages::MetadataResponse::default();
    metadata.hold_back(7);
    assert_eq!(metadata.throttle_time_ms, 7);
    let mut handshake = crate::wire::messages::SaslHandshakeResponse::default();
    handshake.hold_back(7);
    assert_eq!(handshake, Default::default());
}

#[test]
fn the_same_entity_twice_is_no_change() {
    let entry = || entry(vec![part("client-id", Some("c"))], vec![set("producer_byte_rate", 5.0)]);
    let request = AlterClientQuotasRequest { entries: vec![entry(), entry()], validate_only: false };
    let response = Pair::new().answer(0, &request);
    assert!(response.entries.iter().all(|entry| entry.error_code == ErrorCode::InvalidRequest));
}

#[test]
fn a_percentage_of_a_thread_is_kept_as_its_work() {
    let ops = vec![set("request_percentage", 12.5)];
    let request = AlterClientQuotasRequest {
        entries: vec![entry(vec![part("user", None)], ops)],
        validate_only: false,
    };
    Pair::new().exchange(1, &request, |call| {
        let Request::AlterQuotas(AlterQuotas { changes, .. }) = call else { panic!("{call:?}") };
        assert_eq!(changes[0].work_nanos, SettingChange::Set(125_000_000));
        Reply::AlterQuotas(vec![Ok(())])
    });
    let rates = QuotaRates { work_nanos: Some(333_000_000), ..QuotaRates::default() };
    let entity = QuotaEntity::Client { user: Some(QuotaName::Default), client: None };
    let request = DescribeClientQuotasRequest { components: Vec::new(), strict: false };
    let response = Pair::new()
        .exchange(1, &request, |_| Reply::DescribeQuotas(Ok(Arc::new(QuotaTable::from([(entity, rates)])))));
    let value = &response.entries.expect("entries")[0].values[0];
    assert_eq!((value.key.as_str(), value.value.get()), ("request_percentage", 33.3));
}

#[test]
fn nobody_is_held_back_who_keeps_to_its_quota() {
    let (mut pair, meter) = held(Duration::ZERO);
    let response = pair.exchange(9, &produce(-1, "t", vec![batch(Codec::None, "a")]), |_| {
        Reply::Publish(vec![Ok(appended(5))])
    });
    assert_eq!((response.throttle_time_ms, pair.wake_at, meter.counted.lock().unwrap().len()), (0, None, 1));
    assert!(pair.session.wants_bytes() && pair.session.is_idle());
}

//! Quotas on a node at work: enforced when their change is answered, told, and there after a restart, also from a checkpoint.

#[allow(dead_code, reason = "the other tests use the rest")]
mod common;

use std::net::IpAddr;

use forebay_broker::{ConnectionId, FrontDesk};
use forebay_env::Monotonic;
use forebay_model::quota::{
    AlterQuotas, AlteredQuota, QuotaChange, QuotaEntity, QuotaKind, QuotaName, QuotaRates, QuotaTable,
};
use forebay_model::{Refusal, Reply, Request, SettingChange};
use forebay_server::node::NodeConfig;

use common::{Running, config, wait_for};

fn open(config: &NodeConfig) -> Running {
    Running::open(&forebay_env::real::env(), config, |_| ()).0
}

fn named(name: &str) -> QuotaName {
    QuotaName::Named(name.into())
}

fn client(name: &str) -> QuotaEntity {
    QuotaEntity::Client { user: None, client: Some(named(name)) }
}

fn publish_bytes(entity: QuotaEntity, bytes: u64) -> QuotaChange {
    QuotaChange { publish_bytes: SettingChange::Set(bytes), ..QuotaChange::of(entity) }
}

fn alter(node: &Running, changes: Vec<QuotaChange>, dry_run: bool) -> Vec<AlteredQuota> {
    match node.ask(Request::AlterQuotas(AlterQuotas { changes, dry_run })) {
        Reply::AlterQuotas(altered) => altered,
        other => panic!("{other:?}"),
    }
}

fn told(node: &Running) -> QuotaTable {
    match node.ask(Request::DescribeQuotas) {
        Reply::DescribeQuotas(Ok(quotas)) => (*quotas).clone(),
        other => panic!("{other:?}"),
    }
}

/// What a client of this name may publish at once.
fn enforced(node: &Running, name: &str) -> Option<u64> {
    node.desk.meter(ConnectionId(1)).burst(QuotaKind::PublishBytes, name)
}

#[test]
fn a_quota_is_enforced_when_it_is_answered_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let node = open(&config(dir.path()));
    node.create("t", 1);
    assert_eq!(alter(&node, vec![publish_bytes(client("c"), 100)], true), [Ok(())]);
    assert_eq!((told(&node), enforced(&node, "c")), (QuotaTable::new(), None), "that was only checked");
    let address = QuotaEntity::Address(named("10.0.0.1"));
    let connections = QuotaChange { connections: SettingChange::Set(1), ..QuotaChange::of(address.clone()) };
    let nobody = QuotaEntity::Client { user: None, client: None };
    let altered =
        alter(&node, vec![publish_bytes(client("c"), 100), publish_bytes(nobody, 5), connections], false);
    assert!(matches!(altered[..], [Ok(()), Err(Refusal::InvalidRequest(_)), Ok(())]), "{altered:?}");
    assert_eq!((enforced(&node, "c"), enforced(&node, "d")), (Some(1_000), None));
    let from = |last| IpAddr::from([10, 0, 0, last]);
    let admitted = |last| (0..30).take_while(|_| node.desk.admit(from(last), Monotonic(0)).is_zero()).count();
    assert_eq!((admitted(1), admitted(2)), (10, 30));
    let rates = QuotaRates { publish_bytes: Some(100), ..QuotaRates::default() };
    let at = QuotaRates { connections: Some(1), ..QuotaRates::default() };
    let table = QuotaTable::from([(client("c"), rates), (address, at)]);
    assert_eq!(told(&node), table);
    node.close();
    let node = open(&config(dir.path()));
    wait_for("the quotas", || enforced(&node, "c"));
    assert_eq!(told(&node), table);
    // So much that the log goes on in another segment: the state is in a checkpoint.
    for _ in 0..8 {
        wait_for("a leader", || node.publish("t", 0, 20_000).ok());
    }
    assert_eq!(alter(&node, vec![publish_bytes(client("d"), 7)], false), [Ok(())]);
    node.close();
    let node = open(&config(dir.path()));
    wait_for("the quotas", || enforced(&node, "d"));
    assert_eq!((told(&node).len(), enforced(&node, "c")), (3, Some(1_000)));
    let clear = QuotaChange { publish_bytes: SettingChange::Clear, ..QuotaChange::of(client("c")) };
    wait_for("a leader", || (alter(&node, vec![clear.clone()], false) == [Ok(())]).then_some(()));
    assert_eq!(enforced(&node, "c"), None);
    node.close();
}

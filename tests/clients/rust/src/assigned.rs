//! Members of groups whose partitions the broker assigns: the stories of tests/src/suites/assigned.rs.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;

use crate::client::topic;
use crate::groups::{Member, Owners, Seen, Stream, wait_for_all};
use crate::harness::{kill_broker, name, wait_until};

/// Longer than a heartbeat: who were to give something back would have done it by then.
const HEARTBEAT: Duration = Duration::from_secs(8);

/// What of the group belongs to the client; times and the assignor are the broker's.
fn join(who: &str, topic: &str, owners: &Arc<Mutex<Owners>>) -> Member {
    let group = name("group");
    let settings = [
        ("group.id", group.as_str()),
        ("group.protocol", "consumer"),
        ("auto.offset.reset", "earliest"),
        ("enable.auto.commit", "false"),
    ];
    Member::with(&settings, topic, who, owners)
}

/// Waits until each member has at least so many partitions, and all of them together each one once.
fn settled(partitions: usize, least: usize, members: &[&Member]) {
    wait_until(&format!("{partitions} partitions are shared by {}", members.len()), || {
        let shares: Vec<BTreeSet<i32>> =
            members.iter().map(|member| member.seen().assigned.clone()).collect();
        let all: BTreeSet<i32> = shares.iter().flatten().copied().collect();
        let count: usize = shares.iter().map(BTreeSet::len).sum();
        shares.iter().all(|share| share.len() >= least) && count == partitions && all.len() == partitions
    });
}

fn check(owners: &Mutex<Owners>) {
    owners.lock().expect("nobody has panicked").check();
}

pub fn come_and_go() {
    let (topic, owners) = (topic("t", 8), Arc::default());
    let stream = Stream::start(&topic, 8);
    let a = join("a", &topic, &owners);
    settled(8, 8, &[&a]);
    let b = join("b", &topic, &owners);
    settled(8, 4, &[&a, &b]);
    let c = join("c", &topic, &owners);
    settled(8, 2, &[&a, &b, &c]);
    let d = join("d", &topic, &owners);
    settled(8, 2, &[&a, &b, &c, &d]);
    let gone = [a.seen.clone(), c.seen.clone()];
    a.leave();
    settled(8, 2, &[&b, &c, &d]);
    c.leave();
    settled(8, 4, &[&b, &d]);
    let elsewhere: BTreeSet<String> = gone.iter().flat_map(values).collect();
    wait_for_all(&stream.stop(), &[&b, &d], &elsewhere);
    b.leave();
    d.leave();
    check(&owners);
}

fn values(seen: &Arc<Mutex<Seen>>) -> BTreeSet<String> {
    seen.lock().expect("nobody has panicked").values.clone()
}

pub fn over_crashes() {
    let (topic, owners) = (topic("t", 6), Arc::default());
    let members = ["a", "b", "c"].map(|who| join(who, &topic, &owners));
    let [a, b, c] = members.each_ref();
    settled(6, 2, &[a, b, c]);
    let stream = Stream::start(&topic, 6);
    let shares = || [a, b, c].map(|member| member.seen().assigned.clone());
    let had = shares();
    kill_broker();
    sleep(HEARTBEAT);
    assert_eq!(shares(), had, "what members have after a crash");
    let d = join("d", &topic, &owners);
    kill_broker();
    settled(6, 1, &[a, b, c, &d]);
    wait_for_all(&stream.stop(), &[a, b, c, &d], &BTreeSet::new());
    members.into_iter().for_each(Member::leave);
    d.leave();
    check(&owners);
}

//! One fetch over several shards.

#[allow(dead_code, reason = "shared by test programs that each use a part of it")]
mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use common::{PATIENCE, Running, config, partition};
use forebay_env::real;
use forebay_model::fetch::{Fetch, FetchItem, Isolation};
use forebay_model::{Offset, Reply, Request, ShardId};
use forebay_server::node::Driver;
use forebay_shard::{Board, Wake};

/// Lets whoever asks shard 0 wait until that has been at work for a while.
#[derive(Clone, Default)]
struct Slow {
    armed: Arc<AtomicBool>,
    asked: Arc<(Mutex<u64>, Condvar)>,
}

/// Many turns of a driver that pauses for a fraction of a millisecond between them.
const LATER: Duration = Duration::from_millis(100);

impl Driver for Slow {
    fn wake(&self, shard: ShardId) -> Wake {
        let slow = self.clone();
        Box::new(move || {
            if shard == ShardId(0) && slow.armed.swap(false, Ordering::AcqRel) {
                let (asked, never) = &*slow.asked;
                let asked = asked.lock().unwrap();
                let _ = never.wait_timeout(asked, LATER).unwrap();
            }
        })
    }
    fn noticed(&self, _: ShardId, _: Arc<Board>) -> Box<dyn Fn() + Send> {
        Box::new(|| {})
    }
}

#[test]
fn a_shard_that_has_enough_before_the_others_are_asked_lets_nobody_wait() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.shards_sync = 2;
    let slow = Slow::default();
    let (running, ()) = Running::open_woken(&real::env(), &config, &slow, |_| {});
    running.create("t", 8);
    for number in 0..8 {
        running.publish("t", number, 1).unwrap();
    }
    let item = |number, offset| FetchItem {
        partition: partition("t", number),
        offset: Offset(offset),
        bytes_max: 1 << 20,
        leader_epoch: None,
    };
    // One partition has a record, the others end where they are read, whichever shards they are on.
    for full in 0..8 {
        let fetch = Fetch {
            items: (0..8).map(|number| item(number, u64::from(number != full))).collect(),
            bytes_min: 1,
            bytes_max: 1 << 20,
            wait_ms_max: 2 * u32::try_from(PATIENCE.as_millis()).unwrap(),
            isolation: Isolation::Uncommitted,
        };
        slow.armed.store(true, Ordering::Release);
        let began = Instant::now();
        let Reply::Fetch(fetched) = running.ask(Request::Fetch(fetch)) else { panic!() };
        let with_records = fetched.iter().filter(|one| one.as_ref().is_ok_and(|one| one.bytes() > 0)).count();
        assert_eq!(with_records, 1);
        assert!(began.elapsed() < PATIENCE, "it waited for its deadline");
    }
    running.close();
}

#[test]
fn nobody_waits_for_more_than_a_fetch_hands_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.shards_sync = 2;
    let (running, ()) = Running::open(&real::env(), &config, |_| {});
    running.create("t", 8);
    for _ in 0..10 {
        running.publish("t", 3, 30_000).unwrap();
    }
    let item = |number| FetchItem {
        partition: partition("t", number),
        offset: Offset(0),
        bytes_max: 50 << 20,
        leader_epoch: None,
    };
    let fetch = Fetch {
        items: (0..8).map(item).collect(),
        bytes_min: 5 << 20,
        bytes_max: 50 << 20,
        wait_ms_max: 2 * u32::try_from(PATIENCE.as_millis()).unwrap(),
        isolation: Isolation::Uncommitted,
    };
    let began = Instant::now();
    let Reply::Fetch(fetched) = running.ask(Request::Fetch(fetch)) else { panic!() };
    let bytes: usize = fetched.iter().map(|one| one.as_ref().unwrap().bytes()).sum();
    assert!((3 << 20..=4 << 20).contains(&bytes), "{bytes}");
    assert!(began.elapsed() < PATIENCE, "it waited for its deadline");
    running.close();
}

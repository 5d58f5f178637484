//! One voter on a real disk: the path that a single node takes.

use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use forebay_commitlog::{Body, Durability, HardState, HardStateFile, SlotKind};
use forebay_env::{Env, real};
use forebay_model::{LogIndex, NodeId, ShardId};
use forebay_replication::{
    Bootstrap, Committed, Completion, Dropped, EntryKind, LeaderReady, OpenError, Output, PeerId, Recovered,
    Replica, ReplicaConfig, Role, ShardClass,
};

struct Single {
    env: Env,
    replica: Replica,
    mailbox: Receiver<Completion>,
    committed: Vec<Committed>,
}

fn config(class: ShardClass) -> ReplicaConfig {
    let peer = PeerId::first(NodeId(1)).unwrap();
    ReplicaConfig::new(ShardId(0), peer, class, Bootstrap::Found([peer].into()))
}

impl Single {
    fn open(dir: &Path, class: ShardClass) -> Result<(Single, Recovered), OpenError> {
        let env = real::env();
        let (post, mailbox) = channel();
        let post = std::sync::Arc::new(move |done| {
            // The test that ended no longer listens.
            let _ = post.send(done);
        });
        let (replica, recovered) = Replica::open(&env, dir.to_path_buf(), config(class), post)?;
        Ok((Single { env, replica, mailbox, committed: Vec::new() }, recovered))
    }

    /// Takes what there is; answers whether the replica is closed.
    fn drain(&mut self) -> bool {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Committed(entries) => {
                    let last = entries.last().unwrap().index;
                    self.committed.extend(entries);
                    self.replica.applied(last);
                }
                Output::Closed => return true,
                Output::Fenced(fence) => panic!("fenced: {fence}"),
                Output::Role(_)
                | Output::Membership(_)
                | Output::ReadReady(_)
                | Output::Checkpointed(_)
                | Output::Install(_) => {}
            }
        }
        false
    }

    fn wait(&mut self, what: &str, mut goal: impl FnMut(&mut Single) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.drain();
            if goal(self) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            if let Ok(done) = self.mailbox.recv_timeout(Duration::from_millis(20)) {
                self.replica.complete(self.env.clock.monotonic(), done);
            }
            self.replica.tick(self.env.clock.monotonic());
        }
    }

    fn wait_to_lead(&mut self) {
        self.wait("leadership", |single| {
            matches!(single.replica.role(), Role::Leader { ready: LeaderReady::Yes, .. })
        });
    }

    fn payloads(&self) -> Vec<u64> {
        let normal = self.committed.iter().filter(|entry| entry.kind == EntryKind::Normal);
        normal
            .map(|entry| {
                let slot = entry.body.slots().next().unwrap();
                u64::from_le_bytes(slot.bytes[..8].try_into().unwrap())
            })
            .collect()
    }

    fn close(mut self) {
        self.replica.close();
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.drain() {
            assert!(Instant::now() < deadline, "waited in vain for the clean stop");
            if let Ok(done) = self.mailbox.recv_timeout(Duration::from_millis(20)) {
                self.replica.complete(self.env.clock.monotonic(), done);
            }
        }
    }
}

fn body(payload: u64) -> Bytes {
    Body::opaque(SlotKind(1), &payload.to_le_bytes()).unwrap()
}

fn propose(single: &mut Single, payloads: std::ops::Range<u64>) {
    let entries = payloads.map(|payload| (EntryKind::Normal, body(payload))).collect();
    single.replica.propose(entries).unwrap();
}

#[test]
fn what_was_committed_is_committed_again_after_a_restart() {
    for class in [ShardClass::Sync, ShardClass::Async] {
        let dir = tempfile::tempdir().unwrap();
        let shard = dir.path().join("shard");
        let (mut first, recovered) = Single::open(&shard, class).unwrap();
        assert_eq!(recovered.entries_to_replay, 0);
        assert_eq!(first.replica.propose(vec![(EntryKind::Normal, body(0))]), Err(Dropped::NotLeader(None)));
        first.wait_to_lead();
        propose(&mut first, 0..10);
        propose(&mut first, 10..20);
        first.wait("commits", |single| single.payloads().len() == 20);
        assert_eq!(first.payloads(), (0..20).collect::<Vec<_>>());
        let before = first.committed.clone();
        first.close();

        let (mut second, recovered) = Single::open(&shard, class).unwrap();
        assert!(recovered.tail_lost.is_none(), "a clean stop loses nothing");
        assert_eq!(recovered.entries_to_replay, before.len() as u64);
        second.wait_to_lead();
        assert_eq!(second.committed[..before.len()], before[..]);
        propose(&mut second, 20..21);
        second.wait("one more", |single| single.payloads().len() == 21);
    }
}

#[test]
fn what_a_sync_replica_confirmed_survives_a_death_without_goodbye() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _) = Single::open(dir.path(), ShardClass::Sync).unwrap();
    first.wait_to_lead();
    propose(&mut first, 0..50);
    first.wait("commits", |single| single.payloads().len() == 50);
    let committed = first.committed.len() as u64;
    drop(first);
    let (mut second, recovered) = Single::open(dir.path(), ShardClass::Sync).unwrap();
    assert_eq!(
        recovered.entries_to_replay, committed,
        "what comes again is counted, though no commit was saved"
    );
    second.wait_to_lead();
    assert_eq!(second.payloads(), (0..50).collect::<Vec<_>>());
}

#[test]
fn there_is_no_election_before_everything_known_to_be_committed_is_applied_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _) = Single::open(dir.path(), ShardClass::Sync).unwrap();
    first.wait_to_lead();
    propose(&mut first, 0..10);
    first.wait("commits", |single| single.payloads().len() == 10);
    first.close();

    let (mut second, recovered) = Single::open(dir.path(), ShardClass::Sync).unwrap();
    assert!(recovered.entries_to_replay > 0);
    let mut last = LogIndex(0);
    let mut now = second.env.clock.monotonic();
    for _ in 0..1000 {
        while let Some(output) = second.replica.poll() {
            match output {
                Output::Committed(entries) => last = entries.last().unwrap().index,
                other => panic!("{other:?} before the replay is over"),
            }
        }
        now = now + Duration::from_millis(60);
        second.replica.tick(now);
        assert_eq!(second.replica.role(), Role::Follower { leader: None });
    }
    second.replica.applied(last);
    second.wait_to_lead();
}

#[test]
fn a_sync_log_that_ends_before_its_commit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut first, _) = Single::open(dir.path(), ShardClass::Sync).unwrap();
    first.wait_to_lead();
    first.close();
    let (file, state) = HardStateFile::open(&*real::env().disk, dir.path()).unwrap();
    let state = HardState { commit: LogIndex(1000), ..state };
    file.save(&state, Durability::Flushed).unwrap();
    let refused = Single::open(dir.path(), ShardClass::Sync).err();
    assert!(matches!(refused, Some(OpenError::CommitAhead { commit: LogIndex(1000), .. })), "{refused:?}");
}

#[test]
fn a_read_barrier_waits_for_what_was_confirmed_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut single, _) = Single::open(dir.path(), ShardClass::Sync).unwrap();
    single.wait_to_lead();
    propose(&mut single, 0..3);
    let token = single.replica.read_index();
    let mut ready = None;
    let deadline = Instant::now() + Duration::from_secs(20);
    while ready.is_none() && Instant::now() < deadline {
        while let Some(output) = single.replica.poll() {
            match output {
                Output::Committed(entries) => single.replica.applied(entries.last().unwrap().index),
                Output::ReadReady(token) => ready = Some((token, single.replica.applied_index())),
                _ => {}
            }
        }
        if let Ok(done) = single.mailbox.recv_timeout(Duration::from_millis(20)) {
            single.replica.complete(single.env.clock.monotonic(), done);
        }
    }
    let (answered, applied) = ready.expect("the token comes back");
    assert_eq!(answered, token);
    assert!(applied >= LogIndex(6), "the leader's own first entry is applied at {applied}");
}

/// Not a benchmark: says when the overhead of one entry leaves its order of magnitude. Run it in release with
/// `--ignored --nocapture`.
#[test]
#[ignore = "prints a measurement"]
fn overhead_per_entry() {
    for batch in [1, 8, 64] {
        let dir = tempfile::tempdir().unwrap();
        let (mut single, _) = Single::open(dir.path(), ShardClass::Async).unwrap();
        single.wait_to_lead();
        let entries = 64 * 1024;
        let payload = body(7);
        let started = Instant::now();
        for _ in 0..entries / batch {
            let entries = (0..batch).map(|_| (EntryKind::Normal, payload.clone())).collect();
            single.replica.propose(entries).unwrap();
            single.drain();
            single.committed.clear();
            while let Ok(done) = single.mailbox.try_recv() {
                single.replica.complete(single.env.clock.monotonic(), done);
            }
            single.replica.tick(single.env.clock.monotonic());
        }
        let per_entry = started.elapsed().as_nanos() / entries as u128;
        println!("{per_entry} ns per entry in batches of {batch}, its write included");
    }
}

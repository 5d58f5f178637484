//! What a story waits for, and what must hold at its end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use forebay_commitlog::Body;
use forebay_model::Term;
use forebay_replication::{Change, EntryKind, LeaderReady, Role};

use super::world::{Node, World};

impl World {
    /// Lets time pass and works until `goal`, at most a simulated minute.
    pub fn until(&mut self, what: &str, mut goal: impl FnMut(&mut World) -> bool) {
        for _ in 0..3000 {
            self.settle();
            if goal(self) {
                return;
            }
            self.pass(Duration::from_millis(20));
        }
        let status = self.nodes.values().map(|node| match &node.replica {
            None => format!("{}: down", node.id),
            Some(r) => format!(
                "{}: {} {:?} last {} committed {} applied {} durable {} floor {} members {:?} progress {:?}",
                node.id,
                r.peer(),
                r.role(),
                r.last_index(),
                r.committed_index(),
                r.applied_index(),
                r.log().durable_index(),
                r.log().floor().index,
                r.membership(),
                r.progress()
            ),
        });
        panic!("waited a minute in vain: {what}\n{}", status.collect::<Vec<_>>().join("\n"));
    }

    /// The node that leads and takes proposals.
    pub fn leader(&mut self) -> Option<u64> {
        let ready = |node: &&Node| {
            let leads = |role| matches!(role, Role::Leader { ready: LeaderReady::Yes, .. });
            node.fenced.is_none() && !node.cut_off && node.replica.as_ref().is_some_and(|r| leads(r.role()))
        };
        self.nodes
            .values()
            .filter(ready)
            .max_by_key(|node| match node.replica.as_ref().unwrap().role() {
                Role::Leader { term, .. } => term,
                _ => Term(0),
            })
            .map(|node| node.id)
    }

    pub fn wait_for_leader(&mut self) -> u64 {
        self.until("a leader", |world| world.leader().is_some());
        self.leader().unwrap()
    }

    /// Proposes on whoever leads and waits until everybody who is up applied it.
    pub fn commit_one(&mut self) -> u64 {
        let mut tried = None;
        self.until("a proposal to be confirmed", |world| {
            if tried.is_some_and(|payload| world.confirmed.contains(&payload)) {
                return true;
            }
            if let Some(leader) = world.leader() {
                let payload = world.next_payload;
                if world.propose(leader, 1).is_ok() {
                    tried = Some(payload);
                }
            }
            false
        });
        tried.unwrap()
    }

    /// Waits until every running replica applied the same end of the log.
    pub fn wait_until_equal(&mut self) {
        self.until("equal logs", |world| {
            let ends: BTreeSet<_> = world
                .nodes
                .values()
                .filter_map(|node| {
                    Some((node.replica.as_ref()?.applied_index(), node.replica.as_ref()?.last_index()))
                })
                .collect();
            ends.len() == 1 && ends.iter().all(|(applied, last)| applied == last)
        });
    }

    /// Every confirmed payload is in the log, once.
    pub fn check_confirmed(&self) {
        let mut found: BTreeMap<u64, u64> = BTreeMap::new();
        for (_, kind, bytes) in self.chosen.values() {
            if *kind == EntryKind::Normal {
                let body = Body::parse(bytes.clone().into()).unwrap();
                let payload = body.slots().next().unwrap().bytes;
                *found.entry(u64::from_le_bytes(payload[..].try_into().unwrap())).or_default() += 1;
            }
        }
        for payload in &self.confirmed {
            assert_eq!(found.get(payload), Some(&1), "payload {payload} was confirmed");
        }
    }

    /// Makes a change on whoever leads and waits until it holds there.
    pub fn change(&mut self, change: Change) {
        let mut asked = false;
        self.until("a membership change", |world| {
            let Some(leader) = world.leader() else { return false };
            let members = world.replica(leader).membership();
            let done = match change {
                Change::AddLearner(peer) => {
                    members.learners.contains(&peer) || members.voters.contains(&peer)
                }
                Change::Promote(peer) => members.voters.contains(&peer),
                Change::Remove(peer) => !members.everybody().contains(&peer),
            };
            if !done && !asked {
                asked = world.replica(leader).change_membership(change).is_ok();
                world.poll(leader);
            }
            done && !members.is_joint()
        });
    }
}

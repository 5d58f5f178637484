//! A member of a group, as the coordinator sees it.

use std::sync::Arc;

use bytes::Bytes;
use forebay_model::group::{JoinGroup, PartitionSet, Strategy};

use super::ReplyKey;

/// A member: joined, or about to be answered.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<String>,
    pub(super) client: String,
    pub(super) host: String,
    pub(super) session_timeout_ms: u32,
    pub(super) rebalance_timeout_ms: u32,
    /// Most wanted first.
    pub(super) strategies: Vec<Strategy>,
    pub(super) assignment: Bytes,
    /// What the broker assigned to it when it last did, until the member says what it has.
    pub(super) held: PartitionSet,
    /// The join that waits for the next generation.
    pub(super) joining: Option<ReplyKey>,
    /// The sync that waits for the assignment.
    pub(super) syncing: Option<ReplyKey>,
    /// Whether its first join is still unanswered: then it cannot send heartbeats, having no id.
    pub(super) is_new: bool,
}

impl Member {
    pub(super) fn new(id: Arc<str>, join: JoinGroup, reply: ReplyKey) -> Member {
        Member {
            id,
            instance: join.instance,
            client: join.client,
            host: join.host,
            session_timeout_ms: join.session_timeout_ms,
            rebalance_timeout_ms: join.rebalance_timeout_ms,
            strategies: unpinned(join.strategies),
            assignment: Bytes::new(),
            held: PartitionSet::new(),
            joining: Some(reply),
            syncing: None,
            is_new: true,
        }
    }

    pub(super) fn recovered(member: &forebay_machine::Member, strategy: &str) -> Member {
        let strategy = Strategy { name: strategy.to_owned(), metadata: member.metadata.clone() };
        Member {
            id: member.id.as_str().into(),
            instance: member.instance.clone(),
            client: member.client.clone(),
            host: member.host.clone(),
            session_timeout_ms: member.session_timeout_ms,
            rebalance_timeout_ms: member.rebalance_timeout_ms,
            strategies: vec![strategy],
            assignment: member.assignment.clone(),
            held: PartitionSet::new(),
            joining: None,
            syncing: None,
            is_new: false,
        }
    }

    /// Takes over what a new join of the same member says.
    pub(super) fn update(&mut self, join: JoinGroup) {
        self.strategies = unpinned(join.strategies);
        self.held.clear();
        self.session_timeout_ms = join.session_timeout_ms;
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
    }

    pub(super) fn supports(&self, strategy: &str) -> bool {
        self.strategies.iter().any(|s| s.name == strategy)
    }

    /// Its metadata for a strategy; empty when it has none for it.
    pub(super) fn metadata(&self, strategy: &str) -> Bytes {
        let found = self.strategies.iter().find(|s| s.name == strategy);
        found.map_or(Bytes::new(), |s| s.metadata.clone())
    }

    /// Whether it need not send heartbeats now, because it waits for us.
    pub(super) fn is_excused(&self) -> bool {
        !self.is_new && (self.joining.is_some() || self.syncing.is_some())
    }

    /// About what it takes in memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let strategies = self.strategies.iter().map(|s| 64 + s.name.len() + s.metadata.len());
        let instance = self.instance.as_ref().map_or(0, String::len);
        let texts = self.id.len() + instance + self.client.len() + self.host.len();
        256 + texts + self.assignment.len() + 32 * self.held.len() + strategies.sum::<usize>()
    }

    pub(super) fn replicated(&self, strategy: &str, assignment: Bytes) -> forebay_machine::Member {
        forebay_machine::Member {
            id: self.id.to_string(),
            instance: self.instance.clone(),
            client: self.client.clone(),
            host: self.host.clone(),
            session_timeout_ms: self.session_timeout_ms,
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            metadata: self.metadata(strategy),
            assignment,
        }
    }
}

/// Copies: a few bytes of metadata must not keep the buffer of a whole request.
pub(super) fn unpinned(strategies: Vec<Strategy>) -> Vec<Strategy> {
    let copy = |s: Strategy| Strategy { name: s.name, metadata: Bytes::copy_from_slice(&s.metadata) };
    strategies.into_iter().map(copy).collect()
}

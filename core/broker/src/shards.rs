//! The shards of this node as the front desk sees them.

use std::sync::Arc;

use forebay_model::{FlushClass, NodeId, ShardId, Term};
use forebay_shard::{Board, ShardMailbox};

use crate::call::Ticket;

/// One shard: where its work goes and what it says of itself.
pub struct ShardHandle {
    /// Its id; shard 0 holds the catalogue.
    pub id: ShardId,
    /// When it confirms; `None` for the one whose log goes with the process.
    pub class: Option<FlushClass>,
    /// Where its work goes.
    pub mailbox: Arc<ShardMailbox<Ticket>>,
    /// What it says of itself.
    pub board: Arc<Board>,
}

/// All shards of the node, by id from zero.
pub(crate) struct Shards {
    handles: Vec<ShardHandle>,
    sync: Vec<ShardId>,
    r#async: Vec<ShardId>,
    temporary: Option<ShardId>,
}

impl Shards {
    pub(crate) fn new(handles: Vec<ShardHandle>) -> Shards {
        for (at, handle) in handles.iter().enumerate() {
            assert_eq!(handle.id.0 as usize, at, "shards come by id from zero");
        }
        let of = |class| -> Vec<ShardId> {
            handles.iter().filter(|shard| shard.class == class).map(|shard| shard.id).collect()
        };
        let (sync, r#async) = (of(Some(FlushClass::Sync)), of(Some(FlushClass::Async)));
        assert!(!sync.is_empty(), "shard 0 is a sync shard");
        let temporary = of(None).first().copied();
        Shards { handles, sync, r#async, temporary }
    }

    pub(crate) fn get(&self, id: ShardId) -> Option<&ShardHandle> {
        self.handles.get(id.0 as usize)
    }

    pub(crate) fn at(&self, index: usize) -> &ShardHandle {
        &self.handles[index]
    }

    /// The shard that holds the catalogue.
    pub(crate) fn catalogue(&self) -> &ShardHandle {
        &self.handles[0]
    }

    pub(crate) fn all(&self) -> &[ShardHandle] {
        &self.handles
    }

    /// Shards that confirm as `class` says; none where the operator configured none.
    pub(crate) fn of_class(&self, class: FlushClass) -> &[ShardId] {
        match class {
            FlushClass::Sync => &self.sync,
            FlushClass::Async => &self.r#async,
        }
    }

    /// The shard whose log goes with the process, where there is one.
    pub(crate) fn temporary(&self) -> Option<ShardId> {
        self.temporary
    }

    /// The shard of a group: groups live on sync shards, by hash of their id.
    pub(crate) fn of_group(&self, group: &str) -> &ShardHandle {
        let at = stable_hash(group.as_bytes()) % self.sync.len() as u64;
        let id = self.sync[usize::try_from(at).expect("smaller than the number of shards")];
        &self.handles[id.0 as usize]
    }
}

/// FNV-1a: the same on every node and in every version.
fn stable_hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Who leads a shard, in which term.
pub(crate) fn leader_of(handle: &ShardHandle) -> (Option<NodeId>, Term) {
    let status = handle.board.status();
    (status.leader, status.term)
}

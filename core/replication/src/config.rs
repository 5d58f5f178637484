//! What a replica is told when it is opened, and the limits it keeps.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_commitlog::limits::{BLOCK_CACHE_BYTES_DEFAULT, JOURNAL_FILE_BYTES_MAX};
use forebay_commitlog::{BlockCache, Journal, ReadBuffers};
use forebay_env::metrics::Histogram;
use forebay_model::limits::{MIB, SEGMENT_BYTES_MAX};
use forebay_model::{LogIndex, ShardId, Term};

use crate::peer::PeerId;

/// When an acknowledgement may leave, for all entries of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardClass {
    /// After fdatasync.
    Sync,
    /// After the write; fdatasync follows in the background. A power loss may take the tail (see `OpenError::TailLost`).
    Async,
}

/// How a replica begins when its directory is empty. Ignored otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bootstrap {
    /// A new group of these voters. Every one of them is founded with the same set, once in its life.
    Found(BTreeSet<PeerId>),
    /// A replica of an existing group: waits, without a vote, for a leader that was told to add it.
    Join,
}

/// What an async replica does after a stop that may have cost it entries that others count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTailLoss {
    /// It is not opened: somebody decides.
    Refuse,
    /// It comes back as its next incarnation, with what is left of its log and without a vote, until its leader is told to
    /// add it. Its old id stays a member, and silent, until that is removed.
    Rejoin,
}

/// What a replica is told when it is opened.
#[derive(Clone)]
pub struct ReplicaConfig {
    /// Which shard.
    pub shard: ShardId,
    /// Who this replica is, at least: a directory that knows a later incarnation of the same node goes on as that one.
    pub peer: PeerId,
    /// When acknowledgements may leave.
    pub class: ShardClass,
    /// How it begins when its directory is empty.
    pub bootstrap: Bootstrap,
    /// What it does when it may have lost what it acknowledged.
    pub on_tail_loss: OnTailLoss,
    /// Votes go to replicas of at least the voter's own priority; the higher one leads when it can. 0 on all is neutral.
    pub priority: i64,
    /// Bodies kept in memory behind the end of the log, in bytes. A follower further behind is served from the disk.
    pub tail_cache_bytes_max: usize,
    /// Size at which the first segment ends, in bytes; each one is twice as long as the one before it...
    pub segment_bytes_first: u64,
    /// ...up to this.
    pub segment_bytes_max: u64,
    /// Blocks of index files; one for all shards of a node.
    pub block_cache: Arc<BlockCache>,
    /// Memory of large reads; one for all shards of a node.
    pub read_buffers: Arc<ReadBuffers>,
    /// The journal of the node, for a sync shard beside others; `None` flushes the segments themselves.
    pub journal: Option<Arc<Journal>>,
    /// While a flush takes no longer than this and nothing else is asked of the shard, its own thread flushes (ADR 0012).
    /// Zero: always another thread.
    pub flush_here_max: Duration,
    /// How much log is kept for a follower that lags, in bytes. Beyond it the follower gets a checkpoint instead.
    /// Behind what is being sent to a peer, more is kept until it has caught up.
    pub follower_lag_bytes_max: u64,
    /// Gets the time that every flush takes.
    pub flush_took: Arc<Histogram>,
}

impl ReplicaConfig {
    /// The usual settings, with a block cache of its own.
    #[must_use]
    pub fn new(shard: ShardId, peer: PeerId, class: ShardClass, bootstrap: Bootstrap) -> ReplicaConfig {
        ReplicaConfig {
            shard,
            peer,
            class,
            bootstrap,
            on_tail_loss: OnTailLoss::Refuse,
            priority: 0,
            tail_cache_bytes_max: TAIL_CACHE_BYTES_DEFAULT,
            segment_bytes_first: SEGMENT_BYTES_FIRST_DEFAULT,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            block_cache: BlockCache::new(BLOCK_CACHE_BYTES_DEFAULT),
            read_buffers: ReadBuffers::new(),
            journal: None,
            flush_here_max: FLUSH_HERE_MAX_DEFAULT,
            follower_lag_bytes_max: FOLLOWER_LAG_BYTES_DEFAULT,
            flush_took: Arc::default(),
        }
    }
}

impl fmt::Debug for ReplicaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReplicaConfig { shard, peer, class, bootstrap, .. } = self;
        let mut out = f.debug_struct("ReplicaConfig");
        out.field("shard", shard).field("peer", peer).field("class", class).field("bootstrap", bootstrap);
        out.finish_non_exhaustive()
    }
}

/// A founded log begins behind this index, as if something had been there: a peer that joins later finds its first
/// entry already gone at the leader, and so gets the membership with a checkpoint. The first one was in no entry.
pub const FOUNDED_INDEX: LogIndex = LogIndex(5);
/// The term of the entry that a founded log pretends to have had.
pub const FOUNDED_TERM: Term = Term(5);

/// Length of a tick.
pub const TICK: Duration = Duration::from_millis(50);
/// Ticks without a word from the leader before an election; the actual number is drawn from here to twice as many.
pub const ELECTION_TICKS: usize = 8;
/// Ticks between heartbeats.
pub const HEARTBEAT_TICKS: usize = 2;
/// Most ticks made up for at once: after a pause (a suspended machine, a slow disk) time has not passed for the peers'
/// messages that wait in the mailbox, so an election would be called for nothing.
pub const TICKS_AT_ONCE_MAX: u32 = 2;

/// Entries of one append message, in bytes (one entry always fits).
pub const MESSAGE_ENTRIES_BYTES_MAX: u64 = MIB as u64;
/// Append messages on their way to one follower. Times [`MESSAGE_ENTRIES_BYTES_MAX`] it bounds the bytes.
pub const MESSAGES_IN_FLIGHT_MAX: usize = 64;
/// Proposals that are not committed yet, in bytes. One proposal always fits.
pub const UNCOMMITTED_BYTES_MAX: u64 = 64 * MIB as u64;
/// Entries handed out and not applied, in bytes: above it nothing is proposed and nothing more is handed out.
pub const UNAPPLIED_BYTES_MAX: u64 = 64 * MIB as u64;
/// Entries handed out at once, in bytes (one entry always fits).
pub const COMMITTED_BYTES_AT_ONCE_MAX: u64 = 8 * MIB as u64;
/// An async shard flushes behind every so many bytes...
pub const ASYNC_FLUSH_BYTES: u64 = 8 * MIB as u64;
/// ...and when written bytes have waited so long.
pub const ASYNC_FLUSH_DELAY: Duration = Duration::from_millis(100);
/// After so long without an append the end of the log is recorded.
pub const IDLE_RECORD_DELAY: Duration = Duration::from_secs(1);
/// Default of [`ReplicaConfig::flush_here_max`]: what a reader that comes meanwhile may have to wait.
pub const FLUSH_HERE_MAX_DEFAULT: Duration = Duration::from_millis(1);
/// A flush of more bytes is never run by the shard's own thread.
pub const FLUSH_HERE_BYTES_MAX: u64 = 64 * 1024;
/// Default of [`ReplicaConfig::tail_cache_bytes_max`].
pub const TAIL_CACHE_BYTES_DEFAULT: usize = 48 * MIB;
/// Default of [`ReplicaConfig::segment_bytes_first`]: a shard that holds little has small files.
pub const SEGMENT_BYTES_FIRST_DEFAULT: u64 = 8 * MIB as u64;
/// Size at which files of the journal end, in bytes.
pub const JOURNAL_FILE_BYTES_DEFAULT: u64 = JOURNAL_FILE_BYTES_MAX;
/// Default of [`ReplicaConfig::follower_lag_bytes_max`].
pub const FOLLOWER_LAG_BYTES_DEFAULT: u64 = 512 * MIB as u64;

const _: () = assert!(COMMITTED_BYTES_AT_ONCE_MAX <= UNAPPLIED_BYTES_MAX);
const _: () = assert!(HEARTBEAT_TICKS < ELECTION_TICKS);

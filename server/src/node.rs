//! A node put together: its shards and its front desk over one environment. It has no threads of its own; whoever
//! opens it drives the shards.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use forebay_broker::{
    Authorization, Broker, BrokerConfig, DiskGuard, Memory, ShardHandle, Ticket, Unlimited,
};
use forebay_env::{Disk, Env, Unsynced};
use forebay_machine::MachineSettings;
use forebay_model::{FlushClass, NodeId, ShardId, TopicDefaults};
use forebay_replication::{
    BlockCache, Bootstrap, Fault, Journal, OnTailLoss, PeerId, ReadBuffers, Recovered, Replayed,
    ReplicaConfig, ShardClass,
};
use forebay_shard::coordinator::CoordinatorSettings;
use forebay_shard::{
    Board, Fittings, Hooks, Mailbox, Shard, ShardConfig, ShardMailbox, ShardMetrics, ShardOpenError,
    StepPolicy, Wake,
};

use crate::identity::{self, IdentityError, Insist, Wanted, shard_dir};
use crate::node_file::Identity;
use crate::replicas::{Origin, ReplicaSettings};

/// The directory of the temporary shard, which is emptied with every start.
const TEMPORARY_DIR: &str = "temporary";

/// What a node is told. Everything that differs between the binary and the simulator comes in the [`Env`].
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Its data directory; must exist.
    pub dir: PathBuf,
    /// Its number.
    pub node: NodeId,
    /// Every node that holds replicas, this one included; the founders, where groups are founded.
    pub nodes: BTreeSet<NodeId>,
    /// How this node's replicas take part.
    pub replicas: ReplicaSettings,
    /// The cluster's id, where it is given from outside instead of being made with the directory.
    pub cluster: Option<String>,
    /// Shards that confirm after fdatasync.
    pub shards_sync: u32,
    /// Shards that confirm after write.
    pub shards_async: u32,
    /// Whether there is a shard for what goes with the process: it keeps its log in files that are never synced, and begins anew with
    /// every start. Without one that lies on the others.
    pub temporary_shard: bool,
    /// Whether a directory with other numbers of shards is refused.
    pub insist_on_shards: Insist,
    /// Per protocol and port of a listener the address to tell clients; see [`BrokerConfig::advertised`].
    pub advertised: std::collections::BTreeMap<(String, u16), (String, u16)>,
    /// What applies to topics that set nothing.
    pub defaults: TopicDefaults,
    /// Whether asking for a topic creates it.
    pub auto_create: bool,
    /// Whether access is controlled, and what the configuration says about it.
    pub authorization: Authorization,
    /// Memory for payloads applied last, all shards together, in bytes.
    pub hot_bytes_max: usize,
    /// Memory for log entries written last, all shards together, in bytes.
    pub tail_bytes_max: usize,
    /// Memory for blocks of index files, all shards together, in bytes.
    pub block_bytes_max: usize,
    /// Memory for pictures of partitions and groups, all shards together, in bytes.
    pub summary_bytes_max: usize,
    /// Size at which the first segment ends, in bytes.
    pub segment_bytes_first: u64,
    /// Size at which segments end, in bytes.
    pub segment_bytes_max: u64,
    /// Size at which files of the journal end, in bytes.
    pub journal_file_bytes: u64,
    /// A sole voter's shard flushes by itself while that takes no longer; zero leaves every flush to other threads.
    pub flush_here_max: Duration,
    /// Log time believes no step above this.
    pub clock_step_max: Duration,
    /// How often retention looks at every partition.
    pub retention_interval: Duration,
    /// What the operator set about groups.
    pub groups: CoordinatorSettings,
    /// Durations that the replicated state depends on.
    pub machine: MachineSettings,
    /// Bytes of sealed segments that each shard reads again every second; 0 turns the scrubber off.
    pub scrub_bytes_per_second: u64,
}

/// Why a node was not opened.
#[derive(Debug)]
pub enum NodeError {
    /// The directory is not this node's.
    Identity(IdentityError),
    /// The directory could not be used.
    Io(PathBuf, std::io::Error),
    /// A node id that no peer can have.
    NodeId(NodeId),
    /// An incarnation that no peer can have.
    Incarnation(u16),
    /// What the journal says could not be read, or not be written to the shards' files.
    Journal(Fault),
    /// A shard could not be opened.
    Shard(ShardId, ShardOpenError),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeError::Identity(error) => error.fmt(f),
            NodeError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            NodeError::NodeId(id) => write!(f, "{id} cannot be a node's number"),
            NodeError::Incarnation(n) => write!(f, "{n} cannot be an incarnation: they count from 1"),
            NodeError::Journal(fault) => write!(f, "the journal could not be replayed: {fault}"),
            NodeError::Shard(shard, error) => write!(f, "shard {shard} could not be opened: {error}"),
        }
    }
}

impl std::error::Error for NodeError {}

/// A node whose shards wait to be driven.
pub struct Node {
    /// The front desk.
    pub broker: Broker,
    /// The shards, by id.
    pub shards: Vec<OpenedShard>,
    /// Whose directory it is.
    pub identity: Identity,
    /// Blocks of index files of all shards.
    pub blocks: Arc<BlockCache>,
    /// What the journal had for the shards' files.
    pub replayed: Replayed,
}

/// A shard that waits to be driven.
pub struct OpenedShard {
    /// Its id.
    pub id: ShardId,
    /// It.
    pub shard: Shard<Ticket>,
    /// Its mailbox.
    pub mailbox: Arc<ShardMailbox<Ticket>>,
    /// Its board.
    pub board: Arc<Board>,
    /// What it counts.
    pub metrics: Arc<ShardMetrics>,
    /// What was found on disk.
    pub recovered: Recovered,
}

/// What the owner of the shards gives: how each is woken, and who hears that a board changed.
pub trait Driver {
    /// How the thread of `shard` is woken.
    fn wake(&self, shard: ShardId) -> Wake;
    /// Called on a shard's thread when its board changed.
    fn noticed(&self, shard: ShardId, board: Arc<Board>) -> Box<dyn Fn() + Send>;
}

impl Node {
    /// Opens every shard of the node and its front desk, with no budget for what clients send.
    pub fn open(
        env: &Env,
        config: &NodeConfig,
        driver: &dyn Driver,
        guard: Arc<DiskGuard>,
    ) -> Result<Node, NodeError> {
        Node::open_within(env, config, driver, guard, Arc::new(Unlimited))
    }

    /// Opens every shard of the node and its front desk; payloads on their way into the log are charged to `memory`.
    pub fn open_within(
        env: &Env,
        config: &NodeConfig,
        driver: &dyn Driver,
        guard: Arc<DiskGuard>,
        memory: Arc<dyn Memory>,
    ) -> Result<Node, NodeError> {
        let wanted = Wanted {
            node: config.node,
            shards_sync: config.shards_sync,
            shards_async: config.shards_async,
            insist: config.insist_on_shards,
        };
        let mut identity = identity::load_or_make(env, &config.dir, wanted).map_err(NodeError::Identity)?;
        // The front desk needs the shards' mailboxes, the shards' hooks need the front desk.
        let desk: Arc<OnceLock<Broker>> = Arc::default();
        let mut shards = Vec::new();
        let mut handles = Vec::new();
        let config = &NodeConfig {
            shards_sync: identity.shards_sync,
            shards_async: identity.shards_async,
            ..config.clone()
        };
        let (journal, replayed) = open_journal(env, config)?;
        let blocks = BlockCache::new(config.block_bytes_max);
        let read_buffers = ReadBuffers::new();
        for (id, kind) in shard_kinds(config) {
            let (mailbox, board) = (Arc::new(Mailbox::new(driver.wake(id))), Arc::default());
            let fittings = Fittings {
                mailbox: Arc::clone(&mailbox),
                board: Arc::clone(&board),
                hooks: hooks(&desk, driver.noticed(id, Arc::clone(&board))),
                metrics: Arc::default(),
                guard: Arc::clone(&guard),
            };
            shards.push(open_shard(
                env,
                config,
                id,
                kind,
                Shared {
                    blocks: Arc::clone(&blocks),
                    read_buffers: Arc::clone(&read_buffers),
                    // It is for flushes that somebody waits for.
                    journal: journal.clone().filter(|_| kind == ShardKind::Lasting(FlushClass::Sync)),
                },
                fittings,
            )?);
            handles.push(ShardHandle { id, class: kind.class(), mailbox, board });
        }
        identity::set_founded(env, &config.dir, &mut identity).map_err(NodeError::Identity)?;
        if let Some(cluster) = &config.cluster {
            identity.cluster.clone_from(cluster);
        }
        let broker = Broker::new(broker_config(config, &identity), env.clone(), handles, guard, memory);
        assert!(desk.set(broker.clone()).is_ok(), "a node has one front desk");
        if let Some(shard) = shards.first() {
            broker.catalogue_changed(Arc::new(shard.shard.machine().catalog().clone()));
        }
        Ok(Node { broker, shards, identity, blocks, replayed })
    }
}

/// What a shard is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShardKind {
    /// What stays.
    Lasting(FlushClass),
    /// What goes with the process.
    Temporary,
}

impl ShardKind {
    fn class(self) -> Option<FlushClass> {
        match self {
            ShardKind::Lasting(class) => Some(class),
            ShardKind::Temporary => None,
        }
    }
}

/// Shard 0 and every sync shard first, then the async ones, then the temporary one.
fn shard_kinds(config: &NodeConfig) -> Vec<(ShardId, ShardKind)> {
    let lasting = |class, count: u32| std::iter::repeat_n(ShardKind::Lasting(class), count as usize);
    let kinds = lasting(FlushClass::Sync, config.shards_sync)
        .chain(lasting(FlushClass::Async, config.shards_async))
        .chain(config.temporary_shard.then_some(ShardKind::Temporary));
    (0..).map(ShardId).zip(kinds).collect()
}

/// Brings the shards' files up to what the journal says. Only sync shards that have company use it from then on: one alone would
/// write everything twice.
fn open_journal(env: &Env, config: &NodeConfig) -> Result<(Option<Arc<Journal>>, Replayed), NodeError> {
    let shard_dir = |shard| shard_dir(&config.dir, shard);
    let (journal, replayed) =
        Journal::open(env, &config.dir, &shard_dir, config.journal_file_bytes).map_err(NodeError::Journal)?;
    if replayed.files > 0 {
        tracing::info!(
            files = replayed.files,
            pieces = replayed.pieces,
            bytes = replayed.bytes,
            segments = replayed.segments,
            "replayed the journal"
        );
    }
    Ok(((config.shards_sync > 1).then_some(journal), replayed))
}

/// What the shards of a node have in common.
struct Shared {
    blocks: Arc<BlockCache>,
    read_buffers: Arc<ReadBuffers>,
    journal: Option<Arc<Journal>>,
}

fn open_shard(
    env: &Env,
    config: &NodeConfig,
    id: ShardId,
    kind: ShardKind,
    shared: Shared,
    fittings: Fittings<Ticket>,
) -> Result<OpenedShard, NodeError> {
    let (dir, env) = match kind {
        ShardKind::Lasting(_) => (shard_dir(&config.dir, id), env.clone()),
        ShardKind::Temporary => {
            let disk = Arc::new(Unsynced(Arc::clone(&env.disk)));
            (config.dir.join(TEMPORARY_DIR), Env { disk, ..env.clone() })
        }
    };
    env.disk.create_dir_all(&dir).map_err(|error| NodeError::Io(dir.clone(), error))?;
    env.disk.sync_dir(&config.dir).map_err(|error| NodeError::Io(config.dir.clone(), error))?;
    if kind == ShardKind::Temporary {
        empty(&*env.disk, &dir).map_err(|error| NodeError::Io(dir.clone(), error))?;
    }
    let mut shard_config = shard_config(config, id, kind)?;
    shard_config.replica.block_cache = shared.blocks;
    shard_config.replica.read_buffers = shared.read_buffers;
    shard_config.replica.journal = shared.journal;
    let (mailbox, board, metrics) =
        (Arc::clone(&fittings.mailbox), Arc::clone(&fittings.board), Arc::clone(&fittings.metrics));
    let (shard, recovered) =
        Shard::open(env, dir, shard_config, fittings).map_err(|error| NodeError::Shard(id, error))?;
    if let Some(before) = recovered.rejoined {
        tracing::error!(
            shard = id.0,
            %before,
            "power was lost with records unflushed: this replica comes back as a newcomer without a vote, until the leader adds it"
        );
    }
    Ok(OpenedShard { id, shard, mailbox, board, metrics, recovered })
}

/// Removes what files are left in a directory and below it.
fn empty(disk: &dyn Disk, dir: &Path) -> std::io::Result<()> {
    for found in disk.list(dir)? {
        let path = dir.join(&found.name);
        if found.is_dir { empty(disk, &path)? } else { disk.remove_file(&path)? }
    }
    Ok(())
}

fn shard_config(config: &NodeConfig, id: ShardId, kind: ShardKind) -> Result<ShardConfig, NodeError> {
    let peer = |node: NodeId| PeerId::first(node).ok_or(NodeError::NodeId(node));
    let incarnation = config.replicas.incarnation;
    let first = peer(config.node)?;
    let me = PeerId::new(first.node(), incarnation).ok_or(NodeError::Incarnation(incarnation))?;
    // Nobody else has the temporary one, and nobody had it before.
    let (voters, origin) = match kind {
        ShardKind::Lasting(_) => {
            let voters = config.nodes.iter().map(|node| peer(*node)).collect::<Result<BTreeSet<_>, _>>()?;
            (voters, config.replicas.origin)
        }
        ShardKind::Temporary => ([me].into(), Origin::Founds),
    };
    let alone = voters.len() == 1;
    let bootstrap = match origin {
        Origin::Founds => Bootstrap::Found(voters),
        Origin::Joins => Bootstrap::Join,
    };
    let class = match kind {
        ShardKind::Lasting(FlushClass::Sync) => ShardClass::Sync,
        ShardKind::Lasting(FlushClass::Async) | ShardKind::Temporary => ShardClass::Async,
    };
    let shards = shard_kinds(config).len().max(1);
    let mut replica = ReplicaConfig::new(id, me, class, bootstrap);
    replica.on_tail_loss = OnTailLoss::Rejoin;
    replica.follower_lag_bytes_max = config.replicas.follower_lag_bytes_max;
    replica.tail_cache_bytes_max = config.tail_bytes_max / shards;
    replica.segment_bytes_first = config.segment_bytes_first;
    replica.segment_bytes_max = config.segment_bytes_max;
    replica.flush_here_max = config.flush_here_max;
    Ok(ShardConfig {
        id,
        node: config.node,
        replica,
        hot_bytes_max: config.hot_bytes_max / shards,
        summary_bytes_max: config.summary_bytes_max / shards,
        clock_step_max: config.clock_step_max,
        clock_policy: if alone { StepPolicy::AfterSteadyMinute } else { StepPolicy::Never },
        defaults: config.defaults.clone(),
        retention_interval: config.retention_interval,
        groups: config.groups,
        machine: config.machine,
        // Nobody's are read yet: they go to readers of record batches as they are.
        properties: forebay_shard::PropertyReaders::default(),
        // What goes with the process is read again by those who consume it, or by nobody.
        scrub_bytes_per_second: if kind == ShardKind::Temporary { 0 } else { config.scrub_bytes_per_second },
    })
}

fn hooks(desk: &Arc<OnceLock<Broker>>, noticed: Box<dyn Fn() + Send>) -> Hooks<Ticket> {
    let (answers, catalogue, board, pass) =
        (Arc::clone(desk), Arc::clone(desk), Arc::clone(desk), Arc::clone(desk));
    Hooks {
        answers: Box::new(move |batch| {
            let desk = answers.get().expect("nobody asks before the front desk is open");
            desk.answers(batch);
        }),
        catalogue: Box::new(move |catalog| {
            // While the shards are opened there is no front desk; it gets the catalogue when it is there.
            if let Some(desk) = catalogue.get() {
                desk.catalogue_changed(catalog);
            }
        }),
        noticed: Box::new(move || {
            if let Some(desk) = board.get() {
                desk.provisioned();
            }
            noticed();
        }),
        pass: Box::new(move |target, passed| {
            if let Some(desk) = pass.get() {
                desk.pass(target, passed);
            }
        }),
    }
}

/// The data directory as operators know it.
fn directory(dir: &Path) -> String {
    std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf()).display().to_string()
}

fn broker_config(config: &NodeConfig, identity: &Identity) -> BrokerConfig {
    BrokerConfig {
        node: config.node,
        nodes: config.nodes.iter().copied().collect(),
        cluster: identity.cluster.clone(),
        directory: directory(&config.dir),
        advertised: config.advertised.clone(),
        defaults: config.defaults.clone(),
        auto_create: config.auto_create,
        authorization: config.authorization.clone(),
    }
}

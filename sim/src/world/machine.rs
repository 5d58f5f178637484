//! A machine of the cluster: its disk and its wall clock, which outlive its processes, and the node that runs on it now.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use forebay_broker::{Broker, ConnectionId, DiskGuard};
use forebay_env::{Clock, Env, Job};
use forebay_machine::MachineSettings;
use forebay_model::{Intake, NodeId, ShardId, TopicDefaults};
use forebay_server::node::{Driver, Node, NodeConfig, NodeError, OpenedShard};
use forebay_server::replicas::ReplicaSettings;
use forebay_shard::coordinator::CoordinatorSettings;
use forebay_shard::{Board, Wake};

use super::clock::{SECOND, SimClock, VirtualTime};
use super::disk::SimDisk;
use super::wires::{SimRandom, Wires};
use crate::members::newcomer;
use crate::random::Rng;

/// Where every node keeps its data.
pub const DATA_DIR: &str = "/data";

/// Sizes of one simulation; small, so that everything that happens at a limit happens often.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Sync shards.
    pub shards_sync: u32,
    /// Async shards.
    pub shards_async: u32,
    /// Size of the first segment, in bytes.
    pub segment_bytes_first: u64,
    /// Size of later segments, in bytes.
    pub segment_bytes_max: u64,
    /// Size at which files of the journal end, in bytes.
    pub journal_file_bytes: u64,
    /// A sole voter's shard flushes by itself while that takes no longer.
    pub flush_here_max: std::time::Duration,
    /// Memory for payloads, in bytes.
    pub hot_bytes: usize,
    /// Memory for log entries, in bytes.
    pub tail_bytes: usize,
    /// How fast sealed segments are read again. A slow scrubber holds a segment for long.
    pub scrub_bytes_per_second: u64,
}

/// A machine.
pub struct Machine {
    /// The number of the node on it.
    pub id: NodeId,
    /// Its disk.
    pub disk: SimDisk,
    /// How wrong its wall clock is, in milliseconds.
    pub wall_offset_ms: Arc<AtomicI64>,
    /// How wrong its monotonic clock runs, in millionths.
    pub drift_ppm: i64,
    /// The process on it, if one runs.
    pub process: Option<Process>,
    /// Counts its processes, so that what was meant for an earlier one does not reach a later one.
    pub life: u64,
    /// Nothing of it runs before this moment: it was stopped, or its host was.
    pub paused_until: u64,
    /// Why its shards may be fenced, or the node not open: what was done to its disk since it was last whole.
    pub excuse: Option<&'static str>,
    /// Its operator took it away; it is not started again.
    pub retired: bool,
    /// It is not started before this moment.
    pub away_until: u64,
    /// What its replicas are told.
    pub replicas: ReplicaSettings,
    /// Shards of which nothing has come yet since the disk was blank.
    pub blank: BTreeSet<ShardId>,
    /// Installs of its process, as far as they were counted.
    pub installs: BTreeMap<ShardId, u64>,
}

/// A running node.
pub struct Process {
    /// Pieces of the journal that its start wrote to the shards' files.
    pub replayed: u64,
    /// Its front desk.
    pub broker: Broker,
    /// Its shards.
    pub shards: Vec<Driven>,
    /// What it says.
    pub wires: Wires,
    /// Its clocks.
    pub clock: Arc<SimClock>,
    /// Connections of clients.
    pub connections: BTreeMap<ConnectionId, usize>,
    /// Background jobs run one at a time.
    pub background: VecDeque<(u64, Job)>,
    /// Whether one of them is under way.
    pub background_busy: bool,
}

/// A shard and its next turn.
pub struct Driven {
    /// It.
    pub opened: OpenedShard,
    /// When its next turn is, if one is planned; what was planned before and is later does not count any more.
    pub next: Option<u64>,
}

struct SimDriver(Wires);

impl Driver for SimDriver {
    fn wake(&self, shard: ShardId) -> Wake {
        self.0.wake(shard)
    }

    fn noticed(&self, _shard: ShardId, _board: Arc<Board>) -> Box<dyn Fn() + Send> {
        Box::new(|| ())
    }
}

/// How a node was told to begin.
pub struct Start<'a> {
    /// Time.
    pub time: &'a VirtualTime,
    /// All nodes.
    pub nodes: &'a BTreeSet<NodeId>,
    /// Sizes.
    pub sizes: Sizes,
    /// Where its randomness comes from.
    pub rng: Rng,
    /// After how many changes of its disk it crashes while it opens, if it does.
    pub fuse: Option<u64>,
}

impl Machine {
    /// A machine with an empty disk.
    pub fn new(
        id: NodeId,
        rng: Rng,
        time: &VirtualTime,
        disk_bytes: u64,
        drift_ppm: i64,
        follower_lag_bytes_max: u64,
    ) -> Machine {
        Machine {
            id,
            disk: SimDisk::new(rng, time.clone(), disk_bytes),
            wall_offset_ms: Arc::default(),
            drift_ppm,
            process: None,
            life: 0,
            paused_until: 0,
            excuse: None,
            retired: false,
            away_until: 0,
            replicas: ReplicaSettings { follower_lag_bytes_max, ..ReplicaSettings::default() },
            blank: BTreeSet::new(),
            installs: BTreeMap::new(),
        }
    }

    /// Gives it a blank disk. Its replicas wait to be added, in this life at least.
    pub fn replace_disk(&mut self, shards: usize, incarnation: u16) {
        self.disk.wipe();
        self.replicas = newcomer(self.replicas, incarnation);
        self.blank = (0..shards as u32).map(ShardId).collect();
    }

    /// Starts a process.
    pub fn start(&mut self, start: Start<'_>) -> Result<(), NodeError> {
        self.life += 1;
        self.installs.clear();
        let cut = self.disk.begin_life();
        if let Some(after) = start.fuse {
            self.disk.burn_fuse(after);
        }
        let disk = self.disk.clone();
        let wires = Wires::new(cut, Arc::new(move || disk.changes()));
        let clock =
            Arc::new(SimClock::new(start.time.clone(), self.drift_ppm, Arc::clone(&self.wall_offset_ms)));
        let env = Env {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            disk: Arc::new(self.disk.clone()),
            network: Arc::new(wires.clone()),
            random: Arc::new(SimRandom::new(start.rng.clone())),
            spawn: Arc::new(wires.clone()),
        };
        let opened = self.open(&env, &start, &wires);
        self.disk.opened();
        let node = opened?;
        let shards = node.shards.into_iter().map(|opened| Driven { opened, next: None });
        self.process = Some(Process {
            broker: node.broker,
            replayed: node.replayed.pieces,
            shards: shards.collect(),
            wires,
            clock,
            connections: BTreeMap::new(),
            background: VecDeque::new(),
            background_busy: false,
        });
        Ok(())
    }

    fn open(&self, env: &Env, start: &Start<'_>, wires: &Wires) -> Result<Node, NodeError> {
        let dir = PathBuf::from(DATA_DIR);
        let io = |error| NodeError::Io(dir.clone(), error);
        env.disk.create_dir_all(&dir).map_err(io)?;
        env.disk.sync_dir(&PathBuf::from("/")).map_err(io)?;
        let sizes = start.sizes;
        let config = NodeConfig {
            dir: dir.clone(),
            node: self.id,
            nodes: start.nodes.clone(),
            replicas: self.replicas,
            cluster: Some("simulated-cluster-0001".to_owned()),
            shards_sync: sizes.shards_sync,
            shards_async: sizes.shards_async,
            temporary_shard: false,
            insist_on_shards: forebay_server::identity::Insist::Yes,
            advertised: BTreeMap::new(),
            defaults: TopicDefaults {
                retention_ms: None,
                retention_bytes: None,
                message_bytes_max: 4 << 20,
                timestamp_type: Default::default(),
                flush: Default::default(),
                cleanup: Default::default(),
                // Clocks jump here by more than an hour, and nobody's records are wrong for it.
                intake: Intake { after_ms_max: Intake::ANY_MS, ..Intake::default() },
                partitions: 1,
            },
            auto_create: false,
            authorization: Default::default(),
            hot_bytes_max: sizes.hot_bytes,
            tail_bytes_max: sizes.tail_bytes,
            block_bytes_max: sizes.tail_bytes,
            summary_bytes_max: sizes.tail_bytes,
            segment_bytes_first: sizes.segment_bytes_first,
            segment_bytes_max: sizes.segment_bytes_max,
            journal_file_bytes: sizes.journal_file_bytes,
            flush_here_max: sizes.flush_here_max,
            clock_step_max: std::time::Duration::from_secs(300),
            retention_interval: std::time::Duration::from_secs(2),
            groups: CoordinatorSettings::default(),
            machine: MachineSettings::default(),
            scrub_bytes_per_second: sizes.scrub_bytes_per_second,
        };
        Node::open(env, &config, &SimDriver(wires.clone()), Arc::new(DiskGuard::default()))
    }

    /// The process, if `life` is its number.
    pub fn alive(&mut self, life: u64) -> Option<&mut Process> {
        if self.life == life { self.process.as_mut() } else { None }
    }

    /// Where a shard keeps its files.
    pub fn shard_dir(shard: ShardId) -> String {
        format!("{DATA_DIR}/shard-{:04}", shard.0)
    }

    /// Why a shard of the running process is fenced, if one is.
    pub fn fenced(&self) -> Option<(ShardId, String)> {
        let shards = self.process.iter().flat_map(|process| &process.shards);
        shards.filter_map(|shard| Some((shard.opened.id, shard.opened.board.status().fenced?))).next()
    }
}

/// A drift that real clocks have: up to 100 millionths in either direction.
pub fn drift(rng: &mut Rng) -> i64 {
    rng.below(201) as i64 - 100
}

/// The longest simulated life: keeps products of drift and time far from overflow.
pub const LIFE_NS_MAX: u64 = 100_000 * SECOND;

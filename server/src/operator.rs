//! What an operator sees of this node and may change: readiness, metrics, log levels.
//!
//! A look costs the same whatever the node holds: counters are read where they are, and what concerns topics and groups
//! comes from summaries that shards make in bounded steps, only while somebody looks. The first look of a while asks for
//! them, so topics and groups appear with the second.

mod lag;
mod metrics;
mod topics;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use forebay_broker::{Broker, GuardState};
use forebay_console::{DiskState, Lifecycle, Operator, Readiness, ShardReadiness, ShardState};
use forebay_env::Clock;
use forebay_env::metrics::MetricsText;
use forebay_gateway::{ByteBudget, Gateway};
use forebay_replication::BlockCache;
use forebay_shard::{ShardMetrics, ShardStatus};

use crate::config::LogLevels;
use crate::logging;
use crate::node::Node;

use self::lag::Ends;

/// What the node was told and found at its start.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// The one budget of memory, in bytes.
    pub memory_limit_bytes: u64,
    /// What of it payloads applied last may take, all shards together.
    pub hot_bytes_max: u64,
    /// What of it log entries written last may take, all shards together.
    pub tail_bytes_max: u64,
    /// What of it blocks of index files may take, all shards together.
    pub block_bytes_max: u64,
    /// What of it pictures of partitions and groups may take, all shards together.
    pub summary_bytes_max: u64,
    /// What of it sessions may remember between requests.
    pub session_bytes_max: u64,
    /// What of it clients may take: frames being read, payloads on their way into the log, replies being written.
    pub gateway_bytes_max: u64,
    /// How long it took until every shard was open.
    pub recovery_took: Duration,
    /// What is logged at the start.
    pub log_levels: LogLevels,
}

/// The node as the console sees it.
pub struct NodeOperator {
    broker: Broker,
    clock: Arc<dyn Clock>,
    /// By id from zero, like those of the broker.
    shards: Vec<Watched>,
    blocks: Arc<BlockCache>,
    facts: NodeFacts,
    gateway: OnceLock<(Arc<Gateway>, Arc<ByteBudget>)>,
    draining: AtomicBool,
    log_levels: Mutex<LogLevels>,
    ends: Mutex<Ends>,
}

/// A shard as it is watched.
struct Watched {
    label: String,
    metrics: Arc<ShardMetrics>,
    recovered: RecoveredShard,
}

/// What was found of a shard on disk.
struct RecoveredShard {
    entries: u64,
    cut_bytes: u64,
    tail_lost: bool,
}

impl NodeOperator {
    /// Watches `node`, whose shards may be driven elsewhere from here on.
    pub fn new(node: &Node, clock: Arc<dyn Clock>, facts: NodeFacts) -> NodeOperator {
        let watched = node.shards.iter().map(|opened| Watched {
            label: opened.id.0.to_string(),
            metrics: Arc::clone(&opened.metrics),
            recovered: RecoveredShard {
                entries: opened.recovered.entries_to_replay,
                cut_bytes: opened.recovered.cut_bytes,
                tail_lost: opened.recovered.tail_lost.is_some(),
            },
        });
        NodeOperator {
            broker: node.broker.clone(),
            clock,
            shards: watched.collect(),
            blocks: Arc::clone(&node.blocks),
            log_levels: Mutex::new(facts.log_levels.clone()),
            facts,
            gateway: OnceLock::new(),
            draining: AtomicBool::new(false),
            ends: Mutex::default(),
        }
    }

    /// Watches the gateway too, and the budget that it spends. Only the first one counts.
    pub fn watch_gateway(&self, gateway: Arc<Gateway>, budget: Arc<ByteBudget>) {
        let _ = self.gateway.set((gateway, budget));
    }

    /// From here on the node is not ready: it finishes what is open.
    pub fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}

impl Operator for NodeOperator {
    fn metrics(&self, out: &mut MetricsText) {
        self.write_metrics(out);
    }

    fn readiness(&self) -> Readiness {
        let node =
            if self.draining.load(Ordering::Acquire) { Lifecycle::Draining } else { Lifecycle::Serving };
        let shards = self.broker.shards().iter().map(|shard| {
            let status = shard.board.status();
            ShardReadiness { shard: shard.id, clock_held: status.clock_held, state: state_of(status) }
        });
        let disk = match self.broker.guard().state() {
            GuardState::Off => DiskState::Ok,
            GuardState::Slow => DiskState::Slowing,
            GuardState::Full => DiskState::Refusing,
        };
        Readiness { node, shards: shards.collect(), disk }
    }

    fn log_levels(&self) -> String {
        self.log_levels.lock().unwrap_or_else(PoisonError::into_inner).to_string()
    }

    fn set_log_levels(&self, levels: &str) -> Result<(), String> {
        let levels: LogLevels = levels.parse().map_err(|why| format!("log.level {why}"))?;
        let mut present = self.log_levels.lock().unwrap_or_else(PoisonError::into_inner);
        if !logging::set(&levels) {
            return Err("this process does not log, so there is nothing to change".into());
        }
        *present = levels;
        Ok(())
    }
}

fn state_of(status: ShardStatus) -> ShardState {
    match status {
        ShardStatus { fenced: Some(why), .. } => ShardState::Fenced { why },
        ShardStatus { leader: Some(_), .. } => ShardState::Led,
        ShardStatus { leader: None, .. } => ShardState::Leaderless,
    }
}

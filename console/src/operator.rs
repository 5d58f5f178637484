//! What the console needs of the node.

use forebay_env::metrics::MetricsText;
use forebay_model::ShardId;
use serde::Serialize;

/// The node, as its operators see it. Called on the console's thread: it may take short locks, and must not wait.
pub trait Operator: Send + Sync {
    /// Writes everything that is counted, at a cost that does not grow with the data: at most
    /// [`MetricsText::series_max`] topics and groups.
    fn metrics(&self, out: &mut MetricsText);
    /// Whether this node can serve, and what is missing.
    fn readiness(&self) -> Readiness;
    /// The levels of the log by target, in the words that [`Operator::set_log_levels`] takes.
    fn log_levels(&self) -> String;
    /// Changes the levels, for example `info,forebay_shard=debug`. On an error, whose text is for the operator,
    /// nothing has changed.
    fn set_log_levels(&self, levels: &str) -> Result<(), String>;
}

/// Whether a node can serve.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Readiness {
    /// What the node is doing.
    pub node: Lifecycle,
    /// Every shard of this node.
    pub shards: Vec<ShardReadiness>,
    /// The disk guard.
    pub disk: DiskState,
}

impl Readiness {
    /// Whether everything is as it should be.
    pub fn is_ready(&self) -> bool {
        self.node == Lifecycle::Serving
            && self.disk == DiskState::Ok
            && self.shards.iter().all(|shard| shard.state.is_ready())
    }
}

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// It reads its log; nobody is served yet.
    Recovering,
    /// It serves.
    Serving,
    /// It finishes what is open and takes nothing new.
    Draining,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShardReadiness {
    /// Which.
    #[serde(serialize_with = "number")]
    pub shard: ShardId,
    /// Whether time-driven deletion waits because the clock stepped. It serves all the same.
    pub clock_held: bool,
    /// How it is.
    #[serde(flatten)]
    pub state: ShardState,
}

fn number<S: serde::Serializer>(shard: &ShardId, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(shard.0.into())
}

/// How a shard is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ShardState {
    /// Somebody leads it, here or elsewhere.
    Led,
    /// Nobody is known to lead it.
    Leaderless,
    /// A storage error has fenced it: it serves nothing until the node is repaired and started again.
    Fenced {
        /// What happened, and where.
        why: String,
    },
}

impl ShardState {
    fn is_ready(&self) -> bool {
        matches!(self, ShardState::Led)
    }
}

/// What the disk guard does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DiskState {
    /// There is room.
    Ok,
    /// The reserve is near: writes are slowed.
    Slowing,
    /// The reserve is reached: writes are refused.
    Refusing,
}

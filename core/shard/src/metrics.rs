//! What a shard counts.

use forebay_env::metrics::{Counter, Gauge};

/// Counters of one shard, shared with whoever shows them.
#[derive(Debug, Default)]
pub struct ShardMetrics {
    /// Turns applied.
    pub applied: Counter,
    /// Records appended.
    pub records_in: Counter,
    /// Bytes of payloads appended.
    pub bytes_in: Counter,
    /// Reads that needed a file.
    pub cold_reads: Counter,
    /// Bytes of disk given back.
    pub reclaimed_bytes: Counter,
    /// Reads that failed.
    pub read_errors: Counter,
    /// 1 once the shard is fenced.
    pub fenced: Gauge,
}

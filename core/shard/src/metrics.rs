//! What a shard counts and shows.
//!
//! Counting is one relaxed addition, showing a few stores per turn, whoever looks or does not.

use std::sync::Arc;

use forebay_env::metrics::{Counter, Gauge, Histogram, Kind, MetricsText};

use crate::shard::Shard;

/// Counters of one shard, shared with whoever shows them.
#[derive(Debug, Default)]
pub struct ShardMetrics {
    /// Turns applied, in replay too.
    pub applied: Counter,
    /// Records appended by this process as leader; replay and what others led do not count.
    pub records_in: Counter,
    /// Bytes of their payloads.
    pub bytes_in: Counter,
    /// Records read for clients.
    pub records_out: Counter,
    /// Records of shared subscriptions that were rejected, or not accepted after as many attempts as they may have.
    pub records_given_up: Counter,
    /// Reads that needed a file.
    pub cold_reads: Counter,
    /// Checkpoints of other replicas that were installed here.
    pub installs: Counter,
    /// Bytes of disk given back.
    pub reclaimed_bytes: Counter,
    /// Segments unlinked because nothing in them lives.
    pub segments_unlinked: Counter,
    /// Segments copied forward...
    pub segments_rewritten: Counter,
    /// ...and those of them whose old file a reader or a snapshot on its way still held.
    pub segments_rewritten_held: Counter,
    /// Passes over compacted partitions.
    pub compaction_passes: Counter,
    /// Bytes of payloads that decisions of this leader take out of compacted partitions.
    pub compacted_bytes: Counter,
    /// Bytes of sealed files that the scrubber read again.
    pub scrubbed_bytes: Counter,
    /// Damage that the scrubber found.
    pub scrub_damage: Counter,
    /// Reads that failed.
    pub read_errors: Counter,
    /// How long each flush of the log took.
    pub flush: Arc<Histogram>,
    /// 1 once the shard is fenced.
    pub fenced: Gauge,
    /// Entries that are committed and not applied.
    pub apply_lag_entries: Gauge,
    /// Turns proposed here and not applied.
    pub turns_pending: Gauge,
    /// Bytes of those turns.
    pub turns_pending_bytes: Gauge,
    /// Fetches that wait for records.
    pub fetches_waiting: Gauge,
    /// Receivers of shared subscriptions that wait for records.
    pub receives_waiting: Gauge,
    /// Shared subscriptions with records that somebody has, once for each partition.
    pub subscriptions_active: Gauge,
    /// Bytes of payloads applied last that are kept in memory.
    pub hot_bytes: Gauge,
    /// Bytes of log entries written last that are kept in memory.
    pub tail_bytes: Gauge,
    /// Bytes of pictures of partitions and groups.
    pub summary_bytes: Gauge,
    /// Entries of the active segment's index, which is in memory.
    pub index_entries: Gauge,
    /// Partitions.
    pub partitions: Gauge,
    /// Groups.
    pub groups: Gauge,
}

/// Name, help and place of one metric.
type Row<M> = (&'static str, &'static str, fn(&ShardMetrics) -> &M);

const COUNTERS: &[Row<Counter>] = &[
    ("forebay_records_in_total", "Records appended.", |m| &m.records_in),
    ("forebay_record_bytes_in_total", "Bytes of the record batches appended.", |m| &m.bytes_in),
    ("forebay_records_out_total", "Records read for clients.", |m| &m.records_out),
    (
        "forebay_records_given_up_total",
        "Records rejected by consumers, or not accepted after their last attempt.",
        |m| &m.records_given_up,
    ),
    ("forebay_cold_reads_total", "Reads that needed a file.", |m| &m.cold_reads),
    ("forebay_read_errors_total", "Reads that failed; nothing of them was served.", |m| &m.read_errors),
    ("forebay_shard_installs_total", "Checkpoints of other replicas installed.", |m| &m.installs),
    ("forebay_reclaimed_bytes_total", "Bytes of disk given back.", |m| &m.reclaimed_bytes),
    ("forebay_segments_unlinked_total", "Segments unlinked: nothing in them lived.", |m| {
        &m.segments_unlinked
    }),
    ("forebay_segments_rewritten_total", "Segments copied forward: little in them lived.", |m| {
        &m.segments_rewritten
    }),
    ("forebay_segments_rewritten_held_total", "Segments copied forward while their file was in use.", |m| {
        &m.segments_rewritten_held
    }),
    ("forebay_compaction_passes_total", "Passes over compacted partitions.", |m| &m.compaction_passes),
    ("forebay_compacted_bytes_total", "Bytes of batches taken out of compacted partitions.", |m| {
        &m.compacted_bytes
    }),
    ("forebay_scrubbed_bytes_total", "Bytes of sealed files read again by the scrubber.", |m| {
        &m.scrubbed_bytes
    }),
    ("forebay_scrub_damage_total", "Damaged places found by the scrubber.", |m| &m.scrub_damage),
    ("forebay_shard_turns_applied_total", "Turns applied, in replay too.", |m| &m.applied),
];

const GAUGES: &[Row<Gauge>] = &[
    ("forebay_shard_apply_lag_entries", "Log entries committed and not applied.", |m| &m.apply_lag_entries),
    ("forebay_shard_turns_pending", "Turns proposed and not applied.", |m| &m.turns_pending),
    ("forebay_shard_turns_pending_bytes", "Bytes of the turns proposed and not applied.", |m| {
        &m.turns_pending_bytes
    }),
    ("forebay_fetches_waiting", "Fetches that wait for records.", |m| &m.fetches_waiting),
    ("forebay_receives_waiting", "Receivers of shared subscriptions that wait for records.", |m| {
        &m.receives_waiting
    }),
    ("forebay_subscriptions_active", "Shared subscriptions with deliveries, once for each partition.", |m| {
        &m.subscriptions_active
    }),
    ("forebay_shard_index_entries", "Entries of the active segment's index.", |m| &m.index_entries),
    ("forebay_shard_partitions", "Partitions that the shard holds.", |m| &m.partitions),
    ("forebay_shard_groups", "Groups that the shard holds.", |m| &m.groups),
];

impl ShardMetrics {
    /// Writes what the shards of a node count, each under its label.
    pub fn write(shards: &[(&str, &ShardMetrics)], out: &mut MetricsText) {
        for (name, help, place) in COUNTERS {
            let mut family = out.family(name, help, Kind::Counter);
            shards.iter().for_each(|(label, shard)| family.sample(&[("shard", label)], place(shard)));
        }
        for (name, help, place) in GAUGES {
            let mut family = out.family(name, help, Kind::Gauge);
            shards.iter().for_each(|(label, shard)| family.sample(&[("shard", label)], place(shard)));
        }
        let mut flushes =
            out.family("forebay_flush_seconds", "Time a flush of the log took.", Kind::Histogram);
        shards.iter().for_each(|(label, shard)| flushes.histogram(&[("shard", label)], &shard.flush));
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Shows where the shard stands at the end of a turn.
    pub(crate) fn show(&self) {
        let shown = &self.metrics;
        let unapplied = self.replica.committed_index().0.saturating_sub(self.replica.applied_index().0);
        set(&shown.apply_lag_entries, unapplied);
        set(&shown.turns_pending, self.pending.len() as u64);
        set(&shown.turns_pending_bytes, self.pending_bytes);
        set(&shown.fetches_waiting, self.waiting.len() as u64);
        set(&shown.receives_waiting, self.receiving.len() as u64);
        set(&shown.subscriptions_active, self.deliveries.len() as u64);
        set(&shown.hot_bytes, self.hot.bytes() as u64);
        set(&shown.tail_bytes, self.replica.log().tail_bytes() as u64);
        set(&shown.summary_bytes, self.summarizer.bytes() as u64);
        set(&shown.index_entries, self.index.active_len() as u64);
        set(&shown.partitions, self.machine.partitions().len() as u64);
        set(&shown.groups, self.machine.groups().len() as u64);
    }
}

fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

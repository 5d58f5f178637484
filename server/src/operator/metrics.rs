//! Everything that is counted, in the order of docs/operations/metrics.md.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use forebay_broker::{GuardState, ShardHandle};
use forebay_env::metrics::{Gauge, Kind, MetricsText};
use forebay_shard::{ShardMetrics, ShardStatus, Summary};

use super::{NodeOperator, Watched, topics};

/// Shards renew their summaries for this long after a look: whoever looks once a minute always finds one.
const WATCHED_FOR: Duration = Duration::from_secs(150);

/// Name, help and value of one metric.
type Row<T> = (&'static str, &'static str, fn(&T) -> u64);

impl NodeOperator {
    pub(super) fn write_metrics(&self, out: &mut MetricsText) {
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        out.family("forebay_build_info", "The version that runs.", Kind::Gauge).sample(&build, 1_u64);
        self.broker.metrics().write(out);
        self.broker.meters().write(out);
        let shards: Vec<_> = self.shards.iter().map(|s| (s.label.as_str(), s.metrics.as_ref())).collect();
        ShardMetrics::write(&shards, out);
        self.write_mailboxes(out);
        self.write_states(out);
        self.write_memory(out);
        self.write_disk(out);
        self.write_recovery(out);
        self.write_topics_and_groups(out);
        if let Some((gateway, _)) = self.gateway.get() {
            gateway.write_metrics(out);
        }
    }

    /// Every shard with what the front desk knows of it.
    fn watched(&self) -> impl Iterator<Item = (&Watched, &ShardHandle)> {
        self.shards.iter().zip(self.broker.shards())
    }

    fn write_mailboxes(&self, out: &mut MetricsText) {
        let help = "Appends and commands that wait for the shard.";
        let mut items = out.family("forebay_shard_mailbox_items", help, Kind::Gauge);
        for (shard, handle) in self.watched() {
            items.sample(&[("shard", &shard.label)], handle.mailbox.items() as u64);
        }
        let mut bytes = out.family("forebay_shard_mailbox_bytes", "Bytes that wait with them.", Kind::Gauge);
        for (shard, handle) in self.watched() {
            bytes.sample(&[("shard", &shard.label)], handle.mailbox.bytes() as u64);
        }
    }

    fn write_states(&self, out: &mut MetricsText) {
        let states: Vec<_> = self.watched().map(|(s, handle)| (&s.label, handle.board.status())).collect();
        let rows: &[Row<ShardStatus>] = &[
            ("forebay_shard_leads", "1 while this node leads the shard and serves.", |s| s.leads.into()),
            ("forebay_shard_led", "1 while a leader is known, here or elsewhere.", |s| {
                s.leader.is_some().into()
            }),
            ("forebay_shard_term", "The newest term that is known.", |s| s.term.0),
            ("forebay_shard_fenced", "1 once the shard serves nothing any more.", |s| {
                s.fenced.is_some().into()
            }),
            (
                "forebay_shard_clock_held",
                "1 while time-driven deletion waits because the clock stepped.",
                |s| s.clock_held.into(),
            ),
        ];
        for (name, help, value) in rows {
            let mut family = out.family(name, help, Kind::Gauge);
            states.iter().for_each(|(label, status)| family.sample(&[("shard", label)], value(status)));
        }
    }

    fn write_memory(&self, out: &mut MetricsText) {
        let all = |gauge: fn(&ShardMetrics) -> &Gauge| -> u64 {
            self.shards.iter().map(|s| u64::try_from(gauge(&s.metrics).value()).unwrap_or(0)).sum()
        };
        let clients = self.gateway.get().map_or(0, |(_, budget)| budget.used() as u64);
        let sessions = self.gateway.get().map_or(0, |(gateway, _)| gateway.session_bytes() as u64);
        let facts = &self.facts;
        let shares = [
            ("hot_cache", all(|m| &m.hot_bytes), facts.hot_bytes_max),
            ("tail_cache", all(|m| &m.tail_bytes), facts.tail_bytes_max),
            ("block_cache", self.blocks.bytes() as u64, facts.block_bytes_max),
            ("summaries", all(|m| &m.summary_bytes), facts.summary_bytes_max),
            ("sessions", sessions, facts.session_bytes_max),
            ("clients", clients, facts.gateway_bytes_max),
        ];
        out.gauge("forebay_memory_limit_bytes", "The one budget of memory.", facts.memory_limit_bytes);
        let mut used = out.family("forebay_memory_used_bytes", "What a share of it holds.", Kind::Gauge);
        shares.iter().for_each(|(share, bytes, _)| used.sample(&[("share", share)], *bytes));
        let help = "What a share of it may hold.";
        let mut limits = out.family("forebay_memory_share_limit_bytes", help, Kind::Gauge);
        shares.iter().for_each(|(share, _, limit)| limits.sample(&[("share", share)], *limit));
    }

    fn write_disk(&self, out: &mut MetricsText) {
        let guard = self.broker.guard();
        out.gauge("forebay_disk_free_bytes", "Free space when last measured.", guard.free_bytes());
        out.gauge("forebay_disk_reserve_bytes", "Space that writing leaves free.", guard.reserve_bytes());
        let forecast = guard.forecast_s().map_or(f64::INFINITY, |seconds| seconds as f64);
        let help =
            "Seconds until the reserve is reached at the present rate; +Inf while the disk does not fill up.";
        out.gauge("forebay_disk_forecast_seconds", help, forecast);
        let help = "1 for what the disk guard does: let write (off), slow producers, or refuse them (full).";
        let mut states = out.family("forebay_disk_guard", help, Kind::Gauge);
        let present = guard.state();
        for (name, state) in
            [("off", GuardState::Off), ("slow", GuardState::Slow), ("full", GuardState::Full)]
        {
            states.sample(&[("state", name)], u64::from(state == present));
        }
    }

    fn write_recovery(&self, out: &mut MetricsText) {
        let took = self.facts.recovery_took.as_secs_f64();
        out.gauge("forebay_recovery_seconds", "Time until every shard was open.", took);
        let rows: &[Row<Watched>] = &[
            (
                "forebay_recovery_entries",
                "Log entries behind the last checkpoint, replayed at the start.",
                |s| s.recovered.entries,
            ),
            ("forebay_recovery_cut_bytes", "Bytes of an unfinished write cut at the start.", |s| {
                s.recovered.cut_bytes
            }),
            (
                "forebay_recovery_tail_lost",
                "1 if the last stop may have taken confirmed records of an async shard.",
                |s| s.recovered.tail_lost.into(),
            ),
        ];
        for (name, help, value) in rows {
            let mut family = out.family(name, help, Kind::Gauge);
            self.shards.iter().for_each(|s| family.sample(&[("shard", &s.label)], value(s)));
        }
    }

    fn write_topics_and_groups(&self, out: &mut MetricsText) {
        let now = self.clock.monotonic();
        let summaries: Vec<_> =
            self.watched().map(|(_, handle)| summary(handle, now + WATCHED_FOR)).collect();
        let help = "1 if everything the shard leads is in the metrics of topics and groups.";
        let mut complete = out.family("forebay_shard_summary_complete", help, Kind::Gauge);
        for (shard, summary) in self.shards.iter().zip(&summaries) {
            if let Some(summary) = summary {
                complete.sample(&[("shard", &shard.label)], u64::from(summary.complete));
            }
        }
        let summaries: Vec<&Summary> = summaries.iter().flatten().map(Arc::as_ref).collect();
        let lags = self.ends.lock().unwrap_or_else(PoisonError::into_inner).lags(&summaries, now);
        let catalogue = self.broker.catalogue();
        topics::write_topics(&catalogue, &summaries, out);
        topics::write_groups(&catalogue, &summaries, lags, out);
    }
}

/// The newest summary of a shard, and asks it to go on making them. A shard at rest is woken for its first one.
fn summary(shard: &ShardHandle, until: forebay_env::Monotonic) -> Option<Arc<Summary>> {
    shard.board.want_summary(until);
    let summary = shard.board.summary();
    if summary.is_none() {
        shard.mailbox.notify();
    }
    summary
}

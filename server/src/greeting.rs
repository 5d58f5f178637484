//! What `forebay serve` says to a person: the first screen and the last lines.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_gateway::Listening;
use forebay_model::ShardId;

use crate::config::Config;
use crate::leaders::Unled;
use crate::node::OpenedShard;
use crate::run::reachable;

/// What was found of one shard.
pub(crate) struct RecoveredShard {
    shard: ShardId,
    entries: u64,
    cut_bytes: u64,
    tail_lost: bool,
}

impl RecoveredShard {
    pub(crate) fn of(opened: &OpenedShard) -> RecoveredShard {
        RecoveredShard {
            shard: opened.id,
            entries: opened.recovered.entries_to_replay,
            cut_bytes: opened.recovered.cut_bytes,
            tail_lost: opened.recovered.tail_lost.is_some(),
        }
    }
}

/// What there is to say when the broker is ready, or has waited for that long enough.
pub(crate) struct Facts<'a> {
    pub(crate) listening: &'a [Listening],
    pub(crate) console: &'a [SocketAddr],
    /// Shards that serve nobody.
    pub(crate) unled: &'a [Unled],
    pub(crate) recovered: &'a [RecoveredShard],
    /// Until every shard was led: all that was found is applied then.
    pub(crate) recovery_took: Duration,
    pub(crate) took: Duration,
}

/// The first screen.
pub(crate) fn screen(config: &Config, facts: &Facts<'_>) {
    println!("{}", headline(facts));
    for listening in facts.listening {
        println!("  {:<8} {}", listening.protocol, reachable(listening));
    }
    for address in facts.console {
        println!("  http     http://{address}/");
    }
    println!("  data     {}", config.data_dir.display());
    println!("  {}", recovered(facts));
    if let Some(kafka) = facts.listening.first() {
        println!("Send a first message:");
        let forebay = std::env::args().next().unwrap_or_else(|| "forebay".into());
        println!("  echo hello | {forebay} produce first --broker {}", reachable(kafka));
    }
    println!("Stop with Ctrl-C.");
}

/// Said when the first screen had to say otherwise.
pub(crate) fn ready_at_last(took: Duration) {
    println!("{}", ready(took));
}

fn headline(facts: &Facts<'_>) -> String {
    let (version, took) = (env!("CARGO_PKG_VERSION"), facts.took);
    if facts.unled.is_empty() {
        return ready(took);
    }
    let unled: Vec<String> = facts.unled.iter().map(ToString::to_string).collect();
    format!("forebay {version} listens, but is NOT READY ({took:.0?}): {}", unled.join("; "))
}

fn ready(took: Duration) -> String {
    format!("forebay {} is ready ({took:.0?})", env!("CARGO_PKG_VERSION"))
}

fn recovered(facts: &Facts<'_>) -> String {
    let entries: u64 = facts.recovered.iter().map(|shard| shard.entries).sum();
    let shards = facts.recovered.len();
    let mut line = match facts.unled {
        [] => format!(
            "recovered {shards} shards, {entries} log entries replayed, in {:.0?}",
            facts.recovery_took
        ),
        _ => format!("found {shards} shards, {entries} log entries to replay"),
    };
    for shard in facts.recovered.iter().filter(|shard| shard.cut_bytes > 0) {
        line += &format!("; shard {}: an unfinished write of {} bytes was cut", shard.shard, shard.cut_bytes);
    }
    for shard in facts.recovered.iter().filter(|shard| shard.tail_lost) {
        line += &format!("; shard {} (async) may have lost its last confirmed records", shard.shard);
    }
    line
}

/// Said when the end was asked for.
pub(crate) fn draining() {
    println!("Finishing open requests; Ctrl-C again ends at once.");
}

//! What `forebay serve` says to a person: the first screen and the last lines.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_gateway::Listening;
use forebay_model::ShardId;

use crate::config::Config;
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

/// What there is to say when the broker is ready.
pub(crate) struct Facts<'a> {
    pub(crate) listening: &'a [Listening],
    pub(crate) console: &'a [SocketAddr],
    pub(crate) recovered: &'a [RecoveredShard],
    pub(crate) recovery_took: Duration,
    pub(crate) took: Duration,
}

/// The first screen.
pub(crate) fn ready(config: &Config, facts: &Facts<'_>) {
    println!("forebay {} is ready ({:.0?})", env!("CARGO_PKG_VERSION"), facts.took);
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

fn recovered(facts: &Facts<'_>) -> String {
    let entries: u64 = facts.recovered.iter().map(|shard| shard.entries).sum();
    let shards = facts.recovered.len();
    let mut line =
        format!("recovered {shards} shards, {entries} log entries replayed, in {:.0?}", facts.recovery_took);
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

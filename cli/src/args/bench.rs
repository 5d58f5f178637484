//! `forebay bench`: its flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use forebay_kafka::record::batch::Codec;

use super::{Connect, codec_parser, name_and_value};

/// `forebay bench`.
#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Many senders, each of which waits for its confirm before it sends again
    Classic(BenchClassic),
    /// A stream of large batches, several on their way at a time
    Produce(BenchProduce),
    /// Read a topic from its start, in large fetches
    Consume(BenchConsume),
    /// Send at a fixed rate, and time each record from when it was due until it is read
    Latency(BenchLatency),
}

/// Which cluster, and how the outcome is written.
#[derive(Clone, Debug, Args)]
pub struct BenchOn {
    #[command(flatten)]
    pub connect: Connect,
    /// Write JSON lines: one when the measured time begins, one with the measures
    #[arg(long)]
    pub json: bool,
}

/// How the topic is made where there is none, and what is written to it.
#[derive(Clone, Debug, Args)]
pub struct BenchLoad {
    /// The topic [default: a new one]
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: Option<String>,
    /// How many partitions the topic has; it is created with so many if there is none [default: what it has, or 1]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: Option<i32>,
    /// A setting of the topic, by Kafka's name; it is created with it if there is none
    #[arg(short = 'c', long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub topic_config: Vec<(String, String)>,
    /// Take the values from the lines of this file, cut and joined to their size; otherwise they are made up
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// Work for so many seconds before the measured time begins [default: 2; with --records 0]
    #[arg(long, value_name = "SECONDS", value_parser = seconds_or_none)]
    pub warm: Option<Duration>,
    /// Let the broker store twice what is sent twice: do without a producer id
    #[arg(long)]
    pub allow_duplicates: bool,
}

/// How long a run warms up when nothing is said.
const WARM_DEFAULT: Duration = Duration::from_secs(2);

impl BenchLoad {
    /// How long a run warms up that lasts for a time, not for a number of records.
    pub fn warm(&self) -> Duration {
        self.warm.unwrap_or(WARM_DEFAULT)
    }
}

/// `forebay bench classic`.
#[derive(Debug, Args)]
pub struct BenchClassic {
    #[command(flatten)]
    pub on: BenchOn,
    #[command(flatten)]
    pub load: BenchLoad,
    /// How many senders, each with a connection of its own
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: u32,
    /// Let all senders share one connection: what gathers while requests are on their way goes out as one batch
    #[arg(long)]
    pub one_connection: bool,
    /// Bytes of each value
    #[arg(long, value_name = "N", default_value_t = 124, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub bytes: u32,
    /// How long to measure
    #[arg(short, long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
    /// Threads that share the connections
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "one_connection", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
}

/// `forebay bench produce`.
#[derive(Debug, Args)]
pub struct BenchProduce {
    #[command(flatten)]
    pub on: BenchOn,
    #[command(flatten)]
    pub load: BenchLoad,
    /// Bytes of each value
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub bytes: u32,
    /// How batches are compressed; that is done before the measured time
    #[arg(short = 'z', long, value_name = "CODEC", default_value = "none", value_parser = codec_parser())]
    pub codec: Codec,
    /// How large batches are before compression, in bytes
    #[arg(long, value_name = "N", default_value_t = 1_048_576, value_parser = clap::value_parser!(u32).range(1000..=16_777_216))]
    pub batch_bytes: u32,
    /// How many clients; each has a connection to every broker that leads a partition
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub clients: u32,
    /// Stop after so many records [default: after 10 seconds]
    #[arg(short, long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..))]
    pub records: Option<u64>,
    /// How long to measure
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub seconds: Option<Duration>,
    /// Threads that share the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
}

/// `forebay bench consume`.
#[derive(Debug, Args)]
pub struct BenchConsume {
    #[command(flatten)]
    pub on: BenchOn,
    /// The topic
    #[arg(short, long, value_name = "TOPIC")]
    pub topic: String,
    /// How many readers, each of which reads everything over connections of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub groups: u32,
    /// Stop each reader after so many records [default: all that are there when it begins]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub records: Option<u64>,
    /// Bytes wanted of a partition in one answer
    #[arg(long, value_name = "N", default_value_t = 8_388_608, value_parser = clap::value_parser!(u32).range(1..=134_217_728))]
    pub fetch_bytes: u32,
    /// Check every batch's checksum and read every record; otherwise records are counted by the headers of their batches
    #[arg(long)]
    pub check: bool,
    /// Threads that share the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub threads: u32,
}

/// `forebay bench latency`.
#[derive(Debug, Args)]
pub struct BenchLatency {
    #[command(flatten)]
    pub on: BenchOn,
    #[command(flatten)]
    pub load: BenchLoad,
    /// Records due each second
    #[arg(short, long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Bytes of each value
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(16..=1_000_000))]
    pub bytes: u32,
    /// How long to measure
    #[arg(short, long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub seconds: Duration,
}

/// Longest time a run may last.
const SECONDS_MAX: f64 = 7.0 * 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    match seconds_or_none(text)? {
        Duration::ZERO => Err("it must be more than 0".into()),
        time => Ok(time),
    }
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err(format!("it is not a number of seconds from 0 to {SECONDS_MAX}")),
    }
}

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
}

/// What the topic is, and how the outcome is written.
#[derive(Clone, Debug, Args)]
pub struct BenchTopic {
    #[command(flatten)]
    pub connect: Connect,
    /// The topic
    #[arg(short, long, value_name = "TOPIC", default_value = "forebay-bench")]
    pub topic: String,
    /// Write JSON lines: one when the measured time begins, one with the measures
    #[arg(long)]
    pub json: bool,
}

/// How the topic is made where there is none, and what is written to it.
#[derive(Clone, Debug, Args)]
pub struct BenchLoad {
    /// How many partitions the topic has; it is created with so many if there is none [default: what it has, or 1]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: Option<i32>,
    /// A setting of the topic, by Kafka's name; it is created with it if there is none
    #[arg(short = 'c', long, value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub topic_config: Vec<(String, String)>,
    /// Take the values from the lines of this file, cut and joined to their size; otherwise they are made up
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
    /// Work for so many seconds before the measured time begins
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds_or_none)]
    pub warm: Duration,
    /// Let the broker store twice what is sent twice: do without a producer id
    #[arg(long)]
    pub allow_duplicates: bool,
}

/// `forebay bench classic`.
#[derive(Debug, Args)]
pub struct BenchClassic {
    #[command(flatten)]
    pub topic: BenchTopic,
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
    pub topic: BenchTopic,
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

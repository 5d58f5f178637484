//! `forebay import` and `forebay check`: their flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::output::time;

/// `forebay import`.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Take topics over from a cluster that speaks Kafka's protocol: every batch as it is, at its offset, and where groups are
    Kafka(ImportKafka),
}

/// `forebay import kafka`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is imported takes no records of producers until the cut-over. Nothing is kept beside the target: a \
    run that ended, however it ended, is gone on with by the same command. SIGUSR1 makes --follow cut over; Ctrl-C ends it, \
    and all is left as it is."
)]
pub struct ImportKafka {
    /// Brokers of the cluster to take from
    #[arg(long, value_name = "HOST:PORT,...", required = true, value_delimiter = ',')]
    pub from: Vec<String>,
    /// A client's properties, in Kafka's words, to connect to the source with: security.protocol, sasl.*, ssl.*
    #[arg(long, value_name = "FILE")]
    pub from_config: Option<PathBuf>,
    /// The Forebay to bring to
    #[arg(long, value_name = "HOST:PORT,...", default_value = "127.0.0.1:9092", value_delimiter = ',')]
    pub to: Vec<String>,
    /// The same for the target
    #[arg(long, value_name = "FILE")]
    pub to_config: Option<PathBuf>,
    /// Only these topics [default: all but the cluster's own]
    #[arg(long, value_name = "TOPIC,...", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// Only the offsets of these groups [default: all that have any in the topics]
    #[arg(long, value_name = "GROUP,...", value_delimiter = ',')]
    pub groups: Vec<String>,
    /// Go on with what is written to the source, until it is time to cut over
    #[arg(long)]
    pub follow: bool,
    /// At the end, make the topics take records of producers. The source's producers have to be stopped by then
    #[arg(long)]
    pub cut_over: bool,
    /// Bring topics over although settings of theirs have to be left out: see `forebay check kafka`
    #[arg(long)]
    pub accept_differences: bool,
    /// At the end, read both sides again and compare every batch
    #[arg(long)]
    pub verify: bool,
    /// How many fetch and publish at a time; each holds up to about 40 MiB
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// How long nothing may be written to the source for it to count as silent at the cut-over
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = time::duration)]
    pub quiet: Duration,
    /// How long one thing may take, all tries together; with --follow, lost brokers are waited for without an end
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = time::duration)]
    pub timeout: Duration,
    /// Write one JSON document at the end
    #[arg(long)]
    pub json: bool,
}

/// `forebay check`.
#[derive(Debug, Subcommand)]
pub enum Check {
    /// Say what of a cluster that speaks Kafka's protocol would be different here, and end with 1 if anything would
    Kafka(CheckKafka),
}

/// `forebay check kafka`.
#[derive(Debug, Args)]
pub struct CheckKafka {
    /// Brokers of the cluster to look at
    #[arg(long, value_name = "HOST:PORT,...", required = true, value_delimiter = ',')]
    pub from: Vec<String>,
    /// A client's properties, in Kafka's words, to connect with: security.protocol, sasl.*, ssl.*
    #[arg(long, value_name = "FILE")]
    pub from_config: Option<PathBuf>,
    /// Only these topics [default: all but the cluster's own]
    #[arg(long, value_name = "TOPIC,...", value_delimiter = ',')]
    pub topics: Vec<String>,
    /// How long one thing may take, all tries together
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = time::duration)]
    pub timeout: Duration,
    /// Write one JSON document
    #[arg(long)]
    pub json: bool,
}

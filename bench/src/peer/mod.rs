//! The brokers that are compared: how each is had, started, driven and stopped.
//!
//! A peer is data and three steps (fetch, start, load); everything that runs is a `Broker`, which ends all its
//! processes when it is dropped.

mod alone;
mod artemis;
mod broker;
mod clients;
pub mod fetch;
pub mod forebay;
mod kafka;
mod nats;
mod pom;
pub mod port;
pub mod probe;
mod rabbitmq;
mod rocketmq;

use std::path::PathBuf;

pub use alone::{COMMITLOG, FIO};
pub use broker::Broker;

use crate::failure::Failure;
use crate::place::Place;
use crate::story::{Load, Work};

/// How a peer is set up for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `as-it-comes`, `flushed`, or a word of the peer's own.
    pub name: &'static str,
    /// Whether a confirm then means that the record was flushed to the disk.
    pub flushed_before_confirm: bool,
    /// What it is, in a few words, for the tables.
    pub about: &'static str,
}

/// What a start is told.
#[derive(Clone, Debug)]
pub struct Job {
    /// How the peer is set up.
    pub setting: Setting,
    /// An empty folder of this start's own: data, settings and log go there, and it is removed after the run.
    pub dir: PathBuf,
    /// A free port of the loopback interface for its clients. More come from `port::free`.
    pub port: u16,
    /// Further words for the broker's command line; a case that asks for them names the peers that take them.
    pub options: Vec<String>,
}

/// One broker that can be compared. It has no state: what a run needs is in its `Job` and its `Broker`.
pub trait Peer: Sync {
    /// Its name on the command line and in records, in small letters.
    fn name(&self) -> &'static str;

    /// The settings it is run in, the usual one first.
    fn settings(&self) -> &'static [Setting];

    /// Brings all that its start needs into `place.peer(name)`, unless it is there, and says its version.
    /// `Failure::Skipped` says why it cannot be had here.
    fn fetch(&self, place: &Place) -> Result<String, Failure>;

    /// Makes a fresh start ready: settings written, folders formatted. Nothing runs yet.
    fn prepare(&self, place: &Place, job: &Job) -> Result<Broker, Failure>;

    /// Starts the processes and waits until the broker answers. Called again after `Broker::stop`, it starts on the data
    /// that is there.
    fn run(&self, place: &Place, job: &Job, broker: &mut Broker) -> Result<(), Failure>;

    /// Whether any client here can ask it for work of this kind at all: nothing is started where none can.
    fn does(&self, _work: &Work) -> bool {
        true
    }

    /// Whether it runs faster the longer it runs, since a compiler is still at work on it.
    fn is_compiled_as_it_runs(&self) -> bool {
        false
    }

    /// The clients that can drive this work on it, best first; empty where it cannot do that work.
    fn loads(&self, place: &Place, broker: &Broker, work: &Work) -> Vec<Load>;
}

/// All peers in the order of the tables. The first is what ratios are given to.
pub const PEERS: &[&dyn Peer] = &[
    &kafka::Kafka,
    &forebay::Forebay,
    &nats::Nats,
    &rabbitmq::RabbitMq,
    &rocketmq::RocketMq,
    &artemis::Artemis,
    &alone::CommitLog,
    &alone::Fio,
];

/// The peer of that name.
pub fn find(name: &str) -> Option<&'static dyn Peer> {
    PEERS.iter().copied().find(|peer| peer.name() == name)
}

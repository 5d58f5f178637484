//! Clients: they know the cluster only through requests and replies, retry as real ones do, and write down what they were
//! told.

mod committer;
mod completed;
mod creator;
mod fencing;
mod participant;
mod producer;
mod reader;
mod sharer;
mod state_keeper;
mod temporary;
mod transactor;
mod watcher;

use forebay_model::{NodeId, Refusal, Reply, Request};

use crate::checkers::Check;
use crate::cluster::{Cluster, Event, MACHINES};
use crate::plan::Nodes;
use crate::random::Rng;
use crate::world::clock::MS;

pub use committer::{Committer, CommitterKind};
pub use creator::Creator;
pub use participant::Participant;
pub use producer::{Producer, ProducerKind};
pub use reader::{Reader, ReaderKind};
pub use sharer::{Sharer, SharerKind};
pub use state_keeper::StateKeeper;
pub use temporary::Temporary;
pub use transactor::Transactor;
pub use watcher::Watcher;

/// A client of the cluster.
pub trait Client {
    /// The topics are there: begin.
    fn begin(&mut self, desk: &mut Desk<'_>);
    /// A call was answered; `None`: the connection broke, or nobody was there.
    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check;
    /// A timer rang.
    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check;
    /// Take up nothing new.
    fn wind_down(&mut self, desk: &mut Desk<'_>);
    /// What it still waits for.
    fn waits_for(&self) -> Option<String>;
}

/// What a client works with.
pub struct Desk<'a> {
    /// The cluster; a client uses of it what real ones have, and writes into its history.
    pub cluster: &'a mut Cluster,
    /// The client's number.
    pub me: usize,
    /// Its randomness.
    pub rng: &'a mut Rng,
}

impl Desk<'_> {
    /// Calls a node.
    pub fn call(&mut self, node: usize, request: Request) -> u64 {
        self.cluster.call(self.me, node, request)
    }

    /// Sets a timer, in milliseconds from now.
    pub fn ring_after(&mut self, ms: u64, timer: u64) {
        let client = self.me;
        self.cluster.put(ms * MS, Event::Timer { client, timer });
    }

    /// Calls a node from one of the client's processes; its packets are held up for so many milliseconds.
    pub fn call_from(&mut self, process: u32, node: usize, held_up_ms: u64, request: Request) -> u64 {
        self.cluster.call_from(self.me, process, node, held_up_ms * MS, request)
    }

    /// Closes the connection to a node.
    pub fn hang_up(&mut self, node: usize) {
        self.cluster.hang_up(self.me, 0, node);
    }

    /// Closes the connection of one of the client's processes to a node.
    pub fn hang_up_from(&mut self, process: u32, node: usize) {
        self.cluster.hang_up(self.me, process, node);
    }

    /// Now, in milliseconds of a correct wall clock.
    pub fn now_ms(&self) -> i64 {
        self.cluster.time.wall_ms()
    }
}

/// Which node to try next.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    node: usize,
    nodes: Nodes,
}

impl Route {
    /// Begins anywhere.
    pub fn any(rng: &mut Rng, nodes: Nodes) -> Route {
        Route { node: rng.index(nodes.count()), nodes }
    }

    /// The node to call.
    pub fn node(self) -> usize {
        self.node
    }

    /// Goes where a refusal points, or somewhere else.
    pub fn refused(&mut self, rng: &mut Rng, refusal: &Refusal) {
        match refusal {
            Refusal::NotLeader { leader: Some(NodeId(id)) } if (1..=MACHINES as u64).contains(id) => {
                self.node = *id as usize - 1;
            }
            _ => self.elsewhere(rng),
        }
    }

    /// Goes somewhere else.
    pub fn elsewhere(&mut self, rng: &mut Rng) {
        let nodes = self.nodes.count();
        if nodes > 1 {
            self.node = (self.node + 1 + rng.index(nodes - 1)) % nodes;
        }
    }
}

/// Whether a refusal may be answered by trying again.
pub fn may_retry(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NotLeader { .. }
            | Refusal::Loading
            | Refusal::Busy
            | Refusal::TimedOut
            | Refusal::Unknown
            | Refusal::DiskFull
            | Refusal::Storage
            | Refusal::ShuttingDown
    )
}

/// Whether what was refused may have taken effect all the same.
pub fn is_uncertain(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::TimedOut | Refusal::Unknown)
}

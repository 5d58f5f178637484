//! A fixed number of messages through a whole node in one thread, for counting instructions: from a request's bytes to its
//! reply's, with the log on the real disk and time that stands still unless it is moved.
//!
//! `hot_path WORKLOAD ROUNDS` does so many rounds and prints `{"messages_per_round":N,"rounds":R}`. The instructions of twice the
//! rounds less those of the rounds, by the messages, are what a message takes; starting and ending cancel out. Sockets
//! and threads are not in it.
#![forbid(unsafe_code)]

mod requests;
mod world;

use std::error::Error;

use forebay_kit::Bytes;
use requests::Shape;
use world::World;

/// One kind of work.
struct Workload {
    name: &'static str,
    /// Clients with a request each in every round.
    clients: usize,
    topics: usize,
    shape: Shape,
    way: Way,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Produce,
    /// The topic is filled first; rounds read it batch by batch, over and over.
    Fetch,
}

const fn sends(name: &'static str, clients: usize, topics: usize) -> Workload {
    Workload { name, clients, topics, shape: Shape { record_bytes: 124, records: 1 }, way: Way::Produce }
}

const fn stream(name: &'static str, record_bytes: usize, records: usize, way: Way) -> Workload {
    Workload { name, clients: 1, topics: 1, shape: Shape { record_bytes, records }, way }
}

const WORKLOADS: &[Workload] = &[
    sends("send-1-client", 1, 1),
    sends("send-64-clients", 64, 1),
    sends("send-64-clients-1000-topics", 64, 1000),
    stream("produce-1-kib", 1024, 900, Way::Produce),
    stream("produce-124-b", 124, 6_000, Way::Produce),
    stream("fetch-1-kib", 1024, 900, Way::Fetch),
    stream("fetch-124-b", 124, 6_000, Way::Fetch),
];

/// Batches that a topic is filled with before it is read.
const FILLED_BATCHES: usize = 16;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [name, rounds] = &words[..] else {
        let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
        return Err(format!("hot_path WORKLOAD ROUNDS, where WORKLOAD is one of {}", names.join(", ")).into());
    };
    let workload = WORKLOADS.iter().find(|workload| workload.name == name).ok_or("no such workload")?;
    let rounds: usize = rounds.parse()?;
    let dir = tempfile::tempdir()?;
    let mut world = World::open(dir.path(), workload.clients)?;
    workload.run(&mut world, rounds)?;
    println!("{{\"messages_per_round\":{},\"rounds\":{rounds}}}", workload.clients * workload.shape.records);
    Ok(())
}

impl Workload {
    fn run(&self, world: &mut World, rounds: usize) -> Result<(), Box<dyn Error>> {
        let topics: Vec<String> = (0..self.topics).map(|number| format!("topic-{number:04}")).collect();
        world.create(&topics)?;
        // Made beforehand: a client's work is not counted. Many topics take turns.
        let produce = topics
            .iter()
            .map(|topic| requests::produce(topic, self.shape))
            .collect::<Result<Vec<Bytes>, _>>()?;
        if self.way == Way::Produce {
            // Once round before the counted rounds, so that no topic is cold.
            (0..self.topics.div_ceil(self.clients)).for_each(|round| self.round(world, &produce, round));
            (0..rounds).for_each(|round| self.round(world, &produce, round));
            return Ok(());
        }
        (0..FILLED_BATCHES).for_each(|round| self.round(world, &produce, round));
        let fetch = (0..FILLED_BATCHES)
            .map(|batch| requests::fetch(&topics[0], batch * self.shape.records))
            .collect::<Result<Vec<Bytes>, _>>()?;
        let least = self.shape.record_bytes * self.shape.records;
        for round in 0..rounds {
            self.round(world, &fetch, round);
            assert!(world.reply_bytes() > least, "a whole batch comes back");
        }
        Ok(())
    }

    /// Every client sends its request, and has its reply at the end.
    fn round(&self, world: &mut World, requests: &[Bytes], round: usize) {
        for client in 0..self.clients {
            let request = &requests[(round * self.clients + client) % requests.len()];
            world.send(client, request.clone());
        }
        world.settle();
    }
}

//! RabbitMQ's clients: each case starts a broker that listens for AMQP as well, and a driver that is a client of it.

use std::net::SocketAddr;
use std::process::Command;

use crate::broker::Broker;
use crate::case::{BrokerUse, Case, Context, Outcome, Suite};
use crate::driver::{self, Conversation};
use crate::port;
use crate::runtime::{Runtime, Runtimes, clients};
use crate::suites::clients::python;

/// What every client is put through.
const STORIES: [(&str, u64); 7] = [
    // Through every type of exchange, with confirms and returns, properties as they were; looked at, taken and purged.
    ("routes", 60),
    // All that a consumer can say of a message, under a prefetch; what a lost connection had comes again and says so.
    ("settlements", 60),
    // Confirmed messages are there in order after kill -9, before and behind what was settled.
    ("over-crashes", 90),
    // What the server says to mistakes: the code, the text, and what it closes.
    ("mistakes", 60),
    // Queues that go with their connection, their consumers, the process, or by themselves; who consumes alone or first.
    ("lives", 60),
    // Questions and answers, over a queue of the connection's own and without one.
    ("replies", 60),
    // What was published is a topic for Kafka's clients.
    ("read-by-kafka", 60),
];

/// The cases.
pub fn suites() -> Vec<Suite> {
    vec![suite("amqp-pika", &[Runtime::Python], |runtimes| {
        python(runtimes, &clients().join("python/amqp_pika.py"))
    })]
}

fn suite(
    name: &'static str,
    needs: &'static [Runtime],
    client: impl Fn(&Runtimes) -> Command + Clone + Send + Sync + 'static,
) -> Suite {
    let case = |(story, limit_s): (&'static str, u64)| {
        let client = client.clone();
        Case::new(story, limit_s, move |context| tell(context, client(context.runtimes), story))
    };
    Suite { name, needs, broker: BrokerUse::OwnForebay, cases: STORIES.into_iter().map(case).collect() }
}

fn tell(context: &mut Context, mut client: Command, story: &str) -> Outcome {
    let amqp = SocketAddr::from(([127, 0, 0, 1], port::free()));
    let mut broker = Broker::start_with(context.kind, &["--listen", &format!("amqp={amqp}")], &[])?;
    client.env("AMQP", amqp.to_string());
    let mut conversation = Conversation::start(context, broker.address(), client, &[story])?;
    let outcome = conversation.serve_by(context, |context, wish| match wish {
        "kill9" => {
            let recovery = broker.crash_and_recover()?;
            context.remarks.push(format!("answered {} ms after its restart", recovery.as_millis()));
            Ok(())
        }
        _ => Err(driver::unknown_service(wish)),
    });
    conversation.conclude(outcome).map(drop)
}

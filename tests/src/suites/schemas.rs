//! A schema registry, Apicurio's, which keeps all that it knows in topics of the broker and reads them from their start whenever it
//! starts; asked in Confluent's words by librdkafka's client and serializers (tests/clients/python/schemas.py).

use std::process::Command;

use rustix::process::Signal;

use crate::background::Background;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::{self, Conversation};
use crate::port;
use crate::runtime::{Runtime, clients};
use crate::suites::clients::python;

/// As much of the registry's log as a report needs.
const LINES_SHOWN: usize = 40;

/// The cases.
pub fn suite() -> Suite {
    Suite {
        name: "schemas",
        needs: &[Runtime::Python, Runtime::Registry],
        broker: BrokerUse::Shared,
        cases: vec![
            // 12 subjects get new versions before, during and after a kill -9 of the broker, of the registry and of both, while the
            // registry's journal is compacted: no id changes, none is lost or given twice, what is incompatible is refused, and records
            // stay readable.
            Case::new("over-crashes", 240, |context| tell(context, "over-crashes")),
            // Apicurio's journal has a key for each record. Others keep one key for each version and each setting, as this story does by
            // itself: what is read from the start is all there is, over four kills, also when three quarters of the topic are compacted.
            Case::new("in-one-compacted-topic", 240, |context| tell(context, "in-one-compacted-topic")),
        ],
    }
}

fn tell(context: &mut Context, story: &str) -> Outcome {
    let port = port::free();
    let mut registry: Option<Background> = None;
    let mut command = python(context.runtimes, &clients().join("python/schemas.py"));
    command.env("REGISTRY", format!("http://127.0.0.1:{port}/apis/ccompat/v7"));
    let at = context.broker().address();
    let mut conversation = Conversation::start(context, at, command, &[story])?;
    let outcome = conversation.serve_by(context, |context, wish| match wish {
        "registry" => {
            let mut started = Background::start("the registry", &mut start(context, port))?;
            // Its own word that it has read its journal to the end.
            started.wait_for(context, "it is ready", |line| line.contains("storage bootstrapped"))?;
            registry = Some(started);
            Ok(())
        }
        "kill-registry" => {
            let mut running = registry.take().ok_or_else(|| Failure::new("the registry does not run"))?;
            running.signal(Signal::KILL)?;
            running.wait(context).map(|_| ())
        }
        "kill9" => {
            let recovery = context.broker().crash_and_recover()?;
            context.remarks.push(format!("broker back after {} ms", recovery.as_millis()));
            Ok(())
        }
        _ => Err(driver::unknown_service(wish)),
    });
    let outcome = outcome.map_err(|why| with_last_words(why, registry.as_mut()));
    let said = conversation.conclude(outcome)?;
    context.remarks.extend(said.iter().filter_map(|line| line.strip_prefix("schemas: ")).map(String::from));
    Ok(())
}

/// The registry with the case's own topics.
fn start(context: &mut Context, port: u16) -> Command {
    let mut command = Command::new("java");
    command
        .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m", "-jar"])
        .arg(context.runtimes.registry())
        .env("APICURIO_STORAGE_KIND", "kafkasql")
        .env("APICURIO_KAFKASQL_BOOTSTRAP_SERVERS", context.broker().address().to_string())
        .env("APICURIO_KAFKASQL_TOPIC", format!("{}journal", context.prefix))
        .env("APICURIO_KAFKASQL_SNAPSHOTS_TOPIC", format!("{}snapshots", context.prefix))
        .env("APICURIO_EVENTS_KAFKA_TOPIC", format!("{}events", context.prefix))
        .env("QUARKUS_HTTP_HOST", "127.0.0.1")
        .env("QUARKUS_HTTP_PORT", port.to_string())
        .env("QUARKUS_HTTP_ACCESS_LOG_ENABLED", "false")
        .current_dir(&context.dir);
    command
}

/// What the registry said last belongs to the report of a failure.
fn with_last_words(why: Failure, registry: Option<&mut Background>) -> Failure {
    match (why, registry) {
        (Failure::Failed(why), Some(registry)) => {
            let said = registry.said();
            let last = said[said.len().saturating_sub(LINES_SHOWN)..].join("\n");
            Failure::Failed(format!("{why}\n--- the registry\n{last}"))
        }
        (why, _) => why,
    }
}

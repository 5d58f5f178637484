//! MirrorMaker 2, as connect-mirror-maker.sh runs it, from a real Apache Kafka into the broker under test and back: source, checkpoint
//! and heartbeat connectors in workers of their own, which keep what they know in compacted topics of both clusters.
//!
//! The driver is tests/clients/java/src/Mirror.java; MirrorMaker's process and the clusters are ours to kill.

use std::process::Command;

use rustix::process::Signal;

use crate::background::Background;
use crate::broker::{self, Broker, Kind};
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver::{self, Conversation};
use crate::port;
use crate::runtime::Runtime;
use crate::suites::clients::java;

/// A case, the name it gives the source, the seconds it may take, and whether every record comes exactly once.
const STORIES: &[(&str, &str, u64, bool)] = &[
    // Three topics, one of which goes the other way, equal over a kill -9 while they grow: keys, values, headers, times, order. Settings
    // arrive, also when they change and when they are taken back; a group goes on where its checkpoint says; there are heartbeats.
    ("over-a-crash", "there", 300, false),
    // With exactly.once.source.support, over a kill -9 of the broker and one of MirrorMaker: no record is there twice.
    ("exactly-once-over-crashes", "elsewhere", 300, true),
];

/// As much of MirrorMaker's log as a report needs.
const LINES_SHOWN: usize = 40;

/// The cases.
pub fn suite() -> Suite {
    let case = |&(name, alias, limit_s, once): &'static (&'static str, &'static str, u64, bool)| {
        Case::new(name, limit_s, move |context| tell(context, name, alias, once))
    };
    Suite {
        name: "mirror",
        needs: &[Runtime::Java, Runtime::Connect],
        broker: BrokerUse::Shared,
        cases: STORIES.iter().map(case).collect(),
    }
}

fn tell(context: &mut Context, story: &str, alias: &str, once: bool) -> Outcome {
    let source = Broker::start(&Kind::Kafka { class_path: context.runtimes.class_path() })?;
    let here = context.broker().address();
    let settings = settings(context, alias, &source, once);
    let file = context.dir.join("mirror.properties");
    std::fs::write(&file, settings)?;

    let mut command = java(&context.runtimes.class_path(), "Mirror");
    command.env("SOURCE", source.address().to_string()).env("ALIAS", alias);
    let mut mirror: Option<Background> = None;
    let mut conversation = Conversation::start(context, here, command, &[story])?;
    let outcome = conversation.serve_by(context, |context, wish| match wish {
        "mirror" => {
            const CLASS: &str = "org.apache.kafka.connect.mirror.MirrorMaker";
            let words = broker::java(&context.runtimes.connect_class_path(), CLASS);
            let mut command = Command::new(&words[0]);
            command.args(&words[1..]).arg(&file);
            mirror = Some(Background::start("MirrorMaker", &mut command)?);
            Ok(())
        }
        "kill-mirror" => {
            let mut running = mirror.take().ok_or_else(|| Failure::new("MirrorMaker does not run"))?;
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
    let outcome = outcome.map_err(|why| with_last_words(why, mirror.as_mut()));
    let said = conversation.conclude(outcome)?;
    context.remarks.extend(said.iter().filter_map(|line| line.strip_prefix("mirror: ")).map(String::from));
    Ok(())
}

/// What MirrorMaker said last belongs to the report of a failure.
fn with_last_words(why: Failure, mirror: Option<&mut Background>) -> Failure {
    match (why, mirror) {
        (Failure::Failed(why), Some(mirror)) => {
            let said = mirror.said();
            let last = said[said.len().saturating_sub(LINES_SHOWN)..].join("\n");
            Failure::Failed(format!("{why}\n--- MirrorMaker\n{last}"))
        }
        (why, _) => why,
    }
}

/// Both clusters and the flows between them. What is done now and then is done every second.
fn settings(context: &mut Context, alias: &str, source: &Broker, once: bool) -> String {
    let here = context.broker().address();
    let (there, prefix) = (source.address(), &context.prefix);
    let mut settings = format!(
        "clusters={alias},here\n\
         {alias}.bootstrap.servers={there}\n\
         here.bootstrap.servers={here}\n\
         {alias}->here.enabled=true\n\
         {alias}->here.topics={prefix}plain,{prefix}compacted\n\
         {alias}->here.groups={prefix}.*\n\
         here->{alias}.enabled=true\n\
         here->{alias}.topics={prefix}back\n\
         here->{alias}.groups={prefix}.*\n"
    );
    for topic in ["", "checkpoints.topic.", "heartbeats.topic.", "offset-syncs.topic."] {
        settings += &format!("{topic}replication.factor=1\n");
    }
    for store in ["offset", "status", "config"] {
        settings += &format!("{store}.storage.replication.factor=1\n");
    }
    for often in
        ["refresh.topics", "refresh.groups", "sync.topic.configs", "emit.checkpoints", "emit.heartbeats"]
    {
        settings += &format!("{often}.interval.seconds=1\n");
    }
    settings += "sync.group.offsets.enabled=true\n\
                 sync.group.offsets.interval.seconds=1\n\
                 sync.topic.acls.enabled=false\n\
                 tasks.max=2\n";
    // What is for the workers themselves is said for each cluster that they keep their knowledge in.
    for cluster in [alias, "here"] {
        settings += &format!("{cluster}.offset.flush.interval.ms=1000\n");
        settings += &format!("{cluster}.scheduled.rebalance.max.delay.ms=0\n");
        if once {
            settings += &format!("{cluster}.exactly.once.source.support=enabled\n");
        }
    }
    if once {
        // Workers tell their leader that they are ready for it over this.
        let listener = port::free();
        settings += &format!(
            "dedicated.mode.enable.internal.rest=true\n\
             listeners=http://127.0.0.1:{listener}\n"
        );
    }
    settings
}

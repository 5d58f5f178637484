//! A real collector: rsyslog follows a log file and sends it on by omkafka, while the broker is killed.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::broker::Broker;
use crate::case::{BrokerUse, Case, Context, Failure, Outcome, Suite};
use crate::driver;
use crate::ensure;
use crate::runtime::{Runtime, omkafka};
use crate::suites::kcat::real_log;

/// The one case.
pub fn suite() -> Suite {
    let case = Case::new("a-log-file-over-a-crash", 180, over_a_crash);
    Suite {
        name: "rsyslog",
        needs: &[Runtime::Rsyslog, Runtime::Kcat],
        broker: BrokerUse::Shared,
        cases: vec![case],
    }
}

fn over_a_crash(context: &mut Context) -> Outcome {
    let topic = format!("{}log", context.prefix);
    let log = real_log(context);
    let lines: Vec<&[u8]> = log.split_inclusive(|&b| b == b'\n').collect();
    ensure!(lines.len() > 100, "the log has {} lines only", lines.len());
    let followed = context.dir.join("followed.log");
    std::fs::write(&followed, lines[..lines.len() / 3].concat())?;
    let dir = context.dir.clone();
    let collector = Collector::start(context.broker(), &dir, &followed, &topic)?;

    wait_for_records(context, &topic, lines.len() / 3, &collector)?;
    // The log goes on being written while the broker is away.
    let rest: Vec<u8> = lines[lines.len() / 3..].concat();
    let writer = {
        let followed = followed.clone();
        std::thread::spawn(move || append_slowly(&followed, &rest))
    };
    let recovery = context.broker().crash_and_recover();
    writer.join().map_err(|_| Failure::new("the writer panicked"))??;
    let recovery = recovery?;
    wait_for_records(context, &topic, lines.len(), &collector)?;

    let back = kcat(context, &["-C", "-q", "-e", "-o", "beginning", "-t", &topic, "-p", "0"])?;
    ensure!(back == log, "{} bytes came back of {}, or in another order", back.len(), log.len());
    context.remarks.push(format!("{} lines, broker back after {} ms", lines.len(), recovery.as_millis()));
    Ok(())
}

fn append_slowly(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(file)?;
    for chunk in text.chunks(2_000) {
        file.write_all(chunk)?;
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn kcat(context: &mut Context, args: &[&str]) -> Result<Vec<u8>, Failure> {
    let mut command = Command::new("kcat");
    command.arg("-b").arg(context.broker().address().to_string()).args(args);
    Ok(driver::output(context, &mut command, b"")?.out)
}

/// Waits until the topic's end is there. The topic may not exist at first: then there is no answer yet.
fn wait_for_records(context: &mut Context, topic: &str, count: usize, collector: &Collector) -> Outcome {
    loop {
        let answer = kcat(context, &["-Q", "-t", &format!("{topic}:0:-1")]);
        let end =
            answer.ok().and_then(|a| String::from_utf8_lossy(&a).trim().rsplit(' ').next()?.parse().ok());
        let end: usize = end.unwrap_or(0);
        if end >= count {
            return Ok(());
        }
        let said = collector.said();
        ensure!(context.left() > Duration::from_secs(5), "{end} of {count} records; rsyslogd said:\n{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A rsyslogd of our own, beside whichever the machine runs.
struct Collector {
    child: Child,
    output: std::path::PathBuf,
}

impl Collector {
    fn start(broker: &Broker, dir: &Path, followed: &Path, topic: &str) -> Result<Collector, Failure> {
        let module = omkafka().ok_or_else(|| Failure::new("omkafka.so is gone"))?;
        let config = dir.join("rsyslog.conf");
        let output = dir.join("rsyslog.out");
        std::fs::write(&config, configuration(broker, dir, &module, followed, topic))?;
        let out = std::fs::File::create(&output)?;
        let child = Command::new("rsyslogd")
            .arg("-n")
            .arg("-f")
            .arg(&config)
            .arg("-i")
            .arg(dir.join("rsyslog.pid"))
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .map_err(|why| Failure::new(format!("rsyslogd: {why}")))?;
        Ok(Collector { child, output })
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(broker: &Broker, dir: &Path, module: &Path, followed: &Path, topic: &str) -> String {
    format!(
        r#"global(workDirectory="{dir}")
module(load="imfile")
module(load="{module}")
template(name="line" type="string" string="%msg%")
input(type="imfile" file="{followed}" tag="followed:" ruleset="to-kafka")
ruleset(name="to-kafka") {{
    action(
        type="omkafka"
        broker="{address}"
        topic="{topic}"
        template="line"
        partitions.useFixed="0"
        resubmitOnFailure="on"
        keepFailedMessages="on"
        failedMsgFile="{dir}/failed"
        action.resumeRetryCount="-1"
        confParam=["enable.idempotence=true", "queue.buffering.max.ms=5"]
        topicConfParam=["message.timeout.ms=120000"]
    )
}}
"#,
        dir = dir.display(),
        module = module.display(),
        followed = followed.display(),
        address = broker.address(),
    )
}

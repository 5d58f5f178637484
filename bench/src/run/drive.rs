//! One loader against one broker: its lines, and what the broker used between them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::failure::{Failure, check_interrupt};
use crate::peer::{Broker, fetch};
use crate::process::sample::machine_busy_s;
use crate::process::{Group, Sample};
use crate::record::Measure;
use crate::story::{Event, Load};

/// How often the broker's memory is looked at in a long window, and its life at any time.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// In windows that are longer, the memory is followed second by second.
const FOLLOWED_FROM: Duration = Duration::from_secs(60);
/// How long a loader that has told all may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Lines that may wait to be read.
const LINES_MAX: usize = 1024;
/// Lines of a loader's words that stand in the message when it fails.
const TAIL_LINES: usize = 12;

/// The name of the figure that says what part of the machine worked for neither broker nor loader in a window: programs
/// that have nothing to do with it, and what the kernel does on its own.
pub const OTHERS: &str = "others_cpu_share";

const MIB: f64 = (1 << 20) as f64;

/// A loader's word and the figures of the broker in one window, still open.
struct Open {
    name: String,
    begun: Instant,
    sample: Sample,
    /// The loader, where there is one, and the CPU seconds it had used.
    loader: Option<(u32, f64)>,
    flushes: Option<u64>,
    /// CPU seconds of the whole machine.
    machine_s: Option<f64>,
    /// Resident memory in MiB, once a second.
    memory_mib: Vec<f64>,
    looked: Instant,
}

/// What came of one loader's run.
pub struct Driven {
    /// Its measured windows.
    pub measures: Vec<Measure>,
    /// How the client called itself, where it did.
    pub client: Option<String>,
}

/// Runs a loader to its end, but not longer than the limit, and samples the broker as its lines come.
pub fn drive(load: &mut Load, broker: &mut Broker, log: &Path, limit: Duration) -> Result<Driven, Failure> {
    for command in &mut load.before {
        run_quietly(command, log, limit)?;
    }
    let said = File::create(log)?;
    load.command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said);
    let mut loader = Group::start("the loader", &mut load.command)?;
    let out = loader.child().stdout.take().expect("stdout was piped");
    let (sender, lines) = sync_channel(LINES_MAX);
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines() {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    let mut windows = Windows { loader: loader.pid(), open: None, measures: Vec::new() };
    let mut done = false;
    let start = Instant::now();
    loop {
        check_interrupt()?;
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) => {
                let event = load.dialect.line(&line?).map_err(|why| failure(log, &why))?;
                windows.see(event, broker)?;
                done = load.dialect.is_done();
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => windows.look(broker),
        }
        broker.check_alive()?;
        if done {
            break;
        }
        if start.elapsed() > limit {
            return Err(failure(log, &format!("the loader was not done after {} s", limit.as_secs())));
        }
    }
    if done {
        loader.stop(Signal::TERM, STOP_LIMIT);
    } else {
        let status = loader.wait(limit)?;
        if !status.success() {
            return Err(failure(log, &format!("the loader failed: {status}")));
        }
    }
    let event = load.dialect.end().map_err(|why| failure(log, &why))?;
    windows.see(event, broker)?;
    if let Some(open) = windows.open {
        return Err(failure(log, &format!("the loader began '{}' and did not end it", open.name)));
    }
    if windows.measures.is_empty() {
        return Err(failure(log, "the loader measured nothing"));
    }
    let client = windows.measures.iter_mut().filter_map(take_client).last();
    Ok(Driven { measures: windows.measures, client })
}

struct Windows {
    /// The loader's process id.
    loader: u32,
    open: Option<Open>,
    measures: Vec<Measure>,
}

impl Windows {
    fn see(&mut self, event: Option<Event>, broker: &Broker) -> Result<(), Failure> {
        match event {
            None => {}
            Some(Event::Begin(name)) => {
                if let Some(open) = &self.open {
                    return Err(Failure::new(format!("the loader began '{name}' within '{}'", open.name)));
                }
                self.open = Some(Open::now(name, broker, Some(self.loader)));
            }
            Some(Event::End(mut measure)) => {
                match self.open.take() {
                    Some(open) if open.name == measure.measure => open.close(&mut measure, broker),
                    Some(open) => {
                        let names = format!("'{}' after it began '{}'", measure.measure, open.name);
                        return Err(Failure::new(format!("the loader ended {names}")));
                    }
                    // A loader that only sums up: what the broker used meanwhile is not known.
                    None => {}
                }
                self.measures.push(*measure);
            }
        }
        Ok(())
    }

    /// Follows the memory of a long window.
    fn look(&mut self, broker: &Broker) {
        if let Some(open) = self.open.as_mut().filter(|open| open.looked.elapsed() >= Duration::from_secs(1))
        {
            open.looked = Instant::now();
            open.memory_mib.push(broker.sample().rss_bytes as f64 / MIB);
        }
    }
}

impl Open {
    fn now(name: String, broker: &Broker, loader: Option<u32>) -> Open {
        broker.forget_peak();
        Open {
            name,
            begun: Instant::now(),
            flushes: broker.flushes(),
            looked: Instant::now(),
            memory_mib: Vec::new(),
            loader: loader.map(|pid| (pid, Sample::of_family(pid).cpu_s)),
            sample: broker.sample(),
            machine_s: machine_busy_s(),
        }
    }

    /// Fills in what the broker used since; the sample comes before anything else that takes time.
    fn close(self, measure: &mut Measure, broker: &Broker) {
        if !broker.has_processes() {
            return;
        }
        let sample = broker.sample();
        let machine_s = machine_busy_s().zip(self.machine_s).map(|(now, then)| now - then);
        let elapsed_s = self.begun.elapsed().as_secs_f64();
        if let Some((pid, cpu_s)) = self.loader.filter(|_| measure.client_cpu_s.is_none()) {
            measure.client_cpu_s = Some((Sample::of_family(pid).cpu_s - cpu_s).max(0.0));
        }
        measure.broker_cpu_s = Some((sample.cpu_s - self.sample.cpu_s).max(0.0));
        measure.broker_rss_mib = Some(sample.rss_bytes as f64 / MIB);
        measure.broker_rss_peak_mib = Some(sample.rss_peak_bytes as f64 / MIB);
        measure.written_bytes = Some(sample.written_bytes.saturating_sub(self.sample.written_bytes));
        measure.flushes = self.flushes.zip(broker.flushes()).map(|(then, now)| now.saturating_sub(then));
        measure.disk_used_bytes = Some(broker.disk_used());
        if let Some(machine_s) = machine_s {
            let ours_s = measure.broker_cpu_s.unwrap_or_default() + measure.client_cpu_s.unwrap_or_default();
            let share = share_of_others(machine_s - ours_s, elapsed_s);
            measure.more.insert(OTHERS.into(), share.into());
        }
        if self.begun.elapsed() >= FOLLOWED_FROM && !self.memory_mib.is_empty() {
            let each_minute: Vec<f64> = self.memory_mib.iter().step_by(60).map(|mib| mib.round()).collect();
            measure.more.insert("broker_rss_each_minute_mib".into(), each_minute.into());
        }
    }
}

/// What part of the machine worked for neither broker nor loader, in steps of a thousandth.
fn share_of_others(others_s: f64, elapsed_s: f64) -> f64 {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    ((others_s / (elapsed_s * cpus)).clamp(0.0, 1.0) * 1000.0).round() / 1000.0
}

/// Measures a step that no loader does: the broker's use while `step` runs.
pub fn watch(
    name: &str,
    broker: &mut Broker,
    step: impl FnOnce(&mut Broker) -> Result<(), Failure>,
) -> Result<Measure, Failure> {
    let open = Open::now(name.to_string(), broker, None);
    step(broker)?;
    let mut measure =
        Measure { measure: name.into(), seconds: open.begun.elapsed().as_secs_f64(), ..Measure::default() };
    open.close(&mut measure, broker);
    Ok(measure)
}

fn run_quietly(command: &mut Command, log: &Path, limit: Duration) -> Result<(), Failure> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log)?);
    let status = Group::start("the loader", command)?.wait(limit)?;
    if status.success() {
        Ok(())
    } else {
        Err(failure(log, &format!("what comes before the loader failed: {status}")))
    }
}

fn failure(log: &Path, what: &str) -> Failure {
    let said = fs::read(log).unwrap_or_default();
    let tail = fetch::tail(&String::from_utf8_lossy(&said), TAIL_LINES);
    Failure::new(if tail.is_empty() { what.to_string() } else { format!("{what}\n{tail}") })
}

fn take_client(measure: &mut Measure) -> Option<String> {
    measure.more.remove("client")?.as_str().map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Dialect, JsonLines};

    const LIMIT: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// A loader that has told all once it has ended a window.
    struct UntilMeasured(bool);

    impl Dialect for UntilMeasured {
        fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
            let event = JsonLines.line(line)?;
            self.0 |= matches!(event, Some(Event::End(_)));
            Ok(event)
        }

        fn is_done(&self) -> bool {
            self.0
        }
    }

    fn run(script: &str) -> Result<Driven, Failure> {
        run_in(script, Box::new(JsonLines))
    }

    /// A broker that works for its living, and a loader that says this.
    fn run_in(script: &str, dialect: Box<dyn Dialect>) -> Result<Driven, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        let mut broker = Broker::new("thing", &home, "kafka://127.0.0.1:1".into());
        // It leaves a file after each round of work, so that a loader can wait for one.
        let work = r#"while :; do n=0; while [ $n -lt 100000 ]; do n=$((n+1)); done; : > "$ROUND"; done"#;
        let round = dir.path().join("round");
        broker.spawn("main", shell(work).env("ROUND", &round)).unwrap();
        let mut command = shell(script);
        command.env("ROUND", &round);
        let mut load = Load { client: "sh".into(), before: vec![], command, dialect, notes: vec![] };
        drive(&mut load, &mut broker, &dir.path().join("log"), LIMIT)
    }

    #[test]
    fn the_broker_is_measured_within_the_window() {
        let script = r#"echo '{"begin":"a"}'
            for n in 1 2; do rm -f "$ROUND"; until [ -e "$ROUND" ]; do sleep 0.01; done; done
            echo '{"measure":"a","records":5,"seconds":0.3,"client":"sh 1"}'"#;
        let driven = run(script).unwrap_or_else(|why| panic!("{why}"));
        let measure = &driven.measures[0];
        assert_eq!((measure.records, driven.client.as_deref()), (5, Some("sh 1")));
        let cpu_s = measure.broker_cpu_s.unwrap();
        assert!((0.01..10.0).contains(&cpu_s), "{cpu_s}");
        assert!(measure.broker_rss_mib.unwrap() > 0.1 && measure.more.keys().eq([OTHERS]));
    }

    #[test]
    fn a_loader_that_has_told_all_is_ended_and_its_cpu_time_is_looked_up() {
        let script = r#"echo '{"begin":"a"}'; end=$(($(date +%s) + 2)); while [ $(date +%s) -lt $end ]; do :; done
            echo '{"measure":"a","records":5,"seconds":2}'; sleep 1000"#;
        let driven = run_in(script, Box::new(UntilMeasured(false))).unwrap_or_else(|why| panic!("{why}"));
        let cpu_s = driven.measures[0].client_cpu_s.unwrap();
        assert!((0.01..10.0).contains(&cpu_s), "{cpu_s}");
    }

    #[test]
    fn several_windows_are_measured_apart() {
        let script = r#"for w in cold warm; do echo "{\"begin\":\"$w\"}"; echo "{\"measure\":\"$w\"}"; done"#;
        let names: Vec<String> =
            run(script).unwrap_or_else(|w| panic!("{w}")).measures.into_iter().map(|m| m.measure).collect();
        assert_eq!(names, ["cold", "warm"]);
    }

    #[test]
    fn a_loader_that_fails_is_quoted() {
        let why = run("echo out of luck >&2; exit 3").err().unwrap().to_string();
        assert!(why.contains("out of luck") && why.contains('3'), "{why}");
    }

    #[test]
    fn a_window_that_stays_open_or_is_closed_by_another_is_an_error() {
        assert!(run(r#"echo '{"begin":"a"}'"#).err().unwrap().to_string().contains("did not end it"));
        let other = run(r#"echo '{"begin":"a"}'; echo '{"measure":"b"}'"#).err().unwrap().to_string();
        assert!(other.contains("'b' after it began 'a'"), "{other}");
        assert!(run("true").err().unwrap().to_string().contains("measured nothing"));
    }
}

//! A peer that runs: its processes, its address, its folder; and its end.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::failure::{Failure, check_interrupt};
use crate::process::group::{Group, LOOK_EVERY};
use crate::process::sample::{Sample, disk_used, drop_from_page_cache, family};

/// How long a broker may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Lines of a broker's log that stand in the message when its start fails.
const LOG_TAIL_LINES: usize = 30;

/// A peer that runs. Whatever happens, dropping it ends its processes, undoes what its start did to the machine, and
/// removes its folder.
pub struct Broker {
    name: &'static str,
    dir: PathBuf,
    address: String,
    groups: Vec<Group>,
    begun: Option<Instant>,
    start_ms: f64,
    count_flushes: Option<Box<dyn Fn() -> Option<u64>>>,
    undo: Vec<Box<dyn FnOnce()>>,
}

impl Broker {
    /// A broker of which nothing runs yet. `address` is what its clients are told: `kafka://127.0.0.1:20001`.
    pub fn new(name: &'static str, dir: &Path, address: String) -> Broker {
        Broker {
            name,
            dir: dir.to_path_buf(),
            address,
            groups: Vec::new(),
            begun: None,
            start_ms: 0.0,
            count_flushes: None,
            undo: Vec::new(),
        }
    }

    /// Starts one more of its processes, with its output in `NAME.log` of its folder. The clock of `start_ms` begins
    /// with the first.
    pub fn spawn(&mut self, name: &str, command: &mut Command) -> Result<(), Failure> {
        let log = OpenOptions::new().create(true).append(true).open(self.log_of(name))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.begun.get_or_insert_with(Instant::now);
        self.groups.push(Group::start(name, command)?);
        Ok(())
    }

    /// Waits until the probe says yes; not longer than the limit, nor past the end of one of its processes. Each
    /// success sets `start_ms`, so that the last one of a start stands.
    pub fn wait_until(
        &mut self,
        limit: Duration,
        what: &str,
        mut probe: impl FnMut() -> bool,
    ) -> Result<(), Failure> {
        let waiting = Instant::now();
        loop {
            check_interrupt()?;
            if probe() {
                self.start_ms = self.begun.map_or(0.0, |begun| begun.elapsed().as_secs_f64() * 1000.0);
                return Ok(());
            }
            for i in 0..self.groups.len() {
                if let Some(status) = self.groups[i].ended()? {
                    let name = self.groups[i].name().to_string();
                    return Err(self.failure(&name, &format!("ended at its start: {status}")));
                }
            }
            if waiting.elapsed() > limit {
                let name = self.groups.last().map_or(self.name, |g| g.name()).to_string();
                return Err(self.failure(&name, &format!("not {what} after {} s", limit.as_secs())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Has `flushes` count through this from now on: the number of flushes since the start, or `None` if it could not
    /// be asked.
    pub fn count_flushes_by(&mut self, count: impl Fn() -> Option<u64> + 'static) {
        self.count_flushes = Some(Box::new(count));
    }

    /// Has this done once all processes have ended, the last one named first.
    pub fn undo_by(&mut self, undo: impl FnOnce() + 'static) {
        self.undo.push(Box::new(undo));
    }

    /// The peer's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What clients are told, with the protocol in front: `kafka://127.0.0.1:20001`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address without the protocol: `127.0.0.1:20001`.
    pub fn host_and_port(&self) -> &str {
        self.address.split_once("://").map_or(&self.address, |(_, rest)| rest)
    }

    /// The folder of this start: data, settings, logs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// From the start of its first process until it answered, in milliseconds.
    pub fn start_ms(&self) -> f64 {
        self.start_ms
    }

    /// All its processes: those it was started with, and what descends from them.
    pub fn pids(&self) -> Vec<u32> {
        let leaders: Vec<u32> = self.groups.iter().map(Group::pid).collect();
        family(&leaders)
    }

    /// What its processes have used so far.
    pub fn sample(&self) -> Sample {
        Sample::of(&self.pids())
    }

    /// Whether anything runs of it: of what is only a loader, nothing does.
    pub fn has_processes(&self) -> bool {
        !self.groups.is_empty()
    }

    /// Has the most resident memory count from now on.
    pub fn forget_peak(&self) {
        for pid in self.pids() {
            // Where the kernel does not allow it, the peak counts from the start, as it would anyway.
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }

    /// Flushes since its start, where they can be counted.
    pub fn flushes(&self) -> Option<u64> {
        self.count_flushes.as_ref().and_then(|count| count())
    }

    /// What its folder takes on the disk, in bytes.
    pub fn disk_used(&self) -> u64 {
        disk_used(&self.dir)
    }

    /// An error when one of its processes has ended by itself, with the end of what it said.
    pub fn check_alive(&mut self) -> Result<(), Failure> {
        for i in 0..self.groups.len() {
            if let Some(status) = self.groups[i].ended()? {
                let name = self.groups[i].name().to_string();
                return Err(self.failure(&name, &format!("ended by itself: {status}")));
            }
        }
        Ok(())
    }

    /// Ends all its processes, the last one started first, and leaves its folder. It can be spawned again.
    pub fn stop(&mut self) {
        while let Some(mut group) = self.groups.pop() {
            group.stop(Signal::TERM, STOP_LIMIT);
        }
        self.begun = None;
    }

    /// Has the pages of all its files leave the page cache. Only what is on the disk can leave, so all of it is
    /// flushed before; and only what nobody maps, so nothing may run.
    pub fn drop_from_page_cache(&self) -> Result<(), Failure> {
        assert!(self.groups.is_empty(), "a broker that runs keeps its pages");
        drop_from_page_cache(&self.dir)
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }

    fn failure(&self, process: &str, what: &str) -> Failure {
        let log = fs::read(self.log_of(process)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n");
        Failure::new(format!("{} ({process}) {what}\n{tail}", self.name))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
        while let Some(undo) = self.undo.pop() {
            undo();
        }
        // What cannot be removed now is removed before the next run.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Broker({} at {}, {} processes)", self.name, self.address, self.groups.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::group::tests::alive;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_broker_that_ends_at_its_start_is_named_with_what_it_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut broker = Broker::new("thing", dir.path(), "kafka://127.0.0.1:1".into());
        broker.spawn("main", &mut shell("echo no such setting; exit 3")).unwrap();
        let why = broker.wait_until(Duration::from_secs(60), "ready", || false).unwrap_err().to_string();
        assert!(why.contains("thing") && why.contains("no such setting") && why.contains('3'), "{why}");
    }

    #[test]
    fn a_dropped_broker_leaves_no_process_no_folder_and_what_it_did_undone() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home");
        fs::create_dir(&home).unwrap();
        let undone = dir.path().join("undone");
        let mut broker = Broker::new("thing", &home, "kafka://127.0.0.1:1".into());
        broker.spawn("one", &mut shell("sleep 1000")).unwrap();
        broker.spawn("two", &mut shell("sleep 1000")).unwrap();
        let flag = undone.clone();
        broker.undo_by(move || fs::write(flag, "").unwrap());
        let pids = broker.pids();
        assert!(pids.len() >= 2, "{pids:?}");
        drop(broker);
        assert!(undone.exists() && !home.exists());
        assert!(!pids.into_iter().any(alive));
    }

    #[test]
    fn an_address_is_had_with_and_without_its_protocol() {
        let dir = tempfile::tempdir().unwrap();
        let broker = Broker::new("thing", &dir.path().join("x"), "nats://127.0.0.1:4222".into());
        assert_eq!(broker.host_and_port(), "127.0.0.1:4222");
    }
}

//! A process and all it starts, as one group that is ended whatever happens to us.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::failure::{Failure, check_interrupt};
use crate::process::sample::group_runs;

/// How long a loop waits before it looks again.
pub const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How long the kernel may take to end what was killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// A process that leads a group of its own, so that a signal reaches all it has started, and a Ctrl-C at the
/// terminal reaches none of them before us. Dropping it ends the group at once.
#[derive(Debug)]
pub struct Group {
    child: Child,
    name: String,
}

impl Group {
    /// Starts the command as a group's leader. Its error names the program.
    pub fn start(name: &str, command: &mut Command) -> Result<Group, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child =
            command.process_group(0).spawn().map_err(|why| Failure::new(format!("{program}: {why}")))?;
        Ok(Group { child, name: name.to_string() })
    }

    /// The leader's process id, which is the group's too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The leader as a child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How the leader ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for the leader's end, but not past an interrupt or the limit.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Failure> {
        let start = Instant::now();
        loop {
            check_interrupt()?;
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                return Err(Failure::new(format!("{} did not end within {} s", self.name, limit.as_secs())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Asks the whole group to end, waits for the leader, and kills what is left past the limit.
    pub fn stop(&mut self, signal: Signal, limit: Duration) {
        let start = Instant::now();
        self.signal(signal);
        while start.elapsed() < limit && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK_EVERY);
        }
        self.kill();
    }

    fn signal(&self, signal: Signal) {
        // A group that is gone already is what every signal here is for.
        let _ = kill_process_group(self.leader(), signal);
    }

    fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
        // The others of the group die just after; their files must not be written any more when this returns.
        let start = Instant::now();
        while group_runs(self.pid()) && start.elapsed() < KILL_LIMIT {
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn leader(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn shell(script: &str) -> Group {
        Group::start("a shell", Command::new("sh").args(["-c", script])).unwrap()
    }

    pub(crate) fn alive(pid: u32) -> bool {
        // A zombie that nobody waits for is as good as gone.
        std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
    }

    fn child_of(pid: u32) -> u32 {
        loop {
            let path = format!("/proc/{pid}/task/{pid}/children");
            let children = std::fs::read_to_string(path).unwrap();
            if let Some(child) = children.split_whitespace().next() {
                return child.parse().unwrap();
            }
        }
    }

    #[test]
    fn what_a_process_started_ends_with_it() {
        let group = shell("sleep 1000 & wait");
        let child = child_of(group.pid());
        drop(group);
        assert!(!alive(child));
    }

    #[test]
    fn one_that_ignores_the_request_to_end_is_killed() {
        let mut group = shell("trap '' TERM; while true; do sleep 0.01; done");
        child_of(group.pid());
        group.stop(Signal::TERM, Duration::from_millis(50));
        assert!(!alive(group.pid()));
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let why = Group::start("x", &mut Command::new("no-such-program")).unwrap_err().to_string();
        assert!(why.contains("no-such-program"), "{why}");
    }

    #[test]
    fn waiting_ends_at_its_limit() {
        let why = shell("sleep 1000").wait(Duration::from_millis(20)).unwrap_err().to_string();
        assert!(why.contains("a shell did not end"), "{why}");
    }
}

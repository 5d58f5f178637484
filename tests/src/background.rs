//! A program that goes on running beside the test, which reads what it says.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};

use rustix::process::Signal;

use crate::broker;
use crate::case::{Context, Failure, Outcome};

/// As much of what it said as a report needs.
const LINES_SHOWN: usize = 40;

/// A running program; killed when dropped.
pub struct Background {
    name: String,
    child: Child,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
}

impl Background {
    /// Starts it. The name is for reports.
    pub fn start(name: &str, command: &mut Command) -> Result<Background, Failure> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|why| Failure::new(format!("{name}: {why}")))?;
        // Without a limit: a program that waits for its reader would be another test, and what it says ends with it.
        let (sender, lines) = mpsc::channel();
        pass_on(child.stdout.take().expect("stdout was piped"), sender.clone());
        pass_on(child.stderr.take().expect("stderr was piped"), sender);
        Ok(Background { name: name.into(), child, lines, said: Vec::new() })
    }

    /// Waits until it says a line like this; those before it are kept too.
    pub fn wait_for(
        &mut self,
        context: &Context,
        what: &str,
        mut is_it: impl FnMut(&str) -> bool,
    ) -> Outcome {
        while let Some(line) = self.next_line(context, what)? {
            let found = is_it(&line);
            self.said.push(line);
            if found {
                return Ok(());
            }
        }
        Err(self.failure(&format!("it ended before {what}")))
    }

    /// All that it said until now on both outputs, line by line.
    pub fn said(&mut self) -> &[String] {
        self.said.extend(self.lines.try_iter());
        &self.said
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Outcome {
        broker::signal(&self.child, signal)
    }

    /// Waits for its end. Afterwards `said` is complete.
    pub fn wait(&mut self, context: &Context) -> Result<ExitStatus, Failure> {
        while let Some(line) = self.next_line(context, "its end")? {
            self.said.push(line);
        }
        broker::wait_for_exit(&mut self.child, context.left())
    }

    fn next_line(&self, context: &Context, what: &str) -> Result<Option<String>, Failure> {
        match self.lines.recv_timeout(context.left()) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.failure(&format!("the case's time is up before {what}")))
            }
        }
    }

    fn failure(&self, why: &str) -> Failure {
        let tail = &self.said[self.said.len().saturating_sub(LINES_SHOWN)..];
        Failure::new(format!("{}: {why}\n{}", self.name, tail.join("\n")))
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // Ended already, or of no use any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pass_on(from: impl Read + Send + 'static, to: mpsc::Sender<String>) {
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while let Ok(1..) = from.read_until(b'\n', &mut line) {
            if to.send(String::from_utf8_lossy(&line).trim_end().to_string()).is_err() {
                return;
            }
            line.clear();
        }
    });
}

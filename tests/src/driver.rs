//! Running a client program and talking with it.
//!
//! A driver is started with the name of a case and finds the rest in its environment. It says what it likes on
//! its output, and asks for a service by a line that starts with `@`; the answer is one line on its input:
//!
//! - `@kill9`: kill the broker as a crash would, and start it again. Answer: `ok`.
//! - Others that a suite brings.
//!
//! It ends with 0 when the case passed. Anything else is a failure, and what it said is the reason.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};

use crate::case::{Context, Failure, Outcome};

/// As much of a driver's output as a report needs.
const LINES_KEPT: usize = 60;
/// Lines waiting between the driver and us; a driver that says more waits.
const LINES_WAITING: usize = 1024;

/// Runs a case of a driver to its end. Returns what it said.
pub fn run(context: &mut Context, command: Command, case: &str) -> Result<Vec<String>, Failure> {
    let at = context.broker().address();
    let mut conversation = Conversation::start(context, at, command, &[case])?;
    let outcome = conversation.serve_to_the_end(context);
    conversation.conclude(outcome)
}

/// A driver that is running, and what it has said so far.
pub struct Conversation {
    child: Child,
    input: Option<ChildStdin>,
    lines: mpsc::Receiver<String>,
    said: Vec<String>,
}

impl Conversation {
    /// Starts a driver for the broker at this address, with these words behind its own.
    pub fn start(
        context: &Context,
        at: SocketAddr,
        mut command: Command,
        words: &[&str],
    ) -> Result<Conversation, Failure> {
        command
            .args(words)
            .env("BOOTSTRAP", at.to_string())
            .env("PREFIX", &context.prefix)
            .env("WORK_DIR", &context.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().map_err(|why| Failure::new(format!("{program}: {why}")))?;
        let input = child.stdin.take();
        let lines = lines_of(&mut child);
        Ok(Conversation { child, input, lines, said: Vec::new() })
    }

    /// Does what the driver wishes of the suite's broker until it ends, which it must with success.
    pub fn serve_to_the_end(&mut self, context: &mut Context) -> Outcome {
        self.serve_by(context, |context, wish| match wish {
            "kill9" => {
                let recovery = context.broker().crash_and_recover()?;
                context.remarks.push(format!("answered {} ms after its restart", recovery.as_millis()));
                Ok(())
            }
            _ => Err(unknown_service(wish)),
        })
    }

    /// The same with somebody else who fulfils its wishes.
    pub fn serve_by(
        &mut self,
        context: &mut Context,
        mut serve: impl FnMut(&mut Context, &str) -> Outcome,
    ) -> Outcome {
        while let Some(line) = self.next_line(context)? {
            match line.strip_prefix('@') {
                Some(wish) => {
                    serve(context, wish)?;
                    // A driver that needs no answer may already be gone.
                    let _ = self.say("ok");
                }
                None => self.said.push(line),
            }
        }
        self.input = None;
        let status = crate::broker::wait_for_exit(&mut self.child, context.left())?;
        crate::ensure!(status.success(), "the driver ended with {status}");
        Ok(())
    }

    /// Says a wish to the driver and waits for its line `answer ...`.
    pub fn ask(&mut self, context: &Context, wish: &str) -> Result<String, Failure> {
        // A driver that is gone cannot take a wish: what it said last tells why.
        let _ = self.say(wish);
        while let Some(line) = self.next_line(context)? {
            match line.strip_prefix("answer ") {
                Some(answer) => return Ok(answer.to_string()),
                None => self.said.push(line),
            }
        }
        Err(Failure::new(format!("the driver ended instead of answering '{wish}'")))
    }

    /// Ends the conversation: a failure takes the driver's last words with it.
    pub fn conclude(mut self, outcome: Outcome) -> Result<Vec<String>, Failure> {
        let said = std::mem::take(&mut self.said);
        match outcome {
            Ok(()) => Ok(said),
            Err(Failure::Failed(why)) => {
                let tail = &said[said.len().saturating_sub(LINES_KEPT)..];
                Err(Failure::Failed(format!("{why}\n{}", tail.join("\n"))))
            }
            Err(skipped) => Err(skipped),
        }
    }

    fn next_line(&self, context: &Context) -> Result<Option<String>, Failure> {
        match self.lines.recv_timeout(context.left()) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Err(Failure::new("the case's time is up")),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
        }
    }

    fn say(&mut self, line: &str) -> std::io::Result<()> {
        let input = self.input.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{line}")?;
        input.flush()
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        // Ended already, or of no use any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A driver has wished for what nobody does.
pub fn unknown_service(wish: &str) -> Failure {
    Failure::new(format!("the driver asks for an unknown service, @{wish}"))
}

/// Both outputs of a child, line by line, until both are closed.
fn lines_of(child: &mut Child) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::sync_channel(LINES_WAITING);
    let out = child.stdout.take().expect("stdout was piped");
    let err = child.stderr.take().expect("stderr was piped");
    let also = sender.clone();
    std::thread::spawn(move || pass_on(BufReader::new(out), &sender));
    std::thread::spawn(move || pass_on(BufReader::new(err), &also));
    receiver
}

fn pass_on(mut from: impl BufRead, to: &mpsc::SyncSender<String>) {
    let mut line = Vec::new();
    while let Ok(1..) = from.read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line).trim_end().to_string();
        if to.send(text).is_err() {
            return;
        }
        line.clear();
    }
}

/// Runs a plain program to its end, which must be a success, within the case's time and returns what it said.
pub fn output(context: &Context, command: &mut Command, input: &[u8]) -> Result<Said, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let said = to_the_end(context, command, input)?;
    let shown = || format!("{}\n{}", String::from_utf8_lossy(&said.out), said.err);
    crate::ensure!(said.status.success(), "{program} ended with {}\n{}", said.status, shown());
    Ok(said)
}

/// Runs a plain program to its end, whatever that is, within the case's time.
pub fn to_the_end(context: &Context, command: &mut Command, input: &[u8]) -> Result<Said, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|why| Failure::new(format!("{program}: {why}")))?;
    let mut stdin = child.stdin.take().expect("stdin was piped");
    let mut stdout = child.stdout.take().expect("stdout was piped");
    let mut stderr = child.stderr.take().expect("stderr was piped");
    let input = input.to_vec();
    // A program that does not want all its input closes it early; that is its right.
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
    let out = std::thread::spawn(move || read_all(&mut stdout));
    let err = std::thread::spawn(move || read_all(&mut stderr));
    let status = crate::broker::wait_for_exit(&mut child, context.left());
    let _ = writer.join();
    let out = out.join().unwrap_or_default();
    let err = String::from_utf8_lossy(&err.join().unwrap_or_default()).into_owned();
    match status {
        Ok(status) => Ok(Said { status, out, err }),
        Err(_) => {
            let shown = format!("{}\n{err}", String::from_utf8_lossy(&out));
            Err(Failure::new(format!("{program}: the case's time is up\n{shown}")))
        }
    }
}

/// What a program said, and how it ended.
pub struct Said {
    /// How it ended.
    pub status: ExitStatus,
    /// On its standard error.
    pub err: String,
    /// On its standard output.
    pub out: Vec<u8>,
}

fn read_all(from: &mut impl std::io::Read) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = from.read_to_end(&mut all);
    all
}

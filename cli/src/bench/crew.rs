//! The threads of a run, and the measured time over all of them.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::measure::{For, Measure};
use super::tally::Tally;
use super::window::{Window, cpu_time};
use crate::client::deadline::NAP;
use crate::client::{ClientError, Interrupt};
use crate::exit::{Exit, Failure};

/// What one thread counted.
#[derive(Debug)]
pub struct Share {
    /// Counts.
    pub tally: Tally,
    /// When the last of it was counted.
    pub last: Option<Instant>,
}

/// What one thread does.
pub type Work = Box<dyn FnOnce() -> Result<Share, ClientError> + Send>;

/// Runs the work, a thread for each; says when the measured time begins, and what was measured.
///
/// # Errors
/// The first of the threads'; [`Exit::Interrupted`] when the user wanted to stop, after what was measured until then
/// was said.
pub fn run(
    name: &'static str,
    window: Window,
    work: Vec<Work>,
    out: For,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let stopped = Failure { exit: Exit::Interrupted, message: String::new() };
    let count = work.len();
    let (done, shares) = mpsc::sync_channel(count);
    for one in work {
        let done = done.clone();
        // Nobody listens any more only when another one failed.
        thread::spawn(move || drop(done.send(one())));
    }
    let mut crew = Crew { shares, missing: count, tally: Tally::default(), last: None };
    crew.wait(Some(window.begin), interrupt)?;
    if interrupt.is_raised() {
        return Err(stopped);
    }
    out.begin(name)?;
    let cpu_before = cpu_time();
    crew.wait(window.end, interrupt)?;
    let (cpu_after, ended) = (cpu_time(), Instant::now());
    crew.wait(None, &Interrupt::default())?;
    let last = crew.last.unwrap_or(ended);
    let end = window.end.map_or(last, |end| end.min(ended)).max(window.begin + Duration::from_nanos(1));
    let took = end - window.begin;
    out.write(&Measure { name, tally: crew.tally, took, client_cpu: cpu_after - cpu_before })?;
    if interrupt.is_raised() { Err(stopped) } else { Ok(()) }
}

struct Crew {
    shares: mpsc::Receiver<Result<Share, ClientError>>,
    missing: usize,
    tally: Tally,
    last: Option<Instant>,
}

impl Crew {
    /// Waits until all are done, or that moment has come, or the user wants to stop.
    fn wait(&mut self, until: Option<Instant>, interrupt: &Interrupt) -> Result<(), ClientError> {
        while self.missing > 0 && !interrupt.is_raised() {
            let left = until.map_or(NAP, |until| until.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(());
            }
            match self.shares.recv_timeout(left.min(NAP)) {
                Ok(share) => self.take(share?),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("a thread of the load generator ended without a word")
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, share: Share) {
        self.missing -= 1;
        self.tally.add(&share.tally);
        self.last = self.last.max(share.last);
    }
}

//! How far long work has come: one line on a terminal, and nothing anywhere else.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::number;

/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(300);

/// A line on stderr that says how far we are.
pub struct Progress {
    verb: &'static str,
    started: Instant,
    last: Option<Instant>,
    on: bool,
    written: usize,
}

impl Progress {
    /// For work of which `verb` says what happens to records. On a terminal only, and not when records go to the same.
    pub fn new(verb: &'static str, records_on_stdout: bool) -> Progress {
        let stderr = std::io::stderr().is_terminal();
        let clash = records_on_stdout && std::io::stdout().is_terminal();
        Progress { verb, started: Instant::now(), last: None, on: stderr && !clash, written: 0 }
    }

    /// Says how far we are, if it is time to.
    pub fn tick(&mut self, records: u64, bytes: u64) {
        let due = self.last.is_none_or(|last| last.elapsed() >= EVERY);
        // Work that ends at once needs no line.
        if !self.on || !due || self.started.elapsed() < EVERY {
            return;
        }
        self.last = Some(Instant::now());
        let line = self.summary(records, bytes);
        let width = self.written;
        eprint!("\r{line:<width$}");
        let _ = std::io::stderr().flush();
        self.written = line.chars().count();
    }

    /// Says at the end how far we came.
    pub fn finish(&mut self, records: u64, bytes: u64) {
        self.clear();
        if self.on {
            eprintln!("{}", self.summary(records, bytes));
        }
    }

    fn summary(&self, records: u64, bytes: u64) -> String {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        format!(
            "{} {} records, {}, {}",
            self.verb,
            number::grouped(records as i64),
            number::bytes(bytes),
            number::rate(records as f64 / seconds)
        )
    }

    /// Removes the line.
    pub fn clear(&mut self) {
        if self.written > 0 {
            eprint!("\r{:width$}\r", "", width = self.written);
            let _ = std::io::stderr().flush();
            self.written = 0;
        }
    }
}

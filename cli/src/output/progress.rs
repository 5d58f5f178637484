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
    /// For work of which `verb` says what happens to records, or to files. On a terminal only, and not when records go to the same.
    pub fn new(verb: &'static str, records_on_stdout: bool) -> Progress {
        let stderr = std::io::stderr().is_terminal();
        let clash = records_on_stdout && std::io::stdout().is_terminal();
        Progress { verb, started: Instant::now(), last: None, on: stderr && !clash, written: 0 }
    }

    /// Says how far we are, if it is time to.
    pub fn tick(&mut self, records: u64, bytes: u64) {
        if self.is_due() {
            self.write(&self.summary(records, bytes));
        }
    }

    /// Says how far work on files has come, in bytes, and at which file it is, if it is time to.
    pub fn tick_at(&mut self, bytes: u64, file: &str) {
        if self.is_due() {
            self.write(&at(self.verb, self.started.elapsed(), bytes, file));
        }
    }

    fn is_due(&self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= EVERY);
        // Work that ends at once needs no line.
        self.on && due && self.started.elapsed() >= EVERY
    }

    fn write(&mut self, line: &str) {
        self.last = Some(Instant::now());
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

/// After this long so many bytes were worked through, and this file is the one at work.
fn at(verb: &str, elapsed: Duration, bytes: u64, file: &str) -> String {
    let per_second = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    format!("{verb} {file}: {} read, {}/s", number::bytes(bytes), number::bytes(per_second as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_on_files_says_where_it_is_and_how_fast() {
        let line = at("verifying", Duration::from_secs(4), 6 << 20, "shard-0001/a.seg");
        assert_eq!(line, "verifying shard-0001/a.seg: 6.0 MiB read, 1.5 MiB/s");
    }

    #[test]
    fn nothing_is_due_where_nobody_sees_it_and_before_there_is_something_to_wait_for() {
        let long_ago = Instant::now() - EVERY;
        let of = |on, started, last| Progress { verb: "sent", started, last, on, written: 0 };
        assert!(of(true, long_ago, None).is_due());
        assert!(!of(false, long_ago, None).is_due());
        assert!(!of(true, Instant::now() + EVERY, None).is_due());
        assert!(!of(true, long_ago, Some(Instant::now() + EVERY)).is_due());
    }
}

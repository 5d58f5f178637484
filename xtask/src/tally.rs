//! Counting what passed, over tools that each count for themselves.

/// Tests and checks counted so far, with the names of those that did not pass.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Checks and tests that passed.
    pub passed: u64,
    /// Checks and tests that failed.
    pub failed: u64,
    /// Checks and tests that could not run here.
    pub skipped: u64,
    /// One line for each failure and skip.
    pub notes: Vec<String>,
}

impl Tally {
    /// Counts one check by name.
    pub fn count(&mut self, name: &str, passed: bool) {
        if passed {
            self.passed += 1;
        } else {
            self.failed += 1;
            self.notes.push(format!("failed: {name}"));
        }
    }

    /// Counts one check that could not run.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        self.notes.push(format!("skipped: {name}: {why}"));
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.notes.extend(other.notes);
    }

    /// Counts what a line of a test runner's output says: cargo's `test result:` lines and the plain
    /// `N passed, N failed, N skipped` of our own runners. Tests marked `#[ignore]` count as neither.
    pub fn read_line(&mut self, line: &str) {
        if let Some(rest) = line.trim().strip_prefix("test result: ") {
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
        } else if is_closing_line(line) {
            self.passed += number_before(line, " passed");
            self.failed += number_before(line, " failed");
            self.skipped += number_before(line, " skipped");
        }
    }

    /// Prints what did not pass, and the closing line.
    pub fn report(&self) {
        println!();
        for note in &self.notes {
            println!("{note}");
        }
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
    }
}

/// Our runners' closing line, and nothing that merely resembles it.
fn is_closing_line(line: &str) -> bool {
    let parts: Vec<&str> = line.trim().split(", ").collect();
    parts.len() >= 2
        && parts.iter().zip(["passed", "failed", "skipped"]).all(|(part, word)| {
            part.split_once(' ').is_some_and(|(n, w)| n.parse::<u64>().is_ok() && w == word)
        })
}

fn number_before(line: &str, word: &str) -> u64 {
    let Some(end) = line.find(word) else { return 0 };
    let digits = line[..end].rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
    digits.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cargo_result_line_is_counted() {
        let mut tally = Tally::default();
        tally.read_line("test result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 0 filtered out");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (12, 3, 0));
    }

    #[test]
    fn our_closing_line_is_counted_and_prose_is_not() {
        let mut tally = Tally::default();
        tally.read_line("41 passed, 2 failed, 1 skipped");
        tally.read_line("all 7 passed, mostly");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (41, 2, 1));
    }
}

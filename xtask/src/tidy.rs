//! `tidy`: the rules of the house that no compiler knows.

mod arrows;
mod calls;
mod documents;
mod files;
mod roots;
mod source;

use std::path::Path;

use crate::tally::Tally;
use files::SourceFile;

/// One broken rule, at one place.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: a file, `file:line`, or a crate.
    pub place: String,
    /// What is wrong and what to do instead.
    pub message: String,
}

impl Finding {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Finding {
        Finding { place: place.into(), message: message.into() }
    }
}

/// How many of the longest files are named. They are reported, not refused.
const LONGEST_REPORTED: usize = 5;

/// Checks every rule over the files that git would commit.
pub fn tidy(root: &Path) -> Result<Tally, String> {
    println!("\n=== tidy");
    let files = files::read(root)?;
    let mut tally = Tally::default();
    judge(&mut tally, "tidy: arrows between crates", arrows::check(root)?);
    judge(&mut tally, "tidy: banned calls", calls::check(&files));
    judge(&mut tally, "tidy: unsafe code is forbidden", roots::check(&files));
    judge(&mut tally, "tidy: documents", documents::check(&files));
    report_longest(&files);
    Ok(tally)
}

fn judge(tally: &mut Tally, rule: &str, findings: Vec<Finding>) {
    for finding in &findings {
        println!("{}: {}", finding.place, finding.message);
    }
    let word = if findings.is_empty() { "ok" } else { "FAILED" };
    println!("=== {rule}: {word}");
    tally.count(rule, findings.is_empty());
}

fn report_longest(files: &[SourceFile]) {
    let mut rust: Vec<&SourceFile> = files.iter().filter(|f| f.path.ends_with(".rs")).collect();
    rust.sort_by_key(|f| std::cmp::Reverse(f.text.lines().count()));
    println!("longest files:");
    for file in rust.iter().take(LONGEST_REPORTED) {
        println!("  {:>5} lines  {}", file.text.lines().count(), file.path);
    }
}

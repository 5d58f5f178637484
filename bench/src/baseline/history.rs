//! What each subject did in each run, oldest first.

use std::collections::BTreeMap;

use crate::record::Record;
use crate::report::metric::Metric;
use crate::report::results::{Subject, lines_of};
use crate::report::spread::Spread;

/// What a subject did in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// The run.
    pub run: String,
    /// The commit.
    pub commit: String,
    /// The kernel.
    pub kernel: String,
    /// Its figures.
    pub figures: BTreeMap<Metric, Spread>,
}

/// Every run of every subject.
#[derive(Default)]
pub struct History {
    subjects: BTreeMap<Subject, Vec<Side>>,
    /// Of each story the newest run.
    newest: BTreeMap<String, String>,
}

impl History {
    /// From the records of one machine.
    pub fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> History {
        let mut runs: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
        for record in records.into_iter().filter(|record| record.skipped.is_none()) {
            runs.entry(&record.run).or_default().push(record);
        }
        let mut history = History::default();
        for (run, records) in runs {
            let kernel = records.first().map(|record| record.machine.kernel.clone()).unwrap_or_default();
            for line in lines_of(records.iter().copied()) {
                history.newest.insert(line.subject.story.clone(), run.to_owned());
                let side = Side {
                    run: line.run,
                    commit: line.commit,
                    kernel: kernel.clone(),
                    figures: line.figures,
                };
                history.subjects.entry(line.subject).or_default().push(side);
            }
        }
        history
    }

    /// What the newest run of each story has.
    pub fn newest(&self) -> impl Iterator<Item = (&Subject, &Side)> {
        self.subjects.iter().filter_map(|(subject, sides)| {
            let newest = self.newest.get(&subject.story)?;
            Some((subject, sides.last().filter(|side| side.run == *newest)?))
        })
    }

    /// What a subject did in the run before its newest.
    pub fn before(&self, subject: &Subject) -> Option<&Side> {
        self.subjects.get(subject)?.iter().rev().nth(1)
    }
}

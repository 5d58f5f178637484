//! The figures of one machine that were saved to be compared with: a JSON file that is committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::history::{History, Side};
use crate::failure::Failure;
use crate::machine::Machine;
use crate::report::metric::Metric;
use crate::report::results::Subject;
use crate::report::spread::Spread;

/// The layout of the file that this program writes and reads.
const SCHEMA: u32 = 1;

/// What was saved; empty where nothing was.
#[derive(Default)]
pub struct Saved {
    machine: Machine,
    sides: BTreeMap<Subject, Side>,
}

#[derive(Serialize, Deserialize)]
struct File {
    schema: u32,
    machine: Machine,
    cases: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    story: String,
    case: String,
    measure: String,
    peer: String,
    setting: String,
    client: String,
    run: String,
    commit: String,
    kernel: String,
    /// Per figure its value in each round.
    figures: BTreeMap<String, Spread>,
}

impl Saved {
    /// Reads the file; one that does not exist holds nothing.
    pub fn read(path: &Path) -> Result<Saved, Failure> {
        let wrong = |why: String| Failure::new(format!("{}: {why}", path.display()));
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Saved::default()),
            Err(why) => return Err(wrong(why.to_string())),
        };
        let file: File = serde_json::from_str(&text).map_err(|why| wrong(why.to_string()))?;
        if file.schema != SCHEMA {
            return Err(wrong(format!("has schema {}, this program reads {SCHEMA}", file.schema)));
        }
        Ok(Saved { machine: file.machine, sides: file.cases.into_iter().map(Entry::parts).collect() })
    }

    /// What was saved of a subject.
    pub fn side(&self, subject: &Subject) -> Option<&Side> {
        self.sides.get(subject)
    }

    /// The same with the newest figures in it.
    pub fn with(mut self, machine: Machine, history: &History) -> Saved {
        self.machine = machine;
        self.sides.extend(history.newest().map(|(subject, side)| (subject.clone(), side.clone())));
        self
    }

    /// Writes the file.
    pub fn write(self, path: &Path) -> Result<(), Failure> {
        let cases = self.sides.into_iter().map(Entry::of).collect();
        let file = File { schema: SCHEMA, machine: self.machine, cases };
        let text = serde_json::to_string_pretty(&file).map_err(|why| Failure::new(why.to_string()))?;
        let dir = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(dir)
            .and_then(|()| fs::write(path, text + "\n"))
            .map_err(|why| Failure::new(format!("{}: {why}", path.display())))
    }
}

impl Entry {
    fn of((subject, side): (Subject, Side)) -> Entry {
        let Subject { story, case, measure, peer, setting, client } = subject;
        let Side { run, commit, kernel, figures } = side;
        let figures = figures.into_iter().map(|(metric, values)| (metric.key().to_owned(), values)).collect();
        Entry { story, case, measure, peer, setting, client, run, commit, kernel, figures }
    }

    fn parts(self) -> (Subject, Side) {
        let Entry { story, case, measure, peer, setting, client, run, commit, kernel, figures } = self;
        let figures = figures.into_iter().map(|(key, values)| (Metric::of_key(&key), values)).collect();
        (Subject { story, case, measure, peer, setting, client }, Side { run, commit, kernel, figures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{measure, record, timed};

    #[test]
    fn what_was_saved_comes_back_and_other_cases_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.json");
        for case in ["1 connection", "64 connections"] {
            let mut record = record("classic", case, "forebay", 1);
            record.measures = vec![timed(measure("classic", 100.0, 10.0), [1.0, 2.0, 3.0])];
            record.measures[0].more.insert("worst_second_rate".into(), 90.into());
            let history = History::of([&record]);
            let saved = Saved::read(&path).unwrap().with(record.machine.clone(), &history);
            saved.write(&path).unwrap();
            let read = Saved::read(&path).unwrap();
            for (subject, side) in history.newest() {
                assert_eq!(read.side(subject), Some(side));
            }
        }
        assert_eq!(Saved::read(&path).unwrap().sides.len(), 2);
    }

    #[test]
    fn a_file_of_another_schema_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("machine.json");
        let machine = serde_json::to_string(&Machine::default()).unwrap();
        fs::write(&path, format!(r#"{{"schema":2,"machine":{machine},"cases":[]}}"#)).unwrap();
        assert!(Saved::read(&path).err().unwrap().to_string().contains("schema 2"));
    }
}

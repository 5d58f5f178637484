//! From records to lines: the rounds of a run are put together, and of each case the newest run counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::Machine;
use crate::record::Record;
use crate::story::STORIES;

use super::metric::Metric;
use super::spread::Spread;
use super::text::natural;

/// Whose figures stand beside ours wherever they were taken.
pub const MEASURE_OF_ALL: &str = "kafka";
/// Our own name among the peers.
pub const OURS: &str = "forebay";
/// Our log without a broker, in the story of the log alone.
pub const OUR_LOG: &str = "commitlog";
/// What that log is held against.
pub const LOG_MEASURE: &str = "fio";
/// The setting in which a peer runs as it comes.
pub const AS_IT_COMES: &str = "as-it-comes";
/// The setting in which a peer flushes before its confirm.
pub const FLUSHED: &str = "flushed";

/// What a line is about. The client's version is left out: a newer one goes on with the line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// The story.
    pub story: String,
    /// The case within it.
    pub case: String,
    /// The measured window within the case.
    pub measure: String,
    /// Who was measured.
    pub peer: String,
    /// In which setting.
    pub setting: String,
    /// By which client, without its version.
    pub client: String,
}

/// What one subject reached in one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What it is about.
    pub subject: Subject,
    /// The run.
    pub run: String,
    /// When its first round began.
    pub stamp: String,
    /// Whether it ran in the run from which our own figures for the case come, so that ratios mean something.
    pub beside_ours: bool,
    /// The peer's version.
    pub peer_version: String,
    /// Whether a confirm came after a flush.
    pub flushed: bool,
    /// The client with its version.
    pub client: String,
    /// The commit.
    pub commit: String,
    /// The command line of the first round.
    pub command: String,
    /// The place of the window among the windows of its case.
    pub place: usize,
    /// Its figures.
    pub figures: BTreeMap<Metric, Spread>,
    /// Notes of all rounds, each once.
    pub notes: BTreeSet<String>,
}

impl Line {
    /// Whether it is about us.
    pub fn is_ours(&self) -> bool {
        is_ours(&self.subject.peer)
    }

    /// One figure, over the rounds.
    pub fn figure(&self, metric: &Metric) -> Option<&Spread> {
        self.figures.get(metric)
    }

    /// The case, with the window's name behind it where it says more than the story's does.
    pub fn title(&self) -> String {
        let Subject { story, case, measure, .. } = &self.subject;
        if measure == story || measure == case || measure.is_empty() {
            case.clone()
        } else {
            format!("{case}: {measure}")
        }
    }
}

/// A peer that a run did not measure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// Who.
    pub peer: String,
    /// In which story; empty where in none.
    pub story: String,
    /// Why.
    pub reason: String,
}

/// The newest figures of one machine.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// The machine of the newest record.
    pub machine: Machine,
    /// Every line, in the order in which a page tells them.
    pub lines: Vec<Line>,
    /// Who was skipped in the runs that count.
    pub skipped: BTreeSet<Skipped>,
    /// Records of other machines, which count for nothing here.
    pub foreign: usize,
}

impl Results {
    /// Of each case the newest run.
    pub fn newest(records: &[Record]) -> Results {
        let Some(last) = records.iter().max_by(|a, b| a.stamp.cmp(&b.stamp)) else {
            return Results::default();
        };
        let mut home: Vec<&Record> = records.iter().filter(|record| record.machine == last.machine).collect();
        home.sort_by_cached_key(|record| (&record.stamp, record.file_name()));
        let mut cases: BTreeMap<(&str, &str), Vec<&Record>> = BTreeMap::new();
        for record in home.iter().filter(|record| record.skipped.is_none()) {
            cases.entry((&record.story, &record.case)).or_default().push(record);
        }
        let mut lines: Vec<Line> = cases.values().flat_map(|records| newest_of_case(records)).collect();
        lines.sort_by_cached_key(reading_order);
        let skipped = skipped(&home, &lines);
        Results { machine: last.machine.clone(), lines, skipped, foreign: records.len() - home.len() }
    }

    /// The stories, in the order of the page.
    pub fn stories(&self) -> Vec<&str> {
        let mut stories: Vec<&str> = self.lines.iter().map(|line| line.subject.story.as_str()).collect();
        stories.dedup();
        stories
    }

    /// The lines of one story.
    pub fn story<'a>(&'a self, story: &'a str) -> impl Iterator<Item = &'a Line> + Clone {
        self.lines.iter().filter(move |line| line.subject.story == story)
    }

    /// The line of somebody else for the same window, taken in the same run. Among several clients the same one is
    /// preferred.
    pub fn beside(&self, line: &Line, wanted: impl Fn(&Line) -> bool) -> Option<&Line> {
        let same = |other: &&Line| {
            let (a, b) = (&line.subject, &other.subject);
            other.run == line.run
                && (&a.story, &a.case, &a.measure) == (&b.story, &b.case, &b.measure)
                && wanted(other)
        };
        let found: Vec<&Line> = self.lines.iter().filter(same).collect();
        let same_client = found.iter().find(|other| other.subject.client == line.subject.client);
        same_client.or(found.first()).copied()
    }

    /// What a line is divided by: Kafka as it comes; beside the log alone, fio.
    pub fn yardstick(&self, line: &Line) -> Option<&Line> {
        self.beside(line, |other| match other.subject.peer.as_str() {
            LOG_MEASURE => true,
            MEASURE_OF_ALL => other.subject.setting == AS_IT_COMES,
            _ => false,
        })
    }
}

/// Whether a name among the peers is one of ours.
pub fn is_ours(peer: &str) -> bool {
    [OURS, OUR_LOG].contains(&peer)
}

/// One run of one case: the rounds of each subject put together.
pub fn lines_of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<Line> {
    let mut lines: BTreeMap<Subject, Line> = BTreeMap::new();
    for record in records {
        for place in 0..record.measures.len() {
            let subject = subject_of(record, place);
            let line = lines.entry(subject.clone()).or_insert_with(|| begin(record, subject, place));
            line.notes.extend(record.notes.iter().cloned());
            for (metric, value) in Metric::all_of(record, place) {
                match line.figures.get_mut(&metric) {
                    Some(spread) => spread.add(value),
                    None => drop(line.figures.insert(metric, Spread::one(value))),
                }
            }
        }
    }
    lines.into_values().collect()
}

fn subject_of(record: &Record, place: usize) -> Subject {
    Subject {
        story: record.story.clone(),
        case: record.case.clone(),
        measure: window_name(record, place),
        peer: record.peer.clone(),
        setting: record.setting.clone(),
        client: without_version(&record.client),
    }
}

/// The window's name; the second of one name in a case says so, because it is another figure and not a further round.
fn window_name(record: &Record, place: usize) -> String {
    let name = &record.measures[place].measure;
    let before = record.measures[..place].iter().filter(|earlier| earlier.measure == *name).count();
    if before == 0 { name.clone() } else { format!("{name} ({})", before + 1) }
}

fn begin(record: &Record, subject: Subject, place: usize) -> Line {
    Line {
        subject,
        run: record.run.clone(),
        stamp: record.stamp.clone(),
        beside_ours: true,
        peer_version: record.peer_version.clone(),
        flushed: record.flushed_before_confirm,
        client: record.client.clone(),
        commit: record.commit.clone(),
        command: record.command.clone(),
        place,
        figures: BTreeMap::new(),
        notes: BTreeSet::new(),
    }
}

/// The words of a client's name up to the first that is a version.
fn without_version(client: &str) -> String {
    let version = |word: &&str| {
        let word = word.strip_prefix('v').unwrap_or(word);
        word.starts_with(|letter: char| letter.is_ascii_digit())
    };
    client.split_whitespace().take_while(|word| !version(word)).collect::<Vec<_>>().join(" ")
}

/// The newest run in which we ran beside Kafka, else the newest of ours, else the newest; and whoever ran in an older run
/// only, marked so.
fn newest_of_case(records: &[&Record]) -> Vec<Line> {
    let mut runs: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    for record in records {
        runs.entry(&record.run).or_default().push(record);
    }
    let we_ran = |records: &[&Record]| records.iter().any(|record| is_ours(&record.peer));
    let measure_ran = |records: &[&Record]| {
        records.iter().any(|record| [MEASURE_OF_ALL, LOG_MEASURE].contains(&record.peer.as_str()))
    };
    let newest_first: Vec<&Vec<&Record>> = runs.values().rev().collect();
    let with_both = newest_first.iter().find(|run| we_ran(run) && measure_ran(run));
    let with_ours = newest_first.iter().find(|run| we_ran(run));
    let Some(main) = with_both.or(with_ours).or(newest_first.first()) else { return Vec::new() };
    let mut lines = lines_of(main.iter().copied());
    let mut known: BTreeSet<Subject> = lines.iter().map(|line| line.subject.clone()).collect();
    for run in &newest_first {
        for line in lines_of(run.iter().copied()) {
            // What we and the yardstick did elsewhere would stand for what was done here.
            let told = match line.subject.peer.as_str() {
                MEASURE_OF_ALL | LOG_MEASURE => measure_ran(main),
                peer => is_ours(peer) && we_ran(main),
            };
            if !told && known.insert(line.subject.clone()) {
                lines.push(Line { beside_ours: false, ..line });
            }
        }
    }
    lines
}

fn skipped(records: &[&Record], lines: &[Line]) -> BTreeSet<Skipped> {
    let counting: BTreeSet<&str> = lines.iter().map(|line| line.run.as_str()).collect();
    let measured = |record: &Record| {
        lines.iter().any(|line| {
            line.subject.peer == record.peer
                && (record.story.is_empty() || line.subject.story == record.story)
        })
    };
    let skips = records.iter().filter(|record| counting.contains(record.run.as_str()) && !measured(record));
    let told = skips.filter_map(|record| {
        let reason = record.skipped.clone()?;
        Some(Skipped { peer: record.peer.clone(), story: record.story.clone(), reason })
    });
    told.collect()
}

/// The peers in the order in which they are told.
pub const PEERS: [&str; 6] = [OURS, MEASURE_OF_ALL, "nats", "rabbitmq", "rocketmq", "artemis"];

/// The place of a peer in that order, which also gives it its colour; the log alone and fio take those of us and Kafka.
pub fn place_of(peer: &str) -> usize {
    let stands_for = match peer {
        OUR_LOG => OURS,
        LOG_MEASURE => MEASURE_OF_ALL,
        peer => peer,
    };
    PEERS.iter().position(|known| *known == stands_for).unwrap_or(PEERS.len())
}

type Place = (usize, String, Vec<(String, u64)>, usize, String, usize, String, usize, String, String);

fn reading_order(line: &Line) -> Place {
    let subject = &line.subject;
    let story = STORIES.iter().position(|story| story.name == subject.story);
    (
        story.unwrap_or(STORIES.len()),
        subject.story.clone(),
        natural(&subject.case),
        line.place,
        subject.measure.clone(),
        place_of(&subject.peer),
        subject.peer.clone(),
        // How a peer comes first, but with us the flush is how we come.
        place_of_setting(&subject.setting),
        subject.setting.clone(),
        subject.client.clone(),
    )
}

fn place_of_setting(setting: &str) -> usize {
    let settings = [AS_IT_COMES, FLUSHED];
    settings.iter().position(|known| *known == setting).unwrap_or(settings.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{record, rounds};

    #[test]
    fn rounds_of_a_run_become_one_line() {
        let records = rounds("classic", "64 connections", "kafka", &[100.0, 300.0, 200.0]);
        let results = Results::newest(&records);
        let [line] = &results.lines[..] else { panic!("one line") };
        let rate = line.figure(&Metric::Rate).unwrap();
        assert_eq!((rate.median(), rate.min(), rate.max(), rate.rounds()), (200.0, 100.0, 300.0, 3));
    }

    #[test]
    fn a_newer_run_replaces_an_older_one_and_does_not_mix_with_it() {
        let mut records = rounds("classic", "64 connections", "forebay", &[100.0, 100.0]);
        let mut newer = rounds("classic", "64 connections", "forebay", &[500.0]);
        newer.iter_mut().for_each(|record| record.run = "2026-11-22T00:00:00Z".into());
        records.extend(newer);
        let results = Results::newest(&records);
        assert_eq!(results.lines.len(), 1);
        assert_eq!(results.lines[0].figure(&Metric::Rate).unwrap(), &Spread::one(500.0));
    }

    #[test]
    fn a_run_with_kafka_beside_us_is_worth_more_than_a_newer_one_without() {
        let mut records = rounds("classic", "64 connections", "forebay", &[100.0]);
        records.extend(rounds("classic", "64 connections", "kafka", &[50.0]));
        let mut newer = rounds("classic", "64 connections", "forebay", &[500.0]);
        newer.extend(rounds("classic", "64 connections", "nats", &[70.0]));
        newer.iter_mut().for_each(|record| record.run = "2026-11-22T00:00:00Z".into());
        records.extend(newer);
        let results = Results::newest(&records);
        let told: Vec<_> =
            results.lines.iter().map(|line| (line.subject.peer.as_str(), line.beside_ours)).collect();
        assert_eq!(told, [("forebay", true), ("kafka", true), ("nats", false)]);
        assert_eq!(results.lines[0].figure(&Metric::Rate).unwrap(), &Spread::one(100.0));
        assert!(
            results.beside(&results.lines[0], |line| line.subject.peer == "nats").is_none(),
            "it ran in another run"
        );
    }

    #[test]
    fn records_of_another_machine_are_left_out_and_counted() {
        let mut records = rounds("classic", "64 connections", "kafka", &[100.0]);
        let mut elsewhere = record("classic", "64 connections", "nats", 1);
        elsewhere.machine.cpus = 96;
        elsewhere.stamp = "2020-01-01T00:00:00Z".into();
        records.push(elsewhere);
        let results = Results::newest(&records);
        assert_eq!((results.lines.len(), results.foreign), (1, 1));
    }

    #[test]
    fn two_windows_of_one_name_in_a_case_are_no_rounds_of_each_other() {
        let mut records = rounds("start", "empty", "forebay", &[100.0]);
        records[0].measures[0].measure = "idle".into();
        let again = records[0].measures[0].clone();
        records[0].measures.push(again);
        let lines = Results::newest(&records).lines;
        let names: Vec<_> = lines.iter().map(|line| line.subject.measure.as_str()).collect();
        assert_eq!(names, ["idle", "idle (2)"]);
    }

    #[test]
    fn a_client_goes_on_with_its_line_when_its_version_changes() {
        assert_eq!(without_version("franz-go 1.19"), "franz-go");
        assert_eq!(without_version("forebay bench v0.1.0"), "forebay bench");
        assert_eq!(without_version("PerfTest"), "PerfTest");
    }

    #[test]
    fn who_was_skipped_is_named_unless_it_was_measured_after_all() {
        let mut records = rounds("classic", "64 connections", "forebay", &[100.0]);
        records.extend(rounds("classic", "64 connections", "kafka", &[100.0]));
        for peer in ["kafka", "rabbitmq"] {
            let mut skip = record("classic", "", peer, 1);
            skip.skipped = Some("needs root".into());
            skip.measures.clear();
            records.push(skip);
        }
        let skipped: Vec<_> =
            Results::newest(&records).skipped.into_iter().map(|s| (s.peer, s.reason)).collect();
        assert_eq!(skipped, [("rabbitmq".to_owned(), "needs root".to_owned())]);
    }
}

//! What has moved since the last recorded run on this machine, by how much, and whether that is above the noise.

mod history;
mod moved;
mod saved;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::machine::Machine;
use crate::place::Place;
use crate::record::Record;
use crate::report::metric::{Better, Metric};
use crate::report::results::{AS_IT_COMES, MEASURE_OF_ALL, Subject, is_ours};
use crate::report::text::{peer_name, percent, slug};
use history::{History, Side};
use moved::{Moved, Noise};
use saved::Saved;

/// What `bench baseline` is told.
#[derive(Args, Clone, Debug, Default)]
pub struct BaselineArguments {
    /// Compares these stories only [default: all]
    pub stories: Vec<String>,
    /// The folder of the records [default: target/bench/records]
    #[arg(long)]
    pub records: Option<PathBuf>,
    /// Compares with what was saved, not with the run before
    #[arg(long)]
    pub saved: bool,
    /// Saves the newest figures as bench/baselines/MACHINE.json, to be committed; cases that were not run stay as they are
    #[arg(long)]
    pub save: bool,
    /// Lists what moved within the noise too
    #[arg(long)]
    pub all: bool,
    /// Fails when a figure of ours got worse by more than so many percent, unless that is within the noise
    #[arg(long, value_name = "PERCENT")]
    pub fail_above: Option<f64>,
}

/// Of each story the newest run, compared with the one before it, or with what was saved.
pub fn run(place: &Place, arguments: &BaselineArguments) -> Result<(), Failure> {
    let folder = arguments.records.clone().unwrap_or_else(|| place.records());
    let records = Record::read_all(&folder)?;
    let Some(last) = records.iter().max_by(|a, b| a.stamp.cmp(&b.stamp)) else {
        return Err(Failure::new(format!("{} has no records: run some stories first", folder.display())));
    };
    let machine = last.machine.clone();
    let history = History::of(records.iter().filter(|record| {
        identity(&record.machine) == identity(&machine)
            && (arguments.stories.is_empty() || arguments.stories.contains(&record.story))
    }));
    let path = place.root().join("bench/baselines").join(format!("{}.json", identity(&machine)));
    let saved = Saved::read(&path)?;
    let comparison =
        Comparison::of(&history, &saved, if arguments.saved { Base::Saved } else { Base::RunBefore });
    print!("{}", comparison.told(if arguments.all { Show::All } else { Show::Moved }));
    if arguments.save {
        saved.with(machine, &history).write(&path)?;
        println!("saved as {}", path.display());
    }
    comparison.check(arguments.fail_above)
}

/// What makes a machine the same one: all that figures depend on but the kernel, which is updated now and then.
fn identity(machine: &Machine) -> String {
    let gib = (machine.memory_mib as f64 / 1024.0).round();
    slug(&format!("{} cpus {} {gib} gib {}", machine.cpus, machine.cpu_model, machine.filesystem))
}

/// What the newest figures are held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    /// The run before; what was saved where there is none.
    RunBefore,
    /// What was saved.
    Saved,
}

/// How much is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    /// What moved above the noise, and where the noise is unknown what moved by much.
    Moved,
    /// Everything.
    All,
}

/// A move without known noise is listed from this fraction on.
const MUCH: f64 = 0.05;

/// All figures that have something to be compared with.
struct Comparison {
    rows: Vec<Row>,
    /// Subjects without an earlier run.
    new: usize,
    /// Which runs were compared, one line each.
    runs: BTreeSet<String>,
}

/// One figure then and now.
struct Row {
    subject: Subject,
    metric: Metric,
    moved: Moved,
    /// How far Kafka's own figure moved between the same two runs: that is the machine, not us.
    meanwhile: Option<f64>,
}

impl Comparison {
    fn of(history: &History, saved: &Saved, base: Base) -> Comparison {
        let mut pairs: BTreeMap<&Subject, (&Side, &Side)> = BTreeMap::new();
        let (mut new, mut runs) = (0, BTreeSet::new());
        for (subject, now) in history.newest() {
            let before = match base {
                Base::RunBefore => history.before(subject).or_else(|| saved.side(subject)),
                Base::Saved => saved.side(subject),
            };
            match before {
                Some(before) => {
                    runs.insert(told_runs(&subject.story, before, now));
                    pairs.insert(subject, (before, now));
                }
                None => new += 1,
            }
        }
        let mut rows = Vec::new();
        for (subject, (before, now)) in &pairs {
            for (metric, values) in
                now.figures.iter().filter(|(metric, _)| metric.better() != Better::Neither)
            {
                let Some(earlier) = before.figures.get(metric) else { continue };
                let meanwhile = pairs.iter().find(|(other, (b, n))| {
                    is_yardstick(other, subject) && (&b.run, &n.run) == (&before.run, &now.run)
                });
                let meanwhile = meanwhile.and_then(|(_, (before, now))| {
                    Some(
                        Moved::between(metric, before.figures.get(metric)?, now.figures.get(metric)?)
                            .fraction,
                    )
                });
                rows.push(Row {
                    subject: (*subject).clone(),
                    metric: metric.clone(),
                    moved: Moved::between(metric, earlier, values),
                    meanwhile,
                });
            }
        }
        Comparison { rows, new, runs }
    }

    /// What is printed.
    fn told(&self, show: Show) -> String {
        let mut text = String::new();
        self.runs.iter().for_each(|runs| text += &format!("{runs}\n"));
        let shown = self.rows.iter().filter(|row| show == Show::All || row.is_worth_telling());
        let mut subject: Option<&Subject> = None;
        for row in shown {
            if subject != Some(&row.subject) {
                text += &format!("\n{}\n", title(&row.subject));
                subject = Some(&row.subject);
            }
            text += &format!("  {}\n", row.told());
        }
        let count = |wanted: fn(&Row) -> bool| self.rows.iter().filter(|row| wanted(row)).count();
        text += &format!(
            "\n{} figures compared: {} better and {} worse above the noise, {} within it, {} with unknown noise \
             (one round); {} cases have nothing to be compared with\n",
            self.rows.len(),
            count(|row| row.moved.noise == Noise::Above && row.moved.worse <= 0.0),
            count(|row| row.moved.noise == Noise::Above && row.moved.worse > 0.0),
            count(|row| row.moved.noise == Noise::Within),
            count(|row| row.moved.noise == Noise::Unknown),
            self.new,
        );
        text
    }

    /// An error that names what got worse by more than the limit.
    fn check(&self, limit_percent: Option<f64>) -> Result<(), Failure> {
        let Some(limit) = limit_percent else { return Ok(()) };
        let worse = self.rows.iter().filter(|row| {
            is_ours(&row.subject.peer) && row.moved.noise != Noise::Within && row.moved.worse * 100.0 > limit
        });
        let named: Vec<String> =
            worse.map(|row| format!("{}: {}", title(&row.subject), row.told())).collect();
        if named.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("worse by more than {limit} %:\n  {}", named.join("\n  "))))
    }
}

/// Whether `other` is Kafka as it comes, for the same window as `subject` of somebody else.
fn is_yardstick(other: &Subject, subject: &Subject) -> bool {
    other.peer == MEASURE_OF_ALL
        && other.setting == AS_IT_COMES
        && subject.peer != MEASURE_OF_ALL
        && (&other.story, &other.case, &other.measure) == (&subject.story, &subject.case, &subject.measure)
        && other.client == subject.client
}

fn told_runs(story: &str, before: &Side, now: &Side) -> String {
    let kernels = match before.kernel == now.kernel {
        true => String::new(),
        false => format!("; the kernel went from {} to {}", before.kernel, now.kernel),
    };
    format!("{story}: {} ({}) against {} ({}){kernels}", now.run, now.commit, before.run, before.commit)
}

fn title(subject: &Subject) -> String {
    let Subject { story, case, measure, peer, setting, client } = subject;
    let window = if measure == story { String::new() } else { format!(" {measure},") };
    format!("{story}, {case},{window} {} ({setting}), {client}", peer_name(peer))
}

impl Row {
    fn is_worth_telling(&self) -> bool {
        match self.moved.noise {
            Noise::Above => true,
            Noise::Within => false,
            Noise::Unknown => self.moved.fraction.abs() >= MUCH,
        }
    }

    fn told(&self) -> String {
        let Moved { fraction, worse, noise, .. } = &self.moved;
        let way = match worse {
            worse if *worse > 0.0 => "worse",
            worse if *worse < 0.0 => "better",
            _ => "as it was",
        };
        let noise = match noise {
            Noise::Above => "above the noise",
            Noise::Within => "within the noise",
            Noise::Unknown => "noise unknown",
        };
        let by = if fraction.is_finite() { percent(*fraction) } else { "from nothing".to_owned() };
        let meanwhile = self.meanwhile.filter(|moved| moved.is_finite());
        let meanwhile =
            meanwhile.map(|moved| format!("; Kafka meanwhile {}", percent(moved))).unwrap_or_default();
        let [before, now] =
            [&self.moved.before, &self.moved.now].map(|values| self.metric.show_spread(values));
        format!("{}: {before} -> {now}, {by}, {way}, {noise}{meanwhile}", self.metric)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::rounds;

    fn run_of(run: &str, peer: &str, rates: &[f64]) -> Vec<Record> {
        let mut records = rounds("classic", "64 connections", peer, rates);
        for record in &mut records {
            record.run = run.into();
            record.stamp = format!("{run}-{}", record.round);
        }
        records
    }

    fn compare(records: &[Record]) -> Comparison {
        Comparison::of(&History::of(records), &Saved::default(), Base::RunBefore)
    }

    #[test]
    fn a_slower_run_is_told_beside_what_kafka_did_meanwhile() {
        let mut records = run_of("2026-11-20", "forebay", &[100.0, 102.0]);
        records.extend(run_of("2026-11-20", "kafka", &[50.0, 50.0]));
        records.extend(run_of("2026-11-21", "forebay", &[80.0, 82.0]));
        records.extend(run_of("2026-11-21", "kafka", &[45.0, 45.0]));
        let comparison = compare(&records);
        let text = comparison.told(Show::Moved);
        let line = "records/s: 101 (100 to 102) -> 81.0 (80.0 to 82.0), -19.8 %, worse, above the noise; Kafka meanwhile -10.0 %";
        assert!(text.contains(line), "{text}");
        assert!(comparison.check(None).is_ok());
        assert!(comparison.check(Some(25.0)).is_ok());
        let why = comparison.check(Some(15.0)).unwrap_err().to_string();
        assert!(why.contains("records/s") && !why.contains("Kafka ("), "{why}");
    }

    #[test]
    fn a_move_within_the_noise_fails_nothing_and_is_listed_only_when_asked_for() {
        let mut records = run_of("2026-11-20", "forebay", &[100.0, 140.0]);
        records.extend(run_of("2026-11-21", "forebay", &[90.0, 130.0]));
        let comparison = compare(&records);
        assert!(!comparison.told(Show::Moved).contains("records/s"));
        assert!(comparison.told(Show::All).contains("within the noise"));
        assert!(comparison.check(Some(1.0)).is_ok());
    }

    #[test]
    fn a_case_that_was_never_run_before_is_counted_as_new() {
        let comparison = compare(&run_of("2026-11-21", "forebay", &[90.0]));
        assert!(comparison.told(Show::All).ends_with("1 cases have nothing to be compared with\n"));
    }

    #[test]
    fn what_was_saved_is_compared_with_where_no_run_was_before() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baselines/machine.json");
        let then = run_of("2026-11-20", "forebay", &[100.0, 101.0]);
        let machine = then[0].machine.clone();
        Saved::read(&path).unwrap().with(machine, &History::of(&then)).write(&path).unwrap();
        let now = run_of("2026-11-21", "forebay", &[200.0, 201.0]);
        let comparison = Comparison::of(&History::of(&now), &Saved::read(&path).unwrap(), Base::RunBefore);
        assert!(comparison.told(Show::Moved).contains("+99.5 %, better, above the noise"));
    }

    #[test]
    fn a_machine_stays_the_same_under_a_new_kernel() {
        let mut machine = run_of("2026-11-20", "forebay", &[1.0])[0].machine.clone();
        let before = identity(&machine);
        machine.kernel = "Linux 7".into();
        assert_eq!(identity(&machine), before);
        assert_eq!(before, "2-cpus-a-processor-r-23-gib-ext4");
        machine.cpus = 4;
        assert_ne!(identity(&machine), before);
    }
}

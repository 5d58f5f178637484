//! A case on a broker that runs: its steps, one after the other.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ballast::{AHEAD, Ballast};
use super::drive::{OTHERS, drive, watch};
use crate::failure::{Failure, check_interrupt};
use crate::peer::{Broker, Job, Peer};
use crate::place::Place;
use crate::record::Measure;
use crate::story::{Case, Load, Scale, Step, Work};

/// A loader is given its own times, and this on top of them for all that is not measured: setting up, filling, draining.
const UNMEASURED_LIMIT: Duration = Duration::from_secs(1800);

/// What others may use of the machine before a run is noted for it. The kernel's own work for the disk is among it.
const OTHERS_SHARE_MAX: f64 = 0.15;

/// What a case needs to be run.
pub struct Turn<'a> {
    /// Where everything lies.
    pub place: &'a Place,
    /// The peer.
    pub peer: &'static dyn Peer,
    /// How it was started.
    pub job: &'a Job,
    /// The case.
    pub case: &'a Case,
    /// Which of the peer's clients drives it, counted from 0.
    pub client: usize,
    /// A name that no other run on this broker has: topics begin with it.
    pub topic: &'a str,
    /// How long everything takes.
    pub scale: Scale,
    /// A file from whose lines the records are made.
    pub payload: Option<&'a Path>,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// The measured windows of all steps.
    pub measures: Vec<Measure>,
    /// The client that drove it.
    pub client: String,
    /// The loaders' command lines.
    pub command: String,
    /// What a reader of the figures should know.
    pub notes: Vec<String>,
}

/// How many clients the peer has for the case: for its first step that needs one; one where no step does.
pub fn clients(place: &Place, peer: &dyn Peer, broker: &Broker, case: &Case) -> usize {
    let first = case.steps.iter().find_map(|step| match step {
        Step::Load(work) => Some(peer.loads(place, broker, work).len()),
        _ => None,
    });
    first.unwrap_or(1)
}

impl Turn<'_> {
    /// Does all steps.
    pub fn run(&self, broker: &mut Broker) -> Result<Outcome, Failure> {
        let mut outcome = Outcome { client: "none".into(), ..Outcome::default() };
        for step in &self.case.steps {
            self.step(step, broker, &mut outcome)?;
        }
        outcome.notes.extend(self.case.notes.iter().cloned());
        outcome.notes.extend(note_on_others(&outcome.measures));
        Ok(outcome)
    }

    fn step(&self, step: &Step, broker: &mut Broker, outcome: &mut Outcome) -> Result<(), Failure> {
        match step {
            Step::Load(work) => self.load(work, self.topic, broker, outcome),
            Step::AtHalf { work } => {
                let peak = outcome.measures.last().and_then(Measure::rate);
                let peak = peak.ok_or_else(|| Failure::new("the step before this one has no rate"))?;
                let work = work.at_rate((peak / 2.0) as u32);
                let work = work.ok_or_else(|| Failure::new("this work has no rate"))?;
                self.load(&work, &format!("{}-half", self.topic), broker, outcome)
            }
            Step::Again(work) => {
                let before = outcome.measures.len();
                self.load(work, self.topic, broker, outcome)?;
                for measure in &mut outcome.measures[before..] {
                    measure.measure = "again".into();
                }
                Ok(())
            }
            Step::Idle { seconds } => {
                let time = Duration::from_secs(u64::from(*seconds));
                outcome.measures.push(watch("idle", broker, |_| idle(time))?);
                Ok(())
            }
            Step::Restart => self.restart("restart", broker, outcome, |_| Ok(())),
            Step::ColdRestart => self.restart("cold restart", broker, outcome, |b| b.drop_from_page_cache()),
        }
    }

    /// Only the start is measured: how long it takes to end is no one's figure.
    fn restart(
        &self,
        name: &str,
        broker: &mut Broker,
        outcome: &mut Outcome,
        between: impl FnOnce(&Broker) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        broker.stop();
        between(broker)?;
        self.peer.run(self.place, self.job, broker)?;
        let mut measure = watch(name, broker, |_| Ok(()))?;
        measure.seconds = broker.start_ms() / 1000.0;
        measure.broker_cpu_s = Some(broker.sample().cpu_s);
        outcome.measures.push(measure);
        Ok(())
    }

    fn load(
        &self,
        work: &Work,
        topic: &str,
        broker: &mut Broker,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let mut loads = self.peer.loads(self.place, broker, work);
        if self.client >= loads.len() {
            return Err(Failure::new(format!(
                "{} has no client {} for {}",
                self.peer.name(),
                self.client,
                work.name()
            )));
        }
        let mut load = loads.swap_remove(self.client);
        if load.dialect.takes_our_words() {
            self.add_words(&mut load, work, topic);
        }
        if !outcome.command.is_empty() {
            outcome.command += "; ";
        }
        outcome.command += &words(&load, self.place);
        outcome.notes.append(&mut load.notes);
        if let Some(filling) = work.fills_page_cache() {
            let warm = Duration::from_secs(u64::from(self.scale.warm_s(self.peer.is_compiled_as_it_runs())));
            let ahead = warm.min(AHEAD);
            Ballast::touch().let_go(warm - ahead, ahead + filling);
        }
        let limit = UNMEASURED_LIMIT + Duration::from_secs(u64::from(work.seconds().unwrap_or(0)));
        let driven = drive(&mut load, broker, &self.place.loader_log(), limit)?;
        outcome.client = driven.client.unwrap_or(load.client);
        outcome.measures.extend(driven.measures);
        Ok(())
    }

    /// The words that every one of our loaders takes.
    fn add_words(&self, load: &mut Load, work: &Work, topic: &str) {
        let reads_only = matches!(work, Work::Consume { .. }) && !load.before.is_empty();
        for command in load.before.iter_mut().chain([&mut load.command]) {
            command.args(["--topic", topic]);
        }
        // What only reads makes no records, and takes the words about them in what comes before it.
        let makes = if reads_only { &mut load.before[0] } else { &mut load.command };
        if let Some(file) = self.payload {
            makes.arg("--payload").arg(file);
        }
        if !reads_only {
            let warm_s = self.scale.warm_s(self.peer.is_compiled_as_it_runs());
            makes.args(["--warm", &warm_s.to_string()]);
        }
    }
}

/// Says so where the machine was not ours alone: such figures are worth little.
fn note_on_others(measures: &[Measure]) -> Option<String> {
    let shares = measures.iter().filter_map(|measure| measure.more.get(OTHERS)?.as_f64());
    let most = shares.fold(0.0, f64::max);
    (most > OTHERS_SHARE_MAX)
        .then(|| format!("other programs used up to {:.0} % of the machine meanwhile", most * 100.0))
}

fn idle(time: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    while start.elapsed() < time {
        check_interrupt()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The command line as a reader could type it in the workspace's folder.
fn words(load: &Load, place: &Place) -> String {
    let command = &load.command;
    let all = std::iter::once(command.get_program()).chain(command.get_args());
    let root = format!("{}/", place.root().display());
    let shown = all.map(|word| {
        let word = word.to_string_lossy().replace(&root, "");
        if word.contains(' ') || word.is_empty() { format!("'{word}'") } else { word }
    });
    shown.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::{Connections, JsonLines};
    use std::process::Command;

    #[test]
    fn a_command_line_is_shown_as_it_can_be_typed() {
        let mut command = Command::new("/w/target/bench/load");
        command.args(["classic", "--payload", "/data/a b"]);
        let load =
            Load { client: "x".into(), before: vec![], command, dialect: Box::new(JsonLines), notes: vec![] };
        assert_eq!(words(&load, &Place::at("/w")), "target/bench/load classic --payload '/data/a b'");
    }

    #[test]
    fn a_run_beside_other_work_is_noted_for_it() {
        let with = |share: f64| {
            let mut measure = Measure::default();
            measure.more.insert(OTHERS.into(), share.into());
            note_on_others(&[Measure::default(), measure])
        };
        assert_eq!(with(0.1), None);
        assert_eq!(with(0.42).unwrap(), "other programs used up to 42 % of the machine meanwhile");
    }

    #[test]
    fn a_works_own_time_is_known() {
        let classic = Work::Classic { senders: 1, connections: Connections::OneEach, bytes: 1, seconds: 7 };
        assert_eq!(classic.seconds(), Some(7));
        assert_eq!(Work::Backlog { records: 1 }.seconds(), None);
    }
}

//! All of an import, pass by pass. A pass makes the topics that the target lacks, carries batches over, and copies where groups are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::cut_over::{self, Ending};
use super::lane::{Lane, LaneState};
use super::report::{Report, Row};
use super::target::Extent;
use super::topics::{self, SourceTopic};
use super::worker::Endurance;
use super::{Sides, acls, check, crew, finding, groups, verify};
use crate::client::offsets::{self, Which};
use crate::client::{ClientError, Cluster, Deadline, Interrupt, Place};
use crate::exit::{Exit, Failure};
use crate::output::progress::Progress;

/// A pass of an import that follows lasts so long: then new topics and partitions are looked for, and groups are copied.
const PASS: Duration = Duration::from_secs(20);

/// A pause between two passes of which the first came to grief.
const TROUBLE: Duration = Duration::from_secs(1);

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which topics; empty for all.
    pub topics: Vec<String>,
    /// Which groups; empty for all.
    pub groups: Vec<String>,
    /// Whether to go on until told.
    pub follow: bool,
    /// Whether the target is to take over at the end.
    pub cut_over: bool,
    /// Whether differences are no reason to stop.
    pub accept_differences: bool,
    /// Whether to compare both sides at the end.
    pub verify: bool,
    /// How many threads carry batches over.
    pub workers: u16,
    /// How long the source has to be silent for a cut-over.
    pub quiet: Duration,
    /// How long a cut-over may wait for that.
    pub patience: Duration,
}

/// An import under way.
pub struct Run<'a> {
    sides: Sides,
    plan: &'a Plan,
    /// Raised when the user wants to cut over.
    wish: Interrupt,
    progress: Progress,
    report: Report,
    lanes: Vec<Lane>,
}

/// How far a pass goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// To where the source ends when it begins.
    TheEnd,
    /// For a while.
    AWhile,
}

impl<'a> Run<'a> {
    /// An import between these two.
    pub fn new(sides: Sides, plan: &'a Plan, wish: Interrupt, progress: Progress) -> Run<'a> {
        let target = sides.target_options.bootstrap.join(",");
        let report = Report { target, ..Report::default() };
        Run { sides, plan, wish, progress, report, lanes: Vec::new() }
    }

    /// Does it; what became of it, also when the user ended it.
    ///
    /// # Errors
    /// When it could not begin, or could not go on.
    pub fn run(mut self) -> Result<(Report, Exit), Failure> {
        self.begin()?;
        let ended = self.carry().and_then(|()| self.end());
        let exit = match ended {
            Ok(()) => Exit::Done,
            Err(ClientError::Interrupted) => {
                // The user still wants to know how far it came.
                self.sides.source.ignore_interrupt();
                self.sides.target.ignore_interrupt();
                Exit::Interrupted
            }
            Err(why) => return Err(why.into()),
        };
        self.progress.clear();
        self.measure(exit)?;
        let exit = match exit {
            Exit::Done if !self.report.complaints().is_empty() => Exit::Failed,
            exit => exit,
        };
        Ok((self.report, exit))
    }

    /// Looks before anything is made.
    fn begin(&mut self) -> Result<(), Failure> {
        topics::check_target(&mut self.sides.target)?;
        let (_, topics) = topics::read(&mut self.sides.source, &self.plan.topics)?;
        if topics.is_empty() {
            return Err(Failure::failed("the source has no topics to bring over"));
        }
        self.report.findings = check::settings(&topics);
        let differences = finding::differences(&self.report.findings);
        if differences > 0 && !self.plan.accept_differences {
            return Err(Failure::failed(format!(
                "{}{differences} settings would have to be left out: --accept-differences goes on without them",
                finding::as_text(&self.report.findings)
            )));
        }
        Ok(self.copy_rules()?)
    }

    /// Copies who may do what, where all topics come over: rules name patterns, and a part of a cluster is not to bring its others along.
    fn copy_rules(&mut self) -> Result<(), ClientError> {
        let told = if self.plan.topics.is_empty() {
            acls::copy(&mut self.sides.source, &mut self.sides.target)?
        } else {
            acls::leave(&mut self.sides.source)?
        };
        self.report.findings.retain(|finding| finding.area != acls::AREA);
        self.report.findings.extend(told);
        Ok(())
    }

    /// Passes, until it is time to end.
    fn carry(&mut self) -> Result<(), ClientError> {
        while self.plan.follow && !self.wish.is_raised() {
            match self.pass(Until::AWhile) {
                Err(why) if why.is_retriable() || matches!(why, ClientError::TimedOut { .. }) => {
                    self.progress.clear();
                    eprintln!("forebay: {why}; going on");
                    self.sides.source.interrupt().pause(TROUBLE);
                    self.sides.source.interrupt().check()?;
                }
                passed => passed?,
            }
        }
        self.pass(Until::TheEnd)
    }

    fn pass(&mut self, until: Until) -> Result<(), ClientError> {
        let (cluster_id, topics) = topics::read(&mut self.sides.source, &self.plan.topics)?;
        topics::make(&mut self.sides.target, &topics)?;
        let mut lanes: Vec<Lane> = topics.iter().flat_map(|topic| topic.lanes(&cluster_id)).collect();
        if until == Until::TheEnd {
            self.set_goals(&topics, &mut lanes)?;
        }
        let (interrupt, wish) = (self.sides.source.interrupt().clone(), self.wish.clone());
        let began = Instant::now();
        let is_over = || {
            let told = until == Until::AWhile && (wish.is_raised() || began.elapsed() >= PASS);
            interrupt.is_raised() || told
        };
        let endurance = match until {
            Until::AWhile => Endurance::Forever,
            Until::TheEnd => Endurance::Patience,
        };
        let options = (&self.sides.source_options, &self.sides.target_options);
        self.lanes = crew::carry(options, lanes, self.plan.workers, endurance, &mut self.progress, is_over);
        self.note();
        self.sides.source.interrupt().check()?;
        cut_over::align_starts(&mut self.sides, &self.lanes)?;
        self.copy_groups()
    }

    fn set_goals(&mut self, topics: &[SourceTopic], lanes: &mut [Lane]) -> Result<(), ClientError> {
        let places: Vec<Place> = topics.iter().flat_map(SourceTopic::places).collect();
        let ends = cut_over::ends(&mut self.sides.source, places.iter())?;
        for lane in lanes {
            lane.goal = ends.get(&lane.place).copied();
        }
        Ok(())
    }

    /// Notes what the lanes of a pass came to.
    fn note(&mut self) {
        for lane in &self.lanes {
            let fresh = Row {
                state: lane.state.clone(),
                carried: Default::default(),
                source: Extent { start: 0, end: 0 },
                target: Extent { start: 0, end: 0 },
                compared: None,
            };
            let row = self.report.rows.entry(lane.place.clone()).or_insert(fresh);
            row.state = lane.state.clone();
            row.carried = row.carried.and(lane.carried);
        }
    }

    /// Copies where groups are, into what is still under import: where the target took over, groups have gone on.
    fn copy_groups(&mut self) -> Result<(), ClientError> {
        let lanes = self.lanes.iter().filter(|lane| lane.is_under_import());
        let ends: BTreeMap<Place, i64> = lanes.map(|lane| (lane.place.clone(), lane.end)).collect();
        if !ends.is_empty() {
            self.report.groups = groups::copy(&mut self.sides, &self.plan.groups, &ends)?;
        }
        Ok(())
    }

    /// Cuts over, if that is wanted.
    fn end(&mut self) -> Result<(), ClientError> {
        if !self.plan.cut_over && !self.wish.is_raised() {
            return Ok(());
        }
        let patience = Deadline::after(self.plan.patience);
        let mut ended: BTreeMap<Place, i64> = BTreeMap::new();
        loop {
            if let Some(lane) = self.lanes.iter().find(|lane| matches!(lane.state, LaneState::Failed(_))) {
                let place = &lane.place;
                return Err(ClientError::Invalid(format!(
                    "nothing is cut over: {place} did not come over: {}",
                    self.report.complaints().join("; ")
                )));
            }
            let done = self.lanes.iter().filter(|lane| lane.state == LaneState::Done);
            let ends: BTreeMap<Place, i64> = done.map(|lane| (lane.place.clone(), lane.end)).collect();
            let silent = cut_over::is_silent(&mut self.sides.source, &ends, self.plan.quiet)?;
            let waits_for = if silent {
                // Groups may have gone on until now, and rules may have changed.
                self.copy_groups()?;
                self.copy_rules()?;
                let endings = cut_over::end(&mut self.sides.target, &self.lanes)?;
                let open = take_endings(endings, &ends, &mut ended)?;
                if open.is_empty() {
                    break;
                }
                format!("transactions of the source are open in {}", open.join(", "))
            } else {
                "the source is still written to: stop its producers".to_owned()
            };
            if patience.left().is_none() {
                return Err(ClientError::Invalid(format!("the cut-over is not done: {waits_for}")));
            }
            self.pass(Until::TheEnd)?;
        }
        self.report.cut_over = true;
        self.lanes.iter_mut().for_each(|lane| lane.state = LaneState::CutOver);
        self.note_cut_over();
        let now = cut_over::ends(&mut self.sides.source, ended.keys())?;
        self.report.late = cut_over::grown(&ended, &now);
        Ok(())
    }

    fn note_cut_over(&mut self) {
        self.report.rows.values_mut().for_each(|row| row.state = LaneState::CutOver);
    }

    /// Looks at both sides once more.
    fn measure(&mut self, exit: Exit) -> Result<(), ClientError> {
        let places: Vec<Place> = self.report.rows.keys().cloned().collect();
        let extents = |cluster: &mut Cluster| -> Result<_, ClientError> {
            let starts = offsets::list(cluster, &places, Which::Earliest)?;
            Ok((starts, offsets::list(cluster, &places, Which::Latest)?))
        };
        let there = extents(&mut self.sides.source)?;
        let here = extents(&mut self.sides.target)?;
        let extent = |(starts, ends): &(BTreeMap<Place, i64>, BTreeMap<Place, i64>), place: &Place| Extent {
            start: starts.get(place).copied().unwrap_or(0),
            end: ends.get(place).copied().unwrap_or(0),
        };
        for (place, row) in &mut self.report.rows {
            (row.source, row.target) = (extent(&there, place), extent(&here, place));
            if self.plan.verify && exit == Exit::Done {
                let start = row.source.start.max(row.target.start);
                let end = row.source.end.min(row.target.end);
                row.compared = Some(verify::compare(&mut self.sides, place, start, end)?);
            }
        }
        Ok(())
    }
}

/// Takes in what became of ends; the names of partitions with open transactions.
fn take_endings(
    endings: BTreeMap<Place, Ending>,
    ends: &BTreeMap<Place, i64>,
    ended: &mut BTreeMap<Place, i64>,
) -> Result<Vec<String>, ClientError> {
    let mut open = Vec::new();
    for (place, ending) in endings {
        match ending {
            Ending::Ended => {
                let end = ends.get(&place).copied().unwrap_or(0);
                ended.insert(place, end);
            }
            Ending::Open => open.push(place.to_string()),
            Ending::Failed(why) => {
                return Err(ClientError::Invalid(format!("{place} could not be cut over: {why}")));
            }
        }
    }
    Ok(open)
}

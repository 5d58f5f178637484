//! What the figures must show, as data; and the rule that says reached, missed or not measured.

use super::metric::Metric;
use super::results::{AS_IT_COMES, Line, OURS, Results};

/// One goal: a figure of ours, what it is held against, and the bound.
#[derive(Clone, Debug)]
pub struct Goal {
    /// The case as the list of goals words it.
    pub case: &'static str,
    /// Our figure.
    pub ours: Pick,
    /// What it is held against.
    pub against: Against,
    /// The bound.
    pub bound: Bound,
}

/// Where a figure is found.
#[derive(Clone, Debug)]
pub struct Pick {
    /// The story; empty for all of them, of which the highest figure counts.
    pub story: &'static str,
    /// The case within it; empty for any.
    pub case: &'static str,
    /// The measured window; empty for any.
    pub measure: &'static str,
    /// The figure.
    pub metric: Metric,
    /// Whose figures count.
    pub by: By,
}

/// Which clients' figures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A public client library, where one drove it.
    Public,
    /// Our own light generator only.
    Light,
}

/// What our figure is held against.
#[derive(Clone, Debug)]
pub enum Against {
    /// The same figure of a peer in the same run; without a setting, any that is not flushed first.
    Peer {
        /// Who.
        peer: &'static str,
        /// In which setting.
        setting: &'static str,
    },
    /// Another figure of ours.
    Ours(Pick),
    /// Nothing: the bound is asked of the figure itself, in its own unit.
    Nothing,
}

/// The bound of a ratio, or of the figure itself where it is held against a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

/// What became of a goal.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Both figures are there and the bound holds.
    Reached(Found),
    /// Both figures are there and the bound does not hold.
    Missed(Found),
    /// A figure is missing; the text says which.
    NotMeasured(String),
}

/// The figures that a verdict rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The median of ours.
    pub ours: f64,
    /// The median of what it is held against.
    pub other: Option<f64>,
    /// What the bound was asked of.
    pub value: f64,
}

impl Bound {
    /// Whether the value keeps the bound.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Bound::AtMost(most) => value <= most,
            Bound::AtLeast(least) => value >= least,
        }
    }
}

impl Goal {
    /// Reached, missed or not measured.
    pub fn judge(&self, results: &Results) -> Verdict {
        let Some(line) = self.ours.find(results) else {
            return Verdict::NotMeasured("of Forebay".into());
        };
        let ours = median(line, &self.ours.metric);
        let other = match &self.against {
            Against::Nothing => return self.verdict(Found { ours, other: None, value: ours }),
            Against::Ours(pick) => match pick.find(results) {
                Some(other) if other.run == line.run => median(other, &pick.metric),
                Some(_) => return Verdict::NotMeasured(format!("in the same run: {}", pick.words())),
                None => return Verdict::NotMeasured(format!("of Forebay: {}", pick.words())),
            },
            Against::Peer { peer, setting } => match self.ours.find_peer(results, line, peer, setting) {
                Some(other) => median(other, &self.ours.metric),
                None => {
                    let name = super::text::peer_name(peer);
                    return Verdict::NotMeasured(format!("of {name} ({setting}) in the same run"));
                }
            },
        };
        if other <= 0.0 {
            return Verdict::NotMeasured("the figure to divide by is zero".into());
        }
        self.verdict(Found { ours, other: Some(other), value: ours / other })
    }

    fn verdict(&self, found: Found) -> Verdict {
        if self.bound.holds(found.value) { Verdict::Reached(found) } else { Verdict::Missed(found) }
    }

    /// What is asked, in words.
    pub fn words(&self) -> String {
        let (bound, number) = match self.bound {
            Bound::AtMost(number) => ("at most", number),
            Bound::AtLeast(number) => ("at least", number),
        };
        let metric = &self.ours.metric;
        match &self.against {
            Against::Nothing => format!("{metric} {bound} {}", metric.show(number)),
            Against::Ours(pick) => format!("{metric} {bound} {} of {}", share(number), pick.words()),
            Against::Peer { peer, setting } => {
                let name = super::text::peer_name(peer);
                let setting = if *setting == AS_IT_COMES { "as it comes" } else { setting };
                format!("{metric} {bound} {} of {name}, {setting}", share(number))
            }
        }
    }
}

fn share(factor: f64) -> String {
    if factor == 1.0 { "1x".to_owned() } else { super::text::factor(factor) }
}

fn median(line: &Line, metric: &Metric) -> f64 {
    line.figure(metric).expect("lines are picked by the metric they have").median()
}

impl Pick {
    /// Our line: flushed before the confirm, and by a public client where one drove it.
    fn find<'a>(&self, results: &'a Results) -> Option<&'a Line> {
        let found = self.lines(results, |line| line.is_ours() && line.flushed);
        if self.story.is_empty() {
            return self.highest(&found);
        }
        found.iter().find(|line| !is_light(line)).or(found.first()).copied()
    }

    /// The line of a peer that stands against ours.
    fn find_peer<'a>(
        &self,
        results: &'a Results,
        ours: &Line,
        peer: &str,
        setting: &str,
    ) -> Option<&'a Line> {
        if self.story.is_empty() {
            let theirs = |line: &Line| line.subject.peer == peer && line.subject.setting == setting;
            return self.highest(&self.lines(results, theirs));
        }
        results
            .beside(ours, |line| line.subject.peer == peer && line.subject.setting == setting)
            .filter(|line| self.counts(line))
    }

    fn lines<'a>(&self, results: &'a Results, whose: impl Fn(&Line) -> bool) -> Vec<&'a Line> {
        let fits = |wanted: &str, name: &str| wanted.is_empty() || wanted == name;
        let found = results.lines.iter().filter(|line| {
            line.beside_ours
                && whose(line)
                && fits(self.story, &line.subject.story)
                && fits(self.case, &line.subject.case)
                && fits(self.measure, &line.subject.measure)
                && self.counts(line)
        });
        found.collect()
    }

    fn highest<'a>(&self, lines: &[&'a Line]) -> Option<&'a Line> {
        let by_figure = |a: &&&Line, b: &&&Line| median(a, &self.metric).total_cmp(&median(b, &self.metric));
        lines.iter().max_by(by_figure).copied()
    }

    fn counts(&self, line: &Line) -> bool {
        line.figure(&self.metric).is_some() && (self.by == By::Public || is_light(line))
    }

    /// Where it is found and what it is, in words.
    pub fn words(&self) -> String {
        format!("{}, {}", self.place(), self.metric)
    }

    /// Where it is found, in words.
    pub fn place(&self) -> String {
        let mut words = vec![if self.story.is_empty() { "every story that ran" } else { self.story }];
        words.extend([self.case, self.measure].into_iter().filter(|word| !word.is_empty()));
        if self.by == By::Light {
            words.push("by the light generator");
        }
        words.join(", ")
    }
}

/// Whether our own generator drove it.
fn is_light(line: &Line) -> bool {
    line.subject.client.starts_with(OURS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::rounds;

    fn goal(bound: Bound, by: By) -> Goal {
        Goal {
            case: "a case",
            ours: Pick { story: "classic", case: "64 connections", measure: "", metric: Metric::Rate, by },
            against: Against::Peer { peer: "kafka", setting: AS_IT_COMES },
            bound,
        }
    }

    fn both(ours: f64, kafka: f64) -> Vec<crate::record::Record> {
        let mut records = rounds("classic", "64 connections", "forebay", &[ours]);
        records.extend(rounds("classic", "64 connections", "kafka", &[kafka]));
        records
    }

    #[test]
    fn a_goal_is_reached_or_missed_by_its_bound() {
        let judge = |ours, kafka| {
            let verdict = goal(Bound::AtLeast(2.0), By::Public).judge(&Results::newest(&both(ours, kafka)));
            match verdict {
                Verdict::Reached(found) => ("reached", found.value),
                Verdict::Missed(found) => ("missed", found.value),
                Verdict::NotMeasured(what) => panic!("{what}"),
            }
        };
        assert_eq!(judge(200.0, 100.0), ("reached", 2.0));
        assert_eq!(judge(150.0, 100.0), ("missed", 1.5));
    }

    #[test]
    fn a_goal_without_both_figures_of_one_run_is_not_measured() {
        let missing =
            |records: &[_]| match goal(Bound::AtLeast(2.0), By::Public).judge(&Results::newest(records)) {
                Verdict::NotMeasured(what) => what,
                other => panic!("{other:?}"),
            };
        assert!(missing(&[]).starts_with("of Forebay"));
        assert!(missing(&both(200.0, 100.0)[..1]).starts_with("of Kafka"));
        let mut apart = both(200.0, 100.0);
        apart[1].run = "2026-11-20T00:00:00Z".into();
        assert!(missing(&apart).starts_with("of Kafka (as-it-comes) in the same run"));
    }

    #[test]
    fn a_figure_of_ours_that_was_not_flushed_reaches_nothing() {
        let mut records = both(200.0, 100.0);
        records[0].flushed_before_confirm = false;
        let verdict = goal(Bound::AtLeast(2.0), By::Public).judge(&Results::newest(&records));
        assert!(matches!(verdict, Verdict::NotMeasured(_)));
    }

    #[test]
    fn a_goal_for_the_light_generator_takes_no_other_client() {
        let mut records = both(200.0, 100.0);
        let judge = |records: &[_]| goal(Bound::AtLeast(2.0), By::Light).judge(&Results::newest(records));
        assert!(matches!(judge(&records), Verdict::NotMeasured(_)));
        records.iter_mut().for_each(|record| record.client = "forebay bench 0.1.0".into());
        assert!(matches!(judge(&records), Verdict::Reached(_)));
    }

    #[test]
    fn a_goal_over_all_stories_takes_the_highest_of_each_side() {
        let mut records = both(50.0, 600.0);
        records.extend(rounds("produce", "1 KiB", "forebay", &[70.0]));
        records.extend(rounds("produce", "1 KiB", "kafka", &[500.0]));
        let ours = Pick { story: "", case: "", measure: "", metric: Metric::Rate, by: By::Public };
        let goal = Goal { ours, ..goal(Bound::AtMost(0.1), By::Public) };
        assert_eq!(
            goal.judge(&Results::newest(&records)),
            Verdict::Missed(Found { ours: 70.0, other: Some(600.0), value: 70.0 / 600.0 })
        );
    }

    #[test]
    fn a_number_is_a_bound_on_the_figure_itself() {
        let goal = Goal { against: Against::Nothing, ..goal(Bound::AtMost(250.0), By::Public) };
        assert_eq!(
            goal.judge(&Results::newest(&both(200.0, 100.0))),
            Verdict::Reached(Found { ours: 200.0, other: None, value: 200.0 })
        );
        assert_eq!(goal.words(), "records/s at most 250");
    }
}

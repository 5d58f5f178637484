//! Tools that report every so many seconds: some reports are the warm-up, the next one is the window.

use serde_json::{Map, Value};

use super::{Senders, WINDOW};
use crate::record::{Latency, Measure};
use crate::story::{Dialect, Event};

/// What a tool says about the time since its last report.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// How long that was.
    pub seconds: f64,
    /// Confirmed records a second.
    pub rate: f64,
    /// Records that were refused or lost.
    pub errors: u64,
    /// What it tells of the latencies; the count is filled in.
    pub latency: Latency,
    /// What else it tells.
    pub more: Map<String, Value>,
}

/// Reads one tool's reports.
pub trait Reader: Send {
    /// The tool's name in messages.
    const TOOL: &'static str;

    /// The report in this line, if it is one. A line that begins like a report and cannot be read is an error.
    fn report(&mut self, line: &str) -> Result<Option<Report>, String>;
}

/// The window among a tool's reports.
pub struct Intervals<R> {
    reader: R,
    bytes: u32,
    warm_left: u32,
    done: bool,
}

impl<R: Reader> Intervals<R> {
    /// Reads a tool that was asked for reports as long as the senders' window.
    pub fn new(reader: R, senders: &Senders) -> Intervals<R> {
        Intervals { reader, bytes: senders.bytes, warm_left: senders.warm_reports(), done: false }
    }

    fn measure(&self, report: Report) -> Measure {
        let records = (report.rate * report.seconds).round() as u64;
        Measure {
            measure: WINDOW.to_string(),
            records,
            payload_bytes: records * u64::from(self.bytes),
            errors: report.errors,
            seconds: report.seconds,
            latency_us: Some(Latency { count: records, ..report.latency }),
            more: report.more,
            ..Measure::default()
        }
    }
}

impl<R: Reader> Dialect for Intervals<R> {
    fn line(&mut self, line: &str) -> Result<Option<Event>, String> {
        if self.done {
            return Ok(None);
        }
        let Some(report) = self.reader.report(line)? else { return Ok(None) };
        match self.warm_left {
            0 => {
                self.done = true;
                Ok(Some(Event::End(Box::new(self.measure(report)))))
            }
            1 => {
                self.warm_left = 0;
                Ok(Some(Event::Begin(WINDOW.to_string())))
            }
            _ => {
                self.warm_left -= 1;
                Ok(None)
            }
        }
    }

    fn end(&mut self) -> Result<Option<Event>, String> {
        if self.done { Ok(None) } else { Err(format!("{} ended before its window did", R::TOOL)) }
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loadtool::tests::SENDERS;

    struct Numbers;

    impl Reader for Numbers {
        const TOOL: &'static str = "the tool";

        fn report(&mut self, line: &str) -> Result<Option<Report>, String> {
            let rate = line.parse().ok();
            Ok(rate.map(|rate| Report { seconds: 5.0, rate, ..Report::default() }))
        }
    }

    #[test]
    fn the_window_is_the_report_after_the_warm_up() {
        let mut intervals = Intervals::new(Numbers, &SENDERS);
        let lines = ["starting", "1000", "2000", "gc", "3000", "4000"];
        let events: Vec<_> = lines.into_iter().map(|line| intervals.line(line).unwrap()).collect();
        assert!(matches!(&events[2], Some(Event::Begin(name)) if name == "classic"));
        let Some(Event::End(measure)) = &events[4] else { panic!("{events:?}") };
        assert_eq!(
            (measure.records, measure.payload_bytes, measure.rate()),
            (15_000, 1_860_000, Some(3000.0))
        );
        assert!([0, 1, 3, 5].into_iter().all(|at: usize| events[at].is_none()));
        assert!(intervals.is_done());
        assert_eq!(intervals.end(), Ok(None));
    }

    #[test]
    fn a_tool_that_ends_early_measured_nothing() {
        let mut intervals = Intervals::new(Numbers, &SENDERS);
        for line in ["1000", "2000"] {
            intervals.line(line).unwrap();
        }
        assert!(!intervals.is_done());
        assert!(intervals.end().unwrap_err().contains("the tool ended before"));
    }
}

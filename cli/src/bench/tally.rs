//! What was counted within the measured time.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_kafka::wire::ErrorCode;
use hdrhistogram::Histogram;

/// Longest latency that is told from others, nanoseconds: an hour.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Digits of a latency that are kept.
const LATENCY_DIGITS: u8 = 3;

/// Counts and latencies.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Records confirmed, or read.
    pub records: u64,
    /// Bytes of their values.
    pub payload_bytes: u64,
    /// Refusals by code.
    errors: BTreeMap<i16, Refusals>,
    /// What went wrong otherwise.
    faults: BTreeMap<Fault, u64>,
    /// Nanoseconds.
    latency: Histogram<u64>,
    /// Records by full second since the measured time began.
    by_second: Vec<u64>,
}

/// Refusals of one code, and the broker's words in the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Refusals {
    count: u64,
    words: Option<String>,
}

/// Errors of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedErrors<'t> {
    /// Which, as Kafka calls it if it is Kafka's.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// The broker's words in the first of them.
    pub words: Option<&'t str>,
}

/// What can go wrong without the broker saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A confirmed record did not come.
    Missing,
    /// A record came again.
    Repeated,
}

impl Fault {
    /// As it stands beside Kafka's error names.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Missing => "MISSING",
            Fault::Repeated => "REPEATED",
        }
    }
}

impl Default for Tally {
    fn default() -> Tally {
        let latency = Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS);
        Tally {
            records: 0,
            payload_bytes: 0,
            errors: BTreeMap::new(),
            faults: BTreeMap::new(),
            latency: latency.expect("these bounds are allowed"),
            by_second: Vec::new(),
        }
    }
}

impl Tally {
    /// Counts records that came so long after the measured time began.
    pub fn records(&mut self, records: u64, payload_bytes: u64, since_begin: Duration) {
        self.records += records;
        self.payload_bytes += payload_bytes;
        let second = since_begin.as_secs() as usize;
        if self.by_second.len() <= second {
            self.by_second.resize(second + 1, 0);
        }
        self.by_second[second] += records;
    }

    /// Counts a latency so many times. What is above an hour counts as an hour.
    pub fn latency(&mut self, latency: Duration, times: u64) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.saturating_record_n(ns, times);
    }

    /// Counts a refusal.
    pub fn refusal(&mut self, code: ErrorCode, words: impl FnOnce() -> Option<String>) {
        let refusals = self.errors.entry(code.number()).or_default();
        if refusals.count == 0 {
            refusals.words = words();
        }
        refusals.count += 1;
    }

    /// Counts what went wrong without the broker saying so.
    pub fn fault(&mut self, fault: Fault, times: u64) {
        if times > 0 {
            *self.faults.entry(fault).or_default() += times;
        }
    }

    /// Adds another thread's.
    pub fn add(&mut self, other: &Tally) {
        self.records += other.records;
        self.payload_bytes += other.payload_bytes;
        for (code, refusals) in &other.errors {
            let mine = self.errors.entry(*code).or_insert_with(|| Refusals { count: 0, ..refusals.clone() });
            mine.count += refusals.count;
        }
        other.faults.iter().for_each(|(fault, times)| self.fault(*fault, *times));
        self.latency.add(&other.latency).expect("all have the same bounds");
        if self.by_second.len() < other.by_second.len() {
            self.by_second.resize(other.by_second.len(), 0);
        }
        self.by_second.iter_mut().zip(&other.by_second).for_each(|(mine, theirs)| *mine += theirs);
    }

    /// How many errors there were, of every kind.
    pub fn error_count(&self) -> u64 {
        self.errors().map(|error| error.count).sum()
    }

    /// Errors by name.
    pub fn errors(&self) -> impl Iterator<Item = NamedErrors<'_>> {
        let refused = self.errors.iter().map(|(code, refusals)| NamedErrors {
            name: ErrorCode::from_number(*code).name(),
            count: refusals.count,
            words: refusals.words.as_deref(),
        });
        let faults = self.faults.iter().map(|(fault, count)| NamedErrors {
            name: fault.name(),
            count: *count,
            words: None,
        });
        refused.chain(faults)
    }

    /// The latencies, nanoseconds.
    pub fn latencies(&self) -> &Histogram<u64> {
        &self.latency
    }

    /// Records of the worst and of the middle one of the full seconds that were measured; `None` below two of them.
    pub fn worst_and_median_second(&self, measured: Duration) -> Option<(u64, u64)> {
        let full = measured.as_secs() as usize;
        let mut seconds = self.by_second.clone();
        seconds.resize(full, 0);
        seconds.sort_unstable();
        (full >= 2).then(|| (seconds[0], seconds[full / 2]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_counted_adds_up() {
        let (mut one, mut two) = (Tally::default(), Tally::default());
        one.records(5, 50, Duration::from_millis(100));
        two.records(7, 70, Duration::from_millis(2900));
        one.latency(Duration::from_micros(10), 1);
        two.latency(Duration::from_secs(7200), 3);
        two.refusal(ErrorCode::InvalidRecord, || Some("no".into()));
        two.refusal(ErrorCode::InvalidRecord, || panic!("only the first one's words are asked for"));
        two.fault(Fault::Missing, 4);
        two.fault(Fault::Repeated, 0);
        one.add(&two);
        assert_eq!((one.records, one.payload_bytes, one.error_count()), (12, 120, 6));
        assert_eq!(one.latencies().len(), 4);
        assert!(one.latencies().max() >= LATENCY_NS_MAX);
        let errors: Vec<_> = one.errors().map(|error| (error.name, error.count, error.words)).collect();
        assert_eq!(errors, [("INVALID_RECORD", 2, Some("no")), ("MISSING", 4, None)]);
        assert_eq!(one.worst_and_median_second(Duration::from_millis(3500)), Some((0, 5)));
        assert_eq!(one.worst_and_median_second(Duration::from_millis(1500)), None);
    }
}

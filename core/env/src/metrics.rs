//! What a node counts: [`Counter`], [`Gauge`], [`Histogram`]; and their text for Prometheus, [`MetricsText`].
//!
//! There is no registry. A crate declares what it counts in its own `metrics.rs`, as fields or statics (every
//! `new` is `const`), and writes it into the text when asked. Counting is one relaxed atomic addition: numbers
//! of different metrics need not agree with each other, and nothing may be decided by them.

use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Starts at zero.
    pub const fn new() -> Counter {
        Counter(AtomicU64::new(0))
    }

    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts `n` at once.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// What was counted so far.
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Starts at zero.
    pub const fn new() -> Gauge {
        Gauge(AtomicI64::new(0))
    }

    /// Replaces the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    /// Raises the value, or lowers it by a negative `n`.
    pub fn add(&self, n: i64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The value now.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Bounds are 2^n and 1.5 * 2^n microseconds; the first is 2^3...
const FIRST_OCTAVE: u32 = 3;
/// ...and the last is 2^26, which is 67 seconds.
const LAST_OCTAVE: u32 = 26;
const BUCKETS: usize = 2 * (LAST_OCTAVE - FIRST_OCTAVE) as usize + 1;

/// How often durations of each size were seen. Its size and the cost of a record are fixed; a bucket is at most
/// half as wide as its lower bound, from 8 microseconds to 67 seconds.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    above: AtomicU64,
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

impl Histogram {
    /// Starts empty.
    pub const fn new() -> Histogram {
        Histogram {
            buckets: [const { AtomicU64::new(0) }; BUCKETS],
            above: AtomicU64::new(0),
            sum_us: AtomicU64::new(0),
        }
    }

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        self.record_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts one duration in microseconds.
    pub fn record_us(&self, us: u64) {
        self.buckets.get(bucket_of(us)).unwrap_or(&self.above).fetch_add(1, Relaxed);
        self.sum_us.fetch_add(us, Relaxed);
    }

    /// How many durations were recorded.
    pub fn count(&self) -> u64 {
        self.buckets.iter().chain([&self.above]).map(|b| b.load(Relaxed)).sum()
    }

    /// Their sum in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Relaxed)
    }
}

/// The first bucket whose bound is not below `us`; `BUCKETS` or more when there is none.
fn bucket_of(us: u64) -> usize {
    // A bound belongs to its own bucket, hence the 1.
    let below = us.saturating_sub(1);
    if below < 1 << FIRST_OCTAVE {
        return 0;
    }
    let octave = below.ilog2();
    let upper_half = (below >> (octave - 1)) & 1;
    1 + 2 * (octave - FIRST_OCTAVE) as usize + upper_half as usize
}

fn bound_us(bucket: usize) -> u64 {
    let power = 1_u64 << (FIRST_OCTAVE as usize + bucket / 2);
    if bucket.is_multiple_of(2) { power } else { power + power / 2 }
}

/// What a metric is, for its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; the name ends in `_total`.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Buckets, a sum and a count; the name ends in `_seconds`.
    Histogram,
}

/// A sample's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A count.
    Unsigned(u64),
    /// A gauge's whole number.
    Signed(i64),
    /// A fraction; seconds, for example.
    Float(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Value {
        Value::Unsigned(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Signed(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Value {
        Value::Float(value)
    }
}

impl From<&Counter> for Value {
    fn from(counter: &Counter) -> Value {
        Value::Unsigned(counter.value())
    }
}

impl From<&Gauge> for Value {
    fn from(gauge: &Gauge) -> Value {
        Value::Signed(gauge.value())
    }
}

/// Label names and values of one sample.
pub type Labels<'a> = &'a [(&'a str, &'a str)];

/// Counts the samples that a cap left out of the text.
pub const SERIES_DROPPED: &str = "forebay_series_dropped";

/// Metrics in the text format that Prometheus reads (version 0.0.4).
#[derive(Debug)]
pub struct MetricsText {
    text: String,
    series_max: usize,
    series_dropped: u64,
    names: Vec<&'static str>,
}

impl MetricsText {
    /// An empty text in which a [capped family](Self::capped_family) has at most `series_max` series.
    pub fn new(series_max: usize) -> MetricsText {
        MetricsText { text: String::new(), series_max, series_dropped: 0, names: Vec::new() }
    }

    /// How many series a capped family may have: its writer need not produce more than one above it.
    pub fn series_max(&self) -> usize {
        self.series_max
    }

    /// A counter without labels.
    pub fn counter(&mut self, name: &'static str, help: &'static str, counter: &Counter) {
        self.family(name, help, Kind::Counter).sample(&[], counter);
    }

    /// A gauge without labels.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, value: impl Into<Value>) {
        self.family(name, help, Kind::Gauge).sample(&[], value);
    }

    /// A histogram without labels.
    pub fn histogram(&mut self, name: &'static str, help: &'static str, histogram: &Histogram) {
        self.family(name, help, Kind::Histogram).histogram(&[], histogram);
    }

    /// Begins a metric whose label values the code decides, so that their number is known.
    pub fn family(&mut self, name: &'static str, help: &'static str, kind: Kind) -> Family<'_> {
        self.begin(name, help, kind, usize::MAX)
    }

    /// Begins a metric whose label values come from clients: topics, groups. Samples above the cap are dropped
    /// and counted, so put the most telling first.
    pub fn capped_family(&mut self, name: &'static str, help: &'static str, kind: Kind) -> Family<'_> {
        self.begin(name, help, kind, self.series_max)
    }

    /// Counts series that a writer did not even produce because of the cap.
    pub fn count_dropped(&mut self, series: u64) {
        self.series_dropped += series;
    }

    /// The whole text, with the number of dropped series at its end.
    pub fn finish(mut self) -> String {
        let dropped = self.series_dropped;
        self.gauge(SERIES_DROPPED, "Series left out of this text by the cap on series per metric.", dropped);
        self.text
    }

    fn begin(
        &mut self,
        name: &'static str,
        help: &'static str,
        kind: Kind,
        series_left: usize,
    ) -> Family<'_> {
        debug_assert!(is_metric_name(name), "{name} cannot be a metric's name");
        debug_assert!(!self.names.contains(&name), "{name} stands in the text twice");
        debug_assert!(kind != Kind::Counter || name.ends_with("_total"), "{name} is a counter");
        debug_assert!(kind != Kind::Histogram || name.ends_with("_seconds"), "{name} is a histogram");
        self.names.push(name);
        let kind_name = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.text.push_str("# HELP ");
        self.text.push_str(name);
        self.text.push(' ');
        push_escaped(&mut self.text, help, Quotes::Keep);
        self.push(format_args!("\n# TYPE {name} {kind_name}\n"));
        Family { text: self, name, series_left }
    }

    fn push(&mut self, args: std::fmt::Arguments<'_>) {
        self.text.write_fmt(args).expect("writing to a string does not fail");
    }

    fn push_sample(&mut self, name: &str, suffix: &str, labels: Labels<'_>, le: Option<&str>, value: Value) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let le = le.map(|bound| ("le", bound));
        let mut opened = false;
        for (label, text) in labels.iter().copied().chain(le) {
            self.text.push(if opened { ',' } else { '{' });
            opened = true;
            self.text.push_str(label);
            self.text.push_str("=\"");
            push_escaped(&mut self.text, text, Quotes::Escape);
            self.text.push('"');
        }
        self.text.push_str(if opened { "} " } else { " " });
        match value {
            Value::Unsigned(v) => self.push(format_args!("{v}\n")),
            Value::Signed(v) => self.push(format_args!("{v}\n")),
            Value::Float(v) if v.is_nan() => self.text.push_str("NaN\n"),
            Value::Float(f64::INFINITY) => self.text.push_str("+Inf\n"),
            Value::Float(f64::NEG_INFINITY) => self.text.push_str("-Inf\n"),
            Value::Float(v) => self.push(format_args!("{v}\n")),
        }
    }
}

/// One metric of a text; its samples differ in their labels.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut MetricsText,
    name: &'static str,
    series_left: usize,
}

impl Family<'_> {
    /// Writes one sample, unless the cap is reached.
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Into<Value>) {
        if self.take_series() {
            self.text.push_sample(self.name, "", labels, None, value.into());
        }
    }

    /// Writes one histogram in seconds, unless the cap is reached.
    pub fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        if !self.take_series() {
            return;
        }
        let mut count = 0;
        for (i, bucket) in histogram.buckets.iter().enumerate() {
            count += bucket.load(Relaxed);
            let bound = seconds(bound_us(i));
            self.text.push_sample(self.name, "_bucket", labels, Some(&bound), count.into());
        }
        count += histogram.above.load(Relaxed);
        self.text.push_sample(self.name, "_bucket", labels, Some("+Inf"), count.into());
        let sum = histogram.sum_us() as f64 / 1e6;
        self.text.push_sample(self.name, "_sum", labels, None, sum.into());
        // The count is the sum of the buckets as they were read, not a second number that could disagree.
        self.text.push_sample(self.name, "_count", labels, None, count.into());
    }

    fn take_series(&mut self) -> bool {
        if let Some(left) = self.series_left.checked_sub(1) {
            self.series_left = left;
            return true;
        }
        self.text.series_dropped += 1;
        false
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    Keep,
    Escape,
}

fn push_escaped(out: &mut String, text: &str, quotes: Quotes) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes == Quotes::Escape => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// Microseconds as seconds in decimal, without trailing zeros.
fn seconds(us: u64) -> String {
    let text = format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn is_metric_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_from_many_threads_loses_nothing() {
        static SEEN: Counter = Counter::new();
        static OPEN: Gauge = Gauge::new();
        static TOOK: Histogram = Histogram::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for i in 0..10_000 {
                        SEEN.increment();
                        OPEN.add(2);
                        OPEN.add(-1);
                        TOOK.record_us(i);
                    }
                });
            }
        });
        assert_eq!((SEEN.value(), OPEN.value(), TOOK.count()), (40_000, 40_000, 40_000));
        assert_eq!(TOOK.sum_us(), 4 * (0..10_000).sum::<u64>());
    }

    #[test]
    fn a_duration_falls_into_the_first_bucket_that_holds_it() {
        for us in (0..100_000).chain([1 << 26, (1 << 26) + 1, u64::MAX - 1, u64::MAX]) {
            let expected = (0..BUCKETS).find(|b| us <= bound_us(*b)).unwrap_or(BUCKETS);
            assert_eq!(bucket_of(us).min(BUCKETS), expected, "{us} us");
        }
        assert_eq!(bound_us(BUCKETS - 1), 1 << LAST_OCTAVE);
    }

    #[test]
    fn the_longest_duration_is_above_every_bound_and_still_counted() {
        let histogram = Histogram::new();
        histogram.record(Duration::MAX);
        histogram.record(Duration::from_micros(3));
        assert_eq!(histogram.count(), 2);
        let mut text = MetricsText::new(1);
        text.histogram("long_seconds", "Long.", &histogram);
        let text = text.finish();
        assert!(text.contains("long_seconds_bucket{le=\"0.000008\"} 1\n"), "{text}");
        assert!(text.contains("long_seconds_bucket{le=\"67.108864\"} 1\n"), "{text}");
        assert!(text.contains("long_seconds_bucket{le=\"+Inf\"} 2\n"), "{text}");
        assert!(text.contains("long_seconds_count 2\n"), "{text}");
    }

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let mut text = MetricsText::new(10);
        let counter = Counter::new();
        counter.add(3);
        text.counter("forebay_things_total", "Things\nand a \\ slash.", &counter);
        let mut family = text.family("forebay_share", "Shares.", Kind::Gauge);
        family.sample(&[("name", "a \"quoted\" \\ line\nbreak"), ("kind", "x")], -1_i64);
        family.sample(&[("name", "b"), ("kind", "y")], 0.25);
        family.sample(&[("name", "c"), ("kind", "z")], f64::INFINITY);
        assert_eq!(
            text.finish(),
            "# HELP forebay_things_total Things\\nand a \\\\ slash.\n\
             # TYPE forebay_things_total counter\n\
             forebay_things_total 3\n\
             # HELP forebay_share Shares.\n\
             # TYPE forebay_share gauge\n\
             forebay_share{name=\"a \\\"quoted\\\" \\\\ line\\nbreak\",kind=\"x\"} -1\n\
             forebay_share{name=\"b\",kind=\"y\"} 0.25\n\
             forebay_share{name=\"c\",kind=\"z\"} +Inf\n\
             # HELP forebay_series_dropped Series left out of this text by the cap on series per metric.\n\
             # TYPE forebay_series_dropped gauge\n\
             forebay_series_dropped 0\n"
        );
    }

    #[test]
    fn series_above_the_cap_are_dropped_and_counted() {
        let mut text = MetricsText::new(2);
        let mut family = text.capped_family("forebay_lag", "Lag.", Kind::Gauge);
        for group in ["a", "b", "c", "d"] {
            family.sample(&[("group", group)], 1_u64);
        }
        text.count_dropped(10);
        let text = text.finish();
        assert_eq!(text.matches("forebay_lag{").count(), 2);
        assert!(text.ends_with("forebay_series_dropped 12\n"), "{text}");
    }
}

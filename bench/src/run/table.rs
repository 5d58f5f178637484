//! The table at the end of a run: medians over its rounds, and ratios to Kafka as it comes.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::record::{Latency, Measure, Record};

/// Whom ratios are given to, where it took part: its first setting.
const YARDSTICK: (&str, &str) = ("kafka", "as-it-comes");
/// How our own light generator calls itself: ratios stand between figures of one client only.
const LIGHT: &str = "forebay-bench";

/// One line: one client on one peer in one setting, all rounds of it.
struct Row<'a> {
    record: &'a Record,
    rounds: Vec<&'a Measure>,
}

/// The figures of a line.
#[derive(Clone, Copy, Default)]
struct Figures {
    rate: Option<f64>,
    cpu: Option<f64>,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    rss_mib: Option<f64>,
    peak_mib: Option<f64>,
    seconds: Option<f64>,
}

/// The table of these records, those of one run.
pub fn of(records: &[Record]) -> String {
    let mut text = String::new();
    let mut stories: Vec<&str> = records.iter().map(|r| r.story.as_str()).collect();
    stories.dedup();
    for story in stories {
        let of_story: Vec<&Record> = records.iter().filter(|r| r.story == story).collect();
        let _ = writeln!(text, "\n{story}");
        for record in of_story.iter().filter(|r| r.skipped.is_some()) {
            let why = record.skipped.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
            let _ = writeln!(text, "  {} skipped: {why}", record.peer);
        }
        text += &story_table(&of_story);
    }
    text
}

fn story_table(records: &[&Record]) -> String {
    let mut text = format!(
        "  {:<34} {:<22} {:<8} {:<14} {:>11} {:>6} {:>9} {:>6} {:>8} {:>8} {:>6} {:>7} {:>7}\n",
        "case",
        "broker",
        "flushed",
        "client",
        "rate/s",
        "x",
        "CPU s/M",
        "x",
        "p50 ms",
        "p99 ms",
        "x",
        "RSS MiB",
        "peak"
    );
    for ((case, measure), rows) in windows(records) {
        let title = if measure == records[0].story || measure.is_empty() {
            case
        } else {
            format!("{case}: {measure}")
        };
        for (number, row) in rows.iter().enumerate() {
            let title = if number == 0 { title.as_str() } else { "" };
            let yardstick =
                rows.iter().find(|other| is_yardstick(other, row)).map(|other| figures(&other.rounds));
            text += &line(title, row, figures(&row.rounds), yardstick);
        }
    }
    text
}

/// The windows in the order in which they were first measured, each with its lines.
fn windows<'a>(records: &[&'a Record]) -> Vec<((String, String), Vec<Row<'a>>)> {
    let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut windows: Vec<((String, String), Vec<Row>)> = Vec::new();
    for record in records {
        for measure in &record.measures {
            let key = (record.case.clone(), measure.measure.clone());
            let at = *places.entry(key.clone()).or_insert_with(|| {
                windows.push((key, Vec::new()));
                windows.len() - 1
            });
            let rows = &mut windows[at].1;
            match rows.iter_mut().find(|row| same_line(row.record, record)) {
                Some(row) => row.rounds.push(measure),
                None => rows.push(Row { record, rounds: vec![measure] }),
            }
        }
    }
    windows
}

fn same_line(a: &Record, b: &Record) -> bool {
    (&a.peer, &a.setting, &a.client) == (&b.peer, &b.setting, &b.client)
}

/// Whether `other` is what `row` is held against: Kafka as it comes, driven by the same kind of client.
fn is_yardstick(other: &Row, row: &Row) -> bool {
    let light = |row: &Row| row.record.client.starts_with(LIGHT);
    (other.record.peer.as_str(), other.record.setting.as_str()) == YARDSTICK && light(other) == light(row)
}

fn figures(rounds: &[&Measure]) -> Figures {
    let median = |of: &dyn Fn(&Measure) -> Option<f64>| median(rounds.iter().filter_map(|m| of(m)).collect());
    let ms = |us: Option<f64>| us.map(|us| us / 1000.0);
    Figures {
        rate: median(&|m| m.rate().filter(|rate| *rate > 0.0)),
        cpu: median(&Measure::broker_cpu_s_per_million),
        p50_ms: median(&|m| ms(timed(m)?.p50)),
        p99_ms: median(&|m| ms(timed(m)?.p99)),
        rss_mib: median(&|m| m.broker_rss_mib),
        peak_mib: median(&|m| m.broker_rss_peak_mib),
        seconds: median(&|m| Some(m.seconds)),
    }
}

/// Latencies of which there is at least one.
fn timed(measure: &Measure) -> Option<Latency> {
    measure.latency_us.filter(|latency| latency.count > 0)
}

/// The middle one, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

fn line(title: &str, row: &Row, own: Figures, yardstick: Option<Figures>) -> String {
    let Record { peer, setting, client, flushed_before_confirm, .. } = row.record;
    let errors: u64 = row.rounds.iter().map(|m| m.errors).sum();
    let ratio = |of: fn(Figures) -> Option<f64>| {
        let (own, other) = (of(own)?, of(yardstick?)?);
        (other > 0.0).then(|| format!("{:.2}", own / other))
    };
    let shown = |value: Option<String>| value.unwrap_or_else(|| "-".into());
    let mut text = format!(
        "  {:<34} {:<22} {:<8} {:<14} {:>11} {:>6} {:>9} {:>6} {:>8} {:>8} {:>6} {:>7} {:>7}",
        title,
        format!("{peer} {setting}"),
        if *flushed_before_confirm { "yes" } else { "no" },
        client.split(' ').next().unwrap_or_default(),
        own.rate.map_or_else(|| format!("{:.3} s", own.seconds.unwrap_or_default()), thousands),
        shown(ratio(|f| f.rate)),
        shown(own.cpu.map(|cpu| format!("{cpu:.2}"))),
        shown(ratio(|f| f.cpu)),
        shown(own.p50_ms.map(|ms| format!("{ms:.2}"))),
        shown(own.p99_ms.map(|ms| format!("{ms:.2}"))),
        shown(ratio(|f| f.p99_ms)),
        shown(own.rss_mib.map(|mib| format!("{mib:.0}"))),
        shown(own.peak_mib.map(|mib| format!("{mib:.0}"))),
    );
    if errors > 0 {
        let _ = write!(text, "  {errors} errors");
    }
    text + "\n"
}

/// A whole number with commas between its thousands.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::example;

    fn run(peer: &str, setting: &str, client: &str, records: u64, cpu_s: f64) -> Record {
        let mut record = Record {
            peer: peer.into(),
            setting: setting.into(),
            client: client.into(),
            flushed_before_confirm: setting == "flushed",
            ..example()
        };
        let measure = &mut record.measures[0];
        (measure.records, measure.seconds, measure.broker_cpu_s) = (records, 1.0, Some(cpu_s));
        record
    }

    fn fields(text: &str, broker: &str) -> Vec<String> {
        let line =
            text.lines().find(|line| line.contains(broker)).unwrap_or_else(|| panic!("{broker}:\n{text}"));
        let line = line.split(broker).nth(1).unwrap();
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn medians_of_the_rounds_are_held_against_kafka_as_it_comes() {
        let text = of(&[
            run("kafka", "as-it-comes", "franz-go 1.2", 10_000, 0.2),
            run("forebay", "flushed", "franz-go 1.2", 19_000, 0.19),
            run("kafka", "as-it-comes", "franz-go 1.2", 30_000, 0.6),
            run("forebay", "flushed", "franz-go 1.2", 41_000, 0.41),
        ]);
        assert_eq!(
            fields(&text, "kafka as-it-comes")[..6],
            ["no", "franz-go", "20,000", "1.00", "20.00", "1.00"]
        );
        assert_eq!(
            fields(&text, "forebay flushed")[..6],
            ["yes", "franz-go", "30,000", "1.50", "10.00", "0.50"]
        );
    }

    #[test]
    fn what_the_light_generator_reached_is_held_against_what_it_reached() {
        let text = of(&[
            run("kafka", "as-it-comes", "franz-go 1.2", 10_000, 0.2),
            run("kafka", "flushed", "forebay-bench 0.1", 100, 0.1),
            run("forebay", "flushed", "forebay-bench 0.1", 40_000, 0.4),
        ]);
        assert_eq!(fields(&text, "forebay flushed")[..4], ["yes", "forebay-bench", "40,000", "-"]);
    }

    #[test]
    fn whoever_is_skipped_stands_in_the_table_with_the_reason() {
        let record = Record { skipped: Some("no such program\nmore".into()), measures: vec![], ..example() };
        assert!(of(&[record]).contains("kafka skipped: no such program\n"));
    }

    #[test]
    fn errors_stand_behind_the_line() {
        let mut record = run("nats", "flushed", "nats.go 1", 10, 0.1);
        record.measures[0].errors = 7;
        assert!(of(&[record]).contains("  7 errors\n"));
    }

    #[test]
    fn large_numbers_have_commas() {
        assert_eq!((thousands(999.4), thousands(1_234_567.0)), ("999".into(), "1,234,567".into()));
    }
}

//! How measures are written down: JSON lines for programs, a table for people.

use std::io::Write;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::tally::Tally;
use crate::exit::Failure;
use crate::output::number::{self, grouped};
use crate::output::table::Table;

/// What a run measured.
#[derive(Debug)]
pub struct Measure {
    /// What was measured.
    pub name: &'static str,
    /// What was counted.
    pub tally: Tally,
    /// How long that took.
    pub took: Duration,
    /// CPU time of this process meanwhile.
    pub client_cpu: Duration,
}

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Programs.
    Programs,
    /// People.
    People,
}

impl For {
    /// As `--json` says.
    pub fn json(json: bool) -> For {
        if json { For::Programs } else { For::People }
    }

    /// Says that the measured time begins now: whoever started us looks at the broker's figures at this moment.
    ///
    /// # Errors
    /// The system's.
    pub fn begin(self, name: &str) -> Result<(), Failure> {
        if self == For::Programs {
            line(&json!({ "begin": name }))?;
        }
        Ok(())
    }

    /// Writes the measure.
    ///
    /// # Errors
    /// The system's.
    pub fn write(self, measure: &Measure) -> Result<(), Failure> {
        for error in measure.tally.errors() {
            let words = error.words.map_or_else(String::new, |words| format!(" ({words})"));
            eprintln!("forebay: {} times {}{words}", grouped(error.count as i64), error.name);
        }
        match self {
            For::Programs => line(&measure.json()),
            For::People => Ok(std::io::stdout().write_all(measure.text().as_bytes())?),
        }
    }
}

/// Whoever reads acts upon each line at once.
fn line(value: &Value) -> Result<(), Failure> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{value}")?;
    Ok(stdout.flush()?)
}

const PERCENTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)];

impl Measure {
    fn json(&self) -> Value {
        let tally = &self.tally;
        let mut out = json!({
            "measure": self.name,
            "records": tally.records,
            "payload_bytes": tally.payload_bytes,
            "errors": tally.error_count(),
            "seconds": self.took.as_secs_f64(),
            "client_cpu_s": self.client_cpu.as_secs_f64(),
        });
        let latencies = tally.latencies();
        if !latencies.is_empty() {
            let us = |ns: u64| ns as f64 / 1000.0;
            let mut latency = Map::new();
            latency.insert("count".into(), latencies.len().into());
            latency.insert("mean".into(), (latencies.mean() / 1000.0).into());
            for (name, quantile) in PERCENTILES {
                latency.insert(name.into(), us(latencies.value_at_quantile(quantile)).into());
            }
            latency.insert("max".into(), us(latencies.max()).into());
            out["latency_us"] = latency.into();
        }
        if tally.error_count() > 0 {
            let by_name: Map<String, Value> =
                tally.errors().map(|error| (error.name.into(), error.count.into())).collect();
            out["errors_by_code"] = by_name.into();
        }
        if let Some((worst, median)) = tally.worst_and_median_second(self.took) {
            out["worst_second_rate"] = worst.into();
            out["median_second_rate"] = median.into();
        }
        out
    }

    fn text(&self) -> String {
        let tally = &self.tally;
        let seconds = self.took.as_secs_f64().max(1e-9);
        let rate = tally.records as f64 / seconds;
        let mib_rate = tally.payload_bytes as f64 / seconds / (1024.0 * 1024.0);
        let cpu_per_million = self.client_cpu.as_secs_f64() * 1e6 / (tally.records.max(1) as f64);
        let mut table = Table::new(
            &["MEASURE", "RECORDS", "SECONDS", "RATE", "MIB/S", "ERRORS", "CLIENT CPU S/MILLION"],
            &[1, 2, 3, 4, 5, 6],
        );
        table.row([
            self.name.into(),
            grouped(tally.records as i64),
            format!("{seconds:.2}"),
            number::rate(rate),
            format!("{mib_rate:.1}"),
            grouped(tally.error_count() as i64),
            format!("{cpu_per_million:.2}"),
        ]);
        let latencies = tally.latencies();
        if latencies.is_empty() {
            return table.text();
        }
        let mut quantiles =
            Table::new(&["LATENCY (US)", "MEAN", "P50", "P90", "P99", "P99.9", "MAX"], &[1, 2, 3, 4, 5, 6]);
        let us = |ns: f64| format!("{:.1}", ns / 1000.0);
        let mut cells = vec![String::new(), us(latencies.mean())];
        cells.extend(PERCENTILES.map(|(_, quantile)| us(latencies.value_at_quantile(quantile) as f64)));
        cells.push(us(latencies.max() as f64));
        quantiles.row(cells);
        format!("{}\n{}", table.text(), quantiles.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::wire::ErrorCode;

    fn measure() -> Measure {
        let mut tally = Tally::default();
        for second in 0..3 {
            tally.records(1000 + second, 124_000, Duration::from_secs(second));
        }
        for us in 1..=100 {
            tally.latency(Duration::from_micros(us), 1);
        }
        tally.refusal(ErrorCode::NotLeaderOrFollower, || None);
        let (took, client_cpu) = (Duration::from_secs(3), Duration::from_millis(30));
        Measure { name: "classic", tally, took, client_cpu }
    }

    #[test]
    fn programs_get_what_they_were_promised() {
        let json = measure().json();
        for (key, value) in [
            ("measure", json!("classic")),
            ("records", json!(3003)),
            ("payload_bytes", json!(372_000)),
            ("errors", json!(1)),
            ("seconds", json!(3.0)),
            ("client_cpu_s", json!(0.03)),
            ("errors_by_code", json!({ "NOT_LEADER_OR_FOLLOWER": 1 })),
            ("worst_second_rate", json!(1000)),
        ] {
            assert_eq!(json[key], value, "{key}");
        }
        let latency = &json["latency_us"];
        assert_eq!(latency["count"], 100);
        for (key, us) in [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("max", 100.0), ("mean", 50.5)] {
            let found = latency[key].as_f64().unwrap();
            assert!((found - us).abs() < 0.2, "{key} {found}");
        }
        let untimed = Measure { tally: Tally::default(), ..measure() }.json();
        assert_eq!(untimed.get("latency_us"), None);
    }

    #[test]
    fn people_get_a_table() {
        let text = measure().text();
        assert!(text.contains("1,001/s"), "{text}");
        assert!(text.contains("9.99"), "{text}");
    }
}

//! What can be read off one measured window, with its unit and which way is better.

use std::fmt;

use super::spread::Spread;
use crate::record::{Measure, Record};

/// One figure of a measured window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Records per second.
    Rate,
    /// Payload in MB (10^6 bytes) per second.
    Throughput,
    /// The broker's CPU seconds per million records.
    BrokerCpu,
    /// The broker's CPU seconds per GB (10^9 bytes) of payload.
    BrokerCpuPerGb,
    /// The loader's CPU seconds per million records.
    ClientCpu,
    /// The mean latency in microseconds; some clients tell no other.
    Mean,
    /// The median latency in microseconds.
    P50,
    /// The 99th percentile in microseconds.
    P99,
    /// The 99.9th percentile in microseconds.
    P999,
    /// The longest latency in microseconds.
    Max,
    /// Resident memory at the window's end, in MiB.
    Rss,
    /// The most resident memory since the start, in MiB.
    RssPeak,
    /// Bytes written per byte of payload.
    WrittenPerByte,
    /// Records per flush.
    RecordsPerFlush,
    /// What the data directory takes on the disk, in MiB.
    DiskUsed,
    /// Records that failed.
    Errors,
    /// From the start of the first process until the peer answered, in milliseconds.
    Start,
    /// From the start of the process on the data that it has until it answered, in milliseconds.
    Restart,
    /// A figure that the loader told beside those of the contract; the unit is the end of its name.
    More(String),
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The higher the better.
    Higher,
    /// The lower the better.
    Lower,
    /// It only says how things were.
    Neither,
}

/// The metrics that every record may have, in the order in which they are told.
pub const COMMON: [Metric; 18] = [
    Metric::Rate,
    Metric::Throughput,
    Metric::BrokerCpu,
    Metric::BrokerCpuPerGb,
    Metric::ClientCpu,
    Metric::Mean,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::Max,
    Metric::Rss,
    Metric::RssPeak,
    Metric::WrittenPerByte,
    Metric::RecordsPerFlush,
    Metric::DiskUsed,
    Metric::Errors,
    Metric::Start,
    Metric::Restart,
];

const MIB: f64 = (1 << 20) as f64;

impl Metric {
    /// Everything that one window of a record tells.
    pub fn all_of(record: &Record, place: usize) -> Vec<(Metric, f64)> {
        let measure = &record.measures[place];
        // The start belongs to the whole record; it is told once, with the first window.
        let start_ms = record.start_ms.filter(|_| place == 0);
        let value = |metric: &Metric| match metric {
            Metric::Start => start_ms,
            metric => metric.of(measure),
        };
        let common = COMMON.iter().filter_map(|metric| Some((metric.clone(), value(metric)?)));
        let more = measure.more.iter().filter_map(|(name, value)| {
            let value = value.as_f64().filter(|value| value.is_finite())?;
            Some((Metric::More(name.clone()), value))
        });
        common.chain(more).collect()
    }

    fn of(&self, measure: &Measure) -> Option<f64> {
        let latency = measure.latency_us.filter(|latency| latency.count > 0);
        let per_gb =
            |seconds: f64| (measure.payload_bytes > 0).then(|| seconds * 1e9 / measure.payload_bytes as f64);
        match self {
            Metric::Rate => measure.rate().filter(|rate| *rate > 0.0),
            Metric::Throughput => (measure.seconds > 0.0 && measure.payload_bytes > 0)
                .then(|| measure.payload_bytes as f64 / 1e6 / measure.seconds),
            Metric::BrokerCpu => measure.broker_cpu_s_per_million(),
            Metric::BrokerCpuPerGb => per_gb(measure.broker_cpu_s?),
            Metric::ClientCpu => measure.client_cpu_s_per_million(),
            Metric::Mean => latency?.mean,
            Metric::P50 => latency?.p50,
            Metric::P99 => latency?.p99,
            Metric::P999 => latency?.p999,
            Metric::Max => latency?.max,
            Metric::Rss => measure.broker_rss_mib,
            Metric::RssPeak => measure.broker_rss_peak_mib,
            Metric::WrittenPerByte => measure.written_per_byte(),
            Metric::RecordsPerFlush => {
                let flushes = measure.flushes.filter(|flushes| *flushes > 0)?;
                Some(measure.records as f64 / flushes as f64)
            }
            Metric::DiskUsed => Some(measure.disk_used_bytes? as f64 / MIB),
            Metric::Errors => Some(measure.errors as f64),
            Metric::Start => None,
            Metric::Restart => (measure.records == 0 && measure.measure.ends_with("restart"))
                .then_some(measure.seconds * 1e3),
            Metric::More(name) => measure.more.get(name)?.as_f64(),
        }
    }

    /// Its name with the unit last, as it heads a column.
    pub fn title(&self) -> String {
        let title = match self {
            Metric::Rate => "records/s",
            Metric::Throughput => "MB/s",
            Metric::BrokerCpu => "broker CPU s per million",
            Metric::BrokerCpuPerGb => "broker CPU s per GB",
            Metric::ClientCpu => "client CPU s per million",
            Metric::Mean => "mean latency",
            Metric::P50 => "p50",
            Metric::P99 => "p99",
            Metric::P999 => "p99.9",
            Metric::Max => "longest",
            Metric::Rss => "memory after, MiB",
            Metric::RssPeak => "memory at most, MiB",
            Metric::WrittenPerByte => "bytes written per byte",
            Metric::RecordsPerFlush => "records per flush",
            Metric::DiskUsed => "disk used, MiB",
            Metric::Errors => "errors",
            Metric::Start => "start, ms",
            Metric::Restart => "restart, ms",
            Metric::More(name) => return name.replace('_', " "),
        };
        title.to_owned()
    }

    /// Its name in files.
    pub fn key(&self) -> &str {
        match self {
            Metric::Rate => "records_per_s",
            Metric::Throughput => "mb_per_s",
            Metric::BrokerCpu => "broker_cpu_s_per_million",
            Metric::BrokerCpuPerGb => "broker_cpu_s_per_gb",
            Metric::ClientCpu => "client_cpu_s_per_million",
            Metric::Mean => "mean_us",
            Metric::P50 => "p50_us",
            Metric::P99 => "p99_us",
            Metric::P999 => "p999_us",
            Metric::Max => "max_us",
            Metric::Rss => "broker_rss_mib",
            Metric::RssPeak => "broker_rss_peak_mib",
            Metric::WrittenPerByte => "written_per_byte",
            Metric::RecordsPerFlush => "records_per_flush",
            Metric::DiskUsed => "disk_used_mib",
            Metric::Errors => "errors",
            Metric::Start => "start_ms",
            Metric::Restart => "restart_ms",
            Metric::More(name) => name,
        }
    }

    /// The metric of that name in files; one that no record has by itself is a further figure.
    pub fn of_key(key: &str) -> Metric {
        let common = COMMON.into_iter().find(|metric| metric.key() == key);
        common.unwrap_or_else(|| Metric::More(key.to_owned()))
    }

    /// Which way it is better.
    pub fn better(&self) -> Better {
        match self {
            Metric::Rate | Metric::Throughput => Better::Higher,
            // How far flushes are shared follows from rate and latency; neither way is a merit by itself.
            Metric::RecordsPerFlush => Better::Neither,
            Metric::More(name) if name.ends_with("_rate") => Better::Higher,
            Metric::More(name) => match UNITS_TO_SAVE.iter().any(|unit| name.ends_with(unit)) {
                true => Better::Lower,
                false => Better::Neither,
            },
            _ => Better::Lower,
        }
    }

    /// A value in the form in which a table shows it.
    pub fn show(&self, value: f64) -> String {
        match self {
            Metric::Mean | Metric::P50 | Metric::P99 | Metric::P999 | Metric::Max => {
                super::text::duration_us(value)
            }
            Metric::More(name) if name.ends_with("_us") => super::text::duration_us(value),
            _ => super::text::figure(value),
        }
    }

    /// The median, and the lowest and the highest round where they read differently.
    pub fn show_spread(&self, values: &Spread) -> String {
        let [low, median, high] = [values.min(), values.median(), values.max()].map(|value| self.show(value));
        if low == median && high == median { median } else { format!("{median} ({low} to {high})") }
    }
}

/// Ends of names of which less is better.
const UNITS_TO_SAVE: [&str; 8] =
    ["_us", "_ms", "_s", "_mib", "_bytes", "_per_message", "_errors", "_per_million"];

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.title())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_no_zero() {
        let measure = Measure { records: 10, seconds: 2.0, ..Measure::default() };
        let record = Record {
            measures: vec![measure],
            ..crate::report::fixture::record("classic", "1 connection", "kafka", 1)
        };
        let told: Vec<_> = Metric::all_of(&record, 0).into_iter().map(|(metric, _)| metric).collect();
        assert_eq!(told, [Metric::Rate, Metric::Errors]);
    }

    #[test]
    fn names_in_files_lead_back() {
        for metric in COMMON.into_iter().chain([Metric::More("worst_second_rate".into())]) {
            assert_eq!(Metric::of_key(metric.key()), metric);
        }
    }

    #[test]
    fn the_name_of_a_further_figure_says_which_way_is_better() {
        let better = |name: &str| Metric::More(name.to_owned()).better();
        assert_eq!(better("worst_second_rate"), Better::Higher);
        assert_eq!(better("worst_second_p99_us"), Better::Lower);
        assert_eq!(better("instructions_per_message"), Better::Lower);
        assert_eq!(better("groups"), Better::Neither);
    }
}

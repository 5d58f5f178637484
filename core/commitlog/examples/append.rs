//! The log alone: appends entries of one size, each flushed before the next, and says how fast that went.
//!
//! `append DIR BYTES SECONDS` makes a log in DIR, which must not exist, and appends entries of BYTES for SECONDS. It
//! writes one JSON object a line: `{"begin":"append"}`, then the measure.
#![forbid(unsafe_code)]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use forebay_commitlog::{Body, Entry, EntryKind, Log, LogConfig, SlotKind};
use forebay_model::{LogIndex, ShardId, Term};

/// How long the log is written to before it counts: its first segments are small and end soon.
const WARM: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [dir, bytes, seconds] = &words[..] else { return Err("append DIR BYTES SECONDS".into()) };
    let mut appender = Appender::open(Path::new(dir), bytes.parse()?)?;
    let length = Duration::from_secs(seconds.parse()?);
    appender.run(WARM)?;
    println!("{{\"begin\":\"append\"}}");
    let cpu_s = cpu_s();
    let start = Instant::now();
    let mut latencies_us = appender.run(length)?;
    let elapsed_s = start.elapsed().as_secs_f64();
    let used_s = self::cpu_s() - cpu_s;
    let count = latencies_us.len();
    latencies_us.sort_by(f64::total_cmp);
    let at = |share: f64| latencies_us[((count - 1) as f64 * share) as usize];
    let mean = latencies_us.iter().sum::<f64>() / count as f64;
    println!(
        "{{\"measure\":\"append\",\"records\":{count},\"payload_bytes\":{},\"errors\":0,\"seconds\":{elapsed_s:.6},\
         \"client_cpu_s\":{used_s:.3},\"flushes\":{count},\"latency_us\":{{\"count\":{count},\"mean\":{mean:.1},\
         \"p50\":{:.1},\"p90\":{:.1},\"p99\":{:.1},\"p999\":{:.1},\"max\":{:.1}}}}}",
        count * appender.bytes,
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0),
    );
    Ok(())
}

/// A log, and entries to append to it.
struct Appender {
    log: Log,
    bytes: usize,
    body: Vec<u8>,
}

impl Appender {
    fn open(dir: &Path, bytes: usize) -> Result<Appender, Box<dyn Error>> {
        let disk = forebay_env::real::env().disk;
        let (log, recovered) = Log::open(disk, dir, LogConfig::new(ShardId(0), 7))?;
        if !recovered.created {
            return Err(format!("{} holds a log already", dir.display()).into());
        }
        Ok(Appender { log, bytes, body: text(bytes) })
    }

    /// Appends for as long, and says how many microseconds each entry took until it was flushed. At least one is.
    fn run(&mut self, length: Duration) -> Result<Vec<f64>, Box<dyn Error>> {
        let start = Instant::now();
        let mut took_us = Vec::new();
        while took_us.is_empty() || start.elapsed() < length {
            let begun = Instant::now();
            self.append()?;
            took_us.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        Ok(took_us)
    }

    fn append(&mut self) -> Result<(), Box<dyn Error>> {
        // A segment ends with an entry that says so, as on a shard.
        let (kind, body) = if self.log.wants_seal() {
            (EntryKind::Seal, bytes::Bytes::new())
        } else {
            (EntryKind::Normal, Body::opaque(SlotKind(1), &self.body)?)
        };
        let index = LogIndex(self.log.last_index().0 + 1);
        self.log.append(&[Entry { term: Term(1), index, kind, body }])?;
        if let Some(job) = self.log.begin_flush()? {
            let done = job.run()?;
            self.log.flushed(done);
        }
        Ok(())
    }
}

/// Text that no compressing disk makes nothing of.
fn text(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = move || {
        // A linear congruential generator, whose upper half is good enough to be different everywhere.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        b'!' + ((state >> 33) % 90) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// CPU seconds of this process, from the kernel's accounts.
fn cpu_s() -> f64 {
    let nanoseconds = std::fs::read_to_string("/proc/self/schedstat").ok();
    let first = nanoseconds.as_deref().and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    first.unwrap_or_default() / 1e9
}

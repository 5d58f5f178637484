//! Values like those of the real world: lines of a file, or flights and log lines that are made up.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use crate::exit::Failure;

/// Bytes of a file that are used, from its start.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// An endless supply of values.
#[derive(Clone, Debug)]
pub struct Payloads {
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    /// Lines, and which is next.
    Lines(Vec<Bytes>, usize),
    Made(Numbers),
}

impl Payloads {
    /// Values made up, the same ones every time.
    pub fn made_up() -> Payloads {
        Payloads { source: Source::Made(Numbers(0x5eed)) }
    }

    /// Values from a file's lines; made up without a file.
    ///
    /// # Errors
    /// When the file cannot be read or has nothing in it.
    pub fn open(file: Option<&Path>) -> Result<Payloads, Failure> {
        let Some(path) = file else { return Ok(Payloads::made_up()) };
        let failed = |why: std::io::Error| Failure::usage(format!("--payload {}: {why}", path.display()));
        let mut text = Vec::new();
        File::open(path).map_err(failed)?.take(FILE_BYTES_MAX).read_to_end(&mut text).map_err(failed)?;
        let text = Bytes::from(text);
        let lines: Vec<Bytes> = text
            .split(|b| *b == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| text.slice_ref(line))
            .collect();
        if lines.is_empty() {
            return Err(Failure::usage(format!("--payload {}: there is no line in it", path.display())));
        }
        Ok(Payloads { source: Source::Lines(lines, 0) })
    }

    /// The next value: whole lines as far as they fit, and the front of one more.
    pub fn next(&mut self, bytes: usize) -> Bytes {
        let mut value = Vec::with_capacity(bytes);
        while value.len() < bytes {
            if !value.is_empty() {
                value.push(b'\n');
            }
            let left = bytes - value.len();
            self.with_line(|line| value.extend_from_slice(&line[..line.len().min(left)]));
        }
        value.into()
    }

    fn with_line(&mut self, take: impl FnOnce(&[u8])) {
        match &mut self.source {
            Source::Lines(lines, next) => {
                take(&lines[*next]);
                *next = (*next + 1) % lines.len();
            }
            Source::Made(numbers) => take(numbers.line().as_bytes()),
        }
    }
}

/// Numbers without a pattern, the same ones every time (the generator is SplitMix64).
#[derive(Clone, Debug)]
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len() as u64) as usize]
    }

    /// A flight, or now and then a line of a log.
    fn line(&mut self) -> String {
        if self.below(4) == 0 { self.log_line() } else { self.flight() }
    }

    fn flight(&mut self) -> String {
        let carrier = self.one_of(&["UA", "AA", "B6", "DL", "EV", "MQ", "US", "WN", "VX", "9E"]);
        let origin = self.one_of(&["EWR", "JFK", "LGA"]);
        let dest =
            self.one_of(&["IAH", "MIA", "ATL", "ORD", "FLL", "MCO", "LAX", "SFO", "BOS", "CLT", "DCA"]);
        format!(
            "{{\"flight\":\"{carrier}{}\",\"tail\":\"N{}\",\"from\":\"{origin}\",\"to\":\"{dest}\",\"dep_delay\":{},\
             \"arr_delay\":{},\"air_time\":{},\"distance\":{},\"day\":\"2013-{:02}-{:02}\",\"hour\":{}}}",
            self.below(6000),
            10_000 + self.below(90_000),
            self.below(90) as i64 - 15,
            self.below(120) as i64 - 40,
            30 + self.below(360),
            94 + self.below(2500),
            1 + self.below(12),
            1 + self.below(28),
            5 + self.below(19)
        )
    }

    fn log_line(&mut self) -> String {
        let level = self.one_of(&["INFO", "INFO", "INFO", "WARN", "ERROR", "DEBUG"]);
        let (verb, part) = (
            self.one_of(&["GET", "POST", "PUT"]),
            self.one_of(&["orders", "users", "carts", "stock", "prices"]),
        );
        format!(
            "2026-11-{:02}T{:02}:{:02}:{:02}.{:03}Z {level} [worker-{}] {verb} /api/v1/{part}/{} status={} took={}ms trace={:016x}",
            1 + self.below(28),
            self.below(24),
            self.below(60),
            self.below(60),
            self.below(1000),
            self.below(16),
            self.below(1_000_000),
            self.one_of(&["200", "200", "200", "201", "304", "404", "500"]),
            1 + self.below(900),
            self.next()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_size_asked_for_and_differ() {
        let mut payloads = Payloads::made_up();
        for bytes in [1, 124, 1024, 16_384] {
            let (first, second) = (payloads.next(bytes), payloads.next(bytes));
            assert_eq!((first.len(), second.len()), (bytes, bytes));
            assert!(bytes < 100 || first != second);
            assert!(first.iter().all(u8::is_ascii));
        }
    }

    #[test]
    fn lines_of_a_file_are_joined_and_cut() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lines");
        std::fs::write(&file, "one\n\ntwo\nthree\n").unwrap();
        let mut payloads = Payloads::open(Some(&file)).unwrap();
        assert_eq!(&payloads.next(5)[..], b"one\nt");
        assert_eq!(&payloads.next(3)[..], b"thr");
        assert_eq!(&payloads.next(9)[..], b"one\ntwo\nt");
        std::fs::write(&file, "\n\n").unwrap();
        assert!(Payloads::open(Some(&file)).unwrap_err().message.contains("no line"));
    }
}

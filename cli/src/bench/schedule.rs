//! When records are due, and which of them have come.

use std::time::{Duration, Instant};

/// Hexadecimal digits at the front of a value that say which record it is.
pub const NUMBER_BYTES: usize = 16;

/// Shortest time between two ticks: what is due within one goes out together.
const TICK_NS_MIN: u64 = 50_000;

/// Records numbered from 0, each due a fixed time after the one before.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    begin: Instant,
    interval_ns: u64,
    total: u64,
}

impl Schedule {
    /// As many records a second, for so long. Intervals are whole nanoseconds, so the rate is met to a thousandth.
    pub fn new(begin: Instant, rate: u32, lasts: Duration) -> Schedule {
        let interval_ns = 1_000_000_000 / u64::from(rate.max(1));
        let total = lasts.as_nanos() as u64 / interval_ns;
        Schedule { begin, interval_ns, total }
    }

    /// How many records there are in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The time between two looks at what is due: that between two records, or as many of them as make it long enough.
    pub fn tick(&self) -> Duration {
        Duration::from_nanos(self.interval_ns * TICK_NS_MIN.div_ceil(self.interval_ns))
    }

    /// When a record is due.
    pub fn due(&self, number: u64) -> Instant {
        self.begin + Duration::from_nanos(self.interval_ns * number)
    }

    /// The number of records that are due by now, all before it included.
    pub fn due_by(&self, now: Instant) -> u64 {
        match now.checked_duration_since(self.begin) {
            None => 0,
            Some(since) => (since.as_nanos() as u64 / self.interval_ns + 1).min(self.total),
        }
    }
}

/// The part of a schedule that one partition gets: every so many-th record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strand {
    next_to_send: u64,
    next_to_come: u64,
    stride: u64,
}

/// How a record came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// In its turn, or after so many that did not come.
    After {
        /// How many are missing.
        missing: u64,
    },
    /// Once more.
    Again,
    /// It is not one of ours.
    Foreign,
}

impl Strand {
    /// The strand that begins with record `first` and goes on with every `stride`th.
    pub fn new(first: u64, stride: u64) -> Strand {
        Strand { next_to_send: first, next_to_come: first, stride }
    }

    /// The next record, if it is among those that are due.
    pub fn next(&self, due: u64) -> Option<u64> {
        (self.next_to_send < due).then_some(self.next_to_send)
    }

    /// The next record was taken.
    pub fn take(&mut self) {
        self.next_to_send += self.stride;
    }

    /// That record, and all behind it, have to be sent again.
    pub fn rewind(&mut self, number: u64) {
        self.next_to_send = self.next_to_send.min(number);
    }

    /// A record came.
    pub fn came(&mut self, number: u64) -> Came {
        if number % self.stride != self.next_to_come % self.stride || number >= self.next_to_send {
            return Came::Foreign;
        }
        if number < self.next_to_come {
            return Came::Again;
        }
        let missing = (number - self.next_to_come) / self.stride;
        self.next_to_come = number + self.stride;
        Came::After { missing }
    }

    /// How many of the first `total` records have not come yet.
    pub fn missing(&self, total: u64) -> u64 {
        total.saturating_sub(self.next_to_come).div_ceil(self.stride)
    }
}

/// Writes a record's number at the front of its value.
pub fn put_number(value: &mut [u8], number: u64) {
    value[..NUMBER_BYTES].copy_from_slice(format!("{number:016x}").as_bytes());
}

/// The number at the front of a value, if one is there.
pub fn number(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value.get(..NUMBER_BYTES)?).ok()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_at_a_fixed_rate_whatever_happens_meanwhile() {
        let begin = Instant::now() + Duration::from_secs(1);
        let schedule = Schedule::new(begin, 5000, Duration::from_secs(2));
        assert_eq!(schedule.total(), 10_000);
        assert_eq!(schedule.tick(), Duration::from_micros(200));
        assert_eq!(schedule.due_by(begin - Duration::from_nanos(1)), 0);
        assert_eq!(schedule.due_by(begin), 1);
        assert_eq!(schedule.due_by(begin + Duration::from_micros(199)), 1);
        assert_eq!(schedule.due_by(begin + Duration::from_micros(200)), 2);
        // A stall of a second: all that became due in it is late by its own time.
        let stalled = begin + Duration::from_secs(1);
        assert_eq!(schedule.due_by(stalled), 5001);
        let late: Vec<u128> = [0, 2500, 5000].map(|n| (stalled - schedule.due(n)).as_millis()).into();
        assert_eq!(late, [1000, 500, 0]);
        assert_eq!(schedule.due_by(begin + Duration::from_secs(60)), 10_000);
    }

    #[test]
    fn every_tick_finds_what_is_due_at_it() {
        for rate in [1, 3, 7, 1000, 3000, 7000, 33_333, 900_000, 1_000_000] {
            let schedule = Schedule::new(Instant::now(), rate, Duration::from_secs(3600));
            let per_tick = (schedule.tick().as_nanos() as u64 / schedule.interval_ns) as u32;
            for ticks in [1, 10, 999_999] {
                let now = schedule.begin + schedule.tick() * ticks;
                let due = u64::from(per_tick) * u64::from(ticks) + 1;
                assert_eq!(schedule.due_by(now), due.min(schedule.total()), "rate {rate}");
            }
        }
    }

    #[test]
    fn what_comes_is_told_from_what_does_not() {
        let mut strand = Strand::new(1, 3);
        assert_eq!(strand.came(1), Came::Foreign, "it was not sent yet");
        for number in [1, 4, 7, 10] {
            assert_eq!(strand.next(11), Some(number));
            strand.take();
        }
        assert_eq!(strand.next(11), None);
        assert_eq!(strand.missing(11), 4);
        assert_eq!(strand.came(1), Came::After { missing: 0 });
        assert_eq!(strand.came(2), Came::Foreign);
        assert_eq!(strand.came(10), Came::After { missing: 2 });
        assert_eq!(strand.came(4), Came::Again);
        assert_eq!(strand.missing(11), 0);
        strand.rewind(7);
        assert_eq!(strand.next(11), Some(7));
    }

    #[test]
    fn a_number_is_read_back_from_its_value() {
        let mut value = b"a value of thirty or so bytes...".to_vec();
        assert_eq!(number(&value), None);
        put_number(&mut value, 77_777_777_777);
        assert_eq!(number(&value), Some(77_777_777_777));
        assert!(value.ends_with(b"or so bytes..."));
        assert_eq!(number(b"short"), None);
    }
}

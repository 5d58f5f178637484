//! The scrubber: reads sealed segments again at a configured pace, compares every checksum, and says loudly what rotted.
//! It runs on every replica, a step at a time on the background thread, and never touches the shard's own.

use std::sync::Arc;
use std::time::Duration;

use forebay_commitlog::{Reader, Scrub, ScrubProgress, SegmentId};
use forebay_env::{IoClass, Monotonic};
use forebay_model::LogIndex;

use crate::shard::{Done, Shard};

/// How often a step is made.
const STEP: Duration = Duration::from_secs(1);

/// Where the scrubber is.
#[derive(Default)]
pub(crate) struct Scrubber {
    next: Option<Monotonic>,
    running: bool,
    /// The segment that is being read.
    present: Option<Box<Scrub>>,
    /// The first index of the segment read last.
    last: LogIndex,
}

/// What a step brought.
pub struct ScrubDone {
    scrub: Option<Box<Scrub>>,
    first: LogIndex,
    bytes: u64,
    damage: Option<String>,
}

impl Scrubber {
    pub(crate) fn next_step(&self) -> Option<Monotonic> {
        self.next.filter(|_| !self.running)
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn scrub(&mut self, now: Monotonic) {
        let rate = self.config.scrub_bytes_per_second;
        if rate == 0 || self.scrubber.running || self.fenced.is_some() {
            return;
        }
        let next = *self.scrubber.next.get_or_insert(now + STEP);
        if next > now {
            return;
        }
        self.scrubber.next = Some(now + STEP);
        self.scrubber.running = true;
        let (present, last) = (self.scrubber.present.take(), self.scrubber.last);
        let (reader, mailbox) = (self.replica.reader(), Arc::clone(&self.mailbox));
        let job = Box::new(move || {
            mailbox.post_completion(Done::Scrub(step(&reader, present, last, rate)));
        });
        self.env.spawn.spawn(IoClass::Background, job);
    }

    pub(crate) fn scrub_done(&mut self, done: ScrubDone) {
        self.scrubber.running = false;
        self.scrubber.present = done.scrub;
        self.scrubber.last = done.first;
        self.metrics.scrubbed_bytes.add(done.bytes);
        if let Some(damage) = done.damage {
            self.metrics.scrub_damage.increment();
            tracing::error!(
                shard = self.config.id.0,
                damage,
                "sealed data is damaged: reads of it are refused; restore it from a backup or another replica"
            );
            self.replica.stand_back();
        }
    }
}

fn step(reader: &Reader, present: Option<Box<Scrub>>, last: LogIndex, rate: u64) -> ScrubDone {
    let begun = present.map(|scrub| (scrub, last)).or_else(|| begin(reader, last));
    let Some((mut scrub, first)) = begun else {
        // Behind the last one: the next round begins at the first.
        return ScrubDone { scrub: None, first: LogIndex(0), bytes: 0, damage: None };
    };
    match scrub.step(rate) {
        Ok(ScrubProgress::More) => ScrubDone { scrub: Some(scrub), first, bytes: rate, damage: None },
        Ok(ScrubProgress::Done { .. }) => ScrubDone { scrub: None, first, bytes: rate, damage: None },
        Err(fault) => ScrubDone { scrub: None, first, bytes: rate, damage: Some(fault.to_string()) },
    }
}

/// Begins with the sealed segment behind `last`.
fn begin(reader: &Reader, last: LogIndex) -> Option<(Box<Scrub>, LogIndex)> {
    let ids = reader.segments().into_iter().filter(|segment| segment.sealed).map(|segment| segment.id);
    let id: SegmentId = ids.into_iter().find(|id| id.first > last)?;
    Some((Box::new(reader.scrub(id)?), id.first))
}

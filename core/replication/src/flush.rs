//! Flushes and cold reads: begun here, run on other threads, at most one flush at a time. What is appended while one runs
//! is covered by the next: that is the group commit.

use std::panic::{AssertUnwindSafe, catch_unwind};

use forebay_commitlog::{Durability, Entry, Fault, FlushDone, FlushJob, HardState, Occasion, ReadError};
use forebay_env::IoClass;
use forebay_env::fault::{self, planted};
use forebay_model::LogIndex;

use crate::config::{
    ASYNC_FLUSH_BYTES, ASYNC_FLUSH_DELAY, FLUSH_HERE_BYTES_MAX, IDLE_RECORD_DELAY, ShardClass,
};
use crate::identity::Life;
use crate::job::{self, Completion, Done};
use crate::output::{Fence, Output, Role};
use crate::replica::{Closing, Replica};

impl Replica {
    pub(crate) fn note_written(&mut self, bytes: u64) {
        self.background.unflushed_bytes += bytes;
        self.background.unflushed_since.get_or_insert(self.now);
        self.background.appended_at = Some(self.now);
        self.background.idle_recorded = false;
    }

    /// Begins a flush when something waits for one.
    pub(crate) fn start_flush(&mut self) {
        if self.fence.is_some() || self.persist.is_flushing() {
            return;
        }
        let result = if self.closing == Closing::Asked {
            self.flush_to_stop()
        } else if self.must_flush() {
            self.flush_appended()
        } else if self.is_idle_record_due() {
            self.flush_to_record()
        } else {
            Ok(())
        };
        if let Err(fault) = result {
            self.fence(Fence::Storage(fault));
        }
    }

    fn must_flush(&self) -> bool {
        let durable = self.log().durable_index();
        self.persist.wants_flush()
            || self.commit_must_be_saved()
            || self.is_async_flush_due()
            || self.checkpoints.wants_durable().is_some_and(|index| index > durable)
    }

    fn commit_must_be_saved(&self) -> bool {
        self.hard.commit_wanted > self.hard.saved.commit
    }

    fn is_async_flush_due(&self) -> bool {
        let background = &self.background;
        self.config.class == ShardClass::Async
            && background.unflushed_since.is_some_and(|since| {
                background.unflushed_bytes >= ASYNC_FLUSH_BYTES || self.now.since(since) >= ASYNC_FLUSH_DELAY
            })
    }

    fn is_idle_record_due(&self) -> bool {
        let appended = self.background.appended_at;
        !self.background.idle_recorded && appended.is_some_and(|at| self.now.since(at) >= IDLE_RECORD_DELAY)
    }

    fn flush_appended(&mut self) -> Result<(), Fault> {
        let job = self.log_mut().begin_flush()?;
        self.spawn_flush(job, self.changed_hard_state());
        Ok(())
    }

    /// Nothing was written for a while: the end of the log is recorded, so that later damage to it is told from a torn
    /// write.
    fn flush_to_record(&mut self) -> Result<(), Fault> {
        self.background.idle_recorded = true;
        if let Some(job) = self.log_mut().record_durable(Occasion::Idle)? {
            self.spawn_flush(Some(job), self.changed_hard_state());
        }
        Ok(())
    }

    fn flush_to_stop(&mut self) -> Result<(), Fault> {
        self.closing = Closing::Recording;
        let job = self.log_mut().record_durable(Occasion::CleanStop)?;
        self.identity.life = Life::Stopped;
        self.hard.now.conf = self.identity.encode();
        self.spawn_flush(job, Some(self.hard.now.clone()));
        Ok(())
    }

    /// The hard state, when what is saved of it would mislead a restart.
    fn changed_hard_state(&self) -> Option<HardState> {
        let (now, saved) = (&self.hard.now, &self.hard.saved);
        let changed = now.term != saved.term || now.vote != saved.vote || self.commit_must_be_saved();
        changed.then(|| now.clone())
    }

    /// From here on, until told otherwise: whether the calling thread has nothing better to do than to run short flushes itself.
    /// It then calls [`Replica::flush_here`] before it sleeps.
    pub fn allow_flush_here(&mut self, allowed: bool) {
        self.here.allowed = allowed;
    }

    /// Runs the flush that waits for the calling thread, if one does. Blocks. What it answers is for [`Replica::complete`].
    pub fn flush_here(&mut self) -> Option<Completion> {
        let job = self.here.job.take()?;
        if self.fence.is_some() {
            return None;
        }
        if self.background.unflushed_bytes > FLUSH_HERE_BYTES_MAX {
            // It would flush what was written since as well.
            self.flush_elsewhere(Some(job), None);
            return None;
        }
        let began = self.env.clock.monotonic();
        let flushed = catch_unwind(AssertUnwindSafe(|| job.run()));
        self.config.flush_took.record(self.env.clock.monotonic().since(began));
        Some(Completion(flushed.map_or(Done::Lost, |flushed| Done::Flushed(flushed.map(Some)))))
    }

    /// Whether a flush of `bytes` is for the thread that drives this replica: two wake-ups less, which cost as much as the flush of
    /// a few records (ADR 0012). Nobody but clients waits for a sole voter.
    fn is_for_here(&self, log: &FlushJob, bytes: u64) -> bool {
        self.here.allowed
            && self.config.class == ShardClass::Sync
            && self.closing == Closing::No
            && bytes <= FLUSH_HERE_BYTES_MAX
            && log.is_one_file()
            && self.background.flush_took < self.config.flush_here_max
            // It flushes, too: the system may make this flush wait for its own.
            && !self.checkpoints.is_running()
            && self.node.raft.prs().is_singleton()
    }

    /// Entries first, then the hard state that may speak of them.
    fn spawn_flush(&mut self, log: Option<FlushJob>, hard: Option<HardState>) {
        self.persist.begin();
        let bytes = self.background.unflushed_bytes;
        self.background.flush_began = self.now;
        self.background.unflushed_bytes = 0;
        self.background.unflushed_since = None;
        if let Some(hard) = &hard {
            self.hard.saved = hard.clone();
        }
        if self.says_early() && hard.is_none() {
            self.persist.count_early();
            self.release_persisted();
        }
        match (&self.config.journal, log, hard) {
            // The journal has no hard states: an election is rare.
            (Some(journal), Some(log), None) => {
                let (clock, took) = (self.env.clock.clone(), self.config.flush_took.clone());
                let (answer, began) = (job::Answer::to(&self.post), clock.monotonic());
                let ended = move |flushed: Result<FlushDone, Fault>| {
                    took.record(clock.monotonic().since(began));
                    answer.give(Done::Flushed(flushed.map(Some)));
                };
                journal.flush(log, Box::new(ended));
            }
            (None, Some(log), None) if self.is_for_here(&log, bytes) => self.here.job = Some(log),
            (_, log, hard) => self.flush_elsewhere(log, hard),
        }
    }

    fn flush_elsewhere(&self, log: Option<FlushJob>, hard: Option<HardState>) {
        let (clock, took) = (self.env.clock.clone(), self.config.flush_took.clone());
        let hard_file = self.hard_file.clone();
        job::spawn(&self.env, &self.post, IoClass::Flush, move || {
            let flush = || {
                let done = log.map(|job| job.run()).transpose()?;
                if let Some(hard) = hard {
                    hard_file.save(&hard, Durability::Flushed)?;
                }
                Ok(done)
            };
            let began = clock.monotonic();
            let flushed = flush();
            took.record(clock.monotonic().since(began));
            Done::Flushed(flushed)
        });
    }

    /// Whether a planted bug speaks of entries before their flush has ended.
    fn says_early(&self) -> bool {
        match self.role {
            Role::Leader { .. } => planted(fault::Fault::ConfirmBeforeFlush),
            Role::Follower { .. } | Role::Candidate => planted(fault::Fault::AppendAckBeforeFlush),
        }
    }

    pub(crate) fn flush_ended(&mut self, result: Result<Option<FlushDone>, Fault>) {
        match result {
            Ok(_) if self.fence.is_some() => {}
            Ok(done) => {
                if let Some(done) = done {
                    self.log_mut().flushed(done);
                }
                self.persist.flushed();
                self.background.note_flush(self.now);
                self.hard.commit_durable = self.hard.saved.commit;
                if self.closing == Closing::Recording {
                    self.closing = Closing::Done;
                    self.outputs.push_back(Output::Closed);
                }
            }
            Err(fault) => self.fence(Fence::Storage(fault)),
        }
    }

    /// Begins a clean stop: what is appended is flushed and recorded as all there is. Nothing is proposed, sent or voted
    /// from now on; keep calling `poll` and `complete` until [`Output::Closed`].
    /// A fenced replica has nothing to record and is closed at once.
    pub fn close(&mut self) {
        if self.closing != Closing::No {
            return;
        }
        self.closing = Closing::Asked;
        if self.fence.is_some() {
            self.closing = Closing::Done;
            self.outputs.push_back(Output::Closed);
        }
    }

    pub(crate) fn start_cold_reads(&mut self) {
        while self.fence.is_none()
            && let Some(read) = self.node.store().begin_cold_read()
        {
            let reader = self.reader();
            job::spawn(&self.env, &self.post, IoClass::Read, move || Done::ColdRead {
                low: read.low,
                result: reader.read_entries(read.low, read.high, read.bytes_max),
            });
        }
    }

    pub(crate) fn cold_read_ended(&mut self, low: LogIndex, result: Result<Vec<Entry>, ReadError>) {
        let entries = match result {
            Ok(entries) => entries,
            Err(ReadError::Fault(fault)) => return self.fence(Fence::Storage(fault)),
            // The log changed meanwhile; Raft asks again when it still wants something.
            Err(ReadError::NoEntry(_) | ReadError::NoSlot(..)) => Vec::new(),
        };
        let waiters = self.node.store().end_cold_read(low, entries);
        self.entries_arrived(waiters);
    }
}

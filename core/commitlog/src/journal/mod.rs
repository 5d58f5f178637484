//! One file for the small writes of many shards: where several of them wait for a flush at the same time, their bytes go to it
//! together and one flush covers them all. The segments get the same bytes, as ever, and are flushed later: what a power cut
//! takes from them, the next open writes again from here. Format, and why it is safe: `docs/formats/journal.md`.

pub(crate) mod batch;
mod gather;
mod ledger;
mod replay;
mod writer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use forebay_env::fault::Fault::CutNotInJournal;
use forebay_env::fault::planted;
use forebay_env::{Disk, Env, IoClass, Spawn};
use forebay_model::ShardId;

use crate::fault::Fault;
use crate::flush::{FlushDone, FlushJob};
use crate::limits::{JOURNAL_BATCH_BYTES_MAX, JOURNAL_FILE_BYTES_MAX};
use crate::lock::lock;

pub(crate) use batch::{Piece, Record};
pub(crate) use gather::Gathered;
use ledger::Ledger;
pub use replay::{Replayed, ShardDir, unreplayed};
use writer::{Writer, Written};

/// Takes the answer of a flush.
pub type FlushEnded = Box<dyn FnOnce(Result<FlushDone, Fault>) + Send>;

/// The journal of a node. Its shards share it.
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    spawn: Arc<dyn Spawn>,
    /// Bytes of a file after which the next one is begun.
    file_bytes: u64,
    /// Taken before the two below, and held while a batch is written and flushed.
    writer: Mutex<Writer>,
    queue: Mutex<Queue>,
    ledger: Mutex<Ledger>,
}

/// Flushes that wait.
#[derive(Default)]
struct Queue {
    jobs: VecDeque<Queued>,
    /// Whether somebody is at work on them, or will be.
    drained: bool,
}

struct Queued {
    job: FlushJob,
    ended: FlushEnded,
}

impl Queued {
    fn run(self) {
        (self.ended)(self.job.run());
    }

    fn end(self, result: Result<(), Fault>) {
        let Queued { job, ended } = self;
        ended(job.end(result));
    }
}

impl Journal {
    /// Brings the segments up to what the journal in `dir` says, and begins a new one. Call it before any shard is opened.
    /// Blocks. A file ends at `file_bytes`, or at [`JOURNAL_FILE_BYTES_MAX`] if that is less. An error leaves the journal as it is,
    /// for the next open.
    pub fn open(
        env: &Env,
        dir: &Path,
        shard_dir: ShardDir<'_>,
        file_bytes: u64,
    ) -> Result<(Arc<Journal>, Replayed), Fault> {
        let (replayed, number) = replay::replay(&*env.disk, dir, shard_dir)?;
        let journal = Journal {
            disk: env.disk.clone(),
            dir: dir.to_path_buf(),
            spawn: env.spawn.clone(),
            file_bytes: file_bytes.min(JOURNAL_FILE_BYTES_MAX),
            writer: Mutex::new(Writer::new(number, env.random.next_u64())),
            queue: Mutex::default(),
            ledger: Mutex::default(),
        };
        Ok((Arc::new(journal), replayed))
    }

    /// Flushes what `job` covers, on other threads: together with what waits, if anything does. Never blocks.
    pub fn flush(self: &Arc<Self>, job: FlushJob, ended: FlushEnded) {
        let queued = Queued { job, ended };
        if queued.job.piece.is_none() {
            return self.flush_apart(queued);
        }
        let mut queue = lock(&self.queue);
        queue.jobs.push_back(queued);
        if !std::mem::replace(&mut queue.drained, true) {
            drop(queue);
            let journal = Arc::clone(self);
            self.spawn.spawn(IoClass::Flush, Box::new(move || journal.drain()));
        }
    }

    /// Flushes the files of a job themselves.
    fn flush_apart(&self, queued: Queued) {
        self.spawn.spawn(IoClass::Flush, Box::new(move || queued.run()));
    }

    /// Flushes until nothing waits. What comes meanwhile is the next batch: that is the group commit of all shards.
    fn drain(self: &Arc<Self>) {
        let _left = Leaves(&self.queue);
        while self.flush_waiting() {}
    }

    /// Flushes what waits now; answers whether anything did.
    fn flush_waiting(self: &Arc<Self>) -> bool {
        let mut writer = lock(&self.writer);
        let Some(mut jobs) = self.take_waiting() else { return false };
        let records: Vec<Record> =
            jobs.iter_mut().filter_map(|queued| queued.job.piece.take()).map(Record::Bytes).collect();
        // One alone is flushed where it is: its segment has to be flushed some day, and is not written twice.
        let together = records.len() == jobs.len() && jobs.len() > 1;
        let written = if together { writer.write(self, &records) } else { Ok(Written::NoRoom) };
        if let Ok(Written::Flushed) = written {
            let mut ledger = lock(&self.ledger);
            jobs.iter().for_each(|queued| ledger.note(&queued.job));
        }
        drop(writer);
        match written {
            Ok(Written::Flushed) => jobs.into_iter().for_each(|queued| queued.end(Ok(()))),
            Ok(Written::NoRoom) if jobs.len() == 1 => jobs.into_iter().for_each(Queued::run),
            Ok(Written::NoRoom) => jobs.into_iter().for_each(|queued| self.flush_apart(queued)),
            Err(fault) => jobs.into_iter().for_each(|queued| queued.end(Err(fault.clone()))),
        }
        true
    }

    /// The jobs that go into the next batch; `None` when nobody waits, and then whoever comes next must see to it.
    fn take_waiting(&self) -> Option<Vec<Queued>> {
        let mut queue = lock(&self.queue);
        let mut bytes = 0;
        let fits = |queued: &Queued| {
            bytes += queued.job.piece.as_ref().map_or(0, |piece| piece.bytes.len() + batch::PAGE_BYTES);
            bytes <= JOURNAL_BATCH_BYTES_MAX
        };
        let count = queue.jobs.iter().map(fits).take_while(|fits| *fits).count();
        if count == 0 {
            queue.drained = false;
            return None;
        }
        Some(queue.jobs.drain(..count).collect())
    }

    /// From here on nothing that the journal says of `shard` counts. The shard's files are flushed before, and cut or
    /// replaced afterwards. Blocks. Jobs that wait flush the files themselves.
    pub(crate) fn void(&self, shard: ShardId) -> Result<(), Fault> {
        let mut writer = lock(&self.writer);
        let mut queue = lock(&self.queue);
        for queued in queue.jobs.iter_mut().filter(|queued| queued.job.shard == shard) {
            queued.job.piece = None;
        }
        drop(queue);
        if !writer.has_spoken_of(shard) || planted(CutNotInJournal) {
            return Ok(());
        }
        match writer.write_void(self, shard)? {
            Written::Flushed => {
                lock(&self.ledger).forget(shard);
                Ok(())
            }
            Written::NoRoom => self.empty(&mut writer),
        }
    }

    /// Whether the journal says anything of `shard` that counts, or may be about to.
    pub(crate) fn speaks_of(&self, shard: ShardId) -> bool {
        let writer = lock(&self.writer);
        let waits = lock(&self.queue).jobs.iter().any(|queued| queued.job.shard == shard);
        waits || writer.has_spoken_of(shard)
    }

    /// Flushes all segments that the journal speaks of, and removes its files: there is no room to say anything in it.
    fn empty(&self, writer: &mut Writer) -> Result<(), Fault> {
        let mut ledger = lock(&self.ledger);
        ledger.flush_all()?;
        writer.end_file(&mut ledger);
        let removed = ledger.remove_settled(&*self.disk, &self.dir);
        writer.take_note(removed.clone(), ledger.is_empty());
        removed
    }

    /// These files were flushed themselves. When that was because their shard is idle and no other needs the journal, its files go.
    pub(crate) fn flushed_apart(&self, job: &FlushJob) {
        lock(&self.ledger).flushed(job);
        if job.note.is_some() {
            let mut writer = lock(&self.writer);
            let waiting = !lock(&self.queue).jobs.is_empty();
            let mut ledger = lock(&self.ledger);
            if !waiting && ledger.is_settled() {
                writer.end_file(&mut ledger);
                let removed = ledger.remove_settled(&*self.disk, &self.dir);
                writer.take_note(removed, ledger.is_empty());
            }
        }
    }

    /// Flushes what stands only in a file of the journal that is full, and removes it.
    fn settle(&self, number: u64) {
        let segments = lock(&self.ledger).waiting_for(number);
        let flushed = segments.iter().all(|segment| segment.flush().is_ok());
        if flushed {
            let mut writer = lock(&self.writer);
            let mut ledger = lock(&self.ledger);
            ledger.settled(number);
            let removed = ledger.remove_settled(&*self.disk, &self.dir);
            writer.take_note(removed, false);
        }
    }
}

/// When whoever is at work on the queue panics: those who wait hear that their flush is lost, and the next one is worked on.
struct Leaves<'a>(&'a Mutex<Queue>);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lost = std::mem::take(&mut *lock(self.0));
            drop(lost);
        }
    }
}

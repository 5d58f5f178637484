//! The `durable` file: the highest log index known to be flushed, for the times when no entry is written that could say it.
//! Format: `docs/formats/hard-state.md`.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use forebay_env::Disk;
use forebay_model::LogIndex;

use crate::cursor::Cursor;
use crate::fault::Fault;
use crate::lock::lock;
use crate::slots::{Durability, TwoSlots};

pub(crate) const DURABLE_NAME: &str = "durable";
pub(crate) const DURABLE_MAGIC: [u8; 6] = *b"FBYDUR";

/// Why the durable index is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Nothing was appended for a while.
    Idle,
    /// The process ends in good order, nothing comes after this.
    CleanStop,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurableRecord {
    /// Everything up to here was flushed.
    pub(crate) index: LogIndex,
    /// Whether the process that wrote it said that it stops.
    pub(crate) clean_stop: bool,
}

/// The open file. Truncation lowers it on the log's thread while a record may be under way on another; each
/// truncation starts a new epoch, and a record of an older one is dropped.
pub(crate) struct DurableFile {
    state: Mutex<State>,
}

struct State {
    slots: TwoSlots,
    recorded: LogIndex,
    epoch: u64,
}

impl DurableFile {
    pub(crate) fn create(disk: &dyn Disk, dir: &Path, index: LogIndex) -> Result<(), Fault> {
        let record = encode(DurableRecord { index, clean_stop: false });
        TwoSlots::create(disk, &dir.join(DURABLE_NAME), DURABLE_MAGIC, &record)?;
        Ok(())
    }

    pub(crate) fn open(disk: &dyn Disk, dir: &Path) -> Result<(DurableFile, DurableRecord), Fault> {
        let path = dir.join(DURABLE_NAME);
        let (slots, record) = TwoSlots::open(disk, &path, DURABLE_MAGIC)?;
        let record = decode(&record, &path)?;
        let state = State { slots, recorded: record.index, epoch: 0 };
        Ok((DurableFile { state: Mutex::new(state) }, record))
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.lock().epoch
    }

    /// Records that everything up to `record.index` is flushed, unless the log was truncated since `epoch`.
    pub(crate) fn record(&self, record: DurableRecord, epoch: u64) -> Result<(), Fault> {
        let mut state = self.lock();
        if state.epoch != epoch {
            return Ok(());
        }
        state.recorded = record.index;
        state.slots.save(&encode(record), Durability::Flushed)
    }

    /// Lowers the record before a truncation, and voids records under way.
    pub(crate) fn lower(&self, index: LogIndex) -> Result<(), Fault> {
        let mut state = self.lock();
        state.epoch += 1;
        if state.recorded <= index {
            return Ok(());
        }
        state.recorded = index;
        state.slots.save(&encode(DurableRecord { index, clean_stop: false }), Durability::Flushed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn encode(record: DurableRecord) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&record.index.0.to_le_bytes());
    out[8] = u8::from(record.clean_stop);
    out
}

pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<DurableRecord, Fault> {
    let mut cursor = Cursor::new(bytes);
    let fields = (|| Some((cursor.u64()?, cursor.u8()?, cursor.array::<7>()?)))();
    match fields {
        Some((index, stop @ (0 | 1), [0, 0, 0, 0, 0, 0, 0])) if cursor.remaining() == 0 => {
            Ok(DurableRecord { index: LogIndex(index), clean_stop: stop == 1 })
        }
        _ => Err(Fault::corrupt(path, 0, "the record is not one of a durable file")),
    }
}

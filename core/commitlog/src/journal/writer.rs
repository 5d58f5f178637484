//! The end of the journal: one batch after the other, each flushed before the next is begun.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use forebay_env::{File, IoClass, OpenMode};
use forebay_model::ShardId;

use super::Journal;
use super::batch::{JournalId, Record, encode, padded_len};
use super::ledger::Ledger;
use crate::append::ZEROS;
use crate::fault::{Action, Fault};
use crate::limits::{JOURNAL_FILE_BYTES_MAX, JOURNAL_FILES_MAX};
use crate::lock::lock;

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is on the medium.
    Flushed,
    /// It does not stand in the journal: the disk is full, or the segments of so many files have yet to be flushed.
    NoRoom,
}

/// Writes batches.
pub(crate) struct Writer {
    /// Of the last file.
    number: u64,
    salt: u64,
    /// Of the last batch.
    sequence: u64,
    file: Option<Open>,
    /// A failed write or flush: nothing is written after it.
    failed: Option<Fault>,
    /// Shards of which a record counts.
    spoken_of: BTreeSet<ShardId>,
}

/// The file that is written to.
struct Open {
    id: JournalId,
    path: PathBuf,
    file: Arc<dyn File>,
    end: u64,
    /// Zeros stand from the end to here.
    zeros_end: u64,
    room_for_zeros: bool,
    /// Whether its name is on the medium.
    named: bool,
}

impl Writer {
    /// Goes on behind a file of this number.
    pub(crate) fn new(number: u64, salt: u64) -> Writer {
        Writer { number, salt, sequence: 0, file: None, failed: None, spoken_of: BTreeSet::new() }
    }

    /// Whether the journal says anything of a shard that counts.
    pub(crate) fn has_spoken_of(&self, shard: ShardId) -> bool {
        self.spoken_of.contains(&shard)
    }

    /// Writes a batch and flushes it.
    pub(crate) fn write(&mut self, journal: &Arc<Journal>, records: &[Record]) -> Result<Written, Fault> {
        if self.failed.is_some() {
            return Ok(Written::NoRoom);
        }
        let len = padded_len(records) as u64;
        if self.file.as_ref().is_some_and(|open| open.end + len > journal.file_bytes) {
            self.end_file_and_settle(journal);
        }
        let written = self.write_here(journal, records);
        // Also where it failed: a part of it may be there, or all.
        if !matches!(written, Ok(Written::NoRoom)) {
            self.spoken_of.extend(records.iter().filter_map(|record| match record {
                Record::Bytes(piece) => Some(piece.shard),
                Record::Void(_) => None,
            }));
        }
        written
    }

    /// Says that what was said of the shard counts no more: twice, because damage to the last batch of a journal passes for a batch that
    /// was not finished.
    pub(crate) fn write_void(&mut self, journal: &Journal, shard: ShardId) -> Result<Written, Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        for _ in 0..2 {
            if self.write_here(journal, &[Record::Void(shard)])? == Written::NoRoom {
                return Ok(Written::NoRoom);
            }
        }
        self.spoken_of.remove(&shard);
        Ok(Written::Flushed)
    }

    /// Writes a batch to the last file, or to a first one, if there is room.
    fn write_here(&mut self, journal: &Journal, records: &[Record]) -> Result<Written, Fault> {
        let full = self.file.as_ref().is_some_and(|open| open.end >= JOURNAL_FILE_BYTES_MAX);
        if full || (self.file.is_none() && lock(&journal.ledger).files() >= JOURNAL_FILES_MAX) {
            return Ok(Written::NoRoom);
        }
        match self.append(journal, records) {
            Ok(()) => Ok(Written::Flushed),
            Err(fault) if fault.is_no_room() => {
                // What is there of it must not pass for a batch that was flushed.
                let cut = self.file.as_mut().map_or(Ok(()), Open::cut);
                cut.map(|()| Written::NoRoom).map_err(|fault| self.failed.insert(fault).clone())
            }
            Err(fault) => Err(self.failed.insert(fault).clone()),
        }
    }

    fn append(&mut self, journal: &Journal, records: &[Record]) -> Result<(), Fault> {
        let open = match &mut self.file {
            Some(open) => open,
            None => {
                let id = JournalId { number: self.number + 1, salt: self.salt };
                let path = journal.dir.join(id.file_name());
                let file = journal.disk.open(&path, OpenMode::CreateNew);
                let file = file.map_err(Fault::io(Action::Create, &path))?;
                self.number = id.number;
                lock(&journal.ledger).begin(id);
                let open = Open { id, path, file, end: 0, zeros_end: 0, room_for_zeros: true, named: false };
                self.file.insert(open)
            }
        };
        let bytes = encode(open.id, open.end, self.sequence + 1, records);
        open.append(&bytes)?;
        if !open.named {
            journal.disk.sync_dir(&journal.dir).map_err(Fault::io(Action::Flush, &journal.dir))?;
            open.named = true;
        }
        self.sequence += 1;
        Ok(())
    }

    /// The next batch begins a new file.
    pub(crate) fn end_file(&mut self, ledger: &mut Ledger) -> Option<JournalId> {
        let id = self.file.take().map(|open| open.id);
        ledger.end();
        id
    }

    fn end_file_and_settle(&mut self, journal: &Arc<Journal>) {
        let Some(id) = self.end_file(&mut lock(&journal.ledger)) else { return };
        let settling = Arc::clone(journal);
        journal.spawn.spawn(IoClass::Flush, Box::new(move || settling.settle(id.number)));
    }

    /// Takes note of what became of files that nobody needs.
    pub(crate) fn take_note(&mut self, removed: Result<(), Fault>, all: bool) {
        match removed {
            Ok(()) if all => self.spoken_of.clear(),
            Ok(()) => {}
            Err(fault) => self.failed = self.failed.take().or(Some(fault)),
        }
    }
}

impl Open {
    fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.file.write_at(&[bytes], self.end).map_err(Fault::io(Action::Write, &self.path))?;
        let end = self.end + bytes.len() as u64;
        if end > self.zeros_end {
            self.zeros_end = end;
            // As in segments: a flush of what follows needs no change of the file's length then.
            if self.room_for_zeros {
                match self.file.write_at(&[&ZEROS], end).map_err(Fault::io(Action::Write, &self.path)) {
                    Ok(()) => self.zeros_end = end + ZEROS.len() as u64,
                    // What there is of them is given back: shards need the last of the room more.
                    Err(fault) if fault.is_no_room() => {
                        self.file.set_len(end).map_err(Fault::io(Action::Cut, &self.path))?;
                        self.room_for_zeros = false;
                    }
                    Err(fault) => return Err(fault),
                }
            }
        }
        self.file.sync_data().map_err(Fault::io(Action::Flush, &self.path))?;
        self.end = end;
        Ok(())
    }

    /// Ends the file behind its last batch, durably.
    fn cut(&mut self) -> Result<(), Fault> {
        self.zeros_end = self.end;
        self.file.set_len(self.end).map_err(Fault::io(Action::Cut, &self.path))?;
        self.file.sync_data().map_err(Fault::io(Action::Flush, &self.path))
    }
}

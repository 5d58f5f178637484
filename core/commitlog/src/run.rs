//! Sorted runs: the one sorted structure of all index files. Format: `docs/formats/sidecar.md`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use forebay_env::{Disk, File, OpenMode};

use crate::block_cache::{BLOCK_BYTES, BLOCK_DATA_BYTES, CachedFile};
use crate::crc::crc32c;
use crate::fault::{Action, Fault};
use crate::manifest::{TMP_ENDING, remove_if_there};

/// What a writer gathers before it calls the disk.
const WRITE_BYTES: usize = 256 * 1024;

/// The lengths of a run's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// Bytes of a record.
    pub(crate) record: usize,
    /// Bytes of its key, with which it begins.
    pub(crate) key: usize,
}

/// Where a run is in its file, and how long it is. All of its levels follow from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) position: u64,
    pub(crate) records: u64,
}

/// One level of a run.
#[derive(Clone, Copy)]
struct Level {
    position: u64,
    records: u64,
    record: usize,
}

impl Level {
    fn per_block(&self) -> u64 {
        (BLOCK_DATA_BYTES / self.record) as u64
    }

    fn blocks(&self) -> u64 {
        self.records.div_ceil(self.per_block())
    }

    fn end(&self) -> u64 {
        self.position + self.blocks() * BLOCK_BYTES as u64
    }

    /// How many records the block `number` holds.
    fn records_in(&self, number: u64) -> usize {
        let here = self.per_block().min(self.records - number * self.per_block());
        usize::try_from(here).expect("at most what fits a block")
    }

    fn block_position(&self, number: u64) -> u64 {
        self.position + number * BLOCK_BYTES as u64
    }
}

impl Shape {
    /// The levels, records first. Six levels hold more records than a file has bytes.
    fn levels(&self) -> impl DoubleEndedIterator<Item = Level> {
        let bottom = Level { position: self.position, records: self.records, record: self.kind.record };
        let mut levels = Vec::with_capacity(6);
        let mut level = bottom;
        levels.push(level);
        while level.blocks() > 1 {
            level = Level { position: level.end(), records: level.blocks(), record: self.kind.key };
            levels.push(level);
        }
        levels.into_iter()
    }

    /// Where the run ends in its file; `None` for a hostile number of records.
    pub(crate) fn end(&self) -> Option<u64> {
        // No file of ours is longer than this, and below it no sum here overflows.
        const RECORDS_MAX: u64 = 1 << 40;
        if self.records > RECORDS_MAX || self.position > 1 << 60 {
            return None;
        }
        self.levels().next_back().map(|top| top.end())
    }
}

/// Writes a file of runs from front to back, beside its name; `finish` puts it into place.
pub(crate) struct RunFile<'a> {
    disk: &'a dyn Disk,
    dir: &'a Path,
    name: String,
    tmp: PathBuf,
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    position: u64,
}

impl<'a> RunFile<'a> {
    pub(crate) fn create(disk: &'a dyn Disk, dir: &'a Path, name: String) -> Result<RunFile<'a>, Fault> {
        let tmp = dir.join(name.clone() + TMP_ENDING);
        remove_if_there(disk, &tmp)?;
        let file = disk.open(&tmp, OpenMode::CreateNew).map_err(Fault::io(Action::Create, &tmp))?;
        Ok(RunFile { disk, dir, name, tmp, file, buffer: Vec::with_capacity(WRITE_BYTES), position: 0 })
    }

    pub(crate) fn run(&mut self, kind: Kind) -> RunWriter<'_, 'a> {
        assert!(kind.key <= kind.record && kind.record <= BLOCK_DATA_BYTES, "records fit blocks");
        RunWriter {
            shape: Shape { kind, position: self.position, records: 0 },
            file: self,
            block: Vec::with_capacity(BLOCK_BYTES),
            block_records: 0,
            fences: Vec::new(),
            last_key: Vec::new(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.buffer.extend_from_slice(bytes);
        self.position += bytes.len() as u64;
        if self.buffer.len() >= WRITE_BYTES { self.drain() } else { Ok(()) }
    }

    fn drain(&mut self) -> Result<(), Fault> {
        let start = self.position - self.buffer.len() as u64;
        self.file.write_at(&[&self.buffer], start).map_err(Fault::io(Action::Write, &self.tmp))?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes `block`, which is filled up with zeroes and its checksum.
    fn write_block(&mut self, block: &mut Vec<u8>) -> Result<(), Fault> {
        block.resize(BLOCK_DATA_BYTES, 0);
        let crc = crc32c(block);
        block.extend_from_slice(&crc.to_le_bytes());
        self.write(block)?;
        block.clear();
        Ok(())
    }

    /// Ends the file with `footer`, flushes it, renames it into place and flushes the name.
    pub(crate) fn finish(mut self, footer: &[u8]) -> Result<Arc<dyn File>, Fault> {
        self.write(footer)?;
        self.drain()?;
        self.file.sync_data().map_err(Fault::io(Action::Flush, &self.tmp))?;
        let path = self.dir.join(&self.name);
        self.disk.rename(&self.tmp, &path).map_err(Fault::io(Action::Rename, &self.tmp))?;
        self.disk.sync_dir(self.dir).map_err(Fault::io(Action::Flush, self.dir))?;
        Ok(self.file)
    }
}

/// Records came in the wrong order: an error of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsorted;

/// Writes one run. Besides a block it holds one key per block written.
pub(crate) struct RunWriter<'f, 'a> {
    file: &'f mut RunFile<'a>,
    shape: Shape,
    block: Vec<u8>,
    block_records: u64,
    /// The first key of every block of the level.
    fences: Vec<u8>,
    last_key: Vec<u8>,
}

impl RunWriter<'_, '_> {
    /// Adds a record behind the last one.
    pub(crate) fn push(&mut self, record: &[u8]) -> Result<Result<(), Unsorted>, Fault> {
        let kind = self.shape.kind;
        assert_eq!(record.len(), kind.record, "all records of a run have one length");
        let key = &record[..kind.key];
        if self.shape.records > 0 && *self.last_key >= *key {
            return Ok(Err(Unsorted));
        }
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        if self.block_records == (BLOCK_DATA_BYTES / kind.record) as u64 {
            self.file.write_block(&mut self.block)?;
            self.block_records = 0;
        }
        if self.block_records == 0 {
            self.fences.extend_from_slice(key);
        }
        self.block.extend_from_slice(record);
        self.block_records += 1;
        self.shape.records += 1;
        Ok(Ok(()))
    }

    /// Writes the last block and the levels above.
    pub(crate) fn finish(mut self) -> Result<Shape, Fault> {
        if self.block_records > 0 {
            self.file.write_block(&mut self.block)?;
        }
        let key = self.shape.kind.key;
        while self.fences.len() > key {
            let mut above = Vec::new();
            for keys in self.fences.chunks(BLOCK_DATA_BYTES / key * key) {
                above.extend_from_slice(&keys[..key]);
                self.block.extend_from_slice(keys);
                self.file.write_block(&mut self.block)?;
            }
            self.fences = above;
        }
        Ok(self.shape)
    }
}

/// Reads a run through the block cache.
#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) file: Arc<CachedFile>,
    pub(crate) shape: Shape,
}

impl Run {
    /// The number of the first record whose key is at or behind `key`; the number of records when there is none.
    pub(crate) fn lower_bound(&self, key: &[u8]) -> Result<u64, Fault> {
        debug_assert_eq!(key.len(), self.shape.kind.key);
        if self.shape.records == 0 {
            return Ok(0);
        }
        let key_len = self.shape.kind.key;
        let mut block = 0;
        for level in self.shape.levels().rev() {
            let bytes = self.file.block(level.block_position(block))?;
            let records = level.records_in(block);
            let key_of = |at: usize| &bytes[at * level.record..at * level.record + key_len];
            let first = block * level.per_block();
            if level.position == self.shape.position {
                let before = partition_point(records, |at| key_of(at) < key);
                return Ok(first + before as u64);
            }
            // The block below whose first key is the last one not behind `key` holds the answer, or ends before it.
            let not_behind = partition_point(records, |at| key_of(at) <= key);
            block = first + not_behind.saturating_sub(1) as u64;
        }
        unreachable!("the last level is the one of the records")
    }

    /// The record `number`.
    pub(crate) fn record(&self, number: u64) -> Result<Option<Bytes>, Fault> {
        if number >= self.shape.records {
            return Ok(None);
        }
        let level = self.shape.levels().next().expect("a run has a first level");
        let bytes = self.file.block(level.block_position(number / level.per_block()))?;
        let at = usize::try_from(number % level.per_block()).expect("within a block") * level.record;
        Ok(Some(bytes.slice(at..at + level.record)))
    }

    /// The first record whose key is at or behind `key`.
    pub(crate) fn at_or_after(&self, key: &[u8]) -> Result<Option<Bytes>, Fault> {
        self.record(self.lower_bound(key)?)
    }

    /// The records from `number` on.
    pub(crate) fn records_from(&self, number: u64) -> Records<'_> {
        Records { run: self, next: number, block: Bytes::new(), block_number: u64::MAX }
    }

    /// The records in the block that stands at `position` of the file; none where that is not one of records of this run.
    pub(crate) fn records_of<'b>(&self, position: u64, block: &'b [u8]) -> impl Iterator<Item = &'b [u8]> {
        let level = self.shape.levels().next().expect("a run has a first level");
        let number = position.checked_sub(level.position).map(|behind| behind / BLOCK_BYTES as u64);
        let records =
            number.filter(|number| *number < level.blocks()).map_or(0, |number| level.records_in(number));
        block.chunks_exact(level.record).take(records)
    }

    /// Reads every block past the cache and checks sums and order; answers how many bytes it read.
    pub(crate) fn verify(&self) -> Result<u64, Fault> {
        let mut last: Option<Bytes> = None;
        let mut read = 0;
        for level in self.shape.levels() {
            let is_bottom = level.position == self.shape.position;
            for number in 0..level.blocks() {
                let position = level.block_position(number);
                let block = self.file.read_block(position)?;
                read += BLOCK_BYTES as u64;
                for at in (0..level.records_in(number)).take_while(|_| is_bottom) {
                    let key = block.slice(at * level.record..at * level.record + self.shape.kind.key);
                    if last.as_ref().is_some_and(|last| *last >= key) {
                        return Err(Fault::corrupt(self.file.path(), position, "the records do not ascend"));
                    }
                    last = Some(key);
                }
            }
        }
        Ok(read)
    }
}

/// Records of a run in order.
pub(crate) struct Records<'a> {
    run: &'a Run,
    next: u64,
    block: Bytes,
    block_number: u64,
}

impl Iterator for Records<'_> {
    type Item = Result<Bytes, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.run.shape.records {
            return None;
        }
        let level = self.run.shape.levels().next().expect("a run has a first level");
        let number = self.next / level.per_block();
        if number != self.block_number {
            match self.run.file.block(level.block_position(number)) {
                Ok(block) => self.block = block,
                Err(fault) => {
                    self.next = self.run.shape.records;
                    return Some(Err(fault));
                }
            }
            self.block_number = number;
        }
        let at = usize::try_from(self.next % level.per_block()).expect("within a block") * level.record;
        self.next += 1;
        Some(Ok(self.block.slice(at..at + level.record)))
    }
}

/// The first of `len` numbers for which `before` is false.
fn partition_point(len: usize, before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low + (high - low) / 2;
        if before(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

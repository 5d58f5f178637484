//! What the tests share: a disk in memory that loses and tears what was not flushed, and short ways to make entries.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use forebay_commitlog::{Body, BodyBuilder, Entry, EntryKind, Log, LogConfig, Recovered, SlotKind};
use forebay_env::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};
use forebay_model::{LogIndex, ShardId, Term};

/// A write that was not flushed yet.
#[derive(Clone)]
enum Pending {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Clone, Default)]
struct Inode {
    now: Vec<u8>,
    flushed: Vec<u8>,
    pending: Vec<Pending>,
}

impl Pending {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Pending::Write(at, data) => {
                let end = *at as usize + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at as usize..end].copy_from_slice(data);
            }
            Pending::SetLen(len) => bytes.resize(*len as usize, 0),
        }
    }
}

/// What the next operations of a kind do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    Write,
    Flush,
    SyncDir,
    Create,
    Rename,
    Remove,
    /// Every flush, and the next file that is made.
    FlushAndCreate,
    /// Every operation that changes something: the machine stops.
    Any,
}

/// A change of names that was not flushed yet. Each happens as a whole or not at all.
#[derive(Clone)]
enum Renaming {
    Link(PathBuf, usize),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, usize),
}

impl Renaming {
    fn path(&self) -> &Path {
        match self {
            Renaming::Link(path, _) | Renaming::Unlink(path) | Renaming::Rename(_, path, _) => path,
        }
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Renaming::Link(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Renaming::Unlink(path) => {
                names.remove(path);
            }
            Renaming::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<PathBuf, usize>,
    flushed_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<Renaming>,
    fails: Option<(Fails, u64)>,
    /// What fails does because there is no room.
    full: bool,
    /// Only the first of them fails.
    once: bool,
    /// Names of the operations that changed something, in order.
    trace: Vec<String>,
    /// What happens just before the next read.
    before_read: Option<Box<dyn FnOnce() + Send>>,
    /// Which pages are in memory, by inode, if not all of them are.
    cached: Option<BTreeSet<(usize, u64)>>,
    /// Reads that waited for the medium.
    waits: usize,
}

/// Bytes that are in memory together.
const PAGE: u64 = 4096;

fn pages(position: u64, len: usize) -> std::ops::Range<u64> {
    position / PAGE..(position + len as u64).div_ceil(PAGE)
}

impl State {
    fn read(&self, inode: usize, buf: &mut [u8], position: u64) -> usize {
        let bytes = &self.inodes[inode].now;
        let from = (position as usize).min(bytes.len());
        let n = buf.len().min(bytes.len() - from);
        buf[..n].copy_from_slice(&bytes[from..from + n]);
        n
    }
}

/// A disk in memory. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub struct MemDisk(Arc<Mutex<State>>);

struct MemFile {
    disk: MemDisk,
    inode: usize,
    name: String,
    writable: bool,
}

fn eio() -> io::Error {
    io::Error::other("the disk is broken")
}

/// A small generator: tests need variety, not quality.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

impl MemDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn arc(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Lets the operation of this kind after `skip` others of its kind fail, and all later ones of the kind.
    pub fn fail(&self, kind: Fails, skip: u64) {
        self.state().fails = Some((kind, skip));
    }

    /// The same, because there is no room.
    pub fn fill_up(&self, kind: Fails, skip: u64) {
        self.fail(kind, skip);
        self.state().full = true;
    }

    /// The next operation of this kind finds no room, and the one after it does.
    pub fn fill_up_once(&self, kind: Fails) {
        self.fill_up(kind, 0);
        self.state().once = true;
    }

    /// Either one kind of operation begins to fail soon, or the machine stops at one of the next `steps` operations.
    pub fn fail_somehow(&self, dice: &mut Dice, steps: u64) {
        let kinds = [Fails::Write, Fails::Flush, Fails::SyncDir, Fails::Create, Fails::Rename, Fails::Remove];
        match dice.roll(3) {
            0 => self.fail(kinds[dice.roll(6) as usize], dice.roll(6)),
            _ => self.fail(Fails::Any, dice.roll(steps)),
        }
    }

    /// Lets `event` happen between a reader's lookup and its read.
    pub fn before_next_read(&self, event: impl FnOnce() + Send + 'static) {
        self.state().before_read = Some(Box::new(event));
    }

    /// Forgets what is in memory of all files: from here on a read waits for whatever was neither read nor announced.
    pub fn cool_down(&self) {
        let mut state = self.state();
        (state.cached, state.waits) = (Some(BTreeSet::new()), 0);
    }

    /// Reads that waited for the medium since.
    pub fn waits(&self) -> usize {
        self.state().waits
    }

    pub fn heal(&self) {
        let mut state = self.state();
        (state.fails, state.full, state.once) = (None, false, false);
    }

    /// What changed since the last call, in order: "write NAME", "flush NAME", "sync-dir", "rename NAME" ...
    pub fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut self.state().trace)
    }

    pub fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        state.inodes[state.names[path]].now.clone()
    }

    pub fn exists(&self, path: &Path) -> bool {
        self.state().names.contains_key(path)
    }

    /// Replaces a file's contents, on the medium too.
    pub fn put(&self, path: &Path, bytes: Vec<u8>) {
        let mut state = self.state();
        let inode = state.inodes.len();
        state.inodes.push(Inode { now: bytes.clone(), flushed: bytes, pending: Vec::new() });
        state.names.insert(path.to_path_buf(), inode);
        state.flushed_names.insert(path.to_path_buf(), inode);
    }

    pub fn remove(&self, path: &Path) {
        let mut state = self.state();
        state.names.remove(path);
        state.flushed_names.remove(path);
    }

    pub fn flip(&self, path: &Path, bit: usize) {
        let mut bytes = self.bytes(path);
        bytes[bit / 8] ^= 1 << (bit % 8);
        self.put(path, bytes);
    }

    /// Files in `dir` that end so, sorted.
    pub fn names(&self, dir: &Path, ending: &str) -> Vec<PathBuf> {
        let state = self.state();
        let keep = |path: &&PathBuf| path.parent() == Some(dir) && path.to_string_lossy().ends_with(ending);
        state.names.keys().filter(keep).cloned().collect()
    }

    /// A disk with the same contents that shares nothing with this one; everything on it is flushed.
    pub fn copy(&self) -> MemDisk {
        let copy = MemDisk::default();
        let state = self.state();
        for (path, inode) in &state.names {
            copy.put(path, state.inodes[*inode].now.clone());
        }
        copy
    }

    /// A disk with the same contents that shares nothing with this one, and what is not flushed here is not there either: what a
    /// process that was killed leaves to the next.
    pub fn fork(&self) -> MemDisk {
        let state = self.state();
        MemDisk(Arc::new(Mutex::new(State {
            inodes: state.inodes.clone(),
            names: state.names.clone(),
            flushed_names: state.flushed_names.clone(),
            pending_names: state.pending_names.clone(),
            ..State::default()
        })))
    }

    /// What a power cut leaves: everything flushed, and of the rest what the dice say: writes may be lost, torn and
    /// reordered between files, names may be lost one by one.
    pub fn power_cut(&self, dice: &mut Dice) -> MemDisk {
        let state = self.state();
        let after = MemDisk::default();
        let mode = dice.roll(4);
        let mut names = state.flushed_names.clone();
        for renaming in &state.pending_names {
            if mode == 1 || (mode > 1 && dice.roll(2) == 0) {
                renaming.apply(&mut names);
            }
        }
        for (path, inode) in &names {
            let inode = &state.inodes[*inode];
            let mut bytes = inode.flushed.clone();
            for pending in &inode.pending {
                match (mode, dice.roll(4)) {
                    (0, _) | (2 | 3, 0) => {}
                    (1, _) | (_, 1 | 2) => pending.apply(&mut bytes),
                    _ => tear(pending, &inode.flushed, dice).apply(&mut bytes),
                }
            }
            after.put(path, bytes);
        }
        after
    }

    fn step(&self, kind: Fails, what: String) -> io::Result<()> {
        let mut state = self.state();
        if let Some((fails @ Fails::FlushAndCreate, _)) = &mut state.fails
            && matches!(kind, Fails::Flush | Fails::Create)
        {
            if kind == Fails::Create {
                *fails = Fails::Flush;
            }
            return Err(eio());
        }
        if let Some((fails, skip)) = &mut state.fails
            && (*fails == kind || *fails == Fails::Any)
        {
            if *skip == 0 {
                if state.once {
                    (state.fails, state.once) = (None, false);
                }
                return Err(if state.full { io::ErrorKind::StorageFull.into() } else { eio() });
            }
            *skip -= 1;
        }
        state.trace.push(what);
        Ok(())
    }
}

/// What is left of a change: bytes of it that did not get to the medium are what they were, or zeros where there was nothing.
fn tear(pending: &Pending, flushed: &[u8], dice: &mut Dice) -> Pending {
    match pending {
        Pending::Write(at, data) => {
            let from = dice.roll(data.len() as u64 + 1) as usize;
            match dice.roll(3) {
                0 => Pending::Write(*at, data[..from].to_vec()),
                1 => Pending::Write(*at + from as u64, data[from..].to_vec()),
                _ => {
                    let mut torn = data.clone();
                    for (byte, position) in torn[..from].iter_mut().zip(*at as usize..) {
                        *byte = flushed.get(position).copied().unwrap_or(0);
                    }
                    Pending::Write(*at, torn)
                }
            }
        }
        Pending::SetLen(len) => Pending::SetLen(*len),
    }
}

fn short(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        if mode == OpenMode::CreateNew {
            self.step(Fails::Create, format!("create {}", short(path)))?;
        }
        let mut state = self.state();
        let there = state.names.get(path).copied();
        let inode = match (there, mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (None, OpenMode::CreateNew) => {
                let inode = state.inodes.len();
                state.inodes.push(Inode::default());
                let link = Renaming::Link(path.to_path_buf(), inode);
                link.apply(&mut state.names);
                state.pending_names.push(link);
                inode
            }
            (Some(inode), _) => inode,
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        let file = MemFile { disk: self.clone(), inode, name: short(path), writable: mode != OpenMode::Read };
        Ok(Arc::new(file))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.state();
        let mut out: BTreeMap<String, DirEntry> = BTreeMap::new();
        for (path, inode) in &state.names {
            let Ok(rest) = path.strip_prefix(dir) else { continue };
            let mut parts = rest.components();
            let Some(name) = parts.next().map(|part| part.as_os_str().to_string_lossy().into_owned()) else {
                continue;
            };
            let is_dir = parts.next().is_some();
            let len = if is_dir { 0 } else { state.inodes[*inode].now.len() as u64 };
            out.insert(name.clone(), DirEntry { name, len, is_dir });
        }
        Ok(out.into_values().collect())
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Fails::Rename, format!("rename {}", short(to)))?;
        let mut state = self.state();
        let inode = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        let renaming = Renaming::Rename(from.to_path_buf(), to.to_path_buf(), inode);
        renaming.apply(&mut state.names);
        state.pending_names.push(renaming);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        if !self.exists(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.step(Fails::Remove, format!("remove {}", short(path)))?;
        let mut state = self.state();
        let unlink = Renaming::Unlink(path.to_path_buf());
        unlink.apply(&mut state.names);
        state.pending_names.push(unlink);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.step(Fails::SyncDir, "sync-dir".into())?;
        let mut state = self.state();
        let (mine, others): (Vec<_>, Vec<_>) = std::mem::take(&mut state.pending_names)
            .into_iter()
            .partition(|renaming| renaming.path().parent() == Some(dir));
        for renaming in mine {
            renaming.apply(&mut state.flushed_names);
        }
        state.pending_names = others;
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace { total: 1 << 40, free: 1 << 39 })
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Lock>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl File for MemFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let event = self.disk.state().before_read.take();
        if let Some(event) = event {
            event();
        }
        let mut state = self.disk.state();
        if let Some(cached) = &mut state.cached {
            cached.extend(pages(position, buf.len()).map(|page| (self.inode, page)));
            state.waits += 1;
        }
        Ok(state.read(self.inode, buf, position))
    }

    fn read_at_once(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        {
            let state = self.disk.state();
            if let Some(cached) = &state.cached {
                let is_in_memory = |page| cached.contains(&(self.inode, page));
                let in_memory =
                    pages(position, buf.len()).take_while(|page| is_in_memory(*page)).count() as u64;
                let known = ((position / PAGE + in_memory) * PAGE).saturating_sub(position);
                let known = buf.len().min(known as usize);
                // As the system does: a shorter read, or none.
                return Ok((known > 0).then(|| state.read(self.inode, &mut buf[..known], position)));
            }
        }
        self.read_at(buf, position).map(Some)
    }

    fn will_read(&self, position: u64, len: u64) {
        if let Some(cached) = &mut self.disk.state().cached {
            cached.extend(pages(position, len as usize).map(|page| (self.inode, page)));
        }
    }

    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        assert!(self.writable, "{} was opened for reading", self.name);
        self.disk.step(Fails::Write, format!("write {}", self.name))?;
        let pending = Pending::Write(position, parts.concat());
        let mut state = self.disk.state();
        let inode = &mut state.inodes[self.inode];
        pending.apply(&mut inode.now);
        inode.pending.push(pending);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        assert!(self.writable, "{} was opened for reading", self.name);
        // A disk that is full can give room back.
        if !self.disk.state().full {
            self.disk.step(Fails::Write, format!("set-len {}", self.name))?;
        }
        let mut state = self.disk.state();
        let inode = &mut state.inodes[self.inode];
        inode.now.resize(len as usize, 0);
        inode.pending.push(Pending::SetLen(len));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().inodes[self.inode].now.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        if let Err(error) = self.disk.step(Fails::Flush, format!("flush {}", self.name)) {
            // The pages are clean from here on and not on the medium: no later flush brings them there.
            self.disk.state().inodes[self.inode].pending.clear();
            return Err(error);
        }
        let mut state = self.disk.state();
        let inode = &mut state.inodes[self.inode];
        for pending in std::mem::take(&mut inode.pending) {
            pending.apply(&mut inode.flushed);
        }
        Ok(())
    }
}

pub const SHARD: ShardId = ShardId(0);

pub fn dir() -> PathBuf {
    PathBuf::from("/data/shard-0000")
}

pub fn config() -> LogConfig {
    LogConfig { tail_bytes_max: 0, zeros_ahead_bytes: 0, ..LogConfig::new(SHARD, 0x5eed_5a17) }
}

pub fn open(disk: &MemDisk) -> (Log, Recovered) {
    Log::open(disk.arc(), &dir(), config()).unwrap()
}

/// An entry whose slots' bytes say who they are.
pub fn entry(term: u64, index: u64, slots: usize) -> Entry {
    let mut body = BodyBuilder::new(slots, 0);
    for slot in 0..slots {
        body.push_slot(SlotKind(1), &[slot_text(term, index, slot).as_bytes()]).unwrap();
    }
    Entry { term: Term(term), index: LogIndex(index), kind: EntryKind::Normal, body: body.finish() }
}

pub fn slot_text(term: u64, index: u64, slot: usize) -> String {
    format!("term {term} index {index} slot {slot}; ").repeat(1 + (index as usize + slot) % 4)
}

pub fn seal(term: u64, index: u64) -> Entry {
    let body = Body::opaque(SlotKind(2), b"sealed").unwrap();
    Entry { term: Term(term), index: LogIndex(index), kind: EntryKind::Seal, body }
}

/// Appends entries `range` of `term` with two slots each, one append per entry.
pub fn fill(log: &mut Log, term: u64, range: std::ops::RangeInclusive<u64>) {
    for index in range {
        log.append(&[entry(term, index, 2)]).unwrap();
    }
}

pub fn flush(log: &mut Log) {
    if let Some(job) = log.begin_flush().unwrap() {
        let done = job.run().unwrap();
        log.flushed(done);
    }
}

/// Everything that the log holds from `low` on, as (term, index).
pub fn contents(log: &Log, low: u64) -> Vec<(u64, u64)> {
    if log.last_index().0 < low {
        return Vec::new();
    }
    let high = log.last_index().next();
    let entries = log.reader().read_entries(LogIndex(low), high, u64::MAX).unwrap();
    entries.iter().map(|entry| (entry.term.0, entry.index.0)).collect()
}

/// An index entry of `partition` that covers `count` offsets from `first` on.
pub fn index_entry(partition: u64, first: u64, count: u32, log_index: u64) -> forebay_commitlog::IndexEntry {
    forebay_commitlog::IndexEntry {
        partition: forebay_model::PartitionId(partition),
        first_offset: forebay_model::Offset(first),
        count,
        log_index: LogIndex(log_index),
        slot: forebay_model::SlotNumber((first % 3) as u32),
        first_position: (first % 7) as u32,
        bytes: 10 * count,
        max_timestamp: forebay_model::Timestamp((first * 31 % 1000) as i64),
        earliest_expiry: i64::MAX - first as i64,
    }
}

/// Appends a segment of `entries` two-slot entries and its Seal, flushed; answers its id.
pub fn sealed_segment(log: &mut Log, term: u64, entries: u64) -> forebay_commitlog::SegmentId {
    let first = log.last_index().0 + 1;
    let mut batch: Vec<Entry> = (first..first + entries).map(|index| entry(term, index, 2)).collect();
    batch.push(seal(term, first + entries));
    let appended = log.append(&batch).unwrap();
    flush(log);
    appended.sealed[0]
}

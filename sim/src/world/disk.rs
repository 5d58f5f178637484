//! A file system that forgets. What was written and not flushed is, at a power cut, kept, lost or torn change by change,
//! and in any order between files; names behave the same until their directory was flushed.
//!
//! ```text
//!   durable --(changes, oldest first)--> now        what a power cut leaves: durable + any subset of the changes
//! ```
//! Faults are put in from outside: an error at the n-th call of a kind, a fuse that ends the process in the middle of
//! whatever it does, a medium of limited size, flipped bits. [`Lie`]s are the planted bugs that a disk can play.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_env::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};

use super::clock::{MS, VirtualTime};
use super::inode::{Change, Dir, FileNode, Inode, NameChange};
use crate::random::Rng;

/// Linux' EIO.
pub const EIO: i32 = 5;
/// Linux' ENOSPC.
pub const ENOSPC: i32 = 28;
/// What a disk that lies has had in its own cache for so long, in nanoseconds, goes to the medium with the file's next flush.
const LIE_NS: u64 = 40 * MS;
/// A batch of the journal begins at a multiple of this, in bytes.
const JOURNAL_PAGE: usize = 4096;
/// How the names of the journal's files end.
pub const JOURNAL: &str = ".journal";
/// Where Linux names the boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// A kind of call that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Making a file or directory.
    Create,
    /// Writing.
    Write,
    /// Cutting or extending.
    SetLen,
    /// fdatasync.
    SyncData,
    /// fsync of a directory.
    SyncDir,
    /// Renaming.
    Rename,
    /// Unlinking.
    Remove,
    /// Reading.
    Read,
}

impl Op {
    /// All of them.
    pub const ALL: [Op; 8] =
        [Op::Create, Op::Write, Op::SetLen, Op::SyncData, Op::SyncDir, Op::Rename, Op::Remove, Op::Read];
}

/// An error to come.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// At which call...
    pub op: Op,
    /// ...after letting so many of them pass...
    pub skip: u64,
    /// ...the operating system's number of the error...
    pub error: i32,
    /// ...and whether every later call of the kind fails too.
    pub stays: bool,
}

/// Which flushes a planted bug leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lie {
    /// Of what.
    pub about: About,
    /// When.
    pub when: When,
}

/// What a disk lies about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// fdatasync of files whose name ends so.
    File(&'static str),
    /// fdatasync of what holds entries.
    Entries,
    /// fsync of directories.
    Names,
}

/// When a disk lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Always.
    Always,
    /// While a process opens its data.
    Opening,
    /// After a process has opened its data.
    Serving,
}

impl When {
    fn is_now(self, opening: bool) -> bool {
        match self {
            When::Always => true,
            When::Opening => opening,
            When::Serving => !opening,
        }
    }
}

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It is killed: the page cache stays.
    Kill,
    /// The power fails: what was not flushed is gone, torn, or there.
    Power,
}

/// What happened to a disk, for the coverage counters.
#[derive(Clone, Debug, Default)]
pub struct DiskCounts {
    /// Errors put in, by call and error.
    pub faults: BTreeMap<(Op, i32), u64>,
    /// Changes that a power cut lost.
    pub lost: u64,
    /// Changes that a power cut tore.
    pub torn: u64,
    /// Name changes that a power cut lost.
    pub names_lost: u64,
    /// Times that a running process cut a segment: a conflict with another leader's log.
    pub truncations: u64,
}

/// The disk of one machine; outlives its processes. Cheap to clone.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    rng: Rng,
    time: VirtualTime,
    inodes: BTreeMap<u64, Inode>,
    next_inode: u64,
    /// Counts every change, so that a flush knows what came before it.
    changes: u64,
    total: u64,
    /// At least what is in use: files that shrink or go are only noticed when it matters.
    used_at_most: u64,
    life: u64,
    boots: u64,
    opening: bool,
    cut: Arc<AtomicBool>,
    fuse: Option<u64>,
    faults: Vec<Fault>,
    /// A flush job under way covers what was written before it was queued, and what it writes itself.
    window: Option<(u64, u64)>,
    lie: Option<Lie>,
    locked: BTreeSet<String>,
    counts: DiskCounts,
}

const ROOT: u64 = 0;

impl SimDisk {
    /// An empty disk of `total` bytes.
    pub fn new(rng: Rng, time: VirtualTime, total: u64) -> SimDisk {
        let state = State {
            rng,
            time,
            inodes: BTreeMap::from([(ROOT, Inode::Dir(Dir::default()))]),
            next_inode: ROOT + 1,
            changes: 0,
            total,
            used_at_most: 0,
            life: 0,
            boots: 1,
            opening: false,
            cut: Arc::default(),
            fuse: None,
            faults: Vec::new(),
            window: None,
            lie: None,
            locked: BTreeSet::new(),
            counts: DiskCounts::default(),
        };
        SimDisk { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a process: answers the flag that is set when it crashes.
    pub fn begin_life(&self) -> Arc<AtomicBool> {
        let mut state = self.lock();
        state.life += 1;
        state.cut = Arc::default();
        state.fuse = None;
        state.opening = true;
        Arc::clone(&state.cut)
    }

    /// The process has opened everything.
    pub fn opened(&self) {
        self.lock().opening = false;
    }

    /// Whether the fuse has burnt through.
    pub fn is_cut(&self) -> bool {
        self.lock().cut.load(Relaxed)
    }

    /// Ends the process in the middle of its `after`-th change from now.
    pub fn burn_fuse(&self, after: u64) {
        self.lock().fuse = Some(after);
    }

    /// Ends the process; its handles are dead. Errors to come are forgotten when the medium was looked at.
    pub fn crash(&self, crash: Crash) {
        let mut state = self.lock();
        state.cut.store(true, Relaxed);
        state.life += 1;
        state.fuse = None;
        if state.rng.chance(500) {
            // Otherwise the medium fails the process that comes next, while it recovers or later.
            state.faults.clear();
        }
        state.window = None;
        state.locked.clear();
        if crash == Crash::Power {
            state.boots += 1;
            state.lose_power();
        }
    }

    /// Lets a call fail.
    pub fn put_fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    /// Whether no error is to come and the medium has its full size, `total` bytes.
    pub fn is_sound(&self, total: u64) -> bool {
        let state = self.lock();
        state.faults.is_empty() && state.total >= total
    }

    /// Takes out every error to come.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }

    /// Resizes the medium, in bytes.
    pub fn set_total(&self, total: u64) {
        self.lock().total = total;
    }

    /// Bytes in use.
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Plants a bug.
    pub fn lie(&self, lie: Lie) {
        self.lock().lie = Some(lie);
    }

    /// Changes so far.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// A flush job that was queued at `queued` begins.
    pub fn begin_flush_job(&self, queued: u64) {
        let mut state = self.lock();
        state.window = Some((queued, state.changes));
    }

    /// The flush job has ended.
    pub fn end_job(&self) {
        self.lock().window = None;
    }

    /// What was counted.
    pub fn counts(&self) -> DiskCounts {
        self.lock().counts.clone()
    }

    /// The files below `dir` with what a reader sees of them now.
    pub fn contents(&self, dir: &str) -> Vec<(String, Vec<u8>)> {
        self.lock().contents(dir, |file| file.now.clone())
    }

    /// Whether the newest `files_max` files below `dir` whose names end so hold `needle` on the medium.
    pub fn holds_durably(&self, dir: &str, suffix: &str, needle: &[u8; 8], files_max: usize) -> bool {
        let state = self.lock();
        let Ok(inode) = state.walk(&parts(Path::new(dir))) else { return false };
        let Some(dir) = state.inodes.get(&inode).and_then(Inode::dir) else { return false };
        let newest = dir.durable().iter().rev().filter(|(name, _)| name.ends_with(suffix)).take(files_max);
        let mut files = newest.filter_map(|(_, inode)| state.file_ref(*inode));
        files.any(|file| file.durable.windows(needle.len()).rev().any(|window| window == needle))
    }

    /// The same of what a journal in `dir` says behind the last place where it voids what it said of a shard.
    pub fn journal_holds_durably(&self, dir: &str, shard: u32, needle: &[u8; 8]) -> bool {
        let state = self.lock();
        let Ok(inode) = state.walk(&parts(Path::new(dir))) else { return false };
        let Some(dir) = state.inodes.get(&inode).and_then(Inode::dir) else { return false };
        let names = dir.durable().iter().filter(|(name, _)| name.ends_with(JOURNAL));
        let pages: Vec<&[u8]> = names
            .filter_map(|(_, inode)| state.file_ref(*inode))
            .flat_map(|file| file.durable.chunks(JOURNAL_PAGE))
            .collect();
        let from = pages.iter().rposition(|page| voids(page, shard)).unwrap_or(0);
        pages[from..].concat().windows(needle.len()).any(|window| window == needle)
    }

    /// Whether a power cut would cost a file that ends so anything.
    pub fn has_unflushed(&self, suffix: &str) -> bool {
        let state = self.lock();
        let dirs = state.inodes.values().filter_map(Inode::dir);
        let mut files = dirs.flat_map(|dir| &dir.now).filter(|(name, _)| name.ends_with(suffix));
        files.any(|(_, inode)| state.file_ref(*inode).is_some_and(|file| !file.pending.is_empty()))
    }

    /// Forgets everything: a new disk in the same machine.
    pub fn wipe(&self) {
        let mut state = self.lock();
        state.inodes = BTreeMap::from([(ROOT, Inode::Dir(Dir::default()))]);
    }

    /// Flips one bit in a file whose name ends so, at rest. Answers which, if there was one.
    pub fn flip_bit(&self, suffix: &str) -> Option<(String, u64)> {
        self.lock().flip_bit(suffix)
    }
}

fn holds_entries(name: &str) -> bool {
    name.ends_with(".seg") || name.ends_with(JOURNAL)
}

/// Whether a batch begins on this page of a journal, and voids what was said of the shard: `docs/formats/journal.md`.
fn voids(page: &[u8], shard: u32) -> bool {
    let number =
        |at: usize| page.get(at..at + 4).map(|four| u32::from_le_bytes(four.try_into().expect("four")));
    page.starts_with(b"FBYJNL")
        && number(16) == Some(40)
        && number(40) == Some(2)
        && number(44) == Some(shard)
}

fn gone() -> io::Error {
    io::Error::other("the process has crashed")
}

fn parts(path: &Path) -> Vec<String> {
    let normal = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    normal.collect()
}

impl State {
    fn used(&self) -> u64 {
        let dirs = self.inodes.values().filter_map(Inode::dir);
        let files = dirs.flat_map(|dir| dir.now.values()).filter_map(|inode| self.file_ref(*inode));
        files.map(|file| file.now.len() as u64).sum()
    }

    /// Whether so many bytes more find no room.
    fn is_full_for(&mut self, bytes: u64) -> bool {
        if self.used_at_most + bytes > self.total {
            self.used_at_most = self.used();
        }
        self.used_at_most + bytes > self.total
    }

    fn file_ref(&self, inode: u64) -> Option<&FileNode> {
        match self.inodes.get(&inode) {
            Some(Inode::File(file)) => Some(file),
            _ => None,
        }
    }

    fn file_mut(&mut self, inode: u64) -> &mut FileNode {
        match self.inodes.get_mut(&inode) {
            Some(Inode::File(file)) => file,
            _ => panic!("a handle leads to a file"),
        }
    }

    fn dir_mut(&mut self, inode: u64) -> &mut Dir {
        match self.inodes.get_mut(&inode) {
            Some(Inode::Dir(dir)) => dir,
            _ => panic!("a parent is a directory"),
        }
    }

    fn walk(&self, path: &[String]) -> io::Result<u64> {
        path.iter().try_fold(ROOT, |at, name| {
            let found = self.inodes.get(&at).and_then(Inode::dir).and_then(|dir| dir.now.get(name));
            found.copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
        })
    }

    /// The directory and the last name of a path.
    fn parent(&self, path: &Path) -> io::Result<(u64, String)> {
        let mut parts = parts(path);
        let name = parts.pop().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let dir = self.walk(&parts)?;
        self.inodes
            .get(&dir)
            .and_then(Inode::dir)
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotADirectory))?;
        Ok((dir, name))
    }

    /// Whether the call may go on. A burnt fuse answers `Ok(false)` once: the change is made, then the process is gone.
    fn enter(&mut self, op: Op) -> io::Result<Fuse> {
        if self.cut.load(Relaxed) {
            return Err(gone());
        }
        self.fail_if_due(op)?;
        if op == Op::Read {
            return Ok(Fuse::Holds);
        }
        match &mut self.fuse {
            Some(0) => {
                self.cut.store(true, Relaxed);
                Ok(Fuse::Burnt)
            }
            Some(left) => {
                *left -= 1;
                Ok(Fuse::Holds)
            }
            None => Ok(Fuse::Holds),
        }
    }

    fn fail_if_due(&mut self, op: Op) -> io::Result<()> {
        let Some(at) = self.faults.iter().position(|fault| fault.op == op) else { return Ok(()) };
        let fault = &mut self.faults[at];
        if fault.skip > 0 {
            fault.skip -= 1;
            return Ok(());
        }
        let error = fault.error;
        if !fault.stays {
            self.faults.remove(at);
        }
        *self.counts.faults.entry((op, error)).or_default() += 1;
        Err(io::Error::from_raw_os_error(error))
    }

    fn stamp(&mut self) -> (u64, u64) {
        self.changes += 1;
        (self.changes, self.time.now())
    }

    fn rename_entry(&mut self, dir: u64, change: NameChange) {
        let dir = self.dir_mut(dir);
        change.apply(&mut dir.now);
        dir.pending.push(change);
    }

    fn add(&mut self, dir: u64, name: String, inode: Inode) -> u64 {
        let number = self.next_inode;
        self.next_inode += 1;
        self.inodes.insert(number, inode);
        self.stamp();
        self.rename_entry(dir, NameChange::Link(name, number));
        number
    }

    /// What the disk lies about now.
    fn lies_about(&self) -> Option<About> {
        self.lie.filter(|lie| lie.when.is_now(self.opening)).map(|lie| lie.about)
    }

    fn name_of(&self, inode: u64) -> Option<&str> {
        let dirs = self.inodes.values().filter_map(Inode::dir);
        dirs.flat_map(|dir| &dir.now).find(|(_, number)| **number == inode).map(|(name, _)| name.as_str())
    }

    fn sync_file(&mut self, inode: u64) {
        let lying = match self.lies_about() {
            Some(About::File(suffix)) => self.name_of(inode).is_some_and(|name| name.ends_with(suffix)),
            Some(About::Entries) => self.name_of(inode).is_some_and(holds_entries),
            Some(About::Names) | None => false,
        };
        let old = self.time.now().saturating_sub(LIE_NS);
        let window = self.window;
        let covered = |change: &Change| {
            window.is_none_or(|(queued, begun)| change.number <= queued || change.number > begun)
        };
        let file = self.file_mut(inode);
        if lying {
            file.sync_falsely(covered, |change| change.at < old);
        } else {
            file.sync(covered);
        }
    }

    fn lose_power(&mut self) {
        let style = self.rng.below(4);
        let mut rng = self.rng.fork(self.boots);
        for inode in self.inodes.values_mut() {
            let (lost, torn) = match inode {
                Inode::File(file) => file.lose_power(&mut rng, style),
                Inode::Dir(dir) => {
                    self.counts.names_lost += dir.lose_power(&mut rng, style);
                    (0, 0)
                }
            };
            self.counts.lost += lost;
            self.counts.torn += torn;
        }
        self.collect();
        self.used_at_most = self.used();
    }

    /// Drops what no name leads to.
    fn collect(&mut self) {
        let mut live = BTreeSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(at) = open.pop() {
            let names = self.inodes.get(&at).and_then(Inode::dir).map(|dir| dir.now.values());
            open.extend(names.into_iter().flatten().filter(|inode| live.insert(**inode)));
        }
        self.inodes.retain(|inode, _| live.contains(inode));
    }

    fn contents<T>(&self, dir: &str, take: impl Fn(&FileNode) -> T) -> Vec<(String, T)> {
        let Ok(inode) = self.walk(&parts(Path::new(dir))) else { return Vec::new() };
        let names = self.inodes.get(&inode).and_then(Inode::dir).map(|dir| &dir.now);
        let files = names.into_iter().flatten();
        files.filter_map(|(name, inode)| Some((name.clone(), take(self.file_ref(*inode)?)))).collect()
    }

    fn flip_bit(&mut self, suffix: &str) -> Option<(String, u64)> {
        let mut found: Vec<(String, u64)> = Vec::new();
        for dir in self.inodes.values().filter_map(Inode::dir) {
            let mut names: Vec<_> = dir.now.iter().filter(|(name, _)| name.ends_with(suffix)).collect();
            if suffix == ".seg" {
                // Above the recorded durable index a flip equals a torn write; what is not a shard's last segment is below it.
                names.sort();
                names.pop();
            }
            found.extend(names.into_iter().map(|(name, inode)| (name.clone(), *inode)));
        }
        found.retain(|(_, inode)| self.file_ref(*inode).is_some_and(|file| !file.now.is_empty()));
        if found.is_empty() {
            return None;
        }
        let (name, inode) = found.swap_remove(self.rng.index(found.len()));
        let at = self.rng.index(self.file_ref(inode)?.now.len());
        let bit = 1 << self.rng.below(8);
        let file = self.file_mut(inode);
        file.now[at] ^= bit;
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= bit;
        }
        Some((name, at as u64))
    }
}

#[derive(PartialEq, Eq)]
enum Fuse {
    Holds,
    Burnt,
}

impl Fuse {
    fn outcome(self) -> io::Result<()> {
        match self {
            Fuse::Holds => Ok(()),
            Fuse::Burnt => Err(gone()),
        }
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut state = self.lock();
        if path == Path::new(BOOT_ID) {
            return Ok(Arc::new(BootFile(format!("{:036}", state.boots).into_bytes())));
        }
        let life = state.life;
        let inode = match mode {
            OpenMode::Read | OpenMode::Write => {
                if state.cut.load(Relaxed) {
                    return Err(gone());
                }
                let inode = state.walk(&parts(path))?;
                state.file_ref(inode).ok_or_else(|| io::Error::from(io::ErrorKind::IsADirectory))?;
                inode
            }
            OpenMode::CreateNew => {
                let fuse = state.enter(Op::Create)?;
                let (dir, name) = state.parent(path)?;
                if state.dir_mut(dir).now.contains_key(&name) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                let inode = state.add(dir, name, Inode::File(FileNode::default()));
                fuse.outcome()?;
                inode
            }
        };
        Ok(Arc::new(SimFile { disk: self.clone(), inode, life, writes: mode != OpenMode::Read }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.lock();
        let inode = state.walk(&parts(dir))?;
        let dir = state.inodes.get(&inode).and_then(Inode::dir);
        let names = &dir.ok_or_else(|| io::Error::from(io::ErrorKind::NotADirectory))?.now;
        let entry = |(name, inode): (&String, &u64)| {
            let file = state.file_ref(*inode);
            DirEntry {
                name: name.clone(),
                len: file.map_or(0, |f| f.now.len() as u64),
                is_dir: file.is_none(),
            }
        };
        Ok(names.iter().map(entry).collect())
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let mut at = ROOT;
        for name in parts(dir) {
            at = match state.dir_mut(at).now.get(&name) {
                Some(inode) => *inode,
                None => {
                    let fuse = state.enter(Op::Create)?;
                    let made = state.add(at, name, Inode::Dir(Dir::default()));
                    fuse.outcome()?;
                    made
                }
            };
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let fuse = state.enter(Op::Rename)?;
        let (dir, from) = state.parent(from)?;
        let (to_dir, to) = state.parent(to)?;
        let inode =
            *state.dir_mut(dir).now.get(&from).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        state.stamp();
        if dir == to_dir {
            state.rename_entry(dir, NameChange::Rename(from, to, inode));
        } else {
            // Between directories the two halves may part at a power cut; real journals are kinder.
            state.rename_entry(to_dir, NameChange::Link(to, inode));
            state.rename_entry(dir, NameChange::Unlink(from));
        }
        fuse.outcome()
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let (dir, name) = state.parent(path)?;
        if !state.dir_mut(dir).now.contains_key(&name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let fuse = state.enter(Op::Remove)?;
        state.stamp();
        state.rename_entry(dir, NameChange::Unlink(name));
        fuse.outcome()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let fuse = state.enter(Op::SyncDir)?;
        let inode = state.walk(&parts(dir))?;
        if fuse == Fuse::Holds && state.lies_about() != Some(About::Names) {
            state.dir_mut(inode).sync();
        }
        fuse.outcome()
    }

    fn space(&self, _path: &Path) -> io::Result<DiskSpace> {
        let state = self.lock();
        Ok(DiskSpace { total: state.total, free: state.total.saturating_sub(state.used()) })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let name = path.to_string_lossy().into_owned();
        if !SimDisk::lock(self).locked.insert(name.clone()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), name }))
    }
}

struct SimLock {
    disk: SimDisk,
    name: String,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.lock().locked.remove(&self.name);
    }
}

struct SimFile {
    disk: SimDisk,
    inode: u64,
    life: u64,
    writes: bool,
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        if state.life != self.life || !state.inodes.contains_key(&self.inode) {
            Err(gone())
        } else {
            Ok(state)
        }
    }

    fn state_to_write(&self) -> io::Result<MutexGuard<'_, State>> {
        if self.writes { self.state() } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl File for SimFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let mut state = self.state()?;
        state.enter(Op::Read)?;
        Ok(state.file_mut(self.inode).read(buf, position))
    }

    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        let mut state = self.state_to_write()?;
        let mut bytes = parts.concat();
        let end = position + bytes.len() as u64;
        let grows = end.saturating_sub(state.file_mut(self.inode).now.len() as u64);
        let full = grows > 0 && state.is_full_for(grows);
        let entered = if full { Err(io::Error::from_raw_os_error(ENOSPC)) } else { state.enter(Op::Write) };
        if full {
            *state.counts.faults.entry((Op::Write, ENOSPC)).or_default() += 1;
        }
        let part = match &entered {
            Ok(Fuse::Holds) => bytes.len(),
            Err(_) if full => 0,
            // A call that fails, or a process that dies in it, has written any prefix.
            Ok(Fuse::Burnt) | Err(_) if !bytes.is_empty() => state.rng.index(bytes.len()),
            _ => 0,
        };
        bytes.truncate(part);
        if !bytes.is_empty() {
            state.used_at_most += grows;
            let (number, at) = state.stamp();
            state.file_mut(self.inode).write(number, at, position, bytes);
        }
        entered?.outcome()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state_to_write()?;
        let fuse = state.enter(Op::SetLen)?;
        let (number, at) = state.stamp();
        // Zeros that waited for entries are no entries.
        let cut = usize::try_from(len).expect("a simulated file is small");
        let cuts =
            state.file_mut(self.inode).now.get(cut..).is_some_and(|cut| cut.iter().any(|byte| *byte != 0));
        if cuts && !state.opening {
            state.counts.truncations += 1;
        }
        let before = state.file_mut(self.inode).now.len() as u64;
        state.used_at_most += len.saturating_sub(before);
        state.file_mut(self.inode).set_len(number, at, len);
        fuse.outcome()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.state()?.file_mut(self.inode).now.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state()?;
        match state.enter(Op::SyncData) {
            Ok(Fuse::Holds) => state.sync_file(self.inode),
            Ok(Fuse::Burnt) => return Err(gone()),
            Err(error) => {
                let changes = state.changes;
                let mut rng = state.rng.fork(changes);
                state.file_mut(self.inode).fail_sync(&mut rng);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// The file in which the kernel names the boot.
struct BootFile(Vec<u8>);

impl File for BootFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.0.len());
        let len = buf.len().min(self.0.len() - from);
        buf[..len].copy_from_slice(&self.0[from..from + len]);
        Ok(len)
    }

    fn write_at(&self, _parts: &[&[u8]], _position: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

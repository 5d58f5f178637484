//! Files and directories of the simulated disk, and what a power cut makes of them.

use std::collections::BTreeMap;

use crate::random::Rng;

/// What a disk writes at once or not at all, in bytes.
const SECTOR_BYTES: usize = 512;

pub(super) enum Inode {
    File(FileNode),
    Dir(Dir),
}

impl Inode {
    pub(super) fn dir(&self) -> Option<&Dir> {
        match self {
            Inode::Dir(dir) => Some(dir),
            Inode::File(_) => None,
        }
    }
}

/// A change of a file that is not on the medium yet.
pub(super) struct Change {
    /// Counts all changes of the disk.
    pub(super) number: u64,
    /// When it was made, in virtual time.
    pub(super) at: u64,
    /// A flush has covered it, and the disk lied: it stands in the disk's own cache, which a power cut empties.
    in_disk_cache: bool,
    what: What,
}

enum What {
    Write(usize, Vec<u8>),
    SetLen(usize),
}

impl What {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            What::Write(at, bytes) => put(to, *at, bytes),
            What::SetLen(len) => to.resize(*len, 0),
        }
    }
}

fn put(to: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[at..end].copy_from_slice(bytes);
}

/// One file.
#[derive(Default)]
pub(super) struct FileNode {
    /// On the medium.
    pub(super) durable: Vec<u8>,
    /// As processes see it.
    pub(super) now: Vec<u8>,
    /// What makes `now` of `durable`, oldest first.
    pub(super) pending: Vec<Change>,
}

impl FileNode {
    pub(super) fn read(&self, buf: &mut [u8], position: u64) -> usize {
        let from = usize::try_from(position).unwrap_or(usize::MAX).min(self.now.len());
        let len = buf.len().min(self.now.len() - from);
        buf[..len].copy_from_slice(&self.now[from..from + len]);
        len
    }

    pub(super) fn write(&mut self, number: u64, at: u64, position: u64, bytes: Vec<u8>) {
        let position = usize::try_from(position).expect("a simulated file is small");
        self.change(number, at, What::Write(position, bytes));
    }

    pub(super) fn set_len(&mut self, number: u64, at: u64, len: u64) {
        self.change(number, at, What::SetLen(usize::try_from(len).expect("a simulated file is small")));
    }

    fn change(&mut self, number: u64, at: u64, what: What) {
        what.apply(&mut self.now);
        self.pending.push(Change { number, at, in_disk_cache: false, what });
    }

    /// Brings the changes that the flush covers to the medium.
    pub(super) fn sync(&mut self, covered: impl Fn(&Change) -> bool) {
        let durable = &mut self.durable;
        self.pending.retain(|change| {
            let covered = covered(change);
            if covered {
                change.what.apply(durable);
            }
            !covered
        });
    }

    /// A disk that lies takes the changes that the flush covers into its own cache, and writes the older of them from there.
    pub(super) fn sync_falsely(
        &mut self,
        covered: impl Fn(&Change) -> bool,
        is_written: impl Fn(&Change) -> bool,
    ) {
        self.sync(|change| covered(change) && is_written(change));
        for change in self.pending.iter_mut().filter(|change| covered(change)) {
            change.in_disk_cache = true;
        }
    }

    /// A flush failed: some of the changes reached the medium, the pages of the others are marked clean all the same, so
    /// that no later flush brings them there. Processes go on seeing them until the power fails.
    pub(super) fn fail_sync(&mut self, rng: &mut Rng) {
        for change in std::mem::take(&mut self.pending) {
            if rng.chance(300) {
                change.what.apply(&mut self.durable);
            }
        }
    }

    /// Leaves what a power cut leaves; answers how many changes were lost and torn.
    pub(super) fn lose_power(&mut self, rng: &mut Rng, style: u64) -> (u64, u64) {
        let (mut lost, mut torn) = (0, 0);
        // Style 2: a prefix of the changes; style 3: any of them.
        let prefix = if self.pending.is_empty() { 0 } else { rng.index(self.pending.len() + 1) };
        for (number, change) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            let fate = match style {
                _ if change.in_disk_cache => Fate::Lost,
                0 => Fate::Lost,
                1 => Fate::Kept,
                2 if number < prefix => Fate::Kept,
                2 if number == prefix => Fate::Torn,
                2 => Fate::Lost,
                _ => rng.pick(&[Fate::Kept, Fate::Kept, Fate::Lost, Fate::Lost, Fate::Torn]),
            };
            match (fate, change.what) {
                (Fate::Kept, what) => what.apply(&mut self.durable),
                (Fate::Torn, What::Write(at, bytes)) => {
                    torn += 1;
                    tear(&mut self.durable, at, &bytes, rng);
                }
                (Fate::Lost, _) | (Fate::Torn, What::SetLen(_)) => lost += 1,
            }
        }
        self.now.clone_from(&self.durable);
        (lost, torn)
    }
}

#[derive(Clone, Copy)]
enum Fate {
    Kept,
    Lost,
    Torn,
}

/// Writes some of the sectors.
fn tear(to: &mut Vec<u8>, at: usize, bytes: &[u8], rng: &mut Rng) {
    let mut from = 0;
    while from < bytes.len() {
        let sector_end = ((at + from) / SECTOR_BYTES + 1) * SECTOR_BYTES - at;
        let end = sector_end.min(bytes.len());
        if rng.chance(500) {
            put(to, at + from, &bytes[from..end]);
        }
        from = end;
    }
}

/// One directory.
#[derive(Default)]
pub(super) struct Dir {
    durable: BTreeMap<String, u64>,
    pub(super) now: BTreeMap<String, u64>,
    pub(super) pending: Vec<NameChange>,
}

impl Dir {
    pub(super) fn durable(&self) -> &BTreeMap<String, u64> {
        &self.durable
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    pub(super) fn lose_power(&mut self, rng: &mut Rng, style: u64) -> u64 {
        let mut lost = 0;
        let prefix = if self.pending.is_empty() { 0 } else { rng.index(self.pending.len() + 1) };
        for (number, change) in std::mem::take(&mut self.pending).into_iter().enumerate() {
            let kept = match style {
                0 => false,
                1 => true,
                2 => number < prefix,
                _ => rng.chance(500),
            };
            if kept {
                change.apply(&mut self.durable);
            } else {
                lost += 1;
            }
        }
        self.now.clone_from(&self.durable);
        lost
    }
}

/// A change of a directory.
pub(super) enum NameChange {
    Link(String, u64),
    Unlink(String),
    Rename(String, String, u64),
}

impl NameChange {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Link(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            NameChange::Unlink(name) => {
                names.remove(name);
            }
            NameChange::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

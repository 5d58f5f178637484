//! Reads a segment file from front to back and says where it stops being whole.

use std::path::Path;

use bytes::Bytes;
use forebay_env::File;
use forebay_model::{LogIndex, Term};

use crate::body::{check_prefix, lines};
use crate::crc::Crc32c;
use crate::entry::{ENTRY_MAGIC, Entry, EntryHeader, HEADER_BYTES, Local, Place};
use crate::fault::{Action, Fault};
use crate::limits::SCAN_WINDOW_BYTES;
use crate::segment::{Generation, SegmentId};

/// How much of each entry is read and checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Headers and directories.
    Headers,
    /// Every byte.
    Full,
}

/// Which local fields are acceptable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LocalCheck {
    /// They must be empty or match this salt.
    Salt(u64),
    /// They are nobody's business here.
    Ignore,
}

/// Where one step of a scan came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole entry.
    Entry(Found),
    /// The file ends where an entry would begin.
    End,
    /// What begins here is no whole entry, or not the one that must follow.
    Bad(String),
}

/// A whole entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    pub(crate) header: EntryHeader,
    pub(crate) position: u64,
}

/// Entries of a segment file in order.
pub(crate) struct Scanner<'a> {
    file: &'a dyn File,
    path: &'a Path,
    id: SegmentId,
    len: u64,
    position: u64,
    previous: Option<(LogIndex, Term)>,
    local: LocalCheck,
    window: Window,
}

impl<'a> Scanner<'a> {
    /// Scans `len` bytes of the file from the entry at `position`; `previous` is the one before it.
    pub(crate) fn new(
        file: &'a dyn File,
        path: &'a Path,
        id: SegmentId,
        local: LocalCheck,
        (position, len): (u64, u64),
        previous: Option<(LogIndex, Term)>,
    ) -> Scanner<'a> {
        Scanner { file, path, id, len, position, previous, local, window: Window::default() }
    }

    /// Where the next entry begins, or where the bad one does.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Reads the next entry.
    pub(crate) fn step(&mut self, depth: Depth) -> Result<Step, Fault> {
        if self.position == self.len {
            return Ok(Step::End);
        }
        let header = match self.header()? {
            Ok(header) => header,
            Err(what) => return Ok(Step::Bad(what)),
        };
        if depth == Depth::Full
            && let Err(what) = self.check_slots(&header)?
        {
            return Ok(Step::Bad(what));
        }
        let found = Found { header, position: self.position };
        self.previous = Some((header.index, header.term));
        self.position += header.stored_len();
        Ok(Step::Entry(found))
    }

    fn header(&mut self) -> Result<Result<EntryHeader, String>, Fault> {
        let Some(raw) = self.bytes(self.position, HEADER_BYTES)? else {
            return Ok(Err("the entry's header is cut short".into()));
        };
        let header = match EntryHeader::decode(raw.first_chunk().expect("read to this length")) {
            Ok(header) => header,
            Err(what) => return Ok(Err(what.into())),
        };
        let Some(prefix) = self.bytes(self.position + HEADER_BYTES as u64, header.prefix_len())? else {
            return Ok(Err("the entry's directory is cut short".into()));
        };
        if !header.crc_matches(prefix) {
            return Ok(Err("the entry's header does not match its checksum".into()));
        }
        if let Err(error) = check_prefix(prefix, header.slot_count as usize, header.body_len as usize) {
            return Ok(Err(error.to_string()));
        }
        if header.stored_len() > self.len - self.position {
            return Ok(Err("the entry is cut short".into()));
        }
        Ok(self.check_order(&header).map(|()| header))
    }

    fn check_order(&self, header: &EntryHeader) -> Result<(), String> {
        let expected = self.previous.map_or(self.id.first, |(index, _)| index.next());
        let in_order = if self.id.generation == Generation::APPENDED {
            header.index == expected
        } else {
            header.index >= expected
        };
        if !in_order {
            return Err(format!("entry {} stands where entry {expected} must be", header.index));
        }
        if self.previous.is_some_and(|(_, term)| header.term < term) {
            return Err(format!("entry {} has a lower term than the one before it", header.index));
        }
        if let LocalCheck::Salt(salt) = self.local {
            let place = Place { salt, segment: self.id.first, position: self.position };
            if header.local_at(place) == Local::Damaged {
                return Err("the entry's durable index does not match its checksum".into());
            }
        }
        Ok(())
    }

    fn check_slots(&mut self, header: &EntryHeader) -> Result<Result<(), String>, Fault> {
        let mut at = self.position + HEADER_BYTES as u64;
        let prefix = self.bytes(at, header.prefix_len())?.expect("just read").to_vec();
        at += prefix.len() as u64;
        for line in lines(&prefix) {
            let mut crc = Crc32c::new();
            let end = at + u64::from(line.len);
            while at < end {
                let take = usize::try_from(end - at).expect("a slot's length").min(SCAN_WINDOW_BYTES);
                let Some(piece) = self.bytes(at, take)? else {
                    return Ok(Err("the entry is cut short".into()));
                };
                crc.update(piece);
                at += take as u64;
            }
            if crc.value() != line.crc {
                return Ok(Err(format!(
                    "slot {} of entry {} does not match its checksum",
                    line.number, header.index
                )));
            }
        }
        Ok(Ok(()))
    }

    /// The body of an entry that was just found.
    pub(crate) fn body(&mut self, found: &Found) -> Result<Bytes, Fault> {
        let len = found.header.body_len as usize;
        let position = found.position + HEADER_BYTES as u64;
        if len <= SCAN_WINDOW_BYTES {
            let bytes = self.bytes(position, len)?.map(Bytes::copy_from_slice);
            return bytes.ok_or_else(|| Fault::corrupt(self.path, found.position, "the entry is cut short"));
        }
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, position).map_err(Fault::io(Action::Read, self.path))?;
        Ok(bytes.into())
    }

    /// The entry that was just found, with its body.
    pub(crate) fn entry(&mut self, found: &Found) -> Result<Entry, Fault> {
        let body = self.body(found)?;
        Ok(Entry { term: found.header.term, index: found.header.index, kind: found.header.kind, body })
    }

    /// The bytes of the body of an entry that was just found, before its first slot's.
    pub(crate) fn prefix(&mut self, found: &Found) -> Result<Vec<u8>, Fault> {
        let bytes = self.bytes(found.position + HEADER_BYTES as u64, found.header.prefix_len())?;
        let bytes = bytes.map(<[u8]>::to_vec);
        bytes.ok_or_else(|| Fault::corrupt(self.path, found.position, "the entry is cut short"))
    }

    fn bytes(&mut self, position: u64, len: usize) -> Result<Option<&[u8]>, Fault> {
        self.window.get(self.file, self.path, (position, self.len), len)
    }
}

/// The highest durable index that any entry's local fields prove in `range` of a file, wherever it begins: looks at
/// every place where an entry's magic stands. The salt keeps a payload from passing for an entry.
pub(crate) fn highest_durable(
    file: &dyn File,
    path: &Path,
    segment: LogIndex,
    salt: u64,
    (mut position, len): (u64, u64),
) -> Result<Option<LogIndex>, Fault> {
    let mut window = Window::default();
    let mut highest = None;
    while position + HEADER_BYTES as u64 <= len {
        let take = usize::try_from(len - position).unwrap_or(usize::MAX).min(SCAN_WINDOW_BYTES);
        let bytes = window.get(file, path, (position, len), take)?.expect("within the file");
        let starts = take - (HEADER_BYTES - 1);
        for at in memchr_magic(bytes).take_while(|at| *at < starts) {
            let raw = bytes[at..].first_chunk().expect("a header fits behind every start");
            let Ok(header) = EntryHeader::decode(raw) else { continue };
            let place = Place { salt, segment, position: position + at as u64 };
            if let Local::Durable(durable) = header.local_at(place) {
                highest = highest.max(Some(durable));
            }
        }
        position += starts as u64;
    }
    Ok(highest)
}

/// Whether a file has nothing but zeros in this range.
pub(crate) fn only_zeros(file: &dyn File, path: &Path, (from, end): (u64, u64)) -> Result<bool, Fault> {
    let mut window = Window::default();
    let mut at = from;
    while at < end {
        let take = usize::try_from(end - at).unwrap_or(usize::MAX).min(SCAN_WINDOW_BYTES);
        let bytes = window.get(file, path, (at, end), take)?.expect("within the file");
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += take as u64;
    }
    Ok(true)
}

fn memchr_magic(bytes: &[u8]) -> impl Iterator<Item = usize> + '_ {
    bytes.windows(ENTRY_MAGIC.len()).enumerate().filter(|(_, four)| *four == ENTRY_MAGIC).map(|(at, _)| at)
}

/// A piece of a file in memory.
#[derive(Default)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// `len` bytes at `position`; `None` when the file, which is `file_len` long, ends before.
    fn get(
        &mut self,
        file: &dyn File,
        path: &Path,
        (position, file_len): (u64, u64),
        len: usize,
    ) -> Result<Option<&[u8]>, Fault> {
        if position.checked_add(len as u64).is_none_or(|end| end > file_len) {
            return Ok(None);
        }
        let held = self.start..self.start + self.bytes.len() as u64;
        if !(held.start <= position && position + len as u64 <= held.end) {
            let want = (SCAN_WINDOW_BYTES.max(len) as u64).min(file_len - position);
            self.bytes.resize(usize::try_from(want).expect("bounded by a window or a directory"), 0);
            self.start = position;
            if let Err(error) = file.read_exact_at(&mut self.bytes, position) {
                self.bytes.clear();
                return Err(Fault::io(Action::Read, path)(error));
            }
        }
        let from = usize::try_from(position - self.start).expect("within the window");
        Ok(Some(&self.bytes[from..from + len]))
    }
}

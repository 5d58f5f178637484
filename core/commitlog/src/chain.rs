//! Reads the chain of segments of a log, finds where it breaks, and judges the break. Changes nothing. The rules are in
//! `docs/formats/segment.md`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use forebay_env::{Disk, File, OpenMode};
use forebay_model::{LogIndex, Position, ShardId};

use crate::block_cache::BlockCache;
use crate::entry::EntryKind;
use crate::fault::{Action, Corruption, Fault};
use crate::files::{MemoryIndex, Segment, SegmentIndex};
use crate::manifest::Manifest;
use crate::positions::PositionTable;
use crate::reclaim::open_sealed;
use crate::scan::{Depth, LocalCheck, Scanner, Step, highest_durable, only_zeros};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentId, check_header};
use crate::sidecar::Sidecar;
use crate::terms::TermTable;

/// Where the chain of entries breaks.
pub(crate) struct Break {
    pub(crate) file: PathBuf,
    pub(crate) position: u64,
    pub(crate) what: String,
    /// The segment it is in; `None` when a whole file is missing.
    pub(crate) segment: Option<SegmentId>,
}

/// What a look at a log found, without touching it.
pub(crate) struct Inspected {
    pub(crate) last: LogIndex,
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) unfinished: Option<(PathBuf, Position, String)>,
    pub(crate) damaged_sidecars: Vec<Corruption>,
    pub(crate) entries_scanned: u64,
    pub(crate) bytes_scanned: u64,
}

/// Reads a log as an open does, and changes nothing.
pub(crate) fn inspect(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
    recorded: LogIndex,
    cache: &Arc<BlockCache>,
) -> Result<Inspected, Fault> {
    let mut recovery = Recovery::new(disk, dir, manifest, recorded, cache);
    recovery.mode = OpenMode::Read;
    recovery.read_segments()?;
    let unfinished = recovery.unfinished()?;
    Ok(Inspected {
        last: recovery.end,
        segments: recovery.segments,
        unfinished: unfinished.map(|broken| (broken.file, Position(broken.position), broken.what)),
        damaged_sidecars: recovery.damaged_sidecars,
        entries_scanned: recovery.entries_scanned,
        bytes_scanned: recovery.bytes_scanned,
    })
}

/// A chain being read.
pub(crate) struct Recovery<'a> {
    pub(crate) mode: OpenMode,
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a Path,
    pub(crate) manifest: &'a Manifest,
    pub(crate) cache: &'a Arc<BlockCache>,
    pub(crate) shard: ShardId,
    /// D: the highest durable index on record.
    pub(crate) durable: LogIndex,
    /// The last entry of the unbroken chain.
    pub(crate) end: LogIndex,
    pub(crate) terms: TermTable,
    pub(crate) segments: Vec<Arc<Segment>>,
    /// Files behind the break.
    pub(crate) behind: Vec<SegmentId>,
    pub(crate) broken: Option<Break>,
    pub(crate) damaged_sidecars: Vec<Corruption>,
    pub(crate) entries_scanned: u64,
    pub(crate) bytes_scanned: u64,
}

impl<'a> Recovery<'a> {
    pub(crate) fn new(
        disk: &'a dyn Disk,
        dir: &'a Path,
        manifest: &'a Manifest,
        recorded: LogIndex,
        cache: &'a Arc<BlockCache>,
    ) -> Recovery<'a> {
        // Listed segments, the floor and the current checkpoint were durable before the manifest named them.
        let listed = manifest.tail_first.previous();
        let named = listed.max(manifest.floor.index).max(manifest.checkpoint.unwrap_or_default().index);
        Recovery {
            mode: OpenMode::Write,
            disk,
            dir,
            manifest,
            cache,
            shard: manifest.shard,
            durable: recorded.max(named),
            end: listed,
            terms: TermTable::new(manifest.floor),
            segments: Vec::new(),
            behind: Vec::new(),
            broken: None,
            damaged_sidecars: Vec::new(),
            entries_scanned: 0,
            bytes_scanned: 0,
        }
    }

    pub(crate) fn read_segments(&mut self) -> Result<(), Fault> {
        let mut ids = self.manifest.segments.clone();
        let tail_first = self.manifest.tail_first;
        for entry in self.disk.list(self.dir).map_err(Fault::io(Action::List, self.dir))? {
            let id = SegmentId::parse(self.shard, &entry.name, ".seg");
            ids.extend(id.filter(|id| id.first >= tail_first));
        }
        ids.sort();
        for id in ids {
            if self.broken.is_some() {
                self.behind.push(id);
            } else if id.first < tail_first {
                self.read_listed(id)?;
            } else {
                self.read_tail(id)?;
            }
        }
        Ok(())
    }

    /// A segment that the manifest names: complete and flushed, or damaged.
    fn read_listed(&mut self, id: SegmentId) -> Result<(), Fault> {
        if self.open_sidecar(id)? {
            return Ok(());
        }
        Err(Fault::corrupt(&self.dir.join(id.sidecar_name()), 0, "the sidecar is missing"))
    }

    /// Opens a segment by its sidecar's footer; answers whether there is one.
    fn open_sidecar(&mut self, id: SegmentId) -> Result<bool, Fault> {
        let segment = match open_sealed(self.disk, self.dir, id, self.cache) {
            Ok(segment) => segment,
            Err(Fault::Io(io)) if io.is_missing(&self.dir.join(id.sidecar_name())) => return Ok(false),
            Err(fault) => return Err(fault),
        };
        let sidecar = segment.sidecar().expect("opened by it");
        let summary = *sidecar.summary();
        if summary.last.index > self.terms.floor().index {
            let terms = sidecar.terms()?;
            let ends = terms.iter().skip(1).map(|next| next.index.previous()).chain([summary.last.index]);
            for (run, end) in terms.iter().zip(ends) {
                self.terms.extend(run.term, end);
            }
        }
        self.durable = self.durable.max(summary.last.index);
        self.end = self.end.max(summary.last.index);
        self.segments.push(Arc::new(segment));
        Ok(true)
    }

    /// Sealed segments that still need a sidecar.
    pub(crate) fn without_sidecar(&self) -> Vec<SegmentId> {
        let lacks = self.segments.iter().filter(|segment| segment.sidecar().is_none() && segment.is_sealed());
        lacks.map(|segment| segment.id).collect()
    }

    fn read_tail(&mut self, id: SegmentId) -> Result<(), Fault> {
        let expected = self.end.next();
        let before = self.segments.last().filter(|before| before.id.first >= self.manifest.tail_first);
        let broken = match before {
            Some(before) if !before.is_sealed() => Some(Break {
                file: before.path.clone(),
                position: before.len(),
                what: "the segment ends without a Seal, although another one follows".into(),
                segment: Some(before.id),
            }),
            _ if id.first != expected => {
                let missing = SegmentId { first: expected, ..id };
                let file = self.dir.join(missing.file_name());
                Some(Break { file, position: 0, what: "the segment is missing".into(), segment: None })
            }
            _ => None,
        };
        if broken.is_some() {
            self.broken = broken;
            self.behind.push(id);
            return Ok(());
        }
        match self.open_sidecar(id) {
            Ok(true) => Ok(()),
            Ok(false) => self.scan(id),
            // The segment itself is read instead, and the sidecar written again.
            Err(Fault::Corrupt(corruption)) if corruption.file == self.dir.join(id.sidecar_name()) => {
                self.damaged_sidecars.push(corruption);
                self.scan(id)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Reads every byte of a segment up to its end or its first bad entry.
    fn scan(&mut self, id: SegmentId) -> Result<(), Fault> {
        let path = self.dir.join(id.file_name());
        let file = self.disk.open(&path, self.mode).map_err(Fault::io(Action::Open, &path))?;
        let len = file.len().map_err(Fault::io(Action::Measure, &path))?;
        let mut index = MemoryIndex { table: PositionTable::new(id.first), sealed: false };
        let broken = match self.check_file_header(&*file, &path, id, len)? {
            Some(what) => Some((0, what)),
            None => self.scan_entries(&*file, &path, id, len, &mut index)?,
        };
        if let Some((position, what)) = broken {
            self.broken = Some(Break { file: path.clone(), position, what, segment: Some(id) });
        }
        let index = SegmentIndex::Memory(Mutex::new(index));
        self.segments.push(Arc::new(Segment { id, path, file, index }));
        Ok(())
    }

    fn check_file_header(
        &self,
        file: &dyn File,
        path: &Path,
        id: SegmentId,
        len: u64,
    ) -> Result<Option<String>, Fault> {
        let mut header = [0; SEGMENT_HEADER_BYTES as usize];
        if len < SEGMENT_HEADER_BYTES {
            return Ok(Some("the segment's header is cut short".into()));
        }
        file.read_exact_at(&mut header, 0).map_err(Fault::io(Action::Read, path))?;
        match check_header(&header, id, path) {
            Ok(()) => Ok(None),
            Err(Fault::Corrupt(corruption)) => Ok(Some(corruption.what)),
            Err(fault) => Err(fault),
        }
    }

    fn scan_entries(
        &mut self,
        file: &dyn File,
        path: &Path,
        id: SegmentId,
        len: u64,
        index: &mut MemoryIndex,
    ) -> Result<Option<(u64, String)>, Fault> {
        let salt = LocalCheck::Salt(self.manifest.salt);
        let mut scanner = Scanner::new(file, path, id, salt, (SEGMENT_HEADER_BYTES, len), None);
        loop {
            let found = match scanner.step(Depth::Full)? {
                Step::Entry(found) => found,
                // What was written ahead, and perhaps what was not written any more: both are nothing.
                Step::Bad(_) if only_zeros(file, path, (scanner.position(), len))? => return Ok(None),
                Step::Bad(what) => return Ok(Some((scanner.position(), what))),
                Step::End => return Ok(None),
            };
            let header = found.header;
            if index.sealed {
                return Ok(Some((found.position, "an entry stands behind the Seal".into())));
            }
            if header.term < self.terms.last().term && header.index > self.terms.floor().index {
                return Ok(Some((
                    found.position,
                    "the entry has a lower term than the one before it".into(),
                )));
            }
            self.terms.extend(header.term, header.index);
            self.end = self.end.max(header.index);
            index.table.push(header.index, header.stored_len());
            index.sealed = header.kind == EntryKind::Seal;
            self.durable = self.durable.max(header.durable);
            self.entries_scanned += 1;
            self.bytes_scanned += header.stored_len();
        }
    }

    /// Where an unfinished write begins; an error where something durable is missing.
    pub(crate) fn unfinished(&mut self) -> Result<Option<Break>, Fault> {
        self.look_behind_the_break()?;
        let last = self.end;
        let broken = match self.broken.take() {
            Some(broken) => broken,
            None if last >= self.durable => return Ok(None),
            None => Break {
                file: self.segments.last().map_or(self.dir.to_path_buf(), |segment| segment.path.clone()),
                position: self.segments.last().map_or(0, |segment| segment.len()),
                what: "the log ends here".into(),
                segment: None,
            },
        };
        if last < self.durable {
            let what = format!(
                "entry {} must be here, because everything up to {} was durable: {}",
                last.next(),
                self.durable,
                broken.what
            );
            return Err(Fault::corrupt(&broken.file, broken.position, what));
        }
        Ok(Some(broken))
    }

    /// Raises D by what survived behind the break: an entry there proves what was flushed before it was written.
    fn look_behind_the_break(&mut self) -> Result<(), Fault> {
        let Some(broken) = &self.broken else { return Ok(()) };
        let mut ranges: Vec<(SegmentId, u64)> = self.behind.iter().map(|id| (*id, 0)).collect();
        ranges.extend(broken.segment.map(|id| (id, broken.position)));
        for (id, position) in ranges {
            if let Ok(Some(sidecar)) = Sidecar::open(self.disk, self.dir, id, self.cache) {
                self.durable = self.durable.max(sidecar.summary().last.index);
            }
            let path = self.dir.join(id.file_name());
            let file = self.disk.open(&path, OpenMode::Read).map_err(Fault::io(Action::Open, &path))?;
            let len = file.len().map_err(Fault::io(Action::Measure, &path))?;
            let found = highest_durable(&*file, &path, id.first, self.manifest.salt, (position, len))?;
            self.durable = self.durable.max(found.unwrap_or_default());
        }
        Ok(())
    }
}

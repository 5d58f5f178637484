//! Opens a shard's directory: makes it when it is new, removes what does not count, reads what does, cuts an unfinished
//! write, reports corruption, and flushes what it kept. The rules are in `docs/formats/segment.md`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use forebay_env::{Disk, OpenMode};
use forebay_model::{LogIndex, Position};

use crate::chain::{Break, Recovery};
use crate::config::LogConfig;
use crate::directory::Directory;
use crate::durable::{DURABLE_NAME, DurableFile, DurableRecord};
use crate::fault::{Action, Corruption, FENCED_NAME, Fault, Fence, leave_mark};
use crate::files::{Files, MemoryIndex, Segment, SegmentIndex};
use crate::hard_state::{HARD_STATE_NAME, HardStateFile};
use crate::install::{install_names, move_in};
use crate::keeper::is_stale_checkpoint;
use crate::manifest::{Manifest, ManifestStore, TMP_ENDING, remove_if_there};
use crate::positions::PositionTable;
use crate::segment::{Generation, SEGMENT_HEADER_BYTES, SegmentId};
use crate::tail::TailCache;
use crate::terms::{Point, TermTable};
use crate::transfer::incoming_files;
use crate::write_over::write_over;

/// What an open found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Whether there was no log before.
    pub created: bool,
    /// The end of the log.
    pub last: Point,
    /// The durable index on record: nothing at or below it was lost.
    pub recorded: LogIndex,
    /// Whether the last process said that it stops.
    pub clean_stop: bool,
    /// The unfinished write that was cut, if there was one.
    pub cut: Option<Cut>,
    /// Whether a fault of the last process made this open copy the tail into new files.
    pub rewritten: bool,
    /// The current checkpoint.
    pub checkpoint: Option<Point>,
    /// Entries that were read and checked.
    pub entries_scanned: u64,
    /// Bytes that were read and checked.
    pub bytes_scanned: u64,
    /// Segments that count.
    pub segments: usize,
    /// Sealed segments whose sidecar must be written (again): `Keeper::write_sidecar`.
    pub without_sidecar: Vec<SegmentId>,
    /// Sidecars of the tail that were there and damaged; their segments are among the ones above.
    pub damaged_sidecars: Vec<Corruption>,
    /// Files of the segment directory that were damaged; they were removed and will be made again.
    pub damaged_directory: Vec<Corruption>,
}

/// An unfinished write at the end of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file it was in.
    pub file: PathBuf,
    /// Where it began.
    pub position: Position,
    /// Bytes that were cut, later files included.
    pub bytes: u64,
    /// Why it was no whole entry.
    pub what: String,
}

pub(crate) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    config: &LogConfig,
) -> Result<(Files, TermTable, Recovered), Fault> {
    try_open(&disk, dir, config).inspect_err(|fault| {
        // The next open finds the same pages, and its flush would pass them by.
        if fault.is_failed_flush() {
            leave_mark(&*disk, dir);
        }
    })
}

fn try_open(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    config: &LogConfig,
) -> Result<(Files, TermTable, Recovered), Fault> {
    let (mut manifest, created) = match Manifest::load(&**disk, dir) {
        Ok(Some(manifest)) => (manifest, false),
        Ok(None) => (create(&**disk, dir, config)?, true),
        Err(fault) => return Err(fault),
    };
    if manifest.shard != config.shard {
        let what = format!("it belongs to shard {}, not to shard {}", manifest.shard, config.shard);
        return Err(Fault::corrupt(&dir.join("manifest"), 0, what));
    }
    // An earlier process may have renamed the manifest and failed to flush its name. What only the one before it names is
    // removed below, and a power cut could bring that one back. After a fault the name may be known to the cache only.
    let fenced = has_mark(&**disk, dir)?;
    if fenced {
        manifest.sequence += 1;
        manifest.store(&**disk, dir)?;
    } else {
        disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))?;
    }
    if manifest.installing {
        move_in(&**disk, dir, &install_names(&manifest))?;
        manifest.installing = false;
        manifest.sequence += 1;
        manifest.store(&**disk, dir)?;
    }
    remove_debris(&**disk, dir, &manifest)?;
    let (durable_file, record) = DurableFile::open(&**disk, dir)?;
    let left_behind = incoming_files(&**disk, dir, manifest.shard)?.into_iter().collect();

    let named = manifest.clone();
    let mut recovery = Recovery::new(&**disk, dir, &named, record.index, &config.block_cache);
    recovery.read_segments()?;
    let cut = recovery.judge()?;
    recovery.flush(fenced)?;
    if fenced {
        remove_mark(&**disk, dir)?;
    }
    let opened = Directory::open(&**disk, dir, manifest.shard, &config.block_cache)?;
    let last = recovery.terms.last();
    durable_file.record(DurableRecord { index: last.index, clean_stop: false }, durable_file.epoch())?;

    let recovered = Recovered {
        created,
        last,
        recorded: recovery.durable,
        clean_stop: record.clean_stop,
        cut,
        rewritten: fenced,
        checkpoint: manifest.checkpoint,
        entries_scanned: recovery.entries_scanned,
        bytes_scanned: recovery.bytes_scanned,
        segments: recovery.segments.len(),
        without_sidecar: recovery.without_sidecar(),
        damaged_sidecars: recovery.damaged_sidecars,
        damaged_directory: opened.damaged,
    };
    let Recovery { segments, terms, .. } = recovery;
    let files = Files::new(
        disk.clone(),
        dir.to_path_buf(),
        manifest.shard,
        manifest.salt,
        Arc::new(Fence::new(disk.clone(), dir)),
        durable_file,
        config.journal.clone(),
        ManifestStore::new(disk.clone(), dir, manifest),
        TailCache::new(config.tail_bytes_max),
        segments,
        config.block_cache.clone(),
        config.read_buffers.clone(),
        opened.directory,
        left_behind,
    );
    Ok((files, terms, recovered))
}

/// Forgets that a flush failed: whatever it left in doubt was written again.
fn remove_mark(disk: &dyn Disk, dir: &Path) -> Result<(), Fault> {
    let mark = dir.join(FENCED_NAME);
    disk.remove_file(&mark).map_err(Fault::io(Action::Remove, &mark))?;
    disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))
}

/// Makes the files of a new log; the manifest comes last, so its presence says that all of them are there.
fn create(disk: &dyn Disk, dir: &Path, config: &LogConfig) -> Result<Manifest, Fault> {
    disk.create_dir_all(dir).map_err(Fault::io(Action::Create, dir))?;
    for entry in disk.list(dir).map_err(Fault::io(Action::List, dir))? {
        if SegmentId::parse(config.shard, &entry.name, ".seg").is_some() {
            return Err(Fault::corrupt(&dir.join("manifest"), 0, "there are segments, but no manifest"));
        }
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        disk.sync_dir(parent).map_err(Fault::io(Action::Flush, parent))?;
    }
    for name in [HARD_STATE_NAME, DURABLE_NAME] {
        remove_if_there(disk, &dir.join(name))?;
    }
    HardStateFile::create(disk, dir, config.origin)?;
    DurableFile::create(disk, dir, config.origin.index)?;
    disk.sync_dir(dir).map_err(Fault::io(Action::Flush, dir))?;
    let manifest = Manifest {
        sequence: 1,
        shard: config.shard,
        salt: config.salt,
        floor: config.origin,
        tail_first: config.origin.index.next(),
        checkpoint: None,
        segments: Vec::new(),
        installing: false,
    };
    manifest.store(disk, dir)?;
    Ok(manifest)
}

/// Removes files of ours that do not count: half-written ones, and segments that the manifest no longer names.
fn remove_debris(disk: &dyn Disk, dir: &Path, manifest: &Manifest) -> Result<(), Fault> {
    for entry in disk.list(dir).map_err(Fault::io(Action::List, dir))? {
        let id = [".seg", ".idx"].iter().find_map(|end| SegmentId::parse(manifest.shard, &entry.name, end));
        let debris = entry.name.ends_with(TMP_ENDING)
            || id.is_some_and(|id| !counts(manifest, id))
            || is_stale_checkpoint(&entry.name, manifest);
        if debris && !entry.is_dir {
            remove_if_there(disk, &dir.join(&entry.name))?;
        }
    }
    Ok(())
}

/// Whether a segment found in the directory is part of the log.
fn counts(manifest: &Manifest, id: SegmentId) -> bool {
    let in_tail = id.first >= manifest.tail_first;
    if in_tail { id.generation == Generation::APPENDED } else { manifest.segments.contains(&id) }
}

impl Recovery<'_> {
    /// Decides whether the break is an unfinished write, and cuts it, or corruption.
    fn judge(&mut self) -> Result<Option<Cut>, Fault> {
        match self.unfinished()? {
            Some(broken) => self.cut(broken).map(Some),
            None => Ok(None),
        }
    }

    /// Removes the unfinished write: files behind it, last first, then the rest of its own.
    fn cut(&mut self, broken: Break) -> Result<Cut, Fault> {
        let mut bytes = 0;
        let mut removed = self.behind.clone();
        // A file whose header was not finished has no entry: it goes as a whole.
        let whole = broken.segment.filter(|_| broken.position < SEGMENT_HEADER_BYTES);
        if let Some(id) = whole {
            removed.push(id);
            self.segments.pop();
        }
        removed.sort();
        for id in removed.iter().rev() {
            let path = self.dir.join(id.file_name());
            let file = self.disk.open(&path, OpenMode::Read).map_err(Fault::io(Action::Open, &path))?;
            bytes += file.len().map_err(Fault::io(Action::Measure, &path))?;
            self.disk.remove_file(&path).map_err(Fault::io(Action::Remove, &path))?;
        }
        if !removed.is_empty() {
            self.disk.sync_dir(self.dir).map_err(Fault::io(Action::Flush, self.dir))?;
        }
        if let (Some(_), None, Some(segment)) = (broken.segment, whole, self.segments.last()) {
            let len = segment.file.len().map_err(Fault::io(Action::Measure, &segment.path))?;
            bytes += len - broken.position;
            segment.file.set_len(broken.position).map_err(Fault::io(Action::Cut, &segment.path))?;
        }
        Ok(Cut { file: broken.file, position: Position(broken.position), bytes, what: broken.what })
    }

    /// Where the part of a scanned segment begins that is not known to be on the medium.
    fn unproven(&self, segment: &Segment) -> u64 {
        if segment.id.first > self.durable {
            return 0;
        }
        let memory = segment.memory().expect("only segments without a sidecar are scanned");
        memory.table.at_or_after(self.durable.next()).map_or(memory.table.end(), |(_, position)| position)
    }

    /// Puts everything that was scanned onto the medium: Raft takes what it is told at start for flushed. The
    /// files are copied when the last process met a fault.
    fn flush(&mut self, fenced: bool) -> Result<(), Fault> {
        for at in 0..self.segments.len() {
            if self.segments[at].sidecar().is_some() {
                continue;
            }
            if fenced {
                self.segments[at] = Arc::new(copy_segment(self.disk, self.dir, &self.segments[at])?);
            } else {
                let segment = &self.segments[at];
                let len = segment.file.len().map_err(Fault::io(Action::Measure, &segment.path))?;
                if len > segment.len() {
                    segment.file.set_len(segment.len()).map_err(Fault::io(Action::Cut, &segment.path))?;
                }
                write_over(&*segment.file, &segment.path, self.unproven(segment), segment.len())?;
                segment.file.sync_data().map_err(Fault::io(Action::Flush, &segment.path))?;
            }
        }
        // They were reported. Left there, one could pass for the sidecar of other entries, appended after a truncation.
        for damaged in &self.damaged_sidecars {
            remove_if_there(self.disk, &damaged.file)?;
        }
        self.disk.sync_dir(self.dir).map_err(Fault::io(Action::Flush, self.dir))
    }
}

/// Whether the flush of an earlier process failed.
fn has_mark(disk: &dyn Disk, dir: &Path) -> Result<bool, Fault> {
    let mark = dir.join(FENCED_NAME);
    match disk.open(&mark, OpenMode::Read) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Fault::io(Action::Open, &mark)(error)),
    }
}

/// Copies a segment into a new file under the same name: its pages may be clean in the cache and not on the medium.
fn copy_segment(disk: &dyn Disk, dir: &Path, segment: &Segment) -> Result<Segment, Fault> {
    const PIECE_BYTES: u64 = 1024 * 1024;
    let tmp = dir.join(segment.id.file_name() + TMP_ENDING);
    let copy = disk.open(&tmp, OpenMode::CreateNew).map_err(Fault::io(Action::Create, &tmp))?;
    let len = segment.len();
    let mut at = 0;
    let mut piece = Vec::new();
    while at < len {
        let take = PIECE_BYTES.min(len - at);
        piece.resize(usize::try_from(take).expect("one piece"), 0);
        segment.file.read_exact_at(&mut piece, at).map_err(Fault::io(Action::Read, &segment.path))?;
        copy.write_at(&[&piece], at).map_err(Fault::io(Action::Write, &tmp))?;
        at += take;
    }
    copy.sync_data().map_err(Fault::io(Action::Flush, &tmp))?;
    disk.rename(&tmp, &segment.path).map_err(Fault::io(Action::Rename, &tmp))?;
    let mut memory = segment.memory().expect("only segments without a sidecar are copied");
    let table = std::mem::replace(&mut memory.table, PositionTable::new(segment.id.first));
    let index = SegmentIndex::Memory(Mutex::new(MemoryIndex { table, sealed: memory.sealed }));
    Ok(Segment { id: segment.id, path: segment.path.clone(), file: copy, index })
}

//! Reads everything in a shard's directory that nobody has open, and lists what is damaged. Changes nothing.

use std::path::Path;
use std::sync::Arc;

use forebay_env::Disk;
use forebay_model::{LogIndex, Position};

use crate::block_cache::BlockCache;
use crate::chain::inspect;
use crate::checkpoint::CheckpointFile;
use crate::directory::{Cover, DirectoryFile};
use crate::durable::{self, DURABLE_MAGIC, DURABLE_NAME};
use crate::fault::{Action, Corruption, Fault};
use crate::files::Segment;
use crate::hard_state::{self, HARD_STATE_MAGIC, HARD_STATE_NAME};
use crate::limits::{BLOCK_CACHE_BYTES_DEFAULT, MANIFEST_BYTES_MAX};
use crate::manifest::{MANIFEST_NAME, Manifest, read_whole};
use crate::segment::SegmentId;
use crate::slots::{damaged_copies, newest_of};
use crate::transfer::check_segment;

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Segments that count.
    pub segments: usize,
    /// Log entries read.
    pub entries: u64,
    /// Bytes of segments read.
    pub bytes: u64,
    /// The last entry.
    pub last: LogIndex,
    /// Everything that is not as it was written.
    pub damage: Vec<Corruption>,
    /// Copies of a record that do not match their checksum while another copy does: torn by an unclean stop, or damaged; no
    /// content is lost.
    pub suspect: Vec<Corruption>,
    /// An unfinished write at the end, which the next start will cut: no damage.
    pub unfinished: Option<Corruption>,
    /// Sealed segments whose sidecar the next start will write: no damage.
    pub without_sidecar: Vec<SegmentId>,
    /// An install was interrupted; the next start completes it. Segments were not read.
    pub installing: bool,
}

impl Report {
    /// Whether everything that was durable is as it was written.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }

    /// Keeps a result, or notes the damage that stands in its place.
    fn note<T>(&mut self, result: Result<T, Fault>) -> Result<Option<T>, Fault> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(Fault::Corrupt(corruption)) => {
                self.damage.push(corruption);
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Verifies one shard's directory. An error means that it could not be read at all: damage is in the report.
pub fn verify_dir(disk: &dyn Disk, dir: &Path) -> Result<Report, Fault> {
    let mut report = Report::default();
    let loaded = Manifest::load(disk, dir);
    let Some(manifest) = report.note(loaded)? else { return Ok(report) };
    let Some(manifest) = manifest else {
        let what = "the manifest is missing".to_owned();
        report.damage.push(Corruption { file: dir.join(MANIFEST_NAME), position: Position(0), what });
        return Ok(report);
    };
    check_slots(disk, dir, HARD_STATE_NAME, HARD_STATE_MAGIC, &mut report, |record, path| {
        hard_state::decode(record, path).map(|_| LogIndex(0))
    })?;
    let recorded = check_slots(disk, dir, DURABLE_NAME, DURABLE_MAGIC, &mut report, |record, path| {
        durable::decode(record, path).map(|record| record.index)
    })?;
    report.installing = manifest.installing;
    if manifest.installing {
        return Ok(report);
    }
    if let Some(point) = manifest.checkpoint {
        let load = CheckpointFile::open(disk, dir, manifest.shard, point.index).and_then(|file| file.load());
        report.note(load)?;
    }
    let cache = BlockCache::new(BLOCK_CACHE_BYTES_DEFAULT);
    let inspected = inspect(disk, dir, &manifest, recorded.unwrap_or_default(), &cache);
    let Some(inspected) = report.note(inspected)? else { return Ok(report) };
    report.last = inspected.last;
    report.segments = inspected.segments.len();
    report.entries = inspected.entries_scanned;
    report.bytes = inspected.bytes_scanned;
    report.damage.extend(inspected.damaged_sidecars);
    report.unfinished =
        inspected.unfinished.map(|(file, position, what)| Corruption { file, position, what });
    for segment in &inspected.segments {
        check_sealed(segment, manifest.salt, &mut report)?;
    }
    check_directory(disk, dir, &manifest, &cache, &mut report)?;
    Ok(report)
}

/// Reads a segment with a sidecar in full; the others were read when the log was inspected.
fn check_sealed(segment: &Arc<Segment>, salt: u64, report: &mut Report) -> Result<(), Fault> {
    if segment.sidecar().is_none() {
        report.without_sidecar.extend(segment.is_sealed().then_some(segment.id));
        return Ok(());
    }
    if let Some(facts) = report.note(check_segment(segment, salt))? {
        report.entries += facts.positions.len() as u64;
        report.bytes += facts.bytes;
    }
    Ok(())
}

fn check_slots(
    disk: &dyn Disk,
    dir: &Path,
    name: &str,
    magic: [u8; 6],
    report: &mut Report,
    decode: impl FnOnce(&[u8], &Path) -> Result<LogIndex, Fault>,
) -> Result<Option<LogIndex>, Fault> {
    let path = dir.join(name);
    let read = read_whole(disk, &path, MANIFEST_BYTES_MAX)
        .and_then(|bytes| bytes.ok_or_else(|| Fault::corrupt(&path, 0, "the file is missing")));
    let Some(bytes) = report.note(read)? else { return Ok(None) };
    let newest = newest_of(&bytes, &path, magic).and_then(|newest| decode(&newest.record, &path));
    let newest = report.note(newest)?;
    for position in damaged_copies(&bytes, magic) {
        let what =
            "a copy does not match its checksum (a torn write, when the last stop was not clean)".into();
        let copy = Corruption { file: path.clone(), position: Position(position as u64), what };
        let list = if newest.is_some() { &mut report.suspect } else { &mut report.damage };
        list.push(copy);
    }
    Ok(newest)
}

fn check_directory(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
    cache: &Arc<BlockCache>,
    report: &mut Report,
) -> Result<(), Fault> {
    for entry in disk.list(dir).map_err(Fault::io(Action::List, dir))? {
        let Some(cover) = Cover::parse(&entry.name) else { continue };
        let open = DirectoryFile::open(disk, dir, manifest.shard, cover, cache);
        report.note(open.and_then(|file| file.run.verify()))?;
    }
    Ok(())
}

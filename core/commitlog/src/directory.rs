//! Which segments hold a partition: sorted files over ranges of segments, and the sidecars that no file covers yet.
//! Memory does not grow with partitions or segments. Format: `docs/formats/sidecar.md`.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use forebay_env::{Disk, OpenMode};
use forebay_model::{LogIndex, Offset, PartitionId, ShardId};

use crate::block_cache::{BlockCache, CachedFile};
use crate::crc::crc32c;
use crate::cursor::Cursor;
use crate::fault::{Action, Corruption, Fault};
use crate::files::{Segment, View};
use crate::index_entry::PartitionRun;
use crate::limits::DIRECTORY_FAN_IN;
use crate::manifest::remove_if_there;
use crate::run::{Kind, Run, RunFile, Shape, Unsorted};
use crate::sidecar::Sidecar;

const MAGIC: [u8; 6] = *b"FBYRUN";
const VERSION: u16 = 1;
const FOOTER_BYTES: usize = 64;
const RECORDS: Kind = Kind { record: 32, key: 16 };

/// Which segments a file covers, and how often it was merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cover {
    /// First index of the first segment covered.
    pub(crate) from: LogIndex,
    /// First index of the last one.
    pub(crate) to: LogIndex,
    /// One more than that of its sources.
    pub(crate) tier: u32,
}

impl Cover {
    pub(crate) fn file_name(&self) -> String {
        format!("directory-{:02}-{:020}-{:020}.run", self.tier, self.from.0, self.to.0)
    }

    pub(crate) fn parse(name: &str) -> Option<Cover> {
        let mut parts = name.strip_prefix("directory-")?.strip_suffix(".run")?.split('-');
        let tier = parts.next()?.parse().ok()?;
        let mut index = || Some(LogIndex(parts.next()?.parse().ok()?));
        let cover = Cover { from: index()?, to: index()?, tier };
        (cover.file_name() == name && cover.from <= cover.to).then_some(cover)
    }

    fn holds(&self, first: LogIndex) -> bool {
        self.from <= first && first <= self.to
    }

    /// Whether `other` was a source of this one.
    pub(crate) fn replaces(&self, other: &Cover) -> bool {
        self.tier > other.tier && self.holds(other.from) && self.holds(other.to)
    }
}

/// One open file of the directory.
pub(crate) struct DirectoryFile {
    pub(crate) cover: Cover,
    pub(crate) run: Run,
}

/// A line of the directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) partition: PartitionId,
    pub(crate) first_offset: Offset,
    pub(crate) segment: LogIndex,
    pub(crate) end_offset: Offset,
}

impl Line {
    fn encode(&self) -> [u8; RECORDS.record] {
        let mut out = [0; RECORDS.record];
        out[..16].copy_from_slice(&key(self.partition, self.first_offset));
        out[16..24].copy_from_slice(&self.segment.0.to_le_bytes());
        out[24..32].copy_from_slice(&self.end_offset.0.to_le_bytes());
        out
    }

    pub(crate) fn decode(record: &[u8]) -> Line {
        let mut cursor = Cursor::new(record);
        let mut fields = || {
            Some(Line {
                partition: PartitionId(u64::from_be_bytes(cursor.array()?)),
                first_offset: Offset(u64::from_be_bytes(cursor.array()?)),
                segment: LogIndex(cursor.u64()?),
                end_offset: Offset(cursor.u64()?),
            })
        };
        fields().expect("a record has its kind's length")
    }
}

fn key(partition: PartitionId, offset: Offset) -> [u8; RECORDS.key] {
    let mut key = [0; RECORDS.key];
    key[..8].copy_from_slice(&partition.0.to_be_bytes());
    key[8..].copy_from_slice(&offset.0.to_be_bytes());
    key
}

impl DirectoryFile {
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        shard: ShardId,
        cover: Cover,
        cache: &Arc<BlockCache>,
    ) -> Result<DirectoryFile, Fault> {
        let path = dir.join(cover.file_name());
        let file = disk.open(&path, OpenMode::Read).map_err(Fault::io(Action::Open, &path))?;
        let len = file.len().map_err(Fault::io(Action::Measure, &path))?;
        let Some(start) = len.checked_sub(FOOTER_BYTES as u64) else {
            return Err(Fault::corrupt(&path, 0, "the file is shorter than its footer"));
        };
        let mut footer = [0; FOOTER_BYTES];
        file.read_exact_at(&mut footer, start).map_err(Fault::io(Action::Read, &path))?;
        let shape = decode_footer(&footer, shard, cover, start, &path)?;
        let file = Arc::new(CachedFile::new(file, path, cache.clone()));
        Ok(DirectoryFile { cover, run: Run { file, shape } })
    }
}

fn encode_footer(shard: ShardId, cover: Cover, shape: Shape) -> [u8; FOOTER_BYTES] {
    let mut out = Vec::with_capacity(FOOTER_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&shard.0.to_le_bytes());
    out.extend_from_slice(&cover.tier.to_le_bytes());
    for word in [cover.from.0, cover.to.0, shape.position, shape.records] {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.resize(FOOTER_BYTES - 4, 0);
    let crc = crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.try_into().expect("filled to its length")
}

pub(crate) fn decode_footer(
    bytes: &[u8; FOOTER_BYTES],
    shard: ShardId,
    cover: Cover,
    start: u64,
    path: &Path,
) -> Result<Shape, Fault> {
    let damaged = |what: &str| Fault::corrupt(path, start, what);
    let (body, crc) = bytes.split_at(FOOTER_BYTES - 4);
    if body[..6] != MAGIC || crc32c(body).to_le_bytes() != crc {
        return Err(damaged("the directory's footer does not match its checksum"));
    }
    let version = u16::from_le_bytes([body[6], body[7]]);
    if version != VERSION {
        return Err(Fault::Unsupported { file: path.to_path_buf(), version });
    }
    let word = |at: usize| u64::from_le_bytes(*body[at..].first_chunk().expect("within the footer"));
    let shape = Shape { kind: RECORDS, position: word(32), records: word(40) };
    if shape.position != 0 || shape.end() != Some(start) || encode_footer(shard, cover, shape) != *bytes {
        return Err(damaged("the directory's footer does not fit its file"));
    }
    Ok(shape)
}

/// The open files of a directory, from the oldest range to the newest. Replaced as a whole.
#[derive(Clone, Default)]
pub(crate) struct Directory {
    pub(crate) files: Vec<Arc<DirectoryFile>>,
}

/// What opening a directory found.
pub(crate) struct Opened {
    pub(crate) directory: Directory,
    /// Files that cannot be used; they were removed, and the sidecars answer in their place.
    pub(crate) damaged: Vec<Corruption>,
}

impl Directory {
    /// Opens the files in `dir`; removes the sources of finished merges, and damaged ones, which are derived data.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        shard: ShardId,
        cache: &Arc<BlockCache>,
    ) -> Result<Opened, Fault> {
        let names = disk.list(dir).map_err(Fault::io(Action::List, dir))?;
        let mut covers: Vec<Cover> = names.iter().filter_map(|entry| Cover::parse(&entry.name)).collect();
        covers.sort_by_key(|cover| std::cmp::Reverse(cover.tier));
        let mut opened = Opened { directory: Directory::default(), damaged: Vec::new() };
        for cover in covers {
            let files = &mut opened.directory.files;
            let stale = files.iter().any(|file| file.cover.replaces(&cover));
            if !stale {
                match DirectoryFile::open(disk, dir, shard, cover, cache) {
                    Ok(file) => {
                        files.push(Arc::new(file));
                        continue;
                    }
                    Err(Fault::Corrupt(corruption)) => opened.damaged.push(corruption),
                    Err(fault) => return Err(fault),
                }
            }
            remove_if_there(disk, &dir.join(cover.file_name()))?;
        }
        opened.directory.files.sort_by_key(|file| file.cover);
        Ok(opened)
    }

    fn covers(&self, segment: LogIndex) -> bool {
        self.files.iter().any(|file| file.cover.holds(segment))
    }

    /// The first living run of `partition` that ends behind `offset`, in offset order, with its segment.
    pub(crate) fn locate(
        &self,
        view: &View,
        partition: PartitionId,
        offset: Offset,
    ) -> Result<Option<(Arc<Segment>, PartitionRun)>, Fault> {
        let mut best: Option<(Arc<Segment>, PartitionRun)> = None;
        let mut consider = |found: Option<(Arc<Segment>, PartitionRun)>| {
            if let Some(found) = found
                && best.as_ref().is_none_or(|best| found.1.first_offset < best.1.first_offset)
            {
                best = Some(found);
            }
        };
        for file in &self.files {
            consider(locate_in_file(file, view, partition, offset)?);
        }
        for segment in view.segments.iter().filter(|segment| !self.covers(segment.id.first)) {
            consider(confirm(segment, partition, offset)?);
        }
        Ok(best)
    }

    /// What should be merged next, if anything: eight sidecars that no file covers, or eight files of a tier side by side.
    pub(crate) fn due(&self, view: &View) -> Option<Merge> {
        let bare: Vec<Arc<Segment>> = view
            .segments
            .iter()
            .take_while(|segment| segment.sidecar().is_some())
            .filter(|segment| !self.covers(segment.id.first))
            .cloned()
            .collect();
        // Side by side: no covered segment between them, so that the new file's range holds nobody else's.
        let groups = bare.chunk_by(|a, b| {
            !self.files.iter().any(|f| a.id.first < f.cover.from && f.cover.from < b.id.first)
        });
        if let Some(group) = groups.into_iter().find(|group| group.len() >= DIRECTORY_FAN_IN) {
            let group = &group[..DIRECTORY_FAN_IN];
            let cover = Cover { from: group[0].id.first, to: group[group.len() - 1].id.first, tier: 1 };
            return Some(Merge { cover, sources: group.iter().cloned().map(Source::Segment).collect() });
        }
        let mut groups = self.files.chunk_by(|a, b| a.cover.tier == b.cover.tier);
        let group = &groups.find(|group| group.len() >= DIRECTORY_FAN_IN)?[..DIRECTORY_FAN_IN];
        let (first, last) = (group[0].cover, group[group.len() - 1].cover);
        let cover = Cover { from: first.from, to: last.to, tier: first.tier + 1 };
        Some(Merge { cover, sources: group.iter().cloned().map(Source::File).collect() })
    }
}

fn locate_in_file(
    file: &DirectoryFile,
    view: &View,
    partition: PartitionId,
    offset: Offset,
) -> Result<Option<(Arc<Segment>, PartitionRun)>, Fault> {
    let behind = file.run.lower_bound(&key(partition, Offset(offset.0.saturating_add(1))))?;
    // The line before the first one that begins behind the offset may still hold it.
    for record in file.run.records_from(behind.saturating_sub(1)) {
        let line = Line::decode(&record?);
        if line.partition > partition {
            break;
        }
        if line.partition < partition || line.end_offset <= offset {
            continue;
        }
        let segment = view.segment_of(line.segment).filter(|segment| segment.id.first == line.segment);
        if let Some(segment) = segment
            && let Some(found) = confirm(segment, partition, offset)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// What the segment itself says: a rewrite may have dropped the partition, or its last records.
fn confirm(
    segment: &Arc<Segment>,
    partition: PartitionId,
    offset: Offset,
) -> Result<Option<(Arc<Segment>, PartitionRun)>, Fault> {
    let Some(sidecar) = segment.sidecar() else { return Ok(None) };
    let run = sidecar.partition(partition)?.filter(|run| run.end_offset > offset);
    Ok(run.map(|run| (segment.clone(), run)))
}

/// A merge that is due.
pub(crate) struct Merge {
    pub(crate) cover: Cover,
    sources: Vec<Source>,
}

enum Source {
    Segment(Arc<Segment>),
    File(Arc<DirectoryFile>),
}

/// A source being read, one line ahead.
struct Lines {
    source: Source,
    next: u64,
    head: Option<Line>,
}

impl Lines {
    fn advance(&mut self) -> Result<(), Fault> {
        self.head = match &self.source {
            Source::Segment(segment) => {
                let sidecar: &Sidecar = segment.sidecar().expect("only segments with a sidecar are merged");
                sidecar.partition_at(self.next)?.map(|run| Line {
                    partition: run.partition,
                    first_offset: run.first_offset,
                    segment: segment.id.first,
                    end_offset: run.end_offset,
                })
            }
            Source::File(file) => file.run.record(self.next)?.map(|record: Bytes| Line::decode(&record)),
        };
        self.next += 1;
        Ok(())
    }
}

impl Merge {
    /// Writes the new file: durable with its name when this returns. Lines of segments that are gone stay behind.
    pub(crate) fn write(
        self,
        disk: &dyn Disk,
        dir: &Path,
        shard: ShardId,
        view: &View,
        cache: &Arc<BlockCache>,
    ) -> Result<DirectoryFile, Fault> {
        let cover = self.cover;
        let path = dir.join(cover.file_name());
        let mut file = RunFile::create(disk, dir, cover.file_name())?;
        let mut sources: Vec<Lines> =
            self.sources.into_iter().map(|source| Lines { source, next: 0, head: None }).collect();
        for source in &mut sources {
            source.advance()?;
        }
        let mut writer = file.run(RECORDS);
        let order = |lines: &Lines| lines.head.map(|line| (line.partition, line.first_offset));
        while let Some(lowest) =
            sources.iter_mut().filter(|lines| lines.head.is_some()).min_by_key(|l| order(l))
        {
            let line = lowest.head.expect("just filtered");
            let lives = view.segment_of(line.segment).is_some_and(|segment| segment.id.first == line.segment);
            if lives && let Err(Unsorted) = writer.push(&line.encode())? {
                let what =
                    format!("two segments hold offset {} of partition {}", line.first_offset, line.partition);
                return Err(Fault::corrupt(&path, 0, what));
            }
            lowest.advance()?;
        }
        let shape = writer.finish()?;
        let file = file.finish(&encode_footer(shard, cover, shape))?;
        let file = Arc::new(CachedFile::new(file, path, cache.clone()));
        Ok(DirectoryFile { cover, run: Run { file, shape } })
    }
}

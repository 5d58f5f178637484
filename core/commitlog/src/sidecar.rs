//! The sidecar of a sealed segment: where its entries are, and where each partition's messages are. Format:
//! `docs/formats/sidecar.md`.

use std::path::Path;
use std::sync::Arc;

use forebay_env::{Disk, File, OpenMode};
use forebay_model::{LogIndex, Offset, PartitionId, Term, Timestamp};

use crate::block_cache::{BlockCache, CachedFile};
use crate::crc::crc32c;
use crate::cursor::Cursor;
use crate::fault::{Action, Fault};
use crate::index_entry::{
    ENTRIES, ENTRIES_2, IndexEntry, PARTITIONS, PartitionRun, PartitionRuns, PlacedEntry, entry_key,
};
use crate::places::PlaceTable;
use crate::run::{Kind, Run, Shape, Unsorted};
use crate::segment::{Generation, SegmentId};
use crate::terms::Point;

const MAGIC: [u8; 6] = *b"FBYSDC";
/// Of version 1, whose generations were 32 bits wide, nothing was ever released.
const VERSION: u16 = 3;
/// Its entries have no places; its files are read, and no more of them written.
const VERSION_2: u16 = 2;
const FOOTER_BYTES: usize = 192;

pub(crate) const POSITIONS: Kind = Kind { record: 16, key: 8 };
pub(crate) const TERMS: Kind = Kind { record: 16, key: 8 };

/// What a sidecar says of its segment; all of it that stays in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// The segment.
    pub id: SegmentId,
    /// Its Seal: the last entry.
    pub last: Point,
    /// Length of its file in bytes.
    pub bytes: u64,
    /// Equal exactly when two segments' canonical bytes are.
    pub content_digest: u64,
    /// Bytes that its index entries account for.
    pub live_bytes: u64,
    /// How many log entries it has.
    pub entries: u64,
    /// How many index entries it has.
    pub index_entries: u64,
    /// How many partitions have messages in it.
    pub partitions: u64,
}

/// What the end of a sidecar says.
pub(crate) struct Footer {
    pub(crate) summary: SegmentSummary,
    pub(crate) shapes: [Shape; 4],
}

/// An open sidecar: its footer in memory, everything else through the block cache. Cheap to clone; the file stays readable
/// through its handle.
#[derive(Clone)]
pub struct Sidecar {
    footer: Arc<Footer>,
    file: Arc<CachedFile>,
}

impl Sidecar {
    /// Opens the sidecar of `id` in `dir`: reads and checks the footer. `None` when there is no such file.
    pub(crate) fn open(
        disk: &dyn Disk,
        dir: &Path,
        id: SegmentId,
        cache: &Arc<BlockCache>,
    ) -> Result<Option<Sidecar>, Fault> {
        let path = dir.join(id.sidecar_name());
        let file = match disk.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Fault::io(Action::Open, &path)(error)),
        };
        Sidecar::from_file(file, &path, id, cache).map(Some)
    }

    pub(crate) fn from_file(
        file: Arc<dyn File>,
        path: &Path,
        id: SegmentId,
        cache: &Arc<BlockCache>,
    ) -> Result<Sidecar, Fault> {
        let sidecar = Sidecar::of_any_segment(file, path, cache)?;
        if sidecar.summary().id != id {
            let start = sidecar.file_bytes() - FOOTER_BYTES as u64;
            return Err(Fault::corrupt(path, start, "the sidecar belongs to another segment"));
        }
        Ok(sidecar)
    }

    /// Opens a sidecar whichever segment it describes: to look at a file that somebody points at.
    pub(crate) fn of_any_segment(
        file: Arc<dyn File>,
        path: &Path,
        cache: &Arc<BlockCache>,
    ) -> Result<Sidecar, Fault> {
        let len = file.len().map_err(Fault::io(Action::Measure, path))?;
        let Some(start) = len.checked_sub(FOOTER_BYTES as u64) else {
            return Err(Fault::corrupt(path, 0, "the sidecar is shorter than its footer"));
        };
        let mut bytes = [0; FOOTER_BYTES];
        file.read_exact_at(&mut bytes, start).map_err(Fault::io(Action::Read, path))?;
        let footer = decode_footer(&bytes, path, start)?;
        let file = Arc::new(CachedFile::new(file, path.to_path_buf(), cache.clone()));
        Ok(Sidecar { footer: Arc::new(footer), file })
    }

    pub(crate) fn just_written(footer: Footer, file: CachedFile) -> Sidecar {
        Sidecar { footer: Arc::new(footer), file: Arc::new(file) }
    }

    /// What it says of its segment.
    #[must_use]
    pub fn summary(&self) -> &SegmentSummary {
        &self.footer.summary
    }

    pub(crate) fn path(&self) -> &Path {
        self.file.path()
    }

    fn run(&self, which: usize) -> Run {
        Run { file: self.file.clone(), shape: self.footer.shapes[which] }
    }

    fn positions(&self) -> Run {
        self.run(0)
    }

    fn entries(&self) -> Run {
        self.run(2)
    }

    /// Where the log entry `index` begins in the segment.
    pub(crate) fn position(&self, index: LogIndex) -> Result<Option<u64>, Fault> {
        Ok(self
            .position_at_or_after(index)?
            .filter(|(found, _)| *found == index)
            .map(|(_, position)| position))
    }

    /// The first log entry at or behind `index`, and where it begins.
    pub(crate) fn position_at_or_after(&self, index: LogIndex) -> Result<Option<(LogIndex, u64)>, Fault> {
        Ok(self.positions().at_or_after(&index.0.to_be_bytes())?.map(|record| {
            let (index, position) = decode_pair(&record);
            (LogIndex(index), position)
        }))
    }

    /// Where the log entries behind file position `position` begin, ascending.
    pub(crate) fn positions_behind(
        &self,
        position: u64,
    ) -> Result<impl Iterator<Item = Result<u64, Fault>> + '_, Fault> {
        let run = self.positions();
        let (mut low, mut high) = (0, run.shape.records);
        while low < high {
            let middle = low + (high - low) / 2;
            let record = run.record(middle)?.expect("below the number of records");
            if decode_pair(&record).1 <= position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok((low..run.shape.records).map(move |number| {
            let record = run.record(number)?.expect("below the number of records");
            Ok(decode_pair(&record).1)
        }))
    }

    /// The terms in the segment: first index of each.
    pub(crate) fn terms(&self) -> Result<Vec<Point>, Fault> {
        let run = self.run(1);
        let terms = run.records_from(0).map(|record| {
            let (index, term) = decode_pair(&record?);
            Ok(Point { index: LogIndex(index), term: Term(term) })
        });
        terms.collect()
    }

    /// The index entry that covers `offset` of `partition`.
    pub fn lookup(&self, partition: PartitionId, offset: Offset) -> Result<Option<IndexEntry>, Fault> {
        let found = self.scan(partition, offset, 1)?;
        Ok(found.first().copied().filter(|entry| entry.first_offset <= offset))
    }

    /// Up to `limit` index entries of `partition` in order, from the one that covers `from` on, or the first behind it.
    pub fn scan(&self, partition: PartitionId, from: Offset, limit: usize) -> Result<Vec<IndexEntry>, Fault> {
        Ok(self.scan_placed(partition, from, limit)?.iter().map(|placed| placed.entry).collect())
    }

    /// The same with the places of their slots.
    pub fn scan_placed(
        &self,
        partition: PartitionId,
        from: Offset,
        limit: usize,
    ) -> Result<Vec<PlacedEntry>, Fault> {
        let run = self.entries();
        // The entry before the first one that begins behind `from` may still cover it.
        let behind = match from.checked_add(1) {
            Some(next) => run.lower_bound(&entry_key(partition, next))?,
            None => run.lower_bound(&entry_key(partition, from))?,
        };
        let mut out = Vec::new();
        for record in run.records_from(behind.saturating_sub(1)) {
            let placed = PlacedEntry::decode(&record?, self.summary().id);
            let entry = &placed.entry;
            if entry.partition > partition || out.len() == limit {
                break;
            }
            if entry.partition == partition && entry.end_offset() > from {
                out.push(placed);
            }
        }
        Ok(out)
    }

    /// The first index entry of `partition`, in offset order, with a record at or behind `timestamp`.
    pub fn first_with_timestamp_at_or_after(
        &self,
        partition: PartitionId,
        timestamp: Timestamp,
    ) -> Result<Option<IndexEntry>, Fault> {
        let Some(here) = self.partition(partition)?.filter(|run| run.max_timestamp >= timestamp) else {
            return Ok(None);
        };
        let entries = self.entries();
        let records = usize::try_from(here.entries).unwrap_or(usize::MAX);
        for record in entries.records_from(here.first_record).take(records) {
            let entry = PlacedEntry::decode(&record?, self.summary().id).entry;
            if entry.max_timestamp >= timestamp {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }

    /// What the segment holds of `partition`.
    pub fn partition(&self, partition: PartitionId) -> Result<Option<PartitionRun>, Fault> {
        let found = self.run(3).at_or_after(&partition.0.to_be_bytes())?;
        Ok(found.map(|record| PartitionRun::decode(&record)).filter(|run| run.partition == partition))
    }

    /// Calls `each` for every partition in the segment, ascending, until it answers an error.
    pub fn for_each_partition<E: From<Fault>>(
        &self,
        mut each: impl FnMut(PartitionRun) -> Result<(), E>,
    ) -> Result<(), E> {
        self.run(3)
            .records_from(0)
            .try_for_each(|record| each(PartitionRun::decode(&record.map_err(E::from)?)))
    }

    /// Calls `each` for every index entry in the segment, by partition and offset, until it answers an error.
    pub fn for_each_entry<E: From<Fault>>(
        &self,
        mut each: impl FnMut(IndexEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        self.for_each_placed(|placed| each(placed.entry))
    }

    /// The same with the places of their slots.
    pub(crate) fn for_each_placed<E: From<Fault>>(
        &self,
        mut each: impl FnMut(PlacedEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let id = self.summary().id;
        self.entries()
            .records_from(0)
            .try_for_each(|record| each(PlacedEntry::decode(&record.map_err(E::from)?, id)))
    }

    /// Whether it says where slots stand: those of version 2 do not.
    pub(crate) fn has_places(&self) -> bool {
        self.footer.shapes[2].kind == ENTRIES
    }

    /// The partition at this place of the order, for walking them in pieces.
    pub(crate) fn partition_at(&self, number: u64) -> Result<Option<PartitionRun>, Fault> {
        Ok(self.run(3).record(number)?.map(|record| PartitionRun::decode(&record)))
    }

    /// Reads every block past the cache, checks all sums and orders, and answers how many bytes it read.
    pub fn verify(&self) -> Result<u64, Fault> {
        (0..4).try_fold(FOOTER_BYTES as u64, |sum, which| Ok(sum + self.run(which).verify()?))
    }

    /// Checks the blocks from `position` on, past the cache, about `budget` bytes of them, and that what they say of slots is what
    /// the segment's directories say; answers where to go on, or `None` at the end.
    pub(crate) fn check_blocks(
        &self,
        mut position: u64,
        budget: u64,
        places: &PlaceTable,
    ) -> Result<Option<u64>, Fault> {
        let end = self.file_bytes() - FOOTER_BYTES as u64;
        let stop = position.saturating_add(budget.max(1)).min(end);
        let entries = self.entries();
        while position < stop {
            let block = self.file.read_block(position)?;
            let mut records = entries.records_of(position, &block);
            let id = self.summary().id;
            if !records.all(|record| places.agree_with(&PlacedEntry::decode(record, id), self.has_places())) {
                return Err(Fault::corrupt(
                    self.path(),
                    position,
                    "an index entry leads elsewhere than it says",
                ));
            }
            position += block.len() as u64 + 4;
        }
        Ok((position < end).then_some(position))
    }

    /// Compares its index entries with its partitions, and with the slots that its segment has.
    pub(crate) fn check_entries(&self, places: &PlaceTable) -> Result<(), Fault> {
        let mut runs = PartitionRuns::default();
        let wrong = |what: String| Fault::corrupt(self.path(), 0, what);
        self.for_each_placed(|placed| {
            let PlacedEntry { entry, .. } = placed;
            if !places.agree_with(&placed, self.has_places()) {
                let IndexEntry { first_offset, partition, slot, log_index, .. } = entry;
                return Err(wrong(format!(
                    "offset {first_offset} of partition {partition} leads to slot {slot} of entry {log_index}, which is not there"
                )));
            }
            runs.add(&entry).map_err(|Unsorted| wrong("the offsets of a partition do not ascend".into()))
        })?;
        let mut runs = runs.iter();
        self.for_each_partition(|run| match runs.next() == Some(&run) {
            true => Ok(()),
            false => Err(wrong(format!("partition {} is not what its entries say", run.partition))),
        })?;
        if runs.next().is_some() { Err(wrong("a partition with entries is missing".into())) } else { Ok(()) }
    }

    /// Where its log entries begin, and its terms, for looking at the file.
    pub(crate) fn all_positions(&self) -> impl Iterator<Item = Result<(LogIndex, u64), Fault>> {
        let run = self.positions();
        (0..run.shape.records).map(move |number| {
            let (index, position) = decode_pair(&run.record(number)?.expect("below the number of records"));
            Ok((LogIndex(index), position))
        })
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.footer.shapes[3].end().expect("checked when it was opened") + FOOTER_BYTES as u64
    }

    /// The file's bytes as they are, for sending it to a peer; fewer only at its end.
    pub fn read_raw(&self, buf: &mut [u8], position: u64) -> Result<usize, Fault> {
        self.file.file().read_at(buf, position).map_err(Fault::io(Action::Read, self.file.path()))
    }
}

pub(crate) fn encode_pair(key: u64, value: u64) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&key.to_be_bytes());
    out[8..].copy_from_slice(&value.to_le_bytes());
    out
}

fn decode_pair(record: &[u8]) -> (u64, u64) {
    let mut cursor = Cursor::new(record);
    let mut pair = || Some((u64::from_be_bytes(cursor.array()?), cursor.u64()?));
    pair().expect("a record has its kind's length")
}

pub(crate) fn encode_footer(footer: &Footer) -> [u8; FOOTER_BYTES] {
    let summary = &footer.summary;
    let mut out = Vec::with_capacity(FOOTER_BYTES);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&summary.id.shard.0.to_le_bytes());
    let words = [
        summary.id.first.0,
        summary.id.generation.0,
        summary.last.index.0,
        summary.last.term.0,
        summary.bytes,
        summary.content_digest,
        summary.live_bytes,
    ];
    for word in
        words.into_iter().chain(footer.shapes.iter().flat_map(|shape| [shape.position, shape.records]))
    {
        out.extend_from_slice(&word.to_le_bytes());
    }
    out.resize(FOOTER_BYTES - 4, 0);
    let crc = crc32c(&out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.try_into().expect("filled to its length")
}

fn decode_footer(bytes: &[u8; FOOTER_BYTES], path: &Path, start: u64) -> Result<Footer, Fault> {
    let damaged = |what: &str| Fault::corrupt(path, start, what);
    let (body, crc) = bytes.split_at(FOOTER_BYTES - 4);
    let mut cursor = Cursor::new(body);
    if cursor.array() != Some(MAGIC) {
        return Err(damaged("no sidecar ends here"));
    }
    if crc32c(body).to_le_bytes() != crc {
        return Err(damaged("the sidecar's footer does not match its checksum"));
    }
    let version = cursor.u16().expect("within the footer");
    let entries = match version {
        VERSION => ENTRIES,
        VERSION_2 => ENTRIES_2,
        version => return Err(Fault::Unsupported { file: path.to_path_buf(), version }),
    };
    let mut fields = || {
        let (shard, first, generation) = (cursor.u32()?, LogIndex(cursor.u64()?), Generation(cursor.u64()?));
        let (last, term) = (LogIndex(cursor.u64()?), Term(cursor.u64()?));
        let (bytes, content_digest, live_bytes) = (cursor.u64()?, cursor.u64()?, cursor.u64()?);
        let mut shape = |kind| Some(Shape { kind, position: cursor.u64()?, records: cursor.u64()? });
        let shapes = [shape(POSITIONS)?, shape(TERMS)?, shape(entries)?, shape(PARTITIONS)?];
        let id = SegmentId { shard: forebay_model::ShardId(shard), first, generation };
        let summary = SegmentSummary {
            id,
            last: Point { index: last, term },
            bytes,
            content_digest,
            live_bytes,
            entries: shapes[0].records,
            index_entries: shapes[2].records,
            partitions: shapes[3].records,
        };
        cursor.bytes(cursor.remaining())?.iter().all(|byte| *byte == 0).then_some(Footer { summary, shapes })
    };
    let footer = fields().ok_or_else(|| damaged("the sidecar's footer has bytes of a later version"))?;
    let mut expected = Some(0);
    for shape in &footer.shapes {
        expected = if Some(shape.position) == expected { shape.end() } else { None };
    }
    if expected != Some(start) || footer.summary.last.index < footer.summary.id.first {
        return Err(damaged("the sidecar's runs do not add up to its length"));
    }
    Ok(footer)
}

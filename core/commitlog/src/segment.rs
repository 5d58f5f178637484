//! Names and headers of segment files. Format: `docs/formats/segment.md`.

use std::fmt;
use std::path::Path;

use forebay_model::{LogIndex, ShardId};

use crate::crc::crc32c;
use crate::cursor::Cursor;
use crate::fault::Fault;

const MAGIC: [u8; 6] = *b"FBYSEG";
/// Of version 1, whose generations were 32 bits wide, nothing was ever released.
const VERSION: u16 = 2;
/// Bytes of a segment file before its first entry.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 32;

/// Which version of a segment: the log index of the entry that ordered it to be rewritten, so no two decisions ever make
/// the same one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

impl Generation {
    /// As it was appended.
    pub const APPENDED: Generation = Generation(0);

    /// What the decision in the entry at `index` makes.
    #[must_use]
    pub const fn ordered_by(index: LogIndex) -> Generation {
        Generation(index.0)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Names one segment in the whole cluster: equal ids mean equal canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId {
    /// The shard whose log it is part of.
    pub shard: ShardId,
    /// The log index of the first entry it had when it was appended.
    pub first: LogIndex,
    /// Which rewrite made it, if one did.
    pub generation: Generation,
}

impl SegmentId {
    /// File name without its ending.
    fn stem(&self) -> String {
        format!("{:020}-{:020}", self.first.0, self.generation.0)
    }

    /// Name of the file with the entries.
    #[must_use]
    pub fn file_name(&self) -> String {
        self.stem() + ".seg"
    }

    /// Name of its sidecar.
    #[must_use]
    pub fn sidecar_name(&self) -> String {
        self.stem() + ".idx"
    }

    /// Reads the id out of a file name with this ending; `None` for any other file.
    pub(crate) fn parse(shard: ShardId, name: &str, ending: &str) -> Option<SegmentId> {
        let (first, generation) = name.strip_suffix(ending)?.split_once('-')?;
        let generation = Generation(generation.parse().ok()?);
        let id = SegmentId { shard, first: LogIndex(first.parse().ok()?), generation };
        // One id has one name: "+7", "007" and the like are foreign files.
        (name.strip_suffix(ending) == Some(&*id.stem())).then_some(id)
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}-{}", self.shard, self.first, self.generation)
    }
}

/// The shard that a segment's header names, unchecked: to read a file that somebody points at.
pub(crate) fn shard_in_header(bytes: &[u8]) -> Option<ShardId> {
    let mut cursor = Cursor::new(bytes);
    cursor.bytes(8)?;
    cursor.u32().map(ShardId)
}

/// The header of the file of `id`.
pub(crate) fn encode_header(id: SegmentId) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    let mut out = [0; SEGMENT_HEADER_BYTES as usize];
    out[0..6].copy_from_slice(&MAGIC);
    out[6..8].copy_from_slice(&VERSION.to_le_bytes());
    out[8..12].copy_from_slice(&id.shard.0.to_le_bytes());
    out[12..20].copy_from_slice(&id.first.0.to_le_bytes());
    out[20..28].copy_from_slice(&id.generation.0.to_le_bytes());
    let crc = crc32c(&out[..28]);
    out[28..32].copy_from_slice(&crc.to_le_bytes());
    out
}

/// Checks that `bytes` are the header of the file of `id`.
pub(crate) fn check_header(bytes: &[u8], id: SegmentId, file: &Path) -> Result<(), Fault> {
    let damaged = |what: &str| Err(Fault::corrupt(file, 0, what));
    let mut cursor = Cursor::new(bytes);
    let fields = (|| Some((cursor.array::<6>()?, cursor.u16()?, cursor.bytes(20)?, cursor.u32()?)))();
    let Some((magic, version, _, crc)) = fields else { return damaged("the segment's header is cut short") };
    if magic != MAGIC {
        return damaged("this is no segment");
    }
    if crc != crc32c(&bytes[..28]) {
        return damaged("the segment's header does not match its checksum");
    }
    if version != VERSION {
        return Err(Fault::Unsupported { file: file.to_path_buf(), version });
    }
    if bytes[..28] != encode_header(id)[..28] {
        return damaged("the segment's header names another segment");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SegmentId = SegmentId { shard: ShardId(4), first: LogIndex(1234), generation: Generation(2) };

    #[test]
    fn names_round_trip_and_foreign_names_are_left_alone() {
        assert_eq!(ID.file_name(), "00000000000000001234-00000000000000000002.seg");
        assert_eq!(SegmentId::parse(ShardId(4), &ID.file_name(), ".seg"), Some(ID));
        assert_eq!(SegmentId::parse(ShardId(4), &ID.sidecar_name(), ".idx"), Some(ID));
        for foreign in [
            "1234-2.seg",
            "+0000000000000001234-00000000000000000002.seg",
            "x.seg",
            "00000000000000001234-00000000000000000002",
        ] {
            assert_eq!(SegmentId::parse(ShardId(4), foreign, ".seg"), None, "{foreign}");
        }
    }

    #[test]
    fn a_header_fits_only_its_own_segment() {
        let file = Path::new("s");
        let good = encode_header(ID);
        check_header(&good, ID, file).unwrap();
        assert!(check_header(&good, SegmentId { generation: Generation(3), ..ID }, file).is_err());
        assert!(check_header(&good[..31], ID, file).is_err());
        for bit in 0..good.len() * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(check_header(&bad, ID, file).is_err(), "bit {bit}");
        }
    }
}

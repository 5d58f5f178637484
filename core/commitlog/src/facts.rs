//! What can be said of a sealed segment from its headers and directories alone: positions, terms, places of slots, content digest.

use forebay_model::LogIndex;

use crate::crc::Crc64;
use crate::entry::{EntryHeader, EntryKind};
use crate::fault::{Action, Fault};
use crate::files::Segment;
use crate::places::PlaceTable;
use crate::scan::{Depth, LocalCheck, Scanner, Step};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentId, check_header, encode_header};
use crate::sidecar_write::SegmentFacts;
use crate::terms::Point;

/// The content digest of a segment, entry by entry. See `docs/formats/segment.md`.
pub(crate) struct ContentDigest(Crc64);

impl ContentDigest {
    pub(crate) fn new(id: SegmentId) -> ContentDigest {
        let mut digest = Crc64::new();
        digest.update(&encode_header(id));
        ContentDigest(digest)
    }

    /// Takes in the next entry, whose body begins with `prefix`.
    pub(crate) fn add(&mut self, header: &EntryHeader, prefix: &[u8]) {
        self.0.update(&header.fixed());
        self.0.update(prefix);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.value()
    }
}

/// Gathers the facts entry by entry, in file order.
pub(crate) struct FactsBuilder {
    id: SegmentId,
    digest: ContentDigest,
    end: u64,
    last: Point,
    positions: Vec<(LogIndex, u64)>,
    terms: Vec<Point>,
    places: PlaceTable,
}

impl FactsBuilder {
    pub(crate) fn new(id: SegmentId) -> FactsBuilder {
        let digest = ContentDigest::new(id);
        let last = Point { index: id.first.previous(), ..Point::default() };
        let (positions, terms, places) = (Vec::new(), Vec::new(), PlaceTable::new(id));
        FactsBuilder { id, digest, end: SEGMENT_HEADER_BYTES, last, positions, terms, places }
    }

    /// Takes in the next entry, whose body begins with `prefix`.
    pub(crate) fn add(&mut self, header: &EntryHeader, prefix: &[u8]) {
        self.digest.add(header, prefix);
        self.positions.push((header.index, self.end));
        self.places.add(header, prefix, self.end);
        if self.terms.last().is_none_or(|run| run.term != header.term) {
            self.terms.push(Point { index: header.index, term: header.term });
        }
        self.end += header.stored_len();
        self.last = Point { index: header.index, term: header.term };
    }

    pub(crate) fn finish(self) -> SegmentFacts {
        SegmentFacts {
            id: self.id,
            last: self.last,
            bytes: self.end,
            content_digest: self.digest.value(),
            positions: self.positions,
            terms: self.terms,
            places: self.places,
        }
    }
}

/// Reads a sealed segment at `depth`. Anything that is not a whole chain ending with its Seal is damage.
pub(crate) fn read_facts(segment: &Segment, salt: u64, depth: Depth) -> Result<SegmentFacts, Fault> {
    let len = segment.file.len().map_err(Fault::io(Action::Measure, &segment.path))?;
    let mut header = vec![0; usize::try_from(SEGMENT_HEADER_BYTES.min(len)).expect("small")];
    segment.file.read_exact_at(&mut header, 0).map_err(Fault::io(Action::Read, &segment.path))?;
    check_header(&header, segment.id, &segment.path)?;
    let mut facts = FactsBuilder::new(segment.id);
    let span = (SEGMENT_HEADER_BYTES, len);
    let mut scanner =
        Scanner::new(&*segment.file, &segment.path, segment.id, LocalCheck::Salt(salt), span, None);
    let mut sealed = false;
    loop {
        let found = match scanner.step(depth)? {
            Step::Entry(found) => found,
            Step::Bad(what) => return Err(Fault::corrupt(&segment.path, scanner.position(), what)),
            Step::End if sealed => return Ok(facts.finish()),
            Step::End => return Err(Fault::corrupt(&segment.path, len, "the segment ends without its Seal")),
        };
        if sealed {
            return Err(Fault::corrupt(&segment.path, found.position, "an entry stands behind the Seal"));
        }
        sealed = found.header.kind == EntryKind::Seal;
        let prefix = scanner.prefix(&found)?;
        facts.add(&found.header, &prefix);
    }
}

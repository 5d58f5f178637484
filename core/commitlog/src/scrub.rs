//! Reads sealed segments in small steps and compares every byte with its checksum, so that damage is met before a
//! consumer meets it. The pace is the caller's. What the page cache holds is read from there: it is the medium that is
//! checked only once the pages have left it.

use std::sync::Arc;

use forebay_model::{LogIndex, Term};

use crate::facts::ContentDigest;
use crate::fault::{Action, Fault};
use crate::files::{Files, Segment};
use crate::places::PlaceTable;
use crate::reader::Reader;
use crate::scan::{Depth, LocalCheck, Scanner, Step};
use crate::segment::{SEGMENT_HEADER_BYTES, SegmentId, check_header};

/// One segment being checked. Keeps its files readable, also when they are unlinked meanwhile, and in memory where its slots stand, to
/// compare that with what the sidecar says.
pub struct Scrub {
    files: Arc<Files>,
    segment: Arc<Segment>,
    stage: Stage,
    digest: ContentDigest,
    places: PlaceTable,
    bytes: u64,
}

enum Stage {
    Header,
    Entries { position: u64, previous: Option<(LogIndex, Term)> },
    Sidecar { position: u64 },
    Done,
}

/// How far a scrub is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScrubProgress {
    /// There is more to read.
    More,
    /// Everything was read, and is as it was written.
    Done {
        /// Bytes read.
        bytes: u64,
    },
}

impl Reader {
    /// Begins to check a sealed segment; `None` when it is not sealed or does not count.
    #[must_use]
    pub fn scrub(&self, id: SegmentId) -> Option<Scrub> {
        let segment = self.files().view().segment(id).filter(|segment| segment.is_sealed()).cloned()?;
        let (digest, places) = (ContentDigest::new(id), PlaceTable::new(id));
        Some(Scrub { files: self.files().clone(), segment, stage: Stage::Header, digest, places, bytes: 0 })
    }
}

impl Scrub {
    /// Reads about `budget` bytes more. Damage names file and position; after it the scrub is of no more use.
    pub fn step(&mut self, budget: u64) -> Result<ScrubProgress, Fault> {
        let before = self.bytes;
        loop {
            self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Header => self.header()?,
                Stage::Entries { position, previous } => {
                    let left = budget.saturating_sub(self.bytes - before);
                    self.entries(position, previous, left)?
                }
                Stage::Sidecar { position } => {
                    let left = budget.saturating_sub(self.bytes - before);
                    self.sidecar(position, left)?
                }
                Stage::Done => return Ok(ScrubProgress::Done { bytes: self.bytes }),
            };
            if self.bytes - before >= budget && !matches!(self.stage, Stage::Done) {
                return Ok(ScrubProgress::More);
            }
        }
    }

    fn header(&mut self) -> Result<Stage, Fault> {
        let mut bytes = [0; SEGMENT_HEADER_BYTES as usize];
        let path = &self.segment.path;
        self.segment.file.read_exact_at(&mut bytes, 0).map_err(Fault::io(Action::Read, path))?;
        check_header(&bytes, self.segment.id, path)?;
        self.bytes += SEGMENT_HEADER_BYTES;
        Ok(Stage::Entries { position: SEGMENT_HEADER_BYTES, previous: None })
    }

    fn entries(
        &mut self,
        position: u64,
        previous: Option<(LogIndex, Term)>,
        budget: u64,
    ) -> Result<Stage, Fault> {
        let Segment { file, path, id, .. } = &*self.segment;
        let span = (position, self.segment.len());
        let mut scanner = Scanner::new(&**file, path, *id, LocalCheck::Salt(self.files.salt), span, previous);
        let mut previous = previous;
        loop {
            let found = match scanner.step(Depth::Full)? {
                Step::Entry(found) => found,
                Step::End => return self.compare(),
                Step::Bad(what) => return Err(Fault::corrupt(path, scanner.position(), what)),
            };
            let prefix = scanner.prefix(&found)?;
            self.digest.add(&found.header, &prefix);
            self.places.add(&found.header, &prefix, found.position);
            self.bytes += found.header.stored_len();
            previous = Some((found.header.index, found.header.term)).or(previous);
            if scanner.position() - position >= budget {
                return Ok(Stage::Entries { position: scanner.position(), previous });
            }
        }
    }

    fn compare(&self) -> Result<Stage, Fault> {
        let Some(sidecar) = self.segment.sidecar() else { return Ok(Stage::Done) };
        if sidecar.summary().content_digest != self.digest.value() {
            let what = "the segment is not the one that its sidecar describes";
            return Err(Fault::corrupt(&self.segment.path, 0, what));
        }
        Ok(Stage::Sidecar { position: 0 })
    }

    fn sidecar(&mut self, position: u64, budget: u64) -> Result<Stage, Fault> {
        let sidecar = self.segment.sidecar().expect("this stage follows the comparison with it");
        let next = sidecar.check_blocks(position, budget, &self.places)?;
        self.bytes += next.unwrap_or(sidecar.file_bytes()) - position;
        Ok(next.map_or(Stage::Done, |position| Stage::Sidecar { position }))
    }
}

//! Reads slots one after the other: what it learned of an entry serves the entry's next slot too.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use forebay_model::{LogIndex, SlotNumber};

use crate::body::{Body, Line, Mark};
use crate::crc::crc32c;
use crate::entry::HEADER_BYTES;
use crate::fault::Fault;
use crate::files::Segment;
use crate::limits::{ENTRY_BODY_BYTES_MAX, EXPECTED_PREFIX_BYTES, WHOLE_BODY_BYTES_MAX};
use crate::lock::lock;
use crate::places::SlotPlace;
use crate::point_read::{Start, fill_from};
use crate::read_buffers::ReadBuffers;
use crate::reader::{ReadError, Reader, locate};
use crate::sidecar::Sidecar;

/// Reads slots, from the tail cache, else from files, blocking.
pub struct SlotReader<'a> {
    reader: &'a Reader,
    last: Option<Opened>,
    /// The beginnings of entries that are expected to be read next.
    ahead: VecDeque<Opened>,
    /// What was read last by its place.
    piece: Option<Piece>,
    waits: bool,
}

/// Bytes of a sealed segment.
struct Piece {
    segment: Arc<Segment>,
    position: u64,
    bytes: Bytes,
}

/// The entry that was read last.
struct Opened {
    index: LogIndex,
    held: Held,
    mark: Mark,
}

/// What is in memory of it.
enum Held {
    /// All of it, found in the tail cache; its slots were checked when they came.
    Cached(Body),
    /// All of it, read from a file.
    Whole(Body, Source),
    /// Its beginning.
    Begun(Start, Source),
}

/// Where it was read.
#[derive(Clone)]
struct Source {
    segment: Arc<Segment>,
    position: u64,
}

impl<'a> SlotReader<'a> {
    pub(crate) fn new(reader: &'a Reader) -> SlotReader<'a> {
        SlotReader { reader, last: None, ahead: VecDeque::new(), piece: None, waits: false }
    }

    /// The bytes of one slot, checked.
    ///
    /// # Errors
    /// The log has no such entry or slot any more, or it cannot be read, or it is damaged.
    pub fn read(&mut self, index: LogIndex, slot: SlotNumber) -> Result<Bytes, ReadError> {
        let buffers = &self.reader.files().read_buffers;
        if let Some(last) = self.last.take_if(|last| last.index == index)
            // A fault may come of a truncation meanwhile: what is there now decides.
            && let Ok(mut last) = last.complete(buffers, &mut self.waits)
            && let Ok(bytes) = last.slot(slot, buffers, &mut self.waits)
        {
            self.last = Some(last);
            return Ok(bytes);
        }
        let cached = lock(&self.reader.files().tail).get(index).map(|entry| entry.body.clone());
        if let Some(body) = cached {
            let held = Held::Cached(Body::parse(body).expect("checked when it was appended"));
            let opened = self.last.insert(Opened { index, held, mark: Mark::default() });
            return opened.slot(slot, buffers, &mut self.waits);
        }
        if let Some(bytes) = self.read_expected(index, slot) {
            return Ok(bytes);
        }
        let waits = Cell::new(self.waits);
        let (opened, bytes) = self.reader.with_view(|view| {
            let (segment, position) = locate(view, index)?;
            let mut waited = waits.get();
            let result = Opened::begin(segment, position, index, &mut waited)
                .map_err(ReadError::from)
                .and_then(|mut opened| opened.slot(slot, buffers, &mut waited).map(|bytes| (opened, bytes)));
            waits.set(waited);
            result
        })?;
        self.waits = waits.get();
        self.last = Some(opened);
        Ok(bytes)
    }

    /// The bytes of one slot, checked, without looking at its entry's directory: they stand at `place`, as a sidecar says. Unless
    /// the read before this one brought them it reads on to the position that `until` answers, for slots that will be asked for
    /// next; what it hands out of a longer read keeps all of that in memory.
    ///
    /// # Errors
    /// As [`SlotReader::read`]. Where the slot's entry says something else than the sidecar does, the fault names the sidecar.
    pub fn read_placed(
        &mut self,
        (index, slot): (LogIndex, SlotNumber),
        place: &SlotPlace,
        until: impl FnOnce(&SlotPlace) -> u64,
    ) -> Result<Bytes, ReadError> {
        if !self.piece.as_ref().is_some_and(|piece| piece.holds(place)) {
            let view = self.reader.files().view();
            let Some(segment) = view.segment(place.segment) else {
                // It was rewritten or given back meanwhile: the place says nothing any more.
                return self.read(index, slot);
            };
            if place.end() > segment.len() || place.bytes as usize > ENTRY_BODY_BYTES_MAX {
                return Err(misplaced(segment, place, index, slot).into());
            }
            self.piece = Some(self.read_piece(segment, place, until(place))?);
        }
        let piece = self.piece.as_ref().expect("just read");
        let bytes = piece.slice(place);
        if crc32c(&bytes) == place.crc {
            return Ok(bytes);
        }
        // The slot is damaged, or what is said of it: its entry knows.
        let fault = misplaced(&piece.segment, place, index, slot);
        self.read(index, slot).and_then(|_| Err(fault.into()))
    }

    fn read_piece(&mut self, segment: &Arc<Segment>, place: &SlotPlace, until: u64) -> Result<Piece, Fault> {
        let end = until.clamp(place.end(), segment.len());
        let len = usize::try_from(end - place.position).expect("a slot, or a little more");
        let buffers = &self.reader.files().read_buffers;
        let bytes =
            buffers.filled(len, |bytes| fill_from(segment, place.position, bytes, &mut self.waits))?;
        Ok(Piece { segment: Arc::clone(segment), position: place.position, bytes })
    }

    /// The medium is asked for the slots at these places at once. That is worth it where it had to be waited for already.
    pub fn expect_placed(&mut self, places: &[SlotPlace]) {
        let view = self.reader.files().view();
        for place in places {
            if let Some(segment) = view.segment(place.segment) {
                segment.file.will_read(place.position, u64::from(place.bytes));
            }
        }
    }

    /// Whether anything that was read so far had to wait for the medium.
    #[must_use]
    pub fn waited(&self) -> bool {
        self.waits
    }

    /// These slots will be read next, in this order: the medium is asked for all of them at once. That is worth it where it had to be
    /// waited for already and slots are far apart. Keeps the beginning of each entry in memory, so they are to be few.
    pub fn expect(&mut self, slots: &[(LogIndex, SlotNumber)]) {
        let files = self.reader.files();
        let view = files.view();
        let cold = slots.iter().filter(|(index, _)| lock(&files.tail).get(*index).is_none());
        // Whatever cannot be read is found out by whoever reads it.
        let found = cold.filter_map(|(index, slot)| Some((locate(&view, *index).ok()?, *index, *slot)));
        let found: Vec<_> = found.collect();
        for ((segment, position), ..) in &found {
            segment.file.will_read(*position, EXPECTED_PREFIX_BYTES);
        }
        for ((segment, position), index, slot) in found {
            if let Ok(mut opened) = Opened::begin(segment, position, index, &mut self.waits) {
                opened.will_read(slot);
                self.ahead.push_back(opened);
            }
        }
    }

    /// The slot, if its entry was expected and is still what it was.
    fn read_expected(&mut self, index: LogIndex, slot: SlotNumber) -> Option<Bytes> {
        while self.ahead.front().is_some_and(|opened| opened.index < index) {
            self.ahead.pop_front();
        }
        let mut opened = self.ahead.pop_front_if(|opened| opened.index == index)?;
        let bytes = opened.slot(slot, &self.reader.files().read_buffers, &mut self.waits).ok()?;
        self.last = Some(opened);
        Some(bytes)
    }
}

impl Piece {
    fn holds(&self, place: &SlotPlace) -> bool {
        let end = self.position + self.bytes.len() as u64;
        self.segment.id == place.segment && self.position <= place.position && place.end() <= end
    }

    fn slice(&self, place: &SlotPlace) -> Bytes {
        let at = usize::try_from(place.position - self.position).expect("within the piece");
        self.bytes.slice(at..at + place.bytes as usize)
    }
}

impl Opened {
    fn begin(
        segment: &Arc<Segment>,
        position: u64,
        index: LogIndex,
        waits: &mut bool,
    ) -> Result<Opened, Fault> {
        let start = Start::read(segment, position, index, waits)?;
        let source = Source { segment: Arc::clone(segment), position };
        Ok(Opened { index, held: Held::Begun(start, source), mark: Mark::default() })
    }

    /// The same with all of the entry in memory, unless it is long: one slot was wanted, and now another.
    fn complete(self, buffers: &Arc<ReadBuffers>, waits: &mut bool) -> Result<Opened, Fault> {
        let held = match self.held {
            Held::Begun(start, source) if start.header.body_len as usize <= WHOLE_BODY_BYTES_MAX => {
                Held::Whole(start.whole(&source.segment, source.position, buffers, waits)?, source)
            }
            other => other,
        };
        Ok(Opened { held, ..self })
    }

    /// Asks the medium for a slot that is not in memory with the entry's beginning.
    fn will_read(&mut self, slot: SlotNumber) {
        let Held::Begun(start, source) = &self.held else { return };
        let prefix = start.prefix();
        // A mark of its own: slots are looked for in their order.
        let Some((line, before)) = Mark::default().find(prefix, slot) else { return };
        let (at, len) = (prefix.len() + before, line.len as usize);
        if !start.holds(at, len) {
            source.segment.file.will_read(source.position + (HEADER_BYTES + at) as u64, len as u64);
        }
    }

    fn slot(
        &mut self,
        slot: SlotNumber,
        buffers: &Arc<ReadBuffers>,
        waits: &mut bool,
    ) -> Result<Bytes, ReadError> {
        let prefix = match &self.held {
            Held::Cached(body) | Held::Whole(body, _) => body.prefix(),
            Held::Begun(start, _) => start.prefix(),
        };
        let found = self.mark.find(prefix, slot).ok_or(ReadError::NoSlot(self.index, slot));
        let (line, before) = found?;
        let (at, len) = (prefix.len() + before, line.len as usize);
        match &self.held {
            Held::Cached(body) => Ok(body.bytes().slice(at..at + len)),
            Held::Whole(body, source) => {
                let bytes = body.bytes().slice(at..at + len);
                let bytes = source.checked(self.index, &line, at, bytes)?;
                // The lesser part of an entry must not keep the rest of it in memory.
                let is_small = len < body.bytes().len() / 2;
                Ok(if is_small { Bytes::copy_from_slice(&bytes) } else { bytes })
            }
            Held::Begun(start, source) => {
                let bytes = start.piece(&source.segment, source.position, at, len, buffers, waits)?;
                Ok(source.checked(self.index, &line, at, bytes)?)
            }
        }
    }
}

/// A sidecar says that a slot stands where it does not.
fn misplaced(segment: &Segment, place: &SlotPlace, index: LogIndex, slot: SlotNumber) -> Fault {
    let path = segment.sidecar().map_or(&*segment.path, Sidecar::path);
    let what =
        format!("slot {slot} of entry {index} is said to stand at {}, where it does not", place.position);
    Fault::corrupt(path, 0, what)
}

impl Source {
    /// The bytes, if they match the checksum in their line.
    fn checked(&self, index: LogIndex, line: &Line, at: usize, bytes: Bytes) -> Result<Bytes, Fault> {
        if crc32c(&bytes) == line.crc {
            return Ok(bytes);
        }
        let position = self.position + (HEADER_BYTES + at) as u64;
        let what = format!("slot {} of entry {index} does not match its checksum", line.number);
        Err(Fault::corrupt(&self.segment.path, position, what))
    }
}

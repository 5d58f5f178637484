//! Reads slots one after the other: what it learned of an entry serves the entry's next slot too.

use std::sync::Arc;

use bytes::Bytes;
use forebay_model::{LogIndex, SlotNumber};

use crate::body::{Body, Line, Mark};
use crate::crc::crc32c;
use crate::entry::HEADER_BYTES;
use crate::fault::Fault;
use crate::files::Segment;
use crate::limits::WHOLE_BODY_BYTES_MAX;
use crate::lock::lock;
use crate::point_read::Start;
use crate::read_buffers::ReadBuffers;
use crate::reader::{ReadError, Reader, locate};

/// Reads slots, from the tail cache, else from files, blocking.
pub struct SlotReader<'a> {
    reader: &'a Reader,
    last: Option<Opened>,
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
        SlotReader { reader, last: None }
    }

    /// The bytes of one slot, checked.
    ///
    /// # Errors
    /// The log has no such entry or slot any more, or it cannot be read, or it is damaged.
    pub fn read(&mut self, index: LogIndex, slot: SlotNumber) -> Result<Bytes, ReadError> {
        let buffers = &self.reader.files().read_buffers;
        if let Some(last) = self.last.take_if(|last| last.index == index)
            // A fault may come of a truncation meanwhile: what is there now decides.
            && let Ok(mut last) = last.complete(buffers)
            && let Ok(bytes) = last.slot(slot, buffers)
        {
            self.last = Some(last);
            return Ok(bytes);
        }
        let cached = lock(&self.reader.files().tail).get(index).map(|entry| entry.body.clone());
        if let Some(body) = cached {
            let held = Held::Cached(Body::parse(body).expect("checked when it was appended"));
            let opened = self.last.insert(Opened { index, held, mark: Mark::default() });
            return opened.slot(slot, buffers);
        }
        let (opened, bytes) = self.reader.with_view(|view| {
            let (segment, position) = locate(view, index)?;
            let mut opened = Opened::begin(segment, position, index)?;
            let bytes = opened.slot(slot, buffers)?;
            Ok((opened, bytes))
        })?;
        self.last = Some(opened);
        Ok(bytes)
    }
}

impl Opened {
    fn begin(segment: &Arc<Segment>, position: u64, index: LogIndex) -> Result<Opened, Fault> {
        let start = Start::read(segment, position, index)?;
        let source = Source { segment: Arc::clone(segment), position };
        Ok(Opened { index, held: Held::Begun(start, source), mark: Mark::default() })
    }

    /// The same with all of the entry in memory, unless it is long: one slot was wanted, and now another.
    fn complete(self, buffers: &Arc<ReadBuffers>) -> Result<Opened, Fault> {
        let held = match self.held {
            Held::Begun(start, source) if start.header.body_len as usize <= WHOLE_BODY_BYTES_MAX => {
                Held::Whole(start.whole(&source.segment, source.position, buffers)?, source)
            }
            other => other,
        };
        Ok(Opened { held, ..self })
    }

    fn slot(&mut self, slot: SlotNumber, buffers: &Arc<ReadBuffers>) -> Result<Bytes, ReadError> {
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
                let bytes = start.piece(&source.segment, source.position, at, len, buffers)?;
                Ok(source.checked(self.index, &line, at, bytes)?)
            }
        }
    }
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

//! Reads one entry, or the beginning of one, where a file has it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use forebay_model::LogIndex;

use crate::body::{Body, check_prefix};
use crate::entry::{Entry, EntryHeader, HEADER_BYTES};
use crate::fault::{Action, Fault};
use crate::files::Segment;
use crate::limits::POINT_READ_BYTES;
use crate::read_buffers::ReadBuffers;

/// The beginning of an entry: its header, and the first bytes of its body.
pub(crate) struct Start {
    pub(crate) header: EntryHeader,
    /// The body as far as it was read: its directory at least.
    body: Vec<u8>,
}

impl Start {
    /// Reads and checks the beginning of the entry `index`, which stands at `position`; `waits` is set if the medium was waited for.
    pub(crate) fn read(
        segment: &Segment,
        position: u64,
        index: LogIndex,
        waits: &mut bool,
    ) -> Result<Start, Fault> {
        let damaged = |what: &str| Fault::corrupt(&segment.path, position, what);
        let mut buffer = vec![0; POINT_READ_BYTES];
        let mut filled = 0;
        while filled < buffer.len() {
            let read = read_some(segment, &mut buffer[filled..], position + filled as u64, waits);
            match read.map_err(Fault::io(Action::Read, &segment.path))? {
                0 => break,
                n => filled += n,
            }
        }
        buffer.truncate(filled);
        let raw = buffer.first_chunk().ok_or_else(|| damaged("the entry's header is cut short"))?;
        let header = EntryHeader::decode(raw).map_err(damaged)?;
        if header.index != index {
            return Err(damaged("another entry stands here"));
        }
        buffer.drain(..HEADER_BYTES);
        buffer.truncate(header.body_len as usize);
        let mut start = Start { header, body: buffer };
        if start.body.len() < header.prefix_len() {
            start.body = vec![0; header.prefix_len()];
            fill(segment, position, 0, &mut start.body, waits)?;
        }
        if !header.crc_matches(start.prefix()) {
            return Err(damaged("the entry's header does not match its checksum"));
        }
        check_prefix(start.prefix(), header.slot_count as usize, header.body_len as usize)
            .map_err(|error| damaged(&error.to_string()))?;
        Ok(start)
    }

    /// The body up to its first slot's bytes.
    pub(crate) fn prefix(&self) -> &[u8] {
        &self.body[..self.header.prefix_len()]
    }

    /// Whether these bytes of the body were read with the beginning.
    pub(crate) fn holds(&self, at: usize, len: usize) -> bool {
        at + len <= self.body.len()
    }

    /// `len` bytes of the body from `at` on, of the entry that was read from `position`.
    pub(crate) fn piece(
        &self,
        segment: &Segment,
        position: u64,
        at: usize,
        len: usize,
        buffers: &Arc<ReadBuffers>,
        waits: &mut bool,
    ) -> Result<Bytes, Fault> {
        match self.body.get(at..at + len) {
            Some(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            None => buffers.filled(len, |bytes| fill(segment, position, at, bytes, waits)),
        }
    }

    /// All of the body. Its slots are not checked.
    pub(crate) fn whole(
        self,
        segment: &Segment,
        position: u64,
        buffers: &Arc<ReadBuffers>,
        waits: &mut bool,
    ) -> Result<Body, Fault> {
        let len = self.header.body_len as usize;
        let bytes: Bytes = if self.body.len() == len {
            self.body.into()
        } else {
            let bytes = buffers.filled(len, |bytes| fill(segment, position, 0, bytes, waits))?;
            // Read for the second time: a truncation meanwhile, or a medium that is not sure.
            if !bytes.starts_with(self.prefix()) {
                return Err(Fault::corrupt(&segment.path, position, "the entry changed while it was read"));
            }
            bytes
        };
        Body::parse(bytes).map_err(|error| Fault::corrupt(&segment.path, position, error.to_string()))
    }
}

/// The entry `index`, which stands at `position`, every byte checked.
pub(crate) fn read_entry_at(
    segment: &Segment,
    position: u64,
    index: LogIndex,
    buffers: &Arc<ReadBuffers>,
) -> Result<Entry, Fault> {
    let waits = &mut false;
    let start = Start::read(segment, position, index, waits)?;
    let header = start.header;
    let body = start.whole(segment, position, buffers, waits)?;
    body.verify().map_err(|error| Fault::corrupt(&segment.path, position, error.to_string()))?;
    Ok(Entry { term: header.term, index, kind: header.kind, body: body.bytes().clone() })
}

/// Fills `bytes` from the body of the entry at `position`, from `at` on.
fn fill(
    segment: &Segment,
    position: u64,
    at: usize,
    bytes: &mut [u8],
    waits: &mut bool,
) -> Result<(), Fault> {
    fill_from(segment, position + (HEADER_BYTES + at) as u64, bytes, waits)
}

/// Fills `bytes` from `from` on.
pub(crate) fn fill_from(
    segment: &Segment,
    from: u64,
    bytes: &mut [u8],
    waits: &mut bool,
) -> Result<(), Fault> {
    let mut filled = 0;
    while filled < bytes.len() {
        let read = read_some(segment, &mut bytes[filled..], from + filled as u64, waits);
        match read.map_err(Fault::io(Action::Read, &segment.path))? {
            0 => return Err(Fault::corrupt(&segment.path, from, "the entry is cut short")),
            n => filled += n,
        }
    }
    Ok(())
}

/// Reads what there is without waiting for the medium, else waits.
fn read_some(segment: &Segment, bytes: &mut [u8], position: u64, waits: &mut bool) -> io::Result<usize> {
    if let Some(read) = segment.file.read_at_once(bytes, position)? {
        return Ok(read);
    }
    *waits = true;
    segment.file.read_at(bytes, position)
}

//! Reads one entry, or the beginning of one, where a file has it.

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
    /// Reads and checks the beginning of the entry `index`, which stands at `position`.
    pub(crate) fn read(segment: &Segment, position: u64, index: LogIndex) -> Result<Start, Fault> {
        let damaged = |what: &str| Fault::corrupt(&segment.path, position, what);
        let mut buffer = vec![0; POINT_READ_BYTES];
        let mut filled = 0;
        while filled < buffer.len() {
            let read = segment.file.read_at(&mut buffer[filled..], position + filled as u64);
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
            let fill = |bytes: &mut [u8]| fill(segment, position, 0, bytes);
            start.body = vec![0; header.prefix_len()];
            fill(&mut start.body)?;
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

    /// `len` bytes of the body from `at` on, of the entry that was read from `position`.
    pub(crate) fn piece(
        &self,
        segment: &Segment,
        position: u64,
        at: usize,
        len: usize,
        buffers: &Arc<ReadBuffers>,
    ) -> Result<Bytes, Fault> {
        match self.body.get(at..at + len) {
            Some(bytes) => Ok(Bytes::copy_from_slice(bytes)),
            None => buffers.filled(len, |bytes| fill(segment, position, at, bytes)),
        }
    }

    /// All of the body. Its slots are not checked.
    pub(crate) fn whole(
        self,
        segment: &Segment,
        position: u64,
        buffers: &Arc<ReadBuffers>,
    ) -> Result<Body, Fault> {
        let len = self.header.body_len as usize;
        let bytes: Bytes = if self.body.len() == len {
            self.body.into()
        } else {
            let bytes = buffers.filled(len, |bytes| fill(segment, position, 0, bytes))?;
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
    let start = Start::read(segment, position, index)?;
    let header = start.header;
    let body = start.whole(segment, position, buffers)?;
    body.verify().map_err(|error| Fault::corrupt(&segment.path, position, error.to_string()))?;
    Ok(Entry { term: header.term, index, kind: header.kind, body: body.bytes().clone() })
}

/// Fills `bytes` from the body of the entry at `position`, from `at` on.
fn fill(segment: &Segment, position: u64, at: usize, bytes: &mut [u8]) -> Result<(), Fault> {
    let from = position + (HEADER_BYTES + at) as u64;
    segment.file.read_exact_at(bytes, from).map_err(|error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            Fault::corrupt(&segment.path, position, "the entry is cut short")
        }
        _ => Fault::io(Action::Read, &segment.path)(error),
    })
}

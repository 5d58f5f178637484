//! Batches on their way out: base offset and leader epoch are written into a copy of the header (both lie outside its
//! checksum), the rest of a batch is passed on as it lies in memory.

use bytes::{Bytes, BytesMut};
use forebay_model::publish::PayloadKind;
use forebay_model::subscription::{ReceiveForm, ReceivedPayload};
use forebay_model::{LeaderEpoch, Offset};
use forebay_record::batch::{HEADER_BYTES, stamp};
use forebay_record::{PropertyReaders, as_record_batch, kind_of};

/// Up to this size a batch is copied whole into the buffer before it: one piece costs less than two.
pub(crate) const COPY_BYTES_MAX: usize = 4096;

/// What was read: stamped record batches as pieces of one byte string, or payloads as they are stored.
#[derive(Default)]
pub(crate) struct ReadPieces {
    pub(crate) records: Vec<Bytes>,
    pub(crate) payloads: Vec<ReceivedPayload>,
}

/// Gathers what is read, batch by batch.
pub(crate) struct Pieces {
    form: ReceiveForm,
    properties: PropertyReaders,
    payloads: Vec<ReceivedPayload>,
    done: Vec<Bytes>,
    /// Copied bytes that are not a piece yet.
    copied: BytesMut,
    /// The pieces of the batch that is not stamped yet.
    raw: Vec<Bytes>,
    len: usize,
}

impl Pieces {
    pub(crate) fn new(form: ReceiveForm, properties: PropertyReaders) -> Pieces {
        let payloads = Vec::new();
        Pieces {
            form,
            properties,
            payloads,
            done: Vec::new(),
            copied: BytesMut::new(),
            raw: Vec::new(),
            len: 0,
        }
    }

    /// Bytes of all batches.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a piece of the next batch.
    pub(crate) fn push_raw(&mut self, piece: Bytes) {
        self.raw.push(piece);
    }

    /// Ends the batch, which has `bytes` bytes, and stamps it. A message batch becomes a record batch where those are wanted.
    pub(crate) fn stamp_last(
        &mut self,
        bytes: usize,
        base: Offset,
        epoch: LeaderEpoch,
    ) -> Result<(), String> {
        let mut raw = std::mem::take(&mut self.raw);
        let have: usize = raw.iter().map(Bytes::len).sum();
        if have != bytes || raw.is_empty() {
            return Err(format!("a batch has {have} bytes where the index says {bytes}"));
        }
        let kind = kind_of(&raw[0]);
        if self.form == ReceiveForm::Payloads {
            self.len += bytes;
            self.payloads.push(ReceivedPayload { kind, first: base, bytes: joined(raw) });
            return Ok(());
        }
        if kind == PayloadKind::MessageBatch {
            raw = vec![as_record_batch(&joined(raw), self.properties).map_err(|error| error.to_string())?];
        }
        if raw[0].len() < HEADER_BYTES {
            return Err(format!("a batch of {} bytes has no header", raw[0].len()));
        }
        let bytes: usize = raw.iter().map(Bytes::len).sum();
        self.len += bytes;
        if bytes <= COPY_BYTES_MAX {
            let at = self.copied.len();
            raw.iter().for_each(|piece| self.copied.extend_from_slice(piece));
            return stamp(&mut self.copied[at..], base, epoch).map_err(|error| error.to_string());
        }
        let mut header = BytesMut::from(&raw[0][..HEADER_BYTES]);
        stamp(&mut header, base, epoch).map_err(|error| error.to_string())?;
        self.copied.extend_from_slice(&header);
        self.flush_copied();
        self.done.push(raw[0].slice(HEADER_BYTES..));
        self.done.extend_from_slice(&raw[1..]);
        Ok(())
    }

    fn flush_copied(&mut self) {
        if !self.copied.is_empty() {
            self.done.push(self.copied.split().freeze());
        }
    }

    pub(crate) fn finish(mut self) -> ReadPieces {
        self.flush_copied();
        ReadPieces { records: self.done, payloads: self.payloads }
    }
}

/// Pieces as one.
pub(crate) fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

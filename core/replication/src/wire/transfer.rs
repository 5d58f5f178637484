//! The transfer of files on the wire.
//!
//! ```text
//! offer   = transfer u64 | index u64 | term u64 | conf | count u32 | (file | bytes u64 | digest u64)*
//! fetch   = transfer u64 | file | position u64 | bytes u32
//! chunk   = transfer u64 | file | position u64 | length u32 | bytes
//! staged  = transfer u64
//! abandon = transfer u64 | reason u8
//! file    = kind u8 (1 segment, 2 sidecar, 3 checkpoint) | index u64 | generation u64
//! ```

use forebay_commitlog::Generation;
use forebay_model::{LogIndex, Term};

use super::cursor::{Reader, Writer};
use super::{FILES_MAX, FRAME_BYTES_MAX, WireError, raft};
use crate::message::{AbandonReason, Chunk, Fetch, FileId, Offer, OfferedFile, TransferId};

const FILE_BYTES: usize = 1 + 8 + 8;
const OFFERED_BYTES: usize = FILE_BYTES + 8 + 8;

pub(super) fn offer_size_hint(offer: &Offer) -> usize {
    512 + offer.files.len() * OFFERED_BYTES
}

pub(super) fn encode_offer(out: &mut Writer, offer: &Offer) {
    out.u64(offer.transfer.0);
    out.u64(offer.index.0);
    out.u64(offer.term.0);
    raft::encode_conf(out, &offer.conf);
    out.count(offer.files.len());
    for offered in &offer.files {
        encode_file(out, offered.file);
        out.u64(offered.bytes);
        out.u64(offered.digest);
    }
}

pub(super) fn decode_offer(input: &mut Reader) -> Result<Offer, WireError> {
    let transfer = decode_id(input)?;
    let index = LogIndex(input.u64()?);
    let term = Term(input.u64()?);
    let conf = raft::decode_conf(input)?;
    let count = input.count(FILES_MAX, OFFERED_BYTES, "file count")?;
    let mut files = Vec::with_capacity(count);
    for _ in 0..count {
        let file = decode_file(input)?;
        files.push(OfferedFile { file, bytes: input.u64()?, digest: input.u64()? });
    }
    Ok(Offer { transfer, index, term, conf, files })
}

pub(super) fn encode_fetch(out: &mut Writer, fetch: &Fetch) {
    out.u64(fetch.transfer.0);
    encode_file(out, fetch.file);
    out.u64(fetch.position);
    out.u32(fetch.bytes);
}

pub(super) fn decode_fetch(input: &mut Reader) -> Result<Fetch, WireError> {
    Ok(Fetch {
        transfer: decode_id(input)?,
        file: decode_file(input)?,
        position: input.u64()?,
        bytes: input.u32()?,
    })
}

pub(super) fn encode_chunk(out: &mut Writer, chunk: &Chunk) {
    out.u64(chunk.transfer.0);
    encode_file(out, chunk.file);
    out.u64(chunk.position);
    out.bytes(&chunk.data);
}

pub(super) fn decode_chunk(input: &mut Reader) -> Result<Chunk, WireError> {
    let (transfer, file, position) = (decode_id(input)?, decode_file(input)?, input.u64()?);
    let data = input.bytes(FRAME_BYTES_MAX, "chunk length")?;
    if data.is_empty() {
        return Err(WireError::Field("chunk length"));
    }
    Ok(Chunk { transfer, file, position, data })
}

pub(super) fn encode_abandon(out: &mut Writer, id: TransferId, reason: AbandonReason) {
    out.u64(id.0);
    out.u8(match reason {
        AbandonReason::Unknown => 1,
        AbandonReason::Storage => 2,
        AbandonReason::Damaged => 3,
        AbandonReason::NotNeeded => 4,
    });
}

pub(super) fn decode_abandon(input: &mut Reader) -> Result<(TransferId, AbandonReason), WireError> {
    let id = decode_id(input)?;
    let reason = match input.u8()? {
        1 => AbandonReason::Unknown,
        2 => AbandonReason::Storage,
        3 => AbandonReason::Damaged,
        4 => AbandonReason::NotNeeded,
        _ => return Err(WireError::Field("reason")),
    };
    Ok((id, reason))
}

pub(super) fn decode_id(input: &mut Reader) -> Result<TransferId, WireError> {
    Ok(TransferId(input.u64()?))
}

fn encode_file(out: &mut Writer, file: FileId) {
    let (kind, index, generation) = match file {
        FileId::Segment { first, generation } => (1, first, generation),
        FileId::Sidecar { first, generation } => (2, first, generation),
        FileId::Checkpoint { index } => (3, index, Generation::APPENDED),
    };
    out.u8(kind);
    out.u64(index.0);
    out.u64(generation.0);
}

fn decode_file(input: &mut Reader) -> Result<FileId, WireError> {
    let (kind, index, generation) = (input.u8()?, LogIndex(input.u64()?), Generation(input.u64()?));
    match (kind, generation) {
        (1, generation) => Ok(FileId::Segment { first: index, generation }),
        (2, generation) => Ok(FileId::Sidecar { first: index, generation }),
        (3, Generation::APPENDED) => Ok(FileId::Checkpoint { index }),
        _ => Err(WireError::Field("file")),
    }
}

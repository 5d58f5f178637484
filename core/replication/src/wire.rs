//! The codec of [`Envelope`]s: version 1.
//!
//! ```text
//! frame = version u8 = 1 | kind u8 | reserved u16 = 0 | from u64 | to u64 | body | crc u32
//! ```
//! Little-endian. `crc` is the CRC-32C of everything before it. `docs/formats` describes files, this page of code is the
//! description of the wire: both ends are always replicas, and a replica refuses a version it does not know.
//!
//! Every field of a Raft message is written, used by its type or not: a field forgotten here would be a field that Raft
//! sees zeroed on the other side. Lengths are checked against what is left before anything is allocated. Payloads are
//! slices of the frame: the entries of one frame live and die together in the tail cache, so they pin nothing foreign.

mod cursor;
pub mod fuzz;
mod raft;
#[cfg(test)]
mod tests;
mod transfer;

use std::fmt;

use bytes::Bytes;

use crate::message::{Envelope, PeerMessage};
use crate::peer::PeerId;
use crate::spent::{Conf, NODES_EVER_MAX};
use cursor::{Reader, Writer};

/// The version written, and the only one read.
pub const VERSION: u8 = 1;
/// Longest frame: an entry's body of 64 MiB, its neighbours in one append, and the fields around them.
pub const FRAME_BYTES_MAX: usize = 80 * 1024 * 1024;
/// Most peers in one list of a configuration.
pub const PEERS_MAX: usize = 64;
/// Longest context of a Raft message.
pub const CONTEXT_BYTES_MAX: usize = 256;
/// Longest data of a Raft snapshot: the number of the transfer that brought the files.
pub const SNAPSHOT_BYTES_MAX: usize = 256;
/// Most files in one offer.
pub const FILES_MAX: usize = 1 << 20;

const HEADER_BYTES: usize = 20;
const CRC_BYTES: usize = 4;

const KIND_RAFT: u8 = 1;
const KIND_OFFER: u8 = 2;
const KIND_FETCH: u8 = 3;
const KIND_CHUNK: u8 = 4;
const KIND_STAGED: u8 = 5;
const KIND_ABANDON: u8 = 6;

/// Why bytes are no message. Always the sender's fault, or the network's between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The frame ends inside a field, or a length in it points past its end.
    Short,
    /// Bytes are left behind the last field, or there are more than [`FRAME_BYTES_MAX`].
    Long,
    /// The checksum does not match: bytes were damaged on the way.
    Damaged,
    /// A version this binary does not speak.
    Version(u8),
    /// The named field has a value that nobody may send.
    Field(&'static str),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::Short => f.write_str("a peer's message ends too early"),
            WireError::Long => f.write_str("a peer's message has bytes behind its end"),
            WireError::Damaged => f.write_str("a peer's message fails its checksum"),
            WireError::Version(v) => {
                write!(f, "a peer speaks version {v} of the replica protocol, not {VERSION}")
            }
            WireError::Field(name) => write!(f, "a peer's message has an impossible {name}"),
        }
    }
}

impl std::error::Error for WireError {}

/// The frame of `envelope`.
#[must_use]
pub fn encode(envelope: &Envelope) -> Vec<u8> {
    let body = match &envelope.message {
        PeerMessage::Raft(message) => raft::size_hint(message),
        PeerMessage::Offer(offer) => transfer::offer_size_hint(offer),
        PeerMessage::Chunk(chunk) => 64 + chunk.data.len(),
        PeerMessage::Fetch(_) | PeerMessage::Staged(_) | PeerMessage::Abandon(..) => 64,
    };
    let mut out = Writer::with_capacity(HEADER_BYTES + body + CRC_BYTES);
    out.u8(VERSION);
    out.u8(match &envelope.message {
        PeerMessage::Raft(_) => KIND_RAFT,
        PeerMessage::Offer(_) => KIND_OFFER,
        PeerMessage::Fetch(_) => KIND_FETCH,
        PeerMessage::Chunk(_) => KIND_CHUNK,
        PeerMessage::Staged(_) => KIND_STAGED,
        PeerMessage::Abandon(..) => KIND_ABANDON,
    });
    out.u16(0);
    out.u64(envelope.from.raft());
    out.u64(envelope.to.raft());
    match &envelope.message {
        PeerMessage::Raft(message) => raft::encode(&mut out, message),
        PeerMessage::Offer(offer) => transfer::encode_offer(&mut out, offer),
        PeerMessage::Fetch(fetch) => transfer::encode_fetch(&mut out, fetch),
        PeerMessage::Chunk(chunk) => transfer::encode_chunk(&mut out, chunk),
        PeerMessage::Staged(id) => out.u64(id.0),
        PeerMessage::Abandon(id, reason) => transfer::encode_abandon(&mut out, *id, *reason),
    }
    out.finish()
}

/// The envelope in `frame`. Payloads keep `frame` alive, so it should hold this message alone.
pub fn decode(frame: &Bytes) -> Result<Envelope, WireError> {
    if frame.len() < HEADER_BYTES + CRC_BYTES {
        return Err(WireError::Short);
    }
    if frame.len() > FRAME_BYTES_MAX {
        return Err(WireError::Long);
    }
    let end = frame.len() - CRC_BYTES;
    // The version comes first, so that a later one may check itself differently.
    if frame[0] != VERSION {
        return Err(WireError::Version(frame[0]));
    }
    let crc = u32::from_le_bytes(frame[end..].try_into().expect("the last four bytes are four"));
    if crc_fast::crc32_iscsi(&frame[..end]) != crc {
        return Err(WireError::Damaged);
    }
    let mut input = Reader::new(frame.slice(1..end));
    let kind = input.u8()?;
    input.zero(2, "reserved field")?;
    let from = peer(&mut input)?;
    let to = peer(&mut input)?;
    let message = match kind {
        KIND_RAFT => PeerMessage::Raft(raft::decode(&mut input)?),
        KIND_OFFER => PeerMessage::Offer(transfer::decode_offer(&mut input)?),
        KIND_FETCH => PeerMessage::Fetch(transfer::decode_fetch(&mut input)?),
        KIND_CHUNK => PeerMessage::Chunk(transfer::decode_chunk(&mut input)?),
        KIND_STAGED => PeerMessage::Staged(transfer::decode_id(&mut input)?),
        KIND_ABANDON => {
            let (id, reason) = transfer::decode_abandon(&mut input)?;
            PeerMessage::Abandon(id, reason)
        }
        _ => return Err(WireError::Field("kind")),
    };
    input.end()?;
    Ok(Envelope { from, to, message })
}

/// The version of a checkpoint's configuration that is written.
const CONF_VERSION: u8 = 2;
/// The one before, without the ids that were given out; it is read.
const CONF_VERSION_BARE: u8 = 1;

/// The bytes of a configuration for a checkpoint, as docs/formats describes them.
pub(crate) fn encode_conf(conf: &Conf) -> Bytes {
    let mut out = Writer::with_capacity(128);
    out.u8(CONF_VERSION);
    raft::encode_conf(&mut out, &conf.raft);
    out.count(conf.spent.peers().len());
    for peer in conf.spent.peers() {
        out.u64(peer.raft());
    }
    out.into_bytes()
}

/// Reads what [`encode_conf`] wrote.
pub(crate) fn decode_conf(bytes: &Bytes) -> Result<Conf, WireError> {
    let mut input = Reader::new(bytes.clone());
    let version = input.u8()?;
    if !matches!(version, CONF_VERSION_BARE | CONF_VERSION) {
        return Err(WireError::Version(version));
    }
    let mut conf = Conf::of(raft::decode_conf(&mut input)?);
    if version == CONF_VERSION {
        let count = input.count(NODES_EVER_MAX, 8, "count of ids given out")?;
        for _ in 0..count {
            conf.spent.note([peer(&mut input)?]);
        }
    }
    input.end()?;
    Ok(conf)
}

fn peer(input: &mut Reader) -> Result<PeerId, WireError> {
    PeerId::from_raft(input.u64()?).ok_or(WireError::Field("peer id"))
}

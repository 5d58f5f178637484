//! Raft's messages on the wire.
//!
//! ```text
//! body     = type u8 | flags u8 | reserved u16 = 0 | term | log term | index | commit | commit term | request snapshot
//!          | reject hint | deprecated priority (all u64) | priority i64 | context | count u32 | entry* | snapshot?
//! flags    = 1: reject, 2: a snapshot follows
//! entry    = kind u8 | reserved u8[3] = 0 | term u64 | index u64 | data
//! snapshot = index u64 | term u64 | conf | data
//! conf     = voters | learners | outgoing voters | next learners (each: count u32, u64*) | auto leave u8
//! context, data = length u32 | bytes
//! ```
//! `to` and `from` are in the frame.

use raft::eraftpb::{ConfState, Entry, Message, MessageType, Snapshot};

use super::cursor::{Reader, Writer};
use super::{CONTEXT_BYTES_MAX, FRAME_BYTES_MAX, PEERS_MAX, SNAPSHOT_BYTES_MAX, WireError};
use crate::entry::{self, EntryKind};

const FLAG_REJECT: u8 = 1;
const FLAG_SNAPSHOT: u8 = 2;
const FIXED_BYTES: usize = 4 + 9 * 8;
const ENTRY_BYTES: usize = 4 + 8 + 8 + 4;

pub(super) fn size_hint(message: &Message) -> usize {
    let entries: usize = message.entries.iter().map(|e| ENTRY_BYTES + e.data.len()).sum();
    FIXED_BYTES + message.context.len() + 8 + entries + 512
}

pub(super) fn encode(out: &mut Writer, message: &Message) {
    let snapshot = message.snapshot.as_ref();
    out.u8(type_code(message.get_msg_type()));
    let reject = if message.reject { FLAG_REJECT } else { 0 };
    out.u8(reject | if snapshot.is_some() { FLAG_SNAPSHOT } else { 0 });
    out.u16(0);
    out.u64(message.term);
    out.u64(message.log_term);
    out.u64(message.index);
    out.u64(message.commit);
    out.u64(message.commit_term);
    out.u64(message.request_snapshot);
    out.u64(message.reject_hint);
    out.u64(message.deprecated_priority);
    out.u64(message.priority as u64);
    out.bytes(&message.context);
    out.count(message.entries.len());
    for entry in &message.entries {
        encode_entry(out, entry);
    }
    if let Some(snapshot) = snapshot {
        out.u64(snapshot.get_metadata().index);
        out.u64(snapshot.get_metadata().term);
        encode_conf(out, snapshot.get_metadata().get_conf_state());
        out.bytes(&snapshot.data);
    }
}

/// The message, with `to` and `from` still unset.
pub(super) fn decode(input: &mut Reader) -> Result<Message, WireError> {
    let mut message = Message::default();
    message.set_msg_type(type_of(input.u8()?)?);
    let flags = input.u8()?;
    if flags & !(FLAG_REJECT | FLAG_SNAPSHOT) != 0 {
        return Err(WireError::Field("flags"));
    }
    message.reject = flags & FLAG_REJECT != 0;
    input.zero(2, "reserved field")?;
    message.term = input.u64()?;
    message.log_term = input.u64()?;
    message.index = input.u64()?;
    message.commit = input.u64()?;
    message.commit_term = input.u64()?;
    message.request_snapshot = input.u64()?;
    message.reject_hint = input.u64()?;
    message.deprecated_priority = input.u64()?;
    message.priority = input.u64()? as i64;
    message.context = input.bytes(CONTEXT_BYTES_MAX, "context")?;
    let count = input.count(FRAME_BYTES_MAX / ENTRY_BYTES, ENTRY_BYTES, "entry count")?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        entries.push(decode_entry(input)?);
    }
    message.set_entries(entries.into());
    if flags & FLAG_SNAPSHOT != 0 {
        message.set_snapshot(decode_snapshot(input)?);
    }
    Ok(message)
}

fn encode_entry(out: &mut Writer, entry: &Entry) {
    out.u8(match entry::kind(entry) {
        EntryKind::Noop => 0,
        EntryKind::Normal => 1,
        EntryKind::ConfChange => 2,
        EntryKind::Seal => 3,
    });
    out.u8(0);
    out.u16(0);
    out.u64(entry.term);
    out.u64(entry.index);
    out.bytes(&entry.data);
}

fn decode_entry(input: &mut Reader) -> Result<Entry, WireError> {
    let kind = match input.u8()? {
        0 => EntryKind::Noop,
        1 => EntryKind::Normal,
        2 => EntryKind::ConfChange,
        3 => EntryKind::Seal,
        _ => return Err(WireError::Field("entry kind")),
    };
    input.zero(3, "reserved field")?;
    let (term, index) = (input.u64()?, input.u64()?);
    let data = input.bytes(FRAME_BYTES_MAX, "entry length")?;
    if matches!((kind, data.is_empty()), (EntryKind::Noop, false) | (EntryKind::Normal, true)) {
        return Err(WireError::Field("entry length"));
    }
    Ok(entry::raft_entry(kind, term, index, data))
}

pub(super) fn encode_conf(out: &mut Writer, conf: &ConfState) {
    for list in [&conf.voters, &conf.learners, &conf.voters_outgoing, &conf.learners_next] {
        out.count(list.len());
        for peer in list.iter() {
            out.u64(*peer);
        }
    }
    out.u8(u8::from(conf.auto_leave));
}

pub(super) fn decode_conf(input: &mut Reader) -> Result<ConfState, WireError> {
    let mut list = || -> Result<Vec<u64>, WireError> {
        let count = input.count(PEERS_MAX, 8, "peer count")?;
        (0..count).map(|_| input.u64()).collect()
    };
    let mut conf = ConfState::default();
    conf.set_voters(list()?);
    conf.set_learners(list()?);
    conf.set_voters_outgoing(list()?);
    conf.set_learners_next(list()?);
    conf.auto_leave = match input.u8()? {
        0 => false,
        1 => true,
        _ => return Err(WireError::Field("auto leave")),
    };
    Ok(conf)
}

fn decode_snapshot(input: &mut Reader) -> Result<Snapshot, WireError> {
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    metadata.index = input.u64()?;
    metadata.term = input.u64()?;
    metadata.set_conf_state(decode_conf(input)?);
    snapshot.data = input.bytes(SNAPSHOT_BYTES_MAX, "snapshot length")?;
    Ok(snapshot)
}

/// The types of the wire. Raft's numbers are written out: they are part of version 1, not of the library.
const TYPES: [(MessageType, u8); 14] = [
    (MessageType::MsgPropose, 2),
    (MessageType::MsgAppend, 3),
    (MessageType::MsgAppendResponse, 4),
    (MessageType::MsgRequestVote, 5),
    (MessageType::MsgRequestVoteResponse, 6),
    (MessageType::MsgSnapshot, 7),
    (MessageType::MsgHeartbeat, 8),
    (MessageType::MsgHeartbeatResponse, 9),
    (MessageType::MsgTransferLeader, 13),
    (MessageType::MsgTimeoutNow, 14),
    (MessageType::MsgReadIndex, 15),
    (MessageType::MsgReadIndexResp, 16),
    (MessageType::MsgRequestPreVote, 17),
    (MessageType::MsgRequestPreVoteResponse, 18),
];

fn type_code(of: MessageType) -> u8 {
    let found = TYPES.iter().find(|(t, _)| *t == of);
    found.expect("the library sends no message that is local to a node").1
}

fn type_of(code: u8) -> Result<MessageType, WireError> {
    let found = TYPES.iter().find(|(_, c)| *c == code);
    found.map(|(t, _)| *t).ok_or(WireError::Field("message type"))
}

#[cfg(test)]
pub(super) fn types() -> impl Iterator<Item = MessageType> {
    TYPES.iter().map(|(t, _)| *t)
}

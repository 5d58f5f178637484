//! Entries between Raft and the log.
//!
//! Raft knows two kinds, the log four. A `Seal` is an ordinary entry to Raft and carries a mark in its context; a `Noop`
//! is an ordinary entry without data. The data of a configuration change is Raft's own bytes, because the library reads
//! them; the log keeps them in a slot, because everything in the log is in a slot.

use bytes::Bytes;
use forebay_commitlog::{self as commitlog, Body, BodyError, SlotKind};
use forebay_model::{LogIndex, Term};
use raft::eraftpb;

use crate::conf::parse_change;

pub(crate) use forebay_commitlog::EntryKind;

/// The kind of the one slot of a configuration change.
pub const CONF_CHANGE_SLOT: SlotKind = SlotKind(0);

static SEAL_MARK: &[u8] = b"seal";

/// What a Raft entry is to the log.
pub(crate) fn kind(entry: &eraftpb::Entry) -> EntryKind {
    match entry.get_entry_type() {
        eraftpb::EntryType::EntryConfChange | eraftpb::EntryType::EntryConfChangeV2 => EntryKind::ConfChange,
        eraftpb::EntryType::EntryNormal if entry.context == SEAL_MARK => EntryKind::Seal,
        eraftpb::EntryType::EntryNormal if entry.data.is_empty() => EntryKind::Noop,
        eraftpb::EntryType::EntryNormal => EntryKind::Normal,
    }
}

/// Raft's entry of a kind, with Raft's own data.
pub(crate) fn raft_entry(kind: EntryKind, term: u64, index: u64, data: Bytes) -> eraftpb::Entry {
    let mut entry = eraftpb::Entry::default();
    match kind {
        EntryKind::Noop | EntryKind::Normal => {}
        EntryKind::Seal => entry.context = Bytes::from_static(SEAL_MARK),
        EntryKind::ConfChange => entry.set_entry_type(eraftpb::EntryType::EntryConfChangeV2),
    }
    entry.term = term;
    entry.index = index;
    entry.data = data;
    entry
}

/// The log's entry for Raft's. Fails on a configuration change longer than a body may be.
pub(crate) fn to_log(entry: eraftpb::Entry) -> Result<commitlog::Entry, BodyError> {
    let kind = kind(&entry);
    let body = match kind {
        EntryKind::ConfChange => Body::opaque(CONF_CHANGE_SLOT, &entry.data)?,
        EntryKind::Noop | EntryKind::Normal | EntryKind::Seal => entry.data,
    };
    Ok(commitlog::Entry { term: Term(entry.term), index: LogIndex(entry.index), kind, body })
}

/// Raft's entry for the log's. Fails when a configuration change's body is not one slot.
pub(crate) fn from_log(entry: commitlog::Entry) -> Result<eraftpb::Entry, BodyError> {
    let data = match entry.kind {
        EntryKind::ConfChange => conf_change_bytes(entry.body)?,
        EntryKind::Noop | EntryKind::Normal | EntryKind::Seal => entry.body,
    };
    Ok(raft_entry(entry.kind, entry.term.0, entry.index.0, data))
}

fn conf_change_bytes(body: Bytes) -> Result<Bytes, BodyError> {
    let body = Body::parse(body)?;
    let slot = body.slots().next().ok_or(BodyError::NoSlot)?;
    Ok(slot.bytes)
}

/// Whether what a peer wants appended can be stored, read and, when it changes the membership, carried out. Nothing else may
/// enter Raft: it would stop whoever meets it as committed.
pub(crate) fn is_sound(entry: &eraftpb::Entry) -> bool {
    match kind(entry) {
        EntryKind::Noop => true,
        EntryKind::ConfChange => parse_change(&entry.data).is_some(),
        EntryKind::Normal | EntryKind::Seal => {
            Body::parse(entry.data.clone()).is_ok_and(|body| body.verify().is_ok())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_the_way_to_the_log_and_back() {
        let body = Body::opaque(SlotKind(3), b"payload").unwrap();
        for (kind, data) in [
            (EntryKind::Noop, Bytes::new()),
            (EntryKind::Normal, body.clone()),
            (EntryKind::Seal, Bytes::new()),
            (EntryKind::Seal, body),
            (EntryKind::ConfChange, Bytes::from_static(&[8, 1])),
            (EntryKind::ConfChange, Bytes::new()),
        ] {
            let entry = raft_entry(kind, 3, 9, data);
            assert_eq!(super::kind(&entry), kind);
            assert!(is_sound(&entry));
            let log = to_log(entry.clone()).unwrap();
            assert_eq!((log.kind, log.term, log.index), (kind, Term(3), LogIndex(9)));
            assert_eq!(from_log(log).unwrap(), entry);
        }
    }

    #[test]
    fn a_peer_cannot_slip_in_a_body_that_does_not_hold_together() {
        let mut body = Body::opaque(SlotKind(3), b"payload").unwrap().to_vec();
        *body.last_mut().unwrap() ^= 1;
        assert!(!is_sound(&raft_entry(EntryKind::Normal, 1, 1, body.into())));
        assert!(!is_sound(&raft_entry(EntryKind::Normal, 1, 1, Bytes::from_static(b"x"))));
        assert!(!is_sound(&raft_entry(EntryKind::ConfChange, 1, 1, Bytes::from_static(b"x"))));
    }
}

//! What is sent is what is received, and nothing else is received.

use ::raft::eraftpb::{ConfState, Entry, Message, Snapshot};
use bytes::Bytes;
use forebay_commitlog::Generation;
use forebay_model::{LogIndex, NodeId, Term};
use proptest::prelude::*;

use super::*;
use crate::entry::{self, EntryKind};
use crate::message::{AbandonReason, Chunk, Fetch, FileId, Offer, OfferedFile, TransferId};

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..max).prop_map(Bytes::from)
}

fn entry() -> impl Strategy<Value = Entry> {
    (0..4, any::<u64>(), any::<u64>(), prop::collection::vec(any::<u8>(), 1..300)).prop_map(
        |(kind, term, index, data)| {
            let data = Bytes::from(data);
            let (kind, data) = match kind {
                0 => (EntryKind::Noop, Bytes::new()),
                1 => (EntryKind::Normal, data),
                2 => (EntryKind::ConfChange, data),
                _ => (EntryKind::Seal, data),
            };
            entry::raft_entry(kind, term, index, data)
        },
    )
}

fn conf() -> impl Strategy<Value = ConfState> {
    let list = || prop::collection::vec(any::<u64>(), 0..6);
    (list(), list(), list(), list(), any::<bool>()).prop_map(|(voters, learners, outgoing, next, leave)| {
        let mut conf = ConfState::default();
        conf.set_voters(voters);
        conf.set_learners(learners);
        conf.set_voters_outgoing(outgoing);
        conf.set_learners_next(next);
        conf.auto_leave = leave;
        conf
    })
}

fn snapshot() -> impl Strategy<Value = Option<Snapshot>> {
    prop::option::of((any::<u64>(), any::<u64>(), conf(), bytes(200)).prop_map(
        |(index, term, conf, data)| {
            let mut snapshot = Snapshot::default();
            snapshot.mut_metadata().index = index;
            snapshot.mut_metadata().term = term;
            snapshot.mut_metadata().set_conf_state(conf);
            snapshot.data = data;
            snapshot
        },
    ))
}

/// Every type, and every field of every type: the codec may not know which type uses what.
fn raft_message() -> impl Strategy<Value = Message> {
    let numbers = prop::array::uniform8(any::<u64>());
    let kinds: Vec<_> = super::raft::types().collect();
    let entries = prop::collection::vec(entry(), 0..4);
    (prop::sample::select(kinds), numbers, any::<i64>(), any::<bool>(), bytes(100), entries, snapshot())
        .prop_map(|(kind, numbers, priority, reject, context, entries, snapshot)| {
            let mut message = Message::default();
            message.set_msg_type(kind);
            [
                message.term,
                message.log_term,
                message.index,
                message.commit,
                message.commit_term,
                message.request_snapshot,
                message.reject_hint,
                message.deprecated_priority,
            ] = numbers;
            message.priority = priority;
            message.reject = reject;
            message.context = context;
            message.set_entries(entries.into());
            if let Some(snapshot) = snapshot {
                message.set_snapshot(snapshot);
            }
            message
        })
}

fn file() -> impl Strategy<Value = FileId> {
    (0..3, any::<u64>(), any::<u64>().prop_map(Generation)).prop_map(|(kind, index, generation)| match kind {
        0 => FileId::Segment { first: LogIndex(index), generation },
        1 => FileId::Sidecar { first: LogIndex(index), generation },
        _ => FileId::Checkpoint { index: LogIndex(index) },
    })
}

fn message() -> impl Strategy<Value = PeerMessage> {
    let offered = (file(), any::<u64>(), any::<u64>()).prop_map(|(file, bytes, digest)| OfferedFile {
        file,
        bytes,
        digest,
    });
    let offer = (any::<u64>(), any::<u64>(), any::<u64>(), conf(), prop::collection::vec(offered, 0..5))
        .prop_map(|(id, index, term, conf, files)| {
            let transfer = TransferId(id);
            PeerMessage::Offer(Offer { transfer, index: LogIndex(index), term: Term(term), conf, files })
        });
    let fetch = (any::<u64>(), file(), any::<u64>(), any::<u32>()).prop_map(|(id, file, position, bytes)| {
        PeerMessage::Fetch(Fetch { transfer: TransferId(id), file, position, bytes })
    });
    let chunk = (any::<u64>(), file(), any::<u64>(), prop::collection::vec(any::<u8>(), 1..300)).prop_map(
        |(id, file, position, data)| {
            PeerMessage::Chunk(Chunk { transfer: TransferId(id), file, position, data: data.into() })
        },
    );
    let reason = prop::sample::select(vec![
        AbandonReason::Unknown,
        AbandonReason::Storage,
        AbandonReason::Damaged,
        AbandonReason::NotNeeded,
    ]);
    prop_oneof![
        6 => raft_message().prop_map(PeerMessage::Raft),
        1 => offer,
        1 => fetch,
        1 => chunk,
        1 => any::<u64>().prop_map(|id| PeerMessage::Staged(TransferId(id))),
        1 => (any::<u64>(), reason).prop_map(|(id, reason)| PeerMessage::Abandon(TransferId(id), reason)),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let peer = || {
        (0..1000u64, 1..=u16::MAX)
            .prop_map(|(node, life)| PeerId::new(NodeId(node), life).expect("in bounds"))
    };
    (peer(), peer(), message()).prop_map(|(from, to, message)| Envelope { from, to, message })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_sent_is_received(envelope in envelope()) {
        let frame = Bytes::from(encode(&envelope));
        prop_assert_eq!(decode(&frame), Ok(envelope));
    }

    #[test]
    fn a_flipped_bit_or_a_cut_is_noticed(envelope in envelope(), at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let good = encode(&envelope);
        let at = at.index(good.len());
        let mut bad = good.clone();
        bad[at] ^= 1u8 << bit;
        prop_assert!(decode(&bad.into()).is_err());
        prop_assert!(decode(&Bytes::copy_from_slice(&good[..at])).is_err());
    }

    #[test]
    fn damaged_fields_behind_a_right_checksum_are_refused_or_sensible(
        envelope in envelope(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut frame = encode(&envelope);
        frame.truncate(frame.len() - CRC_BYTES);
        let at = at.index(frame.len());
        frame[at] = value;
        fuzz::decode_any(&frame, fuzz::Seal::Mend);
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(data in prop::collection::vec(any::<u8>(), 0..400)) {
        fuzz::decode_any(&data, fuzz::Seal::Leave);
        fuzz::decode_any(&data, fuzz::Seal::Mend);
    }
}

proptest! {
    #[test]
    fn a_configuration_reads_back_from_a_checkpoint(
        raft in conf(),
        spent in prop::collection::vec((0..1000u64, 1..=u16::MAX), 0..20),
    ) {
        let mut conf = Conf::of(raft);
        conf.spent.note(spent.into_iter().map(|(node, life)| PeerId::new(NodeId(node), life).expect("in bounds")));
        prop_assert_eq!(decode_conf(&encode_conf(&conf)), Ok(conf));
    }
}

#[test]
fn a_configuration_of_the_version_before_gave_out_what_its_members_have() {
    let mut raft = ConfState::default();
    raft.set_voters(vec![PeerId::first(NodeId(7)).unwrap().raft()]);
    let conf = Conf::of(raft);
    let mut bytes = encode_conf(&conf).to_vec();
    bytes[0] = CONF_VERSION_BARE;
    bytes.truncate(bytes.len() - 4 - 8);
    assert_eq!(decode_conf(&bytes.into()), Ok(conf));
}

#[test]
fn a_hostile_count_allocates_nothing() {
    let mut message = Message::default();
    message.set_msg_type(::raft::eraftpb::MessageType::MsgAppend);
    let peer = PeerId::first(NodeId(1)).unwrap();
    let frame = encode(&Envelope { from: peer, to: peer, message: PeerMessage::Raft(message) });
    // The count of entries is the last field of a message without entries.
    let count = frame.len() - CRC_BYTES - 4;
    for (value, error) in [(u32::MAX, WireError::Field("entry count")), (1_000_000, WireError::Short)] {
        let mut bad = frame.clone();
        bad[count..count + 4].copy_from_slice(&value.to_le_bytes());
        bad.truncate(bad.len() - CRC_BYTES);
        let crc = crc_fast::crc32_iscsi(&bad);
        bad.extend_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&bad.into()), Err(error));
    }
}

#[test]
fn another_version_is_refused_by_name() {
    let mut frame = vec![0; 64];
    frame[0] = 9;
    assert_eq!(decode(&frame.into()), Err(WireError::Version(9)));
}

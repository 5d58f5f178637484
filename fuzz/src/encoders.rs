//! Seeds from our own encoders, for what no file and no client of today contains.

use std::num::NonZeroU64;

use bytes::Bytes;
use forebay_commitlog::{BodyBuilder, Generation, SlotKind};
use forebay_model::{BatchSequence, LogIndex, LogTime, NodeId, ProducerEpoch, ProducerId, Term, Timestamp};
use forebay_record::batch::{BatchBuilder, Codec, Header, NewRecord, Producer};
use forebay_record::message_batch::{DeliveryMode, Envelope, MessageBatchBuilder, Origin};
use forebay_replication::{
    AbandonReason, Chunk, Envelope as PeerEnvelope, Fetch, FileId, Offer, OfferedFile, PeerId, PeerMessage,
    TransferId, wire,
};
use raft::eraftpb::{ConfState, Entry, EntryType, Message, MessageType, Snapshot};

/// Bytes of a built batch at most.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// Pairs of a target's name and a seed for it.
pub fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds = Vec::new();
    for batch in batches() {
        seeds.push(("record-check", batch.clone()));
        seeds.push(("record-read", batch));
    }
    seeds.extend(message_batches().into_iter().map(|batch| ("message-batch", batch)));
    for frame in peer_frames() {
        // Without its checksum: the target puts the right one behind it.
        seeds.push(("peer-frame", frame[..frame.len() - 4].to_vec()));
    }
    seeds
}

/// A batch of every codec, with every shape of record.
fn batches() -> Vec<Vec<u8>> {
    let build = |codec| {
        let mut batch = BatchBuilder::new(codec, BATCH_BYTES_MAX).producer(Producer {
            id: ProducerId(7),
            epoch: ProducerEpoch(1),
            base_sequence: BatchSequence(0),
        });
        for number in 0..6 {
            let record = NewRecord {
                timestamp: Timestamp(1_700_000_000_000 + i64::from(number)),
                key: (number % 3 != 0).then(|| Bytes::from(format!("key {number}"))),
                value: (number % 4 != 1).then(|| Bytes::from("value ".repeat(number as usize * 9))),
                headers: (0..number % 3)
                    .map(|header| Header {
                        key: Bytes::from_static(b"name"),
                        value: (header > 0).then(|| Bytes::from_static(b"what it says")),
                    })
                    .collect(),
            };
            batch.push(&record).expect("it is short");
        }
        batch.build().expect("it has records").to_vec()
    };
    [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd].map(build).to_vec()
}

fn message_batches() -> Vec<Vec<u8>> {
    let plain = Envelope::new(Origin::RECORD, Timestamp(-1));
    let full = Envelope {
        timestamp: Timestamp(1_700_000_000_000),
        expiry: Some(LogTime(1_700_000_060_000)),
        deliver_at: Some(LogTime(1_700_000_001_000)),
        ordering_key: NonZeroU64::new(0x0123_4567_89ab_cdef),
        tag: NonZeroU64::new(5),
        delivery: DeliveryMode::Transient,
        priority: 9,
        ..plain
    };
    let mut one = MessageBatchBuilder::new(BATCH_BYTES_MAX);
    one.push(&plain, b"", None).expect("it is short");
    let mut three = MessageBatchBuilder::new(BATCH_BYTES_MAX);
    three.push(&full, b"properties", Some(b"a body")).expect("it is short");
    three.push(&plain, b"", Some(b"")).expect("it is short");
    three.push(&full, b"p", None).expect("it is short");
    [one, three].map(|batch| batch.build().expect("it has messages").to_vec()).to_vec()
}

/// A frame of every kind between replicas, with everything that one can carry.
fn peer_frames() -> Vec<Vec<u8>> {
    let peer = |number| PeerId::first(NodeId(number)).expect("a small number");
    let file = FileId::Segment { first: LogIndex(9), generation: Generation(2) };
    let transfer = TransferId(77);
    let mut messages = vec![
        PeerMessage::Fetch(Fetch { transfer, file, position: 4_096, bytes: 1 << 20 }),
        PeerMessage::Chunk(Chunk { transfer, file, position: 0, data: Bytes::from_static(b"of a file") }),
        PeerMessage::Offer(Offer {
            transfer,
            index: LogIndex(40),
            term: Term(3),
            conf: conf(),
            files: vec![
                OfferedFile { file, bytes: 1_000, digest: 1 },
                OfferedFile {
                    file: FileId::Sidecar { first: LogIndex(9), generation: Generation(2) },
                    bytes: 2,
                    digest: 3,
                },
                OfferedFile { file: FileId::Checkpoint { index: LogIndex(40) }, bytes: 4, digest: 5 },
            ],
        }),
        PeerMessage::Staged(transfer),
        PeerMessage::Abandon(transfer, AbandonReason::Damaged),
    ];
    messages.extend(raft_messages().into_iter().map(PeerMessage::Raft));
    let frame = |message| wire::encode(&PeerEnvelope { from: peer(1), to: peer(2), message });
    messages.into_iter().map(frame).collect()
}

fn raft_messages() -> Vec<Message> {
    let message = |kind| {
        let mut message = Message { term: 3, log_term: 2, index: 41, commit: 40, ..Message::default() };
        message.set_msg_type(kind);
        message
    };
    let mut append = message(MessageType::MsgAppend);
    append.set_entries(entries().into());
    let mut refused = message(MessageType::MsgAppendResponse);
    refused.reject = true;
    refused.reject_hint = 17;
    let mut snapshot = message(MessageType::MsgSnapshot);
    snapshot.set_snapshot(raft_snapshot());
    let mut vote = message(MessageType::MsgRequestVote);
    vote.context = Bytes::from_static(b"CampaignTransfer");
    let mut beat = message(MessageType::MsgHeartbeat);
    beat.context = Bytes::from_static(&[7; 16]);
    vec![append, refused, snapshot, vote, beat, message(MessageType::MsgTimeoutNow)]
}

fn entries() -> Vec<Entry> {
    let mut body = BodyBuilder::new(2, 64);
    body.push_slot(SlotKind(1), &[b"a turn"]).expect("it is short");
    body.push_slot(SlotKind(2), &[b"a payload"]).expect("it is short");
    let entry = |index, data| Entry { term: 3, index, data, ..Entry::default() };
    let mut change = entry(43, Bytes::from_static(&[0x12, 0x04, 0x08, 0x00, 0x10, 0x05]));
    change.set_entry_type(EntryType::EntryConfChangeV2);
    vec![entry(42, body.finish()), change, entry(44, Bytes::new())]
}

fn raft_snapshot() -> Snapshot {
    let mut snapshot =
        Snapshot { data: Bytes::from_static(&[77, 0, 0, 0, 0, 0, 0, 0]), ..Snapshot::default() };
    snapshot.mut_metadata().index = 40;
    snapshot.mut_metadata().term = 3;
    snapshot.mut_metadata().set_conf_state(conf());
    snapshot
}

fn conf() -> ConfState {
    let mut conf = ConfState { auto_leave: true, ..ConfState::default() };
    conf.set_voters(vec![1, 2, 3]);
    conf.set_learners(vec![4]);
    conf.set_voters_outgoing(vec![1, 2, 5]);
    conf.set_learners_next(vec![5]);
    conf
}

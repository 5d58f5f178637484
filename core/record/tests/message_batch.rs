//! Our own batch: written down by hand, by chance, and damaged.

mod common;

use std::num::{NonZeroU8, NonZeroU64};

use bytes::Bytes;
use common::{bytes, value};
use forebay_model::{LogTime, Timestamp};
use forebay_record::batch::Codec;
use forebay_record::fuzz::fuzz_message_batch;
use forebay_record::limits::{MESSAGES_PER_BATCH_MAX, PROPERTIES_BYTES_MAX};
use forebay_record::message::{Messages, PayloadError, Properties, to_message};
use forebay_record::message_batch::{
    DeliveryMode, Envelope, MessageBatch, MessageBatchBuilder, MessageBatchError, MessageBatchHeader, Origin,
    StoredMessage, ordering_key_hash,
};
use forebay_record::{PayloadKind, payload_kind};
use proptest::option;
use proptest::prelude::*;

const AMQP: Origin = Origin(NonZeroU8::new(2).unwrap());

/// One message with everything and one with nothing.
#[rustfmt::skip]
const GOLDEN: &[u8] = &[
    1, 0, 0, 0,                                 // version, reserved
    2, 0, 0, 0,                                 // two messages
    0xe8, 0x03, 0, 0, 0, 0, 0, 0,               // newest timestamp 1000
    0xd0, 0x07, 0, 0, 0, 0, 0, 0,               // earliest expiry 2000
    0xdc, 0x05, 0, 0, 0, 0, 0, 0,               // latest deliver-at 1500
    69, 0, 0, 0,                                // first message: 64 + 3 + 2
    133, 0, 0, 0,                               // second: 64 more
    // First envelope.
    0xe8, 0x03, 0, 0, 0, 0, 0, 0,               // timestamp 1000
    0xd0, 0x07, 0, 0, 0, 0, 0, 0,               // expiry 2000
    0xdc, 0x05, 0, 0, 0, 0, 0, 0,               // deliver at 1500
    0x8c, 0xec, 0x01, 0x86, 0x4c, 0xdc, 0x63, 0xaf, // FNV-1a of "a"
    5, 0, 0, 0, 0, 0, 0, 0,                     // tag hash 5
    3, 0, 0, 0,                                 // three bytes of properties
    2, 1, 9, 0,                                 // origin, durable, priority, flags
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    b'a', b'b', b'c', b'h', b'i',
    // Second envelope.
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // no timestamp
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, // no expiry
    0, 0, 0, 0, 0, 0, 0, 0,                     // at once
    0, 0, 0, 0, 0, 0, 0, 0,                     // no ordering key
    0, 0, 0, 0, 0, 0, 0, 0,                     // no tag
    0, 0, 0, 0,                                 // no properties
    2, 0, 0, 1,                                 // origin, transient, priority, no body
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];

fn golden_messages() -> [StoredMessage; 2] {
    let full = Envelope {
        expiry: Some(LogTime(2000)),
        deliver_at: Some(LogTime(1500)),
        ordering_key: Some(ordering_key_hash(b"a")),
        tag: NonZeroU64::new(5),
        priority: 9,
        ..Envelope::new(AMQP, Timestamp(1000))
    };
    let bare = Envelope { delivery: DeliveryMode::Transient, ..Envelope::new(AMQP, Timestamp(-1)) };
    [
        StoredMessage { envelope: full, properties: "abc".into(), body: Some("hi".into()) },
        StoredMessage { envelope: bare, properties: Bytes::new(), body: None },
    ]
}

fn build(messages: &[StoredMessage]) -> Bytes {
    let mut builder = MessageBatchBuilder::new(1 << 24);
    for message in messages {
        builder.push(&message.envelope, &message.properties, message.body.as_deref()).unwrap();
    }
    let predicted = builder.encoded_len();
    let batch = builder.build().unwrap();
    assert_eq!(batch.len(), predicted);
    batch
}

fn open(bytes: impl Into<Vec<u8>>) -> Result<MessageBatch, MessageBatchError> {
    MessageBatch::open(bytes.into().into())
}

#[test]
fn the_golden_batch_reads_and_is_written_as_the_page_says() {
    let batch = MessageBatch::open(Bytes::from_static(GOLDEN)).unwrap();
    assert_eq!(batch.iter().collect::<Vec<_>>(), golden_messages());
    assert_eq!(build(&golden_messages()), GOLDEN);
    // A message is reached without the others, and nothing is copied.
    let second = batch.get(1).unwrap();
    assert_eq!(second, golden_messages()[1]);
    assert_eq!(batch.envelope(0), Some(golden_messages()[0].envelope));
    assert_eq!((batch.get(2), batch.envelope(u32::MAX)), (None, None));
    assert!(GOLDEN.as_ptr_range().contains(&batch.get(0).unwrap().body.unwrap().as_ptr()));
}

#[test]
fn the_header_alone_says_what_an_append_needs() {
    let header = MessageBatchHeader::peek(&GOLDEN[..32]).unwrap();
    assert_eq!(
        header,
        MessageBatchHeader {
            count: 2,
            max_timestamp: Timestamp(1000),
            earliest_expiry: Some(LogTime(2000)),
            latest_deliver_at: Some(LogTime(1500)),
        }
    );
}

#[test]
fn the_ordering_key_hash_is_fnv_1a_and_never_zero() {
    assert_eq!(ordering_key_hash(b"").get(), 0xcbf2_9ce4_8422_2325);
    assert_eq!(ordering_key_hash(b"foobar").get(), 0x8594_4171_f739_67e8);
}

#[test]
fn a_batch_cut_anywhere_is_refused() {
    for cut in 0..GOLDEN.len() {
        assert!(open(&GOLDEN[..cut]).is_err(), "cut at {cut}");
    }
    assert!(open([GOLDEN, &[0]].concat()).is_err());
}

#[test]
fn other_versions_and_reserved_bytes_are_refused_by_name() {
    let changed = |at: usize, byte: u8| {
        let mut bytes = GOLDEN.to_vec();
        bytes[at] = byte;
        open(bytes).unwrap_err()
    };
    let first = 32 + 8;
    assert_eq!(changed(0, 2), MessageBatchError::UnknownVersion { version: 2 });
    for at in 1..4 {
        assert_eq!(changed(at, 1), MessageBatchError::ReservedBytes);
    }
    for at in first + 48..first + 64 {
        assert_eq!(changed(at, 1), MessageBatchError::BadEnvelope { index: 0 });
    }
    assert_eq!(changed(first + 44, 0), MessageBatchError::BadEnvelope { index: 0 }); // origin
    assert_eq!(changed(first + 45, 2), MessageBatchError::BadEnvelope { index: 0 }); // delivery mode
    assert_eq!(changed(first + 47, 2), MessageBatchError::BadEnvelope { index: 0 }); // flags
    assert_eq!(changed(first + 40, 6), MessageBatchError::BadEnvelope { index: 0 }); // properties length
    assert_eq!(changed(first + 23, 0x80), MessageBatchError::BadEnvelope { index: 0 }); // deliver-at
    // "No body" leaves no place for bytes that are neither properties nor body.
    assert_eq!(changed(first + 47, 1), MessageBatchError::BadEnvelope { index: 0 });
    for at in [8, 16, 24] {
        assert_eq!(changed(at, 99), MessageBatchError::BadSummary);
    }
}

#[test]
fn counts_and_places_that_cannot_be_are_refused_before_anything_is_believed() {
    let count = |count: u32| {
        let mut bytes = GOLDEN.to_vec();
        bytes[4..8].copy_from_slice(&count.to_le_bytes());
        open(bytes).unwrap_err()
    };
    assert_eq!(count(0), MessageBatchError::BadCount { count: 0 });
    assert_eq!(count(u32::MAX), MessageBatchError::BadCount { count: u32::MAX });
    assert!(matches!(count(65_536), MessageBatchError::Truncated { .. }));
    assert!(count(1) != MessageBatchError::BadSummary);
    let end = |index: usize, end: u32| {
        let mut bytes = GOLDEN.to_vec();
        bytes[32 + 4 * index..36 + 4 * index].copy_from_slice(&end.to_le_bytes());
        open(bytes).unwrap_err()
    };
    for wrong in [0, 63, 134, u32::MAX] {
        assert_eq!(end(0, wrong), MessageBatchError::BadDirectory { index: 0 });
    }
    for wrong in [0, 69, 132, 134, u32::MAX] {
        assert_eq!(end(1, wrong), MessageBatchError::BadDirectory { index: 1 });
    }
}

#[test]
fn a_refused_message_leaves_the_batch_as_it_was() {
    let envelope = Envelope::new(AMQP, Timestamp(1));
    let mut builder = MessageBatchBuilder::new(32 + 4 + 64 + 10);
    let too_large = builder.push(&envelope, b"12345", Some(b"123456"));
    assert_eq!(too_large, Err(MessageBatchError::TooLarge { bytes: 111, limit: 110 }));
    let wordy = builder.push(&envelope, &vec![0; PROPERTIES_BYTES_MAX + 1], None);
    assert_eq!(wordy, Err(MessageBatchError::PropertiesTooLarge { bytes: PROPERTIES_BYTES_MAX + 1 }));
    for wrong in [
        Envelope { timestamp: Timestamp(-2), ..envelope },
        Envelope { expiry: Some(LogTime(i64::MAX)), ..envelope },
        Envelope { deliver_at: Some(LogTime(0)), ..envelope },
    ] {
        assert_eq!(builder.push(&wrong, b"", None), Err(MessageBatchError::BadEnvelope { index: 0 }));
    }
    assert_eq!(builder.message_count(), 0);
    builder.push(&envelope, b"12345", Some(b"12345")).unwrap();
    assert_eq!(builder.build().unwrap().len(), 110);
    assert_eq!(MessageBatchBuilder::new(1000).build(), Err(MessageBatchError::BadCount { count: 0 }));
}

#[test]
fn a_batch_has_as_many_messages_as_an_entry_has_slots() {
    let envelope = Envelope::new(AMQP, Timestamp(1));
    let mut builder = MessageBatchBuilder::new(usize::MAX);
    for _ in 0..MESSAGES_PER_BATCH_MAX {
        builder.push(&envelope, b"", None).unwrap();
    }
    assert_eq!(builder.push(&envelope, b"", None), Err(MessageBatchError::Full));
    let batch = MessageBatch::open(builder.build().unwrap()).unwrap();
    assert_eq!(batch.iter().count(), MESSAGES_PER_BATCH_MAX);
}

#[test]
fn both_kinds_of_payload_turn_into_the_same_kind_of_message() {
    let records = common::build(Codec::Lz4, &[value(5, "one"), value(6, "two")]);
    let messages: Vec<_> =
        Messages::open(PayloadKind::RecordBatch, &records, 1000).unwrap().map(Result::unwrap).collect();
    assert_eq!(messages.len(), 2);
    let (delta, second) = &messages[1];
    assert_eq!((*delta, second.timestamp(), second.origin()), (1, Timestamp(6), Origin::RECORD));
    assert_eq!(second.body.as_deref(), Some(&b"two"[..]));
    assert_eq!(second.properties, Properties::Headers(vec![]));

    let golden = Bytes::from_static(GOLDEN);
    let second = to_message(PayloadKind::MessageBatch, &golden, 1, 0).unwrap().unwrap();
    assert_eq!((second.origin(), second.body), (AMQP, None));
    let first = to_message(PayloadKind::MessageBatch, &golden, 0, 0).unwrap().unwrap();
    assert_eq!(first.properties, Properties::Raw("abc".into()));
    assert_eq!(to_message(PayloadKind::MessageBatch, &golden, 2, 0), Ok(None));

    let wrong = Messages::open(PayloadKind::RecordBatch, &golden, 1000).unwrap_err();
    assert!(matches!(wrong, PayloadError::RecordBatch(_)));
    let wrong = Messages::open(PayloadKind::MessageBatch, &records, 1000).unwrap_err();
    assert!(matches!(wrong, PayloadError::MessageBatch(_)));
}

#[test]
fn kinds_are_known_by_their_stored_numbers() {
    for kind in [PayloadKind::RecordBatch, PayloadKind::MessageBatch] {
        assert_eq!(payload_kind(kind as u8), Some(kind));
    }
    assert_eq!((payload_kind(0), payload_kind(3)), (None, None));
}

fn message() -> impl Strategy<Value = StoredMessage> {
    let times = (-1..i64::MAX, option::of(any::<i64>()), option::of(1..i64::MAX));
    let hashes = (any::<u64>(), prop_oneof![Just(0), any::<u64>()]);
    let rest = (1..=u8::MAX, any::<bool>(), any::<u8>(), bytes(), option::of(bytes()));
    (times, hashes, rest).prop_map(|((timestamp, expiry, deliver_at), (key, tag), rest)| {
        let (origin, durable, priority, properties, body) = rest;
        let envelope = Envelope {
            timestamp: Timestamp(timestamp),
            expiry: expiry.filter(|&time| time != i64::MAX).map(LogTime),
            deliver_at: deliver_at.map(LogTime),
            ordering_key: NonZeroU64::new(key),
            tag: NonZeroU64::new(tag),
            origin: Origin(NonZeroU8::new(origin).unwrap()),
            delivery: if durable { DeliveryMode::Durable } else { DeliveryMode::Transient },
            priority,
        };
        StoredMessage { envelope, properties, body }
    })
}

proptest! {
    #[test]
    fn messages_come_back(messages in proptest::collection::vec(message(), 1..10)) {
        let batch = MessageBatch::open(build(&messages)).unwrap();
        prop_assert_eq!(batch.iter().collect::<Vec<_>>(), messages.clone());
        let header = batch.header();
        prop_assert_eq!(header.earliest_expiry, messages.iter().filter_map(|m| m.envelope.expiry).min());
        prop_assert_eq!(header.latest_deliver_at, messages.iter().filter_map(|m| m.envelope.deliver_at).max());
    }

    #[test]
    fn no_damage_panics_and_what_still_opens_has_one_encoding(
        messages in proptest::collection::vec(message(), 1..5),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut data = build(&messages).to_vec();
        for (at, byte) in flips {
            let at = at.index(data.len());
            data[at] ^= byte;
        }
        fuzz_message_batch(&data);
    }
}

//! Clients that are wrong, broken or malicious: each is refused for its reason, and nothing panics.

mod common;

use bytes::Bytes;
use common::*;
use forebay_model::Timestamp;
use forebay_record::batch::{self, BatchError, CheckLimits, Codec, Depth, Fault, RecordFault, Records};
use forebay_record::fuzz;
use proptest::prelude::*;

fn good(codec: Codec) -> Bytes {
    build(codec, &[value(10, "one"), value(12, "two"), value(11, "three")])
}

fn refused(payload: &[u8]) -> BatchError {
    batch::check(payload, &LIMITS).unwrap_err()
}

#[test]
fn a_batch_cut_anywhere_is_truncated() {
    for codec in Codec::ALL {
        let batch = good(codec);
        for cut in 0..batch.len() {
            assert!(matches!(refused(&batch[..cut]), BatchError::Truncated { .. }), "{codec} cut at {cut}");
            assert!(Records::open(&batch.slice(..cut), MIB).is_err());
        }
    }
}

#[test]
fn records_cut_anywhere_are_refused_though_length_and_crc_are_right() {
    for codec in Codec::ALL {
        let batch = good(codec);
        for cut in 61..batch.len() {
            let cut_batch = with_section(&batch, codec.number(), &batch[61..cut]);
            // An LZ4 frame without its end mark has everything that counts.
            if batch::check(&cut_batch, &LIMITS).is_ok() {
                assert_eq!(codec, Codec::Lz4);
                assert!(cut + 4 >= batch.len());
                assert_eq!(read(&cut_batch), read(&batch));
            }
        }
    }
}

#[test]
fn every_flipped_bit_that_the_crc_covers_is_found() {
    for codec in Codec::ALL {
        let batch = good(codec);
        for bit in 0..batch.len() * 8 {
            let mut flipped = batch.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let outcome = batch::check(&flipped, &LIMITS);
            match bit / 8 {
                // Base offset and leader epoch are the broker's to write.
                0..8 | 12..16 => assert!(outcome.is_ok()),
                8..12 => assert_eq!(outcome.unwrap_err().fault(), Fault::Corrupt),
                16 => assert_eq!(outcome.unwrap_err().fault(), Fault::UnsupportedLayout),
                _ => assert!(outcome.is_err(), "{codec} bit {bit}"),
            }
        }
    }
}

#[test]
fn a_second_batch_or_anything_else_behind_the_first_is_refused() {
    let batch = good(Codec::None);
    let two = [batch.clone(), batch.clone()].concat();
    assert_eq!(refused(&two), BatchError::TrailingBytes { bytes: batch.len() });
    let mut one_more = batch.to_vec();
    one_more.push(0);
    assert_eq!(refused(&one_more), BatchError::TrailingBytes { bytes: 1 });
}

#[test]
fn older_layouts_are_told_apart_even_where_they_are_shorter() {
    // A message of magic 1: offset, size, crc, magic, attributes, timestamp, key, value.
    let mut message = vec![0; 8];
    message.extend_from_slice(&22i32.to_be_bytes());
    message.extend_from_slice(&[1, 2, 3, 4, 1, 0]);
    message.extend_from_slice(&[0; 16]);
    assert_eq!(refused(&message), BatchError::UnsupportedMagic { magic: 1 });
    assert_eq!(refused(&message).fault(), Fault::UnsupportedLayout);
    assert_eq!(refused(&[]), BatchError::Truncated { needed: 61, found: 0 });
}

#[test]
fn lengths_that_cannot_be_are_refused() {
    let batch = good(Codec::None);
    for length in [-1, 0, 48, i32::MIN] {
        assert_eq!(refused(&with(&batch, 8, &length.to_be_bytes())), BatchError::BadLength { length });
    }
    let huge = with(&batch, 8, &i32::MAX.to_be_bytes());
    assert!(matches!(refused(&huge), BatchError::Truncated { .. }));
}

#[test]
fn the_size_limit_is_exact() {
    let batch = good(Codec::None);
    let limits = |batch_bytes_max| CheckLimits { batch_bytes_max, ..LIMITS };
    assert!(batch::check(&batch, &limits(batch.len())).is_ok());
    let error = batch::check(&batch, &limits(batch.len() - 1)).unwrap_err();
    assert_eq!(error, BatchError::TooLarge { bytes: batch.len(), limit: batch.len() - 1 });
}

#[test]
fn attributes_that_are_not_a_clients_are_refused() {
    let batch = good(Codec::None);
    let attributes = |bits: u16| refused(&with(&batch, 21, &bits.to_be_bytes()));
    for number in 5..8 {
        assert_eq!(attributes(u16::from(number)), BatchError::UnknownCodec { number });
    }
    assert_eq!(attributes(1 << 3), BatchError::AppendTimeFromClient);
    assert_eq!(attributes(1 << 4), BatchError::TransactionWithoutProducer);
    assert_eq!(attributes(1 << 5), BatchError::ControlFromClient);
    assert_eq!(attributes(1 << 6), BatchError::DeleteHorizonFromClient);
    for bit in 7..16 {
        assert_eq!(attributes(1 << bit), BatchError::UnknownAttributes { bits: 1 << bit });
    }
}

#[test]
fn counts_and_offsets_agree() {
    let batch = good(Codec::None);
    let counts = |last: i32, count: i32| {
        refused(&with(&with(&batch, 23, &last.to_be_bytes()), 57, &count.to_be_bytes()))
    };
    let bad = |last_offset_delta, record_count| BatchError::BadCounts { last_offset_delta, record_count };
    assert_eq!(counts(0, 0), BatchError::NoRecords);
    assert_eq!(counts(-1, 0), bad(-1, 0));
    assert_eq!(counts(2, -3), bad(2, -3));
    assert_eq!(counts(3, 3), bad(3, 3));
    assert_eq!(counts(1, 2), BatchError::TrailingRecordBytes);
    assert_eq!(counts(3, 4), BatchError::BadRecord { index: 3, fault: RecordFault::Truncated });
    assert!(matches!(counts(i32::MAX - 1, i32::MAX), BatchError::TooManyRecords { .. }));
}

#[test]
fn a_small_compressed_batch_cannot_claim_two_billion_offsets_even_unread() {
    let batch = good(Codec::Zstd);
    let claim = with(&with(&batch, 23, &(i32::MAX - 1).to_be_bytes()), 57, &i32::MAX.to_be_bytes());
    let limits = CheckLimits { depth: Depth::Header, ..LIMITS };
    assert!(matches!(batch::check(&claim, &limits), Err(BatchError::TooManyRecords { .. })));
}

#[test]
fn a_producer_has_epoch_and_sequence_and_without_one_they_mean_nothing() {
    let batch = good(Codec::None);
    let producer = |id: i64, epoch: i16, sequence: i32| {
        let batch = with(&batch, 43, &id.to_be_bytes());
        let batch = with(&batch, 51, &epoch.to_be_bytes());
        batch::check(&with(&batch, 53, &sequence.to_be_bytes()), &LIMITS)
    };
    assert!(producer(0, 0, 0).is_ok());
    assert!(producer(-1, -1, -1).is_ok());
    // As kafkajs writes it.
    assert!(producer(-1, 0, 0).unwrap().producer().is_none());
    for (id, epoch, sequence) in [(-2, 0, 0), (7, -1, 0), (7, 0, -1)] {
        assert!(matches!(producer(id, epoch, sequence), Err(BatchError::BadProducer { .. })));
    }
}

#[test]
fn sequences_wrap_to_zero() {
    let batch = with(&good(Codec::None), 53, &(i32::MAX - 1).to_be_bytes());
    let header = batch::BatchHeader::peek(&batch).unwrap();
    assert_eq!(header.last_sequence().0, 0);
}

#[test]
fn timestamps_before_1970_are_refused() {
    let batch = good(Codec::None);
    let base = |t: i64| refused(&with(&batch, 27, &t.to_be_bytes()));
    assert_eq!(base(-2), BatchError::BadTimestamp { timestamp: Timestamp(-2) });
    assert_eq!(base(i64::MAX), BatchError::BadRecord { index: 1, fault: RecordFault::BadTimestamp });
    assert_eq!(base(i64::MAX).fault(), Fault::Timestamp);
    let below = build(Codec::None, &[value(100, "a"), value(0, "b")]);
    let below = with(&below, 27, &50i64.to_be_bytes());
    assert_eq!(refused(&below), BatchError::BadRecord { index: 1, fault: RecordFault::BadTimestamp });
}

#[test]
fn a_wrong_newest_timestamp_is_refused_by_check_and_repaired_by_admit() {
    for codec in Codec::ALL {
        for claimed in [-1, 5, 99] {
            let batch = with(&good(codec), 35, &i64::to_be_bytes(claimed));
            let (claimed, found) = (Timestamp(claimed), Timestamp(12));
            assert_eq!(refused(&batch), BatchError::WrongMaxTimestamp { claimed, found });
            let (header, stored) = batch::admit(batch, &LIMITS).unwrap();
            assert_eq!(header.max_timestamp, found);
            assert_eq!(stored, good(codec));
        }
        let right = good(codec);
        let (_, stored) = batch::admit(right.clone(), &LIMITS).unwrap();
        assert_eq!(stored.as_ptr(), right.as_ptr(), "what is right is not copied");
    }
}

/// A batch of one record with those bytes behind its length.
fn one_record(codec: Codec, body: &[u8]) -> BatchError {
    let mut section = varint(body.len() as i64);
    section.extend_from_slice(body);
    let plain = with_section(&build(Codec::None, &[value(0, "")]), 0, &section);
    refused(&batch::recompress(&plain, codec, batch::Level::Default, MIB).unwrap())
}

#[test]
fn a_record_whose_insides_do_not_fit_is_refused_compressed_or_not() {
    let max = varint(i64::from(i32::MAX));
    let cases: Vec<(Vec<u8>, RecordFault)> = vec![
        // attributes, timestamp delta, offset delta, key, value, header count
        (vec![0, 0, 2, 1, 1, 0], RecordFault::BadOffset { delta: 1 }),
        (vec![0, 0, 1, 1, 1, 0], RecordFault::BadOffset { delta: -1 }),
        (vec![0, 0, 0, 3, 1, 0], RecordFault::BadLength),
        (vec![0, 0, 0, 1, 3, 0], RecordFault::BadLength),
        (vec![0, 0, 0, 1, 1, 1], RecordFault::BadLength),
        (vec![0, 0, 0, 1, 1, 2, 1, 1], RecordFault::BadLength), // a header's name cannot be null
        (vec![0, 0, 0, 1, 1, 0, 0], RecordFault::LengthMismatch),
        (vec![0, 0, 0, 1, 1, 2], RecordFault::Truncated),
        ([&[0, 0, 0][..], &max].concat(), RecordFault::Truncated),
        ([&[0, 0, 0, 1, 1][..], &max].concat(), RecordFault::Truncated),
        (vec![0, 0, 0x80, 0x80, 0x80, 0x80, 0x10, 1, 1, 0], RecordFault::BadVarint),
        (vec![0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 1, 0], RecordFault::BadVarint),
        ([&[0][..], &[0xff; 10], &[0, 0, 1, 1, 0]].concat(), RecordFault::BadVarint),
    ];
    for codec in Codec::ALL {
        for (body, fault) in &cases {
            let expected = BatchError::BadRecord { index: 0, fault: *fault };
            assert_eq!(one_record(codec, body), expected, "{codec} {body:?}");
        }
    }
    let negative = with_section(&build(Codec::None, &[value(0, "")]), 0, &[1, 0, 0, 0, 1, 1, 0]);
    assert_eq!(refused(&negative), BatchError::BadRecord { index: 0, fault: RecordFault::BadLength });
}

#[test]
fn bytes_behind_the_last_record_are_refused_compressed_or_not() {
    for codec in Codec::ALL {
        let plain = good(Codec::None);
        let more = with_section(&plain, 0, &[&plain[61..], &[0]].concat());
        let more = batch::recompress(&more, codec, batch::Level::Default, MIB).unwrap();
        assert_eq!(refused(&more), BatchError::TrailingRecordBytes);
        let last = Records::open(&more, MIB).unwrap().last().unwrap();
        assert_eq!(last, Err(BatchError::TrailingRecordBytes));

        let batch = good(codec);
        let behind = with_section(&batch, codec.number(), &[&batch[61..], b"hidden"].concat());
        assert!(batch::check(&behind, &LIMITS).is_err(), "{codec}");
    }
}

#[test]
fn what_does_not_decompress_is_corrupt_unless_only_the_header_is_looked_at() {
    for codec in &Codec::ALL[1..] {
        let garbage = with_section(&good(*codec), codec.number(), &[0xa5; 50]);
        let error = refused(&garbage);
        assert!(matches!(error, BatchError::Undecodable { .. }), "{error}");
        assert_eq!(error.fault(), Fault::Corrupt);
        assert!(batch::check(&garbage, &CheckLimits { depth: Depth::Header, ..LIMITS }).is_ok());
        assert!(Records::open(&garbage, MIB).is_err());
    }
}

#[test]
fn a_snappy_block_that_claims_four_gigabytes_is_refused_by_its_own_size() {
    let claim = with_section(&good(Codec::Snappy), 2, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    assert!(matches!(refused(&claim), BatchError::Undecodable { .. }));
}

#[test]
fn the_bound_on_decompressed_bytes_is_exact() {
    let plain = good(Codec::None);
    let section = plain.len() - 61;
    for codec in &Codec::ALL[1..] {
        let batch = good(*codec);
        let limits = |inflated_bytes_max| CheckLimits { inflated_bytes_max, ..LIMITS };
        assert!(batch::check(&batch, &limits(section)).is_ok(), "{codec}");
        let refused = BatchError::InflatedTooLarge { limit: section - 1 };
        assert_eq!(batch::check(&batch, &limits(section - 1)), Err(refused.clone()), "{codec}");
        assert!(Records::open(&batch, section).is_ok());
        assert_eq!(Records::open(&batch, section - 1).unwrap_err(), refused);
        assert_eq!(batch::recompress(&batch, Codec::None, batch::Level::Default, section - 1), Err(refused));
    }
}

#[test]
fn iterating_ends_behind_the_first_error() {
    let plain = good(Codec::None);
    // The second record says it has offset delta 0 as well.
    let mut section = plain[61..].to_vec();
    section[10 + 3] = 0;
    let batch = with_section(&plain, 0, &section);
    let outcomes: Vec<_> = Records::open(&batch, 0).unwrap().map(|r| r.map(|r| r.offset_delta)).collect();
    let fault = RecordFault::BadOffset { delta: 0 };
    assert_eq!(outcomes, [Ok(0), Err(BatchError::BadRecord { index: 1, fault })]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_damage_to_a_real_batch_panics(
        codec in codec(),
        records in records(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut data = build(codec, &records).to_vec();
        for (at, byte) in flips {
            let at = at.index(data.len());
            data[at] ^= byte;
        }
        fuzz::fuzz_check(&data);
        fuzz::fuzz_records(&data);
        data.truncate(cut.index(data.len()));
        fuzz::fuzz_check(&data);
        fuzz::fuzz_records(&data);
    }

    #[test]
    fn no_damage_to_uncompressed_records_panics_before_they_are_compressed_again(
        codec in codec(),
        records in records(),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let mut data = build(Codec::None, &records).to_vec();
        for (at, byte) in flips {
            let at = 61 + at.index(data.len() - 61);
            data[at] ^= byte;
        }
        let data = batch::recompress(&data.into(), codec, batch::Level::Default, MIB).unwrap();
        fuzz::fuzz_check(&data);
        fuzz::fuzz_records(&data);
    }

    #[test]
    fn no_bytes_at_all_panic(data in proptest::collection::vec(any::<u8>(), 0..300)) {
        fuzz::fuzz_check(&data);
        fuzz::fuzz_records(&data);
        fuzz::fuzz_message_batch(&data);
    }
}

//! What is built is admitted and reads the same, with every codec and in every form of it that clients send.

mod common;

use std::io::Write;

use bytes::Bytes;
use common::*;
use forebay_model::Timestamp;
use forebay_record::batch::{self, BatchError, Batches, Codec, Records};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn records_come_back_with_repeated_headers_and_in_order(codec in codec(), records in records()) {
        let batch = build(codec, &records);
        let header = batch::check(&batch, &LIMITS).unwrap();
        prop_assert_eq!(header.codec, codec);
        prop_assert_eq!(header.encoded_len, batch.len());
        prop_assert_eq!(Some(header.max_timestamp), records.iter().map(|r| r.timestamp).max());
        prop_assert_eq!(read(&batch), records);
    }

    #[test]
    fn recompressing_changes_nothing_but_the_codec(from in codec(), to in codec(), records in records()) {
        let batch = build(from, &records);
        let again = batch::recompress(&batch, to, batch::Level::Default, 16 * MIB).unwrap();
        prop_assert_eq!(batch::check(&again, &LIMITS).unwrap().codec, to);
        prop_assert_eq!(read(&again), records.clone());
        let plain = batch::recompress(&again, Codec::None, batch::Level::Default, 16 * MIB).unwrap();
        prop_assert_eq!(plain, build(Codec::None, &records));
    }

    #[test]
    fn a_record_is_found_by_time_as_a_scan_would_find_it(
        codec in codec(),
        records in records(),
        wanted in prop_oneof![-2..5001i64, any::<i64>()],
        from in prop_oneof![Just(0u32), 0..8u32],
    ) {
        let batch = build(codec, &records);
        let all = records.iter().enumerate().map(|(i, r)| (i as u32, r.timestamp));
        let counted: Vec<_> = all.filter(|(delta, _)| *delta >= from).collect();
        let stamps = || counted.iter().copied();
        let expected = stamps().find(|(_, t)| *t >= Timestamp(wanted));
        prop_assert_eq!(batch::first_at_or_after(&batch, Timestamp(wanted), from, 16 * MIB).unwrap(), expected);
        let newest = stamps().map(|(_, t)| t).max();
        let expected = stamps().find(|(_, t)| Some(*t) == newest);
        prop_assert_eq!(batch::first_at_max_timestamp(&batch, from, 16 * MIB).unwrap(), expected);
    }

    #[test]
    fn a_corrected_crc_is_the_computed_one(records in records(), codec in codec(), time in any::<i64>()) {
        let patched = batch::with_append_time(&build(codec, &records), Timestamp(time)).unwrap();
        prop_assert!(batch::verify(&patched).is_ok());
    }

    #[test]
    fn a_fetch_splits_into_its_batches_and_an_unfinished_one(
        parts in proptest::collection::vec(records(), 1..5),
        cut in 0..100usize,
    ) {
        let batches: Vec<_> = parts.iter().map(|records| build(Codec::None, records)).collect();
        let mut fetched = batches.concat();
        fetched.extend_from_slice(&batches[0][..cut.min(batches[0].len() - 1)]);
        let split: Vec<_> = Batches::new(fetched.into()).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(split, batches);
    }
}

/// A batch of one long record, and its uncompressed section.
fn long() -> (Bytes, Vec<u8>) {
    let text: String = (0..40_000).map(|i| format!("line {} of a log, ", i % 977)).collect();
    let record = forebay_record::batch::NewRecord {
        timestamp: Timestamp(5),
        value: Some(text.into()),
        ..Default::default()
    };
    let batch = build(Codec::None, &[record]);
    let section = batch[61..].to_vec();
    (batch, section)
}

fn reads_as(plain: &Bytes, compressed: &Bytes) {
    batch::check(compressed, &LIMITS).unwrap();
    assert_eq!(read(compressed), read(plain));
    assert_eq!(batch::first_at_or_after(compressed, Timestamp(5), 0, MIB).unwrap(), Some((0, Timestamp(5))));
}

#[test]
fn lz4_reads_with_linked_and_independent_blocks_and_every_checksum() {
    let (plain, section) = long();
    for mode in [BlockMode::Linked, BlockMode::Independent] {
        for size in [BlockSize::Max64KB, BlockSize::Max256KB, BlockSize::Max4MB] {
            for checksums in [false, true] {
                let info = FrameInfo::new()
                    .block_mode(mode)
                    .block_size(size)
                    .block_checksums(checksums)
                    .content_checksum(checksums)
                    .content_size(checksums.then_some(section.len() as u64));
                let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
                encoder.write_all(&section).unwrap();
                reads_as(&plain, &with_section(&plain, 3, &encoder.finish().unwrap()));
            }
        }
    }
}

#[test]
fn snappy_reads_raw_too() {
    let (plain, section) = long();
    let raw = snap::raw::Encoder::new().compress_vec(&section).unwrap();
    reads_as(&plain, &with_section(&plain, 2, &raw));
}

#[test]
fn snappy_reads_blocks_of_any_size() {
    let (plain, section) = long();
    let mut framed = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01".to_vec();
    for block in section.chunks(100_000) {
        let block = snap::raw::Encoder::new().compress_vec(block).unwrap();
        framed.extend_from_slice(&(block.len() as u32).to_be_bytes());
        framed.extend_from_slice(&block);
    }
    reads_as(&plain, &with_section(&plain, 2, &framed));
}

#[test]
fn zstd_reads_with_and_without_a_stated_size_at_every_level() {
    let (plain, section) = long();
    for level in [1, 19, 22] {
        let sized = zstd::bulk::compress(&section, level).unwrap();
        reads_as(&plain, &with_section(&plain, 4, &sized));
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), level).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(&section).unwrap();
        reads_as(&plain, &with_section(&plain, 4, &encoder.finish().unwrap()));
    }
}

#[test]
fn gzip_reads_in_several_members() {
    let (plain, section) = long();
    let mut members = Vec::new();
    for part in section.chunks(100_000) {
        let mut encoder = flate2::write::GzEncoder::new(&mut members, flate2::Compression::best());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    reads_as(&plain, &with_section(&plain, 1, &members));
}

#[test]
fn a_compacted_batch_reads_with_its_gaps() {
    let full = build(Codec::None, &[value(1, "a"), value(2, "b"), value(3, "c")]);
    // One record of "a", "b", "c" is eight bytes with its length; the middle one goes.
    let mut section = full[61..].to_vec();
    section.drain(8..16);
    let kept = with(&with_section(&full, 0, &section), 57, &2i32.to_be_bytes());
    let deltas: Vec<_> = Records::open(&kept, 0).unwrap().map(|r| r.unwrap().offset_delta).collect();
    assert_eq!(deltas, [0, 2]);
    assert_eq!(batch::first_at_or_after(&kept, Timestamp(2), 0, 0).unwrap(), Some((2, Timestamp(3))));
    // From a client the same batch is refused.
    assert!(matches!(batch::check(&kept, &LIMITS), Err(BatchError::BadCounts { .. })));

    let emptied = with(&with_section(&full, 0, &[]), 57, &0i32.to_be_bytes());
    assert_eq!(Records::open(&emptied, 0).unwrap().count(), 0);
    assert_eq!(batch::first_at_max_timestamp(&emptied, 0, 0).unwrap(), None);
}

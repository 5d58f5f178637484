//! A batch that decompresses to far more than it is costs no memory to refuse, and little to check. One test, alone
//! in its process, since it looks at the peak of the whole process.
#![cfg(target_os = "linux")]

mod common;

use std::io::Write;

use common::*;
use forebay_model::Timestamp;
use forebay_record::batch::{self, BatchError, CheckLimits, Codec, Records};
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

const BOMB_BYTES: usize = 256 * MIB;
const GROWTH_BYTES_MAX: usize = 48 * MIB;

/// One record with a value of zeros, compressed piece by piece.
fn bomb(codec: Codec) -> bytes::Bytes {
    let front = [&[0, 0, 0, 1][..], &varint(BOMB_BYTES as i64)].concat();
    let mut head = varint((front.len() + BOMB_BYTES + 1) as i64);
    head.extend_from_slice(&front);
    let zeros = vec![0; MIB];
    let feed = |encoder: &mut dyn Write| {
        encoder.write_all(&head).unwrap();
        for _ in 0..BOMB_BYTES / MIB {
            encoder.write_all(&zeros).unwrap();
        }
        encoder.write_all(&[0]).unwrap();
    };
    let section = match codec {
        Codec::None => unreachable!("nothing is smaller than it is"),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            feed(&mut encoder);
            encoder.finish().unwrap()
        }
        Codec::Snappy => {
            let mut framed = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01".to_vec();
            let mut block = |bytes: &[u8]| {
                let block = snap::raw::Encoder::new().compress_vec(bytes).unwrap();
                framed.extend_from_slice(&(block.len() as u32).to_be_bytes());
                framed.extend_from_slice(&block);
            };
            block(&head);
            (0..BOMB_BYTES / MIB).for_each(|_| block(&zeros));
            block(&[0]);
            framed
        }
        Codec::Lz4 => {
            let info = FrameInfo::new().block_mode(BlockMode::Linked).block_size(BlockSize::Max4MB);
            let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
            feed(&mut encoder);
            encoder.finish().unwrap()
        }
        Codec::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
            feed(&mut encoder);
            encoder.finish().unwrap()
        }
    };
    with_section(&build(Codec::None, &[value(7, "")]), codec.number(), &section)
}

fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[test]
fn a_zip_bomb_costs_its_bound_and_a_check_costs_a_window() {
    let bombs: Vec<_> = Codec::ALL[1..].iter().map(|codec| (*codec, bomb(*codec))).collect();
    let before = peak_bytes();
    for (codec, bomb) in &bombs {
        // With room for it, it is a batch like any other, and is read without ever being whole in memory.
        let roomy = CheckLimits { inflated_bytes_max: BOMB_BYTES + MIB, ..LIMITS };
        assert_eq!(batch::check(bomb, &roomy).map(|h| h.codec), Ok(*codec));
        let found = batch::first_at_or_after(bomb, Timestamp(0), 0, BOMB_BYTES + MIB).unwrap();
        assert_eq!(found, Some((0, Timestamp(7))));
        // Without, it is refused, also where it would have to be whole.
        let refused = BatchError::InflatedTooLarge { limit: 4 * MIB };
        assert_eq!(
            batch::check(bomb, &CheckLimits { inflated_bytes_max: 4 * MIB, ..LIMITS }),
            Err(refused.clone())
        );
        assert_eq!(Records::open(bomb, 4 * MIB).unwrap_err(), refused);
    }
    let growth = peak_bytes() - before;
    assert!(growth < GROWTH_BYTES_MAX, "the peak grew by {growth} bytes");
}

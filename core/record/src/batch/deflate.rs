//! Compression of a batch's records, with what other clients expect of each codec.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

use super::Codec;
use super::inflate::{XERIAL_HEADER_BYTES, XERIAL_MAGIC};

/// Input of one snappy block: what the Java clients use.
const SNAPPY_BLOCK_BYTES: usize = 32 * 1024;
/// Version and lowest compatible version in xerial's header.
const XERIAL_VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// A zstd level in the middle of what its authors call fast.
const ZSTD_LEVEL: i32 = 3;

/// How hard a codec tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// As it does by itself.
    #[default]
    Default,
    /// At this level: of gzip from 0 to 9, of zstd as its authors have them. The other codecs know of none.
    Of(i32),
}

/// Appends `records`, compressed with `codec`, to `out`.
pub(super) fn deflate(codec: Codec, level: Level, records: &[u8], out: &mut Vec<u8>) {
    let written = match codec {
        Codec::None => out.write_all(records),
        Codec::Gzip => gzip(level, records, out),
        Codec::Snappy => snappy(records, out),
        Codec::Lz4 => lz4(records, out),
        Codec::Zstd => {
            let level = if let Level::Of(level) = level { level } else { ZSTD_LEVEL };
            zstd_stream(level, records, out)
        }
    };
    written.expect("writing to memory does not fail, and every input can be compressed");
}

/// Who says beforehand how much it is needs no more memory than that asks for, at whatever level; and its reader neither.
fn zstd_stream(level: i32, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = zstd::stream::Encoder::new(out, level)?;
    encoder.set_pledged_src_size(Some(records.len() as u64))?;
    encoder.write_all(records)?;
    encoder.finish().map(drop)
}

fn gzip(level: Level, records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let level = match level {
        Level::Default => Compression::default(),
        Level::Of(level) => Compression::new(u32::try_from(level).unwrap_or(0).min(9)),
    };
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(records)?;
    encoder.finish().map(drop)
}

fn snappy(records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    const { assert!(XERIAL_MAGIC.len() + XERIAL_VERSIONS.len() == XERIAL_HEADER_BYTES) };
    out.extend_from_slice(XERIAL_MAGIC);
    out.extend_from_slice(&XERIAL_VERSIONS);
    let mut encoder = snap::raw::Encoder::new();
    for block in records.chunks(SNAPPY_BLOCK_BYTES) {
        let block = encoder.compress_vec(block).map_err(io::Error::other)?;
        out.extend_from_slice(&(block.len() as u32).to_be_bytes());
        out.extend_from_slice(&block);
    }
    Ok(())
}

/// Independent blocks of 64 KiB without checksums: the one form every Kafka client reads.
fn lz4(records: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(records)?;
    encoder.finish().map(drop).map_err(io::Error::other)
}

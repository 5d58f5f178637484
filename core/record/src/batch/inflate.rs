//! Decompression with a named bound on what comes out.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;

use super::{BatchError, Codec};
use crate::limits::{INFLATE_BUFFER_BYTES, SNAPPY_EXPANSION_MAX};

/// First bytes of snappy in xerial's framing; a raw block cannot begin like this.
pub(super) const XERIAL_MAGIC: &[u8; 8] = b"\x82SNAPPY\x00";
/// Magic, version and compatible version.
pub(super) const XERIAL_HEADER_BYTES: usize = 16;

/// The LZ4 frame format's magic. The legacy format, which has another, was never part of the v2 layout.
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Largest window, as a power of two, that a zstd frame may ask for. Encoders at their highest level ask for it
/// however little they write, so the bound on the output cannot be one on the window; memory that a window asks for
/// is used only as far as output goes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The records section of a compressed batch as a stream that ends in an error once more than the limit came out of
/// it. Holds a window (zstd) or a block (snappy, lz4) at a time: of a window no more than came out, of snappy at most the
/// limit, of lz4 at most 13 MiB.
pub(super) struct Inflate<'a> {
    stream: BufReader<Bounded<'a>>,
    codec: Codec,
    limit: usize,
}

impl<'a> Inflate<'a> {
    /// Opens a section compressed with `codec`, which is a real one.
    pub(super) fn open(codec: Codec, section: &'a [u8], limit: usize) -> Result<Inflate<'a>, BatchError> {
        let opened = Stream::open(codec, section, limit);
        let stream = opened.map_err(|error| explain(&error, codec, limit))?;
        let bounded = Bounded { stream, left: limit };
        Ok(Inflate { stream: BufReader::with_capacity(INFLATE_BUFFER_BYTES, bounded), codec, limit })
    }

    /// What is decompressed and not consumed; empty at the end.
    pub(super) fn fill(&mut self) -> Result<&[u8], BatchError> {
        self.stream.fill_buf().map_err(|error| explain(&error, self.codec, self.limit))
    }

    /// What is decompressed and not consumed, without decompressing more.
    pub(super) fn buffered(&self) -> &[u8] {
        self.stream.buffer()
    }

    /// Consumes bytes that [`Inflate::fill`] showed.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.stream.consume(bytes);
    }

    /// Everything to the end, and the end is that of the section too.
    pub(super) fn read_all(mut self) -> Result<Vec<u8>, BatchError> {
        let mut all = Vec::new();
        let read = self.stream.read_to_end(&mut all);
        read.map_err(|error| explain(&error, self.codec, self.limit))?;
        self.finish()?;
        Ok(all)
    }

    /// Refuses compressed bytes that the stream ended before.
    pub(super) fn finish(&self) -> Result<(), BatchError> {
        match self.stream.get_ref().stream.unread() {
            0 => Ok(()),
            _ => Err(BatchError::TrailingRecordBytes),
        }
    }
}

fn explain(error: &io::Error, codec: Codec, limit: usize) -> BatchError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => BatchError::InflatedTooLarge { limit },
        _ => BatchError::Undecodable { codec, why: error.to_string() },
    }
}

/// Lets `left` bytes through and fails at the next.
struct Bounded<'a> {
    stream: Stream<'a>,
    left: usize,
}

impl Read for Bounded<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        // One byte more than allowed is asked for, so that the exact limit still ends well.
        let room = out.len().min(self.left.saturating_add(1));
        let read = self.stream.read(&mut out[..room])?;
        match self.left.checked_sub(read) {
            Some(left) => {
                self.left = left;
                Ok(read)
            }
            None => Err(io::ErrorKind::FileTooLarge.into()),
        }
    }
}

enum Stream<'a> {
    Plain(&'a [u8]),
    Gzip(Box<MultiGzDecoder<&'a [u8]>>),
    Snappy(Snappy<'a>),
    Lz4(Box<FrameDecoder<&'a [u8]>>),
    Zstd(zstd::stream::read::Decoder<'static, &'a [u8]>),
}

impl<'a> Stream<'a> {
    fn open(codec: Codec, section: &'a [u8], limit: usize) -> io::Result<Stream<'a>> {
        Ok(match codec {
            Codec::None => Stream::Plain(section),
            Codec::Gzip => Stream::Gzip(Box::new(MultiGzDecoder::new(section))),
            Codec::Snappy => Stream::Snappy(Snappy::open(section, limit)),
            Codec::Lz4 if section.starts_with(&LZ4_MAGIC) => {
                Stream::Lz4(Box::new(FrameDecoder::new(section)))
            }
            Codec::Lz4 => return Err(invalid("not an LZ4 frame")),
            Codec::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(section)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Stream::Zstd(decoder)
            }
        })
    }

    /// Compressed bytes that were not needed.
    fn unread(&self) -> usize {
        match self {
            Stream::Plain(rest) => rest.len(),
            Stream::Gzip(decoder) => decoder.get_ref().len(),
            Stream::Snappy(snappy) => snappy.rest.len(),
            Stream::Lz4(decoder) => decoder.get_ref().len(),
            Stream::Zstd(decoder) => decoder.get_ref().len(),
        }
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(rest) => rest.read(out),
            Stream::Gzip(decoder) => decoder.read(out),
            Stream::Snappy(snappy) => snappy.read(out),
            Stream::Lz4(decoder) => decoder.read(out),
            Stream::Zstd(decoder) => decoder.read(out),
        }
    }
}

/// Snappy has blocks and no stream: blocks in xerial's framing, or a single raw one.
struct Snappy<'a> {
    rest: &'a [u8],
    framing: Framing,
    block: Vec<u8>,
    read: usize,
    limit: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Framing {
    Xerial,
    Raw,
}

impl<'a> Snappy<'a> {
    fn open(section: &'a [u8], limit: usize) -> Snappy<'a> {
        let (rest, framing) = match section.get(XERIAL_HEADER_BYTES..) {
            Some(blocks) if section.starts_with(XERIAL_MAGIC) => (blocks, Framing::Xerial),
            _ => (section, Framing::Raw),
        };
        Snappy { rest, framing, block: Vec::new(), read: 0, limit }
    }

    /// The next compressed block; `None` at the end.
    fn next_block(&mut self) -> io::Result<Option<&'a [u8]>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let block = match self.framing {
            Framing::Raw => std::mem::take(&mut self.rest),
            Framing::Xerial => {
                let (length, rest) = self
                    .rest
                    .split_first_chunk::<4>()
                    .ok_or_else(|| invalid("a block's length is cut off"))?;
                let length = u32::from_be_bytes(*length) as usize;
                let (block, rest) = rest
                    .split_at_checked(length)
                    .ok_or_else(|| invalid("a block is longer than what is left"))?;
                self.rest = rest;
                block
            }
        };
        Ok(Some(block))
    }

    fn inflate(&mut self, block: &[u8]) -> io::Result<()> {
        let length = snap::raw::decompress_len(block).map_err(invalid)?;
        // The length is the block's own claim: believed only as far as its bytes could make it true.
        if length > block.len().saturating_mul(SNAPPY_EXPANSION_MAX) {
            return Err(invalid("a block claims more than it can hold"));
        }
        if length > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.block.resize(length, 0);
        let written = snap::raw::Decoder::new().decompress(block, &mut self.block).map_err(invalid)?;
        self.block.truncate(written);
        self.read = 0;
        Ok(())
    }
}

impl Read for Snappy<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.read == self.block.len() {
            match self.next_block()? {
                Some(block) => self.inflate(block)?,
                None => return Ok(0),
            }
        }
        let read = (&self.block[self.read..]).read(out)?;
        self.read += read;
        Ok(read)
    }
}

fn invalid(why: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
}

//! Stepping over records without touching what they carry: over bytes in memory, or over a stream that is
//! decompressed as it is read.

use std::ops::Range;

use super::inflate::Inflate;
use super::varint::{unzigzag32, unzigzag64};
use super::{BatchError, BatchHeader, Codec, RecordFault};

/// What a walk reads from.
pub(super) trait Source {
    /// Bytes consumed so far.
    fn position(&self) -> usize;
    /// The next byte.
    fn byte(&mut self) -> Result<u8, RecordFault>;
    /// Passes over bytes.
    fn skip(&mut self, bytes: usize) -> Result<(), RecordFault>;
    /// Whether nothing is left.
    fn at_end(&mut self) -> bool;
    /// Why the source, not the record, is at fault, if it is.
    fn failure(&mut self) -> Option<BatchError>;
}

/// Records in memory.
pub(super) struct Slice<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Slice<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Slice<'a> {
        Slice { bytes, at }
    }
}

impl Source for Slice<'_> {
    #[inline(always)]
    fn position(&self) -> usize {
        self.at
    }

    #[inline(always)]
    fn byte(&mut self) -> Result<u8, RecordFault> {
        let byte = *self.bytes.get(self.at).ok_or(RecordFault::Truncated)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline(always)]
    fn skip(&mut self, bytes: usize) -> Result<(), RecordFault> {
        if self.bytes.len() - self.at < bytes {
            return Err(RecordFault::Truncated);
        }
        self.at += bytes;
        Ok(())
    }

    fn at_end(&mut self) -> bool {
        self.at == self.bytes.len()
    }

    fn failure(&mut self) -> Option<BatchError> {
        None
    }
}

/// Records that are decompressed while they are walked, so that memory does not grow with them.
pub(super) struct Stream<'a> {
    inflate: Inflate<'a>,
    position: usize,
    failure: Option<BatchError>,
}

impl<'a> Stream<'a> {
    pub(super) fn open(
        header: &BatchHeader,
        section: &'a [u8],
        limit: usize,
    ) -> Result<Stream<'a>, BatchError> {
        Ok(Stream { inflate: Inflate::open(header.codec, section, limit)?, position: 0, failure: None })
    }

    fn take(&mut self, wanted: usize) -> Result<(u8, usize), RecordFault> {
        match self.inflate.fill() {
            Ok([]) => Err(RecordFault::Truncated),
            Ok(buffer) => {
                let (first, taken) = (buffer[0], buffer.len().min(wanted));
                self.inflate.consume(taken);
                self.position += taken;
                Ok((first, taken))
            }
            Err(error) => {
                self.failure = Some(error);
                Err(RecordFault::Truncated)
            }
        }
    }
}

impl Source for Stream<'_> {
    fn position(&self) -> usize {
        self.position
    }

    #[inline(always)]
    fn byte(&mut self) -> Result<u8, RecordFault> {
        let Some(&byte) = self.inflate.buffered().first() else { return self.take(1).map(|(byte, _)| byte) };
        self.inflate.consume(1);
        self.position += 1;
        Ok(byte)
    }

    fn skip(&mut self, mut bytes: usize) -> Result<(), RecordFault> {
        while bytes > 0 {
            bytes -= self.take(bytes)?.1;
        }
        Ok(())
    }

    fn at_end(&mut self) -> bool {
        match self.inflate.fill() {
            Ok(rest) if !rest.is_empty() => false,
            ended => {
                self.failure = ended.err().or_else(|| self.inflate.finish().err());
                true
            }
        }
    }

    fn failure(&mut self) -> Option<BatchError> {
        self.failure.take()
    }
}

/// Where the parts of one record are, counted from where its source began.
pub(super) struct Frame {
    pub(super) offset_delta: i32,
    pub(super) timestamp_delta: i64,
    pub(super) key: Option<Range<usize>>,
    pub(super) value: Option<Range<usize>>,
    pub(super) header_count: usize,
    /// Where the headers begin.
    pub(super) headers_at: usize,
}

/// Steps over one record and checks that its fields fill exactly the length it states.
#[inline(always)]
pub(super) fn frame<S: Source>(source: &mut S) -> Result<Frame, RecordFault> {
    let length = length(source)?.ok_or(RecordFault::BadLength)?;
    let start = source.position();
    source.byte()?; // attributes: none are defined
    let timestamp_delta = varlong(source)?;
    let offset_delta = varint(source)?;
    let key = field(source)?;
    let value = field(source)?;
    let header_count = usize::try_from(varint(source)?).map_err(|_| RecordFault::BadLength)?;
    let headers_at = source.position();
    for _ in 0..header_count {
        header(source)?;
    }
    if source.position() - start != length {
        return Err(RecordFault::LengthMismatch);
    }
    Ok(Frame { offset_delta, timestamp_delta, key, value, header_count, headers_at })
}

/// Steps over one header: its key, which cannot be null, and its value.
#[inline(always)]
pub(super) fn header<S: Source>(source: &mut S) -> Result<(Range<usize>, Option<Range<usize>>), RecordFault> {
    let key = field(source)?.ok_or(RecordFault::BadLength)?;
    Ok((key, field(source)?))
}

/// A length and that many bytes; -1 stands for null.
#[inline(always)]
fn field<S: Source>(source: &mut S) -> Result<Option<Range<usize>>, RecordFault> {
    let Some(length) = length(source)? else { return Ok(None) };
    let start = source.position();
    source.skip(length)?;
    Ok(Some(start..start + length))
}

#[inline(always)]
fn length<S: Source>(source: &mut S) -> Result<Option<usize>, RecordFault> {
    match varint(source)? {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| RecordFault::BadLength),
    }
}

#[inline(always)]
fn varint<S: Source>(source: &mut S) -> Result<i32, RecordFault> {
    let byte = source.byte()?;
    if byte < 0x80 {
        return Ok(unzigzag32(u32::from(byte)));
    }
    // The fifth byte has room for four bits.
    let long = rest_of_varint(source, byte, 28, 0x0f)?;
    Ok(unzigzag32(long as u32))
}

#[inline(always)]
fn varlong<S: Source>(source: &mut S) -> Result<i64, RecordFault> {
    let byte = source.byte()?;
    if byte < 0x80 {
        return Ok(unzigzag64(u64::from(byte)));
    }
    // The tenth byte has room for one bit.
    rest_of_varint(source, byte, 63, 0x01).map(unzigzag64)
}

#[inline(always)]
fn rest_of_varint<S: Source>(
    source: &mut S,
    first: u8,
    shift_max: u32,
    last_max: u8,
) -> Result<u64, RecordFault> {
    let mut value = u64::from(first & 0x7f);
    let mut shift = 7;
    loop {
        let byte = source.byte()?;
        if shift == shift_max && byte > last_max {
            return Err(RecordFault::BadVarint);
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
        shift += 7;
    }
}

/// Calls `see` with each record of a batch until it breaks off, decompressing as it goes.
pub(super) fn walk<B>(
    header: &BatchHeader,
    section: &[u8],
    inflated_bytes_max: usize,
    see: impl FnMut(u32, &Frame) -> Result<Option<B>, RecordFault>,
) -> Result<Option<B>, BatchError> {
    match header.codec {
        Codec::None => steps(header, &mut Slice::new(section, 0), see),
        _ => steps(header, &mut Stream::open(header, section, inflated_bytes_max)?, see),
    }
}

#[inline(always)]
fn steps<S: Source, B>(
    header: &BatchHeader,
    source: &mut S,
    mut see: impl FnMut(u32, &Frame) -> Result<Option<B>, RecordFault>,
) -> Result<Option<B>, BatchError> {
    for index in 0..header.record_count {
        match frame(source).and_then(|frame| see(index, &frame)) {
            Ok(None) => {}
            Ok(found) => return Ok(found),
            Err(fault) => return Err(source.failure().unwrap_or(BatchError::BadRecord { index, fault })),
        }
    }
    let at_end = source.at_end();
    match source.failure() {
        Some(error) => Err(error),
        None if !at_end => Err(BatchError::TrailingRecordBytes),
        None => Ok(None),
    }
}

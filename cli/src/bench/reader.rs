//! A connection that a broker's partitions are read over, one large answer after the other.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use forebay_kafka::record::batch::{BatchError, BatchHeader, Batches, HEADER_BYTES, Record, Records, verify};
use forebay_kafka::record::limits::INFLATED_BYTES_MAX_DEFAULT;
use forebay_kafka::wire::messages::fetch::{FetchPartition, FetchTopic};
use forebay_kafka::wire::messages::{FetchRequest, FetchResponse};
use forebay_kafka::wire::{ApiKey, Cursor, Request, Response, Str};

use super::link::{Drained, Link};
use super::setup::Target;
use crate::client::{ClientError, Place};
use crate::exit::Failure;

/// Record bytes wanted in one answer, from all partitions.
const FETCH_BYTES_MAX: i32 = 64 * 1024 * 1024;
/// Largest answer that is taken in, bytes: one huge batch still has to fit.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long the broker may wait for the first record, milliseconds.
const WAIT_MS: i32 = 500;

/// How far is looked into batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Their headers say how many records there are.
    Headers,
    /// The checksum is checked and every record is read.
    Records,
}

/// Reads partitions of one topic from one broker.
#[derive(Debug)]
pub struct Reader {
    link: Link,
    version: i16,
    topic: String,
    /// What is still to be read; who brought something goes behind the others.
    spans: VecDeque<(i32, Range<i64>)>,
    partition_bytes_max: i32,
    depth: Depth,
    correlation: i32,
    asked: Option<Instant>,
    /// When the last that brought something was asked.
    progressed: Instant,
    unsent: Bytes,
    /// More may have come than was read.
    drained: Drained,
}

/// What an answer brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Got {
    /// Records.
    pub records: u64,
    /// Bytes of their values; where only headers were read, of the records as they are stored.
    pub payload_bytes: u64,
}

impl Reader {
    /// Connects, to read these offsets of these partitions.
    ///
    /// # Errors
    /// When nobody answers there, or no version of Fetch is common.
    pub fn open(
        target: &Target,
        address: &str,
        spans: Vec<(i32, Range<i64>)>,
        partition_bytes_max: u32,
        depth: Depth,
    ) -> Result<Reader, Failure> {
        let (link, version) = target.link(address, ApiKey::Fetch, ANSWER_BYTES_MAX)?;
        Ok(Reader {
            link,
            version,
            topic: target.topic.clone(),
            spans: spans.into_iter().filter(|(_, span)| !span.is_empty()).collect(),
            partition_bytes_max: i32::try_from(partition_bytes_max).unwrap_or(i32::MAX),
            depth,
            correlation: 0,
            asked: None,
            progressed: Instant::now(),
            unsent: Bytes::new(),
            drained: Drained::Yes,
        })
    }

    /// The socket.
    pub fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Whether everything was read.
    pub fn is_at_end(&self) -> bool {
        self.spans.is_empty()
    }

    /// Asks for more. Only when nothing that was asked for is missing.
    ///
    /// # Errors
    /// [`ClientError::Lost`].
    pub fn ask(&mut self) -> Result<(), ClientError> {
        debug_assert!(self.asked.is_none(), "one answer at a time");
        self.correlation = self.correlation.wrapping_add(1);
        let frame =
            self.request().to_frame(self.version, self.correlation, Some(Str::from_static("forebay-bench")));
        let frame = frame.map_err(|why| ClientError::Invalid(format!("Fetch cannot be asked: {why}")))?;
        self.unsent = frame.into_bytes();
        self.asked = Some(Instant::now());
        self.write_on()
    }

    /// Goes on writing the request, if it is not written to its end.
    ///
    /// # Errors
    /// [`ClientError::Lost`].
    pub fn write_on(&mut self) -> Result<(), ClientError> {
        if !self.unsent.is_empty() {
            let written = self.link.write(&self.unsent)?;
            self.unsent.advance(written);
        }
        Ok(())
    }

    /// The socket has something to read: [`Reader::read`] will.
    pub fn on_readable(&mut self) {
        self.drained = Drained::No;
    }

    /// Reads until an answer is whole; `None` when there is no more to read now. With [`Depth::Records`] each record is
    /// shown, with its partition.
    ///
    /// # Errors
    /// [`ClientError::Lost`]; [`ClientError::Garbled`] for what was not asked for or is not as it was written;
    /// [`ClientError::Refused`].
    pub fn read(&mut self, mut see: impl FnMut(i32, &Record)) -> Result<Option<Got>, ClientError> {
        loop {
            let mut answer = Answer {
                version: self.version,
                correlation: self.correlation,
                topic: &self.topic,
                spans: &mut self.spans,
                depth: self.depth,
            };
            if let Some(understood) = self.link.lend_frame(|frame| answer.understand(&frame, &mut see))? {
                let asked = self.asked.take().ok_or_else(|| self.link.garbled("nothing was asked"))?;
                let got = understood.map_err(|fault| match fault {
                    Fault::Garbled(why) => self.link.garbled(why),
                    Fault::Refused(why) => why,
                })?;
                if got.records > 0 {
                    self.progressed = asked;
                }
                return Ok(Some(got));
            }
            if self.drained == Drained::Yes {
                return Ok(None);
            }
            self.drained = self.link.read()?;
        }
    }

    /// Fails when nothing was read for longer than that.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`].
    pub fn check_patience(&self, patience: Duration, now: Instant) -> Result<(), ClientError> {
        if now.saturating_duration_since(self.progressed) <= patience {
            return Ok(());
        }
        let (partition, span) = self.spans.front().cloned().unwrap_or_default();
        let place = Place::new(&self.topic, partition);
        let doing =
            format!("waiting for {} to bring {place} from offset {}", self.link.address(), span.start);
        Err(ClientError::TimedOut { doing, last: None })
    }

    fn request(&self) -> FetchRequest {
        let partition = |(number, span): &(i32, Range<i64>)| FetchPartition {
            partition: *number,
            fetch_offset: span.start,
            partition_max_bytes: self.partition_bytes_max,
            ..FetchPartition::default()
        };
        FetchRequest {
            max_wait_ms: WAIT_MS,
            min_bytes: 1,
            max_bytes: FETCH_BYTES_MAX.max(self.partition_bytes_max),
            topics: vec![FetchTopic {
                topic: Str::from(&*self.topic),
                partitions: self.spans.iter().map(partition).collect(),
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        }
    }
}

/// An answer that has come, and what it is held against.
struct Answer<'r> {
    version: i16,
    correlation: i32,
    topic: &'r str,
    spans: &'r mut VecDeque<(i32, Range<i64>)>,
    depth: Depth,
}

/// What is wrong with an answer.
enum Fault {
    Garbled(String),
    Refused(ClientError),
}

impl Answer<'_> {
    fn understand(&mut self, frame: &Bytes, see: &mut impl FnMut(i32, &Record)) -> Result<Got, Fault> {
        let (correlation, response) = FetchResponse::read(&mut Cursor::new(frame), self.version)
            .map_err(|why| Fault::Garbled(format!("Fetch version {}: {why}", self.version)))?;
        if correlation != self.correlation {
            let why = format!("it answers request {correlation}, and {} is next", self.correlation);
            return Err(Fault::Garbled(why));
        }
        ClientError::check("fetching", response.error_code, None).map_err(Fault::Refused)?;
        let mut got = Got::default();
        for data in response.responses.into_iter().flat_map(|topic| topic.partitions) {
            let number = data.partition_index;
            let at = self.spans.iter().position(|(partition, _)| *partition == number);
            let at = at.ok_or_else(|| Fault::Garbled(format!("partition {number} was not asked for")))?;
            let span = self.spans[at].1.clone();
            let place = Place::new(self.topic, number);
            let doing = format!("fetching {place} from offset {}", span.start);
            ClientError::check(doing, data.error_code, None).map_err(Fault::Refused)?;
            let bytes = data.records.map(|records| records.into_bytes()).unwrap_or_default();
            let next = walk(bytes, span.start, self.depth, &mut got, &mut |record| see(number, record))
                .map_err(|why| Fault::Garbled(format!("{place} from offset {}: {why}", span.start)))?;
            if next > span.start {
                self.spans.remove(at);
                self.spans.push_back((number, next..span.end));
            }
        }
        self.spans.retain(|(_, span)| !span.is_empty());
        Ok(got)
    }
}

/// Counts the records from `position` on; returns the offset behind them.
fn walk(
    bytes: Bytes,
    mut position: i64,
    depth: Depth,
    got: &mut Got,
    see: &mut impl FnMut(&Record),
) -> Result<i64, BatchError> {
    for batch in Batches::new(bytes) {
        let batch = batch?;
        let header = BatchHeader::peek(&batch)?;
        let next = header.base_offset.saturating_add(header.offset_count() as i64);
        if next <= position {
            continue;
        }
        match depth {
            _ if header.attributes.is_control() => {}
            Depth::Headers => {
                let before = position.saturating_sub(header.base_offset).max(0) as u64;
                got.records += u64::from(header.record_count).saturating_sub(before);
                got.payload_bytes += (batch.len() - HEADER_BYTES) as u64;
            }
            Depth::Records => {
                verify(&batch)?;
                for record in Records::open(&batch, INFLATED_BYTES_MAX_DEFAULT)? {
                    let record = record?;
                    if record.offset.0 < position as u64 {
                        continue;
                    }
                    got.records += 1;
                    got.payload_bytes += record.value.as_ref().map_or(0, |value| value.len() as u64);
                    see(&record);
                }
            }
        }
        position = next;
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::model::{LeaderEpoch, Offset};
    use forebay_kafka::record::batch::{BatchBuilder, Codec, NewRecord, stamp};

    /// A batch of three records of five bytes at that offset.
    fn batch(base: u64, codec: Codec) -> Vec<u8> {
        let mut builder = BatchBuilder::new(codec, 1000);
        for value in ["three", "value", "bytes"] {
            let value = Some(Bytes::from_static(value.as_bytes()));
            builder.push(&NewRecord { value, ..NewRecord::default() }).unwrap();
        }
        let mut batch = builder.build().unwrap().to_vec();
        stamp(&mut batch, Offset(base), LeaderEpoch(0)).unwrap();
        batch
    }

    fn walked(bytes: &[u8], position: i64, depth: Depth) -> Result<(i64, Got, usize), BatchError> {
        let (mut got, mut seen) = (Got::default(), 0);
        let next = walk(Bytes::copy_from_slice(bytes), position, depth, &mut got, &mut |_| seen += 1)?;
        Ok((next, got, seen))
    }

    #[test]
    fn records_are_counted_by_headers_and_one_by_one_alike() {
        for codec in Codec::ALL {
            let mut bytes = [batch(10, codec), batch(13, codec), batch(16, codec)].concat();
            bytes.truncate(bytes.len() - 1);
            let (next, by_header, seen) = walked(&bytes, 11, Depth::Headers).unwrap();
            assert_eq!((next, by_header.records, seen), (16, 5, 0));
            let (next, one_by_one, seen) = walked(&bytes, 11, Depth::Records).unwrap();
            assert_eq!((next, one_by_one.records, one_by_one.payload_bytes, seen), (16, 5, 25, 5));
        }
        assert_eq!(walked(&[], 11, Depth::Headers).unwrap(), (11, Got::default(), 0));
    }

    #[test]
    fn a_flipped_bit_is_found_where_it_is_looked_for() {
        let mut bytes = batch(0, Codec::None);
        *bytes.last_mut().unwrap() ^= 1;
        assert!(walked(&bytes, 0, Depth::Headers).is_ok());
        assert!(walked(&bytes, 0, Depth::Records).is_err());
    }
}

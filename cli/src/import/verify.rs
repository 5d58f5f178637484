//! Both sides read again, header by header, and compared.

use std::collections::VecDeque;
use std::time::Duration;

use forebay_kafka::record::batch::BatchHeader;

use super::Sides;
use super::batch::split;
use super::source;
use crate::client::{ClientError, Cluster, Place};

/// What was compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Batches that are the same on both sides.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// A sum of their checksums, as a name for what was compared.
    pub crc_sum: u64,
}

/// The first place where the sides are not the same.
pub type Difference = String;

/// How long a reader waits for what has to be there.
const WAIT: Duration = Duration::from_millis(500);
/// So often in a row nothing may come of what has to be there.
const EMPTY_MAX: u32 = 40;

/// Compares a partition on both sides from `start` to `end`: place, checksum and number of records of every batch.
///
/// # Errors
/// When one of them cannot be read.
pub fn compare(
    sides: &mut Sides,
    place: &Place,
    start: i64,
    end: i64,
) -> Result<Result<Compared, Difference>, ClientError> {
    let mut there = Headers::new(place, start, end);
    let mut here = Headers::new(place, start, end);
    let mut compared = Compared::default();
    loop {
        let (theirs, ours) = (there.next(&mut sides.source)?, here.next(&mut sides.target)?);
        match (theirs, ours) {
            (None, None) => return Ok(Ok(compared)),
            (Some(theirs), Some(ours)) if is_same(&theirs, &ours) => {
                compared.batches += 1;
                compared.records += u64::from(ours.record_count);
                compared.crc_sum = compared.crc_sum.wrapping_add(u64::from(ours.crc));
            }
            (theirs, ours) => return Ok(Err(difference(theirs.as_ref(), ours.as_ref()))),
        }
    }
}

/// All that the checksum covers is the same, at the same offset.
fn is_same(theirs: &BatchHeader, ours: &BatchHeader) -> bool {
    theirs.base_offset == ours.base_offset
        && theirs.crc == ours.crc
        && theirs.encoded_len == ours.encoded_len
        && theirs.last_offset_delta == ours.last_offset_delta
        && theirs.record_count == ours.record_count
}

fn difference(theirs: Option<&BatchHeader>, ours: Option<&BatchHeader>) -> Difference {
    let text = |header: Option<&BatchHeader>| match header {
        None => "no batch".to_owned(),
        Some(h) => {
            format!("a batch of {} records at {} with crc {:08x}", h.record_count, h.base_offset, h.crc)
        }
    };
    format!("the source has {}, and the target {}", text(theirs), text(ours))
}

/// The headers of a partition's batches, one after the other.
struct Headers {
    place: Place,
    next: i64,
    end: i64,
    read: VecDeque<BatchHeader>,
}

impl Headers {
    fn new(place: &Place, start: i64, end: i64) -> Headers {
        Headers { place: place.clone(), next: start, end, read: VecDeque::new() }
    }

    fn next(&mut self, cluster: &mut Cluster) -> Result<Option<BatchHeader>, ClientError> {
        let mut empty = 0;
        while self.read.is_empty() && self.next < self.end {
            let before = self.next;
            self.fetch(cluster)?;
            empty = if self.next == before { empty + 1 } else { 0 };
            if empty == EMPTY_MAX {
                let why = format!("nothing comes of {} from {} on", self.place, self.next);
                return Err(ClientError::Invalid(why));
            }
        }
        Ok(self.read.pop_front())
    }

    fn fetch(&mut self, cluster: &mut Cluster) -> Result<(), ClientError> {
        let asked = [(self.place.clone(), self.next)];
        let fetched = cluster.persist("comparing", |cluster, _| {
            let fetched = source::fetch(cluster, &asked, WAIT)?;
            fetched.into_iter().next().map_or(Ok(Default::default()), |raw| raw.batches)
        })?;
        let garbled = |why: String| ClientError::Garbled { address: self.place.to_string(), why };
        for batch in split(fetched, self.next).map_err(garbled)? {
            if batch.base >= self.end {
                self.next = self.end;
                break;
            }
            self.next = batch.end;
            let header = BatchHeader::peek(&batch.bytes).map_err(|why| ClientError::Garbled {
                address: self.place.to_string(),
                why: why.to_string(),
            })?;
            self.read.push_back(header);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::tests::bytes;
    use super::*;

    #[test]
    fn batches_are_the_same_when_offset_and_checksum_are() {
        let header = |base, records| BatchHeader::peek(&bytes(base, records)).unwrap();
        assert!(is_same(&header(3, 2), &header(3, 2)));
        assert!(!is_same(&header(3, 2), &header(4, 2)));
        assert!(!is_same(&header(3, 2), &header(3, 3)));
        let text = difference(Some(&header(3, 2)), None);
        assert!(text.contains("2 records at 3") && text.ends_with("the target no batch"), "{text}");
    }
}

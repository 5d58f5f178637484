//! A batch of the source, as it is.

use bytes::Bytes;
use forebay_kafka::record::batch::{BatchHeader, Batches};

/// A whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// All its bytes.
    pub bytes: Bytes,
    /// The offset of its first record, there or not.
    pub base: i64,
    /// The offset behind its last.
    pub end: i64,
    /// Records of clients in it; none in a mark of the broker's.
    pub records: u32,
}

impl Batch {
    fn read(bytes: Bytes) -> Result<Batch, String> {
        let header = BatchHeader::peek(&bytes).map_err(|why| why.to_string())?;
        let span = i64::from(header.last_offset_delta) + 1;
        let end = header.base_offset.checked_add(span).filter(|_| header.base_offset >= 0);
        Ok(Batch {
            base: header.base_offset,
            end: end.ok_or("a batch has an impossible offset")?,
            records: if header.attributes.is_control() { 0 } else { header.record_count },
            bytes,
        })
    }
}

/// The whole batches that a fetch from `position` brought: those that end behind it. A broker may cut the last one short.
///
/// # Errors
/// What is wrong with one, such as a record layout from before Kafka 0.11.
pub fn split(fetched: Bytes, position: i64) -> Result<Vec<Batch>, String> {
    let mut taken = Vec::new();
    let mut next = position;
    for bytes in Batches::new(fetched) {
        let batch = Batch::read(bytes.map_err(|why| why.to_string())?)?;
        if batch.end > next {
            next = batch.end;
            taken.push(batch);
        }
    }
    Ok(taken)
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use forebay_kafka::model::{LeaderEpoch, Offset, Timestamp};
    use forebay_kafka::record::batch::{BatchBuilder, Codec, NewRecord, stamp};

    /// The bytes of a batch of so many records at an offset.
    pub fn bytes(base: u64, records: u32) -> Bytes {
        let mut builder = BatchBuilder::new(Codec::None, 1 << 20);
        for number in 0..records {
            let value = Some(Bytes::from(format!("{number}")));
            builder.push(&NewRecord { timestamp: Timestamp(5), value, ..NewRecord::default() }).unwrap();
        }
        let mut bytes = builder.build().unwrap().to_vec();
        stamp(&mut bytes, Offset(base), LeaderEpoch(0)).unwrap();
        bytes.into()
    }

    #[test]
    fn a_fetch_brings_whole_batches_with_their_gaps() {
        let fetched = [bytes(0, 2), bytes(2, 3), bytes(9, 1), bytes(10, 1).slice(..40)].concat();
        let batches = split(fetched.into(), 3).unwrap();
        let places: Vec<_> = batches.iter().map(|batch| (batch.base, batch.end, batch.records)).collect();
        assert_eq!(places, [(2, 5, 3), (9, 10, 1)]);
        assert_eq!(split(Bytes::new(), 0), Ok(vec![]));
    }

    #[test]
    fn an_old_layout_is_said_so() {
        let mut old = bytes(0, 1).to_vec();
        old[16] = 1;
        assert!(split(old.into(), 0).unwrap_err().contains("layout 1"), "it names the layout");
    }
}

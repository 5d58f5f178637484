//! What a batch has to be, and what it becomes, before its topic stores it: timestamps near the clock, and the topic's compression.
//! Runs where the batch came in: the time that it takes is its connection's.

use bytes::Bytes;
use forebay_env::WallMs;
use forebay_model::limits::TIMESTAMP_ERRORS_MAX;
use forebay_model::{Compression, Intake, Refusal, Timestamp, TimestampType};
use forebay_record::batch::{self, BatchHeader, Codec, Level};

use crate::archive::INFLATED_BYTES_MAX;

/// Refuses a batch with timestamps of its producer that are too far from `now`, the node's clock. Reads all of it only where it may have to.
///
/// # Errors
/// [`Refusal::InvalidTimestamp`] names the records; or the payload cannot be read.
pub fn check_timestamps(
    intake: &Intake,
    timestamps: TimestampType,
    now: WallMs,
    payload: &[u8],
) -> Result<(), Refusal> {
    if timestamps == TimestampType::Append {
        return Ok(());
    }
    let earliest = Timestamp(now.0.saturating_sub_unsigned(intake.before_ms_max));
    let latest = Timestamp(now.0.saturating_add_unsigned(intake.after_ms_max));
    let header = BatchHeader::peek(payload).map_err(damaged)?;
    // The newest one was checked; of the oldest nothing is known.
    if intake.before_ms_max >= Intake::ANY_MS && header.max_timestamp <= latest {
        return Ok(());
    }
    let records = batch::outside(payload, earliest..=latest, INFLATED_BYTES_MAX, TIMESTAMP_ERRORS_MAX)
        .map_err(damaged)?;
    if records.is_empty() {
        return Ok(());
    }
    let why = format!("timestamps have to lie between {} and {}", earliest.0, latest.0);
    Err(Refusal::InvalidTimestamp { records, why })
}

/// A batch as the topic stores it. What its producer compressed so already stays as it is. Reads and writes all of it: not for the
/// shard's thread.
///
/// # Errors
/// The payload cannot be read.
pub fn compressed(intake: &Intake, payload: Bytes) -> Result<Bytes, Refusal> {
    let (codec, level) = match intake.compression {
        Compression::Producer => return Ok(payload),
        Compression::Uncompressed => (Codec::None, Level::Default),
        Compression::Gzip => {
            (Codec::Gzip, intake.gzip_level.map_or(Level::Default, |l| Level::Of(l.number())))
        }
        Compression::Snappy => (Codec::Snappy, Level::Default),
        Compression::Lz4 => (Codec::Lz4, Level::Default),
        Compression::Zstd => (Codec::Zstd, Level::Of(intake.zstd_level.number())),
    };
    batch::recompress(&payload, codec, level, INFLATED_BYTES_MAX).map_err(damaged)
}

fn damaged(error: batch::BatchError) -> Refusal {
    Refusal::CorruptPayload(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{GzipLevel, ZstdLevel};
    use forebay_record::batch::{BatchBuilder, NewRecord, Records};

    const NOW: i64 = 1_000_000;

    fn batch(codec: Codec, timestamps: &[i64]) -> Bytes {
        let mut builder = BatchBuilder::new(codec, 1 << 20);
        for timestamp in timestamps {
            let value = Some(Bytes::from(vec![b'v'; 500]));
            builder
                .push(&NewRecord { timestamp: Timestamp(*timestamp), value, ..NewRecord::default() })
                .unwrap();
        }
        builder.build().unwrap()
    }

    fn refused(intake: &Intake, timestamps: &[i64]) -> Vec<u32> {
        let payload = batch(Codec::Zstd, timestamps);
        match check_timestamps(intake, TimestampType::Create, WallMs(NOW), &payload) {
            Ok(()) => Vec::new(),
            Err(Refusal::InvalidTimestamp { records, .. }) => records,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn records_too_far_from_the_clock_are_named() {
        let default = Intake::default();
        assert_eq!(refused(&default, &[NOW + 3_600_000, 0, -1]), [0; 0]);
        assert_eq!(refused(&default, &[NOW, NOW + 3_600_001, 5, NOW + 9_000_000]), [1, 3]);
        let near = Intake { before_ms_max: 10, after_ms_max: 0, ..default };
        assert_eq!(refused(&near, &[NOW - 10, NOW, -1]), [0; 0], "who has no timestamp is not late");
        assert_eq!(refused(&near, &[NOW - 11, NOW, NOW + 1]), [0, 2]);
        let late = batch(Codec::None, &[NOW + 9_000_000]);
        assert_eq!(check_timestamps(&near, TimestampType::Append, WallMs(NOW), &late), Ok(()));
    }

    #[test]
    fn batches_are_stored_as_the_topic_says() {
        let codecs = [
            (Compression::Uncompressed, Codec::None),
            (Compression::Gzip, Codec::Gzip),
            (Compression::Snappy, Codec::Snappy),
            (Compression::Lz4, Codec::Lz4),
            (Compression::Zstd, Codec::Zstd),
        ];
        for from in codecs.map(|(_, codec)| codec) {
            let payload = batch(from, &[1, 2, 3]);
            assert_eq!(compressed(&Intake::default(), payload.clone()).unwrap(), payload);
            for (compression, to) in codecs {
                let gzip_level = GzipLevel::of(9);
                let zstd_level = ZstdLevel::of(-5).unwrap();
                let intake = Intake { compression, gzip_level, zstd_level, ..Intake::default() };
                let stored = compressed(&intake, payload.clone()).unwrap();
                let header = batch::verify(&stored).unwrap();
                assert_eq!((header.codec, header.record_count), (to, 3));
                let records = |batch: &Bytes| -> Vec<_> {
                    Records::open(batch, 1 << 20).unwrap().map(|record| record.unwrap()).collect()
                };
                assert_eq!(records(&stored), records(&payload), "{from:?} to {to:?}");
            }
        }
    }
}

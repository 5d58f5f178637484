//! What a batch has to be, and what it becomes, before its topic stores it: timestamps near the clock, and the topic's compression.
//! Runs where the batch came in: the time that it takes is its connection's.

use bytes::Bytes;
use forebay_env::WallMs;
use forebay_model::limits::TIMESTAMP_ERRORS_MAX;
use forebay_model::{Compression, Intake, Refusal, Timestamp, TimestampType};
use forebay_record::batch::{self, BatchHeader, Codec, Fault, Level};

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
    if !is_looked_at(intake, now, &BatchHeader::peek(payload).map_err(damaged)?) {
        return Ok(());
    }
    let earliest = Timestamp(now.0.saturating_sub_unsigned(intake.before_ms_max));
    let latest = latest(intake, now);
    let records = batch::outside(payload, earliest..=latest, INFLATED_BYTES_MAX, TIMESTAMP_ERRORS_MAX)
        .map_err(damaged)?;
    if records.is_empty() {
        return Ok(());
    }
    let why = format!("timestamps have to lie between {} and {}", earliest.0, latest.0);
    Err(Refusal::InvalidTimestamp { records, why })
}

/// Whether the records have to be looked at: the newest timestamp was checked when the batch came; of the oldest nothing is known.
fn is_looked_at(intake: &Intake, now: WallMs, header: &BatchHeader) -> bool {
    intake.before_ms_max < Intake::ANY_MS || header.max_timestamp > latest(intake, now)
}

fn latest(intake: &Intake, now: WallMs) -> Timestamp {
    Timestamp(now.0.saturating_add_unsigned(intake.after_ms_max))
}

/// Whether what this module does with a batch takes its time: see [`check_timestamps`] and [`compressed`].
pub fn takes_long(intake: &Intake, timestamps: TimestampType, now: WallMs, payload: &[u8]) -> bool {
    let is_walked = || BatchHeader::peek(payload).is_ok_and(|header| is_looked_at(intake, now, &header));
    intake.compression != Compression::Producer || (timestamps == TimestampType::Create && is_walked())
}

/// A batch as the topic stores it, which has to come to at most `bytes_max` bytes. What its producer compressed so already stays as it
/// is. Reads and writes all of it: not for the shard's thread.
///
/// # Errors
/// [`Refusal::TooLarge`] where that shows on the way; or the payload cannot be read.
pub fn compressed(intake: &Intake, payload: Bytes, bytes_max: usize) -> Result<Bytes, Refusal> {
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
    // What is stored as it comes out need not come out whole to be too large.
    let inflated_bytes_max = if codec == Codec::None { bytes_max } else { INFLATED_BYTES_MAX };
    batch::recompress(&payload, codec, level, inflated_bytes_max.min(INFLATED_BYTES_MAX)).map_err(|error| {
        match error.fault() {
            Fault::TooLarge => Refusal::TooLarge { limit: bytes_max as u64 },
            _ => damaged(error),
        }
    })
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
            assert_eq!(compressed(&Intake::default(), payload.clone(), 1 << 20).unwrap(), payload);
            for (compression, to) in codecs {
                let gzip_level = GzipLevel::of(9);
                let zstd_level = ZstdLevel::of(-5).unwrap();
                let intake = Intake { compression, gzip_level, zstd_level, ..Intake::default() };
                let stored = compressed(&intake, payload.clone(), 1 << 20).unwrap();
                let header = batch::verify(&stored).unwrap();
                assert_eq!((header.codec, header.record_count), (to, 3));
                let records = |batch: &Bytes| -> Vec<_> {
                    Records::open(batch, 1 << 20).unwrap().map(|record| record.unwrap()).collect()
                };
                assert_eq!(records(&stored), records(&payload), "{from:?} to {to:?}");
            }
        }
    }

    #[test]
    fn what_would_be_too_large_is_not_unpacked_to_its_end() {
        let intake = Intake { compression: Compression::Uncompressed, ..Intake::default() };
        let payload = batch(Codec::Zstd, &[1; 100]);
        assert!(payload.len() < 1_000);
        assert_eq!(compressed(&intake, payload, 10_000), Err(Refusal::TooLarge { limit: 10_000 }));
    }

    #[test]
    fn only_what_is_walked_or_compressed_takes_long() {
        let takes = |intake: &Intake, timestamps, at| {
            takes_long(intake, timestamps, WallMs(NOW), &batch(Codec::None, &[at]))
        };
        let default = Intake::default();
        assert!(!takes(&default, TimestampType::Create, NOW));
        assert!(takes(&default, TimestampType::Create, NOW + 3_600_001));
        assert!(!takes(&default, TimestampType::Append, NOW + 3_600_001));
        let bounded = Intake { before_ms_max: 5, ..default };
        assert!(takes(&bounded, TimestampType::Create, NOW));
        let anew = Intake { compression: Compression::Lz4, ..default };
        assert!(takes(&anew, TimestampType::Append, NOW));
    }
}

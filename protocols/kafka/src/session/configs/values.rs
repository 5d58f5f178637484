//! Values of settings as Kafka writes them, there and back.

use std::fmt::Display;

use forebay_kit::model::limits::MESSAGE_BYTES_CEILING;
use forebay_kit::model::{
    CleanupPolicy, Compression, FlushClass, GzipLevel, NotARatio, Ratio, Refusal, TimestampType, ZstdLevel,
};

/// Kafka's least segment, in bytes (KIP-1030).
pub(super) const SEGMENT_BYTES_MIN: i32 = 1 << 20;

/// The parts of a list as Kafka writes one.
pub(super) fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}

pub(super) fn bound(name: &str, value: &str) -> Result<Option<u64>, Refusal> {
    match value.trim().parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number @ 0..) => Ok(Some(number.unsigned_abs())),
        _ => Err(not_one_of(name, value, "a whole number, or -1 for no bound")),
    }
}

pub(super) fn bound_text(bound: Option<u64>) -> String {
    bound.map_or_else(|| "-1".to_owned(), |bound| bound.to_string())
}

pub(super) fn message_bytes(name: &str, value: &str) -> Result<u32, Refusal> {
    let number = value.trim().parse::<u32>().ok();
    number
        .filter(|bytes| usize::try_from(*bytes).is_ok_and(|bytes| bytes <= MESSAGE_BYTES_CEILING))
        .ok_or_else(|| {
            not_one_of(name, value, format_args!("a number of bytes up to {MESSAGE_BYTES_CEILING}"))
        })
}

pub(super) fn segment_bytes(name: &str, value: &str) -> Result<u64, Refusal> {
    match value.trim().parse::<i32>() {
        Ok(number) if number >= SEGMENT_BYTES_MIN => Ok(u64::from(number.unsigned_abs())),
        _ => Err(not_one_of(name, value, format_args!("a number of bytes from {SEGMENT_BYTES_MIN} on"))),
    }
}

pub(super) fn timestamp_type(name: &str, value: &str) -> Result<TimestampType, Refusal> {
    match value {
        "CreateTime" => Ok(TimestampType::Create),
        "LogAppendTime" => Ok(TimestampType::Append),
        _ => Err(not_one_of(name, value, "CreateTime or LogAppendTime")),
    }
}

pub(super) fn timestamp_type_text(timestamp_type: TimestampType) -> String {
    match timestamp_type {
        TimestampType::Create => "CreateTime",
        TimestampType::Append => "LogAppendTime",
    }
    .to_owned()
}

pub(super) fn flush(name: &str, value: &str) -> Result<FlushClass, Refusal> {
    match value {
        "sync" => Ok(FlushClass::Sync),
        "async" => Ok(FlushClass::Async),
        _ => Err(not_one_of(name, value, "sync or async")),
    }
}

pub(super) fn flush_text(flush: FlushClass) -> String {
    match flush {
        FlushClass::Sync => "sync",
        FlushClass::Async => "async",
    }
    .to_owned()
}

/// Every word of the list is known. Where there is none, nothing goes, and a list says so by being empty: one with nothing between its
/// commas is refused, as Apache Kafka does.
pub(super) fn cleanup_policy(name: &str, value: &str) -> Result<CleanupPolicy, Refusal> {
    let wanted = || not_one_of(name, value, "a list of delete and compact");
    let (mut deletes, mut compacts) = (false, false);
    let words = value.split(',').map(str::trim).filter(|_| !value.trim().is_empty());
    for word in words {
        match word {
            "delete" => deletes = true,
            "compact" => compacts = true,
            _ => return Err(wanted()),
        }
    }
    Ok(CleanupPolicy::of(deletes, compacts))
}

pub(super) fn cleanup_policy_text(policy: CleanupPolicy) -> String {
    match policy {
        CleanupPolicy::Delete => "delete",
        CleanupPolicy::Compact => "compact",
        CleanupPolicy::CompactAndDelete => "compact,delete",
        CleanupPolicy::Never => "",
    }
    .to_owned()
}

pub(super) fn milliseconds(name: &str, value: &str, least: i64) -> Result<u64, Refusal> {
    match value.trim().parse::<i64>() {
        Ok(number) if number >= least => Ok(number.unsigned_abs()),
        _ => Err(not_one_of(name, value, format_args!("a whole number of milliseconds from {least} on"))),
    }
}

/// Kafka's words for how batches are stored.
pub(super) const COMPRESSIONS: [(&str, Compression); 6] = [
    ("producer", Compression::Producer),
    ("uncompressed", Compression::Uncompressed),
    ("gzip", Compression::Gzip),
    ("snappy", Compression::Snappy),
    ("lz4", Compression::Lz4),
    ("zstd", Compression::Zstd),
];

pub(super) fn compression(name: &str, value: &str) -> Result<Compression, Refusal> {
    let found = COMPRESSIONS.iter().find(|(word, _)| *word == value).map(|(_, compression)| *compression);
    found.ok_or_else(|| not_one_of(name, value, COMPRESSIONS.map(|(word, _)| word).join(", ")))
}

pub(super) fn compression_text(compression: Compression) -> String {
    let found = COMPRESSIONS.iter().find(|(_, of_word)| *of_word == compression);
    found.map_or_else(String::new, |(word, _)| (*word).to_owned())
}

pub(super) fn gzip_level(name: &str, value: &str) -> Result<Option<GzipLevel>, Refusal> {
    match value.trim().parse() {
        Ok(-1) => Some(None),
        Ok(level) => GzipLevel::of(level).map(Some),
        Err(_) => None,
    }
    .ok_or_else(|| not_one_of(name, value, "a number from 1 to 9, or -1"))
}

pub(super) fn gzip_level_text(level: Option<GzipLevel>) -> String {
    level.map_or(-1, GzipLevel::number).to_string()
}

pub(super) fn zstd_level(name: &str, value: &str) -> Result<ZstdLevel, Refusal> {
    let level = value.trim().parse().ok().and_then(ZstdLevel::of);
    level.ok_or_else(|| not_one_of(name, value, "a number from -131072 to 22"))
}

pub(super) fn ratio(name: &str, value: &str) -> Result<Ratio, Refusal> {
    value.trim().parse().map_err(|NotARatio| not_one_of(name, value, "a number from 0 to 1"))
}

pub(super) fn not_one_of(name: &str, value: &str, wanted: impl Display) -> Refusal {
    Refusal::InvalidSetting(format!("{name} is {wanted}, not {value:?}"))
}

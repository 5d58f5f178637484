//! Every message in every version, against an independent implementation (the crate `kafka-protocol`): what we write it
//! reads, what it writes we read, the bytes are the same, and so are the names and values of the fields.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as theirs;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message};

use super::sample::{Sample, Shape, Source};
use crate::wire::api::ApiKey;
use crate::wire::consumer_protocol;
use crate::wire::cursor::Cursor;
use crate::wire::field::{Version, Wire};
use crate::wire::header::{RequestHeader, encode_response_header};
use crate::wire::messages::{self as ours, for_every_message};
use crate::wire::text::Str;
use crate::wire::writer::Writer;

/// Versions that we decode and the oracle does not know: Produce from before it starts, others from after it ends. The bytes of
/// the latter that differ from earlier versions are in `apache.rs`.
fn beyond_oracle(api: ApiKey, version: i16) -> bool {
    matches!(
        (api, version),
        (ApiKey::Produce, ..3)
            | (ApiKey::ListOffsets, 11)
            | (ApiKey::OffsetCommit | ApiKey::OffsetFetch, 10)
            | (ApiKey::DescribeLogDirs, 5)
            | (ApiKey::ShareFetch | ApiKey::ShareAcknowledge, 2)
            | (ApiKey::DescribeShareGroupOffsets, 1)
    )
}

/// Fields of versions that only one of us decodes; they sit at their defaults.
fn one_sided(api: ApiKey, field: &str) -> bool {
    match api {
        ApiKey::OffsetCommit | ApiKey::OffsetFetch => {
            field == "topic_id: 00000000-0000-0000-0000-000000000000"
        }
        ApiKey::DescribeLogDirs => field == "is_cordoned: false",
        ApiKey::InitProducerId => matches!(
            field,
            "enable_2_pc: false"
                | "keep_prepared_txn: false"
                | "ongoing_txn_producer_epoch: -1"
                | "ongoing_txn_producer_id: -1"
        ),
        ApiKey::ShareFetch => {
            matches!(field, "partition_max_bytes: 0" | "share_acquire_mode: 0" | "is_renew_ack: false")
        }
        ApiKey::ShareAcknowledge => {
            matches!(field, "is_renew_ack: false" | "acquisition_lock_timeout_ms: 0")
        }
        ApiKey::DescribeShareGroupOffsets => field == "lag: -1",
        _ => false,
    }
}

fn write<T: Wire>(value: &T, version: Version, extra_tag: Option<(u32, Bytes)>) -> Bytes {
    let mut writer = Writer::new();
    writer.extra_tag = extra_tag;
    value.encode(&mut writer, version).expect("a sample fits its version");
    writer.finish().into_bytes()
}

fn read<T: Wire>(bytes: &Bytes, version: Version) -> T {
    let mut cursor = Cursor::new(bytes);
    let value = T::decode(&mut cursor, version).expect("the oracle's bytes are right");
    cursor.finish().expect("nothing is left over");
    value
}

fn compare<Ours, Theirs>(api: ApiKey)
where
    Ours: Wire + Sample + PartialEq + Debug,
    Theirs: Encodable + Decodable + Message + PartialEq + Debug,
{
    for number in api.api().decodes.clone() {
        let is_known = (Theirs::VERSIONS.min..=Theirs::VERSIONS.max).contains(&number);
        assert!(is_known || beyond_oracle(api, number), "the oracle does not know {api:?} {number}");
        // Of these it knows the responses a version before the requests.
        let is_half_known = matches!(api, ApiKey::OffsetCommit | ApiKey::OffsetFetch);
        assert!(!is_known || is_half_known || !beyond_oracle(api, number), "the oracle knows it by now");
        if is_known {
            let version = api.version(number).expect("in range");
            compare_version::<Ours, Theirs>(version, |field| one_sided(api, field));
        }
    }
}

fn compare_version<Ours, Theirs>(version: Version, one_sided: impl Fn(&str) -> bool)
where
    Ours: Wire + Sample + PartialEq + Debug,
    Theirs: Encodable + Decodable + Message + PartialEq + Debug,
{
    for shape in [Shape::Full, Shape::Null, Shape::Empty, Shape::Mixed] {
        for seed in 0..12 {
            let sample = Ours::sample(&mut Source::new(seed, shape), version);
            let label = format!("{version:?} {shape:?} seed {seed}: {sample:?}");
            for extra_tag in [None, Some((77_777, Bytes::from_static(b"from the future")))] {
                let written = write(&sample, version, extra_tag);
                let mut left = written.clone();
                let decoded =
                    Theirs::decode(&mut left, version.number).unwrap_or_else(|e| panic!("{e} in {label}"));
                assert!(left.is_empty(), "the oracle reads all of {label}");
                let mut known = fields(&decoded);
                known.retain(|field| !one_sided(field));
                let mut sampled = fields(&sample);
                sampled.retain(|field| !one_sided(field));
                assert_eq!(known, sampled, "{label}");
                let mut encoded = BytesMut::new();
                decoded.encode(&mut encoded, version.number).unwrap_or_else(|e| panic!("{e} in {label}"));
                assert_eq!(encoded, written, "{label}");
                assert_eq!(read::<Ours>(&encoded.freeze(), version), sample);
            }
        }
    }
}

/// The fields of a value as `name: value`, from its debug text: sorted, without type names, and with null the same as empty
/// (which the bytes tell apart).
fn fields(value: &impl Debug) -> Vec<String> {
    let text = format!("{value:?}");
    let mut flat = String::new();
    let mut rest = text.as_str();
    while let Some(c) = rest.chars().next() {
        if let Some(unknown) = rest.strip_prefix("unknown_tagged_fields: ") {
            rest = &unknown[unknown.find('}').expect("a map") + 1..];
        } else if let Some(bytes) = rest.strip_prefix("b\"") {
            let end = bytes.find('"').expect("samples hold letters");
            flat += &format!("{end} bytes");
            rest = &bytes[end + 1..];
        } else if let Some(string) = rest.strip_prefix('"') {
            let end = string.find('"').expect("samples hold letters");
            flat += &rest[..end + 2];
            rest = &string[end + 1..];
        } else if c.is_alphanumeric() || c == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            let type_name = after.starts_with('(') || after.starts_with(" {");
            // The oracle puts an underscore before a name that is a keyword of Rust.
            flat += if type_name { "" } else { word.trim_start_matches('_') };
            rest = after;
        } else {
            match c {
                '{' | '}' | '[' | ']' => flat.push(','),
                '(' | ')' => {}
                _ => flat.push(c),
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    let mut fields: Vec<String> = flat
        .replace("None", "")
        .replace("0 bytes", "")
        .replace("\"\"", "")
        .split(',')
        .map(|field| field.trim().to_owned())
        .filter(|field| !field.is_empty())
        .collect();
    fields.sort();
    fields
}

macro_rules! oracle_tests {
    () => {};
    // The oracle has no groups of Kafka Streams; `apache.rs` has.
    (streams_group_heartbeat: $api:ident, $request:ident, $response:ident; $($rest:tt)*) => {
        oracle_tests! { $($rest)* }
    };
    (streams_group_describe: $api:ident, $request:ident, $response:ident; $($rest:tt)*) => {
        oracle_tests! { $($rest)* }
    };
    ($module:ident: $api:ident, $request:ident, $response:ident; $($rest:tt)*) => {
        mod $module {
            use super::*;

            #[test]
            fn requests_agree_with_the_oracle() {
                compare::<ours::$request, theirs::$request>(ApiKey::$api);
            }

            #[test]
            fn responses_agree_with_the_oracle() {
                compare::<ours::$response, theirs::$response>(ApiKey::$api);
            }

            #[test]
            fn headers_agree_with_the_oracle() {
                for version in ApiKey::$api.api().decodes.clone() {
                    if beyond_oracle(ApiKey::$api, version) {
                        continue;
                    }
                    request_headers_agree(ApiKey::$api, version, theirs::$request::header_version(version));
                    response_headers_agree(ApiKey::$api, version, theirs::$response::header_version(version));
                }
            }
        }

        oracle_tests! { $($rest)* }
    };
}

for_every_message!(oracle_tests);

#[test]
fn consumers_own_messages_agree_with_the_oracle() {
    for number in 0..=consumer_protocol::VERSION_LAST {
        let version = Version::classic(number);
        compare_version::<consumer_protocol::Subscription, theirs::ConsumerProtocolSubscription>(
            version,
            |_| false,
        );
        compare_version::<consumer_protocol::Assignment, theirs::ConsumerProtocolAssignment>(version, |_| {
            false
        });
    }
}

fn request_headers_agree(api: ApiKey, api_version: i16, header_version: i16) {
    for client_id in [None, Some(""), Some("a client")] {
        let header = theirs::RequestHeader::default()
            .with_request_api_key(api.number())
            .with_request_api_version(api_version)
            .with_correlation_id(-7)
            .with_client_id(client_id.map(Into::into));
        let mut encoded = BytesMut::new();
        header.encode(&mut encoded, header_version).expect("a header");
        let encoded = encoded.freeze();
        let mut cursor = Cursor::new(&encoded);
        let decoded = RequestHeader::decode(&mut cursor).expect("the oracle's header is right");
        cursor.finish().expect("nothing is left over");
        assert_eq!(
            decoded,
            RequestHeader { api, api_version, correlation_id: -7, client_id: client_id.map(Str::from) }
        );
        let mut writer = Writer::new();
        decoded.encode(&mut writer).expect("a short client id");
        assert_eq!(writer.finish().into_bytes(), encoded);
    }
}

fn response_headers_agree(api: ApiKey, api_version: i16, header_version: i16) {
    let mut encoded = BytesMut::new();
    theirs::ResponseHeader::default()
        .with_correlation_id(9)
        .encode(&mut encoded, header_version)
        .expect("a header");
    let mut writer = Writer::new();
    encode_response_header(&mut writer, api, api_version, 9);
    assert_eq!(writer.finish().into_bytes(), encoded.freeze());
}

#[test]
fn the_oracle_still_lacks_groups_of_kafka_streams() {
    for api in [ApiKey::StreamsGroupHeartbeat, ApiKey::StreamsGroupDescribe] {
        assert!(theirs::ApiKey::try_from(api.number()).is_err(), "the oracle knows {} by now", api.name());
    }
}

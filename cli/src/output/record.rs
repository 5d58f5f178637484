//! Records as lines and as JSON. What `consume --json` writes, `produce --json` reads.
//!
//! A JSON object per line: `topic`, `partition`, `offset`, `timestamp` (milliseconds since 1970), `key`, `value`,
//! `headers` (a list of objects with `key` and `value`, for names may repeat). Bytes that are not UTF-8 stand in base64 under
//! `key_base64` and `value_base64` instead. `null` is no key, or no value.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use forebay_kafka::model::Timestamp;
use forebay_kafka::record::batch::{Header, NewRecord, Record};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::client::Place;
use crate::client::producer::Outgoing;

/// How records are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The value and a newline; before it the key and this, if given.
    Line {
        /// What stands between key and value.
        key_separator: Option<String>,
    },
    /// A JSON object and a newline.
    Json,
}

impl Format {
    /// Writes one record.
    ///
    /// # Errors
    /// The writer's.
    pub fn write(&self, out: &mut impl Write, place: &Place, record: &Record) -> io::Result<()> {
        match self {
            Format::Line { key_separator } => {
                if let Some(separator) = key_separator {
                    out.write_all(record.key.as_deref().unwrap_or_default())?;
                    out.write_all(separator.as_bytes())?;
                }
                out.write_all(record.value.as_deref().unwrap_or_default())?;
            }
            Format::Json => serde_json::to_writer(&mut *out, &AsJson(place, record))?,
        }
        out.write_all(b"\n")
    }
}

/// A record as an object whose names come in the order above.
struct AsJson<'a>(&'a Place, &'a Record);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AsJson(place, record) = self;
        let mut object = serializer.serialize_map(None)?;
        object.serialize_entry("topic", &*place.topic)?;
        object.serialize_entry("partition", &place.partition)?;
        object.serialize_entry("offset", &record.offset.0)?;
        object.serialize_entry("timestamp", &record.timestamp.0)?;
        entry(&mut object, ["key", "key_base64"], record.key.as_ref())?;
        entry(&mut object, ["value", "value_base64"], record.value.as_ref())?;
        object.serialize_entry("headers", &record.headers.iter().map(HeaderAsJson).collect::<Vec<_>>())?;
        object.end()
    }
}

struct HeaderAsJson<'a>(&'a Header);

impl Serialize for HeaderAsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(None)?;
        entry(&mut object, ["key", "key_base64"], Some(&self.0.key))?;
        entry(&mut object, ["value", "value_base64"], self.0.value.as_ref())?;
        object.end()
    }
}

/// Bytes under the first name when they are text or absent, else under the second.
fn entry<M: SerializeMap>(object: &mut M, names: [&str; 2], bytes: Option<&Bytes>) -> Result<(), M::Error> {
    match bytes.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
        None => object.serialize_entry(names[0], &()),
        Some((Ok(text), _)) => object.serialize_entry(names[0], text),
        Some((Err(_), bytes)) => object.serialize_entry(names[1], &BASE64_STANDARD.encode(bytes)),
    }
}

/// Reads a record from a JSON object as [`Format::Json`] writes it. Where it came from (`topic`, `offset`) does not
/// matter to where it goes; every other name that is not known is an error.
///
/// # Errors
/// What is wrong with it.
pub fn from_json(line: &[u8], now_ms: i64) -> Result<Outgoing, String> {
    let value: Value = serde_json::from_slice(line).map_err(|why| why.to_string())?;
    let Value::Object(object) = value else { return Err("it is not a JSON object".into()) };
    let known = [
        "topic",
        "offset",
        "partition",
        "timestamp",
        "key",
        "key_base64",
        "value",
        "value_base64",
        "headers",
    ];
    refuse_unknown(&object, &known)?;
    let number = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| format!("{name} is not a whole number")),
    };
    let partition = match number("partition")? {
        Some(partition) => {
            Some(i32::try_from(partition).map_err(|_| format!("there is no partition {partition}"))?)
        }
        None => None,
    };
    let headers = match object.get("headers") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(headers)) => headers.iter().map(header_from_json).collect::<Result<_, _>>()?,
        Some(_) => return Err("headers is not a list".into()),
    };
    let record = NewRecord {
        timestamp: Timestamp(number("timestamp")?.unwrap_or(now_ms)),
        key: take_bytes(&object, "key")?,
        value: take_bytes(&object, "value")?,
        headers,
    };
    Ok(Outgoing { record, partition })
}

fn header_from_json(value: &Value) -> Result<Header, String> {
    let Value::Object(object) = value else {
        return Err("a header is not an object of key and value".into());
    };
    refuse_unknown(object, &["key", "key_base64", "value", "value_base64"])?;
    let key = take_bytes(object, "key")?.ok_or("a header has no key")?;
    Ok(Header { key, value: take_bytes(object, "value")? })
}

fn refuse_unknown(object: &Map<String, Value>, known: &[&str]) -> Result<(), String> {
    match object.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(format!("it has {name:?}; known are {}", known.join(", "))),
        None => Ok(()),
    }
}

fn take_bytes(object: &Map<String, Value>, name: &str) -> Result<Option<Bytes>, String> {
    let base64 = format!("{name}_base64");
    match (object.get(name), object.get(&base64)) {
        (Some(_), Some(_)) => Err(format!("it has both {name} and {base64}")),
        (None | Some(Value::Null), None) => Ok(None),
        (Some(Value::String(text)), None) => Ok(Some(Bytes::copy_from_slice(text.as_bytes()))),
        (None, Some(Value::String(text))) => match BASE64_STANDARD.decode(text) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(why) => Err(format!("{base64} is not base64: {why}")),
        },
        (Some(_), None) => Err(format!("{name} is not a string")),
        (None, Some(_)) => Err(format!("{base64} is not a string")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_kafka::model::Offset;

    fn bytes(text: &[u8]) -> Bytes {
        Bytes::copy_from_slice(text)
    }

    fn record() -> Record {
        Record {
            offset: Offset(7),
            offset_delta: 0,
            timestamp: Timestamp(1_700_000_000_000),
            key: Some(bytes(b"N123")),
            value: Some(bytes(b"\xff\0")),
            headers: vec![
                Header { key: bytes(b"h"), value: Some(bytes(b"1")) },
                Header { key: bytes(b"h"), value: None },
            ],
        }
    }

    fn written(format: &Format, record: &Record) -> Vec<u8> {
        let mut out = Vec::new();
        format.write(&mut out, &Place::new("t", 3), record).unwrap();
        out
    }

    #[test]
    fn what_consume_writes_produce_reads() {
        let line = written(&Format::Json, &record());
        assert_eq!(
            std::str::from_utf8(&line).unwrap(),
            concat!(
                r#"{"topic":"t","partition":3,"offset":7,"timestamp":1700000000000,"key":"N123","value_base64":"/wA=","#,
                r#""headers":[{"key":"h","value":"1"},{"key":"h","value":null}]}"#,
                "\n"
            )
        );
        let again = from_json(&line, 0).unwrap();
        assert_eq!(again.partition, Some(3));
        assert_eq!(again.record.key, record().key);
        assert_eq!(again.record.value, record().value);
        assert_eq!(again.record.headers, record().headers);
        assert_eq!(again.record.timestamp, record().timestamp);
    }

    #[test]
    fn lines_carry_bytes_as_they_are() {
        let plain = Format::Line { key_separator: None };
        assert_eq!(written(&plain, &record()), b"\xff\0\n");
        let keyed = Format::Line { key_separator: Some(": ".into()) };
        assert_eq!(written(&keyed, &record()), b"N123: \xff\0\n");
        let empty = Record { key: None, value: None, ..record() };
        assert_eq!(written(&keyed, &empty), b": \n");
    }

    #[test]
    fn a_record_without_a_time_gets_the_present_one() {
        let outgoing = from_json(br#"{"value":"x"}"#, 99).unwrap();
        assert_eq!(outgoing.record.timestamp, Timestamp(99));
        assert_eq!((outgoing.record.key, outgoing.partition), (None, None));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (line, part) in [
            ("", "EOF"),
            ("[1]", "not a JSON object"),
            (r#"{"vlaue":"x"}"#, "vlaue"),
            (r#"{"value":1}"#, "value is not a string"),
            (r#"{"value":"x","value_base64":"eA=="}"#, "both"),
            (r#"{"value_base64":"?"}"#, "not base64"),
            (r#"{"partition":5000000000}"#, "no partition"),
            (r#"{"timestamp":"now"}"#, "timestamp is not a whole number"),
            (r#"{"headers":{}}"#, "headers is not a list"),
            (r#"{"headers":[{"value":"x"}]}"#, "no key"),
        ] {
            let why = from_json(line.as_bytes(), 0).unwrap_err();
            assert!(why.contains(part), "{line}: {why}");
        }
    }
}

//! A message's exchange, routing key and properties as they are stored (docs/formats/message-properties.md), and any stored message
//! as an AMQP consumer sees it.

use forebay_kit::record::batch::Header;
use forebay_kit::record::message::{Message, Properties as StoredProperties};
use forebay_kit::{Bytes, BytesMut};

use crate::wire::{Properties, PropertyList, ShortStr, Table, TableBuilder, Value};

/// The number of this encoding among those of all protocols.
pub(super) const ORIGIN: u8 = 2;

/// The first byte.
const VERSION: u8 = 1;

/// A message as consumers get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) exchange: ShortStr,
    pub(super) routing_key: ShortStr,
    pub(super) properties: Properties,
    pub(super) body: Bytes,
}

/// The bytes to store.
pub(super) fn encode(exchange: &ShortStr, routing_key: &ShortStr, properties: &Properties) -> Bytes {
    let (exchange, routing_key, properties) =
        (exchange.as_bytes(), routing_key.as_bytes(), properties.as_bytes());
    let mut stored = BytesMut::with_capacity(3 + exchange.len() + routing_key.len() + properties.len());
    stored.extend_from_slice(&[VERSION]);
    for text in [exchange, routing_key] {
        // A short string has at most 255 bytes.
        stored.extend_from_slice(&[text.len() as u8]);
        stored.extend_from_slice(text);
    }
    stored.extend_from_slice(properties);
    stored.freeze()
}

/// The parts of what was stored; `None` where it is no such thing.
fn decode(stored: &Bytes) -> Option<(ShortStr, ShortStr, Properties)> {
    let (&version, _) = stored.split_first()?;
    if version != VERSION {
        return None;
    }
    let mut rest = stored.slice(1..);
    let exchange = short(&mut rest)?;
    let routing_key = short(&mut rest)?;
    Some((exchange, routing_key, Properties::parse(rest).ok()?))
}

fn short(rest: &mut Bytes) -> Option<ShortStr> {
    let length = usize::from(*rest.first()?);
    if rest.len() <= length {
        return None;
    }
    let text = rest.slice(1..=length);
    *rest = rest.slice(length + 1..);
    ShortStr::new(text).ok()
}

impl Seen {
    /// `None` where a message says that it is ours and cannot be read.
    pub(super) fn of(message: Message) -> Option<Seen> {
        let timestamp = message.timestamp().0;
        let is_ours = message.origin().0.get() == ORIGIN;
        let body = message.body.unwrap_or_default();
        match message.properties {
            StoredProperties::Raw(raw) if is_ours => {
                let (exchange, routing_key, properties) = decode(&raw)?;
                Some(Seen { exchange, routing_key, properties, body })
            }
            // Only its own protocol reads what belongs to it.
            StoredProperties::Raw(_) => Some(Seen::foreign(message.key, &[], timestamp, body)),
            StoredProperties::Headers(headers) => Some(Seen::foreign(message.key, &headers, timestamp, body)),
        }
    }

    fn foreign(key: Option<Bytes>, headers: &[Header], timestamp: i64, body: Bytes) -> Seen {
        let list = PropertyList {
            headers: table(headers),
            // It is in the log.
            delivery_mode: Some(PERSISTENT),
            timestamp: u64::try_from(timestamp).ok().map(|ms| ms / 1_000),
            ..Default::default()
        };
        // A longer key is no routing key.
        let routing_key = key.and_then(|key| ShortStr::new(key).ok()).unwrap_or_default();
        Seen { exchange: ShortStr::EMPTY, routing_key, properties: list.encode(), body }
    }

    /// The same with the number of earlier deliveries among its headers, as quorum queues tell it.
    pub(super) fn with_delivery_count(mut self, count: u16) -> Seen {
        let mut list = self.properties.to_list();
        let kept = list.headers.unwrap_or_default();
        let fields = kept.fields().filter(|(name, _)| *name != DELIVERY_COUNT.as_bytes());
        let fields = fields.fold(TableBuilder::new(), |table, (name, value)| table.put_raw(name, value));
        let counted = fields.put(DELIVERY_COUNT, Value::I64(count.into())).finish();
        // A table that is as full as a table can be goes without.
        list.headers = Some(counted.unwrap_or(kept));
        self.properties = list.encode();
        self
    }
}

/// The header that says how often a message was delivered before.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// The delivery mode of what outlives the server.
pub(super) const PERSISTENT: u8 = 2;

/// Headers of a record. Those whose names are longer than names can be here are left out, and all of them where there are too many.
fn table(headers: &[Header]) -> Option<Table> {
    let fits = |header: &&Header| header.key.len() <= crate::limits::SHORT_STRING_BYTES_MAX;
    let fields = headers.iter().filter(fits).fold(TableBuilder::new(), |table, header| {
        let value = match &header.value {
            None => Value::Void,
            Some(bytes) if std::str::from_utf8(bytes).is_ok() => Value::LongStr(bytes),
            Some(bytes) => Value::Bytes(bytes),
        };
        table.put_raw(&header.key, value)
    });
    fields.finish().ok().filter(|table| !table.is_empty())
}

#[cfg(test)]
mod tests {
    use forebay_kit::record::batch::Record;
    use forebay_kit::record::message_batch::{Envelope, Origin, StoredMessage};

    use super::*;
    use forebay_kit::model::{Offset, Timestamp};
    use std::num::NonZeroU8;

    fn stored(origin: u8, properties: Bytes) -> Message {
        let origin = Origin(NonZeroU8::new(origin).unwrap());
        let envelope = Envelope::new(origin, Timestamp(5_000));
        StoredMessage { envelope, properties, body: Some(Bytes::from_static(b"body")) }.into()
    }

    fn some() -> Properties {
        let headers = TableBuilder::new().put("n", Value::I32(7)).finish().unwrap();
        PropertyList { headers: Some(headers), priority: Some(3), ..Default::default() }.encode()
    }

    #[test]
    fn what_is_stored_is_these_bytes_and_read_as_it_was() {
        let (exchange, key) = (ShortStr::from_static("x"), ShortStr::from_static("a.b"));
        assert_eq!(encode(&exchange, &key, &Properties::NONE), &b"\x01\x01x\x03a.b\x00\x00"[..]);
        let seen = Seen::of(stored(ORIGIN, encode(&exchange, &key, &some()))).unwrap();
        let body = Bytes::from_static(b"body");
        assert_eq!(seen, Seen { exchange, routing_key: key, properties: some(), body });
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed_at() {
        let whole = encode(&ShortStr::from_static("x"), &ShortStr::from_static("a.b"), &some());
        for length in 0..whole.len() {
            assert_eq!(Seen::of(stored(ORIGIN, whole.slice(..length))), None, "{length} bytes");
        }
        assert_eq!(Seen::of(stored(ORIGIN, Bytes::from_static(b"\x02\x00\x00\x00\x00"))), None);
    }

    #[test]
    fn a_record_has_its_key_for_routing_and_its_headers_for_headers() {
        let header = |key: &'static [u8], value: Option<&'static [u8]>| Header {
            key: Bytes::from_static(key),
            value: value.map(Bytes::from_static),
        };
        let long = Header { key: vec![b'k'; 256].into(), value: None };
        let record = Record {
            offset: Offset(0),
            offset_delta: 0,
            timestamp: Timestamp(12_345),
            key: Some(Bytes::from_static(b"orders.eu")),
            value: Some(Bytes::from_static(b"body")),
            headers: vec![
                header(b"text", Some(b"t")),
                header(b"raw", Some(&[0xff])),
                header(b"none", None),
                long,
            ],
        };
        let seen = Seen::of(record.clone().into()).unwrap();
        assert_eq!((seen.exchange, seen.routing_key), (ShortStr::EMPTY, ShortStr::from_static("orders.eu")));
        let list = seen.properties.to_list();
        assert_eq!((list.delivery_mode, list.timestamp), (Some(2), Some(12)));
        let headers = list.headers.unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"text": "t", "raw": x"\xff", "none": void}"#);
        let bare = Record { key: Some(vec![b'k'; 256].into()), value: None, headers: vec![], ..record };
        let seen = Seen::of(bare.into()).unwrap();
        assert!(seen.routing_key.is_empty() && seen.body.is_empty() && seen.properties.headers().is_none());
        let foreign = Seen::of(stored(7, Bytes::from_static(b"\x00\x01t"))).unwrap();
        assert_eq!((&foreign.body[..], foreign.properties.headers().is_none()), (&b"body"[..], true));
    }

    #[test]
    fn the_delivery_count_replaces_one_that_was_there() {
        let seen = Seen::of(stored(ORIGIN, encode(&ShortStr::EMPTY, &ShortStr::EMPTY, &some()))).unwrap();
        let again = seen.with_delivery_count(1).with_delivery_count(2);
        let headers = again.properties.header_table().unwrap();
        assert_eq!(format!("{headers:?}"), r#"{"n": 7i32, "x-delivery-count": 2i64}"#);
        assert_eq!(again.properties.priority(), Some(3));
    }
}

//! Message batches for readers of record batches: the same messages at the same offsets, by way of the pivot.

use bytes::Bytes;
use forebay_model::Timestamp;

use crate::PayloadKind;
use crate::batch::{BatchBuilder, Codec, Header, NewRecord};
use crate::message::{Message, Messages, PayloadError, Properties};
use crate::message_batch::{MESSAGE_BATCH_VERSION, Origin};

/// What a stored payload is. A message batch begins with its version; a record batch with the highest byte of a base offset, which is
/// zero for every offset below 2^56: others are refused before they are stored.
#[must_use]
pub fn kind_of(payload: &[u8]) -> PayloadKind {
    match payload.first() {
        Some(&MESSAGE_BATCH_VERSION) => PayloadKind::MessageBatch,
        _ => PayloadKind::RecordBatch,
    }
}

/// Reads the properties of messages of one origin, in its encoding, as headers; `None` where they are not in it.
pub type ReadProperties = fn(&Bytes) -> Option<Vec<Header>>;

/// Who reads properties, by origin. Each is to be found by its number alone, so that what knows none of the origins can pass them on.
#[derive(Clone, Copy, Debug, Default)]
pub struct PropertyReaders(&'static [(Origin, ReadProperties)]);

impl PropertyReaders {
    /// These.
    #[must_use]
    pub const fn new(readers: &'static [(Origin, ReadProperties)]) -> PropertyReaders {
        PropertyReaders(readers)
    }

    fn read(self, origin: Origin, raw: &Bytes) -> Option<Vec<Header>> {
        let (_, read) = self.0.iter().find(|(known, _)| *known == origin)?;
        read(raw)
    }
}

/// A payload as a record batch: itself, if it is one. Every message becomes a record of its body; its properties become headers, those that
/// nobody here can read one header with their origin's number. Reads and copies all of a message batch: not for a thread that others wait for.
pub fn as_record_batch(payload: &Bytes, readers: PropertyReaders) -> Result<Bytes, PayloadError> {
    match kind_of(payload) {
        PayloadKind::RecordBatch => Ok(payload.clone()),
        PayloadKind::MessageBatch => converted(payload, readers),
    }
}

fn converted(payload: &Bytes, readers: PropertyReaders) -> Result<Bytes, PayloadError> {
    let mut builder = BatchBuilder::new(Codec::None, usize::MAX);
    for item in Messages::open(PayloadKind::MessageBatch, payload, 0)? {
        let (_, message) = item?;
        builder.push(&record(message, readers)).map_err(PayloadError::RecordBatch)?;
    }
    builder.build().map_err(PayloadError::RecordBatch)
}

fn record(message: Message, readers: PropertyReaders) -> NewRecord {
    // None is further from -1, which stands for none, than a difference can say.
    let timestamp = Timestamp(message.timestamp().0.min(i64::MAX - 1));
    let origin = message.origin();
    let headers = match message.properties {
        Properties::Headers(headers) => headers,
        Properties::Raw(raw) if raw.is_empty() => Vec::new(),
        Properties::Raw(raw) => readers.read(origin, &raw).unwrap_or_else(|| {
            let key = format!("properties-{}", origin.0);
            vec![Header { key: key.into(), value: Some(raw) }]
        }),
    };
    NewRecord { timestamp, key: message.key, value: message.body, headers }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU8;

    use proptest::prelude::*;

    use super::*;
    use crate::batch::Records;
    use crate::message_batch::{Envelope, MessageBatchBuilder};

    type Sent = (i64, Vec<u8>, Option<Vec<u8>>);

    fn batch(sent: &[Sent]) -> Bytes {
        let mut builder = MessageBatchBuilder::new(1 << 20);
        for (timestamp, properties, body) in sent {
            let envelope = Envelope::new(OURS, Timestamp(*timestamp));
            builder.push(&envelope, properties, body.as_deref()).unwrap();
        }
        builder.build().unwrap()
    }

    const OURS: Origin = Origin(NonZeroU8::new(2).unwrap());
    const OTHERS: Origin = Origin(NonZeroU8::new(3).unwrap());

    /// One header for each byte, none of them zero.
    fn one_a_byte(raw: &Bytes) -> Option<Vec<Header>> {
        let header = |at: usize| Header { key: raw.slice(at..=at), value: None };
        (!raw.contains(&0)).then(|| (0..raw.len()).map(header).collect())
    }

    #[test]
    fn properties_are_read_by_their_origin_and_go_as_they_are_where_it_cannot() {
        let readers = PropertyReaders::new(&[(OURS, one_a_byte)]);
        let mut builder = MessageBatchBuilder::new(1 << 20);
        for (origin, properties) in [(OURS, &b"ab"[..]), (OTHERS, b"ab"), (OURS, b"a\0"), (OURS, b"")] {
            builder.push(&Envelope::new(origin, Timestamp(5)), properties, None).unwrap();
        }
        let converted = as_record_batch(&builder.build().unwrap(), readers).unwrap();
        let keys = |record: crate::batch::Record| -> Vec<String> {
            let key = |header: &Header| String::from_utf8(header.key.to_vec()).unwrap();
            record.headers.iter().map(key).collect()
        };
        let headers: Vec<_> =
            Records::open(&converted, 1 << 20).unwrap().map(|record| keys(record.unwrap())).collect();
        assert_eq!(headers, [vec!["a", "b"], vec!["properties-3"], vec!["properties-2"], vec![]]);
    }

    proptest! {
        #[test]
        fn every_message_is_a_record_at_its_place(
            sent in prop::collection::vec(
                (-1..=i64::MAX, prop::collection::vec(any::<u8>(), 0..40), prop::option::of(prop::collection::vec(any::<u8>(), 0..300))),
                1..30,
            )
        ) {
            let stored = batch(&sent);
            prop_assert_eq!(kind_of(&stored), PayloadKind::MessageBatch);
            let converted = as_record_batch(&stored, PropertyReaders::default()).unwrap();
            prop_assert_eq!(kind_of(&converted), PayloadKind::RecordBatch);
            crate::batch::verify(&converted).unwrap();
            let records: Vec<_> = Records::open(&converted, 1 << 20).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(records.len(), sent.len());
            for (at, (record, (timestamp, properties, body))) in records.iter().zip(&sent).enumerate() {
                prop_assert_eq!(record.offset_delta as usize, at);
                prop_assert_eq!(record.timestamp.0, (*timestamp).min(i64::MAX - 1));
                prop_assert_eq!(record.value.as_deref(), body.as_deref());
                let headers: Vec<_> = record.headers.iter().map(|h| (&h.key[..], h.value.as_deref())).collect();
                let expected = [(&b"properties-2"[..], Some(&properties[..]))];
                prop_assert_eq!(&headers[..], if properties.is_empty() { &[][..] } else { &expected[..] });
            }
            prop_assert_eq!(as_record_batch(&converted, PropertyReaders::default()).unwrap(), converted);
        }
    }
}

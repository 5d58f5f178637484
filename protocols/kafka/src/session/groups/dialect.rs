//! How consumers write what they read and what they have into the opaque fields of the classic protocol, for a broker that assigns.

use forebay_kit::Bytes;
use forebay_kit::model::group::{Dialect, NamedPartitions, Subscription};

use crate::session::names::{owned, owned_option};
use crate::wire::consumer_protocol::{Assignment, Subscription as Written, TopicPartitions};
use crate::wire::{Str, consumer_protocol};

/// The consumers' way.
pub(in crate::session) static CONSUMERS: Dialect =
    Dialect { kind: "consumer", subscription, share, write_share };

fn subscription(metadata: &Bytes) -> Option<Subscription> {
    let written = Written::read(metadata).ok()?;
    Some(Subscription {
        topics: written.topics.iter().map(owned).collect(),
        owned: places(&written.owned_partitions)?,
        rack: owned_option(&written.rack_id),
    })
}

/// A share with data of the assignor's own is one that no broker could make. A leader that is librdkafka says to each member again what the
/// member has said: that is nothing of an assignor's.
fn share(assignment: &Bytes, metadata: &Bytes) -> Option<Vec<(String, Vec<u32>)>> {
    let written = Assignment::read(assignment).ok()?;
    let said = |data: &_| Written::read(metadata).is_ok_and(|said| said.user_data.as_ref() == Some(data));
    if written.user_data.as_ref().is_some_and(|data| !data.is_empty() && !said(data)) {
        return None;
    }
    places(&written.assigned_partitions)
}

fn places(written: &[TopicPartitions]) -> Option<Vec<(String, Vec<u32>)>> {
    let numbers = |topic: &TopicPartitions| -> Option<Vec<u32>> {
        topic.partitions.iter().map(|number| u32::try_from(*number).ok()).collect()
    };
    written.iter().map(|topic| Some((owned(&topic.topic), numbers(topic)?))).collect()
}

/// In the version that the member writes itself.
fn write_share(metadata: &Bytes, share: &[NamedPartitions]) -> Option<Bytes> {
    let version = metadata.first_chunk::<2>().map_or(0, |bytes| i16::from_be_bytes(*bytes));
    let topic = |named: &NamedPartitions| TopicPartitions {
        topic: Str::from(named.name.clone()),
        partitions: named.numbers.iter().map(|n| i32::try_from(*n).unwrap_or(i32::MAX)).collect(),
    };
    let assigned_partitions = share.iter().map(topic).collect();
    let written = Assignment { assigned_partitions, ..Assignment::default() };
    written.to_bytes(version.min(consumer_protocol::VERSION_LAST)).ok()
}

#[cfg(test)]
mod tests {
    use forebay_kit::model::TopicId;

    use super::*;

    #[test]
    fn what_consumers_write_is_read_and_written_back_in_their_version() {
        let owned_partitions = vec![TopicPartitions { topic: "a".into(), partitions: vec![0, 2] }];
        let said = Written { topics: vec!["a".into(), "b".into()], owned_partitions, ..Written::default() };
        let metadata = said.to_bytes(1).expect("it can be written");
        let read = subscription(&metadata).expect("it can be read");
        assert_eq!(read.topics, ["a", "b"]);
        assert_eq!(read.owned, [("a".to_owned(), vec![0, 2])]);
        let named = [NamedPartitions { topic: TopicId([1; 16]), name: "b".into(), numbers: vec![1, 3] }];
        let bytes = write_share(&metadata, &named).expect("it can be written");
        assert_eq!(bytes[..2], [0, 1]);
        assert_eq!(share(&bytes, &metadata), Some(vec![("b".to_owned(), vec![1, 3])]));
    }

    #[test]
    fn what_a_broker_could_not_write_is_not_read() {
        let data = Some(Bytes::from_static(b"x"));
        let of_its_own = Assignment { user_data: data.clone(), ..Assignment::default() };
        let of_its_own = of_its_own.to_bytes(1).expect("it can be written");
        assert_eq!(share(&of_its_own, &Bytes::new()), None);
        let silent = Written::default().to_bytes(1).expect("it can be written");
        assert_eq!(share(&of_its_own, &silent), None);
        let said = Written { user_data: data, ..Written::default() }.to_bytes(1).expect("it can be written");
        assert_eq!(share(&of_its_own, &said), Some(Vec::new()));
        assert_eq!(share(&Bytes::new(), &Bytes::new()), Some(Vec::new()));
        assert_eq!(subscription(&Bytes::from_static(b"\0")), None);
    }
}

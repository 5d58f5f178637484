//! What members tell each other through the broker: what each wants (subscription) and what each gets (share). The broker
//! does not look into either. All versions begin alike; what later ones add is behind what we need.

use bytes::{BufMut, Bytes, BytesMut};
use forebay_kafka::wire::cursor::Cursor;
use forebay_kafka::wire::field::{Version, Wire};
use forebay_kafka::wire::{DecodeError, Str};

use crate::client::place::{Place, by_topic};

/// The version we write. Version 0 is the one everybody reads.
const VERSION: i16 = 0;
const CLASSIC: Version = Version::classic(VERSION);
/// No user data.
const NULL_BYTES: i32 = -1;

/// A subscription to topics.
pub fn subscription(topics: &[String]) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    out.put_i32(topics.len() as i32);
    topics.iter().for_each(|topic| put_string(&mut out, topic));
    out.put_i32(NULL_BYTES);
    out.freeze()
}

/// The topics of a subscription.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_subscription(bytes: &Bytes) -> Result<Vec<String>, DecodeError> {
    let mut cursor = Cursor::new(bytes);
    let _version = i16::decode(&mut cursor, CLASSIC)?;
    let topics: Vec<Str> = Wire::decode(&mut cursor, CLASSIC)?;
    Ok(topics.iter().map(Str::to_string).collect())
}

/// A member's share.
pub fn share(places: &[Place]) -> Bytes {
    let topics = by_topic(places.iter().map(|place| (place, ())));
    let mut out = BytesMut::new();
    out.put_i16(VERSION);
    out.put_i32(topics.len() as i32);
    for (topic, partitions) in topics {
        put_string(&mut out, &topic);
        out.put_i32(partitions.len() as i32);
        partitions.iter().for_each(|(number, ())| out.put_i32(*number));
    }
    out.put_i32(NULL_BYTES);
    out.freeze()
}

/// The partitions of a share. No bytes at all are an empty one: that is what a member gets whom nobody gave any.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_share(bytes: &Bytes) -> Result<Vec<Place>, DecodeError> {
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut cursor = Cursor::new(bytes);
    let _version = i16::decode(&mut cursor, CLASSIC)?;
    let topics = i32::decode(&mut cursor, CLASSIC)?;
    let mut places = Vec::new();
    // Not reserved for: the count is only what somebody wrote. Each turn takes bytes, or ends in an error.
    for _ in 0..topics.max(0) {
        let topic = Str::decode(&mut cursor, CLASSIC)?;
        let partitions: Vec<i32> = Wire::decode(&mut cursor, CLASSIC)?;
        places.extend(partitions.into_iter().map(|number| Place::new(topic.as_str(), number)));
    }
    Ok(places)
}

fn put_string(out: &mut BytesMut, text: &str) {
    out.put_i16(i16::try_from(text.len()).expect("a topic's name is short: the broker checked it"));
    out.put_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_and_shares_are_read_back() {
        let topics = ["a".to_owned(), "b".to_owned()];
        assert_eq!(read_subscription(&subscription(&topics)).unwrap(), topics);
        let places = [Place::new("a", 0), Place::new("a", 3), Place::new("b", 1)];
        assert_eq!(read_share(&share(&places)).unwrap(), places);
        assert_eq!(read_share(&Bytes::new()).unwrap(), []);
    }

    /// A subscription as the Java client's range assignor writes it: version 3, with owned partitions and a rack behind
    /// what we need.
    #[test]
    fn what_later_versions_add_is_passed_over() {
        let mut bytes = BytesMut::from(&subscription(&["a".into()])[..]);
        bytes[1] = 3;
        bytes.extend_from_slice(b"\0\0\0\0\xff\xff\xff\xff\xff\xff");
        assert_eq!(read_subscription(&bytes.freeze()).unwrap(), ["a"]);
    }

    #[test]
    fn a_share_cut_short_is_an_error() {
        let bytes = share(&[Place::new("a", 0)]);
        assert!(read_share(&bytes.slice(..bytes.len() - 8)).is_err());
        assert!(read_subscription(&Bytes::from_static(b"\0")).is_err());
        assert!(read_share(&Bytes::from_static(b"\0\0\x7f\xff\xff\xff")).is_err());
    }
}

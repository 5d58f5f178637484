//! Names and ids.

use std::fmt;
use std::sync::Arc;

use crate::exchange::QueueName;
use crate::queue::NamespaceName;

/// A machine of the cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// One Raft group: one ordered log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardId(pub u32);

/// A partition of a topic, by the catalogue's never-reused number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u64);

/// An idempotent producer, by a number from shard 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerId(pub i64);

/// Fences older instances of one producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProducerEpoch(pub i16);

/// A topic's id for life: never reused, survives nothing but the topic itself.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// The id that names no topic.
    pub const NONE: TopicId = TopicId([0; 16]);
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! display {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
display!(NodeId, ShardId, PartitionId, ProducerId, ProducerEpoch);

/// The name of a topic: 1 to 249 of `[a-zA-Z0-9._-]`, not `.` or `..`. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Why a text is no topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicNameError {
    /// No character at all.
    Empty,
    /// More than [`TopicName::LEN_MAX`] bytes.
    TooLong,
    /// `.` and `..` are directories to too many tools.
    Dots,
    /// A character outside `[a-zA-Z0-9._-]`.
    IllegalCharacter,
}

impl TopicName {
    /// Longest name in bytes: Kafka's own limit, leaves room for its `-partition` suffix in file names.
    pub const LEN_MAX: usize = 249;

    /// Checks `text` once, at the border.
    pub fn parse(text: &str) -> Result<TopicName, TopicNameError> {
        match text {
            "" => return Err(TopicNameError::Empty),
            "." | ".." => return Err(TopicNameError::Dots),
            _ if text.len() > TopicName::LEN_MAX => return Err(TopicNameError::TooLong),
            _ => {}
        }
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if text.bytes().all(legal) {
            Ok(TopicName(text.into()))
        } else {
            Err(TopicNameError::IllegalCharacter)
        }
    }

    /// The name of a queue's topic. In the default namespace it is the queue's own, where a topic can have that name; others have one
    /// that no client can say.
    #[must_use]
    pub fn of_queue(namespace: &NamespaceName, queue: &QueueName) -> TopicName {
        let public = namespace.is_default().then(|| TopicName::parse(queue.as_str()).ok()).flatten();
        public.unwrap_or_else(|| {
            // The length tells where one name ends and the other begins.
            let name = format!("{HIDDEN}{}:{namespace}{queue}", namespace.as_str().len());
            TopicName(name.into())
        })
    }

    /// A name that stands in the log: what was checked at the border, or is of our own making.
    pub fn stored(text: &str) -> Result<TopicName, TopicNameError> {
        if text.starts_with(HIDDEN) { Ok(TopicName(text.into())) } else { TopicName::parse(text) }
    }

    /// Whether clients can say it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        !self.0.starts_with(HIDDEN)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Begins the names that no client can say.
const HIDDEN: char = '\u{1}';

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TopicNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TopicNameError::Empty => "a topic name cannot be empty",
            TopicNameError::TooLong => "a topic name has at most 249 characters",
            TopicNameError::Dots => "a topic name cannot be '.' or '..'",
            TopicNameError::IllegalCharacter => {
                "a topic name holds only ASCII letters, digits, '.', '_' and '-'"
            }
        })
    }
}

impl std::error::Error for TopicNameError {}

/// The name of a group: any non-empty text. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub Arc<str>);

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_are_checked_at_the_border() {
        assert!(TopicName::parse("orders.v1_eu-west").is_ok());
        assert_eq!(TopicName::parse(""), Err(TopicNameError::Empty));
        assert_eq!(TopicName::parse(".."), Err(TopicNameError::Dots));
        assert_eq!(TopicName::parse("a/b"), Err(TopicNameError::IllegalCharacter));
        assert_eq!(TopicName::parse(&"x".repeat(250)), Err(TopicNameError::TooLong));
    }

    #[test]
    fn topic_ids_print_as_uuids() {
        assert_eq!(TopicId([0xab; 16]).to_string(), "abababab-abab-abab-abab-abababababab");
    }

    #[test]
    fn a_queue_has_a_topic_of_its_name_where_clients_could_say_it() {
        let queue = |name: &str| QueueName::parse(name).unwrap();
        let namespace = |name: &str| NamespaceName::parse(name).unwrap();
        let of = |space: &str, name: &str| TopicName::of_queue(&namespace(space), &queue(name));
        assert_eq!(of("/", "orders"), TopicName::parse("orders").unwrap());
        let hidden =
            [of("/", "a queue"), of("/", "a/b"), of("shop", "orders"), of("shopo", "rders"), of("/", "..")];
        for (at, name) in hidden.iter().enumerate() {
            assert!(!name.is_public() && !hidden[..at].contains(name), "{name:?}");
            assert!(TopicName::parse(name.as_str()).is_err());
            assert_eq!(TopicName::stored(name.as_str()).as_ref(), Ok(name));
        }
        assert!(of("/", "orders").is_public());
        assert_eq!(TopicName::stored(""), Err(TopicNameError::Empty));
    }
}

//! Kinds of exchanges.

use bytes::Bytes;

use super::{Arguments, ExchangeRefusal, HeaderValue};

/// The kind of an exchange, as it is named when it is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExchangeKind {
    /// To what is bound with the routing key itself.
    Direct,
    /// To everything that is bound.
    Fanout,
    /// To what is bound with a pattern that the routing key matches, word by word.
    Topic,
    /// To what is bound with arguments that the headers match.
    Headers,
    /// To one of what is bound, always the same for the same key.
    ConsistentHash,
    /// As another kind, which an argument names, once a delay is over.
    Delayed,
}

/// The argument of a delayed exchange that names the kind it routes as.
const DELAYED_KIND: &str = "x-delayed-type";
/// The argument that names the header which is hashed.
const HASH_HEADER: &str = "hash-header";
/// The argument that names the property which is hashed.
const HASH_PROPERTY: &str = "hash-property";

impl ExchangeKind {
    /// All kinds.
    pub const ALL: [ExchangeKind; 6] = [
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Topic,
        ExchangeKind::Headers,
        ExchangeKind::ConsistentHash,
        ExchangeKind::Delayed,
    ];
    /// The arguments by which exchanges of one kind route differently.
    pub(super) const ARGUMENTS: [&str; 3] = [DELAYED_KIND, HASH_HEADER, HASH_PROPERTY];

    /// The name that clients give it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ExchangeKind::Direct => "direct",
            ExchangeKind::Fanout => "fanout",
            ExchangeKind::Topic => "topic",
            ExchangeKind::Headers => "headers",
            ExchangeKind::ConsistentHash => "x-consistent-hash",
            ExchangeKind::Delayed => "x-delayed-message",
        }
    }

    /// The kind of this name.
    pub fn parse(name: &str) -> Result<ExchangeKind, ExchangeRefusal> {
        let found = ExchangeKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| ExchangeRefusal::UnknownKind(name.into()))
    }

    /// How an exchange of this kind with these arguments routes.
    pub fn rule(self, arguments: &Arguments) -> Result<Rule, ExchangeRefusal> {
        Ok(match self {
            ExchangeKind::Direct => Rule::Direct,
            ExchangeKind::Fanout => Rule::Fanout,
            ExchangeKind::Topic => Rule::Topic,
            ExchangeKind::Headers => Rule::Headers,
            ExchangeKind::ConsistentHash => Rule::ConsistentHash(HashOn::of(arguments)?),
            ExchangeKind::Delayed => delayed_kind(arguments)?.rule(arguments)?,
        })
    }
}

/// The kind that a delayed exchange routes as.
fn delayed_kind(arguments: &Arguments) -> Result<ExchangeKind, ExchangeRefusal> {
    let invalid = |why| ExchangeRefusal::InvalidArgument { name: DELAYED_KIND, why };
    let name = arguments.get(DELAYED_KIND).ok_or(invalid("it names the kind to route as, and is missing"))?;
    match ExchangeKind::parse(text(DELAYED_KIND, name)?)? {
        ExchangeKind::Delayed => Err(invalid("one delay cannot be within another")),
        kind => Ok(kind),
    }
}

fn text<'a>(name: &'static str, value: &'a HeaderValue) -> Result<&'a str, ExchangeRefusal> {
    let text = value.as_text().and_then(|text| str::from_utf8(text).ok());
    text.ok_or(ExchangeRefusal::InvalidArgument { name, why: "it is no text" })
}

/// How an exchange routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// By the routing key itself.
    Direct,
    /// Everywhere.
    Fanout,
    /// By patterns of the routing key's words.
    Topic,
    /// By headers.
    Headers,
    /// To one, by a hash.
    ConsistentHash(HashOn),
}

/// What is hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashOn {
    /// The first routing key.
    RoutingKey,
    /// The header of this name. All messages without it are alike.
    Header(Bytes),
    /// A property. All messages without it are alike.
    Property(HashProperty),
}

/// A property that can be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashProperty {
    /// The id that the publisher gave the message.
    MessageId,
    /// The id of what it belongs to.
    CorrelationId,
    /// The time that the publisher gave it.
    Timestamp,
}

impl HashOn {
    fn of(arguments: &Arguments) -> Result<HashOn, ExchangeRefusal> {
        match (arguments.get(HASH_HEADER), arguments.get(HASH_PROPERTY)) {
            (None, None) => Ok(HashOn::RoutingKey),
            (Some(header), None) => {
                text(HASH_HEADER, header).map(|name| HashOn::Header(Bytes::copy_from_slice(name.as_bytes())))
            }
            (None, Some(property)) => {
                HashProperty::parse(text(HASH_PROPERTY, property)?).map(HashOn::Property)
            }
            (Some(_), Some(_)) => Err(ExchangeRefusal::InvalidArgument {
                name: HASH_HEADER,
                why: "either a header is hashed or a property, not both",
            }),
        }
    }
}

impl HashProperty {
    fn parse(name: &str) -> Result<HashProperty, ExchangeRefusal> {
        match name {
            "message_id" => Ok(HashProperty::MessageId),
            "correlation_id" => Ok(HashProperty::CorrelationId),
            "timestamp" => Ok(HashProperty::Timestamp),
            _ => Err(ExchangeRefusal::InvalidArgument {
                name: HASH_PROPERTY,
                why: "it is none of message_id, correlation_id and timestamp",
            }),
        }
    }
}

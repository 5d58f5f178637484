//! Messages that find their queues through exchanges.

use bytes::Bytes;

use crate::exchange::{Argument, ExchangeName};
use crate::publish::Confirm;
use crate::queue::NamespaceName;
use crate::{Refusal, Timestamp};

/// Sends messages through exchanges of one namespace. Messages of one post that go to the same queue keep their order there, and
/// come behind those of the posts before it on the connection.
#[derive(Clone, Debug)]
pub struct Post {
    /// Which namespace.
    pub namespace: NamespaceName,
    /// What, in order; each is accepted or refused by itself.
    pub items: Vec<PostItem>,
    /// When to answer.
    pub confirm: Confirm,
    /// Answer `TimedOut` after this many milliseconds.
    pub timeout_ms: u32,
}

/// One message.
#[derive(Clone, Debug)]
pub struct PostItem {
    /// By which exchange.
    pub exchange: ExchangeName,
    /// By which keys: the routing key first, then those that it goes by as well.
    pub keys: Vec<Bytes>,
    /// What exchanges look at beside the keys.
    pub routing: PostRouting,
    /// Whether nobody minds if it does not survive a crash.
    pub is_transient: bool,
    /// Higher is sooner.
    pub priority: u8,
    /// How long it may wait in a queue, in milliseconds, where its publisher says so.
    pub ttl_ms: Option<u64>,
    /// The number of its properties' encoding: see `docs/formats`.
    pub origin: u8,
    /// Its properties, as its protocol encodes them.
    pub properties: Bytes,
    /// What it says.
    pub body: Bytes,
}

/// What exchanges look at in a message beside its keys.
#[derive(Clone, Debug, Default)]
pub struct PostRouting {
    /// The headers. Of those with one name the last counts.
    pub headers: Vec<Argument>,
    /// The id that the publisher gave the message.
    pub message_id: Option<Bytes>,
    /// The id of what it belongs to.
    pub correlation_id: Option<Bytes>,
    /// The time that the publisher gave it.
    pub timestamp: Option<Timestamp>,
}

/// The fate of one message.
pub type Posted = Result<PostedTo, PostRefusal>;

/// Where a message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostedTo {
    /// Into so many queues, at least one; it is as durable there as was asked for.
    Queues(u32),
    /// Nowhere: no binding matched.
    Nowhere,
}

/// Why a message was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostRefusal {
    /// There is no such exchange.
    UnknownExchange(ExchangeName),
    /// Only other exchanges route to this one.
    InternalExchange(ExchangeName),
    /// It has more keys than [`ROUTING_KEYS_PER_MESSAGE_MAX`](crate::limits::ROUTING_KEYS_PER_MESSAGE_MAX).
    TooManyKeys,
    /// One of its queues did not take it, others may have.
    NotTaken(Refusal),
}

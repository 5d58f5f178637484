//! What routing looks at in a message.

use forebay_model::Timestamp;
use forebay_model::exchange::Argument;

/// A message, as far as routing is concerned. What a protocol has to decode for it, it may leave empty where no exchange looks at it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routed<'a> {
    /// The routing key first, then those that the message goes by as well. By a key that stands there twice it goes once.
    pub keys: &'a [&'a [u8]],
    /// The headers. Of those with one name the last counts.
    pub headers: &'a [Argument],
    /// The id that the publisher gave the message.
    pub message_id: Option<&'a [u8]>,
    /// The id of what it belongs to.
    pub correlation_id: Option<&'a [u8]>,
    /// The time that the publisher gave it.
    pub timestamp: Option<Timestamp>,
}

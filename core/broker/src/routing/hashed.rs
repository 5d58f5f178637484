//! Bindings by a hash.

use forebay_model::exchange::{Destination, HashOn, HashProperty, HeaderValue};
use sha2::{Digest, Sha256};

use super::found::Found;
use super::message::Routed;
use super::spread::{Point, Spread, mix};
use super::targets::Target;

/// Targets, and what of a message chooses among them.
#[derive(Debug)]
pub(super) struct HashIndex {
    on: HashOn,
    spread: Spread,
}

impl HashIndex {
    pub(super) fn new(on: HashOn) -> HashIndex {
        HashIndex { on, spread: Spread::default() }
    }

    pub(super) fn add(&mut self, destination: &Destination, target: Target, weight: u32) {
        self.spread.add(point(destination), target, weight);
    }

    pub(super) fn remove(&mut self, destination: &Destination, weight: u32) {
        self.spread.remove(point(destination), weight);
    }

    pub(super) fn find(&self, message: &Routed<'_>, found: &mut Found) {
        if let Some(target) = self.spread.choose(key_hash(&self.on, message)) {
            found.target(target);
        }
    }

    /// Whether nothing is bound.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.spread.choose(0).is_none()
    }
}

/// Where a destination stands among all. It hangs on the name, so that a queue that is deleted and declared again gets its keys back; and
/// no client can find names that stand together.
pub(super) fn point(destination: &Destination) -> Point {
    let hash = match destination {
        Destination::Queue(name) => Sha256::new().chain_update(b"queue ").chain_update(name.as_str()),
        Destination::Exchange(name) => Sha256::new().chain_update(b"exchange ").chain_update(name.as_str()),
    };
    let bytes: [u8; 32] = hash.finalize().into();
    bytes[..16].iter().fold(0, |point, byte| point << 8 | Point::from(*byte))
}

/// The hash of what an exchange looks at. It is the same on every node and in every version: two of them must not send one key to
/// two queues.
pub(super) fn key_hash(on: &HashOn, message: &Routed<'_>) -> u64 {
    let mut hash = KeyHash::new();
    match on {
        HashOn::RoutingKey => hash.some(message.keys.first().copied()),
        HashOn::Header(name) => match header(message, name) {
            Some(value) => hash.value(value),
            None => hash.some(None),
        },
        HashOn::Property(HashProperty::MessageId) => hash.some(message.message_id),
        HashOn::Property(HashProperty::CorrelationId) => hash.some(message.correlation_id),
        HashOn::Property(HashProperty::Timestamp) => {
            let bytes = message.timestamp.map(|timestamp| timestamp.0.to_le_bytes());
            hash.some(bytes.as_ref().map(|bytes| &bytes[..]));
        }
    }
    mix(hash.0)
}

fn header<'a>(message: &Routed<'a>, name: &[u8]) -> Option<&'a HeaderValue> {
    message.headers.iter().rev().find(|header| &header.name[..] == name).map(|header| &header.value)
}

/// FNV-1a, 64 bits.
struct KeyHash(u64);

impl KeyHash {
    fn new() -> KeyHash {
        KeyHash(0xcbf2_9ce4_8422_2325)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// What is there, or that it is not.
    fn some(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => self.bytes(bytes),
            None => self.bytes(&[0xff, 0]),
        }
    }

    /// Text as its bytes, so that it does not matter whether a key stands in a header or is the routing key; a list by its first value.
    fn value(&mut self, value: &HeaderValue) {
        match value {
            HeaderValue::Text(text) => self.bytes(text),
            HeaderValue::Void => self.bytes(&[0xff, 1]),
            HeaderValue::Bool(yes) => self.bytes(&[0xff, 2, u8::from(*yes)]),
            HeaderValue::Integer(number) => {
                self.bytes(&[0xff, 3]);
                self.bytes(&number.to_le_bytes());
            }
            HeaderValue::Float(number) => {
                self.bytes(&[0xff, 4]);
                self.bytes(&number.get().to_bits().to_le_bytes());
            }
            HeaderValue::Decimal { scale, unscaled } => {
                self.bytes(&[0xff, 5, *scale]);
                self.bytes(&unscaled.to_le_bytes());
            }
            HeaderValue::Time(time) => {
                self.bytes(&[0xff, 6]);
                self.bytes(&time.0.to_le_bytes());
            }
            HeaderValue::List(values) => match values.first() {
                Some(first) => self.value(first),
                None => self.bytes(&[0xff, 7]),
            },
            HeaderValue::Table(values) => {
                self.bytes(&[0xff, 8]);
                for argument in values {
                    self.bytes(&argument.name);
                    self.value(&argument.value);
                }
            }
        }
    }
}

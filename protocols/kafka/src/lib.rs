//! Kafka's wire protocol.
//!
//! [`wire`] is the codec: frames, headers, messages, both directions, every version we advertise. It knows no broker and no
//! socket; the broker decodes requests and encodes responses with it, our own command line does the reverse.
//! [`session`] is one connection's state: bytes and replies in, bytes and requests out. [`limits`] names every bound of both.
#![forbid(unsafe_code)]

pub mod limits;
pub mod session;
pub mod wire;

/// The stored batch and the broker's words, for clients that have this crate and no other of ours.
pub use forebay_kit::{model, record};

use forebay_kit::{ConnectionInfo, Protocol, Session};

/// Kafka's protocol, as the server registers it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kafka;

impl Protocol for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn default_port(&self) -> u16 {
        9092
    }

    fn open(&self, connection: ConnectionInfo) -> Box<dyn Session> {
        Box::new(session::KafkaSession::new(connection))
    }
}

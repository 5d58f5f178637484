//! AMQP 0-9-1, as RabbitMQ speaks it.
//!
//! [`wire`] is the codec: frames, methods, field tables, properties and bodies, both directions. It knows no broker and no
//! socket. [`session`] is one connection's state: bytes and replies in, bytes and requests out. [`limits`] names every bound of
//! both.
#![forbid(unsafe_code)]

pub mod limits;
pub mod session;
pub mod wire;

/// The broker's words and the stored batch, for what will stand on this crate and on no other of ours.
pub use forebay_kit::{model, record};

use std::sync::atomic::{AtomicU64, Ordering};

use forebay_kit::{ConnectionInfo, Protocol, Session};

/// AMQP 0-9-1, as the server registers it.
#[derive(Debug, Default)]
pub struct Amqp091 {
    /// Connections that were opened: part of the names that the server chooses.
    opened: AtomicU64,
}

impl Amqp091 {
    /// Before the first connection.
    #[must_use]
    pub const fn new() -> Amqp091 {
        Amqp091 { opened: AtomicU64::new(0) }
    }
}

impl Protocol for Amqp091 {
    fn name(&self) -> &'static str {
        "amqp"
    }

    fn default_port(&self) -> u16 {
        5672
    }

    fn open(&self, connection: ConnectionInfo) -> Box<dyn Session> {
        let number = self.opened.fetch_add(1, Ordering::Relaxed);
        Box::new(session::AmqpSession::new(connection, number))
    }
}

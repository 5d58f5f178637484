//! AMQP 0-9-1, as RabbitMQ speaks it.
//!
//! [`wire`] is the codec: frames, methods, field tables, properties and bodies, both directions. It knows no broker and no
//! socket. [`limits`] names every bound. A session is still to come: nothing of this is served yet.
#![forbid(unsafe_code)]

pub mod limits;
pub mod wire;

/// The broker's words and the stored batch, for what will stand on this crate and on no other of ours.
pub use forebay_kit::{model, record};

//! Kafka's wire protocol.
//!
//! [`wire`] is the codec: frames, headers, messages, both directions, every version we advertise. It knows no broker and no
//! socket; the broker decodes requests and encodes responses with it, our own command line does the reverse.
//! [`limits`] names every bound the codec enforces.
#![forbid(unsafe_code)]

pub mod limits;
pub mod wire;

/// The stored batch and the broker's words, for clients that have this crate and no other of ours.
pub use forebay_kit::{model, record};

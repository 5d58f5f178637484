//! The stored batch layouts, and nothing else knows them: header, patch, iterate, compression, re-encoding, and the
//! pivot to a protocol-neutral message.
//!
//! A payload at rest is one of two kinds ([`PayloadKind`]): a record batch in the v2 layout, stored as its client
//! sent it ([`batch`]), or a batch of messages with raw foreign properties ([`message_batch`]). Whoever speaks another
//! protocol than the writer reads a [`message`].
#![forbid(unsafe_code)]

mod as_records;
pub mod batch;
pub mod fuzz;
pub mod limits;
pub mod message;
pub mod message_batch;

pub use as_records::{PropertyReaders, ReadProperties, as_record_batch, kind_of};
pub use forebay_model::publish::PayloadKind;

/// The kind a stored number stands for; `None` where this version knows no such kind.
pub fn payload_kind(number: u8) -> Option<PayloadKind> {
    match number {
        1 => Some(PayloadKind::RecordBatch),
        2 => Some(PayloadKind::MessageBatch),
        _ => None,
    }
}

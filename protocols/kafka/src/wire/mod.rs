//! The codec: bounded, zero-copy, one table of APIs for everything.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`frame`] | a byte stream cut into frames |
//! | [`header`] | request and response headers |
//! | [`api`] | every API key: served versions, or why it is refused |
//! | [`messages`] | one file per API: its request and response as field lists with version ranges |
//! | [`error_code`] | Kafka's error numbers |
//! | [`import`] | what a Produce request brings instead of a batch to take records over at their offsets |
//! | [`consumer_protocol`] | what consumers tell each other inside group messages |
//! | [`cursor`], [`writer`], [`field`] | reading, writing, and the types of fields |
//! | [`text`], [`uuid`], [`records`], [`float64`], [`secret`] | types of fields that are our own |
//! | [`fuzz`] | entry points for fuzzers |
//!
//! Decoding allocates only arrays: every count is checked against the bytes left and against the frame's memory allowance
//! ([`crate::limits`]) first. Strings, byte fields and records are slices of the frame and keep it alive. Nesting is as deep as the schema, which has no recursion.

pub mod api;
pub mod consumer_protocol;
pub mod cursor;
pub mod error;
pub mod error_code;
pub mod field;
pub mod float64;
pub mod frame;
pub mod fuzz;
pub mod header;
pub mod import;
pub mod messages;
pub mod records;
mod schema;
pub mod secret;
pub mod text;
pub mod uuid;
pub mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use api::{Api, ApiKey};
pub use cursor::Cursor;
pub use error::{DecodeError, EncodeError, Fault};
pub use error_code::ErrorCode;
pub use field::Version;
pub use float64::Float64;
pub use header::{RequestHead, RequestHeader};
pub use import::ImportOrder;
pub use messages::{AnyRequest, AnyResponse, Request, Response};
pub use records::Records;
pub use secret::Secret;
pub use text::Str;
pub use uuid::Uuid;
pub use writer::{Rope, Writer};

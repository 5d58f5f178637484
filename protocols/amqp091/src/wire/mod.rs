//! The codec: bounded, zero-copy, one table of methods for everything.
//!
//! | module | what it is |
//! | --- | --- |
//! | [`protocol_header`] | the eight bytes before the first frame |
//! | [`frame`], [`intake`] | a byte stream cut into frames, wherever its pieces were cut |
//! | [`method`] | every method: the table |
//! | [`schema`] | the language of that table, and the types of arguments |
//! | [`table`] | field tables and arrays |
//! | [`properties`] | the properties of a message, as they came |
//! | [`content`], [`assembly`] | a method, its content header and its body, put together |
//! | [`frame_writer`] | writing frames |
//! | [`reply_code`], [`error`] | the protocol's codes, and what can be wrong |
//! | [`cursor`], [`writer`], [`text`], [`numbers`] | reading, writing, and the smallest types |
//! | [`fuzz`] | entry points for fuzzers |
//!
//! Strings, tables, properties and bodies are slices of what was received and keep it alive. What is nested is walked without
//! recursion; nothing that somebody only claims is ever reserved.

pub mod assembly;
pub mod content;
pub mod cursor;
pub mod error;
pub mod frame;
pub mod frame_writer;
pub mod fuzz;
pub mod intake;
pub mod method;
pub mod numbers;
pub mod properties;
pub mod protocol_header;
pub mod reply_code;
pub mod schema;
pub mod table;
pub mod text;
pub mod writer;

#[cfg(test)]
pub(crate) mod tests;

pub use assembly::{Assembly, Progress};
pub use content::{Command, Content, ContentHeader};
pub use error::{DecodeError, EncodeError, Expected, Fault, TableFault, TableFlaw};
pub use frame::{Frame, FrameHead, FrameKind};
pub use frame_writer::{Delivery, DeliveryPrefix, FrameWriter, OutgoingContent};
pub use intake::Intake;
pub use method::{METHODS, Method, WireMethod};
pub use numbers::{ChannelId, DeliveryTag, FrameMax, MethodId};
pub use properties::{Properties, PropertyList};
pub use protocol_header::{PROTOCOL_HEADER, ProtocolMismatch, ProtocolVersion};
pub use reply_code::{ReplyCode, Severity};
pub use schema::{MethodInfo, Sender};
pub use table::{Array, ArrayBuilder, Table, TableBuilder, Value};
pub use text::{LongStr, Secret, ShortStr};

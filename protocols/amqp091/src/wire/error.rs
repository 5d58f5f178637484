//! What can be wrong with bytes we read, and with values we are asked to write.

use std::fmt;

use super::frame::FrameKind;
use super::numbers::{ChannelId, FrameMax, MethodId};
use super::reply_code::ReplyCode;

/// Why bytes could not be understood. Always the sender's fault, and always the end of its connection; the code to close it
/// with is [`DecodeError::reply_code`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// A frame says that it is longer than was agreed.
    FrameTooLarge {
        /// Bytes of payload claimed.
        claimed: u32,
        /// What was agreed for a whole frame.
        frame_max: FrameMax,
    },
    /// Another octet than 0xCE stands where a frame ends.
    FrameEnd(u8),
    /// A type of frame that does not exist.
    FrameType(u8),
    /// A payload that a frame of this kind cannot have: a method or a header too short, a heartbeat that carries something.
    FrameForm(FrameKind),
    /// A heartbeat on a channel: it belongs to the connection.
    HeartbeatOnChannel(ChannelId),
    /// A frame that has no business here.
    UnexpectedFrame {
        /// What came.
        got: FrameKind,
        /// What should have come.
        expected: Expected,
    },
    /// A content header of another class than its method's.
    HeaderClass {
        /// The class it names.
        got: u16,
        /// The class of the method before it.
        expected: u16,
    },
    /// A content header with a weight, which nothing has ever had.
    HeaderWeight(u16),
    /// A header that announces a body above [`crate::limits::BODY_BYTES_MAX`].
    BodyTooLarge {
        /// Bytes announced.
        announced: u64,
    },
    /// A body frame that goes on behind the end of the body.
    BodyTooLong {
        /// Bytes in the frame.
        got: u32,
        /// Bytes of the body that were still to come.
        left: u64,
    },
    /// A method that does not exist.
    UnknownMethod(MethodId),
    /// A method of a class that earlier versions of the protocol had: `file`, `stream`, `dtx`, `tunnel`, `test`.
    ForeignClass(MethodId),
    /// A method with an argument that cannot be read.
    Argument {
        /// The method.
        method: MethodId,
        /// `class.method.argument`; only `class.method` where something is left behind the last.
        place: &'static str,
        /// What is wrong.
        fault: Fault,
    },
    /// Properties of a message that cannot be read.
    Property {
        /// The property's name; empty where all of them are meant.
        name: &'static str,
        /// What is wrong.
        fault: Fault,
    },
}

/// What should have come instead of an unexpected frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// A method.
    Method,
    /// The content header of a method of this class.
    Header(u16),
    /// A piece of a body.
    Body,
}

/// What is wrong with a value. Sizes saturate at `u32::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end before the value does.
    Ended {
        /// Bytes the value needs.
        needed: u32,
        /// Bytes left.
        left: u32,
    },
    /// Bytes are left behind the last value.
    Trailing(u32),
    /// A short string that is not UTF-8.
    NotUtf8,
    /// Flags of properties that do not exist.
    UnknownFlags(u16),
    /// A field table that cannot be read.
    Table(TableFault),
}

/// What is wrong with a field table, or an array, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableFault {
    /// What is wrong.
    pub flaw: TableFlaw,
    /// Bytes from the table's first one to the field or item at fault.
    pub at: u32,
}

/// What is wrong with a field or an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFlaw {
    /// It ends behind what holds it.
    Ended,
    /// A type of value that does not exist.
    UnknownType(u8),
    /// It is nested deeper than [`crate::limits::TABLE_DEPTH_MAX`].
    TooDeep,
    /// It is one more than [`crate::limits::TABLE_ENTRIES_MAX`].
    TooMany,
}

impl DecodeError {
    /// The code to close the connection with: RabbitMQ's where it has one. It answers 541 to tables that cannot be read, and
    /// properties, and leaves without a word at a method that does not exist; we say 502 and 503.
    #[must_use]
    pub fn reply_code(&self) -> ReplyCode {
        match self {
            Self::FrameTooLarge { .. }
            | Self::FrameEnd(_)
            | Self::FrameType(_)
            | Self::FrameForm(_)
            | Self::BodyTooLarge { .. }
            | Self::BodyTooLong { .. } => ReplyCode::FrameError,
            Self::HeartbeatOnChannel(_)
            | Self::UnexpectedFrame { .. }
            | Self::HeaderClass { .. }
            | Self::HeaderWeight(_) => ReplyCode::UnexpectedFrame,
            Self::UnknownMethod(_) => ReplyCode::CommandInvalid,
            Self::ForeignClass(_) => ReplyCode::NotImplemented,
            Self::Argument { fault: Fault::Table(_), .. } | Self::Property { .. } => ReplyCode::SyntaxError,
            Self::Argument { .. } => ReplyCode::FrameError,
        }
    }

    /// The method at fault, which a close names; `None` where it is none's.
    #[must_use]
    pub fn method(&self) -> Option<MethodId> {
        match *self {
            Self::UnknownMethod(method) | Self::ForeignClass(method) | Self::Argument { method, .. } => {
                Some(method)
            }
            _ => None,
        }
    }

    /// Whether the next frame's start is unknown, so that nothing behind this one can be read, a `close-ok` neither.
    #[must_use]
    pub fn ends_the_stream(&self) -> bool {
        matches!(self, Self::FrameTooLarge { .. } | Self::FrameEnd(_) | Self::FrameType(_))
    }
}

impl From<TableFault> for Fault {
    fn from(fault: TableFault) -> Self {
        Self::Table(fault)
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameTooLarge { claimed, frame_max } => {
                write!(f, "a frame's payload of {claimed} bytes exceeds frame_max = {}", frame_max.bytes())
            }
            Self::FrameEnd(octet) => write!(f, "a frame ends in {octet:#04x} instead of 0xce"),
            Self::FrameType(octet) => write!(f, "there is no frame type {octet}"),
            Self::FrameForm(kind) => write!(f, "a {kind} frame cannot have a payload of this form"),
            Self::HeartbeatOnChannel(channel) => write!(f, "a heartbeat on channel {}", channel.0),
            Self::UnexpectedFrame { got, expected } => write!(f, "a {got} frame where {expected} belongs"),
            Self::HeaderClass { got, expected } => {
                write!(f, "a content header of class {got} where one of class {expected} belongs")
            }
            Self::HeaderWeight(weight) => write!(f, "a content header of weight {weight}"),
            Self::BodyTooLarge { announced } => write!(f, "a body of {announced} bytes is announced"),
            Self::BodyTooLong { got, left } => {
                write!(f, "a body frame of {got} bytes where {left} are left of the body")
            }
            Self::UnknownMethod(method) => write!(f, "there is no method {method}"),
            Self::ForeignClass(method) => write!(f, "method {method} is of a class that AMQP 0-9-1 lacks"),
            Self::Argument { place, fault, .. } => write!(f, "{place} {fault}"),
            Self::Property { name: "", fault } => write!(f, "the message's properties: {fault}"),
            Self::Property { name, fault } => write!(f, "the message's property {name} {fault}"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Method => write!(f, "a method"),
            Self::Header(class) => write!(f, "a content header of class {class}"),
            Self::Body => write!(f, "a piece of a body"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { needed, left } => write!(f, "needs {needed} bytes where {left} are left"),
            Self::Trailing(left) => write!(f, "has {left} bytes behind its last value"),
            Self::NotUtf8 => write!(f, "is not UTF-8"),
            Self::UnknownFlags(flags) => write!(f, "has flags {flags:#06x}, which do not exist"),
            Self::Table(fault) => write!(f, "{fault}"),
        }
    }
}

impl fmt::Display for TableFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flaw {
            TableFlaw::Ended => write!(f, "has a field that ends behind its table")?,
            TableFlaw::UnknownType(octet) => write!(f, "has a value of type {octet:#04x}")?,
            TableFlaw::TooDeep => write!(f, "is nested too deep")?,
            TableFlaw::TooMany => write!(f, "has too many fields")?,
        }
        write!(f, " (at byte {})", self.at)
    }
}

/// Why something could not be written. Always the caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodeError {
    /// A method or a content header that no frame of the agreed size holds; they cannot be split.
    FrameTooLarge {
        /// Bytes of payload.
        payload: usize,
        /// What was agreed for a whole frame.
        frame_max: FrameMax,
    },
    /// A short string above [`crate::limits::SHORT_STRING_BYTES_MAX`].
    ShortStringTooLong {
        /// Its bytes.
        length: usize,
    },
    /// A table that nobody would read.
    Table(TableFault),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameTooLarge { payload, frame_max } => {
                write!(f, "a payload of {payload} bytes exceeds frame_max = {}", frame_max.bytes())
            }
            Self::ShortStringTooLong { length } => write!(f, "a short string of {length} bytes"),
            Self::Table(fault) => write!(f, "the table {fault}"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// Sizes in errors are for people; they saturate.
pub(super) fn clamp(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

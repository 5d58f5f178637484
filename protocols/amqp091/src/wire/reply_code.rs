//! The protocol's reply codes.

use std::fmt;

/// What an error ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing: no error.
    None,
    /// The channel it happened on.
    Channel,
    /// The connection.
    Connection,
}

macro_rules! reply_codes {
    ($($number:literal, $(#[$meta:meta])? $variant:ident, $name:literal, $severity:ident;)*) => {
        /// Why a channel or a connection is closed, or a message returned. A number that has no meaning here is kept as
        /// [`ReplyCode::Other`].
        #[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ReplyCode {
            $(
                #[doc = concat!("`", $name, "`, ", stringify!($number), ".")]
                $(#[$meta])?
                $variant,
            )*
            /// A number without a meaning.
            Other(u16),
        }

        impl ReplyCode {
            /// Every number with a meaning, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$variant => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// Its name, as RabbitMQ puts it in front of a reply text.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::Other(_) => "UNKNOWN",
                }
            }

            /// What it ends. One without a meaning ends everything.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)*
                    Self::Other(_) => Severity::Connection,
                }
            }
        }
    };
}

reply_codes! {
    200, #[default] Success, "REPLY_SUCCESS", None;
    311, ContentTooLarge, "CONTENT_TOO_LARGE", Channel;
    312, NoRoute, "NO_ROUTE", Channel;
    313, NoConsumers, "NO_CONSUMERS", Channel;
    320, ConnectionForced, "CONNECTION_FORCED", Connection;
    402, InvalidPath, "INVALID_PATH", Connection;
    403, AccessRefused, "ACCESS_REFUSED", Channel;
    404, NotFound, "NOT_FOUND", Channel;
    405, ResourceLocked, "RESOURCE_LOCKED", Channel;
    406, PreconditionFailed, "PRECONDITION_FAILED", Channel;
    501, FrameError, "FRAME_ERROR", Connection;
    502, SyntaxError, "SYNTAX_ERROR", Connection;
    503, CommandInvalid, "COMMAND_INVALID", Connection;
    504, ChannelError, "CHANNEL_ERROR", Connection;
    505, UnexpectedFrame, "UNEXPECTED_FRAME", Connection;
    506, ResourceError, "RESOURCE_ERROR", Connection;
    530, NotAllowed, "NOT_ALLOWED", Connection;
    540, NotImplemented, "NOT_IMPLEMENTED", Connection;
    541, InternalError, "INTERNAL_ERROR", Connection;
}

impl fmt::Debug for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), self.number())
    }
}

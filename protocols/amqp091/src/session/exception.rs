//! What a client is told when something is wrong: a code, a text in RabbitMQ's words, and what ends with it.

use std::fmt::Display;

use crate::wire::method::{ChannelClose, ConnectionClose};
use crate::wire::{DecodeError, MethodId, ReplyCode, Severity, ShortStr};

/// The reason to close a channel or a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exception {
    pub(super) code: ReplyCode,
    pub(super) text: String,
    /// What the client said; 0.0 where it was no single method.
    pub(super) method: MethodId,
    severity: Severity,
}

/// What was asked for cannot be done.
pub(super) type Done = Result<(), Exception>;

const NO_METHOD: MethodId = MethodId { class: 0, method: 0 };

impl Exception {
    /// Ends what its code ends.
    pub(super) fn new(code: ReplyCode, why: impl Display) -> Exception {
        let text = format!("{} - {why}", code.name());
        Exception { code, text, method: NO_METHOD, severity: code.severity() }
    }

    /// Ends the connection, whatever its code ends elsewhere.
    pub(super) fn on_connection(self) -> Exception {
        Exception { severity: Severity::Connection, ..self }
    }

    /// Names the method that is to blame, unless one is named.
    pub(super) fn of(self, method: MethodId) -> Exception {
        if self.method == NO_METHOD { Exception { method, ..self } } else { self }
    }

    pub(super) fn ends_connection(&self) -> bool {
        self.severity != Severity::Channel
    }

    pub(super) fn channel_close(&self) -> ChannelClose {
        ChannelClose {
            reply_code: self.code,
            reply_text: ShortStr::shortened(&self.text),
            class_id: self.method.class,
            method_id: self.method.method,
        }
    }

    pub(super) fn connection_close(&self) -> ConnectionClose {
        ConnectionClose {
            reply_code: self.code,
            reply_text: ShortStr::shortened(&self.text),
            class_id: self.method.class,
            method_id: self.method.method,
        }
    }
}

impl From<DecodeError> for Exception {
    fn from(error: DecodeError) -> Exception {
        Exception::new(error.reply_code(), error).on_connection()
    }
}

/// 406: something about the request does not go with how things are.
pub(super) fn precondition(why: impl Display) -> Exception {
    Exception::new(ReplyCode::PreconditionFailed, why)
}

/// 404.
pub(super) fn not_found(why: impl Display) -> Exception {
    Exception::new(ReplyCode::NotFound, why)
}

/// 403.
pub(super) fn access_refused(why: impl Display) -> Exception {
    Exception::new(ReplyCode::AccessRefused, why)
}

/// 540: what RabbitMQ may do, and this broker does not.
pub(super) fn not_implemented(why: impl Display) -> Exception {
    Exception::new(ReplyCode::NotImplemented, why)
}

/// 503.
pub(super) fn command_invalid(why: impl Display) -> Exception {
    Exception::new(ReplyCode::CommandInvalid, why)
}

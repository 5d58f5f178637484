//! What can go wrong between us and a broker.

use std::fmt;

use forebay_kafka::wire::{ApiKey, ErrorCode};

use super::place::Place;

/// Why something asked of a cluster did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// Nobody answers at an address.
    CannotConnect {
        /// Where.
        address: String,
        /// Why, in the system's words.
        why: String,
    },
    /// A connection ended before the answer came.
    Lost {
        /// To whom.
        address: String,
        /// Why, in the system's words.
        why: String,
    },
    /// The other side is not who it should be, or wants us encrypted otherwise: nothing that passes.
    Untrusted {
        /// Where.
        address: String,
        /// Why.
        why: String,
    },
    /// Time is over.
    TimedOut {
        /// What was waited for.
        doing: String,
        /// The last thing that went wrong on the way.
        last: Option<Box<ClientError>>,
    },
    /// The broker said no.
    Refused {
        /// What was asked.
        doing: String,
        /// Its error.
        code: ErrorCode,
        /// Its words, if it had any.
        message: Option<String>,
    },
    /// Broker and client have no version of an API in common.
    NoCommonVersion {
        /// Which API.
        api: ApiKey,
        /// Which broker.
        address: String,
    },
    /// The answer makes no sense.
    Garbled {
        /// From whom.
        address: String,
        /// What is wrong with it.
        why: String,
    },
    /// A partition has no leader at the moment.
    NoLeader(Place),
    /// What was asked cannot be asked: the caller's fault.
    Invalid(String),
    /// The user wants us to stop.
    Interrupted,
}

impl ClientError {
    /// Whether the same may succeed a little later, perhaps at another broker.
    pub fn is_retriable(&self) -> bool {
        match self {
            ClientError::CannotConnect { .. } | ClientError::Lost { .. } | ClientError::NoLeader(_) => true,
            ClientError::Refused { code, .. } => code.is_retriable(),
            _ => false,
        }
    }

    /// The broker's error, when it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            ClientError::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// An error of the broker, unless it is none.
    ///
    /// # Errors
    /// [`ClientError::Refused`].
    pub fn check(
        doing: impl Into<String>,
        code: ErrorCode,
        message: Option<&str>,
    ) -> Result<(), ClientError> {
        if code.is_none() {
            return Ok(());
        }
        let message = message.filter(|text| !text.is_empty()).map(str::to_owned);
        Err(ClientError::Refused { doing: doing.into(), code, message })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::CannotConnect { address, why } => write!(f, "cannot connect to {address}: {why}"),
            ClientError::Lost { address, why } => write!(f, "the connection to {address} was lost: {why}"),
            ClientError::Untrusted { address, why } => {
                write!(f, "no secure connection to {address}: {why}")
            }
            ClientError::TimedOut { doing, last: None } => write!(f, "timed out: {doing}"),
            ClientError::TimedOut { doing, last: Some(last) } => {
                write!(f, "timed out: {doing}; lastly, {last}")
            }
            ClientError::Refused { doing, code, message: None } => {
                write!(f, "{doing}: the broker refused: {}", code.name())
            }
            ClientError::Refused { doing, code, message: Some(message) } => {
                write!(f, "{doing}: the broker refused: {} ({message})", code.name())
            }
            ClientError::NoCommonVersion { api, address } => {
                write!(f, "the broker at {address} does not speak {} in any version that we do", api.name())
            }
            ClientError::Garbled { address, why } => {
                write!(f, "the answer of {address} makes no sense: {why}")
            }
            ClientError::NoLeader(place) => write!(f, "{place} has no leader"),
            ClientError::Invalid(why) => f.write_str(why),
            ClientError::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for ClientError {}

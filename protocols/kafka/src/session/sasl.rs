//! SaslHandshake and SaslAuthenticate: a client says who it is before anything else is served (KIP-12, KIP-43, KIP-152), and again
//! over the same connection if it likes (KIP-368). Behind a SaslHandshake of version 0 its tokens come as frames without headers.

use std::sync::Arc;

use forebay_kit::model::login::{Login, LoginStep, Mechanism};
use forebay_kit::model::{Refusal, Reply, Request};
use forebay_kit::{Bytes, ConnectionInfo, SessionError};

use super::asked::Connection;
use super::dispatch::{Asking, Plan, Step};
use super::errors::{self, Area};
use super::open::{Ending, Head, Replies, strange};
use crate::limits::SASL_FRAME_BYTES_MAX;
use crate::wire::messages::{
    SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
};
use crate::wire::{ApiKey, ErrorCode, Secret, Str, Writer};

/// Tokens are frames without headers behind a handshake below this version.
const HEADERS_FROM: i16 = 1;

/// How far the client of a connection has authenticated.
pub(super) struct Authentication {
    /// What the listener offers; `None` where nobody is asked who they are.
    offered: Option<Arc<[Mechanism]>>,
    frame_bytes_max: usize,
    /// How it has authenticated, if it has.
    used: Option<Mechanism>,
    /// From a handshake to the end of what it begins.
    exchange: Option<Exchange>,
    /// The broker judges a token: nothing behind it is read before it has.
    is_judged: bool,
}

#[derive(Clone, Copy)]
struct Exchange {
    mechanism: Mechanism,
    /// No token has come yet.
    is_fresh: bool,
    /// Tokens come without headers.
    is_bare: bool,
}

impl Authentication {
    pub(super) fn new(info: &ConnectionInfo) -> Authentication {
        Authentication {
            offered: info.login.clone(),
            frame_bytes_max: info.frame_bytes_max,
            used: None,
            exchange: None,
            is_judged: false,
        }
    }

    /// Whether the client has authenticated, or need not.
    pub(super) fn is_over(&self) -> bool {
        self.offered.is_none() || self.used.is_some()
    }

    /// Whether a request may come now.
    pub(super) fn admits(&self, api: ApiKey) -> bool {
        self.is_over()
            || matches!(api, ApiKey::ApiVersions | ApiKey::SaslHandshake | ApiKey::SaslAuthenticate)
    }

    /// Whether the next frame is a token without a header.
    pub(super) fn takes_bare_tokens(&self) -> bool {
        self.exchange.is_some_and(|exchange| exchange.is_bare)
    }

    /// Whether the session has to wait for the broker before it reads on.
    pub(super) fn is_judged(&self) -> bool {
        self.is_judged
    }

    /// The largest frame that may come now: who has not authenticated sends no large ones.
    pub(super) fn frame_bytes_max(&self) -> usize {
        if self.is_over() { self.frame_bytes_max } else { self.frame_bytes_max.min(SASL_FRAME_BYTES_MAX) }
    }

    /// The next step, for the broker.
    fn step(&mut self, exchange: Exchange, token: Bytes) -> (Request, Asked) {
        let Exchange { mechanism, is_fresh, is_bare } = exchange;
        self.exchange = Some(Exchange { is_fresh: false, ..exchange });
        self.is_judged = true;
        let login = Login { mechanism, first: is_fresh, bytes: token.into() };
        (Request::Login(login), Asked { mechanism, is_bare })
    }
}

/// SaslHandshake.
pub(super) fn handshake(
    asking: &mut Asking<'_>,
    request: SaslHandshakeRequest,
) -> Step<SaslHandshakeResponse> {
    let version = asking.version();
    let authentication = &mut asking.connection.authentication;
    let Some(offered) = &authentication.offered else {
        let error_code = ErrorCode::IllegalSaslState;
        return Step::Answer(SaslHandshakeResponse { error_code, ..Default::default() });
    };
    if authentication.exchange.is_some() {
        return Step::Close("a SaslHandshake within an exchange of tokens".into());
    }
    let mechanisms = offered.iter().map(|mechanism| Str::from_static(mechanism.name())).collect();
    let mechanism = Mechanism::named(request.mechanism.as_str()).filter(|named| offered.contains(named));
    let Some(mechanism) = mechanism else {
        let error_code = ErrorCode::UnsupportedSaslMechanism;
        let why = "the client wants a SASL mechanism that is not offered".into();
        return Step::Last(SaslHandshakeResponse { error_code, mechanisms }, why);
    };
    let is_bare = version < HEADERS_FROM;
    authentication.exchange = Some(Exchange { mechanism, is_fresh: true, is_bare });
    Step::Answer(SaslHandshakeResponse { mechanisms, ..Default::default() })
}

/// SaslAuthenticate.
pub(super) fn authenticate(
    asking: &mut Asking<'_>,
    request: SaslAuthenticateRequest,
) -> Step<SaslAuthenticateResponse> {
    let authentication = &mut asking.connection.authentication;
    let Some(exchange) = authentication.exchange else {
        let why = "a SaslAuthenticate without a SaslHandshake before it";
        if !authentication.is_over() {
            return Step::Close(why.into());
        }
        return Step::Answer(failed(ErrorCode::IllegalSaslState, why.into()));
    };
    if let Some(used) = authentication.used.filter(|used| *used != exchange.mechanism) {
        let why =
            format!("a client that authenticated by {} does so again by no other mechanism", used.name());
        return Step::Last(failed(ErrorCode::SaslAuthenticationFailed, why.as_str().into()), why);
    }
    let (request, asked) = authentication.step(exchange, request.auth_bytes.into_bytes());
    Step::One(request, asked.into())
}

/// A frame that is a token and nothing else.
pub(super) fn bare_token(frame: &Bytes, connection: &mut Connection) -> (Head, Plan) {
    let head = Head { api: ApiKey::SaslAuthenticate, version: 0, correlation_id: 0 };
    let authentication = &mut connection.authentication;
    let Some(exchange) = authentication.exchange else {
        return (head, Plan::End(Ending::Close("a token without a SaslHandshake before it".into())));
    };
    let (request, asked) = authentication.step(exchange, frame.clone());
    (head, Plan::AskOne(request, asked.into()))
}

/// A token that the broker judges.
pub(super) struct Asked {
    mechanism: Mechanism,
    is_bare: bool,
}

impl Asked {
    /// What the client is told, and whether that is the end of its connection.
    pub(super) fn answer(
        self,
        head: Head,
        replies: Replies,
        connection: &mut Connection,
    ) -> Result<Ending, SessionError> {
        let Reply::Login(step) = replies.one()? else { return Err(strange("Login")) };
        let authentication = &mut connection.authentication;
        authentication.is_judged = false;
        match step {
            Ok(LoginStep::Continue(bytes)) => self.token(head, bytes.into_bytes()),
            Ok(LoginStep::Done { bytes, .. }) => {
                authentication.used = Some(self.mechanism);
                authentication.exchange = None;
                self.token(head, bytes.into_bytes())
            }
            Err(refusal) => {
                let again = authentication.used.is_some();
                self.refused(head, &refusal, again)
            }
        }
    }

    fn token(&self, head: Head, bytes: Bytes) -> Result<Ending, SessionError> {
        if !self.is_bare {
            let response = SaslAuthenticateResponse { auth_bytes: Secret::from(bytes), ..Default::default() };
            return head.frame(&response).map(Ending::Frame);
        }
        let mut writer = Writer::for_frame();
        writer.put(&bytes);
        let frame = writer.finish_frame().map_err(|error| SessionError::Bug(error.to_string()))?;
        Ok(Ending::Frame(frame))
    }

    /// In the words of Apache Kafka, which people look for. They are the same for a name that nobody has.
    fn refused(&self, head: Head, refusal: &Refusal, again: bool) -> Result<Ending, SessionError> {
        let mechanism = self.mechanism.name();
        // To clients, every answer but a token is the end of their attempts. What passes is no reason for that: they connect again.
        if errors::code(refusal, Area::Catalogue).is_retriable() {
            return Ok(Ending::Close(format!(
                "the client cannot authenticate by {mechanism} now: {refusal}"
            )));
        }
        let why = match refusal {
            Refusal::WrongCredentials if self.mechanism == Mechanism::Plain => {
                "Authentication failed: Invalid username or password".into()
            }
            Refusal::WrongCredentials => {
                let when = if again { "re-authentication" } else { "authentication" };
                format!(
                    "Authentication failed during {when} due to invalid credentials with SASL mechanism {mechanism}"
                )
            }
            other => format!("Authentication failed with SASL mechanism {mechanism}: {other}"),
        };
        if self.is_bare {
            return Ok(Ending::Close(why));
        }
        let response = failed(ErrorCode::SaslAuthenticationFailed, why.as_str().into());
        Ok(Ending::Last(head.frame(&response)?, why))
    }
}

fn failed(error_code: ErrorCode, why: Str) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse { error_code, error_message: Some(why), ..Default::default() }
}

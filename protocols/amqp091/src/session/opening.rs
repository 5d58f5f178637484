//! The beginning of a connection: what the server offers, who the client is, what both agree on.

use std::net::SocketAddr;
use std::sync::Arc;

use forebay_kit::ConnectionInfo;
use forebay_kit::model::limits::LOGIN_BYTES_MAX;
use forebay_kit::model::login::{Login, Mechanism};
use forebay_kit::model::queue::{NamespaceName, RouteRefusal};
use forebay_kit::model::{Refusal, Secret};

use super::exception::{Exception, access_refused, command_invalid};
use super::refusals;
use super::shared::Shared;
use crate::limits::{CHANNELS_MAX, FRAME_BYTES_DEFAULT, FRAME_BYTES_MIN, HEARTBEAT_SECONDS};
use crate::wire::method::{
    ConnectionOpen, ConnectionStart, ConnectionStartOk, ConnectionTune, ConnectionTuneOk,
};
use crate::wire::{FrameMax, LongStr, ReplyCode, Table, TableBuilder, Value};

/// What the listener wants of those who come.
#[derive(Debug)]
pub(super) struct Opening {
    peer: SocketAddr,
    /// `None` where nobody is asked who they are.
    login: Option<Arc<[Mechanism]>>,
}

/// How a client says who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Plain,
    AmqPlain,
}

/// What a client said of itself.
#[derive(Debug)]
pub(super) struct Introduction {
    pub(super) way: Way,
    user: String,
    password: Vec<u8>,
    /// It wants to hear why it cannot come in.
    pub(super) hears_failures: bool,
    pub(super) hears_cancels: bool,
}

/// What follows from it.
#[derive(Debug)]
pub(super) enum Judgement {
    /// The broker has to be asked.
    Ask(Login),
    /// It is this user.
    Welcome(String),
    Refused,
}

/// What both agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) channel_max: u16,
    pub(super) frame_max: FrameMax,
    /// Seconds; 0 for none.
    pub(super) heartbeat: u16,
}

/// Who comes in where nobody is asked, with this for a password, from the server's own machine.
const GUEST: &str = "guest";

/// What RabbitMQ's clients may rely on; each of these is so.
const CAPABILITIES: [&str; 8] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "consumer_priorities",
    "per_consumer_qos",
    "direct_reply_to",
    AUTHENTICATION_FAILURE_CLOSE,
];
const AUTHENTICATION_FAILURE_CLOSE: &str = "authentication_failure_close";

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Way::Plain => "PLAIN",
            Way::AmqPlain => "AMQPLAIN",
        }
    }
}

impl Opening {
    pub(super) fn new(info: &ConnectionInfo) -> Opening {
        Opening { peer: info.peer, login: info.login.clone() }
    }

    /// The server's first words.
    pub(super) fn start(&self) -> ConnectionStart {
        let mechanisms = if self.takes_passwords() { "PLAIN AMQPLAIN" } else { "" };
        ConnectionStart {
            version_major: 0,
            version_minor: 9,
            server_properties: server_properties(),
            mechanisms: LongStr::from(mechanisms),
            locales: LongStr::from("en_US"),
        }
    }

    fn takes_passwords(&self) -> bool {
        self.login.as_ref().is_none_or(|offered| offered.contains(&Mechanism::Plain))
    }

    pub(super) fn introduction(&self, method: &ConnectionStartOk) -> Result<Introduction, Exception> {
        let named = method.mechanism.as_bytes();
        let way = [Way::Plain, Way::AmqPlain].into_iter().find(|way| way.name().as_bytes() == named);
        let Some(way) = way.filter(|_| self.takes_passwords()) else {
            let named = String::from_utf8_lossy(named);
            return Err(command_invalid(format_args!("unknown authentication mechanism '{named}'")));
        };
        let response = &method.response.0;
        let said = match way {
            Way::Plain => plain(response),
            Way::AmqPlain => amqplain(response),
        };
        let why = "the response of the client is none of its authentication mechanism";
        let (user, password) = said.ok_or_else(|| Exception::new(ReplyCode::SyntaxError, why))?;
        let can = capabilities(&method.client_properties);
        Ok(Introduction {
            way,
            user,
            password,
            hears_failures: can(AUTHENTICATION_FAILURE_CLOSE),
            hears_cancels: can("consumer_cancel_notify"),
        })
    }

    pub(super) fn judge(&self, said: &Introduction) -> Judgement {
        let Introduction { user, password, .. } = said;
        if self.login.is_none() {
            let is_guest = user == GUEST && password == GUEST.as_bytes();
            let is_near = self.peer.ip().to_canonical().is_loopback();
            return if is_guest && is_near { Judgement::Welcome(user.clone()) } else { Judgement::Refused };
        }
        // The form of RFC 4616 has no name and no password with a zero in it.
        let bytes = [b"\0", user.as_bytes(), b"\0", password].concat();
        if user.contains('\0') || password.contains(&0) || bytes.len() > LOGIN_BYTES_MAX {
            return Judgement::Refused;
        }
        Judgement::Ask(Login { mechanism: Mechanism::Plain, first: true, bytes: Secret::from(bytes) })
    }
}

/// The same to all whom the broker does not let in: nobody learns which names there are.
pub(super) fn refused(way: Way) -> Exception {
    let way = way.name();
    let why = format!(
        "Login was refused using authentication mechanism {way}. For details see the broker logfile."
    );
    access_refused(why).on_connection()
}

/// What a login is refused for beside wrong names and passwords.
pub(super) fn not_now(refusal: &Refusal) -> Exception {
    Exception::new(ReplyCode::ResourceError, format_args!("nobody can log in now: {refusal}"))
}

pub(super) fn tune() -> ConnectionTune {
    ConnectionTune { channel_max: CHANNELS_MAX, frame_max: FRAME_BYTES_DEFAULT, heartbeat: HEARTBEAT_SECONDS }
}

/// What the client chose, which is within what was proposed; heartbeats are as it likes.
pub(super) fn agree(method: &ConnectionTuneOk) -> Result<Agreed, Exception> {
    let ConnectionTuneOk { channel_max, frame_max, heartbeat } = *method;
    within("frame_max", frame_max, FRAME_BYTES_MIN, FRAME_BYTES_DEFAULT, "")?;
    let detail = if channel_max == 0 { " (no limit)" } else { "" };
    within("channel_max", channel_max.into(), 1, CHANNELS_MAX.into(), detail)?;
    let frame_max = FrameMax::new(frame_max).unwrap_or_default();
    Ok(Agreed { channel_max, frame_max, heartbeat })
}

/// As RabbitMQ judges: 0 stands for no limit, and is more than any.
fn within(field: &str, said: u32, least: u32, most: u32, detail: &str) -> Result<(), Exception> {
    let (word, limit, bound) = match said {
        0 => ("higher", "maximum", most),
        said if said < least => ("lower", "minimum", least),
        said if said > most => ("higher", "maximum", most),
        _ => return Ok(()),
    };
    let why =
        format!("negotiated {field} = {said}{detail} is {word} than the {limit} allowed value ({bound})");
    Err(Exception::new(ReplyCode::NotAllowed, why))
}

/// The namespace that a client wants to enter.
pub(super) fn namespace(method: &ConnectionOpen) -> Result<NamespaceName, Exception> {
    let name = String::from_utf8_lossy(method.virtual_host.as_bytes());
    NamespaceName::parse(&name).ok_or_else(|| refusals::unknown_namespace(&name))
}

/// Why a client cannot enter.
pub(super) fn not_entered(shared: &Shared, refusal: RouteRefusal) -> Exception {
    let vhost = &shared.namespace;
    match refusal {
        RouteRefusal::Broker(Refusal::NotAuthorized { .. }) => {
            let why = format!("access to vhost '{vhost}' refused for user '{}'", shared.user);
            Exception::new(ReplyCode::NotAllowed, why)
        }
        other => refusals::route(shared, &format!("vhost '{vhost}'"), other).on_connection(),
    }
}

/// RFC 4616 without an identity to act as.
fn plain(response: &[u8]) -> Option<(String, Vec<u8>)> {
    let said = response.strip_prefix(b"\0")?;
    let end = said.iter().position(|byte| *byte == 0)?;
    let user = std::str::from_utf8(&said[..end]).ok()?;
    Some((user.into(), said[end + 1..].to_vec()))
}

/// A table without its length.
fn amqplain(response: &forebay_kit::Bytes) -> Option<(String, Vec<u8>)> {
    let table = Table::parse(response.clone()).ok()?;
    match (table.get("LOGIN"), table.get("PASSWORD")) {
        (Some(Value::LongStr(user)), Some(Value::LongStr(password))) => {
            Some((std::str::from_utf8(user).ok()?.into(), password.to_vec()))
        }
        _ => None,
    }
}

/// Whether a client says that it can do something.
fn capabilities(client: &Table) -> impl Fn(&str) -> bool {
    let can = match client.get("capabilities") {
        Some(Value::Table(can)) => can.to_table(),
        _ => Table::EMPTY,
    };
    move |name| can.get(name) == Some(Value::Bool(true))
}

fn server_properties() -> Table {
    let can = CAPABILITIES.iter().fold(TableBuilder::new(), |can, name| can.put(name, Value::Bool(true)));
    let can = can.finish().unwrap_or_default();
    let properties = TableBuilder::new()
        .put("capabilities", Value::Table(can.view()))
        .put("product", Value::text("Forebay"))
        .put("version", Value::text(env!("CARGO_PKG_VERSION")))
        .put("platform", Value::text("Rust"))
        .put("information", Value::text("AMQP 0-9-1, with RabbitMQ's extensions"));
    properties.finish().unwrap_or_default()
}

//! Tables of declarations, bindings and messages in the broker's words, and the arguments of queues and consumers.

use forebay_kit::Bytes;
use forebay_kit::model::exchange::{Argument, Arguments, ExchangeRefusal, HeaderValue};
use forebay_kit::model::queue::QueueSettings;
use forebay_kit::model::{Attempts, Timestamp};

use super::exception::{Exception, not_implemented, precondition};
use crate::wire::table::{TableView, Value};
use crate::wire::{ReplyCode, Table};

/// Arguments as the broker keeps them.
pub(super) fn arguments(table: &Table) -> Result<Arguments, ExchangeRefusal> {
    Arguments::new(&headers(table.view()))
}

/// The fields of a table in their order. What nests was bounded when the table was read.
pub(super) fn headers(table: TableView<'_>) -> Vec<Argument> {
    let field = |(name, value)| Argument { name: Bytes::copy_from_slice(name), value: header(value) };
    table.fields().map(field).collect()
}

fn header(value: Value<'_>) -> HeaderValue {
    match value {
        Value::Void => HeaderValue::Void,
        Value::Bool(is_true) => HeaderValue::Bool(is_true),
        Value::I8(n) => HeaderValue::Integer(n.into()),
        Value::U8(n) => HeaderValue::Integer(n.into()),
        Value::I16(n) => HeaderValue::Integer(n.into()),
        Value::U16(n) => HeaderValue::Integer(n.into()),
        Value::I32(n) => HeaderValue::Integer(n.into()),
        Value::U32(n) => HeaderValue::Integer(n.into()),
        Value::I64(n) => HeaderValue::Integer(n.into()),
        Value::F32(n) => HeaderValue::Float(f64::from(n).into()),
        Value::F64(n) => HeaderValue::Float(n.into()),
        Value::Decimal { scale, digits } => HeaderValue::Decimal { scale, unscaled: digits.into() },
        Value::LongStr(bytes) | Value::Bytes(bytes) => HeaderValue::Text(Bytes::copy_from_slice(bytes)),
        Value::Timestamp(seconds) => HeaderValue::Time(milliseconds(seconds)),
        Value::Array(items) => HeaderValue::List(items.items().map(header).collect()),
        Value::Table(fields) => HeaderValue::Table(headers(fields)),
    }
}

/// Seconds of a client in the broker's measure.
pub(super) fn milliseconds(seconds: u64) -> Timestamp {
    Timestamp(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000))
}

/// The type of a queue, as its client calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueType {
    Classic,
    Quorum,
}

/// What a client says of a queue beside its flags.
#[derive(Clone, Debug)]
pub(super) struct QueueArguments {
    pub(super) queue_type: QueueType,
    pub(super) settings: QueueSettings,
    /// What has to be the same when it is declared again.
    pub(super) kept: Vec<Argument>,
}

pub(super) const QUEUE_TYPE: &str = "x-queue-type";
const DELIVERY_LIMIT: &str = "x-delivery-limit";
const CONSUMER_TIMEOUT: &str = "x-consumer-timeout";
const EXPIRES: &str = "x-expires";
const SINGLE_ACTIVE: &str = "x-single-active-consumer";
const CONSUMER_PRIORITY: &str = "x-priority";
/// How often a quorum queue tries again where nothing else was said. RabbitMQ's default.
const DELIVERY_LIMIT_DEFAULT: i64 = 20;

/// Arguments that RabbitMQ knows, and this broker does not do.
const REFUSED: [&str; 22] = [
    "x-message-ttl",
    "x-max-length",
    "x-max-length-bytes",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-max-priority",
    "x-queue-mode",
    "x-queue-version",
    "x-queue-master-locator",
    "x-queue-leader-locator",
    "x-initial-cluster-size",
    "x-quorum-initial-group-size",
    "x-quorum-target-group-size",
    "x-max-in-memory-length",
    "x-max-in-memory-bytes",
    "x-max-age",
    "x-stream-max-segment-size-bytes",
    "x-stream-filter-size-bytes",
    "x-message-deduplication",
    "x-delivery-rate",
];

/// Arguments of consumers that RabbitMQ knows, and this broker does not do.
const REFUSED_OF_CONSUMERS: [&str; 5] =
    ["x-stream-offset", "x-stream-filter", "x-stream-match-unfiltered", "x-credit", "rabbitmq:stream-filter"];

/// Reads the arguments of a queue. Those that nobody knows are ignored, as with RabbitMQ.
pub(super) fn queue_arguments(table: &Table, about: &str) -> Result<QueueArguments, Exception> {
    let refused = table.fields().find_map(|(name, _)| known(&REFUSED, name));
    if let Some(name) = refused {
        return Err(not_implemented(format_args!("argument '{name}' for {about}")));
    }
    let queue_type = queue_type(table, about)?;
    let mut kept = vec![Argument::new(QUEUE_TYPE, HeaderValue::text(queue_type.name()))];
    for name in [DELIVERY_LIMIT, CONSUMER_TIMEOUT, EXPIRES, SINGLE_ACTIVE] {
        if let Some(value) = table.get(name) {
            kept.push(Argument::new(name, header(value)));
        }
    }
    let attempts_max = delivery_limit(table, queue_type, about)?;
    let settings = QueueSettings {
        attempts_max,
        lease_ms: milliseconds_of(table, CONSUMER_TIMEOUT, about)?,
        expires_ms: milliseconds_of(table, EXPIRES, about)?.map(u64::from),
        single_active: flag(table, SINGLE_ACTIVE, about)?,
    };
    Ok(QueueArguments { queue_type, settings, kept })
}

/// The priority of a consumer. What it asks for and would not get is refused.
pub(super) fn consumer_arguments(table: &Table) -> Result<i32, Exception> {
    let refused = table.fields().find_map(|(name, _)| known(&REFUSED_OF_CONSUMERS, name));
    if let Some(name) = refused {
        return Err(not_implemented(format_args!("argument '{name}' of a consumer")));
    }
    let Some(value) = table.get(CONSUMER_PRIORITY) else { return Ok(0) };
    let about = "consumer";
    let priority =
        value.as_integer().ok_or_else(|| invalid(CONSUMER_PRIORITY, about, unacceptable(value)))?;
    // What is more than can be told apart is as much as can be.
    let bounded = priority.clamp(i32::MIN.into(), i32::MAX.into());
    Ok(i32::try_from(bounded).unwrap_or(i32::MAX))
}

fn known(names: &[&'static str], name: &[u8]) -> Option<&'static str> {
    names.iter().find(|known| known.as_bytes() == name).copied()
}

impl QueueType {
    fn name(self) -> &'static str {
        match self {
            QueueType::Classic => "classic",
            QueueType::Quorum => "quorum",
        }
    }

    /// What RabbitMQ calls it in errors.
    pub(super) fn module(self) -> &'static str {
        match self {
            QueueType::Classic => "rabbit_classic_queue",
            QueueType::Quorum => "rabbit_quorum_queue",
        }
    }

    /// The type of a queue that was declared with these.
    pub(super) fn declared(arguments: &Arguments) -> QueueType {
        match arguments.get(QUEUE_TYPE).and_then(HeaderValue::as_text) {
            Some(b"quorum") => QueueType::Quorum,
            _ => QueueType::Classic,
        }
    }
}

fn queue_type(table: &Table, about: &str) -> Result<QueueType, Exception> {
    match table.get(QUEUE_TYPE) {
        None | Some(Value::LongStr(b"classic")) => Ok(QueueType::Classic),
        Some(Value::LongStr(b"quorum")) => Ok(QueueType::Quorum),
        Some(Value::LongStr(b"stream")) => {
            Err(not_implemented(format_args!("argument '{QUEUE_TYPE}' with value 'stream' for {about}")))
        }
        Some(Value::LongStr(other)) => {
            let other = String::from_utf8_lossy(other);
            Err(invalid(QUEUE_TYPE, about, format_args!("\"unsupported queue type '{other}'\"")))
        }
        Some(other) => Err(invalid(QUEUE_TYPE, about, unacceptable(other))),
    }
}

fn delivery_limit(table: &Table, of: QueueType, about: &str) -> Result<Option<Attempts>, Exception> {
    let limit = match (table.get(DELIVERY_LIMIT), of) {
        (None, QueueType::Classic) => return Ok(None),
        (None, QueueType::Quorum) => DELIVERY_LIMIT_DEFAULT,
        (Some(_), QueueType::Classic) => {
            let why = format!("invalid arg '{DELIVERY_LIMIT}' for {about} of queue type {}", of.module());
            return Err(precondition(why));
        }
        (Some(value), QueueType::Quorum) => {
            value.as_integer().ok_or_else(|| invalid(DELIVERY_LIMIT, about, unacceptable(value)))?
        }
    };
    // Below zero is for ever. The limit counts deliveries after the first; what is above all counting is for ever too.
    Ok(u16::try_from(limit).ok().and_then(|limit| limit.checked_add(1)).map(Attempts))
}

fn milliseconds_of(table: &Table, name: &str, about: &str) -> Result<Option<u32>, Exception> {
    let Some(value) = table.get(name) else { return Ok(None) };
    let ms = value.as_integer().ok_or_else(|| invalid(name, about, unacceptable(value)))?;
    match u32::try_from(ms) {
        Ok(0) => Err(invalid(name, about, "{value_zero,0}")),
        Ok(ms) => Ok(Some(ms)),
        Err(_) if ms < 0 => Err(invalid(name, about, format_args!("{{value_negative,{ms}}}"))),
        Err(_) => Err(invalid(name, about, format_args!("{{value_too_large,{ms}}}"))),
    }
}

fn flag(table: &Table, name: &str, about: &str) -> Result<bool, Exception> {
    match table.get(name) {
        None => Ok(false),
        Some(Value::Bool(is_set)) => Ok(is_set),
        Some(other) => Err(invalid(name, about, unacceptable(other))),
    }
}

fn invalid(name: &str, about: &str, why: impl std::fmt::Display) -> Exception {
    Exception::new(ReplyCode::PreconditionFailed, format_args!("invalid arg '{name}' for {about}: {why}"))
}

fn unacceptable(value: Value<'_>) -> String {
    format!("{{unacceptable_type,{}}}", type_name(value))
}

/// RabbitMQ's names of the types of values.
fn type_name(value: Value<'_>) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::I8(_) => "byte",
        Value::U8(_) => "unsignedbyte",
        Value::I16(_) => "short",
        Value::U16(_) => "unsignedshort",
        Value::I32(_) => "signedint",
        Value::U32(_) => "unsignedint",
        Value::I64(_) => "long",
        Value::F32(_) => "float",
        Value::F64(_) => "double",
        Value::Decimal { .. } => "decimal",
        Value::LongStr(_) => "longstr",
        Value::Array(_) => "array",
        Value::Timestamp(_) => "timestamp",
        Value::Table(_) => "table",
        Value::Void => "void",
        Value::Bytes(_) => "binary",
    }
}

//! What becomes of the exchanges, bindings and queues of namespaces, as it stands in the log and in checkpoints.

use std::sync::Arc;

use bytes::Bytes;
use forebay_model::exchange::{
    Argument, Arguments, Binding, Declaration, Destination, ExchangeKind, ExchangeName, HeaderValue,
    QueueName, RoutingKey,
};
use forebay_model::limits::ARGUMENT_DEPTH_MAX;
use forebay_model::queue::{NamespaceName, QueueDeclaration, QueueRules, QueueSettings};
use forebay_model::{Attempts, NodeId, ShardId, Timestamp, TopicId};

use crate::codec::{DecodeError, Reader, Writer};

type Read<T> = Result<T, DecodeError>;

/// Changes exchanges, bindings or queues of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Of which.
    pub namespace: NamespaceName,
    /// What.
    pub change: RouteChange,
}

/// See [`Route`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// Declares an exchange, or finds the same.
    DeclareExchange(Declaration),
    /// Deletes an exchange.
    DeleteExchange {
        /// Which.
        name: ExchangeName,
        /// Only if no binding leads from it.
        if_unused: bool,
    },
    /// Binds.
    Bind(Binding),
    /// Takes a binding away.
    Unbind(Binding),
    /// Makes a queue, with a topic of its own.
    CreateQueue(CreateQueue),
    /// Deletes queues that stay no longer, in all namespaces: this one's name says nothing.
    EndStays(EndOfStay),
}

/// See [`RouteChange::CreateQueue`]. It goes with its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateQueue {
    /// What it is to be.
    pub declaration: QueueDeclaration,
    /// The topic's id, drawn at random by the proposer.
    pub id: TopicId,
    /// Where its partition goes.
    pub shard: ShardId,
    /// How long it stays.
    pub stay: Stay,
}

/// One run of a node's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    /// The node.
    pub node: NodeId,
    /// A number that was drawn at its start.
    pub run: u64,
}

/// How long a queue stays if nobody deletes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stay {
    /// For ever.
    ForEver,
    /// As long as a process.
    Process(Process),
    /// As long as this connection of a process, and nobody else may use it.
    Connection(Process, u64),
}

/// Whose queues stay no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfStay {
    /// Those of one connection.
    Connection(Process, u64),
    /// Those of all processes that this node was before this one.
    Before(Process),
}

impl EndOfStay {
    /// The node whose queues these are.
    pub(crate) fn node(self) -> NodeId {
        match self {
            EndOfStay::Connection(process, _) | EndOfStay::Before(process) => process.node,
        }
    }

    /// Whether it ends such a stay.
    pub(crate) fn ends(self, stay: Stay) -> bool {
        match (self, stay) {
            (_, Stay::ForEver) | (EndOfStay::Connection(..), Stay::Process(_)) => false,
            (EndOfStay::Connection(process, connection), Stay::Connection(of, its)) => {
                (process, connection) == (of, its)
            }
            (EndOfStay::Before(process), Stay::Process(of) | Stay::Connection(of, _)) => {
                of.node == process.node && of.run != process.run
            }
        }
    }
}

impl Stay {
    /// The node whose process it depends on.
    pub(crate) fn node(self) -> Option<NodeId> {
        match self {
            Stay::ForEver => None,
            Stay::Process(process) | Stay::Connection(process, _) => Some(process.node),
        }
    }
}

/// A queue of the catalogue, beside its topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its namespace.
    pub namespace: NamespaceName,
    /// As it was declared.
    pub declaration: QueueDeclaration,
    /// How long it stays.
    pub stay: Stay,
}

/// The queue that a topic is, if it is one. Cheap to clone.
pub type QueueOf = Option<Arc<Queue>>;

mod number {
    pub(super) const DECLARE_EXCHANGE: u8 = 0;
    pub(super) const DELETE_EXCHANGE: u8 = 1;
    pub(super) const BIND: u8 = 2;
    pub(super) const UNBIND: u8 = 3;
    pub(super) const CREATE_QUEUE: u8 = 4;
    pub(super) const END_STAYS: u8 = 5;
}

pub(crate) fn encode_route(route: &Route, out: &mut Writer) {
    out.text(route.namespace.as_str());
    match &route.change {
        RouteChange::DeclareExchange(exchange) => {
            out.u8(number::DECLARE_EXCHANGE);
            declaration(exchange, out);
        }
        RouteChange::DeleteExchange { name, if_unused } => {
            out.u8(number::DELETE_EXCHANGE);
            out.text(name.as_str());
            out.u8((*if_unused).into());
        }
        RouteChange::Bind(bound) => {
            out.u8(number::BIND);
            binding(bound, out);
        }
        RouteChange::Unbind(bound) => {
            out.u8(number::UNBIND);
            binding(bound, out);
        }
        RouteChange::CreateQueue(create) => {
            out.u8(number::CREATE_QUEUE);
            queue(&create.declaration, out);
            out.topic_id(create.id);
            out.uint(create.shard.0);
            stay(create.stay, out);
        }
        RouteChange::EndStays(end) => {
            out.u8(number::END_STAYS);
            match end {
                EndOfStay::Connection(process, connection) => {
                    stay(Stay::Connection(*process, *connection), out);
                }
                EndOfStay::Before(process) => stay(Stay::Process(*process), out),
            }
        }
    }
}

pub(crate) fn decode_route(input: &mut Reader<'_>) -> Read<Route> {
    let namespace = read_namespace(input)?;
    let change = match input.u8("a change of routes")? {
        number::DECLARE_EXCHANGE => RouteChange::DeclareExchange(read_declaration(input)?),
        number::DELETE_EXCHANGE => {
            RouteChange::DeleteExchange { name: read_exchange_name(input)?, if_unused: read_flag(input)? }
        }
        number::BIND => RouteChange::Bind(read_binding(input)?),
        number::UNBIND => RouteChange::Unbind(read_binding(input)?),
        number::CREATE_QUEUE => RouteChange::CreateQueue(CreateQueue {
            declaration: read_queue(input)?,
            id: input.topic_id("a topic's id")?,
            shard: ShardId(input.narrow("a shard")?),
            stay: read_stay(input)?,
        }),
        number::END_STAYS => RouteChange::EndStays(match read_stay(input)? {
            Stay::Connection(process, connection) => EndOfStay::Connection(process, connection),
            Stay::Process(process) => EndOfStay::Before(process),
            Stay::ForEver => return Err(DecodeError::Invalid("the end of a stay")),
        }),
        _ => return Err(DecodeError::Invalid("a change of routes")),
    };
    Ok(Route { namespace, change })
}

pub(crate) fn read_namespace(input: &mut Reader<'_>) -> Read<NamespaceName> {
    NamespaceName::parse(input.text("a namespace")?).ok_or(DecodeError::Invalid("a namespace"))
}

mod exchange_flag {
    pub(super) const DURABLE: u8 = 1;
    pub(super) const AUTO_DELETE: u8 = 2;
    pub(super) const INTERNAL: u8 = 4;
    pub(super) const ALL: u8 = DURABLE | AUTO_DELETE | INTERNAL;
}

pub(crate) fn declaration(declaration: &Declaration, out: &mut Writer) {
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.text(declaration.name.as_str());
    out.text(declaration.kind.name());
    out.u8(flag(declaration.durable, exchange_flag::DURABLE)
        | flag(declaration.auto_delete, exchange_flag::AUTO_DELETE)
        | flag(declaration.internal, exchange_flag::INTERNAL));
    arguments(&declaration.arguments, out);
}

pub(crate) fn read_declaration(input: &mut Reader<'_>) -> Read<Declaration> {
    let name = read_exchange_name(input)?;
    let kind = ExchangeKind::parse(input.text("a kind of exchange")?);
    let kind = kind.map_err(|_| DecodeError::Invalid("a kind of exchange"))?;
    let flags = input.u8("the flags of an exchange")?;
    if flags & !exchange_flag::ALL != 0 {
        return Err(DecodeError::Invalid("the flags of an exchange"));
    }
    Ok(Declaration {
        name,
        kind,
        durable: flags & exchange_flag::DURABLE != 0,
        auto_delete: flags & exchange_flag::AUTO_DELETE != 0,
        internal: flags & exchange_flag::INTERNAL != 0,
        arguments: read_arguments(input)?,
    })
}

pub(crate) fn binding(binding: &Binding, out: &mut Writer) {
    out.text(binding.source.as_str());
    match &binding.destination {
        Destination::Queue(name) => {
            out.u8(0);
            out.text(name.as_str());
        }
        Destination::Exchange(name) => {
            out.u8(1);
            out.text(name.as_str());
        }
    }
    out.bytes(binding.key.as_bytes());
    arguments(&binding.arguments, out);
}

pub(crate) fn read_binding(input: &mut Reader<'_>) -> Read<Binding> {
    Ok(Binding {
        source: read_exchange_name(input)?,
        destination: match input.u8("a kind of destination")? {
            0 => Destination::Queue(read_queue_name(input)?),
            1 => Destination::Exchange(read_exchange_name(input)?),
            _ => return Err(DecodeError::Invalid("a kind of destination")),
        },
        key: RoutingKey::from(input.slice("a routing key")?),
        arguments: read_arguments(input)?,
    })
}

/// Shared with the checkpoint.
pub(crate) fn stay(stay: Stay, out: &mut Writer) {
    let process = |process: Process, out: &mut Writer| {
        out.uint(process.node.0);
        out.raw(&process.run.to_le_bytes());
    };
    match stay {
        Stay::ForEver => out.u8(0),
        Stay::Process(of) => {
            out.u8(1);
            process(of, out);
        }
        Stay::Connection(of, connection) => {
            out.u8(2);
            process(of, out);
            out.uint(connection);
        }
    }
}

/// Shared with the checkpoint.
pub(crate) fn read_stay(input: &mut Reader<'_>) -> Read<Stay> {
    let process = |input: &mut Reader<'_>| {
        Ok(Process {
            node: NodeId(input.uint("a node")?),
            run: u64::from_le_bytes(input.array("a process")?),
        })
    };
    Ok(match input.u8("a stay")? {
        0 => Stay::ForEver,
        1 => Stay::Process(process(input)?),
        2 => Stay::Connection(process(input)?, input.uint("a connection")?),
        _ => return Err(DecodeError::Invalid("a stay")),
    })
}

mod queue_flag {
    pub(super) const DURABLE: u8 = 1;
    pub(super) const EXCLUSIVE: u8 = 2;
    pub(super) const AUTO_DELETE: u8 = 4;
    pub(super) const SINGLE_ACTIVE: u8 = 8;
    pub(super) const ALL: u8 = DURABLE | EXCLUSIVE | AUTO_DELETE | SINGLE_ACTIVE;
}

pub(crate) fn queue(queue: &QueueDeclaration, out: &mut Writer) {
    out.text(queue.name.as_str());
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.u8(flag(queue.durable, queue_flag::DURABLE)
        | flag(queue.exclusive, queue_flag::EXCLUSIVE)
        | flag(queue.auto_delete, queue_flag::AUTO_DELETE)
        | flag(queue.settings.single_active, queue_flag::SINGLE_ACTIVE));
    out.option(queue.settings.attempts_max, |out, attempts| out.uint(attempts.0));
    out.option(queue.settings.lease_ms, |out, ms| out.uint(ms));
    out.option(queue.settings.expires_ms, |out, ms| out.uint(ms));
    arguments(&queue.arguments, out);
}

pub(crate) fn read_queue(input: &mut Reader<'_>) -> Read<QueueDeclaration> {
    let name = read_queue_name(input)?;
    let flags = input.u8("the flags of a queue")?;
    if flags & !queue_flag::ALL != 0 {
        return Err(DecodeError::Invalid("the flags of a queue"));
    }
    let settings = QueueSettings {
        attempts_max: input.option("attempts", |input| Ok(Attempts(input.narrow("attempts")?)))?,
        lease_ms: input.option("a lease", |input| input.narrow("a lease"))?,
        expires_ms: input.option("an expiry", |input| input.uint("an expiry"))?,
        single_active: flags & queue_flag::SINGLE_ACTIVE != 0,
    };
    Ok(QueueDeclaration {
        name,
        durable: flags & queue_flag::DURABLE != 0,
        exclusive: flags & queue_flag::EXCLUSIVE != 0,
        auto_delete: flags & queue_flag::AUTO_DELETE != 0,
        arguments: read_arguments(input)?,
        settings,
    })
}

/// What the shard of a queue has to know of it. Shared with the checkpoint.
pub(crate) fn queue_rules(rules: &QueueRules, out: &mut Writer) {
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.u8(flag(rules.auto_delete, queue_flag::AUTO_DELETE)
        | flag(rules.single_active, queue_flag::SINGLE_ACTIVE));
    out.option(rules.expires_ms, |out, ms| out.uint(ms));
}

/// Shared with the checkpoint.
pub(crate) fn read_queue_rules(input: &mut Reader<'_>) -> Read<QueueRules> {
    let flags = input.u8("the flags of a queue")?;
    if flags & !(queue_flag::AUTO_DELETE | queue_flag::SINGLE_ACTIVE) != 0 {
        return Err(DecodeError::Invalid("the flags of a queue"));
    }
    Ok(QueueRules {
        auto_delete: flags & queue_flag::AUTO_DELETE != 0,
        single_active: flags & queue_flag::SINGLE_ACTIVE != 0,
        expires_ms: input.option("an expiry", |input| input.uint("an expiry"))?,
    })
}

fn read_exchange_name(input: &mut Reader<'_>) -> Read<ExchangeName> {
    ExchangeName::parse(input.text("an exchange's name")?)
        .map_err(|_| DecodeError::Invalid("an exchange's name"))
}

fn read_queue_name(input: &mut Reader<'_>) -> Read<QueueName> {
    QueueName::parse(input.text("a queue's name")?).map_err(|_| DecodeError::Invalid("a queue's name"))
}

fn read_flag(input: &mut Reader<'_>) -> Read<bool> {
    match input.u8("a flag")? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Invalid("a flag")),
    }
}

fn arguments(arguments: &Arguments, out: &mut Writer) {
    out.len(arguments.len());
    arguments.iter().for_each(|one| argument(one, out));
}

fn read_arguments(input: &mut Reader<'_>) -> Read<Arguments> {
    let read = input.list("arguments", |input| read_argument(input, ARGUMENT_DEPTH_MAX))?;
    Arguments::new(&read).map_err(|_| DecodeError::Invalid("arguments"))
}

fn argument(argument: &Argument, out: &mut Writer) {
    out.bytes(&argument.name);
    value(&argument.value, out);
}

/// A value that has lists or tables inside is `depth` of them deep at most: the stack is not the writer's to fill.
fn read_argument(input: &mut Reader<'_>, depth: usize) -> Read<Argument> {
    Ok(Argument {
        name: Bytes::copy_from_slice(input.slice("an argument's name")?),
        value: read_value(input, depth)?,
    })
}

mod value_kind {
    pub(super) const VOID: u8 = 0;
    pub(super) const NO: u8 = 1;
    pub(super) const YES: u8 = 2;
    pub(super) const INTEGER: u8 = 3;
    pub(super) const FLOAT: u8 = 4;
    pub(super) const DECIMAL: u8 = 5;
    pub(super) const TEXT: u8 = 6;
    pub(super) const TIME: u8 = 7;
    pub(super) const LIST: u8 = 8;
    pub(super) const TABLE: u8 = 9;
}

fn value(value: &HeaderValue, out: &mut Writer) {
    match value {
        HeaderValue::Void => out.u8(value_kind::VOID),
        HeaderValue::Bool(false) => out.u8(value_kind::NO),
        HeaderValue::Bool(true) => out.u8(value_kind::YES),
        HeaderValue::Integer(number) => {
            out.u8(value_kind::INTEGER);
            out.raw(&number.to_le_bytes());
        }
        HeaderValue::Float(number) => {
            out.u8(value_kind::FLOAT);
            out.raw(&number.get().to_bits().to_le_bytes());
        }
        HeaderValue::Decimal { scale, unscaled } => {
            out.u8(value_kind::DECIMAL);
            out.u8(*scale);
            out.int(*unscaled);
        }
        HeaderValue::Text(text) => {
            out.u8(value_kind::TEXT);
            out.bytes(text);
        }
        HeaderValue::Time(time) => {
            out.u8(value_kind::TIME);
            out.int(time.0);
        }
        HeaderValue::List(values) => {
            out.u8(value_kind::LIST);
            out.list(values.iter(), |out, inner| self::value(inner, out));
        }
        HeaderValue::Table(values) => {
            out.u8(value_kind::TABLE);
            out.list(values.iter(), |out, inner| argument(inner, out));
        }
    }
}

fn read_value(input: &mut Reader<'_>, depth: usize) -> Read<HeaderValue> {
    let inner = || depth.checked_sub(1).ok_or(DecodeError::Invalid("the depth of a value"));
    Ok(match input.u8("a kind of value")? {
        value_kind::VOID => HeaderValue::Void,
        value_kind::NO => HeaderValue::Bool(false),
        value_kind::YES => HeaderValue::Bool(true),
        value_kind::INTEGER => HeaderValue::Integer(i128::from_le_bytes(input.array("a number")?)),
        value_kind::FLOAT => {
            HeaderValue::Float(f64::from_bits(u64::from_le_bytes(input.array("a number")?)).into())
        }
        value_kind::DECIMAL => {
            HeaderValue::Decimal { scale: input.u8("a scale")?, unscaled: input.int("a number")? }
        }
        value_kind::TEXT => HeaderValue::Text(Bytes::copy_from_slice(input.slice("a text")?)),
        value_kind::TIME => HeaderValue::Time(Timestamp(input.int("a time")?)),
        value_kind::LIST => {
            let depth = inner()?;
            HeaderValue::List(input.list("values", |input| read_value(input, depth))?)
        }
        value_kind::TABLE => {
            let depth = inner()?;
            HeaderValue::Table(input.list("values", |input| read_argument(input, depth))?)
        }
        _ => return Err(DecodeError::Invalid("a kind of value")),
    })
}

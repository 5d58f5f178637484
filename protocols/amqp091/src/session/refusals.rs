//! Refusals of the broker in RabbitMQ's words.

use forebay_kit::model::Refusal;
use forebay_kit::model::exchange::{ExchangeName, ExchangeRefusal, QueueName};
use forebay_kit::model::queue::RouteRefusal;

use super::exception::{Exception, access_refused, not_found, precondition};
use super::shared::Shared;
use crate::wire::ReplyCode;

/// Why something of a namespace was not done; `about` names what was asked for, such as `queue 'q' in vhost '/'`.
pub(super) fn route(shared: &Shared, about: &str, refusal: RouteRefusal) -> Exception {
    match refusal {
        RouteRefusal::UnknownNamespace => unknown_namespace(shared.namespace.as_str()),
        RouteRefusal::Exchange(refusal) => exchange(shared, about, refusal),
        RouteRefusal::InequivalentQueue { argument, asked, current } => {
            inequivalent(about, &argument, &asked, &current)
        }
        RouteRefusal::LockedQueue(name) => Exception::new(
            ReplyCode::ResourceLocked,
            format_args!(
                "cannot obtain exclusive access to locked {}. It could be originally declared on another connection or the exclusive \
                 property value does not match that of the original declaration.",
                shared.queue(&name)
            ),
        ),
        RouteRefusal::QueueInUse => precondition(format_args!("{about} in use")),
        RouteRefusal::QueueNotEmpty => precondition(format_args!("{about} not empty")),
        RouteRefusal::Broker(refusal) => broker(shared, about, &refusal),
    }
}

/// 530, as every vhost that there is not.
pub(super) fn unknown_namespace(name: &str) -> Exception {
    Exception::new(ReplyCode::NotAllowed, format_args!("vhost {name} not found"))
}

/// Why something about exchanges or names was not done.
pub(super) fn exchange(shared: &Shared, about: &str, refusal: ExchangeRefusal) -> Exception {
    match refusal {
        ExchangeRefusal::UnknownExchange(name) => unknown_exchange(shared, &name),
        ExchangeRefusal::UnknownQueue(name) => unknown_queue(shared, &name),
        ExchangeRefusal::UnknownKind(kind) => precondition(format_args!("unknown exchange type '{kind}'")),
        ExchangeRefusal::ReservedName(name) | ExchangeRefusal::Predeclared(name) => {
            reserved("exchange", name.as_str())
        }
        ExchangeRefusal::EmptyQueueName => not_found("no previously declared queue"),
        ExchangeRefusal::DefaultExchange => default_exchange(),
        ExchangeRefusal::Inequivalent { argument, asked, current } => {
            inequivalent(about, argument, &asked, &current)
        }
        ExchangeRefusal::InUse(name) => precondition(format_args!("{} in use", shared.exchange(name))),
        ExchangeRefusal::Internal(name) => internal_exchange(shared, &name),
        ExchangeRefusal::InvalidArgument { name, why } => {
            precondition(format_args!("invalid arg '{name}' for {about}: {why}"))
        }
        ExchangeRefusal::InvalidBinding(why) => precondition(why),
        ExchangeRefusal::LimitReached { limit } => precondition(format_args!("the limit {limit} is reached")),
    }
}

pub(super) fn unknown_exchange(shared: &Shared, name: &ExchangeName) -> Exception {
    not_found(format_args!("no {}", shared.exchange(name)))
}

pub(super) fn unknown_queue(shared: &Shared, name: &QueueName) -> Exception {
    not_found(format_args!("no {}", shared.queue(name)))
}

pub(super) fn internal_exchange(shared: &Shared, name: &ExchangeName) -> Exception {
    let vhost = &shared.namespace;
    access_refused(format_args!("cannot publish to internal exchange '{name}' in vhost '{vhost}'"))
}

/// 403, for names that begin with `amq.`.
pub(super) fn reserved(what: &str, name: &str) -> Exception {
    access_refused(format_args!("{what} name '{name}' contains reserved prefix 'amq.*'"))
}

/// 403, for what nobody does to the default exchange.
pub(super) fn default_exchange() -> Exception {
    access_refused("operation not permitted on the default exchange")
}

fn inequivalent(about: &str, argument: &str, asked: &str, current: &str) -> Exception {
    precondition(format_args!(
        "inequivalent arg '{argument}' for {about}: received '{asked}' but current is '{current}'"
    ))
}

/// What every request can be refused for.
pub(super) fn broker(shared: &Shared, about: &str, refusal: &Refusal) -> Exception {
    match refusal {
        Refusal::NotAuthorized { .. } => {
            access_refused(format_args!("access to {about} refused for user '{}'", shared.user))
        }
        Refusal::UnknownTopic | Refusal::UnknownTopicId | Refusal::UnknownPartition => {
            not_found(format_args!("no {about}"))
        }
        Refusal::TooLarge { limit } => {
            precondition(format_args!("message size is larger than configured max size {limit}"))
        }
        Refusal::InvalidRequest(_)
        | Refusal::InvalidSetting(_)
        | Refusal::InvalidTopicName(_)
        | Refusal::InvalidPayload(_)
        | Refusal::InvalidTimestamp { .. }
        | Refusal::Forbidden(_)
        | Refusal::TopicExists
        | Refusal::TopicIsRead => precondition(format_args!("{about}: {refusal}")),
        Refusal::Unsupported(what) => Exception::new(ReplyCode::NotImplemented, what),
        refusal if passes(refusal) || matches!(refusal, Refusal::LimitReached { .. }) => {
            Exception::new(ReplyCode::ResourceError, format_args!("{about}: {refusal}"))
        }
        other => Exception::new(ReplyCode::InternalError, format_args!("{about}: {other}")),
    }
}

/// Whether the same may be done in a moment.
pub(super) fn passes(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::NotLeader { .. }
            | Refusal::Loading
            | Refusal::Busy
            | Refusal::TimedOut
            | Refusal::Unknown
            | Refusal::DiskFull
            | Refusal::ShuttingDown
    )
}

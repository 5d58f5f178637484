//! exchange.* and queue.*: what is asked of the namespace, and how its answers are told.

use forebay_kit::SessionError;
use forebay_kit::model::exchange::{
    Arguments, Binding, Declaration, Destination, ExchangeKind, ExchangeName, QueueName, RESERVED_PREFIX,
    RoutingKey,
};
use forebay_kit::model::queue::{QueueDeclaration, RouteAnswer, RouteAsk, RouteRefusal, RouteReply};

use super::arguments::{QueueType, arguments, queue_arguments};
use super::channel::{Channel, Waiting};
use super::consumers::Consuming;
use super::exception::{Done, Exception, not_found, precondition};
use super::refusals;
use super::shared::{Call, Shared};
use crate::wire::method::{
    ExchangeBind, ExchangeBindOk, ExchangeDeclare, ExchangeDeclareOk, ExchangeDelete, ExchangeDeleteOk,
    ExchangeUnbind, ExchangeUnbindOk, QueueBind, QueueBindOk, QueueDeclare, QueueDeclareOk, QueueDelete,
    QueueDeleteOk, QueuePurge, QueuePurgeOk, QueueUnbind, QueueUnbindOk,
};
use crate::wire::{Method, MethodId, ShortStr, Table};

/// What follows an answer of the namespace.
#[derive(Debug)]
pub(super) struct Then {
    /// What was asked for, as errors name it.
    about: String,
    /// By which method.
    method: MethodId,
    next: Next,
}

#[derive(Debug)]
enum Next {
    /// It is told in these words.
    Say(Method),
    /// Nobody wants to hear.
    Nothing,
    /// A queue is there: its name and what waits is told, unless nobody wants to hear.
    Declared {
        no_wait: bool,
    },
    /// Somebody may wait for answers in this queue.
    Replies {
        queue: ShortStr,
        no_wait: bool,
        passive: bool,
    },
    /// Messages went.
    Purged {
        no_wait: bool,
    },
    Deleted {
        no_wait: bool,
    },
    /// A queue is there: somebody consumes from it.
    Consume(Box<Consuming>),
    /// A queue is there: somebody gets from it.
    Get {
        no_ack: bool,
    },
}

impl Next {
    fn say(no_wait: bool, method: impl Into<Method>) -> Next {
        if no_wait { Next::Nothing } else { Next::Say(method.into()) }
    }
}

impl Channel {
    fn ask(&mut self, shared: &mut Shared, about: String, ask: RouteAsk, next: Next) -> Done {
        self.waiting = Some(Waiting::Route(Then { about, method: self.current, next }));
        shared.route(Call::Channel(self.place), ask);
        Ok(())
    }

    pub(super) fn routed(
        &mut self,
        shared: &mut Shared,
        then: Then,
        reply: RouteReply,
    ) -> Result<Done, SessionError> {
        let Then { about, method, next } = then;
        self.current = method;
        let answer = match (reply, &next) {
            // It is somebody else's, as it should be.
            (Ok(_) | Err(RouteRefusal::LockedQueue(_)), Next::Replies { queue, no_wait, .. }) => {
                return Ok(self.said_replies(shared, queue.clone(), *no_wait));
            }
            (Err(_), Next::Replies { queue, passive: false, .. }) => {
                return Ok(Err(refusals::reserved("queue", &text(queue)).of(method)));
            }
            (Ok(answer), _) => answer,
            (Err(refusal), _) => return Ok(Err(refusals::route(shared, &about, refusal).of(method))),
        };
        let channel = self.place.channel;
        Ok(match (next, answer) {
            (Next::Nothing, _) => Ok(()),
            (Next::Say(method), _) => shared.say(channel, &method),
            (Next::Declared { no_wait }, RouteAnswer::Queue(queue)) => {
                shared.has_queues |= queue.declaration.exclusive;
                let name = queue.declaration.name;
                self.last_queue = Some(name.clone());
                if no_wait {
                    return Ok(Ok(()));
                }
                let declared = QueueDeclareOk {
                    queue: ShortStr::shortened(name.as_str()),
                    message_count: count(queue.ready),
                    consumer_count: queue.consumers,
                };
                shared.say(channel, &declared)
            }
            (Next::Purged { no_wait }, RouteAnswer::Removed { messages }) if !no_wait => {
                shared.say(channel, &QueuePurgeOk { message_count: count(messages) })
            }
            (Next::Deleted { no_wait }, RouteAnswer::Removed { messages }) if !no_wait => {
                shared.say(channel, &QueueDeleteOk { message_count: count(messages) })
            }
            (Next::Purged { .. } | Next::Deleted { .. }, RouteAnswer::Removed { .. }) => Ok(()),
            (Next::Consume(consuming), RouteAnswer::Queue(queue)) => {
                shared.has_queues |= queue.declaration.exclusive;
                self.consume_from(shared, *consuming, queue).map_err(|why| why.of(method))
            }
            (Next::Get { no_ack }, RouteAnswer::Queue(queue)) => {
                self.get_from(shared, no_ack, queue).map_err(|why| why.of(method))
            }
            (next, answer) => {
                return Err(SessionError::Bug(format!("{answer:?} where {next:?} was asked for")));
            }
        })
    }

    pub(super) fn declare_exchange(&mut self, shared: &mut Shared, method: ExchangeDeclare) -> Done {
        let name = text(&method.exchange);
        let about = shared.exchange(&name);
        let refuse = |why| refusals::exchange(shared, &about, why);
        let exchange = ExchangeName::parse(&name).map_err(refuse)?;
        if exchange.is_default() {
            return Err(refusals::default_exchange());
        }
        let next = Next::say(method.no_wait, ExchangeDeclareOk {});
        if method.passive {
            return self.ask(shared, about, RouteAsk::FindExchange(exchange), next);
        }
        let kind = kind(&text(&method.kind))?;
        let arguments = arguments(&method.arguments).map_err(refuse)?;
        let declaration = Declaration {
            name: exchange,
            kind,
            durable: method.durable,
            auto_delete: method.auto_delete,
            internal: method.internal,
            arguments,
        };
        self.ask(shared, about, RouteAsk::DeclareExchange(declaration), next)
    }

    pub(super) fn delete_exchange(&mut self, shared: &mut Shared, method: ExchangeDelete) -> Done {
        let name = text(&method.exchange);
        if name.is_empty() {
            return Err(refusals::default_exchange());
        }
        if name.starts_with(RESERVED_PREFIX) {
            return Err(refusals::reserved("exchange", &name));
        }
        let about = shared.exchange(&name);
        let name = ExchangeName::parse(&name).map_err(|why| refusals::exchange(shared, &about, why))?;
        let ask = RouteAsk::DeleteExchange { name, if_unused: method.if_unused };
        self.ask(shared, about, ask, Next::say(method.no_wait, ExchangeDeleteOk {}))
    }

    pub(super) fn bind_exchange(&mut self, shared: &mut Shared, method: ExchangeBind) -> Done {
        let ends = [&method.source, &method.destination];
        let binding = exchange_binding(shared, ends, &method.routing_key, &method.arguments)?;
        let next = Next::say(method.no_wait, ExchangeBindOk {});
        self.ask(shared, shared.exchange(&binding.source), RouteAsk::Bind(binding), next)
    }

    pub(super) fn unbind_exchange(&mut self, shared: &mut Shared, method: ExchangeUnbind) -> Done {
        let ends = [&method.source, &method.destination];
        let binding = exchange_binding(shared, ends, &method.routing_key, &method.arguments)?;
        let next = Next::say(method.no_wait, ExchangeUnbindOk {});
        self.ask(shared, shared.exchange(&binding.source), RouteAsk::Unbind(binding), next)
    }

    pub(super) fn declare_queue(&mut self, shared: &mut Shared, method: QueueDeclare) -> Done {
        let next = Next::Declared { no_wait: method.no_wait };
        if self.find_replies(shared, &method)? {
            return Ok(());
        }
        if method.passive {
            let name = self.named(shared, &method.queue)?;
            return self.ask(shared, shared.queue(&name), RouteAsk::FindQueue(name), next);
        }
        let declaration = declaration(shared, &method)?;
        let about = shared.queue(&declaration.name);
        self.ask(shared, about, RouteAsk::DeclareQueue(declaration), next)
    }

    pub(super) fn bind_queue(&mut self, shared: &mut Shared, method: QueueBind) -> Done {
        let binding = self.queue_binding(
            shared,
            &method.queue,
            &method.exchange,
            &method.routing_key,
            &method.arguments,
        )?;
        let next = Next::say(method.no_wait, QueueBindOk {});
        self.ask(shared, shared.exchange(&binding.source), RouteAsk::Bind(binding), next)
    }

    pub(super) fn unbind_queue(&mut self, shared: &mut Shared, method: QueueUnbind) -> Done {
        let binding = self.queue_binding(
            shared,
            &method.queue,
            &method.exchange,
            &method.routing_key,
            &method.arguments,
        )?;
        let next = Next::Say(QueueUnbindOk {}.into());
        self.ask(shared, shared.exchange(&binding.source), RouteAsk::Unbind(binding), next)
    }

    pub(super) fn purge_queue(&mut self, shared: &mut Shared, method: QueuePurge) -> Done {
        let name = self.named(shared, &method.queue)?;
        let next = Next::Purged { no_wait: method.no_wait };
        self.ask(shared, shared.queue(&name), RouteAsk::PurgeQueue(name), next)
    }

    pub(super) fn delete_queue(&mut self, shared: &mut Shared, method: QueueDelete) -> Done {
        let name = self.named(shared, &method.queue)?;
        let about = shared.queue(&name);
        let ask = RouteAsk::DeleteQueue { name, if_unused: method.if_unused, if_empty: method.if_empty };
        self.ask(shared, about, ask, Next::Deleted { no_wait: method.no_wait })
    }

    /// Looks for the queue that a consumer is to have.
    pub(super) fn find_for_consumer(
        &mut self,
        shared: &mut Shared,
        name: QueueName,
        consuming: Consuming,
    ) -> Done {
        let next = Next::Consume(Box::new(consuming));
        self.ask(shared, shared.queue(&name), RouteAsk::FindQueue(name), next)
    }

    /// Makes the queue that a consumer is to have.
    pub(super) fn declare_for_consumer(
        &mut self,
        shared: &mut Shared,
        declaration: QueueDeclaration,
        consuming: Consuming,
    ) -> Done {
        let about = shared.queue(&declaration.name);
        self.ask(shared, about, RouteAsk::DeclareQueue(declaration), Next::Consume(Box::new(consuming)))
    }

    /// Looks whether somebody waits for answers in a queue.
    pub(super) fn ask_for_replies(
        &mut self,
        shared: &mut Shared,
        name: QueueName,
        method: &QueueDeclare,
    ) -> Done {
        let QueueDeclare { queue, no_wait, passive, .. } = method;
        let next = Next::Replies { queue: queue.clone(), no_wait: *no_wait, passive: *passive };
        self.ask(shared, shared.queue(&name), RouteAsk::FindQueue(name), next)
    }

    /// Looks for the queue that a message is wanted of.
    pub(super) fn find_for_get(&mut self, shared: &mut Shared, name: QueueName, no_ack: bool) -> Done {
        self.ask(shared, shared.queue(&name), RouteAsk::FindQueue(name), Next::Get { no_ack })
    }

    /// The queue of this name; an empty one means the queue that was declared last.
    pub(super) fn named(&self, shared: &Shared, name: &ShortStr) -> Result<QueueName, Exception> {
        match &self.last_queue {
            Some(last) if name.is_empty() => Ok(last.clone()),
            None if name.is_empty() => Err(not_found("no previously declared queue")),
            _ => queue_name(shared, &text(name)),
        }
    }

    fn queue_binding(
        &self,
        shared: &Shared,
        queue: &ShortStr,
        exchange: &ShortStr,
        key: &ShortStr,
        table: &Table,
    ) -> Result<Binding, Exception> {
        let destination = self.named(shared, queue)?;
        let source = source(shared, exchange)?;
        // Two empty names mean the queue that was declared last, and its name for a key.
        let key =
            if queue.is_empty() && key.is_empty() { destination.as_str().as_bytes() } else { key.as_bytes() };
        let key = RoutingKey::from(key);
        let refuse = |why| refusals::exchange(shared, &shared.exchange(&source), why);
        let arguments = arguments(table).map_err(refuse)?;
        Ok(Binding { source, destination: Destination::Queue(destination), key, arguments })
    }
}

fn count(messages: u64) -> u32 {
    u32::try_from(messages).unwrap_or(u32::MAX)
}

/// Arguments of methods without content are UTF-8: the codec has seen to it.
fn text(name: &ShortStr) -> String {
    String::from_utf8_lossy(name.as_bytes()).into_owned()
}

fn queue_name(shared: &Shared, name: &str) -> Result<QueueName, Exception> {
    QueueName::parse(name).map_err(|why| refusals::exchange(shared, &format!("queue '{name}'"), why))
}

/// The exchange that a binding leads from.
fn source(shared: &Shared, name: &ShortStr) -> Result<ExchangeName, Exception> {
    let name = text(name);
    let source = ExchangeName::parse(&name);
    let source = source.map_err(|why| refusals::exchange(shared, &shared.exchange(&name), why))?;
    if source.is_default() { Err(refusals::default_exchange()) } else { Ok(source) }
}

fn exchange_binding(
    shared: &Shared,
    [from, to]: [&ShortStr; 2],
    key: &ShortStr,
    table: &Table,
) -> Result<Binding, Exception> {
    let (source, destination) = (source(shared, from)?, source(shared, to)?);
    let refuse = |why| refusals::exchange(shared, &shared.exchange(&source), why);
    let arguments = arguments(table).map_err(refuse)?;
    let key = RoutingKey::from(&key.as_bytes()[..]);
    Ok(Binding { source, destination: Destination::Exchange(destination), key, arguments })
}

/// The kind of an exchange. Delays are of a plugin that RabbitMQ does not have by itself, and neither do we.
fn kind(name: &str) -> Result<ExchangeKind, Exception> {
    let kind = ExchangeKind::parse(name).ok().filter(|kind| *kind != ExchangeKind::Delayed);
    kind.ok_or_else(|| precondition(format_args!("unknown exchange type '{name}'")))
}

/// What a client asks for of a queue, as far as it can have it.
fn declaration(shared: &mut Shared, method: &QueueDeclare) -> Result<QueueDeclaration, Exception> {
    let name = text(&method.queue);
    if name.starts_with(RESERVED_PREFIX) {
        return Err(refusals::reserved("queue", &name));
    }
    let about = format!("queue '{name}' in vhost '{}'", shared.namespace);
    let said = queue_arguments(&method.arguments, &about)?;
    if said.queue_type == QueueType::Quorum {
        check_quorum(method, &about)?;
    }
    let name = if name.is_empty() { text(&shared.names.queue(shared.now)) } else { name };
    let name = queue_name(shared, &name)?;
    let arguments = Arguments::new(&said.kept).map_err(|why| refusals::exchange(shared, &about, why))?;
    Ok(QueueDeclaration {
        name,
        durable: method.durable,
        exclusive: method.exclusive,
        auto_delete: method.auto_delete,
        arguments,
        settings: said.settings,
    })
}

/// What a quorum queue cannot be.
fn check_quorum(method: &QueueDeclare, about: &str) -> Done {
    let cannot = |property| Err(precondition(format_args!("invalid property '{property}' for {about}")));
    if method.queue.is_empty() {
        let module = QueueType::Quorum.module();
        return Err(precondition(format_args!("Cannot declare a server-named queue for type {module}")));
    }
    match method {
        QueueDeclare { durable: false, .. } => cannot("non-durable"),
        QueueDeclare { exclusive: true, .. } => cannot("exclusive-owner"),
        QueueDeclare { auto_delete: true, .. } => cannot("auto-delete"),
        _ => Ok(()),
    }
}

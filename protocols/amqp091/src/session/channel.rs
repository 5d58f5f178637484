//! A channel: its commands take effect one after the other.
//!
//! A command that asks the broker something is answered before the next one begins; publishes alone follow each other without waiting,
//! and whatever is not a publish or a settlement waits until the fate of the publishes before it is known. What has to wait lies in the
//! channel's backlog, within bounds of the connection.

use std::collections::{BTreeMap, VecDeque};

use forebay_kit::SessionError;
use forebay_kit::model::Reply;
use forebay_kit::model::exchange::QueueName;
use forebay_kit::model::subscription::{ConsumerNumber, SubscriptionReply};

use super::attendance::{Cancelling, Joining};
use super::confirms::{Confirms, Verdict};
use super::consumers::{Consumer, Getting, Unacked};
use super::exception::{Done, Exception, command_invalid, not_implemented, precondition};
use super::replies::Replies;
use super::routes::Then;
use super::shared::{Place, Shared};
use crate::limits::{CHANNEL_BYTES, UNACKED_BYTES};
use crate::wire::method::{
    AccessRequestOk, BasicAck, BasicNack, BasicPublish, BasicQosOk, ChannelCloseOk, ChannelFlowOk,
    ConfirmSelectOk,
};
use crate::wire::{
    Assembly, Command, Frame, FrameKind, Method, MethodId, Progress, ReplyCode, ShortStr, WireMethod,
};

/// See the module.
pub(super) struct Channel {
    pub(super) place: Place,
    assembly: Assembly,
    /// Bytes of a body of which something is missing.
    part: usize,
    backlog: VecDeque<Command>,
    pub(super) waiting: Option<Waiting>,
    /// The method that is carried out.
    pub(super) current: MethodId,
    /// Publishes whose fate is not known.
    pub(super) publishes: usize,
    /// The queue that an empty name means.
    pub(super) last_queue: Option<QueueName>,
    pub(super) confirms: Option<Confirms>,
    /// For each consumer that begins from now on; 0 for any number.
    pub(super) prefetch: u16,
    /// For all consumers together; 0 for any number.
    pub(super) global_prefetch: u16,
    pub(super) consumers: BTreeMap<ConsumerNumber, Consumer>,
    pub(super) tags: BTreeMap<ShortStr, ConsumerNumber>,
    pub(super) unacked: BTreeMap<u64, Unacked>,
    pub(super) last_delivery: u64,
    /// Who gets what is got without a consumer.
    pub(super) getter: Option<ConsumerNumber>,
    /// Where answers come that a question asks for by the name of the pseudo-queue.
    pub(super) replies: Option<Replies>,
    /// Consumers may ask for more.
    pub(super) is_stirred: bool,
    pub(super) is_over: bool,
}

/// What a channel waits for.
#[derive(Debug)]
pub(super) enum Waiting {
    /// The namespace's answer.
    Route(Then),
    /// A message.
    Get(Getting),
    /// Its queue's answer to a consumer that comes.
    Join(Box<Joining>),
    /// The last messages of a consumer that ends.
    Cancel(Cancelling),
    /// Its queue's answer to a consumer that ends.
    Leave(Cancelling),
    /// The end of so many consumers, and with it of the channel.
    Close { consumers: usize },
}

/// Bytes that a method without content counts for in the backlog.
const METHOD_BYTES: usize = 256;

impl Channel {
    pub(super) fn open(place: Place, shared: &mut Shared) -> Result<Channel, Exception> {
        shared.budget.demand(CHANNEL_BYTES)?;
        Ok(Channel {
            place,
            assembly: Assembly::default(),
            part: 0,
            backlog: VecDeque::new(),
            waiting: None,
            current: MethodId { class: 0, method: 0 },
            publishes: 0,
            last_queue: None,
            confirms: None,
            prefetch: 0,
            global_prefetch: 0,
            consumers: BTreeMap::new(),
            tags: BTreeMap::new(),
            unacked: BTreeMap::new(),
            last_delivery: 0,
            getter: None,
            replies: None,
            is_stirred: false,
            is_over: false,
        })
    }

    /// Whether nothing that its client said is still to be done.
    pub(super) fn is_quiet(&self) -> bool {
        self.backlog.is_empty() && self.waiting.is_none() && self.publishes == 0
    }

    pub(super) fn take_frame(&mut self, shared: &mut Shared, frame: &Frame) -> Done {
        match self.assembly.take(frame)? {
            Progress::Done(command) => {
                shared.give_parts(std::mem::take(&mut self.part));
                self.take(shared, command)
            }
            Progress::Announced { body_size } => {
                check_size(body_size, shared.message_bytes_max).map_err(|why| why.of(BasicPublish::INFO.id))
            }
            Progress::More if frame.kind == FrameKind::Body => {
                shared.take_part(frame.payload.len())?;
                self.part += frame.payload.len();
                Ok(())
            }
            Progress::More | Progress::Heartbeat => Ok(()),
        }
    }

    fn take(&mut self, shared: &mut Shared, command: Command) -> Done {
        if self.backlog.is_empty() && self.may_begin(shared, &command) {
            return self.execute(shared, command);
        }
        let (commands, bytes) = &mut shared.backlog;
        (*commands, *bytes) = (*commands + 1, *bytes + weight(&command));
        self.backlog.push_back(command);
        Ok(())
    }

    /// Does what has waited, as far as it may.
    pub(super) fn advance(&mut self, shared: &mut Shared) -> Done {
        while !self.is_over {
            let next = self.backlog.front().filter(|command| self.may_begin(shared, command)).is_some();
            let Some(command) = next.then(|| self.backlog.pop_front()).flatten() else { break };
            let (commands, bytes) = &mut shared.backlog;
            (*commands, *bytes) = (*commands - 1, *bytes - weight(&command));
            self.execute(shared, command)?;
        }
        Ok(())
    }

    fn may_begin(&self, shared: &Shared, command: &Command) -> bool {
        self.waiting.is_none()
            && (self.publishes == 0 || !waits_for_publishes(command))
            && (!looks_at_a_queue(command) || !shared.is_settling())
    }

    fn execute(&mut self, shared: &mut Shared, command: Command) -> Done {
        let (Command::Plain(method) | Command::WithContent(method, _)) = &command;
        let id = method.info().id;
        self.current = id;
        let done = match command {
            Command::WithContent(Method::BasicPublish(publish), content) => {
                self.publish(shared, publish, content)
            }
            Command::WithContent(..) => Err(unimplemented()),
            Command::Plain(method) => self.execute_plain(shared, method),
        };
        done.map_err(|why| why.of(id))
    }

    fn execute_plain(&mut self, shared: &mut Shared, method: Method) -> Done {
        match method {
            Method::ChannelClose(_) => self.close(shared),
            Method::ChannelFlow(flow) if flow.active => {
                shared.say(self.place.channel, &ChannelFlowOk { active: true })
            }
            Method::ChannelFlow(_) => Err(not_implemented("active=false")),
            // Nobody asked; it changes nothing.
            Method::ChannelFlowOk(_) | Method::BasicCancelOk(_) => Ok(()),
            Method::AccessRequest(_) => shared.say(self.place.channel, &AccessRequestOk { ticket: 1 }),
            Method::ExchangeDeclare(method) => self.declare_exchange(shared, method),
            Method::ExchangeDelete(method) => self.delete_exchange(shared, method),
            Method::ExchangeBind(method) => self.bind_exchange(shared, method),
            Method::ExchangeUnbind(method) => self.unbind_exchange(shared, method),
            Method::QueueDeclare(method) => self.declare_queue(shared, method),
            Method::QueueBind(method) => self.bind_queue(shared, method),
            Method::QueueUnbind(method) => self.unbind_queue(shared, method),
            Method::QueuePurge(method) => self.purge_queue(shared, method),
            Method::QueueDelete(method) => self.delete_queue(shared, method),
            Method::BasicQos(method) => {
                if method.prefetch_size != 0 {
                    let size = method.prefetch_size;
                    return Err(not_implemented(format_args!("prefetch_size!=0 ({size})")));
                }
                self.limit(method.prefetch_count, method.global);
                shared.say(self.place.channel, &BasicQosOk {})
            }
            Method::BasicConsume(method) => self.consume(shared, method),
            Method::BasicCancel(method) => self.cancel(shared, method),
            Method::BasicGet(method) => self.get(shared, &method),
            Method::BasicAck(method) => self.ack(shared, &method),
            Method::BasicNack(method) => self.nack(shared, &method),
            Method::BasicReject(method) => self.reject(shared, &method),
            Method::BasicRecover(method) => self.recover(shared, method.requeue, true),
            Method::BasicRecoverAsync(method) => self.recover(shared, method.requeue, false),
            Method::ConfirmSelect(select) => {
                self.confirms.get_or_insert_default();
                if select.no_wait {
                    return Ok(());
                }
                shared.say(self.place.channel, &ConfirmSelectOk {})
            }
            Method::TxSelect(_) => Err(not_implemented("transactions")),
            Method::TxCommit(_) | Method::TxRollback(_) => Err(precondition("channel is not transactional")),
            Method::ChannelOpen(_) => {
                Err(Exception::new(ReplyCode::ChannelError, "second 'channel.open' seen"))
            }
            // Those of a connection, and those that only servers say.
            _ => Err(unimplemented()),
        }
    }

    fn limit(&mut self, prefetch: u16, is_global: bool) {
        if is_global {
            self.global_prefetch = prefetch;
            self.is_stirred = true;
        } else {
            self.prefetch = prefetch;
        }
    }

    /// Takes the broker's answer to what the channel waits for.
    pub(super) fn answer(&mut self, shared: &mut Shared, reply: Reply) -> Result<Done, SessionError> {
        let done = match (self.waiting.take(), reply) {
            (Some(Waiting::Route(then)), Reply::Route(reply)) => self.routed(shared, then, reply)?,
            (Some(Waiting::Get(getting)), Reply::Subscription(SubscriptionReply::Receive(received))) => {
                self.got(shared, getting, received)
            }
            (Some(Waiting::Join(joining)), Reply::Subscription(SubscriptionReply::Join(joined))) => {
                self.joined(shared, *joining, joined)
            }
            (Some(Waiting::Leave(cancelling)), Reply::Subscription(SubscriptionReply::Leave)) => {
                self.left(shared, cancelling)
            }
            (waiting, reply) => {
                return Err(SessionError::Bug(format!("{reply:?} for a channel that waits for {waiting:?}")));
            }
        };
        Ok(done.and_then(|()| self.advance(shared)))
    }

    /// What became of publishes is told, in as few words as possible.
    pub(super) fn tell_confirms(&mut self, shared: &mut Shared) -> Done {
        let Some(confirms) = &mut self.confirms else { return Ok(()) };
        for word in confirms.words() {
            let (delivery_tag, multiple) = (crate::wire::DeliveryTag(word.tag), word.multiple);
            match word.verdict {
                Verdict::Ack => shared.say(self.place.channel, &BasicAck { delivery_tag, multiple })?,
                Verdict::Nack => {
                    let nack = BasicNack { delivery_tag, multiple, requeue: false };
                    shared.say(self.place.channel, &nack)?;
                }
            }
        }
        Ok(())
    }

    /// The client closes the channel: what it has goes back before it hears that it is closed.
    fn close(&mut self, shared: &mut Shared) -> Done {
        match self.release(shared) {
            0 => self.closed(shared),
            consumers => {
                self.waiting = Some(Waiting::Close { consumers });
                Ok(())
            }
        }
    }

    fn closed(&mut self, shared: &mut Shared) -> Done {
        self.is_over = true;
        shared.say(self.place.channel, &ChannelCloseOk {})
    }

    /// A consumer of the channel has ended.
    pub(super) fn consumer_ended(&mut self, shared: &mut Shared) -> Done {
        match &mut self.waiting {
            Some(Waiting::Close { consumers }) if *consumers > 1 => *consumers -= 1,
            Some(Waiting::Close { .. }) => return self.closed(shared),
            _ => {}
        }
        Ok(())
    }

    /// Gives everything back that is the channel's; says how many consumers there were.
    pub(super) fn release(&mut self, shared: &mut Shared) -> usize {
        let mut numbers: Vec<_> = self.getter.take().into_iter().collect();
        for (number, consumer) in std::mem::take(&mut self.consumers) {
            shared.budget.give(consumer.reserved() * UNACKED_BYTES);
            numbers.push(number);
        }
        if let Some(Waiting::Join(joining)) = self.waiting.take_if(|it| matches!(it, Waiting::Join(_))) {
            numbers.push(joining.number);
        }
        self.tags.clear();
        shared.budget.give(std::mem::take(&mut self.unacked).len() * UNACKED_BYTES);
        for number in &numbers {
            shared.end_consumer(Some(self.place), *number);
        }
        shared.give_parts(std::mem::take(&mut self.part));
        let (commands, bytes) = &mut shared.backlog;
        for command in self.backlog.drain(..) {
            (*commands, *bytes) = (*commands - 1, *bytes - weight(&command));
        }
        numbers.len()
    }
}

/// Frees what only an open channel takes up.
pub(super) fn forget(shared: &mut Shared) {
    shared.budget.give(CHANNEL_BYTES);
}

fn unimplemented() -> Exception {
    command_invalid("unimplemented method")
}

fn check_size(size: u64, most: usize) -> Done {
    if size > most as u64 {
        let why = format!("message size {size} is larger than configured max size {most}");
        return Err(precondition(why));
    }
    Ok(())
}

/// What is told of a queue, or taken out of it, comes behind what its client said of deliveries before.
fn looks_at_a_queue(command: &Command) -> bool {
    let (Command::Plain(method) | Command::WithContent(method, _)) = command;
    matches!(
        method,
        Method::BasicGet(_) | Method::QueueDeclare(_) | Method::QueuePurge(_) | Method::QueueDelete(_)
    )
}

/// Publishes follow each other, and what settles or limits deliveries has nothing to do with them.
fn waits_for_publishes(command: &Command) -> bool {
    let (Command::Plain(method) | Command::WithContent(method, _)) = command;
    !matches!(
        method,
        Method::BasicPublish(_)
            | Method::BasicAck(_)
            | Method::BasicNack(_)
            | Method::BasicReject(_)
            | Method::BasicQos(_)
            | Method::ChannelFlow(_)
    )
}

fn weight(command: &Command) -> usize {
    match command {
        Command::Plain(_) => METHOD_BYTES,
        Command::WithContent(_, content) => {
            METHOD_BYTES + content.body.len() + content.properties.as_bytes().len()
        }
    }
}

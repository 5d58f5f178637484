//! One connection: frames in, requests out; replies in, frames out.
//!
//! | module | what it is |
//! | --- | --- |
//! | here | the connection: its stages, its channels, and what ends them |
//! | `opening` | who the client is, and what both agree on |
//! | `channel` | a channel's commands, one after the other |
//! | `routes` | exchange.* and queue.* |
//! | `publish`, `publishes`, `confirms` | a message on its way; all of them; what is said of them |
//! | `consumers`, `received`, `settles` | who waits for messages; the messages; what became of them |
//! | `stored` | exchange, key and properties as they are stored |
//! | `arguments`, `names`, `refusals`, `exception` | tables, names and errors in the broker's words and in RabbitMQ's |
//! | `shared`, `budget`, `heart` | what channels share: the ways out, the bounds, the signs of life |
//!
//! What several inputs bring is the same as what one brings, wherever its bytes are cut, but that publishes, settlements and
//! confirms of one input go together.

mod arguments;
mod attendance;
mod budget;
mod channel;
mod confirms;
mod consumers;
mod exception;
mod heart;
mod names;
mod opening;
mod publish;
mod publishes;
mod received;
mod refusals;
mod replies;
mod routes;
mod settles;
mod shared;
mod stored;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use forebay_kit::model::login::LoginStep;
use forebay_kit::model::post::Posted;
use forebay_kit::model::queue::RouteAsk;
use forebay_kit::model::subscription::{SettleDeliveries, SettledAll, SubscriptionReply};
use forebay_kit::model::{Refusal, Reply, Request};
use forebay_kit::{CloseReason, ConnectionInfo, Input, Instant, Output, Session, SessionError, Token};

use self::channel::Channel;
use self::exception::{Done, Exception, command_invalid, not_implemented};
use self::heart::{Beat, Heart};
use self::opening::{Introduction, Judgement, Opening, Way};
use self::publishes::Posting;
use self::settles::gives_back;
use self::shared::{Call, Place, Shared};
use crate::limits::{BACKLOG_BYTES_MAX, BACKLOG_COMMANDS_MAX, CLOSE_WAIT};
use crate::wire::method::{
    ChannelCloseOk, ChannelOpenOk, ConnectionCloseOk, ConnectionOpen, ConnectionOpenOk, ConnectionStartOk,
    ConnectionTuneOk,
};
use crate::wire::{
    Assembly, ChannelId, Command, Frame, FrameKind, FrameMax, FrameWriter, Intake, LongStr, Method,
    PROTOCOL_HEADER, Progress, ReplyCode, ShortStr, WireMethod,
};

/// The state of one AMQP 0-9-1 connection.
pub struct AmqpSession {
    intake: Intake,
    stage: Stage,
    opening: Opening,
    heart: Heart,
    shared: Shared,
    channels: BTreeMap<u16, Seat>,
    channel_max: u16,
    /// Channels that were opened.
    opened: u64,
    /// Channels that something happened to since they were looked after.
    touched: BTreeSet<ChannelId>,
    /// When the driver wakes the session, as far as it was asked.
    wakes_at: Option<Instant>,
}

/// How far the connection is.
#[derive(Debug)]
enum Stage {
    /// The protocol header comes next.
    Header,
    /// `connection.start-ok` comes next.
    StartOk,
    /// The broker judges who the client is.
    Judged { way: Way, hears_failures: bool },
    /// `connection.tune-ok` comes next.
    TuneOk,
    /// `connection.open` comes next.
    Open,
    /// The broker looks for the namespace.
    Entering,
    /// Everything is done.
    Running,
    /// Nothing more is taken; what was begun is finished until then.
    Leaving { why: Leaving, until: Instant },
    /// We closed the connection, and wait until then for the client to say that it heard.
    Closing { reason: CloseReason, until: Instant, is_deaf: bool },
    /// The close is among the outputs, or was.
    Closed,
}

/// Why nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// The client closes the connection.
    Client,
    /// The server stops.
    Shutdown,
}

/// A channel's number in use.
enum Seat {
    Open(Box<Channel>),
    /// We closed it; until the client says that it heard, nothing else counts.
    Closing,
}

impl AmqpSession {
    /// A session for a fresh connection, which is the server's with this number.
    #[must_use]
    pub fn new(info: ConnectionInfo, number: u64) -> AmqpSession {
        AmqpSession {
            intake: Intake::new(FrameMax::DEFAULT),
            stage: Stage::Header,
            opening: Opening::new(&info),
            heart: Heart::default(),
            shared: Shared::new(&info, number),
            channels: BTreeMap::new(),
            channel_max: 0,
            opened: 0,
            touched: BTreeSet::new(),
            wakes_at: None,
        }
    }

    fn take_input(&mut self, input: Input) -> Result<(), SessionError> {
        match input {
            Input::Bytes(bytes) => {
                self.heart.hear(self.shared.now);
                if !matches!(self.stage, Stage::Leaving { .. } | Stage::Closing { is_deaf: true, .. }) {
                    self.intake.push(bytes);
                }
            }
            Input::Reply(token, reply) => self.take_reply(token, reply)?,
            Input::Timeout => self.tick(),
            Input::Shutdown => self.shut_down(),
        }
        Ok(())
    }

    /// Reads what came, as far as there is room.
    fn read(&mut self) {
        while self.wants_bytes() {
            match self.read_one() {
                Ok(true) => {}
                Ok(false) => break,
                Err(why) => self.close_connection(&why),
            }
        }
    }

    /// Reads the next frame; says whether there was one.
    fn read_one(&mut self) -> Result<bool, Exception> {
        if matches!(self.stage, Stage::Header) {
            return self.greet();
        }
        match self.intake.frame() {
            Ok(Some(frame)) => self.take_frame(&frame).map(|()| true),
            Ok(None) => Ok(false),
            Err(error) => {
                self.close_connection(&error.into());
                // Where the next frame begins is not known.
                self.intake.clear();
                if let Stage::Closing { is_deaf, .. } = &mut self.stage {
                    *is_deaf = true;
                }
                Ok(false)
            }
        }
    }

    fn greet(&mut self) -> Result<bool, Exception> {
        match self.intake.protocol_header() {
            Ok(None) => Ok(false),
            Ok(Some(_)) => {
                self.shared.say(ChannelId::CONNECTION, &self.opening.start())?;
                self.stage = Stage::StartOk;
                Ok(true)
            }
            Err(mismatch) => {
                self.shared.out.extend_from_slice(&PROTOCOL_HEADER);
                self.end(CloseReason::Protocol(mismatch.to_string()));
                Ok(false)
            }
        }
    }

    fn take_frame(&mut self, frame: &Frame) -> Done {
        if matches!(self.stage, Stage::Closing { .. }) {
            self.hear_farewell(frame);
            return Ok(());
        }
        if frame.channel != ChannelId::CONNECTION {
            return match self.stage {
                Stage::Running => self.take_on_channel(frame),
                _ => Err(Exception::new(
                    ReplyCode::UnexpectedFrame,
                    "a frame on a channel before connection.open",
                )),
            };
        }
        match Assembly::default().take(frame)? {
            Progress::Done(Command::Plain(method)) => {
                let id = method.info().id;
                self.take_own(method).map_err(|why| why.of(id).on_connection())
            }
            // A heartbeat; content never comes here.
            _ => Ok(()),
        }
    }

    /// A method of the connection itself.
    fn take_own(&mut self, method: Method) -> Done {
        match (&self.stage, method) {
            (Stage::StartOk, Method::ConnectionStartOk(method)) => self.introduce(&method),
            (Stage::TuneOk, Method::ConnectionTuneOk(method)) => self.tune(&method),
            (Stage::Open, Method::ConnectionOpen(method)) => self.enter(&method),
            (Stage::Running, Method::ConnectionUpdateSecret(_)) => {
                Err(not_implemented("connection.update-secret"))
            }
            (_, Method::ConnectionClose(_)) => {
                self.leave(Leaving::Client);
                Ok(())
            }
            (Stage::Running, method) => {
                let name = method.info().name;
                Err(command_invalid(format_args!("unexpected method {name} in connection state running")))
            }
            (_, method) => {
                let name = method.info().name;
                Err(command_invalid(format_args!("unexpected method {name} while the connection is opened")))
            }
        }
    }

    fn introduce(&mut self, method: &ConnectionStartOk) -> Done {
        let said = self.opening.introduction(method)?;
        let judgement = self.opening.judge(&said);
        let Introduction { way, hears_failures, hears_cancels, .. } = said;
        self.shared.tells_cancels = hears_cancels;
        match judgement {
            Judgement::Ask(login) => {
                self.stage = Stage::Judged { way, hears_failures };
                self.shared.call(Call::Login, Request::Login(login));
                Ok(())
            }
            Judgement::Welcome(user) => self.welcome(user),
            Judgement::Refused => {
                self.turn_away(way, hears_failures);
                Ok(())
            }
        }
    }

    fn welcome(&mut self, user: String) -> Done {
        self.shared.user = user;
        self.stage = Stage::TuneOk;
        self.shared.say(ChannelId::CONNECTION, &opening::tune())
    }

    /// A client that does not say that it understands hears nothing: those of old took the close for a broken connection.
    fn turn_away(&mut self, way: Way, hears_failures: bool) {
        let why = opening::refused(way);
        if hears_failures {
            self.close_connection(&why);
        } else {
            self.end(CloseReason::Protocol(why.text));
        }
    }

    fn judged(&mut self, step: Result<LoginStep, Refusal>) {
        let Stage::Judged { way, hears_failures } = self.stage else { return };
        let done = match step {
            Ok(LoginStep::Done { principal, .. }) => self.welcome(principal.name().to_owned()),
            Err(refusal) if refusals::passes(&refusal) => Err(opening::not_now(&refusal)),
            // A password is said in one step.
            Ok(LoginStep::Continue(_)) | Err(_) => {
                self.turn_away(way, hears_failures);
                Ok(())
            }
        };
        if let Err(why) = done {
            self.close_connection(&why);
        }
    }

    fn tune(&mut self, method: &ConnectionTuneOk) -> Done {
        let agreed = opening::agree(method)?;
        self.channel_max = agreed.channel_max;
        self.shared.frame_max = agreed.frame_max;
        self.intake.limit_frames(agreed.frame_max);
        self.heart.agree(agreed.heartbeat, self.shared.now);
        self.stage = Stage::Open;
        Ok(())
    }

    fn enter(&mut self, method: &ConnectionOpen) -> Done {
        self.shared.namespace = opening::namespace(method)?;
        self.stage = Stage::Entering;
        self.shared.route(Call::Enter, RouteAsk::FindNamespace);
        Ok(())
    }

    fn take_on_channel(&mut self, frame: &Frame) -> Done {
        match self.channels.get(&frame.channel.0) {
            Some(Seat::Open(_)) => {
                self.on_channel(frame.channel, |channel, shared| channel.take_frame(shared, frame));
                Ok(())
            }
            Some(Seat::Closing) => self.take_on_closing(frame),
            None => self.open_channel(frame),
        }
    }

    /// We closed the channel: what its client said meanwhile is as if it had never been said.
    fn take_on_closing(&mut self, frame: &Frame) -> Done {
        if frame.kind != FrameKind::Method {
            return Ok(());
        }
        match Method::decode(&frame.payload) {
            Ok(Method::ChannelCloseOk(_)) => {
                self.channels.remove(&frame.channel.0);
                Ok(())
            }
            Ok(Method::ChannelClose(_)) => self.shared.say(frame.channel, &ChannelCloseOk {}),
            _ => Ok(()),
        }
    }

    fn open_channel(&mut self, frame: &Frame) -> Done {
        let opens = match frame.kind {
            FrameKind::Method => matches!(Method::decode(&frame.payload)?, Method::ChannelOpen(_)),
            _ => false,
        };
        if !opens {
            return Err(Exception::new(ReplyCode::ChannelError, "expected 'channel.open'"));
        }
        let (open, most) = (self.channels.len(), self.channel_max);
        if open >= most.into() {
            let why =
                format!("number of channels opened ({open}) has reached the negotiated channel_max ({most})");
            return Err(Exception::new(ReplyCode::NotAllowed, why));
        }
        self.opened += 1;
        let place = Place { channel: frame.channel, opened: self.opened };
        let channel = Channel::open(place, &mut self.shared)?;
        self.channels.insert(frame.channel.0, Seat::Open(Box::new(channel)));
        self.shared.say(frame.channel, &ChannelOpenOk { channel_id: LongStr::default() })
    }

    /// Does something with an open channel, and what follows from it.
    fn on_channel(&mut self, id: ChannelId, act: impl FnOnce(&mut Channel, &mut Shared) -> Done) {
        let Some(Seat::Open(channel)) = self.channels.get_mut(&id.0) else { return };
        let done = act(channel, &mut self.shared);
        let is_over = channel.is_over;
        self.touched.insert(id);
        match done {
            Err(why) if why.ends_connection() => self.close_connection(&why),
            Err(why) => self.close_channel(id, &why),
            Ok(()) if is_over => {
                self.channels.remove(&id.0);
                channel::forget(&mut self.shared);
            }
            Ok(()) => {}
        }
    }

    /// Does something with a channel if it is still the same.
    fn at(&mut self, place: Place, act: impl FnOnce(&mut Channel, &mut Shared) -> Done) {
        match self.channels.get(&place.channel.0) {
            Some(Seat::Open(channel)) if channel.place == place => self.on_channel(place.channel, act),
            _ => {}
        }
    }

    fn close_channel(&mut self, id: ChannelId, why: &Exception) {
        let Some(Seat::Open(mut channel)) = self.channels.insert(id.0, Seat::Closing) else { return };
        // What was confirmed before counts.
        let told = channel.tell_confirms(&mut self.shared);
        channel.release(&mut self.shared);
        channel::forget(&mut self.shared);
        let told = told.and_then(|()| self.shared.say(id, &why.channel_close()));
        if let Err(why) = told {
            self.close_connection(&why);
        }
    }

    /// Tells the client that its connection ends, and why.
    fn close_connection(&mut self, why: &Exception) {
        if matches!(self.stage, Stage::Closing { .. } | Stage::Closed) {
            return;
        }
        let reason = match self.stage {
            Stage::Leaving { why: Leaving::Shutdown, .. } => CloseReason::Shutdown,
            _ => CloseReason::Protocol(why.text.clone()),
        };
        self.release_channels();
        self.shared.forget_retries();
        let until = self.shared.now + CLOSE_WAIT;
        self.stage = Stage::Closing { reason, until, is_deaf: false };
        // A method of a few words fits into every frame.
        let _ = self.shared.say(ChannelId::CONNECTION, &why.connection_close());
    }

    fn release_channels(&mut self) {
        for (_, seat) in mem::take(&mut self.channels) {
            if let Seat::Open(mut channel) = seat {
                // What was confirmed before counts, unless there is no way to say so.
                let _ = channel.tell_confirms(&mut self.shared);
                channel.release(&mut self.shared);
                channel::forget(&mut self.shared);
            }
        }
        self.touched.clear();
    }

    /// While we wait for `connection.close-ok`, nothing else counts.
    fn hear_farewell(&mut self, frame: &Frame) {
        if frame.channel != ChannelId::CONNECTION || frame.kind != FrameKind::Method {
            return;
        }
        match Method::decode(&frame.payload) {
            Ok(Method::ConnectionCloseOk(_)) => self.end_closing(),
            Ok(Method::ConnectionClose(_)) => {
                // Both close at once. It is three bytes of a method.
                let _ = self.shared.say(ChannelId::CONNECTION, &ConnectionCloseOk {});
            }
            _ => {}
        }
    }

    fn end_closing(&mut self) {
        if let Stage::Closing { reason, .. } = &self.stage {
            let reason = reason.clone();
            self.end(reason);
        }
    }

    fn end(&mut self, reason: CloseReason) {
        self.stage = Stage::Closed;
        self.intake.clear();
        self.shared.outputs.push_back(Output::Close(reason));
    }

    /// Takes nothing more, and ends when what was begun is done.
    fn leave(&mut self, why: Leaving) {
        self.intake.clear();
        self.stage = Stage::Leaving { why, until: self.shared.now + CLOSE_WAIT };
    }

    fn shut_down(&mut self) {
        match self.stage {
            Stage::Running | Stage::Leaving { .. } => self.leave(Leaving::Shutdown),
            Stage::Closing { .. } | Stage::Closed => {}
            _ => self.end(CloseReason::Shutdown),
        }
    }

    /// Says goodbye once everything is done, or the time for it is over.
    fn depart(&mut self) {
        let Stage::Leaving { why, until } = self.stage else { return };
        let is_late = self.shared.now >= until;
        if !is_late && !self.is_quiet() {
            return;
        }
        self.release_channels();
        self.shared.send_settles();
        if !is_late && self.asks() {
            return;
        }
        if std::mem::take(&mut self.shared.has_queues) {
            // Whoever hears that the connection is closed finds them gone.
            self.shared.route(Call::LeaveQueues, RouteAsk::LeaveQueues);
            return;
        }
        match why {
            Leaving::Client => {
                let _ = self.shared.say(ChannelId::CONNECTION, &ConnectionCloseOk {});
                self.end(CloseReason::Protocol("the client closed the connection".into()));
            }
            Leaving::Shutdown => {
                let why = "broker forced connection closure with reason 'shutdown'";
                self.close_connection(&Exception::new(ReplyCode::ConnectionForced, why));
            }
        }
    }

    /// Whether everything that was said on channels is done.
    fn is_quiet(&self) -> bool {
        let mut seats = self.channels.values();
        self.shared.publishes.are_none()
            && seats.all(|seat| match seat {
                Seat::Open(channel) => channel.is_quiet(),
                Seat::Closing => true,
            })
    }

    /// Whether the broker was asked for anything that somebody waits for: more than messages, which may never come.
    fn asks(&self) -> bool {
        self.shared.calls.values().any(|call| !matches!(call, Call::Receive(..) | Call::EndReceive))
    }

    /// The time has come.
    fn tick(&mut self) {
        self.wakes_at = None;
        let now = self.shared.now;
        if self.heart.beat(now) == Beat::Dead && !self.wants_bytes() {
            // While we do not read, the client cannot be heard.
            self.heart.hear(now);
        }
        match self.heart.beat(now) {
            Beat::Quiet => {}
            Beat::Say => FrameWriter::new(&mut self.shared.out, self.shared.frame_max).heartbeat(),
            Beat::Dead => {
                let seconds = self.heart.seconds();
                return self.end(CloseReason::Protocol(format!(
                    "missed heartbeats from client, timeout: {seconds}s"
                )));
            }
        }
        if matches!(self.stage, Stage::Closing { until, .. } if until <= now) {
            return self.end_closing();
        }
        if self.shared.retry() {
            for (number, seat) in &mut self.channels {
                if let Seat::Open(channel) = seat {
                    channel.is_stirred = true;
                    self.touched.insert(ChannelId(*number));
                }
            }
        }
    }

    fn take_reply(&mut self, token: Token, reply: Reply) -> Result<(), SessionError> {
        let Some(call) = self.shared.calls.remove(&token) else {
            return Err(SessionError::Bug(format!("{token:?} was answered twice, or never asked for")));
        };
        match (call, reply) {
            (Call::Login, Reply::Login(step)) => self.judged(step),
            (Call::Enter, Reply::Route(reply)) => self.entered(reply.map(drop)),
            (Call::Channel(place), reply) => return self.answer_channel(place, reply),
            (Call::Receive(place, number), Reply::Subscription(SubscriptionReply::Receive(all))) => {
                self.at(place, |channel, shared| channel.received(shared, number, all));
            }
            (Call::Post(postings), Reply::Post(posted)) => return self.posted(postings, posted),
            (Call::Settle(settle, tries), Reply::Subscription(SubscriptionReply::Settle(settled))) => {
                self.settled(settle, tries, settled);
            }
            (Call::EndConsumer(waits), Reply::Subscription(SubscriptionReply::EndConsumer)) => {
                if let Some(place) = waits {
                    self.at(place, Channel::consumer_ended);
                }
            }
            (Call::EndReceive, Reply::Subscription(SubscriptionReply::EndReceive))
            | (Call::Rejoin, Reply::Subscription(SubscriptionReply::Join(_)))
            | (Call::LeaveQueues, Reply::Route(_)) => {}
            (call, reply) => return Err(SessionError::Bug(format!("{reply:?} to {call:?}"))),
        }
        Ok(())
    }

    fn entered(&mut self, found: Result<(), forebay_kit::model::queue::RouteRefusal>) {
        if !matches!(self.stage, Stage::Entering) {
            return;
        }
        let done = match found {
            Ok(()) => {
                self.stage = Stage::Running;
                self.shared.say(ChannelId::CONNECTION, &ConnectionOpenOk { known_hosts: ShortStr::EMPTY })
            }
            Err(refusal) => Err(opening::not_entered(&self.shared, refusal).of(ConnectionOpen::INFO.id)),
        };
        if let Err(why) = done {
            self.close_connection(&why);
        }
    }

    fn answer_channel(&mut self, place: Place, reply: Reply) -> Result<(), SessionError> {
        let mut answered = Ok(());
        self.at(place, |channel, shared| match channel.answer(shared, reply) {
            Ok(done) => done,
            Err(bug) => {
                answered = Err(bug);
                Ok(())
            }
        });
        answered
    }

    fn posted(&mut self, postings: Vec<Posting>, posted: Vec<Posted>) -> Result<(), SessionError> {
        if postings.len() != posted.len() {
            let why = format!("{} answers to {} messages", posted.len(), postings.len());
            return Err(SessionError::Bug(why));
        }
        self.shared.publishes.answered(&postings);
        let mut places: Vec<Place> = Vec::new();
        for (posting, posted) in postings.into_iter().zip(posted) {
            let place = posting.place;
            if places.last() != Some(&place) {
                places.push(place);
            }
            self.at(place, |channel, shared| channel.posted(shared, posting, posted));
        }
        for place in places {
            self.at(place, Channel::advance);
        }
        Ok(())
    }

    fn settled(&mut self, settle: SettleDeliveries, tries: u32, settled: SettledAll) {
        if matches!(self.stage, Stage::Closing { .. }) {
            return;
        }
        self.shared.note_settled(&settle);
        if gives_back(&settle) && !self.shared.is_releasing(settle.consumer) {
            for (id, seat) in &mut self.channels {
                if let Seat::Open(channel) = seat
                    && channel.note_released(settle.consumer)
                {
                    self.touched.insert(ChannelId(*id));
                }
            }
        }
        if let Some(Err(refusal)) = settled.items.into_iter().next() {
            self.shared.unsettled(settle, tries, &refusal);
        }
        if !self.shared.is_settling() {
            self.advance_all();
        }
    }

    /// Channels may go on with what waited for settlements.
    fn advance_all(&mut self) {
        let waits = |seat: &Seat| matches!(seat, Seat::Open(channel) if !channel.is_quiet());
        let waiting = self.channels.iter().filter(|(_, seat)| waits(seat));
        let waiting: Vec<ChannelId> = waiting.map(|(id, _)| ChannelId(*id)).collect();
        for id in waiting {
            self.on_channel(id, Channel::advance);
        }
    }

    /// What one input has led to goes out together.
    fn look_after(&mut self) {
        self.shared.send_posts();
        while let Some(id) = self.touched.pop_first() {
            let mut tended = false;
            self.on_channel(id, |channel, shared| {
                tended = true;
                channel.tell_confirms(shared)
            });
            if tended {
                self.on_channel(id, |channel, shared| {
                    shared.send_settles();
                    channel.stir(shared);
                    Ok(())
                });
            }
            self.touched.remove(&id);
        }
        self.shared.send_settles();
        self.depart();
    }

    fn ask_to_be_woken(&mut self) {
        let until = match &self.stage {
            Stage::Leaving { until, .. } | Stage::Closing { until, .. } => Some(*until),
            Stage::Closed => return,
            _ => None,
        };
        let next = [until, self.heart.next(), self.shared.retry_at].into_iter().flatten().min();
        let Some(next) = next else { return };
        if self.wakes_at.is_none_or(|at| next < at) {
            self.wakes_at = Some(next);
            self.shared.outputs.push_back(Output::WakeAt(next));
        }
    }
}

impl Session for AmqpSession {
    fn handle(&mut self, now: Instant, input: Input) -> Result<(), SessionError> {
        if matches!(self.stage, Stage::Closed) {
            return Ok(());
        }
        self.shared.now = now;
        let taken = self.take_input(input);
        if taken.is_err() {
            // The driver closes; what is among the outputs still goes out, nothing else does.
            self.stage = Stage::Closed;
            self.intake.clear();
            return taken;
        }
        self.read();
        self.look_after();
        // What was answered may have made room.
        self.read();
        self.look_after();
        if !self.shared.out.is_empty() {
            self.heart.say(now);
        }
        self.ask_to_be_woken();
        Ok(())
    }

    fn poll(&mut self) -> Option<Output> {
        if !self.shared.out.is_empty() {
            return Some(Output::Bytes(self.shared.out.split().freeze()));
        }
        self.shared.outputs.pop_front()
    }

    fn wants_bytes(&self) -> bool {
        let (commands, bytes) = self.shared.backlog;
        match self.stage {
            Stage::Header | Stage::StartOk | Stage::TuneOk | Stage::Open => true,
            Stage::Judged { .. } | Stage::Entering | Stage::Leaving { .. } | Stage::Closed => false,
            Stage::Running => {
                commands < BACKLOG_COMMANDS_MAX
                    && bytes < BACKLOG_BYTES_MAX
                    && !self.shared.publishes.are_full()
            }
            Stage::Closing { .. } => true,
        }
    }

    fn is_known(&self) -> bool {
        !matches!(self.stage, Stage::Header | Stage::StartOk | Stage::Judged { .. })
    }

    /// An AMQP connection may be silent for as long as both like: it ends when somebody says so, also where the server stops.
    fn is_idle(&self) -> bool {
        match self.stage {
            Stage::Running | Stage::Leaving { .. } | Stage::Closing { .. } => false,
            Stage::Closed => true,
            _ => !self.asks(),
        }
    }
}

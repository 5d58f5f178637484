//! One connection: frames in, requests out; replies in, frames out.
//!
//! | module | what it is |
//! | --- | --- |
//! | `intake` | bytes cut into frames |
//! | `dispatch` | a frame's header, and the module that serves it |
//! | `open` | the open requests: replies come in any order, responses leave in the order of their requests |
//! | `asked` | what is kept of a request until its response is made |
//! | `hold_back` | quotas |
//! | `names`, `errors` | topics and refusals in Kafka's words |
//! | [`fuzz`] | an entry point for fuzzers |
//! | one per API | `ask` makes requests of a request, `answer` a response of their replies |
//!
//! A client may have [`ConnectionInfo::requests_open_max`] requests open; above it the session neither decodes nor wants bytes.

mod acls;
mod alter_log_dirs;
mod any_broker;
mod api_versions;
mod asked;
mod cluster;
mod configs;
mod delete_records;
mod describe_producers;
mod describe_quorum;
mod dispatch;
mod errors;
mod features;
mod fetch;
mod fetch_session;
pub mod fuzz;
mod groups;
mod hold_back;
mod import;
mod init_producer_id;
mod intake;
mod list_offsets;
mod log_dirs;
mod metadata;
mod names;
mod offset_for_leader_epoch;
mod open;
mod produce;
mod quotas;
mod replicas;
mod rights;
mod sasl;
mod share;
mod topics;
mod transactions;
mod users;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use forebay_kit::model::publish::Published;
use forebay_kit::model::{Reply, Request};
use forebay_kit::{Bytes, CloseReason, ConnectionInfo, Input, Instant, Output, Session, SessionError, Token};

use crate::limits::{GROUPS_PER_REQUEST_MAX, SASL_FAILURE_DELAY};
use crate::wire::{ApiKey, RequestHead, Rope};
use asked::Connection;
pub use configs::{Judged, judge};
use dispatch::Plan;
use intake::Intake;
use open::{Ending, OpenRequests, Ready, Shown};

/// The state of one Kafka connection.
pub struct KafkaSession {
    requests_open_max: usize,
    intake: Intake,
    open: OpenRequests,
    /// Publishes with `acks=0` that the broker has not taken or refused: nobody waits for them, and still they are open.
    unconfirmed: usize,
    outputs: VecDeque<Output>,
    phase: Phase,
    /// Why the connection ends, while it is parting.
    parting: Option<String>,
    connection: Connection,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Nothing more is read; what is open is answered.
    Draining,
    /// The client was told its last word and has a moment to read it; nothing else happens.
    Parting,
    /// The close is among the outputs, or was.
    Closed,
}

/// Tokens of publishes with `acks=0` have this bit, for they have no place in the order of responses.
const UNCONFIRMED: u64 = 1 << 63;

impl KafkaSession {
    /// A session for a fresh connection.
    #[must_use]
    pub fn new(info: ConnectionInfo) -> KafkaSession {
        KafkaSession {
            requests_open_max: info.requests_open_max,
            intake: Intake::new(info.frame_bytes_max),
            open: OpenRequests::default(),
            unconfirmed: 0,
            outputs: VecDeque::new(),
            phase: Phase::Serving,
            parting: None,
            connection: Connection::new(&info),
        }
    }

    fn has_room(&self) -> bool {
        !self.connection.hold_back.is_held()
            && self.open.len() + self.unconfirmed < self.requests_open_max
            && self.open.calls() < GROUPS_PER_REQUEST_MAX
            && !self.connection.authentication.is_judged()
            && !self.open.is_changing()
    }

    /// Reads frames while there is room, and answers what can be answered.
    fn advance(&mut self, now: Instant) -> Result<(), SessionError> {
        self.answer_in_order(now)?;
        self.intake.limit_frames(self.connection.authentication.frame_bytes_max());
        while self.phase == Phase::Serving && self.has_room() {
            let Some(frame) = self.intake.next().map_err(|error| misbehaved(&error))? else { break };
            if self.comes_too_soon(&frame) {
                self.intake.put_back(frame);
                break;
            }
            self.take_frame(&frame)?;
            self.answer_in_order(now)?;
        }
        self.tell_hold();
        if self.phase == Phase::Draining && self.is_idle() {
            self.close(CloseReason::Shutdown);
        }
        Ok(())
    }

    /// Whether the frame asks for what a request before it is changing: the broker answers reads beside the log, and would show what was
    /// there before.
    fn comes_too_soon(&self, frame: &Bytes) -> bool {
        if self.is_idle() || self.connection.authentication.takes_bare_tokens() {
            return false;
        }
        let head = RequestHead::peek(frame).ok();
        let Some(api) = head.and_then(|head| ApiKey::from_number(head.api_key)) else { return false };
        self.open.delays(api) || (self.unconfirmed > 0 && open::shown(api) == Some(Shown::Records))
    }

    /// Asks to be woken when the client may go on.
    fn tell_hold(&mut self) {
        if let Some(until) = self.connection.hold_back.news() {
            self.outputs.push_back(Output::WakeAt(until));
        }
    }

    fn take_frame(&mut self, frame: &Bytes) -> Result<(), SessionError> {
        let (head, plan) = if self.connection.authentication.takes_bare_tokens() {
            sasl::bare_token(frame, &mut self.connection)
        } else {
            dispatch::plan(frame, &mut self.connection)?
        };
        match plan {
            Plan::End(ending) => self.open.end(ending),
            Plan::Ask(requests, asked) => {
                let first = self.open.wait(head, asked, requests.len());
                for (token, request) in (first..).zip(requests) {
                    self.call(token, request);
                }
            }
            Plan::AskOne(request, asked) => {
                let token = self.open.wait(head, asked, 1);
                self.call(token, request);
            }
            Plan::Unconfirmed(request, refused) => {
                if let Some(request) = request {
                    let token = self.open.token() | UNCONFIRMED;
                    self.unconfirmed += 1;
                    self.call(token, request);
                }
                if let Some(why) = refused {
                    self.open.end(Ending::Close(why));
                }
            }
        }
        Ok(())
    }

    fn call(&mut self, token: u64, request: Request) {
        self.outputs.push_back(Output::Call(Token(token), request));
    }

    /// Sends the responses that are complete, up to the first that is not.
    fn answer_in_order(&mut self, now: Instant) -> Result<(), SessionError> {
        while matches!(self.phase, Phase::Serving | Phase::Draining) {
            let ending = match self.open.pop() {
                None => break,
                Some(Ready::Ending(ending)) => ending,
                Some(Ready::Replied(head, asked, replies)) => {
                    asked.answer(head, replies, &mut self.connection)?
                }
            };
            match ending {
                Ending::Frame(frame) => self.send(frame),
                Ending::Last(frame, why) => {
                    self.send(frame);
                    self.part(now, why);
                }
                Ending::Close(why) => self.close(CloseReason::Protocol(why)),
            }
        }
        Ok(())
    }

    fn send(&mut self, frame: Rope) {
        self.outputs.extend(frame.into_chunks().into_iter().map(Output::Bytes));
    }

    /// Closes in a moment: some clients do not read what came right before the end of a connection.
    fn part(&mut self, now: Instant, why: String) {
        self.phase = Phase::Parting;
        self.intake.clear();
        self.open.clear();
        self.parting = Some(why);
        self.outputs.push_back(Output::WakeAt(now + SASL_FAILURE_DELAY));
    }

    fn close(&mut self, reason: CloseReason) {
        self.phase = Phase::Closed;
        self.intake.clear();
        self.open.clear();
        self.outputs.push_back(Output::Close(reason));
    }

    fn end_parting(&mut self, input: &Input) {
        if matches!(input, Input::Timeout | Input::Shutdown) {
            let why = self.parting.take().unwrap_or_default();
            self.close(CloseReason::Protocol(why));
        }
    }

    fn take_input(&mut self, input: Input) -> Result<(), SessionError> {
        match input {
            Input::Bytes(bytes) if self.phase == Phase::Serving => self.intake.push(bytes),
            Input::Bytes(_) | Input::Timeout => {}
            Input::Reply(token, reply) => self.take_reply(token, reply)?,
            Input::Shutdown => {
                self.phase = Phase::Draining;
                self.intake.clear();
            }
        }
        Ok(())
    }

    fn take_reply(&mut self, token: Token, reply: Reply) -> Result<(), SessionError> {
        if token.0 & UNCONFIRMED == 0 {
            return self.open.take(token, reply);
        }
        let Reply::Publish(published) = reply else { return Err(open::strange("Publish")) };
        let Some(open) = self.unconfirmed.checked_sub(1) else {
            return Err(SessionError::Bug("an unconfirmed publish was answered twice".into()));
        };
        self.unconfirmed = open;
        if let Some(why) = first_refusal(&published) {
            // Without a response, the end of the connection is the only sign that the producer can get.
            self.open.end(Ending::Close(format!("a publish with acks=0 was refused: {why}")));
        }
        Ok(())
    }
}

impl Session for KafkaSession {
    fn handle(&mut self, now: Instant, input: Input) -> Result<(), SessionError> {
        match self.phase {
            Phase::Closed => return Ok(()),
            Phase::Parting => {
                self.end_parting(&input);
                return Ok(());
            }
            Phase::Serving | Phase::Draining => {}
        }
        self.connection.hold_back.tick(now);
        let handled = self.take_input(input).and_then(|()| self.advance(now));
        if handled.is_err() {
            // The driver closes; what is among the outputs still goes out, nothing else does.
            self.phase = Phase::Closed;
            self.intake.clear();
            self.open.clear();
        }
        handled
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn charge(&mut self, now: Instant, worked: Duration) {
        if self.phase == Phase::Serving {
            self.connection.hold_back.tick(now);
            self.connection.hold_back.charge(worked);
            self.tell_hold();
        }
    }

    fn wants_bytes(&self) -> bool {
        self.phase == Phase::Serving && self.has_room() && !self.intake.is_held_up()
    }

    fn is_known(&self) -> bool {
        self.connection.authentication.is_over()
    }

    /// Also while it is held back: who has to be quiet for longer than a connection may be is not waited for.
    fn is_idle(&self) -> bool {
        self.open.is_empty() && self.unconfirmed == 0
    }
}

fn first_refusal(published: &[Published]) -> Option<String> {
    published.iter().find_map(|published| published.as_ref().err()).map(ToString::to_string)
}

/// What no client may send.
fn misbehaved(what: &dyn std::fmt::Display) -> SessionError {
    SessionError::PeerMisbehaved(what.to_string())
}

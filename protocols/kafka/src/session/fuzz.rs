//! An entry point for fuzzers: a whole connection, with a broker that answers anything it may.

use std::collections::VecDeque;

use forebay_kit::model::Request;
use forebay_kit::{Bytes, BytesMut, ConnectionInfo, Input, Instant, Output, Session, SessionError, Token};

use super::KafkaSession;
use super::any_broker::AnyBroker;
use crate::wire::frame::Framing;
use crate::wire::{AnyResponse, ApiKey, Cursor as Reader, RequestHead};

/// Bytes of a frame in the fuzzed session.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Open requests in the fuzzed session.
const REQUESTS_OPEN_MAX: usize = 4;

/// Takes `data` for what a client sends, cut at places that its own bytes decide, and answers every request with something that
/// the broker may answer, in any order.
///
/// # Panics
/// When the session has a bug: it says so itself, or a response cannot be read by the one who asked, or comes out of turn.
pub fn fuzz_session(data: &[u8]) {
    let Some((seed, stream)) = data.split_first_chunk::<8>() else { return };
    let mut run = Run::new(u64::from_be_bytes(*seed), stream);
    let mut rest = stream;
    while !rest.is_empty() && !run.has_ended {
        let piece = 1 + run.broker.below(rest.len().min(600) as u64) as usize;
        let (piece, behind) = rest.split_at(piece);
        rest = behind;
        run.input(Input::Bytes(Bytes::copy_from_slice(piece)));
        while run.broker.below(3) != 0 && run.answer_one() {}
        while !run.session.wants_bytes() && run.answer_one() {}
    }
    if !run.has_ended {
        run.input(Input::Shutdown);
    }
    while run.answer_one() {}
    assert!(run.has_ended || run.session.is_idle(), "everything was answered");
}

struct Run {
    session: KafkaSession,
    broker: AnyBroker,
    /// What the client asked, in order.
    asked: VecDeque<RequestHead>,
    calls: Vec<(Token, Request)>,
    sent: BytesMut,
    has_ended: bool,
}

impl Run {
    fn new(seed: u64, stream: &[u8]) -> Run {
        let peer = std::net::SocketAddr::from(([127, 0, 0, 1], 40_000));
        let info = ConnectionInfo {
            peer,
            frame_bytes_max: FRAME_BYTES_MAX,
            requests_open_max: REQUESTS_OPEN_MAX,
            memory: forebay_kit::SessionMemory::new(FRAME_BYTES_MAX),
            meter: std::sync::Arc::new(forebay_kit::Unmetered),
            login: None,
            is_encrypted: false,
        };
        Run {
            session: KafkaSession::new(info),
            broker: AnyBroker { state: seed },
            asked: heads(stream),
            calls: Vec::new(),
            sent: BytesMut::new(),
            has_ended: false,
        }
    }

    fn input(&mut self, input: Input) {
        match self.session.handle(Instant(0), input) {
            Ok(()) => {}
            Err(SessionError::PeerMisbehaved(_)) => self.has_ended = true,
            Err(bug @ SessionError::Bug(_)) => panic!("{bug}"),
        }
        while let Some(output) = self.session.poll() {
            match output {
                Output::Bytes(bytes) => self.sent.extend_from_slice(&bytes),
                Output::Call(token, request) => self.calls.push((token, request)),
                Output::WakeAt(_) => {}
                Output::Close(_) => self.has_ended = true,
            }
        }
        self.read_responses();
    }

    fn answer_one(&mut self) -> bool {
        if self.calls.is_empty() {
            return false;
        }
        let at = self.broker.below(self.calls.len() as u64) as usize;
        let (token, request) = self.calls.swap_remove(at);
        let reply = self.broker.reply(&request);
        if !self.has_ended {
            self.input(Input::Reply(token, reply));
        }
        true
    }

    fn read_responses(&mut self) {
        while let Ok(Some(frame)) = Framing::default().next(&mut self.sent) {
            let mut read = false;
            while let Some(head) = self.asked.pop_front() {
                read = answers(&frame, head);
                if read {
                    break;
                }
                assert_eq!(head.api_key, ApiKey::Produce.number(), "only a publish may go unanswered");
            }
            assert!(read, "a response to nobody");
        }
    }
}

/// The requests in a stream, up to where it breaks off.
fn heads(stream: &[u8]) -> VecDeque<RequestHead> {
    let mut stream = BytesMut::from(stream);
    let framing = Framing::with_max(FRAME_BYTES_MAX);
    let frames = std::iter::from_fn(|| framing.next(&mut stream).ok().flatten());
    frames.map_while(|frame| RequestHead::peek(&frame).ok()).collect()
}

/// Whether a frame answers a request, in a shape that its sender can read.
fn answers(frame: &Bytes, head: RequestHead) -> bool {
    let Some(api) = ApiKey::from_number(head.api_key) else { return false };
    let version =
        if api == ApiKey::ApiVersions && !api.api().serves(head.api_version) { 0 } else { head.api_version };
    AnyResponse::read(&mut Reader::new(frame), api, version).is_ok_and(|(id, _)| id == head.correlation_id)
}

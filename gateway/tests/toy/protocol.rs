//! A frame is a length (u32), a command (one byte) and the command's argument.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use forebay_kit::model::{AllocateProducer, ProducerEpoch, ProducerId, Reply, Request};
use forebay_kit::{
    Bytes, BytesMut, CloseReason, ConnectionInfo, Input, Instant, Output, Protocol, Session, SessionError,
    Token,
};

#[derive(Default)]
pub struct Toy {
    /// Bytes that sessions gave away for floods.
    pub flooded: Arc<AtomicUsize>,
}

impl Protocol for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn default_port(&self) -> u16 {
        0
    }

    fn open(&self, connection: ConnectionInfo) -> Box<dyn Session> {
        Box::new(ToySession {
            info: connection,
            flooded: Arc::clone(&self.flooded),
            input: BytesMut::new(),
            out: VecDeque::new(),
            flood: (0, 0),
            open: 0,
            next_token: 0,
            has_logged_in: false,
            stopping: false,
            muted_until: None,
        })
    }
}

struct ToySession {
    info: ConnectionInfo,
    flooded: Arc<AtomicUsize>,
    input: BytesMut,
    out: VecDeque<Output>,
    /// Frames still to give, and the size of their argument.
    flood: (u32, u32),
    open: usize,
    next_token: u64,
    has_logged_in: bool,
    stopping: bool,
    /// It wants no bytes before then.
    muted_until: Option<Instant>,
}

pub fn frame(command: u8, argument: &[u8]) -> Vec<u8> {
    let mut frame = (1 + argument.len() as u32).to_be_bytes().to_vec();
    frame.push(command);
    frame.extend_from_slice(argument);
    frame
}

fn number(argument: &[u8]) -> u64 {
    u64::from_be_bytes(argument.try_into().expect("an argument of eight bytes"))
}

impl ToySession {
    fn say(&mut self, command: u8, argument: &[u8]) {
        self.out.push_back(Output::Bytes(Bytes::from(frame(command, argument))));
    }

    fn decode(&mut self, now: Instant) -> Result<(), SessionError> {
        while !self.stopping && self.wants_bytes() && self.input.len() >= 4 {
            let length = u32::from_be_bytes(self.input[..4].try_into().unwrap()) as usize;
            if length == 0 || length > self.info.frame_bytes_max {
                return Err(SessionError::PeerMisbehaved(format!("a frame of {length} bytes")));
            }
            if self.input.len() < 4 + length {
                return Ok(());
            }
            let body = self.input.split_to(4 + length).split_off(4);
            self.obey(now, body[0], &body[1..])?;
        }
        Ok(())
    }

    fn obey(&mut self, now: Instant, command: u8, argument: &[u8]) -> Result<(), SessionError> {
        match command {
            b'e' => self.say(b'e', argument),
            b'l' => {
                self.has_logged_in = true;
                self.say(b'l', b"");
            }
            b'c' => {
                let present = Some((ProducerId(number(argument) as i64), ProducerEpoch(0)));
                self.open += 1;
                self.next_token += 1;
                let request = Request::AllocateProducer(AllocateProducer { present });
                self.out.push_back(Output::Call(Token(self.next_token), request));
            }
            b'f' => self.flood = (number(argument) as u32, 64 * 1024),
            b't' => self.out.push_back(Output::WakeAt(now + Duration::from_millis(number(argument)))),
            b'm' => {
                let until = now + Duration::from_millis(number(argument));
                self.muted_until = Some(until);
                self.say(b'm', b"");
                self.out.push_back(Output::WakeAt(until));
            }
            b'q' => {
                self.say(b'q', b"");
                self.out.push_back(Output::Close(CloseReason::Protocol("it asked to".into())));
                self.stopping = true;
            }
            b'x' => {
                self.say(b'x', b"");
                return Err(SessionError::PeerMisbehaved("it sent an x".into()));
            }
            b'b' => return Err(SessionError::Bug("it sent a b".into())),
            b'p' => panic!("it sent a p"),
            other => return Err(SessionError::PeerMisbehaved(format!("no command {other}"))),
        }
        Ok(())
    }
}

impl Session for ToySession {
    fn handle(&mut self, now: Instant, input: Input) -> Result<(), SessionError> {
        match input {
            Input::Bytes(bytes) => self.input.extend_from_slice(&bytes),
            Input::Reply(_, Reply::AllocateProducer(Ok((id, _)))) => {
                self.open -= 1;
                self.say(b'c', &(id.0 as u64).to_be_bytes());
            }
            Input::Reply(token, reply) => return Err(SessionError::Bug(format!("{token:?}: {reply:?}"))),
            Input::Timeout if self.muted_until.take().is_some() => {}
            Input::Timeout => self.say(b't', b""),
            Input::Shutdown => self.stopping = true,
        }
        self.decode(now)
    }

    fn poll(&mut self) -> Option<Output> {
        let (frames, size) = self.flood;
        let Some(left) = frames.checked_sub(1) else { return self.out.pop_front() };
        self.flood.0 = left;
        let bytes = frame(b'f', &vec![0; size as usize]);
        self.flooded.fetch_add(bytes.len(), SeqCst);
        Some(Output::Bytes(Bytes::from(bytes)))
    }

    fn wants_bytes(&self) -> bool {
        self.muted_until.is_none() && self.open < self.info.requests_open_max
    }

    fn is_known(&self) -> bool {
        self.info.login.is_none() || self.has_logged_in
    }

    fn is_idle(&self) -> bool {
        self.open == 0
    }
}

//! A socket that does not block, and the frames that come out of it.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use bytes::{Bytes, BytesMut};
use forebay_kafka::wire::frame::Framing;
use mio::{Interest, Registry, Token};

use crate::client::ClientError;

/// Bytes before each frame: its length.
const PREFIX_BYTES: usize = 4;

/// Room for answers until one needs more: many small ones, or the front of a large one.
const ROOM_BYTES: usize = 4 * 1024;

/// A connection to one broker.
///
/// It is told of readiness once per change (epoll's edges), so a reader goes on until a read did not fill its room; then
/// the next byte makes a new edge.
#[derive(Debug)]
pub struct Link {
    stream: mio::net::TcpStream,
    address: String,
    /// All of it is initialised; `filled` bytes of it came from the broker.
    room: BytesMut,
    filled: usize,
    /// Largest answer that is taken in, bytes.
    answer_bytes_max: usize,
}

/// How much there was to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Everything was read: there will be an edge when more comes.
    Yes,
    /// There may be more.
    No,
}

impl Link {
    /// Takes over a stream with nothing on its way.
    ///
    /// # Errors
    /// The system's.
    pub fn new(stream: TcpStream, address: &str, answer_bytes_max: usize) -> std::io::Result<Link> {
        stream.set_nonblocking(true)?;
        let room = BytesMut::zeroed(ROOM_BYTES);
        let stream = mio::net::TcpStream::from_std(stream);
        Ok(Link { stream, address: address.into(), room, filled: 0, answer_bytes_max })
    }

    /// Lets `registry` tell of this link under `token`.
    ///
    /// # Errors
    /// The system's.
    pub fn register(&mut self, registry: &Registry, token: Token) -> std::io::Result<()> {
        registry.register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// Whom it leads to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Writes as much as the system takes now; says how much that was.
    ///
    /// # Errors
    /// [`ClientError::Lost`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<usize, ClientError> {
        let mut written = 0;
        while written < bytes.len() {
            match self.stream.write(&bytes[written..]) {
                Ok(0) => return Err(self.lost("it was closed")),
                Ok(more) => written += more,
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) => return Err(self.lost(&why.to_string())),
            }
        }
        Ok(written)
    }

    /// Reads once.
    ///
    /// # Errors
    /// [`ClientError::Lost`]; [`ClientError::Garbled`] for a frame of an impossible length.
    pub fn read(&mut self) -> Result<Drained, ClientError> {
        self.make_room()?;
        let read = self.stream.read(&mut self.room[self.filled..]);
        match read {
            Ok(0) => Err(self.lost("it was closed by the broker")),
            Ok(more) => {
                self.filled += more;
                Ok(if self.filled == self.room.len() { Drained::No } else { Drained::Yes })
            }
            Err(why) if why.kind() == ErrorKind::WouldBlock => Ok(Drained::Yes),
            Err(why) if why.kind() == ErrorKind::Interrupted => Ok(Drained::No),
            Err(why) => Err(self.lost(&why.to_string())),
        }
    }

    /// Hands each whole frame to `take`, without its length; says how many there were.
    ///
    /// # Errors
    /// [`ClientError::Garbled`], for `take`'s reason or for a frame of an impossible length. The link is useless then.
    pub fn frames(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<usize, ClientError> {
        let (mut at, mut count) = (0, 0);
        while let Some(length) = self.whole_frame(at)? {
            let begin = at + PREFIX_BYTES;
            take(&self.room[begin..begin + length]).map_err(|why| self.garbled(why))?;
            at = begin + length;
            count += 1;
        }
        self.drop_front(at);
        Ok(count)
    }

    /// Lends the first frame to `take` as bytes that it may cut without copying; nothing of them may be kept. `None`
    /// until the frame is whole.
    ///
    /// # Errors
    /// [`ClientError::Garbled`].
    pub fn lend_frame<T>(&mut self, take: impl FnOnce(Bytes) -> T) -> Result<Option<T>, ClientError> {
        let Some(length) = self.whole_frame(0)? else { return Ok(None) };
        let lent = std::mem::take(&mut self.room).freeze();
        let taken = take(lent.slice(PREFIX_BYTES..PREFIX_BYTES + length));
        self.room = lent.try_into_mut().unwrap_or_else(|kept| BytesMut::from(&kept[..]));
        self.drop_front(PREFIX_BYTES + length);
        Ok(Some(taken))
    }

    /// The answer makes no sense.
    pub fn garbled(&self, why: impl ToString) -> ClientError {
        ClientError::Garbled { address: self.address.clone(), why: why.to_string() }
    }

    /// Makes room for the frame that has begun, or for some.
    fn make_room(&mut self) -> Result<(), ClientError> {
        if self.filled < self.room.len() {
            return Ok(());
        }
        let needed = self.length(0)?.map_or(0, |length| PREFIX_BYTES + length);
        self.room.resize(needed.max(self.room.len() + ROOM_BYTES), 0);
        Ok(())
    }

    fn whole_frame(&self, at: usize) -> Result<Option<usize>, ClientError> {
        let length = self.length(at)?;
        Ok(length.filter(|length| self.filled - at - PREFIX_BYTES >= *length))
    }

    fn length(&self, at: usize) -> Result<Option<usize>, ClientError> {
        let framing = Framing::with_max(self.answer_bytes_max);
        framing.next_length(&self.room[at..self.filled]).map_err(|why| self.garbled(why))
    }

    fn drop_front(&mut self, bytes: usize) {
        if bytes > 0 {
            self.room.copy_within(bytes..self.filled, 0);
            self.filled -= bytes;
        }
    }

    fn lost(&self, why: &str) -> ClientError {
        ClientError::Lost { address: self.address.clone(), why: why.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A link and the other end of it.
    fn pair(answer_bytes_max: usize) -> (Link, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (other, _) = listener.accept().unwrap();
        (Link::new(stream, "b:1", answer_bytes_max).unwrap(), other)
    }

    /// Reads until so many bytes are there.
    fn fill(link: &mut Link, bytes: usize) {
        while link.filled < bytes {
            link.read().unwrap();
        }
    }

    fn frame(content: &[u8]) -> Vec<u8> {
        [&(content.len() as i32).to_be_bytes()[..], content].concat()
    }

    #[test]
    fn frames_come_out_as_they_went_in_however_they_are_cut() {
        let (mut link, mut other) = pair(100_000);
        let large = vec![7; 50_000];
        let all = [frame(b"one"), frame(b""), frame(&large), frame(b"four")].concat();
        let mut frames: Vec<Vec<u8>> = Vec::new();
        let mut sent = 0;
        for piece in all.chunks(9_000) {
            other.write_all(piece).unwrap();
            sent += piece.len();
            let taken: usize = frames.iter().map(|frame| frame.len() + 4).sum();
            fill(&mut link, sent - taken);
            link.frames(|frame| {
                frames.push(frame.to_vec());
                Ok(())
            })
            .unwrap();
        }
        assert_eq!(frames, [&b"one"[..], b"", &large, b"four"]);
        assert_eq!(link.filled, 0);
    }

    #[test]
    fn a_lent_frame_is_not_copied_and_its_room_comes_back() {
        let (mut link, mut other) = pair(100_000);
        other.write_all(&[frame(b"abc"), frame(b"de")].concat()).unwrap();
        fill(&mut link, 13);
        let room = link.room.as_ptr();
        assert_eq!(link.lend_frame(|frame| frame.slice(1..).to_vec()).unwrap(), Some(b"bc".to_vec()));
        assert_eq!(link.lend_frame(|frame| frame.to_vec()).unwrap(), Some(b"de".to_vec()));
        assert_eq!(link.lend_frame(|_| ()).unwrap(), None);
        assert_eq!(link.room.as_ptr(), room);
    }

    #[test]
    fn an_impossible_length_is_refused_before_there_is_room_for_it() {
        let (mut link, mut other) = pair(1000);
        other.write_all(&1001_i32.to_be_bytes()).unwrap();
        fill(&mut link, 4);
        let why = link.frames(|_| Ok(())).unwrap_err();
        assert!(matches!(why, ClientError::Garbled { .. }), "{why}");
        assert_eq!(link.room.len(), ROOM_BYTES);
    }

    #[test]
    fn a_broker_that_hangs_up_is_said_so() {
        let (mut link, other) = pair(1000);
        drop(other);
        let why = loop {
            match link.read() {
                Ok(_) => {}
                Err(why) => break why,
            }
        };
        assert!(matches!(why, ClientError::Lost { .. }), "{why}");
    }
}

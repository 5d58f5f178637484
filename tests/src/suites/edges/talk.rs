//! Requests and answers by hand, in versions that are written plainly: the least that the edges need.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::case::Failure;
use crate::wire;

/// An answer that has not come by then does not come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The attribute of a batch that is part of a transaction.
pub const TRANSACTIONAL: i16 = 0x10;

/// A connection on which requests may be sent ahead of their answers.
pub struct Connection {
    stream: TcpStream,
    client: String,
    sent: i32,
    received: i32,
}

impl Connection {
    /// A fresh one.
    pub fn open(to: SocketAddr) -> Result<Connection, Failure> {
        Connection::open_as(to, "edges")
    }

    /// One of a client of this name.
    pub fn open_as(to: SocketAddr, client: &str) -> Result<Connection, Failure> {
        Ok(Connection {
            stream: wire::connect(to, PATIENCE)?,
            client: client.to_owned(),
            sent: 0,
            received: 0,
        })
    }

    /// Sends a request and does not wait.
    pub fn send(&mut self, key: i16, version: i16, body: Words) -> Result<(), Failure> {
        self.sent += 1;
        let head = Words::new().i16(key).i16(version).i32(self.sent).text(&self.client);
        self.stream.write_all(&wire::frame(&[head.0, body.0].concat()))?;
        Ok(())
    }

    /// The next answer; they come in the order of their requests.
    pub fn receive(&mut self) -> Result<Answer, Failure> {
        self.received += 1;
        let mut answer = Answer { bytes: wire::read_frame(&mut self.stream)?, at: 0 };
        let correlation = answer.i32()?;
        crate::ensure!(
            correlation == self.received,
            "request {} was answered when it was {}'s turn",
            correlation,
            self.received
        );
        Ok(answer)
    }

    /// Waits until the next answer begins, and reads no more of it than its length in bytes.
    pub fn begin_to_receive(&mut self) -> Result<usize, Failure> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        Ok(u32::from_be_bytes(length) as usize)
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, key: i16, version: i16, body: Words) -> Result<Answer, Failure> {
        self.send(key, version, body)?;
        self.receive()
    }

    /// Whether the broker ends the connection instead of saying anything.
    pub fn is_ended(&mut self) -> bool {
        wire::read_frame(&mut self.stream).is_err_and(|why| {
            !matches!(why.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
        })
    }
}

/// What a request says, field after field.
#[derive(Clone, Default)]
pub struct Words(pub Vec<u8>);

impl Words {
    /// Nothing yet.
    pub fn new() -> Words {
        Words::default()
    }

    /// One byte.
    pub fn i8(mut self, value: i8) -> Words {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Two bytes.
    pub fn i16(mut self, value: i16) -> Words {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Four bytes, also the count of what follows.
    pub fn i32(mut self, value: i32) -> Words {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// Eight bytes.
    pub fn i64(mut self, value: i64) -> Words {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    /// A text behind its length.
    pub fn text(self, text: &str) -> Words {
        let mut words = self.i16(i16::try_from(text.len()).expect("the tests' texts are short"));
        words.0.extend_from_slice(text.as_bytes());
        words
    }

    /// No text.
    pub fn no_text(self) -> Words {
        self.i16(-1)
    }

    /// Bytes behind their length.
    pub fn bytes(self, bytes: &[u8]) -> Words {
        let mut words = self.i32(i32::try_from(bytes.len()).expect("the tests' bytes are few"));
        words.0.extend_from_slice(bytes);
        words
    }
}

/// What an answer says, read field after field.
pub struct Answer {
    bytes: Vec<u8>,
    at: usize,
}

impl Answer {
    fn take(&mut self, length: usize) -> Result<&[u8], Failure> {
        let from = self.at;
        self.at += length;
        self.bytes.get(from..self.at).ok_or_else(|| Failure::new("the answer ends too early"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Failure> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// Two bytes.
    pub fn i16(&mut self) -> Result<i16, Failure> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// Four bytes, also the count of what follows.
    pub fn i32(&mut self) -> Result<i32, Failure> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn i64(&mut self) -> Result<i64, Failure> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A text; empty where there is none.
    pub fn text(&mut self) -> Result<String, Failure> {
        let length = usize::try_from(self.i16()?).unwrap_or(0);
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    /// Bytes; empty where there are none.
    pub fn bytes(&mut self) -> Result<Vec<u8>, Failure> {
        let length = usize::try_from(self.i32()?).unwrap_or(0);
        Ok(self.take(length)?.to_vec())
    }
}

/// A batch of small records, as an idempotent producer writes it.
#[derive(Clone, Copy)]
pub struct Batch {
    /// The producer's id; -1 for none, which also stands for its epoch and sequence.
    pub producer: i64,
    /// Sequence of the first record.
    pub sequence: i32,
    /// How many records, fewer than 64.
    pub records: u8,
}

impl Batch {
    /// The batch as it goes over the wire.
    pub fn bytes(self) -> Vec<u8> {
        self.written(0, 0)
    }

    /// The same in a transaction, by a producer of this epoch.
    pub fn in_transaction(self, epoch: i16) -> Vec<u8> {
        self.written(TRANSACTIONAL, epoch)
    }

    fn written(self, attributes: i16, epoch: i16) -> Vec<u8> {
        let count = i32::from(self.records);
        let (epoch, sequence) = if self.producer < 0 { (-1, -1) } else { (epoch, self.sequence) };
        let mut body = Words::new().i16(attributes).i32(count - 1).i64(1).i64(1);
        body = body.i64(self.producer).i16(epoch).i32(sequence).i32(count);
        for number in 0..self.records {
            // Length, attributes, time, offset, no key, a value of one byte, no headers: all of them one byte long.
            body.0.extend_from_slice(&[14, 0, 0, 2 * number, 1, 2, b'v', 0]);
        }
        let crc = crc32c(&body.0).cast_signed();
        let rest = Words::new().i32(-1).i8(2).i32(crc).0;
        let length = i32::try_from(rest.len() + body.0.len()).expect("a small batch");
        [Words::new().i64(0).i32(length).0, rest, body.0].concat()
    }

    /// The same with a wrong checksum.
    pub fn torn(self) -> Vec<u8> {
        let mut bytes = self.bytes();
        bytes[17] ^= 1;
        bytes
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

//! Just enough of Kafka's wire protocol to knock on the door, written by hand so that the tests share no
//! code with what they test.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer of the probes below is larger.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// An ApiVersions request, version 0, with this correlation id: its frame, length included.
pub fn api_versions(correlation: i32) -> Vec<u8> {
    let client = b"forebay-tests";
    let mut body = Vec::new();
    body.extend_from_slice(&18_i16.to_be_bytes());
    body.extend_from_slice(&0_i16.to_be_bytes());
    body.extend_from_slice(&correlation.to_be_bytes());
    body.extend_from_slice(&(client.len() as i16).to_be_bytes());
    body.extend_from_slice(client);
    frame(&body)
}

/// A body behind its length.
pub fn frame(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

/// Connects with timeouts on every step, so that no test hangs in a socket.
pub fn connect(to: SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends ApiVersions and reads its answer: the broker is up and speaks Kafka.
pub fn exchange(stream: &mut TcpStream, correlation: i32) -> io::Result<Vec<u8>> {
    stream.write_all(&api_versions(correlation))?;
    let answer = read_frame(stream)?;
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_string());
    if answer.get(..4) != Some(&correlation.to_be_bytes()) {
        return Err(wrong("the answer's correlation id is not the request's"));
    }
    if answer.get(4..6) != Some(&[0, 0]) {
        return Err(wrong("ApiVersions was answered with an error"));
    }
    Ok(answer)
}

/// Reads one frame without its length.
pub fn read_frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = usize::try_from(i32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > ANSWER_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("an answer of {length} bytes")));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok(body)
}

/// Whether a broker answers ApiVersions there now.
pub fn answers(at: SocketAddr) -> bool {
    connect(at, Duration::from_secs(2)).and_then(|mut stream| exchange(&mut stream, 7)).is_ok()
}

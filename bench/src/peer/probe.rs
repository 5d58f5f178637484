//! Whether a broker answers: asked in its own protocol, because an open port alone says little.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A broker that takes longer to answer is not ready.
const ANSWER_LIMIT: Duration = Duration::from_millis(1000);
/// An answer that is larger is not one to our question.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Whether a Kafka broker there answers an ApiVersions request.
pub fn kafka_answers(address: SocketAddr) -> bool {
    ask(address, &api_versions_request()).is_some_and(|answer| api_versions_succeeded(&answer))
}

/// Whether a NATS server there greets, with JetStream on.
pub fn nats_answers(address: SocketAddr) -> bool {
    let greeting = (|| {
        let mut stream = connect(address)?;
        let mut buffer = vec![0; 4096];
        let length = stream.read(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(String::from_utf8_lossy(&buffer).into_owned())
    })();
    greeting.is_some_and(|text| text.starts_with("INFO ") && text.contains("\"jetstream\":true"))
}

/// The body of an HTTP answer to GET, if it is 200.
pub fn http_get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = connect(address)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_string())
}

fn connect(address: SocketAddr) -> Option<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, ANSWER_LIMIT).ok()?;
    stream.set_read_timeout(Some(ANSWER_LIMIT)).ok()?;
    stream.set_write_timeout(Some(ANSWER_LIMIT)).ok()?;
    Some(stream)
}

/// Sends one frame with its length in front, and reads one.
fn ask(address: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = connect(address)?;
    stream.write_all(request).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
    if length > ANSWER_BYTES_MAX {
        return None;
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}

const CORRELATION: u32 = 0x0f0e_0b0a;

/// ApiVersions, version 0, from a client without a name.
fn api_versions_request() -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(18_i16.to_be_bytes());
    frame.extend(0_i16.to_be_bytes());
    frame.extend(CORRELATION.to_be_bytes());
    frame.extend((-1_i16).to_be_bytes());
    let length = u32::try_from(frame.len()).expect("ten bytes");
    [&length.to_be_bytes()[..], &frame].concat()
}

fn api_versions_succeeded(answer: &[u8]) -> bool {
    answer.len() > 6 && answer[..4] == CORRELATION.to_be_bytes() && answer[4..6] == [0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection with these bytes, once it was asked if it waits to be.
    fn server(answer: &'static [u8], waits: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            if waits {
                assert!(stream.read(&mut [0; 256]).unwrap() > 0);
            }
            stream.write_all(answer).unwrap();
        });
        address
    }

    #[test]
    fn kafka_is_ready_when_it_answers_without_an_error() {
        assert!(kafka_answers(server(b"\0\0\0\x07\x0f\x0e\x0b\x0a\0\0\0", true)));
        assert!(!kafka_answers(server(b"\0\0\0\x07\x0f\x0e\x0b\x0a\0\x23\0", true)));
        assert!(!kafka_answers(server(b"\xff\0\0\x07", true)));
    }

    #[test]
    fn nats_is_ready_when_it_greets_with_jetstream() {
        assert!(nats_answers(server(b"INFO {\"jetstream\":true}\r\n", false)));
        assert!(!nats_answers(server(b"INFO {\"headers\":true}\r\n", false)));
    }

    #[test]
    fn a_port_without_anybody_does_not_answer() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(!kafka_answers(address) && !nats_answers(address));
        assert_eq!(http_get(address, "/"), None);
    }

    #[test]
    fn only_a_good_answer_has_a_body() {
        assert_eq!(
            http_get(server(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nbody", true), "/").as_deref(),
            Some("body")
        );
        assert_eq!(http_get(server(b"HTTP/1.1 503 No\r\n\r\nbody", true), "/"), None);
    }
}

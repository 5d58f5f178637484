//! Input that no client sends: that connection ends, and every other goes on.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use crate::case::{BrokerUse, Case, Context, Outcome, Suite};
use crate::ensure;
use crate::port::random;
use crate::wire;

/// A broker that has not closed a wrong connection by then leaves it open.
const PATIENCE: Duration = Duration::from_secs(10);

/// The cases with wrong frames.
pub fn suite() -> Suite {
    Suite {
        name: "hostile",
        needs: &[],
        broker: BrokerUse::Shared,
        cases: vec![
            Case::new("a-length-beyond-all-bounds", 30, |c| {
                closes(c, &[0x7f, 0xff, 0xff, 0xff, 0, 18, 0, 0])
            }),
            Case::new("a-negative-length", 30, |c| closes(c, &[0xff, 0xff, 0xff, 0xfe, 0, 18, 0, 0])),
            Case::new("another-protocol", 30, |c| {
                closes(c, b"GET /metrics HTTP/1.1\r\nHost: broker\r\n\r\n")
            }),
            Case::new("a-tls-greeting", 30, |c| {
                closes(c, &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 3, 3])
            }),
            Case::new("an-unknown-request", 30, |c| closes(c, &request(9_999, 0, &[]))),
            Case::new("an-empty-frame", 30, |c| closes(c, &wire::frame(&[]))),
            Case::new("a-count-beyond-its-frame", 30, |c| closes(c, &request(3, 1, &i32::MAX.to_be_bytes()))),
            Case::new("a-body-cut-short", 30, |c| closes(c, &request(0, 3, &[0xff, 0xff, 0xff]))),
            Case::new("garbage", 60, garbage),
            Case::new("half-a-frame-then-gone", 60, half_a_frame),
            Case::new("byte-by-byte", 30, byte_by_byte),
            Case::new("bytes-behind-the-last-field", 30, bytes_behind),
            Case::new("many-requests-in-one-write", 30, pipelined),
        ],
    }
}

/// A request with a header of version 1.
fn request(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    all.extend_from_slice(&key.to_be_bytes());
    all.extend_from_slice(&version.to_be_bytes());
    all.extend_from_slice(&1_i32.to_be_bytes());
    all.extend_from_slice(&(-1_i16).to_be_bytes());
    all.extend_from_slice(body);
    wire::frame(&all)
}

fn connect(context: &mut Context) -> std::io::Result<TcpStream> {
    wire::connect(context.broker().address(), PATIENCE)
}

/// These bytes end their own connection, without an answer, and leave another one as it was.
fn closes(context: &mut Context, bytes: &[u8]) -> Outcome {
    let mut other = connect(context)?;
    wire::exchange(&mut other, 1)?;
    let mut wrong = connect(context)?;
    wrong.write_all(bytes)?;
    let answer = until_closed(&mut wrong)?;
    ensure!(answer.is_empty(), "it was answered with {} bytes", answer.len());
    wire::exchange(&mut other, 2)?;
    Ok(())
}

/// All that is read until the other side closes, be it with a reset.
fn until_closed(stream: &mut TcpStream) -> Result<Vec<u8>, crate::case::Failure> {
    let mut all = Vec::new();
    match stream.read_to_end(&mut all) {
        Ok(_) => Ok(all),
        Err(why) if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&why.kind()) => Ok(all),
        Err(why) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&why.kind()) => Err(
            crate::case::Failure::new(format!("the connection is still open after {} s", PATIENCE.as_secs())),
        ),
        Err(why) => Err(why.into()),
    }
}

/// Random bytes on many connections, then their end. Whatever the broker makes of them, it closes and goes on.
fn garbage(context: &mut Context) -> Outcome {
    let mut other = connect(context)?;
    for round in 0..100 {
        let mut wrong = connect(context)?;
        let bytes: Vec<u8> = (0..512).flat_map(|_| random().to_be_bytes()).collect();
        // It may be closed before all is written.
        let _ = wrong.write_all(&bytes[..(random() % 4_096) as usize]);
        let _ = wrong.shutdown(Shutdown::Write);
        until_closed(&mut wrong)?;
        wire::exchange(&mut other, round)?;
    }
    Ok(())
}

fn half_a_frame(context: &mut Context) -> Outcome {
    let mut other = connect(context)?;
    let whole = wire::api_versions(5);
    for round in 0..200 {
        let mut leaving = connect(context)?;
        leaving.write_all(&whole[..(random() as usize) % whole.len()])?;
        drop(leaving);
        wire::exchange(&mut other, round)?;
    }
    Ok(())
}

fn byte_by_byte(context: &mut Context) -> Outcome {
    let mut stream = connect(context)?;
    for byte in wire::api_versions(9) {
        stream.write_all(&[byte])?;
    }
    let answer = wire::read_frame(&mut stream)?;
    ensure!(answer[..4] == 9_i32.to_be_bytes(), "the answer has another correlation id");
    Ok(())
}

/// Kafka passes over what stands behind a request's last field, and librdkafka 2.16 relies on that: it puts three
/// stray bytes into a Metadata request for all topics.
fn bytes_behind(context: &mut Context) -> Outcome {
    let mut stream = connect(context)?;
    let no_topics = 0_i32.to_be_bytes();
    stream.write_all(&request(3, 1, &[&no_topics[..], &[0, 0, 0]].concat()))?;
    let answer = wire::read_frame(&mut stream)?;
    ensure!(answer[..4] == 1_i32.to_be_bytes(), "the answer has another correlation id");
    wire::exchange(&mut stream, 2)?;
    Ok(())
}

fn pipelined(context: &mut Context) -> Outcome {
    let mut stream = connect(context)?;
    let all: Vec<u8> = (0..500).flat_map(wire::api_versions).collect();
    let mut writer = stream.try_clone()?;
    let sender = std::thread::spawn(move || writer.write_all(&all));
    for correlation in 0..500_i32 {
        let answer = wire::read_frame(&mut stream)?;
        ensure!(answer[..4] == correlation.to_be_bytes(), "answer {correlation} has another correlation id");
    }
    let sent = sender.join().map_err(|_| crate::case::Failure::new("the sender panicked"))?;
    sent?;
    Ok(())
}

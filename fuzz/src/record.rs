//! Listening in: a proxy between a real client and a real broker that writes down what they say to each other.
//!
//! The broker must advertise the proxy's address, or clients go past it after their first question (README.md shows how).

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use forebay_kafka::wire::{ApiKey, RequestHead};

use crate::exchange::Exchange;

/// Frames above this many bytes go through, but are not written down.
const FRAME_BYTES_MAX: usize = 4 * 1024;
/// Exchanges of one API and version.
const SAMPLES_MAX: usize = 12;
/// Bytes read from a socket at once.
const PIECE_BYTES: usize = 64 * 1024;

/// The words behind `record`.
pub const USAGE: &str = "\
forebay-fuzz record --listen HOST:PORT --to HOST:PORT --client NAME --about TEXT --into FOLDER
                            writes down what a client and a broker say to each other
";

/// Who listens in on whom.
struct Recorder {
    client: String,
    about: String,
    into: PathBuf,
    /// How many exchanges of an API and a version are written down.
    counts: Mutex<HashMap<(i16, i16), usize>>,
}

/// Requests of one connection that are not answered yet, by correlation id.
type Open = Arc<Mutex<HashMap<i32, Vec<u8>>>>;

/// Records until somebody ends the process.
pub fn record(words: &[String]) -> Result<usize, String> {
    let value = |name: &str| {
        let at = words.iter().position(|word| word == name);
        at.and_then(|at| words.get(at + 1)).ok_or_else(|| format!("{name} is missing\n\n{USAGE}"))
    };
    let (listen, to) = (value("--listen")?, value("--to")?.clone());
    let recorder = Arc::new(Recorder {
        client: value("--client")?.clone(),
        about: value("--about")?.clone(),
        into: value("--into")?.into(),
        counts: Mutex::default(),
    });
    fs::create_dir_all(&recorder.into).map_err(|why| format!("{}: {why}", recorder.into.display()))?;
    let listener = TcpListener::bind(listen).map_err(|why| format!("{listen}: {why}"))?;
    println!("recording on {listen}, in front of {to}");
    for client in listener.incoming() {
        let (Ok(client), Ok(broker)) = (client, TcpStream::connect(&to)) else { continue };
        recorder.clone().join(client, broker).map_err(|why| why.to_string())?;
    }
    Ok(0)
}

impl Recorder {
    /// Two threads per connection, one for each direction.
    fn join(self: Arc<Self>, client: TcpStream, broker: TcpStream) -> io::Result<()> {
        let open = Open::default();
        let asking = (client.try_clone()?, broker.try_clone()?, open.clone(), self.clone());
        thread::spawn(move || {
            let (client, broker, open, recorder) = asking;
            carry(client, broker, |frame| recorder.asked(frame, &open));
        });
        thread::spawn(move || carry(broker, client, |frame| self.answered(frame, &open)));
        Ok(())
    }

    fn asked(&self, frame: &[u8], open: &Open) {
        let Ok(head) = RequestHead::peek(&Bytes::copy_from_slice(frame)) else { return };
        open.lock().expect("no one panics with it").insert(head.correlation_id, frame.to_vec());
    }

    fn answered(&self, frame: &[u8], open: &Open) {
        let Some(id) = frame.first_chunk().map(|id| i32::from_be_bytes(*id)) else { return };
        let Some(request) = open.lock().expect("no one panics with it").remove(&id) else { return };
        if request.len() <= FRAME_BYTES_MAX && frame.len() <= FRAME_BYTES_MAX {
            self.write_down(request, frame.to_vec());
        }
    }

    fn write_down(&self, request: Vec<u8>, response: Vec<u8>) {
        let head = RequestHead::peek(&Bytes::copy_from_slice(&request)).expect("it was read before");
        let Some(api) = ApiKey::from_number(head.api_key) else { return };
        if !api.api().decodes.contains(&head.api_version) {
            println!("{}, version {}: no codec", api.name(), head.api_version);
            return;
        }
        let count = {
            let mut counts = self.counts.lock().expect("no one panics with it");
            let count = counts.entry((head.api_key, head.api_version)).or_insert(0);
            *count += 1;
            *count
        };
        if count > SAMPLES_MAX {
            return;
        }
        let name = format!("{}-{}-v{}", self.client, dashed(api.name()), head.api_version);
        let about = format!("# {}: {}, version {}\n", self.about, api.name(), head.api_version);
        let exchange = Exchange { name: name.clone(), about, request, response: Some(response) };
        let path = self.into.join(format!("{name}.{count}.txt"));
        if let Err(why) = write(&path, &exchange) {
            eprintln!("{}: {why}", path.display());
        }
    }
}

fn write(path: &Path, exchange: &Exchange) -> io::Result<()> {
    fs::write(path, exchange.print())
}

/// `OffsetForLeaderEpoch` as `offset-for-leader-epoch`.
fn dashed(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// Carries bytes from one socket to the other and shows every whole frame on the way.
fn carry(mut from: TcpStream, mut to: TcpStream, mut show: impl FnMut(&[u8])) {
    let mut waiting: Vec<u8> = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    while let Ok(len @ 1..) = from.read(&mut piece) {
        waiting.extend_from_slice(&piece[..len]);
        // Shown before it is sent on: an answer must not come before its question is known.
        while let Some((frame, len)) = whole_frame(&waiting) {
            show(frame);
            waiting.drain(..len);
        }
        if to.write_all(&piece[..len]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// The first frame, and its length with what is in front of it.
fn whole_frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    rest.get(..length).map(|frame| (frame, 4 + length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange;

    #[test]
    fn names_are_dashed() {
        assert_eq!(dashed("OffsetForLeaderEpoch"), "offset-for-leader-epoch");
        assert_eq!(dashed("Fetch"), "fetch");
    }

    #[test]
    fn what_two_sides_say_goes_through_and_is_written_down() {
        let dir = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let broker = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let recorder = Arc::new(Recorder {
            client: "someone".into(),
            about: "someone asks".into(),
            into: dir.path().into(),
            counts: Mutex::default(),
        });
        let to_broker = TcpStream::connect(broker.local_addr().unwrap()).unwrap();
        recorder.join(listener.accept().unwrap().0, to_broker).unwrap();
        let (mut broker, _) = broker.accept().unwrap();

        let request = b"\0\x12\0\0\0\0\0\x07\0\x01c";
        let response = b"\0\0\0\x07\0\0\0\0\0\0";
        let mut heard = [0; 15];
        client.write_all(&[&[0, 0, 0, 11][..], request].concat()).unwrap();
        broker.read_exact(&mut heard).unwrap();
        assert_eq!(&heard[4..], request);
        let mut heard = [0; 14];
        broker.write_all(&[&[0, 0, 0, 10][..], response].concat()).unwrap();
        client.read_exact(&mut heard).unwrap();
        assert_eq!(&heard[4..], response);

        let written = exchange::read_all(dir.path()).unwrap();
        assert_eq!(written.len(), 1);
        assert_eq!(written[0].name, "someone-api-versions-v0.1");
        assert_eq!(written[0].request, request);
        assert_eq!(written[0].response.as_deref(), Some(&response[..]));
    }
}

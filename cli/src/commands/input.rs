//! What `produce` reads: lines or whole files, from files or standard input, read ahead by a thread of its own so that
//! reading never holds up a wish to stop.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::{Bytes, BytesMut};

/// Chunks of lines that are read ahead.
const CHUNKS_AHEAD_MAX: usize = 64;
/// What one read asks for: a chunk is the lines that are in it.
const READ_BYTES: usize = 64 * 1024;
/// Longest line, or largest file with `--whole`: what a broker can be set up to take.
const RECORD_BYTES_MAX: usize = 128 * 1024 * 1024;

/// What makes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A line, without its end.
    Line,
    /// A file.
    File,
}

/// Records to be, some at a time, or why there are no more.
pub type Chunk = Result<Vec<Bytes>, String>;

/// Begins to read. The channel ends behind the last chunk.
pub fn read(files: &[PathBuf], unit: Unit) -> Receiver<Chunk> {
    let (sender, receiver) = sync_channel(CHUNKS_AHEAD_MAX);
    let mut files = files.to_vec();
    if files.is_empty() {
        files.push("-".into());
    }
    thread::spawn(move || {
        for file in &files {
            if let Err(why) = read_one(file, unit, &sender) {
                // Whoever does not listen any more does not want to know.
                let _ = sender.send(Err(format!("{}: {why}", file.display())));
                return;
            }
        }
    });
    receiver
}

fn read_one(path: &Path, unit: Unit, sender: &SyncSender<Chunk>) -> Result<(), String> {
    let mut source: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|why| why.to_string())?)
    };
    match unit {
        Unit::Line => lines(&mut source, sender),
        Unit::File => whole(&mut source, sender),
    }
}

fn lines(source: &mut dyn Read, sender: &SyncSender<Chunk>) -> Result<(), String> {
    let mut pending = BytesMut::new();
    loop {
        let unfinished = pending.len();
        pending.resize(unfinished + READ_BYTES, 0);
        let read = read_some(source, &mut pending[unfinished..])?;
        pending.truncate(unfinished + read);
        let mut chunk = Vec::new();
        if read == 0 && !pending.is_empty() {
            chunk.push(pending.split().freeze());
        }
        // Only what is new can hold the end of the first line.
        let mut search_from = unfinished;
        while let Some(end) = pending.get(search_from..).and_then(|new| new.iter().position(|b| *b == b'\n'))
        {
            let line = pending.split_to(search_from + end + 1).freeze();
            chunk.push(line.slice(..line.len() - 1));
            search_from = 0;
        }
        if pending.len() > RECORD_BYTES_MAX {
            return Err(format!("a line is longer than {RECORD_BYTES_MAX} bytes"));
        }
        if !chunk.is_empty() && sender.send(Ok(chunk)).is_err() {
            return Ok(());
        }
        if read == 0 {
            return Ok(());
        }
    }
}

fn whole(source: &mut dyn Read, sender: &SyncSender<Chunk>) -> Result<(), String> {
    let mut content = Vec::new();
    source.take(RECORD_BYTES_MAX as u64 + 1).read_to_end(&mut content).map_err(|why| why.to_string())?;
    if content.len() > RECORD_BYTES_MAX {
        return Err(format!("it is larger than {RECORD_BYTES_MAX} bytes"));
    }
    let _ = sender.send(Ok(vec![content.into()]));
    Ok(())
}

fn read_some(source: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, String> {
    loop {
        match source.read(buffer) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(|why| why.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(content: &[u8]) -> Vec<Bytes> {
        let (sender, receiver) = sync_channel(CHUNKS_AHEAD_MAX);
        lines(&mut &content[..], &sender).unwrap();
        drop(sender);
        receiver.iter().flat_map(Result::unwrap).collect()
    }

    #[test]
    fn lines_lose_their_newline_and_nothing_else() {
        assert_eq!(lines_of(b"a\r\n\nb\xff\nlast"), [&b"a\r"[..], b"", b"b\xff", b"last"]);
        assert_eq!(lines_of(b"a\n"), [&b"a"[..]]);
        assert_eq!(lines_of(b""), [&b""[..]; 0]);
    }

    #[test]
    fn a_line_longer_than_a_read_stays_in_one_piece() {
        let mut content = vec![b'x'; READ_BYTES * 3 + 5];
        content.extend_from_slice(b"\nshort\n");
        let lines = lines_of(&content);
        assert_eq!(lines.iter().map(Bytes::len).collect::<Vec<_>>(), [READ_BYTES * 3 + 5, 5]);
    }

    #[test]
    fn files_are_read_in_order_and_a_missing_one_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("a"), "1\n2").unwrap();
        std::fs::write(path("b"), "3\n").unwrap();
        let all: Vec<Chunk> = read(&[path("a"), path("b"), path("c")], Unit::Line).iter().collect();
        let (last, read_before) = all.split_last().unwrap();
        let lines: Vec<Bytes> = read_before.iter().flat_map(|chunk| chunk.clone().unwrap()).collect();
        assert_eq!(lines, [&b"1"[..], b"2", b"3"]);
        assert!(last.as_ref().unwrap_err().contains("No such file"));
        let whole: Vec<Chunk> = read(&[path("a")], Unit::File).iter().collect();
        assert_eq!(whole, [Ok(vec![Bytes::from_static(b"1\n2")])]);
    }
}

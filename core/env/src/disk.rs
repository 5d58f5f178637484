//! Files. Writes go to the page cache and are durable only after [`File::sync_data`]; a new, renamed or
//! removed name is durable only after [`Disk::sync_dir`] of its directory. The simulated disk loses, tears and
//! reorders whatever was not synced.

use std::io;
use std::path::Path;
use std::sync::Arc;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; writes are refused.
    Read,
    /// Must exist; read and write.
    Write,
    /// Must not exist; read and write.
    CreateNew,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirEntry {
    /// File name without its directory.
    pub name: String,
    /// Length in bytes; zero for directories.
    pub len: u64,
    /// Whether this is a directory.
    pub is_dir: bool,
}

/// Space on the file system that holds a path, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// Size of the file system.
    pub total: u64,
    /// What an ordinary process may still write.
    pub free: u64,
}

/// A file system.
pub trait Disk: Send + Sync {
    /// Opens one file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;
    /// The names in `dir`, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>>;
    /// Creates `dir` and its parents; existing ones are no error. Durable after `sync_dir` of each parent.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Replaces `to` atomically. Durable after `sync_dir`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name; open handles stay readable. Durable after `sync_dir`.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Space left for `path`.
    fn space(&self, path: &Path) -> io::Result<DiskSpace>;
    /// Takes an exclusive lock on the file `path`, creating it; `WouldBlock` when another process holds it.
    /// Released on drop and when the process ends, however it ends.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// A held lock; dropping it releases.
pub trait Lock: Send + Sync {}

/// An open file. Positions are bytes from its start; there is no cursor.
pub trait File: Send + Sync {
    /// Reads up to `buf.len()` bytes; fewer only at the end of the file.
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize>;
    /// The same if it needs no wait for the medium; `None` when it would. Where that cannot be told, it reads whatever it takes.
    fn read_at_once(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.read_at(buf, position).map(Some)
    }
    /// These bytes will be read soon: the medium may be asked for them already. A hint; it never fails and never waits.
    fn will_read(&self, _position: u64, _len: u64) {}
    /// Writes all of `parts`, one behind the other. After an error any prefix may have been written.
    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()>;
    /// Cuts or extends with zeroes. Durable after `sync_data`.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Current length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file holds no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// fdatasync: contents and length are on the medium when this returns `Ok`. After an error nothing may be
    /// assumed of any write since the last `Ok`, and the call must not be repeated in the hope of another answer.
    fn sync_data(&self) -> io::Result<()>;

    /// Reads exactly `buf.len()` bytes or fails with `UnexpectedEof`.
    fn read_exact_at(&self, buf: &mut [u8], position: u64) -> io::Result<()> {
        let mut done = 0;
        while done < buf.len() {
            match self.read_at(&mut buf[done..], position + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => done += n,
            }
        }
        Ok(())
    }
}

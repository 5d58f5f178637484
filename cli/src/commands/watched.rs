//! A disk that says on the terminal how much was read of it, so that whoever waits for long work sees it go on.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_server::env::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};

use crate::output::progress::Progress;

/// A disk whose reads are counted.
pub struct Watched {
    disk: Arc<dyn Disk>,
    read: Arc<Mutex<Read>>,
}

/// What was read until now.
struct Read {
    bytes: u64,
    progress: Progress,
}

/// A file of it.
struct WatchedFile {
    file: Arc<dyn File>,
    /// Its name behind that of its directory.
    name: String,
    read: Arc<Mutex<Read>>,
}

impl Watched {
    /// Watches what is read of this disk from now on.
    pub fn new(disk: Arc<dyn Disk>, progress: Progress) -> Watched {
        Watched { disk, read: Arc::new(Mutex::new(Read { bytes: 0, progress })) }
    }

    /// Makes room on the terminal for what is to be said.
    pub fn make_room(&self) {
        locked(&self.read).progress.clear();
    }
}

/// A panic while the line is written spoils nothing but the line.
fn locked(read: &Mutex<Read>) -> MutexGuard<'_, Read> {
    read.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.make_room();
    }
}

impl Disk for Watched {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(path, mode)?;
        let names: Vec<_> = path.iter().rev().take(2).map(|name| name.to_string_lossy()).collect();
        let name = names.into_iter().rev().collect::<Vec<_>>().join("/");
        Ok(Arc::new(WatchedFile { file, name, read: Arc::clone(&self.read) }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.disk.remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.sync_dir(dir)
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        self.disk.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.disk.lock(path)
    }
}

impl File for WatchedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let count = self.file.read_at(buf, position)?;
        let mut read = locked(&self.read);
        read.bytes += count as u64;
        let bytes = read.bytes;
        read.progress.tick_at(bytes, &self.name);
        Ok(count)
    }

    fn will_read(&self, position: u64, len: u64) {
        self.file.will_read(position, len);
    }

    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.file.write_at(parts, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_server::env::real;

    #[test]
    fn what_is_read_is_counted_and_stays_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.seg");
        std::fs::write(&path, "content").unwrap();
        let watched = Watched::new(real::env().disk, Progress::new("verifying", false));
        let file = watched.open(&path, OpenMode::Read).unwrap();
        let mut bytes = [0; 7];
        file.read_exact_at(&mut bytes, 0).unwrap();
        file.read_exact_at(&mut bytes[..3], 4).unwrap();
        assert_eq!(&bytes, b"enttent");
        assert_eq!(locked(&watched.read).bytes, 10);
    }
}

//! Files that nobody needs after the process: nothing of them is made durable. Whoever opens their directory again empties it first.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};

/// A disk whose files are never synced.
pub struct Unsynced(pub Arc<dyn Disk>);

struct UnsyncedFile(Arc<dyn File>);

impl Disk for Unsynced {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(UnsyncedFile(self.0.open(path, mode)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.0.list(dir)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.0.remove_file(path)
    }

    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        self.0.space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.0.lock(path)
    }
}

impl File for UnsyncedFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.0.read_at(buf, position)
    }

    fn read_at_once(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.0.read_at_once(buf, position)
    }

    fn will_read(&self, position: u64, len: u64) {
        self.0.will_read(position, len);
    }

    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.0.write_at(parts, position)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

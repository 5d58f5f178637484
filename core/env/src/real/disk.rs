//! The operating system's files.

use std::fs;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::io::Errno;

use crate::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};

pub(crate) struct SystemDisk;

impl Disk for SystemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut options = fs::OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => {}
            OpenMode::Write => {
                options.write(true);
            }
            OpenMode::CreateNew => {
                options.write(true).create_new(true);
            }
        }
        Ok(Arc::new(SystemFile(options.open(path)?)))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let meta = match entry.metadata() {
                Ok(meta) => meta,
                // Removed between the listing and the look.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            };
            // Our own names are ASCII; a foreign name is nobody's business here.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_dir = meta.is_dir();
            names.push(DirEntry { name, len: if is_dir { 0 } else { meta.len() }, is_dir });
        }
        names.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(names)
    }

    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn space(&self, path: &Path) -> io::Result<DiskSpace> {
        let stat = rustix::fs::statvfs(path)?;
        Ok(DiskSpace {
            total: stat.f_blocks.saturating_mul(stat.f_frsize),
            free: stat.f_bavail.saturating_mul(stat.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(FileLock { _file: file })),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(e)) => Err(e),
        }
    }
}

struct FileLock {
    _file: fs::File,
}

impl Lock for FileLock {}

struct SystemFile(fs::File);

impl File for SystemFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buf, position) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn read_at_once(&self, buf: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        let slices = &mut [io::IoSliceMut::new(buf)];
        match rustix::io::preadv2(&self.0, slices, position, rustix::io::ReadWriteFlags::NOWAIT) {
            Ok(n) if n > 0 => Ok(Some(n)),
            Err(Errno::AGAIN) => Ok(None),
            // The end of the file, for which Linux 5.9 and 5.10 also take what is not in the page cache (preadv2(2), BUGS); or a file
            // system or a sandbox that does not know the flag. The plain read knows.
            Ok(_) | Err(_) => self.read_at(buf, position).map(Some),
        }
    }

    fn will_read(&self, position: u64, len: u64) {
        if let Some(len) = NonZeroU64::new(len) {
            // Advice only: where it is not taken, the read waits.
            let _ = rustix::fs::fadvise(&self.0, position, Some(len), rustix::fs::Advice::WillNeed);
        }
    }

    fn write_at(&self, parts: &[&[u8]], mut position: u64) -> io::Result<()> {
        // At most this many parts go into one pwritev; Linux takes 1024.
        const PARTS_MAX: usize = 512;
        for group in parts.chunks(PARTS_MAX) {
            position += write_group(&self.0, group, position)?;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Writes one group of parts with as few calls as the kernel allows; returns its length.
fn write_group(file: &fs::File, parts: &[&[u8]], position: u64) -> io::Result<u64> {
    let slices: Vec<io::IoSlice<'_>> = parts.iter().map(|part| io::IoSlice::new(part)).collect();
    let total: u64 = parts.iter().map(|part| part.len() as u64).sum();
    let written = match rustix::io::pwritev(file, &slices, position) {
        Ok(n) => n as u64,
        Err(rustix::io::Errno::INTR) => 0,
        Err(e) => return Err(e.into()),
    };
    if written == total {
        return Ok(total);
    }
    // A short write: finish the rest part by part.
    let mut skip = written;
    let mut at = position + written;
    for part in parts {
        let len = part.len() as u64;
        if skip >= len {
            skip -= len;
            continue;
        }
        let rest = &part[usize::try_from(skip).expect("smaller than a slice")..];
        file.write_all_at(rest, at)?;
        at += rest.len() as u64;
        skip = 0;
    }
    Ok(total)
}

//! A file system in memory that forgets, at a power cut, whatever was not flushed.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use forebay_env::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};

#[derive(Default)]
struct Contents {
    now: Vec<u8>,
    flushed: Vec<u8>,
}

#[derive(Default)]
struct Names {
    now: BTreeMap<PathBuf, Arc<Mutex<Contents>>>,
    flushed: BTreeMap<PathBuf, Arc<Mutex<Contents>>>,
    fail: Option<Fail>,
    boots: u64,
}

/// Which calls fail from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    Writes,
    Flushes,
    Reads,
}

/// Cheap to clone; all clones are the same disk.
#[derive(Clone, Default)]
pub struct MemDisk(Arc<Mutex<Names>>);

impl MemDisk {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap()
    }

    /// Every call of this kind fails with EIO.
    pub fn fail(&self, fail: Option<Fail>) {
        self.names().fail = fail;
    }

    /// What was not flushed is gone, contents and names.
    pub fn power_cut(&self) {
        let mut names = self.names();
        names.now = names.flushed.clone();
        for contents in names.now.values() {
            let mut contents = contents.lock().unwrap();
            contents.now = contents.flushed.clone();
        }
        names.fail = None;
        names.boots += 1;
    }

    fn check(&self, fail: Fail) -> io::Result<()> {
        if self.names().fail == Some(fail) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

impl Disk for MemDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut names = self.names();
        if path == Path::new("/proc/sys/kernel/random/boot_id") {
            let text = format!("{:036}", names.boots).into_bytes();
            let contents = Arc::new(Mutex::new(Contents { now: text, flushed: Vec::new() }));
            return Ok(Arc::new(MemFile { disk: self.clone(), contents }));
        }
        let contents = match (names.now.get(path), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(contents), _) => contents.clone(),
            (None, OpenMode::CreateNew) => {
                let contents = Arc::<Mutex<Contents>>::default();
                names.now.insert(path.to_path_buf(), contents.clone());
                contents
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        drop(names);
        Ok(Arc::new(MemFile { disk: self.clone(), contents }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let names = self.names();
        let mut entries = Vec::new();
        for (path, contents) in &names.now {
            let Ok(rest) = path.strip_prefix(dir) else { continue };
            let mut parts = rest.components();
            let Some(first) = parts.next() else { continue };
            let name = first.as_os_str().to_str().unwrap().to_owned();
            let is_dir = parts.next().is_some();
            let len = if is_dir { 0 } else { contents.lock().unwrap().now.len() as u64 };
            if entries.last().is_none_or(|last: &DirEntry| last.name != name) {
                entries.push(DirEntry { name, len, is_dir });
            }
        }
        Ok(entries)
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Fail::Writes)?;
        let mut names = self.names();
        let contents = names.now.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.now.insert(to.to_path_buf(), contents);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.check(Fail::Writes)?;
        self.names().now.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.check(Fail::Flushes)?;
        let mut names = self.names();
        let here = |path: &Path| path.parent() == Some(dir);
        names.flushed.retain(|path, _| !here(path));
        let now: Vec<_> = names.now.iter().filter(|(path, _)| here(path)).collect();
        let now: Vec<_> = now.into_iter().map(|(path, contents)| (path.clone(), contents.clone())).collect();
        names.flushed.extend(now);
        Ok(())
    }

    fn space(&self, _: &Path) -> io::Result<DiskSpace> {
        Ok(DiskSpace { total: 1 << 40, free: 1 << 40 })
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn Lock>> {
        struct Held;
        impl Lock for Held {}
        Ok(Box::new(Held))
    }
}

struct MemFile {
    disk: MemDisk,
    contents: Arc<Mutex<Contents>>,
}

impl File for MemFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        self.disk.check(Fail::Reads)?;
        let contents = self.contents.lock().unwrap();
        let from = contents.now.get(position as usize..).unwrap_or(&[]);
        let n = from.len().min(buf.len());
        buf[..n].copy_from_slice(&from[..n]);
        Ok(n)
    }

    fn write_at(&self, parts: &[&[u8]], position: u64) -> io::Result<()> {
        self.disk.check(Fail::Writes)?;
        let mut contents = self.contents.lock().unwrap();
        let mut at = position as usize;
        for part in parts {
            let end = at + part.len();
            if contents.now.len() < end {
                contents.now.resize(end, 0);
            }
            contents.now[at..end].copy_from_slice(part);
            at = end;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.check(Fail::Writes)?;
        self.contents.lock().unwrap().now.resize(len as usize, 0);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.contents.lock().unwrap().now.len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.check(Fail::Flushes)?;
        let mut contents = self.contents.lock().unwrap();
        contents.flushed = contents.now.clone();
        Ok(())
    }
}

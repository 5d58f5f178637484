//! A file system in memory whose writes and flushes can fail.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use forebay_env::{DirEntry, Disk, DiskSpace, File, Lock, OpenMode};

/// Which calls fail from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fail {
    Writes,
    Flushes,
}

type Contents = Arc<Mutex<Vec<u8>>>;

#[derive(Default)]
struct Names {
    files: BTreeMap<PathBuf, Contents>,
    fail: Option<Fail>,
}

/// Cheap to clone; all clones are the same disk.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Names>>);

impl MemoryDisk {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.0.lock().unwrap()
    }

    /// Every call of this kind fails with EIO.
    pub fn fail(&self, fail: Fail) {
        self.names().fail = Some(fail);
    }

    /// How many files have a name that ends so.
    pub fn files(&self, ending: &str) -> usize {
        self.names().files.keys().filter(|path| path.to_string_lossy().ends_with(ending)).count()
    }

    /// The files whose name ends so, by name.
    pub fn contents(&self, ending: &str) -> BTreeMap<String, Vec<u8>> {
        let names = self.names();
        let wanted = names.files.iter().filter(|(path, _)| path.to_string_lossy().ends_with(ending));
        let read = |(path, contents): (&PathBuf, &Contents)| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), contents.lock().unwrap().clone())
        };
        wanted.map(read).collect()
    }

    /// Flips a bit in the middle of the first file whose name ends so, and says which it was.
    pub fn damage_first(&self, ending: &str) -> String {
        let names = self.names();
        let found = names.files.iter().find(|(path, _)| path.to_string_lossy().ends_with(ending));
        let (path, contents) = found.expect("there is such a file");
        let mut bytes = contents.lock().unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    fn check(&self, fail: Fail) -> io::Result<()> {
        if self.names().fail == Some(fail) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut names = self.names();
        if path == Path::new("/proc/sys/kernel/random/boot_id") {
            let contents = Arc::new(Mutex::new(vec![b'0'; 36]));
            return Ok(Arc::new(MemoryFile { disk: self.clone(), contents }));
        }
        let contents = match (names.files.get(path), mode) {
            (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(contents), _) => Arc::clone(contents),
            (None, OpenMode::CreateNew) => {
                let contents = Contents::default();
                names.files.insert(path.to_path_buf(), Arc::clone(&contents));
                contents
            }
            (None, _) => return Err(io::ErrorKind::NotFound.into()),
        };
        drop(names);
        Ok(Arc::new(MemoryFile { disk: self.clone(), contents }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let names = self.names();
        let here = names.files.iter().filter(|(path, _)| path.parent() == Some(dir));
        let entry = |(path, contents): (&PathBuf, &Contents)| DirEntry {
            name: path.file_name().unwrap().to_str().unwrap().to_owned(),
            len: contents.lock().unwrap().len() as u64,
            is_dir: false,
        };
        Ok(here.map(entry).collect())
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(Fail::Writes)?;
        let mut names = self.names();
        let contents = names.files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        names.files.insert(to.to_path_buf(), contents);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.check(Fail::Writes)?;
        self.names().files.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.check(Fail::Flushes)
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

struct MemoryFile {
    disk: MemoryDisk,
    contents: Contents,
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], position: u64) -> io::Result<usize> {
        let contents = self.contents.lock().unwrap();
        let from = contents.get(position as usize..).unwrap_or(&[]);
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
            if contents.len() < end {
                contents.resize(end, 0);
            }
            contents[at..end].copy_from_slice(part);
            at = end;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.check(Fail::Writes)?;
        self.contents.lock().unwrap().resize(len as usize, 0);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.contents.lock().unwrap().len() as u64)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.check(Fail::Flushes)
    }
}

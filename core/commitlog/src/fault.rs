//! What can go wrong below the log, and whose fault it is: the medium's ([`IoFailure`]), or of whatever changed bytes
//! that were durable ([`Corruption`]), or of an operator who starts an old binary on newer files
//! ([`Fault::Unsupported`]).

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use forebay_env::{Disk, OpenMode};
use forebay_model::Position;

/// Bytes that were durable are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corruption {
    /// The damaged file.
    pub file: PathBuf,
    /// Where the damaged piece begins, in bytes from the start of the file.
    pub position: Position,
    /// What is wrong with it.
    pub what: String,
}

/// What the operating system was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open an existing file.
    Open,
    /// Read from a file.
    Read,
    /// Ask for a file's length.
    Measure,
    /// List a directory.
    List,
    /// Make a file or a directory.
    Create,
    /// Write to a file.
    Write,
    /// Make a file longer.
    Extend,
    /// Make a file shorter.
    Cut,
    /// Flush a file or a directory.
    Flush,
    /// Rename a file.
    Rename,
    /// Remove a file.
    Remove,
}

impl Action {
    /// Whether its failure leaves in doubt what is on the medium.
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(self, Action::Open | Action::Read | Action::Measure | Action::List)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Open => "open",
            Action::Read => "read",
            Action::Measure => "measure",
            Action::List => "list",
            Action::Create => "create",
            Action::Write => "write",
            Action::Extend => "extend",
            Action::Cut => "cut",
            Action::Flush => "flush",
            Action::Rename => "rename",
            Action::Remove => "remove",
        })
    }
}

/// The operating system refused.
#[derive(Clone, Debug)]
pub struct IoFailure {
    /// The file or directory.
    pub file: PathBuf,
    /// What was tried.
    pub action: Action,
    /// The system's own words.
    pub source: Arc<io::Error>,
}

/// A failure of the medium or of its contents. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The operating system refused.
    Io(IoFailure),
    /// The bytes are damaged.
    Corrupt(Corruption),
    /// The file has a version that this binary does not know.
    Unsupported {
        /// The file.
        file: PathBuf,
        /// Its version.
        version: u16,
    },
}

impl IoFailure {
    /// Whether this says that `file` does not exist.
    pub(crate) fn is_missing(&self, file: &Path) -> bool {
        self.source.kind() == io::ErrorKind::NotFound && self.file == file
    }
}

impl Fault {
    /// Whether this leaves pages that may be clean and not on the medium.
    pub(crate) fn is_failed_flush(&self) -> bool {
        matches!(self, Fault::Io(io) if io.action == Action::Flush)
    }

    /// Whether something was not written because the disk, or the share of it that we may use, is full.
    pub(crate) fn is_no_room(&self) -> bool {
        let full = |kind| matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let wrote = |action| matches!(action, Action::Create | Action::Write);
        matches!(self, Fault::Io(io) if wrote(io.action) && full(io.source.kind()))
    }

    pub(crate) fn io(action: Action, file: &Path) -> impl FnOnce(io::Error) -> Fault {
        let file = file.to_path_buf();
        move |source| Fault::Io(IoFailure { file, action, source: Arc::new(source) })
    }

    pub(crate) fn corrupt(file: &Path, position: u64, what: impl Into<String>) -> Fault {
        Fault::Corrupt(Corruption {
            file: file.to_path_buf(),
            position: Position(position),
            what: what.into(),
        })
    }
}

impl fmt::Display for Corruption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is damaged at position {}: {}", self.file.display(), self.position, self.what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io(io) => write!(f, "cannot {} {}: {}", io.action, io.file.display(), io.source),
            Fault::Corrupt(corruption) => corruption.fmt(f),
            Fault::Unsupported { file, version } => {
                write!(f, "{} has format version {version}, which this version does not know", file.display())
            }
        }
    }
}

impl std::error::Error for Fault {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Fault::Io(io) => Some(&*io.source),
            _ => None,
        }
    }
}

impl std::error::Error for Corruption {}

/// The name of the mark that a failed flush leaves behind.
pub(crate) const FENCED_NAME: &str = "fenced";
/// How often the mark is tried.
const MARK_TRIES: usize = 4;

/// Tells the next open not to trust the page cache. A disk that has just failed may fail this call too; when it refuses every
/// time, the next open still writes what no flush is known to cover over itself.
pub(crate) fn leave_mark(disk: &dyn Disk, dir: &Path) {
    let mark = dir.join(FENCED_NAME);
    let made = |_| match disk.open(&mark, OpenMode::CreateNew) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::AlreadyExists,
    };
    let _ = (0..MARK_TRIES).any(made);
}

/// Stops a log at its first failed write or flush, for the rest of the process.
pub(crate) struct Fence {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    first: OnceLock<Fault>,
}

impl Fence {
    pub(crate) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Fence {
        Fence { disk, dir: dir.to_path_buf(), first: OnceLock::new() }
    }

    /// The first fault, if there was one.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match self.first.get() {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// Records a fault that leaves in doubt what is on the medium, unless one came before it, and answers the first. What
    /// was met while reading leaves the log open.
    pub(crate) fn trip(&self, fault: Fault) -> Fault {
        if matches!(&fault, Fault::Io(io) if io.action.changes()) { self.stop(fault) } else { fault }
    }

    /// Records any fault as the end of this log, unless one came before it, and answers the first.
    pub(crate) fn stop(&self, fault: Fault) -> Fault {
        // A flush that was under way when something else failed may fail too.
        if fault.is_failed_flush() {
            leave_mark(&*self.disk, &self.dir);
        }
        let _ = self.first.set(fault);
        self.first.get().expect("a fault was just recorded").clone()
    }

    /// Runs a step that writes; its failure fences.
    pub(crate) fn guard<T>(&self, step: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
        self.check()?;
        step().map_err(|fault| self.trip(fault))
    }
}

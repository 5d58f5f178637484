//! Who this data directory belongs to: the file `node`, written once when the directory is initialised.
//!
//! ```text
//! forebay-node 1
//! cluster <id>
//! node <number>
//! shards sync=<n> async=<n>
//! ```
//! The number of shards is part of it: where a group lives is decided by it, so it cannot change by configuration.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use forebay_env::{Disk, Env, OpenMode};
use forebay_model::NodeId;

/// Longest `node` file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4096;
const HEAD: &str = "forebay-node 1";

/// The identity of a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's id.
    pub cluster: String,
    /// The node's number.
    pub node: NodeId,
    /// Shards that confirm after fdatasync.
    pub shards_sync: u32,
    /// Shards that confirm after write.
    pub shards_async: u32,
}

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum IdentityError {
    /// The medium failed.
    Io(PathBuf, io::Error),
    /// The file is not ours or damaged.
    Damaged(PathBuf, String),
    /// The directory was made for something else; the text says what and what to do.
    Other(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IdentityError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            IdentityError::Damaged(path, what) => write!(f, "{}: {what}", path.display()),
            IdentityError::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for IdentityError {}

/// What the configuration asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// The node's number.
    pub node: NodeId,
    /// Shards that confirm after fdatasync.
    pub shards_sync: u32,
    /// Shards that confirm after write.
    pub shards_async: u32,
    /// Whether somebody asked for these numbers of shards, or they are only what a new directory would get.
    pub insist: Insist,
}

/// Who asked for the numbers of shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insist {
    /// The operator: another directory is refused.
    Yes,
    /// Nobody: a directory's own numbers are taken, for example after a move to a machine with more cores.
    No,
}

/// Reads the identity of `dir`, or makes one there.
pub fn load_or_make(env: &Env, dir: &Path, wanted: Wanted) -> Result<Identity, IdentityError> {
    let path = dir.join("node");
    match read(&*env.disk, &path) {
        Ok(text) => {
            let found = parse(&text).map_err(|what| IdentityError::Damaged(path.clone(), what))?;
            check(&found, wanted, dir)?;
            Ok(found)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let identity = Identity {
                cluster: cluster_id(env),
                node: wanted.node,
                shards_sync: wanted.shards_sync,
                shards_async: wanted.shards_async,
            };
            write(&*env.disk, dir, &identity).map_err(|error| IdentityError::Io(path, error))?;
            Ok(identity)
        }
        Err(error) => Err(IdentityError::Io(path, error)),
    }
}

fn check(found: &Identity, wanted: Wanted, dir: &Path) -> Result<(), IdentityError> {
    let dir = dir.display();
    if found.node != wanted.node {
        return Err(IdentityError::Other(format!(
            "{dir} belongs to node {}, but node_id is {}: set node_id = {} or choose another data_dir",
            found.node, wanted.node, found.node
        )));
    }
    let differs = (found.shards_sync, found.shards_async) != (wanted.shards_sync, wanted.shards_async);
    if differs && wanted.insist == Insist::Yes {
        return Err(IdentityError::Other(format!(
            "{dir} was made with shards.sync = {} and shards.async = {}, which cannot be changed afterwards \
             (asked for: {} and {}): set them as they were",
            found.shards_sync, found.shards_async, wanted.shards_sync, wanted.shards_async
        )));
    }
    Ok(())
}

/// 22 characters of base64url, like the ids that clients know.
fn cluster_id(env: &Env) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (high, low) = (env.random.next_u64(), env.random.next_u64());
    let bits = u128::from(high) << 64 | u128::from(low);
    let digit = |i: u32| char::from(ALPHABET[(bits >> (6 * i) & 63) as usize]);
    // The first character is a letter: an id that starts with a dash is an option to too many tools.
    let first = char::from(ALPHABET[(bits >> 122 & 31) as usize]);
    std::iter::once(first).chain((0..21).map(digit)).collect()
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<String> {
    let file = disk.open(path, OpenMode::Read)?;
    let len = file.len()?;
    if len > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than any node file"));
    }
    let mut bytes = vec![0; usize::try_from(len).expect("below FILE_BYTES_MAX")];
    file.read_exact_at(&mut bytes, 0)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not text"))
}

fn write(disk: &dyn Disk, dir: &Path, identity: &Identity) -> io::Result<()> {
    let text = format!(
        "{HEAD}\ncluster {}\nnode {}\nshards sync={} async={}\n",
        identity.cluster, identity.node, identity.shards_sync, identity.shards_async
    );
    let (temporary, path) = (dir.join("node.new"), dir.join("node"));
    match disk.remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.open(&temporary, OpenMode::CreateNew)?;
    file.write_at(&[text.as_bytes()], 0)?;
    file.sync_data()?;
    disk.rename(&temporary, &path)?;
    disk.sync_dir(dir)
}

fn parse(text: &str) -> Result<Identity, String> {
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    if head != HEAD {
        return Err(format!("begins with {head:?}, not with {HEAD:?}: another version's, or not ours"));
    }
    let mut field = |name: &str| {
        let line = lines.next().unwrap_or_default();
        line.strip_prefix(name).map(|rest| rest.trim().to_owned()).ok_or(format!("has no line {name:?}"))
    };
    let cluster = field("cluster ")?;
    let node = field("node ")?.parse().map_err(|_| "the node is not a number".to_owned())?;
    let shards = field("shards ")?;
    let count = |name: &str| {
        let found = shards.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|n| n.parse().ok()).ok_or(format!("does not say how many {name} shards there are"))
    };
    Ok(Identity { cluster, node: NodeId(node), shards_sync: count("sync")?, shards_async: count("async")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted { node: NodeId(1), shards_sync: 2, shards_async: 1, insist: Insist::Yes };

    #[test]
    fn an_identity_is_made_once_and_found_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let env = forebay_env::real::env();
        let made = load_or_make(&env, dir.path(), WANTED).expect("made");
        assert_eq!(made.cluster.len(), 22);
        assert_eq!(load_or_make(&env, dir.path(), WANTED).expect("found"), made);
    }

    #[test]
    fn another_nodes_directory_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let env = forebay_env::real::env();
        load_or_make(&env, dir.path(), WANTED).expect("made");
        for other in [Wanted { node: NodeId(2), ..WANTED }, Wanted { shards_sync: 3, ..WANTED }] {
            assert!(matches!(load_or_make(&env, dir.path(), other), Err(IdentityError::Other(_))));
        }
    }

    #[test]
    fn numbers_that_nobody_asked_for_give_way_to_the_directorys() {
        let dir = tempfile::tempdir().expect("a directory");
        let env = forebay_env::real::env();
        let made = load_or_make(&env, dir.path(), WANTED).expect("made");
        let grown = Wanted { shards_sync: 16, insist: Insist::No, ..WANTED };
        assert_eq!(load_or_make(&env, dir.path(), grown).expect("found"), made);
    }

    #[test]
    fn a_damaged_identity_is_named() {
        for text in ["", "forebay-node 2\n", "forebay-node 1\ncluster x\nnode y\nshards sync=1 async=1\n"] {
            assert!(parse(text).is_err());
        }
    }
}

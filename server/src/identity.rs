//! Who a data directory belongs to, and whether all of it is there: its file `node` against what is asked for and what
//! lies beside it. A refusal changes nothing on disk.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use forebay_env::{Disk, Env, OpenMode};
use forebay_model::{NodeId, ShardId};

use crate::node_file::{self, Age, Founded, Identity, NODE_NAME, NodeFileError};

/// The beginning of the name of each shard's directory.
pub const SHARD_PREFIX: &str = "shard-";
/// The file that every shard has from its making on.
const MANIFEST_NAME: &str = "manifest";

/// The directory of one shard.
pub fn shard_dir(dir: &Path, id: ShardId) -> PathBuf {
    dir.join(format!("{SHARD_PREFIX}{:04}", id.0))
}

/// The directories of every shard that belongs to `dir`.
pub fn shard_dirs<'a>(dir: &'a Path, identity: &Identity) -> impl Iterator<Item = PathBuf> + use<'a> {
    (0..identity.shards()).map(|number| shard_dir(dir, ShardId(number)))
}

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum IdentityError {
    /// The medium failed.
    Io(PathBuf, io::Error),
    /// Its `node` file cannot be used.
    NodeFile(NodeFileError),
    /// There are shards, of which the first is named, and no `node` file.
    NodeFileMissing(PathBuf),
    /// A shard that was made once is gone.
    ShardMissing(PathBuf),
    /// The directory was made for something else; the text says what and what to do.
    Other(String),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WHAT_TO_DO: &str = "Nothing was changed. Restore the whole data directory from a backup, \
             or choose another data_dir to begin with an empty one";
        match self {
            IdentityError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            IdentityError::NodeFile(error) => error.fmt(f),
            IdentityError::NodeFileMissing(shard) => write!(
                f,
                "{} is there, but not the file {NODE_NAME:?} beside it, which says whose it is. {WHAT_TO_DO}",
                shard.display()
            ),
            IdentityError::ShardMissing(shard) => write!(
                f,
                "{} has no {MANIFEST_NAME}: this shard was made when the data directory was, and is lost. {WHAT_TO_DO}",
                shard.display()
            ),
            IdentityError::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for IdentityError {}

impl From<NodeFileError> for IdentityError {
    fn from(error: NodeFileError) -> IdentityError {
        IdentityError::NodeFile(error)
    }
}

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

/// Reads the identity of `dir`, or makes one there. Where it says that all shards were made, each is there on return;
/// otherwise they are to be made, and then [`set_founded`] is to be called.
pub fn load_or_make(env: &Env, dir: &Path, wanted: Wanted) -> Result<Identity, IdentityError> {
    let disk = &*env.disk;
    let Some((found, age)) = node_file::read_versioned(disk, dir)? else {
        if let Some(shard) = first_shard(disk, dir)? {
            return Err(IdentityError::NodeFileMissing(shard));
        }
        let identity = Identity {
            cluster: cluster_id(env),
            node: wanted.node,
            shards_sync: wanted.shards_sync,
            shards_async: wanted.shards_async,
            founded: Founded::NotYet,
        };
        node_file::write(disk, dir, &identity)?;
        return Ok(identity);
    };
    check(&found, wanted, dir)?;
    if found.founded == Founded::Yes {
        check_shards(disk, dir, &found)?;
    }
    // Of a first start that failed the name may not be on the medium. An older version is raised before anything is written that
    // its binaries do not know.
    if found.founded == Founded::NotYet || age == Age::Older {
        node_file::write(disk, dir, &found)?;
    }
    Ok(found)
}

/// Records that every shard was made. From here on none is made in the place of a lost one.
pub fn set_founded(env: &Env, dir: &Path, identity: &mut Identity) -> Result<(), IdentityError> {
    if identity.founded == Founded::Yes {
        return Ok(());
    }
    let founded = Identity { founded: Founded::Yes, ..identity.clone() };
    node_file::write(&*env.disk, dir, &founded)?;
    *identity = founded;
    Ok(())
}

fn first_shard(disk: &dyn Disk, dir: &Path) -> Result<Option<PathBuf>, IdentityError> {
    let entries = disk.list(dir).map_err(|error| IdentityError::Io(dir.to_owned(), error))?;
    let names = entries.into_iter().map(|entry| entry.name).filter(|name| name.starts_with(SHARD_PREFIX));
    Ok(names.min().map(|name| dir.join(name)))
}

/// Every shard was made once, so its manifest is there, or the shard is lost. What else is missing of it, its own opening
/// finds.
fn check_shards(disk: &dyn Disk, dir: &Path, identity: &Identity) -> Result<(), IdentityError> {
    for shard in shard_dirs(dir, identity) {
        match disk.open(&shard.join(MANIFEST_NAME), OpenMode::Read) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(IdentityError::ShardMissing(shard));
            }
            Err(error) => return Err(IdentityError::Io(shard.join(MANIFEST_NAME), error)),
        }
    }
    Ok(())
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
    fn an_older_version_is_raised_by_a_start_and_by_nothing_else() {
        let dir = tempfile::tempdir().expect("a directory");
        let env = forebay_env::real::env();
        let made = load_or_make(&env, dir.path(), WANTED).expect("made");
        let path = dir.path().join(NODE_NAME);
        let text = || std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, made.encode_as(2)).expect("written");
        assert_eq!(node_file::read(&*env.disk, dir.path()).expect("read"), Some(made.clone()));
        load_or_make(&env, dir.path(), Wanted { node: NodeId(2), ..WANTED }).expect_err("refused");
        assert_eq!(text(), made.encode_as(2));
        assert_eq!(load_or_make(&env, dir.path(), WANTED).expect("found"), made);
        assert_eq!(text(), made.encode());
    }

    #[test]
    fn a_damaged_node_file_is_named() {
        let dir = tempfile::tempdir().expect("a directory");
        let env = forebay_env::real::env();
        load_or_make(&env, dir.path(), WANTED).expect("made");
        let path = dir.path().join(NODE_NAME);
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, text.replace("sync=2", "sync=3")).expect("written");
        let why = load_or_make(&env, dir.path(), WANTED).expect_err("refused").to_string();
        assert!(why.contains(&path.display().to_string()) && why.contains("checksum"), "{why}");
    }
}

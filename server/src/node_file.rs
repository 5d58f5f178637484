//! The file `node` of a data directory: whose it is. Replaced as a whole, by rename. Format: `docs/formats/node.md`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use forebay_env::{Disk, OpenMode};
use forebay_model::NodeId;

/// Its name.
pub const NODE_NAME: &str = "node";
/// The one that is being written and does not count yet.
const NEW_NAME: &str = "node.new";
/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4096;
/// Most shards of a class.
const SHARDS_MAX: u32 = 256;
/// What the first line says before the format's version. That rises with the version of any file beside it.
const NAME: &str = "forebay-node ";
/// The version that is written: with 3 came the journal, with 4 sidecars that say where slots stand.
const VERSION: u32 = 4;
/// The oldest version that is read: a start brings it to the present one. Of version 1, which had neither a checksum nor the line
/// `founded`, nothing was ever released.
const VERSION_OLDEST: u32 = 2;
/// Before the checksum of all that stands before it.
const CHECKSUM: &str = "crc32c ";

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
    /// Whether all of them were made.
    pub founded: Founded,
}

/// Whether every shard of a data directory was made once. From then on one that is missing was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Founded {
    /// The first start is not over: what is missing is made.
    NotYet,
    /// What is missing was lost.
    Yes,
}

/// Why a `node` file says nothing.
#[derive(Debug)]
pub enum NodeFileError {
    /// The medium failed.
    Io(PathBuf, io::Error),
    /// It is not as it was written, or not ours; the text says what is wrong.
    Damaged(PathBuf, String),
}

impl fmt::Display for NodeFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NodeFileError::Io(path, error) => write!(f, "{}: {error}", path.display()),
            NodeFileError::Damaged(path, what) => write!(f, "{} {what}", path.display()),
        }
    }
}

impl std::error::Error for NodeFileError {}

impl Identity {
    /// How many shards belong to the directory; their numbers count from 0.
    pub fn shards(&self) -> u32 {
        self.shards_sync + self.shards_async
    }

    /// The file's text.
    pub fn encode(&self) -> String {
        self.encode_as(VERSION)
    }

    pub(crate) fn encode_as(&self, version: u32) -> String {
        let founded = match self.founded {
            Founded::NotYet => "no",
            Founded::Yes => "yes",
        };
        let Identity { cluster, node, shards_sync, shards_async, .. } = self;
        let body = format!(
            "{NAME}{version}\ncluster {cluster}\nnode {node}\nshards sync={shards_sync} async={shards_async}\nfounded {founded}\n"
        );
        let crc = crc_fast::crc32_iscsi(body.as_bytes());
        format!("{body}{CHECKSUM}{crc:08x}\n")
    }

    /// Reads the file's text; an error says what is wrong with it, as the end of a sentence that begins with its name.
    pub fn decode(bytes: &[u8]) -> Result<Identity, String> {
        Identity::decode_of(bytes).map(|(identity, _)| identity)
    }

    /// As [`Identity::decode`], with the version that the text has.
    fn decode_of(bytes: &[u8]) -> Result<(Identity, u32), String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not text".to_owned())?;
        let head = text.lines().next().unwrap_or_default();
        let version = head.strip_prefix(NAME).and_then(|version| version.parse::<u32>().ok());
        let version = match version.filter(|version| head == format!("{NAME}{version}")) {
            Some(version @ VERSION_OLDEST..=VERSION) => version,
            Some(version) => {
                return Err(format!(
                    "has format version {version}, which this version of forebay does not know, or is damaged"
                ));
            }
            None => {
                return Err(format!(
                    "begins with {head:?}, not with \"{NAME}{VERSION}\": not ours, or damaged"
                ));
            }
        };
        let (body, crc) = text.rsplit_once(CHECKSUM).ok_or("is cut short")?;
        if crc != format!("{:08x}\n", crc_fast::crc32_iscsi(body.as_bytes())) {
            return Err("is damaged: it does not match its checksum".into());
        }
        let found = decode_fields(body).ok_or("has lines that contradict each other")?;
        // One identity has one text.
        if found.encode_as(version) == text {
            Ok((found, version))
        } else {
            Err("has more in it than this version knows".into())
        }
    }
}

fn decode_fields(body: &str) -> Option<Identity> {
    let mut lines = body.lines().skip(1);
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
    let cluster = field("cluster")?.to_owned();
    let node = NodeId(field("node")?.parse().ok()?);
    let (sync, many_async) = field("shards")?.split_once(' ')?;
    let count = |text: &str, name: &str| {
        let count = text.strip_prefix(name)?.strip_prefix('=')?.parse().ok()?;
        (count <= SHARDS_MAX).then_some(count)
    };
    let founded = match field("founded")? {
        "no" => Founded::NotYet,
        "yes" => Founded::Yes,
        _ => return None,
    };
    let (shards_sync, shards_async) = (count(sync, "sync")?, count(many_async, "async")?);
    Some(Identity { cluster, node, shards_sync, shards_async, founded })
}

/// Reads the file of `dir`; `None` when there is none.
pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Identity>, NodeFileError> {
    Ok(read_versioned(disk, dir)?.map(|(identity, _)| identity))
}

/// What a start makes of the version of a file that it has read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// It is the one that is written.
    Present,
    /// It is brought to the present one before anything else is.
    Older,
}

/// As [`read`], with the age of what was read.
pub(crate) fn read_versioned(disk: &dyn Disk, dir: &Path) -> Result<Option<(Identity, Age)>, NodeFileError> {
    let path = dir.join(NODE_NAME);
    match read_bytes(disk, &path) {
        Ok(bytes) => {
            let decoded = Identity::decode_of(&bytes);
            let (found, version) = decoded.map_err(|what| NodeFileError::Damaged(path, what))?;
            Ok(Some((found, if version == VERSION { Age::Present } else { Age::Older })))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(NodeFileError::Io(path, error)),
    }
}

fn read_bytes(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, OpenMode::Read)?;
    // What is longer is damaged, and found to be by its first bytes or its checksum.
    let len = file.len()?.min(FILE_BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(len).expect("at most FILE_BYTES_MAX")];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Puts the file into place: written beside, flushed, renamed, and the name flushed.
pub(crate) fn write(disk: &dyn Disk, dir: &Path, identity: &Identity) -> Result<(), NodeFileError> {
    replace(disk, dir, identity.encode().as_bytes())
        .map_err(|error| NodeFileError::Io(dir.join(NODE_NAME), error))
}

fn replace(disk: &dyn Disk, dir: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(NEW_NAME);
    match disk.remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.open(&new, OpenMode::CreateNew)?;
    file.write_at(&[bytes], 0)?;
    file.sync_data()?;
    disk.rename(&new, &dir.join(NODE_NAME))?;
    disk.sync_dir(dir)
}

/// Feeds any bytes to the decoder, as they are and with their checksum put right.
///
/// # Panics
/// When what was decoded does not encode to the same bytes.
pub fn fuzz(data: &[u8]) {
    let mended = String::from_utf8_lossy(data);
    let body = mended.rsplit_once(CHECKSUM).map_or(&*mended, |(body, _)| body);
    let mended = format!("{body}{CHECKSUM}{:08x}\n", crc_fast::crc32_iscsi(body.as_bytes()));
    for bytes in [data, mended.as_bytes()] {
        if let Ok((identity, version)) = Identity::decode_of(bytes) {
            assert_eq!(identity.encode_as(version).as_bytes(), bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity {
            cluster: "QkxVRS1hbmQtZ3JlZW4tMQ".into(),
            node: NodeId(1),
            shards_sync: 2,
            shards_async: 1,
            founded: Founded::Yes,
        }
    }

    fn sealed(body: &str) -> String {
        format!("{body}{CHECKSUM}{:08x}\n", crc_fast::crc32_iscsi(body.as_bytes()))
    }

    #[test]
    fn a_node_file_reads_back_and_every_flipped_bit_of_it_is_noticed() {
        let good = identity().encode().into_bytes();
        assert_eq!(Identity::decode(&good), Ok(identity()));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Identity::decode(&bad).is_err(), "bit {bit}: {}", String::from_utf8_lossy(&bad));
        }
        for len in 0..good.len() {
            assert!(Identity::decode(&good[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn a_node_file_of_another_version_is_refused_by_name() {
        for version in [1, VERSION + 1, 999] {
            let text = identity().encode_as(version);
            let why = Identity::decode(text.as_bytes()).unwrap_err();
            assert!(why.contains(&format!("has format version {version},")), "{why}");
        }
        for head in ["another 4", "forebay-node 04", "forebay-node +4"] {
            let text = identity().encode().replace("forebay-node 4", head);
            let why = Identity::decode(text.as_bytes()).unwrap_err();
            assert!(why.contains("not ours"), "{why}");
        }
    }

    #[test]
    fn a_node_file_of_an_older_version_is_read_and_known_as_such() {
        let dir = tempfile::tempdir().unwrap();
        let disk = forebay_env::real::env().disk;
        for older in VERSION_OLDEST..VERSION {
            std::fs::write(dir.path().join(NODE_NAME), identity().encode_as(older)).unwrap();
            assert_eq!(read_versioned(&*disk, dir.path()).unwrap(), Some((identity(), Age::Older)));
        }
        write(&*disk, dir.path(), &identity()).unwrap();
        assert_eq!(read_versioned(&*disk, dir.path()).unwrap(), Some((identity(), Age::Present)));
    }

    #[test]
    fn lines_that_no_version_wrote_are_refused() {
        let body = "forebay-node 2\ncluster x\nnode 1\nshards sync=1 async=1\nfounded yes\n";
        assert!(Identity::decode(sealed(body).as_bytes()).is_ok());
        for (from, to) in [
            ("node 1", "node one"),
            ("sync=1", "sync=257"),
            ("async=1", "async=+1"),
            ("founded yes", "founded maybe"),
            ("founded yes\n", ""),
            ("founded yes\n", "founded yes\nfounded no\n"),
        ] {
            assert!(Identity::decode(sealed(&body.replace(from, to)).as_bytes()).is_err(), "{to}");
        }
    }
}

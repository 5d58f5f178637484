//! `forebay dump --verify`: a whole data directory, read and judged.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use forebay_commitlog::{Corruption, Fault, Report, unreplayed, verify_dir};
use forebay_server::env::{Disk, Lock, real};
use forebay_server::identity::{SHARD_PREFIX, shard_dir, shard_dirs};
use forebay_server::node_file::{self, Founded, Identity, NODE_NAME, NodeFileError};
use serde_json::{Value, json};

use super::dump::contents;
use super::watched::Watched;
use crate::args::Dump;
use crate::exit::{Exit, Failure};
use crate::output::number::{bytes, grouped};
use crate::output::progress::Progress;

/// The file a running broker has locked.
const LOCK_NAME: &str = "lock";

/// What was found of a data directory's `node` file.
struct Node {
    path: PathBuf,
    /// What it says, or what is wrong with it, as the end of a sentence that begins with its name.
    found: Result<Identity, String>,
}

/// Reads the node file and every shard of every directory and says what is not as it was written.
///
/// # Errors
/// When anything is damaged, cannot be read, or is in use.
pub fn run(args: &Dump) -> Result<(), Failure> {
    let disk = Watched::new(real::env().disk, Progress::new("verifying", false));
    let (mut all, mut sound) = (Vec::new(), true);
    let mut say = |text: &dyn Fn() -> String, json: &dyn Fn() -> Value| {
        if !args.json {
            disk.make_room();
            return io::stdout().write_all(text().as_bytes());
        }
        all.push(json());
        Ok(())
    };
    for dir in &args.paths {
        let _lock = lock(&disk, dir)?;
        let node = node(&disk, dir)?;
        if let Some(node) = &node {
            sound &= node.found.is_ok();
            say(&|| node_as_text(node), &|| node_as_json(node))?;
        }
        // A shard alone has its journal beside it.
        let home = if node.is_some() { dir.clone() } else { dir.join("..") };
        let lacking = match lacking(&disk, &home) {
            Ok(lacking) => lacking,
            Err(Fault::Corrupt(damage)) => {
                sound = false;
                say(&|| journal_as_text(dir, &damage), &|| journal_as_json(dir, &damage))?;
                BTreeSet::new()
            }
            Err(fault) => return Err(Failure::failed(fault)),
        };
        for shard in shards(dir, node.as_ref())? {
            if shard.file_name().is_some_and(|name| lacking.contains(name)) {
                sound = false;
                say(&|| lacking_as_text(&shard), &|| lacking_as_json(&shard))?;
                continue;
            }
            let report = verify_dir(&disk, &shard).map_err(Failure::failed)?;
            sound &= report.is_sound();
            say(&|| as_text(&shard, &report), &|| as_json(&shard, &report))?;
        }
    }
    disk.make_room();
    if args.json {
        writeln!(io::stdout(), "{:#}", Value::Array(all))?;
    }
    if sound { Ok(()) } else { Err(Failure { exit: Exit::Failed, message: String::new() }) }
}

/// The names of the shards' directories that cannot be judged: the next start writes to them what the journal has.
fn lacking(disk: &dyn Disk, dir: &Path) -> Result<BTreeSet<OsString>, Fault> {
    let dir_of = |shard| shard_dir(dir, shard);
    let names = unreplayed(disk, dir, &dir_of)?.into_iter();
    Ok(names.filter_map(|shard| dir_of(shard).file_name().map(OsString::from)).collect())
}

fn journal_as_text(dir: &Path, damage: &Corruption) -> String {
    format!("{}: the journal: DAMAGED\n  {damage}\n", dir.display())
}

fn journal_as_json(dir: &Path, damage: &Corruption) -> Value {
    json!({ "journal": dir.to_string_lossy(), "sound": false, "damage": [corruption_as_json(damage)] })
}

fn lacking_as_text(shard: &Path) -> String {
    format!(
        "{}: NOT JUDGED: the journal has what its segments lack, and the next start writes it to them; verify again after it\n",
        shard.display()
    )
}

fn lacking_as_json(shard: &Path) -> Value {
    json!({ "shard": shard.to_string_lossy(), "sound": null, "unreplayed": true })
}

fn corruption_as_json(corruption: &Corruption) -> Value {
    json!({
        "file": corruption.file.to_string_lossy(),
        "position": corruption.position.0,
        "what": corruption.what,
    })
}

/// Keeps a broker from starting on the directory meanwhile. A copy that never had a broker needs no lock, and may lie where
/// nothing can be written.
fn lock(disk: &dyn Disk, dir: &Path) -> Result<Option<Box<dyn Lock>>, Failure> {
    let path = dir.join(LOCK_NAME);
    if !path.exists() {
        return Ok(None);
    }
    match disk.lock(&path) {
        Ok(lock) => Ok(Some(lock)),
        Err(why) if why.kind() == io::ErrorKind::WouldBlock => {
            Err(Failure::failed(format!("{} is in use by a running broker: stop it first", dir.display())))
        }
        Err(why) => Err(Failure::failed(format!("cannot lock {}: {why}", path.display()))),
    }
}

fn is_shard(path: &Path) -> bool {
    path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SHARD_PREFIX))
}

fn shards_within(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    Ok(contents(dir)?.into_iter().filter(|path| is_shard(path)).collect())
}

/// The node file of a data directory; `None` for what is a single shard.
fn node(disk: &dyn Disk, dir: &Path) -> Result<Option<Node>, Failure> {
    let path = dir.join(NODE_NAME);
    let found = match node_file::read(disk, dir) {
        Ok(Some(identity)) => Ok(identity),
        Err(NodeFileError::Damaged(_, what)) => Err(what),
        Err(error) => return Err(Failure::failed(error)),
        Ok(None) if !shards_within(dir)?.is_empty() => {
            Err("is missing: without it nobody knows whose shards these are".into())
        }
        Ok(None) if is_shard(dir) => return Ok(None),
        Ok(None) => {
            return Err(Failure::usage(format!(
                "{} holds no shard: it is not a data directory",
                dir.display()
            )));
        }
    };
    Ok(Some(Node { path, found }))
}

/// The shards to read: those that are there and those that should be; or the directory itself, if it is one.
fn shards(dir: &Path, node: Option<&Node>) -> Result<Vec<PathBuf>, Failure> {
    let Some(node) = node else { return Ok(vec![dir.to_owned()]) };
    let mut shards = shards_within(dir)?;
    match &node.found {
        Ok(identity) if identity.founded == Founded::Yes => shards.extend(shard_dirs(dir, identity)),
        // The next start makes these.
        Ok(_) => shards.retain(|shard| shard.join("manifest").exists()),
        Err(_) => {}
    }
    shards.sort();
    shards.dedup();
    Ok(shards)
}

fn node_as_text(node: &Node) -> String {
    let path = node.path.display();
    match &node.found {
        Ok(identity) => {
            let Identity { cluster, node, shards_sync, shards_async, founded } = identity;
            let mut text = format!(
                "{path}: sound: cluster {cluster}, node {node}, {shards_sync} sync and {shards_async} async shards\n"
            );
            if *founded == Founded::NotYet {
                text += "  its first start was interrupted, which the next start will complete: shards may be missing\n";
            }
            text
        }
        Err(what) => format!("{path}: DAMAGED\n  {path} {what}\n"),
    }
}

fn node_as_json(node: &Node) -> Value {
    let file = node.path.to_string_lossy();
    match &node.found {
        Ok(identity) => json!({
            "node": file,
            "sound": true,
            "cluster": identity.cluster,
            "number": identity.node.0,
            "shards_sync": identity.shards_sync,
            "shards_async": identity.shards_async,
            "founded": identity.founded == Founded::Yes,
            "damage": [],
        }),
        Err(what) => json!({
            "node": file,
            "sound": false,
            "damage": [{ "file": file, "position": 0, "what": what }],
        }),
    }
}

fn as_text(shard: &Path, report: &Report) -> String {
    let verdict = if report.is_sound() { "sound" } else { "DAMAGED" };
    let mut text = format!(
        "{}: {verdict}: {} segments, {} entries, {} read\n",
        shard.display(),
        grouped(report.segments as i64),
        grouped(report.entries as i64),
        bytes(report.bytes)
    );
    let mut line = |what: String| text.push_str(&format!("  {what}\n"));
    report.damage.iter().for_each(|damage| line(damage.to_string()));
    for copy in &report.suspect {
        line(format!("another copy is intact, nothing is lost: {copy}"));
    }
    if let Some(end) = &report.unfinished {
        line(format!("an unfinished write at the end, which the next start will cut: {end}"));
    }
    if !report.without_sidecar.is_empty() {
        let ids: Vec<String> = report.without_sidecar.iter().map(ToString::to_string).collect();
        line(format!("the next start will write the sidecars of {}", ids.join(", ")));
    }
    if report.installing {
        line("an install was interrupted, which the next start will complete: segments were not read".into());
    }
    text
}

fn as_json(shard: &Path, report: &Report) -> Value {
    json!({
        "shard": shard.to_string_lossy(),
        "sound": report.is_sound(),
        "segments": report.segments,
        "entries": report.entries,
        "bytes": report.bytes,
        "last_index": report.last.0,
        "damage": report.damage.iter().map(corruption_as_json).collect::<Vec<_>>(),
        "suspect": report.suspect.iter().map(corruption_as_json).collect::<Vec<_>>(),
        "unfinished": report.unfinished.as_ref().map(corruption_as_json),
        "without_sidecar": report.without_sidecar.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "installing": report.installing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged() -> Report {
        Report {
            segments: 3,
            entries: 1234,
            bytes: 2048,
            damage: vec![place("a.seg", 17)],
            unfinished: Some(place("b.seg", 99)),
            ..Report::default()
        }
    }

    fn place(file: &str, position: u64) -> Corruption {
        let mut corruption =
            Corruption { file: file.into(), position: Default::default(), what: "it is torn".into() };
        corruption.position.0 = position;
        corruption
    }

    #[test]
    fn damage_is_named_with_file_and_position() {
        let text = as_text(Path::new("shard-0000"), &damaged());
        assert_eq!(
            text,
            "shard-0000: DAMAGED: 3 segments, 1,234 entries, 2.0 KiB read\n  \
             a.seg is damaged at position 17: it is torn\n  \
             an unfinished write at the end, which the next start will cut: b.seg is damaged at position 99: it is torn\n"
        );
        assert_eq!(as_json(Path::new("s"), &damaged())["damage"][0]["position"], 17);
        assert!(as_text(Path::new("s"), &Report::default()).starts_with("s: sound: 0 segments"));
    }

    /// What is to be read in `dir`, and what is said of its node file.
    fn look(dir: &Path) -> Result<(String, Vec<PathBuf>), Failure> {
        let node = node(&*real::env().disk, dir)?;
        let shards = shards(dir, node.as_ref())?;
        Ok((node.map_or_else(String::new, |node| node_as_text(&node)), shards))
    }

    fn identity(founded: Founded) -> Identity {
        let text = "forebay-node 2\ncluster x\nnode 1\nshards sync=1 async=1\nfounded yes\ncrc32c 352e01c5\n";
        let identity = Identity::decode(text.as_bytes()).unwrap();
        Identity { founded, ..identity }
    }

    #[test]
    fn a_directory_without_shards_is_not_a_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(dir.path()).unwrap_err().exit, Exit::Usage);
        let shard = dir.path().join("shard-0003");
        std::fs::create_dir(&shard).unwrap();
        let (said, shards) = look(dir.path()).unwrap();
        assert_eq!(shards, std::slice::from_ref(&shard));
        assert!(said.contains("DAMAGED") && said.contains("is missing"), "{said}");
        assert_eq!(look(&shard).unwrap(), (String::new(), vec![shard]));
    }

    #[test]
    fn every_shard_that_the_node_file_counts_is_demanded() {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join(NODE_NAME);
        let both = ["shard-0000", "shard-0001"].map(|name| dir.path().join(name));
        std::fs::create_dir(&both[0]).unwrap();
        std::fs::write(&node, identity(Founded::Yes).encode()).unwrap();
        let (said, shards) = look(dir.path()).unwrap();
        assert!(said.ends_with("sound: cluster x, node 1, 1 sync and 1 async shards\n"), "{said}");
        assert_eq!(shards, both);
        let report = verify_dir(&*real::env().disk, &shards[1]).unwrap();
        assert!(as_text(&shards[1], &report).contains("the manifest is missing"));

        // Before all of them were made, none is missed.
        std::fs::write(&node, identity(Founded::NotYet).encode()).unwrap();
        let (said, shards) = look(dir.path()).unwrap();
        assert!(said.contains("interrupted"), "{said}");
        assert!(shards.is_empty(), "{shards:?}");

        let text = identity(Founded::Yes).encode().replace("cluster x", "cluster y");
        std::fs::write(&node, text).unwrap();
        let (said, shards) = look(dir.path()).unwrap();
        assert!(said.contains("DAMAGED") && said.contains("checksum"), "{said}");
        assert_eq!(shards, &both[..1]);
    }

    #[test]
    fn what_the_journal_says_of_shards_that_cannot_be_judged_is_no_verdict() {
        assert!(
            lacking_as_text(Path::new("shard-0001")).starts_with("shard-0001: NOT JUDGED: the journal has")
        );
        assert_eq!(lacking_as_json(Path::new("s"))["sound"], Value::Null);
        let damage = place("1.journal", 4096);
        assert!(journal_as_text(Path::new("d"), &damage).contains("1.journal is damaged at position 4096"));
        assert_eq!(journal_as_json(Path::new("d"), &damage)["damage"][0]["position"], 4096);
        let empty = tempfile::tempdir().unwrap();
        assert!(lacking(&*real::env().disk, empty.path()).unwrap().is_empty());
    }

    #[test]
    fn a_directory_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let disk = real::env().disk;
        assert!(lock(&*disk, dir.path()).unwrap().is_none());
        std::fs::write(dir.path().join(LOCK_NAME), "").unwrap();
        let held = lock(&*disk, dir.path()).unwrap();
        assert!(held.is_some());
        let why = lock(&*disk, dir.path()).err().unwrap();
        assert!(why.message.contains("stop it first"), "{}", why.message);
    }
}

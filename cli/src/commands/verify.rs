//! `forebay dump --verify`: a whole data directory, read and judged.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use forebay_commitlog::{Corruption, Report, verify_dir};
use forebay_server::env::{Disk, Lock, real};
use serde_json::{Value, json};

use super::dump::contents;
use crate::args::Dump;
use crate::exit::{Exit, Failure};
use crate::output::number::{bytes, grouped};

/// The beginning of the name of each shard's directory.
const SHARD_PREFIX: &str = "shard-";
/// The file a running broker has locked.
const LOCK_NAME: &str = "lock";

/// Reads every shard of every directory and says what is not as it was written.
///
/// # Errors
/// When anything is damaged, cannot be read, or is in use.
pub fn run(args: &Dump) -> Result<(), Failure> {
    let disk = real::env().disk;
    let mut reports = Vec::new();
    for dir in &args.paths {
        let _lock = lock(&*disk, dir)?;
        for shard in shards(dir)? {
            let report = verify_dir(&*disk, &shard).map_err(Failure::failed)?;
            if !args.json {
                io::stdout().write_all(as_text(&shard, &report).as_bytes())?;
            }
            reports.push((shard, report));
        }
    }
    if args.json {
        let all: Vec<Value> = reports.iter().map(|(shard, report)| as_json(shard, report)).collect();
        writeln!(io::stdout(), "{:#}", Value::Array(all))?;
    }
    if reports.iter().all(|(_, report)| report.is_sound()) {
        Ok(())
    } else {
        Err(Failure { exit: Exit::Failed, message: String::new() })
    }
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

/// The shards in a data directory; or the directory itself, if it is one.
fn shards(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let is_shard = |path: &PathBuf| {
        path.is_dir() && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(SHARD_PREFIX))
    };
    let inner: Vec<PathBuf> = contents(dir)?.into_iter().filter(is_shard).collect();
    match inner.is_empty() {
        false => Ok(inner),
        true if is_shard(&dir.to_owned()) => Ok(vec![dir.to_owned()]),
        true => Err(Failure::usage(format!("{} holds no shard: it is not a data directory", dir.display()))),
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
    let corruption = |corruption: &Corruption| {
        json!({
            "file": corruption.file.to_string_lossy(),
            "position": corruption.position.0,
            "what": corruption.what,
        })
    };
    json!({
        "shard": shard.to_string_lossy(),
        "sound": report.is_sound(),
        "segments": report.segments,
        "entries": report.entries,
        "bytes": report.bytes,
        "last_index": report.last.0,
        "damage": report.damage.iter().map(corruption).collect::<Vec<_>>(),
        "suspect": report.suspect.iter().map(corruption).collect::<Vec<_>>(),
        "unfinished": report.unfinished.as_ref().map(corruption),
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

    #[test]
    fn a_directory_without_shards_is_not_a_data_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(shards(dir.path()).unwrap_err().exit, Exit::Usage);
        let shard = dir.path().join("shard-0003");
        std::fs::create_dir(&shard).unwrap();
        assert_eq!(shards(dir.path()).unwrap(), std::slice::from_ref(&shard));
        assert_eq!(shards(&shard).unwrap(), [shard]);
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

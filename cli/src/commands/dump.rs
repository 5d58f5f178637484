//! `forebay dump`: files as text.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use forebay_commitlog::{DumpError, dump};
use forebay_server::env::{Disk, real};

use crate::args::Dump;
use crate::exit::{Exit, Failure};

/// How we came to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The user named it.
    Named,
    /// It was in a directory.
    InDirectory,
}

/// Prints every file. After damage the next file is printed all the same.
///
/// # Errors
/// When any is damaged, or cannot be read.
pub fn run(args: &Dump) -> Result<(), Failure> {
    let disk = real::env().disk;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut files = Vec::new();
    for path in &args.paths {
        collect(path, Found::Named, &mut files)?;
    }
    let mut exit = Exit::Done;
    for (path, found) in files {
        match print(&*disk, &path, found, &mut out) {
            Ok(()) => {}
            Err(DumpError::Output(why)) => return Err(why.into()),
            Err(why) => {
                // In the order in which it was met.
                out.flush()?;
                eprintln!("forebay: {why}");
                exit = Exit::Failed;
            }
        }
    }
    out.flush()?;
    if exit == Exit::Done { Ok(()) } else { Err(Failure { exit, message: String::new() }) }
}

/// A file, or what is in a directory and in those in it, by name.
fn collect(path: &Path, found: Found, files: &mut Vec<(PathBuf, Found)>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push((path.to_owned(), found));
        return Ok(());
    }
    for inner in contents(path)? {
        collect(&inner, Found::InDirectory, files)?;
    }
    Ok(())
}

/// What is in a directory, by name.
///
/// # Errors
/// When it cannot be read.
pub fn contents(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |why: io::Error| Failure::failed(format!("cannot list {}: {why}", dir.display()));
    let entries = std::fs::read_dir(dir).map_err(unreadable)?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unreadable)?;
    paths.sort();
    Ok(paths)
}

fn print(disk: &dyn Disk, path: &Path, found: Found, out: &mut impl Write) -> Result<(), DumpError> {
    writeln!(out, "== {}", path.display())?;
    match dump(disk, path, out) {
        // The lock and the node's identity lie beside the shards; they need no tool to be read.
        Err(DumpError::UnknownName(_)) if found == Found::InDirectory => {
            Ok(writeln!(out, "not a file of a shard")?)
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_walked_by_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("shard-0000")).unwrap();
        for name in ["shard-0000/b", "shard-0000/a", "lock"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let mut files = Vec::new();
        collect(dir.path(), Found::Named, &mut files).unwrap();
        let names: Vec<_> = files.iter().map(|(path, _)| path.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(names, ["lock", "shard-0000/a", "shard-0000/b"].map(Path::new));
        let mut out = Vec::new();
        let env = real::env();
        print(&*env.disk, &files[0].0, Found::InDirectory, &mut out).unwrap();
        assert!(print(&*env.disk, &files[0].0, Found::Named, &mut out).is_err());
    }
}

//! The pages in docs/formats name tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn files_in(folder: &Path, ending: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_in(&path, ending, out);
        } else if path.to_string_lossy().ends_with(ending) {
            out.push(path);
        }
    }
}

fn read_all(folder: &str, ending: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut paths = Vec::new();
    files_in(&root.join(folder), ending, &mut paths);
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn every_test_that_a_crash_case_names_is_there() {
    let pages = read_all("docs/formats", ".md");
    let folders = [
        "core/commitlog/tests",
        "core/shard/tests",
        "core/shard/src/reclaim",
        "server/src",
        "server/tests",
        "sim/tests",
    ];
    let sources: String = folders.into_iter().map(|folder| read_all(folder, ".rs")).collect();
    let words = pages.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'));
    // A test is a sentence.
    let named: BTreeSet<&str> = words.filter(|word| word.matches('_').count() >= 4).collect();
    assert!(named.len() > 20, "{named:?}");
    for name in named {
        assert!(sources.contains(&format!("fn {name}()")), "docs/formats names {name}, which is not there");
    }
}

//! The text files that git would commit.

use std::path::Path;
use std::process::Command;

/// One text file of the repository.
pub struct SourceFile {
    /// Path from the root, with forward slashes.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// Lock files are written by tools, in their own words.
const GENERATED: &[&str] = &["Cargo.lock", "package-lock.json", "go.sum"];

/// Reads every file that is tracked, or new and not ignored. Files that are not UTF-8 are left out.
pub fn read(root: &Path) -> Result<Vec<SourceFile>, String> {
    let listed = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .map_err(|why| format!("git ls-files: {why}"))?;
    if !listed.status.success() {
        return Err(format!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr)));
    }
    let names = String::from_utf8(listed.stdout).map_err(|why| format!("a file name is not UTF-8: {why}"))?;
    let mut files = Vec::new();
    for path in names.split('\0').filter(|p| !p.is_empty()) {
        if GENERATED.iter().any(|g| path.rsplit('/').next() == Some(g)) {
            continue;
        }
        // A tracked file may be gone from the work tree, and a binary one is nobody's business here.
        if let Ok(text) = std::fs::read_to_string(root.join(path)) {
            files.push(SourceFile { path: path.to_string(), text });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

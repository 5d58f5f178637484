//! Every crate root forbids unsafe code, but for the two that touch the operating system.

use super::Finding;
use super::files::SourceFile;

/// Crates that may hold `unsafe` in one marked place; their roots deny it everywhere else.
const MAY_HOLD_UNSAFE: &[&str] = &["core/commitlog/", "core/env/"];

/// Looks at each crate root for the attribute.
pub fn check(files: &[SourceFile]) -> Vec<Finding> {
    files.iter().filter(|f| is_crate_root(&f.path)).filter_map(judge).collect()
}

fn judge(file: &SourceFile) -> Option<Finding> {
    let has = |attribute: &str| file.text.lines().any(|line| line.trim() == attribute);
    let may = MAY_HOLD_UNSAFE.iter().any(|p| file.path.starts_with(p));
    if has("#![forbid(unsafe_code)]") || (may && has("#![deny(unsafe_code)]")) {
        return None;
    }
    Some(Finding::new(&file.path, "a crate root says #![forbid(unsafe_code)]"))
}

fn is_crate_root(path: &str) -> bool {
    path.ends_with("src/lib.rs")
        || path.ends_with("src/main.rs")
        || (path.ends_with(".rs") && path.rsplit_once('/').is_some_and(|(dir, _)| dir.ends_with("src/bin")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&[SourceFile { path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn a_root_without_the_attribute_is_named() {
        assert_eq!(count("server/src/lib.rs", "//! Words.\n"), 1);
        assert_eq!(count("server/src/lib.rs", "//! Words.\n#![forbid(unsafe_code)]\n"), 0);
        assert_eq!(count("server/src/start.rs", "//! Words.\n"), 0);
    }

    #[test]
    fn only_commitlog_and_env_may_merely_deny() {
        assert_eq!(count("core/env/src/lib.rs", "#![deny(unsafe_code)]\n"), 0);
        assert_eq!(count("core/env/src/lib.rs", ""), 1);
        assert_eq!(count("core/shard/src/lib.rs", "#![deny(unsafe_code)]\n"), 1);
    }
}

//! The arrows between crates: who may know whom.

use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

use super::Finding;

/// A crate's folder from the root, and the workspace crates (by folder) it may use.
struct Row {
    folder: &'static str,
    may_use: &'static [&'static str],
}

/// The table of ARCHITECTURE.md. A new arrow is an ADR first and a word here second. A crate under
/// protocols/ without a row of its own may use the kit and nothing else.
const TABLE: &[Row] = &[
    Row { folder: "cli", may_use: &["server", "core/commitlog", "protocols/kafka"] },
    Row { folder: "server", may_use: &["gateway", "console", "protocols/*", "core/*"] },
    Row { folder: "console", may_use: &["core/broker", "core/env", "core/model"] },
    Row { folder: "gateway", may_use: &["protocols/kit", "core/broker", "core/env"] },
    Row { folder: "protocols/kit", may_use: &["core/model", "core/record"] },
    Row { folder: "core/broker", may_use: &["core/shard", "core/model", "core/env", "core/machine"] },
    Row {
        folder: "core/shard",
        may_use: &[
            "core/machine",
            "core/replication",
            "core/commitlog",
            "core/env",
            "core/record",
            "core/model",
        ],
    },
    Row { folder: "core/machine", may_use: &["core/model", "core/record"] },
    Row { folder: "core/record", may_use: &["core/model"] },
    Row { folder: "core/replication", may_use: &["core/commitlog", "core/env", "core/model"] },
    Row { folder: "core/commitlog", may_use: &["core/env", "core/model"] },
    Row { folder: "core/model", may_use: &[] },
    Row { folder: "core/env", may_use: &[] },
    Row { folder: "sim", may_use: &["*"] },
    Row { folder: "tests", may_use: &[] },
    Row { folder: "fuzz", may_use: &["*"] },
    Row { folder: "bench", may_use: &[] },
    Row { folder: "xtask", may_use: &[] },
];

const A_PROTOCOL_MAY_USE: &[&str] = &["protocols/kit"];

/// One dependency of one workspace crate on another.
pub(super) struct Arrow {
    pub from: String,
    pub to: String,
    pub kind: DependencyKind,
}

/// Reads the workspace's own arrows from cargo and holds them against the table.
pub fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|why| format!("cargo metadata: {why}"))?;
    let folder_of = |dir: &Path| -> Option<String> {
        dir.strip_prefix(metadata.workspace_root.as_std_path()).ok().map(|p| p.to_string_lossy().into_owned())
    };
    let mut findings = Vec::new();
    for package in metadata.workspace_packages() {
        let dir = package.manifest_path.parent().expect("a manifest lies in a folder");
        let Some(from) = folder_of(dir.as_std_path()) else { continue };
        findings.extend(judge_crate(&from));
        for dependency in &package.dependencies {
            let Some(path) = &dependency.path else { continue };
            let Some(to) = folder_of(path.as_std_path()) else {
                findings.push(Finding::new(&from, format!("depends on {path}, outside the workspace")));
                continue;
            };
            findings.extend(judge_arrow(&Arrow { from: from.clone(), to, kind: dependency.kind }));
        }
    }
    Ok(findings)
}

fn may_use(from: &str) -> Option<&'static [&'static str]> {
    match TABLE.iter().find(|row| row.folder == from) {
        Some(row) => Some(row.may_use),
        None if from.starts_with("protocols/") => Some(A_PROTOCOL_MAY_USE),
        None => None,
    }
}

fn judge_crate(folder: &str) -> Option<Finding> {
    may_use(folder)
        .is_none()
        .then(|| Finding::new(folder, "has no row in the table of xtask/src/tidy/arrows.rs"))
}

/// Normal and build dependencies follow the table. Tests inside core/ may look around in core/, but not out.
fn judge_arrow(arrow: &Arrow) -> Option<Finding> {
    let Arrow { from, to, kind } = arrow;
    let allowed = may_use(from)?;
    match kind {
        DependencyKind::Development if from.starts_with("core/") && !to.starts_with("core/") => Some(
            Finding::new(from, format!("its tests use {to}, but nothing in core/ knows what lies outside")),
        ),
        DependencyKind::Development => None,
        _ if allowed.iter().any(|pattern| matches(pattern, to)) => None,
        _ => Some(Finding::new(
            from,
            format!("uses {to}; it may use [{}]. A new arrow needs an ADR", allowed.join(", ")),
        )),
    }
}

fn matches(pattern: &str, folder: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => folder.starts_with(prefix),
        None => pattern == folder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrow(from: &str, to: &str) -> Arrow {
        Arrow { from: from.into(), to: to.into(), kind: DependencyKind::Normal }
    }

    #[test]
    fn the_allowed_arrows_pass() {
        for (from, to) in [
            ("cli", "server"),
            ("server", "protocols/kafka"),
            ("server", "core/machine"),
            ("protocols/amqp091", "protocols/kit"),
            ("core/broker", "core/machine"),
            ("sim", "server"),
        ] {
            assert_eq!(judge_arrow(&arrow(from, to)), None, "{from} -> {to}");
        }
    }

    #[test]
    fn an_arrow_that_is_not_in_the_table_is_named() {
        for (from, to) in [
            ("protocols/kafka", "core/model"),
            ("core/machine", "core/env"),
            ("core/broker", "protocols/kit"),
            ("gateway", "server"),
            ("tests", "server"),
        ] {
            let finding = judge_arrow(&arrow(from, to)).unwrap_or_else(|| panic!("{from} -> {to} passed"));
            assert_eq!(finding.place, from);
            assert!(finding.message.contains(to), "{}", finding.message);
        }
    }

    #[test]
    fn a_test_in_core_may_not_look_out() {
        let look =
            |to: &str| Arrow { from: "core/shard".into(), to: to.into(), kind: DependencyKind::Development };
        assert!(judge_arrow(&look("protocols/kafka")).is_some());
        assert!(judge_arrow(&look("core/broker")).is_none());
    }

    #[test]
    fn a_crate_without_a_row_is_named() {
        assert!(judge_crate("core/newcomer").is_some());
        assert!(judge_crate("protocols/newcomer").is_none());
    }

    #[test]
    fn a_forbidden_arrow_in_a_real_workspace_is_found_through_cargo() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"core/machine\", \"core/env\"]\n");
        let package =
            |name: &str| format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        write("core/env/Cargo.toml", &package("env"));
        write("core/env/src/lib.rs", "");
        write(
            "core/machine/Cargo.toml",
            &format!("{}[dependencies]\nenv = {{ path = \"../env\" }}\n", package("machine")),
        );
        write("core/machine/src/lib.rs", "");
        let findings = check(dir.path()).unwrap();
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].place, "core/machine");
    }
}

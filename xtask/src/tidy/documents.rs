//! Documents have one title each, and nothing here names a place outside the project.

use super::Finding;
use super::files::SourceFile;

/// Registries' own names, wherever they stand in a host name before a public ending. Which registry a machine
/// uses is that machine's setting, never the project's.
const REGISTRY_NAMES: &[&str] = &["crates", "pypi", "pythonhosted", "npmjs"];
/// What a registry's host is often called: the first label of at least three.
const REGISTRY_ROLES: &[&str] =
    &["registry", "proxy", "index", "static", "repo", "repo1", "deb", "mirror", "mirrors", "sum"];
const PUBLIC_ENDINGS: &[&str] = &["io", "org", "com", "net", "dev"];

/// Folders of a machine the project was once written on, split so that this file does not name them.
const FOREIGN_PATHS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("shared/", "design"),
    concat!("shared/", "reference"),
    concat!("shared/", "data"),
    concat!("/tmp/", "desk"),
];

/// Reads every text file, and titles of the Markdown ones.
pub fn check(files: &[SourceFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        if file.path.ends_with(".md") {
            findings.extend(judge_title(file));
        }
        for (i, line) in file.text.lines().enumerate() {
            let place = || format!("{}:{}", file.path, i + 1);
            if let Some(host) = registry_host(line) {
                findings.push(Finding::new(place(), format!("names a package registry's host, {host}")));
            }
            if let Some(path) = FOREIGN_PATHS.iter().find(|p| line.contains(**p)) {
                findings.push(Finding::new(place(), format!("names a place outside the project, {path}")));
            }
        }
    }
    findings
}

fn judge_title(file: &SourceFile) -> Option<Finding> {
    let mut in_code = false;
    let mut titles = 0;
    for line in file.text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code && line.starts_with("# ") {
            titles += 1;
        }
    }
    (titles != 1).then(|| Finding::new(&file.path, format!("has {titles} lines '# Title'; one is right")))
}

/// The first word of the line that is a registry's host name.
fn registry_host(line: &str) -> Option<&str> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '-'))
        .find(|word| is_registry_host(word))
}

fn is_registry_host(word: &str) -> bool {
    let labels: Vec<&str> = word.trim_matches('.').split('.').collect();
    let Some((ending, before)) = labels.split_last() else { return false };
    let named = before.iter().any(|label| REGISTRY_NAMES.contains(label));
    let in_that_role = before.len() >= 2 && REGISTRY_ROLES.contains(&before[0]);
    PUBLIC_ENDINGS.contains(ending) && (named || in_that_role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str, text: &str) -> usize {
        check(&[SourceFile { path: path.into(), text: text.into() }]).len()
    }

    #[test]
    fn a_document_has_one_title() {
        assert_eq!(count("a.md", "# One\n\n## Part\n```sh\n# a comment\n```\n"), 0);
        assert_eq!(count("a.md", "## No title\n"), 1);
        assert_eq!(count("a.md", "# One\n\n# Two\n"), 1);
    }

    #[test]
    fn a_registry_host_is_named() {
        for (before, after) in [
            ("https://registry.example", ".org/x"),
            ("files.pythonhosted", ".org"),
            ("crates", ".io"),
            ("the repo1.a", ".org one"),
        ] {
            assert_eq!(count("x.toml", &format!("{before}{after}")), 1, "{before}{after}");
        }
        assert_eq!(count("x.rs", "let index.org_id = self.index.io;"), 0);
        assert_eq!(count("x.md", "# T\nsee kafka.apache.org\n"), 0);
    }

    #[test]
    fn a_place_outside_the_project_is_named() {
        assert_eq!(count("x.rs", &format!("// see {}reference/x.md", concat!("sha", "red/"))), 1);
        assert_eq!(count("x.sh", &format!("cd {}main", concat!("/wo", "rk/"))), 1);
    }
}

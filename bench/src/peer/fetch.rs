//! Getting peers through the ordinary package managers, once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::failure::Failure;
use crate::process::Group;

/// A package manager that takes longer than this is not going to come back.
const LIMIT: Duration = Duration::from_secs(1800);
/// Lines of a package manager's output that stand in the reason.
const TAIL_LINES: usize = 8;

/// Runs the steps in the peer's folder, unless a run with the same manifest has succeeded there before; a folder that
/// was made from another is emptied first. Any failure is a skip with its reason: what cannot be fetched cannot be had.
pub fn once(
    dir: &Path,
    manifest: &str,
    programs: &[&str],
    steps: impl FnOnce(&Path) -> Vec<Command>,
) -> Result<(), Failure> {
    let ready = dir.join("ready");
    if fs::read_to_string(&ready).is_ok_and(|made_from| made_from == manifest) {
        return Ok(());
    }
    need(programs)?;
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)?;
    for mut command in steps(dir) {
        run(&mut command, &dir.join("fetch.log"))?;
    }
    fs::write(&ready, manifest)?;
    Ok(())
}

/// A skip that names the first of the programs that is not installed.
pub fn need(programs: &[&str]) -> Result<(), Failure> {
    match programs.iter().find(|program| installed(program).is_none()) {
        Some(program) => Err(Failure::Skipped(format!("the program {program} is not installed"))),
        None => Ok(()),
    }
}

/// Where the program lies on this machine.
pub fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// Runs one step with its output in the log.
pub fn run(command: &mut Command, log: &Path) -> Result<(), Failure> {
    let file = File::options().create(true).append(true).open(log)?;
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let status = Group::start(&program, command)?.wait(LIMIT)?;
    if status.success() {
        return Ok(());
    }
    let said = fs::read(log).unwrap_or_default();
    Err(Failure::Skipped(format!(
        "{program} failed ({status}): {}",
        tail(&String::from_utf8_lossy(&said), TAIL_LINES)
    )))
}

/// The last lines of a text that hold anything.
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// The text with every `@NAME@` replaced by its value. A name that stands in the text and has none is an error.
pub fn fill_in(text: &str, values: &[(&str, String)]) -> Result<String, Failure> {
    let mut filled = text.to_string();
    for (name, value) in values {
        filled = filled.replace(&format!("@{name}@"), value);
    }
    match filled.lines().find(|line| !line.starts_with('#') && line.matches('@').count() > 1) {
        Some(line) => Err(Failure::new(format!("nothing is known to fill in: {line}"))),
        None => Ok(filled),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn what_was_fetched_is_fetched_again_only_when_its_manifest_changes() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("peer");
        let fetch = |manifest: &str, script: &'static str| {
            once(&home, manifest, &["sh"], |dir| {
                let mut command = shell(script);
                command.current_dir(dir);
                vec![command]
            })
        };
        fetch("1", "touch one").unwrap();
        fetch("1", "exit 7").unwrap();
        assert!(home.join("one").exists());
        fetch("2", "touch two").unwrap();
        assert!(home.join("two").exists() && !home.join("one").exists());
    }

    #[test]
    fn what_cannot_be_fetched_is_skipped_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("peer");
        let failed = once(&home, "1", &["sh"], |_| vec![shell("echo no such version; exit 7")]).unwrap_err();
        assert!(matches!(&failed, Failure::Skipped(why) if why.contains("no such version")), "{failed}");
        let missing = once(&home, "1", &["no-such-program"], |_| vec![]).unwrap_err();
        assert!(matches!(&missing, Failure::Skipped(why) if why.contains("no-such-program")), "{missing}");
    }

    #[test]
    fn a_word_that_nobody_fills_in_is_an_error() {
        let values = [("PORT", "7".to_string())];
        assert_eq!(fill_in("port=@PORT@\n# @signs@", &values).unwrap(), "port=7\n# @signs@");
        assert!(fill_in("dir=@DATA@", &values).unwrap_err().to_string().contains("dir=@DATA@"));
    }
}

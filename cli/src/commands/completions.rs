//! `forebay completions`.

use std::io::Write;

use crate::args::{self, Completions};
use crate::exit::Failure;

/// Prints the script.
///
/// # Errors
/// When it cannot be written.
pub fn run(args: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "forebay", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::Shell;

    #[test]
    fn every_shell_learns_the_settings() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell, Shell::Elvish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::command(), "forebay", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("topic-retention") && script.contains("describe"), "{shell}");
        }
    }
}

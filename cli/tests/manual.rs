//! docs/operations/cli.md against the binary: every command, every flag of the user commands, every exit code.

use std::process::Command;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations/cli.md");
    std::fs::read_to_string(path).unwrap()
}

fn help(words: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_forebay")).args(words).arg("--help").output().unwrap();
    assert!(output.status.success(), "{words:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words that begin a line of the section `Commands:`.
fn subcommands(help: &str) -> Vec<String> {
    let section = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect()
}

fn flags(help: &str) -> Vec<String> {
    let words = help.split(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | ',' | '=' | ':' | '.'));
    words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned).collect()
}

#[test]
fn the_manual_names_every_command_and_every_flag() {
    let page = page();
    let mut pages = vec![Vec::new()];
    for command in subcommands(&help(&[])) {
        assert!(page.contains(&format!("## `{command}`")), "{command} has no section");
        for inner in subcommands(&help(&[&command])) {
            assert!(page.contains(&format!("forebay {command} {inner}")), "{command} {inner} is not shown");
            pages.push(vec![command.clone(), inner]);
        }
        // The flags of serve are the settings, which have a page of their own.
        if command != "serve" {
            pages.push(vec![command]);
        }
    }
    assert!(pages.len() > 8, "{pages:?}");
    for words in pages {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        for flag in flags(&help(&words)) {
            let known = ["--help", "--version"].contains(&flag.as_str());
            assert!(known || page.contains(&flag), "{words:?}: {flag} is not in the manual");
        }
    }
}

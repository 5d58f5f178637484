//! Scripts: a command per block, then `----`, then everything it answers and causes.
//!
//! `UPDATE_SCRIPTS=1 cargo test -p forebay-machine` writes what really happened into the scripts; read the difference
//! before you commit it.

mod script;

use std::path::PathBuf;
use std::{env, fs};

use script::{Interpreter, blocks};

#[test]
fn every_script_plays_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let mut interpreter = Interpreter::default();
        let mut played = String::new();
        for block in blocks(&text) {
            played.push_str(&block.comment);
            played.push_str(&format!("{}\n----\n{}\n", block.input, interpreter.run(&block.input)));
        }
        if env::var_os("UPDATE_SCRIPTS").is_some() {
            fs::write(&path, played.trim_end().to_owned() + "\n").unwrap();
        } else {
            assert_eq!(played.trim_end(), text.trim_end(), "{}", path.display());
        }
    }
}

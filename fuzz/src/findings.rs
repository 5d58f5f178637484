//! What was found: into a file, and onto the screen.

use std::fs;
use std::path::Path;

use crate::corpus;

/// Inputs up to this many bytes are also printed.
const PRINTED_BYTES_MAX: usize = 1_024;

/// Saves an input and says what it does and how to see it again.
pub fn report(folder: &Path, target: &str, input: &[u8], what: &str) {
    let path = folder.join(format!("{target}-{}", corpus::name_of(input)));
    let saved = fs::create_dir_all(folder).and_then(|()| fs::write(&path, input));
    println!("\nFINDING in {target}: {what}");
    match saved {
        Ok(()) => println!("  input: {} bytes, {}", input.len(), path.display()),
        Err(why) => {
            println!("  input: {} bytes; {} could not be written: {why}", input.len(), path.display())
        }
    }
    if input.len() <= PRINTED_BYTES_MAX {
        println!("  bytes: {}", input.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    println!("  again: cargo xtask fuzz {target} --input {}\n", path.display());
}

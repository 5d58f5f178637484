//! Recorded exchanges of real clients and brokers: `protocols/kafka/tests/wire/*.txt`.
//!
//! ```text
//! # who asked whom
//! > request
//! 00 12 00 04 00 00 00 01 00 07 72 64 6b 61 66 6b | what it says
//! < response
//! 00 00 00 01 00 00 ...
//! ```
//! Bytes in hexadecimal on the left, without the length in front of the frame; that crate's own test keeps the right.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// One request, and its response if there was one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The file's name without its ending: client, API, version.
    pub name: String,
    /// The lines that say where it comes from.
    pub about: String,
    /// The request's frame.
    pub request: Vec<u8>,
    /// The response's frame.
    pub response: Option<Vec<u8>>,
}

impl Exchange {
    /// The client's name: the first word of the exchange's.
    pub fn client(&self) -> &str {
        self.name.split('-').next().expect("a split has a first part")
    }

    /// Reads the text of a file.
    pub fn parse(name: &str, text: &str) -> Result<Exchange, String> {
        let mut about = String::new();
        let mut frames: Vec<(char, Vec<u8>)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let place = || format!("{name}, line {}", number + 1);
            match line.chars().next() {
                Some('#') => about += &format!("{line}\n"),
                Some(side @ ('>' | '<')) => frames.push((side, Vec::new())),
                _ => {
                    let hex = line.split('|').next().expect("a split has a first part");
                    let (_, frame) =
                        frames.last_mut().ok_or_else(|| format!("{}: bytes of nothing", place()))?;
                    frame.extend(bytes_of(hex).ok_or_else(|| format!("{}: not hexadecimal", place()))?);
                }
            }
        }
        let (request, response) = match frames.as_slice() {
            [('>', request)] => (request.clone(), None),
            [('>', request), ('<', response)] => (request.clone(), Some(response.clone())),
            _ => return Err(format!("{name}: an exchange is one request and at most one response")),
        };
        Ok(Exchange { name: name.into(), about, request, response })
    }

    /// The text of a file, with nothing on the right.
    pub fn print(&self) -> String {
        let mut text = self.about.clone();
        text += "> request\n";
        print_hex(&mut text, &self.request);
        if let Some(response) = &self.response {
            text += "< response\n";
            print_hex(&mut text, response);
        }
        text
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    hex.split_whitespace().map(|pair| u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2)).collect()
}

fn print_hex(text: &mut String, bytes: &[u8]) {
    for row in bytes.chunks(16) {
        let row: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{}", row.join(" ")).expect("a String takes all");
    }
}

/// The folder of the recorded exchanges.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocols/kafka/tests/wire")
}

/// All recorded exchanges, by name.
pub fn read_all(folder: &Path) -> Result<Vec<Exchange>, String> {
    let listed = fs::read_dir(folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut exchanges = Vec::new();
    for entry in listed {
        let path = entry.map_err(|why| why.to_string())?.path();
        if path.extension().is_some_and(|e| e == "txt") {
            let name = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a file name is not UTF-8")?;
            let text = fs::read_to_string(&path).map_err(|why| format!("{}: {why}", path.display()))?;
            exchanges.push(Exchange::parse(name, &text)?);
        }
    }
    exchanges.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(exchanges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exchange_survives_print_and_parse_and_the_right_column_is_ignored() {
        let exchange = Exchange {
            name: "kcat-api_versions-v4".into(),
            about: "# kcat asks\n".into(),
            request: (0..40).collect(),
            response: Some(vec![0xff]),
        };
        let text = exchange.print();
        assert_eq!(Exchange::parse(&exchange.name, &text).unwrap(), exchange);
        let with_right = text.replace('\n', " | ff ff\n").replace("# kcat asks | ff ff", "# kcat asks");
        assert_eq!(Exchange::parse(&exchange.name, &with_right).unwrap(), exchange);
        assert_eq!(exchange.client(), "kcat");
    }

    #[test]
    fn what_is_no_exchange_is_refused_with_its_place() {
        for text in ["00", "> request\nzz", "> request\n123", "< response\n00", ""] {
            assert!(Exchange::parse("x", text).unwrap_err().starts_with('x'), "{text:?}");
        }
    }
}

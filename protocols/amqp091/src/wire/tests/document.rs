//! The table of methods in docs/protocols/amqp091.md is the one in the code.

use std::fmt::Write as _;
use std::path::Path;

use crate::wire::{METHODS, Sender};

#[test]
fn the_documented_methods_are_the_codes() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocols/amqp091.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let (_, behind) = page.split_once("<!-- methods -->\n").expect("a mark begins the table");
    let (documented, _) = behind.split_once("<!-- /methods -->").expect("another ends it");
    assert_eq!(documented, table(), "docs/protocols/amqp091.md between the marks should be:\n{}", table());
}

fn table() -> String {
    let mut table =
        String::from("| numbers | method | sent by | content follows |\n| --- | --- | --- | --- |\n");
    for row in METHODS {
        let sender = match row.sender {
            Sender::Client => "clients",
            Sender::Server => "the server",
            Sender::Both => "both",
        };
        let content = if row.carries_content { "yes" } else { "" };
        writeln!(table, "| {} | {} | {sender} | {content} |", row.id, row.name).expect("a String takes all");
    }
    table
}

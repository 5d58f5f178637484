//! docs/protocols/amqp091.md says of every method what a session does with it.

use std::path::Path;

use super::*;
use crate::wire::METHODS;
use crate::wire::method::samples;
use crate::wire::tests::sample::Source;

/// The rows between the marks: a method, and the word for it.
fn rows() -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocols/amqp091.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let (_, behind) = page.split_once("<!-- session -->\n").expect("a mark begins the table");
    let (table, _) = behind.split_once("<!-- /session -->").expect("another ends it");
    let row = |line: &str| {
        let mut cells = line.split('|').map(|cell| cell.trim().to_owned()).skip(1);
        (cells.next().unwrap_or_default(), cells.next().unwrap_or_default())
    };
    table.lines().skip(2).map(row).collect()
}

#[test]
fn every_method_of_clients_has_a_row() {
    let mut documented: Vec<_> = rows().into_iter().map(|(method, _)| method).collect();
    let mut known: Vec<_> = METHODS.iter().filter(|row| row.sender.is_client()).map(|row| row.name).collect();
    documented.sort();
    known.sort();
    assert_eq!(documented, known);
    assert!(rows().iter().all(|(_, word)| ["done", "differs", "refused"].contains(&word.as_str())));
}

#[test]
fn what_is_called_refused_is() {
    let refused: Vec<_> = rows().into_iter().filter(|(_, word)| word == "refused").collect();
    assert!(!refused.is_empty());
    for (name, _) in refused {
        let sample = samples(&mut Source::new(1)).into_iter().find(|method| method.info().name == name);
        let mut pair = Pair::open();
        let channel = u16::from(!name.starts_with("connection."));
        pair.say(channel, sample.expect("it is a method"));
        let names = pair.names();
        assert!(names == ["connection.close"] || names == ["channel.close"], "{name}: {names:?}");
    }
}

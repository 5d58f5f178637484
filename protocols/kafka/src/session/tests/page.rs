//! docs/protocols/kafka.md against the code.

use std::fmt::Write as _;

use super::super::any_broker::refusals;
use super::super::configs::{
    documented_group_settings, documented_node_settings, documented_refused_settings, documented_settings,
};
use super::super::errors::{Area, code};

const PAGE: &str = include_str!("../../../../../docs/protocols/kafka.md");

/// The part of the page between two marks.
fn part(mark: &str) -> &'static str {
    let (_, after) =
        PAGE.split_once(&format!("<!-- {mark} -->\n")).expect("the page marks the table's start");
    after.split_once(&format!("<!-- /{mark} -->")).expect("the page marks the table's end").0
}

#[test]
fn the_page_says_which_code_each_refusal_becomes() {
    let areas = [
        Area::Publish,
        Area::Read,
        Area::Metadata,
        Area::Catalogue,
        Area::Stored,
        Area::Producer,
        Area::FindCoordinator,
        Area::Group,
        Area::Membership,
        Area::Cursors,
        Area::Transaction,
    ];
    let mut table = String::from("| what happened | code |\n| --- | --- |\n");
    for refusal in refusals() {
        let codes = areas.map(|area| (area, code(&refusal, area)));
        let mut usual = codes.map(|(_, code)| code);
        usual.sort_by_key(|code| (codes.iter().filter(|(_, other)| other == code).count(), code.number()));
        let usual = usual[codes.len() - 1];
        write!(table, "| {} | `{}`", refusal.name().replace('_', " "), usual.name()).unwrap();
        for (area, code) in codes.iter().filter(|(_, code)| *code != usual) {
            write!(table, "; {} `{}`", area.apis(), code.name()).unwrap();
        }
        table.push_str(" |\n");
    }
    assert!(part("refusals") == table, "put this into docs/protocols/kafka.md:\n{table}");
}

#[test]
fn the_page_lists_the_settings_of_topics() {
    let table = documented_settings();
    assert!(part("settings") == table, "put this into docs/protocols/kafka.md:\n{table}");
}

#[test]
fn the_page_names_the_settings_of_topics_that_are_refused() {
    let names = documented_refused_settings();
    assert!(part("refused settings") == names, "put this into docs/protocols/kafka.md:\n{names}");
}

#[test]
fn the_page_lists_the_settings_of_groups() {
    let table = documented_group_settings();
    assert!(part("group settings") == table, "put this into docs/protocols/kafka.md:\n{table}");
}

#[test]
fn the_page_lists_the_settings_of_nodes() {
    let table = documented_node_settings();
    assert!(part("node settings") == table, "put this into docs/protocols/kafka.md:\n{table}");
}

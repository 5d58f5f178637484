//! Transactions, and the cursors of groups.

use crate::story::{Case, Clients, Scale, Settings, Work};

/// Who speaks the protocol that they are asked for in.
const PEERS: &[&str] = &["kafka", "forebay"];

fn case(name: &str, work: &'static str, words: &str) -> Case {
    let words = words.split(' ').map(String::from).collect();
    let case = Case::new(name, Work::Own { name: work, words }).only(PEERS).fresh();
    case.in_settings(Settings::First).by(Clients::First)
}

pub(super) fn exactly_once(scale: Scale) -> Vec<Case> {
    let seconds = scale.seconds();
    let records: u64 = scale.pick(500_000, 2_000_000, 5_000_000);
    let stream = format!("--transaction-ms 100 --bytes 1024 --seconds {seconds}");
    let copy = format!("--transaction-ms 100 --bytes 1024 --records {records}");
    vec![
        case("produce 1 KiB in transactions of 100 ms", "transactions", &stream),
        case("copy 1 KiB in transactions of 100 ms", "copy", &copy),
    ]
}

pub(super) fn commits(scale: Scale) -> Vec<Case> {
    let seconds = scale.seconds();
    let words = format!("--groups 10000 --connections 16 --seconds {seconds}");
    vec![case("10,000 groups in turn, 16 connections", "commits", &words)]
}

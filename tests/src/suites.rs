//! All suites, by what speaks to the broker.

mod acls;
mod administration;
mod amqp;
mod assigned;
mod clients;
mod commands;
mod compaction;
mod connect;
mod crowd;
mod disk;
mod edges;
mod flights;
mod foreign;
mod formats;
mod hostile;
mod import;
mod intake;
mod kcat;
mod kill9;
mod large;
mod load;
mod logins;
mod mirror;
mod process;
mod quotas;
mod rsyslog;
mod schemas;
mod share_tools;
mod shares;
mod streams;
mod tools;
mod trace;
mod transaction_tools;
mod transactions;

use std::path::PathBuf;

use crate::case::Suite;

/// Every suite, with this many rounds of the kill -9 loop. The longest come first, so that none runs alone at
/// the end.
pub fn all(rounds: u32) -> Vec<Suite> {
    let mut all = vec![
        flights::suite(),
        kill9::suite(rounds),
        streams::suite(),
        connect::suite(),
        mirror::suite(),
        schemas::suite(),
        crowd::suite(),
        disk::suite(),
    ];
    all.extend(clients::suites());
    all.extend(transactions::suites());
    all.extend(assigned::suites());
    all.extend(logins::suites());
    all.extend(amqp::suites());
    all.push(shares::suite());
    all.extend(acls::suites());
    all.extend(compaction::suites());
    all.extend(intake::suites());
    all.extend([
        import::suite(),
        tools::suite(),
        transaction_tools::suite(),
        share_tools::suite(),
        administration::suite(),
        commands::suite_with_kafka(),
        rsyslog::suite(),
        kcat::suite(),
        hostile::suite(),
        edges::suite(),
        quotas::suite(),
        process::suite(),
        import::suite_from_forebay(),
        commands::suite(),
        large::suite(),
        load::suite(),
        formats::suite(),
        trace::suite(),
    ]);
    all
}

/// The one that makes a data directory of the binary's format, to be kept.
pub fn freezing(to: PathBuf, shards: u32) -> Suite {
    formats::freezing(to, shards)
}

/// The libraries' own tests, which `--foreign` runs instead of any of ours.
pub fn foreign() -> Vec<Suite> {
    foreign::suites()
}

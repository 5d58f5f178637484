//! `forebay group`.

use std::io::Write;

use serde_json::{Value, json};

use super::connect::connect;
use crate::args::{self, GroupDescribe, GroupList};
use crate::client::admin::{self, GroupListing};
use crate::exit::Failure;
use crate::lag::{self, Lag};
use crate::output::table::Table;

/// Does it.
///
/// # Errors
/// When it is refused, or fails.
pub fn run(args: &args::Group) -> Result<(), Failure> {
    match args {
        args::Group::List(args) => list(args),
        args::Group::Describe(args) => describe(args),
    }
}

fn list(args: &GroupList) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let groups = admin::list_groups(&mut cluster)?;
    let text = if args.json {
        let row = |group: &GroupListing| {
            json!({
                "group": group.group,
                "state": group.state,
                "protocol_type": group.protocol_type,
                "kind": group.kind,
            })
        };
        format!("{:#}\n", Value::Array(groups.iter().map(row).collect()))
    } else {
        let mut table = Table::new(&["GROUP", "STATE", "PROTOCOL"], &[]);
        groups.into_iter().for_each(|group| table.row([group.group, group.state, group.protocol_type]));
        table.text()
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn describe(args: &GroupDescribe) -> Result<(), Failure> {
    let mut cluster = connect(&args.connect)?;
    let lag: Lag = lag::watch(&mut cluster, &args.group, args.interval)?;
    let text = if args.json { format!("{:#}\n", lag::text::as_json(&lag)) } else { lag::text::as_text(&lag) };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

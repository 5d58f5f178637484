//! kafka-consumer-groups.sh, for groups of either protocol.

use rustix::process::Signal;

use super::{create, field, is, name, start, text, tool, words_of};
use crate::case::{Context, Failure, Outcome};
use crate::ensure;

const TOOL: &str = "consumer.group.ConsumerGroupCommand";
const RECORDS: i64 = 100;

/// A group, what it reads, and by which protocol.
struct Group<'a> {
    name: String,
    topic: String,
    protocol: &'a str,
}

impl Group<'_> {
    /// The words of a member that leaves when it has read so much.
    fn member<'w>(&'w self, until: &'w str) -> Vec<&'w str> {
        let words = ["--topic", &self.topic, "--group-id", &self.name, "--reset-policy", "earliest"];
        [&words[..], &["--group-protocol", self.protocol, "--max-messages", until]].concat()
    }

    /// Resets the group's offsets in this way, and gives the new one as the tool tells it.
    fn reset(&self, context: &mut Context, how: &[&str]) -> Result<i64, Failure> {
        let words = [&["--reset-offsets", "--group", &self.name, "--topic", &self.topic], how].concat();
        let said = text(&tool(context, TOOL, &words, "")?);
        let row = said.lines().find(|line| line.contains(&self.topic)).unwrap_or_default();
        let new = row.split_whitespace().last().and_then(|offset| offset.parse().ok());
        new.ok_or_else(|| Failure::new(format!("{how:?}: the tool said:\n{said}")))
    }

    /// The offset that the group has committed, as the tool tells it.
    fn committed(&self, context: &mut Context) -> Result<i64, Failure> {
        let said = text(&tool(context, TOOL, &["--describe", "--group", &self.name], "")?);
        let row = said.lines().find(|line| line.contains(&self.topic)).unwrap_or_default();
        let committed = row.split_whitespace().nth(3).and_then(|offset| offset.parse().ok());
        committed.ok_or_else(|| Failure::new(format!("described as:\n{said}")))
    }

    fn stands_at(&self, context: &mut Context, expected: i64, what: &str) -> Outcome {
        let found = self.committed(context)?;
        ensure!(found == expected, "{what}: it stands at {found} instead of {expected}");
        Ok(())
    }
}

/// Offsets of a group without members are tried, and set, in every way; with a member they stay where they are, and so does the group.
pub(super) fn administrated(context: &mut Context, protocol: &str) -> Outcome {
    let group = Group { name: name(context, "group"), topic: name(context, "t"), protocol };
    create(context, &group.topic, "1")?;
    let lines: String = (0..RECORDS).map(|number| format!("{number}\n")).collect();
    tool(context, "ConsoleProducer", &["--topic", &group.topic], &lines)?;
    tool(context, "VerifiableConsumer", &group.member(&RECORDS.to_string()), "")?;
    group.stands_at(context, RECORDS, "having read all")?;
    without_members(context, &group)?;
    with_a_member(context, &group)?;
    let said = text(&tool(context, TOOL, &["--delete", "--group", &group.name], "")?);
    ensure!(said.contains("was successful"), "the tool said:\n{said}");
    let listed = text(&tool(context, TOOL, &["--list"], "")?);
    ensure!(!listed.lines().any(|line| line == group.name), "the deleted group is listed:\n{listed}");
    Ok(())
}

fn without_members(context: &mut Context, group: &Group) -> Outcome {
    let new = group.reset(context, &["--to-earliest", "--dry-run"])?;
    ensure!(new == 0, "the earliest is {new}");
    group.stands_at(context, RECORDS, "after what was only tried")?;
    for (how, expected) in [
        (&["--to-earliest"][..], 0),
        (&["--to-offset", "40"], 40),
        (&["--shift-by", "-10"], 30),
        (&["--shift-by", "20"], 50),
        // There is nothing beyond the end.
        (&["--shift-by", "1000"], RECORDS),
        (&["--to-offset", "60"], 60),
    ] {
        let new = group.reset(context, &[how, &["--execute"]].concat())?;
        ensure!(new == expected, "{how:?} gives {new}");
        group.stands_at(context, expected, &how.join(" "))?;
    }
    let said = text(&tool(context, "VerifiableConsumer", &group.member("40"), "")?);
    ensure!(said.contains("\"minOffset\":60"), "it did not go on at 60:\n{said}");
    group.stands_at(context, RECORDS, "having read the rest")
}

fn with_a_member(context: &mut Context, group: &Group) -> Outcome {
    let mut member = start(context, "VerifiableConsumer", &group.member("-1"))?;
    member.wait_for(context, "it has its partition", |line| {
        is(line, "partitions_assigned") && field(line, "topic").is_some()
    })?;
    let reset = ["--reset-offsets", "--group", &group.name, "--topic", &group.topic, "--to-earliest"];
    let said = words_of(context, TOOL, &[&reset[..], &["--execute"]].concat())?;
    ensure!(said.contains("inactive") && said.contains("Stable"), "the tool said:\n{said}");
    group.stands_at(context, RECORDS, "after a reset that was refused")?;
    let said = words_of(context, TOOL, &["--delete", "--group", &group.name])?;
    ensure!(said.contains("not empty"), "the tool said:\n{said}");
    let members = ["--describe", "--group", &group.name, "--members", "--verbose"];
    let said = text(&tool(context, TOOL, &members, "")?);
    let row = said.lines().find(|line| line.starts_with(&group.name)).unwrap_or_default();
    ensure!(row.contains(&group.topic), "the member has nothing:\n{said}");
    let said = text(&tool(context, TOOL, &["--describe", "--all-groups"], "")?);
    ensure!(said.lines().any(|line| line.starts_with(&group.name)), "it is not among all:\n{said}");
    let states = ["--describe", "--all-groups", "--state"];
    let said = text(&tool(context, TOOL, &states, "")?);
    let row = said.lines().find(|line| line.starts_with(&group.name)).unwrap_or_default();
    ensure!(row.contains("Stable"), "its state among all:\n{said}");
    member.signal(Signal::TERM)?;
    member.wait(context)?;
    let left = member.said().iter().any(|line| is(line, "shutdown_complete"));
    ensure!(left, "the member did not leave in peace");
    Ok(())
}

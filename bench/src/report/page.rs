//! docs/benchmarks.md: everything that is known of the newest runs, and everything that limits what it means.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::goal::{Goal, Verdict};
use super::metric::Metric;
use super::pictures::Picture;
use super::results::{Line, Results};
use super::table::{confirm_words, head, row};
use super::text::{cell, factor, figure, peer_name};
use super::{goals, table, wins};

/// The page. `notes` is what people found out about a message's path, taken as it is.
pub fn write(results: &Results, pictures: &BTreeMap<String, Vec<Picture>>, notes: Option<&str>) -> String {
    let stories = results.stories();
    let mut page = String::from(INTRODUCTION);
    page += &goals_table(results);
    page += &peers_ahead(results);
    page += &published(results);
    for story in &stories {
        page += &story_section(results, story, pictures.get(*story).map_or(&[][..], Vec::as_slice));
    }
    page += &per_message(notes);
    page += &setting_of_the_runs(results);
    page += &caveats(results);
    page
}

const INTRODUCTION: &str = "\
# Forebay and its peers, side by side

Drawn by `cargo xtask bench report` from the records of `cargo xtask bench`; not edited by hand. Every peer did the same work on the
same machine, one after the other, driven by the same clients. **Read the ratios and the CPU columns, not the absolute rates**: the
load generator takes its share of the same machine.

How to read a row: a figure is the median over the rounds, with the lowest and the highest round in brackets. `of Kafka's` divides by
Kafka as it comes, in the same run, by the same client where there are several. `confirms after: flush` means that a record was on the
disk when its sender was told so; `page cache` means that a power cut may take it back. A peer marked \\* comes from another run than our
figure beside it; it has no ratio.

";

fn goals_table(results: &Results) -> String {
    let mut page = String::from(
        "## Goals\n\nForebay flushed before every confirm; the bound holds for medians of one run.\n\n",
    );
    let goals = goals::all();
    let verdicts: Vec<Verdict> = goals.iter().map(|goal| goal.judge(results)).collect();
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
    writeln!(
        page,
        "{} reached, {} missed, {} not measured.\n",
        count(|verdict| matches!(verdict, Verdict::Reached(_))),
        count(|verdict| matches!(verdict, Verdict::Missed(_))),
        count(|verdict| matches!(verdict, Verdict::NotMeasured(_))),
    )
    .expect("a String takes everything");
    page += &head(&["case", "goal", "Forebay", "against", "ratio", ""].map(str::to_owned));
    for (goal, verdict) in goals.iter().zip(&verdicts) {
        page += &row(&goal_cells(goal, verdict));
    }
    page + "\n"
}

fn goal_cells(goal: &Goal, verdict: &Verdict) -> Vec<String> {
    let metric = &goal.ours.metric;
    let mut cells = vec![cell(goal.case), cell(&format!("{}: {}", goal.ours.place(), goal.words()))];
    let (found, word) = match verdict {
        Verdict::Reached(found) => (found, "reached"),
        Verdict::Missed(found) => (found, "**missed**"),
        Verdict::NotMeasured(missing) => {
            let why = format!("not measured ({})", cell(missing));
            cells.extend([String::new(), String::new(), String::new(), why]);
            return cells;
        }
    };
    cells.extend([
        metric.show(found.ours),
        found.other.map(|other| metric.show(other)).unwrap_or_default(),
        found.other.map(|_| factor(found.value)).unwrap_or_default(),
        word.to_owned(),
    ]);
    cells
}

fn peers_ahead(results: &Results) -> String {
    let wins = wins::of_peers(results);
    let mut page = String::from("## Where a peer is ahead\n\n");
    if wins.is_empty() {
        page += "In no figure of these records.\n\n";
        return page;
    }
    for win in wins {
        page += &format!("- {win}\n");
    }
    page + "\n"
}

/// Rates that are widely quoted for synchronous sends of 124 bytes, taken elsewhere by others.
const PUBLISHED: [(&str, f64); 3] = [("kafka", 173_000.0), ("rocketmq", 116_000.0), ("rabbitmq", 26_000.0)];
const CLASSIC: &str = "classic";

fn published(results: &Results) -> String {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for line in results.story(CLASSIC) {
        let row = (line.subject.peer.as_str(), line.subject.setting.as_str());
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|(peer, _)| super::results::place_of(peer));
    if rows.is_empty() {
        return String::new();
    }
    let mut page = String::from(
        "## The classic table\n\nSynchronous sends of 124 bytes. **Published elsewhere**: the figures that the field quotes, taken by others \
         on 24 cores with other versions; they are here to be recognised, not to be compared. **Here**: the best case of this machine's run, \
         the client on the same machine.\n\n",
    );
    let heads =
        ["peer", "published elsewhere, 24 cores, /s", "best here, /s", "case", "setting", "confirms after"];
    page += &head(&heads.map(str::to_owned));
    for (peer, setting) in rows {
        let theirs = PUBLISHED.iter().find(|(name, _)| *name == peer).map(|(_, rate)| figure(*rate));
        let mut cells = vec![peer_name(peer).to_owned(), theirs.unwrap_or_else(|| "none".to_owned())];
        cells.extend(best_here(results, peer, setting));
        page += &row(&cells);
    }
    page + "\n"
}

fn best_here(results: &Results, peer: &str, setting: &str) -> Vec<String> {
    let rate = |line: &Line| line.figure(&Metric::Rate).map_or(0.0, super::spread::Spread::median);
    // Senders that share a connection let the client batch; the published figures are of senders that do not.
    let each_sends = |line: &&Line| {
        let subject = &line.subject;
        (subject.peer.as_str(), subject.setting.as_str()) == (peer, setting)
            && subject.case.ends_with("connections")
    };
    let best = results.story(CLASSIC).filter(each_sends).max_by(|a, b| rate(a).total_cmp(&rate(b)));
    match best {
        Some(line) => vec![
            figure(rate(line)),
            cell(&line.title()),
            cell(&line.subject.setting),
            confirm_words(line.flushed).to_owned(),
        ],
        None => vec!["not measured".to_owned(), String::new(), cell(setting), String::new()],
    }
}

fn story_section(results: &Results, story: &str, pictures: &[Picture]) -> String {
    let mut page = format!("## Story: {story}\n\n");
    for picture in pictures {
        page += &format!("![{}](benchmarks/{})\n\n", picture.title, picture.file);
    }
    page += &table::of_story(results, story);
    let notes: BTreeSet<String> = results.story(story).flat_map(notes_of).collect();
    if !notes.is_empty() {
        page += "Notes of the runs:\n\n";
        notes.iter().for_each(|note| page += &format!("- {note}\n"));
        page.push('\n');
    }
    page
}

fn notes_of(line: &Line) -> Vec<String> {
    let name = format!("{} ({})", peer_name(&line.subject.peer), line.subject.setting);
    line.notes.iter().map(|note| format!("{name}: {}", cell(note))).collect()
}

fn per_message(notes: Option<&str>) -> String {
    let text = notes.unwrap_or("Nothing has been written down about it yet (docs/benchmarks/notes.md).");
    format!("## Per message\n\n{}\n\n", text.trim_end())
}

fn setting_of_the_runs(results: &Results) -> String {
    let machine = &results.machine;
    let mut page = format!(
        "## Machine, versions, commands\n\n{} CPUs ({}), {} MiB of memory, {}, {}.\n\n",
        machine.cpus, machine.cpu_model, machine.memory_mib, machine.kernel, machine.filesystem
    );
    page += &head(&["peer", "version", "run", "commit"].map(str::to_owned));
    let versions: BTreeSet<Vec<String>> = results
        .lines
        .iter()
        .map(|line| {
            let commit = if line.is_ours() { line.commit.clone() } else { String::new() };
            let name = peer_name(&line.subject.peer).to_owned();
            vec![name, cell(&line.peer_version), line.run.clone(), commit]
        })
        .collect();
    versions.iter().for_each(|cells| page += &row(cells));
    page += "\n<details><summary>The commands, as the records have them</summary>\n\n```\n";
    let mut told = BTreeSet::new();
    for line in &results.lines {
        let command = without_ports(&line.command.replace(['\n', '`'], " "));
        if !command.is_empty() && told.insert(command.clone()) {
            page += &format!("{command}\n");
        }
    }
    page + "```\n\n</details>\n\n"
}

/// A command with `PORT` where the port of a local broker stands: it differs from start to start.
fn without_ports(command: &str) -> String {
    let mut pieces = command.split("127.0.0.1:");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        text += "127.0.0.1:PORT";
        text += piece.trim_start_matches(|letter: char| letter.is_ascii_digit());
    }
    text
}

/// What limits every figure here, whoever it speaks for.
const CAVEATS: [&str; 9] = [
    "Client and broker share the machine. A client that is cheap for one protocol leaves that broker more of it; the client's CPU stands \
     in its own column for that reason.",
    "Everything runs over loopback on one node: no network, no replication, no TLS. On three nodes every figure is another one.",
    "The data directory lies on one disk whose flush rate differs from day to day, on shared machines by more than a factor of two. Rates \
     with a flush before the confirm are only comparable within one run.",
    "Peers run in their documented production settings with a pinned heap, not tuned for this work. Somebody who knows one of them well \
     will get more out of it; the settings are in bench/peers.",
    "A peer in its usual setting may confirm from the page cache. That is a different promise from a flush, and a cheaper one.",
    "Peers with protocols that we do not speak are driven by their own load tools, which cost what they cost.",
    "Forebay is young. Its figures come without years of features that cost a little each: no authorisation, no quotas, no TLS stands in \
     its way here.",
    "We chose the stories, and we wrote the light generator. Where both clients can drive a peer, both are in the tables.",
    "Virtual machines report CPU time as their host grants it; time stolen by neighbours shows up as noise between rounds.",
];

fn caveats(results: &Results) -> String {
    let mut page = String::from("## Caveats\n\n");
    CAVEATS.iter().for_each(|caveat| page += &format!("- {caveat}\n"));
    for skipped in &results.skipped {
        let story = if skipped.story.is_empty() { "every story" } else { &skipped.story };
        let line =
            format!("- **{}** was skipped in {story}: {}\n", peer_name(&skipped.peer), cell(&skipped.reason));
        page += &line;
    }
    if results.foreign > 0 {
        page += &format!("- {} records of other machines were left out.\n", results.foreign);
    }
    let alone: Vec<&str> =
        results.stories().into_iter().filter(|story| one_round_only(results, story)).collect();
    if !alone.is_empty() {
        page += &format!("- Stories with a single round, whose noise is unknown: {}.\n", alone.join(", "));
    }
    let uncommitted = results.lines.iter().any(|line| line.is_ours() && line.commit.ends_with('+'));
    if uncommitted {
        page += "- Some of our figures were taken with uncommitted changes (`+` behind the commit).\n";
    }
    page
}

fn one_round_only(results: &Results, story: &str) -> bool {
    results.story(story).all(|line| line.figures.values().all(|values| values.rounds() == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_on_two_ports_is_one_command() {
        let command = |port: u16| format!("load classic --broker kafka://127.0.0.1:{port} --bytes 124");
        assert_eq!(without_ports(&command(27_110)), without_ports(&command(9092)));
        assert_eq!(without_ports(&command(9092)), "load classic --broker kafka://127.0.0.1:PORT --bytes 124");
    }
}

//! The tables of one story in Markdown.

use std::fmt::Write;

use super::metric::{Better, Metric};
use super::results::{AS_IT_COMES, FLUSHED, LOG_MEASURE, Line, MEASURE_OF_ALL, Results};
use super::text::{cell, factor, peer_name};

/// One table: its heading and its columns; those that no line has are left out.
struct Kind {
    heading: &'static str,
    columns: &'static [Column],
}

struct Column {
    metric: Metric,
    compared: Compared,
}

/// Whether a figure is divided by Kafka's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    WithKafka,
    Not,
}

const fn with_kafka(metric: Metric) -> Column {
    Column { metric, compared: Compared::WithKafka }
}

const fn alone(metric: Metric) -> Column {
    Column { metric, compared: Compared::Not }
}

const KINDS: [Kind; 3] = [
    Kind {
        heading: "Rate and cost",
        columns: &[
            with_kafka(Metric::Rate),
            alone(Metric::Throughput),
            with_kafka(Metric::BrokerCpu),
            alone(Metric::BrokerCpuPerGb),
            alone(Metric::ClientCpu),
            alone(Metric::Errors),
        ],
    },
    Kind {
        heading: "Latency",
        columns: &[
            alone(Metric::Mean),
            with_kafka(Metric::P50),
            with_kafka(Metric::P99),
            with_kafka(Metric::P999),
            alone(Metric::Max),
        ],
    },
    Kind {
        heading: "Memory, disk and start",
        columns: &[
            alone(Metric::Rss),
            with_kafka(Metric::RssPeak),
            alone(Metric::WrittenPerByte),
            alone(Metric::RecordsPerFlush),
            alone(Metric::DiskUsed),
            with_kafka(Metric::Start),
            with_kafka(Metric::Restart),
        ],
    },
];

/// When a confirm comes, in the words of every row.
pub fn confirm_words(flushed: bool) -> &'static str {
    if flushed { "flush" } else { "page cache" }
}

/// Whether a setting's name says no more than when its confirms come.
pub fn is_plain_setting(setting: &str) -> bool {
    [AS_IT_COMES, FLUSHED].contains(&setting)
}

/// The tables of one story.
pub fn of_story(results: &Results, story: &str) -> String {
    let lines: Vec<&Line> = results.story(story).collect();
    let mut page = String::new();
    for kind in &KINDS {
        // Errors alone, or rather their absence, make no table.
        let measured = |column: &&Column| lines.iter().any(|line| line.figure(&column.metric).is_some());
        let failed = lines.iter().any(|line| line.figure(&Metric::Errors).is_some_and(|e| e.max() > 0.0));
        let columns: Vec<&Column> = kind
            .columns
            .iter()
            .filter(measured)
            .filter(|column| column.metric != Metric::Errors || failed)
            .collect();
        if !columns.is_empty() {
            write!(page, "{}\n\n{}\n", kind.heading, table(results, &lines, &columns))
                .expect("a String takes everything");
        }
    }
    page + &further(&lines)
}

fn table(results: &Results, lines: &[&Line], columns: &[&Column]) -> String {
    let yardstick = match lines.iter().any(|line| line.subject.peer == LOG_MEASURE) {
        true => LOG_MEASURE,
        false => MEASURE_OF_ALL,
    };
    let yardstick = peer_name(yardstick);
    let mut heads = vec!["case", "peer", "setting", "confirms after", "client", "rounds"]
        .into_iter()
        .map(str::to_owned)
        .collect::<Vec<_>>();
    for column in columns {
        heads.push(column.metric.title());
        if column.compared == Compared::WithKafka {
            heads.push(format!("of {yardstick}'s"));
        }
    }
    let mut page = head(&heads);
    for line in lines {
        // A row with nothing but its name would only hide the others.
        if columns.iter().all(|column| line.figure(&column.metric).is_none()) {
            continue;
        }
        let mut cells = name_cells(line);
        for column in columns {
            cells.push(value(line, &column.metric));
            if column.compared == Compared::WithKafka {
                cells.push(of_kafka(results, line, &column.metric));
            }
        }
        page += &row(&cells);
    }
    page
}

/// What names a row: its case, who, in which setting, when it confirms, by which client, over how many rounds.
fn name_cells(line: &Line) -> Vec<String> {
    let rounds = line.figures.values().map(super::spread::Spread::rounds).max().unwrap_or(0);
    let other_run = if line.beside_ours { "" } else { " \\*" };
    vec![
        cell(&line.title()),
        format!("{}{other_run}", cell(peer_name(&line.subject.peer))),
        cell(&line.subject.setting),
        confirm_words(line.flushed).to_owned(),
        cell(&line.client),
        rounds.to_string(),
    ]
}

/// The median, and the lowest and the highest round where they read differently.
fn value(line: &Line, metric: &Metric) -> String {
    line.figure(metric).map(|values| metric.show_spread(values)).unwrap_or_default()
}

fn of_kafka(results: &Results, line: &Line, metric: &Metric) -> String {
    if !line.beside_ours {
        return String::new();
    }
    let ratio = || {
        let kafka = results.yardstick(line)?.figure(metric)?.median();
        (kafka > 0.0).then_some(line.figure(metric)?.median() / kafka)
    };
    ratio().map(factor).unwrap_or_default()
}

/// What the loaders told beside the figures of the contract: a row per figure, because every story has its own.
fn further(lines: &[&Line]) -> String {
    let mut rows = String::new();
    for line in lines {
        // What says only how things were, such as the number of senders, stands in the case's name.
        let told = |metric: &&Metric| matches!(metric, Metric::More(_)) && metric.better() != Better::Neither;
        for metric in line.figures.keys().filter(told) {
            let mut cells = name_cells(line);
            cells.extend([cell(&metric.title()), value(line, metric)]);
            rows += &row(&cells);
        }
    }
    if rows.is_empty() {
        return rows;
    }
    let heads = ["case", "peer", "setting", "confirms after", "client", "rounds", "figure", "value"];
    format!("Further figures\n\n{}{rows}\n", head(&heads.map(str::to_owned)))
}

/// The first two lines of a table.
pub fn head(names: &[String]) -> String {
    format!("{}{}", row(names), row(&vec!["---".to_owned(); names.len()]))
}

/// One line of a table; the cells are Markdown already.
pub fn row(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::rounds;

    #[test]
    fn a_row_says_its_spread_its_ratio_and_when_it_confirms() {
        let mut records = rounds("classic", "64 connections", "forebay", &[400.0, 200.0, 300.0]);
        records.extend(rounds("classic", "64 connections", "kafka", &[100.0]));
        let page = of_story(&Results::newest(&records), "classic");
        assert!(
            page.contains(
                "| 64 connections | Forebay | as-it-comes | flush | franz-go 1.19 | 3 | 300 (200 to 400) | 3.00x |"
            ),
            "{page}"
        );
        assert!(
            page.contains(
                "| 64 connections | Kafka | as-it-comes | page cache | franz-go 1.19 | 1 | 100 | 1.00x |"
            ),
            "{page}"
        );
        assert!(!page.contains("errors"), "there were none: {page}");
    }

    #[test]
    fn a_story_with_errors_has_a_column_for_them() {
        let mut records = rounds("topics", "10000 topics", "kafka", &[100.0]);
        records[0].measures[0].errors = 7;
        assert!(of_story(&Results::newest(&records), "topics").contains("| errors |"));
    }

    #[test]
    fn what_only_one_loader_tells_is_told() {
        let mut records = rounds("classic", "64 connections", "forebay", &[100.0]);
        records[0].measures[0].more.insert("worst_second_rate".into(), 90.into());
        let page = of_story(&Results::newest(&records), "classic");
        assert!(page.contains("| worst second rate | 90.0 |"), "{page}");
    }
}

//! What became of an import, in words and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::finding::{self, Finding};
use super::groups::CopiedGroup;
use super::lane::{Carried, LaneState};
use super::target::Extent;
use super::verify::{Compared, Difference};
use crate::client::Place;
use crate::output::number::{bytes, grouped};
use crate::output::table::Table;

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Each partition.
    pub rows: BTreeMap<Place, Row>,
    /// Each group with cursors in them, as it was copied last.
    pub groups: Vec<CopiedGroup>,
    /// What did not come over, or not as it was.
    pub findings: Vec<Finding>,
    /// Whether producers may write now.
    pub cut_over: bool,
    /// What was written to the source behind the end that came over.
    pub late: Vec<(Place, i64)>,
    /// Where the target is, for those who go there.
    pub target: String,
}

/// What became of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it is.
    pub state: LaneState,
    /// What came over in this run.
    pub carried: Carried,
    /// As the source has it.
    pub source: Extent,
    /// As the target has it.
    pub target: Extent,
    /// What a comparison of both came to, if there was one.
    pub compared: Option<Result<Compared, Difference>>,
}

impl Report {
    /// What there is to complain about.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (place, row) in &self.rows {
            if let LaneState::Failed(why) = &row.state {
                complaints.push(format!("{place}: {why}"));
            }
            if let Some(Err(difference)) = &row.compared {
                complaints.push(format!("{place}: {difference}"));
            }
        }
        for group in &self.groups {
            if let Some(why) = &group.failed {
                complaints.push(format!("group {}: {why}", group.group));
            }
        }
        for (place, records) in &self.late {
            complaints.push(format!(
                "{place}: {} offsets were written to the source behind the end that came over, and are there alone",
                grouped(*records)
            ));
        }
        complaints
    }

    /// All that came over in this run.
    pub fn carried(&self) -> Carried {
        self.rows.values().fold(Carried::default(), |sum, row| sum.and(row.carried))
    }

    /// As JSON.
    pub fn as_json(&self) -> Value {
        let partition = |(place, row): (&Place, &Row)| {
            let compared = match &row.compared {
                None => Value::Null,
                Some(Ok(c)) => json!({ "batches": c.batches, "records": c.records, "crc_sum": c.crc_sum }),
                Some(Err(difference)) => json!({ "difference": difference }),
            };
            json!({
                "topic": &*place.topic,
                "partition": place.partition,
                "state": state(&row.state),
                "error": match &row.state { LaneState::Failed(why) => Some(why), _ => None },
                "source_start": row.source.start,
                "source_end": row.source.end,
                "start": row.target.start,
                "end": row.target.end,
                "batches": row.carried.batches,
                "records": row.carried.records,
                "bytes": row.carried.bytes,
                "gaps": row.carried.gaps,
                "lost": row.carried.lost,
                "compared": compared,
            })
        };
        let group = |group: &CopiedGroup| {
            json!({
                "group": group.group,
                "cursors": group.cursors,
                "members_at_source": group.members,
                "error": group.failed,
            })
        };
        json!({
            "cut_over": self.cut_over,
            "partitions": self.rows.iter().map(partition).collect::<Vec<_>>(),
            "groups": self.groups.iter().map(group).collect::<Vec<_>>(),
            "findings": finding::as_json(&self.findings),
            "complaints": self.complaints(),
        })
    }

    /// In words.
    pub fn as_text(&self) -> String {
        let mut text = finding::as_text(&self.findings);
        let mut table = Table::new(
            &["TOPIC", "PARTITION", "STATE", "SOURCE", "TARGET", "RECORDS", "BYTES", "GAPS", "COMPARED"],
            &[1, 5, 6, 7],
        );
        for (place, row) in &self.rows {
            let extent = |extent: Extent| format!("{}..{}", extent.start, extent.end);
            let compared = match &row.compared {
                None => String::new(),
                Some(Ok(compared)) => {
                    format!("{} batches, crc sum {:x}", grouped(compared.batches as i64), compared.crc_sum)
                }
                Some(Err(_)) => "DIFFERENT".into(),
            };
            table.row([
                place.topic.to_string(),
                place.partition.to_string(),
                state(&row.state).into(),
                extent(row.source),
                extent(row.target),
                grouped(row.carried.records as i64),
                bytes(row.carried.bytes),
                grouped(row.carried.gaps as i64),
                compared,
            ]);
        }
        text.push_str(&table.text());
        let carried = self.carried();
        text.push_str(&format!(
            "{} records in {} batches came over in this run, {}\n",
            grouped(carried.records as i64),
            grouped(carried.batches as i64),
            bytes(carried.bytes)
        ));
        for group in self.groups.iter().filter(|group| group.failed.is_none()) {
            let members = match group.members {
                0 => String::new(),
                some => format!("; it still has {some} members at the source"),
            };
            text.push_str(&format!("group {}: {} partitions{members}\n", group.group, group.cursors));
        }
        text + &self.advice()
    }

    /// What to do next.
    fn advice(&self) -> String {
        if self.cut_over && self.late.is_empty() {
            format!(
                "Cut over: producers and consumers can use {} from now on. The source is as it was; start no producer there again.\n",
                self.target
            )
        } else if self.cut_over {
            format!(
                "Cut over, but the source was written to meanwhile: publish what is named below to {} again.\n",
                self.target
            )
        } else if !self.rows.is_empty() && self.rows.values().all(|row| row.state == LaneState::CutOver) {
            "All of it was cut over before.\n".into()
        } else {
            "Not cut over: the topics take no records of producers yet. The same command goes on; when the source's producers are \
             stopped, --cut-over ends it.\n"
                .into()
        }
    }
}

fn state(state: &LaneState) -> &'static str {
    match state {
        LaneState::Asking | LaneState::Copying => "copying",
        LaneState::Done => "level",
        LaneState::CutOver => "cut over",
        LaneState::Failed(_) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: LaneState) -> Row {
        let extent = Extent { start: 2, end: 9 };
        let carried = Carried { batches: 1, records: 5, bytes: 100, gaps: 2, lost: 0 };
        Row { state, carried, source: extent, target: extent, compared: None }
    }

    #[test]
    fn what_failed_is_a_complaint_and_the_rest_is_a_table() {
        let mut report = Report { target: "here:9092".into(), ..Report::default() };
        report.rows.insert(Place::new("t", 0), row(LaneState::Done));
        report.rows.insert(Place::new("t", 1), row(LaneState::Failed("no room".into())));
        assert_eq!(report.complaints(), ["t partition 1: no room"]);
        let text = report.as_text();
        assert!(text.contains("level") && text.contains("2..9") && text.contains("Not cut over"), "{text}");
        assert_eq!(report.as_json()["partitions"][0]["gaps"], 2);
        assert_eq!(report.carried().records, 10);
    }

    #[test]
    fn records_that_came_late_are_told_after_a_cut_over() {
        let late = vec![(Place::new("t", 0), 3)];
        let report = Report { cut_over: true, late, target: "here:9092".into(), ..Report::default() };
        assert!(report.as_text().contains("publish what is named below to here:9092"));
        assert!(report.complaints()[0].contains("3 offsets"));
    }
}

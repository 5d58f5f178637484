//! Two samples, compared: each partition's lag and what moved.

use super::sample::Sample;
use crate::client::Place;

/// One partition of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Which partition.
    pub place: Place,
    /// Where the group goes on; `None` when it has never committed.
    pub committed: Option<i64>,
    /// The oldest offset.
    pub start: i64,
    /// The next offset.
    pub end: i64,
    /// Records that were not read yet and are still there.
    pub lag: i64,
    /// Records that were deleted before the group read them.
    pub lost: i64,
    /// How long ago the first unread record was written, milliseconds.
    pub age_ms: Option<i64>,
    /// Index of the member that has it.
    pub member: Option<usize>,
    /// What moved; `None` when it was looked at once.
    pub motion: Option<Motion>,
}

/// Records per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Motion {
    /// Written by producers.
    pub written: f64,
    /// Read and committed by the group.
    pub read: f64,
    /// Whether everything that was there at the first look has been read: then what is left is only what is under way.
    pub keeps_up: bool,
}

impl Row {
    /// Where the group reads next.
    pub fn next_read(&self) -> i64 {
        self.committed.map_or(self.start, |committed| committed.max(self.start))
    }
}

/// One row per partition, in order.
pub fn compare(first: &Sample, second: Option<&Sample>) -> Vec<Row> {
    let last = second.unwrap_or(first);
    last.places()
        .into_iter()
        .map(|place| {
            let start = last.start.get(&place).copied().unwrap_or(0);
            let committed = last.committed.get(&place).copied();
            Row {
                committed,
                start,
                end: last.end[&place],
                lag: last.lag(&place),
                lost: committed.map_or(0, |committed| (start - committed).max(0)),
                age_ms: None,
                member: last.group.members.iter().position(|member| member.share.contains(&place)),
                motion: second.map(|second| motion(first, second, &place)),
                place,
            }
        })
        .collect()
}

fn motion(first: &Sample, second: &Sample, place: &Place) -> Motion {
    let seconds = second.at.duration_since(first.at).as_secs_f64().max(0.001);
    let moved = |from: i64, to: i64| (to - from).max(0) as f64 / seconds;
    // A topic that appeared in between has no past.
    let end_before = first.end.get(place).or_else(|| second.end.get(place)).copied().unwrap_or(0);
    let end_now = second.end.get(place).copied().unwrap_or(0);
    let read_before =
        if first.end.contains_key(place) { first.next_read(place) } else { second.next_read(place) };
    let read_now = second.next_read(place);
    Motion {
        written: moved(end_before, end_now),
        read: moved(read_before, read_now),
        keeps_up: read_now >= end_before,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::client::admin::{GroupDescription, GroupMember};
    use std::time::{Duration, Instant};

    fn place(number: i32) -> Place {
        Place::new("t", number)
    }

    /// A sample of partitions given as (committed, start, end).
    pub fn sample(at: Instant, partitions: &[(Option<i64>, i64, i64)]) -> Sample {
        let numbered = || partitions.iter().enumerate().map(|(i, row)| (place(i as i32), row));
        Sample {
            at,
            group: GroupDescription {
                members: vec![GroupMember { share: vec![place(1)], ..GroupMember::default() }],
                ..GroupDescription::default()
            },
            committed: numbered().filter_map(|(place, row)| Some((place, row.0?))).collect(),
            start: numbered().map(|(place, row)| (place, row.1)).collect(),
            end: numbered().map(|(place, row)| (place, row.2)).collect(),
        }
    }

    #[test]
    fn lag_counts_what_is_still_there() {
        let rows = compare(
            &sample(Instant::now(), &[(Some(10), 0, 15), (None, 3, 5), (Some(2), 10, 20), (Some(9), 0, 8)]),
            None,
        );
        let found: Vec<_> = rows.iter().map(|row| (row.lag, row.lost, row.member)).collect();
        assert_eq!(found, [(5, 0, None), (2, 0, Some(0)), (10, 8, None), (0, 0, None)]);
        assert!(rows.iter().all(|row| row.motion.is_none()));
    }

    #[test]
    fn motion_is_counted_per_second() {
        let start = Instant::now();
        let first = sample(start, &[(Some(10), 0, 100), (None, 0, 50), (Some(7), 0, 9)]);
        let second =
            sample(start + Duration::from_secs(2), &[(Some(30), 0, 140), (Some(4), 0, 50), (Some(9), 0, 11)]);
        let rows = compare(&first, Some(&second));
        assert_eq!(rows[0].motion, Some(Motion { written: 20.0, read: 10.0, keeps_up: false }));
        assert_eq!(rows[1].motion, Some(Motion { written: 0.0, read: 2.0, keeps_up: false }));
        assert_eq!(rows[2].motion, Some(Motion { written: 1.0, read: 1.0, keeps_up: true }));
    }
}

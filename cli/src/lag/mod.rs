//! How far a group is behind, and why.
//!
//! | file | noun |
//! |---|---|
//! | [`sample`] | what a group and its partitions look like at one moment |
//! | [`row`] | two samples, compared: each partition's lag and what moved |
//! | [`cause`] | why the lag is there |
//! | [`text`] | all of it in words and as JSON |

pub mod cause;
pub mod row;
pub mod sample;
pub mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use cause::Cause;
use row::Row;
use sample::Sample;

use crate::client::admin::GroupDescription;
use crate::client::{ClientError, Cluster};
use crate::output::time;

/// A group's lag.
#[derive(Clone, Debug, PartialEq)]
pub struct Lag {
    /// The group, as it was at last.
    pub group: GroupDescription,
    /// Its partitions.
    pub rows: Vec<Row>,
    /// Why it is behind, or that it is not.
    pub causes: Vec<Cause>,
    /// How long it was watched; `None` when it was looked at once.
    pub watched: Option<Duration>,
}

impl Lag {
    /// Records that were not read yet.
    pub fn records(&self) -> i64 {
        self.rows.iter().map(|row| row.lag).sum()
    }

    /// The age of the oldest of them, milliseconds.
    pub fn age_ms(&self) -> Option<i64> {
        self.rows.iter().filter_map(|row| row.age_ms).max()
    }

    /// By how many records per second it grows; negative when it shrinks.
    pub fn growth(&self) -> Option<f64> {
        self.watched?;
        Some(self.rows.iter().filter_map(|row| row.motion).map(|motion| motion.written - motion.read).sum())
    }
}

/// Watches a group for a while.
///
/// # Errors
/// The cluster's; [`ClientError::Invalid`] when nobody knows the group.
pub fn watch(cluster: &mut Cluster, group: &str, interval: Duration) -> Result<Lag, ClientError> {
    let first = Sample::take(cluster, group)?;
    if first.group.state == "Dead" && first.committed.is_empty() {
        return Err(ClientError::Invalid(format!("there is no group {group}")));
    }
    // Of a group that is not behind there is nothing to explain.
    let behind = first.places().iter().any(|place| first.lag(place) > 0);
    let second = if behind && !interval.is_zero() {
        cluster.interrupt().pause(interval);
        cluster.interrupt().check()?;
        Some(Sample::take(cluster, group)?)
    } else {
        None
    };
    let mut rows = row::compare(&first, second.as_ref());
    let last = second.as_ref().unwrap_or(&first);
    let unread: BTreeMap<_, _> =
        rows.iter().filter(|row| row.lag > 0).map(|row| (row.place.clone(), row.next_read())).collect();
    let times = sample::first_timestamps(cluster, unread)?;
    let now_ms = time::now_ms();
    for row in &mut rows {
        row.age_ms = times.get(&row.place).map(|written_ms| (now_ms - written_ms).max(0));
    }
    let watched = second.as_ref().map(|second| second.at.duration_since(first.at));
    let causes = cause::explain(&last.group, &rows, watched);
    Ok(Lag { group: last.group.clone(), rows, causes, watched })
}

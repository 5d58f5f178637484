//! What a group and its partitions look like at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::client::admin::{self, GroupDescription};
use crate::client::cluster::AutoCreate;
use crate::client::fetcher::{Amount, Fetcher};
use crate::client::group::committed;
use crate::client::offsets::{self, Which};
use crate::client::{ClientError, Cluster, Deadline, Place};

/// A moment.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// The group with its members.
    pub group: GroupDescription,
    /// Where it goes on, where it has ever committed.
    pub committed: BTreeMap<Place, i64>,
    /// The oldest offset of each partition.
    pub start: BTreeMap<Place, i64>,
    /// The next offset of each partition.
    pub end: BTreeMap<Place, i64>,
}

impl Sample {
    /// Takes one. All partitions of every topic the group has to do with belong to it: one that nobody reads is what
    /// one looks for.
    ///
    /// # Errors
    /// The cluster's.
    pub fn take(cluster: &mut Cluster, group: &str) -> Result<Sample, ClientError> {
        let described = admin::describe_group(cluster, group)?;
        // Commits before ends: a record that is both written and read in between must not look like lag below zero.
        let committed = committed::fetch(cluster, group, None)?;
        let at = Instant::now();
        let shares = described.members.iter().flat_map(|member| &member.share);
        let topics: BTreeSet<String> =
            committed.keys().chain(shares).map(|place| place.topic.to_string()).collect();
        let topics = existing(cluster, topics)?;
        cluster.work_with(&topics, AutoCreate::Forbidden)?;
        let places: Vec<Place> = topics.iter().flat_map(|topic| cluster.places(topic)).collect();
        Ok(Sample {
            at,
            group: described,
            committed,
            start: offsets::list(cluster, &places, Which::Earliest)?,
            end: offsets::list(cluster, &places, Which::Latest)?,
        })
    }

    /// Its partitions.
    pub fn places(&self) -> Vec<Place> {
        self.end.keys().cloned().collect()
    }

    /// Where the group reads next: where it committed, but not before the oldest record there is.
    pub fn next_read(&self, place: &Place) -> i64 {
        let start = self.start.get(place).copied().unwrap_or(0);
        self.committed.get(place).map_or(start, |committed| start.max(*committed))
    }

    /// Records of a partition that were not read yet.
    pub fn lag(&self, place: &Place) -> i64 {
        (self.end.get(place).copied().unwrap_or(0) - self.next_read(place)).max(0)
    }
}

/// Those of the topics that still exist: a group's offsets may outlive a topic.
fn existing(cluster: &mut Cluster, topics: BTreeSet<String>) -> Result<Vec<String>, ClientError> {
    let names: Vec<String> = topics.into_iter().collect();
    if names.is_empty() {
        return Ok(names);
    }
    let found = cluster.persist("looking up topics", |cluster, deadline| {
        cluster.topics(Some(&names), AutoCreate::Forbidden, deadline)
    })?;
    Ok(found.into_iter().filter(|topic| topic.error.is_none()).map(|topic| topic.name).collect())
}

/// How long the first unread records are waited for: they are there, so it is short.
const FIRST_RECORD_WAIT: Duration = Duration::from_millis(100);

/// When the first record at or behind each position was written, milliseconds since 1970. Where there is none (only marks
/// of transactions, or it has just been deleted) there is no time.
///
/// # Errors
/// The cluster's.
pub fn first_timestamps(
    cluster: &mut Cluster,
    positions: BTreeMap<Place, i64>,
) -> Result<BTreeMap<Place, i64>, ClientError> {
    let mut fetcher = Fetcher::default();
    let mut times = BTreeMap::new();
    fetcher.assign(positions);
    let until: Deadline = cluster.deadline();
    while !fetcher.positions().is_empty() && until.left().is_some() {
        let fetched = fetcher.fetch(cluster, FIRST_RECORD_WAIT, Amount::Little)?;
        if fetched.is_empty() {
            break;
        }
        for fetched in fetched {
            if let Some(first) = fetched.records.first() {
                times.insert(fetched.place.clone(), first.timestamp.0);
                fetcher.release(&fetched.place);
            }
        }
    }
    Ok(times)
}

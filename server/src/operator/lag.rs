//! How far groups are behind, in records and in time.
//!
//! Nothing is written down per message, so the time is an estimate. The ends of partitions are sampled whenever somebody
//! looks; the oldest unread record arrived between the last sample that does not hold it and the first that does, and
//! between two samples records are taken to arrive evenly. The error is at most the time between these two samples. A
//! record that was unread before the first sample counts from that sample on: after a restart, or when nobody has looked
//! for minutes, the time starts at zero and is a lower bound until the group has caught up once.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_model::{GroupId, Offset, TopicId};
use forebay_shard::{PartitionSummary, Summary};

/// Partitions whose ends are sampled; lag in others is told in records only.
const SAMPLED_PARTITIONS_MAX: usize = 10_000;
/// Samples of one partition. When they are more, the older half is thinned out: the further back, the coarser.
const SAMPLES_MAX: usize = 32;

/// A partition: its topic and its number.
type Key = (TopicId, u32);

/// How far a group is behind in a topic.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct GroupLag {
    /// The group.
    pub group: GroupId,
    /// The topic.
    pub topic: TopicId,
    /// Records that it has not read, of all partitions that it has a cursor in.
    pub records: u64,
    /// How long the oldest of them waits. None when that is not known.
    pub waits: Option<Duration>,
}

/// The ends of partitions over time.
#[derive(Default)]
pub(super) struct Ends {
    partitions: BTreeMap<Key, Samples>,
}

/// Ends of one partition, oldest first; neither times nor ends fall.
#[derive(Default)]
struct Samples(VecDeque<(Monotonic, Offset)>);

impl Ends {
    /// Takes new samples and says how far every group is behind in every topic that it has a cursor in.
    pub(super) fn lags(&mut self, summaries: &[&Summary], now: Monotonic) -> Vec<GroupLag> {
        let partitions = partitions(summaries);
        self.sample(summaries, &partitions);
        let mut lags = Vec::new();
        for group in summaries.iter().flat_map(|summary| &summary.groups) {
            let mut topics: BTreeMap<TopicId, GroupLag> = BTreeMap::new();
            for cursor in &group.cursors {
                let key = (cursor.topic, cursor.number);
                let Some((partition, _)) = partitions.get(&key) else { continue };
                let lag = topics.entry(cursor.topic).or_insert_with(|| GroupLag {
                    group: group.group.clone(),
                    topic: cursor.topic,
                    records: 0,
                    waits: Some(Duration::ZERO),
                });
                let (records, waits) = self.lag(key, partition, cursor.offset, now);
                lag.records += records;
                lag.waits = lag.waits.zip(waits).map(|(a, b)| a.max(b));
            }
            lags.extend(topics.into_values());
        }
        lags
    }

    fn lag(
        &self,
        key: Key,
        partition: &PartitionSummary,
        cursor: Offset,
        now: Monotonic,
    ) -> (u64, Option<Duration>) {
        // What was trimmed is lost to the group and no longer waits.
        let next = cursor.max(partition.start);
        let records = partition.end.0.saturating_sub(next.0);
        if records == 0 {
            return (0, Some(Duration::ZERO));
        }
        let since = self.partitions.get(&key).and_then(|samples| samples.arrival_of(next));
        (records, since.map(|since| now.since(since)))
    }

    /// Keeps samples of the partitions that a group has a cursor in, as far back as the furthest cursor needs.
    fn sample(&mut self, summaries: &[&Summary], partitions: &HashMap<Key, (&PartitionSummary, Monotonic)>) {
        let mut furthest: BTreeMap<Key, Offset> = BTreeMap::new();
        for cursor in summaries.iter().flat_map(|s| &s.groups).flat_map(|group| &group.cursors) {
            let key = (cursor.topic, cursor.number);
            let Some((partition, _)) = partitions.get(&key) else { continue };
            let next = cursor.offset.max(partition.start);
            furthest.entry(key).and_modify(|offset| *offset = next.min(*offset)).or_insert(next);
        }
        self.partitions.retain(|key, _| furthest.contains_key(key));
        for (key, next) in furthest {
            if self.partitions.len() >= SAMPLED_PARTITIONS_MAX && !self.partitions.contains_key(&key) {
                continue;
            }
            let (partition, taken_at) = partitions[&key];
            let samples = self.partitions.entry(key).or_default();
            samples.push(taken_at, partition.end);
            samples.forget_before(next);
        }
    }
}

fn partitions<'a>(summaries: &[&'a Summary]) -> HashMap<Key, (&'a PartitionSummary, Monotonic)> {
    let of = |summary: &&'a Summary| {
        let taken_at = summary.taken_at;
        let summary: &'a Summary = summary;
        summary.partitions.iter().map(move |p| ((p.topic, p.number), (p, taken_at)))
    };
    summaries.iter().flat_map(of).collect()
}

impl Samples {
    fn push(&mut self, at: Monotonic, end: Offset) {
        let samples = &mut self.0;
        match samples.back() {
            Some((last, _)) if *last >= at => return,
            Some((_, last)) if *last > end => samples.clear(),
            _ => {}
        }
        // Of a time in which nothing arrived only its begin and its end matter.
        let idle = samples.len() >= 2 && samples.range(samples.len() - 2..).all(|(_, other)| *other == end);
        if idle {
            samples.pop_back();
        }
        samples.push_back((at, end));
        if samples.len() > SAMPLES_MAX {
            let mut place = 0;
            samples.retain(|_| {
                place += 1;
                place > SAMPLES_MAX / 2 || place % 2 == 1
            });
        }
    }

    /// Forgets samples that only say when records before `next` arrived.
    fn forget_before(&mut self, next: Offset) {
        while self.0.get(1).is_some_and(|(_, end)| *end <= next) {
            self.0.pop_front();
        }
    }

    /// About when the record at `offset` arrived; none when no sample holds it.
    fn arrival_of(&self, offset: Offset) -> Option<Monotonic> {
        let behind = self.0.partition_point(|(_, end)| *end <= offset);
        let (after, end_after) = self.0.get(behind)?;
        let Some((before, end_before)) = behind.checked_sub(1).map(|at| self.0[at]) else {
            return Some(*after);
        };
        let share = (offset.0 - end_before.0) as f64 / (end_after.0 - end_before.0) as f64;
        Some(before + after.since(before).mul_f64(share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_shard::{CursorSummary, GroupSummary};

    const TOPIC: TopicId = TopicId([1; 16]);

    fn at(seconds: u64) -> Monotonic {
        Monotonic(seconds * 1_000_000_000)
    }

    fn summary(seconds: u64, start: u64, end: u64, cursors: &[(&str, u64)]) -> Summary {
        let cursor = |offset| CursorSummary { topic: TOPIC, number: 0, offset: Offset(offset) };
        let group = |(name, offset): &(&str, u64)| GroupSummary {
            group: GroupId((*name).into()),
            members: 1,
            cursors: vec![cursor(*offset)],
        };
        Summary {
            taken_at: at(seconds),
            partitions: vec![PartitionSummary {
                topic: TOPIC,
                number: 0,
                start: Offset(start),
                end: Offset(end),
                bytes: 0,
            }],
            groups: cursors.iter().map(group).collect(),
            complete: true,
        }
    }

    /// Looks at the partition; per group the lag in records and in seconds.
    fn look(
        ends: &mut Ends,
        seconds: u64,
        start: u64,
        end: u64,
        cursors: &[(&str, u64)],
    ) -> Vec<(u64, Option<f64>)> {
        let lags = ends.lags(&[&summary(seconds, start, end, cursors)], at(seconds));
        lags.iter().map(|lag| (lag.records, lag.waits.map(|waits| waits.as_secs_f64()))).collect()
    }

    #[test]
    fn a_group_that_has_read_everything_waits_for_nothing() {
        let mut ends = Ends::default();
        assert_eq!(look(&mut ends, 10, 0, 100, &[("g", 100)]), [(0, Some(0.0))]);
        assert_eq!(look(&mut ends, 20, 0, 100, &[("g", 100)]), [(0, Some(0.0))]);
    }

    #[test]
    fn a_standing_group_ages_with_its_oldest_unread_record() {
        let mut ends = Ends::default();
        look(&mut ends, 0, 0, 100, &[("g", 100)]);
        look(&mut ends, 10, 0, 200, &[("g", 100)]);
        // Record 100 came first in the ten seconds, 150 in their middle.
        assert_eq!(look(&mut ends, 20, 0, 300, &[("g", 100)]), [(200, Some(20.0))]);
        assert_eq!(look(&mut ends, 30, 0, 300, &[("g", 150)]), [(150, Some(25.0))]);
        assert_eq!(look(&mut ends, 40, 0, 300, &[("g", 300)]), [(0, Some(0.0))]);
    }

    #[test]
    fn a_record_after_an_idle_hour_is_not_an_hour_old() {
        let mut ends = Ends::default();
        for seconds in (0..3_600).step_by(10) {
            look(&mut ends, seconds, 0, 100, &[("g", 100)]);
        }
        let lag = look(&mut ends, 3_600, 0, 101, &[("g", 100)]);
        assert_eq!(lag, [(1, Some(10.0))]);
    }

    #[test]
    fn what_was_unread_before_the_first_look_counts_from_there() {
        let mut ends = Ends::default();
        assert_eq!(look(&mut ends, 1_000, 0, 100, &[("g", 5)]), [(95, Some(0.0))]);
        assert_eq!(look(&mut ends, 1_060, 0, 100, &[("g", 5)]), [(95, Some(60.0))]);
    }

    #[test]
    fn each_group_has_its_own_lag_and_what_was_trimmed_is_none() {
        let mut ends = Ends::default();
        look(&mut ends, 0, 0, 100, &[("fast", 100), ("slow", 0)]);
        let lags = look(&mut ends, 10, 40, 200, &[("fast", 200), ("slow", 0)]);
        assert_eq!(lags, [(0, Some(0.0)), (160, Some(10.0))]);
    }

    #[test]
    fn a_day_of_samples_stays_small_and_still_tells_the_age() {
        let mut ends = Ends::default();
        let day = 24 * 3600;
        let mut last = Vec::new();
        for seconds in (0..=day).step_by(15) {
            last = look(&mut ends, seconds, 0, seconds * 1_000 + 1, &[("g", 1_000_000)]);
        }
        let samples = &ends.partitions[&(TOPIC, 0)];
        assert!(samples.0.len() <= SAMPLES_MAX, "{} samples", samples.0.len());
        // Record 1,000,000 arrived after 1000 seconds.
        let age = last[0].1.unwrap();
        assert!((age - (day - 1_000) as f64).abs() < 30.0, "{age}");
    }

    #[test]
    fn partitions_that_nobody_reads_are_not_sampled() {
        let mut ends = Ends::default();
        look(&mut ends, 0, 0, 100, &[("g", 1)]);
        assert_eq!(ends.partitions.len(), 1);
        look(&mut ends, 10, 0, 100, &[]);
        assert!(ends.partitions.is_empty());
    }
}

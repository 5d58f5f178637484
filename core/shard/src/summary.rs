//! What a leading shard tells operators about its partitions and groups: a picture taken now and then, and only while
//! somebody looks. A shard that nobody watches pays one atomic load per turn.
//!
//! The picture is made in steps of [`STEP_MAX`] items, one per turn, so it is no snapshot: its numbers were true at
//! slightly different times. Nothing may be decided by them.

use std::sync::Arc;
use std::time::Duration;

use forebay_env::Monotonic;
use forebay_machine::{Machine, OffsetKey};
use forebay_model::{GroupId, Offset, PartitionId, TopicId};

use crate::shard::Shard;

/// A watched shard begins a new picture this long after it began the last one.
pub const SUMMARY_INTERVAL: Duration = Duration::from_secs(5);
/// Partitions of one picture; those with higher ids are left out.
pub const SUMMARY_PARTITIONS_MAX: usize = 100_000;
/// Cursors of one picture; those of groups later in the alphabet are left out.
pub const SUMMARY_CURSORS_MAX: usize = 100_000;
/// Partitions or cursors looked at in one turn: some 100 microseconds.
const STEP_MAX: usize = 2_000;
/// What a group takes besides its name and its cursors: the space that a growing list has to spare.
const GROUP_BYTES: usize = 2 * size_of::<GroupSummary>();

/// A picture of a shard's partitions and of its groups' cursors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// When it was begun.
    pub taken_at: Monotonic,
    /// By id; at most [`SUMMARY_PARTITIONS_MAX`].
    pub partitions: Vec<PartitionSummary>,
    /// Groups that have a cursor, by name.
    pub groups: Vec<GroupSummary>,
    /// Whether nothing was left out.
    pub complete: bool,
}

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionSummary {
    /// Its topic.
    pub topic: TopicId,
    /// Its number within the topic.
    pub number: u32,
    /// The first readable offset.
    pub start: Offset,
    /// The offset that the next record gets.
    pub end: Offset,
    /// About how many bytes its payloads take.
    pub bytes: u64,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its id.
    pub group: GroupId,
    /// Members of its last generation.
    pub members: usize,
    /// Where it stands, by topic and partition; together at most [`SUMMARY_CURSORS_MAX`].
    pub cursors: Vec<CursorSummary>,
}

/// Where a group stands in one partition, of this shard or of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CursorSummary {
    /// The topic.
    pub topic: TopicId,
    /// The partition's number.
    pub number: u32,
    /// The next offset to read.
    pub offset: Offset,
}

/// Makes the pictures of one shard.
#[derive(Default)]
pub(crate) struct Summarizer {
    /// No picture is begun before.
    next: Monotonic,
    walk: Option<Walk>,
    /// Bytes of the one that the board shows, if it shows one.
    shown: Option<usize>,
}

impl Summarizer {
    /// Bytes of the picture shown and of the one being made.
    pub(crate) fn bytes(&self) -> usize {
        self.shown.unwrap_or(0) + self.walk.as_ref().map_or(0, |walk| walk.bytes)
    }
}

/// A picture that is being made.
struct Walk {
    summary: Summary,
    place: Place,
    cursors: usize,
    /// What it takes...
    bytes: usize,
    /// ...and may take.
    bytes_max: usize,
}

/// Where the next step goes on.
enum Place {
    Partitions(PartitionId),
    Cursors(Option<OffsetKey>),
    End,
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Does the next step, if somebody wants a picture.
    pub(crate) fn summarize(&mut self, now: Monotonic) {
        if !self.board.wants_summary(now) || !self.leads() {
            if std::mem::take(&mut self.summarizer).shown.is_some() {
                self.board.set_summary(None);
            }
            return;
        }
        let summarizer = &mut self.summarizer;
        if summarizer.walk.is_none() && now >= summarizer.next {
            summarizer.next = now + SUMMARY_INTERVAL;
            // One may be shown while the next one is made.
            summarizer.walk = Some(Walk::begin(now, self.config.summary_bytes_max / 2));
        }
        let Some(walk) = &mut summarizer.walk else { return };
        walk.step(&self.machine);
        if let Some(walk) = summarizer.walk.take_if(|walk| matches!(walk.place, Place::End)) {
            summarizer.shown = Some(walk.bytes);
            self.board.set_summary(Some(Arc::new(walk.summary)));
        }
    }
}

impl Walk {
    fn begin(now: Monotonic, bytes_max: usize) -> Walk {
        let summary = Summary { taken_at: now, complete: true, ..Summary::default() };
        Walk { summary, place: Place::Partitions(PartitionId(0)), cursors: 0, bytes: 0, bytes_max }
    }

    /// Whether so much more fits; what does not is left out, and the picture says so.
    fn fits(&mut self, bytes: usize) -> bool {
        let fits = self.bytes + bytes <= self.bytes_max;
        if fits {
            self.bytes += bytes;
        } else {
            self.summary.complete = false;
        }
        fits
    }

    fn step(&mut self, machine: &Machine) {
        self.place = match std::mem::replace(&mut self.place, Place::End) {
            Place::Partitions(from) => self.partitions(machine, from),
            Place::Cursors(behind) => self.cursors(machine, behind),
            Place::End => Place::End,
        };
    }

    fn partitions(&mut self, machine: &Machine, from: PartitionId) -> Place {
        for (count, partition) in machine.partitions_from(from).enumerate() {
            if self.summary.partitions.len() == SUMMARY_PARTITIONS_MAX {
                self.summary.complete = false;
                break;
            }
            if count == STEP_MAX {
                return Place::Partitions(partition.id);
            }
            // A list grows by doubling.
            if !self.fits(2 * size_of::<PartitionSummary>()) {
                break;
            }
            self.summary.partitions.push(PartitionSummary {
                topic: partition.topic,
                number: partition.number,
                start: partition.start,
                end: partition.end,
                bytes: partition.bytes,
            });
        }
        Place::Cursors(None)
    }

    fn cursors(&mut self, machine: &Machine, behind: Option<OffsetKey>) -> Place {
        let mut last = None;
        for (key, committed) in machine.groups().offsets_behind(behind.as_ref()).take(STEP_MAX) {
            if self.cursors == SUMMARY_CURSORS_MAX {
                self.summary.complete = false;
                return Place::End;
            }
            let known = self.summary.groups.last().is_some_and(|group| group.group == key.group);
            let group = if known { 0 } else { GROUP_BYTES + key.group.0.len() };
            if !self.fits(group + 2 * size_of::<CursorSummary>()) {
                return Place::End;
            }
            self.cursors += 1;
            let cursor = CursorSummary { topic: key.topic, number: key.number, offset: committed.offset };
            match self.summary.groups.last_mut().filter(|group| group.group == key.group) {
                Some(group) => group.cursors.push(cursor),
                None => self.summary.groups.push(GroupSummary {
                    group: key.group.clone(),
                    members: machine.groups().get(&key.group).map_or(0, |group| group.members.len()),
                    cursors: vec![cursor],
                }),
            }
            last = Some(key);
        }
        last.map_or(Place::End, |last| Place::Cursors(Some(last.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_machine::{
        Command, Effects, Meta, OpenPartition, PartitionSettings, SaveOffsets, SavedOffset,
    };
    use forebay_model::{LeaderEpoch, LogIndex, LogTime, ShardId, Term, TimestampType};

    fn apply(machine: &mut Machine, command: Command) {
        let meta = Meta { index: LogIndex(1), term: Term(1), time: LogTime(1) };
        machine.apply(meta, command, &mut Effects::default()).expect("a known version");
    }

    fn machine(partitions: u64, groups: &[&str]) -> Machine {
        let mut machine = Machine::new(ShardId(0));
        for id in 0..partitions {
            let open = OpenPartition {
                partition: PartitionId(id * 3),
                topic: TopicId([7; 16]),
                number: u32::try_from(id).expect("small"),
                settings: PartitionSettings {
                    retention_ms: None,
                    retention_bytes: None,
                    message_bytes_max: 1,
                    timestamp_type: TimestampType::Create,
                    compaction: None,
                    queue: None,
                },
                catalogue_version: 1,
                base_epoch: LeaderEpoch(0),
            };
            apply(&mut machine, Command::OpenPartition(open));
        }
        for group in groups {
            let offset = |number| SavedOffset {
                topic: TopicId([7; 16]),
                number,
                offset: Offset(u64::from(number)),
                leader_epoch: None,
                metadata: String::new(),
            };
            let offsets = (0..3_000).map(offset).collect();
            apply(
                &mut machine,
                Command::CommitOffsets(SaveOffsets { group: GroupId((*group).into()), offsets }),
            );
        }
        machine
    }

    fn walk(machine: &Machine) -> (Summary, usize) {
        walk_within(machine, usize::MAX)
    }

    fn walk_within(machine: &Machine, bytes_max: usize) -> (Summary, usize) {
        let mut walk = Walk::begin(Monotonic(9), bytes_max);
        let mut steps = 0;
        while !matches!(walk.place, Place::End) {
            walk.step(machine);
            steps += 1;
        }
        (walk.summary, steps)
    }

    #[test]
    fn a_picture_made_in_steps_has_everything_once() {
        let (summary, steps) = walk(&machine(5_000, &["a", "b"]));
        assert!(steps >= 3 + 3, "{steps} steps");
        let numbers: Vec<u32> = summary.partitions.iter().map(|partition| partition.number).collect();
        assert_eq!(numbers, (0..5_000).collect::<Vec<_>>());
        let groups: Vec<_> = summary.groups.iter().map(|g| (g.group.0.as_ref(), g.cursors.len())).collect();
        assert_eq!(groups, [("a", 3_000), ("b", 3_000)]);
        assert!(summary.groups[1].cursors.iter().all(|cursor| cursor.offset.0 == u64::from(cursor.number)));
        assert!(summary.complete);
    }

    #[test]
    fn a_picture_has_a_limit_and_says_when_it_is_reached() {
        let groups: Vec<String> = (0..40).map(|n| format!("group {n:02}")).collect();
        let (summary, _) = walk(&machine(0, &groups.iter().map(String::as_str).collect::<Vec<_>>()));
        let cursors: usize = summary.groups.iter().map(|group| group.cursors.len()).sum();
        assert_eq!(cursors, SUMMARY_CURSORS_MAX);
        assert!(!summary.complete);
    }

    #[test]
    fn a_picture_takes_no_more_memory_than_it_may() {
        let machine = machine(5_000, &["a", "b"]);
        let (few, _) = walk_within(&machine, 100_000);
        assert!(!few.complete);
        assert_eq!(
            (few.partitions.len(), few.groups.len()),
            (100_000 / (2 * size_of::<PartitionSummary>()), 0)
        );
        let (more, _) = walk_within(&machine, 5_000 * 2 * size_of::<PartitionSummary>() + 100_000);
        assert!(!more.complete && more.partitions.len() == 5_000 && more.groups.len() == 1);
        assert!(more.groups[0].cursors.len() * 2 * size_of::<CursorSummary>() < 100_000);
        assert_eq!(walk_within(&machine, 1).0, Summary { taken_at: Monotonic(9), ..Summary::default() });
    }
}

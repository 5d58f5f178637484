//! How partitions are dealt out. Pure: the same members, topics and present shares give the same new ones, and dealing again with
//! what came out changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::TopicId;
use forebay_model::group::PartitionSet;

use super::Place;
use super::limits::BALANCE_ROUNDS_MAX;

/// A strategy that the broker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strategy {
    /// Everyone has as many as any other, or one less; as few as possible change hands.
    Uniform,
    /// Of each topic everyone has a range, so that equal numbers of several topics come to one member.
    Range,
}

impl Strategy {
    /// All of them; where equally many members want several, the first.
    pub(super) const ALL: [Strategy; 2] = [Strategy::Uniform, Strategy::Range];

    /// Its name, as clients say it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Strategy::Uniform => "uniform",
            Strategy::Range => "range",
        }
    }

    pub(super) fn named(name: &str) -> Option<Strategy> {
        Strategy::ALL.into_iter().find(|strategy| strategy.name() == name)
    }

    /// The one that most members want; the first of all where nobody wants any.
    pub(super) fn most_wanted(wishes: impl Iterator<Item = Strategy>) -> Strategy {
        let mut votes = [0_usize; Strategy::ALL.len()];
        for wish in wishes {
            votes[wish as usize] += 1;
        }
        let most = votes.into_iter().max().unwrap_or(0);
        Strategy::ALL.into_iter().find(|wish| votes[*wish as usize] == most).unwrap_or(Strategy::Uniform)
    }

    /// One share per reader, in their order. `topics` has the number of partitions of each.
    pub(super) fn deal(self, readers: &[Reader<'_>], topics: &BTreeMap<TopicId, u32>) -> Vec<PartitionSet> {
        match self {
            Strategy::Uniform => uniform(readers, topics),
            Strategy::Range => range(readers, topics),
        }
    }
}

/// A member as a strategy sees it.
pub(super) struct Reader<'a> {
    pub(super) id: &'a str,
    pub(super) instance: Option<&'a str>,
    /// What it reads.
    pub(super) topics: BTreeSet<TopicId>,
    /// Its share so far.
    pub(super) before: &'a PartitionSet,
}

fn range(readers: &[Reader<'_>], topics: &BTreeMap<TopicId, u32>) -> Vec<PartitionSet> {
    let mut shares = vec![PartitionSet::new(); readers.len()];
    // Static members first and by name, so that one that restarts under another id has the same range again.
    let mut order: Vec<usize> = (0..readers.len()).collect();
    order.sort_by_key(|&reader| {
        let Reader { id, instance, .. } = &readers[reader];
        (instance.is_none(), instance.unwrap_or(id))
    });
    for (&topic, &count) in topics {
        let subscribed: Vec<usize> =
            order.iter().copied().filter(|&reader| readers[reader].topics.contains(&topic)).collect();
        let Some(several) = u32::try_from(subscribed.len()).ok().filter(|several| *several > 0) else {
            continue;
        };
        let (each, more) = (count / several, count % several);
        let mut next = 0;
        for (place, reader) in (0..).zip(subscribed) {
            let end = next + each + u32::from(place < more);
            shares[reader].extend((next..end).map(|number| (topic, number)));
            next = end;
        }
    }
    shares
}

fn uniform(readers: &[Reader<'_>], topics: &BTreeMap<TopicId, u32>) -> Vec<PartitionSet> {
    let mut table = Table::new(readers, topics);
    let kept = table.keep(readers, topics);
    table.give(topics, &kept);
    table.balance();
    table.shares
}

/// Shares on their way to being even.
struct Table {
    shares: Vec<PartitionSet>,
    /// Readers of the same topics are of one class.
    class_of: Vec<usize>,
    /// Per class its readers, the one with least first.
    by_load: Vec<BTreeSet<(usize, usize)>>,
    /// Per topic the classes that read it, and how many readers these have.
    readers_of: BTreeMap<TopicId, (Vec<usize>, usize)>,
}

impl Table {
    fn new(readers: &[Reader<'_>], topics: &BTreeMap<TopicId, u32>) -> Table {
        let mut classes: BTreeMap<&BTreeSet<TopicId>, usize> = BTreeMap::new();
        let mut table = Table {
            shares: vec![PartitionSet::new(); readers.len()],
            class_of: Vec::with_capacity(readers.len()),
            by_load: Vec::new(),
            readers_of: topics.keys().map(|topic| (*topic, (Vec::new(), 0))).collect(),
        };
        for (index, reader) in readers.iter().enumerate() {
            let next = classes.len();
            let class = *classes.entry(&reader.topics).or_insert(next);
            if class == next {
                table.by_load.push(BTreeSet::new());
            }
            table.by_load[class].insert((0, index));
            table.class_of.push(class);
        }
        for (read, class) in classes {
            let size = table.by_load[class].len();
            for topic in read {
                if let Some((classes, readers)) = table.readers_of.get_mut(topic) {
                    classes.push(class);
                    *readers += size;
                }
            }
        }
        table
    }

    /// Everyone keeps what there still is of its share; what two have, the first keeps.
    fn keep(&mut self, readers: &[Reader<'_>], topics: &BTreeMap<TopicId, u32>) -> PartitionSet {
        let mut kept = PartitionSet::new();
        for (index, reader) in readers.iter().enumerate() {
            for &(topic, number) in reader.before {
                let is_there = topics.get(&topic).is_some_and(|count| number < *count);
                if is_there && reader.topics.contains(&topic) && kept.insert((topic, number)) {
                    self.add(index, (topic, number));
                }
            }
        }
        kept
    }

    /// What nobody has goes to who has least of those who read it; first the topics that few read.
    fn give(&mut self, topics: &BTreeMap<TopicId, u32>, kept: &PartitionSet) {
        let readers = |topic: &TopicId| self.readers_of.get(topic).map_or(0, |(_, readers)| *readers);
        let mut order: Vec<(usize, TopicId)> = topics.keys().map(|topic| (readers(topic), *topic)).collect();
        order.sort_unstable();
        for (_, topic) in order {
            for number in 0..topics.get(&topic).copied().unwrap_or(0) {
                if kept.contains(&(topic, number)) {
                    continue;
                }
                let Some((_, reader)) = self.lightest(topic) else { break };
                self.add(reader, (topic, number));
            }
        }
    }

    /// Who has two more than somebody who could take one gives it.
    fn balance(&mut self) {
        for _ in 0..BALANCE_ROUNDS_MAX {
            let mut donors: Vec<usize> = (0..self.shares.len()).collect();
            donors.sort_by_key(|&donor| (std::cmp::Reverse(self.shares[donor].len()), donor));
            let mut has_moved = false;
            for donor in donors {
                while let Some((place, taker)) = self.better(donor) {
                    self.take(donor, place);
                    self.add(taker, place);
                    has_moved = true;
                }
            }
            if !has_moved {
                return;
            }
        }
    }

    /// A partition of this reader that somebody with at least two less could have.
    fn better(&self, donor: usize) -> Option<(Place, usize)> {
        let share = &self.shares[donor];
        let mut looked_at = None;
        for &(topic, number) in share.iter().rev() {
            if looked_at == Some(topic) {
                continue;
            }
            looked_at = Some(topic);
            match self.lightest(topic) {
                Some((load, taker)) if load + 2 <= share.len() => return Some(((topic, number), taker)),
                _ => {}
            }
        }
        None
    }

    /// Who has least of those who read a topic, and how much.
    fn lightest(&self, topic: TopicId) -> Option<(usize, usize)> {
        let (classes, _) = self.readers_of.get(&topic)?;
        classes.iter().filter_map(|class| self.by_load[*class].first().copied()).min()
    }

    fn add(&mut self, reader: usize, place: Place) {
        self.change(reader, |share| {
            share.insert(place);
        });
    }

    fn take(&mut self, reader: usize, place: Place) {
        self.change(reader, |share| {
            share.remove(&place);
        });
    }

    fn change(&mut self, reader: usize, change: impl FnOnce(&mut PartitionSet)) {
        let by_load = &mut self.by_load[self.class_of[reader]];
        by_load.remove(&(self.shares[reader].len(), reader));
        change(&mut self.shares[reader]);
        by_load.insert((self.shares[reader].len(), reader));
    }
}

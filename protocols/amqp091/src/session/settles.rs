//! What clients said of their deliveries, gathered until the end of an input.

use std::collections::BTreeMap;

use forebay_kit::model::subscription::{
    ConsumerNumber, OffsetRange, SettleDeliveries, SettleItem, Settlement, Verdict,
};
use forebay_kit::model::{GroupId, Offset, PartitionRef, Refusal, TopicId, TopicRef};

/// Settlements by the consumer that has the messages, and their queue.
#[derive(Debug, Default)]
pub(super) struct Settles(BTreeMap<(ConsumerNumber, TopicId), Vec<(Offset, Settlement)>>);

impl Settles {
    pub(super) fn add(&mut self, consumer: ConsumerNumber, topic: TopicId, offset: Offset, how: Settlement) {
        self.0.entry((consumer, topic)).or_default().push((offset, how));
    }

    pub(super) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// One settlement for each consumer and queue.
    pub(super) fn take(&mut self, subscription: &GroupId) -> Vec<SettleDeliveries> {
        let all = std::mem::take(&mut self.0);
        all.into_iter()
            .map(|((consumer, topic), mut said)| {
                said.sort_unstable();
                let verdicts = ranges(&said);
                let item = SettleItem { partition: partition(topic), verdicts };
                SettleDeliveries { subscription: subscription.clone(), consumer, items: vec![item] }
            })
            .collect()
    }
}

/// The one partition of a queue.
pub(super) fn partition(topic: TopicId) -> PartitionRef {
    PartitionRef { topic: TopicRef::Id(topic), number: 0 }
}

/// Neighbours that end alike in one range. No offset is settled twice: each is in one place of one table of deliveries.
fn ranges(said: &[(Offset, Settlement)]) -> Vec<(OffsetRange, Verdict)> {
    let mut ranges: Vec<(OffsetRange, Verdict)> = Vec::new();
    for (offset, how) in said {
        let verdict = Verdict::End(*how);
        match ranges.last_mut() {
            Some((range, last)) if range.end() == *offset && *last == verdict => range.last = *offset,
            _ => ranges.push((OffsetRange { first: *offset, last: *offset }, verdict)),
        }
    }
    ranges
}

/// What becomes of a settlement that was refused.
#[derive(Debug)]
pub(super) enum Again {
    /// In two halves, at once: a partition's settlements are done together or not at all, and one of them is of a lease that ended.
    Halves(Box<[SettleDeliveries; 2]>),
    /// The same, later.
    Later(SettleDeliveries),
    /// Not again: nobody waits for these messages to be settled by this consumer any more.
    Never,
}

/// Whether messages are given back with it that come again.
pub(super) fn gives_back(settle: &SettleDeliveries) -> bool {
    let is_back = |verdict: &Verdict| matches!(verdict, Verdict::End(Settlement::Release { .. }));
    settle.items.iter().flat_map(|item| &item.verdicts).any(|(_, verdict)| is_back(verdict))
}

pub(super) fn again(settle: SettleDeliveries, refusal: &Refusal) -> Again {
    match refusal {
        Refusal::NotHeld => halves(settle),
        Refusal::NotLeader { .. }
        | Refusal::Loading
        | Refusal::Busy
        | Refusal::TimedOut
        | Refusal::Unknown
        | Refusal::DiskFull => Again::Later(settle),
        _ => Again::Never,
    }
}

fn halves(mut settle: SettleDeliveries) -> Again {
    let Some(item) = settle.items.pop() else { return Again::Never };
    let Some((first, second)) = split(item.verdicts) else { return Again::Never };
    let half = |verdicts| SettleDeliveries {
        subscription: settle.subscription.clone(),
        consumer: settle.consumer,
        items: vec![SettleItem { partition: item.partition.clone(), verdicts }],
    };
    Again::Halves(Box::new([half(first), half(second)]))
}

type Verdicts = Vec<(OffsetRange, Verdict)>;

/// Two halves; `None` of a single offset.
fn split(mut verdicts: Verdicts) -> Option<(Verdicts, Verdicts)> {
    if verdicts.len() > 1 {
        let second = verdicts.split_off(verdicts.len() / 2);
        return Some((verdicts, second));
    }
    let (range, verdict) = verdicts.pop()?;
    let middle = Offset(range.first.0 + range.len() / 2);
    let first = OffsetRange::until(range.first, middle)?;
    let second = OffsetRange { first: middle, last: range.last };
    Some((vec![(first, verdict)], vec![(second, verdict)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(first: u64, last: u64) -> (OffsetRange, Verdict) {
        (OffsetRange { first: Offset(first), last: Offset(last) }, Verdict::End(Settlement::Accept))
    }

    #[test]
    fn neighbours_are_one_range_and_consumers_stay_apart() {
        let mut settles = Settles::default();
        let (one, other, topic) = (ConsumerNumber(1), ConsumerNumber(2), TopicId([1; 16]));
        for offset in [5, 3, 4, 9] {
            settles.add(one, topic, Offset(offset), Settlement::Accept);
        }
        settles.add(one, topic, Offset(10), Settlement::Reject);
        settles.add(other, topic, Offset(6), Settlement::Accept);
        let taken = settles.take(&GroupId("s".into()));
        let said: Vec<_> =
            taken.iter().map(|settle| (settle.consumer, &settle.items[0].verdicts[..])).collect();
        let rejected =
            (OffsetRange { first: Offset(10), last: Offset(10) }, Verdict::End(Settlement::Reject));
        assert_eq!(said, [(one, &[accept(3, 5), accept(9, 9), rejected][..]), (other, &[accept(6, 6)][..])]);
        assert!(settles.take(&GroupId("s".into())).is_empty());
    }

    #[test]
    fn halving_ends_at_single_offsets() {
        let settle = |verdicts| SettleDeliveries {
            subscription: GroupId("s".into()),
            consumer: ConsumerNumber(1),
            items: vec![SettleItem { partition: partition(TopicId([1; 16])), verdicts }],
        };
        let mut open = vec![settle(vec![accept(0, 6), accept(8, 8)])];
        let mut singles = Vec::new();
        while let Some(next) = open.pop() {
            let verdicts = next.items[0].verdicts.clone();
            match again(next, &Refusal::NotHeld) {
                Again::Halves(halves) => open.extend(*halves),
                Again::Never => singles.extend(verdicts),
                Again::Later(_) => panic!("a lease that ended does not come back"),
            }
        }
        singles.sort_by_key(|(range, _)| *range);
        assert_eq!(singles, [0, 1, 2, 3, 4, 5, 6, 8].map(|at| accept(at, at)));
        assert!(matches!(again(settle(vec![accept(0, 1)]), &Refusal::Busy), Again::Later(_)));
        assert!(matches!(again(settle(vec![accept(0, 1)]), &Refusal::UnknownTopicId), Again::Never));
    }
}

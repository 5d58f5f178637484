//! Records of shared subscriptions: what was accepted never comes again, and nothing comes more often than it may.

use std::collections::{BTreeMap, BTreeSet};

use forebay_machine::RecordState;
use forebay_model::subscription::{Delivery, OffsetRange};

use super::{Check, broken};
use crate::history::{Known as Facts, Place};
use crate::world::machine::Machine;

/// What was accepted or rejected, and told to be durable, is handed out to nobody who asks later.
pub const NEVER_AGAIN: &str = "what was accepted never comes again";
/// Attempts are counted and have a limit: every release that was told to be durable is one.
pub const NOT_MORE_OFTEN: &str = "no record is handed out more often than it may";

/// A record is settled because a consumer asked for that, or after its last delivery. Those come alone, one for each receive.
pub const NONE_LOST: &str = "no shared record is lost";

/// What sharers know together.
#[derive(Debug, Default)]
pub struct Shared {
    known: BTreeMap<(String, Place), Known>,
    /// Counts what sharers did: what was confirmed before something was asked has a lower number.
    now: u64,
    /// Receives whose answers did not come, or not yet.
    unheard: u64,
}

#[derive(Debug, Default)]
struct Known {
    /// When each record was settled for good.
    settled: BTreeMap<u64, u64>,
    /// When each was released, each time.
    released: BTreeMap<u64, Vec<u64>>,
    /// How often somebody asked to settle each for good, and was not refused for certain.
    asked: BTreeMap<u64, u32>,
    /// What was handed out for the last time.
    last: BTreeSet<u64>,
    /// The first that was handed out.
    first: Option<u64>,
}

impl Shared {
    /// A sharer asks now; what comes is held against what was confirmed before.
    pub fn asks(&mut self) -> u64 {
        self.now += 1;
        self.now
    }

    /// A sharer asks for records: until it hears an answer, somebody may have had some for the last time.
    pub fn receives(&mut self) -> u64 {
        self.unheard += 1;
        self.asks()
    }

    /// A receive was answered.
    pub fn heard(&mut self) {
        self.unheard = self.unheard.saturating_sub(1);
    }

    /// A sharer asks to settle these for good.
    pub fn settles(&mut self, name: &str, place: Place, delivery: &Delivery) {
        let known = self.known.entry((name.to_owned(), place)).or_default();
        for offset in delivery.range.first.0..=delivery.range.last.0 {
            *known.asked.entry(offset).or_default() += 1;
        }
    }

    /// It was refused, for certain.
    pub fn settled_nothing(&mut self, name: &str, place: Place, delivery: &Delivery) {
        let known = self.known.entry((name.to_owned(), place)).or_default();
        for offset in delivery.range.first.0..=delivery.range.last.0 {
            known.asked.entry(offset).and_modify(|times| *times = times.saturating_sub(1));
        }
    }

    /// Why each record is settled, behind the end of all.
    ///
    /// # Errors
    /// Some are, and nobody wanted that.
    pub fn none_lost(&self, name: &str, place: Place, settled: &[OffsetRange], facts: &Facts) -> Check {
        let Some(known) = self.known.get(&(name.to_owned(), place)) else { return Ok(()) };
        let Some(first) = known.first else { return Ok(()) };
        let is_wanted = |offset: &u64| {
            known.last.contains(offset) || known.asked.get(offset).is_some_and(|times| *times > 0)
        };
        let ranges = settled.iter().filter(|range| range.last.0 >= first);
        let offsets = ranges.flat_map(|range| facts.facts.range(range.first.0.max(first)..=range.last.0));
        let lost: Vec<u64> = offsets.map(|(offset, _)| *offset).filter(|offset| !is_wanted(offset)).collect();
        if lost.len() as u64 <= self.unheard {
            return Ok(());
        }
        let (count, unheard) = (lost.len(), self.unheard);
        let what = format!(
            "{name} in {place:?}: {count} of which nobody had settled, {unheard} receives unanswered: {lost:?}"
        );
        broken(NONE_LOST, what)
    }

    /// A sharer was told that its settlement is durable: these records are never to come again.
    pub fn settled(&mut self, name: &str, place: Place, delivery: &Delivery) {
        let now = self.asks();
        let known = self.known.entry((name.to_owned(), place)).or_default();
        for offset in delivery.range.first.0..=delivery.range.last.0 {
            known.settled.entry(offset).or_insert(now);
        }
    }

    /// A sharer was told that these records are released, and that it counts.
    pub fn released(&mut self, name: &str, place: Place, delivery: &Delivery) {
        let now = self.asks();
        let known = self.known.entry((name.to_owned(), place)).or_default();
        for offset in delivery.range.first.0..=delivery.range.last.0 {
            known.released.entry(offset).or_default().push(now);
        }
    }

    /// A sharer that asked then was handed records.
    ///
    /// # Errors
    /// They were not to come any more.
    pub fn received(
        &mut self,
        name: &str,
        place: Place,
        asked: u64,
        delivery: &Delivery,
        attempts_max: u16,
    ) -> Check {
        let attempt = usize::from(delivery.attempt.0);
        if attempt == 0 || attempt > usize::from(attempts_max) {
            let what = format!("{name} in {place:?}: {delivery:?}, {attempts_max} at most");
            return broken(NOT_MORE_OFTEN, what);
        }
        self.note(name, place, delivery, attempt == usize::from(attempts_max));
        let Some(known) = self.known.get(&(name.to_owned(), place)) else { return Ok(()) };
        let range = delivery.range.first.0..=delivery.range.last.0;
        if let Some((offset, _)) = known.settled.range(range.clone()).find(|(_, at)| **at < asked) {
            return broken(NEVER_AGAIN, format!("{name} in {place:?}: {offset} comes again: {delivery:?}"));
        }
        let before = |times: &[u64]| times.iter().filter(|at| **at < asked).count();
        match known.released.range(range).find(|(_, times)| before(times) >= attempt) {
            Some((offset, times)) => {
                let times = before(times);
                let what = format!("{name} in {place:?}: {offset} was released {times} times: {delivery:?}");
                broken(NOT_MORE_OFTEN, what)
            }
            None => Ok(()),
        }
    }

    fn note(&mut self, name: &str, place: Place, delivery: &Delivery, is_last: bool) {
        let known = self.known.entry((name.to_owned(), place)).or_default();
        let first = delivery.range.first.0;
        known.first = Some(known.first.map_or(first, |before| before.min(first)));
        if is_last {
            known.last.extend(first..=delivery.range.last.0);
        }
    }
}

/// What of a partition is settled for a subscription, and is still there, behind the end of all: as the first replica has it.
pub fn settled_of(machines: &[Machine], name: &str, place: Place) -> Vec<OffsetRange> {
    let shards =
        machines.iter().filter_map(|machine| machine.process.as_ref()).flat_map(|process| &process.shards);
    for machine in shards.map(|driven| driven.opened.shard.machine()) {
        for (key, progress) in machine.subscriptions().iter().filter(|(key, _)| &*key.name.0 == name) {
            let Some(partition) = machine.partition(key.partition) else { continue };
            if (partition.topic, partition.number) == (place.topic, place.number) {
                let before = OffsetRange::until(partition.start, progress.cursor());
                let settled = progress.runs().filter(|run| run.state == RecordState::Settled);
                return before.into_iter().chain(settled.map(|run| run.range)).collect();
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{BatchId, Fact, Uid};
    use forebay_model::{Attempts, Offset, TopicId};

    const PLACE: Place = Place { topic: TopicId([1; 16]), number: 0 };

    fn delivery(first: u64, last: u64, attempt: u16) -> Delivery {
        let range = OffsetRange { first: Offset(first), last: Offset(last) };
        Delivery { range, attempt: Attempts(attempt) }
    }

    #[test]
    fn a_record_that_was_accepted_before_somebody_asked_may_not_come() {
        let mut shared = Shared::default();
        let early = shared.asks();
        shared.settled("s", PLACE, &delivery(3, 5, 1));
        let late = shared.asks();
        let mut may = |asked, delivery: Delivery| shared.received("s", PLACE, asked, &delivery, 5).is_ok();
        assert!(may(early, delivery(4, 9, 2)), "it may have been on its way");
        assert!(may(late, delivery(0, 2, 1)) && may(late, delivery(6, 9, 5)));
        assert!(!may(late, delivery(5, 9, 2)) && !may(late, delivery(0, 3, 1)));
    }

    #[test]
    fn a_record_that_is_settled_and_nobody_wanted_that_is_lost() {
        let mut shared = Shared::default();
        let mut facts = Facts::default();
        for offset in 0..9u64 {
            let uid = Uid::new(BatchId { producer: 1, number: 1 }, 0);
            facts.facts.insert(offset, Fact { uid, confirmed: true, read: true });
        }
        let asked = shared.receives();
        assert!(shared.received("s", PLACE, asked, &delivery(3, 6, 1), 5).is_ok());
        assert!(shared.received("s", PLACE, asked, &delivery(7, 7, 5), 5).is_ok());
        shared.heard();
        shared.settles("s", PLACE, &delivery(3, 4, 1));
        let range = |first, last| OffsetRange { first: Offset(first), last: Offset(last) };
        let is_lost = |shared: &Shared, settled: &[_]| shared.none_lost("s", PLACE, settled, &facts).is_err();
        assert!(!is_lost(&shared, &[range(0, 4), range(7, 7)]), "wanted, or given up, or before the first");
        assert!(is_lost(&shared, &[range(0, 5)]));
        shared.receives();
        assert!(!is_lost(&shared, &[range(0, 5)]), "one may have been given up unseen");
        assert!(is_lost(&shared, &[range(0, 6)]));
        shared.heard();
        shared.settled_nothing("s", PLACE, &delivery(4, 4, 1));
        assert!(is_lost(&shared, &[range(0, 4)]));
    }

    #[test]
    fn every_release_that_was_told_counts_and_there_is_a_limit() {
        let mut shared = Shared::default();
        shared.released("s", PLACE, &delivery(3, 5, 1));
        let between = shared.asks();
        shared.released("s", PLACE, &delivery(5, 5, 2));
        let late = shared.asks();
        let mut may = |asked, delivery: Delivery| shared.received("s", PLACE, asked, &delivery, 5).is_ok();
        assert!(may(late, delivery(0, 2, 1)) && may(late, delivery(3, 4, 2)) && may(late, delivery(5, 5, 3)));
        assert!(may(between, delivery(5, 5, 2)), "it may have been on its way");
        assert!(!may(late, delivery(5, 5, 2)) && !may(late, delivery(0, 3, 1)));
        assert!(!may(late, delivery(6, 9, 6)) && !may(late, delivery(6, 9, 0)));
    }
}

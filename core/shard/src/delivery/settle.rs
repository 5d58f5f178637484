//! Settling: what a consumer says of its records, what becomes of them when its lease or the consumer itself ends. All of it goes through
//! the log; whoever asked hears when it is applied, so an answer means that it is durable.

use std::time::Duration;

use forebay_env::Monotonic;
use forebay_env::fault::{Fault, planted};
use forebay_machine::{Command, Outcome, Settle, Settled, SubscriptionKey};
use forebay_model::subscription::{OffsetRange, SettledItem, Settlement, Verdict};
use forebay_model::{LogIndex, Refusal};

use super::{Consumer, Ledger};
use crate::mailbox::Source;
use crate::pending::Asking;
use crate::shard::Shard;
use crate::work::{Answer, SettleItemWork, SettleWork};

/// Ranges that one request settles in one turn; partitions above it are refused as busy.
const SETTLED_RANGES_PER_REQUEST_MAX: usize = 262_144;

/// So long after the end of leases could not be written down it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Who settles, and what is known of each item already.
pub(crate) type Settler<T> = (T, Vec<Option<SettledItem>>);

/// Ends of deliveries on their way through the log.
pub(crate) struct SettlesUnderWay<T> {
    /// Whom to answer, and what is known already; nobody where the shard ends deliveries by itself.
    asker: Option<Settler<T>>,
    /// One for each command.
    ends: Vec<End>,
}

/// The ends of one subscription's deliveries in one partition.
struct End {
    key: SubscriptionKey,
    since: LogIndex,
    settled: Vec<Settled>,
    /// Its place in the request.
    at: usize,
}

impl<T> std::fmt::Debug for SettlesUnderWay<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SettlesUnderWay").field("ends", &self.ends.len()).finish_non_exhaustive()
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn settle(&mut self, now: Monotonic, work: SettleWork<T>) {
        let mut known = Vec::with_capacity(work.items.len());
        let (mut commands, mut ends) = (Vec::new(), Vec::new());
        let mut ranges = 0;
        for (at, item) in work.items.iter().enumerate() {
            if ranges >= SETTLED_RANGES_PER_REQUEST_MAX {
                known.push(Some(Err(Refusal::Busy)));
                continue;
            }
            let key = SubscriptionKey { partition: item.partition, name: work.subscription.clone() };
            known.push(match self.end_items(now, &key, work.consumer, item) {
                Err(refusal) => Some(Err(refusal)),
                Ok((_, settled)) if settled.is_empty() => Some(Ok(())),
                Ok((since, settled)) => {
                    ranges += settled.len();
                    commands.push(settle_command(&key, since, &settled));
                    ends.push(End { key, since, settled, at });
                    None
                }
            });
        }
        if commands.is_empty() {
            return self.answers.push((work.ticket, settled_answer(known, &Refusal::Unknown)));
        }
        let mut asker = Some((work.ticket, known));
        if planted(Fault::SettlementConfirmedEarly) {
            self.confirm_early(asker.take());
        }
        let under_way = SettlesUnderWay { asker, ends };
        self.draft.push_all(&commands, Asking::Settle(Box::new(under_way)));
    }

    /// Carries out what a consumer says of one partition, all of it or nothing; what of it has to go through the log.
    fn end_items(
        &mut self,
        now: Monotonic,
        key: &SubscriptionKey,
        consumer: Consumer,
        item: &SettleItemWork,
    ) -> Result<(LogIndex, Vec<Settled>), Refusal> {
        self.machine.partition(key.partition).ok_or_else(|| self.no_partition(key.partition))?;
        let progress = self.machine.subscriptions().get(key).ok_or(Refusal::NotHeld)?;
        let rises = item.verdicts.windows(2).all(|pair| pair[0].0.last < pair[1].0.first);
        if !rises || item.verdicts.iter().any(|(range, _)| range.is_empty()) {
            return Err(Refusal::InvalidRequest("ranges of records that overlap or do not rise".into()));
        }
        let ledger = self.deliveries.known(key, progress).ok_or(Refusal::NotHeld)?;
        for (range, _) in &item.verdicts {
            ledger.check(progress, consumer, *range)?;
        }
        let until = now + Duration::from_millis(u64::from(ledger.rules.lease_ms));
        let mut settled = Vec::new();
        for (range, verdict) in &item.verdicts {
            match verdict {
                Verdict::Renew => ledger.renew(*range, until),
                Verdict::End(how) => add(&mut settled, ledger.end(*range, *how)),
            }
        }
        Ok((progress.since, settled))
    }

    /// Ends the deliveries whose leases have ended.
    pub(crate) fn end_leases(&mut self, now: Monotonic) {
        while let Some(key) = self.deliveries.pop_due(now) {
            let how = match planted(Fault::LeaseEndAccepts) {
                true => Settlement::Accept,
                false => Settlement::Release { counts: true },
            };
            if !self.end_all(&key, how, |ledger| ledger.overdue(now)) {
                // What it lay over is gone: there is nothing to end, and nothing to wait for.
                self.deliveries.remove(&key);
                continue;
            }
            let next = self.deliveries.ledgers.get(&key).and_then(Ledger::next_end);
            match next {
                // What could not be ended now is not tried again before some time has passed.
                Some(next) if next <= now => self.deliveries.wake_at(&key, now + TRY_AGAIN),
                Some(next) => self.deliveries.wake_at(&key, next),
                None => self.deliveries.let_go(&key),
            }
        }
    }

    /// Gives back what a consumer has. Nobody knows whether it got to look at it: that counts as an attempt.
    pub(crate) fn end_consumer(&mut self, consumer: Consumer) {
        self.leave(consumer);
        self.deliveries.stop_reading(consumer);
        for key in self.deliveries.take_consumer(consumer) {
            let how = Settlement::Release { counts: true };
            self.end_all(&key, how, |ledger| ledger.of_consumer(consumer));
        }
    }

    /// Gives back what all consumers of a connection have.
    pub(crate) fn end_source(&mut self, source: Source) {
        for consumer in self.deliveries.consumers_of(source) {
            self.end_consumer(consumer);
        }
    }

    /// Ends deliveries of a subscription; false where there is no ledger over its progress.
    fn end_all(
        &mut self,
        key: &SubscriptionKey,
        how: Settlement,
        which: impl FnOnce(&Ledger) -> Vec<OffsetRange>,
    ) -> bool {
        let Some(progress) = self.machine.subscriptions().get(key) else { return false };
        let Some(ledger) = self.deliveries.known(key, progress) else { return false };
        let mut settled = Vec::new();
        for range in which(ledger) {
            add(&mut settled, ledger.end(range, how));
        }
        let since = progress.since;
        self.propose_settled(key, since, settled);
        true
    }

    /// Settles what nobody asks for.
    pub(super) fn propose_settled(&mut self, key: &SubscriptionKey, since: LogIndex, settled: Vec<Settled>) {
        if settled.is_empty() {
            return;
        }
        let command = settle_command(key, since, &settled);
        let end = End { key: key.clone(), since, settled, at: 0 };
        let under_way = SettlesUnderWay { asker: None, ends: vec![end] };
        self.draft.push(&command, Asking::Settle(Box::new(under_way)));
    }

    /// The commands were applied: what was settled is, and what was released is free.
    pub(crate) fn settle_applied(
        &mut self,
        under_way: SettlesUnderWay<T>,
        outcomes: impl Iterator<Item = Outcome>,
    ) {
        let SettlesUnderWay { asker, ends } = under_way;
        let results = outcomes.map(|outcome| match outcome {
            Outcome::Refused(refusal) => Err(refusal),
            _ => Ok(()),
        });
        let mut results: Vec<SettledItem> = results.collect();
        results.resize(ends.len(), Err(Refusal::Unknown));
        self.settle_known(asker, ends, results);
    }

    /// Nothing of it was applied, or nobody knows.
    pub(crate) fn settle_refused(&mut self, under_way: SettlesUnderWay<T>, refusal: &Refusal) {
        let SettlesUnderWay { asker, ends } = under_way;
        let results = ends.iter().map(|_| Err(refusal.clone())).collect();
        self.settle_known(asker, ends, results);
    }

    fn settle_known(&mut self, asker: Option<Settler<T>>, ends: Vec<End>, results: Vec<SettledItem>) {
        let mut asker = asker;
        for (end, result) in ends.into_iter().zip(results) {
            self.note_end(&end, result.is_ok());
            if let Some((_, known)) = &mut asker {
                known[end.at] = Some(result);
            }
        }
        if let Some((ticket, known)) = asker {
            self.answers.push((ticket, settled_answer(known, &Refusal::Unknown)));
        }
    }

    fn note_end(&mut self, end: &End, is_settled: bool) {
        let again = self.env.clock.monotonic() + TRY_AGAIN;
        if is_settled {
            let is_given_up = |settled: &&Settled| settled.how == Settlement::Reject;
            let given_up = end.settled.iter().filter(is_given_up).map(|settled| settled.range.len()).sum();
            self.metrics.records_given_up.add(given_up);
        }
        if is_settled {
            self.queue_settled(again, end.key.partition);
        }
        let ledger = self.deliveries.ledgers.get_mut(&end.key).filter(|ledger| ledger.since == end.since);
        let Some(ledger) = ledger else { return };
        for Settled { range, .. } in &end.settled {
            match is_settled {
                true => ledger.ended(*range),
                false => ledger.not_ended(*range),
            }
        }
        match is_settled {
            true => drop(self.deliveries.freed.insert(end.key.clone())),
            false => self.deliveries.wake_at(&end.key, again),
        }
    }
}

fn settle_command(key: &SubscriptionKey, since: LogIndex, settled: &[Settled]) -> Command {
    Command::Settle(Settle { subscription: key.clone(), since, settled: settled.to_vec() })
}

/// Adds ends of deliveries; those that touch and are alike become one.
fn add(settled: &mut Vec<Settled>, ends: Vec<(OffsetRange, Settlement)>) {
    for (range, how) in ends {
        match settled.last_mut() {
            Some(last) if last.how == how && last.range.end() == range.first => last.range.last = range.last,
            _ => settled.push(Settled { range, how }),
        }
    }
}

pub(crate) fn settled_answer(known: Vec<Option<SettledItem>>, refusal: &Refusal) -> Answer {
    let known = known.into_iter().map(|known| known.unwrap_or_else(|| Err(refusal.clone())));
    Answer::Settled(known.collect())
}

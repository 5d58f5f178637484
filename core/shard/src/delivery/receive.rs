//! Receiving: a consumer gets what is free, as soon as there is some. What is handed out lies before the mark that went through the log,
//! which therefore runs ahead of it.

use std::time::Duration;

use forebay_env::Monotonic;
use forebay_machine::{AbortedRange, Command, DeliveredUpTo, Partition, Settled, SubscriptionKey};
use forebay_model::fetch::Isolation;
use forebay_model::subscription::{OffsetRange, Received, ReceivedRecords, Settlement};
use forebay_model::{Attempts, Offset, PartitionId, Refusal};

use super::ledger::span_end;
use super::read::{Appetite, BatchNote, ColdReceive, ReadBatches, ReceiveDone};
use super::{Consumer, Deliveries, Lease, Reading};
use crate::archive::ReadPlan;
use crate::barrier::Behind;
use crate::pending::{Asking, Subscribing};
use crate::read::Patience;
use crate::shard::Shard;
use crate::work::{Answer, ReceiveItemWork, ReceiveWork};

/// Waiting receives of one shard; above it a receive is answered at once with what there is.
const RECEIVES_WAITING_MAX: usize = 100_000;

/// Records in between that are not free and are read all the same, so that one receive gets what lies behind them too.
const HOLE_RECORDS_MAX: u64 = 100;

/// The least that a receive waits whose consumer has records: see [`Shard::wait_for_records`].
const HOLDER_WAITS_MIN: Duration = Duration::from_millis(5);

/// Aborted transactions that are looked at for one receive: it goes no further than these reach.
const ABORTED_PER_RECEIVE: usize = 1_000;

/// What is free in a partition, and how to read it.
struct Free {
    range: OffsetRange,
    plan: ReadPlan,
    /// Batches are handed out whole where that can be, and none that begins here or behind but the first.
    whole_before: Option<Offset>,
}

type Looked = Result<Option<Free>, Refusal>;

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn receive(&mut self, now: Monotonic, work: ReceiveWork<T>, patience: Patience) {
        let looked: Vec<Looked> = work.items.iter().map(|item| self.look(&work, *item)).collect();
        let patient = patience == Patience::Wait
            && work.deadline > now
            && looked.iter().all(Result::is_ok)
            && self.receiving.len() < RECEIVES_WAITING_MAX;
        if patient && !self.is_worth_it(&work, &looked) {
            return self.wait_for_records(now, work);
        }
        self.hand_out(now, work, looked, patient);
    }

    /// Wakes the receives that wait for records that have become free, and those whose time is up.
    pub(crate) fn wake_receivers(&mut self, now: Monotonic) {
        for key in std::mem::take(&mut self.deliveries.freed) {
            let mut woken = self.receiving.wake_if(key.partition, |work| work.subscription == key.name);
            self.most_urgent_first(key.partition, &mut woken);
            for work in woken {
                self.receive(now, work, Patience::Wait);
            }
        }
        for work in self.receiving.due(now) {
            self.receive(now, work, Patience::Now);
        }
    }

    /// Wakes the receives that wait for this partition.
    pub(crate) fn wake_receivers_of(&mut self, now: Monotonic, partition: PartitionId) {
        let mut woken = self.receiving.wake(partition);
        self.most_urgent_first(partition, &mut woken);
        for work in woken {
            self.receive(now, work, Patience::Wait);
        }
    }

    /// Those of equal priority keep the order in which they came.
    fn most_urgent_first(&self, partition: PartitionId, woken: &mut [ReceiveWork<T>]) {
        if woken.len() < 2 {
            return;
        }
        woken.sort_by_cached_key(|work| {
            let key = SubscriptionKey { partition, name: work.subscription.clone() };
            self.deliveries.attendance.rank(&key, work.consumer)
        });
    }

    /// What of a partition can be handed out now. Asks for what is missing to hand out more.
    fn look(&mut self, work: &ReceiveWork<T>, item: ReceiveItemWork) -> Looked {
        let rules = work.rules;
        let partition =
            self.machine.partition(item.partition).ok_or_else(|| self.no_partition(item.partition))?;
        let visible = self.visible_end(partition, rules.isolation);
        let key = SubscriptionKey { partition: item.partition, name: work.subscription.clone() };
        if self.deliveries.attendance.stands_by(&key, work.consumer) {
            return Ok(None);
        }
        let Some(progress) = self.machine.subscriptions().get(&key) else {
            self.open_subscription(key, rules.begin);
            return Ok(None);
        };
        // What another term's leader said does not count: whatever it handed out is counted when this one speaks.
        let is_ours = progress.term() == self.term;
        let marked = if is_ours { progress.delivered() } else { progress.cursor() };
        let span_end = span_end(progress, &rules, 0);
        let ledger = self.deliveries.ledger(&key, progress, rules);
        // A batch that begins within the span may go beyond it: the rest of it would come with all of its bytes again.
        let slack = ledger.slack(work.whole_batches);
        let wanted = visible.min(self::span_end(progress, &rules, slack));
        let mut free = None;
        if !ledger.reading {
            free = ledger.first_free(progress, wanted.min(marked), HOLE_RECORDS_MAX);
            if free.is_none() {
                ledger.nothing_free_before(wanted.min(marked));
            }
            // The mark that is on its way brings the rest of the batch.
            let is_cut = |free: &OffsetRange| free.len() < slack && free.end() == marked && marked < wanted;
            free = free.filter(|free| free.first < span_end && !is_cut(free));
        }
        let step = ledger.step(work.records_max);
        let ahead = ledger.mark_ahead(progress, step, slack);
        let asked = ledger.asked_up_to.map_or(marked, |asked| asked.max(marked));
        let is_out = free.is_none() && marked < wanted && ledger.asked_up_to.is_none();
        let runs_low = is_ours && ahead.0.saturating_sub(asked.0) >= step.div_ceil(2);
        if ahead > asked && (is_out || runs_low) {
            ledger.asked_up_to = Some(ahead);
            let deliver = DeliveredUpTo {
                subscription: key.clone(),
                since: progress.since,
                up_to: ahead,
                // Whatever was lost with a leader, nothing is given up for that alone.
                attempts_max: Attempts(rules.attempts_max.0.saturating_sub(1)),
            };
            self.draft.push(&Command::DeliveredUpTo(deliver), Asking::Subscribing(Subscribing::Mark(key)));
        }
        let Some(range) = free else { return Ok(None) };
        let Some(partition) = self.machine.partition(item.partition) else { return Ok(None) };
        let mut plan = self.plan_from(partition, range.first, Isolation::Uncommitted, u64::MAX);
        plan.bound = range.end();
        Ok(Some(Free { range, plan, whole_before: work.whole_batches.then_some(span_end) }))
    }

    /// Something was asked for a subscription and is known now: whoever waits for it looks again.
    pub(crate) fn subscribed(&mut self, asked: Subscribing, refusal: Option<Refusal>) {
        let (Subscribing::Open(key) | Subscribing::Mark(key) | Subscribing::Changed(key)) = &asked;
        match &asked {
            Subscribing::Open(key) => drop(self.deliveries.opening.remove(key)),
            Subscribing::Mark(key) => {
                if let Some(ledger) = self.deliveries.ledgers.get_mut(key) {
                    ledger.asked_up_to = None;
                }
            }
            // Whatever is handed out was so in vain.
            Subscribing::Changed(key) => self.deliveries.remove(key),
        }
        match refusal {
            // Somebody set the subscription back or ended it meanwhile: there is something else to ask for.
            None | Some(Refusal::NotHeld | Refusal::UnknownSubscription) => {
                self.deliveries.freed.insert(key.clone());
            }
            // What is out has to be settled first.
            Some(Refusal::LimitReached { .. }) if matches!(asked, Subscribing::Mark(_)) => {
                self.refuse_receivers(key, &Refusal::Busy);
            }
            // To look again would be to ask again at once.
            Some(refusal) => self.refuse_receivers(key, &refusal),
        }
    }

    fn refuse_receivers(&mut self, key: &SubscriptionKey, refusal: &Refusal) {
        for work in self.receiving.wake_if(key.partition, |work| work.subscription == key.name) {
            let one = |item: &ReceiveItemWork| match item.partition == key.partition {
                true => Err(refusal.clone()),
                false => Ok(nothing(*item)),
            };
            let received = work.items.iter().map(one).collect();
            self.answers.push((work.ticket, Answer::Received(received)));
        }
    }

    /// Whether there is as much as the receiver wants.
    fn is_worth_it(&self, work: &ReceiveWork<T>, looked: &[Looked]) -> bool {
        let mut bytes = 0;
        for free in looked.iter().flatten().flatten() {
            let plan = &free.plan;
            if !self.index.covers(plan.partition, plan.offset) {
                // On disk lies more than anybody waits for, or at least something worth handing out.
                return true;
            }
            bytes += self.index.bytes_from(plan.partition, plan.offset, plan.bound, work.bytes_min);
            if bytes >= work.bytes_min.max(1) {
                return true;
            }
        }
        work.bytes_min == 0
    }

    /// Hands out what is free, and answers; where it turns out that nobody may see it, a receiver that is patient waits for more.
    fn hand_out(&mut self, now: Monotonic, work: ReceiveWork<T>, looked: Vec<Looked>, patient: bool) {
        let (mut records, mut bytes) = (work.records_max, work.bytes_max);
        let mut received = Vec::with_capacity(looked.len());
        let mut cold = None;
        for (at, (looked, item)) in looked.into_iter().zip(&work.items).enumerate() {
            let first_always = bytes == work.bytes_max;
            let whole_before = looked.as_ref().ok().and_then(|free| free.as_ref()?.whole_before);
            let appetite = Appetite { bytes_max: bytes, first_always, records_max: records, whole_before };
            received.push(match looked {
                Err(refusal) => Err(refusal),
                // Files are read for one partition at a time, and for a receiver with empty hands only.
                Ok(Some(free)) if records > 0 && cold.is_none() => {
                    match self.read_hot(&free.plan, work.form, appetite) {
                        Some(read) => {
                            let one = self.hand_out_of(now, &work, *item, free.range, read);
                            records = records.saturating_sub(count(&one));
                            bytes = bytes.saturating_sub(one.bytes() as u64);
                            Ok(one)
                        }
                        None => {
                            cold = first_always.then_some((at, free));
                            Ok(nothing(*item))
                        }
                    }
                }
                Ok(_) => Ok(nothing(*item)),
            });
        }
        let any = records < work.records_max || received.iter().any(Result::is_err);
        match cold {
            Some((at, free)) if records == work.records_max => {
                self.read_files(ColdReceive { work, received, at }, free);
            }
            _ if !any && patient => self.wait_for_records(now, work),
            _ => self.tell_received(work.ticket, received),
        }
    }

    /// Lets a receive wait, for less than it asks for where its consumer has records and no more are handed out before some are settled. Then it
    /// may be its consumer who is waited for: some clients ask for more as soon as they have records, and cannot say what became of
    /// these before that is answered. It is answered when the consumer has had its records twice as long as it has now, so that one
    /// whose work takes long is not answered often.
    fn wait_for_records(&mut self, now: Monotonic, mut work: ReceiveWork<T>) {
        if let Some(had) = self.has_what_is_in_the_way(now, &work) {
            work.deadline = work.deadline.min(now + had.max(HOLDER_WAITS_MIN));
        }
        self.receiving.park(work);
    }

    /// For how long a receive's consumer has had records, where no more of their partition are handed out before some are settled.
    fn has_what_is_in_the_way(&self, now: Monotonic, work: &ReceiveWork<T>) -> Option<Duration> {
        let lease = Duration::from_millis(u64::from(work.rules.lease_ms));
        let of_item = |item: &ReceiveItemWork| {
            let key = SubscriptionKey { partition: item.partition, name: work.subscription.clone() };
            let until = self.deliveries.ledgers.get(&key)?.last_lease_of(work.consumer)?;
            let progress = self.machine.subscriptions().get(&key)?;
            let partition = self.machine.partition(item.partition)?;
            let is_full =
                self.visible_end(partition, work.rules.isolation) > span_end(progress, &work.rules, 0);
            is_full.then(|| lease.saturating_sub(until.since(now)))
        };
        work.items.iter().filter_map(of_item).min()
    }

    /// Where what such a reader may see ends.
    fn visible_end(&self, partition: &Partition, isolation: Isolation) -> Offset {
        let shown = self.shown_end(partition);
        match isolation {
            Isolation::Committed => partition.last_stable_offset().min(shown),
            Isolation::Uncommitted => shown,
        }
    }

    /// Answers. What is handed out may have been accepted under a leader that this one does not know of: it is told behind a barrier.
    fn tell_received(&mut self, ticket: T, received: Vec<Received>) {
        if received.iter().flatten().all(|one| one.deliveries.is_empty()) {
            self.answers.push((ticket, Answer::Received(received)));
        } else {
            self.wait_behind_barrier(Behind::Received(ticket, received));
        }
    }

    fn read_files(&mut self, receive: ColdReceive<T>, free: Free) {
        let work = &receive.work;
        let Free { range, mut plan, whole_before } = free;
        let bytes_max = work.bytes_max;
        plan.in_memory = self.entries_in_memory(plan.partition, plan.offset, bytes_max);
        let reading = Reading { consumer: work.consumer, was_ended: false };
        self.deliveries.reading.insert(work.number, reading);
        self.set_reading(&receive, true);
        let appetite =
            Appetite { bytes_max, first_always: true, records_max: work.records_max, whole_before };
        self.start_cold_receive(receive, plan, range, appetite);
    }

    fn set_reading(&mut self, receive: &ColdReceive<T>, reading: bool) {
        let name = receive.work.subscription.clone();
        let key = SubscriptionKey { partition: receive.work.items[receive.at].partition, name };
        if let Some(ledger) = self.deliveries.ledgers.get_mut(&key) {
            ledger.reading = reading;
        }
        if !reading {
            // Whoever came meanwhile was not served.
            self.deliveries.freed.insert(key);
        }
    }

    pub(crate) fn receive_done(&mut self, now: Monotonic, done: ReceiveDone<T>) {
        let ReceiveDone { receive, range, read, error } = done;
        if let Some(error) = error {
            self.read_failed(&error);
        }
        if !self.leads() {
            let refusal = self.not_leading();
            return self.answers.push(receive.work.refuse(&refusal));
        }
        self.set_reading(&receive, false);
        let ColdReceive { work, mut received, at } = receive;
        // Its consumer is no more.
        let Some(reading) = self.deliveries.reading.remove(&work.number) else {
            return self.answers.push(work.refuse(&Refusal::Unknown));
        };
        let was_ended = reading.was_ended;
        let item = work.items[at];
        // To look again where there was nothing would be to read the same again.
        let found = read.as_ref().is_ok_and(|read| read.end > range.first);
        received[at] = match read {
            Ok(read) => Ok(self.hand_out_of(now, &work, item, range, read)),
            Err(refusal) => Err(refusal),
        };
        let nothing_came = received.iter().all(|one| one.as_ref().is_ok_and(|one| one.deliveries.is_empty()));
        if nothing_came && found {
            // Others were faster, or nobody may see it.
            let waits = !was_ended && work.deadline > now;
            let patience = if waits { Patience::Wait } else { Patience::Now };
            return self.receive(now, work, patience);
        }
        self.tell_received(work.ticket, received);
    }

    /// Hands out what is still free of what was read. What nobody may see is settled.
    fn hand_out_of(
        &mut self,
        now: Monotonic,
        work: &ReceiveWork<T>,
        item: ReceiveItemWork,
        range: OffsetRange,
        read: ReadBatches,
    ) -> ReceivedRecords {
        let key = SubscriptionKey { partition: item.partition, name: work.subscription.clone() };
        let Some(progress) = self.machine.subscriptions().get(&key) else { return nothing(item) };
        let Some((reach, hidden)) = self.hidden(work, item.partition, range, &read) else {
            return nothing(item);
        };
        let records_max = if work.whole_batches { u64::MAX } else { work.records_max };
        let until = now + Duration::from_millis(u64::from(work.rules.lease_ms));
        let lease = Lease { consumer: work.consumer, until };
        let since = progress.since;
        let ledger = self.deliveries.ledger(&key, progress, work.rules);
        read.notes.iter().for_each(|note| ledger.note_batch(note.range().len()));
        let out = ledger.hand_out(progress, reach, &hidden, records_max, lease);
        if !out.skipped.is_empty() {
            let accept = |range: &OffsetRange| Settled { range: *range, how: Settlement::Accept };
            self.propose_settled(&key, since, out.skipped.iter().map(accept).collect());
        }
        if out.deliveries.is_empty() {
            return nothing(item);
        }
        self.deliveries.note_lease(&key, lease);
        ReceivedRecords {
            topic: item.topic,
            records: read.pieces.records,
            payloads: read.pieces.payloads,
            deliveries: out.deliveries,
        }
    }

    /// How much of what was read is worth looking at, and what of it nobody may see: the marks of transactions, for those who read
    /// completed ones the records of aborted ones, and what is gone. `None` when nothing was read.
    fn hidden(
        &self,
        work: &ReceiveWork<T>,
        partition: PartitionId,
        range: OffsetRange,
        read: &ReadBatches,
    ) -> Option<(OffsetRange, Vec<OffsetRange>)> {
        let mut end = range.end().min(read.end);
        let mut aborted: Vec<AbortedRange> = Vec::new();
        if work.rules.isolation == Isolation::Committed {
            for one in self.machine.unstable().aborted_from(partition, range.first) {
                aborted.push(one);
                if aborted.len() >= ABORTED_PER_RECEIVE && one.stable > range.first {
                    end = end.min(one.stable);
                }
                // Whatever begins before there has its mark here or before.
                if one.stable >= end {
                    break;
                }
            }
        }
        let reach = OffsetRange::until(range.first, end)?;
        let hidden = read.notes.iter().filter(|note| note.is_hidden(&aborted)).map(BatchNote::range);
        let mut hidden: Vec<_> = hidden.collect();
        if self.machine.partition(partition).is_some_and(Partition::has_holes) {
            // What is not there is in nobody's way.
            hidden.extend(gaps(reach, &read.notes));
            hidden.sort_by_key(|range| range.first);
        }
        Some((reach, hidden))
    }
}

/// What lies between batches that were read from this range.
fn gaps(reach: OffsetRange, notes: &[BatchNote]) -> impl Iterator<Item = OffsetRange> {
    let firsts = notes.iter().map(|note| note.range().first).chain([reach.end()]);
    let ends = [reach.first].into_iter().chain(notes.iter().map(|note| note.range().end()));
    ends.zip(firsts).filter_map(|(end, first)| OffsetRange::until(end, first))
}

fn nothing(item: ReceiveItemWork) -> ReceivedRecords {
    ReceivedRecords { topic: item.topic, ..ReceivedRecords::default() }
}

fn count(received: &ReceivedRecords) -> u64 {
    received.deliveries.iter().map(|delivery| delivery.range.len()).sum()
}

impl Deliveries {
    /// The receive of this number, if files are read for it, does not wait when these have nothing for it.
    pub(crate) fn hurry(&mut self, number: u64) {
        if let Some(reading) = self.reading.get_mut(&number) {
            reading.was_ended = true;
        }
    }

    /// Whatever is read from files for this consumer is not handed out any more.
    pub(super) fn stop_reading(&mut self, consumer: Consumer) {
        self.reading.retain(|_, reading| reading.consumer != consumer);
    }
}

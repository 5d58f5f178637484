//! Reads: fetches from memory or through a job, look-ups, barriers.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_env::Monotonic;
use forebay_env::fault::{Fault, planted};
use forebay_machine::{AbortedRange, Partition, Producer};
use forebay_model::fetch::{
    EpochEnd, FetchRefusal, Fetched, FetchedRecords, FoundEpochEnd, Isolation, OffsetAt, OffsetTarget,
};
use forebay_model::partition::{PartitionState, ProducerView};
use forebay_model::publish::PayloadKind;
use forebay_model::subscription::ReceiveForm;
use forebay_model::{LeaderEpoch, Offset, PartitionId, ProducerId, Refusal, Timestamp};
use forebay_record::kind_of;

use crate::archive::ReadPlan;
use crate::barrier::Behind;
use crate::cold::{ColdFetch, ColdLookup};
use crate::shard::Shard;
use crate::stamp::Pieces;
use crate::work::{Answer, FetchItemWork, FetchWork, FindEpochEndWork, FindOffsetWork, Read};

/// Waiting fetches of one shard; above it a fetch is answered at once with what there is.
const FETCHES_WAITING_MAX: usize = 100_000;

/// Aborted transactions of one partition in one reply: a read goes no further than these reach.
const ABORTED_PER_READ: usize = 1_000;

/// Whether a fetch may wait for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// It may.
    Wait,
    /// Answer with what there is.
    Now,
}

/// Whether this replica knows that it leads, or was never told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Believed,
    Confirmed,
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn read(&mut self, now: Monotonic, read: Read<T>) {
        if let Read::EndFetch(number) = read {
            if let Some(fetch) = self.waiting.take(number) {
                self.fetch(now, fetch, Patience::Now, Standing::Believed);
            } else if let Some(receive) = self.receiving.take(number) {
                self.receive(now, receive, Patience::Now);
            } else {
                self.deliveries.hurry(number);
                self.hurry_behind_barrier(now, number);
            }
            return;
        }
        if let Read::Barrier(ticket) = read {
            return self.barrier(ticket);
        }
        if let Read::Members(order) = read {
            return self.serve_members(order);
        }
        if !self.leads() {
            let refusal = self.not_leading();
            self.answers.extend(read.refuse(&refusal));
            return;
        }
        match read {
            Read::Fetch(fetch) => self.fetch(now, fetch, Patience::Wait, Standing::Believed),
            Read::Receive(receive) => self.receive(now, receive, Patience::Wait),
            Read::FindOffsets(..) => self.wait_behind_barrier(Behind::Read(read)),
            Read::FindEpochEnds(ticket, items) => {
                let found = items.iter().map(|item| self.epoch_end(item)).collect();
                self.answers.push((ticket, Answer::FoundEpochEnds(found)));
            }
            Read::DescribePartitions(ticket, partitions, producers) => {
                let described = partitions.iter().map(|id| self.describe(*id, producers)).collect();
                self.answers.push((ticket, Answer::DescribedPartitions(described)));
            }
            Read::ListGroups(ticket) => self.list_groups(ticket),
            Read::ListTransactions(ticket) => self.list_transactions(now, ticket),
            Read::Quorum(ticket) => self.answers.push((ticket, Answer::Quorum(Ok(self.quorum())))),
            Read::Barrier(_) | Read::EndFetch(_) | Read::Members(_) => unreachable!("served above"),
        }
    }

    fn barrier(&mut self, ticket: T) {
        if self.fenced.is_some() || self.closing {
            let refusal = self.not_leading();
            return self.answers.push((ticket, Answer::Barrier(Err(refusal))));
        }
        self.wait_behind_barrier(Behind::Barrier(ticket));
    }

    /// Wakes the fetches that wait for what was applied, and those whose time is up.
    pub(crate) fn wake_readers(&mut self, now: Monotonic) {
        for partition in std::mem::take(&mut self.grown) {
            for fetch in self.waiting.wake(partition) {
                self.fetch(now, fetch, Patience::Wait, Standing::Believed);
            }
            self.wake_receivers_of(now, partition);
        }
        for fetch in self.waiting.due(now) {
            self.fetch(now, fetch, Patience::Now, Standing::Believed);
        }
    }

    /// Serves a read for which a barrier was passed: nobody leads in this replica's place.
    pub(crate) fn read_confirmed(&mut self, now: Monotonic, read: Read<T>) {
        match read {
            Read::Fetch(fetch) => self.fetch(now, fetch, Patience::Wait, Standing::Confirmed),
            Read::FindOffsets(ticket, items, isolation) => self.find_offsets(ticket, &items, isolation),
            other => self.read(now, other),
        }
    }

    fn fetch(&mut self, now: Monotonic, fetch: FetchWork<T>, patience: Patience, standing: Standing) {
        let plans: Vec<_> = fetch.items.iter().map(|item| self.plan(item, fetch.isolation)).collect();
        let outside = |plan: &Result<_, _>| matches!(plan, Err(Refusal::OffsetOutOfRange { .. }));
        if standing == Standing::Believed && plans.iter().any(outside) {
            // A consumer that hears so begins somewhere else: it must not be an old leader that does not know better.
            return self.wait_behind_barrier(Behind::Read(Read::Fetch(fetch)));
        }
        let patient = patience == Patience::Wait
            && fetch.deadline > now
            && plans.iter().all(Result::is_ok)
            && self.waiting.len() < FETCHES_WAITING_MAX;
        if patient && !self.has_enough(&fetch, &plans) {
            return self.waiting.park(fetch);
        }
        match self.fetch_hot(&fetch, &plans) {
            Some(fetched) => self.answers.push((fetch.ticket, Answer::Fetched(fetched))),
            None => self.fetch_cold(now, fetch, plans),
        }
    }

    fn has_enough(&self, fetch: &FetchWork<T>, plans: &[Result<ReadPlan, Refusal>]) -> bool {
        let mut bytes = 0;
        for plan in plans.iter().flatten().filter(|plan| plan.offset < plan.bound) {
            if plan.is_cut {
                // It was bounded for their sake: what lies behind comes with the next fetch.
                return true;
            }
            if !self.index.covers(plan.partition, plan.offset) {
                // On disk lies more than anybody waits for, or at least something worth handing out.
                return true;
            }
            bytes += self.index.bytes_from(plan.partition, plan.offset, plan.bound, fetch.bytes_min);
            if bytes >= fetch.bytes_min.max(1) {
                return true;
            }
        }
        fetch.bytes_min == 0
    }

    /// Answers from memory; `None` when something has to be read from a file.
    fn fetch_hot(&self, fetch: &FetchWork<T>, plans: &[Result<ReadPlan, Refusal>]) -> Option<Vec<Fetched>> {
        let mut left = fetch.bytes_max;
        let mut first = true;
        let mut records_out = 0;
        let mut fetched = Vec::with_capacity(plans.len());
        for plan in plans {
            let records = match plan {
                Err(refusal) => Err(FetchRefusal { refusal: refusal.clone() }),
                Ok(plan) => {
                    let (records, count) = self.hot_records(plan, left, first)?;
                    records_out += count;
                    let bytes = records.bytes() as u64;
                    left = left.saturating_sub(bytes);
                    first &= bytes == 0;
                    Ok(records)
                }
            };
            fetched.push(records);
        }
        self.metrics.records_out.add(records_out);
        Some(fetched)
    }

    /// Whole batches from memory and the number of their records.
    fn hot_records(
        &self,
        plan: &ReadPlan,
        bytes_left: u64,
        first_always: bool,
    ) -> Option<(FetchedRecords, u64)> {
        let mut pieces = Pieces::new(ReceiveForm::Records, self.archive.properties);
        let mut count = 0;
        if plan.offset >= plan.bound {
            return Some((plan.records(Vec::new(), plan.offset), 0));
        }
        let limit = plan.bytes_max.min(bytes_left);
        let mut next = plan.offset;
        let mut payloads = self.hot.from(plan.partition, plan.offset).peekable();
        payloads.peek()?;
        for hot in payloads {
            // A hole in memory: what is here before it is an answer already.
            if hot.first_offset > next && !pieces.is_empty() || hot.first_offset >= plan.bound {
                break;
            }
            let fits = pieces.len() as u64 + hot.payload.len() as u64 <= limit;
            let first = pieces.is_empty() && first_always;
            if !fits && !first {
                break;
            }
            if kind_of(&hot.payload) == PayloadKind::MessageBatch {
                // What becomes of it takes longer than this thread has: it is done where files are read.
                return None;
            }
            pieces.push_raw(hot.payload.clone());
            let epoch = plan.epoch_at(hot.first_offset);
            pieces.stamp_last(hot.payload.len(), hot.first_offset, epoch).ok()?;
            count += u64::from(hot.count);
            next = hot.end();
        }
        Some((plan.records(pieces.finish().records, next), count))
    }

    fn fetch_cold(&mut self, now: Monotonic, fetch: FetchWork<T>, plans: Vec<Result<ReadPlan, Refusal>>) {
        let bytes_max = fetch.bytes_max;
        let with_memory = |plan: Result<ReadPlan, Refusal>| {
            let mut plan = plan?;
            plan.in_memory =
                self.entries_in_memory(plan.partition, plan.offset, plan.bytes_max.min(bytes_max));
            Ok(plan)
        };
        let plans = plans.into_iter().map(with_memory).collect();
        self.start_cold_fetch(now, ColdFetch { ticket: fetch.ticket, plans, bytes_max });
    }

    /// The entries in memory that a read of `bytes` from `offset` on may need.
    pub(crate) fn entries_in_memory(
        &self,
        partition: PartitionId,
        offset: Offset,
        bytes: u64,
    ) -> Vec<forebay_machine::IndexEntry> {
        let mut left = i64::try_from(bytes).unwrap_or(i64::MAX);
        let enough = |entry: &forebay_machine::IndexEntry| {
            let wanted = left > 0;
            left -= i64::from(entry.bytes);
            wanted
        };
        // One more than fits: the first batch is read whole whatever its size.
        self.index.from(partition, offset).take_while(enough).collect()
    }

    /// Why a partition that the catalogue places here is not served: it is gone, or not opened yet.
    pub(crate) fn no_partition(&self, id: PartitionId) -> Refusal {
        if self.machine.was_dropped(id) { Refusal::UnknownPartition } else { Refusal::Loading }
    }

    fn partition(&self, id: PartitionId, epoch: Option<LeaderEpoch>) -> Result<&Partition, Refusal> {
        let partition = self.machine.partition(id).ok_or_else(|| self.no_partition(id))?;
        let present = partition.leader_epoch(self.term);
        match epoch {
            Some(epoch) if epoch < present => Err(Refusal::FencedLeaderEpoch),
            Some(epoch) if epoch > present => Err(Refusal::UnknownLeaderEpoch),
            _ => Ok(partition),
        }
    }

    fn plan(&self, item: &FetchItemWork, isolation: Isolation) -> Result<ReadPlan, Refusal> {
        let partition = self.partition(item.partition, item.leader_epoch)?;
        let mut plan = self.plan_from(partition, item.offset, isolation, item.bytes_max);
        if isolation == Isolation::Committed {
            self.add_aborted(&mut plan);
        }
        if item.offset < partition.start || item.offset > partition.end {
            return Err(Refusal::OffsetOutOfRange { start: partition.start, end: partition.end });
        }
        Ok(plan)
    }

    pub(crate) fn plan_from(
        &self,
        partition: &Partition,
        offset: Offset,
        isolation: Isolation,
        bytes_max: u64,
    ) -> ReadPlan {
        let epochs: Arc<[_]> = partition.epochs.iter().map(|epoch| (epoch.start, epoch.epoch)).collect();
        let bound = match (isolation, partition.first_open) {
            (Isolation::Committed, Some(_)) => self.stable_end(partition),
            (Isolation::Committed, None) | (Isolation::Uncommitted, _) => self.shown_end(partition),
        };
        ReadPlan {
            partition: partition.id,
            topic: partition.topic,
            offset,
            bound,
            start: partition.start,
            high_watermark: self.shown_end(partition),
            last_stable_offset: self.stable_end(partition),
            bytes_max,
            is_compacted: partition.has_gaps,
            has_holes: partition.has_holes(),
            in_memory: Vec::new(),
            aborted: Vec::new(),
            is_cut: false,
            epochs,
        }
    }

    /// Tells a reader of completed transactions which of them were aborted. Where there are many of these it goes less far, so
    /// that no reply is full of them.
    fn add_aborted(&self, plan: &mut ReadPlan) {
        if planted(Fault::AbortedServed) {
            return;
        }
        // Those that begin from `offset` on: a read that ends before one need not know of it.
        let mut ahead: BTreeMap<Offset, AbortedRange> = BTreeMap::new();
        for range in self.machine.unstable().aborted_from(plan.partition, plan.offset) {
            if range.first < plan.offset {
                plan.aborted.push(range);
            } else if range.first < plan.bound {
                ahead.insert(range.first, range);
                if ahead.len() > ABORTED_PER_READ
                    && let Some((first, _)) = ahead.pop_last()
                {
                    plan.bound = plan.bound.min(first);
                }
            }
            // Whatever begins before there has its mark here or before.
            if range.stable >= plan.bound {
                break;
            }
        }
        plan.is_cut = ahead.len() >= ABORTED_PER_READ;
        plan.aborted.extend(ahead.into_values());
    }

    fn find_offsets(&mut self, ticket: T, items: &[FindOffsetWork], isolation: Isolation) {
        let mut found = Vec::with_capacity(items.len());
        let mut cold = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let answer = match self.partition(item.partition, item.leader_epoch) {
                Err(refusal) => Err(refusal),
                Ok(partition) => match item.target {
                    OffsetTarget::Earliest => Ok(Some(plain(partition, partition.start))),
                    OffsetTarget::Latest => Ok(Some(plain(partition, bound(partition, isolation)))),
                    OffsetTarget::AtOrAfter(_) | OffsetTarget::MaxTimestamp => {
                        let mut plan = self.plan_from(partition, partition.start, isolation, u64::MAX);
                        plan.in_memory = self.index.from(partition.id, partition.start).collect();
                        cold.push((at, plan, item.target));
                        Ok(None)
                    }
                },
            };
            found.push(answer);
        }
        if cold.is_empty() {
            return self.answers.push((ticket, Answer::FoundOffsets(found)));
        }
        self.start_cold_lookup(ColdLookup { ticket, found, lookups: cold });
    }

    fn describe(&self, id: PartitionId, with_producers: bool) -> Result<PartitionState, Refusal> {
        let partition = self.partition(id, None)?;
        let producer = |(id, producer): (ProducerId, &Producer)| ProducerView {
            id,
            epoch: producer.epoch,
            last_sequence: producer.last_sequence(),
            seen_at: Timestamp(producer.seen_at.0),
            open_from: self.machine.unstable().open_of(partition.id, id),
        };
        let producers = with_producers.then(|| self.machine.producers().of(id).map(producer).collect());
        Ok(PartitionState {
            start: partition.start,
            end: partition.high_watermark(),
            bytes: partition.bytes,
            producers: producers.unwrap_or_default(),
        })
    }

    fn epoch_end(&self, item: &FindEpochEndWork) -> FoundEpochEnd {
        let partition = self.partition(item.partition, item.leader_epoch)?;
        let end: Option<EpochEnd> = partition.epoch_end(item.epoch, self.term);
        Ok(end)
    }
}

/// Records before this offset are visible.
fn bound(partition: &Partition, isolation: Isolation) -> Offset {
    match isolation {
        Isolation::Uncommitted => partition.high_watermark(),
        Isolation::Committed => partition.last_stable_offset(),
    }
}

fn plain(partition: &Partition, offset: Offset) -> OffsetAt {
    let last = Offset(offset.0.saturating_sub(1));
    let epoch = partition.epoch_at(offset).or_else(|| partition.epoch_at(last));
    OffsetAt { offset, timestamp: None, leader_epoch: epoch }
}

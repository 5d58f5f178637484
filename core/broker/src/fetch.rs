//! Reading: the items of a request are grouped by shard, each shard answers its group.

use std::collections::BTreeMap;
use std::time::Duration;

use forebay_model::fetch::{Fetch, FindEpochEnds, FindOffsets};
use forebay_model::{Refusal, Reply, Request, ShardId};
use forebay_shard::{FetchItemWork, FetchWork, FindEpochEndWork, FindOffsetWork, Read};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, FetchGather, Gather, Parts, Slots, Step, Ticket, unreadable};
use crate::place::{self, Placed};

/// What one fetch hands out at most, whatever it asks for, beyond a first batch that is larger by itself. Clients ask
/// again; a flood of greedy ones does not spend the node's memory, and what was read from a file is still in the processor's
/// caches when it is sent: 4 MiB cost a tenth less CPU than 16.
pub(crate) const FETCH_BYTES_MAX: u64 = 4 * forebay_model::limits::MIB as u64;

/// The items of one shard: their places in the request and what they became.
pub(crate) type Group<W> = (ShardId, Vec<usize>, Vec<W>);

impl Inner {
    pub(crate) fn fetch(&self, asker: Asker, fetch: Fetch, currency: Currency, replies: &mut Replies) {
        let placed = self.place(fetch.items.iter().map(|item| &item.partition));
        if currency == Currency::Unknown && any_stale(&placed) {
            let step = Step::Unresolved(Box::new(Request::Fetch(fetch)));
            return self.after_barrier(asker, step, replies);
        }
        if fetch.items.is_empty() {
            return self.finish(&asker, Reply::Fetch(Vec::new()), replies);
        }
        let mut slots = Slots::new(fetch.items.len());
        let refused = refuse_unplaced(&placed, |at, refusal| slots.set(at, unreadable(refusal)));
        let groups = group(&placed, |at, placed| {
            let item = &fetch.items[at];
            FetchItemWork {
                partition: placed.id,
                topic: placed.topic,
                offset: item.offset,
                bytes_max: u64::from(item.bytes_max),
                leader_epoch: item.leader_epoch,
            }
        });
        if groups.is_empty() {
            return self.finish(&asker, Reply::Fetch(slots.take()), replies);
        }
        // A refusal is told at once: the other items do not wait for records. Nor does anybody when the node stops.
        let wait_ms = if refused || self.is_stopping() { 0 } else { fetch.wait_ms_max };
        let deadline = self.env.clock.monotonic() + Duration::from_millis(u64::from(wait_ms));
        let numbered: Vec<u64> = groups.iter().map(|_| self.fetch_number()).collect();
        let open =
            groups.iter().zip(&numbered).map(|((shard, ..), number)| Some((shard.0 as usize, *number)));
        // What is never handed out is not waited for.
        let bytes_max = u64::from(fetch.bytes_max).min(FETCH_BYTES_MAX);
        let bytes_min = u64::from(fetch.bytes_min).min(bytes_max);
        let gather = FetchGather {
            slots,
            parts: groups.iter().map(|(_, at, _)| at.clone()).collect(),
            open: open.collect(),
            // A shard that has enough hands out whole batches: perhaps a little less.
            bytes_min: bytes_min.min((bytes_max / 2).max(1)),
            bytes: 0,
            enough: false,
        };
        let connection = asker.connection;
        let call = Call::new(asker, Gather::Fetch(gather));
        self.remember_waiting(&call);
        for (part, ((shard, _, items), number)) in groups.into_iter().zip(numbered).enumerate() {
            let work = FetchWork {
                ticket: Ticket { call: call.clone(), part },
                number,
                items,
                bytes_min,
                bytes_max,
                deadline,
                isolation: fetch.isolation,
            };
            self.post_read(self.shards.at(shard.0 as usize), Read::Fetch(work), replies);
        }
        // A shard may have had enough while others had not been asked yet, and what ends a fetch came before the fetch. And behind
        // a barrier this runs on a shard's thread: the connection may have been closed before the fetches were there to be ended.
        if call.has_enough() || !self.is_open(connection) {
            self.end_fetches(call.open_fetches());
        }
    }

    pub(crate) fn find_offsets(
        &self,
        asker: Asker,
        find: FindOffsets,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let placed = self.place(find.items.iter().map(|item| &item.partition));
        if currency == Currency::Unknown && any_stale(&placed) {
            let step = Step::Unresolved(Box::new(Request::FindOffsets(find)));
            return self.after_barrier(asker, step, replies);
        }
        let mut slots = Slots::new(find.items.len());
        refuse_unplaced(&placed, |at, refusal| slots.set(at, Err(refusal)));
        let groups = group(&placed, |at, placed| {
            let item = &find.items[at];
            FindOffsetWork { partition: placed.id, target: item.target, leader_epoch: item.leader_epoch }
        });
        if groups.is_empty() {
            return self.finish(&asker, Reply::FindOffsets(slots.take()), replies);
        }
        let call = Call::new(asker, Gather::FindOffsets(slots, places(&groups)));
        for (part, (shard, _, items)) in groups.into_iter().enumerate() {
            let read = Read::FindOffsets(Ticket { call: call.clone(), part }, items, find.isolation);
            self.post_read(self.shards.at(shard.0 as usize), read, replies);
        }
    }

    pub(crate) fn find_epoch_ends(
        &self,
        asker: Asker,
        find: FindEpochEnds,
        currency: Currency,
        replies: &mut Replies,
    ) {
        let placed = self.place(find.items.iter().map(|item| &item.partition));
        if currency == Currency::Unknown && any_stale(&placed) {
            let step = Step::Unresolved(Box::new(Request::FindEpochEnds(find)));
            return self.after_barrier(asker, step, replies);
        }
        let mut slots = Slots::new(find.items.len());
        refuse_unplaced(&placed, |at, refusal| slots.set(at, Err(refusal)));
        let groups = group(&placed, |at, placed| {
            let item = &find.items[at];
            FindEpochEndWork { partition: placed.id, epoch: item.epoch, leader_epoch: item.current_epoch }
        });
        if groups.is_empty() {
            return self.finish(&asker, Reply::FindEpochEnds(slots.take()), replies);
        }
        let call = Call::new(asker, Gather::FindEpochEnds(slots, places(&groups)));
        for (part, (shard, _, items)) in groups.into_iter().enumerate() {
            let read = Read::FindEpochEnds(Ticket { call: call.clone(), part }, items);
            self.post_read(self.shards.at(shard.0 as usize), read, replies);
        }
    }

    /// Asks the catalogue's shard who keeps its log.
    pub(crate) fn describe_quorum(&self, asker: Asker, replies: &mut Replies) {
        let ticket = Ticket { call: Call::new(asker, Gather::Quorum), part: 0 };
        self.post_read(self.shards.catalogue(), Read::Quorum(ticket), replies);
    }

    /// Answers a barrier-free question about one shard; kept beside the other reads.
    pub(crate) fn list_groups(&self, asker: Asker, replies: &mut Replies) {
        let shards: Vec<usize> = (0..self.shards.all().len()).collect();
        let call = Call::new(asker, Gather::ListGroups(Vec::new(), shards.len()));
        for (part, at) in shards.into_iter().enumerate() {
            let ticket = Ticket { call: call.clone(), part };
            self.post_read(self.shards.at(at), Read::ListGroups(ticket), replies);
        }
    }
}

pub(crate) fn any_stale(placed: &[Result<Placed, Refusal>]) -> bool {
    placed.iter().flat_map(|placed| placed.as_ref().err()).any(place::may_be_stale)
}

/// Hands out the refusal of every item that could not be placed; says whether there was one.
pub(crate) fn refuse_unplaced(
    placed: &[Result<Placed, Refusal>],
    mut refuse: impl FnMut(usize, Refusal),
) -> bool {
    let mut any = false;
    for (at, placed) in placed.iter().enumerate() {
        if let Err(refusal) = placed {
            refuse(at, refusal.clone());
            any = true;
        }
    }
    any
}

/// Groups the placed items by shard, keeping their order within each.
pub(crate) fn group<W>(
    placed: &[Result<Placed, Refusal>],
    mut work: impl FnMut(usize, Placed) -> W,
) -> Vec<Group<W>> {
    let mut groups: BTreeMap<ShardId, (Vec<usize>, Vec<W>)> = BTreeMap::new();
    for (at, placed) in placed.iter().enumerate() {
        if let Ok(placed) = placed {
            let (places, items) = groups.entry(placed.shard).or_default();
            places.push(at);
            items.push(work(at, *placed));
        }
    }
    groups.into_iter().map(|(shard, (places, items))| (shard, places, items)).collect()
}

pub(crate) fn places<W>(groups: &[Group<W>]) -> Parts {
    groups.iter().map(|(_, places, _)| places.clone()).collect()
}

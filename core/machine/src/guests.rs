//! Transactions of producers that another shard keeps, as far as they span this one.
//!
//! The producer's own shard notes that its transaction spans this one before it is admitted here, and hands its end over
//! (`relays`) when it has ended; so nothing that was admitted stays open. What is admitted late, behind its end, is refused by the number of its
//! transaction: the index of the entry by which it first spanned another shard, which rises from one to the next.

use std::collections::BTreeSet;

use forebay_model::{LogIndex, LogTime, ProducerEpoch, ProducerId, Refusal};

use crate::codec::{DecodeError, Reader, Writer};
use crate::command::decode;
use crate::limits::{
    GUEST_IDLE_MS_MIN, GUESTS_BYTES_MAX, GUESTS_EXPIRED_PER_COMMAND_MAX, GUESTS_PER_SHARD_MAX,
    PARTICIPANTS_PER_TRANSACTION_MAX,
};
use crate::relays::RelayedEnd;
use crate::span::{Participant, Span};
use crate::table::{Stored, Table, TableLimit};
use crate::transactions::Instance;

/// A producer of another shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The newest instance that was heard of here.
    pub epoch: ProducerEpoch,
    /// Its newest transaction that was heard of here.
    pub begun: LogIndex,
    /// What that spans here; none when it has ended.
    pub open: Option<Span>,
    /// When it changed last.
    pub changed_at: LogTime,
}

/// All of a shard.
#[derive(Clone, Debug)]
pub struct Guests {
    table: Table<ProducerId, Guest>,
    /// Those with nothing open, the one idle longest in front.
    idle: BTreeSet<(LogTime, ProducerId)>,
}

const LIMIT: TableLimit =
    TableLimit { name: "GUESTS_PER_SHARD_MAX", entries: GUESTS_PER_SHARD_MAX, bytes: GUESTS_BYTES_MAX };

impl Default for Guests {
    fn default() -> Guests {
        Guests::with_limit(LIMIT)
    }
}

impl Guests {
    fn with_limit(limit: TableLimit) -> Guests {
        Guests { table: Table::new(limit), idle: BTreeSet::new() }
    }

    /// A producer of another shard.
    pub fn get(&self, producer: ProducerId) -> Option<&Guest> {
        self.table.get(&producer)
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Lets a transaction span more of this shard; its producer's shard has noted it.
    pub(crate) fn admit(
        &mut self,
        (producer, epoch): Instance,
        begun: LogIndex,
        span: Span,
        now: LogTime,
    ) -> Result<(), Refusal> {
        let open = match self.table.get(&producer) {
            None => span,
            Some(known) if epoch < known.epoch => return Err(Refusal::ProducerFenced),
            Some(known) => match &known.open {
                // The end of the one before is on its way.
                Some(_) if begun > known.begun => return Err(Refusal::ConcurrentTransaction),
                Some(open) if begun == known.begun => {
                    let mut open = open.clone();
                    open.add_all(span);
                    open
                }
                None if begun > known.begun => span,
                _ => return Err(Refusal::InvalidTransactionState),
            },
        };
        if open.len() > PARTICIPANTS_PER_TRANSACTION_MAX {
            return Err(Refusal::LimitReached { limit: "PARTICIPANTS_PER_TRANSACTION_MAX" });
        }
        let idle_since = LogTime(now.0.saturating_sub(GUEST_IDLE_MS_MIN));
        self.put(producer, Guest { epoch, begun, open: Some(open), changed_at: now }, idle_since)
    }

    /// Whether this instance may write to `participant` now.
    pub(crate) fn check(
        &self,
        (producer, epoch): Instance,
        participant: &Participant,
    ) -> Result<(), Refusal> {
        let known = self.table.get(&producer).ok_or(Refusal::UnknownTransaction)?;
        if epoch < known.epoch {
            return Err(Refusal::ProducerFenced);
        }
        let open = known.open.as_ref().filter(|_| epoch == known.epoch);
        match open.is_some_and(|open| open.contains(participant)) {
            true => Ok(()),
            false => Err(Refusal::InvalidTransactionState),
        }
    }

    /// Notes the end of a transaction. What nobody was admitted for is noted all the same: whoever comes now is late. Only where
    /// everything is full of open ones it is not; then nobody is admitted either.
    pub(crate) fn end(&mut self, end: &RelayedEnd, now: LogTime) {
        let (producer, epoch) = end.instance;
        let raised = if end.next.0 == producer { end.next.1 } else { epoch };
        let epoch = self.table.get(&producer).map_or(raised, |known| known.epoch.max(raised));
        let _ = self.put(producer, Guest { epoch, begun: end.begun, open: None, changed_at: now }, now);
    }

    /// Forgets producers with nothing open that were idle at `oldest` or before; a bounded number, the next command goes on.
    pub(crate) fn expire(&mut self, oldest: LogTime) {
        for _ in 0..GUESTS_EXPIRED_PER_COMMAND_MAX {
            match self.idle.first() {
                Some((since, producer)) if *since <= oldest => {
                    let producer = *producer;
                    self.remove(producer);
                }
                _ => return,
            }
        }
    }

    /// Those with nothing open since `idle_since` or before make room, the one idle longest first.
    fn put(&mut self, producer: ProducerId, guest: Guest, idle_since: LogTime) -> Result<(), Refusal> {
        let idle = guest.open.is_none().then_some((guest.changed_at, producer));
        let before = loop {
            let refusal = match self.table.insert(producer, guest.clone()) {
                Ok(before) => break before,
                Err(refusal) => refusal,
            };
            let oldest = self.idle.iter().find(|(_, other)| *other != producer).copied();
            let (_, oldest) = oldest.filter(|(since, _)| *since <= idle_since).ok_or(refusal)?;
            self.remove(oldest);
        };
        self.unlist(producer, before.as_ref());
        self.idle.extend(idle);
        Ok(())
    }

    fn remove(&mut self, producer: ProducerId) {
        let before = self.table.remove(&producer);
        self.unlist(producer, before.as_ref());
    }

    fn unlist(&mut self, producer: ProducerId, before: Option<&Guest>) {
        if let Some(before) = before {
            self.idle.remove(&(before.changed_at, producer));
        }
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        self.table.encode(out);
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Guests, DecodeError> {
        let table = Table::<ProducerId, Guest>::decode(LIMIT, input)?;
        let idle = table.iter().filter(|(_, guest)| guest.open.is_none());
        let idle = idle.map(|(producer, guest)| (guest.changed_at, *producer)).collect();
        Ok(Guests { table, idle })
    }
}

impl Stored for ProducerId {
    fn bytes(&self) -> usize {
        // Itself and its place among the idle.
        48
    }

    fn encode(&self, out: &mut Writer) {
        out.int(self.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<ProducerId, DecodeError> {
        Ok(ProducerId(input.int("a producer's id")?))
    }
}

impl Stored for Guest {
    fn bytes(&self) -> usize {
        96 + self.open.as_ref().map_or(0, Span::bytes)
    }

    fn encode(&self, out: &mut Writer) {
        out.int(self.epoch.0.into());
        out.uint(self.begun.0);
        out.option(self.open.as_ref(), |out, open| open.encode(out));
        out.int(self.changed_at.0);
    }

    fn decode(input: &mut Reader<'_>) -> Result<Guest, DecodeError> {
        Ok(Guest {
            epoch: decode::producer_epoch(input)?,
            begun: LogIndex(input.uint("a log index")?),
            open: input.option("what a transaction spans", Span::decode)?,
            changed_at: LogTime(input.int("a log time")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::PartitionId;
    use forebay_model::transaction::{Decision, TransactionalId};

    const FULL: TableLimit = TableLimit { name: "TEST_MAX", entries: 2, bytes: 1_000 };
    const LATE: LogTime = LogTime(1_000 + GUEST_IDLE_MS_MIN);

    fn instance(producer: i64) -> Instance {
        (ProducerId(producer), ProducerEpoch(0))
    }

    fn span(partitions: u64) -> Span {
        Span { partitions: (1..=partitions).map(PartitionId).collect(), ..Span::default() }
    }

    fn end(producer: i64) -> RelayedEnd {
        RelayedEnd {
            id: TransactionalId("id".into()),
            instance: instance(producer),
            next: instance(producer),
            begun: LogIndex(7),
            decision: Decision::Abort,
            span: span(1),
        }
    }

    fn admit(guests: &mut Guests, producer: i64, partitions: u64, now: LogTime) -> Result<(), Refusal> {
        guests.admit(instance(producer), LogIndex(7), span(partitions), now)
    }

    #[test]
    fn whoever_comes_takes_the_place_of_one_that_is_idle_for_long_and_of_no_other() {
        let mut guests = Guests::with_limit(FULL);
        for producer in [1, 2] {
            guests.end(&end(producer), LogTime(1_000));
        }
        let full = Err(Refusal::LimitReached { limit: "TEST_MAX" });
        assert_eq!(admit(&mut guests, 3, 1, LogTime(LATE.0 - 1)), full);
        assert_eq!(guests.len(), 2, "nobody is forgotten for one that is refused");
        assert_eq!(admit(&mut guests, 1, 1, LogTime(LATE.0 - 1)), Err(Refusal::InvalidTransactionState));
        assert_eq!(admit(&mut guests, 3, 1, LATE), Ok(()));
        assert!(guests.get(ProducerId(1)).is_none() && guests.get(ProducerId(2)).is_some());
    }

    #[test]
    fn an_end_is_noted_in_the_place_of_any_that_has_nothing_open() {
        let mut guests = Guests::with_limit(FULL);
        assert_eq!(admit(&mut guests, 1, 1, LogTime(1_000)), Ok(()));
        guests.end(&end(2), LogTime(1_001));
        guests.end(&end(3), LogTime(1_002));
        assert!(guests.get(ProducerId(1)).is_some() && guests.get(ProducerId(2)).is_none());
        assert_eq!(admit(&mut guests, 3, 1, LogTime(1_003)), Err(Refusal::InvalidTransactionState));
        // Its own end needs no room.
        guests.end(&end(1), LogTime(1_004));
        assert!(guests.get(ProducerId(1)).unwrap().open.is_none());
    }

    #[test]
    fn a_large_one_takes_the_places_of_several() {
        let mut guests = Guests::with_limit(TableLimit { entries: 10, ..FULL });
        for producer in 1..=6 {
            guests.end(&end(producer), LogTime(1_000));
        }
        assert_eq!(admit(&mut guests, 7, 30, LATE), Ok(()), "{guests:?}");
        assert_eq!(guests.len(), 3);
        assert!(guests.table.bytes() <= FULL.bytes);
        assert!(admit(&mut guests, 8, 30, LATE).is_err());
    }
}

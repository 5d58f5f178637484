//! What shards hand to each other: each item is carried out once, in the order in which it was handed over.
//!
//! ```text
//!   source: a command pushes an item, number n  ->  the leader sends n to the target, again and again
//!   target: Relay n is applied if n is the next ->  the target's leader says "up to n"
//!   source: Relayed up to n                     ->  the items are forgotten
//! ```
//! Both ends are state: an item is in the source's state until it is in the target's, whoever dies meanwhile.

use std::collections::{BTreeMap, VecDeque};

use forebay_model::transaction::{Decision, TransactionalId};
use forebay_model::{LogIndex, Refusal, ShardId};

use crate::codec::{DecodeError, Reader, Writer};
use crate::command::{decode, encode};
use crate::limits::{RELAYS_BYTES_MAX, RELAYS_PER_SHARD_MAX};
use crate::span::Span;
use crate::transactions::Instance;

/// The end of a transaction, for a shard that it spans and that does not keep its producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayedEnd {
    /// Whose: the producer's own shard is told when this is done.
    pub id: TransactionalId,
    /// Who wrote.
    pub instance: Instance,
    /// Who may write from here on, where that is another instance.
    pub next: Instance,
    /// The entry by which the transaction first spanned another shard.
    pub begun: LogIndex,
    /// How it ended.
    pub decision: Decision,
    /// What of it lies there.
    pub span: Span,
}

/// What a shard has for others, and what it had from them.
#[derive(Clone, Debug, Default)]
pub struct Relays {
    out: BTreeMap<ShardId, Outbound>,
    taken: BTreeMap<ShardId, u64>,
    items: usize,
    bytes: usize,
}

/// What a shard has for one other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outbound {
    /// The number of the last item; the first ever is 1.
    last: u64,
    /// The last ones, by rising number up to `last`.
    waiting: VecDeque<RelayedEnd>,
}

impl Outbound {
    fn first(&self) -> u64 {
        self.last + 1 - self.waiting.len() as u64
    }
}

/// What becomes of an item at its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is next.
    Due,
    /// It was carried out before.
    Before,
}

impl Relays {
    /// Shards for which something waits, with the number of the first item.
    pub fn waiting(&self) -> impl Iterator<Item = (ShardId, u64)> + '_ {
        let some = self.out.iter().filter(|(_, outbound)| !outbound.waiting.is_empty());
        some.map(|(target, outbound)| (*target, outbound.first()))
    }

    /// What waits for a shard, from the item of this number on.
    pub fn waiting_for(&self, target: ShardId, from: u64) -> impl Iterator<Item = (u64, &RelayedEnd)> {
        let outbound = self.out.get(&target).into_iter();
        let numbered = outbound.flat_map(|outbound| (outbound.first()..).zip(&outbound.waiting));
        numbered.skip_while(move |(number, _)| *number < from)
    }

    /// The last item of a shard that was carried out here.
    pub fn taken_from(&self, source: ShardId) -> u64 {
        self.taken.get(&source).copied().unwrap_or(0)
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.items
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// Whether so many items of so many bytes together find room. A moment later there may be some: it is worth asking again.
    pub(crate) fn check_room(&self, items: usize, bytes: usize) -> Result<(), Refusal> {
        if self.items + items > RELAYS_PER_SHARD_MAX || self.bytes + bytes > RELAYS_BYTES_MAX {
            return Err(Refusal::Busy);
        }
        Ok(())
    }

    /// Hands an item over; [`Relays::check_room`] was asked.
    pub(crate) fn push(&mut self, target: ShardId, item: RelayedEnd) {
        self.items += 1;
        self.bytes += item.bytes();
        let outbound = self.out.entry(target).or_default();
        outbound.last += 1;
        outbound.waiting.push_back(item);
    }

    /// The target has carried out everything up to this number: it is forgotten, and returned.
    pub(crate) fn done(&mut self, target: ShardId, up_to: u64) -> Result<Vec<RelayedEnd>, Refusal> {
        let Some(outbound) = self.out.get_mut(&target).filter(|outbound| up_to <= outbound.last) else {
            return Err(Refusal::InvalidRequest("nothing of this number was handed over".into()));
        };
        let count = (up_to + 1).saturating_sub(outbound.first());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(outbound.waiting.len());
        let done: Vec<RelayedEnd> = outbound.waiting.drain(..count).collect();
        self.items -= done.len();
        self.bytes -= done.iter().map(RelayedEnd::bytes).sum::<usize>();
        Ok(done)
    }

    /// Whether an item of another shard is due here; a gap before it is refused.
    pub(crate) fn turn_of(&self, source: ShardId, number: u64) -> Result<Turn, Refusal> {
        let taken = self.taken_from(source);
        if number <= taken {
            return Ok(Turn::Before);
        }
        if number > taken + 1 {
            return Err(Refusal::InvalidRequest(format!("item {} of {source} comes first", taken + 1)));
        }
        Ok(Turn::Due)
    }

    /// Notes that an item which was due is carried out.
    pub(crate) fn take(&mut self, source: ShardId, number: u64) {
        self.taken.insert(source, number);
    }

    pub(crate) fn encode(&self, out: &mut Writer) {
        out.list(self.out.iter(), |out, (target, outbound)| {
            out.uint(target.0);
            out.uint(outbound.last);
            out.list(outbound.waiting.iter(), |out, item| item.encode(out));
        });
        out.list(self.taken.iter(), |out, (source, number)| {
            out.uint(source.0);
            out.uint(*number);
        });
    }

    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<Relays, DecodeError> {
        let mut relays = Relays::default();
        let out = input.list("relays", |input| {
            let target = ShardId(input.narrow("a shard")?);
            let last = input.uint("the number of a relay")?;
            Ok((target, last, input.list("relays", RelayedEnd::decode)?))
        })?;
        for (target, last, waiting) in out {
            relays.items += waiting.len();
            relays.bytes += waiting.iter().map(RelayedEnd::bytes).sum::<usize>();
            if (waiting.len() as u64) > last {
                return Err(DecodeError::Invalid("the number of a relay"));
            }
            if relays.out.insert(target, Outbound { last, waiting: waiting.into() }).is_some() {
                return Err(DecodeError::Invalid("the target of a relay"));
            }
        }
        let taken = input.list("relays taken", |input| {
            Ok((ShardId(input.narrow("a shard")?), input.uint("the number of a relay")?))
        })?;
        relays.taken = taken.into_iter().collect();
        if relays.items > RELAYS_PER_SHARD_MAX || relays.bytes > RELAYS_BYTES_MAX {
            return Err(DecodeError::Invalid("RELAYS_PER_SHARD_MAX"));
        }
        Ok(relays)
    }
}

impl RelayedEnd {
    /// The most that it takes in a command, in bytes.
    pub fn weight(&self) -> usize {
        self.bytes()
    }

    /// Its bytes in memory, counted the same on every replica.
    pub(crate) fn bytes(&self) -> usize {
        128 + self.id.0.len() + self.span.bytes()
    }

    /// Shared with the command that carries it.
    pub(crate) fn encode(&self, out: &mut Writer) {
        out.text(&self.id.0);
        encode::instance(self.instance, out);
        encode::instance(self.next, out);
        out.uint(self.begun.0);
        out.u8(encode::decision(self.decision));
        self.span.encode(out);
    }

    /// Shared with the command that carries it.
    pub(crate) fn decode(input: &mut Reader<'_>) -> Result<RelayedEnd, DecodeError> {
        Ok(RelayedEnd {
            id: decode::transactional_id(input)?,
            instance: decode::instance(input)?,
            next: decode::instance(input)?,
            begun: LogIndex(input.uint("a log index")?),
            decision: decode::decision(input)?,
            span: Span::decode(input)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{PartitionId, ProducerEpoch, ProducerId};

    const HERE: ShardId = ShardId(1);
    const THERE: ShardId = ShardId(2);

    fn end(id: &str) -> RelayedEnd {
        RelayedEnd {
            id: TransactionalId(id.into()),
            instance: (ProducerId(7), ProducerEpoch(1)),
            next: (ProducerId(7), ProducerEpoch(2)),
            begun: LogIndex(30),
            decision: Decision::Commit,
            span: Span {
                partitions: [PartitionId(4)].into(),
                groups: ["g"].map(|g| forebay_model::GroupId(g.into())).into(),
            },
        }
    }

    fn again(relays: &Relays) -> Relays {
        let mut out = Writer::default();
        relays.encode(&mut out);
        let bytes = out.finish();
        let mut input = Reader::new(&bytes);
        let again = Relays::decode(&mut input).unwrap();
        input.end("relays").unwrap();
        assert_eq!((again.len(), again.bytes), (relays.len(), relays.bytes));
        again
    }

    #[test]
    fn what_was_handed_over_waits_until_it_is_done() {
        let mut relays = Relays::default();
        for id in ["a", "b", "c"] {
            relays.push(THERE, end(id));
        }
        relays.push(HERE, end("d"));
        let mut relays = again(&relays);
        assert_eq!(relays.waiting().collect::<Vec<_>>(), [(HERE, 1), (THERE, 1)]);
        let done = relays.done(THERE, 2).unwrap();
        assert_eq!(done.iter().map(|end| end.id.0.as_ref()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(relays.done(THERE, 2).unwrap().is_empty(), "nothing is done twice");
        assert!(relays.done(THERE, 4).is_err());
        let relays = again(&relays);
        let waiting: Vec<_> =
            relays.waiting_for(THERE, 0).map(|(n, end)| (n, end.id.0.to_string())).collect();
        assert_eq!(waiting, [(3, "c".to_owned())]);
        assert_eq!(relays.waiting_for(THERE, 4).count(), 0);
    }

    #[test]
    fn each_item_is_taken_once_and_in_order() {
        let mut relays = Relays::default();
        assert!(relays.turn_of(THERE, 2).is_err());
        assert_eq!(relays.turn_of(THERE, 1), Ok(Turn::Due));
        relays.take(THERE, 1);
        assert_eq!(relays.turn_of(THERE, 1), Ok(Turn::Before));
        assert_eq!(again(&relays).turn_of(THERE, 2), Ok(Turn::Due));
        assert_eq!(relays.turn_of(HERE, 1), Ok(Turn::Due));
    }

    #[test]
    fn a_shard_hands_over_no_more_than_it_may() {
        let mut relays = Relays::default();
        assert!(relays.check_room(RELAYS_PER_SHARD_MAX, 0).is_ok());
        relays.push(THERE, end("a"));
        assert_eq!(relays.check_room(RELAYS_PER_SHARD_MAX, 0), Err(Refusal::Busy));
        assert_eq!(relays.check_room(1, RELAYS_BYTES_MAX), Err(Refusal::Busy));
    }
}

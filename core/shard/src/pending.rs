//! What was proposed and is not applied yet: who waits for which command of which turn.

use std::collections::BTreeMap;

use forebay_env::Monotonic;
use forebay_machine::SubscriptionKey;
use forebay_model::transaction::TransactionalId;
use forebay_model::{LogIndex, PartitionId, Refusal, ShardId, SlotNumber};

use crate::big::BigNumber;
use crate::coordinator::ProposalKey;
use crate::delivery::SettlesUnderWay;
use crate::mailbox::Source;
use crate::trim::TrimsUnderWay;
use crate::work::{Answer, SharingAnswer};

/// Who asked for some of a turn's commands.
#[derive(Debug)]
pub(crate) enum Asking<T> {
    /// The shard itself.
    Shard(Own),
    /// A publish, with its deadline.
    Append(T, Monotonic),
    /// Commands of the catalogue.
    Propose(T),
    /// The coordinator of groups.
    Group(ProposalKey),
    /// Something of a transactional producer.
    Transaction(T, crate::transaction::Asked),
    /// The end of a transaction whose time is up.
    Overdue(TransactionalId),
    /// An item of another shard.
    Relay(ShardId),
    /// Trims.
    Trim(Box<TrimsUnderWay<T>>),
    /// Trims of these partitions that nobody waits for: retention's, or whoever asked was answered.
    Trimming(Vec<PartitionId>),
    /// What the shard needs before it hands something out.
    Subscribing(Subscribing),
    /// Ends of deliveries.
    Settle(Box<SettlesUnderWay<T>>),
    /// A group that shares a subscription; this is heard when it is there.
    Sharing(T, Box<SharingAnswer>),
    /// Changes of these subscriptions, one command for each.
    Subscriptions(T, Vec<SubscriptionKey>),
    /// A part of a big payload of this source, in this slot and of so many bytes.
    Part(Source, BigNumber, SlotNumber, u32),
}

/// What is asked for a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subscribing {
    /// To begin reading a partition.
    Open(SubscriptionKey),
    /// To hand out more.
    Mark(SubscriptionKey),
    /// It is not what it was.
    Changed(SubscriptionKey),
}

/// What the shard proposes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Opening and dropping partitions as the catalogue says.
    Provision,
    /// What other shards have carried out.
    Relays,
    /// Settings of the machine, the log's time.
    Housekeeping,
    /// The end of a queue that nobody uses.
    Unused,
}

/// The askers of one turn's commands, in order; each asked for so many.
pub(crate) type Askers<T> = Vec<(usize, Asking<T>)>;

/// Turns under way, by number.
pub(crate) struct Pending<T> {
    turns: BTreeMap<u64, Askers<T>>,
    /// Of turns that name parts of payloads: the first entry with one.
    first_parts: BTreeMap<u64, LogIndex>,
}

impl<T> Pending<T> {
    pub(crate) fn new() -> Pending<T> {
        Pending { turns: BTreeMap::new(), first_parts: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, turn: u64, askers: Askers<T>, first_part: Option<LogIndex>) {
        self.turns.insert(turn, askers);
        self.first_parts.extend(first_part.map(|index| (turn, index)));
    }

    /// The first entry with a part of a payload that a turn under way names.
    pub(crate) fn first_part(&self) -> Option<LogIndex> {
        self.first_parts.values().copied().min()
    }

    pub(crate) fn take(&mut self, turn: u64) -> Option<Askers<T>> {
        self.first_parts.remove(&turn);
        self.turns.remove(&turn)
    }

    /// Takes everybody out.
    pub(crate) fn take_all(&mut self) -> Vec<Asking<T>> {
        self.first_parts.clear();
        let turns = std::mem::take(&mut self.turns);
        turns.into_values().flatten().map(|(_, asking)| asking).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.turns.len()
    }

    /// Answers the publishes and trims that have waited too long. Their turns stay under way, so nobody knows what becomes of them.
    pub(crate) fn expire(&mut self, now: Monotonic, answers: &mut Vec<(T, Answer)>) {
        for asking in self.turns.values_mut().flatten().map(|(_, asking)| asking) {
            if asking.deadline().is_none_or(|deadline| deadline > now) {
                continue;
            }
            let left = match asking {
                Asking::Trim(trims) => Asking::Trimming(trims.partitions()),
                _ => Asking::Shard(Own::Housekeeping),
            };
            match std::mem::replace(asking, left) {
                Asking::Append(ticket, _) => {
                    answers.push((ticket, Answer::Published(Err(Refusal::Unknown))));
                }
                Asking::Trim(trims) => answers.push(trims.refuse(&Refusal::Unknown)),
                _ => unreachable!("nothing else has a deadline"),
            }
        }
    }

    /// The first deadline of what is under way.
    pub(crate) fn next_deadline(&self) -> Option<Monotonic> {
        self.turns.values().flatten().filter_map(|(_, asking)| asking.deadline()).min()
    }
}

impl<T> Asking<T> {
    /// When whoever asked is answered, whatever became of it.
    fn deadline(&self) -> Option<Monotonic> {
        match self {
            Asking::Append(_, deadline) => Some(*deadline),
            Asking::Trim(trims) => Some(trims.deadline()),
            Asking::Shard(_)
            | Asking::Propose(_)
            | Asking::Group(_)
            | Asking::Transaction(..)
            | Asking::Overdue(_)
            | Asking::Relay(_)
            | Asking::Trimming(_)
            | Asking::Subscribing(_)
            | Asking::Settle(_)
            | Asking::Subscriptions(..)
            | Asking::Sharing(..)
            | Asking::Part(..) => None,
        }
    }
}

//! Drafts of turns: commands, payload slots and who asked, gathered until each becomes one entry.

use std::collections::VecDeque;

use bytes::Bytes;
use forebay_commitlog::limits::{ENTRY_BODY_BYTES_MAX, ENTRY_SLOTS_MAX};
use forebay_commitlog::{BodyBuilder, BodyError, SlotKind};
use forebay_env::Monotonic;
use forebay_machine::limits::TRANSACTIONAL_ID_BYTES_MAX;
use forebay_machine::{Append, Command, CommandList, ListMark};
use forebay_model::limits::{MIB, TURN_BYTES_MAX};
use forebay_model::{LogIndex, LogTime, SlotNumber};

use crate::entry::{SLOT_TURN, TurnHeader};
use crate::pending::{Askers, Asking};

/// A draft takes no more above this many bytes; what is larger by itself gets one of its own. So nobody is refused
/// because an entry cannot hold what somebody else asked for.
const DRAFT_BYTES_MAX: usize = 4 * MIB;
/// What a slot costs besides its bytes: its line in the entry's directory.
const SLOT_BYTES: usize = 16;
/// Memory for weighing that is kept for the next commands.
const SCRATCH_BYTES_MAX: usize = 256 * 1024;
/// The most that an append to one partition takes among the commands...
const APPEND_BYTES_MAX: usize = 96;
/// ...besides this much for each part that it names.
const APPEND_PART_BYTES_MAX: usize = 15;

/// The most that commands take which come with a slot and are no appends: two that name a transactional id.
const COMMANDS_WITH_SLOT_BYTES_MAX: usize = 2 * (TRANSACTIONAL_ID_BYTES_MAX + 64);

const _: () = assert!(2 * DRAFT_BYTES_MAX < ENTRY_BODY_BYTES_MAX);

/// The drafts that wait to be proposed, in order. There is more than one only when a turn brings more than an entry
/// should hold.
pub(crate) struct Drafts<T> {
    queue: VecDeque<Draft<T>>,
    /// Commands that are being weighed.
    scratch: CommandList,
}

impl<T> Drafts<T> {
    pub(crate) fn new() -> Drafts<T> {
        Drafts { queue: VecDeque::new(), scratch: CommandList::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// What they would take in the log, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.queue.iter().map(|draft| draft.bytes).sum()
    }

    /// Whether `bytes` more would still make a turn of the usual size.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes() + bytes <= TURN_BYTES_MAX || self.is_empty()
    }

    /// Adds one command with who asked for it.
    pub(crate) fn push(&mut self, command: &Command, asking: Asking<T>) {
        self.push_all(std::slice::from_ref(command), asking);
    }

    /// Adds commands that one asker waits for together.
    pub(crate) fn push_all(&mut self, commands: &[Command], asking: Asking<T>) {
        let mut encoded = std::mem::take(&mut self.scratch);
        commands.iter().for_each(|command| encoded.push(command));
        let bytes = encoded.bytes();
        let draft = self.with_room(bytes);
        draft.commands.append(&mut encoded);
        draft.add(commands.len(), Asked { asking, slot: None, bytes, first_part: None });
        if encoded.capacity() <= SCRATCH_BYTES_MAX {
            self.scratch = encoded;
        }
    }

    /// Adds an append together with the slot that it names.
    pub(crate) fn push_append(&mut self, kind: SlotKind, slot: Bytes, mut append: Append, asking: Asking<T>) {
        let first_part = append.parts.first().map(|(index, _)| *index);
        let besides = SLOT_BYTES + slot.len();
        // Its length is known when it names its slot.
        let draft = self.with_room(besides + APPEND_BYTES_MAX + append.parts.len() * APPEND_PART_BYTES_MAX);
        let before = draft.commands.bytes();
        append.slot = draft.add_slot(kind, slot);
        let slot = Some(append.slot);
        draft.commands.push(&Command::Append(append));
        let bytes = draft.commands.bytes() - before + besides;
        draft.add(1, Asked { asking, slot, bytes, first_part });
    }

    /// Adds commands that name a slot which comes with them, all in one entry.
    pub(crate) fn push_with_slot(
        &mut self,
        kind: SlotKind,
        slot: Bytes,
        commands: impl FnOnce(SlotNumber) -> Vec<Command>,
        asking: Asking<T>,
    ) {
        self.push_weighty_with_slot(kind, slot, COMMANDS_WITH_SLOT_BYTES_MAX, commands, asking);
    }

    /// The same for commands of at most `weight` bytes.
    pub(crate) fn push_weighty_with_slot(
        &mut self,
        kind: SlotKind,
        slot: Bytes,
        weight: usize,
        commands: impl FnOnce(SlotNumber) -> Vec<Command>,
        asking: Asking<T>,
    ) {
        let besides = SLOT_BYTES + slot.len();
        let draft = self.with_room(besides + weight);
        let before = draft.commands.bytes();
        let slot = draft.add_slot(kind, slot);
        let commands = commands(slot);
        commands.iter().for_each(|command| draft.commands.push(command));
        let bytes = draft.commands.bytes() - before + besides;
        draft.add(commands.len(), Asked { asking, slot: Some(slot), bytes, first_part: None });
    }

    /// Adds a slot that stands alone; `asking` says who asked for it, by its number.
    pub(crate) fn push_slot(
        &mut self,
        kind: SlotKind,
        slot: Bytes,
        asking: impl FnOnce(SlotNumber) -> Asking<T>,
    ) {
        let bytes = SLOT_BYTES + slot.len();
        let draft = self.with_room(bytes);
        let number = draft.add_slot(kind, slot);
        draft.add(0, Asked { asking: asking(number), slot: Some(number), bytes, first_part: None });
    }

    /// The first entry with a part of a payload that one of their appends names.
    pub(crate) fn first_part(&self) -> Option<LogIndex> {
        self.queue.iter().filter_map(Draft::first_part).min()
    }

    /// Takes the oldest one out.
    pub(crate) fn pop(&mut self) -> Option<Draft<T>> {
        self.queue.pop_front()
    }

    /// Takes the publishes out that have waited too long.
    pub(crate) fn expire(&mut self, now: Monotonic) -> Vec<T> {
        let expired = self.queue.iter_mut().flat_map(|draft| draft.expire(now)).collect();
        self.queue.retain(|draft| !draft.is_empty());
        expired
    }

    /// Gives up all of them; returns who asked.
    pub(crate) fn abandon(&mut self) -> Askers<T> {
        self.queue.drain(..).flat_map(Draft::into_askers).collect()
    }

    /// The draft that takes `bytes` more.
    fn with_room(&mut self, bytes: usize) -> &mut Draft<T> {
        let is_full = |draft: &Draft<T>| {
            draft.bytes + bytes > DRAFT_BYTES_MAX || draft.slots.len() >= ENTRY_SLOTS_MAX - 1
        };
        if self.queue.back().is_none_or(is_full) {
            self.queue.push_back(Draft::new());
        }
        self.queue.back_mut().expect("there is one now")
    }
}

/// A turn in the making; somebody asked for something of it.
pub(crate) struct Draft<T> {
    commands: CommandList,
    /// Who asked, each with the end of its commands; they begin where those of the one before end.
    asked: Vec<(ListMark, Asked<T>)>,
    slots: Vec<(SlotKind, Bytes)>,
    bytes: usize,
}

/// What one asker asked for.
struct Asked<T> {
    asking: Asking<T>,
    slot: Option<SlotNumber>,
    /// What it takes in the log.
    bytes: usize,
    /// The first entry with a part of the payload that its append names.
    first_part: Option<LogIndex>,
}

impl<T> Draft<T> {
    fn new() -> Draft<T> {
        Draft { commands: CommandList::default(), asked: Vec::new(), slots: Vec::new(), bytes: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.asked.is_empty()
    }

    fn add_slot(&mut self, kind: SlotKind, slot: Bytes) -> SlotNumber {
        self.slots.push((kind, slot));
        SlotNumber(u32::try_from(self.slots.len()).expect("a turn holds few slots"))
    }

    /// Notes who asked for the last commands.
    fn add(&mut self, commands: usize, asked: Asked<T>) {
        debug_assert_eq!(
            self.commands.count(),
            self.asked.last().map_or(0, |(end, _)| end.count()) + commands
        );
        self.bytes += asked.bytes;
        self.asked.push((self.commands.mark(), asked));
    }

    /// Takes the publishes out that have waited too long. Their slots stay, without a byte and named by nobody, so that the
    /// others keep their numbers.
    pub(crate) fn expire(&mut self, now: Monotonic) -> Vec<T> {
        let is_late = |asked: &Asked<T>| matches!(&asked.asking, Asking::Append(_, until) if *until <= now);
        let mut expired = Vec::new();
        if !self.asked.iter().any(|(_, asked)| is_late(asked)) {
            return expired;
        }
        let commands = std::mem::take(&mut self.commands);
        let mut from = ListMark::default();
        for (end, asked) in std::mem::take(&mut self.asked) {
            let mut own = commands.part(from, end);
            from = end;
            if !is_late(&asked) {
                self.commands.append(&mut own);
                self.asked.push((self.commands.mark(), asked));
                continue;
            }
            self.bytes -= asked.bytes;
            if let Some(SlotNumber(number)) = asked.slot {
                self.slots[number as usize - 1].1 = Bytes::new();
            }
            if let Asking::Append(ticket, _) = asked.asking {
                expired.push(ticket);
            }
        }
        expired
    }

    /// The first entry with a part of a payload that one of its appends names.
    pub(crate) fn first_part(&self) -> Option<LogIndex> {
        self.asked.iter().filter_map(|(_, asked)| asked.first_part).min()
    }

    /// The body of the entry; an error when no entry can hold it.
    pub(crate) fn body(&self, time: LogTime, proposer: u64, number: u64) -> Result<Bytes, BodyError> {
        let (head, commands) = (self.commands.head(), self.commands.commands());
        let header = TurnHeader { time, proposer, number }.encode();
        let turn = header.len() + head.len() + commands.len();
        let bytes = turn + self.slots.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let mut body = BodyBuilder::new(1 + self.slots.len(), bytes);
        body.push_slot(SLOT_TURN, &[&header, &head, commands])?;
        for (kind, bytes) in &self.slots {
            body.push_slot(*kind, &[bytes])?;
        }
        Ok(body.finish())
    }

    /// Who asked.
    pub(crate) fn into_askers(self) -> Askers<T> {
        let mut before = 0;
        let askers = self.asked.into_iter().map(|(end, asked)| {
            let count = end.count() - std::mem::replace(&mut before, end.count());
            (count, asked.asking)
        });
        askers.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::SLOT_PAYLOAD;
    use crate::pending::Own;
    use forebay_commitlog::Body;
    use forebay_machine::{SaveOffsets, SavedOffset, decode_commands};
    use forebay_model::publish::PayloadKind;
    use forebay_model::{GroupId, Offset, Timestamp, TopicId};

    fn append() -> Append {
        Append {
            targets: Vec::new().into(),
            slot: SlotNumber(0),
            kind: PayloadKind::RecordBatch,
            count: 1,
            bytes: 1,
            max_timestamp: Timestamp(-1),
            append_time: None,
            producer: None,
            transaction: None,
            import: None,
            parts: Vec::new(),
        }
    }

    fn commit(group: &str, offsets: u32) -> Command {
        let offset = |number| SavedOffset {
            topic: TopicId([1; 16]),
            number,
            offset: Offset(0),
            leader_epoch: None,
            metadata: "m".repeat(4096),
        };
        let offsets = (0..offsets).map(offset).collect();
        Command::CommitOffsets(SaveOffsets { group: GroupId(group.into()), offsets })
    }

    /// The commands and the slots behind them.
    fn parts(body: Bytes) -> (Vec<Command>, Vec<Bytes>) {
        let body = Body::parse(body).expect("just made");
        let mut slots: Vec<Bytes> = body.slots().map(|slot| slot.bytes).collect();
        let (_, commands) = TurnHeader::decode(&slots.remove(0)).expect("just made");
        (decode_commands(&commands).expect("just made"), slots)
    }

    #[test]
    fn a_late_publish_leaves_a_draft_and_the_others_keep_their_slots() {
        let mut drafts: Drafts<u32> = Drafts::new();
        for (ticket, deadline) in [(1, 50), (2, 10), (3, 50)] {
            let payload = Bytes::from(vec![ticket as u8; 100]);
            drafts.push_append(SLOT_PAYLOAD, payload, append(), Asking::Append(ticket, Monotonic(deadline)));
            drafts.push(&Command::AdvanceClock, Asking::Shard(Own::Housekeeping));
        }
        let before = drafts.bytes();
        assert_eq!(drafts.expire(Monotonic(9)), [0; 0]);
        assert_eq!(drafts.expire(Monotonic(10)), [2]);
        assert!(drafts.bytes() < before - 100);
        let draft = drafts.pop().expect("there are others");
        let (commands, slots) = parts(draft.body(LogTime(1), 1, 1).expect("it fits"));
        assert_eq!(commands.len(), 5);
        let named = commands.iter().filter_map(|command| match command {
            Command::Append(append) => Some(append.slot.0),
            _ => None,
        });
        assert_eq!(named.collect::<Vec<_>>(), [1, 3]);
        assert_eq!(slots.iter().map(Bytes::len).collect::<Vec<_>>(), [100, 0, 100]);
        assert_eq!(draft.into_askers().iter().map(|(count, _)| count).sum::<usize>(), 5);
    }

    #[test]
    fn commands_are_weighed_by_their_bytes_and_no_draft_is_more_than_an_entry_holds() {
        let mut drafts: Drafts<u32> = Drafts::new();
        for ticket in 0..24 {
            drafts.push(&commit("group", 700), Asking::Propose(ticket));
        }
        let weighed = drafts.bytes();
        let mut bodies = Vec::new();
        while let Some(draft) = drafts.pop() {
            bodies.push(draft.body(LogTime(1), 1, 1).expect("it fits").len());
        }
        assert!(bodies.len() > 10 && bodies.iter().all(|body| *body <= DRAFT_BYTES_MAX + 1024), "{bodies:?}");
        assert!(bodies.iter().sum::<usize>().abs_diff(weighed) < 4096);
    }

    #[test]
    fn what_is_too_large_by_itself_is_refused_alone() {
        let mut drafts: Drafts<u32> = Drafts::new();
        drafts.push(&commit("before", 1), Asking::Propose(1));
        drafts.push(&commit("huge", 17_000), Asking::Propose(2));
        drafts.push(&commit("behind", 1), Asking::Propose(3));
        let fits = std::iter::from_fn(|| drafts.pop()).map(|draft| draft.body(LogTime(1), 1, 1).is_ok());
        assert_eq!(fits.collect::<Vec<_>>(), [true, false, true]);
    }
}

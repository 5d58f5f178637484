//! Payloads above `PART_BYTES_MAX`: written part by part, a few at a time, between everybody else's work, and then named
//! by one append. Nothing of them is visible before; parts without their append are dead bytes.

use std::collections::VecDeque;

use bytes::Bytes;
use forebay_env::Monotonic;
use forebay_machine::Append as AppendCommand;
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::{LogIndex, SlotNumber};

use crate::entry::PartRef;
use crate::work::Work;

/// Parts of one payload that may be under way: more would only wait for the same flush.
const PARTS_UNDER_WAY_MAX: usize = 2;

/// A big payload on its way into the log.
pub(crate) struct BigAppend<T> {
    ticket: T,
    deadline: Monotonic,
    payload: Bytes,
    command: AppendCommand,
    next: usize,
    under_way: usize,
    done: Vec<PartRef>,
    /// Work of the same source that came behind it.
    behind: VecDeque<Work<T>>,
}

impl<T> BigAppend<T> {
    /// Begins with the payload as it is to be stored and its append, which has no slot yet.
    pub(crate) fn new(
        ticket: T,
        deadline: Monotonic,
        payload: Bytes,
        command: AppendCommand,
    ) -> BigAppend<T> {
        let (done, behind) = (Vec::new(), VecDeque::new());
        BigAppend { ticket, deadline, payload, command, next: 0, under_way: 0, done, behind }
    }

    /// The next part to write, if one may be written now.
    pub(crate) fn next_part(&mut self) -> Option<Bytes> {
        if self.under_way >= PARTS_UNDER_WAY_MAX || self.next >= self.payload.len() {
            return None;
        }
        let end = (self.next + PART_BYTES_MAX).min(self.payload.len());
        let part = self.payload.slice(self.next..end);
        self.next = end;
        self.under_way += 1;
        Some(part)
    }

    /// Takes the place of a part that is applied; says whether all are.
    pub(crate) fn applied(&mut self, index: LogIndex, slot: SlotNumber, bytes: u32) -> bool {
        self.under_way -= 1;
        self.done.push(PartRef { index, slot, bytes });
        self.under_way == 0 && self.next >= self.payload.len()
    }

    /// The entry of its oldest part.
    pub(crate) fn first_part(&self) -> Option<LogIndex> {
        self.done.first().map(|part| part.index)
    }

    /// Queues work of the same source behind this payload.
    pub(crate) fn push_behind(&mut self, work: Work<T>) {
        self.behind.push_back(work);
    }

    /// Its ticket and what came behind it.
    pub(crate) fn give_up(self) -> (T, VecDeque<Work<T>>) {
        (self.ticket, self.behind)
    }

    /// Takes everything apart when all parts are in the log.
    pub(crate) fn finish(self) -> Finished<T> {
        Finished {
            ticket: self.ticket,
            deadline: self.deadline,
            command: self.command,
            parts: self.done,
            behind: self.behind,
        }
    }
}

/// A big payload that is in the log whole and not named yet.
pub(crate) struct Finished<T> {
    pub(crate) ticket: T,
    pub(crate) deadline: Monotonic,
    pub(crate) command: AppendCommand,
    /// In order.
    pub(crate) parts: Vec<PartRef>,
    /// What came behind it.
    pub(crate) behind: VecDeque<Work<T>>,
}

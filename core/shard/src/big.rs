//! Payloads above `PART_BYTES_MAX`: written part by part, a few at a time, between everybody else's work, and then named
//! by one append. Nothing of them is visible before; parts without their append are dead bytes.

use bytes::Bytes;
use forebay_env::Monotonic;
use forebay_machine::Append as AppendCommand;
use forebay_model::LogIndex;
use forebay_model::limits::PART_BYTES_MAX;

use crate::entry::PartRef;

/// Parts of one payload that may be under way: more would only wait for the same flush.
const PARTS_UNDER_WAY_MAX: usize = 2;

/// Names one big payload of this process: parts of one that was given up are not taken for parts of the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BigNumber(pub(crate) u64);

/// A big payload on its way into the log.
pub(crate) struct BigAppend<T> {
    pub(crate) number: BigNumber,
    pub(crate) ticket: T,
    pub(crate) deadline: Monotonic,
    payload: Bytes,
    command: AppendCommand,
    next: usize,
    under_way: usize,
    done: Vec<PartRef>,
}

impl<T> BigAppend<T> {
    /// Begins with the payload as it is to be stored and its append, which has no slot yet.
    pub(crate) fn new(
        number: BigNumber,
        ticket: T,
        deadline: Monotonic,
        payload: Bytes,
        command: AppendCommand,
    ) -> BigAppend<T> {
        BigAppend { number, ticket, deadline, payload, command, next: 0, under_way: 0, done: Vec::new() }
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
    pub(crate) fn applied(&mut self, part: PartRef) -> bool {
        self.under_way -= 1;
        self.done.push(part);
        self.under_way == 0 && self.next >= self.payload.len()
    }

    /// The entry of its oldest part.
    pub(crate) fn first_part(&self) -> Option<LogIndex> {
        self.done.first().map(|part| part.index)
    }

    /// Its append, which has no slot yet, and where its parts are, when all of them are in the log.
    pub(crate) fn finish(self) -> (T, Monotonic, AppendCommand, Vec<PartRef>) {
        (self.ticket, self.deadline, self.command, self.done)
    }
}

//! The draft of a turn: commands, payload slots and who asked, gathered until they become one entry.

use bytes::Bytes;
use forebay_commitlog::{BodyBuilder, BodyError, SlotKind};
use forebay_machine::{Command, encode_commands};
use forebay_model::limits::TURN_BYTES_MAX;
use forebay_model::{LogTime, SlotNumber};

use crate::entry::{SLOT_TURN, TurnHeader};
use crate::pending::{Askers, Asking};

/// A turn in the making.
pub(crate) struct Draft<T> {
    commands: Vec<Command>,
    askers: Askers<T>,
    slots: Vec<(SlotKind, Bytes)>,
    bytes: usize,
}

impl<T> Draft<T> {
    pub(crate) fn new() -> Draft<T> {
        Draft { commands: Vec::new(), askers: Vec::new(), slots: Vec::new(), bytes: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.askers.is_empty()
    }

    /// Whether `bytes` more would still make a turn of the usual size.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.bytes + bytes <= TURN_BYTES_MAX || self.is_empty()
    }

    /// Adds a slot behind the turn's own; returns its number.
    pub(crate) fn push_slot(&mut self, kind: SlotKind, bytes: Bytes) -> SlotNumber {
        self.bytes += bytes.len();
        self.slots.push((kind, bytes));
        SlotNumber(u32::try_from(self.slots.len()).expect("a turn holds few slots"))
    }

    /// Adds one command with who asked for it.
    pub(crate) fn push(&mut self, command: Command, asking: Asking<T>) {
        self.push_all(vec![command], asking);
    }

    /// Adds commands that one asker waits for together; none for a slot alone.
    pub(crate) fn push_all(&mut self, commands: Vec<Command>, asking: Asking<T>) {
        self.askers.push((commands.len(), asking));
        self.bytes += commands.len() * 64;
        self.commands.extend(commands);
    }

    /// Makes the body of the entry, or answers whom to refuse because no entry can hold it; the draft is empty afterwards.
    pub(crate) fn finish(
        &mut self,
        time: LogTime,
        proposer: u64,
        number: u64,
    ) -> Result<(Bytes, Askers<T>), (BodyError, Askers<T>)> {
        let draft = std::mem::replace(self, Draft::new());
        match draft.body(time, proposer, number) {
            Ok(body) => Ok((body, draft.askers)),
            Err(error) => Err((error, draft.askers)),
        }
    }

    fn body(&self, time: LogTime, proposer: u64, number: u64) -> Result<Bytes, BodyError> {
        let commands = encode_commands(&self.commands);
        let header = TurnHeader { time, proposer, number }.encode();
        let bytes =
            header.len() + commands.len() + self.slots.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
        let mut body = BodyBuilder::new(1 + self.slots.len(), bytes);
        body.push_slot(SLOT_TURN, &[&header, &commands])?;
        for (kind, bytes) in &self.slots {
            body.push_slot(*kind, &[bytes])?;
        }
        Ok(body.finish())
    }

    /// Gives up the draft; returns who asked.
    pub(crate) fn abandon(&mut self) -> Askers<T> {
        std::mem::replace(self, Draft::new()).askers
    }
}

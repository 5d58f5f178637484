//! What a leader proposes by itself besides retention: the machine's settings when the operator changed them, the version
//! that a command needs, and the time on a shard where nothing happens, so that silent producers and groups expire all the
//! same.

use forebay_env::Monotonic;
use forebay_machine::Command;

use crate::pending::{Asking, Own};
use crate::shard::Shard;

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn keep_house(&mut self, now: Monotonic) {
        if !self.leads() || self.stalled.is_some() {
            return;
        }
        if !self.configured && self.machine.settings() != self.config.machine {
            self.configured = true;
            self.draft.push(&Command::Configure(self.config.machine), Asking::Shard(Own::Housekeeping));
        }
        self.tell_time(now);
    }

    /// Asks for the machine version that these commands need, right in front of them.
    pub(crate) fn raise_version(&mut self, commands: &[Command]) {
        self.raise_version_to(commands.iter().map(Command::since).max().unwrap_or_default());
    }

    pub(crate) fn raise_version_to(&mut self, needed: u32) {
        if needed > self.machine.version().max(self.version_asked) {
            self.version_asked = needed;
            let command = Command::SetMachineVersion { version: needed };
            self.draft.push(&command, Asking::Shard(Own::Housekeeping));
        }
    }

    /// Puts the time into a log that has been silent for a while, if anything waits for it.
    fn tell_time(&mut self, now: Monotonic) {
        let due = self.spoke_at + self.config.retention_interval;
        let machine = &self.machine;
        let waits = !machine.groups().is_empty()
            || !machine.producers().is_empty()
            || !machine.transactions().is_empty()
            || !machine.guests().is_empty();
        if now < due || !waits || !self.draft.is_empty() {
            return;
        }
        if self.clock.as_ref().is_some_and(|clock| clock.deletes()) {
            self.draft.push(&Command::AdvanceClock, Asking::Shard(Own::Housekeeping));
        }
        self.spoke_at = now;
    }
}

//! Conflict truncation: rare, and flushed before a new byte is written. The steps are in `docs/formats/segment.md`.

use std::sync::Arc;

use forebay_env::fault::{self, planted};
use forebay_model::LogIndex;

use crate::fault::{Action, Fault};
use crate::files::Segment;
use crate::journal::Gathered;
use crate::lock::lock;
use crate::log::Log;

impl Log {
    /// Removes `index` and all behind it, durably, before anything is written in their place.
    pub(crate) fn truncate(&mut self, index: LogIndex) -> Result<(), Fault> {
        self.files.fence.guard(|| self.leave_journal())?;
        let view = self.files.view();
        let (keep, drop): (Vec<_>, Vec<_>) =
            view.segments.iter().partition(|segment| segment.id.first < index);
        let (keep, drop): (Vec<Arc<Segment>>, Vec<Arc<Segment>>) =
            (keep.into_iter().cloned().collect(), drop.into_iter().cloned().collect());
        let holds = |segment: &&Arc<Segment>| segment.last().is_some_and(|last| last >= index);
        let cut = keep.last().filter(holds).cloned();

        // Memory first: a reader that fails on the changing files finds a new epoch and looks again.
        lock(&self.files.tail).truncate(index);
        let cut_at = cut.as_ref().map(|segment| {
            let mut memory = segment.memory().expect("checked before anything changed");
            memory.sealed = false;
            match memory.table.position(index) {
                Some(position) if planted(fault::Fault::TruncationWithoutIndexRollback) => position,
                _ => memory.table.truncate(index),
            }
        });
        self.files.change_view(|view| {
            view.epoch += 1;
            view.segments = keep;
        });
        self.terms.truncate(index);
        self.dirty.retain(|dirty| dirty.id.first < index);
        self.files.set_durable_index(self.durable_index().min(index.previous()));
        self.recorded = self.recorded.min(index.previous());
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.cap = in_flight.cap.min(index.previous());
        }

        // What was gathered stands behind the cut, or is flushed with it.
        self.gathered = Gathered::TooMuch;
        self.files.fence.guard(|| {
            self.files.durable.lower(index.previous())?;
            for segment in drop.iter().rev() {
                self.files
                    .disk
                    .remove_file(&segment.path)
                    .map_err(Fault::io(Action::Remove, &segment.path))?;
                // One by one: a segment that outlived the one before it would prove that entries are missing.
                self.files
                    .disk
                    .sync_dir(&self.files.dir)
                    .map_err(Fault::io(Action::Flush, &self.files.dir))?;
            }
            if let (Some(segment), Some(position)) = (&cut, cut_at) {
                segment.file.set_len(position).map_err(Fault::io(Action::Cut, &segment.path))?;
                segment.file.sync_data().map_err(Fault::io(Action::Flush, &segment.path))?;
            }
            Ok(())
        })?;
        self.active = cut.map(|segment| self.activate(segment));
        Ok(())
    }
}

//! Applying imports: the records of a partition are taken over from another log, at the offsets that they have there.
//!
//! A partition under import takes nothing else. Each batch says where the partition ends before it, so batches come in without a
//! hole that the source does not have, in order and once, however often they are sent.

use forebay_model::transaction::Decision;
use forebay_model::{Offset, PartitionId, Refusal};

use crate::limits::{IMPORT_SOURCE_BYTES_MAX, OFFSET_MAX};
use crate::machine::MACHINE_VERSION_IMPORTS;
use crate::unstable::AbortedRange;
use crate::{
    Append, AppendedTo, BeginImport, Effects, Imported, ImportedTransaction, Machine, Meta, Outcome,
    Partition,
};

impl Machine {
    pub(super) fn begin_import(
        &mut self,
        begin: BeginImport,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        self.has_imports()?;
        let BeginImport { partition: id, source, start } = begin;
        if source.is_empty() || source.len() > IMPORT_SOURCE_BYTES_MAX || start.0 > OFFSET_MAX {
            return Err(Refusal::InvalidRequest(
                "an import needs a source of a few words and an offset".into(),
            ));
        }
        let partition = self.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
        let had_records = partition.end > partition.start;
        if partition.begin_import(source, start)? {
            // Whatever was open or aborted lies before it and is gone.
            partition.first_open = None;
            self.unstable.forget(id);
            self.subscriptions.trim(id, start);
            if had_records {
                effects.trimmed.push((id, start));
            }
        }
        Ok(Outcome::Appended([Ok(ends_at(partition))].into()))
    }

    pub(super) fn end_import(&mut self, id: PartitionId, end: Offset) -> Result<Outcome, Refusal> {
        self.has_imports()?;
        let partition = self.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
        let Some(import) = &mut partition.import else {
            return Err(Refusal::Forbidden("the partition is not under import"));
        };
        if import.has_ended {
            // Once more, perhaps because the first answer was lost. Producers may have written behind it since.
            if end > partition.end {
                return Err(outside(partition));
            }
        } else if partition.end != end {
            return Err(outside(partition));
        } else if partition.first_open.is_some() {
            return Err(Refusal::ConcurrentTransaction);
        } else {
            import.has_ended = true;
        }
        Ok(Outcome::Appended([Ok(ends_at(partition))].into()))
    }

    fn has_imports(&self) -> Result<(), Refusal> {
        if self.version < MACHINE_VERSION_IMPORTS {
            return Err(Refusal::Unsupported("the machine version in force has no imports"));
        }
        Ok(())
    }

    /// Appends a batch at the offset that it has in the source. The size that the topic allows does not count: the source has it
    /// already.
    pub(super) fn append_imported(
        &mut self,
        meta: &Meta,
        id: PartitionId,
        append: &Append,
        import: &Imported,
        effects: &mut Effects,
    ) -> Result<AppendedTo, Refusal> {
        self.has_imports()?;
        let partition = self.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
        if !partition.is_under_import() {
            return Err(Refusal::Forbidden("no import of the partition is under way"));
        }
        if append.producer.is_some() || append.append_time.is_some() {
            return Err(Refusal::InvalidRequest("an imported batch is nobody's here".into()));
        }
        let base_offset = import.at;
        if partition.end != import.after || base_offset < import.after {
            return Err(outside(partition));
        }
        partition.room_for(base_offset, append.count)?;
        if let Some(ImportedTransaction::Records(producer)) = import.transaction
            && self.unstable.open_of(id, producer).is_none()
        {
            self.unstable.check_room()?;
        }
        partition.append_at(base_offset, append.count, append.bytes, append.max_timestamp, meta.term);
        match import.transaction {
            // From the end of what was there: so no reader of completed transactions is let into a gap where nothing follows.
            Some(ImportedTransaction::Records(producer)) => self.unstable.begin(id, producer, import.after),
            Some(ImportedTransaction::Mark(producer, decision)) => {
                let first = self.unstable.close(id, producer);
                if let Some(first) = first.filter(|_| decision == Decision::Abort) {
                    let stable = self.unstable.first_open(id).unwrap_or(partition.end);
                    self.unstable.abort(id, AbortedRange { producer, first, last: base_offset, stable });
                }
            }
            None => {}
        }
        partition.first_open = self.unstable.first_open(id);
        effects.appended.push(id);
        effects.indexed.push(append.indexed(meta, id, base_offset, append.max_timestamp));
        let start_offset = partition.start;
        Ok(AppendedTo { partition: id, base_offset, start_offset, append_time: None, duplicate: false })
    }
}

/// What there is of a partition, for an importer that has to know where to go on.
fn ends_at(partition: &Partition) -> AppendedTo {
    AppendedTo {
        partition: partition.id,
        base_offset: partition.end,
        start_offset: partition.start,
        append_time: None,
        duplicate: false,
    }
}

fn outside(partition: &Partition) -> Refusal {
    Refusal::OffsetOutOfRange { start: partition.start, end: partition.end }
}

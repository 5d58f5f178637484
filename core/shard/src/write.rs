//! From work to a draft: appends become commands with payload slots, big ones part by part.

use bytes::Bytes;
use forebay_env::Monotonic;
use forebay_env::fault::{Fault, planted};
use forebay_machine::{
    Append as AppendCommand, BeginImport, Command, Imported, ImportedTransaction, ProducerStamp, Which,
};
use forebay_model::group::GroupRequest;
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::publish::{Import, PayloadKind};
use forebay_model::{LogTime, Offset, PartitionId, Refusal, SlotNumber, Timestamp, TimestampType};
use forebay_record::batch::{BatchHeader, decision_of, with_append_time};
use forebay_record::kind_of;
use forebay_record::message_batch::MessageBatchHeader;

use crate::barrier::Behind;
use crate::big::{BigAppend, BigNumber};
use crate::entry::{PartRef, SLOT_PART, SLOT_PART_LIST, SLOT_PAYLOAD, encode_parts};
use crate::keys::check_keys;
use crate::mailbox::{Parcel, Source};
use crate::pending::Asking;
use crate::shard::Shard;
use crate::work::{Answer, Append, Work};

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn work_all(&mut self, now: Monotonic, work: Vec<(Source, Parcel<Work<T>>)>) {
        if work.is_empty() {
            return;
        }
        if !self.leads() {
            let refusal = self.not_leading();
            self.answers.extend(work.into_iter().filter_map(|(_, parcel)| parcel.work.refuse(&refusal)));
            return;
        }
        let mut behind = Vec::new();
        for (source, parcel) in work {
            // A big payload of the same source came first in this very turn.
            match self.big.contains_key(&source) {
                true => behind.push((source, parcel)),
                false => self.work(now, source, parcel.work),
            }
        }
        for (source, parcel) in behind.into_iter().rev() {
            self.mailbox.put_back(source, parcel);
        }
    }

    fn work(&mut self, now: Monotonic, source: Source, work: Work<T>) {
        match work {
            Work::Append(append) => self.append(now, source, append),
            Work::Propose(ticket, commands) => {
                self.raise_version(&commands);
                self.draft.push_all(&commands, Asking::Propose(ticket));
            }
            // What was committed under a newer leader must not seem to go back.
            Work::Group(ticket, request @ GroupRequest::FetchOffsets(_)) => {
                self.wait_behind_barrier(Behind::Group(ticket, request));
            }
            Work::Group(ticket, request) => {
                if matches!(&request, GroupRequest::CommitOffsets(commit) if commit.transaction.is_some()) {
                    self.want_transactions();
                }
                self.group_request(now, ticket, request);
            }
            Work::Transaction(ticket, work) => self.transaction(now, ticket, work),
            // Nobody hears from an old leader where a partition ends.
            Work::Trim(trim) => self.wait_behind_barrier(Behind::Trim(trim)),
            Work::Settle(settle) => self.settle(now, settle),
            Work::EndConsumer(ticket, consumer) => {
                self.end_consumer(consumer);
                self.answers.push((ticket, Answer::ConsumerEnded));
            }
            Work::EndSource(source) => self.end_source(source),
            Work::Subscriptions(ticket, work) => self.subscriptions(ticket, work),
            Work::Sharing(ticket, work) => self.sharing(now, ticket, work),
        }
    }

    fn append(&mut self, now: Monotonic, source: Source, append: Append<T>) {
        if append.deadline <= now {
            return self.answers.push((append.ticket, Answer::Published(Err(Refusal::TimedOut))));
        }
        let prepared = match append.import.as_deref() {
            None => self.prepare(now, &append),
            Some(Import::Batch { after }) => self.prepare_imported(&append, *after),
            Some(Import::Begin { source, start }) => {
                let (partition, source, start) = (append.partition, source.clone(), *start);
                let begin = BeginImport { partition, source, start };
                return self.order_import(Command::BeginImport(begin), append);
            }
            Some(Import::End { end }) => {
                let end = Command::EndImport { partition: append.partition, end: *end };
                return self.order_import(end, append);
            }
        };
        if let Ok((_, command)) = &prepared {
            self.raise_version_to(command.since());
        }
        match prepared {
            Err(refusal) => self.answers.push((append.ticket, Answer::Published(Err(refusal)))),
            Ok((_, command)) if planted(Fault::DuplicateConfirmedEarly) && self.confirms_early(&command) => {
                self.answers.push((append.ticket, Answer::Published(Err(Refusal::DuplicateSequence))));
            }
            Ok((payload, command)) if payload.len() > PART_BYTES_MAX => {
                self.mailbox.hold(source);
                self.big_number.0 += 1;
                let Append { ticket, deadline, .. } = append;
                let big = BigAppend::new(self.big_number, ticket, deadline, payload, command);
                self.big.insert(source, big);
            }
            Ok((payload, command)) => {
                if planted(Fault::UnappliedServed) {
                    self.show_unapplied(&command, &payload);
                }
                let asking = Asking::Append(append.ticket, append.deadline);
                self.draft.push_append(SLOT_PAYLOAD, payload, command, asking);
            }
        }
    }

    /// Begins or ends an import.
    fn order_import(&mut self, command: Command, append: Append<T>) {
        if self.machine.partition(append.partition).is_none() {
            let refusal = self.no_partition(append.partition);
            return self.answers.push((append.ticket, Answer::Published(Err(refusal))));
        }
        self.raise_version_to(command.since());
        self.draft.push(&command, Asking::Append(append.ticket, append.deadline));
    }

    /// The payload as it is stored, and its append without a slot.
    fn prepare(&mut self, now: Monotonic, append: &Append<T>) -> Result<(Bytes, AppendCommand), Refusal> {
        let partition =
            self.machine.partition(append.partition).ok_or_else(|| self.no_partition(append.partition))?;
        let timestamps = partition.settings.timestamp_type;
        if append.kind == PayloadKind::MessageBatch {
            return self.prepare_messages(append);
        }
        let payload = match timestamps {
            TimestampType::Create => append.payload.clone(),
            TimestampType::Append => {
                let LogTime(time) = self.log_time(now);
                with_append_time(&append.payload, Timestamp(time)).map_err(corrupt)?
            }
        };
        let header = BatchHeader::peek(&payload).map_err(corrupt)?;
        if kind_of(&payload) != PayloadKind::RecordBatch {
            return Err(Refusal::InvalidPayload("no record batch begins at such an offset".into()));
        }
        let producer = (header.producer_id.0 >= 0).then_some(ProducerStamp {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        });
        let command = AppendCommand {
            targets: [(append.partition, Which::All)].into(),
            slot: SlotNumber(0),
            kind: append.kind,
            count: header.last_offset_delta + 1,
            bytes: u32::try_from(payload.len())
                .map_err(|_| Refusal::TooLarge { limit: u64::from(u32::MAX) })?,
            max_timestamp: header.max_timestamp,
            append_time: (timestamps == TimestampType::Append).then_some(header.max_timestamp),
            producer,
            transaction: header.attributes.is_transactional().then_some(append.joining),
            import: None,
            parts: Vec::new(),
        };
        Ok((payload, command))
    }

    /// Messages that the front desk has put together: stored as they are, whatever timestamps the topic shows.
    fn prepare_messages(&self, append: &Append<T>) -> Result<(Bytes, AppendCommand), Refusal> {
        if let Some(missing) = append.also.iter().find(|id| self.machine.partition(**id).is_none()) {
            return Err(self.no_partition(*missing));
        }
        let header = MessageBatchHeader::peek(&append.payload)
            .map_err(|error| Refusal::CorruptPayload(error.to_string()))?;
        let targets = [append.partition].into_iter().chain(append.also.iter().copied());
        let is_compacted = |id: PartitionId| {
            self.machine.partition(id).is_some_and(|partition| partition.settings.compaction.is_some())
        };
        if targets.clone().any(is_compacted) {
            // That takes a look at the header only.
            check_keys(append.kind, &append.payload)?;
        }
        let command = AppendCommand {
            targets: targets.map(|id| (id, Which::All)).collect(),
            slot: SlotNumber(0),
            kind: append.kind,
            count: header.count,
            bytes: u32::try_from(append.payload.len())
                .map_err(|_| Refusal::TooLarge { limit: u64::from(u32::MAX) })?,
            max_timestamp: header.max_timestamp,
            append_time: None,
            producer: None,
            transaction: None,
            import: None,
            parts: Vec::new(),
        };
        Ok((append.payload.clone(), command))
    }

    /// The payload of another log, which stays as it is, and its append without a slot.
    fn prepare_imported(&self, append: &Append<T>, after: Offset) -> Result<(Bytes, AppendCommand), Refusal> {
        if self.machine.partition(append.partition).is_none() {
            return Err(self.no_partition(append.partition));
        }
        let payload = append.payload.clone();
        let header = BatchHeader::peek(&payload).map_err(corrupt)?;
        if kind_of(&payload) != PayloadKind::RecordBatch {
            return Err(Refusal::InvalidPayload("no record batch begins at such an offset".into()));
        }
        let at = u64::try_from(header.base_offset)
            .map_err(|_| Refusal::InvalidPayload("an imported batch has an offset".into()))?;
        let transaction = imported_transaction(&header, &payload)?;
        let command = AppendCommand {
            targets: [(append.partition, Which::All)].into(),
            slot: SlotNumber(0),
            kind: append.kind,
            count: header.last_offset_delta + 1,
            bytes: u32::try_from(payload.len())
                .map_err(|_| Refusal::TooLarge { limit: u64::from(u32::MAX) })?,
            max_timestamp: header.max_timestamp,
            append_time: None,
            producer: None,
            transaction: None,
            import: Some(Imported { after, at: Offset(at), transaction }),
            parts: Vec::new(),
        };
        Ok((payload, command))
    }

    /// Adds the next parts of big payloads. One goes into every turn however full it is, for under a steady load there is
    /// no other; more where there is room. Sources take turns, so that none waits for the end of all others' payloads.
    pub(crate) fn write_parts(&mut self) {
        if self.stalled.is_some() {
            return;
        }
        let mut sources: Vec<Source> = self.big.keys().copied().collect();
        let next = sources.iter().position(|source| *source > self.part_last).unwrap_or(0);
        sources.rotate_left(next);
        let mut written = false;
        for source in sources {
            if written && !self.draft.has_room(PART_BYTES_MAX) {
                return;
            }
            let Some(big) = self.big.get_mut(&source) else { continue };
            let Some(part) = big.next_part() else { continue };
            let number = big.number;
            written = true;
            self.part_last = source;
            let bytes = u32::try_from(part.len()).expect("at most PART_BYTES_MAX");
            self.draft.push_slot(SLOT_PART, part, |slot| Asking::Part(source, number, slot, bytes));
        }
    }

    pub(crate) fn part_applied(&mut self, source: Source, number: BigNumber, part: PartRef) {
        // Another number: that payload was given up, its parts are dead.
        let Some(big) = self.big.get_mut(&source).filter(|big| big.number == number) else { return };
        if !big.applied(part) {
            return;
        }
        let Some(big) = self.big.remove(&source) else { return };
        let (ticket, deadline, mut command, parts) = big.finish();
        command.parts = parts.iter().map(|part| (part.index, part.slot)).collect();
        let asking = Asking::Append(ticket, deadline);
        self.draft.push_append(SLOT_PART_LIST, encode_parts(&parts), command, asking);
        self.mailbox.release(source);
    }

    /// Refuses the publishes that have waited too long and were not proposed: in the mailbox, in parts whose list is not
    /// written, in a draft. Nothing of them takes effect. A shard never sleeps longer than a tick, so none waits much longer
    /// than it may.
    pub(crate) fn expire(&mut self, now: Monotonic) {
        let mut late = self.draft.expire(now);
        for (source, big) in self.big.extract_if(.., |_, big| big.deadline <= now) {
            late.push(big.ticket);
            self.mailbox.release(source);
        }
        late.extend(self.expire_stalled(now));
        self.answers
            .extend(late.into_iter().map(|ticket| (ticket, Answer::Published(Err(Refusal::TimedOut)))));
        self.expire_barriers(now);
        let work = self.mailbox.take_expired(now);
        self.answers.extend(work.into_iter().filter_map(|work| work.refuse(&Refusal::TimedOut)));
    }
}

/// What an imported batch is to the transactions of its source. One that compaction emptied is nothing to them: of its
/// transaction nothing is left.
fn imported_transaction(
    header: &BatchHeader,
    payload: &Bytes,
) -> Result<Option<ImportedTransaction>, Refusal> {
    let attributes = header.attributes;
    if header.record_count == 0 || !attributes.is_transactional() {
        return Ok(None);
    }
    if !attributes.is_control() {
        return Ok(Some(ImportedTransaction::Records(header.producer_id)));
    }
    let decision = decision_of(payload).map_err(corrupt)?;
    Ok(decision.map(|decision| ImportedTransaction::Mark(header.producer_id, decision)))
}

fn corrupt(error: forebay_record::batch::BatchError) -> Refusal {
    Refusal::CorruptPayload(error.to_string())
}

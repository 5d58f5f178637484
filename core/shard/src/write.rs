//! From work to a draft: appends become commands with payload slots, big ones part by part.

use bytes::Bytes;
use forebay_env::Monotonic;
use forebay_machine::{Append as AppendCommand, Command, ProducerStamp, Which};
use forebay_model::limits::PART_BYTES_MAX;
use forebay_model::publish::PayloadKind;
use forebay_model::{LogIndex, LogTime, Refusal, SlotNumber, Timestamp, TimestampType};
use forebay_record::batch::{BatchHeader, with_append_time};

use crate::big::{BigAppend, Finished};
use crate::entry::{SLOT_PART, SLOT_PART_LIST, SLOT_PAYLOAD, encode_parts};
use crate::mailbox::Source;
use crate::pending::{Askers, Asking};
use crate::shard::Shard;
use crate::work::{Answer, Append, Work};

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn work_all(&mut self, now: Monotonic, work: Vec<(Source, Work<T>)>) {
        if work.is_empty() {
            return;
        }
        if !self.leads() {
            let refusal = self.not_leading();
            self.answers.extend(work.into_iter().map(|(_, work)| work.refuse(&refusal)));
            return;
        }
        for (source, work) in work {
            match self.big.get_mut(&source) {
                Some(big) => big.push_behind(work),
                None => self.work(now, source, work),
            }
        }
    }

    fn work(&mut self, now: Monotonic, source: Source, work: Work<T>) {
        match work {
            Work::Append(append) => self.append(now, source, append),
            Work::Propose(ticket, commands) => self.draft.push_all(commands, Asking::Propose(ticket)),
            Work::Group(ticket, request) => self.group_request(now, ticket, request),
        }
    }

    fn append(&mut self, now: Monotonic, source: Source, append: Append<T>) {
        match self.prepare(now, &append) {
            Err(refusal) => self.answers.push((append.ticket, Answer::Published(Err(refusal)))),
            Ok((payload, command)) if payload.len() > PART_BYTES_MAX => {
                self.mailbox.hold(source);
                let big = BigAppend::new(append.ticket, append.deadline, payload, command);
                self.big.insert(source, big);
            }
            Ok((payload, mut command)) => {
                command.slot = self.draft.push_slot(SLOT_PAYLOAD, payload);
                self.draft.push(Command::Append(command), Asking::Append(append.ticket, append.deadline));
            }
        }
    }

    /// The payload as it is stored, and its append without a slot.
    fn prepare(&mut self, now: Monotonic, append: &Append<T>) -> Result<(Bytes, AppendCommand), Refusal> {
        let partition =
            self.machine.partition(append.partition).ok_or_else(|| self.no_partition(append.partition))?;
        let timestamps = partition.settings.timestamp_type;
        if append.kind != PayloadKind::RecordBatch {
            return Err(Refusal::Unsupported("only record batches can be published"));
        }
        let payload = match timestamps {
            TimestampType::Create => append.payload.clone(),
            TimestampType::Append => {
                let LogTime(time) = self.log_time(now);
                with_append_time(&append.payload, Timestamp(time)).map_err(corrupt)?
            }
        };
        let header = BatchHeader::peek(&payload).map_err(corrupt)?;
        let producer = (header.producer_id.0 >= 0).then_some(ProducerStamp {
            id: header.producer_id,
            epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        });
        let command = AppendCommand {
            targets: vec![(append.partition, Which::All)],
            slot: SlotNumber(0),
            kind: append.kind,
            count: header.last_offset_delta + 1,
            bytes: u32::try_from(payload.len())
                .map_err(|_| Refusal::TooLarge { limit: u64::from(u32::MAX) })?,
            max_timestamp: header.max_timestamp,
            append_time: (timestamps == TimestampType::Append).then_some(header.max_timestamp),
            producer,
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
            let Some(part) = self.big.get_mut(&source).and_then(BigAppend::next_part) else { continue };
            written = true;
            self.part_last = source;
            let bytes = u32::try_from(part.len()).expect("at most PART_BYTES_MAX");
            let slot = self.draft.push_slot(SLOT_PART, part);
            self.draft.push_all(Vec::new(), Asking::Part(source, slot, bytes));
        }
    }

    /// Refuses the big payloads of which these turns would have written parts.
    pub(crate) fn give_up_parts(&mut self, askers: &Askers<T>) {
        for (_, asking) in askers {
            let Asking::Part(source, ..) = asking else { continue };
            let Some(big) = self.big.remove(source) else { continue };
            let (ticket, behind) = big.give_up();
            self.answers.push((ticket, Answer::Published(Err(Refusal::Busy))));
            for work in behind.into_iter().rev() {
                self.mailbox.put_back(*source, 0, work);
            }
            self.mailbox.release(*source);
        }
    }

    pub(crate) fn part_applied(&mut self, source: Source, index: LogIndex, slot: SlotNumber, bytes: u32) {
        let Some(big) = self.big.get_mut(&source) else { return };
        if !big.applied(index, slot, bytes) {
            return;
        }
        let Some(big) = self.big.remove(&source) else { return };
        let Finished { ticket, deadline, mut command, parts, behind } = big.finish();
        command.slot = self.draft.push_slot(SLOT_PART_LIST, encode_parts(&parts));
        command.parts = parts.iter().map(|part| (part.index, part.slot)).collect();
        self.draft.push(Command::Append(command), Asking::Append(ticket, deadline));
        for work in behind.into_iter().rev() {
            self.mailbox.put_back(source, 0, work);
        }
        self.mailbox.release(source);
    }
}

fn corrupt(error: forebay_record::batch::BatchError) -> Refusal {
    Refusal::CorruptPayload(error.to_string())
}

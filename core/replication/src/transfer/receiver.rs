//! The receiver's side of a transfer: one at a time, a few chunks on their way, one job on the disk.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use forebay_commitlog::{CountedOn, Fault};
use forebay_env::IoClass;
use forebay_model::LogIndex;
use raft::StateRole;
use raft::eraftpb::{Message, MessageType};

use super::{
    CHUNK_BYTES_MAX, CHUNKS_IN_FLIGHT_MAX, Checked, Incoming, Looked, Missing, RESEND_TICKS,
    SILENCE_TICKS_MAX,
};
use crate::job::{self, Done};
use crate::message::{AbandonReason, Chunk, Fetch, FileId, Offer, OfferedFile, PeerMessage, TransferId};
use crate::output::Fence;
use crate::peer::PeerId;
use crate::replica::Replica;

/// How often one file may be found damaged before the transfer is given up. Other files do not count: a power cut may have
/// torn every one that came before it.
const DAMAGED_MAX: u32 = 3;

/// Counts the transfers that were begun here. One that was given up for another leader's and is offered again keeps its
/// [`TransferId`] and is another attempt: what a job of the first one found says nothing of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempt(u64);

/// The transfer under way to here, if there is one.
#[derive(Default)]
pub(crate) struct Receiver {
    current: Option<Receiving>,
    last: Attempt,
    /// A job of this or an earlier transfer is on the disk; the next one waits for it.
    busy: bool,
}

struct Receiving {
    attempt: Attempt,
    from: PeerId,
    offer: Offer,
    stage: Stage,
    /// Keeps what is here already, once that is known.
    here: Option<CountedOn>,
    /// Files to fetch, the one under way first.
    missing: VecDeque<Missing>,
    /// Chunks that were asked for, with the ticks since, by position.
    asked: BTreeMap<u64, u32>,
    /// Chunks that arrived and are not written yet, by position.
    arrived: BTreeMap<u64, Bytes>,
    /// The next position to ask for.
    ask_from: u64,
    silent_ticks: u32,
    /// The file whose check failed last, and how often in a row.
    damaged: Option<(FileId, u32)>,
}

/// An offer of which everything is here.
pub(crate) struct Staged {
    pub(crate) offer: Offer,
    /// Keeps what was here before.
    pub(crate) here: CountedOn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// What is there already is being looked at.
    Look,
    /// Chunks come and are written.
    Fetch,
    /// The file is complete and is being checked.
    Check,
    /// Everything is there.
    Staged,
}

impl Receiver {
    /// Whether a job of a transfer is on the disk.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins to receive what `from` offers, in the place of what was received before.
    fn begin(&mut self, from: PeerId, offer: Offer) {
        self.last.0 += 1;
        self.current = Some(Receiving {
            attempt: self.last,
            from,
            offer,
            stage: Stage::Look,
            here: None,
            missing: VecDeque::new(),
            asked: BTreeMap::new(),
            arrived: BTreeMap::new(),
            ask_from: 0,
            silent_ticks: 0,
            damaged: None,
        });
    }

    /// What is received, if a job of this attempt worked for it.
    fn of(&mut self, attempt: Attempt) -> Option<&mut Receiving> {
        self.current.as_mut().filter(|current| current.attempt == attempt)
    }
}

impl Receiving {
    fn id(&self) -> TransferId {
        self.offer.transfer
    }

    /// Begins with the file that is next.
    fn begin_file(&mut self) {
        self.asked.clear();
        self.arrived.clear();
        self.ask_from = self.missing.front().map_or(0, |next| next.have);
        self.stage = match self.missing.front() {
            None => Stage::Staged,
            Some(next) if next.have >= next.file.bytes => Stage::Check,
            Some(_) => Stage::Fetch,
        };
    }

    /// The check threw the file under way away, and a sidecar's segment with it.
    fn fetch_again(&mut self) {
        let Some(sidecar) = self.missing.front_mut() else { return };
        sidecar.have = 0;
        let file = sidecar.file.file;
        let before = self.damaged.filter(|(damaged, _)| *damaged == file).map_or(0, |(_, times)| times);
        self.damaged = Some((file, before + 1));
        let FileId::Sidecar { first, generation } = sidecar.file.file else { return };
        let segment = FileId::Segment { first, generation };
        if let Some(file) = self.offer.files.iter().find(|offered| offered.file == segment) {
            self.missing.push_front(Missing { file: *file, have: 0 });
        }
    }

    /// The pieces that continue what is written.
    fn take_next(&mut self) -> Option<(OfferedFile, u64, Vec<Bytes>)> {
        let next = self.missing.front()?;
        let (file, from) = (next.file, next.have);
        let mut pieces = Vec::new();
        let mut end = from;
        while let Some(piece) = self.arrived.remove(&end) {
            end += piece.len() as u64;
            pieces.push(piece);
        }
        (!pieces.is_empty()).then_some((file, from, pieces))
    }
}

impl Replica {
    /// A leader offers the files of a checkpoint.
    pub(crate) fn transfer_offered(&mut self, from: PeerId, offer: Offer) {
        let id = offer.transfer;
        if let Some(current) = self.receiver.current.as_mut().filter(|now| now.from == from && now.id() == id)
        {
            current.silent_ticks = 0;
            return;
        }
        let needed = self.node.raft.state != StateRole::Leader && offer.index > self.committed_index();
        if !needed {
            self.send(from, PeerMessage::Abandon(id, AbandonReason::NotNeeded));
            return self.say_what_is_here(from);
        }
        tracing::info!(
            shard = self.config.shard.0,
            %from,
            index = offer.index.0,
            files = offer.files.len(),
            "a checkpoint is being fetched"
        );
        self.receiver.begin(from, offer);
        self.receive_more();
    }

    /// Does what is next: asks, writes, checks, says that it is done.
    fn receive_more(&mut self) {
        self.ask_chunks();
        let Some(current) = &mut self.receiver.current else { return };
        if self.receiver.busy {
            return;
        }
        let attempt = current.attempt;
        let incoming = Incoming::new(self.node.store().log.keeper(), self.config.shard);
        let job: Box<dyn FnOnce() -> Done + Send> = match current.stage {
            Stage::Look => {
                let (reader, offer) = (self.node.store().log.reader(), current.offer.clone());
                Box::new(move || Done::IncomingLooked { attempt, result: incoming.look(&reader, &offer) })
            }
            Stage::Fetch => {
                let Some((file, position, pieces)) = current.take_next() else { return };
                Box::new(move || Done::IncomingWritten {
                    attempt,
                    result: incoming.write(file.file, position, &pieces),
                })
            }
            Stage::Check => {
                let Some(next) = current.missing.front() else { return };
                let file = next.file;
                Box::new(move || Done::IncomingChecked { attempt, result: incoming.check(&file) })
            }
            Stage::Staged => return,
        };
        self.receiver.busy = true;
        job::spawn(&self.env, &self.post, IoClass::Background, job);
    }

    fn ask_chunks(&mut self) {
        let Some(current) = &mut self.receiver.current else { return };
        let Some(next) = current.missing.front().filter(|_| current.stage == Stage::Fetch) else { return };
        let (to, file) = (current.from, next.file);
        let mut asks = Vec::new();
        while current.ask_from < file.bytes
            && current.asked.len() + current.arrived.len() < CHUNKS_IN_FLIGHT_MAX
        {
            asks.push(current.ask_from);
            current.asked.insert(current.ask_from, 0);
            current.ask_from += u64::from(CHUNK_BYTES_MAX).min(file.bytes - current.ask_from);
        }
        let transfer = current.id();
        for position in asks {
            self.send(to, PeerMessage::Fetch(ask(transfer, &file, position)));
        }
    }

    /// Tells the leader where this replica is, as Raft itself answers a snapshot that it does not need. The leader asked for one
    /// because it missed the answer to the last, and would ask again for ever.
    fn say_what_is_here(&mut self, leader: PeerId) {
        let raft = &self.node.raft;
        if raft.state == StateRole::Leader {
            return;
        }
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgAppendResponse);
        message.from = self.config.peer.raft();
        message.to = leader.raft();
        message.term = raft.term;
        // What is committed is in every leader's log; only what is persisted here may be counted as here.
        message.index = raft.raft_log.committed.min(raft.raft_log.persisted);
        self.send(leader, PeerMessage::Raft(message));
    }

    /// A piece of the file under way arrived.
    pub(crate) fn transfer_chunk(&mut self, from: PeerId, chunk: Chunk) {
        let current = self.receiver.current.as_mut();
        let Some(current) = current.filter(|now| now.from == from && now.id() == chunk.transfer) else {
            return;
        };
        current.silent_ticks = 0;
        let Some(next) = current.missing.front().filter(|next| next.file.file == chunk.file) else { return };
        let expected = u64::from(CHUNK_BYTES_MAX).min(next.file.bytes.saturating_sub(chunk.position));
        // Whole pieces only, each once: anything else is a stray answer.
        if chunk.data.len() as u64 == expected && current.asked.remove(&chunk.position).is_some() {
            current.arrived.insert(chunk.position, chunk.data);
            self.receive_more();
        }
    }

    pub(crate) fn incoming_looked(&mut self, attempt: Attempt, result: Result<Looked, Fault>) {
        self.receiver.busy = false;
        if let (Some(current), Some(looked)) = self.received(attempt, result) {
            current.missing = looked.missing.into();
            current.here = Some(looked.here);
            current.begin_file();
        }
        self.staged_or_more();
    }

    pub(crate) fn incoming_written(&mut self, attempt: Attempt, result: Result<u64, Fault>) {
        self.receiver.busy = false;
        if let (Some(current), Some(end)) = self.received(attempt, result)
            && let Some(next) = current.missing.front_mut()
        {
            next.have = end;
            if next.have >= next.file.bytes {
                current.stage = Stage::Check;
            }
        }
        self.staged_or_more();
    }

    pub(crate) fn incoming_checked(&mut self, attempt: Attempt, result: Result<Checked, Fault>) {
        self.receiver.busy = false;
        let mut damaged = false;
        if let (Some(current), Some(checked)) = self.received(attempt, result) {
            match checked {
                Checked::Right => drop(current.missing.pop_front()),
                Checked::Damaged => current.fetch_again(),
            }
            damaged = current.damaged.is_some_and(|(_, times)| times >= DAMAGED_MAX);
            current.begin_file();
        }
        if damaged {
            return self.stop_receiving(AbandonReason::Damaged);
        }
        self.staged_or_more();
    }

    /// The transfer that a job worked for, and what it found; a fault ends the transfer.
    fn received<T>(
        &mut self,
        attempt: Attempt,
        result: Result<T, Fault>,
    ) -> (Option<&mut Receiving>, Option<T>) {
        let fault = match result {
            Ok(found) => {
                let current = self.receiver.of(attempt);
                let found = current.is_some().then_some(found);
                return (current, found);
            }
            Err(fault) => fault,
        };
        if self.receiver.of(attempt).is_some() {
            tracing::error!(shard = self.config.shard.0, "a transfer ends: {fault}");
            self.stop_receiving(AbandonReason::Storage);
        }
        // A failed write or flush fenced the log, whatever it was for.
        if let Err(fault) = self.log().check() {
            self.fence(Fence::Storage(fault));
        }
        (None, None)
    }

    fn staged_or_more(&mut self) {
        match &self.receiver.current {
            Some(current) if current.stage == Stage::Staged => {
                self.send(current.from, PeerMessage::Staged(current.id()));
            }
            _ => self.receive_more(),
        }
    }

    fn stop_receiving(&mut self, reason: AbandonReason) {
        if let Some(current) = self.receiver.current.take() {
            self.send(current.from, PeerMessage::Abandon(current.id(), reason));
        }
    }

    /// The sender gives up; what arrived is kept for the next offer.
    pub(crate) fn transfer_withdrawn(&mut self, from: PeerId, id: TransferId) {
        if self.receiver.current.as_ref().is_some_and(|now| now.from == from && now.id() == id) {
            self.receiver.current = None;
        }
    }

    pub(crate) fn tick_receiver(&mut self) {
        let Some(current) = &mut self.receiver.current else { return };
        current.silent_ticks += 1;
        if current.silent_ticks >= SILENCE_TICKS_MAX {
            self.receiver.current = None;
            return;
        }
        let (to, transfer) = (current.from, current.id());
        let mut again = Vec::new();
        for (position, ticks) in &mut current.asked {
            *ticks += 1;
            if *ticks >= RESEND_TICKS {
                *ticks = 0;
                again.push(*position);
            }
        }
        let say_staged = current.stage == Stage::Staged && current.silent_ticks % RESEND_TICKS == 0;
        let file = current.missing.front().map(|next| next.file);
        for position in again {
            if let Some(file) = &file {
                self.send(to, PeerMessage::Fetch(ask(transfer, file, position)));
            }
        }
        if say_staged {
            self.send(to, PeerMessage::Staged(transfer));
        }
    }

    /// Whether Raft's snapshot for this transfer may be stepped: every file of it is here.
    pub(crate) fn is_staged(&self, from: PeerId, id: TransferId, index: LogIndex) -> bool {
        self.receiver.current.as_ref().is_some_and(|current| {
            let same = current.from == from && current.id() == id && current.offer.index == index;
            same && current.stage == Stage::Staged
        })
    }

    /// Takes what is staged, to install it.
    pub(crate) fn take_staged(&mut self) -> Option<Staged> {
        let current = self.receiver.current.take_if(|current| current.stage == Stage::Staged)?;
        Some(Staged { offer: current.offer, here: current.here? })
    }
}

fn ask(transfer: TransferId, file: &OfferedFile, position: u64) -> Fetch {
    let left = file.bytes - position;
    let bytes = u32::try_from(left).unwrap_or(CHUNK_BYTES_MAX).min(CHUNK_BYTES_MAX);
    Fetch { transfer, file: file.file, position, bytes }
}

#[cfg(test)]
mod tests {
    use forebay_model::{NodeId, Term};
    use raft::eraftpb::ConfState;

    use super::*;

    #[test]
    fn every_file_that_a_power_cut_tore_is_fetched_again_and_one_that_stays_damaged_ends_the_transfer() {
        let sidecar = |first| FileId::Sidecar { first: LogIndex(first), generation: Default::default() };
        let segment = |first| FileId::Segment { first: LogIndex(first), generation: Default::default() };
        let offered = |file| OfferedFile { file, bytes: 100, digest: 7 };
        let files: Vec<_> =
            (1..=9).flat_map(|first| [offered(segment(first)), offered(sidecar(first))]).collect();
        let offer = Offer {
            transfer: TransferId(1),
            index: LogIndex(10),
            term: Term(5),
            conf: ConfState::default(),
            files: files.clone(),
        };
        let mut receiver = Receiver::default();
        receiver.begin(PeerId::first(NodeId(1)).unwrap(), offer);
        let receiving = receiver.current.as_mut().unwrap();
        for first in 1..=9 {
            receiving.missing = VecDeque::from([Missing { file: offered(sidecar(first)), have: 100 }]);
            receiving.fetch_again();
            let again: Vec<_> = receiving.missing.iter().map(|next| (next.file.file, next.have)).collect();
            assert_eq!(again, [(segment(first), 0), (sidecar(first), 0)]);
            assert_eq!(receiving.damaged, Some((sidecar(first), 1)));
        }
        for times in 2..=DAMAGED_MAX {
            receiving.missing.pop_front();
            receiving.fetch_again();
            assert_eq!(receiving.damaged, Some((sidecar(9), times)));
        }
    }

    #[test]
    fn a_job_of_an_earlier_attempt_says_nothing_of_the_same_transfer() {
        let offer = Offer {
            transfer: TransferId(7),
            index: LogIndex(10),
            term: Term(5),
            conf: ConfState::default(),
            files: Vec::new(),
        };
        let mut receiver = Receiver::default();
        let [one, other] = [1, 2].map(|node| PeerId::first(NodeId(node)).unwrap());
        receiver.begin(one, offer.clone());
        let first = receiver.last;
        assert!(receiver.of(first).is_some());
        receiver.begin(other, Offer { transfer: TransferId(8), ..offer.clone() });
        assert!(receiver.of(first).is_none());
        receiver.begin(one, offer);
        assert!(receiver.of(first).is_none(), "it is looked at anew");
        assert!(receiver.of(receiver.last).is_some());
    }
}

//! The Ready loop: what Raft wants written, sent and applied, in the one order that is safe.

use forebay_commitlog::{self as commitlog, AppendError, Body};
use forebay_model::{LogIndex, Term};
use raft::eraftpb::{self, Message, MessageType};
use raft::{GetEntriesContext, Ready, StateRole};

use crate::append;
use crate::conf::{Membership, parse_change};
use crate::config::{ShardClass, UNAPPLIED_BYTES_MAX};
use crate::entry::{self, EntryKind};
use crate::identity::Company;
use crate::message::{Envelope, PeerMessage};
use crate::output::{Committed, Fence, Output};
use crate::peer::PeerId;
use crate::persist::Needs;
use crate::replica::{Closing, Replica};
use crate::wire;

impl Replica {
    /// Works until there is something to tell, or nothing to do.
    pub(crate) fn work(&mut self) {
        if self.closing != Closing::No {
            return self.start_flush();
        }
        loop {
            self.release_persisted();
            self.campaign_alone();
            self.ask_reads();
            // What is handed out and not applied is bounded, so Raft waits with the shard.
            let may_hand_out = self.unapplied_bytes <= UNAPPLIED_BYTES_MAX;
            if self.fence.is_some() || !may_hand_out || self.must_stand_still() || !self.node.has_ready() {
                break;
            }
            if let Some(ready) = self.with_raft(|node| node.ready()) {
                self.handle_ready(ready);
            }
            if !self.outputs.is_empty() {
                break;
            }
        }
        self.start_checkpoint();
        self.start_flush();
        self.start_cold_reads();
        self.start_transfers();
        self.finish_reads();
    }

    /// A sole voter has nobody to wait for.
    fn campaign_alone(&mut self) {
        let raft = &self.node.raft;
        let alone = raft.state == StateRole::Follower && raft.promotable() && raft.prs().is_singleton();
        // Everything must be persisted: the library takes it for granted in a leader.
        let settled = self.persist.is_idle() && self.applied.0 >= raft.raft_log.committed;
        if alone && settled && self.is_replayed() {
            // An error means that there is nothing to campaign for; the next poll looks again.
            let _ = self.with_raft(|node| node.campaign());
        }
    }

    fn handle_ready(&mut self, mut ready: Ready) {
        let installs = !ready.snapshot().is_empty();
        if installs && self.install(ready.snapshot()).is_none() {
            return;
        }
        self.send_all(ready.take_messages());
        let entries = ready.take_entries();
        self.note_own_first(&entries);
        let wrote = !entries.is_empty();
        if wrote && self.append(entries).is_none() {
            return;
        }
        let voted = self.note_hard_state(&ready);
        for state in ready.take_read_states() {
            self.reads.answer(&state.request_ctx, LogIndex(state.index));
        }
        let needs = match self.config.class {
            _ if voted => Needs::Flush,
            ShardClass::Sync if wrote => Needs::Flush,
            ShardClass::Sync | ShardClass::Async => Needs::Nothing,
        };
        self.persist.push(ready.number(), needs, ready.take_persisted_messages());
        let committed = ready.take_committed_entries();
        if installs {
            self.installed = Some((ready.number(), self.applied));
        }
        self.with_raft(|node| node.advance_append_async(ready));
        // The role first: a new leader learns its term before it sees its own first entry committed.
        self.note_role();
        self.hand_out(committed);
    }

    /// Remembers where the own term of a leader begins: its first entry is in the same Ready.
    fn note_own_first(&mut self, entries: &[eraftpb::Entry]) {
        let (term, state) = (self.node.raft.term, self.node.raft.state);
        if state != StateRole::Leader || self.own_first.is_some_and(|(known, _)| known.0 == term) {
            return;
        }
        if let Some(first) = entries.iter().find(|entry| entry.term == term) {
            self.own_first = Some((Term(term), LogIndex(first.index)));
        }
    }

    fn append(&mut self, entries: Vec<eraftpb::Entry>) -> Option<()> {
        let entries: Result<Vec<_>, _> = entries.into_iter().map(entry::to_log).collect();
        let appended = match entries {
            Ok(entries) => self.append_to_log(&entries),
            Err(error) => {
                self.fence(Fence::Invariant(format!("a membership change cannot be stored: {error}")));
                return None;
            }
        };
        match appended {
            Ok(()) => Some(()),
            Err(AppendError::Fault(fault)) => {
                self.fence(Fence::Storage(fault));
                None
            }
            Err(error) => {
                self.fence(Fence::Invariant(error.to_string()));
                None
            }
        }
    }

    fn append_to_log(&mut self, entries: &[commitlog::Entry]) -> Result<(), AppendError> {
        let done = self.log_mut().append(entries)?;
        self.note_written(done.bytes);
        let seals = entries.iter().filter(|entry| entry.kind == EntryKind::Seal).map(|entry| entry.index);
        self.checkpoints.note_appended(entries[0].index, done.bytes, seals);
        Ok(())
    }

    /// Takes over a changed hard state; answers whether term or vote changed, which must be flushed before anybody hears.
    fn note_hard_state(&mut self, ready: &Ready) -> bool {
        let Some(hard) = ready.hs() else { return false };
        let now = &mut self.hard.now;
        let voted = now.term.0 != hard.term || now.vote != hard.vote;
        (now.term, now.vote, now.commit) = (Term(hard.term), hard.vote, LogIndex(hard.commit));
        voted
    }

    /// Lets go of what the flushed numbers held back, and tells Raft.
    pub(crate) fn release_persisted(&mut self) {
        while self.fence.is_none()
            && let Some((number, messages)) = self.persist.release()
        {
            self.send_all(messages);
            self.with_raft(|node| node.on_persist_ready(number));
            if let Some((_, index)) = self.installed.take_if(|(installing, _)| *installing <= number) {
                // The installed state counts as applied; Raft believes it only of what is persisted.
                self.with_raft(|node| node.advance_apply_to(index.0));
            }
        }
    }

    /// Hands committed entries to the shard. Raft only offers what is persisted here.
    fn hand_out(&mut self, entries: Vec<eraftpb::Entry>) {
        let Some(last) = entries.last().map(|entry| LogIndex(entry.index)) else { return };
        let mut bytes = 0;
        let mut committed = Vec::with_capacity(entries.len());
        let mut changed = false;
        for entry in entries {
            match entry::kind(&entry) {
                EntryKind::ConfChange => {
                    changed = true;
                    if self.change_conf(&entry).is_none() {
                        return;
                    }
                }
                // The leader counts who knows for good what came before it: see `is_last_change_known`.
                EntryKind::Noop => self.hard.commit_wanted = LogIndex(entry.index),
                EntryKind::Normal | EntryKind::Seal => {}
            }
            let entry = entry::to_log(entry).and_then(|entry| Ok((Body::parse(entry.body.clone())?, entry)));
            let (body, entry) = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    return self.fence(Fence::Invariant(format!("a committed entry is malformed: {error}")));
                }
            };
            bytes += entry.stored_len();
            if entry.kind == EntryKind::Seal {
                self.checkpoints.note_sealed(self.config.shard, entry.index);
            }
            committed.push(Committed { term: entry.term, index: entry.index, kind: entry.kind, body });
        }
        self.handed = last;
        self.unapplied.push_back((last, bytes));
        self.unapplied_bytes += bytes;
        self.outputs.push_back(Output::Committed(committed));
        if changed && self.fence.is_none() {
            self.outputs.push_back(Output::Membership(self.membership()));
        }
    }

    /// Makes a committed change of the configuration current.
    fn change_conf(&mut self, entry: &eraftpb::Entry) -> Option<()> {
        let Some(change) = parse_change(&entry.data) else {
            self.fence(Fence::Invariant(format!("entry {} is no change of the membership", entry.index)));
            return None;
        };
        match self.with_raft(|node| node.apply_conf_change(&change))? {
            Ok(conf) => {
                let conf = self.conf().followed_by(conf);
                self.confs.insert(LogIndex(entry.index), conf);
                // A restart must come back with this configuration, so it must know that it was committed.
                self.hard.commit_wanted = LogIndex(entry.index);
                let alone = is_alone(&self.membership(), self.config.peer);
                self.identity.company = if alone { Company::Alone } else { Company::Others };
                self.hard.now.conf = self.identity.encode();
                self.step_down_when_removed();
            }
            // A function of the configuration alone, so every replica skips it.
            Err(error) => {
                tracing::warn!(shard = self.config.shard.0, "a membership change has no effect: {error}")
            }
        }
        Some(())
    }

    /// A removal that an earlier leader proposed can be committed by the one it removes. The library would let it go on leading,
    /// and its heartbeats would keep the others from electing.
    fn step_down_when_removed(&mut self) {
        self.with_raft(|node| {
            if node.raft.state == StateRole::Leader && !node.raft.promotable() {
                let term = node.raft.term;
                node.raft.become_follower(term, 0);
            }
        });
    }

    fn ask_reads(&mut self) {
        // Raft silently drops a question that it cannot answer yet.
        let raft = &self.node.raft;
        let answerable = match raft.state {
            StateRole::Leader => raft.commit_to_current_term(),
            StateRole::Follower => raft.leader_id != 0,
            StateRole::Candidate | StateRole::PreCandidate => false,
        };
        if self.fence.is_none()
            && answerable
            && let Some(question) = self.reads.question()
        {
            self.with_raft(|node| node.read_index(question));
        }
    }

    fn finish_reads(&mut self) {
        if self.fence.is_none()
            && let Some(token) = self.reads.take_ready(self.applied)
        {
            self.outputs.push_back(Output::ReadReady(token));
        }
    }

    pub(crate) fn send_all(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.note_snapshot_sent(&message);
            let Some(to) = PeerId::from_raft(message.to) else { continue };
            for message in append::split(self.with_durable_commit(message)) {
                self.send(to, PeerMessage::Raft(message));
            }
        }
    }

    /// An answer to a leader tells what this replica will know to be committed after a power cut, too.
    fn with_durable_commit(&self, mut message: Message) -> Message {
        let kind = message.get_msg_type();
        if matches!(kind, MessageType::MsgAppendResponse | MessageType::MsgHeartbeatResponse) {
            message.commit = message.commit.min(self.hard.commit_durable.0);
        }
        message
    }

    pub(crate) fn send(&self, to: PeerId, message: PeerMessage) {
        let frame = wire::encode(&Envelope { from: self.config.peer, to, message });
        self.env.network.send(to.node().0, self.config.shard.0, frame);
    }

    /// Tells Raft that entries it waited for can be had.
    pub(crate) fn entries_arrived(&mut self, waiters: Vec<GetEntriesContext>) {
        for waiter in waiters {
            self.with_raft(|node| node.on_entries_fetched(waiter));
        }
        self.node.store().forget_cold_read();
    }
}

/// Whether `membership` has nobody besides `peer`.
pub(crate) fn is_alone(membership: &Membership, peer: PeerId) -> bool {
    membership.everybody().iter().all(|other| *other == peer)
}

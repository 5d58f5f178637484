//! One replica of one shard's log: Raft, the log, and what waits between them.
//!
//! A state machine without a thread: the shard's thread calls in, and takes what there is to know from [`Replica::poll`].
//! Blocking work runs elsewhere and comes back as a [`Completion`]. With the same inputs in the same order it does the
//! same; its only draw from the world is one random number at open.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_commitlog::{EntryKind, FlushJob, HardState, HardStateFile, Log, Reader};
use forebay_env::{Env, Monotonic};
use forebay_model::{LogIndex, NodeId, Term};
use raft::eraftpb::{Message, MessageType};
use raft::{RawNode, StateRole};

use crate::checkpoint::Checkpoints;
use crate::conf::Membership;
use crate::config::{ReplicaConfig, ShardClass, TICK, TICKS_AT_ONCE_MAX, UNAPPLIED_BYTES_MAX};
use crate::election::timeout_ticks;
use crate::entry::raft_entry;
use crate::identity::Identity;
use crate::job::{Completion, Done, Post};
use crate::output::{Dropped, Fence, LeaderReady, Output, ReadToken, Role};
use crate::peer::PeerId;
use crate::persist::Persist;
use crate::reads::Reads;
use crate::spent::Conf;
use crate::stand_back::StandBack;
use crate::store::Store;
use crate::transfer::{Receiver, Sender, Staged};

/// One replica of one shard's log. See the module's words on how it is driven.
pub struct Replica {
    pub(crate) env: Env,
    pub(crate) config: ReplicaConfig,
    pub(crate) post: Post,
    /// Drawn at open: seeds elections and tells this life's questions from an earlier one's.
    pub(crate) life: u64,
    pub(crate) node: RawNode<Store>,
    pub(crate) fence: Option<Fence>,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) now: Monotonic,
    pub(crate) ticked: Option<Monotonic>,

    pub(crate) identity: Identity,
    pub(crate) hard_file: Arc<HardStateFile>,
    pub(crate) hard: Hard,
    pub(crate) persist: Persist,
    pub(crate) here: Here,
    pub(crate) background: Background,
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    pub(crate) stand_back: StandBack,
    /// The staged files of a snapshot that Raft took and that waits for the log to stand still.
    pub(crate) installing: Option<Staged>,
    /// The number of the Ready that installed a checkpoint, until Raft may count it as applied.
    pub(crate) installed: Option<(u64, LogIndex)>,
    pub(crate) closing: Closing,
    pub(crate) checkpoints: Checkpoints,

    pub(crate) role: Role,
    /// The first entry of this leader's own term.
    pub(crate) own_first: Option<(Term, LogIndex)>,
    pub(crate) reads: Reads,
    /// Configurations by the index that made them current, from that of the newest checkpoint on.
    pub(crate) confs: BTreeMap<LogIndex, Conf>,

    /// Replayed up to here before this replica may call an election: the commit on record at open.
    pub(crate) replay_to: LogIndex,
    pub(crate) handed: LogIndex,
    pub(crate) applied: LogIndex,
    pub(crate) unapplied: VecDeque<(LogIndex, u64)>,
    pub(crate) unapplied_bytes: u64,
}

/// The hard state as it is and as it was saved.
#[derive(Default)]
pub(crate) struct Hard {
    pub(crate) now: HardState,
    /// What a flush under way or the file has of term, vote and commit.
    pub(crate) saved: HardState,
    /// A commit that must be on the medium although no term or vote changed: it changed the membership, or the leader.
    pub(crate) commit_wanted: LogIndex,
    /// The commit that is on the medium.
    pub(crate) commit_durable: LogIndex,
}

/// A flush for the thread that drives this replica.
#[derive(Default)]
pub(crate) struct Here {
    /// That thread runs short flushes at present.
    pub(crate) allowed: bool,
    /// Begun, and not run yet.
    pub(crate) job: Option<FlushJob>,
}

/// What an async shard, or an idle one, flushes on its own.
#[derive(Default)]
pub(crate) struct Background {
    pub(crate) flush_began: Monotonic,
    /// How long a flush took of late, with its way to another thread and back.
    pub(crate) flush_took: Duration,
    pub(crate) unflushed_bytes: u64,
    pub(crate) unflushed_since: Option<Monotonic>,
    pub(crate) appended_at: Option<Monotonic>,
    pub(crate) idle_recorded: bool,
}

impl Background {
    /// A flush has ended: the recent ones count for most.
    pub(crate) fn note_flush(&mut self, now: Monotonic) {
        self.flush_took = (self.flush_took * 7 + now.since(self.flush_began)) / 8;
    }
}

/// How far a clean stop is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    No,
    Asked,
    Recording,
    Done,
}

impl Replica {
    /// Proposes `entries` as one batch; they are in the log, in this order and next to each other, or none is. The answer
    /// is the term they were proposed in; they have the indexes up to [`Replica::last_index`]. It is no promise: another
    /// leader may replace them, so a waiter is answered by term *and* index of what is committed.
    ///
    /// # Panics
    /// When there is no entry, or one that is neither `Normal` nor `Seal`, or a `Normal` one without slots.
    pub fn propose(&mut self, entries: Vec<(EntryKind, Bytes)>) -> Result<Term, Dropped> {
        assert!(!entries.is_empty(), "a proposal has at least one entry");
        self.check_leader()?;
        if self.unapplied_bytes > UNAPPLIED_BYTES_MAX {
            return Err(Dropped::Full);
        }
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgPropose);
        message.from = self.config.peer.raft();
        let entries: Vec<_> = entries.into_iter().map(|(kind, body)| proposal(kind, body)).collect();
        message.set_entries(entries.into());
        match self.with_raft(|node| node.step(message)) {
            Some(Ok(())) => Ok(Term(self.node.raft.term)),
            Some(Err(_)) => Err(Dropped::Full),
            None => Err(Dropped::Fenced),
        }
    }

    /// Why this replica takes no proposal now, if it takes none.
    pub(crate) fn check_leader(&self) -> Result<(), Dropped> {
        match self.role() {
            _ if self.fence.is_some() => Err(Dropped::Fenced),
            _ if self.closing != Closing::No => Err(Dropped::NotReady),
            Role::Leader { ready: LeaderReady::Yes, .. } if self.node.raft.lead_transferee.is_none() => {
                Ok(())
            }
            Role::Leader { .. } => Err(Dropped::NotReady),
            Role::Follower { leader } => Err(Dropped::NotLeader(leader)),
            Role::Candidate => Err(Dropped::NotLeader(None)),
        }
    }

    /// Lets time pass. Called at least every [`TICK`]; more often is free.
    pub fn tick(&mut self, now: Monotonic) {
        self.now = self.now.max(now);
        if self.fence.is_some() {
            return;
        }
        let ticked = *self.ticked.get_or_insert(now);
        let due = now.since(ticked).as_nanos() / TICK.as_nanos();
        if due > u128::from(TICKS_AT_ONCE_MAX) {
            self.ticked = Some(now);
        } else {
            self.ticked = Some(ticked + TICK * due as u32);
        }
        for _ in 0..due.min(u128::from(TICKS_AT_ONCE_MAX)) {
            if self.may_tick() && self.closing == Closing::No && self.feels_tick() {
                self.with_raft(|node| node.tick());
            }
            self.reads.tick();
            self.tick_sender();
            self.tick_receiver();
        }
        if due > 0 {
            self.raise_floor();
            self.offer_leadership();
        }
    }

    /// Takes the result of a background job, as it was posted.
    pub fn complete(&mut self, now: Monotonic, done: Completion) {
        self.now = self.now.max(now);
        if self.fence.is_some() {
            return;
        }
        match done.0 {
            Done::Flushed(result) => self.flush_ended(result),
            Done::ColdRead { low, result } => self.cold_read_ended(low, result),
            Done::Checkpointed { point, result } => self.checkpoint_ended(point, result),
            Done::TransferPrepared { peer, id, result } => self.transfer_prepared(peer, id, result),
            Done::ChunkRead { peer, fetch, result } => self.transfer_chunk_read(peer, fetch, result),
            Done::SentLookedAt { damage } => self.sent_looked_at(damage),
            Done::IncomingLooked { attempt, result } => self.incoming_looked(attempt, result),
            Done::IncomingWritten { attempt, result } => self.incoming_written(attempt, result),
            Done::IncomingChecked { attempt, result } => self.incoming_checked(attempt, result),
            Done::Lost => self.fence(Fence::JobLost),
        }
    }

    /// The next thing the shard has to know; call until `None` after every other call. Does the work: writes, sends, begins
    /// flushes.
    pub fn poll(&mut self) -> Option<Output> {
        if self.outputs.is_empty() && self.fence.is_none() {
            self.work();
        }
        self.outputs.pop_front()
    }

    /// Reports that the state machine applied everything up to `index`.
    ///
    /// # Panics
    /// When `index` was never handed out.
    pub fn applied(&mut self, index: LogIndex) {
        assert!(
            index <= self.handed,
            "entry {index} was reported applied, but only {} was handed out",
            self.handed
        );
        if index <= self.applied {
            return;
        }
        self.applied = index;
        while let Some((last, bytes)) = self.unapplied.front().copied()
            && last <= index
        {
            self.unapplied.pop_front();
            self.unapplied_bytes -= bytes;
        }
        self.with_raft(|node| node.advance_apply_to(index.0));
        self.note_role();
    }

    /// Asks for a linearizable read: when the token comes back as [`Output::ReadReady`], the applied state shows everything
    /// that was confirmed before this call. A token may stay unanswered as long as there is no leader.
    pub fn read_index(&mut self) -> ReadToken {
        self.reads.give()
    }

    /// What this replica is to its group, as of now (an [`Output::Role`] may still be waiting).
    #[must_use]
    pub fn role(&self) -> Role {
        let raft = &self.node.raft;
        match raft.state {
            StateRole::Leader => Role::Leader { term: Term(raft.term), ready: self.leader_ready() },
            StateRole::Follower => Role::Follower { leader: self.leader() },
            StateRole::Candidate | StateRole::PreCandidate => Role::Candidate,
        }
    }

    fn leader(&self) -> Option<NodeId> {
        PeerId::from_raft(self.node.raft.leader_id).map(PeerId::node)
    }

    fn leader_ready(&self) -> LeaderReady {
        match self.own_first {
            Some((term, index)) if term.0 == self.node.raft.term && index <= self.applied => LeaderReady::Yes,
            _ => LeaderReady::NotYet,
        }
    }

    /// Says a changed role, once.
    pub(crate) fn note_role(&mut self) {
        let role = self.role();
        if role == self.role || self.fence.is_some() {
            return;
        }
        if !matches!(role, Role::Leader { .. }) {
            // Whoever led or was led asked a leader that is no more.
            self.reads.ask_again();
            self.forget_transfers();
        }
        self.role = role;
        self.outputs.push_back(Output::Role(role));
    }

    /// Who belongs to the group, as of the entries handed out.
    #[must_use]
    pub fn membership(&self) -> Membership {
        Membership::of(&self.conf().raft)
    }

    pub(crate) fn conf(&self) -> Conf {
        self.confs.last_key_value().map(|(_, conf)| conf.clone()).unwrap_or_default()
    }

    /// Who this replica is.
    #[must_use]
    pub fn peer(&self) -> PeerId {
        self.config.peer
    }

    /// The last entry, proposed or received; not yet in the log before the next [`Replica::poll`].
    #[must_use]
    pub fn last_index(&self) -> LogIndex {
        LogIndex(self.node.raft.raft_log.last_index())
    }

    /// The last entry known to be committed.
    #[must_use]
    pub fn committed_index(&self) -> LogIndex {
        LogIndex(self.node.raft.raft_log.committed)
    }

    /// The last entry reported applied.
    #[must_use]
    pub fn applied_index(&self) -> LogIndex {
        self.applied
    }

    /// Whether the shard should propose a `Seal` now: it may, and the segment has reached its size or a newcomer needs a
    /// checkpoint that knows of it.
    #[must_use]
    pub fn wants_seal(&self) -> bool {
        self.may_seal() && (self.log().wants_seal() || self.newcomer_wants_seal())
    }

    /// Whether the shard may propose a `Seal` now, for reasons of its own: it leads, the log holds everything proposed before,
    /// and the checkpoints of earlier seals are not still on their way.
    #[must_use]
    pub fn may_seal(&self) -> bool {
        self.check_leader().is_ok()
            && !self.checkpoints.is_full()
            && self.last_index() == self.log().last_index()
    }

    /// Whether the segment is twice as long as it should be because the checkpoints of earlier seals are still on their way:
    /// the shard should append as little as it can until they are written.
    #[must_use]
    pub fn is_seal_overdue(&self) -> bool {
        let active = || self.reader().segments().into_iter().next_back();
        self.checkpoints.is_full()
            && active().is_some_and(|active| active.bytes >= 2 * self.config.segment_bytes_max)
    }

    /// Whether whatever is proposed now is confirmed by nothing but this replica's own flushes, and one is under way.
    #[must_use]
    pub fn confirms_wait_for_own_flush(&self) -> bool {
        self.config.class == ShardClass::Sync
            && self.persist.is_flushing()
            && self.node.raft.prs().is_singleton()
    }

    /// How long a flush took of late, until this replica knew of its end.
    #[must_use]
    pub fn flush_took(&self) -> Duration {
        self.background.flush_took
    }

    /// A handle for reading the log on other threads.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.log().reader()
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.node.store().log
    }

    /// The log, for what concerns neither Raft nor its files' order: cache bounds, space.
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.node.mut_store().log
    }

    /// Why the replica is fenced, if it is.
    #[must_use]
    pub fn fenced(&self) -> Option<&Fence> {
        self.fence.as_ref()
    }

    /// Whether everything known to be committed at open has been applied again.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.applied >= self.replay_to
    }

    /// An election reads everything committed and not applied into memory at once, so there is none before the replay is over,
    /// or while the shard cannot keep up.
    pub(crate) fn may_campaign(&self) -> bool {
        // The library reads all that is committed and not applied at once, to look for changes of the membership.
        self.may_take_over() && self.handed >= self.committed_index()
    }

    /// Whether it may campaign when the leader asks for it.
    pub(crate) fn may_take_over(&self) -> bool {
        self.is_replayed() && self.unapplied_bytes <= UNAPPLIED_BYTES_MAX
    }

    fn may_tick(&self) -> bool {
        self.node.raft.state == StateRole::Leader || self.may_campaign()
    }

    /// Runs one call of the library. A panic of it fences, and it is never called again: its state is broken.
    pub(crate) fn with_raft<T>(&mut self, call: impl FnOnce(&mut RawNode<Store>) -> T) -> Option<T> {
        if self.fence.is_some() {
            return None;
        }
        let node = &mut self.node;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let result = call(node);
            // The library may have drawn a timeout of its own.
            let ticks = timeout_ticks(self.life, self.config.peer.raft(), node.raft.term);
            node.raft.set_randomized_election_timeout(ticks);
            result
        }));
        match result {
            Ok(result) => Some(result),
            Err(panic) => {
                let words = panic_words(&*panic);
                let fence = match self.node.store().take_fault() {
                    Some(fault) => Fence::Storage(fault),
                    None => Fence::Raft(words),
                };
                self.fence(fence);
                None
            }
        }
    }

    /// Stops for good: this replica leads, votes, acknowledges and proposes no more, so the others elect without it. What waits
    /// to be told is dropped with it: nothing is confirmed after a fence. Only the first reason counts.
    pub fn fence(&mut self, fence: Fence) {
        if self.fence.is_some() {
            return;
        }
        tracing::error!(shard = self.config.shard.0, peer = %self.config.peer, "the shard is fenced: {fence}");
        self.outputs.clear();
        self.outputs.push_back(Output::Fenced(fence.clone()));
        self.fence = Some(fence);
        if self.closing != Closing::No {
            // There is nothing left that could be recorded as a clean stop.
            self.closing = Closing::Done;
            self.outputs.push_back(Output::Closed);
        }
    }
}

fn proposal(kind: EntryKind, body: Bytes) -> raft::eraftpb::Entry {
    match kind {
        EntryKind::Normal => assert!(!body.is_empty(), "a Normal entry has slots"),
        EntryKind::Seal => {}
        EntryKind::Noop | EntryKind::ConfChange => panic!("{kind:?} entries are Raft's own"),
    }
    // Raft gives the term and the index.
    raft_entry(kind, 0, 0, body)
}

pub(crate) fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words").to_owned()
}

#[cfg(test)]
mod tests {
    use forebay_model::ShardId;

    use super::*;
    use crate::config::Bootstrap;

    #[test]
    fn a_replica_can_move_to_the_thread_of_its_shard() {
        fn is_send<T: Send>() {}
        is_send::<Replica>();
        is_send::<Completion>();
    }

    #[test]
    fn a_panic_of_the_library_fences_and_it_is_never_called_again() {
        let dir = tempfile::tempdir().unwrap();
        let peer = PeerId::first(NodeId(1)).unwrap();
        let config = ReplicaConfig::new(ShardId(0), peer, ShardClass::Sync, Bootstrap::Found([peer].into()));
        let env = forebay_env::real::env();
        let (mut replica, _) =
            Replica::open(&env, dir.path().to_path_buf(), config, Arc::new(|_| ())).unwrap();
        replica.with_raft(|node| node.raft.raft_log.commit_to(1 << 40));
        let Some(Fence::Raft(words)) = replica.fence.clone() else { panic!("{:?}", replica.fence) };
        assert!(words.contains("out of range"), "{words}");
        assert_eq!(replica.with_raft(|_| panic!("it is called again")), None::<()>);
        assert!(matches!(replica.poll(), Some(Output::Fenced(Fence::Raft(_)))));
        assert_eq!(replica.propose(vec![(EntryKind::Seal, Bytes::new())]), Err(Dropped::Fenced));
    }
}

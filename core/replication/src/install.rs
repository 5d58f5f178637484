//! Raft's snapshot: the moment at which the staged files become the log.

use forebay_commitlog::{InstallError, SegmentId};
use forebay_model::LogIndex;
use raft::eraftpb::{Message, Snapshot};

use crate::checkpoint::Checkpoints;
use crate::conf::Membership;
use crate::message::{AbandonReason, PeerMessage};
use crate::output::{Checkpoint, Fence, Output};
use crate::peer::PeerId;
use crate::replica::Replica;
use crate::transfer::{Staged, transfer_of};
use crate::wire;

impl Replica {
    /// Steps a snapshot only when its files are here; otherwise the sender hears that they are not, and offers again.
    pub(crate) fn step_snapshot(&mut self, message: Message) {
        let snapshot = message.get_snapshot();
        let (Some(from), Some(id)) = (PeerId::from_raft(message.from), transfer_of(snapshot)) else { return };
        let index = LogIndex(snapshot.get_metadata().index);
        if !self.is_staged(from, id, index) {
            return self.send(from, PeerMessage::Abandon(id, AbandonReason::Unknown));
        }
        let _ = self.with_raft(|node| node.step(message));
        // Raft may have no use for it: an older term, or a log that has it all.
        let taken = self.node.snap().is_some_and(|snapshot| snapshot.get_metadata().index == index.0);
        if taken && self.fence.is_none() {
            self.installing = self.take_staged();
        }
        self.note_role();
    }

    /// Whether a snapshot waits for the log to stand still: nothing of the old one may be under way when it is replaced.
    pub(crate) fn must_stand_still(&self) -> bool {
        let quiet = self.persist.is_idle()
            && !self.persist.is_flushing()
            && !self.checkpoints.is_running()
            && !self.receiver.is_busy();
        self.node.snap().is_some() && !quiet
    }

    /// Replaces the log by what is staged. Blocks: a few renames and flushes, and this replica serves nobody meanwhile.
    pub(crate) fn install(&mut self, snapshot: &Snapshot) -> Option<()> {
        match self.try_install(snapshot) {
            Ok(()) => Some(()),
            Err(fence) => {
                self.fence(fence);
                None
            }
        }
    }

    fn try_install(&mut self, snapshot: &Snapshot) -> Result<(), Fence> {
        let missing = || Fence::Invariant("a snapshot was stepped without its files".into());
        let Staged { offer, here: _here } = self.installing.take().ok_or_else(missing)?;
        let members = Membership::of(snapshot.get_metadata().get_conf_state());
        if !self.knows_the_group() && !members.learners.contains(&self.config.peer) {
            return Err(Fence::Invariant(format!(
                "the group knows {} as one who voted, and its directory was blank: it must join as its next incarnation",
                self.config.peer
            )));
        }
        let segments: Vec<SegmentId> =
            offer.files.iter().filter_map(|offered| offered.file.segment(self.config.shard)).collect();
        self.log_mut().install(offer.index, &segments).map_err(|error| match error {
            InstallError::Fault(fault) => Fence::Storage(fault),
            error => Fence::Invariant(error.to_string()),
        })?;
        let checkpoint =
            self.log().keeper().load_checkpoint().map_err(Fence::Storage)?.ok_or_else(missing)?;
        let metadata = snapshot.get_metadata();
        let index = LogIndex(metadata.index);
        tracing::info!(
            shard = self.config.shard.0,
            index = index.0,
            "a checkpoint of another replica is installed"
        );
        self.checkpoints = Checkpoints::at(self.log().floor(), index);
        // The checkpoint's own has what Raft's snapshot does not carry: the ids that were given out.
        let conf = wire::decode_conf(&checkpoint.meta.conf).map_err(|error| {
            Fence::Invariant(format!("the checkpoint's membership cannot be read: {error}"))
        })?;
        self.confs = [(index, conf)].into();
        (self.handed, self.applied) = (index, index);
        // A change of the membership may be among what it covers: leaders count who knows it for good.
        self.hard.commit_wanted = index;
        self.unapplied.clear();
        self.unapplied_bytes = 0;
        let sections = checkpoint.sections.into_iter().map(|section| (section.kind, section.bytes)).collect();
        self.outputs.push_back(Output::Install(Checkpoint { index, term: checkpoint.meta.term, sections }));
        self.outputs.push_back(Output::Membership(self.membership()));
        Ok(())
    }
}

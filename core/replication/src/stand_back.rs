//! Standing back: a replica that cannot read all of its files anymore serves less than others would, so it lets them
//! lead. It goes on voting and storing, and leads all the same when nobody else does: refusing some reads is better than
//! refusing everything.

use std::time::Duration;

use forebay_env::Monotonic;
use raft::StateRole;

use crate::config::ELECTION_TICKS;
use crate::membership::PeerState;
use crate::replica::Replica;

/// One that stands back and leads offers its place again after this: the other may stand back too, and they would hand it
/// to and fro.
const OFFER_AGAIN: Duration = Duration::from_secs(30);
/// One that stands back is so much more patient than others.
const PATIENCE: usize = 3;

/// How a replica stands back.
#[derive(Debug, Default)]
pub(crate) struct StandBack {
    /// Since something could not be read.
    begun: bool,
    /// When it offers its place again.
    offers_at: Monotonic,
    /// Ticks that it let pass.
    ticks: usize,
}

impl Replica {
    /// From now on, until it is opened again, this replica leads only when nobody else does. For one that found damage in
    /// its files at rest.
    pub fn stand_back(&mut self) {
        self.stand_back.begun = true;
        self.offer_leadership();
    }

    /// Offers the place of a leader that stands back to the voter that has most of the log.
    pub(crate) fn offer_leadership(&mut self) {
        if !self.stand_back.begun || self.now < self.stand_back.offers_at || self.check_leader().is_err() {
            return;
        }
        let voters = self.membership().voters;
        let others = self.progress();
        let able =
            others.iter().filter(|peer| peer.state == PeerState::Replicating && voters.contains(&peer.peer));
        let Some(to) = able.max_by_key(|peer| peer.matched).map(|peer| peer.peer) else { return };
        self.stand_back.offers_at = self.now + OFFER_AGAIN;
        tracing::warn!(shard = self.config.shard.0, %to, "files of this replica are damaged: another one is asked to lead");
        // Refused only when it leads no more, which is what is wanted.
        let _ = self.transfer(to);
    }

    /// Whether this tick counts towards an election.
    pub(crate) fn feels_tick(&mut self) -> bool {
        if !self.stand_back.begun || self.node.raft.state == StateRole::Leader {
            return true;
        }
        self.stand_back.ticks += 1;
        self.stand_back.ticks.is_multiple_of(PATIENCE)
    }
}

// Others call two elections in the time in which one that stands back calls none.
const _: () = assert!(PATIENCE * ELECTION_TICKS >= 2 * ELECTION_TICKS);

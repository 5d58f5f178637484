//! Fault points: places where the simulator can plant a bug, to prove that its checkers would find it.
//!
//! A fault point is one line at the place where the real mistake would be made:
//! `if planted(Fault::UnappliedServed) { self.show_unapplied(..) }`. [`planted`] is `const false` in every build
//! but the simulator's own (`--cfg sim`), so the binary holds no trace of it. This file is the only one that may look at
//! that setting; `cargo xtask tidy` refuses it everywhere else, or the simulator would test code that nobody runs.

/// A bug that can be planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A leader counts its own entries as persisted when their flush begins.
    ConfirmBeforeFlush,
    /// A follower acknowledges entries when their flush begins.
    AppendAckBeforeFlush,
    /// A flush leaves out the segment that was sealed, so that a checkpoint becomes current before the log up to it is on
    /// the medium.
    CheckpointAheadOfLog,
    /// A checkpoint is written without what is known of idempotent producers.
    DedupMissingFromCheckpoint,
    /// A conflict cuts the log and leaves the entries' index in memory as it was.
    TruncationWithoutIndexRollback,
    /// A batch that is met again is answered as stored while the original is still on its way.
    DuplicateConfirmedEarly,
    /// A leader serves records that it has proposed and not applied.
    UnappliedServed,
    /// A segment that was rewritten is unlinked before the next generation counts on the medium.
    RewrittenUnlinkedEarly,
    /// An open removes the journal without writing what it says to the segments.
    JournalNotReplayed,
    /// A log is cut, and what the journal says of it goes on to count.
    CutNotInJournal,
    /// A reader of completed transactions is not told which of them were aborted.
    AbortedServed,
    /// The end of a transaction is answered when it is decided, before the other shards that it spans have carried it out.
    EndAnsweredEarly,
    /// A shard says that it has carried out what another handed over to it when it proposes that.
    RelayDoneEarly,
    /// Compaction takes the last record of a key with those that it replaced.
    NewestCompacted,
    /// A settlement of a shared subscription is answered when it is proposed.
    SettlementConfirmedEarly,
    /// A record of a shared subscription is handed out again however often that was in vain.
    AttemptsNotLimited,
    /// What a consumer of a shared subscription had when its lease ended counts as done.
    LeaseEndAccepts,
    /// A member of a group gets a partition that another has not given back.
    PartitionGivenTwice,
    /// A reader of completed transactions is shown the records of open ones.
    OpenServed,
    /// Compaction takes a tombstone as soon as it has nothing left to hide.
    TombstoneTakenEarly,
    /// A cursor that a transaction sets is set before the transaction commits.
    CursorSetEarly,
}

impl Fault {
    /// All of them with the names that people plant them by.
    pub const ALL: [(&'static str, Fault); 21] = [
        ("confirm-before-flush", Fault::ConfirmBeforeFlush),
        ("append-ack-before-flush", Fault::AppendAckBeforeFlush),
        ("checkpoint-ahead-of-log", Fault::CheckpointAheadOfLog),
        ("dedup-missing-from-checkpoint", Fault::DedupMissingFromCheckpoint),
        ("truncation-without-index-rollback", Fault::TruncationWithoutIndexRollback),
        ("duplicate-confirmed-early", Fault::DuplicateConfirmedEarly),
        ("unapplied-served", Fault::UnappliedServed),
        ("rewritten-unlinked-early", Fault::RewrittenUnlinkedEarly),
        ("journal-not-replayed", Fault::JournalNotReplayed),
        ("cut-not-in-journal", Fault::CutNotInJournal),
        ("aborted-served", Fault::AbortedServed),
        ("end-answered-early", Fault::EndAnsweredEarly),
        ("relay-done-early", Fault::RelayDoneEarly),
        ("newest-compacted", Fault::NewestCompacted),
        ("settlement-confirmed-early", Fault::SettlementConfirmedEarly),
        ("attempts-not-limited", Fault::AttemptsNotLimited),
        ("lease-end-accepts", Fault::LeaseEndAccepts),
        ("partition-given-twice", Fault::PartitionGivenTwice),
        ("open-served", Fault::OpenServed),
        ("tombstone-taken-early", Fault::TombstoneTakenEarly),
        ("cursor-set-early", Fault::CursorSetEarly),
    ];
}

/// Whether this build has fault points.
pub const FAULT_POINTS: bool = cfg!(sim);

#[cfg(not(sim))]
mod points {
    use super::Fault;

    /// Whether the bug is planted: never in this build.
    #[inline(always)]
    pub const fn planted(_fault: Fault) -> bool {
        false
    }

    /// Whether the bug is planted and its point was passed with this key before: never in this build.
    #[inline(always)]
    pub const fn met_before(_fault: Fault, _key: &[u64]) -> bool {
        false
    }

    /// Plants a bug on this thread; answers whether this build can.
    pub const fn plant(fault: Option<Fault>) -> bool {
        fault.is_none()
    }
}

#[cfg(sim)]
mod points {
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeSet;

    use super::Fault;

    thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
        static MET: RefCell<BTreeSet<Vec<u64>>> = const { RefCell::new(BTreeSet::new()) };
    }

    /// Whether the bug is planted on this thread.
    pub fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    /// Whether the bug is planted on this thread and its point was passed with this key before.
    pub fn met_before(fault: Fault, key: &[u64]) -> bool {
        planted(fault) && !MET.with_borrow_mut(|met| met.insert(key.to_vec()))
    }

    /// Plants a bug on this thread, or none; a simulation is one thread. Answers whether this build can.
    pub fn plant(fault: Option<Fault>) -> bool {
        PLANTED.set(fault);
        MET.with_borrow_mut(BTreeSet::clear);
        true
    }
}

pub use points::{met_before, plant, planted};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_is_planted_on_one_thread_and_only_where_the_build_has_fault_points() {
        let fault = Fault::UnappliedServed;
        assert_eq!(plant(Some(fault)), FAULT_POINTS);
        assert_eq!(planted(fault), FAULT_POINTS);
        assert!(!planted(Fault::ConfirmBeforeFlush));
        assert!(!met_before(fault, &[1, 2]));
        assert_eq!(met_before(fault, &[1, 2]), FAULT_POINTS);
        let elsewhere = std::thread::spawn(move || planted(fault)).join().expect("it only looks");
        assert!(!elsewhere);
        assert!(plant(None));
        assert!(!planted(fault) && !met_before(fault, &[1, 2]));
    }
}

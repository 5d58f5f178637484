//! What a run is made of: drawn from its seed. Every run has some kinds of faults and not others, so that rare
//! combinations are met.

use std::fmt::{self, Display, Formatter};
use std::num::ParseIntError;
use std::str::FromStr;
use std::time::Duration;

use forebay_env::fault::{FAULT_POINTS, Fault};

use crate::counters::{
    WANTED_OF_COMPACTION, WANTED_OF_PARTICIPANTS, WANTED_OF_SHARES, WANTED_OF_TRANSACTIONS,
};
use crate::members::Move;
use crate::random::Rng;
use crate::world::clock::SECOND;
use crate::world::disk::{About, Lie, When};
use crate::world::machine::Sizes;
use crate::world::network::Weather;

/// The first seed with transactions.
const TRANSACTIONS_FROM: u64 = 100_000;
/// The first seed with a compacted topic.
const COMPACTION_FROM: u64 = 200_000;

/// The first seed with a shared subscription.
const SHARES_FROM: u64 = 300_000;
/// The first seed with members of a group that changes its protocol.
const PARTICIPANTS_FROM: u64 = 400_000;
/// The first seed in which all of them take part.
pub const WHOLE_FROM: u64 = PARTICIPANTS_FROM;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A process is killed.
    Kill,
    /// A machine loses power.
    Power,
    /// All machines lose power in the same moment.
    PowerAll,
    /// A process ends in the middle of a change of its disk.
    MidChange,
    /// A process ends while it recovers.
    WhileOpening,
    /// A node is cut off, in both directions or in one.
    Parted,
    /// The network gets bad.
    Weather,
    /// A node stops for a while and goes on as if nothing had been.
    Pause,
    /// A wall clock steps.
    ClockStep,
    /// A call to the disk fails.
    DiskError,
    /// The disk is full for a while.
    DiskFull,
    /// A bit flips at rest.
    Flip,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 12] = [
        Kind::Kill,
        Kind::Power,
        Kind::PowerAll,
        Kind::MidChange,
        Kind::WhileOpening,
        Kind::Parted,
        Kind::Weather,
        Kind::Pause,
        Kind::ClockStep,
        Kind::DiskError,
        Kind::DiskFull,
        Kind::Flip,
    ];
}

/// A planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A flush of a segment answers before its data is on the medium.
    EarlyFlush,
    /// A vote is not flushed.
    VoteNotFlushed,
    /// A directory is not flushed.
    DirectoryNotFlushed,
    /// What recovery kept is not flushed before it counts.
    RecoveredTailNotFlushed,
    /// A node whose disk was replaced comes back under its old peer id.
    PeerIdReused,
    /// One that stands in the code: a fault point.
    Point(Fault),
    /// None: what `--bug` runs when nothing may be found.
    Control,
}

/// The bugs that the world around the nodes plays, with their names.
const OF_THE_WORLD: [(&str, Bug); 5] = [
    ("early-flush", Bug::EarlyFlush),
    ("vote-not-flushed", Bug::VoteNotFlushed),
    ("directory-not-flushed", Bug::DirectoryNotFlushed),
    ("recovered-tail-not-flushed", Bug::RecoveredTailNotFlushed),
    ("peer-id-reused", Bug::PeerIdReused),
];

impl Bug {
    /// All of them with their names.
    pub fn all() -> Vec<(&'static str, Bug)> {
        let points = Fault::ALL.into_iter().map(|(name, fault)| (name, Bug::Point(fault)));
        OF_THE_WORLD.into_iter().chain(points).collect()
    }

    /// The fault point to be planted, if it is one.
    pub fn point(self) -> Option<Fault> {
        match self {
            Bug::Point(fault) => Some(fault),
            _ => None,
        }
    }

    /// The promises that it breaks. What else is found while it is planted has another cause.
    pub fn promises(self) -> &'static [&'static str] {
        const CONFIRM: &str = "no confirm before a majority has flushed";
        const LOST: &str = "no confirmed record is lost";
        const OFFSET: &str = "no offset is used twice";
        const STATES: &str = "replicas' states are equal";
        const SEGMENTS: &str = "equal segment ids mean equal bytes";
        const CAUSE: &str = "a fence has a cause";
        const GOES_ON: &str = "an idempotent producer can go on";
        const ORDER: &str = "order is kept per partition";
        const UNSERVED: &str = "nothing uncommitted is ever read";
        const GAP: &str = "no gap without a recorded cause";
        const TWICE: &str = "no duplicate with idempotence";
        const ASSERTS: &str = "no assertion fails";
        const ENDED: &str = "who asks behind an end sees it";
        const AVAILABLE: &str = "after healing everything is available again";
        match self {
            Bug::EarlyFlush | Bug::DirectoryNotFlushed => &[CONFIRM, LOST, OFFSET, CAUSE],
            Bug::VoteNotFlushed => &[LOST, OFFSET, STATES, SEGMENTS, GOES_ON, ORDER, UNSERVED, ASSERTS],
            Bug::RecoveredTailNotFlushed => &[CONFIRM, LOST, OFFSET, CAUSE, ASSERTS],
            Bug::PeerIdReused => &[CAUSE, CONFIRM, LOST, OFFSET, STATES, GOES_ON, ORDER, UNSERVED, ASSERTS],
            Bug::Point(Fault::ConfirmBeforeFlush | Fault::AppendAckBeforeFlush) => &[CONFIRM, LOST, OFFSET],
            Bug::Point(Fault::CheckpointAheadOfLog) => &[CAUSE, CONFIRM, LOST, OFFSET],
            Bug::Point(Fault::DedupMissingFromCheckpoint) => &[STATES, TWICE],
            Bug::Point(Fault::TruncationWithoutIndexRollback) => &[CAUSE, STATES, SEGMENTS, OFFSET, ASSERTS],
            Bug::Point(Fault::DuplicateConfirmedEarly) => &[CONFIRM, LOST],
            Bug::Point(Fault::UnappliedServed) => &[UNSERVED, OFFSET, ORDER, GAP],
            Bug::Point(Fault::RewrittenUnlinkedEarly) => &[CAUSE, LOST, CONFIRM],
            Bug::Point(Fault::JournalNotReplayed) => &[CAUSE, CONFIRM, LOST, OFFSET, ASSERTS],
            Bug::Point(Fault::CutNotInJournal) => &[CAUSE, CONFIRM, LOST, OFFSET, STATES, SEGMENTS, ASSERTS],
            Bug::Point(Fault::AbortedServed) => &[crate::checkers::WHOLE, crate::checkers::NOTHING_OPEN],
            Bug::Point(Fault::OpenServed) => &[crate::checkers::NOTHING_OPEN],
            Bug::Point(Fault::CursorSetEarly) => &[crate::checkers::WHOLE],
            Bug::Point(Fault::EndAnsweredEarly) => &[ENDED],
            Bug::Point(Fault::RelayDoneEarly) => &[ENDED, AVAILABLE],
            Bug::Point(Fault::NewestCompacted) => &[crate::checkers::STAYS],
            Bug::Point(Fault::TombstoneTakenEarly) => &[crate::checkers::TOMBSTONES, crate::checkers::STAYS],
            Bug::Point(Fault::SettlementConfirmedEarly) => &[crate::checkers::NEVER_AGAIN],
            Bug::Point(Fault::AttemptsNotLimited) => &[crate::checkers::NOT_MORE_OFTEN],
            Bug::Point(Fault::LeaseEndAccepts) => &[crate::checkers::NONE_LOST],
            Bug::Point(Fault::PartitionGivenTwice) => &[crate::checkers::ONE_OWNER],
            Bug::Control => &[],
        }
    }

    /// The nodes for whose seeds it is planted.
    pub fn nodes(self) -> Nodes {
        match self {
            // Transactions span several shards where one node has all of them.
            Bug::Point(Fault::EndAnsweredEarly | Fault::RelayDoneEarly) => Nodes::One,
            _ => Nodes::Three,
        }
    }

    /// Whether only a transaction shows it.
    fn is_of_transactions(self) -> bool {
        let faults = [
            Fault::AbortedServed,
            Fault::EndAnsweredEarly,
            Fault::RelayDoneEarly,
            Fault::OpenServed,
            Fault::CursorSetEarly,
        ];
        self.point().is_some_and(|fault| faults.contains(&fault))
    }

    /// Whether this build can plant it.
    pub fn can_be_planted(self) -> bool {
        FAULT_POINTS || self.point().is_none()
    }
}

/// How many nodes a cluster is founded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nodes {
    /// Three: each shard has three voters.
    Three,
    /// One, which is the sole voter of its shards: work gathers behind its flushes.
    One,
}

impl Nodes {
    /// So many.
    pub fn count(self) -> usize {
        match self {
            Nodes::Three => 3,
            Nodes::One => 1,
        }
    }
}

/// What a plan is drawn from. Reads and prints as `137` and as `alone:137`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seed {
    /// The number that everything random comes from.
    pub number: u64,
    /// The nodes that it is drawn for.
    pub nodes: Nodes,
}

impl Seed {
    /// What seeds from this one on have to meet, by who takes part in them.
    pub fn wanted(self) -> impl Iterator<Item = &'static &'static str> {
        let of: [(u64, &'static [&'static str]); 4] = [
            (TRANSACTIONS_FROM, &WANTED_OF_TRANSACTIONS),
            (COMPACTION_FROM, &WANTED_OF_COMPACTION),
            (SHARES_FROM, &WANTED_OF_SHARES),
            (PARTICIPANTS_FROM, &WANTED_OF_PARTICIPANTS),
        ];
        of.into_iter().filter(move |(from, _)| self.number >= *from).flat_map(|(_, wanted)| wanted)
    }
}

/// What stands before the number of a seed for one node.
const ALONE: &str = "alone:";

impl Display for Seed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let prefix = if self.nodes == Nodes::One { ALONE } else { "" };
        write!(f, "{prefix}{}", self.number)
    }
}

impl FromStr for Seed {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Seed, ParseIntError> {
        let (nodes, number) = match text.strip_prefix(ALONE) {
            Some(number) => (Nodes::One, number),
            None => (Nodes::Three, text),
        };
        Ok(Seed { number: number.parse()?, nodes })
    }
}

/// What one run is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where everything comes from.
    pub seed: u64,
    /// The nodes that found the cluster.
    pub nodes: Nodes,
    /// Kinds of faults.
    pub kinds: Vec<Kind>,
    /// Milliseconds between two deeds, on average.
    pub pace_ms: u64,
    /// The network when it is bad.
    pub weather: Weather,
    /// Whether monotonic clocks drift.
    pub clocks: bool,
    /// Flushes that take long, of 1000.
    pub slow_flush_permille: u64,
    /// Sizes of nodes.
    pub sizes: Sizes,
    /// Size of each disk, in bytes.
    pub disk_bytes: u64,
    /// What every disk lies about, if it does.
    pub lie: Option<Lie>,
    /// What happens to whole machines, one after the other.
    pub moves: Vec<Move>,
    /// Log that is kept for a follower that lags, in bytes.
    pub follower_lag_bytes_max: u64,
    /// The bug planted, if one is.
    pub bug: Option<Bug>,
    /// Votes whose sender loses power as they leave, of 1000.
    pub voter_lost_permille: u64,
    /// When everything is mended, in nanoseconds.
    pub heal_at: u64,
    /// The run is at least so long, in nanoseconds...
    pub run_ns_min: u64,
    /// ...and has so many operations of clients.
    pub operations_min: u64,
}

impl Plan {
    /// The plan of a seed. It does not depend on the bug: what is found is found by ordinary runs.
    pub fn of(seed: u64, bug: Option<Bug>) -> Plan {
        let mut rng = Rng::stream(seed, "plan");
        let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|_| rng.chance(400)).collect();
        let weather = Weather {
            loss_permille: rng.pick(&[0, 5, 20, 100]),
            double_permille: rng.pick(&[0, 5, 50]),
            slow_permille: rng.pick(&[0, 20, 200]),
            slow_ms_max: rng.pick(&[5, 50, 1000]),
        };
        let (moves, shards_async) = if bug.is_some() { (Vec::new(), 0) } else { replacements(seed) };
        if !moves.is_empty() || shards_async > 0 {
            // Two of three replicas are needed then, whole.
            kinds.retain(|kind| *kind != Kind::Flip);
        }
        if shards_async > 0 {
            // Nobody may lead an async shard whose majority lost power, until somebody accepts the loss.
            kinds.retain(|kind| *kind != Kind::PowerAll);
        }
        let first = rng.pick(&[4 << 10, 16 << 10, 64 << 10]);
        let sizes = Sizes {
            shards_sync: rng.pick(&[1, 2, 2, 3]),
            shards_async,
            segment_bytes_first: first,
            segment_bytes_max: first * rng.pick(&[1, 2, 8]),
            hot_bytes: rng.pick(&[4 << 10, 64 << 10, 1 << 20]),
            tail_bytes: rng.pick(&[4 << 10, 64 << 10, 1 << 20]),
            // A stream of its own: it came later, and what earlier seeds draw stays as it was.
            scrub_bytes_per_second: Rng::stream(seed, "scrubber").pick(&[200, 2_000, 20_000, 200_000]),
            journal_file_bytes: Rng::stream(seed, "journal").pick(&[16 << 10, 64 << 10, 1 << 20]),
            flush_here_max: Rng::stream(seed, "flush here").pick(&[Duration::ZERO, Duration::from_millis(1)]),
        };
        Plan {
            seed,
            nodes: Nodes::Three,
            pace_ms: rng.pick(&[200, 500, 1000, 3000]),
            weather,
            clocks: kinds.contains(&Kind::ClockStep) || rng.chance(300),
            slow_flush_permille: rng.pick(&[0, 2, 20]),
            sizes,
            disk_bytes: 64 << 20,
            lie: bug.and_then(lie),
            moves,
            follower_lag_bytes_max: Rng::stream(seed, "floor").pick(&[32 << 10, 128 << 10, 512 << 20]),
            kinds,
            bug,
            // A stream of its own, as above.
            voter_lost_permille: Rng::stream(seed, "voters").pick(&[0, 0, 0, 0, 0, 0, 0, 300]),
            heal_at: 45 * SECOND,
            run_ns_min: 60 * SECOND,
            operations_min: 5_000,
        }
    }

    /// The same for one node. What takes a second copy is left out: bits that flip, machines that are replaced, async shards
    /// that lose power.
    pub fn alone(seed: u64, bug: Option<Bug>) -> Plan {
        let mut plan = Plan::of(seed, bug);
        plan.nodes = Nodes::One;
        plan.moves.clear();
        plan.sizes.shards_async = 0;
        plan.kinds.retain(|kind| *kind != Kind::Flip);
        plan
    }

    /// The plan that a seed draws for its nodes.
    pub fn drawn(seed: Seed, bug: Option<Bug>) -> Plan {
        match seed.nodes {
            Nodes::Three => Plan::of(seed.number, bug),
            Nodes::One => Plan::alone(seed.number, bug),
        }
    }

    /// What it was drawn from.
    pub fn seed(&self) -> Seed {
        Seed { number: self.seed, nodes: self.nodes }
    }

    /// Whether a transactional producer is among the clients: where all that it spans lies on one shard or one node. Seeds below the first with
    /// one keep the courses in which they once found something.
    pub fn has_transactions(&self) -> bool {
        let is_wanted = self.seed >= TRANSACTIONS_FROM || self.bug.is_some_and(Bug::is_of_transactions);
        is_wanted && (self.sizes.shards_sync == 1 || self.nodes == Nodes::One)
    }

    /// Whether there is a compacted topic, and somebody who keeps state in it.
    pub fn has_compaction(&self) -> bool {
        let bugs = [Fault::NewestCompacted, Fault::TombstoneTakenEarly];
        self.seed >= COMPACTION_FROM || bugs.into_iter().any(|fault| self.bug == Some(Bug::Point(fault)))
    }

    /// Whether some clients share a subscription.
    pub fn has_shares(&self) -> bool {
        let bugs = [Fault::SettlementConfirmedEarly, Fault::AttemptsNotLimited, Fault::LeaseEndAccepts];
        self.seed >= SHARES_FROM || bugs.into_iter().any(|fault| self.bug == Some(Bug::Point(fault)))
    }

    /// Whether several members share the partitions of a group, by either protocol.
    pub fn has_participants(&self) -> bool {
        self.seed >= PARTICIPANTS_FROM || self.bug == Some(Bug::Point(Fault::PartitionGivenTwice))
    }

    /// How many shards there are.
    pub fn shards(&self) -> usize {
        (self.sizes.shards_sync + self.sizes.shards_async) as usize
    }

    /// Whether replicas have to be replaced.
    pub fn needs_operator(&self) -> bool {
        !self.moves.is_empty() || self.sizes.shards_async > 0
    }

    /// The same, over sooner: for tests that run without optimisation.
    pub fn short(seed: u64, bug: Option<Bug>) -> Plan {
        let plan = Plan::of(seed, bug);
        Plan { heal_at: 8 * SECOND, run_ns_min: 10 * SECOND, operations_min: 500, ..plan }
    }
}

/// What happens to whole machines, and how many async shards there are. Drawn by itself, so that the rest of a plan stays
/// what it was.
fn replacements(seed: u64) -> (Vec<Move>, u32) {
    let mut rng = Rng::stream(seed, "replacements");
    let mut moves = Vec::new();
    if rng.chance(300) {
        moves.extend((0..rng.between(1, 3)).map(|_| Move::Wipe));
    }
    if rng.chance(250) {
        moves.push(Move::Spare);
    }
    if rng.chance(300) {
        moves.push(Move::Absence);
    }
    let turn = rng.index(moves.len().max(1));
    moves.rotate_left(turn);
    (moves, u32::from(rng.chance(250)))
}

/// The lie that a disk tells to play the bug.
fn lie(bug: Bug) -> Option<Lie> {
    let about = |about, when| Some(Lie { about, when });
    match bug {
        Bug::EarlyFlush => about(About::Entries, When::Always),
        Bug::VoteNotFlushed => about(About::File("hard-state"), When::Serving),
        Bug::DirectoryNotFlushed => about(About::Names, When::Always),
        Bug::RecoveredTailNotFlushed => about(About::File(".seg"), When::Opening),
        Bug::PeerIdReused | Bug::Point(_) | Bug::Control => None,
    }
}

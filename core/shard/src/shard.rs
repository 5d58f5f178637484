//! One shard at work: takes what its mailbox holds, proposes it as one entry, applies what is committed, answers.
//!
//! ```text
//!   mailbox --> turn --> draft --> replica (write, flush, replicate) --> committed --> machine --> answers
//!                 \--> reads --> hot payloads, or a job on an I/O thread ------------------------^
//! ```
//! A turn never blocks on a flush and never reads a cold file. It is a plain function: whoever owns the shard calls
//! [`Shard::turn`] when the mailbox wakes it or the returned deadline comes. `T` is the ticket of an asker.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use forebay_commitlog::SegmentId;
use forebay_env::{Env, Monotonic};
use forebay_machine::{Catalog, Effects, Machine, MachineSettings};
use forebay_model::limits::TURN_BYTES_MAX;
use forebay_model::transaction::TransactionalId;
use forebay_model::{LogIndex, LogTime, NodeId, PartitionId, Refusal, ShardId, Term, TopicDefaults};
use forebay_record::PropertyReaders;
use forebay_replication::{
    LeaderReady, OpenError, Output, ReadToken, Recovered, Replica, ReplicaConfig, Role,
};

use crate::archive::Archive;
use crate::barrier::Behind;
use crate::big::{BigAppend, BigNumber};
use crate::board::{Board, ShardStatus};
use crate::cold::ColdDone;
use crate::compaction::{CompactionDone, Compactor};
use crate::coordinator::CoordinatorSettings;
use crate::crowd::Crowd;
use crate::delivery::{BeginDone, Deliveries, ReceiveDone};
use crate::draft::Drafts;
use crate::group::GroupDesk;
use crate::guard::{DiskGuard, GuardState};
use crate::hot::HotCache;
use crate::index::Index;
use crate::log_clock::{LogClock, StepPolicy};
use crate::mailbox::{Lane, Left, Mailbox, Room, Source};
use crate::metrics::ShardMetrics;
use crate::pace::Pace;
use crate::pending::Pending;
use crate::propose::Turn;
use crate::reclaim::segments::Segments;
use crate::reclaim::{Reclaim, ReclaimDone};
use crate::relay::{Passed, RelayDesk};
use crate::retention::{Retention, RetentionDone};
use crate::scrub::{ScrubDone, Scrubber};
use crate::sharing::Sharers;
use crate::summary::Summarizer;
use crate::trim::{TrimDone, Trimming};
use crate::waiting::Waiting;
use crate::work::{Answer, FetchWork, Read, ReceiveWork, Work};

/// The longest a shard sleeps: Raft's clock ticks this often.
pub const TICK: Duration = Duration::from_millis(50);

/// A turn that writes so much, in bytes, gives out the answers that are there before it does.
const ANSWERS_FIRST_BYTES: usize = 64 * 1024;

/// So long after files were read for somebody, more of it is expected.
const READS_QUIET: Duration = Duration::from_millis(20);

/// So long after small payloads came beside large ones, more of them are expected.
const SMALL_EXPECTED: Duration = Duration::from_millis(20);

/// What is posted to a shard by jobs it started.
pub enum Done<T> {
    /// For the replica.
    Replica(forebay_replication::Completion),
    /// A cold read.
    Cold(ColdDone<T>),
    /// A cold read for a receiver.
    Receive(ReceiveDone<T>),
    /// Where a subscription is to begin.
    Begin(BeginDone),
    /// What a trim by hand would give up.
    Trim(TrimDone<T>),
    /// What retention found.
    Retention(RetentionDone),
    /// What reclaiming did.
    Reclaim(ReclaimDone),
    /// A step of a pass of compaction.
    Compaction(CompactionDone),
    /// A step of the scrubber.
    Scrub(ScrubDone),
    /// A frame from a peer's replica.
    Peer(bytes::Bytes),
    /// Something from another shard.
    Passed(Passed),
}

/// The mailbox of a shard.
pub type ShardMailbox<T> = Mailbox<Work<T>, Read<T>, Done<T>>;

/// What a shard is told when it is opened.
#[derive(Clone, Debug)]
pub struct ShardConfig {
    /// Its id.
    pub id: ShardId,
    /// The node it runs on.
    pub node: NodeId,
    /// What its replica is told.
    pub replica: ReplicaConfig,
    /// Memory for payloads that were applied last, in bytes.
    pub hot_bytes_max: usize,
    /// Memory for pictures of partitions and groups, in bytes.
    pub summary_bytes_max: usize,
    /// Log time believes no step above this.
    pub clock_step_max: Duration,
    /// How a step comes to be believed.
    pub clock_policy: StepPolicy,
    /// What applies to topics that set nothing.
    pub defaults: TopicDefaults,
    /// How often retention looks at every partition.
    pub retention_interval: Duration,
    /// What the operator set about groups.
    pub groups: CoordinatorSettings,
    /// Durations that the replicated state depends on.
    pub machine: MachineSettings,
    /// Who reads the properties of messages that readers of record batches ask for.
    pub properties: PropertyReaders,
    /// Bytes of sealed segments that are read again each second; 0 turns the scrubber off.
    pub scrub_bytes_per_second: u64,
}

/// Takes the answers of a turn, each with its asker's ticket.
pub type Answers<T> = Box<dyn Fn(Vec<(T, Answer)>) + Send>;

/// What a shard calls, on its own thread.
pub struct Hooks<T> {
    /// Takes the answers of a turn.
    pub answers: Answers<T>,
    /// The catalogue has a new version (shard 0).
    pub catalogue: Box<dyn Fn(Arc<Catalog>) + Send>,
    /// The board says something new.
    pub noticed: Box<dyn Fn() + Send>,
    /// Passes something to another shard, which takes it with [`Done::Passed`]; it may get lost.
    pub pass: Box<dyn Fn(ShardId, Passed) + Send>,
}

/// What connects a shard to the threads around it.
pub struct Fittings<T> {
    /// Where its work comes from.
    pub mailbox: Arc<ShardMailbox<T>>,
    /// Where it says how it stands.
    pub board: Arc<Board>,
    /// What it calls.
    pub hooks: Hooks<T>,
    /// What it counts.
    pub metrics: Arc<ShardMetrics>,
    /// How much room there is on the disk.
    pub guard: Arc<DiskGuard>,
}

/// When the shard wants its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextTurn {
    /// At once: work is left.
    Now,
    /// At this time, or when the mailbox wakes it.
    At(Monotonic),
    /// Never: it is closed.
    Never,
}

/// Why a shard was not opened.
#[derive(Debug)]
pub enum ShardOpenError {
    /// Its replica was not.
    Replica(OpenError),
    /// Its checkpoint makes no sense.
    Checkpoint(crate::checkpoint::RestoreError),
}

impl std::fmt::Display for ShardOpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ShardOpenError::Replica(error) => error.fmt(f),
            ShardOpenError::Checkpoint(error) => write!(f, "its checkpoint: {error}"),
        }
    }
}

impl std::error::Error for ShardOpenError {}

/// One shard.
pub struct Shard<T> {
    pub(crate) env: Env,
    pub(crate) config: ShardConfig,
    pub(crate) mailbox: Arc<ShardMailbox<T>>,
    pub(crate) board: Arc<Board>,
    pub(crate) hooks: Hooks<T>,
    pub(crate) metrics: Arc<ShardMetrics>,
    pub(crate) replica: Replica,
    pub(crate) machine: Machine,
    pub(crate) effects: Effects,
    pub(crate) role: Role,
    pub(crate) term: Term,
    pub(crate) fenced: Option<String>,
    /// Only while leading.
    pub(crate) clock: Option<LogClock>,
    pub(crate) index: Index,
    pub(crate) hot: HotCache,
    pub(crate) archive: Archive,
    pub(crate) draft: Drafts<T>,
    /// A finished turn that the replica could not take yet.
    pub(crate) stalled: Option<Turn<T>>,
    pub(crate) proposer: u64,
    pub(crate) turn_number: u64,
    pub(crate) pending: Pending<T>,
    pub(crate) big: BTreeMap<Source, BigAppend<T>>,
    /// Of the last one.
    pub(crate) big_number: BigNumber,
    /// Whose part was written last.
    pub(crate) part_last: Source,
    pub(crate) waiting: Waiting<FetchWork<T>>,
    pub(crate) receiving: Waiting<ReceiveWork<T>>,
    /// Only while leading.
    pub(crate) deliveries: Deliveries,
    /// Only while leading.
    pub(crate) sharers: Sharers,
    pub(crate) groups: GroupDesk<T>,
    pub(crate) barriers: BTreeMap<ReadToken, Vec<Behind<T>>>,
    pub(crate) wish: Option<Arc<Catalog>>,
    /// The last wish that came true.
    pub(crate) reconciled: Option<Arc<Catalog>>,
    pub(crate) provisioning: bool,
    /// Partitions were opened or dropped: that may have been all.
    pub(crate) provision_again: bool,
    pub(crate) answers: Vec<(T, Answer)>,
    pub(crate) catalogue_version: u64,
    pub(crate) grown: Vec<PartitionId>,
    pub(crate) applied: LogIndex,
    /// A seal is under way.
    pub(crate) sealing: bool,
    /// The segment should end before its time.
    pub(crate) seal_wanted: bool,
    /// The machine's settings were looked at in this term.
    pub(crate) configured: bool,
    /// The machine version that was asked for last in this term.
    pub(crate) version_asked: u32,
    /// Transactions whose end was proposed because their time is up.
    pub(crate) aborting: BTreeSet<TransactionalId>,
    /// No such end is proposed before: there was no room for one.
    pub(crate) aborts_wait_until: Monotonic,
    pub(crate) relays: RelayDesk<T>,
    /// When something was proposed last.
    pub(crate) spoke_at: Monotonic,
    pub(crate) retention: Retention,
    pub(crate) trimming: Trimming<T>,
    pub(crate) reclaim: Reclaim,
    pub(crate) compactor: Compactor,
    pub(crate) scrubber: Scrubber,
    pub(crate) summarizer: Summarizer,
    /// Bytes of the turns in `pending`.
    pub(crate) pending_bytes: u64,
    crowd: Crowd,
    /// When small payloads had a turn before large ones last.
    small_beside_large_at: Option<Monotonic>,
    /// When files were read for somebody last.
    pub(crate) read_files_at: Option<Monotonic>,
    /// What came of a flush that this thread ran.
    flushed: Option<forebay_replication::Completion>,
    guard: Arc<DiskGuard>,
    pace: Pace,
    /// Payloads wait until the segment can end.
    overdue: bool,
    /// It was asked to close: whatever comes is refused.
    pub(crate) closing: bool,
    closed: bool,
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Opens the shard in `dir` and replays what its checkpoint does not hold.
    pub fn open(
        env: Env,
        dir: PathBuf,
        config: ShardConfig,
        fittings: Fittings<T>,
    ) -> Result<(Shard<T>, Recovered), ShardOpenError> {
        let Fittings { mailbox, board, hooks, metrics, guard } = fittings;
        let poster = Arc::clone(&mailbox);
        let post = Arc::new(move |done| poster.post_completion(Done::Replica(done)));
        let mut replica_config = config.replica.clone();
        replica_config.flush_took = Arc::clone(&metrics.flush);
        let (replica, mut recovered) =
            Replica::open(&env, dir, replica_config, post).map_err(ShardOpenError::Replica)?;
        let (machine, segments) = match recovered.checkpoint.take() {
            Some(checkpoint) => {
                crate::checkpoint::restore(config.id, &checkpoint).map_err(ShardOpenError::Checkpoint)?
            }
            None => (Machine::new(config.id), Segments::behind(replica.applied_index())),
        };
        let archive = Archive {
            reader: replica.reader(),
            metrics: Arc::clone(&metrics),
            properties: config.properties,
        };
        let proposer = env.random.next_u64();
        let mut shard = Shard {
            hot: HotCache::new(config.hot_bytes_max),
            groups: GroupDesk::new(config.groups),
            env,
            config,
            mailbox,
            board,
            hooks,
            metrics,
            replica,
            machine,
            effects: Effects::default(),
            role: Role::Follower { leader: None },
            term: Term(0),
            fenced: None,
            clock: None,
            index: Index::default(),
            archive,
            draft: Drafts::new(),
            stalled: None,
            proposer,
            turn_number: 0,
            pending: Pending::new(),
            big: BTreeMap::new(),
            big_number: BigNumber::default(),
            part_last: Source(0),
            waiting: Waiting::new(),
            receiving: Waiting::new(),
            deliveries: Deliveries::default(),
            sharers: Sharers::default(),
            barriers: BTreeMap::new(),
            wish: None,
            reconciled: None,
            provisioning: false,
            provision_again: false,
            answers: Vec::new(),
            catalogue_version: 0,
            grown: Vec::new(),
            applied: LogIndex(0),
            configured: false,
            version_asked: 0,
            aborting: BTreeSet::new(),
            aborts_wait_until: Monotonic(0),
            relays: RelayDesk::new(),
            spoke_at: Monotonic(0),
            retention: Retention::default(),
            trimming: Trimming::default(),
            reclaim: Reclaim::of(segments),
            compactor: Compactor::default(),
            scrubber: Scrubber::default(),
            sealing: false,
            seal_wanted: false,
            summarizer: Summarizer::default(),
            pending_bytes: 0,
            guard,
            crowd: Crowd::default(),
            small_beside_large_at: None,
            read_files_at: None,
            flushed: None,
            pace: Pace::new(),
            overdue: false,
            closing: false,
            closed: false,
        };
        shard.publish_catalogue();
        Ok((shard, recovered))
    }

    /// Does what is to be done now.
    pub fn turn(&mut self) -> NextTurn {
        let now = self.env.clock.monotonic();
        // First of all: whether a flush has ended decides what is taken.
        if let Some(flushed) = self.flushed.take() {
            self.replica.complete(now, flushed);
        }
        for done in self.mailbox.take_completions() {
            self.complete(now, done);
        }
        self.replica.allow_flush_here(self.nobody_reads(now));
        let guard = self.guard.state();
        let mut room = self.room(now, guard);
        let holds = self.expects_small(now) && self.waits_for_own_flush();
        if holds {
            room.paced_bytes = 0;
        }
        let in_no_hurry = self.leads() && self.stalled.is_none() && !self.crowd.is_over(now);
        let taken = if in_no_hurry && !holds {
            self.mailbox.take_gathered(room, self.crowd.wanted())
        } else {
            self.mailbox.take(room)
        };
        let gathering = taken.left == Left::Gathering;
        if taken.left == Left::Large {
            self.small_beside_large_at = Some(now);
        }
        if !gathering {
            self.crowd.go();
        }
        self.crowd
            .note(now, taken.work.iter().filter(|(_, p)| p.lane == Lane::Paced).map(|(source, _)| *source));
        self.pace.pay(taken.paced_bytes, guard);
        for done in taken.completions {
            self.complete(now, done);
        }
        self.replica.tick(now);
        self.pump(now);
        self.provision(now);
        for read in taken.reads {
            self.read(now, read);
        }
        if taken.paced_bytes >= ANSWERS_FIRST_BYTES {
            // Nobody whose answer is there waits for what is written now.
            self.deliver();
        }
        self.work_all(now, taken.work);
        self.group_timeouts(now);
        self.end_leases(now);
        self.end_unused(now);
        self.sharers_timeout(now);
        self.look_for_old(now);
        self.compact(now);
        self.look_for_space(now);
        self.keep_house(now);
        self.abort_overdue(now);
        self.scrub(now);
        self.wake_receivers(now);
        self.expire(now);
        self.write_parts();
        self.propose(now);
        self.pump(now);
        self.seal_if_due(now);
        self.wake_readers(now);
        self.pass_relays(now);
        self.wake_receivers(now);
        // What readers wait for may be known already.
        self.pump(now);
        if std::mem::take(&mut self.provision_again) {
            // Nobody waits for the next turn where nothing has to be flushed.
            self.provision(now);
        }
        self.pending.expire(now, &mut self.answers);
        self.trimming.expire(now, &mut self.answers);
        self.notice();
        self.summarize(now);
        self.show();
        if self.closed {
            self.refuse_the_rest();
        }
        self.deliver();
        let has_gathered = self.lets_work_gather(now, gathering, holds);
        self.flushed = self.replica.flush_here();
        // What woken readers asked for is written at once.
        let has_drafts = (!self.draft.is_empty() && self.stalled.is_none()) || self.deliveries.has_freed();
        if (has_gathered || has_drafts || self.flushed.is_some()) && !self.closed {
            return NextTurn::Now;
        }
        // What is held is looked for when the flush has ended.
        let left = if holds && taken.left == Left::Paced { Left::Nothing } else { taken.left };
        self.next_turn(now, left)
    }

    /// Whether payloads are held while a flush is under way: where small ones come beside large ones, a large one that is written
    /// meanwhile would make that flush longer, and hold up this thread when it has ended.
    fn expects_small(&self, now: Monotonic) -> bool {
        self.small_beside_large_at.is_some_and(|at| now.since(at) < SMALL_EXPECTED)
    }

    /// Whether whatever is written now is confirmed by nothing but the flush behind the one under way.
    fn waits_for_own_flush(&self) -> bool {
        self.leads() && self.stalled.is_none() && self.replica.confirms_wait_for_own_flush()
    }

    /// Whether no reader that catches up would wait behind a flush on this thread. One that waits for new records waits for
    /// the flush anyway.
    fn nobody_reads(&self, now: Monotonic) -> bool {
        self.read_files_at.is_none_or(|at| now.since(at) >= READS_QUIET)
    }

    /// What comes now would only wait for the flush under way and then for its own: it can as well wait in the mailbox and share
    /// one entry and one write. The same goes for a while after that flush, where others are expected. A leader with
    /// followers sends to them meanwhile instead. Answers whether there is something to take already.
    fn lets_work_gather(&mut self, now: Monotonic, gathering: bool, held: bool) -> bool {
        let waits = gathering && self.leads();
        if waits {
            // Also behind a flush that began before they could: that of a part of a big payload.
            self.crowd.wait(now, self.replica.flush_took());
        }
        if self.waits_for_own_flush() {
            // Its end wakes, not their number.
            if self.expects_small(now) {
                self.mailbox.hold_payloads();
            } else {
                self.mailbox.gather(usize::MAX);
            }
            false
        } else if held {
            // It ended meanwhile, and woke nobody for what is held.
            self.mailbox.listen();
            true
        } else if waits {
            self.mailbox.gather(self.crowd.wanted())
        } else {
            self.mailbox.listen()
        }
    }

    /// What this turn may take. The disk guard's pace holds payloads up and nothing else; while the replica takes nothing,
    /// what else there is gathers in the drafts as far as a turn goes.
    fn room(&mut self, now: Monotonic, guard: GuardState) -> Room {
        let pace = self.pace.room(now, guard);
        self.overdue = self.leads() && self.is_seal_overdue();
        match &self.stalled {
            // Whoever does not lead refuses all of it.
            None if !self.leads() => Room { bytes: usize::MAX, paced_bytes: usize::MAX },
            None if self.overdue => Room { bytes: TURN_BYTES_MAX, paced_bytes: 0 },
            None => Room { bytes: TURN_BYTES_MAX, paced_bytes: pace },
            Some(_) => {
                let bytes = TURN_BYTES_MAX.saturating_sub(self.draft.bytes());
                Room { bytes, paced_bytes: 0 }
            }
        }
    }

    fn next_turn(&self, now: Monotonic, left: Left) -> NextTurn {
        if self.closed {
            return NextTurn::Never;
        }
        if self.fenced.is_some() {
            // It still wakes to refuse what comes in.
            return NextTurn::At(now + Duration::from_secs(1));
        }
        let paced = match left {
            Left::Paced => self.pace.wait(self.guard.state()).map(|wait| now + wait),
            Left::Nothing | Left::Work | Left::Gathering | Left::Large => None,
        };
        let serves = match left {
            Left::Nothing | Left::Gathering => false,
            Left::Paced => paced.is_none() && !self.overdue,
            Left::Work => true,
            Left::Large => !self.replica.confirms_wait_for_own_flush(),
        };
        if serves && self.stalled.is_none() {
            return NextTurn::Now;
        }
        let deadlines = [
            self.waiting.next_deadline(),
            self.receiving.next_deadline(),
            self.deliveries.next_deadline(),
            self.sharers.next_deadline().map(Monotonic),
            self.pending.next_deadline(),
            self.trimming.next_deadline(),
            self.groups.next_deadline(),
            self.relays.next_deadline(),
            self.retention.next_look(),
            self.scrubber.next_step(),
            self.reclaim.next_look().filter(|_| self.leads()),
            self.compactor.next_step(),
            paced,
            self.crowd.until(),
        ];
        let tick = now + TICK;
        NextTurn::At(deadlines.into_iter().flatten().fold(tick, Monotonic::min))
    }

    fn complete(&mut self, now: Monotonic, done: Done<T>) {
        match done {
            Done::Replica(done) => self.replica.complete(now, done),
            Done::Cold(done) => self.cold_done(done),
            Done::Receive(done) => self.receive_done(now, done),
            Done::Begin(done) => self.begin_found(done),
            Done::Trim(done) => self.trim_looked(now, done),
            Done::Retention(done) => self.retention_done(done),
            Done::Reclaim(done) => self.reclaim_done(now, done),
            Done::Compaction(done) => self.compaction_done(now, done),
            Done::Scrub(done) => self.scrub_done(done),
            Done::Peer(frame) => self.replica.step(now, frame),
            Done::Passed(passed) => self.passed(now, passed),
        }
    }

    /// Takes everything that the replica has to say.
    pub(crate) fn pump(&mut self, now: Monotonic) {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Committed(entries) => self.apply_all(entries),
                Output::Role(role) => self.change_role(now, role),
                Output::Install(checkpoint) => {
                    self.metrics.installs.increment();
                    self.install(&checkpoint);
                }
                Output::ReadReady(token) => self.pass_barrier(now, token),
                Output::Checkpointed(index) => self.index.written(index),
                Output::Membership(_) => {}
                Output::Closed => self.closed = true,
                Output::Fenced(fence) => self.fence(fence.to_string()),
            }
        }
    }

    fn change_role(&mut self, now: Monotonic, role: Role) {
        let led = self.leads();
        self.role = role;
        match role {
            Role::Leader { term, ready: LeaderReady::Yes } => {
                self.term = term;
                if !led {
                    self.start_leading(now);
                }
            }
            Role::Leader { term, ready: LeaderReady::NotYet } => self.term = term,
            Role::Follower { .. } | Role::Candidate => {}
        }
        if led && !self.leads() {
            self.clock = None;
            self.retention.clear();
            self.compactor.clear();
            self.sealing = false;
            self.abandon(&self.not_leading());
        }
    }

    fn start_leading(&mut self, now: Monotonic) {
        let clock = &self.env.clock;
        let last = self.machine.applied().time;
        let (step, policy) = (self.config.clock_step_max, self.config.clock_policy);
        self.clock = Some(LogClock::begin(last, now, clock.wall(), step, policy));
        self.provisioning = false;
        self.configured = false;
        self.version_asked = 0;
        self.spoke_at = now;
        self.load_groups(now);
        self.watch_all_queues();
        // What died before a restart or under another leader may not have been looked for.
        self.reclaim.mark_dirty();
        tracing::info!(shard = self.config.id.0, term = self.term.0, "leads");
    }

    /// Whether this replica leads and serves.
    pub(crate) fn leads(&self) -> bool {
        self.fenced.is_none()
            && !self.closing
            && matches!(self.role, Role::Leader { ready: LeaderReady::Yes, .. })
    }

    /// The refusal of somebody who came to a shard that does not lead.
    pub(crate) fn not_leading(&self) -> Refusal {
        if self.fenced.is_some() {
            return Refusal::Storage;
        }
        if self.closing {
            return Refusal::ShuttingDown;
        }
        match self.role {
            Role::Leader { .. } => Refusal::Loading,
            Role::Follower { leader } => Refusal::NotLeader { leader },
            Role::Candidate => Refusal::NotLeader { leader: None },
        }
    }

    /// The leader's log time now.
    pub(crate) fn log_time(&mut self, now: Monotonic) -> LogTime {
        let wall = self.env.clock.wall();
        let last = self.machine.applied().time;
        self.clock.as_mut().map_or(last, |clock| clock.advance(now, wall))
    }

    /// Writes on the board what changed.
    fn notice(&mut self) {
        let leader = match self.role {
            Role::Leader { ready: LeaderReady::Yes, .. } => Some(self.config.node),
            Role::Leader { .. } | Role::Candidate => None,
            Role::Follower { leader } => leader,
        };
        let status = ShardStatus {
            leader: leader.filter(|_| self.fenced.is_none()),
            term: self.term,
            leads: self.leads(),
            fenced: self.fenced.clone(),
            clock_held: self.clock.as_ref().is_some_and(|clock| !clock.deletes()),
        };
        if self.board.set_status(&status) {
            (self.hooks.noticed)();
        }
    }

    pub(crate) fn deliver(&mut self) {
        if !self.answers.is_empty() {
            (self.hooks.answers)(std::mem::take(&mut self.answers));
        }
    }

    /// Hands the catalogue to the front desk if it has a new version.
    pub(crate) fn publish_catalogue(&mut self) {
        let version = self.machine.catalog().version();
        if self.config.id == ShardId(0) && version != self.catalogue_version {
            self.catalogue_version = version;
            (self.hooks.catalogue)(Arc::new(self.machine.catalog().clone()));
        }
    }

    /// The state, for tests and checkers.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The last entry applied, and the sealed segments that the log up to there orders to be kept; for tests and checkers.
    pub fn ordered_segments(&self) -> (LogIndex, Vec<SegmentId>) {
        (self.replica.applied_index(), self.reclaim.segments.ids(self.config.id).collect())
    }
}

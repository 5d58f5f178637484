//! The world of one shard, and a client who talks to its mailbox.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use forebay_env::{Clock, Env, IoClass, Job, Monotonic, Network, Random, Spawn, WallMs};
use forebay_machine::{Command, MachineSettings, OpenPartition, PartitionSettings};
use forebay_model::fetch::Isolation;
use forebay_model::publish::{Confirm, PayloadKind, Published};
use forebay_model::transaction::Joining;
use forebay_model::{
    Cleanup, FlushClass, Intake, LeaderEpoch, NodeId, Offset, PartitionId, ShardId, Timestamp, TimestampType,
    TopicDefaults, TopicId,
};
use forebay_record::batch::{BatchBuilder, Batches, Codec, NewRecord, Records};
use forebay_replication::{Bootstrap, PeerId, ReplicaConfig, ShardClass};
use forebay_shard::{
    Answer, Append, Board, DiskGuard, FetchItemWork, FetchWork, Fittings, Hooks, Mailbox, NextTurn, Passed,
    Read, Shard, ShardConfig, ShardMailbox, ShardMetrics, Source, StepPolicy, Work,
};

use crate::memory_disk::MemoryDisk;

/// Wall clock time at which every world begins, in milliseconds.
pub const BEGAN_MS: i64 = 1_700_000_000_000;
/// A time that no story reaches.
pub const FAR: Duration = Duration::from_secs(1_000_000);

/// Time stands still unless it is moved.
#[derive(Default)]
pub struct Now(AtomicU64);

impl Clock for Now {
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::Relaxed))
    }

    fn wall(&self) -> WallMs {
        WallMs(BEGAN_MS + (self.0.load(Ordering::Relaxed) / 1_000_000) as i64)
    }
}

struct Counting(AtomicU64);

impl Random for Counting {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed)
    }
}

#[derive(Default)]
struct NoWires;

impl Network for NoWires {
    fn send(&self, _: u64, _: u32, _: Vec<u8>) {}
}

/// Jobs that nobody has run yet.
#[derive(Clone, Default)]
pub struct Jobs(Arc<Mutex<Vec<(IoClass, Job)>>>);

impl Spawn for Jobs {
    fn spawn(&self, class: IoClass, job: Job) {
        self.0.lock().unwrap().push((class, job));
    }
}

impl Jobs {
    /// Takes the jobs of the classes that `wanted` names.
    pub fn take(&self, wanted: impl Fn(IoClass) -> bool) -> Vec<Job> {
        let mut jobs = self.0.lock().unwrap();
        let (taken, left) = std::mem::take(&mut *jobs).into_iter().partition(|(class, _)| wanted(*class));
        *jobs = left;
        taken.into_iter().map(|(_, job)| job).collect()
    }

    /// Puts jobs back, to be run later.
    pub fn put(&self, class: IoClass, jobs: Vec<Job>) {
        self.0.lock().unwrap().extend(jobs.into_iter().map(|job| (class, job)));
    }

    pub fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

type Answered = Arc<Mutex<BTreeMap<u64, Answer>>>;

/// What was passed to other shards and lies in their mailboxes.
pub type PassedOn = Arc<Mutex<Vec<(ShardId, Passed)>>>;

/// One shard and everything around it.
pub struct World {
    pub clock: Arc<Now>,
    pub disk: MemoryDisk,
    pub jobs: Jobs,
    pub config: ShardConfig,
    pub mailbox: Arc<ShardMailbox<u64>>,
    pub board: Arc<Board>,
    pub guard: Arc<DiskGuard>,
    pub metrics: Arc<ShardMetrics>,
    pub shard: Shard<u64>,
    pub passed_on: PassedOn,
    env: Env,
    answered: Answered,
    next_ticket: u64,
}

/// A lone voter with small segments.
pub fn config() -> ShardConfig {
    let peer = PeerId::first(NodeId(1)).unwrap();
    let voters = Bootstrap::Found([peer].into());
    let mut replica = ReplicaConfig::new(ShardId(0), peer, ShardClass::Sync, voters);
    replica.segment_bytes_first = 256 << 10;
    replica.segment_bytes_max = 1 << 20;
    // Flushes are jobs, so that they end when the story says.
    replica.flush_here_max = Duration::ZERO;
    ShardConfig {
        id: ShardId(0),
        node: NodeId(1),
        replica,
        hot_bytes_max: 1 << 20,
        summary_bytes_max: 1 << 20,
        clock_step_max: Duration::from_secs(300),
        clock_policy: StepPolicy::AfterSteadyMinute,
        defaults: TopicDefaults {
            retention_ms: None,
            retention_bytes: None,
            message_bytes_max: 64 << 20,
            timestamp_type: TimestampType::Create,
            flush: FlushClass::Sync,
            cleanup: Cleanup::default(),
            intake: Intake::default(),
            partitions: 1,
        },
        retention_interval: Duration::from_secs(30),
        groups: Default::default(),
        machine: MachineSettings::default(),
        properties: Default::default(),
        scrub_bytes_per_second: 0,
    }
}

/// What applies to partitions unless a story says otherwise: everything is kept.
pub fn settings() -> PartitionSettings {
    PartitionSettings {
        retention_ms: None,
        retention_bytes: None,
        message_bytes_max: 64 << 20,
        timestamp_type: TimestampType::Create,
        compaction: None,
        queue: None,
    }
}

/// A batch of one record.
pub fn batch(value: &[u8]) -> Bytes {
    let mut builder = BatchBuilder::new(Codec::None, 128 << 20);
    let record = NewRecord {
        timestamp: Timestamp(BEGAN_MS),
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers: Vec::new(),
    };
    builder.push(&record).unwrap();
    builder.build().unwrap()
}

impl World {
    /// A new shard that leads.
    pub fn new() -> World {
        World::with(config())
    }

    /// The same with other settings.
    pub fn with(config: ShardConfig) -> World {
        let mut world = World::waiting(config);
        world.lead();
        world
    }

    /// A new shard that nobody has woken yet.
    pub fn waiting(config: ShardConfig) -> World {
        let (clock, disk, jobs) = (Arc::new(Now::default()), MemoryDisk::default(), Jobs::default());
        let env = Env {
            clock: clock.clone(),
            disk: Arc::new(disk.clone()),
            network: Arc::new(NoWires),
            random: Arc::new(Counting(AtomicU64::new(7))),
            spawn: Arc::new(jobs.clone()),
        };
        let (answered, passed_on) = (Answered::default(), PassedOn::default());
        let (shard, fitted) = open(&env, &config, &answered, &passed_on);
        let Fitted { mailbox, board, guard, metrics } = fitted;
        World {
            clock,
            disk,
            jobs,
            config,
            mailbox,
            board,
            guard,
            metrics,
            shard,
            passed_on,
            env,
            answered,
            next_ticket: 0,
        }
    }

    /// Opens the same directory again, as after a kill.
    pub fn restart(&mut self) {
        self.jobs.take(|_| true);
        let (shard, fitted) = open(&self.env, &self.config, &self.answered, &self.passed_on);
        Fitted { mailbox: self.mailbox, board: self.board, guard: self.guard, metrics: self.metrics } =
            fitted;
        self.shard = shard;
        self.lead();
    }

    fn lead(&mut self) {
        for _ in 0..100 {
            if self.board.status().leads {
                return;
            }
            self.pass(Duration::from_millis(50));
        }
        panic!("it never led: {:?}", self.board.status());
    }

    pub fn now(&self) -> Monotonic {
        self.clock.monotonic()
    }

    /// Lets time pass, then everything happen that is due.
    pub fn pass(&mut self, time: Duration) {
        self.advance(time);
        self.settle();
    }

    /// Lets time pass and nothing else.
    pub fn advance(&self, time: Duration) {
        self.clock.0.fetch_add(time.as_nanos() as u64, Ordering::Relaxed);
    }

    pub fn turn(&mut self) -> NextTurn {
        self.shard.turn()
    }

    /// Runs every job there is; says whether there was one.
    pub fn run_jobs(&mut self) -> bool {
        self.run_jobs_of(|_| true)
    }

    /// Runs the jobs of some classes.
    pub fn run_jobs_of(&mut self, wanted: impl Fn(IoClass) -> bool) -> bool {
        let jobs = self.jobs.take(wanted);
        let any = !jobs.is_empty();
        jobs.into_iter().for_each(|job| job());
        any
    }

    /// Turns and jobs until neither has anything to do.
    pub fn settle(&mut self) {
        self.settle_with(|_| true);
    }

    /// The same with the jobs of some classes only.
    pub fn settle_with(&mut self, wanted: impl Fn(IoClass) -> bool) {
        for _ in 0..100_000 {
            let next = self.turn();
            let ran = self.run_jobs_of(&wanted);
            if !ran && next != NextTurn::Now {
                // Once more, for what the last completion posted.
                self.turn();
                if self.jobs.len() == 0 || !self.run_jobs_of(&wanted) {
                    return;
                }
            }
        }
        panic!("it never came to rest");
    }

    pub fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }

    /// Asks for commands to be applied.
    pub fn propose(&mut self, commands: Vec<Command>) -> u64 {
        let ticket = self.ticket();
        self.post(1000, 0, Work::Propose(ticket, commands));
        ticket
    }

    pub fn post(&self, source: u64, bytes: usize, work: Work<u64>) {
        assert!(self.mailbox.post_work(Source(source), work.parcel(bytes)).is_ok(), "there is room");
    }

    pub fn read(&self, read: Read<u64>) {
        assert!(self.mailbox.post_read(read).is_ok(), "there is room");
    }

    /// Opens partitions and waits for it.
    pub fn open_partitions(&mut self, ids: impl IntoIterator<Item = u64>, settings: PartitionSettings) {
        let open = |id| {
            Command::OpenPartition(OpenPartition {
                catalogue_version: 1,
                partition: PartitionId(id),
                topic: TopicId([1; 16]),
                number: id as u32,
                settings,
                base_epoch: LeaderEpoch(0),
            })
        };
        let ticket = self.propose(ids.into_iter().map(open).collect());
        self.settle();
        assert!(matches!(self.answer(ticket), Some(Answer::Outcomes(Ok(_)))));
    }

    /// Posts a publish that may take for ever.
    pub fn publish(&mut self, source: u64, partition: u64, payload: Bytes) -> u64 {
        self.publish_within(source, partition, payload, FAR)
    }

    /// Posts a publish that may take so long.
    pub fn publish_within(&mut self, source: u64, partition: u64, payload: Bytes, time: Duration) -> u64 {
        let ticket = self.ticket();
        let bytes = payload.len();
        let append = Append {
            ticket,
            partition: PartitionId(partition),
            also: Vec::new(),
            kind: PayloadKind::RecordBatch,
            payload,
            confirm: Confirm::Quorum,
            joining: Joining::Before,
            import: None,
            deadline: self.now() + time,
        };
        self.post(source, bytes, Work::Append(append));
        ticket
    }

    /// The answer to a ticket, once.
    pub fn answer(&self, ticket: u64) -> Option<Answer> {
        self.answered.lock().unwrap().remove(&ticket)
    }

    /// The offset of a publish that was confirmed.
    pub fn offset(&self, ticket: u64) -> u64 {
        self.published(ticket).expect("it is answered").expect("it is confirmed").base_offset.0
    }

    /// Where the next record of a partition goes.
    pub fn end(&self, partition: u64) -> u64 {
        self.shard.machine().partition(PartitionId(partition)).expect("it exists").end.0
    }

    /// The value of one record.
    pub fn read_value(&mut self, partition: u64, offset: u64) -> Vec<u8> {
        let (ticket, wanted) = (self.ticket(), Offset(offset));
        let item = FetchItemWork {
            partition: PartitionId(partition),
            topic: TopicId([1; 16]),
            offset: wanted,
            bytes_max: u64::MAX,
            leader_epoch: None,
        };
        self.read(Read::Fetch(FetchWork {
            ticket,
            number: ticket,
            items: vec![item],
            bytes_min: 1,
            bytes_max: 1,
            deadline: self.now(),
            isolation: Isolation::Uncommitted,
        }));
        self.settle();
        let Some(Answer::Fetched(mut fetched)) = self.answer(ticket) else { panic!("it is answered") };
        let bytes: Bytes = fetched.remove(0).expect("it can be read").records.concat().into();
        let batch = Batches::new(bytes).next().expect("it is there").expect("it is whole");
        let records = Records::open(&batch, 256 << 20).expect("it is whole");
        let record = records.map(Result::unwrap).find(|record| record.offset == wanted);
        record.expect("it is there").value.expect("it has one").to_vec()
    }

    /// The answer to a publish, once.
    pub fn published(&self, ticket: u64) -> Option<Published> {
        match self.answer(ticket)? {
            Answer::Published(published) => Some(published),
            other => panic!("a publish was answered with {other:?}"),
        }
    }
}

/// What a shard was fitted with.
struct Fitted {
    mailbox: Arc<ShardMailbox<u64>>,
    board: Arc<Board>,
    guard: Arc<DiskGuard>,
    metrics: Arc<ShardMetrics>,
}

fn open(env: &Env, config: &ShardConfig, answered: &Answered, passed_on: &PassedOn) -> (Shard<u64>, Fitted) {
    let fitted = Fitted {
        mailbox: Arc::new(Mailbox::new(Box::new(|| {}))),
        board: Arc::default(),
        guard: Arc::default(),
        metrics: Arc::default(),
    };
    let (answers, passes) = (Arc::clone(answered), Arc::clone(passed_on));
    let hooks = Hooks {
        answers: Box::new(move |batch| {
            for (ticket, answer) in batch {
                let before = answers.lock().unwrap().insert(ticket, answer);
                assert!(before.is_none(), "ticket {ticket} is answered once");
            }
        }),
        catalogue: Box::new(|_| {}),
        noticed: Box::new(|| {}),
        pass: Box::new(move |target, passed| passes.lock().unwrap().push((target, passed))),
    };
    let fittings = Fittings {
        mailbox: Arc::clone(&fitted.mailbox),
        board: Arc::clone(&fitted.board),
        hooks,
        metrics: Arc::clone(&fitted.metrics),
        guard: Arc::clone(&fitted.guard),
    };
    let (shard, _) = Shard::open(env.clone(), PathBuf::from("/shard"), config.clone(), fittings).unwrap();
    (shard, fitted)
}

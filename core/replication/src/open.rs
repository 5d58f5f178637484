//! Opening a replica: who it is, what it has, and whether it may speak under the id it had.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use forebay_commitlog::{
    self as commitlog, AdoptError, CheckpointMeta, Durability, Fault, HardState, HardStateFile, Log,
    LogConfig, Point,
};
use forebay_env::Env;
use forebay_model::LogIndex;
use raft::eraftpb::{self, ConfState};
use raft::{Config, RaftState, RawNode, ReadOnlyOption};

use crate::checkpoint::Checkpoints;
use crate::conf::Membership;
use crate::config::{
    Bootstrap, COMMITTED_BYTES_AT_ONCE_MAX, ELECTION_TICKS, FOUNDED_INDEX, FOUNDED_TERM, HEARTBEAT_TICKS,
    MESSAGE_ENTRIES_BYTES_MAX, MESSAGES_IN_FLIGHT_MAX, OnTailLoss, ReplicaConfig, ShardClass,
    UNCOMMITTED_BYTES_MAX,
};
use crate::identity::{self, Company, Identity, Life};
use crate::job::Post;
use crate::logger;
use crate::output::{Checkpoint, Recovered, Role, TailLost};
use crate::peer::PeerId;
use crate::persist::Persist;
use crate::reads::Reads;
use crate::ready::is_alone;
use crate::replica::{Background, Closing, Hard, Here, Replica, panic_words};
use crate::spent::Conf;
use crate::stand_back::StandBack;
use crate::store::Store;
use crate::transfer::{Receiver, Sender};
use crate::wire::{self, WireError};

/// Why a replica was not opened. Nothing on disk was changed that had been durable.
#[derive(Debug)]
pub enum OpenError {
    /// The medium failed, or bytes that were durable are damaged; the fault names file and position.
    Storage(Fault),
    /// An async replica stopped with a power loss or is unable to tell: entries that it acknowledged may be gone, and others
    /// may count on them, and it was not told to rejoin or has no incarnation left. It comes back as the next incarnation (`PeerId::next_incarnation`), which a leader adds as a
    /// learner before it removes the old one.
    TailLost {
        /// What is left of its log.
        last: LogIndex,
        /// The id it may never use again.
        peer: PeerId,
    },
    /// The directory belongs to another replica.
    OtherPeer {
        /// Whom it belongs to.
        found: PeerId,
        /// Who asked.
        asked: PeerId,
    },
    /// The directory was made for the other class of shards.
    OtherClass(ShardClass),
    /// The directory was begun as another kind of replica (founding or joining), and not finished.
    OtherBootstrap,
    /// A group is founded by its own voters.
    NotAFounder,
    /// The identity in the hard state has a form that this version does not know.
    UnknownIdentity,
    /// A sync replica's hard state speaks of entries that the log does not have: the log was tampered with.
    CommitAhead {
        /// What was committed.
        commit: LogIndex,
        /// Where the log ends.
        last: LogIndex,
    },
    /// The membership in the checkpoint has a form that this version does not know.
    Conf(WireError),
    /// The Raft library refused what was found; its own words.
    Raft(String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Storage(fault) => fault.fmt(f),
            OpenError::TailLost { last, peer } => write!(
                f,
                "entries behind {last} that replica {peer} acknowledged may be lost: it must rejoin under a new id"
            ),
            OpenError::OtherPeer { found, asked } => {
                write!(f, "the directory belongs to replica {found}, not to {asked}")
            }
            OpenError::OtherClass(class) => write!(f, "the directory belongs to a shard of class {class:?}"),
            OpenError::OtherBootstrap => f.write_str("the directory was begun as another kind of replica"),
            OpenError::NotAFounder => f.write_str("a replica founds a group only as one of its voters"),
            OpenError::UnknownIdentity => f.write_str("the replica's identity has an unknown form"),
            OpenError::CommitAhead { commit, last } => {
                write!(f, "entry {commit} was committed, but the log ends at {last}")
            }
            OpenError::Conf(error) => write!(f, "the checkpoint's membership cannot be read: {error}"),
            OpenError::Raft(words) => write!(f, "the consensus library refused the log: {words}"),
        }
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            OpenError::Storage(fault) => Some(fault),
            _ => None,
        }
    }
}

impl From<Fault> for OpenError {
    fn from(fault: Fault) -> OpenError {
        OpenError::Storage(fault)
    }
}

/// What was found on disk, judged.
struct Found {
    log: Log,
    report: commitlog::Recovered,
    hard_file: HardStateFile,
    hard: HardState,
    identity: Identity,
    tail_lost: Option<TailLost>,
}

impl Replica {
    /// Opens the replica in `dir`, or makes one there as `config.bootstrap` says. Blocks. `post` is called from other threads.
    /// On return everything recovered is on the medium; nothing is sent before the first [`Replica::poll`].
    pub fn open(
        env: &Env,
        dir: PathBuf,
        mut config: ReplicaConfig,
        post: Post,
    ) -> Result<(Replica, Recovered), OpenError> {
        let started = env.clock.monotonic();
        let life = env.random.next_u64();
        let mut found = Found::look(env, &dir, &config)?;
        let rejoined = found.judge_loss(&config, identity::boot(env))?;
        config.peer = found.identity.peer;
        found.settle(identity::boot(env))?;

        let (base, conf, checkpoint) = found.start()?;
        let recovered = Recovered {
            checkpoint,
            cut_bytes: found.report.cut.as_ref().map_or(0, |cut| cut.bytes),
            // The commit index is on the medium after a clean stop only; what was committed before a crash is behind it.
            entries_to_replay: found.log.last_index().0.saturating_sub(base.index.0),
            tail_lost: found.tail_lost,
            rejoined,
            took: env.clock.monotonic().since(started),
        };
        let replica = found.replica(env, config, post, life, (base, conf))?;
        Ok((replica, recovered))
    }
}

impl Found {
    fn look(env: &Env, dir: &std::path::Path, config: &ReplicaConfig) -> Result<Found, OpenError> {
        let origin = match &config.bootstrap {
            Bootstrap::Found(_) => Point { index: FOUNDED_INDEX, term: FOUNDED_TERM },
            Bootstrap::Join => Point::default(),
        };
        let mut log_config = LogConfig::new(config.shard, env.random.next_u64());
        log_config.origin = origin;
        log_config.tail_bytes_max = config.tail_cache_bytes_max;
        log_config.block_cache = config.block_cache.clone();
        log_config.read_buffers = config.read_buffers.clone();
        log_config.journal = config.journal.clone();
        log_config.segment_bytes_first = config.segment_bytes_first;
        log_config.segment_bytes_max = config.segment_bytes_max;
        let (log, report) = Log::open(env.disk.clone(), dir, log_config)?;
        let (hard_file, hard) = log.open_hard_state()?;
        let identity = if hard.conf.is_empty() {
            // New, or its making was interrupted before the identity was saved: nothing was ever said under it.
            if log.floor() != origin {
                return Err(OpenError::OtherBootstrap);
            }
            if matches!(&config.bootstrap, Bootstrap::Found(voters) if !voters.contains(&config.peer)) {
                return Err(OpenError::NotAFounder);
            }
            Identity::new(config)
        } else {
            Identity::decode(&hard.conf).ok_or(OpenError::UnknownIdentity)?
        };
        Ok(Found { log, report, hard_file, hard, identity, tail_lost: None })
    }

    /// Decides who this replica is: whether what it acknowledged may be gone, and whether it may say so and go on. Answers
    /// whom it was before, if it comes back as somebody else because of a loss.
    fn judge_loss(&mut self, config: &ReplicaConfig, boot: Option<u64>) -> Result<Option<PeerId>, OpenError> {
        if self.identity.class != config.class {
            return Err(OpenError::OtherClass(self.identity.class));
        }
        let (had, last) = (self.identity.peer, self.log.last_index());
        // The page cache outlives the process, not the boot.
        let same_boot = boot.is_some() && boot == self.identity.boot;
        let unclean = self.identity.life == Life::Running && !same_boot;
        let lossy = self.identity.class == ShardClass::Async && unclean;
        let mut rejoined = None;
        if had.node() != config.peer.node() {
            return Err(OpenError::OtherPeer { found: had, asked: config.peer });
        }
        if had.incarnation() < config.peer.incarnation() {
            self.succeed(config.peer);
        } else if lossy && self.identity.company == Company::Others {
            let next = had.next_incarnation().filter(|_| config.on_tail_loss == OnTailLoss::Rejoin);
            self.succeed(next.ok_or(OpenError::TailLost { last, peer: had })?);
            rejoined = Some(had);
        } else if lossy {
            let known = Some(self.hard.commit).filter(|commit| *commit > last);
            self.tail_lost = Some(TailLost { last, known });
        }
        if self.hard.commit > last {
            if !lossy {
                return Err(OpenError::CommitAhead { commit: self.hard.commit, last });
            }
            self.hard.commit = last;
        }
        Ok(rejoined)
    }

    /// A later life on the same node keeps the log, which is a prefix of the group's, but speaks for nothing in it.
    fn succeed(&mut self, peer: PeerId) {
        self.identity.peer = peer;
        self.identity.company = Company::Others;
        self.hard.vote = 0;
    }

    /// Brings the hard state in line with the log and records, on the medium, that a process is at work here.
    fn settle(&mut self, boot: Option<u64>) -> Result<(), OpenError> {
        self.identity.life = Life::Running;
        self.identity.boot = boot;
        // Entries are flushed before the hard state that goes with them, so a crash between the two leaves a log that
        // knows a later term. In that one nobody was voted for.
        if self.log.last_term() > self.hard.term {
            self.hard.term = self.log.last_term();
            self.hard.vote = 0;
        }
        let checkpoint = self.report.checkpoint.unwrap_or_default().index;
        self.hard.commit = self.hard.commit.max(checkpoint).max(self.log.floor().index);
        self.hard.conf = self.identity.encode();
        self.hard_file.save(&self.hard, Durability::Flushed)?;
        self.found_checkpoint()
    }

    /// The founders' first checkpoint: an empty state, and the membership that is in no entry.
    fn found_checkpoint(&self) -> Result<(), OpenError> {
        let origin = self.log.floor();
        if self.report.checkpoint.is_some() || self.identity.founders.is_empty() {
            return Ok(());
        }
        let meta = CheckpointMeta {
            index: origin.index,
            term: origin.term,
            commit: origin.index,
            conf: wire::encode_conf(&Conf::of(Membership::conf_of_voters(&self.identity.founders))),
            ..CheckpointMeta::default()
        };
        let keeper = self.log.keeper();
        let written = keeper.write_checkpoint(&meta, &[])?;
        keeper.adopt(written).map_err(|error| match error {
            AdoptError::Fault(fault) => OpenError::Storage(fault),
            error => panic!("the first checkpoint relies on nothing: {error}"),
        })
    }

    /// Where the state begins: the current checkpoint, or nowhere.
    fn start(&self) -> Result<(Point, Conf, Option<Checkpoint>), OpenError> {
        let Some(checkpoint) = self.log.keeper().load_checkpoint()? else {
            // A replica that waits to join.
            return Ok((self.log.floor(), Conf::default(), None));
        };
        let CheckpointMeta { index, term, conf, .. } = checkpoint.meta;
        let conf = wire::decode_conf(&conf).map_err(OpenError::Conf)?;
        let sections = checkpoint.sections.into_iter().map(|section| (section.kind, section.bytes)).collect();
        Ok((Point { index, term }, conf, Some(Checkpoint { index, term, sections })))
    }

    fn replica(
        self,
        env: &Env,
        config: ReplicaConfig,
        post: Post,
        life: u64,
        (base, conf): (Point, Conf),
    ) -> Result<Replica, OpenError> {
        let applied = base.index;
        let Found { log, hard_file, hard, identity, .. } = self;
        let floor = log.floor().index;
        let node = raft_node(&config, log, &hard, applied, conf.raft.clone())?;
        let mut replica = Replica {
            env: env.clone(),
            config,
            post,
            life,
            node,
            fence: None,
            outputs: VecDeque::new(),
            now: env.clock.monotonic(),
            ticked: None,
            identity,
            hard_file: Arc::new(hard_file),
            replay_to: hard.commit,
            hard: Hard {
                commit_durable: hard.commit,
                saved: hard.clone(),
                now: hard,
                commit_wanted: LogIndex(0),
            },
            persist: Persist::default(),
            here: Here::default(),
            background: Background::default(),
            sender: Sender::new(life),
            receiver: Receiver::default(),
            stand_back: StandBack::default(),
            installing: None,
            installed: None,
            closing: Closing::No,
            checkpoints: Checkpoints::at(base, floor),
            role: Role::Follower { leader: None },
            own_first: None,
            reads: Reads::new(life),
            confs: [(applied, conf)].into(),
            handed: applied,
            applied,
            unapplied: VecDeque::new(),
            unapplied_bytes: 0,
        };
        if !is_alone(&replica.membership(), replica.config.peer) {
            replica.identity.company = Company::Others;
        }
        // The library drew a timeout when it was made; this call replaces it.
        replica.with_raft(|_| ());
        Ok(replica)
    }
}

impl Identity {
    fn new(config: &ReplicaConfig) -> Identity {
        let founders = match &config.bootstrap {
            Bootstrap::Found(voters) => voters.clone(),
            Bootstrap::Join => Default::default(),
        };
        let alone = founders.iter().eq([&config.peer]);
        Identity {
            peer: config.peer,
            class: config.class,
            life: Life::Stopped,
            company: if alone { Company::Alone } else { Company::Others },
            boot: None,
            founders,
        }
    }
}

fn raft_node(
    config: &ReplicaConfig,
    log: Log,
    hard: &HardState,
    applied: LogIndex,
    conf: ConfState,
) -> Result<RawNode<Store>, OpenError> {
    let mut state = eraftpb::HardState::default();
    (state.term, state.vote, state.commit) = (hard.term.0, hard.vote, hard.commit.0);
    let store = Store::new(log, RaftState::new(state, conf));
    let raft_config = Config {
        id: config.peer.raft(),
        election_tick: ELECTION_TICKS,
        heartbeat_tick: HEARTBEAT_TICKS,
        applied: applied.0,
        max_size_per_msg: MESSAGE_ENTRIES_BYTES_MAX,
        max_inflight_msgs: MESSAGES_IN_FLIGHT_MAX,
        check_quorum: true,
        pre_vote: true,
        read_only_option: ReadOnlyOption::Safe,
        batch_append: true,
        priority: config.priority,
        max_uncommitted_size: UNCOMMITTED_BYTES_MAX,
        max_committed_size_per_ready: COMMITTED_BYTES_AT_ONCE_MAX,
        ..Config::default()
    };
    let made = catch_unwind(AssertUnwindSafe(|| RawNode::new(&raft_config, store, &logger::logger())));
    match made {
        Ok(Ok(node)) => Ok(node),
        Ok(Err(error)) => Err(OpenError::Raft(error.to_string())),
        Err(panic) => Err(OpenError::Raft(panic_words(&*panic))),
    }
}

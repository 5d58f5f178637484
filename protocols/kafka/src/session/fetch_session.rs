//! Incremental fetch sessions (KIP-227): a reader names its partitions once, then only what changes; we answer only what
//! changed. A session lives with its connection, which has one at a time: a reader that comes back on another connection is told
//! that its session is unknown, and begins again. All sessions together have one share of memory; a reader that finds no room
//! there is answered without a session, or begins again where its session grew.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_kit::{Remembered, SessionMemory};

use super::names::TopicKey;
use crate::limits::FETCH_SESSION_PARTITIONS_MAX;
use crate::wire::messages::fetch::{FetchPartition, PartitionData};
use crate::wire::{ErrorCode, Uuid};

/// One partition of a fetch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartitionKey {
    pub(super) topic: TopicKey,
    pub(super) index: i32,
}

/// What is wanted of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) offset: i64,
    pub(super) bytes_max: i32,
    pub(super) leader_epoch: i32,
}

/// The session of a connection, if it has one.
pub(super) struct FetchSessions {
    present: Option<FetchSession>,
    remembered: Remembered,
    last_id: i32,
}

struct FetchSession {
    id: i32,
    /// The next request must have it.
    epoch: i32,
    has_ids: bool,
    partitions: BTreeMap<PartitionKey, Tracked>,
    /// What they take.
    bytes: usize,
    /// Turns given so far; partitions are read in the order of their last turn.
    turns: u64,
}

struct Tracked {
    wanted: Wanted,
    /// The response that brought records last: whoever has waited longest is read first, so that none starves.
    turn: u64,
    /// What the reader was told last; nothing after an error.
    told: Option<Told>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Told {
    high_watermark: i64,
    log_start_offset: i64,
}

/// The changes that a request brings.
pub(super) struct Changes {
    pub(super) wanted: Vec<(PartitionKey, Wanted)>,
    pub(super) forgotten: Vec<PartitionKey>,
    pub(super) has_ids: bool,
}

/// How a fetch is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Without a session: every partition.
    Sessionless,
    /// The first of a session: every partition.
    Full {
        /// The session.
        id: i32,
    },
    /// Only what changed.
    Incremental {
        /// The session.
        id: i32,
    },
}

/// The partitions to read, in order.
pub(super) type Reading = Vec<(PartitionKey, Wanted)>;

impl FetchSessions {
    /// `port` sets the ids of connections apart, so that a reader's old id is not by chance its neighbour's new one.
    pub(super) fn new(port: u16, memory: &Arc<SessionMemory>) -> FetchSessions {
        let remembered = Remembered::nothing(memory);
        FetchSessions { present: None, remembered, last_id: i32::from(port) << 15 }
    }

    /// Finds, begins or ends the session a request names, and says what is to be read.
    pub(super) fn begin(
        &mut self,
        id: i32,
        epoch: i32,
        changes: Changes,
    ) -> Result<(Mode, Reading), ErrorCode> {
        match epoch {
            -1 | 0 => {
                // A connection's only session ends here, whatever id the request gives for it.
                self.end();
                Ok((self.begin_full(epoch, &changes), changes.wanted))
            }
            _ => self.go_on(id, epoch, changes),
        }
    }

    fn begin_full(&mut self, epoch: i32, changes: &Changes) -> Mode {
        if epoch == -1 || changes.wanted.len() > FETCH_SESSION_PARTITIONS_MAX {
            return Mode::Sessionless;
        }
        let id = self.last_id.checked_add(1).unwrap_or(1);
        let (has_ids, partitions) = (changes.has_ids, BTreeMap::new());
        let mut session = FetchSession { id, epoch: 1, has_ids, partitions, bytes: 0, turns: 0 };
        session.want(&changes.wanted);
        if self.remembered.set(session.bytes).is_err() {
            return Mode::Sessionless;
        }
        self.last_id = id;
        self.present = Some(session);
        Mode::Full { id }
    }

    fn end(&mut self) {
        self.present = None;
        self.remembered.set(0).expect("nothing always fits");
    }

    fn go_on(&mut self, id: i32, epoch: i32, changes: Changes) -> Result<(Mode, Reading), ErrorCode> {
        let session = self
            .present
            .as_mut()
            .filter(|session| session.id == id)
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.has_ids != changes.has_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.want(&changes.wanted);
        // Whoever wants and forgets a partition in one request has forgotten it, as Apache Kafka has it.
        session.forget(&changes.forgotten);
        let fits = session.partitions.len() <= FETCH_SESSION_PARTITIONS_MAX
            && self.remembered.set(session.bytes).is_ok();
        if !fits {
            // Its reader begins again, with all its partitions, and is then answered without a session.
            self.end();
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        session.epoch = epoch.checked_add(1).unwrap_or(1);
        Ok((Mode::Incremental { id }, session.in_turn()))
    }

    /// Whether an incremental response has to have this partition; keeps what its reader is told.
    pub(super) fn tell(&mut self, mode: Mode, key: &PartitionKey, data: &PartitionData) -> Telling {
        let (Mode::Full { id } | Mode::Incremental { id }) = mode else { return Telling::Say };
        let Some(session) = self.present.as_mut().filter(|session| session.id == id) else {
            return Telling::Say;
        };
        let turn = session.turns + 1;
        let Some(tracked) = session.partitions.get_mut(key) else { return Telling::Say };
        let has_records = data.records.as_ref().is_some_and(|records| !records.is_empty());
        if has_records {
            session.turns = turn;
            tracked.turn = turn;
        }
        let before = tracked.told;
        tracked.told = data
            .error_code
            .is_none()
            .then_some(Told { high_watermark: data.high_watermark, log_start_offset: data.log_start_offset });
        let is_news = has_records || tracked.told.is_none() || tracked.told != before;
        if is_news || matches!(mode, Mode::Full { .. }) { Telling::Say } else { Telling::Skip }
    }
}

/// Whether a partition is in the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Telling {
    Say,
    Skip,
}

impl FetchSession {
    fn want(&mut self, wanted: &[(PartitionKey, Wanted)]) {
        for (key, wanted) in wanted {
            match self.partitions.get_mut(key) {
                Some(tracked) => tracked.wanted = *wanted,
                None => {
                    let tracked = Tracked { wanted: *wanted, turn: 0, told: None };
                    self.bytes += tracked_bytes(key);
                    self.partitions.insert(key.clone(), tracked);
                }
            }
        }
    }

    fn forget(&mut self, forgotten: &[PartitionKey]) {
        for key in forgotten {
            if self.partitions.remove(key).is_some() {
                self.bytes -= tracked_bytes(key);
            }
        }
    }

    fn in_turn(&self) -> Reading {
        let mut order: Vec<_> =
            self.partitions.iter().map(|(key, tracked)| (tracked.turn, key, tracked)).collect();
        // Stable: partitions of one turn keep together by topic.
        order.sort_by_key(|(turn, ..)| *turn);
        order.into_iter().map(|(_, key, tracked)| (key.clone(), tracked.wanted)).collect()
    }
}

/// What a session takes for one partition; its map takes a little more than what is in it.
fn tracked_bytes(key: &PartitionKey) -> usize {
    size_of::<(PartitionKey, Tracked)>() * 3 / 2 + key.topic.text().as_str().len()
}

impl From<&FetchPartition> for Wanted {
    fn from(partition: &FetchPartition) -> Wanted {
        Wanted {
            offset: partition.fetch_offset,
            bytes_max: partition.partition_max_bytes,
            leader_epoch: partition.current_leader_epoch,
        }
    }
}

impl Mode {
    /// The session's id for the response; 0 for none.
    pub(super) fn session_id(self) -> i32 {
        match self {
            Mode::Sessionless => 0,
            Mode::Full { id } | Mode::Incremental { id } => id,
        }
    }
}

impl PartitionKey {
    /// Whether both are of one topic, so that they share an entry of the response.
    pub(super) fn shares_topic(&self, name: &crate::wire::Str, id: Uuid) -> bool {
        self.topic.id() == id && self.topic.text() == *name
    }
}

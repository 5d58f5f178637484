//! Share sessions: a member names the partitions that it reads once, then only what changes. A session lives with its connection, and
//! so does what its member has: when the connection ends, it goes back. All sessions together have one share of memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_kit::model::GroupId;
use forebay_kit::model::subscription::ConsumerNumber;
use forebay_kit::{Remembered, SessionMemory};

use super::Place;
use crate::limits::{SHARE_SESSION_PARTITIONS_MAX, SHARE_SESSIONS_PER_CONNECTION_MAX};
use crate::wire::{ErrorCode, Str};

/// Whose session: a group and one of its members.
type Key = (GroupId, Str);

/// The sessions of a connection.
pub(in crate::session) struct ShareSessions {
    sessions: BTreeMap<Key, ShareSession>,
    remembered: Remembered,
    next: u32,
}

struct ShareSession {
    /// What its member is to the broker. Who begins its session again keeps what it has.
    consumer: ConsumerNumber,
    /// The next request must have it.
    epoch: i32,
    /// In the order in which they are read next.
    partitions: Vec<Place>,
}

/// What a request asks of its session.
pub(super) struct Change {
    pub(super) epoch: i32,
    pub(super) added: Vec<Place>,
    pub(super) forgotten: Vec<Place>,
}

/// A session in which a request is served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) consumer: ConsumerNumber,
    /// What is read, in order.
    pub(super) partitions: Vec<Place>,
    pub(super) stage: Stage,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It begins: the response has every partition.
    First,
    /// The response has what is news.
    Later,
    /// It ends with this request.
    Last,
}

/// The step of a request that begins a session.
pub(super) const FIRST_EPOCH: i32 = 0;
/// The step of a request that ends one.
pub(super) const LAST_EPOCH: i32 = -1;

impl ShareSessions {
    pub(in crate::session) fn new(memory: &Arc<SessionMemory>) -> ShareSessions {
        ShareSessions { sessions: BTreeMap::new(), remembered: Remembered::nothing(memory), next: 0 }
    }

    /// Finds, begins or ends the session of a member.
    pub(super) fn begin(
        &mut self,
        group: &GroupId,
        member: &Str,
        change: Change,
    ) -> Result<Begun, ErrorCode> {
        let key = (group.clone(), member.clone());
        match change.epoch {
            FIRST_EPOCH => self.begin_first(key, change),
            LAST_EPOCH => {
                let ended = self.sessions.remove(&key).ok_or(ErrorCode::ShareSessionNotFound)?;
                // What is less always fits.
                let _ = self.remembered.set(self.bytes());
                Ok(Begun { consumer: ended.consumer, partitions: Vec::new(), stage: Stage::Last })
            }
            _ => self.go_on(&key, change),
        }
    }

    fn begin_first(&mut self, key: Key, change: Change) -> Result<Begun, ErrorCode> {
        let before = self.sessions.remove(&key);
        let full = self.sessions.len() >= SHARE_SESSIONS_PER_CONNECTION_MAX
            || change.added.len() > SHARE_SESSION_PARTITIONS_MAX;
        if full {
            return Err(ErrorCode::ShareSessionLimitReached);
        }
        let consumer = before.map_or(ConsumerNumber(self.next), |before| before.consumer);
        self.next = self.next.max(consumer.0.wrapping_add(1));
        let partitions = once_each(change.added);
        let begun = Begun { consumer, partitions: partitions.clone(), stage: Stage::First };
        self.sessions.insert(key.clone(), ShareSession { consumer, epoch: 1, partitions });
        self.check_room(&key).map(|()| begun)
    }

    fn go_on(&mut self, key: &Key, change: Change) -> Result<Begun, ErrorCode> {
        let session = self.sessions.get_mut(key).ok_or(ErrorCode::ShareSessionNotFound)?;
        if session.epoch != change.epoch {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        session.epoch = change.epoch.checked_add(1).unwrap_or(1);
        session.partitions.extend(change.added);
        let forgotten: BTreeSet<Place> = change.forgotten.into_iter().collect();
        session.partitions = once_each(std::mem::take(&mut session.partitions));
        session.partitions.retain(|place| !forgotten.contains(place));
        let partitions = session.partitions.clone();
        // Whoever was first is last next time, so that a full one does not keep the others from their turn.
        if session.partitions.len() > 1 {
            session.partitions.rotate_left(1);
        }
        let is_full = partitions.len() > SHARE_SESSION_PARTITIONS_MAX;
        let begun = Begun { consumer: session.consumer, partitions, stage: Stage::Later };
        if is_full {
            self.sessions.remove(key);
            return Err(ErrorCode::ShareSessionLimitReached);
        }
        self.check_room(key).map(|()| begun)
    }

    /// A session that finds no room is no more.
    fn check_room(&mut self, key: &Key) -> Result<(), ErrorCode> {
        if self.remembered.set(self.bytes()).is_ok() {
            return Ok(());
        }
        self.sessions.remove(key);
        let _ = self.remembered.set(self.bytes());
        Err(ErrorCode::ShareSessionLimitReached)
    }

    fn bytes(&self) -> usize {
        let one = |((group, member), session): (&Key, &ShareSession)| {
            256 + group.0.len() + member.len() + session.partitions.capacity() * size_of::<Place>()
        };
        self.sessions.iter().map(one).sum()
    }
}

fn once_each(mut partitions: Vec<Place>) -> Vec<Place> {
    let mut seen = BTreeSet::new();
    partitions.retain(|place| seen.insert(*place));
    partitions
}

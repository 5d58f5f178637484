//! Deadlines of groups and members.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_model::GroupId;

/// What a deadline is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimerKey {
    /// The end of waiting for members to join.
    Join(GroupId),
    /// The end of waiting for members to ask for their assignment.
    Sync(GroupId),
    /// The end of a member's session.
    Member(GroupId, Arc<str>),
    /// The same where the broker assigns.
    Session(GroupId, Arc<str>),
    /// The end of waiting for a member to give back what is taken away.
    Revocation(GroupId, Arc<str>),
    /// The end of waiting for a member of the classic protocol to join again, or to ask for its share.
    Rejoin(GroupId, Arc<str>),
    /// The time to save a group again whose last save failed.
    Save(GroupId),
}

impl TimerKey {
    pub(super) fn group(&self) -> &GroupId {
        match self {
            TimerKey::Join(group)
            | TimerKey::Sync(group)
            | TimerKey::Member(group, _)
            | TimerKey::Session(group, _)
            | TimerKey::Revocation(group, _)
            | TimerKey::Rejoin(group, _)
            | TimerKey::Save(group) => group,
        }
    }
}

/// One deadline per key, in monotonic nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Timers {
    at: BTreeMap<TimerKey, u64>,
    by_time: BTreeSet<(u64, TimerKey)>,
}

impl Timers {
    /// Sets or moves a deadline.
    pub(super) fn set(&mut self, key: TimerKey, at: u64) {
        if let Some(before) = self.at.insert(key.clone(), at) {
            self.by_time.remove(&(before, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    /// Sets a deadline unless one is set.
    pub(super) fn start(&mut self, key: TimerKey, at: u64) {
        if !self.at.contains_key(&key) {
            self.set(key, at);
        }
    }

    pub(super) fn cancel(&mut self, key: &TimerKey) {
        if let Some(at) = self.at.remove(key) {
            self.by_time.remove(&(at, key.clone()));
        }
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the earliest deadline that has passed.
    pub(super) fn pop_due(&mut self, now: u64) -> Option<TimerKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.at.remove(&key);
        Some(key)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.at.len()
    }
}

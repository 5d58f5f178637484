//! The publishes of one connection that wait for the catalogue, in order. One that names a topic which the local copy does
//! not have waits until the copy is known to be current; what the same connection publishes meanwhile waits behind it, for
//! its records would overtake those before them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;

use forebay_env::Monotonic;
use forebay_machine::Instance;
use forebay_model::publish::Publish;
use forebay_model::{PartitionId, Refusal};

use crate::broker::{Currency, lock};
use crate::call::Asker;
use crate::memory::Charge;

/// A publish that was taken and not placed yet.
pub(crate) struct Waiting {
    pub(crate) asker: Asker,
    pub(crate) publish: Publish,
    /// When it was taken.
    pub(crate) since: Monotonic,
    /// When it is given up.
    pub(crate) deadline: Monotonic,
    /// The memory of its payloads.
    pub(crate) charge: Charge,
}

/// The line of one connection. It holds no more than the requests that its gateway lets a connection have open.
#[derive(Default)]
pub(crate) struct PublishLine {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// With what is known of the catalogue for each.
    waiting: VecDeque<(Waiting, Currency)>,
    /// A barrier is asked for, or somebody is placing what waited.
    busy: bool,
    /// Somebody looks at the deadlines.
    watched: bool,
    /// What the transaction of this connection's producer has joined on other shards than its own.
    joined: Option<(Instance, BTreeSet<PartitionId>)>,
    /// Why the publish with this token could not join; it is in front.
    refused: Option<(u64, Refusal)>,
}

impl PublishLine {
    /// Queues a publish if others wait; gives it back if it may be placed at once.
    pub(crate) fn queue(&self, waiting: Waiting) -> Option<Waiting> {
        let mut state = lock(&self.state);
        if !state.busy {
            return Some(waiting);
        }
        state.waiting.push_back((waiting, Currency::Unknown));
        None
    }

    /// Puts the first publish (back) in front; a barrier is asked for that covers everything that waits now. Says whether
    /// somebody should begin to look at the deadlines.
    pub(crate) fn wait_first(&self, waiting: Waiting) -> bool {
        let mut state = lock(&self.state);
        state.waiting.push_front((waiting, Currency::Unknown));
        state.waiting.iter_mut().for_each(|(_, currency)| *currency = Currency::Confirmed);
        state.busy = true;
        !std::mem::replace(&mut state.watched, true)
    }

    /// Puts the first publish back in front: something is asked for that concerns it alone. Says whether somebody should begin to
    /// look at the deadlines.
    pub(crate) fn wait_alone(&self, waiting: Waiting, currency: Currency) -> bool {
        let mut state = lock(&self.state);
        state.waiting.push_front((waiting, currency));
        state.busy = true;
        !std::mem::replace(&mut state.watched, true)
    }

    /// Whether this partition is joined to what this instance writes.
    pub(crate) fn has_joined(&self, instance: Instance, partition: PartitionId) -> bool {
        let state = lock(&self.state);
        state
            .joined
            .as_ref()
            .is_some_and(|(by, partitions)| *by == instance && partitions.contains(&partition))
    }

    /// Notes what was joined. What other instances had is forgotten.
    pub(crate) fn note_joined(&self, instance: Instance, partitions: Vec<PartitionId>) {
        let mut state = lock(&self.state);
        match &mut state.joined {
            Some((by, known)) if *by == instance => known.extend(partitions),
            joined => *joined = Some((instance, partitions.into_iter().collect())),
        }
    }

    /// A transaction ends: its producer may go on as the same instance, for which everything has to join anew.
    pub(crate) fn forget_joined(&self) {
        lock(&self.state).joined = None;
    }

    /// Notes that the publish in front could not join, if it is the one with this token.
    pub(crate) fn note_refused(&self, token: u64, refusal: Refusal) {
        lock(&self.state).refused = Some((token, refusal));
    }

    /// Why the publish with this token could not join, if it could not.
    pub(crate) fn take_refused(&self, token: u64) -> Option<Refusal> {
        let refused = lock(&self.state).refused.take();
        refused.filter(|(of, _)| *of == token).map(|(_, refusal)| refusal)
    }

    /// Whether one of those that wait is such a one.
    pub(crate) fn has(&self, is_one: impl Fn(&Publish) -> bool) -> bool {
        lock(&self.state).waiting.iter().any(|(waiting, _)| is_one(&waiting.publish))
    }

    /// The next publish to place. Without one, later ones are placed at once again.
    pub(crate) fn next(&self) -> Option<(Waiting, Currency)> {
        let mut state = lock(&self.state);
        let next = state.waiting.pop_front();
        state.busy = next.is_some();
        next
    }

    /// Takes out what has waited too long.
    pub(crate) fn expire(&self, now: Monotonic) -> Vec<Waiting> {
        let mut state = lock(&self.state);
        let (late, waiting) =
            std::mem::take(&mut state.waiting).into_iter().partition(|(waiting, _)| waiting.deadline <= now);
        state.waiting = waiting;
        let late: VecDeque<_> = late;
        late.into_iter().map(|(waiting, _)| waiting).collect()
    }

    /// Whether somebody still has to look at the deadlines.
    pub(crate) fn stays_watched(&self) -> bool {
        let mut state = lock(&self.state);
        state.watched = state.busy;
        state.watched
    }
}

//! A member of a group whose partitions the broker assigns.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_model::group::{AttendGroup, PartitionSet, Strategy as Offer};

use super::Place;
use super::strategy::Strategy;

/// A member, as far as it has to survive, and what was changed about it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: Arc<str>,
    pub(super) instance: Option<String>,
    pub(super) rack: Option<String>,
    pub(super) client: String,
    pub(super) host: String,
    pub(super) rebalance_timeout_ms: u32,
    /// The topics that it reads by name.
    pub(super) topics: BTreeSet<String>,
    /// The pattern by which it reads others.
    pub(super) pattern: Option<String>,
    pub(super) strategy: Option<Strategy>,
    /// What it said by the classic protocol, if it speaks that one.
    pub(super) classic: Option<Classic>,
    /// The epoch that it was told last, or is about to be told.
    pub(super) epoch: i32,
    /// The one before: it may not have heard of the present one yet.
    pub(super) previous_epoch: i32,
    /// A static member that said that it will be back.
    pub(super) is_away: bool,
    /// What it may have, each with the epoch in which it got it.
    pub(super) held: BTreeMap<Place, i32>,
    /// What it has to give back, and may still have.
    pub(super) revoking: BTreeMap<Place, i32>,
    /// What it is to have.
    pub(super) target: PartitionSet,
    /// The version of the group that changed it last: what it is told of itself has to be saved first.
    pub(super) changed_at: u64,
}

/// What only members of the classic protocol say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Classic {
    /// The kind of group that it would be in.
    pub(super) kind: String,
    pub(super) session_timeout_ms: u32,
    /// The strategies that its leader could assign by, and its metadata for each. Never none.
    pub(super) strategies: Vec<Offer>,
}

impl Classic {
    pub(super) fn supports(&self, strategy: &str) -> bool {
        self.strategies.iter().any(|offer| offer.name == strategy)
    }

    /// Its most wanted strategy, which it is told is in force.
    pub(super) fn strategy(&self) -> &str {
        self.strategies.first().map_or("", |offer| &offer.name)
    }
}

impl Member {
    pub(super) fn new(id: Arc<str>) -> Member {
        Member {
            id,
            instance: None,
            rack: None,
            client: String::new(),
            host: String::new(),
            rebalance_timeout_ms: 0,
            topics: BTreeSet::new(),
            pattern: None,
            strategy: None,
            classic: None,
            epoch: 0,
            previous_epoch: 0,
            is_away: false,
            held: BTreeMap::new(),
            revoking: BTreeMap::new(),
            target: PartitionSet::new(),
            changed_at: 0,
        }
    }

    /// Whether it has exactly what it is to have.
    pub(super) fn has_its_target(&self) -> bool {
        self.revoking.is_empty() && self.held.keys().eq(self.target.iter())
    }

    /// How long it may be silent; `native` is for members that speak this protocol.
    pub(super) fn session_timeout_ms(&self, native: u32) -> u32 {
        self.classic.as_ref().map_or(native, |classic| classic.session_timeout_ms)
    }

    /// Everything that nobody else may have meanwhile.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.held.keys().chain(self.revoking.keys()).copied()
    }

    /// Takes over what it says of itself. What it reads and by which strategy is not among it.
    pub(super) fn describe(&mut self, request: &AttendGroup) {
        self.client.clone_from(&request.client);
        self.host.clone_from(&request.host);
        if let Some(ms) = request.rebalance_timeout_ms {
            self.rebalance_timeout_ms = ms;
        }
        if request.rack.is_some() {
            self.rack.clone_from(&request.rack);
        }
        if request.instance.is_some() {
            self.instance.clone_from(&request.instance);
        }
    }

    /// About what it takes in the replicated state, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let texts = [&self.instance, &self.rack, &self.pattern].into_iter().flatten().map(String::len);
        let topics = self.topics.iter().map(|topic| 3 + topic.len());
        // A place takes its number and an epoch in what it holds, and its number in its target; topics' ids are seldom repeated.
        let places = 10 * (self.held.len() + self.revoking.len()) + 4 * self.target.len();
        let offers = self.classic.iter().flat_map(|classic| &classic.strategies);
        let offers = offers.map(|offer| 64 + offer.name.len() + offer.metadata.len());
        256 + self.id.len()
            + self.client.len()
            + self.host.len()
            + texts.sum::<usize>()
            + topics.sum::<usize>()
            + offers.sum::<usize>()
            + places
    }
}

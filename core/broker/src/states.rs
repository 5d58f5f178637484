//! What shards say of where a subscription stands, put together.

use forebay_model::subscription::{
    SubscriptionReply, SubscriptionState, SubscriptionStates, SubscriptionView,
};
use forebay_model::{GroupId, PartitionRef, Refusal, Reply, TopicId};
use forebay_shard::Answer;

use crate::call::{Next, Parts, Slots, Step, spread};

/// What shards say of a subscription, until all of them have.
pub(crate) struct StatesGather {
    /// One per partition that was named; a part covers the partitions of one shard.
    named: Option<Named>,
    /// What was found, where none was named.
    found: SubscriptionStates,
    open: usize,
    refused: Option<Refusal>,
    /// The group that is to be deleted then.
    then: Option<GroupId>,
}

type View = Result<Option<SubscriptionView>, Refusal>;

/// The partitions that were named.
pub(crate) struct Named {
    pub(crate) asked: Vec<(PartitionRef, TopicId)>,
    pub(crate) slots: Slots<View>,
    pub(crate) parts: Parts,
}

impl StatesGather {
    /// So many shards say what they have of all partitions, or of those that were named; then a group may be to be deleted.
    pub(crate) fn new(open: usize, named: Option<Named>, then: Option<GroupId>) -> StatesGather {
        StatesGather { named, found: Vec::new(), open, refused: None, then }
    }

    pub(crate) fn answer(&mut self, part: usize, states: Result<SubscriptionStates, Refusal>) -> Next {
        self.open -= 1;
        match (&mut self.named, states) {
            (Some(named), states) => named.answer(part, states),
            (None, Ok(states)) => self.found.extend(states),
            // A shard that is led elsewhere would have to be asked there.
            (None, Err(refusal)) => self.refused = Some(refusal),
        }
        if self.open > 0 {
            return Next::Wait;
        }
        if let Some(group) = self.then.take() {
            let dropped = self.refused.take().map_or_else(|| Ok(std::mem::take(&mut self.found)), Err);
            return Next::Continue(Step::Forgotten(group), Answer::Subscriptions(dropped));
        }
        match (&self.named, &self.refused) {
            (None, None) => Next::NameStates(std::mem::take(&mut self.found)),
            _ => Next::Reply(self.reply()),
        }
    }

    pub(crate) fn reply(&mut self) -> Reply {
        let states = match (self.named.take(), self.refused.take()) {
            (_, Some(refusal)) => Err(refusal),
            (Some(mut named), None) => Ok(named.states()),
            (None, None) => Ok(Vec::new()),
        };
        Reply::Subscription(SubscriptionReply::States(states))
    }
}

impl Named {
    /// Takes over what a shard says of its partitions, each in its place.
    fn answer(&mut self, part: usize, states: Result<SubscriptionStates, Refusal>) {
        let at = &self.parts[part];
        let views: Vec<View> = match states {
            Ok(states) => states.into_iter().map(|state| state.view).collect(),
            Err(refusal) => at.iter().map(|_| Err(refusal.clone())).collect(),
        };
        spread(&mut self.slots, at, views);
    }

    fn states(&mut self) -> SubscriptionStates {
        let asked = std::mem::take(&mut self.asked).into_iter().zip(self.slots.take());
        asked.map(|((partition, topic), view)| SubscriptionState { partition, topic, view }).collect()
    }
}

//! What waits until this replica shows everything that was confirmed before it was asked: a leader that was deposed and does
//! not know it yet never gets there.

use forebay_env::Monotonic;
use forebay_model::Refusal;
use forebay_model::group::GroupRequest;
use forebay_model::subscription::Received;
use forebay_replication::ReadToken;

use crate::refuse_group;
use crate::shard::Shard;
use crate::work::{Answer, Read, SubscriptionWork, Trim};

/// Somebody behind a barrier.
pub(crate) enum Behind<T> {
    /// Wants to hear that it was passed.
    Barrier(T),
    /// Wants this of a group then.
    Group(T, GroupRequest),
    /// Wants to trim then.
    Trim(Trim<T>),
    /// Wants this of subscriptions then.
    Subscriptions(T, SubscriptionWork),
    /// Is handed records then: nobody may have accepted them under a newer leader.
    Received(T, Vec<Received>),
    /// Wants to read then.
    Read(Read<T>),
}

impl<T> Behind<T> {
    fn refuse(self, refusal: &Refusal) -> Option<(T, Answer)> {
        match self {
            Behind::Barrier(ticket) => Some((ticket, Answer::Barrier(Err(refusal.clone())))),
            Behind::Group(ticket, request) => Some((ticket, Answer::Group(refuse_group(&request, refusal)))),
            Behind::Trim(trim) => Some(trim.refuse(refusal)),
            Behind::Subscriptions(ticket, work) => Some((ticket, work.refuse(refusal))),
            Behind::Received(ticket, received) => {
                let refused = received.iter().map(|_| Err(refusal.clone()));
                Some((ticket, Answer::Received(refused.collect())))
            }
            Behind::Read(read) => read.refuse(refusal),
        }
    }
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn wait_behind_barrier(&mut self, behind: Behind<T>) {
        let token = self.replica.read_index();
        self.barriers.entry(token).or_default().push(behind);
    }

    /// The fetch of this number, if it is behind a barrier, does not wait for records once it has passed.
    pub(crate) fn hurry_behind_barrier(&mut self, now: Monotonic, number: u64) {
        for behind in self.barriers.values_mut().flatten() {
            if let Behind::Read(Read::Fetch(fetch)) = behind
                && fetch.number == number
            {
                fetch.deadline = now;
            }
        }
    }

    pub(crate) fn pass_barrier(&mut self, now: Monotonic, token: ReadToken) {
        let later = self.barriers.split_off(&ReadToken(token.0 + 1));
        for behind in std::mem::replace(&mut self.barriers, later).into_values().flatten() {
            match behind {
                Behind::Barrier(ticket) => self.answers.push((ticket, Answer::Barrier(Ok(())))),
                Behind::Group(ticket, request) if self.leads() => self.group_request(now, ticket, request),
                Behind::Trim(trim) if self.leads() => self.trim(trim),
                Behind::Received(ticket, received) if self.leads() => {
                    self.answers.push((ticket, Answer::Received(received)));
                }
                Behind::Subscriptions(ticket, work) if self.leads() => {
                    self.describe_subscriptions(ticket, work);
                }
                Behind::Read(read) if self.leads() => self.read_confirmed(now, read),
                deposed => self.answers.extend(deposed.refuse(&self.not_leading())),
            }
        }
    }

    /// Gives up the trims that have waited too long: a leader without a majority never passes its barriers.
    pub(crate) fn expire_barriers(&mut self, now: Monotonic) {
        let is_late = |behind: &mut Behind<T>| matches!(behind, Behind::Trim(trim) if trim.deadline <= now);
        for waiting in self.barriers.values_mut() {
            let late = waiting.extract_if(.., is_late);
            self.answers.extend(late.filter_map(|behind| behind.refuse(&Refusal::TimedOut)));
        }
    }

    pub(crate) fn refuse_barriers(&mut self, refusal: &Refusal) {
        let waiting = std::mem::take(&mut self.barriers).into_values().flatten();
        self.answers.extend(waiting.filter_map(|behind| behind.refuse(refusal)));
    }
}

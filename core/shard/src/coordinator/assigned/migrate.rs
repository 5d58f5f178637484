//! A classic group whose partitions the broker assigns from now on, and the way back (Kafka's live migration). Both change the group in
//! memory only: upwards it is saved with its first member of the other protocol, and downwards what is saved has no such member any more,
//! which a new leader takes for what it is.

use std::sync::Arc;

use bytes::Bytes;
use forebay_machine::Catalog;
use forebay_model::Refusal;
use forebay_model::group::{Dialect, GroupReply, Subscription};

use super::super::Turn;
use super::super::group::{self, Group, Phase};
use super::super::member::Member as ClassicMember;
use super::super::timers::TimerKey;
use super::limits::{NAME_BYTES_MAX, TOPICS_PER_MEMBER_MAX};
use super::member::{Classic, Member};
use super::{AssignedGroup, Waiting, classic, refused};

impl AssignedGroup {
    /// The group that a classic one becomes; `None` where its members say things that the broker does not understand. A member
    /// whose first join is not answered yet has nothing and does not know its id: it joins again.
    pub(in super::super) fn of_classic(
        group: &Group,
        dialect: &Dialect,
        topics: &Catalog,
    ) -> Option<AssignedGroup> {
        if group.kind != dialect.kind {
            return None;
        }
        let mut assigned = AssignedGroup::new(group.id.clone(), group.generation);
        let (mut shares, mut owns) = (Vec::new(), Vec::new());
        for member in group.members.values() {
            let read = |offer: &forebay_model::group::Strategy| (dialect.subscription)(&offer.metadata);
            let said = member.strategies.iter().map(read).collect::<Option<Vec<Subscription>>>()?;
            let in_force = member.strategies.iter().find(|offer| offer.name == group.strategy);
            let metadata = in_force.map_or(Bytes::new(), |offer| offer.metadata.clone());
            let share = (dialect.share)(&member.assignment, &metadata)?;
            let said = said.into_iter().next().filter(|said| is_within_limits(member, said))?;
            if member.is_new {
                continue;
            }
            shares.push((Arc::clone(&member.id), classic::places(&share, topics)));
            // What it said that it has, and what the broker gave it when it last did, it may still have: it has to say that it gave
            // it back.
            let mut owned = classic::places(&said.owned, topics);
            owned.extend(&member.held);
            owns.push((Arc::clone(&member.id), owned));
            assigned.convert(member, said, group.generation, &group.kind);
        }
        for (id, claimed) in shares.into_iter().chain(owns) {
            for place in claimed {
                let owner = assigned.owners.entry(place).or_insert_with(|| Arc::clone(&id));
                if *owner == id
                    && let Some(member) = assigned.members.get_mut(&id)
                {
                    member.held.insert(place, group.generation);
                    member.target.insert(place);
                }
            }
        }
        assigned.touch(None);
        // Nobody hears of a share before it is in the log as this group's.
        for member in assigned.members.values_mut() {
            member.changed_at = assigned.version;
        }
        Some(assigned)
    }

    fn convert(&mut self, classic: &ClassicMember, said: Subscription, generation: i32, kind: &str) {
        let mut member = Member::new(Arc::clone(&classic.id));
        member.instance.clone_from(&classic.instance);
        member.client.clone_from(&classic.client);
        member.host.clone_from(&classic.host);
        member.rack = said.rack;
        member.rebalance_timeout_ms = classic.rebalance_timeout_ms;
        member.topics = said.topics.into_iter().collect();
        (member.epoch, member.previous_epoch) = (generation, generation);
        member.classic = Some(Classic {
            kind: kind.to_owned(),
            session_timeout_ms: classic.session_timeout_ms,
            strategies: classic.strategies.clone(),
        });
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), Arc::clone(&member.id));
        }
        self.members.insert(Arc::clone(&member.id), member);
    }

    /// Whether only members of the classic protocol are left.
    pub(in super::super) fn is_classic(&self) -> bool {
        !self.is_empty() && self.members.values().all(|member| member.classic.is_some())
    }

    /// The classic group that it is now: all its members have to join again. Whoever waits for having joined has come already.
    pub(in super::super) fn into_classic(mut self, turn: &mut Turn<'_>) -> Group {
        // A new leader is to find no member of the other protocol, even if this is all that gets into the log.
        let newest = self.saving.map_or(self.saved, |(_, version)| version);
        if newest != self.version {
            self.propose(turn);
        }
        turn.timers.cancel(&TimerKey::Save(self.id.clone()));
        let mut group = Group::new(self.id.clone());
        (group.generation, group.saved_generation) = (self.epoch, self.epoch);
        for member in self.members.values() {
            self.cancel_timers(&member.id, turn);
            let Some(Classic { kind, session_timeout_ms, strategies }) = &member.classic else { continue };
            group.kind.clone_from(kind);
            group.add(ClassicMember {
                id: Arc::clone(&member.id),
                instance: member.instance.clone(),
                client: member.client.clone(),
                host: member.host.clone(),
                session_timeout_ms: *session_timeout_ms,
                rebalance_timeout_ms: member.rebalance_timeout_ms,
                strategies: strategies.clone(),
                assignment: Bytes::new(),
                held: member.places().collect(),
                joining: None,
                syncing: None,
                is_new: false,
            });
            group.touch(&member.id, turn);
        }
        for waiting in std::mem::take(&mut self.waiting) {
            hand_over(&mut group, waiting, turn);
        }
        group.strategy = group.elect_strategy();
        group.phase = Phase::Stable;
        group.prepare_rebalance("only members of the classic protocol are left", turn);
        group
    }
}

/// A member that says more than one may in a group that the broker assigns would be refused when it joins again.
fn is_within_limits(member: &ClassicMember, said: &Subscription) -> bool {
    let names = [Some(&*member.id), member.instance.as_deref(), said.rack.as_deref()];
    said.topics.len() <= TOPICS_PER_MEMBER_MAX
        && names.into_iter().flatten().all(|name| name.len() <= NAME_BYTES_MAX)
}

/// What becomes of an answer that waited for a save which nobody waits for any more.
fn hand_over(group: &mut Group, waiting: Waiting, turn: &mut Turn<'_>) {
    let Waiting { to, reply, .. } = waiting;
    match &reply {
        GroupReply::Join(Ok(joined)) => match group.members.get_mut(joined.member.as_str()) {
            Some(member) => {
                let earlier = member.joining.replace(to);
                group::refuse(earlier, None, &Refusal::RebalanceInProgress, turn.out);
            }
            None => turn.reply(to, refused(&reply, &Refusal::UnknownMember)),
        },
        GroupReply::Sync(_) => turn.reply(to, refused(&reply, &Refusal::RebalanceInProgress)),
        // It has left.
        GroupReply::Attend(Ok(attended)) if attended.epoch == 0 => turn.reply(to, reply),
        _ => turn.reply(to, refused(&reply, &Refusal::UnknownMember)),
    }
}

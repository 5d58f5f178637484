//! Members that speak the classic protocol. Their generation is the epoch that they were told; a heartbeat tells them to join again when
//! there is something to give back or to take over, with the join they say what they still have, and with the sync they hear what they
//! may have. So they go through the same steps as all others, and no partition ever has two owners.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_machine::Catalog;
use forebay_model::group::{
    GroupReply, JoinGroup, Joined, LeavingMember, MemberProof, PartitionSet, Strategy as Offer, SyncGroup,
    Synced,
};
use forebay_model::{Refusal, TopicName};

use super::super::join::new_id;
use super::super::member::unpinned;
use super::super::{ReplyKey, Turn, What};
use super::limits::{NAME_BYTES_MAX, TOPICS_PER_MEMBER_MAX};
use super::member::{Classic, Member};
use super::{AssignedGroup, attend, view};

/// What a member says with its join, understood.
struct Said {
    topics: BTreeSet<String>,
    owned: PartitionSet,
    rack: Option<String>,
}

impl AssignedGroup {
    /// Lets a member in, or takes its news. `topics` are those that are known here.
    pub(in super::super) fn join(
        &mut self,
        join: JoinGroup,
        from: ReplyKey,
        random: u128,
        topics: &Catalog,
        turn: &mut Turn<'_>,
    ) {
        match self.take_in(join, random, topics, turn) {
            Ok((version, joined)) => self.answer(version, from, GroupReply::Join(Ok(joined)), turn),
            Err(refusal) => turn.reply(from, GroupReply::Join(Err(refusal))),
        }
        self.save(turn);
    }

    fn take_in(
        &mut self,
        join: JoinGroup,
        random: u128,
        topics: &Catalog,
        turn: &mut Turn<'_>,
    ) -> Result<(u64, Joined), Refusal> {
        let said = self.understand(&join, topics, turn)?;
        let (id, owner) = self.seat(&join, random)?;
        let owned = said.owned.clone();
        self.sit_down(&id, owner, join, said, turn)?;
        let member = self.members.get(&id).ok_or(Refusal::UnknownMember)?;
        self.renew_session(member, turn);
        // The time that it has to ask for its share.
        turn.timers.set(self.rejoin_of(&id), turn.in_ms(member.rebalance_timeout_ms));
        // Where no native member is left there is nothing to deal: the others go on with the generation that they know.
        if !self.is_classic() {
            self.deal(topics);
        }
        self.reconcile(&id, Some(&owned), turn);
        let member = self.members.get(&id).ok_or(Refusal::UnknownMember)?;
        let classic = member.classic.as_ref().ok_or(Refusal::UnknownMember)?;
        let joined = Joined {
            generation: member.epoch,
            kind: classic.kind.clone(),
            strategy: classic.strategy().to_owned(),
            // The broker leads.
            leader: String::new(),
            member: id.to_string(),
            skip_assignment: false,
            members: Vec::new(),
        };
        Ok((member.changed_at, joined))
    }

    /// What does not depend on which member it is.
    fn understand(&self, join: &JoinGroup, topics: &Catalog, turn: &Turn<'_>) -> Result<Said, Refusal> {
        let sessions = turn.settings.session_timeout_ms_min..=turn.settings.session_timeout_ms_max;
        if !sessions.contains(&join.session_timeout_ms) {
            return Err(Refusal::InvalidSessionTimeout);
        }
        let dialect = join.dialect.filter(|dialect| dialect.kind == join.kind);
        let dialect = dialect.ok_or(Refusal::InconsistentProtocol)?;
        // Once only members of the classic protocol are left they need a strategy that all of them have.
        if !join.strategies.iter().any(|offer| self.all_support(&join.member, offer)) {
            return Err(Refusal::InconsistentProtocol);
        }
        let read = |offer: &Offer| (dialect.subscription)(&offer.metadata);
        let said = join.strategies.first().and_then(read).ok_or(Refusal::InconsistentProtocol)?;
        let names = [Some(&join.member), join.instance.as_ref(), said.rack.as_ref()];
        if names.into_iter().flatten().any(|name| name.len() > NAME_BYTES_MAX) {
            return Err(Refusal::LimitReached { limit: "NAME_BYTES_MAX" });
        }
        if said.topics.len() > TOPICS_PER_MEMBER_MAX {
            return Err(Refusal::LimitReached { limit: "TOPICS_PER_MEMBER_MAX" });
        }
        // A copy of the topics that is behind would take partitions away from everybody.
        if topics.version() < self.dealt.topics {
            return Err(Refusal::Loading);
        }
        let owned = places(&said.owned, topics);
        Ok(Said { topics: said.topics.into_iter().collect(), owned, rack: said.rack })
    }

    fn all_support(&self, but: &str, offer: &Offer) -> bool {
        let others = self.members.values().filter(|member| *member.id != *but);
        others.filter_map(|member| member.classic.as_ref()).all(|classic| classic.supports(&offer.name))
    }

    /// The member's id, and whose place it takes. A dynamic member with an id that is not known here may have been given it before.
    fn seat(&self, join: &JoinGroup, random: u128) -> Result<(Arc<str>, Option<Arc<str>>), Refusal> {
        let is_nameless = join.member.is_empty();
        if let Some(instance) = &join.instance {
            let fresh = new_id(instance, random);
            return match self.instances.get(instance) {
                None if is_nameless => Ok((fresh, None)),
                None => Err(Refusal::UnknownMember),
                // It restarted: whoever has the old id is fenced.
                Some(owner) if is_nameless => Ok((fresh, Some(Arc::clone(owner)))),
                Some(owner) if **owner == *join.member => Ok((Arc::clone(owner), None)),
                Some(_) => Err(Refusal::FencedInstance),
            };
        }
        let fresh = new_id(&join.client, random);
        match (is_nameless, join.id_first) {
            (true, true) => Err(Refusal::MemberIdRequired { member: fresh.to_string() }),
            (true, false) => Ok((fresh, None)),
            (false, _) => Ok((join.member.as_str().into(), None)),
        }
    }

    fn sit_down(
        &mut self,
        id: &Arc<str>,
        owner: Option<Arc<str>>,
        join: JoinGroup,
        said: Said,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let before = self.members.get(owner.as_ref().unwrap_or(id)).cloned();
        if before.is_none() && self.members.len() >= turn.settings.members_max {
            return Err(Refusal::GroupFull);
        }
        let mut member = before.clone().unwrap_or_else(|| Member::new(Arc::clone(id)));
        member.id = Arc::clone(id);
        if owner.is_some() || member.classic.is_none() {
            attend::begin_again(&mut member);
        }
        member.describe_classic(join, said.rack);
        member.topics = said.topics;
        self.check_room(&member, owner.as_deref())?;
        if let Some(owner) = owner {
            self.replace(&owner, id, turn);
        }
        match before {
            None => {
                self.add(member);
                self.note(What::Rebalancing { reason: format!("{id} joined") }, turn);
            }
            Some(before) => self.change(&before, member),
        }
        Ok(())
    }

    fn change(&mut self, before: &Member, member: Member) {
        if *before == member {
            return;
        }
        let id = Arc::clone(&member.id);
        let reads_others = (&member.topics, &member.pattern) != (&before.topics, &before.pattern);
        let wished = member.strategy != before.strategy;
        self.members.insert(Arc::clone(&id), member);
        self.drop_patterns();
        // What was not dealt yet has its epoch already.
        if self.dealt.epoch == self.epoch && (reads_others || wished) && !self.is_classic() {
            self.epoch = self.epoch.saturating_add(1);
        }
        self.touch(Some(&id));
    }

    /// A sign of life; the answer tells whether to join again.
    pub(in super::super) fn heartbeat(
        &mut self,
        proof: &MemberProof,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let member = self.check_proof(proof)?;
        self.renew_session(member, turn);
        let lacks = |place| !member.held.contains_key(place) && self.is_free(*place, &member.id);
        let has_to = self.is_behind(member) || !member.revoking.is_empty() || member.target.iter().any(lacks);
        if has_to { Err(self.ask_to_rejoin(member, turn)) } else { Ok(()) }
    }

    fn ask_to_rejoin(&self, member: &Member, turn: &mut Turn<'_>) -> Refusal {
        turn.timers.start(self.rejoin_of(&member.id), turn.in_ms(member.rebalance_timeout_ms));
        Refusal::RebalanceInProgress
    }

    /// Whether joining again would take it to another epoch.
    fn is_behind(&self, member: &Member) -> bool {
        member.epoch < self.dealt.epoch || (member.epoch < self.epoch && self.may_deal())
    }

    /// Answers with the member's share.
    pub(in super::super) fn sync(
        &mut self,
        sync: &SyncGroup,
        from: ReplyKey,
        topics: &Catalog,
        turn: &mut Turn<'_>,
    ) {
        match self.share_of(sync, topics, turn) {
            Ok((version, synced)) => self.answer(version, from, GroupReply::Sync(Ok(synced)), turn),
            Err(refusal) => turn.reply(from, GroupReply::Sync(Err(refusal))),
        }
    }

    fn share_of(
        &self,
        sync: &SyncGroup,
        topics: &Catalog,
        turn: &mut Turn<'_>,
    ) -> Result<(u64, Synced), Refusal> {
        let member = self.check_proof(&sync.proof)?;
        let classic = member.classic.as_ref().ok_or(Refusal::UnknownMember)?;
        let differs = |said: &Option<String>, is: &str| said.as_ref().is_some_and(|said| said != is);
        if differs(&sync.kind, &classic.kind) || differs(&sync.strategy, classic.strategy()) {
            return Err(Refusal::InconsistentProtocol);
        }
        if topics.version() < self.dealt.topics {
            return Err(Refusal::Loading);
        }
        self.renew_session(member, turn);
        // One that has to give back first hears what it keeps.
        if self.is_behind(member) && member.revoking.is_empty() {
            return Err(self.ask_to_rejoin(member, turn));
        }
        let mut named = view::named(member.held.keys().copied(), Some(topics));
        named.retain(|topic| !topic.name.is_empty());
        let metadata = classic.strategies.first().map(|offer| offer.metadata.clone()).unwrap_or_default();
        let dialect = sync.dialect.filter(|dialect| dialect.kind == classic.kind);
        let assignment = dialect.and_then(|dialect| (dialect.write_share)(&metadata, &named));
        let assignment = assignment.ok_or(Refusal::InconsistentProtocol)?;
        turn.timers.cancel(&self.rejoin_of(&member.id));
        let (kind, strategy) = (classic.kind.clone(), classic.strategy().to_owned());
        Ok((member.changed_at, Synced { kind, strategy, assignment }))
    }

    /// A static name decides who its member is.
    pub(super) fn check_instance(&self, member: &str, instance: Option<&str>) -> Result<(), Refusal> {
        let Some(instance) = instance else { return Ok(()) };
        match self.instances.get(instance) {
            None => Err(Refusal::UnknownMember),
            Some(known) if **known != *member => Err(Refusal::FencedInstance),
            Some(_) => Ok(()),
        }
    }

    fn check_proof(&self, proof: &MemberProof) -> Result<&Member, Refusal> {
        self.check_instance(&proof.member, proof.instance.as_deref())?;
        let member = self.members.get(proof.member.as_str()).filter(|member| member.classic.is_some());
        let member = member.ok_or(Refusal::UnknownMember)?;
        if proof.generation == member.epoch { Ok(member) } else { Err(Refusal::IllegalGeneration) }
    }

    /// A member of the classic protocol leaves by its id; an operator puts static members out by their names.
    pub(super) fn put_out(&mut self, leaving: &LeavingMember, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        if !leaving.member.is_empty() {
            self.check_instance(&leaving.member, leaving.instance.as_deref())?;
            let member = self.members.get(leaving.member.as_str()).filter(|member| member.classic.is_some());
            let id = Arc::clone(&member.ok_or(Refusal::UnknownMember)?.id);
            self.remove(&id, turn);
            return Ok(());
        }
        let id = leaving.instance.as_ref().and_then(|instance| self.instances.get(instance)).cloned();
        let id = id.ok_or(Refusal::UnknownMember)?;
        self.remove(&id, turn);
        Ok(())
    }
}

impl Member {
    fn describe_classic(&mut self, join: JoinGroup, rack: Option<String>) {
        self.client = join.client;
        self.host = join.host;
        self.rack = rack;
        if join.instance.is_some() {
            self.instance = join.instance;
        }
        self.rebalance_timeout_ms = join.rebalance_timeout_ms;
        (self.pattern, self.strategy) = (None, None);
        let strategies = unpinned(join.strategies);
        let session_timeout_ms = join.session_timeout_ms;
        self.classic = Some(Classic { kind: join.kind, session_timeout_ms, strategies });
    }
}

/// Partitions that there are.
pub(super) fn places(named: &[(String, Vec<u32>)], topics: &Catalog) -> PartitionSet {
    let mut places = PartitionSet::new();
    for (name, numbers) in named {
        let Some(topic) = TopicName::parse(name).ok().and_then(|name| topics.topic(&name)) else { continue };
        let is_there = |number: &&u32| (**number as usize) < topic.partitions.len();
        places.extend(numbers.iter().filter(is_there).map(|number| (topic.id, *number)));
    }
    places
}

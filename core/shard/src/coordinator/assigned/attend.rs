//! A member comes, stays or goes.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_machine::Catalog;
use forebay_machine::limits::GROUP_BYTES_MAX;
use forebay_model::Refusal;
use forebay_model::group::{AttendGroup, Attended, GroupReply, PartitionSet, Presence};

use super::super::join::new_id;
use super::super::{ReplyKey, Turn, What};
use super::limits::{NAME_BYTES_MAX, TOPICS_PER_MEMBER_MAX};
use super::member::Member;
use super::pattern::Pattern;
use super::strategy::Strategy;
use super::{AssignedGroup, refused};

impl AssignedGroup {
    /// Serves a member. `topics` are those that are known here.
    pub(in super::super) fn attend(
        &mut self,
        request: AttendGroup,
        from: ReplyKey,
        random: u128,
        topics: &Catalog,
        turn: &mut Turn<'_>,
    ) {
        let result = match request.presence {
            Presence::Leaves | Presence::Pauses => self.go(&request, turn),
            Presence::Joins | Presence::Stays(_) => self.come(request, random, topics, turn),
        };
        match result {
            Ok((version, attended)) => {
                self.answer(version, from, GroupReply::Attend(Ok(attended)), turn);
            }
            Err(refusal) => turn.reply(from, GroupReply::Attend(Err(refusal))),
        }
        self.save(turn);
    }

    fn go(&mut self, request: &AttendGroup, turn: &mut Turn<'_>) -> Result<(u64, Attended), Refusal> {
        let id = match &request.instance {
            None => self.members.get_key_value(request.member.as_str()).map(|(id, _)| id),
            Some(instance) => self.instances.get(instance),
        };
        let id = Arc::clone(id.ok_or(Refusal::UnknownMember)?);
        if *id != *request.member {
            return Err(Refusal::FencedInstance);
        }
        if request.presence == Presence::Pauses {
            self.pause(&id, turn);
        } else {
            self.remove(&id, turn);
        }
        let attended =
            Attended { member: id.to_string(), epoch: 0, heartbeat_interval_ms: 0, assignment: None };
        Ok((self.version, attended))
    }

    /// Its place is kept until its session ends. What it had to give back is free: its process has stopped.
    fn pause(&mut self, id: &Arc<str>, turn: &mut Turn<'_>) {
        let Some(member) = self.members.get_mut(id) else { return };
        member.is_away = true;
        for place in std::mem::take(&mut member.revoking).into_keys() {
            self.owners.remove(&place);
        }
        turn.timers.cancel(&self.revocation_of(id));
        self.touch(Some(id));
    }

    fn come(
        &mut self,
        request: AttendGroup,
        random: u128,
        topics: &Catalog,
        turn: &mut Turn<'_>,
    ) -> Result<(u64, Attended), Refusal> {
        let wish = check(&request)?;
        // A copy of the topics that is behind would take partitions away from everybody.
        if topics.version() < self.dealt.topics {
            return Err(Refusal::Loading);
        }
        let pattern = match request.pattern.as_deref() {
            Some(text) if !text.is_empty() && !self.patterns.contains_key(text) => {
                Some(Pattern::compile(text)?)
            }
            _ => None,
        };
        self.settings = topics.subscription(&self.id).attendance;
        let id = self.admit(&request, random, turn)?;
        if let Some(member) = self.members.get(&id) {
            self.renew_session(member, turn);
        }
        if let (Some(pattern), Some(text)) = (pattern, &request.pattern) {
            self.patterns.insert(text.clone(), pattern);
        }
        if self.update(&id, &request, wish) {
            self.epoch = self.epoch.saturating_add(1);
            self.touch(Some(&id));
            self.note(What::Rebalancing { reason: format!("what {id} reads has changed") }, turn);
        }
        self.viewer.clone_from(&request.viewer);
        self.is_viewer_known = true;
        self.deal(topics);
        let has_news = self.reconcile(&id, request.owned.as_ref(), turn);
        let says_all = request.rebalance_timeout_ms.is_some()
            && (request.topics.is_some() || request.pattern.is_some())
            && request.owned.is_some();
        let tells = has_news || says_all || request.presence == Presence::Joins;
        let member = self.members.get(&id).ok_or(Refusal::UnknownMember)?;
        let attended = Attended {
            member: id.to_string(),
            epoch: member.epoch,
            heartbeat_interval_ms: self.settings.heartbeat_interval_ms(),
            assignment: tells.then(|| member.held.keys().copied().collect()),
        };
        Ok((member.changed_at, attended))
    }

    /// Finds the member, or lets it in.
    fn admit(
        &mut self,
        request: &AttendGroup,
        random: u128,
        turn: &mut Turn<'_>,
    ) -> Result<Arc<str>, Refusal> {
        let joins = request.presence == Presence::Joins;
        let known = self.members.get_key_value(request.member.as_str()).map(|(id, _)| Arc::clone(id));
        if known.is_none() && self.members.len() >= turn.settings.members_max {
            return Err(Refusal::GroupFull);
        }
        match request.instance.as_ref().map(|instance| self.instances.get(instance).cloned()) {
            Some(None) if !joins => return Err(Refusal::UnknownMember),
            Some(Some(owner)) if *owner != *request.member => {
                return self.take_place(&owner, request, random, turn);
            }
            _ => {}
        }
        match known {
            Some(id) => self.check_epoch(&id, request, turn).map(|()| id),
            None if joins => self.let_in(request, random),
            None => Err(Refusal::UnknownMember),
        }
    }

    /// Another process has the static name, or had it.
    fn take_place(
        &mut self,
        owner: &Arc<str>,
        request: &AttendGroup,
        random: u128,
        turn: &mut Turn<'_>,
    ) -> Result<Arc<str>, Refusal> {
        if request.presence != Presence::Joins {
            return Err(Refusal::FencedInstance);
        }
        // Members of the classic protocol never say that they will be back.
        let is_released = |member: &Member| member.is_away || member.classic.is_some();
        if !self.members.get(owner).is_some_and(is_released) {
            return Err(Refusal::UnreleasedInstance);
        }
        let id = name_of(request, random);
        if self.members.contains_key(&id) {
            return Err(Refusal::UnreleasedInstance);
        }
        self.replace(owner, &id, turn);
        self.speak_natively(&id);
        Ok(id)
    }

    /// A static member goes on under another id, with nothing told yet.
    pub(super) fn replace(&mut self, owner: &Arc<str>, id: &Arc<str>, turn: &mut Turn<'_>) {
        let Some(mut member) = self.members.remove(owner) else { return };
        self.cancel_timers(owner, turn);
        self.fence_waiting(owner, turn);
        member.id = Arc::clone(id);
        begin_again(&mut member);
        for place in member.places() {
            self.owners.insert(place, Arc::clone(id));
        }
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), Arc::clone(id));
        }
        self.members.insert(Arc::clone(id), member);
        self.touch(Some(id));
    }

    /// Whoever waits under an id that somebody has taken over hears that, and not later that nobody knows the id.
    fn fence_waiting(&mut self, id: &str, turn: &mut Turn<'_>) {
        for waiting in self.waiting.extract_if(.., |waiting| is_about(&waiting.reply, id)) {
            turn.reply(waiting.to, refused(&waiting.reply, &Refusal::FencedInstance));
        }
    }

    /// What a member said by the classic protocol does not hold any more.
    fn speak_natively(&mut self, id: &Arc<str>) {
        if let Some(member) = self.members.get_mut(id) {
            member.classic = None;
        }
    }

    fn let_in(&mut self, request: &AttendGroup, random: u128) -> Result<Arc<str>, Refusal> {
        let mut member = self.newcomer(request, random)?;
        member.topics.clear();
        Ok(self.add(member))
    }

    /// The member that this request would make, if there is room for it.
    fn newcomer(&self, request: &AttendGroup, random: u128) -> Result<Member, Refusal> {
        let mut member = Member::new(name_of(request, random));
        member.describe(request);
        member.topics = request.topics.iter().flatten().cloned().collect();
        let owner = request.instance.as_ref().and_then(|instance| self.instances.get(instance));
        self.check_room(&member, owner.map(|owner| &**owner))?;
        Ok(member)
    }

    /// Whether the group stays within its bytes with this member, in place of the one of its id if there is one, and of the one whose
    /// place it takes.
    pub(super) fn check_room(&self, member: &Member, owner: Option<&str>) -> Result<(), Refusal> {
        let is_other = |other: &&Member| other.id != member.id && owner != Some(&*other.id);
        let others = self.members.values().filter(is_other);
        let bytes: usize = others.map(Member::bytes).sum();
        if bytes + member.bytes() > GROUP_BYTES_MAX { Err(Refusal::GroupFull) } else { Ok(()) }
    }

    pub(super) fn add(&mut self, member: Member) -> Arc<str> {
        let id = Arc::clone(&member.id);
        if let Some(instance) = &member.instance {
            self.instances.insert(instance.clone(), Arc::clone(&id));
        }
        self.members.insert(Arc::clone(&id), member);
        self.epoch = self.epoch.saturating_add(1);
        self.touch(Some(&id));
        id
    }

    /// Whether somebody who joins would be let in, as far as that can be told without changing anything. `topics` are those that are
    /// known here.
    pub(super) fn check_newcomer(
        &self,
        request: &AttendGroup,
        topics: &Catalog,
        members_max: usize,
    ) -> Result<(), Refusal> {
        check(request)?;
        if topics.version() < self.dealt.topics {
            return Err(Refusal::Loading);
        }
        if let Some(text) = request.pattern.as_deref().filter(|text| !text.is_empty()) {
            Pattern::compile(text)?;
        }
        if self.members.contains_key(request.member.as_str()) {
            return Ok(());
        }
        let takes_a_place = request.instance.as_ref().is_some_and(|name| self.instances.contains_key(name));
        if self.members.len() >= members_max && !takes_a_place {
            return Err(Refusal::GroupFull);
        }
        self.newcomer(request, 0).map(|_| ())
    }

    /// The epoch is the present one; or the one before, where the member did not hear of the present one, which shows in that it
    /// has nothing that is not its own in the present one.
    fn check_epoch(
        &mut self,
        id: &Arc<str>,
        request: &AttendGroup,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refusal> {
        let rejoin = self.rejoin_of(id);
        let Some(member) = self.members.get_mut(id) else { return Err(Refusal::UnknownMember) };
        let Presence::Stays(epoch) = request.presence else {
            // Whoever joins has nothing, and may always begin again.
            if member.is_away || member.classic.is_some() {
                begin_again(member);
                member.classic = None;
                turn.timers.cancel(&rejoin);
                self.touch(Some(id));
            }
            return Ok(());
        };
        if member.classic.is_some() {
            return Err(Refusal::FencedMember);
        }
        let has_only_its_own =
            |owned: &PartitionSet| owned.iter().all(|place| member.held.contains_key(place));
        let may_be_behind =
            epoch == member.previous_epoch && request.owned.as_ref().is_some_and(has_only_its_own);
        if !member.is_away && (epoch == member.epoch || may_be_behind) {
            Ok(())
        } else {
            Err(Refusal::FencedMember)
        }
    }

    /// Takes over what a member says; tells whether partitions have to be dealt anew.
    fn update(&mut self, id: &Arc<str>, request: &AttendGroup, wish: Option<Strategy>) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        let before = member.clone();
        member.describe(request);
        if let Some(topics) = &request.topics {
            member.topics = topics.iter().cloned().collect::<BTreeSet<String>>();
        }
        if let Some(pattern) = &request.pattern {
            member.pattern = Some(pattern.clone()).filter(|text| !text.is_empty());
        }
        if wish.is_some() {
            member.strategy = wish;
        }
        if *member == before {
            return false;
        }
        let reads_others = (&member.topics, &member.pattern) != (&before.topics, &before.pattern);
        let instance = member.instance.clone();
        if instance != before.instance {
            if let Some(old) = &before.instance {
                self.instances.remove(old);
            }
            self.instances.extend(instance.map(|instance| (instance, Arc::clone(id))));
        }
        self.touch(Some(id));
        self.drop_patterns();
        // What was not dealt yet, such as to a new member, has its epoch already.
        self.dealt.epoch == self.epoch && (reads_others || self.wanted_strategy() != self.strategy)
    }
}

/// Whether this tells a member of this id that it is in.
fn is_about(reply: &GroupReply, id: &str) -> bool {
    match reply {
        GroupReply::Join(Ok(joined)) => joined.member == id,
        GroupReply::Attend(Ok(attended)) => attended.member == id && attended.epoch > 0,
        _ => false,
    }
}

/// A member that begins again with nothing is told everything anew.
pub(super) fn begin_again(member: &mut Member) {
    (member.epoch, member.previous_epoch, member.is_away) = (0, 0, false);
}

/// The member's own id, or one made for it.
fn name_of(request: &AttendGroup, random: u128) -> Arc<str> {
    if request.member.is_empty() { new_id(&request.client, random) } else { request.member.as_str().into() }
}

/// What does not depend on the group. Returns the strategy that is wished for.
fn check(request: &AttendGroup) -> Result<Option<Strategy>, Refusal> {
    let names = [Some(&request.member), request.instance.as_ref(), request.rack.as_ref()];
    if names.into_iter().flatten().any(|name| name.len() > NAME_BYTES_MAX) {
        return Err(Refusal::LimitReached { limit: "NAME_BYTES_MAX" });
    }
    if request.topics.as_ref().is_some_and(|topics| topics.len() > TOPICS_PER_MEMBER_MAX) {
        return Err(Refusal::LimitReached { limit: "TOPICS_PER_MEMBER_MAX" });
    }
    let Some(name) = &request.strategy else { return Ok(None) };
    let known = || Strategy::ALL.map(Strategy::name).join(", ");
    let unknown = || Refusal::UnsupportedStrategy(format!("{name} is not one of {}", known()));
    Strategy::named(name).map(Some).ok_or_else(unknown)
}

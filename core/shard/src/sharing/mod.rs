//! Groups that share subscriptions: who is a member, and which partitions each is to read. Volatile, on the leader of hash(group id) only:
//! what a member is to read is nobody's but a hint, so it joins again after a change of leaders and nothing is lost. That there is such a group
//! is replicated, and stays until somebody deletes it.

mod deal;
mod group;
mod limits;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_env::Monotonic;
use forebay_machine::limits::GROUP_ID_BYTES_MAX;
use forebay_machine::{Catalog, Command, Groups, SaveGeneration};
use forebay_model::group::{GroupListing, GroupReply, GroupRequest, GroupState};
use forebay_model::subscription::{
    Attend, AttendStep, Attending, SHARED_GROUP_KIND, SharersView, SubscriptionSettings,
};
use forebay_model::{GroupId, Refusal};

use self::group::{SharedGroup, Told};
use self::limits::GROUPS_MAX;
use crate::pending::Asking;
use crate::shard::Shard;
use crate::work::{Answer, SharingAnswer, SharingWork};

/// All such groups of a shard that have members.
#[derive(Debug, Default)]
pub(crate) struct Sharers {
    groups: BTreeMap<GroupId, SharedGroup>,
    by_time: BTreeSet<(u64, GroupId, Arc<str>)>,
}

/// What the desk may look at.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) groups: &'a Groups,
    /// `None` before any are known here.
    pub(crate) topics: Option<&'a Catalog>,
}

impl Known<'_> {
    /// What has to be put into the log for the group to be there; nothing where it is.
    fn save(&self, id: &GroupId) -> Result<Option<SaveGeneration>, Refusal> {
        match self.groups.get(id) {
            Some(group) if group.kind == SHARED_GROUP_KIND => Ok(None),
            Some(_) => Err(Refusal::UnknownGroup),
            None => Ok(Some(SaveGeneration {
                group: id.clone(),
                generation: 1,
                kind: SHARED_GROUP_KIND.to_owned(),
                strategy: String::new(),
                leader: String::new(),
                members: Vec::new(),
            })),
        }
    }
}

/// What a member is told; and whether the group has to be put into the log first.
pub(crate) struct Attended {
    pub(crate) attending: Attending,
    pub(crate) save: Option<SaveGeneration>,
}

impl Sharers {
    /// Serves a member. Time is monotonic nanoseconds.
    pub(crate) fn attend(
        &mut self,
        now: u64,
        attend: &Attend,
        known: Known<'_>,
    ) -> Result<Attended, Refusal> {
        let id = &attend.subscription;
        if id.0.is_empty() || id.0.len() > GROUP_ID_BYTES_MAX {
            return Err(Refusal::InvalidGroupId);
        }
        let topics = known.topics.ok_or(Refusal::Loading)?;
        let settings = topics.subscription(id);
        if attend.step == AttendStep::Leave {
            return self.leave(attend, topics);
        }
        let save = self.open(attend, known)?;
        let until = now.saturating_add(u64::from(settings.session_timeout_ms()) * 1_000_000);
        let Some(group) = self.groups.get_mut(id) else { return Err(Refusal::UnknownMember) };
        let before = group.members.get(attend.member.as_str()).map(|member| member.until);
        let told = group.attend(attend, topics, until);
        let is_empty = group.members.is_empty();
        if told.is_ok() {
            self.set_timer(id, &attend.member, before, Some(until));
        }
        if is_empty {
            self.groups.remove(id);
        }
        told.map(|told| Attended { attending: attending(told, &settings), save })
    }

    /// Sees to it that the group is there, if it can be: who joins makes it.
    fn open(&mut self, attend: &Attend, known: Known<'_>) -> Result<Option<SaveGeneration>, Refusal> {
        let id = &attend.subscription;
        let save = known.save(id)?;
        if !self.groups.contains_key(id) {
            if attend.step != AttendStep::Join {
                return Err(if save.is_none() { Refusal::UnknownMember } else { Refusal::UnknownGroup });
            }
            if self.groups.len() >= GROUPS_MAX {
                return Err(Refusal::LimitReached { limit: "GROUPS_MAX" });
            }
            let epoch = known.groups.get(id).map_or(0, |group| group.generation);
            self.groups.insert(id.clone(), SharedGroup::new(epoch));
        }
        Ok(save)
    }

    fn leave(&mut self, attend: &Attend, topics: &Catalog) -> Result<Attended, Refusal> {
        let id = &attend.subscription;
        let group = self.groups.get_mut(id).ok_or(Refusal::UnknownMember)?;
        let until = group.members.get(attend.member.as_str()).map(|member| member.until);
        if !group.remove(&attend.member, Some(topics)) {
            return Err(Refusal::UnknownMember);
        }
        self.set_timer(id, &attend.member, until, None);
        self.let_go(id);
        let attending = Attending { epoch: 0, heartbeat_interval_ms: 0, partitions: None };
        Ok(Attended { attending, save: None })
    }

    fn set_timer(&mut self, id: &GroupId, member: &str, before: Option<u64>, until: Option<u64>) {
        let member: Arc<str> = member.into();
        if let Some(before) = before {
            self.by_time.remove(&(before, id.clone(), Arc::clone(&member)));
        }
        self.by_time.extend(until.map(|until| (until, id.clone(), member)));
    }

    fn let_go(&mut self, id: &GroupId) {
        if self.groups.get(id).is_some_and(|group| group.members.is_empty()) {
            self.groups.remove(id);
        }
    }

    /// Puts out who was not heard of for too long.
    pub(crate) fn timeout(&mut self, now: u64, topics: Option<&Catalog>) {
        while let Some((at, ..)) = self.by_time.first() {
            if *at > now {
                return;
            }
            let Some((_, id, member)) = self.by_time.pop_first() else { return };
            if let Some(group) = self.groups.get_mut(&id) {
                group.remove(&member, topics);
            }
            self.let_go(&id);
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.by_time.first().map(|(at, ..)| *at)
    }

    pub(crate) fn members(&self, id: &GroupId, known: Known<'_>) -> Result<SharersView, Refusal> {
        if let Some(group) = self.groups.get(id) {
            return Ok(group.view(known.topics));
        }
        let replicated = known.groups.get(id).filter(|group| group.kind == SHARED_GROUP_KIND);
        let epoch = replicated.ok_or(Refusal::UnknownGroup)?.generation;
        Ok(SharersView { epoch, members: Vec::new() })
    }

    /// The members of a group that is to be there, and what has to be put into the log first.
    fn found(
        &self,
        id: &GroupId,
        known: Known<'_>,
    ) -> Result<(SharersView, Option<SaveGeneration>), Refusal> {
        if id.0.is_empty() || id.0.len() > GROUP_ID_BYTES_MAX {
            return Err(Refusal::InvalidGroupId);
        }
        match known.save(id)? {
            None => self.members(id, known).map(|view| (view, None)),
            save => Ok((SharersView { epoch: 1, members: Vec::new() }, save)),
        }
    }

    /// Whether a group of this name shares a subscription.
    pub(crate) fn has(&self, id: &GroupId, groups: &Groups) -> bool {
        self.groups.contains_key(id) || groups.get(id).is_some_and(|group| group.kind == SHARED_GROUP_KIND)
    }

    /// Puts right what a list of groups says of these.
    pub(crate) fn list(&self, listed: &mut [GroupListing]) {
        for listing in listed.iter_mut().filter(|listing| listing.kind == SHARED_GROUP_KIND) {
            if self.groups.contains_key(&listing.group) {
                listing.state = GroupState::Stable;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Sharers::default();
    }
}

fn attending(told: Told, settings: &SubscriptionSettings) -> Attending {
    Attending {
        epoch: told.epoch,
        heartbeat_interval_ms: settings.heartbeat_interval_ms(),
        partitions: told.partitions,
    }
}

/// What other requests for groups hear of such a one; `None` where they go on.
pub(crate) fn refuse_other(request: &GroupRequest, has_members: bool) -> Option<GroupReply> {
    let refusal = match request {
        GroupRequest::Join(_) | GroupRequest::Sync(_) => Refusal::InconsistentProtocol,
        GroupRequest::Delete(_) if !has_members => return None,
        GroupRequest::Delete(_) => Refusal::GroupNotEmpty,
        _ => Refusal::UnknownGroup,
    };
    Some(crate::refuse_group(request, &refusal))
}

impl<T: Clone + Send + 'static> Shard<T> {
    pub(crate) fn sharing(&mut self, now: Monotonic, ticket: T, work: SharingWork) {
        // A group of another kind, which may not be in the log yet.
        if self.groups.coordinator.has(work.group()) {
            return self.answers.push((ticket, work.refuse(&Refusal::UnknownGroup)));
        }
        // What is wished for is newer than what has come true.
        let topics = self.wish.as_deref().or(self.reconciled.as_deref());
        let known = Known { groups: self.machine.groups(), topics };
        let (answer, save) = match work {
            SharingWork::Members(id) => (SharingAnswer::Members(self.sharers.members(&id, known)), None),
            SharingWork::Found(id) => match self.sharers.found(&id, known) {
                Ok((view, save)) => (SharingAnswer::Members(Ok(view)), save),
                Err(refusal) => (SharingAnswer::Members(Err(refusal)), None),
            },
            SharingWork::Attend(attend) => match self.sharers.attend(now.0, &attend, known) {
                Ok(Attended { attending, save }) => (SharingAnswer::Attend(Ok(attending)), save),
                Err(refusal) => (SharingAnswer::Attend(Err(refusal)), None),
            },
        };
        match save {
            Some(save) => {
                let asking = Asking::Sharing(ticket, Box::new(answer));
                self.draft.push(&Command::SaveGeneration(save), asking);
            }
            None => self.answers.push((ticket, Answer::Sharing(answer))),
        }
    }

    /// What requests for groups of other kinds hear of one that shares a subscription.
    pub(crate) fn answer_for_sharers(&self, request: &GroupRequest) -> Option<GroupReply> {
        let id = request.group();
        let names_it = matches!(request, GroupRequest::Join(join) if join.kind == SHARED_GROUP_KIND);
        if !names_it && !self.sharers.has(id, self.machine.groups()) {
            return None;
        }
        refuse_other(request, self.sharers.groups.contains_key(id))
    }

    pub(crate) fn sharers_timeout(&mut self, now: Monotonic) {
        let topics = self.wish.as_deref().or(self.reconciled.as_deref());
        self.sharers.timeout(now.0, topics);
    }
}

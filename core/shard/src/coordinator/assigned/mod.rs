//! Groups whose partitions the broker assigns (KIP-848): members say what they read, and hear with their heartbeats what they may have.
//!
//! | module | what it does |
//! | --- | --- |
//! | `desk` | which requests are for such a group |
//! | `attend` | a member comes, stays or goes |
//! | `classic` | the same of members that speak the classic protocol |
//! | `migrate` | a classic group becomes such a group, and one again |
//! | `deal`, `strategy`, `pattern` | what each member is to have |
//! | `reconcile` | from what a member has to what it is to have, so that no partition ever has two owners |
//! | `saved` | how members stand in the replicated state |
//! | `cursors` | who may set and read cursors |
//! | `view` | the group as operators see it |
//!
//! The whole group is state that has to survive: its epoch, and of every member what it was told. It changes in memory first; a
//! member is told of a change when the group was saved with it (docs/adr/0017-assigned-groups.md).

mod attend;
mod classic;
mod cursors;
mod deal;
mod desk;
mod limits;
mod member;
mod migrate;
mod pattern;
mod reconcile;
mod saved;
mod strategy;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_machine::{Command, SaveGeneration};
use forebay_model::acl::Viewer;
use forebay_model::group::GroupReply;
use forebay_model::subscription::AttendanceSettings;
use forebay_model::{GroupId, Refusal, TopicId};

use self::limits::SAVE_AGAIN_MS;
use self::member::Member;
use self::pattern::Pattern;
use self::saved::Dealt;
use self::strategy::Strategy;
use super::proposals::Pending;
use super::timers::TimerKey;
use super::{Action, Note, ProposalKey, ReplyKey, Turn, What};

/// A partition by topic id and number.
type Place = (TopicId, u32);

/// The kind of such a group in the replicated state. No client can name it: who joins a group of another kind is refused.
pub(super) const KIND: &str = "\u{1}assigned";

/// A group with members, or whose end is not saved yet.
#[derive(Debug)]
pub(super) struct AssignedGroup {
    id: GroupId,
    /// Rises with every change of members, of what they read, and of what they are to have. Never falls.
    epoch: i32,
    /// What the targets of members were dealt for.
    dealt: Dealt,
    /// What they were dealt by.
    strategy: Strategy,
    members: BTreeMap<Arc<str>, Member>,
    /// Static names and who has them.
    instances: BTreeMap<String, Arc<str>>,
    /// Who has a partition, or may still have it.
    owners: BTreeMap<Place, Arc<str>>,
    /// The patterns of its members.
    patterns: BTreeMap<String, Pattern>,
    /// Who was here last: when the topics or the rules of access change, patterns match what it may see.
    viewer: Option<Viewer>,
    /// Whether that is known: after a new leader's load nobody was here yet who could say.
    is_viewer_known: bool,
    /// What was set on the group, when a member was heard of last.
    settings: AttendanceSettings,
    /// Rises with every change.
    version: u64,
    /// The last version that is in the replicated state.
    saved: u64,
    /// The version that is on its way there, and by which proposal.
    saving: Option<(ProposalKey, u64)>,
    /// Answers that tell of a version that is not saved yet.
    waiting: Vec<Waiting>,
}

/// An answer that has to wait.
#[derive(Debug)]
struct Waiting {
    version: u64,
    to: ReplyKey,
    reply: GroupReply,
}

impl AssignedGroup {
    /// A group without members, behind this epoch.
    fn new(id: GroupId, epoch: i32) -> AssignedGroup {
        AssignedGroup {
            id,
            epoch,
            dealt: Dealt { epoch, topics: 0 },
            strategy: Strategy::Uniform,
            members: BTreeMap::new(),
            instances: BTreeMap::new(),
            owners: BTreeMap::new(),
            patterns: BTreeMap::new(),
            viewer: None,
            is_viewer_known: false,
            settings: AttendanceSettings::default(),
            version: 0,
            saved: 0,
            saving: None,
            waiting: Vec::new(),
        }
    }

    /// The group as it was saved last.
    pub(super) fn recovered(id: GroupId, replicated: &forebay_machine::Group) -> AssignedGroup {
        let mut group = AssignedGroup::new(id, replicated.generation);
        for (member, dealt) in replicated.members.iter().filter_map(saved::decode) {
            group.dealt = dealt;
            for place in member.places() {
                group.owners.insert(place, Arc::clone(&member.id));
            }
            if let Some(instance) = &member.instance {
                group.instances.insert(instance.clone(), Arc::clone(&member.id));
            }
            if let Some(Ok(pattern)) = member.pattern.as_deref().map(Pattern::compile) {
                group.patterns.insert(member.pattern.clone().unwrap_or_default(), pattern);
            }
            group.members.insert(Arc::clone(&member.id), member);
        }
        // Until the settings themselves are known here.
        let natives = replicated.members.iter().filter(|member| !saved::is_classic(member));
        group.settings.session_timeout_ms = natives.map(|member| member.session_timeout_ms).next();
        group.strategy = Strategy::named(&replicated.strategy).unwrap_or(Strategy::Uniform);
        group
    }

    /// Gives every member of a recovered group a session, and time to give back what it has to.
    pub(super) fn resume(&self, turn: &mut Turn<'_>) {
        for member in self.members.values() {
            self.renew_session(member, turn);
            if !member.revoking.is_empty() {
                turn.timers.set(self.revocation_of(&member.id), turn.in_ms(member.rebalance_timeout_ms));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether the replicated state says everything about it.
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty() && self.saved == self.version && self.saving.is_none() && self.waiting.is_empty()
    }

    fn session_of(&self, member: &Arc<str>) -> TimerKey {
        TimerKey::Session(self.id.clone(), Arc::clone(member))
    }

    fn revocation_of(&self, member: &Arc<str>) -> TimerKey {
        TimerKey::Revocation(self.id.clone(), Arc::clone(member))
    }

    fn rejoin_of(&self, member: &Arc<str>) -> TimerKey {
        TimerKey::Rejoin(self.id.clone(), Arc::clone(member))
    }

    /// A sign of life starts a member's session anew.
    fn renew_session(&self, member: &Member, turn: &mut Turn<'_>) {
        let session_timeout_ms = member.session_timeout_ms(self.settings.session_timeout_ms());
        turn.timers.set(self.session_of(&member.id), turn.in_ms(session_timeout_ms));
    }

    fn cancel_timers(&self, member: &Arc<str>, turn: &mut Turn<'_>) {
        for key in [self.session_of(member), self.revocation_of(member), self.rejoin_of(member)] {
            turn.timers.cancel(&key);
        }
    }

    fn note(&self, what: What, turn: &mut Turn<'_>) {
        turn.out.push(Action::Note(Note { group: self.id.clone(), generation: self.epoch, what }));
    }

    /// Something has changed; about this member, if any.
    fn touch(&mut self, member: Option<&Arc<str>>) {
        self.version += 1;
        if let Some(member) = member.and_then(|member| self.members.get_mut(member)) {
            member.changed_at = self.version;
        }
    }

    /// Puts a member out: whatever it has is free.
    fn remove(&mut self, id: &str, turn: &mut Turn<'_>) {
        let Some(member) = self.members.remove(id) else { return };
        self.cancel_timers(&member.id, turn);
        if let Some(instance) = &member.instance {
            self.instances.remove(instance);
        }
        for place in member.places() {
            self.owners.remove(&place);
        }
        self.drop_patterns();
        // One that is to be a classic group has nothing to be dealt: members go there with the generation that they were told.
        if !self.is_classic() {
            self.epoch = self.epoch.saturating_add(1);
        }
        self.touch(None);
        if self.is_empty() {
            self.note(What::Empty, turn);
        }
    }

    /// A member was not heard of for too long, or did not give back what it had to.
    pub(super) fn lose(&mut self, id: &str, reason: &'static str, turn: &mut Turn<'_>) {
        if self.members.contains_key(id) {
            self.note(What::MemberLost { member: id.to_owned(), reason }, turn);
            self.remove(id, turn);
            self.save(turn);
        }
    }

    /// Forgets patterns that nobody reads by any more.
    fn drop_patterns(&mut self) {
        let members = &self.members;
        let is_used = |text: &String| members.values().any(|member| member.pattern.as_ref() == Some(text));
        self.patterns.retain(|text, _| is_used(text));
    }

    /// Answers when what the answer tells is saved.
    fn answer(&mut self, version: u64, to: ReplyKey, reply: GroupReply, turn: &mut Turn<'_>) {
        if version <= self.saved {
            turn.reply(to, reply);
        } else {
            self.waiting.push(Waiting { version, to, reply });
        }
    }

    /// Puts the group into the log if it has changed; one version at a time, so that changes that come meanwhile go together.
    pub(super) fn save(&mut self, turn: &mut Turn<'_>) {
        if self.saving.is_some() || self.saved == self.version {
            return;
        }
        let key = self.propose(turn);
        self.saving = Some((key, self.version));
    }

    fn propose(&self, turn: &mut Turn<'_>) -> ProposalKey {
        let session_timeout_ms = self.settings.session_timeout_ms();
        let members = self.members.values();
        let members = members.map(|member| saved::encode(member, self.dealt, session_timeout_ms)).collect();
        let strategy = if self.is_empty() { "" } else { self.strategy.name() };
        let save = SaveGeneration {
            group: self.id.clone(),
            generation: self.epoch,
            kind: KIND.to_owned(),
            strategy: strategy.to_owned(),
            leader: String::new(),
            members,
        };
        turn.propose(Command::SaveGeneration(save), Pending::Assigned { group: self.id.clone() })
    }

    /// A version is in the log, or could not get there. What was not saved is nobody's knowledge, so it may stay: it goes into the
    /// log with what comes next, or a little later.
    pub(super) fn was_saved(&mut self, key: ProposalKey, saved: Result<(), Refusal>, turn: &mut Turn<'_>) {
        // Another one is the last of a group that was a classic one meanwhile.
        let Some((_, version)) = self.saving.take_if(|(saving, _)| *saving == key) else { return };
        if saved.is_ok() {
            self.saved = version;
            turn.timers.cancel(&TimerKey::Save(self.id.clone()));
        }
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (settled, later): (Vec<Waiting>, Vec<Waiting>) =
            waiting.partition(|waiting| waiting.version <= version);
        self.waiting = later;
        for Waiting { to, reply, .. } in settled {
            let reply = match &saved {
                Ok(()) => reply,
                Err(refusal) => refused(&reply, refusal),
            };
            turn.reply(to, reply);
        }
        if saved.is_ok() || !self.waiting.is_empty() {
            self.save(turn);
        } else {
            turn.timers.set(TimerKey::Save(self.id.clone()), turn.in_ms(SAVE_AGAIN_MS));
        }
    }

    /// Answers everyone who waits.
    pub(super) fn refuse_waiting(&mut self, refusal: &Refusal, out: &mut Vec<Action>) {
        for waiting in self.waiting.drain(..) {
            out.push(Action::Reply(waiting.to, refused(&waiting.reply, refusal)));
        }
    }
}

/// What somebody hears instead of this.
fn refused(reply: &GroupReply, refusal: &Refusal) -> GroupReply {
    match reply {
        GroupReply::Join(_) => GroupReply::Join(Err(refusal.clone())),
        GroupReply::Sync(_) => GroupReply::Sync(Err(refusal.clone())),
        _ => GroupReply::Attend(Err(refusal.clone())),
    }
}

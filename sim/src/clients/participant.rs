//! Members of one group who speak either protocol: they come, stay, leave or vanish, and come back speaking the same one or the other, so
//! that their group changes its kind while they are in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::group::{
    AttendGroup, Dialect, GroupReply, GroupRequest, JoinGroup, Joined, LeaveGroup, LeavingMember,
    MemberProof, NamedPartitions, NamedShare, PartitionSet, Presence, Strategy, Subscription, SyncGroup,
};
use forebay_model::{GroupId, Refusal, Reply, Request, TopicId};

use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check};
use crate::world::clock::{MS, SECOND};

/// The timer of the next step.
const NEXT: u64 = 1 << 62;
/// A client gives up waiting for one answer; joining takes as long as others take to join.
const CALL_MS_MAX: u64 = 20_000;
/// Their group.
const GROUP: &str = "participants";
/// What they read, and how many partitions that has.
const TOPIC: (&str, u32) = ("orders", 3);
/// The sessions of members of the classic protocol, in milliseconds.
const CLASSIC_SESSION_MS: u32 = 10_000;
/// The sessions of the others.
const NATIVE_SESSION_MS: u32 = 45_000;
/// Longer than a run: nobody is put out because it is slow.
const REBALANCE_MS: u32 = 3_600_000;

/// One after the other, several members.
pub struct Participant {
    route: Route,
    topic: TopicId,
    /// Counts members.
    life: u32,
    /// When this one ends, in nanoseconds.
    ends_at: u64,
    speaks: Speaks,
    /// Empty before it was given one.
    member: String,
    /// What it was told last; 0 before that.
    epoch: i32,
    owned: PartitionSet,
    /// When what was answered last had been asked, in nanoseconds.
    heard_at: u64,
    waits: Option<Waits>,
    /// Who assigned to it last: the broker, or a member.
    led_by_broker: Option<bool>,
    stops: bool,
}

struct Waits {
    token: u64,
    asked: Asked,
    since: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Native,
    /// What comes next, and whether it gives up everything before it joins again.
    Classic(Next, bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Join,
    Sync,
    Beat,
}

#[derive(Clone, Debug)]
enum Asked {
    Attend,
    Join,
    /// With what the leader hands out.
    Sync(Vec<(String, Bytes)>),
    Beat,
    Leave,
}

impl Participant {
    /// One that begins with whatever most members speak then.
    pub fn new(desk: &mut Desk<'_>) -> Participant {
        let topics = &desk.cluster.history.topics;
        let found = topics.iter().find(|(_, facts)| facts.name.as_str() == TOPIC.0);
        let topic = found.map_or(TopicId([0; 16]), |(id, _)| *id);
        let mut participant = Participant {
            route: Route::any(desk.rng, desk.cluster.plan.nodes),
            topic,
            life: 0,
            ends_at: 0,
            speaks: Speaks::Native,
            member: String::new(),
            epoch: 0,
            owned: PartitionSet::new(),
            heard_at: 0,
            waits: None,
            led_by_broker: None,
            stops: false,
        };
        participant.live(desk);
        participant
    }

    /// A new member begins. First most speak the classic protocol, then most the new one, and then the classic one again.
    fn live(&mut self, desk: &mut Desk<'_>) {
        let now = desk.cluster.now();
        let native = if (12 * SECOND..28 * SECOND).contains(&now) { 800 } else { 100 };
        self.life += 1;
        self.ends_at = now + desk.rng.between(3 * SECOND, 15 * SECOND);
        (self.epoch, self.waits, self.led_by_broker) = (0, None, None);
        let is_native = desk.rng.chance(native);
        let is_eager = desk.rng.chance(500);
        self.speaks = if is_native { Speaks::Native } else { Speaks::Classic(Next::Join, is_eager) };
        self.member = if is_native { format!("p{}-{}", desk.me, self.life) } else { String::new() };
    }

    fn next(&mut self, desk: &mut Desk<'_>) {
        if self.waits.is_some() {
            return;
        }
        let now = desk.cluster.now();
        // The client's own library gives up what it has when it was not heard of for a session.
        if !self.owned.is_empty() && now - self.heard_at > self.session() {
            self.lose(desk);
        }
        let asked = match self.speaks {
            _ if self.stops || now >= self.ends_at => {
                let vanishes = if self.speaks == Speaks::Native { 50 } else { 300 };
                self.lose(desk);
                if self.member.is_empty() || desk.rng.chance(vanishes) {
                    return self.end(desk);
                }
                Asked::Leave
            }
            Speaks::Native => Asked::Attend,
            Speaks::Classic(Next::Join, is_eager) => {
                if is_eager {
                    self.give_all(desk);
                }
                Asked::Join
            }
            Speaks::Classic(Next::Sync, _) => Asked::Sync(Vec::new()),
            Speaks::Classic(Next::Beat, _) => Asked::Beat,
        };
        self.ask(desk, asked);
    }

    fn ask(&mut self, desk: &mut Desk<'_>, asked: Asked) {
        let request = self.request(&asked);
        let token = desk.call(self.route.node(), Request::Group(request));
        self.waits = Some(Waits { token, asked, since: desk.cluster.now() });
        desk.ring_after(CALL_MS_MAX, token);
    }

    /// This member is no more; another begins a little later, unless all is over.
    fn end(&mut self, desk: &mut Desk<'_>) {
        if !self.stops {
            self.live(desk);
            let after = desk.rng.between(50, 2_000);
            desk.ring_after(after, NEXT);
        }
    }

    fn session(&self) -> u64 {
        let ms = if self.speaks == Speaks::Native { NATIVE_SESSION_MS } else { CLASSIC_SESSION_MS };
        u64::from(ms) * MS
    }

    fn request(&self, asked: &Asked) -> GroupRequest {
        let group = GroupId(GROUP.into());
        let proof = MemberProof {
            group: group.clone(),
            generation: self.epoch,
            member: self.member.clone(),
            instance: None,
        };
        let presence = match asked {
            Asked::Leave => Presence::Leaves,
            _ if self.epoch == 0 => Presence::Joins,
            _ => Presence::Stays(self.epoch),
        };
        match asked {
            Asked::Leave if self.speaks != Speaks::Native => {
                let leaving = LeavingMember { member: self.member.clone(), instance: None, reason: None };
                GroupRequest::Leave(LeaveGroup { group, members: vec![leaving] })
            }
            Asked::Attend | Asked::Leave => GroupRequest::Attend(Box::new(AttendGroup {
                group,
                member: self.member.clone(),
                presence,
                instance: None,
                client: "sim".into(),
                host: "sim".into(),
                rack: None,
                rebalance_timeout_ms: Some(REBALANCE_MS),
                topics: Some(vec![TOPIC.0.to_owned()]),
                pattern: None,
                strategy: None,
                owned: Some(self.owned.clone()),
                viewer: None,
                dialect: &DIALECT,
            })),
            Asked::Join => GroupRequest::Join(JoinGroup {
                group,
                member: self.member.clone(),
                instance: None,
                client: "sim".into(),
                host: "sim".into(),
                kind: "consumer".into(),
                strategies: vec![Strategy { name: "range".into(), metadata: written(self.numbers()) }],
                session_timeout_ms: CLASSIC_SESSION_MS,
                rebalance_timeout_ms: REBALANCE_MS,
                id_first: false,
                reason: None,
                may_skip_assignment: false,
                dialect: Some(&DIALECT),
            }),
            Asked::Sync(assignments) => GroupRequest::Sync(SyncGroup {
                proof,
                kind: None,
                strategy: None,
                assignments: assignments.clone(),
                dialect: Some(&DIALECT),
            }),
            Asked::Beat => GroupRequest::Heartbeat(proof),
        }
    }

    fn numbers(&self) -> Vec<u32> {
        self.owned.iter().map(|(_, number)| *number).collect()
    }

    /// Takes over what it may have now.
    fn take(&mut self, desk: &mut Desk<'_>, share: PartitionSet) -> Check {
        let me = (desk.me, self.life);
        for place in self.owned.difference(&share) {
            desk.cluster.owners.gives(*place, me);
        }
        let now = desk.cluster.now();
        let until = self.heard_at + self.session() * 6 / 10;
        for place in &share {
            desk.cluster.owners.takes(*place, me, self.epoch, now, until)?;
            desk.cluster.counters.hit("partitions assigned");
        }
        self.owned = share;
        Ok(())
    }

    fn give_all(&mut self, desk: &mut Desk<'_>) {
        for place in std::mem::take(&mut self.owned) {
            desk.cluster.owners.gives(place, (desk.me, self.life));
        }
    }

    /// Nothing that it was told holds any more.
    fn lose(&mut self, desk: &mut Desk<'_>) {
        self.give_all(desk);
        self.epoch = 0;
        self.goes_on_with(Next::Join);
    }

    fn goes_on_with(&mut self, step: Next) {
        if let Speaks::Classic(next, _) = &mut self.speaks {
            *next = step;
        }
    }

    fn heard(&mut self, desk: &mut Desk<'_>, waits: Waits, reply: GroupReply) -> Check {
        let refusal = match (&waits.asked, reply) {
            (Asked::Attend, GroupReply::Attend(Ok(attended))) => {
                self.is_fresh(desk, waits.since);
                self.epoch = attended.epoch;
                let share = attended.assignment.unwrap_or_else(|| self.owned.clone());
                return self.take(desk, share);
            }
            (Asked::Join, GroupReply::Join(Ok(joined))) => {
                // It had no session while it waited for the others.
                self.is_fresh(desk, desk.cluster.now());
                self.joined(desk, &joined);
                return Ok(());
            }
            (Asked::Sync(_), GroupReply::Sync(Ok(synced))) => {
                self.is_fresh(desk, waits.since);
                let numbers = read(&synced.assignment).unwrap_or_default();
                let share: PartitionSet = numbers.into_iter().map(|number| (self.topic, number)).collect();
                // What is taken away is given back, and that is said.
                let gives = !self.owned.is_subset(&share);
                self.goes_on_with(if gives { Next::Join } else { Next::Beat });
                return self.take(desk, share);
            }
            (Asked::Beat, GroupReply::Heartbeat(Ok(()))) => {
                self.is_fresh(desk, waits.since);
                // All is as it was told: it goes on with what it has.
                let owned = self.owned.clone();
                return self.take(desk, owned);
            }
            (Asked::Leave, _) => {
                self.end(desk);
                return Ok(());
            }
            (
                _,
                GroupReply::Attend(Err(refusal))
                | GroupReply::Join(Err(refusal))
                | GroupReply::Sync(Err(refusal))
                | GroupReply::Heartbeat(Err(refusal)),
            ) => refusal,
            (asked, reply) => {
                let what = format!("{asked:?} was answered with {reply:?}");
                return Err(Broken { promise: "a request is answered once", what });
            }
        };
        self.refused(desk, &waits.asked, &refusal)
    }

    fn joined(&mut self, desk: &mut Desk<'_>, joined: &Joined) {
        (self.member, self.epoch) = (joined.member.clone(), joined.generation);
        self.goes_on_with(Next::Sync);
        let by_broker = joined.leader.is_empty();
        match self.led_by_broker.replace(by_broker) {
            Some(false) if by_broker => desk.cluster.counters.hit("classic members taken over by the broker"),
            Some(true) if !by_broker => desk.cluster.counters.hit("classic members given back by the broker"),
            _ => {}
        }
        if joined.leader == joined.member {
            self.ask(desk, Asked::Sync(dealt(joined)));
        }
    }

    fn is_fresh(&mut self, desk: &mut Desk<'_>, asked_at: u64) {
        self.heard_at = self.heard_at.max(asked_at);
        let until = self.heard_at + self.session() * 6 / 10;
        desk.cluster.owners.is_heard((desk.me, self.life), until);
    }

    fn refused(&mut self, desk: &mut Desk<'_>, asked: &Asked, refusal: &Refusal) -> Check {
        match refusal {
            refusal if may_retry(refusal) => {
                self.route.refused(desk.rng, refusal);
                self.unheard(asked);
            }
            Refusal::RebalanceInProgress => self.goes_on_with(Next::Join),
            Refusal::UnknownMember | Refusal::IllegalGeneration => {
                if self.speaks != Speaks::Native && *refusal == Refusal::UnknownMember {
                    self.member.clear();
                }
                self.lose(desk);
            }
            Refusal::FencedMember | Refusal::UnknownGroup if self.speaks == Speaks::Native => self.lose(desk),
            refusal => {
                let what = format!("{asked:?} of {} as {:?}: {refusal:?}", self.member, self.speaks);
                return Err(Broken { promise: "a group can be worked with", what });
            }
        }
        Ok(())
    }

    /// An answer did not come: who waited for a share joins again.
    fn unheard(&mut self, asked: &Asked) {
        if matches!(asked, Asked::Sync(_)) {
            self.goes_on_with(Next::Join);
        }
    }
}

impl Client for Participant {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.next(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        let Some(waits) = self.waits.take_if(|waits| waits.token == token) else { return Ok(()) };
        match reply {
            Some(Reply::Group(reply)) => self.heard(desk, waits, reply)?,
            _ if matches!(waits.asked, Asked::Leave) => self.end(desk),
            _ => {
                self.unheard(&waits.asked);
                self.route.elsewhere(desk.rng);
            }
        }
        let after = desk.rng.between(20, 400);
        desk.ring_after(after, NEXT);
        Ok(())
    }

    fn rang(&mut self, desk: &mut Desk<'_>, timer: u64) -> Check {
        match timer {
            NEXT => self.next(desk),
            token if self.waits.as_ref().is_some_and(|waits| waits.token == token) => {
                desk.hang_up(self.route.node());
            }
            _ => {}
        }
        Ok(())
    }

    fn wind_down(&mut self, _desk: &mut Desk<'_>) {
        self.stops = true;
    }

    fn waits_for(&self) -> Option<String> {
        None
    }
}

/// How participants write: the numbers of the partitions that they have, or are to have, each as a byte.
static DIALECT: Dialect = Dialect { kind: "consumer", subscription, share, write_share };

fn written(numbers: Vec<u32>) -> Bytes {
    numbers.into_iter().map(|number| number as u8).collect::<Vec<u8>>().into()
}

fn read(bytes: &Bytes) -> Option<Vec<u32>> {
    bytes.iter().map(|number| (u32::from(*number) < TOPIC.1).then_some(u32::from(*number))).collect()
}

fn share(bytes: &Bytes, _: &Bytes) -> Option<NamedShare> {
    Some(vec![(TOPIC.0.to_owned(), read(bytes)?)])
}

fn subscription(bytes: &Bytes) -> Option<Subscription> {
    Some(Subscription { topics: vec![TOPIC.0.to_owned()], owned: share(bytes, bytes)?, rack: None })
}

fn write_share(_: &Bytes, share: &[NamedPartitions]) -> Option<Bytes> {
    Some(written(share.iter().flat_map(|topic| topic.numbers.iter().copied()).collect()))
}

/// What a leader hands out: everybody's equal part, but nothing that somebody else still has.
fn dealt(joined: &Joined) -> Vec<(String, Bytes)> {
    let mut owners: BTreeMap<u32, &str> = BTreeMap::new();
    for member in &joined.members {
        for number in read(&member.metadata).unwrap_or_default() {
            owners.insert(number, &member.member);
        }
    }
    let share = |(place, member): (usize, &forebay_model::group::JoinedMember)| {
        let is_its = |number: &u32| *number as usize % joined.members.len() == place;
        let may = |number: &u32| owners.get(number).is_none_or(|owner| *owner == member.member);
        let numbers = (0..TOPIC.1).filter(|number| is_its(number) && may(number)).collect();
        (member.member.clone(), written(numbers))
    };
    joined.members.iter().enumerate().map(share).collect()
}

//! Consumers that commit how far they are: from outside of their group's membership, or as its only member.

use bytes::Bytes;
use forebay_model::group::{
    CommitOffset, CommitOffsets, FetchOffsets, GroupReply, GroupRequest, JoinGroup, MemberProof, Strategy,
    SyncGroup,
};
use forebay_model::{GroupId, Offset, PartitionRef, Refusal, Reply, Request, TopicRef};

use super::{Client, Desk, Route, may_retry};
use crate::checkers::{Broken, Check};
use crate::history::Place;

/// The timer of the next step.
const NEXT: u64 = 1 << 62;
/// A client gives up waiting for one answer; joining may take as long as the coordinator waits for more members.
const CALL_MS_MAX: u64 = 5_000;

/// How it commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitterKind {
    /// Without being a member.
    Outside,
    /// As a member of a generation.
    Member,
}

/// The one that commits for a group in one partition.
pub struct Committer {
    kind: CommitterKind,
    group: GroupId,
    place: Place,
    route: Route,
    offset: u64,
    member: String,
    generation: i32,
    synced: bool,
    waits: Option<(u64, Asked)>,
    stops: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Join,
    Sync,
    Heartbeat,
    Commit(u64),
    /// With what was confirmed before.
    Read(u64),
}

impl Committer {
    /// The committer of `group` for `place`.
    pub fn new(kind: CommitterKind, group: &str, place: Place, desk: &mut Desk<'_>) -> Committer {
        Committer {
            kind,
            group: GroupId(group.into()),
            place,
            route: Route::any(desk.rng, desk.cluster.plan.nodes),
            offset: 0,
            member: String::new(),
            generation: -1,
            synced: false,
            waits: None,
            stops: false,
        }
    }

    fn partition(&self) -> PartitionRef {
        PartitionRef { topic: TopicRef::Id(self.place.topic), number: self.place.number }
    }

    fn next(&mut self, desk: &mut Desk<'_>) {
        if self.stops || self.waits.is_some() {
            return;
        }
        let asked = match self.kind {
            CommitterKind::Member if self.generation < 0 => Asked::Join,
            CommitterKind::Member if !self.synced => Asked::Sync,
            CommitterKind::Member if desk.rng.chance(300) => Asked::Heartbeat,
            _ if desk.rng.chance(400) => Asked::Read(desk.cluster.cursors.floor(&self.group.0, self.place)),
            _ => {
                self.offset += desk.rng.below(20);
                desk.cluster.cursors.sent(&self.group.0, self.place, self.offset);
                Asked::Commit(self.offset)
            }
        };
        let request = self.request(asked);
        let token = desk.call(self.route.node(), Request::Group(request));
        self.waits = Some((token, asked));
        desk.ring_after(CALL_MS_MAX, token);
    }

    fn request(&self, asked: Asked) -> GroupRequest {
        match asked {
            Asked::Join => GroupRequest::Join(self.join()),
            Asked::Sync => GroupRequest::Sync(SyncGroup {
                proof: self.proof(),
                kind: Some("consumer".into()),
                strategy: Some("range".into()),
                assignments: vec![(self.member.clone(), Bytes::from_static(b"everything"))],
                dialect: None,
            }),
            Asked::Heartbeat => GroupRequest::Heartbeat(self.proof()),
            Asked::Commit(offset) => GroupRequest::CommitOffsets(CommitOffsets {
                group: self.group.clone(),
                generation: self.generation,
                member: self.member.clone(),
                instance: None,
                transaction: None,
                offsets: vec![CommitOffset {
                    partition: self.partition(),
                    offset: Offset(offset),
                    leader_epoch: None,
                    metadata: String::new(),
                }],
            }),
            Asked::Read(_) => GroupRequest::FetchOffsets(FetchOffsets {
                group: self.group.clone(),
                partitions: Some(vec![self.partition()]),
                stable: false,
                member: None,
            }),
        }
    }

    fn proof(&self) -> MemberProof {
        MemberProof {
            group: self.group.clone(),
            generation: self.generation,
            member: self.member.clone(),
            instance: None,
        }
    }

    fn join(&self) -> JoinGroup {
        JoinGroup {
            group: self.group.clone(),
            member: self.member.clone(),
            instance: None,
            client: "sim".into(),
            host: "sim".into(),
            kind: "consumer".into(),
            strategies: vec![Strategy { name: "range".into(), metadata: Bytes::new() }],
            session_timeout_ms: 6_000,
            rebalance_timeout_ms: 6_000,
            id_first: false,
            reason: None,
            may_skip_assignment: false,
            dialect: None,
        }
    }

    fn heard(&mut self, desk: &mut Desk<'_>, asked: Asked, reply: GroupReply) -> Result<(), HeardWrong> {
        match (asked, reply) {
            (Asked::Join, GroupReply::Join(joined)) => {
                let joined = joined?;
                (self.generation, self.member, self.synced) = (joined.generation, joined.member, false);
                desk.cluster.cursors.joined(&self.group.0, self.place);
                desk.cluster.counters.hit("groups joined");
            }
            (Asked::Sync, GroupReply::Sync(synced)) => {
                synced?;
                self.synced = true;
            }
            (Asked::Heartbeat, GroupReply::Heartbeat(beat)) => beat?,
            (Asked::Commit(offset), GroupReply::CommitOffsets(mut committed)) => {
                committed.remove(0).1?;
                desk.cluster.counters.hit("cursors committed");
                desk.cluster.cursors.confirmed(&self.group.0, self.place, offset);
            }
            (Asked::Read(floor), GroupReply::FetchOffsets(fetched)) => {
                let cursor = fetched?.remove(0).cursor?;
                desk.cluster.counters.hit("cursors read");
                let offset = cursor.map(|cursor| cursor.offset.0);
                desk.cluster
                    .cursors
                    .read(&self.group.0, self.place, floor, offset)
                    .map_err(HeardWrong::Broken)?;
            }
            (_, reply) => {
                let what = format!("an answer to something else: {reply:?}");
                return Err(HeardWrong::Broken(Broken { promise: "a request is answered once", what }));
            }
        }
        Ok(())
    }

    fn refused(&mut self, desk: &mut Desk<'_>, refusal: Refusal) -> Check {
        match refusal {
            refusal if may_retry(&refusal) => self.route.refused(desk.rng, &refusal),
            Refusal::RebalanceInProgress | Refusal::IllegalGeneration => self.generation = -1,
            Refusal::UnknownMember => (self.generation, self.member) = (-1, String::new()),
            Refusal::MemberIdRequired { member } => self.member = member,
            refusal => {
                let what = format!("group {}: {refusal:?}", self.group);
                return Err(Broken { promise: "a group can be worked with", what });
            }
        }
        Ok(())
    }
}

enum HeardWrong {
    Refused(Refusal),
    Broken(Broken),
}

impl From<Refusal> for HeardWrong {
    fn from(refusal: Refusal) -> HeardWrong {
        HeardWrong::Refused(refusal)
    }
}

impl Client for Committer {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.next(desk);
    }

    fn answered(&mut self, desk: &mut Desk<'_>, token: u64, reply: Option<Reply>) -> Check {
        let Some((_, asked)) = self.waits.filter(|(waits, _)| *waits == token) else { return Ok(()) };
        self.waits = None;
        match reply {
            Some(Reply::Group(reply)) => match self.heard(desk, asked, reply) {
                Ok(()) => {}
                Err(HeardWrong::Broken(broken)) => return Err(broken),
                Err(HeardWrong::Refused(refusal)) => self.refused(desk, refusal)?,
            },
            _ => {
                if let Asked::Commit(offset) = asked {
                    desk.cluster.cursors.gave_up(&self.group.0, self.place, offset);
                }
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
            token if self.waits.is_some_and(|(waits, _)| waits == token) => desk.hang_up(self.route.node()),
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

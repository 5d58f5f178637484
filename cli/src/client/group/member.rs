//! One member of a group: join, be told its share, stay alive, commit, leave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use forebay_kafka::wire::messages::join_group::{JoinGroupRequestProtocol, JoinGroupResponseMember};
use forebay_kafka::wire::messages::leave_group::MemberIdentity;
use forebay_kafka::wire::messages::sync_group::SyncGroupRequestAssignment;
use forebay_kafka::wire::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};
use forebay_kafka::wire::{ApiKey, ErrorCode, Request, Str};

use super::committed::{self, Committer};
use super::{assignor, share};
use crate::client::cluster::{AutoCreate, Cluster, To};
use crate::client::deadline::Deadline;
use crate::client::error::ClientError;
use crate::client::metadata::Node;
use crate::client::place::Place;

const PROTOCOL_TYPE: Str = Str::from_static("consumer");
const STRATEGY: Str = Str::from_static("range");

/// How often we say that we are alive.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(3);
/// How long a broker waits for members to come back when the group has to be shared out anew.
const REBALANCE_PATIENCE: Duration = Duration::from_secs(60);

/// What makes a member.
#[derive(Clone, Debug)]
pub struct MemberOptions {
    /// Its group.
    pub group: String,
    /// What it wants to read.
    pub topics: Vec<String>,
    /// Out after so long without a sign of life.
    pub session: Duration,
}

/// A member of a group.
#[derive(Debug)]
pub struct Member {
    options: MemberOptions,
    /// Empty until the broker gave us one.
    id: String,
    generation: i32,
    coordinator: Option<Node>,
    last_heartbeat: Instant,
}

/// How the group stands after a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// We keep our share.
    Member,
    /// The group is to be shared out anew: commit, then join again.
    MustRejoin,
    /// The group went on without us: what we read since the last commit belongs to somebody else.
    Expelled,
}

impl Member {
    /// Somebody who is not a member yet.
    pub fn new(options: MemberOptions) -> Member {
        Member {
            options,
            id: String::new(),
            generation: -1,
            coordinator: None,
            last_heartbeat: Instant::now(),
        }
    }

    /// Joins, or joins again, and returns this member's share.
    ///
    /// # Errors
    /// The cluster's, once patience is over.
    pub fn join(&mut self, cluster: &mut Cluster) -> Result<Vec<Place>, ClientError> {
        let doing = format!("joining group {}", self.options.group);
        loop {
            let share = cluster.persist(&doing, |cluster, deadline| self.join_once(cluster, deadline))?;
            // None: the group moved on while we joined.
            if let Some(share) = share {
                self.last_heartbeat = Instant::now();
                return Ok(share);
            }
        }
    }

    /// Says that we are alive, when it is time to.
    ///
    /// # Errors
    /// What will not pass by itself; what may is answered with [`Standing::MustRejoin`].
    pub fn stay(&mut self, cluster: &mut Cluster) -> Result<Standing, ClientError> {
        if self.last_heartbeat.elapsed() < HEARTBEAT_EVERY {
            return Ok(Standing::Member);
        }
        self.last_heartbeat = Instant::now();
        let request = HeartbeatRequest {
            group_id: self.group(),
            generation_id: self.generation,
            member_id: Str::from(&*self.id),
            ..HeartbeatRequest::default()
        };
        let deadline = cluster.deadline();
        let code = self.ask(cluster, &request, deadline).map(|response| response.error_code);
        self.standing(code)
    }

    /// Commits: from here the group goes on, whoever reads then.
    ///
    /// # Errors
    /// As [`Member::stay`].
    pub fn commit(
        &mut self,
        cluster: &mut Cluster,
        offsets: &BTreeMap<Place, i64>,
    ) -> Result<Standing, ClientError> {
        if offsets.is_empty() {
            return Ok(Standing::Member);
        }
        let doing = format!("committing offsets of group {}", self.options.group);
        let committed = cluster.persist(&doing, |cluster, deadline| {
            let committer =
                Committer { group: &self.options.group, generation: self.generation, member: &self.id };
            let request = committed::commit(&committer, offsets);
            let response = self.ask(cluster, &request, deadline)?;
            for partition in response.topics.iter().flat_map(|topic| &topic.partitions) {
                if self.is_somewhere_else(partition.error_code) {
                    self.coordinator = None;
                }
                ClientError::check(&*doing, partition.error_code, None)?;
            }
            Ok(())
        });
        let code = match committed {
            Ok(()) => Ok(ErrorCode::None),
            Err(ClientError::Refused { code, .. }) => Ok(code),
            Err(why) => return Err(why),
        };
        self.standing(code)
    }

    /// Leaves, so that the others need not wait until we are missed. What goes wrong no longer matters.
    pub fn leave(&mut self, cluster: &mut Cluster) {
        if self.id.is_empty() {
            return;
        }
        let deadline = Deadline::after(LEAVE_PATIENCE).min(cluster.deadline());
        let request = LeaveGroupRequest {
            group_id: self.group(),
            members: vec![MemberIdentity { member_id: Str::from(&*self.id), ..MemberIdentity::default() }],
            ..LeaveGroupRequest::default()
        };
        // The answer would only say what the session timeout will do anyway.
        let _ = self.ask(cluster, &request, deadline);
        self.id.clear();
    }

    fn join_once(
        &mut self,
        cluster: &mut Cluster,
        deadline: Deadline,
    ) -> Result<Option<Vec<Place>>, ClientError> {
        let joined = self.ask(cluster, &self.join_request(), deadline.max(join_deadline()))?;
        match joined.error_code {
            ErrorCode::None => {}
            ErrorCode::MemberIdRequired => {
                self.id = joined.member_id.to_string();
                return Ok(None);
            }
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                self.forget();
                return Ok(None);
            }
            ErrorCode::RebalanceInProgress => return Ok(None),
            code => {
                self.note(code);
                ClientError::check(format!("joining group {}", self.options.group), code, None)?;
            }
        }
        self.id = joined.member_id.to_string();
        self.generation = joined.generation_id;
        let assignments = if joined.leader == joined.member_id && !joined.skip_assignment {
            self.assign(cluster, &joined.members, deadline)?
        } else {
            Vec::new()
        };
        self.sync(cluster, &joined, assignments, deadline)
    }

    fn sync(
        &mut self,
        cluster: &mut Cluster,
        joined: &JoinGroupResponse,
        assignments: Vec<SyncGroupRequestAssignment>,
        deadline: Deadline,
    ) -> Result<Option<Vec<Place>>, ClientError> {
        let request = SyncGroupRequest {
            group_id: self.group(),
            generation_id: self.generation,
            member_id: joined.member_id.clone(),
            protocol_type: Some(PROTOCOL_TYPE),
            protocol_name: Some(STRATEGY),
            assignments,
            ..SyncGroupRequest::default()
        };
        let synced = self.ask(cluster, &request, deadline.max(join_deadline()))?;
        match synced.error_code {
            ErrorCode::None => {}
            ErrorCode::RebalanceInProgress => return Ok(None),
            ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration => {
                self.forget();
                return Ok(None);
            }
            code => {
                self.note(code);
                ClientError::check(format!("joining group {}", self.options.group), code, None)?;
            }
        }
        let share = share::read_share(&synced.assignment).map_err(|why| ClientError::Garbled {
            address: format!("the leader of group {}", self.options.group),
            why: why.to_string(),
        })?;
        Ok(Some(share))
    }

    fn join_request(&self) -> JoinGroupRequest {
        let millis = |time: Duration| i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        JoinGroupRequest {
            group_id: self.group(),
            session_timeout_ms: millis(self.options.session),
            rebalance_timeout_ms: millis(REBALANCE_PATIENCE),
            member_id: Str::from(&*self.id),
            protocol_type: PROTOCOL_TYPE,
            protocols: vec![JoinGroupRequestProtocol {
                name: STRATEGY,
                metadata: share::subscription(&self.options.topics),
            }],
            ..JoinGroupRequest::default()
        }
    }

    /// As the group's leader: everyone's share.
    fn assign(
        &self,
        cluster: &mut Cluster,
        members: &[JoinGroupResponseMember],
        deadline: Deadline,
    ) -> Result<Vec<SyncGroupRequestAssignment>, ClientError> {
        let mut wishes = Vec::with_capacity(members.len());
        for member in members {
            let topics = share::read_subscription(&member.metadata).map_err(|why| ClientError::Garbled {
                address: format!("member {}", member.member_id),
                why: why.to_string(),
            })?;
            wishes.push((member.member_id.to_string(), topics));
        }
        let wanted: BTreeSet<&String> = wishes.iter().flat_map(|(_, topics)| topics).collect();
        let wanted: Vec<String> = wanted.into_iter().cloned().collect();
        let topics = cluster.topics(Some(&wanted), AutoCreate::Forbidden, deadline)?;
        let partitions = topics.into_iter().map(|topic| (topic.name, topic.partitions.len())).collect();
        let shares = assignor::range(&wishes, &partitions);
        let assignment = |(member, places): (String, Vec<Place>)| SyncGroupRequestAssignment {
            member_id: Str::from(member),
            assignment: share::share(&places),
        };
        Ok(shares.into_iter().map(assignment).collect())
    }

    /// Asks the coordinator, looking for it first if need be.
    fn ask<R: Request>(
        &mut self,
        cluster: &mut Cluster,
        request: &R,
        deadline: Deadline,
    ) -> Result<R::Response, ClientError> {
        let node = match self.coordinator {
            Some(node) => node,
            None => cluster.coordinator(&self.options.group, deadline)?,
        };
        self.coordinator = Some(node);
        let result = cluster.call(To::Node(node), request, deadline);
        if result.is_err() {
            self.coordinator = None;
        }
        // A join that takes longer than we waited is not an error of the broker's: the next try finds out.
        match result {
            Err(ClientError::TimedOut { doing, .. }) if R::API == ApiKey::JoinGroup => {
                Err(ClientError::Lost { address: cluster.address_of(node).into(), why: doing })
            }
            result => result,
        }
    }

    fn standing(&mut self, code: Result<ErrorCode, ClientError>) -> Result<Standing, ClientError> {
        match code {
            Ok(ErrorCode::None) => Ok(Standing::Member),
            Ok(ErrorCode::RebalanceInProgress) => Ok(Standing::MustRejoin),
            Ok(ErrorCode::UnknownMemberId | ErrorCode::IllegalGeneration) => {
                self.forget();
                Ok(Standing::Expelled)
            }
            Ok(code) if self.is_somewhere_else(code) => {
                self.coordinator = None;
                Ok(Standing::Member)
            }
            Ok(code) => {
                let doing = format!("staying in group {}", self.options.group);
                ClientError::check(doing, code, None).map(|()| Standing::Member)
            }
            // The connection will be there again at the next sign of life, or the session ends and we are told.
            Err(why) if why.is_retriable() => Ok(Standing::Member),
            Err(why) => Err(why),
        }
    }

    fn note(&mut self, code: ErrorCode) {
        if self.is_somewhere_else(code) {
            self.coordinator = None;
        }
    }

    fn is_somewhere_else(&self, code: ErrorCode) -> bool {
        matches!(
            code,
            ErrorCode::NotCoordinator
                | ErrorCode::CoordinatorNotAvailable
                | ErrorCode::CoordinatorLoadInProgress
        )
    }

    /// The broker does not know us: we come as somebody new.
    fn forget(&mut self) {
        self.id.clear();
        self.generation = -1;
    }

    fn group(&self) -> Str {
        Str::from(&*self.options.group)
    }
}

/// How long the last word may take.
const LEAVE_PATIENCE: Duration = Duration::from_secs(5);

/// Joining takes as long as the slowest member.
fn join_deadline() -> Deadline {
    Deadline::after(REBALANCE_PATIENCE + Duration::from_secs(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::scripted::{Broker, Script};
    use forebay_kafka::wire::AnyRequest;
    use forebay_kafka::wire::messages::offset_commit::{
        OffsetCommitResponsePartition, OffsetCommitResponseTopic,
    };
    use forebay_kafka::wire::messages::{
        FindCoordinatorResponse, HeartbeatResponse, LeaveGroupResponse, OffsetCommitResponse,
        SyncGroupResponse,
    };

    fn greet(script: &mut Script) {
        script.versions(vec![
            (ApiKey::Metadata, 0, 9),
            (ApiKey::FindCoordinator, 0, 3),
            (ApiKey::JoinGroup, 0, 7),
            (ApiKey::SyncGroup, 0, 5),
            (ApiKey::Heartbeat, 0, 4),
            (ApiKey::OffsetCommit, 2, 8),
            (ApiKey::LeaveGroup, 0, 4),
        ]);
        let metadata = script.metadata(3);
        script.answer(ApiKey::Metadata, 9, &metadata);
        let (host, port) = script.address.clone();
        let coordinator =
            FindCoordinatorResponse { node_id: 1, host: Str::from(host), port, ..Default::default() };
        script.answer(ApiKey::FindCoordinator, 3, &coordinator);
    }

    fn joined(generation_id: i32, leader: &str) -> JoinGroupResponse {
        let member = |id: &str| JoinGroupResponseMember {
            member_id: Str::from(id),
            metadata: share::subscription(&["t".into()]),
            ..JoinGroupResponseMember::default()
        };
        JoinGroupResponse {
            generation_id,
            protocol_name: Some(STRATEGY),
            leader: Str::from(leader),
            member_id: Str::from("me"),
            members: if leader == "me" { vec![member("me"), member("you")] } else { Vec::new() },
            ..JoinGroupResponse::default()
        }
    }

    fn synced(partitions: &[i32]) -> SyncGroupResponse {
        let places: Vec<Place> = partitions.iter().map(|number| Place::new("t", *number)).collect();
        SyncGroupResponse { assignment: share::share(&places), ..SyncGroupResponse::default() }
    }

    fn member() -> Member {
        Member::new(MemberOptions {
            group: "g".into(),
            topics: vec!["t".into()],
            session: Duration::from_secs(45),
        })
    }

    fn numbers(places: &[Place]) -> Vec<i32> {
        places.iter().map(|place| place.partition).collect()
    }

    #[test]
    fn a_leader_shares_out_what_it_and_the_others_want() {
        let broker = Broker::start(|script| {
            greet(script);
            let id_first = JoinGroupResponse {
                error_code: ErrorCode::MemberIdRequired,
                protocol_name: Some(Str::EMPTY),
                member_id: Str::from("me"),
                ..JoinGroupResponse::default()
            };
            script.answer(ApiKey::JoinGroup, 7, &id_first);
            script.answer(ApiKey::JoinGroup, 7, &joined(1, "me"));
            let metadata = script.metadata(3);
            script.answer(ApiKey::Metadata, 9, &metadata);
            script.answer(ApiKey::SyncGroup, 5, &synced(&[0, 1]));
        });
        let mut cluster = broker.cluster();
        assert_eq!(numbers(&member().join(&mut cluster).unwrap()), [0, 1]);
        let asked = std::iter::from_fn(|| Some(broker.next_asked()));
        let sync =
            asked.filter_map(|asked| if let AnyRequest::SyncGroup(sync) = asked { Some(sync) } else { None });
        let assignments = sync.take(1).next().unwrap().assignments;
        let shares: Vec<_> = assignments
            .iter()
            .map(|a| (a.member_id.as_str(), numbers(&share::read_share(&a.assignment).unwrap())))
            .collect();
        assert_eq!(shares, [("me", vec![0, 1]), ("you", vec![2])]);
    }

    #[test]
    fn a_member_follows_its_group_through_a_rebalance_and_out_of_it() {
        let commit = |error_code| OffsetCommitResponse {
            topics: vec![OffsetCommitResponseTopic {
                name: Str::from("t"),
                partitions: vec![OffsetCommitResponsePartition { partition_index: 0, error_code }],
                ..Default::default()
            }],
            ..OffsetCommitResponse::default()
        };
        let heartbeat = |error_code| HeartbeatResponse { error_code, ..HeartbeatResponse::default() };
        let broker = Broker::start(move |script| {
            greet(script);
            script.answer(ApiKey::JoinGroup, 7, &joined(1, "you"));
            script.answer(ApiKey::SyncGroup, 5, &synced(&[0]));
            script.answer(ApiKey::Heartbeat, 4, &heartbeat(ErrorCode::RebalanceInProgress));
            script.answer(ApiKey::OffsetCommit, 8, &commit(ErrorCode::None));
            script.answer(ApiKey::JoinGroup, 7, &joined(2, "you"));
            script.answer(ApiKey::SyncGroup, 5, &synced(&[2]));
            script.answer(ApiKey::OffsetCommit, 8, &commit(ErrorCode::IllegalGeneration));
            script.answer(ApiKey::JoinGroup, 7, &joined(4, "you"));
            script.answer(ApiKey::SyncGroup, 5, &synced(&[]));
            script.answer(ApiKey::LeaveGroup, 4, &LeaveGroupResponse::default());
        });
        let mut cluster = broker.cluster();
        let mut member = member();
        let offsets = BTreeMap::from([(Place::new("t", 0), 7)]);
        assert_eq!(numbers(&member.join(&mut cluster).unwrap()), [0]);
        assert_eq!(member.stay(&mut cluster), Ok(Standing::Member), "it is too early for a heartbeat");
        member.last_heartbeat -= HEARTBEAT_EVERY;
        assert_eq!(member.stay(&mut cluster), Ok(Standing::MustRejoin));
        assert_eq!(member.commit(&mut cluster, &offsets), Ok(Standing::Member));
        assert_eq!(numbers(&member.join(&mut cluster).unwrap()), [2]);
        assert_eq!(member.commit(&mut cluster, &offsets), Ok(Standing::Expelled));
        assert_eq!(numbers(&member.join(&mut cluster).unwrap()), [0; 0]);
        member.leave(&mut cluster);
        let joins: Vec<(String, Option<i32>)> = std::iter::from_fn(|| Some(broker.next_asked()))
            .take(12)
            .filter_map(|asked| match asked {
                AnyRequest::JoinGroup(join) => Some((join.member_id.to_string(), None)),
                AnyRequest::OffsetCommit(c) => {
                    Some((c.member_id.to_string(), Some(c.generation_id_or_member_epoch)))
                }
                AnyRequest::LeaveGroup(leave) => Some((leave.members[0].member_id.to_string(), None)),
                _ => None,
            })
            .collect();
        let me = |generation| ("me".to_owned(), generation);
        let stranger = || (String::new(), None);
        assert_eq!(joins, [stranger(), me(Some(1)), me(None), me(Some(2)), stranger(), me(None)]);
    }
}

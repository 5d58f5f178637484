//! Groups, from the search for a coordinator to their end.

use super::*;
use crate::wire::messages::join_group::JoinGroupRequestProtocol;
use crate::wire::messages::leave_group::MemberIdentity;
use crate::wire::messages::offset_commit::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use crate::wire::messages::offset_fetch::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use crate::wire::messages::sync_group::SyncGroupRequestAssignment;
use crate::wire::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, DescribeGroupsResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse, SyncGroupRequest,
};
use crate::wire::{ErrorCode, Str, Uuid};
use forebay_kit::model::group::{
    AssignedBy, CommitOffsets, Cursor as GroupCursor, FetchedOffset, GroupListing, GroupReply, GroupRequest,
    GroupState, GroupView, JoinGroup, Joined, JoinedMember, LeavingMember, MemberView, Synced,
};
use forebay_kit::model::{GroupId, LeaderEpoch, Refusal, Timestamp, TopicId};

fn group_of(request: Request) -> GroupRequest {
    match request {
        Request::Group(request) => request,
        other => panic!("not of a group: {other:?}"),
    }
}

fn id(text: &str) -> GroupId {
    GroupId(text.into())
}

#[test]
fn the_coordinator_of_one_group_is_found() {
    let request = FindCoordinatorRequest { key: "g".into(), ..Default::default() };
    let find = |reply| {
        Pair::new().exchange(2, &request, |call| {
            assert!(matches!(call, Request::FindGroup(group) if group == id("g")));
            reply
        })
    };
    let response = find(Reply::FindGroup(Ok(NodeId(1)), cluster()));
    assert_eq!((response.node_id, response.host.as_str(), response.port), (1, "broker.example", 9092));
    let response = find(Reply::FindGroup(Err(Refusal::NotLeader { leader: None }), cluster()));
    assert_eq!((response.error_code, response.node_id), (ErrorCode::CoordinatorNotAvailable, -1));
    let response = find(Reply::FindGroup(Ok(NodeId(5)), cluster()));
    assert_eq!(response.error_code, ErrorCode::CoordinatorNotAvailable, "nobody can reach node 5");
}

#[test]
fn the_coordinators_of_many_groups_are_found_in_one_request() {
    let mut pair = Pair::new();
    let keys: Vec<Str> = ["a", "", "b"].map(Str::from).to_vec();
    pair.ask(6, &FindCoordinatorRequest { coordinator_keys: keys, ..Default::default() });
    let (first, second) = (pair.call(), pair.call());
    assert!(matches!(second.1, Request::FindGroup(group) if group == id("b")));
    pair.reply(second.0, Reply::FindGroup(Err(Refusal::Loading), cluster()));
    assert!(pair.next_frame().is_none());
    pair.reply(first.0, Reply::FindGroup(Ok(NodeId(1)), cluster()));
    let response: FindCoordinatorResponse = pair.response_to(1, 6);
    let found: Vec<_> =
        response.coordinators.iter().map(|c| (c.key.as_str(), c.node_id, c.error_code)).collect();
    let expected = [
        ("a", 1, ErrorCode::None),
        ("", -1, ErrorCode::InvalidGroupId),
        ("b", -1, ErrorCode::CoordinatorNotAvailable),
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_transactional_producer_is_served_where_a_group_of_its_name_would_be() {
    let request =
        FindCoordinatorRequest { key_type: 1, coordinator_keys: vec!["tx".into()], ..Default::default() };
    let response = Pair::new().exchange(6, &request, |call| {
        assert!(matches!(call, Request::FindProducer(id) if &*id.0 == "tx"));
        Reply::FindProducer(Ok(NodeId(1)), cluster())
    });
    assert_eq!((response.coordinators[0].node_id, response.coordinators[0].error_code), (1, ErrorCode::None));
}

#[test]
fn share_groups_have_no_coordinator() {
    let request =
        FindCoordinatorRequest { key_type: 2, coordinator_keys: vec!["s".into()], ..Default::default() };
    let response = Pair::new().answer(6, &request);
    assert_eq!(response.coordinators[0].error_code, ErrorCode::InvalidRequest);
    assert!(response.coordinators[0].error_message.is_some());
    let old = FindCoordinatorRequest { key_type: 2, key: "s".into(), ..Default::default() };
    assert_eq!(Pair::new().answer(3, &old).error_code, ErrorCode::InvalidRequest);
}

fn join() -> JoinGroupRequest {
    let protocol =
        |name: &str| JoinGroupRequestProtocol { name: name.into(), metadata: Bytes::from_static(b"topics") };
    JoinGroupRequest {
        group_id: "g".into(),
        session_timeout_ms: 45_000,
        rebalance_timeout_ms: 300_000,
        protocol_type: "consumer".into(),
        protocols: ["range", "sticky"].map(protocol).to_vec(),
        ..Default::default()
    }
}

fn join_of(request: Request) -> JoinGroup {
    match group_of(request) {
        GroupRequest::Join(join) => join,
        other => panic!("not a join: {other:?}"),
    }
}

#[test]
fn a_new_member_is_first_given_an_id() {
    let mut pair = Pair::new();
    let frame = pair.frame(9, &join());
    let inside = frame.as_ptr_range();
    pair.receive(frame).unwrap();
    let (token, call) = pair.call();
    let asked = join_of(call);
    assert!(asked.id_first && asked.may_skip_assignment && asked.member.is_empty());
    assert_eq!((asked.client.as_str(), asked.host.as_str()), ("tester", "/10.1.2.3"));
    assert_eq!((asked.session_timeout_ms, asked.rebalance_timeout_ms), (45_000, 300_000));
    let names: Vec<_> = asked.strategies.iter().map(|strategy| strategy.name.as_str()).collect();
    assert_eq!(names, ["range", "sticky"]);
    assert!(!inside.contains(&asked.strategies[0].metadata.as_ptr()), "the group keeps no frame alive");
    pair.reply(
        token,
        Reply::Group(GroupReply::Join(Err(Refusal::MemberIdRequired { member: "m-1".into() }))),
    );
    let response: crate::wire::messages::JoinGroupResponse = pair.response_to(1, 9);
    assert_eq!((response.error_code, response.member_id.as_str()), (ErrorCode::MemberIdRequired, "m-1"));

    let known = JoinGroupRequest { member_id: "m-1".into(), ..join() };
    let response = pair.exchange(9, &known, |call| {
        assert_eq!(join_of(call).member, "m-1");
        Reply::Group(GroupReply::Join(Ok(Joined {
            generation: 7,
            kind: "consumer".into(),
            strategy: "range".into(),
            leader: "m-1".into(),
            member: "m-1".into(),
            skip_assignment: true,
            members: vec![JoinedMember {
                member: "m-1".into(),
                instance: Some("host".into()),
                metadata: Bytes::from_static(b"topics"),
            }],
        })))
    });
    assert_eq!((response.generation_id, response.leader.as_str()), (7, "m-1"));
    assert_eq!(response.protocol_name.unwrap(), "range");
    assert!(response.skip_assignment);
    assert_eq!(response.members[0].group_instance_id.as_ref().unwrap(), "host");
    assert_eq!(response.members[0].metadata, "topics");
}

#[test]
fn older_members_and_static_ones_join_without_an_id() {
    let asked = |version, request: &JoinGroupRequest| {
        let mut asked = None;
        Pair::new().exchange(version, request, |call| {
            asked = Some(join_of(call));
            Reply::Group(GroupReply::Join(Err(Refusal::RebalanceInProgress)))
        });
        asked.unwrap()
    };
    assert!(!asked(3, &join()).id_first);
    assert!(asked(4, &join()).id_first);
    assert!(!asked(8, &join()).may_skip_assignment);
    let member = JoinGroupRequest { group_instance_id: Some("host".into()), ..join() };
    let asked_static = asked(5, &member);
    assert!(!asked_static.id_first);
    assert_eq!(asked_static.instance.as_deref(), Some("host"));
    assert_eq!(asked(0, &join()).rebalance_timeout_ms, 45_000, "one time for both");
}

#[test]
fn a_join_that_cannot_be_is_refused_in_every_shape() {
    for version in 0..10 {
        let nameless = JoinGroupRequest { group_id: Str::EMPTY, ..join() };
        let response = Pair::new().answer(version, &nameless);
        assert_eq!((response.error_code, response.generation_id), (ErrorCode::InvalidGroupId, -1));
        let timeless = JoinGroupRequest { session_timeout_ms: -1, member_id: "m".into(), ..join() };
        let response = Pair::new().answer(version, &timeless);
        assert_eq!(
            (response.error_code, response.member_id.as_str()),
            (ErrorCode::InvalidSessionTimeout, "m")
        );
    }
}

#[test]
fn shares_are_handed_in_and_out() {
    let request = SyncGroupRequest {
        group_id: "g".into(),
        generation_id: 7,
        member_id: "m".into(),
        protocol_type: Some("consumer".into()),
        protocol_name: Some("range".into()),
        assignments: vec![SyncGroupRequestAssignment {
            member_id: "n".into(),
            assignment: Bytes::from_static(b"share"),
        }],
        ..Default::default()
    };
    let response = Pair::new().exchange(5, &request, |call| {
        let GroupRequest::Sync(sync) = group_of(call) else { panic!("a sync") };
        assert_eq!((sync.proof.generation, sync.proof.member.as_str()), (7, "m"));
        assert_eq!((sync.kind.as_deref(), sync.strategy.as_deref()), (Some("consumer"), Some("range")));
        assert_eq!(sync.assignments, [("n".to_owned(), Bytes::from_static(b"share"))]);
        Reply::Group(GroupReply::Sync(Ok(Synced {
            kind: "consumer".into(),
            strategy: "range".into(),
            assignment: Bytes::from_static(b"mine"),
        })))
    });
    assert_eq!((response.assignment, response.protocol_name.unwrap().as_str()), ("mine".into(), "range"));
    let silent = SyncGroupRequest { protocol_name: None, ..request };
    assert_eq!(Pair::new().answer(5, &silent).error_code, ErrorCode::InconsistentGroupProtocol);
}

#[test]
fn a_heartbeat_is_proof_of_membership() {
    let request = HeartbeatRequest {
        group_id: "g".into(),
        generation_id: 3,
        member_id: "m".into(),
        group_instance_id: Some("host".into()),
    };
    let response = Pair::new().exchange(4, &request, |call| {
        let GroupRequest::Heartbeat(proof) = group_of(call) else { panic!("a heartbeat") };
        assert_eq!((proof.group, proof.generation, proof.instance.as_deref()), (id("g"), 3, Some("host")));
        Reply::Group(GroupReply::Heartbeat(Err(Refusal::IllegalGeneration)))
    });
    assert_eq!(response.error_code, ErrorCode::IllegalGeneration);
}

#[test]
fn one_member_leaves_or_several_do() {
    let one = LeaveGroupRequest { group_id: "g".into(), member_id: "m".into(), ..Default::default() };
    let response = Pair::new().exchange(2, &one, |call| {
        let GroupRequest::Leave(leave) = group_of(call) else { panic!("a leave") };
        let member = LeavingMember { member: "m".into(), instance: None, reason: None };
        assert_eq!(leave.members, std::slice::from_ref(&member));
        Reply::Group(GroupReply::Leave(Ok(vec![(member, Err(Refusal::UnknownMember))])))
    });
    assert_eq!(response.error_code, ErrorCode::UnknownMemberId);

    let member = |id: &str, instance: Option<&str>| MemberIdentity {
        member_id: id.into(),
        group_instance_id: instance.map(Str::from),
        reason: None,
    };
    let several = LeaveGroupRequest {
        group_id: "g".into(),
        members: vec![member("m", None), member("", Some("host"))],
        ..Default::default()
    };
    let response = Pair::new().exchange(5, &several, |call| {
        let GroupRequest::Leave(leave) = group_of(call) else { panic!("a leave") };
        let results = [Ok(()), Err(Refusal::FencedInstance)];
        Reply::Group(GroupReply::Leave(Ok(leave.members.into_iter().zip(results).collect())))
    });
    assert_eq!(response.error_code, ErrorCode::None);
    let codes: Vec<_> = response.members.iter().map(|member| member.error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::FencedInstanceId]);
}

fn commit(version: i16) -> OffsetCommitRequest {
    let partition = |number, offset| OffsetCommitRequestPartition {
        partition_index: number,
        committed_offset: offset,
        committed_leader_epoch: if version >= 6 { 4 } else { -1 },
        committed_metadata: Some("note".into()),
    };
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: 7,
        member_id: "m".into(),
        topics: vec![
            OffsetCommitRequestTopic {
                name: "t".into(),
                partitions: vec![partition(0, 10), partition(1, -2), partition(2, 30)],
                ..Default::default()
            },
            OffsetCommitRequestTopic {
                name: "no/topic".into(),
                partitions: vec![partition(0, 1)],
                ..Default::default()
            },
        ],
        ..Default::default()
    }
}

fn commit_of(request: Request) -> CommitOffsets {
    match group_of(request) {
        GroupRequest::CommitOffsets(commit) => commit,
        other => panic!("not a commit: {other:?}"),
    }
}

#[test]
fn cursors_are_committed_each_by_itself() {
    let response = Pair::new().exchange(8, &commit(8), |call| {
        let commit = commit_of(call);
        assert_eq!((commit.generation, commit.member.as_str()), (7, "m"));
        let offsets: Vec<_> = commit.offsets.iter().map(|o| (o.partition.clone(), o.offset.0)).collect();
        // It comes back as it went.
        let below = (-2_i64).cast_unsigned();
        assert_eq!(offsets, [(place("t", 0), 10), (place("t", 1), below), (place("t", 2), 30)]);
        assert_eq!(commit.offsets[0].leader_epoch, Some(LeaderEpoch(4)));
        assert_eq!(commit.offsets[0].metadata, "note");
        let results = [Ok(()), Ok(()), Err(Refusal::OffsetMetadataTooLarge)];
        let done = commit.offsets.into_iter().map(|offset| offset.partition).zip(results);
        Reply::Group(GroupReply::CommitOffsets(done.collect()))
    });
    let codes: Vec<_> =
        response.topics.iter().flat_map(|topic| &topic.partitions).map(|p| p.error_code).collect();
    let expected = [
        ErrorCode::None,
        ErrorCode::None,
        ErrorCode::OffsetMetadataTooLarge,
        ErrorCode::UnknownTopicOrPartition,
    ];
    assert_eq!(codes, expected);
    let nameless = OffsetCommitRequest { group_id: Str::EMPTY, ..commit(2) };
    let response = Pair::new().answer(2, &nameless);
    assert!(
        response.topics.iter().flat_map(|t| &t.partitions).all(|p| p.error_code == ErrorCode::InvalidGroupId)
    );
}

fn cursor(offset: u64) -> Result<Option<GroupCursor>, Refusal> {
    Ok(Some(GroupCursor {
        offset: Offset(offset),
        leader_epoch: Some(LeaderEpoch(2)),
        metadata: "note".into(),
        committed_at: Timestamp(1),
    }))
}

/// The id of a topic of tests.
fn id_of(topic: &str) -> TopicId {
    TopicId([topic.as_bytes()[0]; 16])
}

fn fetched(topic: &str, number: u32, cursor: Result<Option<GroupCursor>, Refusal>) -> FetchedOffset {
    FetchedOffset { partition: place(topic, number), topic: Some(id_of(topic)), cursor }
}

#[test]
fn cursors_of_one_group_are_read_in_the_old_shape() {
    let topic =
        |name: &str, partition_indexes| OffsetFetchRequestTopic { name: name.into(), partition_indexes };
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![topic("t", vec![0, -1, 1]), topic("no/topic", vec![0]), topic("gone", vec![0])]),
        ..Default::default()
    };
    let response = Pair::new().exchange(5, &request, |call| {
        let GroupRequest::FetchOffsets(fetch) = group_of(call) else { panic!("a fetch of cursors") };
        assert_eq!(fetch.partitions, Some(vec![place("t", 0), place("t", 1), place("gone", 0)]));
        let found = [
            fetched("t", 0, cursor(10)),
            fetched("t", 1, cursor((-2_i64).cast_unsigned())),
            fetched("gone", 0, Err(Refusal::UnknownTopic)),
        ];
        Reply::Group(GroupReply::FetchOffsets(Ok(found.to_vec())))
    });
    assert_eq!(response.error_code, ErrorCode::None);
    let offsets: Vec<_> = response
        .topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .map(|p| (p.partition_index, p.committed_offset, p.error_code))
        .collect();
    let none = ErrorCode::None;
    assert_eq!(offsets, [(0, 10, none), (-1, -1, none), (1, -2, none), (0, -1, none), (0, -1, none)]);
    let first = &response.topics[0].partitions[0];
    assert_eq!((first.committed_leader_epoch, first.metadata.as_ref().unwrap().as_str()), (2, "note"));
}

#[test]
fn a_group_that_cannot_answer_says_so_for_all_its_partitions_where_there_is_no_better_place() {
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0] }]),
        ..Default::default()
    };
    let refuse = |version| {
        Pair::new().exchange(version, &request, |_| {
            Reply::Group(GroupReply::FetchOffsets(Err(Refusal::NotLeader { leader: None })))
        })
    };
    let old = refuse(1);
    assert_eq!(old.topics[0].partitions[0].error_code, ErrorCode::NotCoordinator);
    let new = refuse(7);
    assert_eq!(new.error_code, ErrorCode::NotCoordinator);
    assert_eq!(new.topics[0].partitions[0].error_code, ErrorCode::None);
}

#[test]
fn cursors_of_many_groups_are_read_in_one_request() {
    let mut pair = Pair::new();
    let group =
        |name: &str, topics| OffsetFetchRequestGroup { group_id: name.into(), topics, ..Default::default() };
    let topic =
        OffsetFetchRequestTopics { name: "t".into(), partition_indexes: vec![0], ..Default::default() };
    let some = Some(vec![topic]);
    let request = OffsetFetchRequest {
        groups: vec![group("all", None), group("", some.clone()), group("some", some)],
        ..Default::default()
    };
    pair.ask(9, &request);
    let (all, some) = (pair.call(), pair.call());
    let GroupRequest::FetchOffsets(fetch) = group_of(all.1) else { panic!("a fetch of cursors") };
    assert_eq!(fetch.partitions, None);
    pair.reply(some.0, Reply::Group(GroupReply::FetchOffsets(Err(Refusal::Loading))));
    let found = [fetched("a", 0, cursor(1)), fetched("a", 1, cursor(2)), fetched("b", 0, cursor(3))];
    pair.reply(all.0, Reply::Group(GroupReply::FetchOffsets(Ok(found.to_vec()))));
    let response: OffsetFetchResponse = pair.response_to(1, 9);
    let [all, nameless, some] = &response.groups[..] else { panic!("three groups") };
    let offsets: Vec<_> = all
        .topics
        .iter()
        .map(|t| (t.name.as_str(), t.partitions.iter().map(|p| p.committed_offset).collect::<Vec<_>>()))
        .collect();
    assert_eq!(offsets, [("a", vec![1, 2]), ("b", vec![3])]);
    assert_eq!(nameless.error_code, ErrorCode::InvalidGroupId);
    assert_eq!((some.group_id.as_str(), some.error_code), ("some", ErrorCode::CoordinatorLoadInProgress));
}

#[test]
fn cursors_are_committed_to_topics_by_id() {
    let topic = |id| OffsetCommitRequestTopic {
        topic_id: Uuid([id; 16]),
        partitions: vec![OffsetCommitRequestPartition { committed_offset: 5, ..Default::default() }],
        ..Default::default()
    };
    let topics = vec![topic(1), topic(0), topic(2)];
    let request = OffsetCommitRequest { group_id: "g".into(), topics, ..Default::default() };
    let response = Pair::new().exchange(10, &request, |call| {
        let places: Vec<_> = commit_of(call).offsets.into_iter().map(|offset| offset.partition).collect();
        let by_id = |id| PartitionRef { topic: TopicRef::Id(TopicId([id; 16])), number: 0 };
        assert_eq!(places, [by_id(1), by_id(2)], "no topic has the id 0");
        let results = [Ok(()), Err(Refusal::UnknownTopicId)];
        Reply::Group(GroupReply::CommitOffsets(places.into_iter().zip(results).collect()))
    });
    let answered: Vec<_> =
        response.topics.iter().map(|t| (t.topic_id.0[0], t.partitions[0].error_code)).collect();
    let unknown = ErrorCode::UnknownTopicId;
    assert_eq!(answered, [(1, ErrorCode::None), (0, unknown), (2, unknown)]);
}

#[test]
fn cursors_are_read_by_the_ids_of_topics() {
    let mut pair = Pair::new();
    let topic = |id| OffsetFetchRequestTopics {
        topic_id: Uuid([id; 16]),
        partition_indexes: vec![0],
        ..Default::default()
    };
    let topics = Some(vec![topic(1), topic(0), topic(2)]);
    let group =
        |name: &str, topics| OffsetFetchRequestGroup { group_id: name.into(), topics, ..Default::default() };
    let groups = vec![group("some", topics), group("all", None)];
    pair.ask(10, &OffsetFetchRequest { groups, ..Default::default() });
    let (some, all) = (pair.call(), pair.call());
    let GroupRequest::FetchOffsets(fetch) = group_of(some.1) else { panic!("a fetch of cursors") };
    let places = fetch.partitions.expect("partitions");
    let found = [cursor(5), Err(Refusal::UnknownTopicId)];
    let found = places.into_iter().zip(found);
    let found = found.map(|(partition, cursor)| FetchedOffset { partition, topic: None, cursor });
    pair.reply(some.0, Reply::Group(GroupReply::FetchOffsets(Ok(found.collect()))));
    let found = vec![fetched("a", 0, cursor(1)), fetched("b", 0, cursor(3))];
    pair.reply(all.0, Reply::Group(GroupReply::FetchOffsets(Ok(found))));
    let response: OffsetFetchResponse = pair.response_to(1, 10);
    let answered = |group: &crate::wire::messages::offset_fetch::OffsetFetchResponseGroup| -> Vec<_> {
        let told = |topic: &crate::wire::messages::offset_fetch::OffsetFetchResponseTopics| {
            let partition = &topic.partitions[0];
            (topic.topic_id.0[0], partition.committed_offset, partition.error_code)
        };
        group.topics.iter().map(told).collect()
    };
    let (none, unknown) = (ErrorCode::None, ErrorCode::UnknownTopicId);
    assert_eq!(answered(&response.groups[0]), [(1, 5, none), (0, -1, unknown), (2, -1, unknown)]);
    assert_eq!(answered(&response.groups[1]), [(b'a', 1, none), (b'b', 3, none)]);
}

fn view(group: &str) -> GroupView {
    GroupView {
        group: id(group),
        state: GroupState::ExpectAssignment,
        kind: "consumer".into(),
        strategy: "range".into(),
        members: vec![MemberView {
            member: "m".into(),
            instance: None,
            client: "tester".into(),
            host: "/10.1.2.3".into(),
            metadata: Bytes::from_static(b"topics"),
            assignment: Bytes::from_static(b"share"),
        }],
    }
}

#[test]
fn groups_are_described_and_unknown_ones_in_their_versions_way() {
    let dead = GroupView { state: GroupState::Dead, members: Vec::new(), ..view("gone") };
    for (version, code, unknown) in [
        (5, ErrorCode::None, Err(Refusal::UnknownGroup)),
        (5, ErrorCode::None, Ok(dead.clone())),
        (6, ErrorCode::GroupIdNotFound, Err(Refusal::UnknownGroup)),
        (6, ErrorCode::GroupIdNotFound, Ok(dead)),
    ] {
        let mut pair = Pair::new();
        let groups = ["g", "", "gone"].map(Str::from).to_vec();
        pair.ask(version, &DescribeGroupsRequest { groups, include_authorized_operations: true });
        let (known, gone) = (pair.call(), pair.call());
        pair.reply(known.0, Reply::Group(GroupReply::Describe(Ok(view("g")))));
        pair.reply(gone.0, Reply::Group(GroupReply::Describe(unknown)));
        let response: DescribeGroupsResponse = pair.response_to(1, version);
        let [known, nameless, gone] = &response.groups[..] else { panic!("three groups") };
        assert_eq!(
            (known.group_state.as_str(), known.protocol_data.as_str()),
            ("CompletingRebalance", "range")
        );
        assert_eq!(known.members[0].client_host, "/10.1.2.3");
        assert_eq!(known.authorized_operations, 0b1101_0100_1000);
        assert_eq!(nameless.error_code, ErrorCode::InvalidGroupId);
        assert_eq!((gone.error_code, gone.group_state.as_str()), (code, "Dead"));
    }
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let listing = |name: &str, state| GroupListing {
        group: id(name),
        state,
        kind: "consumer".into(),
        assigned_by: AssignedBy::Leader,
    };
    let list = |states: &[&str]| {
        let request = ListGroupsRequest {
            states_filter: states.iter().map(|state| Str::from(*state)).collect(),
            types_filter: Vec::new(),
        };
        let response = Pair::new().exchange(5, &request, |call| {
            assert!(matches!(call, Request::ListGroups));
            let groups = vec![listing("a", GroupState::Stable), listing("b", GroupState::Empty)];
            Reply::ListGroups(Ok(groups))
        });
        response.groups.iter().map(|group| group.group_id.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), ["a", "b"]);
    assert_eq!(list(&["stable"]), ["a"]);
    assert_eq!(list(&["Empty", "Dead"]), ["b"]);
    assert!(list(&["Nonsense"]).is_empty());
    let streams = ListGroupsRequest { types_filter: vec!["streams".into()], ..Default::default() };
    assert!(Pair::new().answer(5, &streams).groups.is_empty());
}

#[test]
fn groups_are_deleted_each_by_itself() {
    let mut pair = Pair::new();
    pair.ask(2, &DeleteGroupsRequest { groups_names: ["a", "", "b"].map(Str::from).to_vec() });
    let (a, b) = (pair.call(), pair.call());
    pair.reply(b.0, Reply::Group(GroupReply::Delete(Err(Refusal::GroupNotEmpty))));
    pair.reply(a.0, Reply::Group(GroupReply::Delete(Ok(()))));
    let response: crate::wire::messages::DeleteGroupsResponse = pair.response_to(1, 2);
    let codes: Vec<_> = response.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [ErrorCode::None, ErrorCode::InvalidGroupId, ErrorCode::NonEmptyGroup]);
}

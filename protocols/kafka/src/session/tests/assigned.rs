//! Groups whose partitions the broker assigns: what is refused at once, and which code each refusal is.

use super::*;
use crate::wire::messages::consumer_group_heartbeat::TopicPartitions;
use crate::wire::messages::offset_fetch::OffsetFetchRequestGroup;
use crate::wire::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse, ListGroupsRequest, OffsetFetchRequest,
};
use crate::wire::{ErrorCode, Str, Uuid};
use forebay_kit::model::group::{
    AssignedBy, AssignedMemberView, AssignedView, AttendGroup, Attended, GroupListing, GroupReply,
    GroupRequest, GroupState, NamedPartitions, Presence,
};
use forebay_kit::model::{GroupId, Refusal, TopicId};

const TOPIC: TopicId = TopicId([7; 16]);

/// A member's first heartbeat.
fn joining() -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: 0,
        rebalance_timeout_ms: 60_000,
        subscribed_topic_names: Some(vec!["orders".into()]),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

fn attended(epoch: i32) -> Attended {
    let assignment = Some([(TOPIC, 0), (TOPIC, 2)].into());
    Attended { member: "m".into(), epoch, heartbeat_interval_ms: 5_000, assignment }
}

fn attend_of(call: Request) -> AttendGroup {
    match call {
        Request::Group(GroupRequest::Attend(attend)) => *attend,
        other => panic!("no attendance: {other:?}"),
    }
}

fn exchange(
    version: i16,
    request: &ConsumerGroupHeartbeatRequest,
    answer: Result<Attended, Refusal>,
) -> (AttendGroup, ConsumerGroupHeartbeatResponse) {
    let mut asked = None;
    let response = Pair::new().exchange(version, request, |call| {
        asked = Some(attend_of(call));
        Reply::Group(GroupReply::Attend(answer))
    });
    (asked.expect("the broker was asked"), response)
}

#[test]
fn a_member_joins_and_hears_what_it_may_have() {
    let request = ConsumerGroupHeartbeatRequest {
        instance_id: Some("i".into()),
        rack_id: Some("r".into()),
        subscribed_topic_regex: Some("o.*".into()),
        server_assignor: Some("range".into()),
        ..joining()
    };
    let (asked, response) = exchange(1, &request, Ok(attended(3)));
    assert_eq!((asked.group.0.as_ref(), asked.member.as_str(), asked.presence), ("g", "m", Presence::Joins));
    assert_eq!((asked.client.as_str(), asked.host.as_str()), ("tester", "/10.1.2.3"));
    assert_eq!((asked.instance.as_deref(), asked.rack.as_deref()), (Some("i"), Some("r")));
    assert_eq!((asked.topics, asked.pattern.as_deref()), (Some(vec!["orders".to_owned()]), Some("o.*")));
    assert_eq!((asked.strategy.as_deref(), asked.rebalance_timeout_ms), (Some("range"), Some(60_000)));
    assert_eq!(asked.owned.map(|owned| owned.len()), Some(0));
    assert_eq!((response.error_code, response.member_epoch), (ErrorCode::None, 3));
    assert_eq!(
        (response.member_id.as_ref().map(Str::as_str), response.heartbeat_interval_ms),
        (Some("m"), 5_000)
    );
    let assignment = response.assignment.expect("its share");
    assert_eq!(assignment.topic_partitions.len(), 1);
    assert_eq!(assignment.topic_partitions[0].topic_id, Uuid(TOPIC.0));
    assert_eq!(assignment.topic_partitions[0].partitions, [0, 2]);
}

#[test]
fn a_member_that_stays_leaves_out_what_has_not_changed() {
    let owned = TopicPartitions { topic_id: Uuid(TOPIC.0), partitions: vec![2, 0] };
    let request = ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: "m".into(),
        member_epoch: 7,
        rebalance_timeout_ms: -1,
        topic_partitions: Some(vec![owned]),
        ..Default::default()
    };
    let (asked, response) = exchange(0, &request, Ok(Attended { assignment: None, ..attended(8) }));
    assert_eq!(asked.presence, Presence::Stays(7));
    assert_eq!((asked.topics, asked.rebalance_timeout_ms), (None, None));
    assert_eq!(asked.owned, Some([(TOPIC, 0), (TOPIC, 2)].into()));
    assert_eq!((response.member_epoch, response.assignment), (8, None));
}

#[test]
fn who_goes_hears_the_epoch_that_it_went_with() {
    for (epoch, presence) in [(-1, Presence::Leaves), (-2, Presence::Pauses)] {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: "g".into(),
            member_id: "m".into(),
            instance_id: Some("i".into()),
            member_epoch: epoch,
            ..Default::default()
        };
        let (asked, response) = exchange(1, &request, Ok(Attended { assignment: None, ..attended(0) }));
        assert_eq!(asked.presence, presence);
        assert_eq!((response.error_code, response.member_epoch), (ErrorCode::None, epoch));
    }
}

#[test]
fn what_cannot_be_meant_is_refused_at_once() {
    type Change = fn(&mut ConsumerGroupHeartbeatRequest);
    let changes: [(&str, i16, Change); 12] = [
        ("no member id in version 1", 1, |r| r.member_id = Str::EMPTY),
        ("no member id of one that stays", 0, |r| (r.member_id, r.member_epoch) = (Str::EMPTY, 4)),
        ("no group id", 1, |r| r.group_id = Str::EMPTY),
        ("an empty instance id", 1, |r| r.instance_id = Some(Str::EMPTY)),
        ("an empty rack", 1, |r| r.rack_id = Some(Str::EMPTY)),
        ("no rebalance timeout", 1, |r| r.rebalance_timeout_ms = -1),
        ("no partitions", 1, |r| r.topic_partitions = None),
        ("partitions", 1, |r| {
            r.topic_partitions = Some(vec![TopicPartitions { topic_id: Uuid([1; 16]), partitions: vec![1] }]);
        }),
        ("nothing to read", 1, |r| r.subscribed_topic_names = None),
        ("a dynamic member that will be back", 1, |r| r.member_epoch = -2),
        ("an epoch that there is not", 1, |r| r.member_epoch = -3),
        ("a negative partition", 1, |r| {
            r.member_epoch = 2;
            r.topic_partitions =
                Some(vec![TopicPartitions { topic_id: Uuid([1; 16]), partitions: vec![-1] }]);
        }),
    ];
    for (what, version, change) in changes {
        let mut request = joining();
        change(&mut request);
        let response = Pair::new().answer(version, &request);
        assert_eq!(response.error_code, ErrorCode::InvalidRequest, "{what}");
        assert!(response.error_message.is_some(), "{what}");
    }
    // In version 0 the broker makes the id.
    let nameless = ConsumerGroupHeartbeatRequest { member_id: Str::EMPTY, ..joining() };
    let (_, response) = exchange(0, &nameless, Ok(attended(1)));
    assert_eq!(response.member_id.as_ref().map(Str::as_str), Some("m"));
}

#[test]
fn every_refusal_has_the_code_that_members_know() {
    for (refusal, code) in [
        (Refusal::UnknownMember, ErrorCode::UnknownMemberId),
        (Refusal::FencedMember, ErrorCode::FencedMemberEpoch),
        (Refusal::UnreleasedInstance, ErrorCode::UnreleasedInstanceId),
        (Refusal::FencedInstance, ErrorCode::FencedInstanceId),
        (Refusal::UnsupportedStrategy("x".into()), ErrorCode::UnsupportedAssignor),
        (Refusal::InvalidPattern("x".into()), ErrorCode::InvalidRegularExpression),
        (Refusal::GroupFull, ErrorCode::GroupMaxSizeReached),
        (Refusal::UnknownGroup, ErrorCode::GroupIdNotFound),
        (Refusal::Loading, ErrorCode::CoordinatorLoadInProgress),
        (Refusal::NotLeader { leader: None }, ErrorCode::NotCoordinator),
    ] {
        let (_, response) = exchange(1, &joining(), Err(refusal));
        assert_eq!(response.error_code, code);
        assert!(response.error_message.is_some());
        assert_eq!(response.member_epoch, 0);
    }
}

#[test]
fn groups_are_described_with_what_members_have_and_are_to_have() {
    let share = |numbers: &[u32]| {
        vec![NamedPartitions { topic: TOPIC, name: "orders".into(), numbers: numbers.to_vec() }]
    };
    let member = AssignedMemberView {
        member: "m".into(),
        instance: Some("i".into()),
        rack: None,
        client: "c".into(),
        host: "/h".into(),
        epoch: None,
        is_classic: false,
        topics: vec!["orders".into()],
        pattern: None,
        held: share(&[0]),
        target: share(&[0, 1]),
    };
    let view = AssignedView {
        group: GroupId("g".into()),
        state: GroupState::Reconciling,
        epoch: 9,
        assigned_epoch: 8,
        strategy: "range",
        members: vec![member.clone(), AssignedMemberView { epoch: Some(7), is_classic: true, ..member }],
    };
    let mut pair = Pair::new();
    let group_ids = ["g", "", "gone"].map(Str::from).to_vec();
    pair.ask(1, &ConsumerGroupDescribeRequest { group_ids, include_authorized_operations: true });
    let (known, gone) = (pair.call(), pair.call());
    pair.reply(known.0, Reply::Group(GroupReply::DescribeAssigned(Ok(view))));
    pair.reply(gone.0, Reply::Group(GroupReply::DescribeAssigned(Err(Refusal::UnknownGroup))));
    let response: ConsumerGroupDescribeResponse = pair.response_to(1, 1);
    let [known, nameless, gone] = &response.groups[..] else { panic!("three groups") };
    assert_eq!((known.group_state.as_str(), known.assignor_name.as_str()), ("Reconciling", "range"));
    assert_eq!((known.group_epoch, known.assignment_epoch), (9, 8));
    let kinds = known.members.iter().map(|member| (member.member_epoch, member.member_type));
    assert_eq!(kinds.collect::<Vec<_>>(), [(-2, 1), (7, 0)]);
    assert_eq!(known.members[0].assignment.topic_partitions[0].partitions, [0]);
    assert_eq!(known.members[0].target_assignment.topic_partitions[0].partitions, [0, 1]);
    assert_eq!(known.members[0].assignment.topic_partitions[0].topic_name, "orders");
    assert_eq!(nameless.error_code, ErrorCode::InvalidGroupId);
    assert_eq!(gone.error_code, ErrorCode::GroupIdNotFound);
}

#[test]
fn they_are_listed_by_their_type() {
    let list = |types: &[&str]| {
        let request = ListGroupsRequest {
            states_filter: Vec::new(),
            types_filter: types.iter().map(|name| Str::from(*name)).collect(),
        };
        let response = Pair::new().exchange(5, &request, |_| {
            let listing = |name: &str, assigned_by| GroupListing {
                group: GroupId(name.into()),
                state: GroupState::Stable,
                kind: String::new(),
                assigned_by,
            };
            let both = vec![listing("a", AssignedBy::Leader), listing("b", AssignedBy::Broker)];
            Reply::ListGroups(Ok(both))
        });
        let line = |group: &crate::wire::messages::list_groups::ListedGroup| {
            let texts = [&group.group_id, &group.protocol_type, &group.group_type];
            texts.map(|text| text.as_str().to_owned()).join(" ")
        };
        response.groups.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(list(&[]), ["a  classic", "b consumer consumer"]);
    assert_eq!(list(&["Consumer"]), ["b consumer consumer"]);
    assert_eq!(list(&["classic", "share"]), ["a  classic"]);
}

#[test]
fn a_reader_of_cursors_says_for_which_member_it_reads() {
    for (member, epoch, expected) in
        [(Some("m"), 4, Some(("m".to_owned(), 4))), (Some("m"), -1, None), (None, 4, None)]
    {
        let group = OffsetFetchRequestGroup {
            group_id: "g".into(),
            member_id: member.map(Str::from),
            member_epoch: epoch,
            topics: None,
        };
        let request = OffsetFetchRequest { groups: vec![group], ..Default::default() };
        let response = Pair::new().exchange(9, &request, |call| {
            let Request::Group(GroupRequest::FetchOffsets(fetch)) = call else { panic!("{call:?}") };
            assert_eq!(fetch.member, expected);
            Reply::Group(GroupReply::FetchOffsets(Err(Refusal::StaleMember)))
        });
        assert_eq!(response.groups[0].error_code, ErrorCode::StaleMemberEpoch);
    }
}

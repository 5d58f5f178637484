//! A broker that answers anything it may, for fuzzers and stories.

use std::sync::Arc;

use forebay_kit::Bytes;
use forebay_kit::model::acl::{Acl, Operation, Operations, Pattern, Permission, ResourceKind};
use forebay_kit::model::admin::{
    AlteredTopic, CreatedTopic, DeletedTopic, DescribedDefaults, DescribedTopic, GrownTopic, TopicSelection,
};
use forebay_kit::model::fetch::{EpochEnd, FetchRefusal, FetchedRecords, OffsetAt};
use forebay_kit::model::group::{
    AssignedBy, AssignedMemberView, AssignedView, Attended, Cursor, FetchedOffset, GroupListing, GroupReply,
    GroupRequest, GroupState, GroupView, Joined, JoinedMember, MemberView, NamedPartitions, Synced,
};
use forebay_kit::model::login::LoginStep;
use forebay_kit::model::partition::{
    DescribedPartition, PartitionSelection, PartitionState, ProducerView, StorageView,
};
use forebay_kit::model::post::PostedTo;
use forebay_kit::model::publish::Appended;
use forebay_kit::model::queue::{RouteAnswer, RouteRefusal};
use forebay_kit::model::quorum::{QuorumView, ReplicaView};
use forebay_kit::model::quota::{QuotaEntity, QuotaName, QuotaRates, QuotaTable};
use forebay_kit::model::subscription::{
    Attending, Delivery, OffsetRange, Received, ReceivedAll, ReceivedRecords, SettledAll, SharedTopic,
    SharerView, SharersView, SubscriptionReply, SubscriptionRequest, SubscriptionSettings, SubscriptionState,
    SubscriptionView,
};
use forebay_kit::model::transaction::{
    JoinRefused, TransactionListing, TransactionPhase, TransactionReply, TransactionRequest, TransactionView,
    TransactionalId,
};
use forebay_kit::model::user::{AlteredUser, CredentialView, DescribedUser, PasswordHash, UserSelection};
use forebay_kit::model::{
    Attempts, BatchSequence, Cleanup, CleanupPolicy, CleanupSettings, ClusterView, Compression, FlushClass,
    GroupId, Intake, IntakeSettings, LeaderEpoch, LogIndex, NodeId, NodeView, Offset, PartitionId,
    PartitionRef, PartitionView, Principal, ProducerEpoch, ProducerId, Refusal, Reply, Request, ShardId,
    Term, Timestamp, TimestampType, TopicDefaults, TopicId, TopicName, TopicNameError, TopicRef,
    TopicSettings, TopicView,
};

fn shared_topic() -> SharedTopic {
    SharedTopic { topic: TopicId([3; 16]), name: "orders".into(), numbers: vec![0, 2] }
}

/// A broker that answers anything it may.
pub(super) struct AnyBroker {
    pub(super) state: u64,
}

impl AnyBroker {
    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn some<T>(&mut self, value: T) -> Option<T> {
        (self.below(2) == 0).then_some(value)
    }

    /// Mostly well.
    fn well<T>(&mut self, value: T) -> Result<T, Refusal> {
        if self.below(4) == 0 { Err(self.refusal()) } else { Ok(value) }
    }

    fn refusal(&mut self) -> Refusal {
        let refusals = refusals();
        refusals[self.below(refusals.len() as u64) as usize].clone()
    }

    fn offset(&mut self) -> Offset {
        Offset(self.below(1 << 62))
    }

    /// An answer of the right kind, with as many items as were asked for.
    pub(super) fn reply(&mut self, request: &Request) -> Reply {
        match request {
            Request::Publish(r) => Reply::Publish(r.items.iter().map(|_| self.published()).collect()),
            Request::Fetch(r) => Reply::Fetch(r.items.iter().map(|_| self.fetched()).collect()),
            Request::FindOffsets(r) => {
                Reply::FindOffsets(r.items.iter().map(|_| self.found_offset()).collect())
            }
            Request::FindEpochEnds(r) => {
                Reply::FindEpochEnds(r.items.iter().map(|_| self.found_end()).collect())
            }
            Request::DescribeTopics(r) => {
                let asked = match &r.topics {
                    TopicSelection::All => vec![TopicRef::Name(name())],
                    TopicSelection::These(these) => these.clone(),
                };
                let described = asked.into_iter().map(|asked| {
                    let view = self.topic(&asked);
                    DescribedTopic { asked, topic: self.well(view), operations: self.operations() }
                });
                let described = described.collect();
                Reply::DescribeTopics(self.cluster(), described)
            }
            // Nothing of Kafka asks for exchanges.
            Request::Route(_) => Reply::Route(self.well(RouteAnswer::Done).map_err(RouteRefusal::Broker)),
            Request::Post(r) => Reply::Post(r.items.iter().map(|_| Ok(PostedTo::Nowhere)).collect()),
            Request::DescribeDefaults => Reply::DescribeDefaults(
                Box::new(DescribedDefaults {
                    node: defaults(),
                    all: TopicSettings::default(),
                    creates: true,
                }),
                self.cluster(),
            ),
            Request::CreateTopics(r) => {
                let created = r.topics.iter().map(|topic| {
                    let view = self.topic(&TopicRef::Name(name()));
                    CreatedTopic { name: topic.name.clone(), topic: self.well(view) }
                });
                Reply::CreateTopics(created.collect())
            }
            Request::DeleteTopics(r) => {
                let deleted = r.topics.iter().map(|asked| DeletedTopic {
                    asked: asked.clone(),
                    result: self.well((name(), TopicId([3; 16]))),
                });
                Reply::DeleteTopics(deleted.collect())
            }
            Request::CreatePartitions(r) => {
                let grown = r
                    .topics
                    .iter()
                    .map(|topic| GrownTopic { name: topic.name.clone(), result: self.well(()) });
                Reply::CreatePartitions(grown.collect())
            }
            Request::AlterTopics(r) => {
                let altered = r
                    .topics
                    .iter()
                    .map(|topic| AlteredTopic { name: topic.name.clone(), result: self.well(()) });
                Reply::AlterTopics(altered.collect())
            }
            Request::AlterDefaults(_) => Reply::AlterDefaults(self.well(())),
            Request::TrimPartitions(r) => {
                Reply::TrimPartitions(r.items.iter().map(|_| self.trimmed()).collect())
            }
            Request::DescribePartitions(r) => {
                let asked = match &r.partitions {
                    PartitionSelection::All => {
                        vec![PartitionRef { topic: TopicRef::Name(name()), number: 0 }; 2]
                    }
                    PartitionSelection::These(these) => these.clone(),
                };
                let described = asked.into_iter().map(|partition| {
                    let state = self.partition_state(r.producers);
                    DescribedPartition { partition, state: self.well(state) }
                });
                let described = described.collect();
                let storage = StorageView {
                    directory: "/data".into(),
                    total_bytes: self.some(10),
                    free_bytes: self.some(5),
                };
                Reply::DescribePartitions(described, storage)
            }
            Request::AllocateProducer(_) => {
                Reply::AllocateProducer(self.well((ProducerId(7), ProducerEpoch(1))))
            }
            Request::FindProducer(_) => Reply::FindProducer(self.well(NodeId(1)), self.cluster()),
            Request::Rights(r) => Reply::Rights(r.iter().map(|_| self.operations()).collect()),
            Request::DescribeAcls(_) => Reply::DescribeAcls(self.well(vec![acl(); 2])),
            Request::AddAcls(r) => {
                let added = r.acls.iter().map(|_| self.well(())).collect();
                Reply::AddAcls(self.well(added))
            }
            Request::RemoveAcls(r) => {
                let removed = r.filters.iter().map(|_| self.well(vec![acl()])).collect();
                Reply::RemoveAcls(self.well(removed))
            }
            Request::FindGroup(_) => Reply::FindGroup(self.well(NodeId(1)), self.cluster()),
            Request::Group(r) => Reply::Group(self.group(r)),
            Request::ListGroups => {
                let listing = |id: &str, assigned_by| GroupListing {
                    group: GroupId(id.into()),
                    state: GroupState::Empty,
                    kind: "consumer".into(),
                    assigned_by,
                };
                let both = vec![listing("g", AssignedBy::Leader), listing("h", AssignedBy::Broker)];
                Reply::ListGroups(self.well(both))
            }
            Request::AlterQuotas(r) => Reply::AlterQuotas(r.changes.iter().map(|_| self.well(())).collect()),
            Request::DescribeQuotas => {
                let quotas = self.quotas();
                Reply::DescribeQuotas(self.well(quotas))
            }
            Request::DescribeQuorum => {
                let view = self.quorum();
                Reply::DescribeQuorum(self.well(view))
            }
            Request::Transaction(r) => Reply::Transaction(self.transaction(r)),
            Request::Login(_) => Reply::Login(self.login()),
            Request::DescribeUsers(r) => {
                let asked = match &r.users {
                    UserSelection::All => vec!["alice".into()],
                    UserSelection::These(these) => these.clone(),
                };
                let view = CredentialView { hash: PasswordHash::Sha512, iterations: 4096 };
                let described =
                    asked.into_iter().map(|name| DescribedUser { name, credentials: self.well(vec![view]) });
                let described: Vec<_> = described.collect();
                Reply::DescribeUsers(self.well(described))
            }
            Request::AlterUsers(r) => {
                let altered = r
                    .changes
                    .iter()
                    .map(|change| AlteredUser { name: change.name.clone(), result: self.well(()) });
                Reply::AlterUsers(altered.collect())
            }
            Request::ListTransactions => Reply::ListTransactions(self.well(vec![TransactionListing {
                id: TransactionalId("tx".into()),
                producer: ProducerId(7),
                phase: TransactionPhase::Open,
                open_ms: Some(5),
            }])),
            Request::Subscription(r) => Reply::Subscription(self.subscription(r)),
        }
    }

    fn login(&mut self) -> Result<LoginStep, Refusal> {
        let bytes = || Bytes::from_static(b"token").into();
        let step = match self.below(2) {
            0 => LoginStep::Continue(bytes()),
            _ => LoginStep::Done { bytes: bytes(), principal: Arc::new(Principal::anonymous()) },
        };
        self.well(step)
    }

    fn subscription(&mut self, request: &SubscriptionRequest) -> SubscriptionReply {
        match request {
            SubscriptionRequest::Receive(r) => SubscriptionReply::Receive(ReceivedAll {
                lease_ms: 30_000,
                partitions: r.partitions.iter().map(|_| self.received()).collect(),
            }),
            SubscriptionRequest::Settle(r) => SubscriptionReply::Settle(SettledAll {
                lease_ms: 30_000,
                items: r.items.iter().map(|_| self.well(())).collect(),
            }),
            SubscriptionRequest::EndConsumer(_) => SubscriptionReply::EndConsumer,
            SubscriptionRequest::Join(_) => SubscriptionReply::Join(Ok(())),
            SubscriptionRequest::Leave(_) => SubscriptionReply::Leave,
            SubscriptionRequest::EndReceive(_) => SubscriptionReply::EndReceive,
            SubscriptionRequest::Describe { partitions: Some(these), .. } => self.states(these.clone()),
            SubscriptionRequest::Reset { items, .. } => {
                self.states(items.iter().map(|(partition, _)| partition.clone()).collect())
            }
            SubscriptionRequest::Describe { .. } | SubscriptionRequest::Drop { .. } => {
                self.states(vec![PartitionRef { topic: TopicRef::Name(name()), number: 0 }; 2])
            }
            SubscriptionRequest::Attend(_) => {
                let attending = Attending {
                    epoch: self.below(9) as i32,
                    heartbeat_interval_ms: 5_000,
                    partitions: self.some(vec![shared_topic()]),
                };
                SubscriptionReply::Attend(self.well(attending))
            }
            SubscriptionRequest::Members(_) => {
                let member = SharerView {
                    member: "m".into(),
                    epoch: 4,
                    rack: self.some("r".into()),
                    client: "c".into(),
                    host: "/10.0.0.1".into(),
                    topics: vec!["orders".into()],
                    partitions: vec![shared_topic()],
                };
                let members = self.some(member).into_iter().collect();
                SubscriptionReply::Members(self.well(SharersView { epoch: 4, members }))
            }
            SubscriptionRequest::Settings(names) => {
                let names = names.clone().unwrap_or_else(|| vec![GroupId("g".into())]);
                let settings =
                    SubscriptionSettings { lease_ms: self.some(20_000), ..SubscriptionSettings::default() };
                SubscriptionReply::Settings(names.into_iter().map(|name| (name, settings)).collect())
            }
            SubscriptionRequest::Alter { changes, .. } => {
                SubscriptionReply::Alter(changes.iter().map(|_| self.well(())).collect())
            }
        }
    }

    fn received(&mut self) -> Received {
        let first = self.offset();
        let range = OffsetRange { first, last: Offset(first.0 + self.below(9)) };
        let delivery = Delivery { range, attempt: Attempts(self.below(9) as u16) };
        let received = ReceivedRecords {
            topic: TopicId([3; 16]),
            records: vec![Bytes::from(vec![b'r'; self.below(1500) as usize])],
            payloads: Vec::new(),
            deliveries: self.some(delivery).into_iter().collect(),
        };
        self.well(received)
    }

    fn states(&mut self, partitions: Vec<PartitionRef>) -> SubscriptionReply {
        let state = |partition| {
            let view = SubscriptionView {
                cursor: self.offset(),
                unsettled: self.below(9),
                leader_epoch: LeaderEpoch(self.below(9) as u32),
            };
            let view = self.some(view);
            SubscriptionState { partition, topic: TopicId([3; 16]), view: self.well(view) }
        };
        let states = partitions.into_iter().map(state).collect();
        SubscriptionReply::States(self.well(states))
    }

    fn transaction(&mut self, request: &TransactionRequest) -> TransactionReply {
        let instance = (ProducerId(7), ProducerEpoch(1));
        match request {
            TransactionRequest::Open(_) => TransactionReply::Open(self.well(instance)),
            TransactionRequest::End(_) => TransactionReply::End(self.well(instance)),
            TransactionRequest::Describe(id) => {
                let view = TransactionView {
                    id: id.clone(),
                    producer: instance.0,
                    epoch: instance.1,
                    timeout_ms: 60_000,
                    phase: TransactionPhase::Open,
                    since: self.some(Timestamp(5)),
                    partitions: vec![PartitionRef { topic: TopicRef::Name(name()), number: 1 }],
                    elsewhere: Vec::new(),
                };
                TransactionReply::Describe(self.well(view))
            }
            TransactionRequest::Join(join) if join.partitions.is_empty() || self.below(2) == 0 => {
                TransactionReply::Join(self.well(()).map_err(JoinRefused::All))
            }
            TransactionRequest::Join(join) => {
                let refused = join.partitions.iter().map(|_| self.well(()).err());
                TransactionReply::Join(Err(JoinRefused::Partitions(refused.collect())))
            }
        }
    }

    fn operations(&mut self) -> Operations {
        if self.below(2) == 0 { Operations::ALL } else { Operations::NONE }
    }

    fn published(&mut self) -> Result<Appended, Refusal> {
        let appended = Appended {
            base_offset: self.offset(),
            start_offset: self.offset(),
            append_time: self.some(Timestamp(5)),
        };
        self.well(appended)
    }

    fn fetched(&mut self) -> Result<FetchedRecords, FetchRefusal> {
        let mut records = Vec::new();
        for _ in 0..self.below(3) {
            records.push(Bytes::from(vec![b'r'; self.below(1500) as usize]));
        }
        let fetched = FetchedRecords {
            topic: TopicId([3; 16]),
            start_offset: Offset(0),
            high_watermark: Offset(self.below(3)),
            last_stable_offset: Offset(1),
            aborted: self.some((ProducerId(7), Offset(0))).into_iter().collect(),
            records,
        };
        self.well(fetched).map_err(|refusal| FetchRefusal { refusal })
    }

    fn quotas(&mut self) -> Arc<QuotaTable> {
        let name = QuotaName::Named("somebody".into());
        let entity = QuotaEntity::Client { user: self.some(QuotaName::Default), client: Some(name.clone()) };
        let rates = QuotaRates {
            publish_bytes: Some(5),
            read_bytes: self.some(6),
            work_nanos: self.some(7),
            connections: self.some(8),
        };
        Arc::new(QuotaTable::from([(entity, rates), (QuotaEntity::Address(name), rates)]))
    }

    fn quorum(&mut self) -> QuorumView {
        let mut replica = |node| ReplicaView { node: NodeId(node), end: self.some(LogIndex(5)) };
        QuorumView {
            leader: NodeId(1),
            term: Term(3),
            voters: vec![replica(1), replica(2)],
            learners: vec![replica(3)],
            uncommitted: LogIndex(self.below(1 << 62)),
        }
    }

    fn trimmed(&mut self) -> Result<Offset, Refusal> {
        let start = self.offset();
        self.well(start)
    }

    fn partition_state(&mut self, with_producers: bool) -> PartitionState {
        let producer = ProducerView {
            id: ProducerId(7),
            epoch: ProducerEpoch(1),
            last_sequence: BatchSequence(3),
            seen_at: Timestamp(5),
            open_from: self.some(Offset(1)),
        };
        let producers = if with_producers { self.some(producer) } else { None };
        PartitionState {
            start: Offset(1),
            end: self.offset(),
            bytes: self.below(u64::MAX),
            producers: producers.into_iter().collect(),
        }
    }

    fn found_offset(&mut self) -> Result<Option<OffsetAt>, Refusal> {
        let at = OffsetAt {
            offset: self.offset(),
            timestamp: self.some(Timestamp(5)),
            leader_epoch: self.some(LeaderEpoch(2)),
        };
        let found = self.some(at);
        self.well(found)
    }

    fn found_end(&mut self) -> Result<Option<EpochEnd>, Refusal> {
        let end = EpochEnd { epoch: LeaderEpoch(2), end: self.offset() };
        let found = self.some(end);
        self.well(found)
    }

    fn cluster(&mut self) -> ClusterView {
        let node = |id| NodeView { id: NodeId(id), host: "node".into(), port: 9092 };
        ClusterView {
            id: "cluster".into(),
            nodes: (0..self.below(3)).map(node).collect(),
            controller: self.some(NodeId(1)),
        }
    }

    fn topic(&mut self, asked: &TopicRef) -> TopicView {
        let settings = TopicSettings {
            retention_ms: self.some(None),
            retention_bytes: self.some(Some(9)),
            message_bytes_max: self.some(1),
            timestamp_type: self.some(TimestampType::Append),
            flush: self.some(FlushClass::Async),
            cleanup: CleanupSettings {
                policy: self.some(CleanupPolicy::CompactAndDelete),
                tombstone_ms: self.some(5),
                ..CleanupSettings::default()
            },
            intake: IntakeSettings {
                after_ms_max: self.some(7),
                compression: self.some(Compression::Zstd),
                gzip_level: self.some(None),
                ..IntakeSettings::default()
            },
        };
        let partitions = (0..self.below(4)).map(|number| PartitionView {
            id: PartitionId(number),
            shard: ShardId(0),
            leader: self.some(NodeId(1)),
            leader_epoch: LeaderEpoch(4),
            replicas: vec![NodeId(1), NodeId(2)],
        });
        let partitions = partitions.collect();
        match asked {
            TopicRef::Name(name) => {
                TopicView { name: name.clone(), id: TopicId([3; 16]), settings, partitions }
            }
            TopicRef::Id(id) => TopicView { name: name(), id: *id, settings, partitions },
        }
    }

    fn group(&mut self, request: &GroupRequest) -> GroupReply {
        match request {
            GroupRequest::Join(join) => {
                let member = JoinedMember {
                    member: "m".into(),
                    instance: join.instance.clone(),
                    metadata: Bytes::from_static(b"metadata"),
                };
                let joined = Joined {
                    generation: 3,
                    kind: "consumer".into(),
                    strategy: "range".into(),
                    leader: "m".into(),
                    member: "m".into(),
                    skip_assignment: join.may_skip_assignment && self.below(2) == 0,
                    members: self.some(member).into_iter().collect(),
                };
                GroupReply::Join(self.well(joined))
            }
            GroupRequest::Sync(_) => {
                let assignment = Bytes::from_static(b"share");
                GroupReply::Sync(self.well(Synced {
                    kind: "consumer".into(),
                    strategy: "range".into(),
                    assignment,
                }))
            }
            GroupRequest::Heartbeat(_) => GroupReply::Heartbeat(self.well(())),
            GroupRequest::Leave(leave) => {
                let left = leave.members.iter().map(|member| (member.clone(), self.well(()))).collect();
                GroupReply::Leave(self.well(left))
            }
            GroupRequest::CommitOffsets(commit) => {
                let done = commit.offsets.iter().map(|offset| (offset.partition.clone(), self.well(())));
                GroupReply::CommitOffsets(done.collect())
            }
            GroupRequest::FetchOffsets(fetch) => {
                let all = || vec![PartitionRef { topic: TopicRef::Name(name()), number: 0 }; 2];
                let found =
                    fetch.partitions.clone().unwrap_or_else(all).into_iter().map(|partition| FetchedOffset {
                        partition,
                        topic: fetch.partitions.is_none().then_some(TopicId([7; 16])),
                        cursor: {
                            let cursor = self.cursor();
                            self.well(cursor)
                        },
                    });
                let found = found.collect();
                GroupReply::FetchOffsets(self.well(found))
            }
            GroupRequest::Describe(group) => {
                let member = MemberView {
                    member: "m".into(),
                    instance: self.some("i".into()),
                    client: "c".into(),
                    host: "/h".into(),
                    metadata: Bytes::new(),
                    assignment: Bytes::from_static(b"share"),
                };
                let view = GroupView {
                    group: group.clone(),
                    state: GroupState::Stable,
                    kind: "consumer".into(),
                    strategy: "range".into(),
                    members: self.some(member).into_iter().collect(),
                };
                GroupReply::Describe(self.well(view))
            }
            GroupRequest::Delete(_) => GroupReply::Delete(self.well(())),
            GroupRequest::ForgetOffsets(forget) => {
                let done = forget.cursors.iter().map(|_| self.well(())).collect();
                GroupReply::ForgetOffsets(self.well(done))
            }
            GroupRequest::Attend(attend) => {
                let share = attend.owned.clone().unwrap_or_else(|| [(TopicId([3; 16]), 1)].into());
                let attended = Attended {
                    member: attend.member.clone(),
                    epoch: 3,
                    heartbeat_interval_ms: 5_000,
                    assignment: self.some(share),
                };
                GroupReply::Attend(self.well(attended))
            }
            GroupRequest::DescribeAssigned(group) => {
                let view = self.assigned(group);
                GroupReply::DescribeAssigned(self.well(view))
            }
        }
    }

    fn assigned(&mut self, group: &GroupId) -> AssignedView {
        let share = || {
            let (topic, name) = (TopicId([3; 16]), name().as_str().to_owned());
            vec![NamedPartitions { topic, name, numbers: vec![0, 2] }]
        };
        let member = AssignedMemberView {
            member: "m".into(),
            instance: self.some("i".into()),
            rack: self.some("r".into()),
            client: "c".into(),
            host: "/h".into(),
            epoch: self.some(3),
            is_classic: self.below(2) == 0,
            topics: vec!["orders".into()],
            pattern: self.some("a.*".into()),
            held: share(),
            target: share(),
        };
        AssignedView {
            group: group.clone(),
            state: GroupState::Reconciling,
            epoch: 4,
            assigned_epoch: 4,
            strategy: "uniform",
            members: self.some(member).into_iter().collect(),
        }
    }

    fn cursor(&mut self) -> Option<Cursor> {
        let cursor = Cursor {
            offset: self.offset(),
            leader_epoch: self.some(LeaderEpoch(1)),
            metadata: "note".into(),
            committed_at: Timestamp(1),
        };
        self.some(cursor)
    }
}

fn acl() -> Acl {
    Acl {
        kind: ResourceKind::Topic,
        pattern: Pattern::Prefixed,
        name: "orders".into(),
        principal: "User:alice".into(),
        host: "*".into(),
        operation: Operation::Read,
        permission: Permission::Deny,
    }
}

fn name() -> TopicName {
    TopicName::parse("orders").expect("a legal name")
}

fn defaults() -> TopicDefaults {
    TopicDefaults {
        retention_ms: Some(604_800_000),
        retention_bytes: None,
        message_bytes_max: 1_048_588,
        timestamp_type: TimestampType::Create,
        flush: FlushClass::Sync,
        cleanup: Cleanup::default(),
        intake: Intake::default(),
        partitions: 1,
    }
}

/// One of every refusal there is.
pub(super) fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::UnknownTopic,
        Refusal::UnknownTopicId,
        Refusal::UnknownPartition,
        Refusal::TopicExists,
        Refusal::InvalidTopicName(TopicNameError::Empty),
        Refusal::InvalidPartitionCount("why".into()),
        Refusal::InvalidReplicaCount("why".into()),
        Refusal::InvalidAssignment("why".into()),
        Refusal::InvalidSetting("why".into()),
        Refusal::InvalidRequest("why".into()),
        Refusal::DuplicateItem,
        Refusal::TooLarge { limit: 1 },
        Refusal::LimitReached { limit: "LIMIT" },
        Refusal::Unsupported("why"),
        Refusal::Forbidden("why"),
        Refusal::CorruptPayload("why".into()),
        Refusal::InvalidPayload("why".into()),
        Refusal::InvalidTimestamp { records: vec![1], why: "why".into() },
        Refusal::MissingKeys(vec![0, 2]),
        Refusal::OutOfOrderSequence,
        Refusal::DuplicateSequence,
        Refusal::ProducerFenced,
        Refusal::UnknownProducer,
        Refusal::ConcurrentTransaction,
        Refusal::InvalidTransactionState,
        Refusal::UnknownTransaction,
        Refusal::InvalidTransactionTimeout,
        Refusal::UnstableCursor,
        Refusal::OffsetOutOfRange { start: Offset(1), end: Offset(2) },
        Refusal::FencedLeaderEpoch,
        Refusal::UnknownLeaderEpoch,
        Refusal::InvalidGroupId,
        Refusal::UnknownMember,
        Refusal::IllegalGeneration,
        Refusal::RebalanceInProgress,
        Refusal::InconsistentProtocol,
        Refusal::FencedInstance,
        Refusal::MemberIdRequired { member: "m".into() },
        Refusal::InvalidSessionTimeout,
        Refusal::GroupFull,
        Refusal::GroupNotEmpty,
        Refusal::UnknownGroup,
        Refusal::TopicIsRead,
        Refusal::OffsetMetadataTooLarge,
        Refusal::FencedMember,
        Refusal::StaleMember,
        Refusal::UnreleasedInstance,
        Refusal::UnsupportedStrategy("why".into()),
        Refusal::InvalidPattern("why".into()),
        Refusal::UnknownSubscription,
        Refusal::NotHeld,
        Refusal::ConsumedByOthers,
        Refusal::WrongCredentials,
        Refusal::UnknownCredential,
        Refusal::InvalidCredential("why".into()),
        Refusal::NotAuthorized { kind: ResourceKind::Topic },
        Refusal::AuthorizationOff,
        Refusal::InvalidAcl("why".into()),
        Refusal::NotLeader { leader: None },
        Refusal::Loading,
        Refusal::Busy,
        Refusal::TimedOut,
        Refusal::Unknown,
        Refusal::DiskFull,
        Refusal::Storage,
        Refusal::ShuttingDown,
    ]
}

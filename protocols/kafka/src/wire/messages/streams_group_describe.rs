//! StreamsGroupDescribe, key 89: groups of Kafka Streams with their members (KIP-1071). Not served yet.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Groups to describe.
    pub struct StreamsGroupDescribeRequest {
        /// The groups.
        group_ids: Vec<Str> [..];
        /// Whether to say which operations the caller may perform.
        include_authorized_operations: bool [..];
    }

    /// Groups described.
    pub struct StreamsGroupDescribeResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The groups.
        groups: Vec<DescribedGroup> [..];
    }

    /// A group.
    pub struct DescribedGroup {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The group.
        group_id: Str [..];
        /// The group's state by Kafka's name; empty on error.
        group_state: Str [..];
        /// Rises with every change of members and of what they are made of.
        group_epoch: i32 [..];
        /// The group's epoch that the tasks were dealt out for.
        assignment_epoch: i32 [..];
        /// What the application is made of; null on error.
        topology: Option<Topology> [..];
        /// The members.
        members: Vec<Member> [..];
        /// Bits of the operations the caller may perform; the smallest `i32` when not asked for.
        authorized_operations: i32 [.., default(i32::MIN)];
    }

    /// What an application is made of.
    pub struct Topology {
        /// Rises with every change of it.
        epoch: i32 [..];
        /// Its parts, with topics in place of regular expressions; null while topics are missing or not as they must be.
        subtopologies: Option<Vec<Subtopology>> [..];
    }

    /// A part of an application.
    pub struct Subtopology {
        /// Its name.
        subtopology_id: Str [..];
        /// The topics that it reads.
        source_topics: Vec<Str> [..];
        /// The application's own topics that it writes for other parts.
        repartition_sink_topics: Vec<Str> [..];
        /// The topics that its state is written to.
        state_changelog_topics: Vec<TopicInfo> [..];
        /// The application's own topics that it reads from other parts.
        repartition_source_topics: Vec<TopicInfo> [..];
    }

    /// A topic that the broker makes for the application.
    pub struct TopicInfo {
        /// The topic's name.
        name: Str [..];
        /// How many partitions it must have; 0 where others decide.
        partitions: i32 [..];
        /// How many replicas; 0 for the broker's default.
        replication_factor: i16 [..];
        /// Its settings.
        topic_configs: Vec<KeyValue> [..];
    }

    /// A name and what it stands for.
    pub struct KeyValue {
        /// The name.
        key: Str [..];
        /// What it stands for.
        value: Str [..];
    }

    /// A member.
    pub struct Member {
        /// The member's id.
        member_id: Str [..];
        /// The member's epoch.
        member_epoch: i32 [..];
        /// The member's own lasting name (static membership); null for a dynamic member.
        instance_id: Option<Str> [..];
        /// The member's rack, if it is known.
        rack_id: Option<Str> [..];
        /// What the member's client calls itself.
        client_id: Str [..];
        /// Where the member connects from.
        client_host: Str [..];
        /// The epoch of what the member is made of.
        topology_epoch: i32 [..];
        /// The process, which several members may share.
        process_id: Str [..];
        /// Where the application answers queries about its state; null for nowhere.
        user_endpoint: Option<Endpoint> [..];
        /// Where the member runs, for assignors that spread tasks.
        client_tags: Vec<KeyValue> [..];
        /// How far the member's tasks have come in their changelogs.
        task_offsets: Vec<TaskOffset> [..];
        /// Where those changelogs end.
        task_end_offsets: Vec<TaskOffset> [..];
        /// What the member has.
        assignment: Assignment [..];
        /// What the member is to have.
        target_assignment: Assignment [..];
        /// Whether the member still speaks the classic protocol.
        is_classic: bool [..];
    }

    /// An address.
    pub struct Endpoint {
        /// Host name or address.
        host: Str [..];
        /// TCP port.
        port: u16 [..];
    }

    /// An offset of one task.
    pub struct TaskOffset {
        /// The part of the application.
        subtopology_id: Str [..];
        /// The partition that the task works on.
        partition: i32 [..];
        /// The sum over the task's changelogs.
        offset: i64 [..];
    }

    /// A member's tasks.
    pub struct Assignment {
        /// The active tasks.
        active_tasks: Vec<TaskIds> [..];
        /// The standby tasks.
        standby_tasks: Vec<TaskIds> [..];
        /// The tasks that are being warmed up.
        warmup_tasks: Vec<TaskIds> [..];
    }

    /// Tasks of one part of the application.
    pub struct TaskIds {
        /// The part.
        subtopology_id: Str [..];
        /// The partitions that the tasks work on.
        partitions: Vec<i32> [..];
    }
}

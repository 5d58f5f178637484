//! StreamsGroupHeartbeat, key 88: join, stay in and leave a group of Kafka Streams whose tasks the broker deals out (KIP-1071).
//! Not served yet.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// A member lives. What has not changed since its last heartbeat, it leaves out.
    pub struct StreamsGroupHeartbeatRequest {
        /// The group.
        group_id: Str [..];
        /// The member's id, the same for as long as its process lives.
        member_id: Str [..];
        /// The member's epoch; 0 to join, -1 to leave, -2 for a static member that will be back.
        member_epoch: i32 [..];
        /// The newest state of all members' endpoints that the member knows.
        endpoint_information_epoch: i32 [..];
        /// The member's own lasting name (static membership); null for a dynamic member, or when unchanged.
        instance_id: Option<Str> [..];
        /// The member's rack; null for none, or when unchanged.
        rack_id: Option<Str> [..];
        /// How long the broker waits for this member to give tasks up, milliseconds; -1 when unchanged.
        rebalance_timeout_ms: i32 [.., default(-1)];
        /// What the application is made of; only from a member that joins.
        topology: Option<Topology> [..];
        /// The active tasks that the member has; null when unchanged.
        active_tasks: Option<Vec<TaskIds>> [..];
        /// The standby tasks that the member has; null when unchanged.
        standby_tasks: Option<Vec<TaskIds>> [..];
        /// The tasks that the member warms up; null when unchanged.
        warmup_tasks: Option<Vec<TaskIds>> [..];
        /// The process, which several members may share; null when unchanged.
        process_id: Option<Str> [..];
        /// Where the application answers queries about its state; null for nowhere, or when unchanged.
        user_endpoint: Option<Endpoint> [..];
        /// Where the member runs, for assignors that spread tasks; null when unchanged.
        client_tags: Option<Vec<KeyValue>> [..];
        /// How far the member's tasks have come in their changelogs; null when unchanged.
        task_offsets: Option<Vec<TaskOffset>> [..];
        /// Where those changelogs end; null when unchanged.
        task_end_offsets: Option<Vec<TaskOffset>> [..];
        /// Whether the whole application is to stop.
        shutdown_application: bool [..];
    }

    /// What an application is made of.
    pub struct Topology {
        /// Rises with every change of it.
        epoch: i32 [..];
        /// Its parts that need nothing of each other but topics.
        subtopologies: Vec<Subtopology> [..];
    }

    /// A part of an application; a task of it works on one partition of each of its sources.
    pub struct Subtopology {
        /// Its name, which every member makes alike.
        subtopology_id: Str [..];
        /// The topics that it reads.
        source_topics: Vec<Str> [..];
        /// Regular expressions of topics that it reads.
        source_topic_regex: Vec<Str> [..];
        /// The topics that its state is written to.
        state_changelog_topics: Vec<TopicInfo> [..];
        /// The application's own topics that it writes for other parts.
        repartition_sink_topics: Vec<Str> [..];
        /// The application's own topics that it reads from other parts.
        repartition_source_topics: Vec<TopicInfo> [..];
        /// Sources that must have equally many partitions.
        copartition_groups: Vec<CopartitionGroup> [..];
    }

    /// Sources that must have equally many partitions, by their index in the lists above.
    pub struct CopartitionGroup {
        /// Of the topics.
        source_topics: Vec<i16> [..];
        /// Of the regular expressions.
        source_topic_regex: Vec<i16> [..];
        /// Of the topics from other parts.
        repartition_source_topics: Vec<i16> [..];
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

    /// Tasks of one part of the application.
    pub struct TaskIds {
        /// The part.
        subtopology_id: Str [..];
        /// The partitions that the tasks work on.
        partitions: Vec<i32> [..];
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

    /// An address.
    pub struct Endpoint {
        /// Host name or address.
        host: Str [..];
        /// TCP port.
        port: u16 [..];
    }

    /// Where the member stands.
    pub struct StreamsGroupHeartbeatResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The member's id.
        member_id: Str [..];
        /// The member's epoch.
        member_epoch: i32 [..];
        /// When the next heartbeat is due, milliseconds.
        heartbeat_interval_ms: i32 [..];
        /// How far behind its changelogs a warm task may be.
        acceptable_recovery_lag: i32 [..];
        /// How often to send offsets of tasks, milliseconds.
        task_offset_interval_ms: i32 [..];
        /// What is to be known of the group; null when unchanged.
        status: Option<Vec<Status>> [..];
        /// The member's active tasks; null when unchanged.
        active_tasks: Option<Vec<TaskIds>> [..];
        /// The member's standby tasks; null when unchanged.
        standby_tasks: Option<Vec<TaskIds>> [..];
        /// The tasks to warm up; null when unchanged.
        warmup_tasks: Option<Vec<TaskIds>> [..];
        /// The state of all members' endpoints that follows.
        endpoint_information_epoch: i32 [..];
        /// Which partitions the application answers for where; null when unchanged.
        partitions_by_user_endpoint: Option<Vec<EndpointToPartitions>> [..];
    }

    /// Something to know of a group.
    pub struct Status {
        /// 0 stale topology, 1 missing source topics, 2 topics with wrong partitions, 3 missing internal topics, 4 the whole
        /// application stops.
        status_code: i8 [..];
        /// The same for people.
        status_detail: Str [..];
    }

    /// What one member's endpoint answers for.
    pub struct EndpointToPartitions {
        /// The endpoint.
        user_endpoint: Endpoint [..];
        /// The partitions of its active tasks.
        active_partitions: Vec<TopicPartition> [..];
        /// The partitions of its standby tasks.
        standby_partitions: Vec<TopicPartition> [..];
    }

    /// Partitions of one topic.
    pub struct TopicPartition {
        /// The topic's name.
        topic: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }
}

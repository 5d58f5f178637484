//! CreateTopics, key 19.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Topics to create.
    pub struct CreateTopicsRequest {
        /// The topics.
        topics: Vec<CreatableTopic> [..];
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [.., default(60000)];
        /// Whether to check only and change nothing.
        validate_only: bool [..];
    }

    /// A topic to create.
    pub struct CreatableTopic {
        /// The topic's name.
        name: Str [..];
        /// Number of partitions; -1 for the broker's default.
        num_partitions: i32 [..];
        /// Number of replicas; -1 for the broker's default.
        replication_factor: i16 [..];
        /// Brokers chosen by hand per partition; empty to let the broker choose.
        assignments: Vec<CreatableReplicaAssignment> [..];
        /// The settings.
        configs: Vec<CreatableTopicConfig> [..];
    }

    /// Brokers chosen for one partition.
    pub struct CreatableReplicaAssignment {
        /// The partition's number.
        partition_index: i32 [..];
        /// The brokers, the preferred leader first.
        broker_ids: Vec<i32> [..];
    }

    /// A setting of the new topic.
    pub struct CreatableTopicConfig {
        /// The setting.
        name: Str [..];
        /// The setting's value; null for none or secret.
        value: Option<Str> [..];
    }

    /// What was created.
    pub struct CreateTopicsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        topics: Vec<CreatableTopicResult> [..];
    }

    /// Whether one topic was created, and how.
    pub struct CreatableTopicResult {
        /// The topic's name.
        name: Str [..];
        /// The topic's id.
        topic_id: Uuid [7.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// Number of partitions; -1 on error.
        num_partitions: i32 [5.., lossy(true), default(-1)];
        /// Number of replicas; -1 on error.
        replication_factor: i16 [5.., lossy(true), default(-1)];
        /// The settings.
        configs: Option<Vec<CreatableTopicConfigs>> [5.., lossy(true)];
        /// Why the settings are missing from this answer.
        topic_config_error_code: ErrorCode [5.., tag(0), lossy(true)];
    }

    /// A setting of the created topic.
    pub struct CreatableTopicConfigs {
        /// The setting.
        name: Str [5..];
        /// The setting's value; null for none or secret.
        value: Option<Str> [5..];
        /// Whether the setting can be changed.
        read_only: bool [5..];
        /// Where the value comes from: 1 topic, 2 dynamic broker, 3 dynamic default, 4 static, 5 default.
        config_source: i8 [5.., lossy(true), default(-1)];
        /// Whether the value is secret and therefore left out.
        is_sensitive: bool [5..];
    }
}

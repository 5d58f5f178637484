//! ElectLeaders, key 43: make preferred replicas the leaders.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Elections wanted.
    pub struct ElectLeadersRequest {
        /// 0 the preferred replica, 1 any replica if need be.
        election_type: i8 [1..];
        /// The topics; null for all.
        topic_partitions: Option<Vec<TopicPartitions>> [..];
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [.., default(60_000)];
    }

    /// Elections wanted of one topic.
    pub struct TopicPartitions {
        /// The topic's name.
        topic: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }

    /// What became of the elections.
    pub struct ElectLeadersResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with all of them.
        error_code: ErrorCode [1..];
        /// The topics.
        replica_election_results: Vec<ReplicaElectionResult> [..];
    }

    /// The elections of one topic.
    pub struct ReplicaElectionResult {
        /// The topic's name.
        topic: Str [..];
        /// The partitions.
        partition_result: Vec<PartitionResult> [..];
    }

    /// The election of one partition.
    pub struct PartitionResult {
        /// The partition's number.
        partition_id: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}

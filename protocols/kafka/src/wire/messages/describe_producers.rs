//! DescribeProducers, key 61: who writes to partitions.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Partitions wanted.
    pub struct DescribeProducersRequest {
        /// The topics.
        topics: Vec<TopicRequest> [..];
    }

    /// Partitions wanted of one topic.
    pub struct TopicRequest {
        /// The topic's name.
        name: Str [..];
        /// The partitions' numbers.
        partition_indexes: Vec<i32> [..];
    }

    /// Who writes.
    pub struct DescribeProducersResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        topics: Vec<TopicResponse> [..];
    }

    /// Who writes to one topic.
    pub struct TopicResponse {
        /// The topic's name.
        name: Str [..];
        /// The partitions.
        partitions: Vec<PartitionResponse> [..];
    }

    /// Who writes to one partition.
    pub struct PartitionResponse {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The producers.
        active_producers: Vec<ProducerState> [..];
    }

    /// A producer.
    pub struct ProducerState {
        /// Its id.
        producer_id: i64 [..];
        /// Its epoch.
        producer_epoch: i32 [..];
        /// The sequence of its last record; -1 if there is none.
        last_sequence: i32 [.., default(-1)];
        /// When it wrote last; -1 if not known.
        last_timestamp: i64 [.., default(-1)];
        /// The epoch of the coordinator that ended its last transaction.
        coordinator_epoch: i32 [..];
        /// Where its open transaction begins; -1 if it has none.
        current_txn_start_offset: i64 [.., default(-1)];
    }
}

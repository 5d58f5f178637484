//! Produce, key 0: append record batches to partitions. Versions 0 to 2 are decoded only to be refused.

use crate::wire::error_code::ErrorCode;
use crate::wire::records::Records;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Append batches.
    pub struct ProduceRequest {
        /// The transactional id; null from a producer without transactions.
        transactional_id: Option<Str> [3..];
        /// Whose word the producer waits for: 0 nobody's (no response is sent), 1 the leader's, -1 the
        /// quorum's.
        acks: i16 [..];
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [..];
        /// The topics.
        topic_data: Vec<TopicProduceData> [..];
    }

    /// Batches for one topic, named until version 12, by id from 13 on.
    pub struct TopicProduceData {
        /// The topic's name.
        name: Str [..13, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [13.., lossy(true)];
        /// The topic's partitions.
        partition_data: Vec<PartitionProduceData> [..];
    }

    /// A batch for one partition.
    pub struct PartitionProduceData {
        /// The partition's number.
        index: i32 [..];
        /// Record batches, untouched.
        records: Option<Records> [..];
    }

    /// What became of each batch.
    pub struct ProduceResponse {
        /// An answer for each.
        responses: Vec<TopicProduceResponse> [..];
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// Where the leaders named above are.
        node_endpoints: Vec<NodeEndpoint> [10.., tag(0), lossy(true)];
    }

    /// What became of one topic's batches.
    pub struct TopicProduceResponse {
        /// The topic's name.
        name: Str [..13, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [13.., lossy(true)];
        /// An answer for each partition.
        partition_responses: Vec<PartitionProduceResponse> [..];
    }

    /// What became of one partition's batch.
    pub struct PartitionProduceResponse {
        /// The partition's number.
        index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// Offset of the batch's first record; -1 on error.
        base_offset: i64 [..];
        /// When the broker appended the batch, milliseconds since 1970, on topics with log append time;
        /// else -1.
        log_append_time_ms: i64 [2.., lossy(true), default(-1)];
        /// First offset that is still there; -1 if unknown.
        log_start_offset: i64 [5.., lossy(true), default(-1)];
        /// The records at fault, when the batch was refused for some of them.
        record_errors: Vec<BatchIndexAndErrorMessage> [8.., lossy(true)];
        /// More about the error, for people.
        error_message: Option<Str> [8.., lossy(true)];
        /// Who leads now, when the request went to the wrong broker.
        current_leader: LeaderIdAndEpoch [10.., tag(0), lossy(true)];
    }

    /// A record at fault.
    pub struct BatchIndexAndErrorMessage {
        /// Index of the record in its batch.
        batch_index: i32 [8..];
        /// What is wrong with this record.
        batch_index_error_message: Option<Str> [8..];
    }

    /// A leader and its epoch.
    pub struct LeaderIdAndEpoch {
        /// The leader; -1 if there is none.
        leader_id: i32 [10.., default(-1)];
        /// The partition's leader epoch; -1 if unknown.
        leader_epoch: i32 [10.., default(-1)];
    }

    /// A broker's address.
    pub struct NodeEndpoint {
        /// The broker's id.
        node_id: i32 [10..];
        /// Host name or address.
        host: Str [10..];
        /// TCP port.
        port: i32 [10..];
        /// The rack, if it is known.
        rack: Option<Str> [10..];
    }
}

//! ShareAcknowledge, key 79: what became of records that a member of a share group acquired (KIP-932). Version 0 was an early
//! access and is gone; version 2 can hold records for longer (KIP-1222).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// What became of records.
    pub struct ShareAcknowledgeRequest {
        /// The group.
        group_id: Option<Str> [..];
        /// The member's id.
        member_id: Option<Str> [..];
        /// The share session's step; -1 to end it.
        share_session_epoch: i32 [..];
        /// Whether any of the records below is to be held for longer.
        is_renew_ack: bool [2..];
        /// The topics.
        topics: Vec<AcknowledgeTopic> [..];
    }

    /// What became of one topic's records.
    pub struct AcknowledgeTopic {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The topic's partitions.
        partitions: Vec<AcknowledgePartition> [..];
    }

    /// What became of one partition's records.
    pub struct AcknowledgePartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// What became of them.
        acknowledgement_batches: Vec<AcknowledgementBatch> [..];
    }

    /// What became of a run of records.
    pub struct AcknowledgementBatch {
        /// Offset of the first record.
        first_offset: i64 [..];
        /// Offset of the last record.
        last_offset: i64 [..];
        /// One for all records or one for each: 0 no such record, 1 accepted, 2 released, 3 rejected, from version 2 on 4 held
        /// for longer.
        acknowledge_types: Vec<i8> [..];
    }

    /// What was acknowledged.
    pub struct ShareAcknowledgeResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with the whole request.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// For how long records stay acquired, milliseconds.
        acquisition_lock_timeout_ms: i32 [2.., lossy(true)];
        /// An answer for each topic.
        responses: Vec<ShareAcknowledgeTopicResponse> [..];
        /// Where the leaders named above are.
        node_endpoints: Vec<NodeEndpoint> [..];
    }

    /// What was acknowledged of one topic.
    pub struct ShareAcknowledgeTopicResponse {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The topic's partitions.
        partitions: Vec<PartitionData> [..];
    }

    /// Whether one partition's records were acknowledged.
    pub struct PartitionData {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// Who leads now, when the request went to the wrong broker.
        current_leader: LeaderIdAndEpoch [..];
    }

    /// A leader and its epoch.
    pub struct LeaderIdAndEpoch {
        /// The leader; -1 if there is none.
        leader_id: i32 [..];
        /// The partition's leader epoch.
        leader_epoch: i32 [..];
    }

    /// A broker's address.
    pub struct NodeEndpoint {
        /// The broker's id.
        node_id: i32 [..];
        /// Host name or address.
        host: Str [..];
        /// TCP port.
        port: i32 [..];
        /// The rack, if it is known.
        rack: Option<Str> [..];
    }
}

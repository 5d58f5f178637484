//! ShareFetch, key 78: acquire records for a member of a share group, and acknowledge earlier ones (KIP-932). Version 0 was an
//! early access and is gone; version 2 can ask for no more records than it says (KIP-1206) and hold records for longer
//! (KIP-1222).

use crate::wire::error_code::ErrorCode;
use crate::wire::records::Records;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Records wanted, and what became of earlier ones.
    pub struct ShareFetchRequest {
        /// The group.
        group_id: Option<Str> [..];
        /// The member's id.
        member_id: Option<Str> [..];
        /// The share session's step: 0 to begin one, -1 to end it.
        share_session_epoch: i32 [..];
        /// How long to wait for `min_bytes`, milliseconds.
        max_wait_ms: i32 [..];
        /// Record bytes worth answering for before `max_wait_ms` is over.
        min_bytes: i32 [..];
        /// Record bytes wanted at most in the whole response; a first batch larger than that still comes.
        max_bytes: i32 [.., default(i32::MAX)];
        /// Records wanted at most; whole batches may make it more.
        max_records: i32 [..];
        /// How many records to acquire and acknowledge together, at best.
        batch_size: i32 [..];
        /// 0 whole batches, 1 never more than `max_records`.
        share_acquire_mode: i8 [2.., lossy(true)];
        /// Whether any of the records acknowledged below is to be held for longer.
        is_renew_ack: bool [2..];
        /// The topics; of the share session's partitions, those that are new or have something acknowledged.
        topics: Vec<FetchTopic> [..];
        /// Partitions to drop from the share session.
        forgotten_topics_data: Vec<ForgottenTopic> [..];
    }

    /// What is wanted of one topic.
    pub struct FetchTopic {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The topic's partitions.
        partitions: Vec<FetchPartition> [..];
    }

    /// What is wanted of one partition.
    pub struct FetchPartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// What became of records acquired earlier.
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

    /// Partitions of one topic to drop from the share session.
    pub struct ForgottenTopic {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }

    /// Records acquired.
    pub struct ShareFetchResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with the whole request.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// For how long records stay acquired, milliseconds.
        acquisition_lock_timeout_ms: i32 [..];
        /// An answer for each topic.
        responses: Vec<ShareFetchableTopicResponse> [..];
        /// Where the leaders named above are.
        node_endpoints: Vec<NodeEndpoint> [..];
    }

    /// Records of one topic.
    pub struct ShareFetchableTopicResponse {
        /// The topic's id.
        topic_id: Uuid [..];
        /// The topic's partitions.
        partitions: Vec<PartitionData> [..];
    }

    /// Records of one partition.
    pub struct PartitionData {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong with reading.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// What went wrong with acknowledging.
        acknowledge_error_code: ErrorCode [..];
        /// More about that error, for people.
        acknowledge_error_message: Option<Str> [..];
        /// Who leads now, when the request went to the wrong broker.
        current_leader: LeaderIdAndEpoch [..];
        /// Record batches, untouched; they may hold more than was acquired.
        records: Records [..];
        /// The records acquired.
        acquired_records: Vec<AcquiredRecords> [..];
    }

    /// A leader and its epoch.
    pub struct LeaderIdAndEpoch {
        /// The leader; -1 if there is none.
        leader_id: i32 [..];
        /// The partition's leader epoch.
        leader_epoch: i32 [..];
    }

    /// A run of records acquired.
    pub struct AcquiredRecords {
        /// Offset of the first record.
        first_offset: i64 [..];
        /// Offset of the last record.
        last_offset: i64 [..];
        /// How often the records have been handed out, this time included.
        delivery_count: i16 [..];
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

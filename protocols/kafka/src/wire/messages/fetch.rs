//! Fetch, key 1: read record batches from partitions, waiting for them if need be.

use crate::wire::error_code::ErrorCode;
use crate::wire::records::Records;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Read from partitions.
    pub struct FetchRequest {
        /// The follower's broker id; -1 from a client.
        replica_id: i32 [..15, default(-1)];
        /// How long to wait for `min_bytes`, milliseconds.
        max_wait_ms: i32 [..];
        /// Record bytes worth answering for before `max_wait_ms` is over.
        min_bytes: i32 [..];
        /// Record bytes wanted at most in the whole response; a first batch larger than that still comes.
        max_bytes: i32 [.., default(i32::MAX)];
        /// 0 every record, 1 committed records only.
        isolation_level: i8 [..];
        /// The fetch session; 0 for none.
        session_id: i32 [7.., lossy(true)];
        /// The fetch session's step: 0 to begin one, -1 for none or to end it.
        session_epoch: i32 [7.., lossy(true), default(-1)];
        /// The topics.
        topics: Vec<FetchTopic> [..];
        /// Partitions to drop from the fetch session.
        forgotten_topics_data: Vec<ForgottenTopic> [7..];
        /// The reader's rack; empty if unknown.
        rack_id: Str [11.., lossy(true)];
        /// The cluster, if the sender knows it.
        cluster_id: Option<Str> [12.., tag(0), lossy(true)];
        /// Who the follower is.
        replica_state: ReplicaState [15.., tag(1)];
    }

    /// What to read from one topic, named until version 12, by id from 13 on.
    pub struct FetchTopic {
        /// The topic's name.
        topic: Str [..13, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [13.., lossy(true)];
        /// The topic's partitions.
        partitions: Vec<FetchPartition> [..];
    }

    /// What to read from one partition.
    pub struct FetchPartition {
        /// The partition's number.
        partition: i32 [..];
        /// The leader epoch the client knows, to fence stale views; -1 to skip the check.
        current_leader_epoch: i32 [9.., lossy(true), default(-1)];
        /// First offset wanted.
        fetch_offset: i64 [..];
        /// Leader epoch of the last record the reader has; -1 if unknown.
        last_fetched_epoch: i32 [12.., default(-1)];
        /// The follower's first offset; -1 from a reader.
        log_start_offset: i64 [5.., lossy(true), default(-1)];
        /// Record bytes wanted at most from this partition.
        partition_max_bytes: i32 [..];
        /// The follower's log directory.
        replica_directory_id: Uuid [17.., tag(0), lossy(true)];
        /// The follower's high watermark; the largest `i64` from readers and older followers.
        high_watermark: i64 [18.., tag(1), lossy(true), default(i64::MAX)];
    }

    /// Partitions of one topic to drop from the fetch session.
    pub struct ForgottenTopic {
        /// The topic's name.
        topic: Str [7..13, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [13.., lossy(true)];
        /// The topic's partitions.
        partitions: Vec<i32> [7..];
    }

    /// Who a follower is.
    pub struct ReplicaState {
        /// The follower's broker id; -1 from a client.
        replica_id: i32 [15.., default(-1)];
        /// The follower's broker epoch; -1 if unknown.
        replica_epoch: i64 [15.., default(-1)];
    }

    /// Batches of partitions.
    pub struct FetchResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [7.., lossy(true)];
        /// The fetch session; 0 for none.
        session_id: i32 [7..];
        /// An answer for each.
        responses: Vec<FetchableTopicResponse> [..];
        /// Where the leaders named above are.
        node_endpoints: Vec<NodeEndpoint> [16.., tag(0), lossy(true)];
    }

    /// Batches of one topic.
    pub struct FetchableTopicResponse {
        /// The topic's name.
        topic: Str [..13, lossy(true)];
        /// The topic's id.
        topic_id: Uuid [13.., lossy(true)];
        /// The topic's partitions.
        partitions: Vec<PartitionData> [..];
    }

    /// Batches of one partition.
    pub struct PartitionData {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// First offset not yet readable.
        high_watermark: i64 [..];
        /// First offset that is still part of an open transaction, or the high watermark; -1 if unknown.
        last_stable_offset: i64 [.., default(-1)];
        /// First offset that is still there; -1 if unknown.
        log_start_offset: i64 [5.., lossy(true), default(-1)];
        /// Aborted transactions whose records are among these, for readers of committed data only; null for
        /// the others.
        aborted_transactions: Option<Vec<AbortedTransaction>> [..];
        /// Where the reader should rather fetch; -1 for here.
        preferred_read_replica: i32 [11.., default(-1)];
        /// Record batches, untouched.
        records: Option<Records> [..];
        /// To a follower: where its log left the leader's.
        diverging_epoch: EpochEndOffset [12.., tag(0)];
        /// Who leads now, when the request went to the wrong broker.
        current_leader: LeaderIdAndEpoch [12.., tag(1), lossy(true)];
        /// To a follower below the log's start: the snapshot to fetch instead.
        snapshot_id: SnapshotId [12.., tag(2)];
    }

    /// An aborted transaction.
    pub struct AbortedTransaction {
        /// The producer's id; -1 for none.
        producer_id: i64 [..];
        /// Offset of the transaction's first record here.
        first_offset: i64 [..];
    }

    /// A leader epoch and where it ended.
    pub struct EpochEndOffset {
        /// The leader epoch; -1 if unknown.
        epoch: i32 [12.., default(-1)];
        /// End of that epoch: the first offset after it; -1 if unknown.
        end_offset: i64 [12.., default(-1)];
    }

    /// A leader and its epoch.
    pub struct LeaderIdAndEpoch {
        /// The leader; -1 if there is none.
        leader_id: i32 [12.., default(-1)];
        /// The partition's leader epoch; -1 if unknown.
        leader_epoch: i32 [12.., default(-1)];
    }

    /// A snapshot's place in the log.
    pub struct SnapshotId {
        /// End of that epoch: the first offset after it; -1 if unknown.
        end_offset: i64 [.., default(-1)];
        /// The leader epoch; -1 if unknown.
        epoch: i32 [.., default(-1)];
    }

    /// A broker's address.
    pub struct NodeEndpoint {
        /// The broker's id.
        node_id: i32 [16..];
        /// Host name or address.
        host: Str [16..];
        /// TCP port.
        port: i32 [16..];
        /// The rack, if it is known.
        rack: Option<Str> [16..];
    }
}

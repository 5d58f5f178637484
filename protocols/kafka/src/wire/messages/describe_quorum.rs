//! DescribeQuorum, key 55: who leads and who votes in Kafka's log of metadata. Version 1 tells when replicas fetched
//! (KIP-836), version 2 which directory is which replica's and where the voters are (KIP-853).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Quorums to describe.
    pub struct DescribeQuorumRequest {
        /// The topics; Kafka has one, `__cluster_metadata`, with one partition.
        topics: Vec<RequestedTopic> [..];
    }

    /// Partitions of one topic. (Kafka calls it `TopicData`, as in the response.)
    pub struct RequestedTopic {
        /// The topic's name.
        topic_name: Str [..];
        /// The topic's partitions.
        partitions: Vec<RequestedPartition> [..];
    }

    /// A partition. (Kafka calls it `PartitionData`, as in the response.)
    pub struct RequestedPartition {
        /// The partition's number.
        partition_index: i32 [..];
    }

    /// Quorums described.
    pub struct DescribeQuorumResponse {
        /// What went wrong with the whole request.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [2.., lossy(true)];
        /// The topics.
        topics: Vec<TopicData> [..];
        /// The voters' addresses.
        nodes: Vec<Node> [2..];
    }

    /// Quorums of one topic.
    pub struct TopicData {
        /// The topic's name.
        topic_name: Str [..];
        /// The topic's partitions.
        partitions: Vec<PartitionData> [..];
    }

    /// A partition's quorum.
    pub struct PartitionData {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [2.., lossy(true)];
        /// The leader; -1 if there is none.
        leader_id: i32 [..];
        /// The leader's epoch.
        leader_epoch: i32 [..];
        /// First offset not yet confirmed by a majority.
        high_watermark: i64 [..];
        /// The replicas that vote.
        current_voters: Vec<ReplicaState> [..];
        /// The replicas that only follow.
        observers: Vec<ReplicaState> [..];
    }

    /// A replica.
    pub struct ReplicaState {
        /// The replica's node.
        replica_id: i32 [..];
        /// The replica's log directory.
        replica_directory_id: Uuid [2..];
        /// First offset that the replica does not have; -1 if unknown.
        log_end_offset: i64 [..];
        /// When the replica last fetched, by the leader's clock, milliseconds since 1970; -1 for the leader or if unknown.
        last_fetch_timestamp: i64 [1.., lossy(true), default(-1)];
        /// When the leader's log ended where the replica's last fetch began, milliseconds since 1970; -1 if unknown.
        last_caught_up_timestamp: i64 [1.., lossy(true), default(-1)];
    }

    /// A voter's node.
    pub struct Node {
        /// The node's id.
        node_id: i32 [2..];
        /// Where it listens.
        listeners: Vec<Listener> [2..];
    }

    /// A node's address.
    pub struct Listener {
        /// The listener's name.
        name: Str [2..];
        /// Host name or address.
        host: Str [2..];
        /// TCP port.
        port: u16 [2..];
    }
}

//! Metadata, key 3: brokers, topics, and who leads which partition.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Topics to describe.
    pub struct MetadataRequest {
        /// The topics asked for; null for all (in version 0 an empty list means all).
        topics: Option<Vec<MetadataRequestTopic>> [.., null(1..)];
        /// Whether topics asked for by name may be created.
        allow_auto_topic_creation: bool [4.., default(true)];
        /// Whether to say which operations the caller may perform on the cluster.
        include_cluster_authorized_operations: bool [8..11];
        /// Whether to say which operations the caller may perform on each topic.
        include_topic_authorized_operations: bool [8..];
    }

    /// One topic to describe, by name or by id.
    pub struct MetadataRequestTopic {
        /// The topic's id.
        topic_id: Uuid [10.., lossy(true)];
        /// The topic's name.
        name: Option<Str> [.., null(10..)];
    }

    /// The cluster as a client needs to know it.
    pub struct MetadataResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [3.., lossy(true)];
        /// The brokers clients may connect to.
        brokers: Vec<MetadataResponseBroker> [..];
        /// The cluster, if the sender knows it.
        cluster_id: Option<Str> [2.., lossy(true)];
        /// The broker to send administration to; -1 if there is none.
        controller_id: i32 [1.., lossy(true), default(-1)];
        /// The topics.
        topics: Vec<MetadataResponseTopic> [..];
        /// Bits of the operations the caller may perform on the cluster; the smallest `i32` when not asked
        /// for.
        cluster_authorized_operations: i32 [8..11, default(i32::MIN)];
        /// What went wrong.
        error_code: ErrorCode [13.., lossy(true)];
    }

    /// A broker's address.
    pub struct MetadataResponseBroker {
        /// The broker's id.
        node_id: i32 [..];
        /// Host name or address.
        host: Str [..];
        /// TCP port.
        port: i32 [..];
        /// The rack, if it is known.
        rack: Option<Str> [1.., lossy(true)];
    }

    /// A topic.
    pub struct MetadataResponseTopic {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The topic's name.
        name: Option<Str> [.., null(12..)];
        /// The topic's id.
        topic_id: Uuid [10.., lossy(true)];
        /// Whether the topic is the broker's own.
        is_internal: bool [1.., lossy(true)];
        /// The topic's partitions.
        partitions: Vec<MetadataResponsePartition> [..];
        /// Bits of the operations the caller may perform; the smallest `i32` when not asked for.
        topic_authorized_operations: i32 [8.., default(i32::MIN)];
    }

    /// A partition.
    pub struct MetadataResponsePartition {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The partition's number.
        partition_index: i32 [..];
        /// The leader; -1 if there is none.
        leader_id: i32 [..];
        /// The partition's leader epoch; -1 if unknown.
        leader_epoch: i32 [7.., lossy(true), default(-1)];
        /// The replicas.
        replica_nodes: Vec<i32> [..];
        /// Replicas in sync.
        isr_nodes: Vec<i32> [..];
        /// Replicas that are not reachable.
        offline_replicas: Vec<i32> [5.., lossy(true)];
    }
}

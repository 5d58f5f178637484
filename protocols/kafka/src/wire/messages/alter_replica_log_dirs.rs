//! AlterReplicaLogDirs, key 34: which of a node's directories partitions lie in.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Where partitions are to be.
    pub struct AlterReplicaLogDirsRequest {
        /// The directories.
        dirs: Vec<AlterReplicaLogDir> [..];
    }

    /// What is to be in one directory.
    pub struct AlterReplicaLogDir {
        /// Its absolute path.
        path: Str [..];
        /// The topics.
        topics: Vec<AlterReplicaLogDirTopic> [..];
    }

    /// Partitions of one topic that are to be there.
    pub struct AlterReplicaLogDirTopic {
        /// The topic's name.
        name: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }

    /// What became of it.
    pub struct AlterReplicaLogDirsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// The topics.
        results: Vec<AlterReplicaLogDirTopicResult> [..];
    }

    /// What became of one topic.
    pub struct AlterReplicaLogDirTopicResult {
        /// The topic's name.
        topic_name: Str [..];
        /// The partitions.
        partitions: Vec<AlterReplicaLogDirPartitionResult> [..];
    }

    /// What became of one partition.
    pub struct AlterReplicaLogDirPartitionResult {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}

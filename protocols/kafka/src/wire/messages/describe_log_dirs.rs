//! DescribeLogDirs, key 35: directories of the log and what lies in them.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Partitions wanted.
    pub struct DescribeLogDirsRequest {
        /// The topics; null for all.
        topics: Option<Vec<DescribableLogDirTopic>> [..];
    }

    /// Partitions wanted of one topic.
    pub struct DescribableLogDirTopic {
        /// The topic's name.
        topic: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }

    /// The directories.
    pub struct DescribeLogDirsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [3..];
        /// The directories.
        results: Vec<DescribeLogDirsResult> [..];
    }

    /// One directory.
    pub struct DescribeLogDirsResult {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// Its absolute path.
        log_dir: Str [..];
        /// The topics.
        topics: Vec<DescribeLogDirsTopic> [..];
        /// Bytes of the volume that it is on; -1 if not known.
        total_bytes: i64 [4.., default(-1), lossy(true)];
        /// Bytes of the volume that are left; -1 if not known.
        usable_bytes: i64 [4.., default(-1), lossy(true)];
        /// Whether no new partition is to be put there.
        is_cordoned: bool [5..];
    }

    /// One topic in a directory.
    pub struct DescribeLogDirsTopic {
        /// The topic's name.
        name: Str [..];
        /// The partitions.
        partitions: Vec<DescribeLogDirsPartition> [..];
    }

    /// One partition in a directory.
    pub struct DescribeLogDirsPartition {
        /// The partition's number.
        partition_index: i32 [..];
        /// Its bytes.
        partition_size: i64 [..];
        /// How far it is behind, in offsets.
        offset_lag: i64 [..];
        /// Whether it is a copy that replaces the present one when it has caught up.
        is_future_key: bool [..];
    }
}

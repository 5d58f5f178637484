//! ApiVersions, key 18: which APIs and versions the broker speaks.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// What do you speak? From version 3 on the client says who it is.
    pub struct ApiVersionsRequest {
        /// The client library, for operators.
        client_software_name: Str [3.., lossy(true)];
        /// The client library's version, for operators.
        client_software_version: Str [3.., lossy(true)];
    }

    /// What the broker speaks.
    pub struct ApiVersionsResponse {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// What the broker speaks.
        api_keys: Vec<ApiVersion> [..];
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// Feature levels the broker could work at.
        supported_features: Vec<SupportedFeatureKey> [3.., tag(0), lossy(true)];
        /// Rises with every change of the finalized features; -1 if unknown.
        finalized_features_epoch: i64 [3.., tag(1), lossy(true), default(-1)];
        /// Feature levels in force in the cluster.
        finalized_features: Vec<FinalizedFeatureKey> [3.., tag(2), lossy(true)];
        /// Whether a controller is ready to migrate from ZooKeeper; ours never is.
        zk_migration_ready: bool [3.., tag(3), lossy(true)];
    }

    /// One API's versions.
    pub struct ApiVersion {
        /// The API's key.
        api_key: i16 [..];
        /// First version spoken.
        min_version: i16 [..];
        /// Last version spoken, inclusive.
        max_version: i16 [..];
    }

    /// Levels of one feature the broker could work at.
    pub struct SupportedFeatureKey {
        /// The feature.
        name: Str [3..];
        /// First version spoken.
        min_version: i16 [3..];
        /// Last version spoken, inclusive.
        max_version: i16 [3..];
    }

    /// Levels of one feature in force.
    pub struct FinalizedFeatureKey {
        /// The feature.
        name: Str [3..];
        /// Highest level in force, inclusive.
        max_version_level: i16 [3..];
        /// Lowest level in force.
        min_version_level: i16 [3..];
    }
}

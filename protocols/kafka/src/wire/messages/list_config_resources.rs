//! ListConfigResources, key 74: what has settings.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Resources wanted.
    pub struct ListConfigResourcesRequest {
        /// Kinds wanted: 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group; empty for all. Before version 1 only
        /// client metrics can be meant.
        resource_types: Vec<i8> [1..];
    }

    /// What there is.
    pub struct ListConfigResourcesResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The resources.
        config_resources: Vec<ConfigResource> [..];
    }

    /// Something that has settings.
    pub struct ConfigResource {
        /// Its name.
        resource_name: Str [..];
        /// Its kind.
        resource_type: i8 [1.., default(16)];
    }
}

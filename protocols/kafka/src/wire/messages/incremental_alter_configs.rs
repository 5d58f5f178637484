//! IncrementalAlterConfigs, key 44: change single settings.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Settings to change one by one.
    pub struct IncrementalAlterConfigsRequest {
        /// What is to be changed.
        resources: Vec<AlterConfigsResource> [..];
        /// Whether to check only and change nothing.
        validate_only: bool [..];
    }

    /// One topic or broker, and its settings.
    pub struct AlterConfigsResource {
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [..];
        /// The topic's name, or the broker's id as text.
        resource_name: Str [..];
        /// The settings.
        configs: Vec<AlterableConfig> [..];
    }

    /// A setting to change.
    pub struct AlterableConfig {
        /// The setting.
        name: Str [..];
        /// 0 set, 1 delete, 2 append to a list, 3 subtract from a list.
        config_operation: i8 [..];
        /// The setting's value; null for none or secret.
        value: Option<Str> [..];
    }

    /// What was changed.
    pub struct IncrementalAlterConfigsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each.
        responses: Vec<AlterConfigsResourceResponse> [..];
    }

    /// Whether one topic's or broker's settings were changed.
    pub struct AlterConfigsResourceResponse {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [..];
        /// The topic's name, or the broker's id as text.
        resource_name: Str [..];
    }
}

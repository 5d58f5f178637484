//! DescribeConfigs, key 32: settings of topics and brokers.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Settings wanted.
    pub struct DescribeConfigsRequest {
        /// What is to be looked at.
        resources: Vec<DescribeConfigsResource> [..];
        /// Whether to list where else each setting could have come from.
        include_synonyms: bool [..];
        /// Whether to send the settings' documentation.
        include_documentation: bool [3..];
    }

    /// Settings wanted of one topic or broker.
    pub struct DescribeConfigsResource {
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [..];
        /// The topic's name, or the broker's id as text.
        resource_name: Str [..];
        /// The settings asked for; null for all.
        configuration_keys: Option<Vec<Str>> [..];
    }

    /// Settings.
    pub struct DescribeConfigsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each resource.
        results: Vec<DescribeConfigsResult> [..];
    }

    /// Settings of one topic or broker.
    pub struct DescribeConfigsResult {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// 2 topic, 4 broker, 8 broker logger, 16 client metrics, 32 group.
        resource_type: i8 [..];
        /// The topic's name, or the broker's id as text.
        resource_name: Str [..];
        /// The settings.
        configs: Vec<DescribeConfigsResourceResult> [..];
    }

    /// A setting.
    pub struct DescribeConfigsResourceResult {
        /// The setting.
        name: Str [..];
        /// The setting's value; null for none or secret.
        value: Option<Str> [..];
        /// Whether the setting can be changed.
        read_only: bool [..];
        /// Where the value comes from: 1 topic, 2 dynamic broker, 3 dynamic default, 4 static, 5 default.
        config_source: i8 [.., default(-1)];
        /// Whether the value is secret and therefore left out.
        is_sensitive: bool [..];
        /// Where else the value could have come from, the winner first.
        synonyms: Vec<DescribeConfigsSynonym> [..];
        /// The value's type: 1 boolean, 2 string, 3 int, 4 short, 5 long, 6 double, 7 list, 8 class, 9
        /// password.
        config_type: i8 [3.., lossy(true)];
        /// What the setting means.
        documentation: Option<Str> [3.., lossy(true)];
    }

    /// A place a setting could have come from.
    pub struct DescribeConfigsSynonym {
        /// The setting.
        name: Str [..];
        /// The setting's value; null for none or secret.
        value: Option<Str> [..];
        /// Where this value comes from; numbers as in `config_source`.
        source: i8 [..];
    }
}

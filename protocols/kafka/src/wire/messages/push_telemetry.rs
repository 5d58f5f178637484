//! PushTelemetry, key 72: a client's metrics (KIP-714). Not served yet.

use bytes::Bytes;

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Metrics.
    pub struct PushTelemetryRequest {
        /// The client's id, which the broker gave it.
        client_instance_id: Uuid [..];
        /// The subscription that the client follows.
        subscription_id: i32 [..];
        /// Whether these are the last ones.
        terminating: bool [..];
        /// 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        compression_type: i8 [..];
        /// The metrics: OpenTelemetry's `MetricsData`, version 1, in protobuf.
        metrics: Bytes [..];
    }

    /// Whether they were welcome.
    pub struct PushTelemetryResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}

//! GetTelemetrySubscriptions, key 71: a client asks which of its metrics the broker wants (KIP-714). Not served yet.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// What shall I send?
    pub struct GetTelemetrySubscriptionsRequest {
        /// The client's id, which the broker gave it; zero on first contact.
        client_instance_id: Uuid [..];
    }

    /// What the broker wants, and how.
    pub struct GetTelemetrySubscriptionsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The id just given to the client; zero if it had one.
        client_instance_id: Uuid [..];
        /// Stands for all that follows; another number means that something changed.
        subscription_id: i32 [..];
        /// The ways to compress that the broker understands, the preferred one first: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
        accepted_compression_types: Vec<i8> [..];
        /// How often to send, milliseconds.
        push_interval_ms: i32 [..];
        /// Bytes wanted at most at once.
        telemetry_max_bytes: i32 [..];
        /// Whether counters are wanted as differences to what was sent before; else from their beginning.
        delta_temporality: bool [..];
        /// How the names of wanted metrics begin; none for no metrics, one empty beginning for all of them.
        requested_metrics: Vec<Str> [..];
    }
}

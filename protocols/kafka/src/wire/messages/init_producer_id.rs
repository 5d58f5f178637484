//! InitProducerId, key 22: an id and epoch for an idempotent or transactional producer.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// A producer wants an id, or a higher epoch.
    pub struct InitProducerIdRequest {
        /// The transactional id; null from a producer without transactions.
        transactional_id: Option<Str> [..];
        /// Time after which the broker aborts a transaction left open, milliseconds.
        transaction_timeout_ms: i32 [..];
        /// The producer's id; -1 for none.
        producer_id: i64 [3.., default(-1)];
        /// The producer's epoch, which fences older ones of the same id; -1 for none.
        producer_epoch: i16 [3.., default(-1)];
    }

    /// The producer's id and epoch.
    pub struct InitProducerIdResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The producer's id; -1 for none.
        producer_id: i64 [.., default(-1)];
        /// The producer's epoch, which fences older ones of the same id; -1 for none.
        producer_epoch: i16 [..];
    }
}

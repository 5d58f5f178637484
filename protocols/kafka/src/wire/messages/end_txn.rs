//! EndTxn, key 26: commit or abort a transaction. From version 4 on the error may be `TRANSACTION_ABORTABLE`. Version 5 raises
//! the producer's epoch with every transaction (KIP-890), so that nothing late of one can end up in the next.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// A transaction to end.
    pub struct EndTxnRequest {
        /// The transactional id.
        transactional_id: Str [..];
        /// The producer's id.
        producer_id: i64 [..];
        /// The producer's epoch, which fences older ones of the same id.
        producer_epoch: i16 [..];
        /// Whether to commit; else the transaction is aborted.
        committed: bool [..];
    }

    /// Whether the transaction will end so.
    pub struct EndTxnResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The producer's id from now on, another one when the epochs of the old are used up; -1 on error.
        producer_id: i64 [5.., lossy(true), default(-1)];
        /// The producer's epoch from now on; -1 on error.
        producer_epoch: i16 [5.., lossy(true), default(-1)];
    }
}

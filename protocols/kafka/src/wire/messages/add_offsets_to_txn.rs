//! AddOffsetsToTxn, key 25: tell a transaction's coordinator that the transaction will commit offsets of a group. Under the
//! newer transactions of KIP-890 no producer sends it: TxnOffsetCommit 5 does both.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// A group whose offsets a transaction will commit.
    pub struct AddOffsetsToTxnRequest {
        /// The transactional id.
        transactional_id: Str [..];
        /// The producer's id.
        producer_id: i64 [..];
        /// The producer's epoch, which fences older ones of the same id.
        producer_epoch: i16 [..];
        /// The group.
        group_id: Str [..];
    }

    /// Whether the group was added.
    pub struct AddOffsetsToTxnResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
    }
}

//! ListTransactions, key 66: the transactions that a coordinator keeps (KIP-664). Version 1 asks for long ones (KIP-994),
//! version 2 by a pattern (KIP-1152).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Which transactions to list.
    pub struct ListTransactionsRequest {
        /// Only those in these states; empty for all.
        state_filters: Vec<Str> [..];
        /// Only those of these producers; empty for all.
        producer_id_filters: Vec<i64> [..];
        /// Only those under way for longer than this, milliseconds; below 0 for all.
        duration_filter: i64 [1.., default(-1)];
        /// Only those whose transactional id matches this regular expression; null or empty for all.
        transactional_id_pattern: Option<Str> [2..];
    }

    /// The transactions.
    pub struct ListTransactionsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// States asked for that the coordinator does not know.
        unknown_state_filters: Vec<Str> [..];
        /// The transactions.
        transaction_states: Vec<TransactionState> [..];
    }

    /// A transaction.
    pub struct TransactionState {
        /// The transactional id.
        transactional_id: Str [..];
        /// The producer's id.
        producer_id: i64 [..];
        /// The transaction's state by Kafka's name.
        transaction_state: Str [..];
    }
}

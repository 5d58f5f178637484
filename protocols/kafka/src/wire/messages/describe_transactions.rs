//! DescribeTransactions, key 65: what a coordinator knows of transactions (KIP-664).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Transactions to describe.
    pub struct DescribeTransactionsRequest {
        /// The transactional ids; none for none.
        transactional_ids: Vec<Str> [..];
    }

    /// Transactions described.
    pub struct DescribeTransactionsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each.
        transaction_states: Vec<TransactionState> [..];
    }

    /// A transaction.
    pub struct TransactionState {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The transactional id.
        transactional_id: Str [..];
        /// The transaction's state by Kafka's name.
        transaction_state: Str [..];
        /// Time after which the broker aborts a transaction left open, milliseconds.
        transaction_timeout_ms: i32 [..];
        /// When the transaction began, milliseconds since 1970; -1 if none is under way.
        transaction_start_time_ms: i64 [..];
        /// The producer's id.
        producer_id: i64 [..];
        /// The producer's epoch, which fences older ones of the same id.
        producer_epoch: i16 [..];
        /// The partitions in the transaction; while it ends, those that still lack its marker.
        topics: Vec<TopicData> [..];
    }

    /// Partitions of one topic.
    pub struct TopicData {
        /// The topic's name.
        topic: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }
}

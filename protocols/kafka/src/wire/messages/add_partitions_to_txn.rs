//! AddPartitionsToTxn, key 24: tell a transaction's coordinator which partitions the transaction writes to. Producers send
//! versions up to 3. From 4 on a request holds several transactions and is spoken between brokers (KIP-890): a partition's
//! leader asks whether a transaction is under way before it appends to it.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Partitions to add; of one transaction in its own fields before version 4, of a list from 4 on.
    pub struct AddPartitionsToTxnRequest {
        /// The transactions.
        transactions: Vec<AddPartitionsToTxnTransaction> [4..];
        /// The transactional id.
        v3_and_below_transactional_id: Str [..4];
        /// The producer's id.
        v3_and_below_producer_id: i64 [..4];
        /// The producer's epoch, which fences older ones of the same id.
        v3_and_below_producer_epoch: i16 [..4];
        /// The topics.
        v3_and_below_topics: Vec<AddPartitionsToTxnTopic> [..4];
    }

    /// Partitions to add to one transaction.
    pub struct AddPartitionsToTxnTransaction {
        /// The transactional id.
        transactional_id: Str [4..];
        /// The producer's id.
        producer_id: i64 [4..];
        /// The producer's epoch, which fences older ones of the same id.
        producer_epoch: i16 [4..];
        /// Whether to check only that the partitions are in the transaction, and to add none.
        verify_only: bool [4..];
        /// The topics.
        topics: Vec<AddPartitionsToTxnTopic> [4..];
    }

    /// Partitions of one topic.
    pub struct AddPartitionsToTxnTopic {
        /// The topic's name.
        name: Str [..];
        /// The partitions' numbers.
        partitions: Vec<i32> [..];
    }

    /// What was added; to one transaction before version 4, to a list from 4 on.
    pub struct AddPartitionsToTxnResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with the whole request.
        error_code: ErrorCode [4.., lossy(true)];
        /// An answer for each transaction.
        results_by_transaction: Vec<AddPartitionsToTxnResult> [4..];
        /// An answer for each topic.
        results_by_topic_v3_and_below: Vec<AddPartitionsToTxnTopicResult> [..4];
    }

    /// What was added to one transaction.
    pub struct AddPartitionsToTxnResult {
        /// The transactional id.
        transactional_id: Str [4..];
        /// An answer for each topic.
        topic_results: Vec<AddPartitionsToTxnTopicResult> [4..];
    }

    /// What was added of one topic.
    pub struct AddPartitionsToTxnTopicResult {
        /// The topic's name.
        name: Str [..];
        /// An answer for each partition.
        results_by_partition: Vec<AddPartitionsToTxnPartitionResult> [..];
    }

    /// Whether one partition was added.
    pub struct AddPartitionsToTxnPartitionResult {
        /// The partition's number.
        partition_index: i32 [..];
        /// What went wrong; `OPERATION_NOT_ATTEMPTED` where another partition's error kept this one out.
        partition_error_code: ErrorCode [..];
    }
}

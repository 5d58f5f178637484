//! DeleteTopics, key 20: by name, from version 6 on also by id.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Topics to delete; by name before version 6, by name or id from 6 on.
    pub struct DeleteTopicsRequest {
        /// The topics.
        topics: Vec<DeleteTopicState> [6..];
        /// The topics' names.
        topic_names: Vec<Str> [..6, lossy(true)];
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [..];
    }

    /// A topic to delete, by name or id.
    pub struct DeleteTopicState {
        /// The topic's name.
        name: Option<Str> [6..];
        /// The topic's id.
        topic_id: Uuid [6..];
    }

    /// What was deleted.
    pub struct DeleteTopicsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each.
        responses: Vec<DeletableTopicResult> [..];
    }

    /// Whether one topic was deleted.
    pub struct DeletableTopicResult {
        /// The topic's name.
        name: Option<Str> [.., null(6..)];
        /// The topic's id.
        topic_id: Uuid [6.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [5.., lossy(true)];
    }
}

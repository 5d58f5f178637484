//! DeleteShareGroupOffsets, key 92: forget where a share group without members was in some topics (KIP-932).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;
use crate::wire::uuid::Uuid;

wire_struct! {
    /// Topics to forget.
    pub struct DeleteShareGroupOffsetsRequest {
        /// The group.
        group_id: Str [..];
        /// The topics.
        topics: Vec<DeleteShareGroupOffsetsRequestTopic> [..];
    }

    /// A topic to forget.
    pub struct DeleteShareGroupOffsetsRequestTopic {
        /// The topic's name.
        topic_name: Str [..];
    }

    /// What was forgotten.
    pub struct DeleteShareGroupOffsetsResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with the whole request.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// An answer for each topic.
        responses: Vec<DeleteShareGroupOffsetsResponseTopic> [..];
    }

    /// Whether one topic was forgotten.
    pub struct DeleteShareGroupOffsetsResponseTopic {
        /// The topic's name.
        topic_name: Str [..];
        /// The topic's id.
        topic_id: Uuid [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}

//! FindCoordinator, key 10: the broker that keeps a group. Versions from 4 on ask for several at once.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Whose coordinator is wanted; one key before version 4, a list from 4 on.
    pub struct FindCoordinatorRequest {
        /// The group or transactional id.
        key: Str [..4];
        /// What the keys are: 0 groups, 1 transactional ids, 2 share-group partitions.
        key_type: i8 [1..];
        /// The groups or transactional ids asked for.
        coordinator_keys: Vec<Str> [4..];
    }

    /// The coordinators; one before version 4, a list from 4 on.
    pub struct FindCoordinatorResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [1.., lossy(true)];
        /// What went wrong.
        error_code: ErrorCode [..4];
        /// More about the error, for people.
        error_message: Option<Str> [1..4, lossy(true)];
        /// The broker's id.
        node_id: i32 [..4];
        /// Host name or address.
        host: Str [..4];
        /// TCP port.
        port: i32 [..4];
        /// An answer for each key.
        coordinators: Vec<Coordinator> [4..];
    }

    /// One key's coordinator.
    pub struct Coordinator {
        /// The group or transactional id.
        key: Str [4..];
        /// The broker's id.
        node_id: i32 [4..];
        /// Host name or address.
        host: Str [4..];
        /// TCP port.
        port: i32 [4..];
        /// What went wrong.
        error_code: ErrorCode [4..];
        /// More about the error, for people.
        error_message: Option<Str> [4.., lossy(true)];
    }
}

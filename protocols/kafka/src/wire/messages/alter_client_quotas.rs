//! AlterClientQuotas, key 49: set and remove quotas of clients (KIP-546).

use crate::wire::error_code::ErrorCode;
use crate::wire::float64::Float64;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Quotas to change.
    pub struct AlterClientQuotasRequest {
        /// The entities whose quotas change.
        entries: Vec<EntryData> [..];
        /// Whether to check only and change nothing.
        validate_only: bool [..];
    }

    /// An entity and what changes for it.
    pub struct EntryData {
        /// The entity's parts.
        entity: Vec<EntityData> [..];
        /// What changes.
        ops: Vec<OpData> [..];
    }

    /// A part of an entity.
    pub struct EntityData {
        /// `user`, `client-id` or `ip`.
        entity_type: Str [..];
        /// The name; null for the default.
        entity_name: Option<Str> [..];
    }

    /// A quota to set or to remove.
    pub struct OpData {
        /// The quota's name.
        key: Str [..];
        /// How much; of no meaning where the quota is removed.
        value: Float64 [..];
        /// Whether to remove the quota.
        remove: bool [..];
    }

    /// What was changed.
    pub struct AlterClientQuotasResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// An answer for each entity.
        entries: Vec<EntryResult> [..];
    }

    /// Whether one entity's quotas were changed. (Kafka calls it `EntryData`, as in the request.)
    pub struct EntryResult {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The entity's parts.
        entity: Vec<EntityData> [..];
    }
}

//! DescribeClientQuotas, key 48: how much clients may ask of the broker (KIP-546).

use crate::wire::error_code::ErrorCode;
use crate::wire::float64::Float64;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Which quotas to describe.
    pub struct DescribeClientQuotasRequest {
        /// What must hold of an entity, all of it.
        components: Vec<ComponentData> [..];
        /// Whether an entity may have no other parts than those named.
        strict: bool [..];
    }

    /// What must hold of one part of an entity.
    pub struct ComponentData {
        /// `user`, `client-id` or `ip`.
        entity_type: Str [..];
        /// 0 this name, 1 the default, 2 any name.
        match_type: i8 [..];
        /// The name; null where none is needed.
        r#match: Option<Str> [..];
    }

    /// Quotas described.
    pub struct DescribeClientQuotasResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// The entities that have quotas; null on error.
        entries: Option<Vec<EntryData>> [..];
    }

    /// An entity and its quotas.
    pub struct EntryData {
        /// The entity's parts.
        entity: Vec<EntityData> [..];
        /// Its quotas.
        values: Vec<ValueData> [..];
    }

    /// A part of an entity.
    pub struct EntityData {
        /// `user`, `client-id` or `ip`.
        entity_type: Str [..];
        /// The name; null for the default.
        entity_name: Option<Str> [..];
    }

    /// A quota.
    pub struct ValueData {
        /// The quota's name.
        key: Str [..];
        /// How much.
        value: Float64 [..];
    }
}

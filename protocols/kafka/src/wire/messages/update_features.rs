//! UpdateFeatures, key 57: change feature levels in force in the cluster (KIP-584). Version 1 tells safe downgrades from
//! unsafe ones, version 2 has one error for all features, for all change or none does (KIP-1022).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// Feature levels to change.
    pub struct UpdateFeaturesRequest {
        /// How long the caller is willing to wait, milliseconds.
        timeout_ms: i32 [.., default(60_000)];
        /// The features.
        feature_updates: Vec<FeatureUpdateKey> [..];
        /// Whether to check only and change nothing.
        validate_only: bool [1..];
    }

    /// A feature level to change.
    pub struct FeatureUpdateKey {
        /// The feature.
        feature: Str [..];
        /// The highest level to be in force; below 1 to take the feature out of force.
        max_version_level: i16 [..];
        /// Whether the level may go down.
        allow_downgrade: bool [..1];
        /// 1 upgrade only, 2 a downgrade that loses nothing, 3 a downgrade at any price.
        upgrade_type: i8 [1.., default(1)];
    }

    /// What was changed.
    pub struct UpdateFeaturesResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong with the whole request.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// An answer for each feature.
        results: Vec<UpdatableFeatureResult> [..2, lossy(true)];
    }

    /// Whether one feature's level was changed.
    pub struct UpdatableFeatureResult {
        /// The feature.
        feature: Str [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
    }
}

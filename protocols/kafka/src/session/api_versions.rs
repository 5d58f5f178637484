//! ApiVersions: what is served, from the table that also decides it.

use forebay_kit::SessionError;

use super::dispatch::{Asking, Step};
use super::open::Head;
use crate::wire::api::advertised;
use crate::wire::messages::api_versions::{FinalizedFeatureKey, SupportedFeatureKey};
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::{ErrorCode, Rope, Str};

/// The feature by whose level producers choose how their transactions go: at 2 partitions join them with the first batch, and
/// every end raises the epoch (KIP-890). Older producers go on in the older way.
const TRANSACTIONS: &str = "transaction.version";
/// The feature that says that brokers assign the partitions of groups (KIP-848).
const GROUPS: &str = "group.version";
/// Features and their levels, by name.
const FEATURES: [(&str, i16); 2] = [(GROUPS, 1), (TRANSACTIONS, 2)];

pub(super) fn ask(asking: &mut Asking<'_>, request: ApiVersionsRequest) -> Step<ApiVersionsResponse> {
    let named = [&request.client_software_name, &request.client_software_version];
    if asking.version() >= 3 && !named.into_iter().all(is_software_name) {
        return Step::Answer(ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest,
            ..Default::default()
        });
    }
    let supported = FEATURES.map(|(name, level)| SupportedFeatureKey {
        name: Str::from_static(name),
        min_version: 0,
        max_version: level,
    });
    let finalized = FEATURES.map(|(name, level)| FinalizedFeatureKey {
        name: Str::from_static(name),
        max_version_level: level,
        min_version_level: level,
    });
    Step::Answer(ApiVersionsResponse {
        api_keys: advertised(),
        supported_features: supported.into(),
        finalized_features_epoch: 0,
        finalized_features: finalized.into(),
        ..Default::default()
    })
}

/// The answer to a version that we do not know: in version 0, which everybody reads.
pub(super) fn unknown_version(head: Head) -> Result<Rope, SessionError> {
    let response = ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion,
        api_keys: advertised(),
        ..Default::default()
    };
    Head { version: 0, ..head }.frame(&response)
}

/// KIP-511: letters and digits, within them also dots and hyphens.
fn is_software_name(text: &Str) -> bool {
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.into_iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric))
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
}

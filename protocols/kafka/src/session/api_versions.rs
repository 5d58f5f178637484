//! ApiVersions: what is served, from the table that also decides it.

use forebay_kit::SessionError;

use super::dispatch::{Asking, Step};
use super::features::{FEATURES, Feature};
use super::open::Head;
use crate::wire::api::advertised;
use crate::wire::messages::api_versions::{FinalizedFeatureKey, SupportedFeatureKey};
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::{ErrorCode, Rope, Str};

pub(super) fn ask(asking: &mut Asking<'_>, request: ApiVersionsRequest) -> Step<ApiVersionsResponse> {
    let named = [&request.client_software_name, &request.client_software_version];
    if asking.version() >= 3 && !named.into_iter().all(is_software_name) {
        return Step::Answer(ApiVersionsResponse {
            error_code: ErrorCode::InvalidRequest,
            ..Default::default()
        });
    }
    let supported = |feature: &Feature| SupportedFeatureKey {
        name: Str::from_static(feature.name),
        min_version: 0,
        max_version: feature.level,
    };
    let finalized = |feature: &Feature| FinalizedFeatureKey {
        name: Str::from_static(feature.name),
        max_version_level: feature.level,
        min_version_level: feature.level,
    };
    Step::Answer(ApiVersionsResponse {
        api_keys: advertised(),
        supported_features: FEATURES.iter().map(supported).collect(),
        finalized_features_epoch: 0,
        finalized_features: FEATURES.iter().map(finalized).collect(),
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

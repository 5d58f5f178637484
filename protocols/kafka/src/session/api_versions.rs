//! ApiVersions: what is served, from the table that also decides it.

use forebay_kit::SessionError;

use super::dispatch::{Asking, Step};
use super::open::Head;
use crate::wire::api::advertised;
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
    // Feature levels would tell clients to use the group and transaction protocols that come later: there are none.
    Step::Answer(ApiVersionsResponse { api_keys: advertised(), ..Default::default() })
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

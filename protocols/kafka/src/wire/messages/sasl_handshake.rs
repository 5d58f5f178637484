//! SaslHandshake, key 17: choose a SASL mechanism. After version 0 the tokens follow as frames without headers, after version 1
//! in SaslAuthenticate requests (KIP-152). It is one of the few without a compact form.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// The mechanism that the client chose.
    pub struct SaslHandshakeRequest {
        /// The mechanism by its SASL name.
        mechanism: Str [..];
    }

    /// Whether the mechanism may be used.
    pub struct SaslHandshakeResponse {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// The mechanisms that this listener offers.
        mechanisms: Vec<Str> [..];
    }
}

//! SaslAuthenticate, key 36: one step of a SASL exchange. From version 1 on a session may end, and the client authenticates
//! again over the same connection before that (KIP-368).

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::secret::Secret;
use crate::wire::text::Str;

wire_struct! {
    /// The client's token.
    pub struct SaslAuthenticateRequest {
        /// What the mechanism has the client say.
        auth_bytes: Secret [..];
    }

    /// The broker's token.
    pub struct SaslAuthenticateResponse {
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// What the mechanism has the broker say.
        auth_bytes: Secret [..];
        /// Time after which the broker ends the connection unless the client has authenticated again, milliseconds; 0 for
        /// never.
        session_lifetime_ms: i64 [1.., lossy(true)];
    }
}

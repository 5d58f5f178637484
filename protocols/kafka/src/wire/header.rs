//! What precedes every body: who asks for what in which version, and which answer belongs to which question.

use bytes::Bytes;

use super::api::ApiKey;
use super::cursor::Cursor;
use super::error::{DecodeError, EncodeError, Fault};
use super::field::{Form, Version, Wire};
use super::text::Str;
use super::writer::Writer;

/// The first eight bytes of a request, the same in every version there ever was. Enough to refuse a request politely.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead {
    /// The API asked for; may be unknown to us.
    pub api_key: i16,
    /// The version the request is in; may be unknown to us.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
}

/// A request's header, for an API that exists. Its version need not be one we decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API asked for.
    pub api: ApiKey,
    /// The version the body is in.
    pub api_version: i16,
    /// Comes back in the response.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
}

impl RequestHead {
    /// Reads the head from the front of a frame.
    ///
    /// # Errors
    /// [`Fault::Ended`].
    pub fn peek(frame: &Bytes) -> Result<Self, DecodeError> {
        Self::decode(&mut Cursor::new(frame))
    }

    fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            api_key: cursor.array().map(i16::from_be_bytes)?,
            api_version: cursor.array().map(i16::from_be_bytes)?,
            correlation_id: cursor.array().map(i32::from_be_bytes)?,
        })
    }
}

impl RequestHeader {
    /// Reads the header; the cursor is then at the body. Works for versions beyond those we know: they are taken to have the
    /// newest header, as an ApiVersions request from the future has.
    ///
    /// # Errors
    /// [`Fault::UnknownApi`], and what else is wrong with the bytes.
    pub fn decode(cursor: &mut Cursor<'_>) -> Result<Self, DecodeError> {
        let head = RequestHead::decode(cursor).map_err(|error| error.at("RequestHeader"))?;
        let api = ApiKey::from_number(head.api_key).ok_or(Fault::UnknownApi(head.api_key))?;
        let client_id = client_id(cursor).map_err(|error| error.at("RequestHeader.client_id"))?;
        if api.form(head.api_version) == Form::Compact {
            cursor.tagged(|_, _| Ok(false)).map_err(|error| error.at("RequestHeader's tagged fields"))?;
        }
        Ok(Self { api, api_version: head.api_version, correlation_id: head.correlation_id, client_id })
    }

    /// Writes the header.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] for a client id above 32,767 bytes.
    pub fn encode(&self, writer: &mut Writer) -> Result<(), EncodeError> {
        writer.put(&self.api.number().to_be_bytes());
        writer.put(&self.api_version.to_be_bytes());
        writer.put(&self.correlation_id.to_be_bytes());
        self.client_id.encode(writer, CLIENT_ID)?;
        if self.api.form(self.api_version) == Form::Compact {
            writer.tag_count(0);
            writer.tag_end();
        }
        Ok(())
    }
}

/// Only people read it, so that one in another encoding turns nobody away; any negative length stands for none.
fn client_id(cursor: &mut Cursor<'_>) -> Result<Option<Str>, DecodeError> {
    let length = cursor.array().map(i16::from_be_bytes)?;
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    cursor.bytes(length).map(Str::lossy).map(Some)
}

/// The client id stayed a classic string when the rest of the header became flexible.
const CLIENT_ID: Version = Version::classic(1);

/// Whether the response header of this API and version ends with tagged fields. That of ApiVersions never does: a client
/// reads it before it knows which versions the broker speaks.
fn response_has_tags(api: ApiKey, api_version: i16) -> bool {
    api != ApiKey::ApiVersions && api.form(api_version) == Form::Compact
}

/// Writes a response's header.
pub fn encode_response_header(writer: &mut Writer, api: ApiKey, api_version: i16, correlation_id: i32) {
    writer.put(&correlation_id.to_be_bytes());
    if response_has_tags(api, api_version) {
        writer.tag_count(0);
        writer.tag_end();
    }
}

/// Reads a response's header and returns its correlation id; the cursor is then at the body.
///
/// # Errors
/// What is wrong with the bytes.
pub fn decode_response_header(
    cursor: &mut Cursor<'_>,
    api: ApiKey,
    api_version: i16,
) -> Result<i32, DecodeError> {
    let correlation_id =
        cursor.array().map(i32::from_be_bytes).map_err(|error| error.at("ResponseHeader"))?;
    if response_has_tags(api, api_version) {
        cursor.tagged(|_, _| Ok(false)).map_err(|error| error.at("ResponseHeader's tagged fields"))?;
    }
    Ok(correlation_id)
}

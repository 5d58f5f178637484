//! Entry points for fuzzers. Whatever the bytes, none of them panics for the bytes' sake or allocates more than
//! [`crate::limits`] grants; what decodes must encode, and decode to the same again, or the function panics to say so.

use bytes::{Bytes, BytesMut};

use super::api::ApiKey;
use super::consumer_protocol::{Assignment, Subscription, VERSION_LAST};
use super::cursor::Cursor;
use super::frame::{FrameError, Framing};
use super::header::{RequestHead, RequestHeader};
use super::messages::{AnyRequest, AnyResponse};
use super::writer::{FRAME_PREFIX_BYTES, Rope};

/// Takes `data` for a request frame without its length.
///
/// # Panics
/// When a request that was read cannot be written, or reads differently then.
pub fn fuzz_request(data: &[u8]) {
    let frame = Bytes::copy_from_slice(data);
    let _ = RequestHead::peek(&frame);
    let mut cursor = Cursor::new(&frame);
    let Ok(header) = RequestHeader::decode(&mut cursor) else { return };
    let Ok(request) = AnyRequest::read(&mut cursor, &header) else { return };
    let written = request
        .to_frame(header.api_version, header.correlation_id, header.client_id.clone())
        .expect("what was read can be written");
    let again = body(written);
    let mut cursor = Cursor::new(&again);
    assert_eq!(RequestHeader::decode(&mut cursor).as_ref(), Ok(&header));
    assert_eq!(AnyRequest::read(&mut cursor, &header), Ok(request));
}

/// Takes `data` for an API key, a version, and a response frame without its length.
///
/// # Panics
/// When a response that was read cannot be written, or reads differently then.
pub fn fuzz_response(data: &[u8]) {
    let Some((&[key, api_version], rest)) = data.split_first_chunk() else { return };
    let Some(api) = ApiKey::from_number(key.into()) else { return };
    let frame = Bytes::copy_from_slice(rest);
    let Ok((correlation_id, response)) = AnyResponse::read(&mut Cursor::new(&frame), api, api_version.into())
    else {
        return;
    };
    let written =
        response.to_frame(api_version.into(), correlation_id).expect("what was read can be written");
    let again = AnyResponse::read(&mut Cursor::new(&body(written)), api, api_version.into());
    assert_eq!(again, Ok((correlation_id, response)));
}

/// Takes `data` for a consumer's subscription, and for its share.
///
/// # Panics
/// When what was read cannot be written, or reads differently then.
pub fn fuzz_consumer_protocol(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    if let Ok(subscription) = Subscription::read(&bytes) {
        let written = subscription.to_bytes(VERSION_LAST).expect("what was read can be written");
        assert_eq!(Subscription::read(&written), Ok(subscription));
    }
    if let Ok(share) = Assignment::read(&bytes) {
        let written = share.to_bytes(VERSION_LAST).expect("what was read can be written");
        assert_eq!(Assignment::read(&written), Ok(share));
    }
}

/// Takes `data` for a stream and cuts it into frames with a limit of 64 KiB, as it arrives whole and byte by byte.
///
/// # Panics
/// When the two ways do not give the same frames and the same end.
pub fn fuzz_frame(data: &[u8]) {
    let framing = Framing::with_max(64 * 1024);
    let mut frames = Vec::new();
    let end = cut(framing, &mut BytesMut::from(data), &mut frames);
    let (mut drip, mut dripped, mut drip_end) = (BytesMut::new(), Vec::new(), Ok(()));
    for byte in data {
        drip.extend_from_slice(&[*byte]);
        drip_end = cut(framing, &mut drip, &mut dripped);
        if drip_end.is_err() {
            break;
        }
    }
    assert_eq!((frames, end), (dripped, drip_end));
}

/// Takes all whole frames.
fn cut(framing: Framing, stream: &mut BytesMut, frames: &mut Vec<Bytes>) -> Result<(), FrameError> {
    while let Some(frame) = framing.next(stream)? {
        frames.push(frame);
    }
    Ok(())
}

fn body(rope: Rope) -> Bytes {
    rope.into_bytes().slice(FRAME_PREFIX_BYTES..)
}

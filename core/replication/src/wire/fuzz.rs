//! The entrance for fuzzers, and for the smoke run of the tests.

use bytes::Bytes;

/// Decodes whatever `data` is. With `seal` the checksum is made to fit first, so that mutations reach the fields behind
/// it. What decodes must encode to the same bytes again; everything else must be refused without a panic.
pub fn decode_any(data: &[u8], seal: Seal) {
    let mut frame = data.to_vec();
    if let Seal::Mend = seal {
        if frame.is_empty() {
            return;
        }
        frame[0] = super::VERSION;
        let crc = crc_fast::crc32_iscsi(&frame);
        frame.extend_from_slice(&crc.to_le_bytes());
    }
    let frame = Bytes::from(frame);
    if let Ok(envelope) = super::decode(&frame) {
        assert_eq!(super::encode(&envelope), frame, "what was decoded encodes differently: {envelope:?}");
    }
}

/// What to do with the checksum of fuzzed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Leave the bytes alone.
    Leave,
    /// Write the version and append the right checksum.
    Mend,
}

//! Several batches behind each other, as a fetch returns them.

use bytes::Bytes;

use super::BatchError;
use super::header::{LENGTH_AT, LENGTH_OVERHEAD, encoded_len};

/// Iterates over the whole batches in `bytes`. An incomplete batch at the end is not an error: a broker may cut where
/// a limit of bytes falls. Ends behind the first error; neither crc nor layout is looked at.
#[derive(Clone, Debug)]
pub struct Batches {
    bytes: Bytes,
}

impl Batches {
    /// Starts at the first batch.
    pub fn new(bytes: Bytes) -> Batches {
        Batches { bytes }
    }

    /// What lies behind the last whole batch.
    pub fn rest(&self) -> &Bytes {
        &self.bytes
    }
}

impl Iterator for Batches {
    type Item = Result<Bytes, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        let length = self.bytes.get(LENGTH_AT..LENGTH_OVERHEAD)?.first_chunk::<4>()?;
        match encoded_len(i32::from_be_bytes(*length)) {
            Ok(len) if len > self.bytes.len() => None,
            Ok(len) => Some(Ok(self.bytes.split_to(len))),
            Err(error) => {
                self.bytes.clear();
                Some(Err(error))
            }
        }
    }
}

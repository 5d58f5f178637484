//! The two checksums of the formats: CRC-32C for damage, CRC-64/NVME to compare contents.

use crc_fast::{CrcAlgorithm, Digest};

/// The CRC-32C of one piece.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    narrow(crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, bytes))
}

/// A CRC-32C that is fed piece by piece.
pub(crate) struct Crc32c(Digest);

impl Crc32c {
    pub(crate) fn new() -> Crc32c {
        Crc32c(Digest::new(CrcAlgorithm::Crc32Iscsi))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u32 {
        narrow(self.0.finalize())
    }
}

/// A CRC-64/NVME that is fed piece by piece.
pub(crate) struct Crc64(Digest);

impl Crc64 {
    pub(crate) fn new() -> Crc64 {
        Crc64(Digest::new(CrcAlgorithm::Crc64Nvme))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.finalize()
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).expect("a 32-bit checksum has 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksums_are_the_published_ones() {
        // The check values of the CRC catalogue for "123456789".
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        let mut pieces = Crc32c::new();
        pieces.update(b"1234");
        pieces.update(b"56789");
        assert_eq!(pieces.value(), 0xe306_9283);
        let mut wide = Crc64::new();
        wide.update(b"123456789");
        assert_eq!(wide.value(), 0xae8b_1486_0a79_9888);
    }
}

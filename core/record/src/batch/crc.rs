//! CRC-32C, and what changing the front of some bytes does to the crc of all of them.

/// The polynomial, its highest power in the lowest bit.
const POLYNOMIAL: u32 = 0x82f6_3b78;
/// The polynomial 1.
const ONE: u32 = 1 << 31;

/// `x` to the power of 2^k, for each k. A count of bytes is shifted by three to bits, so 64 cover every length.
const POWERS: [u32; 64] = {
    let mut powers = [ONE >> 1; 64];
    let mut k = 1;
    while k < powers.len() {
        powers[k] = multiply(powers[k - 1], powers[k - 1]);
        k += 1;
    }
    powers
};

/// The crc of `bytes`.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// The crc of all, where `old` was the crc of all, and its front, `behind` bytes from the end, had the crc `before` and
/// now has `after`. A crc is linear: the change to it is the change to the front's, times `x` for every bit behind it.
pub(super) fn crc32c_changed(old: u32, before: u32, after: u32, behind: usize) -> u32 {
    old ^ shift(before ^ after, behind)
}

/// Multiplies by `x` to the power of the bits in `bytes`, modulo the polynomial. At most 61 multiplications.
fn shift(mut crc: u32, mut bytes: usize) -> u32 {
    let mut power = 3;
    while bytes > 0 {
        if bytes & 1 == 1 {
            crc = multiply(POWERS[power], crc);
        }
        bytes >>= 1;
        power += 1;
    }
    crc
}

/// Multiplies two polynomials modulo the polynomial: adds up `b` times `x^n` for every term `x^n` of `a`.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut term = ONE;
    while term > 0 {
        if a & term != 0 {
            product ^= b;
        }
        b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
        term >>= 1;
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crc_is_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_changed_front_changes_the_crc_as_if_computed_afresh() {
        let mut bytes: Vec<u8> =
            (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for len in [22, 23, 24, 61, 100, 4095, 65_536, 100_000] {
            let old = crc32c(&bytes[..len]);
            let before = crc32c(&bytes[..22]);
            bytes[5] ^= 0x81;
            bytes[21] ^= 0xff;
            let after = crc32c(&bytes[..22]);
            assert_eq!(crc32c_changed(old, before, after, len - 22), crc32c(&bytes[..len]), "{len} bytes");
        }
    }
}

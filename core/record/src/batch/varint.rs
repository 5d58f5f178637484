//! Zigzag variable-length integers, seven bits to a byte, low bits first.

use bytes::BufMut;

/// Undoes the zigzag of an `int32`.
pub(super) fn unzigzag32(n: u32) -> i32 {
    (n >> 1) as i32 ^ -((n & 1) as i32)
}

/// Undoes the zigzag of an `int64`.
pub(super) fn unzigzag64(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

/// Writes an `int32` or `int64`: the encoding is the same.
pub(super) fn put_varint(out: &mut impl BufMut, value: i64) {
    let mut n = zigzag(value);
    while n >= 0x80 {
        out.put_u8(n as u8 | 0x80);
        n >>= 7;
    }
    out.put_u8(n as u8);
}

/// How many bytes [`put_varint`] writes.
pub(super) fn varint_len(value: i64) -> usize {
    let bits = 64 - (zigzag(value) | 1).leading_zeros() as usize;
    bits.div_ceil(7)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

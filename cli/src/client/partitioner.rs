//! Which partition a key belongs to: as the Java client has it, so that both agree.

/// The partition, of `partitions`, of a key.
///
/// # Panics
/// Without partitions there is none.
pub fn partition_of(key: &[u8], partitions: usize) -> i32 {
    let positive = murmur2(key) & 0x7fff_ffff;
    let partition = positive as usize % partitions;
    i32::try_from(partition).expect("a topic's partitions are counted by an i32")
}

/// Austin Appleby's MurmurHash2, 32 bits, with the seed Kafka chose. Words are little-endian.
fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ data.len() as u32;
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values that Kafka's Java client computes.
    #[test]
    fn hashes_are_those_of_the_java_client() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        ] {
            assert_eq!(murmur2(text.as_bytes()) as i32, hash, "{text}");
        }
        assert_eq!(murmur2(b"abc") as i32, 479_470_107);
    }

    #[test]
    fn a_key_always_has_a_partition_that_exists() {
        for n in 0..1000_u32 {
            assert!((0..7).contains(&partition_of(&n.to_be_bytes(), 7)));
        }
        assert_eq!(partition_of(b"", 1), 0);
    }
}

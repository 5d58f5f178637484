//! When a replica loses patience: drawn from a seed, so that the same inputs give the same elections.

use crate::config::ELECTION_TICKS;

/// Ticks to wait in `term`, from [`ELECTION_TICKS`] to below twice as many. Raft's own draw is not reproducible and is
/// replaced by this after every call that may have drawn. It changes with the term, so two candidates that met once do
/// not meet for ever.
pub(crate) fn timeout_ticks(seed: u64, peer: u64, term: u64) -> usize {
    let mixed = mix(seed ^ mix(peer ^ mix(term)));
    ELECTION_TICKS + (mixed % ELECTION_TICKS as u64) as usize
}

/// The finalizer of splitmix64: every input bit reaches every output bit.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_reproducible_and_cover_the_range() {
        let drawn: Vec<usize> = (0..500).map(|term| timeout_ticks(7, 3, term)).collect();
        assert_eq!(drawn, (0..500).map(|term| timeout_ticks(7, 3, term)).collect::<Vec<_>>());
        for ticks in ELECTION_TICKS..2 * ELECTION_TICKS {
            assert!(drawn.contains(&ticks), "{ticks} is never drawn");
        }
        assert!(drawn.iter().all(|ticks| (ELECTION_TICKS..2 * ELECTION_TICKS).contains(ticks)));
    }
}

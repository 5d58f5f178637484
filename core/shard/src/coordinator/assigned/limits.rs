//! Bounds of groups whose partitions the broker assigns.

/// Bytes of a member's id, of its static name and of its rack, each.
pub(super) const NAME_BYTES_MAX: usize = 1_024;
/// Topics that one member may read by name.
pub(super) const TOPICS_PER_MEMBER_MAX: usize = 10_000;
/// Bytes of a pattern.
pub(super) const PATTERN_BYTES_MAX: usize = 4_096;
/// Bytes of a pattern's program, which decide how long it takes to compile.
pub(super) const PATTERN_PROGRAM_BYTES_MAX: usize = 1 << 20;
/// Rounds of evening out shares; where all members read the same topics the first is enough.
pub(super) const BALANCE_ROUNDS_MAX: usize = 16;
/// A group that could not be saved is tried again after this many milliseconds.
pub(super) const SAVE_AGAIN_MS: u32 = 1_000;

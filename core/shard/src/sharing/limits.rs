//! Bounds of groups that share subscriptions.

/// Members of one group. As Apache Kafka's, unless its brokers are configured otherwise.
pub(super) const MEMBERS_MAX: usize = 200;
/// Bytes of a member's id and of its rack, each.
pub(super) const NAME_BYTES_MAX: usize = 1_024;
/// Topics that one member may read.
pub(super) const TOPICS_PER_MEMBER_MAX: usize = 10_000;
/// Groups with members on one shard.
pub(super) const GROUPS_MAX: usize = 100_000;

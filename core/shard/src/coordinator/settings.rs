//! What the operator can set about groups.

use forebay_machine::limits::MEMBERS_PER_GROUP_MAX;

/// Settings of a [`Coordinator`](super::Coordinator).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoordinatorSettings {
    /// The first generation of an empty group waits so long for more members, in milliseconds; each new one prolongs it, up to
    /// the rebalance timeout. 0: never wait.
    pub initial_rebalance_delay_ms: u32,
    /// The shortest session a member may ask for, in milliseconds.
    pub session_timeout_ms_min: u32,
    /// The longest session a member may ask for, in milliseconds.
    pub session_timeout_ms_max: u32,
    /// A new member whose first join is not answered within this many milliseconds is put out; its client joins again.
    pub new_member_join_timeout_ms: u32,
    /// Members of one group: never above [`MEMBERS_PER_GROUP_MAX`]. As many more may be on their way in with a fresh id.
    pub members_max: usize,
}

impl Default for CoordinatorSettings {
    fn default() -> CoordinatorSettings {
        CoordinatorSettings {
            initial_rebalance_delay_ms: 3_000,
            session_timeout_ms_min: 6_000,
            session_timeout_ms_max: 1_800_000,
            new_member_join_timeout_ms: 300_000,
            members_max: MEMBERS_PER_GROUP_MAX,
        }
    }
}

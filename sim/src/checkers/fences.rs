//! A fence has a cause: a shard stops, and a node refuses to open, only when something was done to its disk.

use super::{Check, broken};
use crate::world::machine::Machine;

/// The words of fences that no disk can cause.
const INVARIANTS: [&str; 3] =
    ["the consensus library stopped", "the replica stopped", "ended without a result"];

/// No shard of the machine is fenced without an excuse.
pub fn check(machine: &Machine) -> Check {
    match (machine.fenced(), machine.excuse) {
        (Some((shard, why)), None) => {
            broken("a fence has a cause", format!("node {} shard {shard}: {why}", machine.id))
        }
        // What a disk does never breaks an invariant: a fault is an error, an invariant a bug.
        (Some((shard, why)), Some(_)) if INVARIANTS.iter().any(|words| why.contains(words)) => {
            broken("no assertion fails", format!("node {} shard {shard}: {why}", machine.id))
        }
        _ => Ok(()),
    }
}

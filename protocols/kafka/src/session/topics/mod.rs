//! Topics: create, delete, add partitions.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod grow;

use forebay_kit::model::{NodeId, Refusal};

/// Nodes chosen by hand for one partition.
fn nodes(broker_ids: &[i32]) -> Result<Vec<NodeId>, Refusal> {
    let node = |id: &i32| u64::try_from(*id).map(NodeId);
    broker_ids
        .iter()
        .map(node)
        .collect::<Result<_, _>>()
        .map_err(|_| Refusal::InvalidAssignment("a broker id is negative".into()))
}

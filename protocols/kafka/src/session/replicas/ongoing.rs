//! ListPartitionReassignments: nothing is ever on its way.

use crate::session::dispatch::{Asking, Step};
use crate::wire::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    _: ListPartitionReassignmentsRequest,
) -> Step<ListPartitionReassignmentsResponse> {
    Step::Answer(ListPartitionReassignmentsResponse::default())
}

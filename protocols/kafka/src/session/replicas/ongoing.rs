//! ListPartitionReassignments: nothing is ever on its way.

use forebay_kit::SessionError;
use forebay_kit::model::acl::Operation;

use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::Replies;
use crate::session::rights;
use crate::wire::ErrorCode;
use crate::wire::messages::{ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse};

/// Nothing of the request is needed.
pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    _: ListPartitionReassignmentsRequest,
) -> Step<ListPartitionReassignmentsResponse> {
    Step::One(rights::on_cluster(), Asked.into())
}

impl Answer for Asked {
    type Response = ListPartitionReassignmentsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ListPartitionReassignmentsResponse, SessionError> {
        let granted = rights::grants(Some(replies.one()?), Operation::Describe)?;
        let error_code = if granted { ErrorCode::None } else { ErrorCode::ClusterAuthorizationFailed };
        Ok(ListPartitionReassignmentsResponse { error_code, ..Default::default() })
    }
}

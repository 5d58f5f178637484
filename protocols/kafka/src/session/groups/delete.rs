//! DeleteGroups.

use forebay_kit::SessionError;
use forebay_kit::model::Request;
use forebay_kit::model::group::{GroupReply, GroupRequest};

use super::{GroupList, of_group};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::delete_groups::DeletableGroupResult;
use crate::wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse};

pub(in crate::session) struct Asked(GroupList);

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DeleteGroupsRequest,
) -> Step<DeleteGroupsResponse> {
    let (list, ids) = GroupList::new(request.groups_names.iter());
    if ids.is_empty() {
        let result = |group: super::ListedGroup| DeletableGroupResult {
            group_id: group.text,
            error_code: group.refused.unwrap_or_default(),
        };
        let results = list.groups.into_iter().map(result).collect();
        return Step::Answer(DeleteGroupsResponse { results, ..Default::default() });
    }
    let requests = ids.into_iter().map(|id| Request::Group(GroupRequest::Delete(id)));
    Step::Many(requests.collect(), Asked(list).into())
}

impl Answer for Asked {
    type Response = DeleteGroupsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DeleteGroupsResponse, SessionError> {
        let mut results = Vec::with_capacity(self.0.groups.len());
        for answered in self.0.with(replies.all()) {
            let (group_id, reply) = answered?;
            let error_code = match reply {
                Err(code) => code,
                Ok(reply) => match of_group(reply)? {
                    GroupReply::Delete(Ok(())) => ErrorCode::None,
                    GroupReply::Delete(Err(refusal)) => errors::code(&refusal, Area::Group),
                    _ => return Err(strange("Delete")),
                },
            };
            results.push(DeletableGroupResult { group_id, error_code });
        }
        Ok(DeleteGroupsResponse { results, ..Default::default() })
    }
}

//! DescribeGroups.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Resource, ResourceKind};
use forebay_kit::model::group::{GroupReply, GroupRequest, GroupState, GroupView, MemberView};
use forebay_kit::model::{GroupId, Refusal, Reply, Request};

use super::{GroupList, of_group, state_name};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::open::{Replies, strange};
use crate::session::rights::{self, ON_GROUP};
use crate::wire::messages::describe_groups::{DescribedGroup, DescribedGroupMember};
use crate::wire::messages::{DescribeGroupsRequest, DescribeGroupsResponse};
use crate::wire::{ErrorCode, Str};

/// First version in which a group that does not exist is an error; before, it is a dead group.
const UNKNOWN_FROM: i16 = 6;

pub(in crate::session) struct Asked {
    list: GroupList,
    /// Whether the client wants to hear what it may do.
    operations: bool,
}

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DescribeGroupsRequest,
) -> Step<DescribeGroupsResponse> {
    let (list, ids) = GroupList::new(request.groups.iter());
    let asked = Asked { list, operations: request.include_authorized_operations };
    if ids.is_empty() {
        let refused = asked.list.groups.into_iter();
        let refused = refused.map(|group| refused_group(group.text, group.refused.unwrap_or_default(), None));
        return Step::Answer(DescribeGroupsResponse { groups: refused.collect(), ..Default::default() });
    }
    let resource = |id: &GroupId| Resource { kind: ResourceKind::Group, name: (*id.0).to_owned() };
    let rights = Request::Rights(ids.iter().map(resource).collect());
    let requests = ids.into_iter().map(|id| Request::Group(GroupRequest::Describe(id)));
    Step::Many(requests.chain([rights]).collect(), asked.into())
}

impl Answer for Asked {
    type Response = DescribeGroupsResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeGroupsResponse, SessionError> {
        let mut replies = replies.all();
        let Some(Reply::Rights(rights)) = replies.pop() else { return Err(strange("Rights")) };
        let mut rights = rights.into_iter();
        let mut groups = Vec::with_capacity(self.list.groups.len());
        for answered in self.list.with(replies) {
            let (text, reply) = answered?;
            let reply = match reply {
                Ok(reply) => reply,
                Err(code) => {
                    groups.push(refused_group(text, code, None));
                    continue;
                }
            };
            let allowed = rights.next().ok_or_else(|| strange("Rights for every group"))?;
            let operations = if self.operations { rights::bits(ON_GROUP, allowed) } else { i32::MIN };
            let GroupReply::Describe(described) = of_group(reply)? else { return Err(strange("Describe")) };
            groups.push(match described {
                Ok(view) if view.state != GroupState::Dead => group(text, view, operations),
                Ok(_) | Err(Refusal::UnknownGroup) => unknown(version, text, operations),
                Err(refusal) => {
                    let code = errors::code(&refusal, Area::Group);
                    refused_group(text, code, errors::message(&refusal))
                }
            });
        }
        Ok(DescribeGroupsResponse { groups, ..Default::default() })
    }
}

/// A group that does not exist.
fn unknown(version: i16, group_id: Str, authorized_operations: i32) -> DescribedGroup {
    let is_error = version >= UNKNOWN_FROM;
    DescribedGroup {
        error_code: if is_error { ErrorCode::GroupIdNotFound } else { ErrorCode::None },
        error_message: if is_error { errors::message(&Refusal::UnknownGroup) } else { None },
        group_id,
        group_state: Str::from_static(state_name(GroupState::Dead)),
        authorized_operations,
        ..Default::default()
    }
}

fn refused_group(group_id: Str, error_code: ErrorCode, error_message: Option<Str>) -> DescribedGroup {
    DescribedGroup { error_code, error_message, group_id, ..Default::default() }
}

fn group(group_id: Str, view: GroupView, authorized_operations: i32) -> DescribedGroup {
    DescribedGroup {
        group_id,
        group_state: Str::from_static(state_name(view.state)),
        protocol_type: Str::from(view.kind),
        protocol_data: Str::from(view.strategy),
        members: view.members.into_iter().map(member).collect(),
        authorized_operations,
        ..Default::default()
    }
}

fn member(member: MemberView) -> DescribedGroupMember {
    DescribedGroupMember {
        member_id: Str::from(member.member),
        group_instance_id: member.instance.map(Str::from),
        client_id: Str::from(member.client),
        client_host: Str::from(member.host),
        member_metadata: member.metadata,
        member_assignment: member.assignment,
    }
}

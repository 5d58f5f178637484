//! LeaveGroup: one member, from version 3 on any number.

use forebay_kit::SessionError;
use forebay_kit::model::group::{GroupReply, GroupRequest, LeaveGroup, LeavingMember};
use forebay_kit::model::{Refusal, Request};

use super::of_group;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{group_id, owned, owned_option};
use crate::session::open::{Replies, strange};
use crate::wire::messages::leave_group::{MemberIdentity, MemberResponse};
use crate::wire::messages::{LeaveGroupRequest, LeaveGroupResponse};
use crate::wire::{ErrorCode, Str};

/// First version with a list of members.
const LIST_FROM: i16 = 3;

pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: LeaveGroupRequest,
) -> Step<LeaveGroupResponse> {
    let group = match group_id(&request.group_id) {
        Ok(group) => group,
        Err(error_code) => return Step::Answer(LeaveGroupResponse { error_code, ..Default::default() }),
    };
    let members = if asking.version() >= LIST_FROM {
        request.members.iter().map(leaving).collect()
    } else {
        vec![LeavingMember { member: owned(&request.member_id), instance: None, reason: None }]
    };
    Step::One(Request::Group(GroupRequest::Leave(LeaveGroup { group, members })), Asked.into())
}

fn leaving(member: &MemberIdentity) -> LeavingMember {
    LeavingMember {
        member: owned(&member.member_id),
        instance: owned_option(&member.group_instance_id),
        reason: owned_option(&member.reason),
    }
}

impl Answer for Asked {
    type Response = LeaveGroupResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<LeaveGroupResponse, SessionError> {
        let GroupReply::Leave(left) = of_group(replies.one()?)? else { return Err(strange("Leave")) };
        let members: Vec<_> = match left {
            Ok(left) => left.into_iter().map(|(member, left)| response(member, left)).collect(),
            Err(refusal) => {
                let error_code = errors::code(&refusal, Area::Group);
                return Ok(LeaveGroupResponse { error_code, ..Default::default() });
            }
        };
        if version >= LIST_FROM {
            return Ok(LeaveGroupResponse { members, ..Default::default() });
        }
        let error_code = members.first().map_or(ErrorCode::None, |member| member.error_code);
        Ok(LeaveGroupResponse { error_code, ..Default::default() })
    }
}

fn response(member: LeavingMember, left: Result<(), Refusal>) -> MemberResponse {
    MemberResponse {
        member_id: Str::from(member.member),
        group_instance_id: member.instance.map(Str::from),
        error_code: left.map_or_else(|refusal| errors::code(&refusal, Area::Group), |()| ErrorCode::None),
    }
}

//! JoinGroup.

use forebay_kit::model::group::{GroupReply, GroupRequest, JoinGroup, Joined, JoinedMember, Strategy};
use forebay_kit::model::{GroupId, Refusal, Request};
use forebay_kit::{Bytes, SessionError};

use super::dialect::CONSUMERS;
use super::of_group;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{group_id, owned, owned_option};
use crate::session::open::{Replies, strange};
use crate::wire::messages::join_group::{JoinGroupRequestProtocol, JoinGroupResponseMember};
use crate::wire::messages::{JoinGroupRequest, JoinGroupResponse};
use crate::wire::{ErrorCode, Str};

/// First version whose new members are first given an id to come back with.
const ID_FIRST_FROM: i16 = 4;
/// First version whose response may have no protocol.
const NO_PROTOCOL_FROM: i16 = 7;
/// First version whose leader may be told to skip assigning.
const SKIP_FROM: i16 = 9;

/// The member's id as it came.
pub(in crate::session) struct Asked(Str);

pub(in crate::session) fn ask(asking: &mut Asking<'_>, request: JoinGroupRequest) -> Step<JoinGroupResponse> {
    let version = asking.version();
    let member = request.member_id.detached();
    let group = match group_id(&request.group_id) {
        Ok(group) => group,
        Err(code) => return Step::Answer(refused(version, code, member)),
    };
    let Ok(session_timeout_ms) = u32::try_from(request.session_timeout_ms) else {
        return Step::Answer(refused(version, ErrorCode::InvalidSessionTimeout, member));
    };
    let join = join(asking, &request, group, session_timeout_ms);
    Step::One(Request::Group(GroupRequest::Join(join)), Asked(member).into())
}

fn join(
    asking: &Asking<'_>,
    request: &JoinGroupRequest,
    group: GroupId,
    session_timeout_ms: u32,
) -> JoinGroup {
    JoinGroup {
        group,
        member: owned(&request.member_id),
        instance: owned_option(&request.group_instance_id),
        client: owned(&asking.client),
        host: asking.connection.host.clone(),
        kind: owned(&request.protocol_type),
        strategies: request.protocols.iter().map(strategy).collect(),
        session_timeout_ms,
        // Absent in version 0, where one time served for both.
        rebalance_timeout_ms: u32::try_from(request.rebalance_timeout_ms).unwrap_or(session_timeout_ms),
        id_first: asking.version() >= ID_FIRST_FROM && request.group_instance_id.is_none(),
        reason: owned_option(&request.reason),
        may_skip_assignment: asking.version() >= SKIP_FROM,
        dialect: (request.protocol_type.as_str() == CONSUMERS.kind).then_some(&CONSUMERS),
    }
}

fn strategy(protocol: &JoinGroupRequestProtocol) -> Strategy {
    // The group keeps it: a slice would keep the whole frame.
    Strategy { name: owned(&protocol.name), metadata: Bytes::copy_from_slice(&protocol.metadata) }
}

impl Answer for Asked {
    type Response = JoinGroupResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<JoinGroupResponse, SessionError> {
        let GroupReply::Join(joined) = of_group(replies.one()?)? else { return Err(strange("Join")) };
        Ok(match joined {
            Ok(joined) => response(joined),
            Err(Refusal::MemberIdRequired { member }) => {
                refused(version, ErrorCode::MemberIdRequired, Str::from(member))
            }
            Err(refusal) => refused(version, errors::code(&refusal, Area::Group), self.0),
        })
    }
}

fn response(joined: Joined) -> JoinGroupResponse {
    JoinGroupResponse {
        generation_id: joined.generation,
        protocol_type: Some(Str::from(joined.kind)),
        protocol_name: Some(Str::from(joined.strategy)),
        leader: Str::from(joined.leader),
        skip_assignment: joined.skip_assignment,
        member_id: Str::from(joined.member),
        members: joined.members.into_iter().map(member).collect(),
        ..Default::default()
    }
}

fn member(member: JoinedMember) -> JoinGroupResponseMember {
    JoinGroupResponseMember {
        member_id: Str::from(member.member),
        group_instance_id: member.instance.map(Str::from),
        metadata: member.metadata,
    }
}

fn refused(version: i16, error_code: ErrorCode, member_id: Str) -> JoinGroupResponse {
    let protocol_name = (version < NO_PROTOCOL_FROM).then_some(Str::EMPTY);
    JoinGroupResponse { error_code, protocol_name, member_id, ..Default::default() }
}

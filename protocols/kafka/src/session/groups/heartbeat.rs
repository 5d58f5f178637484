//! Heartbeat.

use forebay_kit::SessionError;
use forebay_kit::model::Request;
use forebay_kit::model::group::{GroupReply, GroupRequest};

use super::{of_group, proof};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::open::{Replies, strange};
use crate::wire::ErrorCode;
use crate::wire::messages::{HeartbeatRequest, HeartbeatResponse};

pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(_: &mut Asking<'_>, request: HeartbeatRequest) -> Step<HeartbeatResponse> {
    let proof =
        proof(&request.group_id, request.generation_id, &request.member_id, &request.group_instance_id);
    match proof {
        Ok(proof) => Step::One(Request::Group(GroupRequest::Heartbeat(proof)), Asked.into()),
        Err(error_code) => Step::Answer(HeartbeatResponse { error_code, ..Default::default() }),
    }
}

impl Answer for Asked {
    type Response = HeartbeatResponse;

    fn answer(self, _: i16, replies: Replies, _: &mut Connection) -> Result<HeartbeatResponse, SessionError> {
        let GroupReply::Heartbeat(heard) = of_group(replies.one()?)? else {
            return Err(strange("Heartbeat"));
        };
        let error_code =
            heard.map_or_else(|refusal| errors::code(&refusal, Area::Membership), |()| ErrorCode::None);
        Ok(HeartbeatResponse { error_code, ..Default::default() })
    }
}

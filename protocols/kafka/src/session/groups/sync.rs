//! SyncGroup.

use forebay_kit::model::Request;
use forebay_kit::model::group::{GroupReply, GroupRequest, SyncGroup};
use forebay_kit::{Bytes, SessionError};

use super::dialect::CONSUMERS;
use super::{of_group, proof};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{owned, owned_option};
use crate::session::open::{Replies, strange};
use crate::wire::messages::sync_group::SyncGroupRequestAssignment;
use crate::wire::messages::{SyncGroupRequest, SyncGroupResponse};
use crate::wire::{ErrorCode, Str};

/// First version whose members say which protocol they believe in.
const PROTOCOL_FROM: i16 = 5;

pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(asking: &mut Asking<'_>, request: SyncGroupRequest) -> Step<SyncGroupResponse> {
    let says_protocol = request.protocol_type.is_some() && request.protocol_name.is_some();
    if asking.version() >= PROTOCOL_FROM && !says_protocol {
        return Step::Answer(refused(ErrorCode::InconsistentGroupProtocol));
    }
    let proof =
        proof(&request.group_id, request.generation_id, &request.member_id, &request.group_instance_id);
    let proof = match proof {
        Ok(proof) => proof,
        Err(code) => return Step::Answer(refused(code)),
    };
    let sync = SyncGroup {
        proof,
        kind: owned_option(&request.protocol_type),
        strategy: owned_option(&request.protocol_name),
        assignments: request.assignments.iter().map(assignment).collect(),
        // Before version 5 members did not say their kind; only those of consumers come where it is needed.
        dialect: Some(&CONSUMERS),
    };
    Step::One(Request::Group(GroupRequest::Sync(sync)), Asked.into())
}

fn assignment(assignment: &SyncGroupRequestAssignment) -> (String, Bytes) {
    // The group keeps it: a slice would keep the whole frame.
    (owned(&assignment.member_id), Bytes::copy_from_slice(&assignment.assignment))
}

impl Answer for Asked {
    type Response = SyncGroupResponse;

    fn answer(self, _: i16, replies: Replies, _: &mut Connection) -> Result<SyncGroupResponse, SessionError> {
        let GroupReply::Sync(synced) = of_group(replies.one()?)? else { return Err(strange("Sync")) };
        Ok(match synced {
            Ok(synced) => SyncGroupResponse {
                protocol_type: Some(Str::from(synced.kind)),
                protocol_name: Some(Str::from(synced.strategy)),
                assignment: synced.assignment,
                ..Default::default()
            },
            Err(refusal) => refused(errors::code(&refusal, Area::Membership)),
        })
    }
}

fn refused(error_code: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse { error_code, ..Default::default() }
}

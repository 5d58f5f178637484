//! ListGroups.

use forebay_kit::SessionError;
use forebay_kit::model::group::GroupListing;
use forebay_kit::model::{Reply, Request};

use super::state_name;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::owned;
use crate::session::open::{Replies, strange};
use crate::wire::Str;
use crate::wire::messages::list_groups::ListedGroup;
use crate::wire::messages::{ListGroupsRequest, ListGroupsResponse};

/// The only type of group there is yet.
const CLASSIC: &str = "classic";

/// Which states are wanted; all if there are none.
pub(in crate::session) struct Asked(Vec<String>);

pub(in crate::session) fn ask(_: &mut Asking<'_>, request: ListGroupsRequest) -> Step<ListGroupsResponse> {
    let types = &request.types_filter;
    if !types.is_empty() && !types.iter().any(|wanted| wanted.as_str().eq_ignore_ascii_case(CLASSIC)) {
        return Step::Answer(ListGroupsResponse::default());
    }
    Step::One(Request::ListGroups, Asked(request.states_filter.iter().map(owned).collect()).into())
}

impl Answer for Asked {
    type Response = ListGroupsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ListGroupsResponse, SessionError> {
        let Reply::ListGroups(listed) = replies.one()? else { return Err(strange("ListGroups")) };
        Ok(match listed {
            Ok(listed) => {
                let wanted = listed.into_iter().filter(|listing| self.wants(listing));
                ListGroupsResponse { groups: wanted.map(group).collect(), ..Default::default() }
            }
            Err(refusal) => {
                ListGroupsResponse { error_code: errors::code(&refusal, Area::Group), ..Default::default() }
            }
        })
    }
}

impl Asked {
    fn wants(&self, listing: &GroupListing) -> bool {
        let state = state_name(listing.state);
        self.0.is_empty() || self.0.iter().any(|wanted| wanted.eq_ignore_ascii_case(state))
    }
}

fn group(listing: GroupListing) -> ListedGroup {
    ListedGroup {
        group_id: Str::from(&*listing.group.0),
        protocol_type: Str::from(listing.kind),
        group_state: Str::from_static(state_name(listing.state)),
        group_type: Str::from_static(CLASSIC),
    }
}

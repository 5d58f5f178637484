//! ListGroups.

use forebay_kit::SessionError;
use forebay_kit::model::group::{AssignedBy, GroupListing};
use forebay_kit::model::subscription::SHARED_GROUP_KIND;
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

/// The type of a group whose members share partitions, and what it says of its protocol.
const SHARE: &str = "share";
/// The type of a group in which a member assigns.
const CLASSIC: &str = "classic";
/// The type of a group in which the broker assigns, and what it says of its protocol.
const CONSUMER: &str = "consumer";

/// Which states and types are wanted; all if there are none.
pub(in crate::session) struct Asked {
    states: Vec<String>,
    types: Vec<String>,
}

pub(in crate::session) fn ask(_: &mut Asking<'_>, request: ListGroupsRequest) -> Step<ListGroupsResponse> {
    let asked = Asked {
        states: request.states_filter.iter().map(owned).collect(),
        types: request.types_filter.iter().map(owned).collect(),
    };
    if ![CLASSIC, CONSUMER, SHARE].into_iter().any(|kind| is_wanted(&asked.types, kind)) {
        return Step::Answer(ListGroupsResponse::default());
    }
    Step::One(Request::ListGroups, asked.into())
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
        is_wanted(&self.states, state_name(listing.state)) && is_wanted(&self.types, type_of(listing))
    }
}

fn is_wanted(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
}

fn type_of(listing: &GroupListing) -> &'static str {
    match listing.assigned_by {
        AssignedBy::Leader if listing.kind == SHARED_GROUP_KIND => SHARE,
        AssignedBy::Leader => CLASSIC,
        AssignedBy::Broker => CONSUMER,
    }
}

fn group(listing: GroupListing) -> ListedGroup {
    let group_type = Str::from_static(type_of(&listing));
    ListedGroup {
        group_id: Str::from(&*listing.group.0),
        protocol_type: match type_of(&listing) {
            CLASSIC => Str::from(listing.kind),
            kind => Str::from_static(kind),
        },
        group_state: Str::from_static(state_name(listing.state)),
        group_type,
    }
}

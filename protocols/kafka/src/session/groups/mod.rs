//! Groups: one file per request.

pub(super) mod attend;
pub(super) mod delete;
pub(super) mod describe;
pub(super) mod describe_assigned;
pub(super) mod dialect;
pub(super) mod find_coordinator;
pub(super) mod heartbeat;
pub(super) mod join;
pub(super) mod leave;
pub(super) mod list;
pub(super) mod offset_commit;
pub(super) mod offset_delete;
pub(super) mod offset_fetch;
pub(super) mod sync;

use forebay_kit::SessionError;
use forebay_kit::model::group::{GroupReply, GroupState, MemberProof};
use forebay_kit::model::{GroupId, Reply};

use super::names::{group_id, owned, owned_option};
use super::open::strange;
use crate::limits::GROUPS_PER_REQUEST_MAX;
use crate::wire::{ErrorCode, Str};

/// A list of groups, each asked for by itself.
struct GroupList {
    groups: Vec<ListedGroup>,
}

/// A group as the client named it.
struct ListedGroup {
    text: Str,
    /// Set when the broker is not asked.
    refused: Option<ErrorCode>,
}

impl GroupList {
    /// The list, and the ids of those that the broker is to be asked about, in order.
    fn new<'a>(texts: impl Iterator<Item = &'a Str>) -> (GroupList, Vec<GroupId>) {
        let (mut groups, mut ids) = (Vec::new(), Vec::new());
        for text in texts {
            let id = if ids.len() < GROUPS_PER_REQUEST_MAX {
                group_id(text)
            } else {
                Err(ErrorCode::InvalidRequest)
            };
            groups.push(ListedGroup { text: text.detached(), refused: id.as_ref().err().copied() });
            ids.extend(id);
        }
        (GroupList { groups }, ids)
    }

    /// Every group with its reply, or the reason why it has none.
    fn with<T>(
        self,
        replies: Vec<T>,
    ) -> impl Iterator<Item = Result<(Str, Result<T, ErrorCode>), SessionError>> {
        let mut replies = replies.into_iter();
        self.groups.into_iter().map(move |group| match group.refused {
            Some(code) => Ok((group.text, Err(code))),
            None => {
                let reply = replies.next().ok_or_else(|| strange("group's answer"))?;
                Ok((group.text, Ok(reply)))
            }
        })
    }
}

/// The membership that a request claims.
fn proof(
    group: &Str,
    generation: i32,
    member: &Str,
    instance: &Option<Str>,
) -> Result<MemberProof, ErrorCode> {
    Ok(MemberProof {
        group: group_id(group)?,
        generation,
        member: owned(member),
        instance: owned_option(instance),
    })
}

/// The group's answer in a reply.
pub(super) fn of_group(reply: Reply) -> Result<GroupReply, SessionError> {
    match reply {
        Reply::Group(reply) => Ok(reply),
        _ => Err(strange("Group")),
    }
}

/// Kafka's name for a group's state.
fn state_name(state: GroupState) -> &'static str {
    match state {
        GroupState::Empty => "Empty",
        GroupState::ExpectJoins => "PreparingRebalance",
        GroupState::ExpectAssignment => "CompletingRebalance",
        GroupState::Assigning => "Assigning",
        GroupState::Reconciling => "Reconciling",
        GroupState::Stable => "Stable",
        GroupState::Dead => "Dead",
    }
}

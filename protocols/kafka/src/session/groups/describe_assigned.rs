//! ConsumerGroupDescribe: groups whose partitions the broker assigns. One of another kind is not found here.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Resource, ResourceKind};
use forebay_kit::model::group::{
    AssignedMemberView, AssignedView, GroupReply, GroupRequest, NamedPartitions,
};
use forebay_kit::model::{GroupId, Reply, Request};

use super::{GroupList, ListedGroup, of_group, state_name};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::uuid;
use crate::session::open::{Replies, strange};
use crate::session::rights::{self, ON_GROUP};
use crate::wire::messages::consumer_group_describe::{Assignment, DescribedGroup, Member, TopicPartitions};
use crate::wire::messages::{ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse};
use crate::wire::{ErrorCode, Str};

/// The epoch of a static member that will be back.
const AWAY: i32 = -2;
/// A member that speaks the classic protocol, and one that speaks this one.
const MEMBER_TYPES: (i8, i8) = (0, 1);

pub(in crate::session) struct Asked {
    list: GroupList,
    /// Whether the client wants to hear what it may do.
    operations: bool,
}

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: ConsumerGroupDescribeRequest,
) -> Step<ConsumerGroupDescribeResponse> {
    let (list, ids) = GroupList::new(request.group_ids.iter());
    let operations = request.include_authorized_operations;
    if ids.is_empty() {
        let refused = |group: ListedGroup| refused(group.text, group.refused.unwrap_or_default(), None);
        let groups = list.groups.into_iter().map(refused).collect();
        return Step::Answer(ConsumerGroupDescribeResponse { groups, ..Default::default() });
    }
    let resource = |id: &GroupId| Resource { kind: ResourceKind::Group, name: (*id.0).to_owned() };
    let rights = Request::Rights(ids.iter().map(resource).collect());
    let requests = ids.into_iter().map(|id| Request::Group(GroupRequest::DescribeAssigned(id)));
    Step::Many(requests.chain([rights]).collect(), Asked { list, operations }.into())
}

impl Answer for Asked {
    type Response = ConsumerGroupDescribeResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ConsumerGroupDescribeResponse, SessionError> {
        let mut replies = replies.all();
        let Some(Reply::Rights(rights)) = replies.pop() else { return Err(strange("Rights")) };
        let mut rights = rights.into_iter();
        let mut groups = Vec::with_capacity(self.list.groups.len());
        for answered in self.list.with(replies) {
            let (text, reply) = answered?;
            let reply = match reply {
                Ok(reply) => reply,
                Err(code) => {
                    groups.push(refused(text, code, None));
                    continue;
                }
            };
            let allowed = rights.next().ok_or_else(|| strange("Rights for every group"))?;
            let operations = if self.operations { rights::bits(ON_GROUP, allowed) } else { i32::MIN };
            let GroupReply::DescribeAssigned(described) = of_group(reply)? else {
                return Err(strange("DescribeAssigned"));
            };
            groups.push(match described {
                Ok(view) => group(text, view, operations),
                Err(refusal) => refused(text, errors::code(&refusal, Area::Group), errors::message(&refusal)),
            });
        }
        Ok(ConsumerGroupDescribeResponse { groups, ..Default::default() })
    }
}

fn refused(group_id: Str, error_code: ErrorCode, error_message: Option<Str>) -> DescribedGroup {
    DescribedGroup { error_code, error_message, group_id, ..Default::default() }
}

fn group(group_id: Str, view: AssignedView, authorized_operations: i32) -> DescribedGroup {
    DescribedGroup {
        group_id,
        group_state: Str::from_static(state_name(view.state)),
        group_epoch: view.epoch,
        assignment_epoch: view.assigned_epoch,
        assignor_name: Str::from_static(view.strategy),
        members: view.members.into_iter().map(member).collect(),
        authorized_operations,
        ..Default::default()
    }
}

fn member(member: AssignedMemberView) -> Member {
    Member {
        member_id: Str::from(member.member),
        instance_id: member.instance.map(Str::from),
        rack_id: member.rack.map(Str::from),
        member_epoch: member.epoch.unwrap_or(AWAY),
        client_id: Str::from(member.client),
        client_host: Str::from(member.host),
        subscribed_topic_names: member.topics.into_iter().map(Str::from).collect(),
        subscribed_topic_regex: member.pattern.map(Str::from),
        assignment: assignment(member.held),
        target_assignment: assignment(member.target),
        member_type: if member.is_classic { MEMBER_TYPES.0 } else { MEMBER_TYPES.1 },
    }
}

fn assignment(named: Vec<NamedPartitions>) -> Assignment {
    let partitions = |named: NamedPartitions| TopicPartitions {
        topic_id: uuid(named.topic),
        topic_name: Str::from(named.name),
        partitions: named.numbers.iter().map(|n| i32::try_from(*n).unwrap_or(i32::MAX)).collect(),
    };
    Assignment { topic_partitions: named.into_iter().map(partitions).collect() }
}

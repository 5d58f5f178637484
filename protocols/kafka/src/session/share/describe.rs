//! ShareGroupDescribe: share groups with their members.

use forebay_kit::SessionError;
use forebay_kit::model::subscription::{
    SharedTopic, SharerView, SharersView, SubscriptionReply, SubscriptionRequest,
};
use forebay_kit::model::{GroupId, Reply, Request};

use super::wire_partitions;
use crate::limits::GROUPS_PER_REQUEST_MAX;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::{group_id, uuid};
use crate::session::open::{Replies, strange};
use crate::session::rights::{self, ON_GROUP};
use crate::wire::messages::share_group_describe::{Assignment, DescribedGroup, Member, TopicPartitions};
use crate::wire::messages::{ShareGroupDescribeRequest, ShareGroupDescribeResponse};
use crate::wire::{ErrorCode, Str};

/// The only assignor there is; its name is Apache Kafka's.
const ASSIGNOR: &str = "simple";

/// The groups, each with the reason why the broker was not asked.
pub(in crate::session) struct Asked {
    groups: Vec<(Str, Option<ErrorCode>)>,
    /// Whether the client wants to hear what it may do.
    operations: bool,
}

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: ShareGroupDescribeRequest,
) -> Step<ShareGroupDescribeResponse> {
    let (mut groups, mut requests, mut assets) = (Vec::new(), Vec::new(), Vec::new());
    for text in &request.group_ids {
        let id: Result<GroupId, ErrorCode> = match requests.len() < GROUPS_PER_REQUEST_MAX {
            true => group_id(text),
            false => Err(ErrorCode::InvalidRequest),
        };
        groups.push((text.detached(), id.as_ref().err().copied()));
        let id = id.map(|id| {
            assets.push(rights::group(&id.0));
            Request::Subscription(SubscriptionRequest::Members(id))
        });
        requests.extend(id);
    }
    let asked = Asked { groups, operations: request.include_authorized_operations };
    if requests.is_empty() {
        let refused = asked.groups.into_iter();
        let refused = refused.map(|(group, code)| refused_group(group, code.unwrap_or_default(), None));
        return Step::Answer(ShareGroupDescribeResponse { groups: refused.collect(), ..Default::default() });
    }
    requests.push(Request::Rights(assets));
    Step::Many(requests, asked.into())
}

impl Answer for Asked {
    type Response = ShareGroupDescribeResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<ShareGroupDescribeResponse, SessionError> {
        let mut replies = replies.all();
        let Some(Reply::Rights(rights)) = replies.pop() else { return Err(strange("Rights")) };
        let (mut replies, mut rights) = (replies.into_iter(), rights.into_iter());
        let mut groups = Vec::with_capacity(self.groups.len());
        for (group_id, refused) in self.groups {
            if let Some(code) = refused {
                groups.push(refused_group(group_id, code, None));
                continue;
            }
            let Some(Reply::Subscription(SubscriptionReply::Members(members))) = replies.next() else {
                return Err(strange("Members"));
            };
            let allowed = rights.next().ok_or_else(|| strange("Rights for every group"))?;
            let operations = if self.operations { rights::bits(ON_GROUP, allowed) } else { i32::MIN };
            groups.push(match members {
                Ok(view) => group(group_id, view, operations),
                Err(refusal) => {
                    let code = errors::code(&refusal, Area::Group);
                    refused_group(group_id, code, errors::message(&refusal))
                }
            });
        }
        Ok(ShareGroupDescribeResponse { groups, ..Default::default() })
    }
}

fn refused_group(group_id: Str, error_code: ErrorCode, error_message: Option<Str>) -> DescribedGroup {
    DescribedGroup { error_code, error_message, group_id, ..Default::default() }
}

fn group(group_id: Str, view: SharersView, authorized_operations: i32) -> DescribedGroup {
    DescribedGroup {
        group_id,
        group_state: Str::from_static(if view.members.is_empty() { "Empty" } else { "Stable" }),
        group_epoch: view.epoch,
        assignment_epoch: view.epoch,
        assignor_name: Str::from_static(ASSIGNOR),
        members: view.members.into_iter().map(member).collect(),
        authorized_operations,
        ..Default::default()
    }
}

fn member(member: SharerView) -> Member {
    Member {
        member_id: Str::from(member.member),
        rack_id: member.rack.map(Str::from),
        member_epoch: member.epoch,
        client_id: Str::from(member.client),
        client_host: Str::from(member.host),
        subscribed_topic_names: member.topics.into_iter().map(Str::from).collect(),
        assignment: Assignment { topic_partitions: member.partitions.into_iter().map(partitions).collect() },
    }
}

fn partitions(topic: SharedTopic) -> TopicPartitions {
    TopicPartitions {
        topic_id: uuid(topic.topic),
        partitions: wire_partitions(&topic.numbers),
        topic_name: Str::from(topic.name),
    }
}

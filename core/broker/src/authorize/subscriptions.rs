//! What is asked of shared subscriptions, held against the rules. A subscription is named as the group of its consumers, and needs the rights
//! on that group.

use forebay_model::acl::{Operation, ResourceKind};
use forebay_model::subscription::{
    Attend, Join, Receive, ReceivedAll, SettleDeliveries, SettledAll, SubscriptionReply, SubscriptionRequest,
    SubscriptionSettings, SubscriptionState,
};
use forebay_model::{GroupId, PartitionRef, Refusal, Reply, Request, TopicId};

use super::split::{self, Split, refusals, split};
use super::{Judge, Judged, Withheld};
use crate::broker::Inner;
use crate::call::Asker;

impl Inner {
    pub(super) fn subscription_request(
        &self,
        judge: &Judge<'_>,
        asker: &Asker,
        request: SubscriptionRequest,
    ) -> Judged {
        let group = |operation, id: &GroupId| judge.refusal(operation, ResourceKind::Group, &id.0);
        let no = match &request {
            SubscriptionRequest::Receive(Receive { subscription, .. })
            | SubscriptionRequest::Join(Join { subscription, .. })
            | SubscriptionRequest::Settle(SettleDeliveries { subscription, .. })
            | SubscriptionRequest::Reset { subscription, .. } => group(Operation::Read, subscription),
            SubscriptionRequest::Attend(attend) => attending(judge, attend),
            SubscriptionRequest::Describe { subscription, .. }
            | SubscriptionRequest::Members(subscription) => group(Operation::Describe, subscription),
            SubscriptionRequest::Drop { subscription, .. } => group(Operation::Delete, subscription),
            SubscriptionRequest::Settings(None) => {
                judge.refusal(Operation::DescribeConfigs, ResourceKind::Cluster, "")
            }
            // What it has it may give back, whatever it may do now. Of the others each is looked at.
            SubscriptionRequest::EndConsumer(_)
            | SubscriptionRequest::Leave(_)
            | SubscriptionRequest::EndReceive(_)
            | SubscriptionRequest::Settings(Some(_))
            | SubscriptionRequest::Alter { .. } => None,
        };
        if let Some(no) = no {
            return self.refused(asker, &Request::Subscription(request), &no);
        }
        match request {
            SubscriptionRequest::Receive(r) => receiving(judge, r),
            SubscriptionRequest::Settle(r) => settling(judge, r),
            SubscriptionRequest::Join(ref join) => {
                let no = judge.topic(Operation::Read, &join.partition.topic);
                self.whole(asker, no, Request::Subscription(request))
            }
            SubscriptionRequest::Describe { subscription, partitions } => {
                describing(judge, subscription, partitions)
            }
            SubscriptionRequest::Members(id) => Judged::Partly(
                Withheld::unseen(Operation::Describe),
                Request::Subscription(SubscriptionRequest::Members(id)),
            ),
            SubscriptionRequest::Reset { subscription, mut items } => {
                let split =
                    split(&mut items, |(partition, _)| judge.topic(Operation::Read, &partition.topic));
                let said = |no: Split<(PartitionRef, _)>| {
                    states(no.map(|((partition, _), refusal)| unknown(partition, refusal)))
                };
                let request = SubscriptionRequest::Reset { subscription, items };
                split::rest(split, said, Request::Subscription(request))
            }
            SubscriptionRequest::Drop { ref topics, .. } => {
                let mut named = topics.iter().flatten();
                let no = named.find_map(|topic| judge.topic(Operation::Read, topic));
                self.whole(asker, no, Request::Subscription(request))
            }
            SubscriptionRequest::Settings(Some(mut names)) => {
                let split = split(&mut names, |id| group(Operation::DescribeConfigs, id));
                let said = |_| Reply::Subscription(SubscriptionReply::Settings(Vec::new()));
                let request = SubscriptionRequest::Settings(Some(names));
                split::rest(split, said, Request::Subscription(request))
            }
            SubscriptionRequest::Alter { mut changes, dry_run } => {
                let split = split(&mut changes, |(id, _)| group(Operation::AlterConfigs, id));
                let said = |no| Reply::Subscription(SubscriptionReply::Alter(refusals(no)));
                let request = SubscriptionRequest::Alter { changes, dry_run };
                split::rest(split, said, Request::Subscription(request))
            }
            request => Judged::Whole(Request::Subscription(request)),
        }
    }
}

/// Who names a topic that it may not see reads nothing.
fn attending(judge: &Judge<'_>, attend: &Attend) -> Option<Refusal> {
    let mut named = attend.topics.iter().flatten();
    judge
        .refusal(Operation::Read, ResourceKind::Group, &attend.subscription.0)
        .or_else(|| named.find_map(|name| judge.refusal(Operation::Describe, ResourceKind::Topic, name)))
}

fn receiving(judge: &Judge<'_>, mut r: Receive) -> Judged {
    let split = split(&mut r.partitions, |partition| judge.topic(Operation::Read, &partition.topic));
    if !split.is_empty() {
        // A refusal is told at once.
        r.wait_ms_max = 0;
    }
    let said = |no| {
        let all = ReceivedAll { lease_ms: lease_ms(), partitions: refusals(no) };
        Reply::Subscription(SubscriptionReply::Receive(all))
    };
    split::rest(split, said, Request::Subscription(SubscriptionRequest::Receive(r)))
}

fn settling(judge: &Judge<'_>, mut r: SettleDeliveries) -> Judged {
    let split = split(&mut r.items, |item| judge.topic(Operation::Read, &item.partition.topic));
    let said = |no| {
        let all = SettledAll { lease_ms: lease_ms(), items: refusals(no) };
        Reply::Subscription(SubscriptionReply::Settle(all))
    };
    split::rest(split, said, Request::Subscription(SubscriptionRequest::Settle(r)))
}

/// Where nothing is left to ask for, nobody says how long a lease is.
fn lease_ms() -> u32 {
    SubscriptionSettings::default().rules().lease_ms
}

fn describing(judge: &Judge<'_>, subscription: GroupId, partitions: Option<Vec<PartitionRef>>) -> Judged {
    let Some(mut partitions) = partitions else {
        let all = SubscriptionRequest::Describe { subscription, partitions: None };
        return Judged::Partly(Withheld::unseen(Operation::Describe), Request::Subscription(all));
    };
    let split = split(&mut partitions, |partition| judge.topic(Operation::Describe, &partition.topic));
    let said = |no: Split<_>| states(no.map(|(partition, refusal)| unknown(partition, refusal)));
    let request = SubscriptionRequest::Describe { subscription, partitions: Some(partitions) };
    split::rest(split, said, Request::Subscription(request))
}

fn unknown(partition: PartitionRef, refusal: Refusal) -> SubscriptionState {
    SubscriptionState { partition, topic: TopicId::NONE, view: Err(refusal) }
}

fn states(states: Vec<SubscriptionState>) -> Reply {
    Reply::Subscription(SubscriptionReply::States(Ok(states)))
}

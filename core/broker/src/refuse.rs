//! The reply that refuses a whole request: every item of it with the same reason.

use forebay_model::acl::Operations;
use forebay_model::admin::{
    AlteredTopic, CreatedTopic, DeletedTopic, DescribedTopic, GrownTopic, TopicSelection,
};
use forebay_model::group::{GroupReply, GroupRequest};
use forebay_model::partition::{DescribedPartition, PartitionSelection};
use forebay_model::post::PostRefusal;
use forebay_model::queue::RouteRefusal;
use forebay_model::user::AlteredUser;
use forebay_model::{Refusal, Reply, Request};

use crate::broker::Inner;
use crate::call::{Asker, unreadable};

pub(crate) fn reply(request: &Request, refusal: &Refusal, desk: &Inner, asker: &Asker) -> Reply {
    let no = || refusal.clone();
    match request {
        Request::Publish(r) => Reply::Publish(r.items.iter().map(|_| Err(no())).collect()),
        Request::Fetch(r) => Reply::Fetch(r.items.iter().map(|_| unreadable(no())).collect()),
        Request::FindOffsets(r) => Reply::FindOffsets(r.items.iter().map(|_| Err(no())).collect()),
        Request::FindEpochEnds(r) => Reply::FindEpochEnds(r.items.iter().map(|_| Err(no())).collect()),
        Request::DescribeTopics(r) => {
            let asked = match &r.topics {
                TopicSelection::All => Vec::new(),
                TopicSelection::These(topics) => topics.clone(),
            };
            let described = asked.into_iter().map(|asked| DescribedTopic {
                asked,
                topic: Err(no()),
                operations: Operations::NONE,
            });
            Reply::DescribeTopics(desk.cluster(asker), described.collect())
        }
        Request::DescribeDefaults => desk.describe_defaults(asker),
        Request::CreateTopics(r) => {
            let refused = |name: &String| CreatedTopic { name: name.clone(), topic: Err(no()) };
            Reply::CreateTopics(r.topics.iter().map(|topic| refused(&topic.name)).collect())
        }
        Request::DeleteTopics(r) => {
            let refused =
                r.topics.iter().map(|asked| DeletedTopic { asked: asked.clone(), result: Err(no()) });
            Reply::DeleteTopics(refused.collect())
        }
        Request::CreatePartitions(r) => {
            let refused =
                r.topics.iter().map(|topic| GrownTopic { name: topic.name.clone(), result: Err(no()) });
            Reply::CreatePartitions(refused.collect())
        }
        Request::AlterTopics(r) => {
            let refused =
                r.topics.iter().map(|topic| AlteredTopic { name: topic.name.clone(), result: Err(no()) });
            Reply::AlterTopics(refused.collect())
        }
        Request::TrimPartitions(r) => Reply::TrimPartitions(r.items.iter().map(|_| Err(no())).collect()),
        Request::DescribePartitions(r) => {
            let asked = match &r.partitions {
                PartitionSelection::All => Vec::new(),
                PartitionSelection::These(these) => these.clone(),
            };
            let described =
                asked.into_iter().map(|partition| DescribedPartition { partition, state: Err(no()) });
            Reply::DescribePartitions(described.collect(), desk.storage())
        }
        Request::AllocateProducer(_) => Reply::AllocateProducer(Err(no())),
        Request::FindGroup(_) => Reply::FindGroup(Err(no()), desk.cluster(asker)),
        Request::Group(r) => Reply::Group(group(r, refusal)),
        Request::ListGroups => Reply::ListGroups(Err(no())),
        Request::AlterDefaults(_) => Reply::AlterDefaults(Err(no())),
        Request::AlterQuotas(r) => Reply::AlterQuotas(r.changes.iter().map(|_| Err(no())).collect()),
        Request::DescribeQuotas => Reply::DescribeQuotas(Err(no())),
        Request::DescribeQuorum => Reply::DescribeQuorum(Err(no())),
        Request::ListTransactions => Reply::ListTransactions(Err(no())),
        Request::Login(_) => Reply::Login(Err(no())),
        Request::DescribeUsers(_) => Reply::DescribeUsers(Err(no())),
        Request::AlterUsers(r) => {
            let refused = |name: &String| AlteredUser { name: name.clone(), result: Err(no()) };
            Reply::AlterUsers(r.changes.iter().map(|change| refused(&change.name)).collect())
        }
        Request::FindProducer(_) => Reply::FindProducer(Err(no()), desk.cluster(asker)),
        Request::Rights(r) => Reply::Rights(r.iter().map(|_| Operations::NONE).collect()),
        Request::DescribeAcls(_) => Reply::DescribeAcls(Err(no())),
        Request::Route(_) => Reply::Route(Err(RouteRefusal::Broker(no()))),
        Request::Post(r) => Reply::Post(r.items.iter().map(|_| Err(PostRefusal::NotTaken(no()))).collect()),
        Request::AddAcls(_) => Reply::AddAcls(Err(no())),
        Request::RemoveAcls(_) => Reply::RemoveAcls(Err(no())),
        Request::Transaction(r) => Reply::Transaction(crate::transactions::refused(r, refusal)),
        Request::Subscription(r) => Reply::Subscription(crate::subscriptions::refused(r, refusal)),
    }
}

fn group(request: &GroupRequest, refusal: &Refusal) -> GroupReply {
    forebay_shard::refuse_group(request, refusal)
}

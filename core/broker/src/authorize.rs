//! Who may do what: the one place where every request is held against the rules of access, whatever protocol it came by.
//!
//! A request is looked at before anything else happens to it. What its asker may not do is taken out and put back, refused, into
//! the reply (`withheld`), so the rest goes its ordinary way; what an asker may not see is left out of what lists everything.
//! A topic that is named by an id that this node's copy of the catalogue does not know is unknown at once: nobody could say whether
//! the asker may.

mod audit;
mod groups;
mod host;
mod policy;
mod split;
mod subscriptions;
mod withheld;

use std::sync::Arc;

use forebay_model::acl::{Operation, Operations, Resource, ResourceKind, Right};
use forebay_model::admin::{
    AlteredTopic, CreatedTopic, DeletedTopic, DescribeTopics, DescribedTopic, GrownTopic, MorePartitions,
    NewTopic, TopicChange, TopicSelection,
};
use forebay_model::partition::{DescribePartitions, DescribedPartition, PartitionSelection, StorageView};
use forebay_model::{Refusal, Reply, Request, TopicRef};

use crate::broker::Inner;
use crate::call::{Asker, unreadable};

pub(crate) use audit::Audit;
pub(crate) use host::Host;
pub(crate) use policy::Judge;
pub use policy::{AclPolicy, Authorization};
use split::{Split, refusals, split};
pub(crate) use withheld::Withheld;

/// What becomes of a request.
pub(crate) enum Admitted {
    /// It goes on, perhaps without some of its items.
    Goes(Asker, Request),
    /// It is answered.
    Answered(Asker, Reply),
}

use Admitted::{Answered, Goes};

impl Inner {
    /// Holds a request against the rules.
    pub(crate) fn authorize(&self, asker: Asker, request: Request) -> Admitted {
        let judged = match self.judge(&asker) {
            None => Judged::Whole(request),
            Some(judge) if judge.is_super() => Judged::Whole(request),
            Some(_) if needs_rules(&request) && !self.knows_rules() => {
                self.refused(&asker, &request, &Refusal::Loading)
            }
            Some(judge) => self.judged(&judge, &asker, request),
        };
        judged.admitted(asker)
    }

    /// Why a topic that is missing may not be created because this asker asked for it.
    pub(crate) fn creation_refused(&self, asker: &Asker, name: &str) -> Option<Refusal> {
        self.judge(asker)?.creation(name)
    }

    /// What an asker may do to each of these.
    pub(crate) fn rights(&self, asker: &Asker, resources: &[Resource]) -> Vec<Operations> {
        let judge = self.judge(asker);
        let operations = |resource: &Resource| match &judge {
            None => Operations::ALL,
            Some(judge) => judge.operations(resource.kind, &resource.name),
        };
        resources.iter().map(operations).collect()
    }

    fn judged(&self, judge: &Judge<'_>, asker: &Asker, request: Request) -> Judged {
        match request {
            Request::Publish(mut r) => {
                if let Some(of) = &r.transaction
                    && let Some(no) = judge.refusal(Operation::Write, ResourceKind::TransactionalId, &of.id.0)
                {
                    return self.refused(asker, &Request::Publish(r), &no);
                }
                let split = split(&mut r.items, |item| {
                    let topic = &item.partition.topic;
                    // An import decides on offsets, and shuts producers out: that is more than to write.
                    let import = || item.import.as_ref().and_then(|_| judge.topic(Operation::Alter, topic));
                    judge.topic(Operation::Write, topic).or_else(import)
                });
                split::rest(split, |no| Reply::Publish(refusals(no)), Request::Publish(r))
            }
            Request::Fetch(mut r) => {
                let split = split(&mut r.items, |item| judge.topic(Operation::Read, &item.partition.topic));
                if !split.is_empty() {
                    // A refusal is told at once.
                    r.wait_ms_max = 0;
                }
                let said = |no: Split<_>| Reply::Fetch(no.map(|(_, refusal)| unreadable(refusal)));
                split::rest(split, said, Request::Fetch(r))
            }
            Request::FindOffsets(mut r) => {
                let split =
                    split(&mut r.items, |item| judge.topic(Operation::Describe, &item.partition.topic));
                split::rest(split, |no| Reply::FindOffsets(refusals(no)), Request::FindOffsets(r))
            }
            // Brokers follow each other with it: who may act as one need not see each topic.
            Request::FindEpochEnds(r) if judge.may(Operation::ClusterAction, ResourceKind::Cluster, "") => {
                Judged::Whole(Request::FindEpochEnds(r))
            }
            Request::FindEpochEnds(mut r) => {
                let split =
                    split(&mut r.items, |item| judge.topic(Operation::Describe, &item.partition.topic));
                split::rest(split, |no| Reply::FindEpochEnds(refusals(no)), Request::FindEpochEnds(r))
            }
            Request::DescribeTopics(r) => self.describing(judge, asker, r),
            Request::CreateTopics(mut r) => {
                let split = split(&mut r.topics, |topic| judge.creation(&topic.name));
                let said = |no: Split<NewTopic>| {
                    Reply::CreateTopics(
                        no.map(|(topic, refusal)| CreatedTopic { name: topic.name, topic: Err(refusal) }),
                    )
                };
                split::rest(split, said, Request::CreateTopics(r))
            }
            Request::DeleteTopics(mut r) => {
                let split = split(&mut r.topics, |topic| judge.deletion(topic));
                let said = |no: Split<TopicRef>| {
                    Reply::DeleteTopics(
                        no.map(|(asked, refusal)| DeletedTopic { asked, result: Err(refusal) }),
                    )
                };
                split::rest(split, said, Request::DeleteTopics(r))
            }
            Request::CreatePartitions(mut r) => {
                let split = split(&mut r.topics, |topic| {
                    judge.refusal(Operation::Alter, ResourceKind::Topic, &topic.name)
                });
                let said = |no: Split<MorePartitions>| {
                    Reply::CreatePartitions(
                        no.map(|(topic, refusal)| GrownTopic { name: topic.name, result: Err(refusal) }),
                    )
                };
                split::rest(split, said, Request::CreatePartitions(r))
            }
            Request::AlterTopics(mut r) => {
                let split = split(&mut r.topics, |topic| {
                    judge.refusal(Operation::AlterConfigs, ResourceKind::Topic, topic.name.as_str())
                });
                let said = |no: Split<TopicChange>| {
                    Reply::AlterTopics(
                        no.map(|(topic, refusal)| AlteredTopic { name: topic.name, result: Err(refusal) }),
                    )
                };
                split::rest(split, said, Request::AlterTopics(r))
            }
            Request::TrimPartitions(mut r) => {
                let split = split(&mut r.items, |item| judge.topic(Operation::Delete, &item.partition.topic));
                split::rest(split, |no| Reply::TrimPartitions(refusals(no)), Request::TrimPartitions(r))
            }
            Request::DescribePartitions(r) => self.describing_partitions(judge, r),
            Request::AllocateProducer(r) => {
                let no = (!judge.may_be_idempotent()).then_some(ResourceKind::Cluster);
                match no.map(|kind| judge.denied(Operation::IdempotentWrite, kind, "")) {
                    None => Judged::Whole(Request::AllocateProducer(r)),
                    Some(no) => self.refused(asker, &Request::AllocateProducer(r), &no),
                }
            }
            Request::FindGroup(id) => {
                let no = judge.refusal(Operation::Describe, ResourceKind::Group, &id.0);
                self.whole(asker, no, Request::FindGroup(id))
            }
            Request::FindProducer(id) => {
                let no = judge.refusal(Operation::Describe, ResourceKind::TransactionalId, &id.0);
                self.whole(asker, no, Request::FindProducer(id))
            }
            Request::Group(r) => self.group_request(judge, asker, r),
            Request::Transaction(r) => self.transaction_request(judge, asker, r),
            Request::Subscription(r) => self.subscription_request(judge, asker, r),
            Request::ListGroups => match judge.may(Operation::Describe, ResourceKind::Cluster, "") {
                true => Judged::Whole(Request::ListGroups),
                false => Judged::Partly(Withheld::unseen(Operation::Describe), Request::ListGroups),
            },
            Request::ListTransactions => {
                Judged::Partly(Withheld::unseen(Operation::Describe), Request::ListTransactions)
            }
            Request::DescribeAcls(filter) => {
                let no = judge.refusal(Operation::Describe, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::DescribeAcls(filter))
            }
            Request::AddAcls(r) => {
                let no = judge.refusal(Operation::Alter, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::AddAcls(r))
            }
            Request::RemoveAcls(r) => {
                let no = judge.refusal(Operation::Alter, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::RemoveAcls(r))
            }
            Request::DescribeUsers(r) => {
                let no = judge.refusal(Operation::Describe, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::DescribeUsers(r))
            }
            Request::DescribeQuorum => {
                let no = judge.refusal(Operation::Describe, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::DescribeQuorum)
            }
            Request::DescribeQuotas => {
                let no = judge.refusal(Operation::DescribeConfigs, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::DescribeQuotas)
            }
            Request::AlterDefaults(r) => {
                let no = judge.refusal(Operation::AlterConfigs, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::AlterDefaults(r))
            }
            Request::AlterQuotas(r) => {
                let no = judge.refusal(Operation::AlterConfigs, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::AlterQuotas(r))
            }
            Request::AlterUsers(r) => {
                let no = judge.refusal(Operation::Alter, ResourceKind::Cluster, "");
                self.whole(asker, no, Request::AlterUsers(r))
            }
            // Permissions on exchanges and queues come with the protocol that has them; until then rules leave them to super users.
            Request::Route(r) => {
                let no = judge.denied(Operation::ClusterAction, ResourceKind::Cluster, "");
                self.refused(asker, &Request::Route(r), &no)
            }
            Request::Post(r) => {
                let no = judge.denied(Operation::ClusterAction, ResourceKind::Cluster, "");
                self.refused(asker, &Request::Post(r), &no)
            }
            // Who logs in is nobody before. What applies to topics that say nothing of themselves, and the asker's own rights, are no
            // secret.
            request @ (Request::Login(_) | Request::DescribeDefaults | Request::Rights(_)) => {
                Judged::Whole(request)
            }
        }
    }

    fn describing(&self, judge: &Judge<'_>, asker: &Asker, mut r: DescribeTopics) -> Judged {
        let operation = match r.right {
            Right::Describe => Operation::Describe,
            Right::DescribeConfigs => Operation::DescribeConfigs,
            Right::OnCluster(operation) => {
                let no = judge.refusal(operation, ResourceKind::Cluster, "");
                return self.whole(asker, no, Request::DescribeTopics(r));
            }
        };
        let TopicSelection::These(topics) = &mut r.topics else {
            return Judged::Partly(Withheld::unseen(operation), Request::DescribeTopics(r));
        };
        let split = split(topics, |topic| judge.topic(operation, topic));
        let cluster = self.cluster(asker);
        let said = |no: Split<TopicRef>| {
            let operations = Operations::NONE;
            let topics = no.map(|(asked, refusal)| DescribedTopic { asked, topic: Err(refusal), operations });
            Reply::DescribeTopics(cluster, topics)
        };
        match split::rest(split, said, Request::DescribeTopics(r)) {
            // What the asker may do to each is told as well.
            Judged::Whole(request) if operation == Operation::Describe => {
                Judged::Partly(Withheld::operations(), request)
            }
            judged => judged,
        }
    }

    fn describing_partitions(&self, judge: &Judge<'_>, mut r: DescribePartitions) -> Judged {
        if r.producers
            && let PartitionSelection::These(these) = &mut r.partitions
        {
            let split = split(these, |partition| judge.topic(Operation::Read, &partition.topic));
            let storage = self.storage();
            let said = |no: Split<_>| {
                let refused =
                    no.map(|(partition, refusal)| DescribedPartition { partition, state: Err(refusal) });
                Reply::DescribePartitions(refused, storage)
            };
            return split::rest(split, said, Request::DescribePartitions(r));
        }
        match judge.refusal(Operation::Describe, ResourceKind::Cluster, "") {
            None => Judged::Whole(Request::DescribePartitions(r)),
            // Where the node keeps its log is nobody's business either.
            Some(_) => Judged::Not(Reply::DescribePartitions(Vec::new(), StorageView::default())),
        }
    }

    fn whole(&self, asker: &Asker, refusal: Option<Refusal>, request: Request) -> Judged {
        match refusal {
            None => Judged::Whole(request),
            Some(no) => self.refused(asker, &request, &no),
        }
    }

    fn refused(&self, asker: &Asker, request: &Request, refusal: &Refusal) -> Judged {
        Judged::Not(crate::refuse::reply(request, refusal, self, asker))
    }
}

/// A request that was held against the rules.
enum Judged {
    /// All of it may be done.
    Whole(Request),
    /// This may be done.
    Partly(Withheld, Request),
    /// It may not be done.
    Not(Reply),
}

impl Judged {
    fn admitted(self, mut asker: Asker) -> Admitted {
        match self {
            Judged::Whole(request) => Goes(asker, request),
            Judged::Not(reply) => Answered(asker, reply),
            Judged::Partly(withheld, request) => {
                asker.withheld = Some(Arc::new(withheld));
                Goes(asker, request)
            }
        }
    }
}

/// Whether it depends on the rules what comes of a request. What a client may do is told by those there are.
fn needs_rules(request: &Request) -> bool {
    !matches!(request, Request::Login(_) | Request::DescribeDefaults | Request::Rights(_))
}

//! What was taken out of a request and goes back, refused, into its reply; and what of a reply its asker may not see.

use forebay_model::acl::{Operation, ResourceKind};
use forebay_model::group::{FetchedOffset, GroupReply, NamedPartitions};
use forebay_model::subscription::{ReceivedAll, SettledAll, SharedTopic, SubscriptionReply};
use forebay_model::transaction::TransactionReply;
use forebay_model::{Reply, TopicRef};

use super::Judge;
use crate::broker::Inner;
use crate::call::Asker;

/// What is to be done to the reply of a request that was not admitted whole.
#[derive(Debug)]
pub(crate) struct Withheld {
    /// Where the items stood, rising.
    places: Vec<usize>,
    /// A reply of these items alone.
    refused: Option<Reply>,
    /// Where everything was asked for: the right without which something is left out.
    lists_all: Option<Operation>,
}

impl Withheld {
    /// Nothing was taken out, but the reply may hold what the asker may not see.
    pub(super) fn unseen(right: Operation) -> Withheld {
        Withheld { places: Vec::new(), refused: None, lists_all: Some(right) }
    }

    /// Nothing was taken out, and the reply says what the asker may do.
    pub(super) fn operations() -> Withheld {
        Withheld { places: Vec::new(), refused: None, lists_all: None }
    }

    /// These were taken out.
    pub(super) fn items(places: Vec<usize>, refused: Reply) -> Withheld {
        Withheld { places, refused: Some(refused), lists_all: None }
    }
}

impl Inner {
    /// The reply as its asker gets it.
    pub(crate) fn as_authorized(&self, asker: &Asker, reply: Reply) -> Reply {
        let Some(withheld) = &asker.withheld else { return reply };
        let reply = match self.judge(asker) {
            Some(judge) => {
                let reply = with_operations(&judge, reply);
                match withheld.lists_all {
                    Some(right) => seen(&judge, right, reply),
                    None => reply,
                }
            }
            None => reply,
        };
        match &withheld.refused {
            Some(refused) => put_back(&withheld.places, refused, reply),
            None => reply,
        }
    }
}

/// Says what the asker may do to each topic.
fn with_operations(judge: &Judge<'_>, mut reply: Reply) -> Reply {
    if let Reply::DescribeTopics(_, topics) = &mut reply {
        for topic in topics {
            if let Ok(view) = &topic.topic {
                topic.operations = judge.operations(ResourceKind::Topic, view.name.as_str());
            }
        }
    }
    reply
}

/// Leaves out what the asker may not see of what it did not name.
fn seen(judge: &Judge<'_>, right: Operation, reply: Reply) -> Reply {
    match reply {
        Reply::DescribeTopics(cluster, mut topics) => {
            topics.retain(|topic| topic.operations.has(right));
            Reply::DescribeTopics(cluster, topics)
        }
        Reply::ListGroups(Ok(mut groups)) => {
            groups.retain(|listed| judge.may(right, ResourceKind::Group, &listed.group.0));
            Reply::ListGroups(Ok(groups))
        }
        Reply::ListTransactions(Ok(mut listed)) => {
            listed.retain(|one| judge.may(right, ResourceKind::TransactionalId, &one.id.0));
            Reply::ListTransactions(Ok(listed))
        }
        Reply::Transaction(TransactionReply::Describe(Ok(mut view))) => {
            view.partitions.retain(|partition| may(judge, right, &partition.topic));
            Reply::Transaction(TransactionReply::Describe(Ok(view)))
        }
        Reply::Group(GroupReply::FetchOffsets(Ok(mut found))) => {
            found.retain(|found: &FetchedOffset| may(judge, right, &found.partition.topic));
            Reply::Group(GroupReply::FetchOffsets(Ok(found)))
        }
        Reply::Subscription(SubscriptionReply::States(Ok(mut states))) => {
            states.retain(|state| may(judge, right, &state.partition.topic));
            Reply::Subscription(SubscriptionReply::States(Ok(states)))
        }
        Reply::Subscription(SubscriptionReply::Members(Ok(view))) => {
            let unseen = |topic: &&SharedTopic| {
                !topic.name.is_empty() && !judge.may(right, ResourceKind::Topic, &topic.name)
            };
            let no = view.members.iter().flat_map(|member| &member.partitions).find(unseen);
            let no = no.map(|topic| judge.denied(right, ResourceKind::Topic, &topic.name));
            Reply::Subscription(SubscriptionReply::Members(match no {
                Some(no) => Err(no),
                None => Ok(view),
            }))
        }
        Reply::Group(GroupReply::DescribeAssigned(Ok(view))) => {
            let unseen = |topic: &&NamedPartitions| {
                !topic.name.is_empty() && !judge.may(right, ResourceKind::Topic, &topic.name)
            };
            let had = view.members.iter().flat_map(|member| [&member.held, &member.target]);
            let no = had.flatten().find(unseen);
            let no = no.map(|topic| judge.denied(right, ResourceKind::Topic, &topic.name));
            Reply::Group(GroupReply::DescribeAssigned(match no {
                Some(no) => Err(no),
                None => Ok(view),
            }))
        }
        reply => reply,
    }
}

fn may(judge: &Judge<'_>, right: Operation, topic: &TopicRef) -> bool {
    match topic {
        TopicRef::Name(name) => judge.may(right, ResourceKind::Topic, name.as_str()),
        TopicRef::Id(_) => false,
    }
}

/// Puts the refused items between the others.
fn put_back(places: &[usize], refused: &Reply, reply: Reply) -> Reply {
    match (reply, refused) {
        (Reply::Publish(rest), Reply::Publish(no)) => Reply::Publish(merge(places, no, rest)),
        (Reply::Fetch(rest), Reply::Fetch(no)) => Reply::Fetch(merge(places, no, rest)),
        (Reply::FindOffsets(rest), Reply::FindOffsets(no)) => Reply::FindOffsets(merge(places, no, rest)),
        (Reply::FindEpochEnds(rest), Reply::FindEpochEnds(no)) => {
            Reply::FindEpochEnds(merge(places, no, rest))
        }
        (Reply::DescribeTopics(cluster, rest), Reply::DescribeTopics(_, no)) => {
            Reply::DescribeTopics(cluster, merge(places, no, rest))
        }
        (Reply::CreateTopics(rest), Reply::CreateTopics(no)) => Reply::CreateTopics(merge(places, no, rest)),
        (Reply::DeleteTopics(rest), Reply::DeleteTopics(no)) => Reply::DeleteTopics(merge(places, no, rest)),
        (Reply::CreatePartitions(rest), Reply::CreatePartitions(no)) => {
            Reply::CreatePartitions(merge(places, no, rest))
        }
        (Reply::AlterTopics(rest), Reply::AlterTopics(no)) => Reply::AlterTopics(merge(places, no, rest)),
        (Reply::TrimPartitions(rest), Reply::TrimPartitions(no)) => {
            Reply::TrimPartitions(merge(places, no, rest))
        }
        (Reply::DescribePartitions(rest, storage), Reply::DescribePartitions(no, _)) => {
            Reply::DescribePartitions(merge(places, no, rest), storage)
        }
        (Reply::Subscription(rest), Reply::Subscription(no)) => {
            Reply::Subscription(put_back_subscription(places, no, rest))
        }
        (Reply::Group(rest), Reply::Group(no)) => Reply::Group(put_back_group(places, no, rest)),
        (reply, _) => reply,
    }
}

fn put_back_group(places: &[usize], refused: &GroupReply, reply: GroupReply) -> GroupReply {
    match (reply, refused) {
        (GroupReply::CommitOffsets(rest), GroupReply::CommitOffsets(no)) => {
            GroupReply::CommitOffsets(merge(places, no, rest))
        }
        (GroupReply::FetchOffsets(Ok(rest)), GroupReply::FetchOffsets(Ok(no))) => {
            GroupReply::FetchOffsets(Ok(merge(places, no, rest)))
        }
        (GroupReply::ForgetOffsets(Ok(rest)), GroupReply::ForgetOffsets(Ok(no))) => {
            GroupReply::ForgetOffsets(Ok(merge(places, no, rest)))
        }
        (reply, _) => reply,
    }
}

fn put_back_subscription(
    places: &[usize],
    refused: &SubscriptionReply,
    reply: SubscriptionReply,
) -> SubscriptionReply {
    match (reply, refused) {
        (SubscriptionReply::Receive(rest), SubscriptionReply::Receive(no)) => {
            let partitions = merge(places, &no.partitions, rest.partitions);
            SubscriptionReply::Receive(ReceivedAll { partitions, ..rest })
        }
        (SubscriptionReply::Settle(rest), SubscriptionReply::Settle(no)) => {
            let items = merge(places, &no.items, rest.items);
            SubscriptionReply::Settle(SettledAll { items, ..rest })
        }
        (SubscriptionReply::States(Ok(rest)), SubscriptionReply::States(Ok(no))) => {
            SubscriptionReply::States(Ok(merge(places, no, rest)))
        }
        (SubscriptionReply::Alter(rest), SubscriptionReply::Alter(no)) => {
            SubscriptionReply::Alter(merge(places, no, rest))
        }
        (reply, _) => reply,
    }
}

fn merge<T: Clone>(places: &[usize], refused: &[T], rest: Vec<T>) -> Vec<T> {
    let mut merged = Vec::with_capacity(refused.len() + rest.len());
    let mut refused = places.iter().zip(refused).peekable();
    let mut rest = rest.into_iter();
    loop {
        if let Some((_, item)) = refused.next_if(|(place, _)| **place == merged.len()) {
            merged.push(item.clone());
        } else if let Some(item) = rest.next() {
            merged.push(item);
        } else {
            // Fewer came back than went out: the refused keep their order.
            merged.extend(refused.map(|(_, item)| item.clone()));
            return merged;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_items_go_back_to_where_they_stood() {
        assert_eq!(merge(&[0, 2, 3], &["x", "y", "z"], vec!["a", "b"]), ["x", "a", "y", "z", "b"]);
        assert_eq!(merge(&[0, 1], &["x", "y"], vec![]), ["x", "y"]);
        assert_eq!(merge(&[], &[], vec!["a"]), ["a"]);
    }
}

//! Groups: one shard serves each. Cursors are kept by topic id; names are put in and taken out here.

use forebay_model::group::{
    CommitOffsets, FetchOffsets, FetchedOffset, ForgetOffsets, GroupReply, GroupRequest,
};
use forebay_model::transaction::TransactionalId;
use forebay_model::{GroupId, PartitionRef, Refusal, Reply, Request, TopicRef};
use forebay_shard::{Answer, Work};

use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Call, Gather, GroupGather, Step, Ticket};
use crate::joins::Then;
use crate::place;
use crate::shards::leader_of;

/// What one request may put into the log for its group, in bytes.
const GROUP_REQUEST_BYTES_MAX: usize = 16 * forebay_model::limits::MIB;

impl Inner {
    pub(crate) fn find_group(&self, asker: Asker, group: &GroupId, replies: &mut Replies) {
        let found = match leader_of(self.shards.of_group(&group.0)).0 {
            Some(node) => Ok(node),
            None => Err(Refusal::NotLeader { leader: None }),
        };
        let cluster = self.cluster(&asker);
        self.finish(&asker, Reply::FindGroup(found, cluster), replies);
    }

    /// A transactional producer is served where a group of its name would be.
    pub(crate) fn find_producer(&self, asker: &Asker, id: &TransactionalId, replies: &mut Replies) {
        let found = leader_of(self.shards.of_group(&id.0)).0.ok_or(Refusal::NotLeader { leader: None });
        self.finish(asker, Reply::FindProducer(found, self.cluster(asker)), replies);
    }

    pub(crate) fn group(
        &self,
        asker: Asker,
        request: GroupRequest,
        currency: Currency,
        replies: &mut Replies,
    ) {
        if currency == Currency::Unknown && self.may_be_behind(&request) {
            let step = Step::Unresolved(Box::new(Request::Group(request)));
            return self.after_barrier(asker, step, replies);
        }
        match self.group_to_join(&request) {
            Some(spread) => self.join(asker, spread, Then::Group(Box::new(request)), replies),
            None => self.group_joined(asker, request, replies),
        }
    }

    /// Goes on with what needs to join no transaction any more.
    pub(crate) fn group_joined(&self, asker: Asker, request: GroupRequest, replies: &mut Replies) {
        let (request, gather) = match request {
            GroupRequest::Delete(group) => return self.delete_group(asker, group, replies),
            GroupRequest::CommitOffsets(commit) => self.commit_by_id(commit),
            GroupRequest::FetchOffsets(fetch) => self.fetch_by_id(fetch),
            GroupRequest::ForgetOffsets(forget) => self.forget_by_id(forget),
            request => (request, GroupGather::Plain),
        };
        let shard = self.shards.of_group(&request.group().0);
        let from = asker.connection;
        let bytes = group_bytes(&request);
        if bytes > GROUP_REQUEST_BYTES_MAX {
            // It would go into one entry of the log, together with what others ask for.
            let refusal = Refusal::TooLarge { limit: GROUP_REQUEST_BYTES_MAX as u64 };
            let refused = forebay_shard::refuse_group(&request, &refusal);
            let call = Call::new(asker, Gather::Group(gather));
            return self.answer(&Ticket { call, part: 0 }, Answer::Group(refused), replies);
        }
        let call = Call::new(asker, Gather::Group(gather));
        self.post_work(shard, from, bytes, Work::Group(Ticket { call, part: 0 }, request), replies);
    }

    /// Whether the request names a partition that is not there, or that the local copy of the catalogue does not have yet.
    fn may_be_behind(&self, request: &GroupRequest) -> bool {
        let asked = match request {
            GroupRequest::CommitOffsets(commit) => {
                self.resolve(commit.offsets.iter().map(|offset| &offset.partition))
            }
            GroupRequest::FetchOffsets(fetch) => self.resolve(fetch.partitions.iter().flatten()),
            GroupRequest::ForgetOffsets(forget) => {
                self.resolve(forget.cursors.iter().map(|cursor| &cursor.partition))
            }
            _ => return false,
        };
        asked.iter().flat_map(|(_, by_id)| by_id.as_ref().err()).any(place::may_be_stale)
    }

    fn commit_by_id(&self, mut commit: CommitOffsets) -> (GroupRequest, GroupGather) {
        let asked = self.resolve(commit.offsets.iter().map(|offset| &offset.partition));
        let mut known = asked.iter();
        commit.offsets.retain_mut(|offset| match known.next() {
            Some((_, Ok(by_id))) => {
                offset.partition = by_id.clone();
                true
            }
            _ => false,
        });
        (GroupRequest::CommitOffsets(commit), GroupGather::Commit { asked: refusals(asked) })
    }

    fn forget_by_id(&self, mut forget: ForgetOffsets) -> (GroupRequest, GroupGather) {
        let asked = self.resolve(forget.cursors.iter().map(|cursor| &cursor.partition));
        let mut known = asked.iter();
        forget.cursors.retain_mut(|cursor| match known.next() {
            Some((_, Ok(by_id))) => {
                cursor.partition = by_id.clone();
                true
            }
            _ => false,
        });
        let refused = asked.into_iter().map(|(_, by_id)| by_id.err()).collect();
        (GroupRequest::ForgetOffsets(forget), GroupGather::Forget { refused })
    }

    fn fetch_by_id(&self, mut fetch: FetchOffsets) -> (GroupRequest, GroupGather) {
        let Some(partitions) = fetch.partitions.take() else {
            return (GroupRequest::FetchOffsets(fetch), GroupGather::Offsets { asked: None });
        };
        let asked = self.resolve(partitions.iter());
        fetch.partitions = Some(asked.iter().filter_map(|(_, by_id)| by_id.clone().ok()).collect());
        let asked = refusals(asked);
        (GroupRequest::FetchOffsets(fetch), GroupGather::Offsets { asked: Some(asked) })
    }

    /// Each partition as asked, and by topic id if it exists.
    fn resolve<'a>(
        &self,
        partitions: impl Iterator<Item = &'a PartitionRef>,
    ) -> Vec<(PartitionRef, Result<PartitionRef, Refusal>)> {
        let catalogue = self.catalogue();
        let defaults = self.defaults(&catalogue);
        let resolve = |partition: &PartitionRef| {
            let by_id = place::partition(&catalogue, &defaults, partition)
                .map(|placed| PartitionRef { topic: TopicRef::Id(placed.topic), number: placed.number });
            (partition.clone(), by_id)
        };
        partitions.map(resolve).collect()
    }

    /// A list of all cursors by name; cursors of deleted topics are left out.
    pub(crate) fn name_offsets(&self, found: Vec<FetchedOffset>) -> Reply {
        let catalogue = self.catalogue();
        let named = found.into_iter().filter_map(|mut found| {
            let topic = place::topic(&catalogue, &found.partition.topic).ok()?;
            found.partition.topic = TopicRef::Name(topic.name.clone());
            Some(found)
        });
        Reply::Group(GroupReply::FetchOffsets(Ok(named.collect())))
    }
}

fn refusals(
    resolved: Vec<(PartitionRef, Result<PartitionRef, Refusal>)>,
) -> Vec<(PartitionRef, Option<Refusal>)> {
    resolved.into_iter().map(|(asked, by_id)| (asked, by_id.err())).collect()
}

/// What a request weighs in a mailbox.
fn group_bytes(request: &GroupRequest) -> usize {
    match request {
        GroupRequest::Join(join) => join.strategies.iter().map(|s| s.name.len() + s.metadata.len()).sum(),
        GroupRequest::Sync(sync) => sync.assignments.iter().map(|(id, share)| id.len() + share.len()).sum(),
        GroupRequest::CommitOffsets(commit) => {
            commit.offsets.iter().map(|offset| 48 + offset.metadata.len()).sum()
        }
        GroupRequest::ForgetOffsets(forget) => 48 * forget.cursors.len(),
        GroupRequest::Attend(attend) => {
            let topics = attend.topics.iter().flatten().map(|topic| 24 + topic.len());
            let pattern = attend.pattern.as_ref().map_or(0, String::len);
            topics.sum::<usize>() + pattern + 24 * attend.owned.as_ref().map_or(0, |owned| owned.len())
        }
        GroupRequest::Heartbeat(_)
        | GroupRequest::Leave(_)
        | GroupRequest::FetchOffsets(_)
        | GroupRequest::Describe(_)
        | GroupRequest::DescribeAssigned(_)
        | GroupRequest::Delete(_) => 0,
    }
}

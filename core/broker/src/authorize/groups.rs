//! What groups and transactional producers ask for, held against the rules.

use forebay_model::acl::{Operation, ResourceKind};
use forebay_model::group::{
    AttendGroup, CommitOffset, CommitOffsets, FetchOffsets, FetchedOffset, ForgetOffsets, GroupReply,
    GroupRequest,
};
use forebay_model::transaction::{JoinRefused, JoinTransaction, TransactionReply, TransactionRequest};
use forebay_model::{Reply, Request};

use super::split::{self, Split, refusals, split};
use super::{Judge, Judged, Withheld};
use crate::broker::Inner;
use crate::call::Asker;

impl Inner {
    pub(super) fn group_request(&self, judge: &Judge<'_>, asker: &Asker, request: GroupRequest) -> Judged {
        let operation = match &request {
            GroupRequest::Join(_)
            | GroupRequest::Sync(_)
            | GroupRequest::Heartbeat(_)
            | GroupRequest::Leave(_)
            | GroupRequest::CommitOffsets(_)
            | GroupRequest::Attend(_) => Operation::Read,
            GroupRequest::FetchOffsets(_) | GroupRequest::Describe(_) | GroupRequest::DescribeAssigned(_) => {
                Operation::Describe
            }
            GroupRequest::Delete(_) | GroupRequest::ForgetOffsets(_) => Operation::Delete,
        };
        if let GroupRequest::CommitOffsets(CommitOffsets { transaction: Some(transaction), .. }) = &request
            && let Some(no) =
                judge.refusal(Operation::Write, ResourceKind::TransactionalId, &transaction.id.0)
        {
            return self.refused(asker, &Request::Group(request), &no);
        }
        if let Some(no) = judge.refusal(operation, ResourceKind::Group, &request.group().0) {
            return self.refused(asker, &Request::Group(request), &no);
        }
        match request {
            GroupRequest::CommitOffsets(r) => Inner::committing(judge, r),
            GroupRequest::FetchOffsets(r) => Inner::fetching_offsets(judge, r),
            GroupRequest::ForgetOffsets(r) => Inner::forgetting(judge, r),
            GroupRequest::Attend(r) => self.attending(judge, asker, r),
            request @ GroupRequest::DescribeAssigned(_) => {
                Judged::Partly(Withheld::unseen(Operation::Describe), Request::Group(request))
            }
            request => Judged::Whole(Request::Group(request)),
        }
    }

    fn committing(judge: &Judge<'_>, mut r: CommitOffsets) -> Judged {
        let split = split(&mut r.offsets, |offset| judge.topic(Operation::Read, &offset.partition.topic));
        let said = |no: Split<CommitOffset>| {
            let refused = no.map(|(offset, refusal)| (offset.partition, Err(refusal)));
            Reply::Group(GroupReply::CommitOffsets(refused))
        };
        split::rest(split, said, Request::Group(GroupRequest::CommitOffsets(r)))
    }

    fn fetching_offsets(judge: &Judge<'_>, mut r: FetchOffsets) -> Judged {
        let Some(partitions) = &mut r.partitions else {
            return Judged::Partly(
                Withheld::unseen(Operation::Describe),
                Request::Group(GroupRequest::FetchOffsets(r)),
            );
        };
        let split = split(partitions, |partition| judge.topic(Operation::Describe, &partition.topic));
        let said = |no: Split<_>| {
            let refused =
                no.map(|(partition, refusal)| FetchedOffset { partition, topic: None, cursor: Err(refusal) });
            Reply::Group(GroupReply::FetchOffsets(Ok(refused)))
        };
        split::rest(split, said, Request::Group(GroupRequest::FetchOffsets(r)))
    }

    fn forgetting(judge: &Judge<'_>, mut r: ForgetOffsets) -> Judged {
        let split = split(&mut r.cursors, |cursor| judge.topic(Operation::Read, &cursor.partition.topic));
        let said = |no: Split<_>| Reply::Group(GroupReply::ForgetOffsets(Ok(refusals(no))));
        split::rest(split, said, Request::Group(GroupRequest::ForgetOffsets(r)))
    }

    /// Who names a topic that it may not see reads nothing; what its pattern matches is looked at where the pattern is.
    fn attending(&self, judge: &Judge<'_>, asker: &Asker, mut r: Box<AttendGroup>) -> Judged {
        let mut named = r.topics.iter().flatten();
        let no = named.find_map(|name| judge.refusal(Operation::Describe, ResourceKind::Topic, name));
        r.viewer = Some(judge.viewer());
        self.whole(asker, no, Request::Group(GroupRequest::Attend(r)))
    }

    pub(super) fn transaction_request(
        &self,
        judge: &Judge<'_>,
        asker: &Asker,
        request: TransactionRequest,
    ) -> Judged {
        let operation = match &request {
            TransactionRequest::Open(_) | TransactionRequest::Join(_) | TransactionRequest::End(_) => {
                Operation::Write
            }
            TransactionRequest::Describe(_) => Operation::Describe,
        };
        if let Some(no) = judge.refusal(operation, ResourceKind::TransactionalId, &request.id().0) {
            return self.refused(asker, &Request::Transaction(request), &no);
        }
        match request {
            TransactionRequest::Join(join) => self.joining(judge, asker, join),
            request @ TransactionRequest::Describe(_) => {
                Judged::Partly(Withheld::unseen(Operation::Describe), Request::Transaction(request))
            }
            request => Judged::Whole(Request::Transaction(request)),
        }
    }

    /// All of it or nothing.
    fn joining(&self, judge: &Judge<'_>, asker: &Asker, join: JoinTransaction) -> Judged {
        let mut groups = join.groups.iter();
        let no = groups.find_map(|group| judge.refusal(Operation::Read, ResourceKind::Group, &group.0));
        let partitions = join.partitions.iter();
        let refused: Vec<_> =
            partitions.map(|partition| judge.topic(Operation::Write, &partition.topic)).collect();
        let request = Request::Transaction(TransactionRequest::Join(join));
        if let Some(no) = no {
            return self.refused(asker, &request, &no);
        }
        if refused.iter().any(Option::is_some) {
            let refused = JoinRefused::Partitions(refused);
            return Judged::Not(Reply::Transaction(TransactionReply::Join(Err(refused))));
        }
        Judged::Whole(request)
    }
}

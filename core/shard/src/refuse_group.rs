//! The answer of a group that refuses a request.

use forebay_model::Refusal;
use forebay_model::group::{GroupReply, GroupRequest};

/// Refuses `request`, every item of it with the same reason.
pub fn refuse_group(request: &GroupRequest, refusal: &Refusal) -> GroupReply {
    let no = || refusal.clone();
    match request {
        GroupRequest::Join(_) => GroupReply::Join(Err(no())),
        GroupRequest::Sync(_) => GroupReply::Sync(Err(no())),
        GroupRequest::Heartbeat(_) => GroupReply::Heartbeat(Err(no())),
        GroupRequest::Leave(_) => GroupReply::Leave(Err(no())),
        GroupRequest::CommitOffsets(commit) => {
            let refused = commit.offsets.iter().map(|offset| (offset.partition.clone(), Err(no())));
            GroupReply::CommitOffsets(refused.collect())
        }
        GroupRequest::FetchOffsets(_) => GroupReply::FetchOffsets(Err(no())),
        GroupRequest::Describe(_) => GroupReply::Describe(Err(no())),
        GroupRequest::Delete(_) => GroupReply::Delete(Err(no())),
        GroupRequest::ForgetOffsets(_) => GroupReply::ForgetOffsets(Err(no())),
        GroupRequest::Attend(_) => GroupReply::Attend(Err(no())),
        GroupRequest::DescribeAssigned(_) => GroupReply::DescribeAssigned(Err(no())),
    }
}

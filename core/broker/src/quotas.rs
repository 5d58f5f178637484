//! Quotas of clients: changed through the catalogue, told from this node's copy of it.

use std::sync::Arc;
use std::time::Duration;

use forebay_machine::{Command, check_quota};
use forebay_model::quota::{AlterQuotas, AlteredQuota};
use forebay_model::{Refusal, Reply};
use forebay_shard::Answer;

use crate::broker::{Inner, Replies};
use crate::call::{Asker, Step};
use crate::limits::QUOTA_CHANGES_PER_REQUEST_MAX;
use crate::provision::{Change, Waiter};
use crate::topics::settle;

/// How long a change may take; requests for it bring no time of their own.
const ALTER_TIMEOUT: Duration = Duration::from_secs(30);

impl Inner {
    pub(crate) fn alter_quotas(&self, asker: Asker, alter: AlterQuotas, replies: &mut Replies) {
        let refused = alter.changes.iter().enumerate().map(|(at, change)| {
            let many = Refusal::LimitReached { limit: "QUOTA_CHANGES_PER_REQUEST_MAX" };
            if at < QUOTA_CHANGES_PER_REQUEST_MAX { check_quota(change).err() } else { Some(many) }
        });
        let refused: Vec<_> = refused.collect();
        let accepted = alter.changes.into_iter().zip(&refused).filter(|(_, refused)| refused.is_none());
        let commands: Vec<_> = accepted.map(|(change, _)| Command::AlterQuotas(change)).collect();
        if alter.dry_run || commands.is_empty() {
            return self.finish(&asker, Reply::AlterQuotas(altered_quotas(refused)), replies);
        }
        self.propose(asker, Step::AlterQuotas(refused), commands, replies);
    }

    /// Waits until this node's copy of the catalogue has the change, and so its meters.
    pub(crate) fn quotas_altered(
        &self,
        asker: Asker,
        mut refused: Vec<Option<Refusal>>,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let version = settle(&mut refused, answer);
        let deadline = self.env.clock.monotonic() + ALTER_TIMEOUT;
        let change = Change::Quotas(refused);
        self.wait_provisioned(Waiter { asker, version, deadline, change }, replies);
    }

    pub(crate) fn describe_quotas(&self, asker: &Asker, replies: &mut Replies) {
        let quotas = Arc::clone(self.catalogue().quotas());
        self.finish(asker, Reply::DescribeQuotas(Ok(quotas)), replies);
    }
}

pub(crate) fn altered_quotas(refused: Vec<Option<Refusal>>) -> Vec<AlteredQuota> {
    refused.into_iter().map(|refusal| refusal.map_or(Ok(()), Err)).collect()
}

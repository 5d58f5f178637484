//! Rules of access: shown, added, removed. Who may do that is found out before, as for every other request.

use forebay_machine::Command;
use forebay_model::acl::{Acl, AclFilter, AddAcls, RemoveAcls};
use forebay_model::limits::{ACL_FILTERS_PER_REQUEST_MAX, ACLS_PER_REQUEST_MAX};
use forebay_model::{Refusal, Reply, Request};
use forebay_shard::Answer;

use crate::authorize::Authorization;
use crate::broker::{Currency, Inner, Replies};
use crate::call::{Asker, Step};
use crate::provision::Change;
use crate::topics::settle;

/// Rules that one command removes: an entry of the log stays small.
const REMOVED_PER_COMMAND_MAX: usize = 500;

/// Rules on their way into the catalogue.
pub(crate) struct AddAclsStep {
    /// Refused before anything was proposed, by position.
    refused: Vec<Option<Refusal>>,
    timeout_ms: u32,
}

/// Rules on their way out of it.
pub(crate) struct RemoveAclsStep {
    /// What each filter meant.
    meant: Vec<Result<Vec<Acl>, Refusal>>,
    /// For which filter each command is.
    filter_of: Vec<usize>,
    /// How each command went.
    refused: Vec<Option<Refusal>>,
    timeout_ms: u32,
}

impl Inner {
    pub(crate) fn describe_acls(&self, asker: &Asker, filter: &AclFilter, replies: &mut Replies) {
        let described = match self.keeps_acls() {
            true => Ok(self.catalogue().acls().matching(filter).collect()),
            false => Err(Refusal::AuthorizationOff),
        };
        self.finish(asker, Reply::DescribeAcls(described), replies);
    }

    pub(crate) fn add_acls(&self, asker: Asker, add: AddAcls, replies: &mut Replies) {
        if !self.keeps_acls() {
            return self.finish(&asker, Reply::AddAcls(Err(Refusal::AuthorizationOff)), replies);
        }
        let limit = Refusal::LimitReached { limit: "ACLS_PER_REQUEST_MAX" };
        let over = |at| (at >= ACLS_PER_REQUEST_MAX).then(|| limit.clone());
        let refused = (0..add.acls.len()).map(over).collect();
        let step = AddAclsStep { refused, timeout_ms: add.timeout_ms };
        // Each by itself: one that cannot be does not keep the others out.
        let taken = add.acls.into_iter().take(ACLS_PER_REQUEST_MAX);
        let commands: Vec<_> = taken.map(|acl| Command::AddAcls { acls: vec![acl] }).collect();
        if commands.is_empty() {
            return self.finish(&asker, Reply::AddAcls(Ok(step.added(None))), replies);
        }
        self.propose(asker, Step::AddAcls(step), commands, replies);
    }

    /// Shard 0 has answered.
    pub(crate) fn acls_added(
        &self,
        asker: Asker,
        mut step: AddAclsStep,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let version = settle(&mut step.refused, answer);
        let timeout_ms = step.timeout_ms;
        self.when_provisioned(asker, version, timeout_ms, Change::AclsAdded(step), replies);
    }

    pub(crate) fn remove_acls(
        &self,
        asker: Asker,
        remove: RemoveAcls,
        currency: Currency,
        replies: &mut Replies,
    ) {
        if !self.keeps_acls() {
            return self.finish(&asker, Reply::RemoveAcls(Err(Refusal::AuthorizationOff)), replies);
        }
        if currency == Currency::Unknown {
            // Who added a rule elsewhere and removes it here means that one too.
            let step = Step::Unresolved(Box::new(Request::RemoveAcls(remove)));
            return self.after_barrier(asker, step, replies);
        }
        let (step, commands) = self.removal(&remove);
        if commands.is_empty() {
            return self.finish(&asker, Reply::RemoveAcls(Ok(step.removed(None))), replies);
        }
        self.propose(asker, Step::RemoveAcls(step), commands, replies);
    }

    /// What the filters mean now, and the commands that remove it.
    fn removal(&self, remove: &RemoveAcls) -> (RemoveAclsStep, Vec<Command>) {
        let catalogue = self.catalogue();
        let mut step = RemoveAclsStep {
            meant: Vec::with_capacity(remove.filters.len()),
            filter_of: Vec::new(),
            refused: Vec::new(),
            timeout_ms: remove.timeout_ms,
        };
        let mut commands = Vec::new();
        for (at, filter) in remove.filters.iter().enumerate() {
            if at >= ACL_FILTERS_PER_REQUEST_MAX {
                step.meant.push(Err(Refusal::LimitReached { limit: "ACL_FILTERS_PER_REQUEST_MAX" }));
                continue;
            }
            let meant: Vec<Acl> = catalogue.acls().matching(filter).collect();
            for acls in meant.chunks(REMOVED_PER_COMMAND_MAX) {
                commands.push(Command::RemoveAcls { acls: acls.to_vec() });
                step.filter_of.push(at);
                step.refused.push(None);
            }
            step.meant.push(Ok(meant));
        }
        (step, commands)
    }

    /// Shard 0 has answered.
    pub(crate) fn acls_removed(
        &self,
        asker: Asker,
        mut step: RemoveAclsStep,
        answer: Answer,
        replies: &mut Replies,
    ) {
        let version = settle(&mut step.refused, answer);
        let timeout_ms = step.timeout_ms;
        self.when_provisioned(asker, version, timeout_ms, Change::AclsRemoved(step), replies);
    }

    fn keeps_acls(&self) -> bool {
        self.config.authorization != Authorization::Off
    }
}

impl AddAclsStep {
    /// How each went; `late` where the nodes have not caught up with those that were not refused.
    pub(crate) fn added(self, late: Option<Refusal>) -> Vec<Result<(), Refusal>> {
        let result = |refused: Option<Refusal>| refused.or_else(|| late.clone()).map_or(Ok(()), Err);
        self.refused.into_iter().map(result).collect()
    }
}

impl RemoveAclsStep {
    /// How each filter went; `late` as above.
    pub(crate) fn removed(self, late: Option<Refusal>) -> Vec<Result<Vec<Acl>, Refusal>> {
        let mut meant = self.meant;
        for (filter, refused) in self.filter_of.into_iter().zip(self.refused) {
            if let Some(refusal) = refused.or_else(|| late.clone()) {
                meant[filter] = Err(refusal);
            }
        }
        meant
    }
}

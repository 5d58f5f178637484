//! Changes of the catalogue that wait until every shard has caught up.

use std::collections::BTreeMap;

use forebay_env::Monotonic;
use forebay_model::admin::{AlterTopics, CreatePartitions, DeleteTopics};
use forebay_model::queue::{RouteRefusal, RouteRequest};
use forebay_model::{Refusal, TopicId, TopicName};

use crate::acls::{AddAclsStep, RemoveAclsStep};
use crate::broker::{Inner, Replies, lock};
use crate::call::{Asker, CreateStep};
use crate::routes::RouteStep;
use crate::users::AlterUsersStep;

/// Changes that wait at once; above it the newest is answered as late.
const WAITERS_MAX: usize = 100_000;

/// A change to report on.
pub(crate) enum Change {
    Created(CreateStep),
    Deleted(DeleteTopics, Vec<Option<(TopicName, TopicId)>>, Vec<Option<Refusal>>),
    Grown(CreatePartitions, Vec<Option<Refusal>>),
    Altered(AlterTopics, Vec<Option<Refusal>>),
    Defaults(Option<Refusal>),
    Quotas(Vec<Option<Refusal>>),
    UsersAltered(AlterUsersStep),
    AclsAdded(AddAclsStep),
    AclsRemoved(RemoveAclsStep),
    Routed(Box<RouteStep>, Option<RouteRefusal>),
    SettledIn(Box<RouteRequest>),
}

/// Somebody who waits for a version of the catalogue.
pub(crate) struct Waiter {
    pub(crate) asker: Asker,
    pub(crate) version: u64,
    pub(crate) deadline: Monotonic,
    pub(crate) change: Change,
}

/// Everybody who waits, by version.
#[derive(Default)]
pub(crate) struct Provisioning {
    waiters: BTreeMap<(u64, u64), Waiter>,
    next: u64,
}

impl Inner {
    pub(crate) fn wait_provisioned(&self, waiter: Waiter, replies: &mut Replies) {
        let refused = {
            let mut provisioning = lock(&self.provisioning);
            if provisioning.waiters.len() < WAITERS_MAX {
                let key = (waiter.version, provisioning.next);
                provisioning.next += 1;
                provisioning.waiters.insert(key, waiter);
                None
            } else {
                Some(waiter)
            }
        };
        if let Some(waiter) = refused {
            return self.report(waiter.asker, waiter.change, true, replies);
        }
        // After it was put in, so that a shard which catches up meanwhile finds it.
        self.finish_provisioned(replies);
    }

    /// Reports the changes that every shard has caught up with.
    pub(crate) fn finish_provisioned(&self, replies: &mut Replies) {
        let copy = self.catalogue().version();
        let reached = self.shards.all().iter().map(|shard| shard.board.provisioned()).fold(copy, u64::min);
        let done = {
            let mut provisioning = lock(&self.provisioning);
            let later = provisioning.waiters.split_off(&(reached + 1, 0));
            std::mem::replace(&mut provisioning.waiters, later)
        };
        for waiter in done.into_values() {
            self.report(waiter.asker, waiter.change, false, replies);
        }
    }

    /// Reports the changes that have waited too long.
    pub(crate) fn expire_provisioning(&self, now: Monotonic, replies: &mut Replies) {
        let late: Vec<Waiter> = {
            let mut provisioning = lock(&self.provisioning);
            let due = provisioning.waiters.extract_if(.., |_, waiter| waiter.deadline <= now);
            due.map(|(_, waiter)| waiter).collect()
        };
        for waiter in late {
            self.report(waiter.asker, waiter.change, true, replies);
        }
    }
}

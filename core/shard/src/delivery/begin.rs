//! Where a subscription begins with a partition that it never read: at one of its ends, or at the first record that is young enough, which
//! is looked for in the files first.

use std::sync::Arc;

use forebay_env::IoClass;
use forebay_machine::{Command, MACHINE_VERSION_SUBSCRIPTIONS, SubscriptionKey};
use forebay_model::fetch::Isolation;
use forebay_model::subscription::StartAt;
use forebay_model::{Offset, Refusal, Timestamp};

use crate::cold::refusal_of;
use crate::pending::{Asking, Subscribing};
use crate::shard::{Done, Shard};

/// The first record that is young enough.
pub struct BeginDone {
    key: SubscriptionKey,
    found: Result<Offset, Refusal>,
    /// What could not be read.
    error: Option<String>,
}

impl<T: Clone + Send + 'static> Shard<T> {
    /// Whoever waits for the subscription looks again when it is there.
    pub(super) fn open_subscription(&mut self, key: SubscriptionKey, at: StartAt) {
        if !self.deliveries.opening.insert(key.clone()) {
            return;
        }
        match at {
            StartAt::NoOlderThan { ms } => self.look_for_the_beginning(key, ms),
            StartAt::Earliest | StartAt::Latest | StartAt::Offset(_) => self.propose_to_open(key, at),
        }
    }

    fn propose_to_open(&mut self, key: SubscriptionKey, at: StartAt) {
        self.raise_version_to(MACHINE_VERSION_SUBSCRIPTIONS);
        let open = Command::OpenSubscription { subscription: key.clone(), at, anew: false };
        self.draft.push(&open, Asking::Subscribing(Subscribing::Open(key)));
    }

    fn look_for_the_beginning(&mut self, key: SubscriptionKey, ms: u64) {
        let Some(partition) = self.machine.partition(key.partition) else {
            self.deliveries.opening.remove(&key);
            return;
        };
        let wall = self.env.clock.wall().0;
        let target = Timestamp(wall.saturating_sub(i64::try_from(ms).unwrap_or(i64::MAX)));
        let start = partition.start;
        let mut plan = self.plan_from(partition, start, Isolation::Uncommitted, u64::MAX);
        plan.in_memory = self.index.from(key.partition, start).collect();
        self.metrics.cold_reads.increment();
        let (archive, mailbox) = (self.archive.clone(), Arc::clone(&self.mailbox));
        let job = move || {
            let mut error = None;
            // Where all are older it begins with the next one, also if that comes before it is opened.
            let found =
                archive.at_or_after(&plan, target).map(|found| found.map_or(plan.bound, |at| at.offset));
            let found = found.map_err(|failed| refusal_of(&failed, &mut error));
            mailbox.post_completion(Done::Begin(BeginDone { key, found, error }));
        };
        self.env.spawn.spawn(IoClass::Read, Box::new(job));
    }

    pub(crate) fn begin_found(&mut self, done: BeginDone) {
        let BeginDone { key, found, error } = done;
        if let Some(error) = error {
            self.read_failed(&error);
        }
        // Whoever waited has heard that this replica leads no more, or that the partition is gone.
        if !self.leads() || !self.deliveries.opening.contains(&key) {
            return;
        }
        match found {
            Ok(offset) => self.propose_to_open(key, StartAt::Offset(offset)),
            Err(refusal) => self.subscribed(Subscribing::Open(key), Some(refusal)),
        }
    }
}

//! What the front desk counts: what came in, and what was refused and why.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use forebay_env::metrics::{Counter, Histogram, Kind, MetricsText};
use forebay_model::group::GroupReply;
use forebay_model::post::{PostRefusal, Posted};
use forebay_model::publish::Published;
use forebay_model::queue::RouteRefusal;
use forebay_model::subscription::SubscriptionReply;
use forebay_model::transaction::{JoinRefused, TransactionReply};
use forebay_model::{Refusal, Reply};

use crate::broker::lock;

/// Counters of the front desk.
#[derive(Debug, Default)]
pub struct BrokerMetrics {
    /// Payloads accepted for placing.
    pub payloads_in: Counter,
    /// Bytes of those payloads.
    pub payload_bytes_in: Counter,
    /// Bytes of records handed out to readers.
    pub record_bytes_out: Counter,
    /// From when a publish was taken to when its last item was answered, of publishes with a confirmed item.
    pub confirm: Histogram,
    /// Refusals by [`Refusal::name`]; their number is bounded by the variants.
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

impl BrokerMetrics {
    pub(crate) fn published(&self, bytes: usize) {
        self.payloads_in.increment();
        self.payload_bytes_in.add(bytes as u64);
    }

    pub(crate) fn answered(&self, published: &[Published], took: Duration) {
        if published.iter().any(Result::is_ok) {
            self.confirm.record(took);
        }
    }

    /// How often each reason was given.
    pub fn refusals(&self) -> Vec<(&'static str, u64)> {
        lock(&self.refusals).iter().map(|(name, count)| (*name, *count)).collect()
    }

    /// Writes everything.
    pub fn write(&self, out: &mut MetricsText) {
        out.counter("forebay_payloads_in_total", "Payloads handed to shards.", &self.payloads_in);
        out.counter("forebay_payload_bytes_in_total", "Bytes of those payloads.", &self.payload_bytes_in);
        out.counter(
            "forebay_record_bytes_out_total",
            "Bytes of the record batches handed out to readers.",
            &self.record_bytes_out,
        );
        let mut refusals = out.family(
            "forebay_refusals_total",
            "Requests and parts of requests that were refused, by reason; a reason appears when it is first given.",
            Kind::Counter,
        );
        for (reason, count) in self.refusals() {
            refusals.sample(&[("reason", reason)], count);
        }
        out.histogram(
            "forebay_confirm_seconds",
            "Time from taking a publish to its confirm, the wait in the mailbox included.",
            &self.confirm,
        );
    }

    fn count(&self, refusal: &Refusal) {
        *lock(&self.refusals).entry(refusal.name()).or_default() += 1;
    }

    /// Counts what a reply says on its way out.
    pub(crate) fn count_refusals(&self, reply: &Reply) {
        match reply {
            Reply::Publish(items) => {
                items.iter().filter_map(|i| i.as_ref().err()).for_each(|r| self.count(r))
            }
            Reply::Fetch(items) => {
                for item in items {
                    match item {
                        Ok(records) => self.record_bytes_out.add(records.bytes() as u64),
                        Err(refused) => self.count(&refused.refusal),
                    }
                }
            }
            Reply::Route(Err(RouteRefusal::Broker(refusal))) => self.count(refusal),
            // What else is refused there is an answer about names and rules.
            Reply::Route(_) => {}
            Reply::Post(fates) => {
                let not_taken = |fate: &Posted| match fate {
                    Err(PostRefusal::NotTaken(refusal)) => Some(refusal.clone()),
                    _ => None,
                };
                fates.iter().filter_map(not_taken).for_each(|refusal| self.count(&refusal));
            }
            Reply::FindOffsets(items) => {
                items.iter().filter_map(|i| i.as_ref().err()).for_each(|r| self.count(r))
            }
            Reply::FindEpochEnds(items) => {
                items.iter().filter_map(|i| i.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::DescribeTopics(_, topics) => {
                topics.iter().filter_map(|t| t.topic.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::CreateTopics(topics) => {
                topics.iter().filter_map(|t| t.topic.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::DeleteTopics(topics) => {
                topics.iter().filter_map(|t| t.result.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::CreatePartitions(topics) => {
                topics.iter().filter_map(|t| t.result.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::AlterTopics(topics) => {
                topics.iter().filter_map(|t| t.result.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::AlterDefaults(Err(refusal)) => self.count(refusal),
            Reply::AlterQuotas(items) => {
                items.iter().filter_map(|i| i.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::TrimPartitions(items) => {
                items.iter().filter_map(|i| i.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::DescribePartitions(items, _) => {
                items.iter().filter_map(|i| i.state.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::AllocateProducer(Err(refusal))
            | Reply::FindGroup(Err(refusal), _)
            | Reply::FindProducer(Err(refusal), _)
            | Reply::DescribeAcls(Err(refusal))
            | Reply::AddAcls(Err(refusal))
            | Reply::RemoveAcls(Err(refusal)) => self.count(refusal),
            Reply::AddAcls(Ok(items)) => {
                items.iter().filter_map(|i| i.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::RemoveAcls(Ok(items)) => {
                items.iter().filter_map(|i| i.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::ListGroups(Err(refusal)) => self.count(refusal),
            Reply::Group(reply) => self.count_group(reply),
            Reply::Transaction(reply) => self.count_transaction(reply),
            Reply::ListTransactions(Err(refusal))
            | Reply::DescribeQuorum(Err(refusal))
            | Reply::DescribeQuotas(Err(refusal))
            | Reply::Login(Err(refusal))
            | Reply::DescribeUsers(Err(refusal)) => self.count(refusal),
            Reply::DescribeUsers(Ok(users)) => {
                users.iter().filter_map(|user| user.credentials.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::AlterUsers(users) => {
                users.iter().filter_map(|user| user.result.as_ref().err()).for_each(|r| self.count(r));
            }
            Reply::Subscription(reply) => self.count_subscription(reply),
            Reply::AllocateProducer(Ok(_))
            | Reply::FindGroup(Ok(_), _)
            | Reply::FindProducer(Ok(_), _)
            | Reply::Rights(_)
            | Reply::DescribeAcls(Ok(_))
            | Reply::ListGroups(Ok(_))
            | Reply::ListTransactions(Ok(_))
            | Reply::DescribeQuorum(Ok(_))
            | Reply::DescribeQuotas(Ok(_))
            | Reply::Login(Ok(_))
            | Reply::AlterDefaults(Ok(()))
            | Reply::DescribeDefaults(..) => {}
        }
    }

    fn count_subscription(&self, reply: &SubscriptionReply) {
        match reply {
            SubscriptionReply::Receive(received) => {
                for one in &received.partitions {
                    match one {
                        Ok(records) => self.record_bytes_out.add(records.bytes() as u64),
                        Err(refusal) => self.count(refusal),
                    }
                }
            }
            SubscriptionReply::Settle(settled) => {
                settled.items.iter().filter_map(|item| item.as_ref().err()).for_each(|r| self.count(r));
            }
            SubscriptionReply::States(Err(refusal))
            | SubscriptionReply::Attend(Err(refusal))
            | SubscriptionReply::Members(Err(refusal)) => self.count(refusal),
            SubscriptionReply::States(Ok(states)) => {
                states.iter().filter_map(|state| state.view.as_ref().err()).for_each(|r| self.count(r));
            }
            SubscriptionReply::Alter(altered) => {
                altered.iter().filter_map(|one| one.as_ref().err()).for_each(|r| self.count(r));
            }
            SubscriptionReply::Join(Err(refusal)) => self.count(refusal),
            SubscriptionReply::EndConsumer
            | SubscriptionReply::Join(Ok(()))
            | SubscriptionReply::Leave
            | SubscriptionReply::EndReceive
            | SubscriptionReply::Attend(Ok(_))
            | SubscriptionReply::Members(Ok(_))
            | SubscriptionReply::Settings(_) => {}
        }
    }

    fn count_transaction(&self, reply: &TransactionReply) {
        match reply {
            TransactionReply::Open(Err(refusal))
            | TransactionReply::End(Err(refusal))
            | TransactionReply::Describe(Err(refusal))
            | TransactionReply::Join(Err(JoinRefused::All(refusal))) => self.count(refusal),
            TransactionReply::Join(Err(JoinRefused::Partitions(refused))) => {
                refused.iter().flatten().for_each(|refusal| self.count(refusal));
            }
            TransactionReply::Open(Ok(_))
            | TransactionReply::End(Ok(_))
            | TransactionReply::Describe(Ok(_))
            | TransactionReply::Join(Ok(())) => {}
        }
    }

    fn count_group(&self, reply: &GroupReply) {
        match reply {
            GroupReply::Join(Err(refusal))
            | GroupReply::Sync(Err(refusal))
            | GroupReply::Heartbeat(Err(refusal))
            | GroupReply::Leave(Err(refusal))
            | GroupReply::FetchOffsets(Err(refusal))
            | GroupReply::Describe(Err(refusal))
            | GroupReply::Delete(Err(refusal))
            | GroupReply::Attend(Err(refusal))
            | GroupReply::DescribeAssigned(Err(refusal))
            | GroupReply::ForgetOffsets(Err(refusal)) => self.count(refusal),
            GroupReply::CommitOffsets(items) => {
                items.iter().filter_map(|(_, r)| r.as_ref().err()).for_each(|r| self.count(r));
            }
            GroupReply::ForgetOffsets(Ok(items)) => {
                items.iter().filter_map(|r| r.as_ref().err()).for_each(|r| self.count(r));
            }
            GroupReply::Join(Ok(_))
            | GroupReply::Sync(Ok(_))
            | GroupReply::Heartbeat(Ok(()))
            | GroupReply::Leave(Ok(_))
            | GroupReply::FetchOffsets(Ok(_))
            | GroupReply::Describe(Ok(_))
            | GroupReply::Attend(Ok(_))
            | GroupReply::DescribeAssigned(Ok(_))
            | GroupReply::Delete(Ok(())) => {}
        }
    }
}

//! What protocols ask of the broker, and what it answers. Protocol-neutral: a new variant needs two protocols
//! that want it, or an ADR.

use std::sync::Arc;

use crate::acl::{Acl, AclFilter, AddAcls, Operations, RemoveAcls, Resource};
use crate::admin::{
    AlterDefaults, AlterTopics, AlteredTopic, CreatePartitions, CreateTopics, CreatedTopic, DeleteTopics,
    DeletedTopic, DescribeTopics, DescribedDefaults, DescribedTopic, GrownTopic,
};
use crate::fetch::{Fetch, Fetched, FindEpochEnds, FindOffsets, FoundEpochEnd, FoundOffset};
use crate::group::{GroupListing, GroupReply, GroupRequest};
use crate::login::{Login, LoginStep};
use crate::partition::{DescribePartitions, DescribedPartition, StorageView, TrimPartitions, Trimmed};
use crate::post::{Post, Posted};
use crate::publish::{Publish, Published};
use crate::queue::{RouteReply, RouteRequest};
use crate::quorum::DescribedQuorum;
use crate::quota::{AlterQuotas, AlteredQuota, QuotaTable};
use crate::subscription::{SubscriptionReply, SubscriptionRequest};
use crate::transaction::{TransactionListing, TransactionReply, TransactionRequest, TransactionalId};
use crate::user::{AlterUsers, AlteredUser, DescribeUsers, DescribedUser};
use crate::{ClusterView, NodeId, ProducerEpoch, ProducerId, Refusal};

/// What a session asks.
#[derive(Clone, Debug)]
pub enum Request {
    /// Append payloads.
    Publish(Publish),
    /// Read records.
    Fetch(Fetch),
    /// Look up offsets.
    FindOffsets(FindOffsets),
    /// Look up ends of epochs.
    FindEpochEnds(FindEpochEnds),
    /// Describe nodes and topics.
    DescribeTopics(DescribeTopics),
    /// The node's defaults for topics.
    DescribeDefaults,
    /// Create topics.
    CreateTopics(CreateTopics),
    /// Delete topics.
    DeleteTopics(DeleteTopics),
    /// Add partitions.
    CreatePartitions(CreatePartitions),
    /// Change settings of topics.
    AlterTopics(AlterTopics),
    /// Change the defaults for topics.
    AlterDefaults(AlterDefaults),
    /// Trim partitions.
    TrimPartitions(TrimPartitions),
    /// What partitions hold.
    DescribePartitions(DescribePartitions),
    /// A producer id, or the next epoch of one.
    AllocateProducer(AllocateProducer),
    /// Who serves this group.
    FindGroup(crate::GroupId),
    /// Who serves this transactional producer.
    FindProducer(TransactionalId),
    /// Something of one group.
    Group(GroupRequest),
    /// Every group this node leads.
    ListGroups,
    /// Something of one transactional producer.
    Transaction(TransactionRequest),
    /// Every transactional producer this node leads.
    ListTransactions,
    /// Who keeps the log of the catalogue.
    DescribeQuorum,
    /// Change quotas of clients.
    AlterQuotas(AlterQuotas),
    /// All quotas of clients.
    DescribeQuotas,
    /// One step of a login: whose the connection is.
    Login(Login),
    /// With what users may log in.
    DescribeUsers(DescribeUsers),
    /// Set and remove credentials of users.
    AlterUsers(AlterUsers),
    /// Something of shared subscriptions.
    Subscription(SubscriptionRequest),
    /// What the asker may do to these.
    Rights(Vec<Resource>),
    /// Rules of access.
    DescribeAcls(AclFilter),
    /// Add rules of access.
    AddAcls(AddAcls),
    /// Remove rules of access.
    RemoveAcls(RemoveAcls),
    /// Something of the exchanges and queues of a namespace.
    Route(RouteRequest),
    /// Send messages through exchanges.
    Post(Post),
}

/// Asks for a producer id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocateProducer {
    /// What the producer has now: its epoch is raised. `None` for a new one.
    pub present: Option<(ProducerId, ProducerEpoch)>,
}

/// What the broker answers. Each variant belongs to the request of the same name.
#[derive(Clone, Debug)]
pub enum Reply {
    /// One per item, in order.
    Publish(Vec<Published>),
    /// One per item, in order.
    Fetch(Vec<Fetched>),
    /// One per item, in order.
    FindOffsets(Vec<FoundOffset>),
    /// One per item, in order.
    FindEpochEnds(Vec<FoundEpochEnd>),
    /// The cluster and one answer per topic.
    DescribeTopics(ClusterView, Vec<DescribedTopic>),
    /// The defaults.
    DescribeDefaults(Box<DescribedDefaults>, ClusterView),
    /// One per topic, in order.
    CreateTopics(Vec<CreatedTopic>),
    /// One per topic, in order.
    DeleteTopics(Vec<DeletedTopic>),
    /// One per topic, in order.
    CreatePartitions(Vec<GrownTopic>),
    /// One per topic, in order.
    AlterTopics(Vec<AlteredTopic>),
    /// Done or refused.
    AlterDefaults(Result<(), Refusal>),
    /// One per item, in order.
    TrimPartitions(Vec<Trimmed>),
    /// One per partition, in order, and where the node keeps them.
    DescribePartitions(Vec<DescribedPartition>, StorageView),
    /// An id and an epoch that no other producer has.
    AllocateProducer(Result<(ProducerId, ProducerEpoch), Refusal>),
    /// The node, with the cluster to find its address in.
    FindGroup(Result<NodeId, Refusal>, ClusterView),
    /// The node, with the cluster to find its address in.
    FindProducer(Result<NodeId, Refusal>, ClusterView),
    /// From the group.
    Group(GroupReply),
    /// From every shard this node leads.
    ListGroups(Result<Vec<GroupListing>, Refusal>),
    /// From the producer's shard.
    Transaction(TransactionReply),
    /// From every shard this node leads.
    ListTransactions(Result<Vec<TransactionListing>, Refusal>),
    /// From the leader of the catalogue's shard.
    DescribeQuorum(DescribedQuorum),
    /// One per change, in order.
    AlterQuotas(Vec<AlteredQuota>),
    /// As this node's copy of the catalogue has them; or why nothing is told.
    DescribeQuotas(Result<Arc<QuotaTable>, Refusal>),
    /// The next step, or the end of the login.
    Login(Result<LoginStep, Refusal>),
    /// One per user; or why nothing is told.
    DescribeUsers(Result<Vec<DescribedUser>, Refusal>),
    /// One per change, in order.
    AlterUsers(Vec<AlteredUser>),
    /// From the shards of the partitions.
    Subscription(SubscriptionReply),
    /// One per resource, in order. Without access control, every operation.
    Rights(Vec<Operations>),
    /// Those that the filter means, in their order.
    DescribeAcls(Result<Vec<Acl>, Refusal>),
    /// One per rule, in order; one that was there already is well. Or why none was looked at.
    AddAcls(Result<Vec<Result<(), Refusal>>, Refusal>),
    /// Per filter, in order: those that it meant. Or why none was looked at.
    RemoveAcls(Result<Vec<Result<Vec<Acl>, Refusal>>, Refusal>),
    /// From the namespace.
    Route(RouteReply),
    /// One per message, in order.
    Post(Vec<Posted>),
}

//! Rights in Kafka's words: its numbers for resources and operations, and what an asker may do as bits.
//!
//! The broker holds every request against the rules of access. Here stands what it cannot know: which operations Kafka counts
//! for a kind of resource, and what is answered here without the broker and needs a right all the same.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Operation, Operations, Resource, ResourceKind};
use forebay_kit::model::{Reply, Request};

use super::open::strange;
use crate::wire::ErrorCode;

/// Operations there are on a cluster.
const ON_CLUSTER: &[Operation] = &[
    Operation::Create,
    Operation::Alter,
    Operation::Describe,
    Operation::ClusterAction,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
    Operation::IdempotentWrite,
];
/// Operations there are on a topic.
pub(super) const ON_TOPIC: &[Operation] = &[
    Operation::Read,
    Operation::Write,
    Operation::Create,
    Operation::Delete,
    Operation::Alter,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
];
/// Operations there are on a group.
pub(super) const ON_GROUP: &[Operation] = &[
    Operation::Read,
    Operation::Delete,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
];

/// The field of bits of those that an asker may do.
pub(super) fn bits(on: &[Operation], allowed: Operations) -> i32 {
    on.iter()
        .filter(|operation| allowed.has(**operation))
        .fold(0, |bits, operation| bits | 1 << number(*operation))
}

/// The field of bits of those that an asker may do on the cluster; who may not see the cluster is told of none.
pub(super) fn cluster_bits(allowed: Operations) -> i32 {
    if allowed.has(Operation::Describe) { bits(ON_CLUSTER, allowed) } else { 0 }
}

/// Kafka's number for an operation.
pub(super) fn number(operation: Operation) -> i8 {
    match operation {
        Operation::All => 2,
        Operation::Read => 3,
        Operation::Write => 4,
        Operation::Create => 5,
        Operation::Delete => 6,
        Operation::Alter => 7,
        Operation::Describe => 8,
        Operation::ClusterAction => 9,
        Operation::DescribeConfigs => 10,
        Operation::AlterConfigs => 11,
        Operation::IdempotentWrite => 12,
        Operation::CreateTokens => 13,
        Operation::DescribeTokens => 14,
        Operation::TwoPhaseCommit => 15,
    }
}

/// Kafka's number for a kind of resource.
pub(super) fn kind_number(kind: ResourceKind) -> i8 {
    match kind {
        ResourceKind::Topic => 2,
        ResourceKind::Group => 3,
        ResourceKind::Cluster => 4,
        ResourceKind::TransactionalId => 5,
        ResourceKind::DelegationToken => 6,
        ResourceKind::User => 7,
    }
}

/// Kafka's code for a refusal that is about a resource of this kind.
pub(super) fn code(kind: ResourceKind) -> ErrorCode {
    match kind {
        ResourceKind::Topic => ErrorCode::TopicAuthorizationFailed,
        ResourceKind::Group => ErrorCode::GroupAuthorizationFailed,
        ResourceKind::Cluster | ResourceKind::User => ErrorCode::ClusterAuthorizationFailed,
        ResourceKind::TransactionalId => ErrorCode::TransactionalIdAuthorizationFailed,
        ResourceKind::DelegationToken => ErrorCode::DelegationTokenAuthorizationFailed,
    }
}

/// A group, for the rights on it.
pub(super) fn group(name: &str) -> Resource {
    Resource { kind: ResourceKind::Group, name: name.to_owned() }
}

/// Asks what may be done on the cluster.
pub(super) fn on_cluster() -> Request {
    Request::Rights(vec![Resource::cluster()])
}

/// What may be done on the cluster, as the broker said.
pub(super) fn of_cluster(reply: Option<Reply>) -> Result<Operations, SessionError> {
    match reply {
        Some(Reply::Rights(rights)) => {
            rights.first().copied().ok_or_else(|| strange("Rights of the cluster"))
        }
        _ => Err(strange("Rights")),
    }
}

/// Whether the cluster may be asked for this.
pub(super) fn grants(reply: Option<Reply>, operation: Operation) -> Result<bool, SessionError> {
    of_cluster(reply).map(|rights| rights.has(operation))
}

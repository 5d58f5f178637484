//! Rules of access, and what is refused to who has no rights.

use super::*;
use crate::wire::ErrorCode;
use crate::wire::messages::create_acls::AclCreation;
use crate::wire::messages::delete_acls::DeleteAclsFilter;
use crate::wire::messages::elect_leaders::TopicPartitions;
use crate::wire::messages::incremental_alter_configs::AlterConfigsResource;
use crate::wire::messages::{
    CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, DescribeClusterRequest, ElectLeadersRequest,
    IncrementalAlterConfigsRequest, ListPartitionReassignmentsRequest,
};
use forebay_kit::model::Refusal;
use forebay_kit::model::acl::{Acl, Operation, Pattern, Permission, ResourceKind};

fn creation(resource_type: i8, resource_name: &str) -> AclCreation {
    AclCreation {
        resource_type,
        resource_name: resource_name.into(),
        resource_pattern_type: 4,
        principal: "User:alice".into(),
        host: "*".into(),
        operation: 3,
        permission_type: 2,
    }
}

fn rule() -> Acl {
    Acl {
        kind: ResourceKind::Topic,
        pattern: Pattern::Prefixed,
        name: "orders".into(),
        principal: "User:alice".into(),
        host: "*".into(),
        operation: Operation::Read,
        permission: Permission::Deny,
    }
}

#[test]
fn a_rule_that_cannot_be_said_does_not_keep_the_others_out() {
    let creations = vec![creation(4, "cluster"), creation(2, "orders"), creation(1, "orders")];
    let response = Pair::new().exchange(3, &CreateAclsRequest { creations }, |call| {
        let Request::AddAcls(add) = call else { panic!("{call:?}") };
        assert_eq!(add.acls, [rule()]);
        Reply::AddAcls(Ok(vec![Err(Refusal::LimitReached { limit: "ACLS_MAX" })]))
    });
    let codes: Vec<_> = response.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [ErrorCode::InvalidRequest, ErrorCode::PolicyViolation, ErrorCode::InvalidRequest]);
}

#[test]
fn who_may_not_change_rules_is_told_nothing_else() {
    let denied = || Refusal::NotAuthorized { kind: ResourceKind::Cluster };
    let creations = vec![creation(4, "cluster"), creation(2, "orders")];
    let created =
        Pair::new().exchange(3, &CreateAclsRequest { creations }, |_| Reply::AddAcls(Err(denied())));
    let codes: Vec<_> = created.results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [ErrorCode::ClusterAuthorizationFailed; 2]);
    let filters = vec![DeleteAclsFilter::default(); 2];
    let deleted =
        Pair::new().exchange(3, &DeleteAclsRequest { filters }, |_| Reply::RemoveAcls(Err(denied())));
    let codes: Vec<_> = deleted.filter_results.iter().map(|result| result.error_code).collect();
    assert_eq!(codes, [ErrorCode::ClusterAuthorizationFailed; 2]);
}

#[test]
fn rules_of_one_resource_are_shown_together() {
    let request = DescribeAclsRequest {
        resource_type_filter: 1,
        pattern_type_filter: 1,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    let response = Pair::new().exchange(3, &request, |_| {
        let allowed = Acl { permission: Permission::Allow, ..rule() };
        let other = Acl { name: "p".into(), ..rule() };
        Reply::DescribeAcls(Ok(vec![rule(), allowed, other]))
    });
    let shown: Vec<_> = response
        .resources
        .iter()
        .map(|resource| (resource.resource_name.as_str(), resource.pattern_type, resource.acls.len()))
        .collect();
    assert_eq!(shown, [("orders", 4, 2), ("p", 4, 1)]);
    let off = Pair::new().exchange(3, &request, |_| Reply::DescribeAcls(Err(Refusal::AuthorizationOff)));
    assert_eq!(off.error_code, ErrorCode::SecurityDisabled);
}

#[test]
fn a_filter_says_what_it_took_away() {
    let filter = DeleteAclsFilter {
        resource_type_filter: 2,
        pattern_type_filter: 2,
        operation: 1,
        permission_type: 1,
        ..Default::default()
    };
    let response = Pair::new().exchange(3, &DeleteAclsRequest { filters: vec![filter] }, |_| {
        Reply::RemoveAcls(Ok(vec![Ok(vec![rule()])]))
    });
    let taken = &response.filter_results[0].matching_acls;
    assert_eq!((taken.len(), taken[0].permission_type, taken[0].operation), (1, 2, 3));
}

#[test]
fn what_is_answered_without_the_broker_needs_a_right_too() {
    let mut pair = Pair::new();
    assert_eq!(pair.answer(0, &ListPartitionReassignmentsRequest::default()).error_code, ErrorCode::None);
    pair.rights = Operations::NONE;
    let refused = pair.answer(0, &ListPartitionReassignmentsRequest::default());
    assert_eq!(refused.error_code, ErrorCode::ClusterAuthorizationFailed);
}

#[test]
fn who_may_not_see_the_cluster_is_told_of_no_operation_on_it() {
    let described = |rights| {
        let mut pair = Pair::new();
        pair.rights = rights;
        let request =
            DescribeClusterRequest { include_cluster_authorized_operations: true, ..Default::default() };
        let described = |_: Request| Reply::DescribeTopics(cluster(), Vec::new());
        pair.exchange(1, &request, described).cluster_authorized_operations
    };
    assert_eq!(described(Operations::NONE.with(Operation::Alter)), 0);
    assert_eq!(described(Operations::NONE.with(Operation::Alter).with(Operation::Describe)), 0b1_1000_0000);
}

#[test]
fn what_cannot_be_changed_is_not_told_to_who_may_change_nothing() {
    let resource = |resource_type, name: &str| AlterConfigsResource {
        resource_type,
        resource_name: name.into(),
        ..Default::default()
    };
    let resources = vec![resource(4, "1"), resource(2, "no topic's name"), resource(9, "what")];
    let codes = |rights| {
        let mut pair = Pair::new();
        pair.rights = rights;
        let request = IncrementalAlterConfigsRequest { resources: resources.clone(), validate_only: false };
        let response = pair.answer(1, &request);
        response.responses.iter().map(|response| response.error_code).collect::<Vec<_>>()
    };
    let allowed = [ErrorCode::InvalidRequest, ErrorCode::InvalidTopic, ErrorCode::InvalidRequest];
    assert_eq!(codes(Operations::ALL), allowed);
    let denied = [
        ErrorCode::ClusterAuthorizationFailed,
        ErrorCode::TopicAuthorizationFailed,
        ErrorCode::InvalidRequest,
    ];
    assert_eq!(codes(Operations::NONE), denied);
}

#[test]
fn who_may_not_elect_is_told_so_for_the_whole_and_for_every_partition() {
    let topic_partitions = vec![TopicPartitions { topic: "t".into(), partitions: vec![0, 1] }];
    let request = ElectLeadersRequest { topic_partitions: Some(topic_partitions), ..Default::default() };
    let mut pair = Pair::new();
    pair.rights = Operations::NONE;
    let refused = pair.exchange(2, &request, |_| Reply::DescribeTopics(cluster(), Vec::new()));
    assert_eq!(refused.error_code, ErrorCode::ClusterAuthorizationFailed);
    let partitions = &refused.replica_election_results[0].partition_result;
    let codes: Vec<_> = partitions.iter().map(|partition| partition.error_code).collect();
    assert_eq!(codes, [ErrorCode::ClusterAuthorizationFailed; 2]);
}

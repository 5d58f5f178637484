//! Rules of access: listed, added, removed.

use forebay_kafka::wire::Str;
use forebay_kafka::wire::messages::create_acls::AclCreation;
use forebay_kafka::wire::messages::delete_acls::DeleteAclsFilter;
use forebay_kafka::wire::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::admin::not_controller;
use super::cluster::{Cluster, To};
use super::error::ClientError;

/// Kafka's numbers for what rules are about, with our words.
pub const KINDS: &[(i8, &str)] = &[
    (2, "topic"),
    (3, "group"),
    (CLUSTER, "cluster"),
    (5, "transactional-id"),
    (6, "delegation-token"),
    (7, "user"),
];
/// Kafka's numbers for how a name is meant.
pub const PATTERNS: &[(i8, &str)] =
    &[(ANY, "any"), (2, "match"), (LITERAL, "literal"), (PREFIXED, "prefixed")];
/// Kafka's numbers for operations.
pub const OPERATIONS: &[(i8, &str)] = &[
    (2, "all"),
    (3, "read"),
    (4, "write"),
    (5, "create"),
    (6, "delete"),
    (7, "alter"),
    (8, "describe"),
    (9, "cluster-action"),
    (10, "describe-configs"),
    (11, "alter-configs"),
    (12, "idempotent-write"),
    (13, "create-tokens"),
    (14, "describe-tokens"),
    (15, "two-phase-commit"),
];
/// Kafka's numbers for what a rule says.
pub const PERMISSIONS: &[(i8, &str)] = &[(DENY, "deny"), (ALLOW, "allow")];

/// The cluster itself...
pub const CLUSTER: i8 = 4;
/// ...and the only name that it has in rules.
pub const CLUSTER_NAME: &str = "kafka-cluster";
/// Anything.
pub const ANY: i8 = 1;
/// This name alone; `*` stands for all.
pub const LITERAL: i8 = 3;
/// Names that begin so.
pub const PREFIXED: i8 = 4;
/// No.
pub const DENY: i8 = 2;
/// Yes.
pub const ALLOW: i8 = 3;

/// One rule, with Kafka's numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// What it is about.
    pub kind: i8,
    /// Its name.
    pub name: String,
    /// How the name is meant.
    pub pattern: i8,
    /// Who.
    pub principal: String,
    /// From where.
    pub host: String,
    /// What they do.
    pub operation: i8,
    /// Whether they may.
    pub permission: i8,
}

/// Which rules are meant. What is absent, or [`ANY`], may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What they are about.
    pub kind: i8,
    /// Its name.
    pub name: Option<String>,
    /// How the name is meant.
    pub pattern: i8,
    /// Who.
    pub principal: Option<String>,
    /// From where.
    pub host: Option<String>,
    /// What they do.
    pub operation: i8,
    /// Whether they may.
    pub permission: i8,
}

/// The word for one of Kafka's numbers; a number that we do not know stands for itself.
pub fn word(words: &[(i8, &str)], number: i8) -> String {
    let known = words.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| number.to_string(), |(_, word)| (*word).to_owned())
}

/// Rules that any of the filters means, each once, in their order.
///
/// # Errors
/// The broker's.
pub fn list(cluster: &mut Cluster, filters: &[Filter]) -> Result<Vec<Rule>, ClientError> {
    let mut found = Vec::new();
    for filter in filters {
        let request = DescribeAclsRequest {
            resource_type_filter: filter.kind,
            resource_name_filter: text(&filter.name),
            pattern_type_filter: filter.pattern,
            principal_filter: text(&filter.principal),
            host_filter: text(&filter.host),
            operation: filter.operation,
            permission_type: filter.permission,
        };
        let response = cluster.persist("listing rules", |cluster, deadline| {
            let response = cluster.call(To::Anyone, &request, deadline)?;
            let message = response.error_message.as_ref().map(Str::as_str);
            ClientError::check("listing rules", response.error_code, message)?;
            Ok(response)
        })?;
        for resource in &response.resources {
            found.extend(resource.acls.iter().map(|acl| Rule {
                kind: resource.resource_type,
                name: resource.resource_name.to_string(),
                pattern: resource.pattern_type,
                principal: acl.principal.to_string(),
                host: acl.host.to_string(),
                operation: acl.operation,
                permission: acl.permission_type,
            }));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Adds rules; each succeeds or fails by itself.
///
/// # Errors
/// What kept all of them out.
pub fn add(cluster: &mut Cluster, rules: &[Rule]) -> Result<Vec<Result<(), ClientError>>, ClientError> {
    let creation = |rule: &Rule| AclCreation {
        resource_type: rule.kind,
        resource_name: Str::from(rule.name.as_str()),
        resource_pattern_type: rule.pattern,
        principal: Str::from(rule.principal.as_str()),
        host: Str::from(rule.host.as_str()),
        operation: rule.operation,
        permission_type: rule.permission,
    };
    let request = CreateAclsRequest { creations: rules.iter().map(creation).collect() };
    let results = cluster.persist("adding rules", |cluster, deadline| {
        let response = cluster.call(To::Controller, &request, deadline)?;
        not_controller(response.results.iter().map(|result| result.error_code))?;
        Ok(response.results)
    })?;
    let outcomes = results.iter().map(|result| {
        let message = result.error_message.as_ref().map(Str::as_str);
        ClientError::check("adding a rule", result.error_code, message)
    });
    Ok(outcomes.collect())
}

/// Removes the rules that any of the filters means, and says which these were, each once, in their order.
///
/// # Errors
/// The broker's.
pub fn remove(cluster: &mut Cluster, filters: &[Filter]) -> Result<Vec<Rule>, ClientError> {
    let filter = |filter: &Filter| DeleteAclsFilter {
        resource_type_filter: filter.kind,
        resource_name_filter: text(&filter.name),
        pattern_type_filter: filter.pattern,
        principal_filter: text(&filter.principal),
        host_filter: text(&filter.host),
        operation: filter.operation,
        permission_type: filter.permission,
    };
    let request = DeleteAclsRequest { filters: filters.iter().map(filter).collect() };
    let results = cluster.persist("removing rules", |cluster, deadline| {
        let response = cluster.call(To::Controller, &request, deadline)?;
        not_controller(response.filter_results.iter().map(|result| result.error_code))?;
        Ok(response.filter_results)
    })?;
    let mut removed = Vec::new();
    for result in &results {
        let message = result.error_message.as_ref().map(Str::as_str);
        ClientError::check("removing rules", result.error_code, message)?;
        for acl in &result.matching_acls {
            let message = acl.error_message.as_ref().map(Str::as_str);
            ClientError::check("removing a rule", acl.error_code, message)?;
            removed.push(Rule {
                kind: acl.resource_type,
                name: acl.resource_name.to_string(),
                pattern: acl.pattern_type,
                principal: acl.principal.to_string(),
                host: acl.host.to_string(),
                operation: acl.operation,
                permission: acl.permission_type,
            });
        }
    }
    removed.sort();
    removed.dedup();
    Ok(removed)
}

fn text(text: &Option<String>) -> Option<Str> {
    text.as_deref().map(Str::from)
}

impl Filter {
    /// Every rule.
    pub const ANY: Filter = Filter {
        kind: ANY,
        name: None,
        pattern: ANY,
        principal: None,
        host: None,
        operation: ANY,
        permission: ANY,
    };
}

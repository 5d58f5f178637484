//! Who may do what: access rules, brought over where both sides have them.

use forebay_kafka::wire::messages::create_acls::AclCreation;
use forebay_kafka::wire::messages::{CreateAclsRequest, DescribeAclsRequest};
use forebay_kafka::wire::{ErrorCode, Str};

use super::finding::Finding;
use crate::client::cluster::To;
use crate::client::{ClientError, Cluster};

/// Every resource, pattern, operation and permission, in a filter.
const ANY: i8 = 1;
/// What findings about access rules are under.
pub const AREA: &str = "acl";
/// Rules of one request.
const RULES_AT_ONCE: usize = 500;

/// The access rules of a cluster; `None` where there is no access control.
///
/// # Errors
/// The cluster's.
pub fn read(cluster: &mut Cluster) -> Result<Option<Vec<AclCreation>>, ClientError> {
    let request = DescribeAclsRequest {
        resource_type_filter: ANY,
        resource_name_filter: None,
        pattern_type_filter: ANY,
        principal_filter: None,
        host_filter: None,
        operation: ANY,
        permission_type: ANY,
    };
    let described = cluster.persist("describing access rules", |cluster, deadline| {
        let response = cluster.call(To::Anyone, &request, deadline)?;
        let message = response.error_message.as_ref().map(Str::as_str);
        ClientError::check("describing access rules", response.error_code, message)?;
        Ok(response)
    });
    let described = match described {
        Err(ClientError::NoCommonVersion { .. }) => return Ok(None),
        Err(why) if why.code() == Some(ErrorCode::SecurityDisabled) => return Ok(None),
        described => described?,
    };
    let rules = described.resources.into_iter().flat_map(|resource| {
        let (kind, name, pattern) = (resource.resource_type, resource.resource_name, resource.pattern_type);
        resource.acls.into_iter().map(move |acl| AclCreation {
            resource_type: kind,
            resource_name: name.clone(),
            resource_pattern_type: pattern,
            principal: acl.principal,
            host: acl.host,
            operation: acl.operation,
            permission_type: acl.permission_type,
        })
    });
    Ok(Some(rules.collect()))
}

/// Brings the rules of one cluster into another; what is to be said of it.
///
/// # Errors
/// The clusters'.
pub fn copy(source: &mut Cluster, target: &mut Cluster) -> Result<Option<Finding>, ClientError> {
    let Some(rules) = read(source)?.filter(|rules| !rules.is_empty()) else { return Ok(None) };
    let count = rules.len();
    if read(target)?.is_none() {
        let text = format!("{count} rules are not brought over: the target has no access control");
        return Ok(Some(Finding::differs(AREA, "all", text)));
    }
    let mut refused: Option<String> = None;
    for some in rules.chunks(RULES_AT_ONCE) {
        let request = CreateAclsRequest { creations: some.to_vec() };
        let response = target.persist("creating access rules", |cluster, deadline| {
            cluster.call(To::Controller, &request, deadline)
        })?;
        for result in response.results {
            let message = result.error_message.as_ref().map(Str::as_str);
            if let Err(why) = ClientError::check("creating an access rule", result.error_code, message) {
                refused.get_or_insert(why.to_string());
            }
        }
    }
    Ok(Some(match refused {
        None => Finding::note(AREA, "all", format!("{count} rules are brought over")),
        Some(why) => {
            Finding::differs(AREA, "all", format!("some of {count} rules are not brought over: {why}"))
        }
    }))
}

/// Leaves the rules of a cluster where they are; what is to be said of it.
///
/// # Errors
/// The cluster's.
pub fn leave(source: &mut Cluster) -> Result<Option<Finding>, ClientError> {
    let count = read(source)?.map_or(0, |rules| rules.len());
    let text = format!("{count} rules are not brought over: they come with all topics only");
    Ok((count > 0).then(|| Finding::note(AREA, "all", text)))
}

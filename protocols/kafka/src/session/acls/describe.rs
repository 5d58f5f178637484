//! DescribeAcls.

use forebay_kit::SessionError;
use forebay_kit::model::acl::Acl;
use forebay_kit::model::{Reply, Request};

use super::{Trouble, Wanted, is_of, pattern_number, permission_number, trouble};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::{Replies, strange};
use crate::session::rights::{self, kind_number};
use crate::wire::Str;
use crate::wire::messages::describe_acls::{AclDescription, DescribeAclsResource};
use crate::wire::messages::{DescribeAclsRequest, DescribeAclsResponse};

/// Nothing of the request is needed.
pub(in crate::session) struct Asked;

pub(in crate::session) fn ask(
    _: &mut Asking<'_>,
    request: DescribeAclsRequest,
) -> Step<DescribeAclsResponse> {
    let wanted = Wanted {
        kind: request.resource_type_filter,
        name: &request.resource_name_filter,
        pattern: request.pattern_type_filter,
        principal: &request.principal_filter,
        host: &request.host_filter,
        operation: request.operation,
        permission: request.permission_type,
    };
    match wanted.filter() {
        Ok(filter) => Step::One(Request::DescribeAcls(filter), Asked.into()),
        Err(trouble) => Step::Answer(refused(trouble)),
    }
}

fn refused((error_code, error_message): Trouble) -> DescribeAclsResponse {
    DescribeAclsResponse { error_code, error_message, ..Default::default() }
}

impl Answer for Asked {
    type Response = DescribeAclsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeAclsResponse, SessionError> {
        let Reply::DescribeAcls(described) = replies.one()? else { return Err(strange("DescribeAcls")) };
        Ok(match described {
            Ok(acls) => DescribeAclsResponse { resources: resources(&acls), ..Default::default() },
            Err(refusal) => refused(trouble(&refusal)),
        })
    }
}

fn resources(acls: &[Acl]) -> Vec<DescribeAclsResource> {
    let of_one = acls.chunk_by(is_of);
    let resource = |acls: &[Acl]| {
        let first = acls.first()?;
        Some(DescribeAclsResource {
            resource_type: kind_number(first.kind),
            resource_name: Str::from(&*first.name),
            pattern_type: pattern_number(first.pattern),
            acls: acls.iter().map(description).collect(),
        })
    };
    of_one.filter_map(resource).collect()
}

fn description(acl: &Acl) -> AclDescription {
    AclDescription {
        principal: Str::from(&*acl.principal),
        host: Str::from(&*acl.host),
        operation: rights::number(acl.operation),
        permission_type: permission_number(acl.permission),
    }
}

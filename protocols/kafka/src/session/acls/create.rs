//! CreateAcls: each rule by itself.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Acl, AddAcls, ResourceKind};
use forebay_kit::model::{Reply, Request};

use super::{CLUSTER, TIMEOUT_MS, Trouble, invalid, kind, operation, pattern, permission, trouble};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::{Replies, strange};
use crate::wire::messages::create_acls::{AclCreation, AclCreationResult};
use crate::wire::messages::{CreateAclsRequest, CreateAclsResponse};

/// The response to be: rules without an error wait for their answer, in order.
pub(in crate::session) struct Asked(Vec<Option<Trouble>>);

pub(in crate::session) fn ask(_: &mut Asking<'_>, request: CreateAclsRequest) -> Step<CreateAclsResponse> {
    let (mut acls, mut refused) = (Vec::new(), Vec::with_capacity(request.creations.len()));
    for creation in &request.creations {
        let acl = acl(creation);
        refused.push(acl.as_ref().err().cloned());
        acls.extend(acl);
    }
    // Also where nothing is left to add: whether the asker may, and whether there are rules at all, is said first.
    Step::One(Request::AddAcls(AddAcls { acls, timeout_ms: TIMEOUT_MS }), Asked(refused).into())
}

fn acl(creation: &AclCreation) -> Result<Acl, Trouble> {
    let kind = kind(creation.resource_type).ok_or_else(|| invalid("a rule is about one type of resource"))?;
    let name = creation.resource_name.as_str();
    if kind == ResourceKind::Cluster && name != CLUSTER {
        return Err(invalid("the only name of the cluster is kafka-cluster"));
    }
    Ok(Acl {
        kind,
        pattern: pattern(creation.resource_pattern_type)
            .ok_or_else(|| invalid("the pattern of a rule is literal or prefixed"))?,
        name: name.into(),
        principal: creation.principal.as_str().into(),
        host: creation.host.as_str().into(),
        operation: operation(creation.operation)
            .ok_or_else(|| invalid("a rule is about one operation, or all"))?,
        permission: permission(creation.permission_type).ok_or_else(|| invalid("a rule allows or denies"))?,
    })
}

impl Answer for Asked {
    type Response = CreateAclsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<CreateAclsResponse, SessionError> {
        let Reply::AddAcls(added) = replies.one()? else { return Err(strange("AddAcls")) };
        let mut added = match added {
            Ok(added) => added.into_iter(),
            // Who may not add rules is not told what is wrong with them either.
            Err(refusal) => return Ok(self.none(&trouble(&refusal))),
        };
        let mut results = Vec::with_capacity(self.0.len());
        for refused in self.0 {
            let trouble = match refused {
                Some(refused) => refused,
                None => match added.next().ok_or_else(|| strange("AddAcls of this length"))? {
                    Ok(()) => Trouble::default(),
                    Err(refusal) => trouble(&refusal),
                },
            };
            let (error_code, error_message) = trouble;
            results.push(AclCreationResult { error_code, error_message });
        }
        Ok(CreateAclsResponse { results, ..Default::default() })
    }
}

impl Asked {
    fn none(self, (error_code, error_message): &Trouble) -> CreateAclsResponse {
        let result = |_| AclCreationResult { error_code: *error_code, error_message: error_message.clone() };
        CreateAclsResponse { results: self.0.into_iter().map(result).collect(), ..Default::default() }
    }
}

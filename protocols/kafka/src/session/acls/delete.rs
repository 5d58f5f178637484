//! DeleteAcls: each filter by itself.

use forebay_kit::SessionError;
use forebay_kit::model::acl::{Acl, RemoveAcls};
use forebay_kit::model::{Reply, Request};

use super::{TIMEOUT_MS, Trouble, Wanted, pattern_number, permission_number, trouble};
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::open::{Replies, strange};
use crate::session::rights::{self, kind_number};
use crate::wire::messages::delete_acls::{DeleteAclsFilter, DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use crate::wire::messages::{DeleteAclsRequest, DeleteAclsResponse};
use crate::wire::{ErrorCode, Str};

/// The response to be: filters without an error wait for their answer, in order.
pub(in crate::session) struct Asked(Vec<Option<Trouble>>);

pub(in crate::session) fn ask(_: &mut Asking<'_>, request: DeleteAclsRequest) -> Step<DeleteAclsResponse> {
    let (mut filters, mut refused) = (Vec::new(), Vec::with_capacity(request.filters.len()));
    for filter in &request.filters {
        let filter = wanted(filter).filter();
        refused.push(filter.as_ref().err().cloned());
        filters.extend(filter);
    }
    Step::One(Request::RemoveAcls(RemoveAcls { filters, timeout_ms: TIMEOUT_MS }), Asked(refused).into())
}

fn wanted(filter: &DeleteAclsFilter) -> Wanted<'_> {
    Wanted {
        kind: filter.resource_type_filter,
        name: &filter.resource_name_filter,
        pattern: filter.pattern_type_filter,
        principal: &filter.principal_filter,
        host: &filter.host_filter,
        operation: filter.operation,
        permission: filter.permission_type,
    }
}

impl Answer for Asked {
    type Response = DeleteAclsResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DeleteAclsResponse, SessionError> {
        let Reply::RemoveAcls(removed) = replies.one()? else { return Err(strange("RemoveAcls")) };
        let mut removed = match removed {
            Ok(removed) => removed.into_iter(),
            Err(refusal) => {
                let trouble = trouble(&refusal);
                let filter_results = self.0.iter().map(|_| result(Err(trouble.clone()))).collect();
                return Ok(DeleteAclsResponse { filter_results, ..Default::default() });
            }
        };
        let mut filter_results = Vec::with_capacity(self.0.len());
        for refused in self.0 {
            let removed = match refused {
                Some(refused) => Err(refused),
                None => {
                    let removed = removed.next().ok_or_else(|| strange("RemoveAcls of this length"))?;
                    removed.map_err(|refusal| trouble(&refusal))
                }
            };
            filter_results.push(result(removed));
        }
        Ok(DeleteAclsResponse { filter_results, ..Default::default() })
    }
}

fn result(removed: Result<Vec<Acl>, Trouble>) -> DeleteAclsFilterResult {
    match removed {
        Ok(acls) => DeleteAclsFilterResult {
            matching_acls: acls.iter().map(matching).collect(),
            ..Default::default()
        },
        Err((error_code, error_message)) => {
            DeleteAclsFilterResult { error_code, error_message, ..Default::default() }
        }
    }
}

fn matching(acl: &Acl) -> DeleteAclsMatchingAcl {
    DeleteAclsMatchingAcl {
        error_code: ErrorCode::None,
        error_message: None,
        resource_type: kind_number(acl.kind),
        resource_name: Str::from(&*acl.name),
        pattern_type: pattern_number(acl.pattern),
        principal: Str::from(&*acl.principal),
        host: Str::from(&*acl.host),
        operation: rights::number(acl.operation),
        permission_type: permission_number(acl.permission),
    }
}

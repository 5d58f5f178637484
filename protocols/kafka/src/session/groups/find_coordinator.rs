//! FindCoordinator: which node serves a group or a transactional producer.

use forebay_kit::SessionError;
use forebay_kit::model::transaction::TransactionalId;
use forebay_kit::model::{ClusterView, GroupId, NodeId, Refusal, Reply, Request};

use super::GroupList;
use crate::session::asked::{Answer, Connection};
use crate::session::dispatch::{Asking, Step};
use crate::session::errors::{self, Area};
use crate::session::names::node_number;
use crate::session::open::{Replies, strange};
use crate::wire::messages::find_coordinator::Coordinator;
use crate::wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse};
use crate::wire::{ErrorCode, Str};

/// First version that asks for several.
const LIST_FROM: i16 = 4;
/// Keys are groups.
const GROUPS: i8 = 0;
/// Keys are transactional ids.
const TRANSACTIONS: i8 = 1;

pub(in crate::session) struct Asked(GroupList);

pub(in crate::session) fn ask(
    asking: &mut Asking<'_>,
    request: FindCoordinatorRequest,
) -> Step<FindCoordinatorResponse> {
    let version = asking.version();
    let keys = if version >= LIST_FROM { request.coordinator_keys } else { vec![request.key] };
    match request.key_type {
        GROUPS => return find(version, &keys, Request::FindGroup),
        TRANSACTIONS => return find(version, &keys, |id| Request::FindProducer(TransactionalId(id.0))),
        _ => {}
    }
    let why = "only groups and transactional producers have coordinators here";
    let refused = keys
        .iter()
        .map(|key| refused(key.detached(), ErrorCode::InvalidRequest, Some(Str::from_static(why))));
    Step::Answer(response(version, refused.collect()))
}

fn find(version: i16, keys: &[Str], request: fn(GroupId) -> Request) -> Step<FindCoordinatorResponse> {
    let (list, ids) = GroupList::new(keys.iter());
    if ids.is_empty() {
        let refused = list
            .groups
            .into_iter()
            .map(|group| refused(group.text, group.refused.unwrap_or(ErrorCode::InvalidGroupId), None));
        return Step::Answer(response(version, refused.collect()));
    }
    Step::Many(ids.into_iter().map(request).collect(), Asked(list).into())
}

impl Answer for Asked {
    type Response = FindCoordinatorResponse;

    fn answer(
        self,
        version: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<FindCoordinatorResponse, SessionError> {
        let mut coordinators = Vec::with_capacity(self.0.groups.len());
        for answered in self.0.with(replies.all()) {
            coordinators.push(match answered? {
                (key, Err(code)) => refused(key, code, None),
                (key, Ok(Reply::FindGroup(found, cluster) | Reply::FindProducer(found, cluster))) => {
                    found_group(key, found, &cluster)
                }
                (_, Ok(_)) => return Err(strange("FindGroup")),
            });
        }
        Ok(response(version, coordinators))
    }
}

fn found_group(key: Str, found: Result<NodeId, Refusal>, cluster: &ClusterView) -> Coordinator {
    let id = match found {
        Ok(id) => id,
        Err(refusal) => {
            return refused(key, errors::code(&refusal, Area::FindCoordinator), errors::message(&refusal));
        }
    };
    match cluster.nodes.iter().find(|node| node.id == id) {
        Some(node) => Coordinator {
            key,
            node_id: node_number(node.id),
            host: Str::from(node.host.as_str()),
            port: node.port.into(),
            ..Default::default()
        },
        None => refused(key, ErrorCode::CoordinatorNotAvailable, None),
    }
}

fn refused(key: Str, error_code: ErrorCode, error_message: Option<Str>) -> Coordinator {
    Coordinator { key, node_id: -1, port: -1, error_code, error_message, ..Default::default() }
}

/// Before version 4 there is one coordinator, in the response's own fields.
fn response(version: i16, mut coordinators: Vec<Coordinator>) -> FindCoordinatorResponse {
    if version >= LIST_FROM {
        return FindCoordinatorResponse { coordinators, ..Default::default() };
    }
    let one = coordinators.pop().unwrap_or_default();
    FindCoordinatorResponse {
        error_code: one.error_code,
        error_message: one.error_message,
        node_id: one.node_id,
        host: one.host,
        port: one.port,
        ..Default::default()
    }
}

//! DescribeCluster: the nodes, without topics.

use forebay_kit::SessionError;
use forebay_kit::model::acl::Right;
use forebay_kit::model::admin::{DescribeTopics, TopicSelection};
use forebay_kit::model::{ClusterView, NodeView, Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::names::node_number;
use super::open::{Replies, strange};
use super::rights;
use crate::wire::messages::describe_cluster::DescribeClusterBroker;
use crate::wire::messages::{DescribeClusterRequest, DescribeClusterResponse};
use crate::wire::{ErrorCode, Str};

/// The endpoints of nodes that serve clients; the only kind there is.
const BROKERS: i8 = 1;
/// The endpoints of a controller quorum apart from the brokers.
const CONTROLLERS: i8 = 2;

/// What the response needs of the request.
pub(super) struct Asked {
    cluster_operations: bool,
}

pub(super) fn ask(_: &mut Asking<'_>, request: DescribeClusterRequest) -> Step<DescribeClusterResponse> {
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => return Step::Answer(refused(ErrorCode::MismatchedEndpointType, "these are brokers")),
        _ => return Step::Answer(refused(ErrorCode::UnsupportedEndpointType, "no such kind of endpoint")),
    }
    // Whoever may connect may know the nodes: no right is needed.
    let topics = TopicSelection::These(Vec::new());
    let describe = DescribeTopics { topics, right: Right::Describe, create: false };
    let requests = vec![Request::DescribeTopics(describe), rights::on_cluster()];
    let asked = Asked { cluster_operations: request.include_cluster_authorized_operations };
    Step::Many(requests, asked.into())
}

fn refused(error_code: ErrorCode, why: &'static str) -> DescribeClusterResponse {
    DescribeClusterResponse { error_code, error_message: Some(Str::from_static(why)), ..Default::default() }
}

impl Answer for Asked {
    type Response = DescribeClusterResponse;

    fn answer(
        self,
        _: i16,
        replies: Replies,
        _: &mut Connection,
    ) -> Result<DescribeClusterResponse, SessionError> {
        let mut replies = replies.all().into_iter();
        let Some(Reply::DescribeTopics(cluster, _)) = replies.next() else {
            return Err(strange("DescribeTopics"));
        };
        let allowed = rights::of_cluster(replies.next())?;
        Ok(DescribeClusterResponse {
            cluster_id: Str::from(cluster.id.as_str()),
            controller_id: controller_number(&cluster),
            brokers: cluster.nodes.iter().map(broker).collect(),
            cluster_authorized_operations: if self.cluster_operations {
                rights::cluster_bits(allowed)
            } else {
                i32::MIN
            },
            ..Default::default()
        })
    }
}

/// Nodes that are fenced are not in the view: clients never see them.
fn broker(node: &NodeView) -> DescribeClusterBroker {
    DescribeClusterBroker {
        broker_id: node_number(node.id),
        host: Str::from(node.host.as_str()),
        port: node.port.into(),
        rack: None,
        is_fenced: false,
    }
}

/// The node to send administration to; -1 if there is none.
pub(super) fn controller_number(cluster: &ClusterView) -> i32 {
    cluster.controller.map_or(-1, node_number)
}

//! DescribeCluster: the nodes, without topics.

use forebay_kit::SessionError;
use forebay_kit::model::admin::{DescribeTopics, TopicSelection};
use forebay_kit::model::{ClusterView, NodeView, Reply, Request};

use super::asked::{Answer, Connection};
use super::dispatch::{Asking, Step};
use super::names::node_number;
use super::open::{Replies, strange};
use crate::wire::messages::describe_cluster::DescribeClusterBroker;
use crate::wire::messages::{DescribeClusterRequest, DescribeClusterResponse};
use crate::wire::{ErrorCode, Str};

/// Bits of operations, by Kafka's numbers: 3 read, 4 write, 5 create, 6 delete, 7 alter, 8 describe, 9 cluster action,
/// 10 describe configurations, 11 alter configurations, 12 idempotent write. Until there is access control, everybody may do all.
const fn operations<const N: usize>(numbers: [i32; N]) -> i32 {
    let (mut bits, mut at) = (0, 0);
    while at < N {
        bits |= 1 << numbers[at];
        at += 1;
    }
    bits
}

/// All operations there are on a cluster.
pub(super) const CLUSTER_OPERATIONS: i32 = operations([5, 7, 8, 9, 10, 11, 12]);
/// All operations there are on a topic.
pub(super) const TOPIC_OPERATIONS: i32 = operations([3, 4, 5, 6, 7, 8, 10, 11]);
/// All operations there are on a group.
pub(super) const GROUP_OPERATIONS: i32 = operations([3, 6, 8]);

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
    let describe = DescribeTopics { topics: TopicSelection::These(Vec::new()), create: false };
    let asked = Asked { cluster_operations: request.include_cluster_authorized_operations };
    Step::One(Request::DescribeTopics(describe), asked.into())
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
        let Reply::DescribeTopics(cluster, _) = replies.one()? else { return Err(strange("DescribeTopics")) };
        Ok(DescribeClusterResponse {
            cluster_id: Str::from(cluster.id.as_str()),
            controller_id: controller_number(&cluster),
            brokers: cluster.nodes.iter().map(broker).collect(),
            cluster_authorized_operations: if self.cluster_operations {
                CLUSTER_OPERATIONS
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

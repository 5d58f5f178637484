//! What an operator sees of this node: metrics, readiness, log levels.

use std::net::SocketAddr;
use std::sync::Arc;

use forebay_broker::Broker;

use crate::config::Config;
use crate::node::Node;
use crate::run::ServeError;

/// The node as the console sees it.
pub(crate) struct NodeOperator {
    #[allow(dead_code)]
    broker: Broker,
}

impl NodeOperator {
    pub(crate) fn new(node: &Node, _config: &Config) -> NodeOperator {
        NodeOperator { broker: node.broker.clone() }
    }
}

/// Opens the HTTP listeners.
pub(crate) async fn start_console(
    addresses: &[SocketAddr],
    _operator: Arc<NodeOperator>,
) -> Result<Option<SocketAddr>, ServeError> {
    match addresses.first() {
        None => Ok(None),
        Some(address) => {
            Err(ServeError::Console(format!("cannot listen at {address}: HTTP is not served yet")))
        }
    }
}

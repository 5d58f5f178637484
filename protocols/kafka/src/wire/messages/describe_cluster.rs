//! DescribeCluster, key 60: the brokers, without topics.

use crate::wire::error_code::ErrorCode;
use crate::wire::schema::wire_struct;
use crate::wire::text::Str;

wire_struct! {
    /// The cluster is wanted.
    pub struct DescribeClusterRequest {
        /// Whether to say which operations the caller may perform on the cluster.
        include_cluster_authorized_operations: bool [..];
        /// Which endpoints: 1 brokers, 2 controllers.
        endpoint_type: i8 [1.., default(1)];
        /// Whether to list brokers that are fenced.
        include_fenced_brokers: bool [2..];
    }

    /// The cluster.
    pub struct DescribeClusterResponse {
        /// For how long the client is held back for exceeding a quota, milliseconds.
        throttle_time_ms: i32 [..];
        /// What went wrong.
        error_code: ErrorCode [..];
        /// More about the error, for people.
        error_message: Option<Str> [..];
        /// Which endpoints: 1 brokers, 2 controllers.
        endpoint_type: i8 [1.., default(1)];
        /// The cluster, if the sender knows it.
        cluster_id: Str [..];
        /// The broker to send administration to; -1 if there is none.
        controller_id: i32 [.., default(-1)];
        /// The brokers clients may connect to.
        brokers: Vec<DescribeClusterBroker> [..];
        /// Bits of the operations the caller may perform on the cluster; the smallest `i32` when not asked
        /// for.
        cluster_authorized_operations: i32 [.., default(i32::MIN)];
    }

    /// A broker's address.
    pub struct DescribeClusterBroker {
        /// The broker.
        broker_id: i32 [..];
        /// Host name or address.
        host: Str [..];
        /// TCP port.
        port: i32 [..];
        /// The rack, if it is known.
        rack: Option<Str> [..];
        /// Whether the broker is fenced.
        is_fenced: bool [2..];
    }
}

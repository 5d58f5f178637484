//! What is kept of a request until its response is made, and of a connection between requests.

use forebay_kit::{ConnectionInfo, SessionError};

use super::fetch_session::FetchSessions;
use super::hold_back::HoldBack;
use super::names::Names;
use super::open::{Ending, Head, Replies};
use super::sasl::{self, Authentication};
use super::share::sessions::ShareSessions;
use super::{
    acls, alter_log_dirs, cluster, configs, delete_records, describe_producers, describe_quorum, features,
    fetch, groups, import, init_producer_id, list_offsets, log_dirs, metadata, offset_for_leader_epoch,
    produce, quotas, replicas, share, topics, transactions, users,
};
use crate::wire::Response;
use crate::wire::field::Wire;

/// What the APIs of a connection share.
pub(super) struct Connection {
    /// The client's address as Kafka shows it.
    pub(super) host: String,
    /// What its listener is, by Kafka's name for it.
    pub(super) listener: &'static str,
    pub(super) names: Names,
    pub(super) fetch_sessions: FetchSessions,
    pub(super) hold_back: HoldBack,
    pub(super) authentication: Authentication,
    pub(super) share_sessions: ShareSessions,
}

impl Connection {
    pub(super) fn new(info: &ConnectionInfo) -> Connection {
        Connection {
            host: format!("/{}", info.peer.ip()),
            listener: match (info.is_encrypted, info.login.is_some()) {
                (false, false) => "PLAINTEXT",
                (true, false) => "SSL",
                (false, true) => "SASL_PLAINTEXT",
                (true, true) => "SASL_SSL",
            },
            names: Names::default(),
            fetch_sessions: FetchSessions::new(info.peer.port(), &info.memory),
            hold_back: HoldBack::new(&info.meter),
            authentication: Authentication::new(info),
            share_sessions: ShareSessions::new(&info.memory),
        }
    }
}

/// What one API keeps of a request; owns all it has, for the frame goes when the request was read.
pub(super) trait Answer {
    type Response: Response;

    /// Makes the response of the broker's replies.
    fn answer(
        self,
        version: i16,
        replies: Replies,
        connection: &mut Connection,
    ) -> Result<Self::Response, SessionError>;
}

macro_rules! asked {
    ($($variant:ident($ty:ty),)*) => {
        /// What is kept of a request of any API.
        pub(super) enum Asked {
            $($variant($ty),)*
            /// A token of SASL, after which the connection may end.
            Token(sasl::Asked),
        }

        impl From<sasl::Asked> for Asked {
            fn from(asked: sasl::Asked) -> Asked {
                Asked::Token(asked)
            }
        }

        $(
            impl From<$ty> for Asked {
                fn from(asked: $ty) -> Asked {
                    Asked::$variant(asked)
                }
            }
        )*

        impl Asked {
            /// The response as a frame, or what ends the exchange else.
            pub(super) fn answer(
                self,
                head: Head,
                replies: Replies,
                connection: &mut Connection,
            ) -> Result<Ending, SessionError> {
                let left_ms = |connection: &Connection| connection.hold_back.left_ms();
                let frame = match self {
                    $(Asked::$variant(asked) => {
                        let mut response = asked.answer(head.version, replies, connection)?;
                        response.hold_back(left_ms(connection));
                        head.frame(&response)
                    })*
                    Asked::Token(asked) => return asked.answer(head, replies, connection),
                };
                frame.map(Ending::Frame)
            }
        }
    };
}

asked! {
    Produce(produce::Asked),
    Import(import::Asked),
    Fetch(fetch::Asked),
    ListOffsets(list_offsets::Asked),
    OffsetForLeaderEpoch(offset_for_leader_epoch::Asked),
    Metadata(metadata::Asked),
    Pages(metadata::pages::Asked),
    Cluster(cluster::Asked),
    CreateTopics(topics::create::Asked),
    DeleteTopics(topics::delete::Asked),
    CreatePartitions(topics::grow::Asked),
    DescribeConfigs(configs::describe::Asked),
    AlterConfigs(configs::alter::AskedAll),
    IncrementalAlterConfigs(configs::alter::AskedSome),
    DeleteRecords(delete_records::Asked),
    DescribeProducers(describe_producers::Asked),
    DescribeQuorum(describe_quorum::Asked),
    UpdateFeatures(features::Asked),
    LogDirs(log_dirs::Asked),
    AlterLogDirs(alter_log_dirs::Asked),
    ElectLeaders(replicas::elect::Asked),
    Reassign(replicas::reassign::Asked),
    ListConfigResources(configs::list::Asked),
    AlterQuotas(quotas::alter::Asked),
    DescribeQuotas(quotas::describe::Asked),
    InitProducerId(init_producer_id::Asked),
    OpenProducer(init_producer_id::AskedTransactional),
    FindCoordinator(groups::find_coordinator::Asked),
    JoinGroup(groups::join::Asked),
    SyncGroup(groups::sync::Asked),
    Heartbeat(groups::heartbeat::Asked),
    LeaveGroup(groups::leave::Asked),
    OffsetCommit(groups::offset_commit::Asked),
    OffsetDelete(groups::offset_delete::Asked),
    OffsetFetch(groups::offset_fetch::Asked),
    AddPartitionsToTxn(transactions::add_partitions::Asked),
    AddOffsetsToTxn(transactions::add_offsets::Asked),
    TxnOffsetCommit(transactions::commit_offsets::Asked),
    EndTxn(transactions::end::Asked),
    DescribeTransactions(transactions::describe::Asked),
    ListTransactions(transactions::list::Asked),
    DescribeGroups(groups::describe::Asked),
    ListGroups(groups::list::Asked),
    DeleteGroups(groups::delete::Asked),
    ConsumerGroupHeartbeat(groups::attend::Asked),
    ConsumerGroupDescribe(groups::describe_assigned::Asked),
    DescribeUsers(users::describe::Asked),
    AlterUsers(users::alter::Asked),
    ShareGroupHeartbeat(share::heartbeat::Asked),
    ShareGroupDescribe(share::describe::Asked),
    ShareFetch(share::fetch::Asked),
    ShareAcknowledge(share::acknowledge::Asked),
    DescribeShareGroupOffsets(share::offsets::AskedDescribe),
    AlterShareGroupOffsets(share::offsets::AskedAlter),
    DeleteShareGroupOffsets(share::offsets::AskedDelete),
    DescribeAcls(acls::describe::Asked),
    CreateAcls(acls::create::Asked),
    DeleteAcls(acls::delete::Asked),
    Reassignments(replicas::ongoing::Asked),
}

//! A frame's header decides which module serves it.

use forebay_kit::model::Request;
use forebay_kit::{Bytes, SessionError};

use super::asked::{Asked, Connection};
use super::misbehaved;
use super::open::{Ending, Head};
use super::{
    acls, alter_log_dirs, api_versions, cluster, configs, delete_records, describe_producers,
    describe_quorum, features, fetch, groups, init_producer_id, list_offsets, log_dirs, metadata,
    offset_for_leader_epoch, produce, quotas, replicas, sasl, share, topics, transactions, users,
};
use crate::wire::api::Standing;
use crate::wire::field::Wire;
use crate::wire::{ApiKey, Cursor, DecodeError, Fault, RequestHead, RequestHeader, Str};

/// What an API makes of a request.
pub(super) enum Step<R> {
    /// The response is known without asking anybody.
    Answer(R),
    /// One request to the broker.
    One(Request, Asked),
    /// Any number of requests but none.
    Many(Vec<Request>, Asked),
    /// A publish that nobody waits for, and why the connection is to end behind it.
    Unconfirmed(Option<Request>, Option<String>),
    /// The response is known, and behind it the connection ends, for this reason.
    Last(R, String),
    /// The connection ends, for this reason.
    Close(String),
}

/// As [`Step`], for the session, which does not care for the API.
pub(super) enum Plan {
    End(Ending),
    AskOne(Request, Asked),
    Ask(Vec<Request>, Asked),
    Unconfirmed(Option<Request>, Option<String>),
}

/// A request as its API sees it, beside its body.
pub(super) struct Asking<'c> {
    pub(super) head: Head,
    /// What the client calls itself; empty if it does not.
    pub(super) client: Str,
    /// Bytes of its frame.
    pub(super) bytes: usize,
    pub(super) connection: &'c mut Connection,
}

impl Asking<'_> {
    pub(super) fn version(&self) -> i16 {
        self.head.version
    }
}

/// Reads a frame and says what is to be done.
pub(super) fn plan(frame: &Bytes, connection: &mut Connection) -> Result<(Head, Plan), SessionError> {
    let peeked = RequestHead::peek(frame).map_err(|error| misbehaved(&error))?;
    let api = ApiKey::from_number(peeked.api_key);
    let api = api.ok_or_else(|| misbehaved(&DecodeError::from(Fault::UnknownApi(peeked.api_key))))?;
    let head = Head { api, version: peeked.api_version, correlation_id: peeked.correlation_id };
    if !connection.authentication.admits(api) {
        let why = format!("{} came before the client authenticated", api.name());
        return Ok((head, Plan::End(Ending::Close(why))));
    }
    // Before anything behind the head is read: who knows how a version that we do not know is written.
    if let Some(ending) = unserved(head)? {
        return Ok((head, Plan::End(ending)));
    }
    let mut cursor = Cursor::new(frame);
    let header = RequestHeader::decode(&mut cursor).map_err(|error| misbehaved(&error))?;
    let client = header.client_id.unwrap_or_default();
    connection.hold_back.meet(&client);
    let plan = serve(&mut cursor, Asking { head, client, bytes: frame.len(), connection })?;
    Ok((head, plan))
}

/// The end of a request that no module serves.
fn unserved(head: Head) -> Result<Option<Ending>, SessionError> {
    let api = head.api.api();
    let (name, version) = (head.api.name(), head.version);
    let why = match &api.standing {
        _ if api.serves(version) => return Ok(None),
        Standing::Served { .. } if head.api == ApiKey::ApiVersions => {
            return api_versions::unknown_version(head).map(|frame| Some(Ending::Frame(frame)));
        }
        Standing::Served { advertised_from, versions }
            if (*advertised_from..versions.end).contains(&version) =>
        {
            return Ok(None);
        }
        Standing::Served { versions, .. } => {
            format!(
                "{name} in version {version} is not served, only {} to {}",
                versions.start,
                versions.end - 1
            )
        }
        Standing::Refused(why) => format!("{name} is not served: {why}"),
    };
    Ok(Some(Ending::Close(why)))
}

fn serve(cursor: &mut Cursor<'_>, asking: Asking<'_>) -> Result<Plan, SessionError> {
    match asking.head.api {
        ApiKey::Produce => with(cursor, asking, produce::ask),
        ApiKey::Fetch => with(cursor, asking, fetch::ask),
        ApiKey::ListOffsets => with(cursor, asking, list_offsets::ask),
        ApiKey::Metadata => with(cursor, asking, metadata::ask),
        ApiKey::OffsetCommit => with(cursor, asking, groups::offset_commit::ask),
        ApiKey::OffsetFetch => with(cursor, asking, groups::offset_fetch::ask),
        ApiKey::FindCoordinator => with(cursor, asking, groups::find_coordinator::ask),
        ApiKey::JoinGroup => with(cursor, asking, groups::join::ask),
        ApiKey::Heartbeat => with(cursor, asking, groups::heartbeat::ask),
        ApiKey::LeaveGroup => with(cursor, asking, groups::leave::ask),
        ApiKey::SyncGroup => with(cursor, asking, groups::sync::ask),
        ApiKey::DescribeGroups => with(cursor, asking, groups::describe::ask),
        ApiKey::ListGroups => with(cursor, asking, groups::list::ask),
        ApiKey::ConsumerGroupHeartbeat => with(cursor, asking, groups::attend::ask),
        ApiKey::ConsumerGroupDescribe => with(cursor, asking, groups::describe_assigned::ask),
        ApiKey::DeleteGroups => with(cursor, asking, groups::delete::ask),
        ApiKey::ApiVersions => with(cursor, asking, api_versions::ask),
        ApiKey::CreateTopics => with(cursor, asking, topics::create::ask),
        ApiKey::DeleteTopics => with(cursor, asking, topics::delete::ask),
        ApiKey::CreatePartitions => with(cursor, asking, topics::grow::ask),
        ApiKey::AddPartitionsToTxn => with(cursor, asking, transactions::add_partitions::ask),
        ApiKey::AddOffsetsToTxn => with(cursor, asking, transactions::add_offsets::ask),
        ApiKey::TxnOffsetCommit => with(cursor, asking, transactions::commit_offsets::ask),
        ApiKey::EndTxn => with(cursor, asking, transactions::end::ask),
        ApiKey::DescribeTransactions => with(cursor, asking, transactions::describe::ask),
        ApiKey::ListTransactions => with(cursor, asking, transactions::list::ask),
        ApiKey::InitProducerId => with(cursor, asking, init_producer_id::ask),
        ApiKey::OffsetForLeaderEpoch => with(cursor, asking, offset_for_leader_epoch::ask),
        ApiKey::DescribeConfigs => with(cursor, asking, configs::describe::ask),
        ApiKey::AlterConfigs => with(cursor, asking, configs::alter::ask_all),
        ApiKey::IncrementalAlterConfigs => with(cursor, asking, configs::alter::ask_some),
        ApiKey::DeleteRecords => with(cursor, asking, delete_records::ask),
        ApiKey::OffsetDelete => with(cursor, asking, groups::offset_delete::ask),
        ApiKey::AlterReplicaLogDirs => with(cursor, asking, alter_log_dirs::ask),
        ApiKey::DescribeLogDirs => with(cursor, asking, log_dirs::ask),
        ApiKey::DescribeProducers => with(cursor, asking, describe_producers::ask),
        ApiKey::ElectLeaders => with(cursor, asking, replicas::elect::ask),
        ApiKey::AlterPartitionReassignments => with(cursor, asking, replicas::reassign::ask),
        ApiKey::ListPartitionReassignments => with(cursor, asking, replicas::ongoing::ask),
        ApiKey::ListConfigResources => with(cursor, asking, configs::list::ask),
        ApiKey::DescribeCluster => with(cursor, asking, cluster::ask),
        ApiKey::AlterClientQuotas => with(cursor, asking, quotas::alter::ask),
        ApiKey::DescribeClientQuotas => with(cursor, asking, quotas::describe::ask),
        ApiKey::DescribeQuorum => with(cursor, asking, describe_quorum::ask),
        ApiKey::UpdateFeatures => with(cursor, asking, features::ask),
        ApiKey::SaslHandshake => with(cursor, asking, sasl::handshake),
        ApiKey::SaslAuthenticate => with(cursor, asking, sasl::authenticate),
        ApiKey::DescribeUserScramCredentials => with(cursor, asking, users::describe::ask),
        ApiKey::AlterUserScramCredentials => with(cursor, asking, users::alter::ask),
        ApiKey::ShareGroupHeartbeat => with(cursor, asking, share::heartbeat::ask),
        ApiKey::ShareGroupDescribe => with(cursor, asking, share::describe::ask),
        ApiKey::ShareFetch => with(cursor, asking, share::fetch::ask),
        ApiKey::ShareAcknowledge => with(cursor, asking, share::acknowledge::ask),
        ApiKey::DescribeShareGroupOffsets => with(cursor, asking, share::offsets::describe),
        ApiKey::AlterShareGroupOffsets => with(cursor, asking, share::offsets::alter),
        ApiKey::DeleteShareGroupOffsets => with(cursor, asking, share::offsets::delete),
        ApiKey::DescribeTopicPartitions => with(cursor, asking, metadata::pages::ask),
        ApiKey::DescribeAcls => with(cursor, asking, acls::describe::ask),
        ApiKey::CreateAcls => with(cursor, asking, acls::create::ask),
        ApiKey::DeleteAcls => with(cursor, asking, acls::delete::ask),
        other => Err(SessionError::Bug(format!(
            "{} is in the table of served APIs and in no module",
            other.name()
        ))),
    }
}

/// Reads the body and lets its API ask. Bytes behind the last field are left alone, as Apache Kafka leaves them: librdkafka
/// 2.16 sends three too many when it asks for the metadata of all topics.
fn with<'c, Q: crate::wire::Request>(
    cursor: &mut Cursor<'_>,
    mut asking: Asking<'c>,
    ask: impl FnOnce(&mut Asking<'c>, Q) -> Step<Q::Response>,
) -> Result<Plan, SessionError> {
    let head = asking.head;
    let version = head.api.version(head.version).ok_or(Fault::UnknownVersion(head.version));
    let version = version.map_err(|fault| misbehaved(&DecodeError::from(fault)))?;
    let request = Q::decode(cursor, version).map_err(|error| misbehaved(&error))?;
    Ok(match ask(&mut asking, request) {
        Step::Answer(mut response) => {
            response.hold_back(asking.connection.hold_back.left_ms());
            Plan::End(Ending::Frame(head.frame(&response)?))
        }
        Step::One(request, asked) => Plan::AskOne(request, asked),
        Step::Many(requests, asked) => Plan::Ask(requests, asked),
        Step::Unconfirmed(request, refused) => Plan::Unconfirmed(request, refused),
        Step::Last(mut response, why) => {
            response.hold_back(asking.connection.hold_back.left_ms());
            Plan::End(Ending::Last(head.frame(&response)?, why))
        }
        Step::Close(why) => Plan::End(Ending::Close(why)),
    })
}

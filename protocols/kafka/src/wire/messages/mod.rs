//! One file per API, each a request and a response as field lists with version ranges.
//!
//! Field names follow Kafka's, so that a list here and the protocol's own documentation can be laid side by side. Where a
//! field is null or absent, its `Option` is `None`; where a version lacks a field, it holds its default.

use super::api::ApiKey;
use super::cursor::Cursor;
use super::error::{DecodeError, EncodeError, Fault};
use super::field::{Version, Wire};
use super::header::{RequestHeader, decode_response_header, encode_response_header};
use super::text::Str;
use super::writer::{Rope, Writer};

/// A request of one API.
pub trait Request: Wire {
    /// Which API.
    const API: ApiKey;
    /// What answers it.
    type Response: Response;

    /// Reads a body, to the frame's end. Decoding does not ask whether we serve the version, only whether we can read it.
    ///
    /// # Errors
    /// [`Fault::UnknownVersion`], [`Fault::Trailing`], and what else is wrong with the bytes.
    fn read(cursor: &mut Cursor<'_>, api_version: i16) -> Result<Self, DecodeError> {
        read_body(cursor, Self::API, api_version)
    }

    /// The request as one frame with its length and header, ready to send.
    ///
    /// # Errors
    /// What the version cannot say.
    fn to_frame(
        &self,
        api_version: i16,
        correlation_id: i32,
        client_id: Option<Str>,
    ) -> Result<Rope, EncodeError> {
        let version = writable(Self::API, api_version)?;
        let mut writer = Writer::for_frame();
        RequestHeader { api: Self::API, api_version, correlation_id, client_id }.encode(&mut writer)?;
        self.encode(&mut writer, version)?;
        writer.finish_frame()
    }
}

/// A response of one API.
pub trait Response: Wire {
    /// Which API.
    const API: ApiKey;

    /// Reads a header and a body, to the frame's end; the correlation id comes with it.
    ///
    /// # Errors
    /// [`Fault::UnknownVersion`], [`Fault::Trailing`], and what else is wrong with the bytes.
    fn read(cursor: &mut Cursor<'_>, api_version: i16) -> Result<(i32, Self), DecodeError> {
        let correlation_id = decode_response_header(cursor, Self::API, api_version)?;
        Ok((correlation_id, read_body(cursor, Self::API, api_version)?))
    }

    /// The response as one frame with its length and header, ready to send. Record data is referenced, not copied.
    ///
    /// # Errors
    /// What the version cannot say; [`EncodeError::TooLong`] for a frame of 2 GiB.
    fn to_frame(&self, api_version: i16, correlation_id: i32) -> Result<Rope, EncodeError> {
        let version = writable(Self::API, api_version)?;
        let mut writer = Writer::for_frame();
        encode_response_header(&mut writer, Self::API, api_version, correlation_id);
        self.encode(&mut writer, version)?;
        writer.finish_frame()
    }
}

fn read_body<T: Wire>(cursor: &mut Cursor<'_>, api: ApiKey, api_version: i16) -> Result<T, DecodeError> {
    let version = api.version(api_version).ok_or(Fault::UnknownVersion(api_version))?;
    let body = T::decode(cursor, version)?;
    cursor.finish().map_err(|error| error.at(api.name()))?;
    Ok(body)
}

fn writable(api: ApiKey, api_version: i16) -> Result<Version, EncodeError> {
    api.version(api_version).ok_or(EncodeError::UnknownVersion { api, version: api_version })
}

macro_rules! messages {
    ($($module:ident: $api:ident, $request:ident, $response:ident;)*) => {
        $(pub mod $module;)*
        $(pub use $module::{$request, $response};)*

        $(
            impl Request for $request {
                const API: ApiKey = ApiKey::$api;
                type Response = $response;
            }

            impl Response for $response {
                const API: ApiKey = ApiKey::$api;
            }
        )*

        /// A request of any API that the codec reads.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum AnyRequest {
            $(
                #[doc = concat!("A ", stringify!($api), " request.")]
                $api($request),
            )*
        }

        /// A response of any API that the codec reads.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum AnyResponse {
            $(
                #[doc = concat!("A ", stringify!($api), " response.")]
                $api($response),
            )*
        }

        impl AnyRequest {
            /// Reads the body that belongs to this header, to the frame's end.
            ///
            /// # Errors
            /// [`Fault::UnknownVersion`] also for APIs without a codec; otherwise as [`Request::read`].
            pub fn read(cursor: &mut Cursor<'_>, header: &RequestHeader) -> Result<Self, DecodeError> {
                match header.api {
                    $(ApiKey::$api => $request::read(cursor, header.api_version).map(Self::$api),)*
                    _ => Err(Fault::UnknownVersion(header.api_version).into()),
                }
            }

            /// Which API.
            #[must_use]
            pub const fn api(&self) -> ApiKey {
                match self {
                    $(Self::$api(_) => ApiKey::$api,)*
                }
            }

            /// The request as one frame; as [`Request::to_frame`].
            ///
            /// # Errors
            /// As [`Request::to_frame`].
            pub fn to_frame(
                &self,
                api_version: i16,
                correlation_id: i32,
                client_id: Option<Str>,
            ) -> Result<Rope, EncodeError> {
                match self {
                    $(Self::$api(request) => request.to_frame(api_version, correlation_id, client_id),)*
                }
            }
        }

        impl AnyResponse {
            /// Reads a header and the body of the API's response, to the frame's end.
            ///
            /// # Errors
            /// [`Fault::UnknownVersion`] also for APIs without a codec; otherwise as [`Response::read`].
            pub fn read(
                cursor: &mut Cursor<'_>,
                api: ApiKey,
                api_version: i16,
            ) -> Result<(i32, Self), DecodeError> {
                match api {
                    $(ApiKey::$api => $response::read(cursor, api_version).map(|(id, body)| (id, Self::$api(body))),)*
                    _ => Err(Fault::UnknownVersion(api_version).into()),
                }
            }

            /// Which API.
            #[must_use]
            pub const fn api(&self) -> ApiKey {
                match self {
                    $(Self::$api(_) => ApiKey::$api,)*
                }
            }

            /// The response as one frame; as [`Response::to_frame`].
            ///
            /// # Errors
            /// As [`Response::to_frame`].
            pub fn to_frame(&self, api_version: i16, correlation_id: i32) -> Result<Rope, EncodeError> {
                match self {
                    $(Self::$api(response) => response.to_frame(api_version, correlation_id),)*
                }
            }
        }

        /// Calls `check::<Request, Response>` style macros for every API; the one list for tests.
        #[cfg(test)]
        macro_rules! for_every_message {
            ($callback:ident) => {
                $callback! { $($module: $api, $request, $response;)* }
            };
        }
        #[cfg(test)]
        pub(crate) use for_every_message;
    };
}

messages! {
    produce: Produce, ProduceRequest, ProduceResponse;
    fetch: Fetch, FetchRequest, FetchResponse;
    list_offsets: ListOffsets, ListOffsetsRequest, ListOffsetsResponse;
    metadata: Metadata, MetadataRequest, MetadataResponse;
    offset_commit: OffsetCommit, OffsetCommitRequest, OffsetCommitResponse;
    offset_fetch: OffsetFetch, OffsetFetchRequest, OffsetFetchResponse;
    find_coordinator: FindCoordinator, FindCoordinatorRequest, FindCoordinatorResponse;
    join_group: JoinGroup, JoinGroupRequest, JoinGroupResponse;
    heartbeat: Heartbeat, HeartbeatRequest, HeartbeatResponse;
    leave_group: LeaveGroup, LeaveGroupRequest, LeaveGroupResponse;
    sync_group: SyncGroup, SyncGroupRequest, SyncGroupResponse;
    describe_groups: DescribeGroups, DescribeGroupsRequest, DescribeGroupsResponse;
    list_groups: ListGroups, ListGroupsRequest, ListGroupsResponse;
    sasl_handshake: SaslHandshake, SaslHandshakeRequest, SaslHandshakeResponse;
    api_versions: ApiVersions, ApiVersionsRequest, ApiVersionsResponse;
    create_topics: CreateTopics, CreateTopicsRequest, CreateTopicsResponse;
    delete_topics: DeleteTopics, DeleteTopicsRequest, DeleteTopicsResponse;
    delete_records: DeleteRecords, DeleteRecordsRequest, DeleteRecordsResponse;
    init_producer_id: InitProducerId, InitProducerIdRequest, InitProducerIdResponse;
    offset_for_leader_epoch: OffsetForLeaderEpoch, OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse;
    add_partitions_to_txn: AddPartitionsToTxn, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse;
    add_offsets_to_txn: AddOffsetsToTxn, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse;
    end_txn: EndTxn, EndTxnRequest, EndTxnResponse;
    txn_offset_commit: TxnOffsetCommit, TxnOffsetCommitRequest, TxnOffsetCommitResponse;
    describe_acls: DescribeAcls, DescribeAclsRequest, DescribeAclsResponse;
    create_acls: CreateAcls, CreateAclsRequest, CreateAclsResponse;
    delete_acls: DeleteAcls, DeleteAclsRequest, DeleteAclsResponse;
    describe_configs: DescribeConfigs, DescribeConfigsRequest, DescribeConfigsResponse;
    alter_configs: AlterConfigs, AlterConfigsRequest, AlterConfigsResponse;
    sasl_authenticate: SaslAuthenticate, SaslAuthenticateRequest, SaslAuthenticateResponse;
    create_partitions: CreatePartitions, CreatePartitionsRequest, CreatePartitionsResponse;
    delete_groups: DeleteGroups, DeleteGroupsRequest, DeleteGroupsResponse;
    incremental_alter_configs: IncrementalAlterConfigs, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse;
    offset_delete: OffsetDelete, OffsetDeleteRequest, OffsetDeleteResponse;
    describe_client_quotas: DescribeClientQuotas, DescribeClientQuotasRequest, DescribeClientQuotasResponse;
    alter_client_quotas: AlterClientQuotas, AlterClientQuotasRequest, AlterClientQuotasResponse;
    describe_user_scram_credentials: DescribeUserScramCredentials, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse;
    alter_user_scram_credentials: AlterUserScramCredentials, AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse;
    describe_quorum: DescribeQuorum, DescribeQuorumRequest, DescribeQuorumResponse;
    update_features: UpdateFeatures, UpdateFeaturesRequest, UpdateFeaturesResponse;
    alter_replica_log_dirs: AlterReplicaLogDirs, AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse;
    describe_log_dirs: DescribeLogDirs, DescribeLogDirsRequest, DescribeLogDirsResponse;
    elect_leaders: ElectLeaders, ElectLeadersRequest, ElectLeadersResponse;
    alter_partition_reassignments: AlterPartitionReassignments, AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse;
    list_partition_reassignments: ListPartitionReassignments, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse;
    describe_producers: DescribeProducers, DescribeProducersRequest, DescribeProducersResponse;
    list_config_resources: ListConfigResources, ListConfigResourcesRequest, ListConfigResourcesResponse;
    describe_cluster: DescribeCluster, DescribeClusterRequest, DescribeClusterResponse;
    describe_transactions: DescribeTransactions, DescribeTransactionsRequest, DescribeTransactionsResponse;
    list_transactions: ListTransactions, ListTransactionsRequest, ListTransactionsResponse;
    consumer_group_heartbeat: ConsumerGroupHeartbeat, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse;
    consumer_group_describe: ConsumerGroupDescribe, ConsumerGroupDescribeRequest, ConsumerGroupDescribeResponse;
    get_telemetry_subscriptions: GetTelemetrySubscriptions, GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse;
    push_telemetry: PushTelemetry, PushTelemetryRequest, PushTelemetryResponse;
    describe_topic_partitions: DescribeTopicPartitions, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse;
    share_group_heartbeat: ShareGroupHeartbeat, ShareGroupHeartbeatRequest, ShareGroupHeartbeatResponse;
    share_group_describe: ShareGroupDescribe, ShareGroupDescribeRequest, ShareGroupDescribeResponse;
    share_fetch: ShareFetch, ShareFetchRequest, ShareFetchResponse;
    share_acknowledge: ShareAcknowledge, ShareAcknowledgeRequest, ShareAcknowledgeResponse;
    streams_group_heartbeat: StreamsGroupHeartbeat, StreamsGroupHeartbeatRequest, StreamsGroupHeartbeatResponse;
    streams_group_describe: StreamsGroupDescribe, StreamsGroupDescribeRequest, StreamsGroupDescribeResponse;
    describe_share_group_offsets: DescribeShareGroupOffsets, DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsResponse;
    alter_share_group_offsets: AlterShareGroupOffsets, AlterShareGroupOffsetsRequest, AlterShareGroupOffsetsResponse;
    delete_share_group_offsets: DeleteShareGroupOffsets, DeleteShareGroupOffsetsRequest, DeleteShareGroupOffsetsResponse;
}

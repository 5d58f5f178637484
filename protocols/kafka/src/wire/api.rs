//! Every API key there is: what we serve of it, or why we refuse it. The one source for the decoder, for ApiVersions replies and
//! for docs/protocols/kafka.md (a test compares).

use std::fmt;
use std::ops::Range;

use super::field::{Form, Version};
use super::messages::api_versions::ApiVersion;

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Which API.
    pub key: ApiKey,
    /// In which versions it writes lengths how.
    pub forms: Forms,
    /// Versions whose messages the codec can read and write; empty for none.
    pub decodes: Range<i16>,
    /// What becomes of a request.
    pub standing: Standing,
}

/// How lengths are written, by version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forms {
    /// In the classic form in every version.
    Classic,
    /// In the compact form from this version on.
    CompactFrom(i16),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is served.
    Served {
        /// In these versions.
        versions: Range<i16>,
        /// ApiVersions replies claim service from this version on. It lies below `versions` for Produce alone: most librdkafka
        /// releases send uncompressed batches to a broker that does not claim Produce version 0. Requests in the versions
        /// between are answered with `UNSUPPORTED_VERSION`.
        advertised_from: i16,
    },
    /// It is not advertised; a client that sends it all the same loses its connection, as it would with Apache Kafka.
    Refused(Refusal),
}

/// Why an API is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Brokers and controllers of Apache Kafka speak it among themselves; our nodes have their own way.
    BetweenBrokers,
    /// Delegation tokens come later.
    DelegationTokens,
    /// Nodes and voters do not come and go by a client's word.
    Quorum,
    /// Streams groups (KIP-1071) come later; Kafka Streams falls back to classic groups.
    StreamsGroups,
    /// Client telemetry is off: clients that do not see these keys send none.
    Telemetry,
}

macro_rules! api_table {
    ($($number:literal $name:ident, $forms:expr, $decodes:expr, $standing:expr;)*) => {
        /// An API by its key.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ApiKey {
            $(
                #[doc = concat!(stringify!($name), ", key ", stringify!($number), ".")]
                $name = $number,
            )*
        }

        /// All keys, in order: the row of a key is at the key's number.
        pub const APIS: &[Api] = &[$(
            Api { key: ApiKey::$name, forms: $forms, decodes: $decodes, standing: $standing },
        )*];

        impl ApiKey {
            /// Kafka's name for it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

// Columns: key, name, forms, versions the codec decodes, standing. Ranges are half-open.
api_table! {
    0 Produce, Forms::CompactFrom(9), 0..14, served(3..14).advertised_from(0);
    1 Fetch, Forms::CompactFrom(12), 4..19, served(4..19);
    2 ListOffsets, Forms::CompactFrom(6), 1..12, served(1..12);
    3 Metadata, Forms::CompactFrom(9), 0..14, served(0..14);
    4 LeaderAndIsr, Forms::CompactFrom(4), 0..0, refused(Refusal::BetweenBrokers);
    5 StopReplica, Forms::CompactFrom(2), 0..0, refused(Refusal::BetweenBrokers);
    6 UpdateMetadata, Forms::CompactFrom(6), 0..0, refused(Refusal::BetweenBrokers);
    7 ControlledShutdown, Forms::CompactFrom(3), 0..0, refused(Refusal::BetweenBrokers);
    8 OffsetCommit, Forms::CompactFrom(8), 2..11, served(2..11);
    9 OffsetFetch, Forms::CompactFrom(6), 1..11, served(1..11);
    10 FindCoordinator, Forms::CompactFrom(3), 0..7, served(0..7);
    11 JoinGroup, Forms::CompactFrom(6), 0..10, served(0..10);
    12 Heartbeat, Forms::CompactFrom(4), 0..5, served(0..5);
    13 LeaveGroup, Forms::CompactFrom(4), 0..6, served(0..6);
    14 SyncGroup, Forms::CompactFrom(4), 0..6, served(0..6);
    15 DescribeGroups, Forms::CompactFrom(5), 0..7, served(0..7);
    16 ListGroups, Forms::CompactFrom(3), 0..6, served(0..6);
    17 SaslHandshake, Forms::Classic, 0..2, served(0..2);
    18 ApiVersions, Forms::CompactFrom(3), 0..5, served(0..5);
    19 CreateTopics, Forms::CompactFrom(5), 2..8, served(2..8);
    20 DeleteTopics, Forms::CompactFrom(4), 1..7, served(1..7);
    21 DeleteRecords, Forms::CompactFrom(2), 0..3, served(0..3);
    22 InitProducerId, Forms::CompactFrom(2), 0..6, served(0..6);
    23 OffsetForLeaderEpoch, Forms::CompactFrom(4), 2..5, served(2..5);
    24 AddPartitionsToTxn, Forms::CompactFrom(3), 0..6, served(0..4);
    25 AddOffsetsToTxn, Forms::CompactFrom(3), 0..5, served(0..5);
    26 EndTxn, Forms::CompactFrom(3), 0..6, served(0..6);
    27 WriteTxnMarkers, Forms::CompactFrom(1), 0..0, refused(Refusal::BetweenBrokers);
    28 TxnOffsetCommit, Forms::CompactFrom(3), 0..6, served(0..6);
    29 DescribeAcls, Forms::CompactFrom(2), 1..4, served(1..4);
    30 CreateAcls, Forms::CompactFrom(2), 1..4, served(1..4);
    31 DeleteAcls, Forms::CompactFrom(2), 1..4, served(1..4);
    32 DescribeConfigs, Forms::CompactFrom(4), 1..5, served(1..5);
    33 AlterConfigs, Forms::CompactFrom(2), 0..3, served(0..3);
    34 AlterReplicaLogDirs, Forms::CompactFrom(2), 1..3, served(1..3);
    35 DescribeLogDirs, Forms::CompactFrom(2), 1..6, served(1..6);
    36 SaslAuthenticate, Forms::CompactFrom(2), 0..3, served(0..3);
    37 CreatePartitions, Forms::CompactFrom(2), 0..4, served(0..4);
    38 CreateDelegationToken, Forms::CompactFrom(2), 0..0, refused(Refusal::DelegationTokens);
    39 RenewDelegationToken, Forms::CompactFrom(2), 0..0, refused(Refusal::DelegationTokens);
    40 ExpireDelegationToken, Forms::CompactFrom(2), 0..0, refused(Refusal::DelegationTokens);
    41 DescribeDelegationToken, Forms::CompactFrom(2), 0..0, refused(Refusal::DelegationTokens);
    42 DeleteGroups, Forms::CompactFrom(2), 0..3, served(0..3);
    43 ElectLeaders, Forms::CompactFrom(2), 0..3, served(0..3);
    44 IncrementalAlterConfigs, Forms::CompactFrom(1), 0..2, served(0..2);
    45 AlterPartitionReassignments, Forms::CompactFrom(0), 0..2, served(0..2);
    46 ListPartitionReassignments, Forms::CompactFrom(0), 0..1, served(0..1);
    47 OffsetDelete, Forms::Classic, 0..1, served(0..1);
    48 DescribeClientQuotas, Forms::CompactFrom(1), 0..2, served(0..2);
    49 AlterClientQuotas, Forms::CompactFrom(1), 0..2, served(0..2);
    50 DescribeUserScramCredentials, Forms::CompactFrom(0), 0..1, served(0..1);
    51 AlterUserScramCredentials, Forms::CompactFrom(0), 0..1, served(0..1);
    52 Vote, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    53 BeginQuorumEpoch, Forms::CompactFrom(1), 0..0, refused(Refusal::BetweenBrokers);
    54 EndQuorumEpoch, Forms::CompactFrom(1), 0..0, refused(Refusal::BetweenBrokers);
    55 DescribeQuorum, Forms::CompactFrom(0), 0..3, served(0..3);
    56 AlterPartition, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    57 UpdateFeatures, Forms::CompactFrom(0), 0..3, served(0..3);
    58 Envelope, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    59 FetchSnapshot, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    60 DescribeCluster, Forms::CompactFrom(0), 0..3, served(0..3);
    61 DescribeProducers, Forms::CompactFrom(0), 0..1, served(0..1);
    62 BrokerRegistration, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    63 BrokerHeartbeat, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    64 UnregisterBroker, Forms::CompactFrom(0), 0..0, refused(Refusal::Quorum);
    65 DescribeTransactions, Forms::CompactFrom(0), 0..1, served(0..1);
    66 ListTransactions, Forms::CompactFrom(0), 0..3, served(0..3);
    67 AllocateProducerIds, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    68 ConsumerGroupHeartbeat, Forms::CompactFrom(0), 0..2, served(0..2);
    69 ConsumerGroupDescribe, Forms::CompactFrom(0), 0..2, served(0..2);
    70 ControllerRegistration, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    71 GetTelemetrySubscriptions, Forms::CompactFrom(0), 0..1, refused(Refusal::Telemetry);
    72 PushTelemetry, Forms::CompactFrom(0), 0..1, refused(Refusal::Telemetry);
    73 AssignReplicasToDirs, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    74 ListConfigResources, Forms::CompactFrom(0), 0..2, served(0..2);
    75 DescribeTopicPartitions, Forms::CompactFrom(0), 0..1, served(0..1);
    76 ShareGroupHeartbeat, Forms::CompactFrom(0), 1..2, served(1..2);
    77 ShareGroupDescribe, Forms::CompactFrom(0), 1..2, served(1..2);
    78 ShareFetch, Forms::CompactFrom(0), 1..3, served(1..3);
    79 ShareAcknowledge, Forms::CompactFrom(0), 1..3, served(1..3);
    80 AddRaftVoter, Forms::CompactFrom(0), 0..0, refused(Refusal::Quorum);
    81 RemoveRaftVoter, Forms::CompactFrom(0), 0..0, refused(Refusal::Quorum);
    82 UpdateRaftVoter, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    83 InitializeShareGroupState, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    84 ReadShareGroupState, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    85 WriteShareGroupState, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    86 DeleteShareGroupState, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    87 ReadShareGroupStateSummary, Forms::CompactFrom(0), 0..0, refused(Refusal::BetweenBrokers);
    88 StreamsGroupHeartbeat, Forms::CompactFrom(0), 0..1, refused(Refusal::StreamsGroups);
    89 StreamsGroupDescribe, Forms::CompactFrom(0), 0..1, refused(Refusal::StreamsGroups);
    90 DescribeShareGroupOffsets, Forms::CompactFrom(0), 0..2, served(0..2);
    91 AlterShareGroupOffsets, Forms::CompactFrom(0), 0..1, served(0..1);
    92 DeleteShareGroupOffsets, Forms::CompactFrom(0), 0..1, served(0..1);

}

impl Standing {
    /// Puts the advertised range's start below the served one's.
    const fn advertised_from(self, first: i16) -> Self {
        match self {
            Self::Served { versions, .. } => Self::Served { versions, advertised_from: first },
            Self::Refused(_) => self,
        }
    }
}

const fn served(versions: Range<i16>) -> Standing {
    let advertised_from = versions.start;
    Standing::Served { versions, advertised_from }
}

const fn refused(why: Refusal) -> Standing {
    Standing::Refused(why)
}

impl ApiKey {
    /// The API with this key, if there is one.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        APIS.get(usize::try_from(number).ok()?).map(|api| api.key)
    }

    /// The key on the wire.
    #[must_use]
    pub const fn number(self) -> i16 {
        self as i16
    }

    /// Its row of the table.
    #[must_use]
    pub fn api(self) -> &'static Api {
        &APIS[self as usize]
    }

    /// How lengths are written in this version, known or not.
    #[must_use]
    pub fn form(self, api_version: i16) -> Form {
        match self.api().forms {
            Forms::CompactFrom(first) if api_version >= first => Form::Compact,
            _ => Form::Classic,
        }
    }

    /// The version, if the codec can read and write it.
    #[must_use]
    pub fn version(self, api_version: i16) -> Option<Version> {
        let decodes = self.api().decodes.contains(&api_version);
        decodes.then(|| Version { number: api_version, form: self.form(api_version) })
    }
}

impl Api {
    /// Whether a request in this version is served.
    #[must_use]
    pub fn serves(&self, api_version: i16) -> bool {
        matches!(&self.standing, Standing::Served { versions, .. } if versions.contains(&api_version))
    }

    /// The first and the last version (inclusive, as the wire has it) that an ApiVersions reply claims; `None` for a refused API.
    #[must_use]
    pub fn advertised(&self) -> Option<(i16, i16)> {
        match &self.standing {
            Standing::Served { versions, advertised_from } => Some((*advertised_from, versions.end - 1)),
            Standing::Refused(_) => None,
        }
    }
}

/// What an ApiVersions reply lists: exactly the APIs that are served.
#[must_use]
pub fn advertised() -> Vec<ApiVersion> {
    APIS.iter()
        .filter_map(|api| {
            let (min_version, max_version) = api.advertised()?;
            Some(ApiVersion { api_key: api.key.number(), min_version, max_version })
        })
        .collect()
}

impl Refusal {
    /// The reason, for logs and documentation.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::BetweenBrokers => "spoken between Apache's own brokers only",
            Self::DelegationTokens => "delegation tokens come later",
            Self::Quorum => "clients cannot change who belongs to the cluster",
            Self::StreamsGroups => "streams groups come later; classic groups are served",
            Self::Telemetry => "client telemetry is off",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

//! What holds for every sequence of commands.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use forebay_machine::*;
use forebay_model::exchange::{
    Argument, Arguments, Binding, Declaration, Destination, ExchangeKind, ExchangeName, HeaderValue,
    QueueName, RoutingKey,
};
use forebay_model::fetch::Isolation;
use forebay_model::publish::PayloadKind;
use forebay_model::queue::{NamespaceName, QueueDeclaration, QueueSettings};
use forebay_model::quota::{QuotaChange, QuotaEntity, QuotaName};
use forebay_model::subscription::{AttendanceChange, OffsetRange, Settlement, StartAt, SubscriptionChange};
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::*;
use proptest::prelude::*;

/// One entry: how far time and term go on, and its commands.
type Entry = (i64, u64, Vec<Command>);

fn partition() -> impl Strategy<Value = PartitionId> {
    (0..6u64).prop_map(PartitionId)
}

fn topic() -> impl Strategy<Value = TopicId> {
    (0..4u8).prop_map(|n| TopicId([n; 16]))
}

fn group() -> impl Strategy<Value = GroupId> {
    prop::sample::select(vec!["", "a", "b", "c"]).prop_map(|name| GroupId(name.into()))
}

fn shards() -> impl Strategy<Value = Vec<ShardId>> {
    prop::collection::vec((0..3u32).prop_map(ShardId), 0..4)
}

fn topic_settings() -> impl Strategy<Value = TopicSettings> {
    let flush = prop::option::of(prop::sample::select(vec![FlushClass::Sync, FlushClass::Async]));
    let kept = || prop::option::of(prop::option::of(any::<u64>()));
    (kept(), kept(), prop::option::of(any::<u32>()), prop::option::of(timestamp_type()), flush).prop_map(
        |(retention_ms, retention_bytes, message_bytes_max, timestamp_type, flush)| TopicSettings {
            retention_ms,
            retention_bytes,
            message_bytes_max,
            timestamp_type,
            flush,
            cleanup: CleanupSettings::default(),
            intake: IntakeSettings::default(),
        },
    )
}

/// Exchanges, queues and bindings of a small world, and a namespace that is not there.
fn route() -> impl Strategy<Value = Route> {
    let namespace = prop_oneof![9 => Just("/"), 1 => Just("elsewhere")];
    let exchange = || prop::sample::select(vec!["", "x", "y", "amq.topic"]);
    let queue =
        || prop::sample::select(vec!["q", "a queue"]).prop_map(|name| QueueName::parse(name).unwrap());
    let destination = prop_oneof![
        queue().prop_map(Destination::Queue),
        exchange().prop_map(|name| Destination::Exchange(ExchangeName::parse(name).unwrap())),
    ];
    let binding = (exchange(), destination, 0..2u8).prop_map(|(source, destination, key)| Binding {
        source: ExchangeName::parse(source).unwrap(),
        destination,
        key: RoutingKey::from(&[key][..]),
        arguments: Arguments::new(&[Argument::new("n", HeaderValue::Integer(key.into()))]).unwrap(),
    });
    let kind = prop::sample::select(vec![ExchangeKind::Fanout, ExchangeKind::Topic]);
    let declare = (exchange(), kind, any::<bool>()).prop_map(|(name, kind, auto_delete)| Declaration {
        name: ExchangeName::parse(name).unwrap(),
        kind,
        durable: true,
        auto_delete,
        internal: false,
        arguments: Arguments::default(),
    });
    let create = (queue(), topic(), 0..3u32, prop::option::of(0..30u16), stay()).prop_map(
        |(name, id, shard, tries, stay)| {
            let settings = QueueSettings {
                attempts_max: tries.map(Attempts),
                lease_ms: tries.map(u32::from),
                expires_ms: tries.map(u64::from),
                single_active: tries == Some(1),
            };
            let auto_delete = shard == 1;
            let declaration = QueueDeclaration { settings, auto_delete, ..QueueDeclaration::of(name) };
            RouteChange::CreateQueue(CreateQueue { declaration, id, shard: ShardId(shard), stay })
        },
    );
    let end = (process(), any::<bool>()).prop_map(|(process, before)| match before {
        true => EndOfStay::Before(process),
        false => EndOfStay::Connection(process, process.run),
    });
    let change = prop_oneof![
        3 => declare.prop_map(RouteChange::DeclareExchange),
        1 => (exchange(), any::<bool>()).prop_map(|(name, if_unused)| RouteChange::DeleteExchange {
            name: ExchangeName::parse(name).unwrap(),
            if_unused
        }),
        4 => binding.clone().prop_map(RouteChange::Bind),
        2 => binding.prop_map(RouteChange::Unbind),
        3 => create,
        1 => end.prop_map(RouteChange::EndStays),
    ];
    (namespace, change)
        .prop_map(|(namespace, change)| Route { namespace: NamespaceName::parse(namespace).unwrap(), change })
}

fn process() -> impl Strategy<Value = Process> {
    (1..3u64, 0..2u64).prop_map(|(node, run)| Process { node: NodeId(node), run })
}

fn stay() -> impl Strategy<Value = Stay> {
    prop_oneof![
        Just(Stay::ForEver),
        process().prop_map(Stay::Process),
        process().prop_map(|process| Stay::Connection(process, process.run)),
    ]
}

fn policy() -> impl Strategy<Value = CleanupPolicy> {
    let all = vec![
        CleanupPolicy::Delete,
        CleanupPolicy::Compact,
        CleanupPolicy::CompactAndDelete,
        CleanupPolicy::Never,
    ];
    prop::sample::select(all)
}

fn ratio() -> impl Strategy<Value = Ratio> {
    (0..=1_000_000u32).prop_map(|millionths| Ratio::from_millionths(millionths).unwrap())
}

fn cleanup() -> impl Strategy<Value = CleanupSettings> {
    let ms = || prop::option::of(any::<u64>());
    (prop::option::of(policy()), ms(), ms(), ms(), prop::option::of(ratio()), (ms(), ms())).prop_map(
        |(policy, tombstone_ms, lag_ms_min, lag_ms_max, dirty_ratio_min, (fresh_bytes, fresh_ms))| {
            CleanupSettings {
                policy,
                tombstone_ms,
                lag_ms_min,
                lag_ms_max,
                dirty_ratio_min,
                fresh_bytes,
                fresh_ms,
            }
        },
    )
}

fn compression() -> impl Strategy<Value = Compression> {
    let all = vec![
        Compression::Producer,
        Compression::Uncompressed,
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];
    prop::sample::select(all)
}

fn gzip_level() -> impl Strategy<Value = Option<GzipLevel>> {
    (0..=9).prop_map(GzipLevel::of)
}

fn zstd_level() -> impl Strategy<Value = ZstdLevel> {
    (-131_072..=22).prop_map(|level| ZstdLevel::of(level).unwrap())
}

fn intake() -> impl Strategy<Value = IntakeSettings> {
    let ms = || prop::option::of(any::<u64>());
    let levels = (prop::option::of(gzip_level()), prop::option::of(zstd_level()));
    (ms(), ms(), prop::option::of(compression()), levels).prop_map(
        |(before_ms_max, after_ms_max, compression, (gzip_level, zstd_level))| IntakeSettings {
            before_ms_max,
            after_ms_max,
            compression,
            gzip_level,
            zstd_level,
        },
    )
}

fn intake_change() -> impl Strategy<Value = IntakeChange> {
    let ms = || setting_change(any::<u64>());
    let levels = (setting_change(gzip_level()), setting_change(zstd_level()));
    (ms(), ms(), setting_change(compression()), levels).prop_map(
        |(before_ms_max, after_ms_max, compression, (gzip_level, zstd_level))| IntakeChange {
            before_ms_max,
            after_ms_max,
            compression,
            gzip_level,
            zstd_level,
        },
    )
}

/// A topic's settings with how its records go and what it takes in.
fn all_settings() -> impl Strategy<Value = TopicSettings> {
    let cleanup = prop_oneof![Just(CleanupSettings::default()), cleanup()];
    let intake = prop_oneof![Just(IntakeSettings::default()), intake()];
    (topic_settings(), cleanup, intake).prop_map(|(settings, cleanup, intake)| TopicSettings {
        cleanup,
        intake,
        ..settings
    })
}

fn cleanup_change() -> impl Strategy<Value = CleanupChange> {
    let ms = || setting_change(any::<u64>());
    // Taking ways away may leave none, which is refused: a script has it.
    let policy = prop_oneof![
        Just(PolicyChange::Keep),
        Just(PolicyChange::Clear),
        policy().prop_map(PolicyChange::Set),
        policy().prop_map(PolicyChange::Add),
    ];
    (policy, ms(), ms(), ms(), setting_change(ratio()), (ms(), ms())).prop_map(
        |(policy, tombstone_ms, lag_ms_min, lag_ms_max, dirty_ratio_min, (fresh_bytes, fresh_ms))| {
            CleanupChange {
                policy,
                tombstone_ms,
                lag_ms_min,
                lag_ms_max,
                dirty_ratio_min,
                fresh_bytes,
                fresh_ms,
            }
        },
    )
}

fn compaction() -> impl Strategy<Value = Compaction> {
    (0..5_000u64, any::<u64>(), any::<u64>(), ratio(), any::<u64>(), any::<u64>()).prop_map(
        |(tombstone_ms, lag_ms_min, lag_ms_max, dirty_ratio_min, fresh_bytes, fresh_ms)| Compaction {
            tombstone_ms,
            lag_ms_min,
            lag_ms_max,
            dirty_ratio_min,
            fresh_bytes,
            fresh_ms,
        },
    )
}

fn compacted() -> impl Strategy<Value = CompactedPartition> {
    (partition(), 0..200u64, prop::option::of(0..100u64)).prop_map(|(partition, freed_bytes, clean_end)| {
        CompactedPartition { partition, freed_bytes, clean_end: clean_end.map(Offset) }
    })
}

fn setting_change<T: Clone + std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = SettingChange<T>> {
    prop_oneof![Just(SettingChange::Keep), Just(SettingChange::Clear), value.prop_map(SettingChange::Set),]
}

fn settings_change() -> impl Strategy<Value = SettingsChange> {
    let kept = || setting_change(prop::option::of(any::<u64>()));
    let flush = setting_change(prop::sample::select(vec![FlushClass::Sync, FlushClass::Async]));
    let cleanup = prop_oneof![Just(CleanupChange::default()), cleanup_change()];
    let intake = prop_oneof![Just(IntakeChange::default()), intake_change()];
    let records = (setting_change(any::<u32>()), setting_change(timestamp_type()));
    (kept(), kept(), records, flush, cleanup, intake).prop_map(
        |(retention_ms, retention_bytes, (message_bytes_max, timestamp_type), flush, cleanup, intake)| {
            SettingsChange {
                retention_ms,
                retention_bytes,
                message_bytes_max,
                timestamp_type,
                flush,
                cleanup,
                intake,
            }
        },
    )
}

fn timestamp_type() -> impl Strategy<Value = TimestampType> {
    prop::sample::select(vec![TimestampType::Create, TimestampType::Append])
}

fn open() -> impl Strategy<Value = OpenPartition> {
    let settings =
        (prop::option::of(any::<u64>()), prop::option::of(any::<u64>()), 50..200u32, timestamp_type());
    let settings = (settings, prop::option::weighted(0.2, compaction()));
    let settings = settings.prop_map(
        |((retention_ms, retention_bytes, message_bytes_max, timestamp_type), compaction)| {
            PartitionSettings {
                retention_ms,
                retention_bytes,
                message_bytes_max,
                timestamp_type,
                compaction,
                queue: None,
            }
        },
    );
    (0..5u64, partition(), topic(), settings, 0..3u32).prop_map(
        |(catalogue_version, partition, topic, settings, base_epoch)| OpenPartition {
            catalogue_version,
            partition,
            topic,
            number: partition.0 as u32,
            settings,
            base_epoch: LeaderEpoch(base_epoch),
        },
    )
}

fn append() -> impl Strategy<Value = Append> {
    let which = prop_oneof![
        20 => Just(Which::All),
        1 => prop::collection::vec(any::<u8>(), 0..4).prop_map(|b| Which::Some(Bytes::from(b))),
    ];
    let producer = (0..3i64, 0..3i16, 0..12i32).prop_map(|(id, epoch, sequence)| ProducerStamp {
        id: ProducerId(id),
        epoch: ProducerEpoch(epoch),
        base_sequence: BatchSequence(sequence),
    });
    let parts =
        prop::collection::vec((any::<u64>().prop_map(LogIndex), any::<u32>().prop_map(SlotNumber)), 0..3);
    (
        prop::collection::vec((partition(), which), 1..3),
        any::<u32>().prop_map(SlotNumber),
        prop::sample::select(vec![PayloadKind::RecordBatch, PayloadKind::MessageBatch]),
        0..4u32,
        0..150u32,
        (-1..5_000i64).prop_map(Timestamp),
        prop::option::of((0..5_000i64).prop_map(Timestamp)),
        prop::option::of((producer, prop::option::weighted(0.3, joining()))),
        parts,
    )
        .prop_map(|(targets, slot, kind, count, bytes, max_timestamp, append_time, producer, parts)| {
            let transaction = producer.and_then(|(_, transaction)| transaction);
            let producer = producer.map(|(producer, _)| producer);
            Append {
                targets: targets.into(),
                slot,
                kind,
                count,
                bytes,
                max_timestamp,
                append_time,
                producer,
                transaction,
                import: None,
                parts,
            }
        })
}

fn rules() -> impl Strategy<Value = Vec<acl::Acl>> {
    let pattern = prop::sample::select(vec![acl::Pattern::Literal, acl::Pattern::Prefixed]);
    let permission = prop::sample::select(vec![acl::Permission::Deny, acl::Permission::Allow]);
    let name = prop::sample::select(vec!["", "a", "ab", "*"]);
    let rule = (pattern, permission, name).prop_map(|(pattern, permission, name)| acl::Acl {
        kind: acl::ResourceKind::Topic,
        pattern,
        name: name.into(),
        principal: "User:alice".into(),
        host: "*".into(),
        operation: acl::Operation::Read,
        permission,
    });
    prop::collection::vec(rule, 0..3)
}

fn imported() -> impl Strategy<Value = Command> {
    let transaction = (0..3i64, 0..3u8).prop_map(|(producer, kind)| match kind {
        0 => ImportedTransaction::Records(ProducerId(producer)),
        1 => ImportedTransaction::Mark(ProducerId(producer), Decision::Commit),
        _ => ImportedTransaction::Mark(ProducerId(producer), Decision::Abort),
    });
    let place = (0..20u64, 0..4u64, prop::option::of(transaction));
    prop_oneof![
        6 => (append(), place).prop_map(|(append, (after, gap, transaction))| {
            let (after, at) = (Offset(after), Offset(after + gap));
            let import = Some(Imported { after, at, transaction });
            Command::Append(Append { producer: None, append_time: None, transaction: None, import, ..append })
        }),
        3 => (partition(), "[ab]?", 0..20u64).prop_map(|(partition, source, start)| {
            Command::BeginImport(BeginImport { partition, source, start: Offset(start) })
        }),
        1 => (partition(), 0..20u64).prop_map(|(partition, end)| {
            Command::EndImport { partition, end: Offset(end) }
        }),
    ]
}

fn joining() -> impl Strategy<Value = Joining> {
    prop::sample::select(vec![Joining::Before, Joining::Now])
}

fn transactional_id() -> impl Strategy<Value = TransactionalId> {
    prop::sample::select(vec!["", "t", "u"]).prop_map(|name| TransactionalId(name.into()))
}

fn instance() -> impl Strategy<Value = Instance> {
    (0..3i64, 0..3i16).prop_map(|(id, epoch)| (ProducerId(id), ProducerEpoch(epoch)))
}

fn spare() -> impl Strategy<Value = ProducerId> {
    (-1..4i64).prop_map(ProducerId)
}

fn span() -> impl Strategy<Value = Span> {
    (prop::collection::btree_set(partition(), 0..3), prop::collection::btree_set(group(), 0..2))
        .prop_map(|(partitions, groups)| Span { partitions, groups })
}

fn elsewhere() -> impl Strategy<Value = Vec<(ShardId, Span)>> {
    prop::collection::vec(((0..3u32).prop_map(ShardId), span()), 0..3)
}

fn relayed_end() -> impl Strategy<Value = RelayedEnd> {
    let decision = prop::sample::select(vec![Decision::Commit, Decision::Abort]);
    (transactional_id(), instance(), instance(), 0..60u64, decision, span()).prop_map(
        |(id, instance, next, begun, decision, span)| RelayedEnd {
            id,
            instance,
            next,
            begun: LogIndex(begun),
            decision,
            span,
        },
    )
}

fn transactional() -> impl Strategy<Value = Command> {
    let next =
        prop_oneof![Just(Next::Same), spare().prop_map(|spare| Next::Raised { spare }), Just(Next::Fenced),];
    let decision = prop::sample::select(vec![Decision::Commit, Decision::Abort]);
    let partitions = prop::collection::vec(partition(), 0..3);
    let groups = prop::collection::vec(group(), 0..2);
    prop_oneof![
        3 => (transactional_id(), 0..5_000u32, prop::option::of(instance()), spare()).prop_map(
            |(id, timeout_ms, present, spare)| {
                Command::OpenProducer(OpenProducer { id, timeout_ms, present, spare })
            }
        ),
        3 => (transactional_id(), instance(), partitions, groups, elsewhere()).prop_map(
            |(id, instance, partitions, groups, elsewhere)| {
                Command::JoinTransaction(JoinTransaction { id, instance, partitions, groups, elsewhere })
            }
        ),
        2 => (instance(), 0..60u64, span()).prop_map(|(instance, begun, span)| {
            Command::AdmitGuest(AdmitGuest { instance, begun: LogIndex(begun), span })
        }),
        2 => (1..4u64, relayed_end(), any::<u32>().prop_map(SlotNumber), 0..100u32).prop_map(
            |(number, item, mark, mark_bytes)| {
                Command::Relay(Relay { source: ShardId(5), number, item, mark, mark_bytes })
            }
        ),
        1 => (1..3u32, 0..4u64).prop_map(|(target, up_to)| {
            Command::Relayed { target: ShardId(target), up_to }
        }),
        2 => (instance(), joining(), save_offsets()).prop_map(|(instance, joining, save)| {
            Command::HoldOffsets(HoldOffsets { instance, joining, save })
        }),
        3 => (transactional_id(), instance(), decision, next, any::<u32>().prop_map(SlotNumber), 0..100u32).prop_map(
            |(id, instance, decision, next, mark, mark_bytes)| {
                Command::EndTransaction(EndTransaction { id, instance, decision, next, mark, mark_bytes })
            }
        ),
    ]
}

fn subscription_key() -> impl Strategy<Value = SubscriptionKey> {
    (partition(), group()).prop_map(|(partition, name)| SubscriptionKey { partition, name })
}

fn start_at() -> impl Strategy<Value = StartAt> {
    prop_oneof![
        Just(StartAt::Earliest),
        Just(StartAt::Latest),
        (0..40u64).prop_map(|offset| StartAt::Offset(Offset(offset))),
        (0..40u64).prop_map(|ms| StartAt::NoOlderThan { ms }),
    ]
}

fn settled() -> impl Strategy<Value = Settled> {
    let how = prop::sample::select(vec![
        Settlement::Accept,
        Settlement::Release { counts: true },
        Settlement::Release { counts: false },
        Settlement::Reject,
    ]);
    (0..40u64, 0..6u64, how).prop_map(|(first, more, how)| Settled {
        range: OffsetRange { first: Offset(first), last: Offset(first + more) },
        how,
    })
}

/// Entries begin behind 5: `since` is right now and then.
fn since() -> impl Strategy<Value = LogIndex> {
    (6..20u64).prop_map(LogIndex)
}

fn subscription_change() -> impl Strategy<Value = SubscriptionChange> {
    let number = || setting_change(any::<u32>());
    let isolation = prop::sample::select(vec![Isolation::Uncommitted, Isolation::Committed]);
    let attempts = any::<u16>().prop_map(Attempts);
    (
        (number(), number(), number(), number()),
        (setting_change(attempts), setting_change(start_at())),
        (setting_change(isolation), setting_change(any::<bool>())),
        (number(), number()),
    )
        .prop_map(
            |((heartbeat_interval_ms, session_timeout_ms, lease_ms, span_max), more, rest, of_group)| {
                let ((attempts_max, begin), (isolation, renews)) = (more, rest);
                let attendance =
                    AttendanceChange { heartbeat_interval_ms: of_group.0, session_timeout_ms: of_group.1 };
                SubscriptionChange {
                    heartbeat_interval_ms,
                    session_timeout_ms,
                    lease_ms,
                    attempts_max,
                    span_max,
                    begin,
                    isolation,
                    renews,
                    attendance,
                }
            },
        )
}

fn subscribing() -> impl Strategy<Value = Command> {
    prop_oneof![
        1 => (group(), subscription_change())
            .prop_map(|(name, change)| Command::AlterSubscription { name, change }),
        4 => (subscription_key(), start_at(), prop::bool::weighted(0.25))
            .prop_map(|(subscription, at, anew)| Command::OpenSubscription { subscription, at, anew }),
        1 => subscription_key().prop_map(|subscription| Command::DropSubscription { subscription }),
        6 => (subscription_key(), since(), prop::collection::vec(settled(), 0..4)).prop_map(
            |(subscription, since, settled)| Command::Settle(Settle { subscription, since, settled })
        ),
        6 => (subscription_key(), since(), 0..50u64, 0..4u16).prop_map(
            |(subscription, since, up_to, attempts)| Command::DeliveredUpTo(DeliveredUpTo {
                subscription,
                since,
                up_to: Offset(up_to),
                attempts_max: Attempts(attempts),
            })
        ),
    ]
}

fn member() -> impl Strategy<Value = Member> {
    ("[a-c]", prop::option::of("[x-z]"), any::<u32>(), any::<u32>(), prop::collection::vec(any::<u8>(), 0..9))
        .prop_map(|(id, instance, session_timeout_ms, rebalance_timeout_ms, bytes)| Member {
            id,
            instance,
            client: "client".into(),
            host: "host".into(),
            session_timeout_ms,
            rebalance_timeout_ms,
            metadata: Bytes::from(bytes.clone()),
            assignment: Bytes::from(bytes),
        })
}

fn save_generation() -> impl Strategy<Value = SaveGeneration> {
    (group(), 0..4i32, "[a-c]?", prop::collection::vec(member(), 0..3)).prop_map(
        |(group, generation, leader, members)| SaveGeneration {
            group,
            generation,
            kind: "consumer".into(),
            strategy: "range".into(),
            leader,
            members,
        },
    )
}

fn save_offsets() -> impl Strategy<Value = SaveOffsets> {
    let offset = (topic(), 0..3u32, any::<u64>(), prop::option::of(any::<u32>()), 0..5_000usize).prop_map(
        |(topic, number, offset, epoch, metadata)| SavedOffset {
            topic,
            number,
            offset: Offset(offset),
            leader_epoch: epoch.map(LeaderEpoch),
            metadata: "m".repeat(metadata),
        },
    );
    (group(), prop::collection::vec(offset, 0..4)).prop_map(|(group, offsets)| SaveOffsets { group, offsets })
}

fn quota_change() -> impl Strategy<Value = QuotaChange> {
    let name = || {
        prop_oneof![
            Just(None),
            Just(Some(QuotaName::Default)),
            prop::sample::select(vec!["", "a", "b"]).prop_map(|name| Some(QuotaName::Named(name.into()))),
        ]
    };
    let rate = || {
        prop_oneof![
            Just(SettingChange::Keep),
            Just(SettingChange::Clear),
            (1..9u64).prop_map(SettingChange::Set),
        ]
    };
    let entity = prop_oneof![
        3 => (name(), name()).prop_map(|(user, client)| QuotaEntity::Client { user, client }),
        1 => name().prop_map(|name| QuotaEntity::Address(name.unwrap_or(QuotaName::Default))),
    ];
    (entity, rate(), rate(), rate(), rate()).prop_map(
        |(entity, publish_bytes, read_bytes, work_nanos, connections)| QuotaChange {
            entity,
            publish_bytes,
            read_bytes,
            work_nanos,
            connections,
        },
    )
}

fn credential_key() -> impl Strategy<Value = CredentialKey> {
    let user = prop::sample::select(vec!["", "alice", "bob"]);
    let hash = prop::sample::select(user::PasswordHash::ALL.to_vec());
    (user, hash).prop_map(|(user, hash)| CredentialKey { user: user.into(), hash })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![8 => ordinary(), 1 => imported()]
}

/// Everything but imports.
fn ordinary() -> impl Strategy<Value = Command> {
    let name = || prop::sample::select(vec!["a", "b", "c"]).prop_map(|name| TopicName::parse(name).unwrap());
    prop_oneof![
        2 => (name(), topic(), all_settings(), shards()).prop_map(|(name, id, settings, shards)| {
            Command::CreateTopic(CreateTopic { name, id, settings, shards })
        }),
        1 => topic().prop_map(|id| Command::DeleteTopic { id }),
        1 => (topic(), 0..9u32, shards()).prop_map(|(id, total, shards)| {
            Command::AddPartitions(AddPartitions { id, total, shards })
        }),
        2 => (topic(), settings_change()).prop_map(|(id, change)| Command::AlterTopic { id, change }),
        2 => settings_change().prop_map(Command::AlterDefaults),
        3 => quota_change().prop_map(Command::AlterQuotas),
        1 => (0..9u32).prop_map(|count| Command::AllocateProducers { count }),
        2 => (0..=MACHINE_VERSION_LATEST).prop_map(|version| Command::SetMachineVersion { version }),
        6 => route().prop_map(Command::Route),
        2 => (credential_key(), 4_090..4_100u32).prop_map(|(key, iterations)| {
            let stored_key = vec![7; key.hash.bytes()].into();
            let server_key = vec![8; key.hash.bytes()].into();
            let credential =
                Credential { salt: Bytes::from_static(b"salt"), iterations, stored_key, server_key };
            Command::SetCredential(SetCredential { key, credential })
        }),
        1 => credential_key().prop_map(|key| Command::RemoveCredential { key }),
        2 => rules().prop_map(|acls| Command::AddAcls { acls }),
        1 => rules().prop_map(|acls| Command::RemoveAcls { acls }),
        1 => (500..9_000u64, 500..9_000u64).prop_map(|(producer_expiry_ms, offset_expiry_ms)| {
            Command::Configure(MachineSettings { producer_expiry_ms, offset_expiry_ms })
        }),
        4 => open().prop_map(Command::OpenPartition),
        1 => (0..5u64, partition()).prop_map(|(catalogue_version, partition)| {
            Command::DropPartition { catalogue_version, partition }
        }),
        20 => append().prop_map(Command::Append),
        3 => (partition(), 0..40u64, 0..100u64).prop_map(|(partition, start, bytes)| {
            Command::Trim { partition, start: Offset(start), bytes }
        }),
        2 => prop::collection::vec(compacted(), 0..3).prop_map(|partitions| Command::Compacted { partitions }),
        1 => Just(Command::AdvanceClock),
        3 => save_generation().prop_map(Command::SaveGeneration),
        4 => save_offsets().prop_map(Command::CommitOffsets),
        1 => group().prop_map(|group| Command::DeleteGroup { group }),
        1 => prop::collection::vec(topic(), 0..3).prop_map(|topics| Command::ForgetTopics { topics }),
        12 => transactional(),
        8 => subscribing(),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    entries_of(command())
}

fn entries_of(command: impl Strategy<Value = Command>) -> impl Strategy<Value = Vec<Entry>> {
    let entry = (-50..400i64, 0..2u64, prop::collection::vec(command, 0..6));
    prop::collection::vec(entry, 0..40)
}

/// Imports only, of few partitions, so that many batches come where they should.
fn imports() -> impl Strategy<Value = Vec<Entry>> {
    let open = open().prop_map(Command::OpenPartition);
    entries_of(prop_oneof![1 => Just(Command::SetMachineVersion { version: 3 }), 4 => open, 12 => imported()])
}

/// The place of every entry in the log.
fn metas(entries: &[Entry]) -> Vec<Meta> {
    let mut meta = Meta { index: LogIndex(5), term: Term(1), time: LogTime(1_000) };
    let place = |(time, term, _): &Entry| {
        meta.index = meta.index.next();
        meta.term.0 += u64::from(*term > 0 && meta.index.0.is_multiple_of(7));
        meta.time.0 += time;
        meta
    };
    entries.iter().map(place).collect()
}

fn play(machine: &mut Machine, entries: &[Entry], metas: &[Meta], effects: &mut Effects) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for ((_, _, commands), meta) in entries.iter().zip(metas) {
        for command in commands {
            outcomes.push(machine.apply(*meta, command.clone(), effects).unwrap());
        }
    }
    outcomes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn commands_survive_the_trip_through_their_bytes(commands in prop::collection::vec(command(), 0..20)) {
        let bytes = encode_commands(&commands);
        prop_assert_eq!(decode_commands(&bytes).unwrap(), commands);
        // Every shorter string is refused: nothing is ever half decoded.
        for end in 0..bytes.len() {
            prop_assert!(decode_commands(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn a_checkpoint_and_the_rest_is_as_good_as_everything(entries in entries(), cut in 0..40usize) {
        let metas = metas(&entries);
        let cut = cut.min(entries.len());
        let mut whole = Machine::new(ShardId(0));
        let mut whole_effects = Effects::default();
        let whole_outcomes = play(&mut whole, &entries, &metas, &mut whole_effects);

        let mut first = Machine::new(ShardId(0));
        let mut effects = Effects::default();
        let mut outcomes = play(&mut first, &entries[..cut], &metas[..cut], &mut effects);
        let mut second = Machine::decode_checkpoint(&first.encode_checkpoint()).unwrap();
        prop_assert_eq!(second.encode_checkpoint(), first.encode_checkpoint());
        outcomes.extend(play(&mut second, &entries[cut..], &metas[cut..], &mut effects));
        prop_assert_eq!(outcomes, whole_outcomes);
        prop_assert_eq!(effects, whole_effects);
        prop_assert_eq!(second.encode_checkpoint(), whole.encode_checkpoint());
    }

    #[test]
    fn changes_of_different_settings_do_not_undo_each_other(
        settings in all_settings(),
        change in settings_change(),
        other in settings_change(),
        first in any::<bool>(),
    ) {
        // One changes the retention, the other everything else; whichever comes first.
        let one = SettingsChange {
            retention_ms: change.retention_ms,
            retention_bytes: change.retention_bytes,
            ..SettingsChange::default()
        };
        let two = SettingsChange {
            retention_ms: SettingChange::Keep,
            retention_bytes: SettingChange::Keep,
            ..other.clone()
        };
        let both = SettingsChange {
            retention_ms: change.retention_ms,
            retention_bytes: change.retention_bytes,
            ..other
        };
        let id = TopicId([1; 16]);
        let create = CreateTopic {
            name: TopicName::parse("a").unwrap(),
            id,
            settings: settings.clone(),
            shards: vec![ShardId(0)],
        };
        let mut machine = Machine::new(ShardId(0));
        let meta = Meta { index: LogIndex(5), term: Term(1), time: LogTime(1_000) };
        let mut effects = Effects::default();
        let version = Command::SetMachineVersion { version: MACHINE_VERSION_COMPACTION };
        machine.apply(meta, version, &mut effects).unwrap();
        machine.apply(meta, Command::CreateTopic(create), &mut effects).unwrap();
        for change in if first { [one, two] } else { [two, one] } {
            let before = machine.catalog().topic_by_id(id).unwrap().clone();
            let outcome = machine.apply(meta, Command::AlterTopic { id, change }, &mut effects).unwrap();
            let after = machine.catalog().topic_by_id(id).unwrap().clone();
            prop_assert_eq!(outcome, Outcome::TopicAltered(after.clone()));
            // The shards have something to catch up with exactly when something changed.
            prop_assert_eq!(after.version > before.version, after.settings != before.settings);
            prop_assert_eq!(&after.partitions, &before.partitions);
        }
        prop_assert_eq!(&machine.catalog().topic_by_id(id).unwrap().settings, &both.of(&settings));
    }

    #[test]
    fn offsets_are_dense_and_ends_agree(entries in entries_of(ordinary())) {
        let mut machine = Machine::new(ShardId(0));
        let mut effects = Effects::default();
        play(&mut machine, &entries, &metas(&entries), &mut effects);
        let mut ends: BTreeMap<PartitionId, u64> = BTreeMap::new();
        for entry in &effects.indexed {
            let end = ends.entry(entry.partition).or_default();
            prop_assert_eq!(entry.first_offset.0, *end);
            *end += u64::from(entry.count);
        }
        for partition in machine.partitions() {
            prop_assert_eq!(partition.end.0, ends.get(&partition.id).copied().unwrap_or(0));
            prop_assert!(partition.start <= partition.end);
            prop_assert!(partition.epochs.is_sorted_by(|a, b| a.epoch < b.epoch && a.start < b.start));
        }
    }

    #[test]
    fn imports_leave_gaps_and_never_overlap(entries in imports()) {
        let mut machine = Machine::new(ShardId(0));
        let mut effects = Effects::default();
        play(&mut machine, &entries, &metas(&entries), &mut effects);
        let mut ends: BTreeMap<PartitionId, u64> = BTreeMap::new();
        for entry in &effects.indexed {
            let end = ends.entry(entry.partition).or_default();
            prop_assert!(entry.first_offset.0 >= *end);
            *end = entry.first_offset.0 + u64::from(entry.count);
        }
        for partition in machine.partitions() {
            prop_assert!(partition.end.0 >= ends.get(&partition.id).copied().unwrap_or(0));
            prop_assert!(partition.start <= partition.end);
            prop_assert_eq!(partition.first_open, machine.unstable().first_open(partition.id));
        }
        prop_assert!(machine.producers().is_empty(), "an import is nobody's here");
    }

    #[test]
    fn every_append_is_indexed_or_dead(entries in entries()) {
        let mut machine = Machine::new(ShardId(0));
        for ((_, _, commands), meta) in entries.iter().zip(metas(&entries)) {
            for command in commands {
                let mut effects = Effects::default();
                machine.apply(meta, command.clone(), &mut effects).unwrap();
                let has_slot = matches!(command, Command::Append(_))
                    || matches!(command, Command::EndTransaction(_) | Command::Relay(_));
                prop_assert_eq!(effects.dead.len(), usize::from(has_slot && effects.indexed.is_empty()));
                prop_assert!(has_slot || effects.indexed.is_empty());
                prop_assert_eq!(effects.indexed.len(), effects.appended.len());
            }
        }
    }

    #[test]
    fn a_sequence_is_stored_once(appends in prop::collection::vec(append(), 0..120)) {
        let mut machine = Machine::new(ShardId(0));
        let meta = Meta { index: LogIndex(5), term: Term(1), time: LogTime(1_000) };
        let mut effects = Effects::default();
        for id in 0..6 {
            let settings = PartitionSettings {
                retention_ms: None,
                retention_bytes: None,
                message_bytes_max: 100,
                timestamp_type: TimestampType::Create,
                compaction: None, queue: None };
            let open = OpenPartition {
                catalogue_version: 1,
                partition: PartitionId(id),
                topic: TopicId([1; 16]),
                number: id as u32,
                settings,
                base_epoch: LeaderEpoch(0),
            };
            machine.apply(meta, Command::OpenPartition(open), &mut effects).unwrap();
        }
        let mut stored: BTreeMap<(PartitionId, ProducerId, ProducerEpoch), BTreeSet<i32>> = BTreeMap::new();
        for append in appends {
            let (stamp, count) = (append.producer, append.count as i32);
            let Outcome::Appended(results) =
                machine.apply(meta, Command::Append(append), &mut effects).unwrap() else { continue };
            let Some(stamp) = stamp else { continue };
            for to in results.iter().flatten() {
                let seen = stored.entry((to.partition, stamp.id, stamp.epoch)).or_default();
                for sequence in stamp.base_sequence.0..stamp.base_sequence.0 + count {
                    prop_assert_eq!(seen.insert(sequence), !to.duplicate, "sequence {}", sequence);
                }
                let (first, last) = (*seen.first().unwrap(), *seen.last().unwrap());
                prop_assert_eq!((last - first + 1) as usize, seen.len(), "a gap was let through");
            }
        }
    }

    #[test]
    fn hostile_bytes_do_no_harm(mut bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        forebay_machine::fuzz::checkpoint(&bytes);
        forebay_machine::fuzz::commands(&bytes);
        // Past the format version, so that the commands themselves are reached.
        bytes.splice(0..0, [1, 3]);
        forebay_machine::fuzz::commands(&bytes);
    }

    #[test]
    fn damaged_bytes_do_no_harm(entries in entries(), place in any::<prop::sample::Index>(), bit in 0..8u8) {
        let mut machine = Machine::new(ShardId(0));
        play(&mut machine, &entries, &metas(&entries), &mut Effects::default());
        let mut checkpoint = forebay_machine::fuzz::join(&machine.encode_checkpoint());
        let at = place.index(checkpoint.len());
        checkpoint[at] ^= 1 << bit;
        forebay_machine::fuzz::checkpoint(&checkpoint);
        let commands: Vec<Command> = entries.into_iter().flat_map(|(_, _, commands)| commands).collect();
        let mut bytes = encode_commands(&commands).to_vec();
        let at = place.index(bytes.len());
        bytes[at] ^= 1 << bit;
        forebay_machine::fuzz::commands(&bytes);
    }
}

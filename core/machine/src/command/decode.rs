//! Bytes into commands.

use forebay_model::fetch::Isolation;
use forebay_model::publish::PayloadKind;
use forebay_model::quota::QuotaChange;
use forebay_model::subscription::{
    AttendanceChange, AttendanceSettings, OffsetRange, Settlement, StartAt, SubscriptionChange,
    SubscriptionSettings,
};
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::{
    Attempts, BatchSequence, CleanupChange, CleanupPolicy, CleanupSettings, Compression, FlushClass, GroupId,
    GzipLevel, IntakeChange, IntakeSettings, LeaderEpoch, LogIndex, Offset, PartitionId, PolicyChange,
    ProducerEpoch, ProducerId, Ratio, SettingChange, SettingsChange, ShardId, SlotNumber, Timestamp,
    TimestampType, TopicName, TopicSettings, ZstdLevel,
};

use smallvec::SmallVec;

use super::{
    AddPartitions, AdmitGuest, Append, BeginImport, COMMANDS_FORMAT, Command, CompactedPartition, Compaction,
    CreateTopic, DeliveredUpTo, EndTransaction, HoldOffsets, Imported, ImportedTransaction, JoinTransaction,
    MachineSettings, Member, OpenPartition, OpenProducer, PartitionSettings, ProducerStamp, Relay,
    SaveGeneration, SaveOffsets, SavedOffset, Settle, Settled, Which, append_flag, import_kind,
    imported_transaction, number,
};
use crate::acls;
use crate::codec::{DecodeError, Reader};
use crate::quotas;
use crate::relays::RelayedEnd;
use crate::routes;
use crate::span::Span;
use crate::subscriptions::SubscriptionKey;
use crate::table::Stored;
use crate::transactions::{Instance, Next};
use crate::users::{self, SetCredential};

type Read<T> = Result<T, DecodeError>;

/// Decodes slot 0 of an entry. An error means that this binary must not go on with this log: see [`DecodeError`].
/// Named limits are not checked here: a command that crosses one is refused by `apply`, it does not stop a shard.
pub fn decode_commands(bytes: &[u8]) -> Result<Vec<Command>, DecodeError> {
    let mut input = Reader::new(bytes);
    let format = input.u8("the format of the commands")?;
    if format != COMMANDS_FORMAT {
        return Err(DecodeError::UnknownFormat { what: "the list of commands", version: format.into() });
    }
    let commands = input.list("the commands", |input| {
        let number = input.uint("the number of a command")?;
        let mut body = Reader::new(input.slice("a command")?);
        let command = decode_body(number, &mut body)?;
        body.end("a command")?;
        Ok(command)
    })?;
    input.end("the commands")?;
    Ok(commands)
}

fn decode_body(number: u64, input: &mut Reader<'_>) -> Read<Command> {
    Ok(match number {
        number::CREATE_TOPIC => Command::CreateTopic(create_topic(input)?),
        number::DELETE_TOPIC => Command::DeleteTopic { id: input.topic_id("a topic's id")? },
        number::ADD_PARTITIONS => Command::AddPartitions(AddPartitions {
            id: input.topic_id("a topic's id")?,
            total: input.narrow("a count of partitions")?,
            shards: shards(input)?,
        }),
        number::ALTER_TOPIC => {
            let id = input.topic_id("a topic's id")?;
            let mut change = settings_change(input)?;
            if input.has_more() {
                change.cleanup = cleanup_change(input)?;
            }
            if input.has_more() {
                change.intake = intake_change(input)?;
            }
            Command::AlterTopic { id, change }
        }
        number::ALTER_DEFAULTS => {
            let change = settings_change(input)?;
            let (cleanup, intake) = (cleanup_change(input)?, intake_change(input)?);
            Command::AlterDefaults(SettingsChange { cleanup, intake, ..change })
        }
        number::ALTER_QUOTAS => Command::AlterQuotas(QuotaChange {
            entity: quotas::decode_entity(input)?,
            publish_bytes: setting_change(input, |input| input.uint("a quota"))?,
            read_bytes: setting_change(input, |input| input.uint("a quota"))?,
            work_nanos: setting_change(input, |input| input.uint("a quota"))?,
            connections: setting_change(input, |input| input.uint("a quota"))?,
        }),
        number::ALLOCATE_PRODUCERS => {
            Command::AllocateProducers { count: input.narrow("a count of producers")? }
        }
        number::SET_MACHINE_VERSION => {
            Command::SetMachineVersion { version: input.narrow("a machine version")? }
        }
        number::CONFIGURE => Command::Configure(MachineSettings {
            producer_expiry_ms: input.uint("the producers' expiry")?,
            offset_expiry_ms: input.uint("the offsets' expiry")?,
        }),
        number::OPEN_PARTITION => Command::OpenPartition(open_partition(input)?),
        number::OPEN_QUEUE => {
            let rules = routes::read_queue_rules(input)?;
            let mut open = open_partition(input)?;
            open.settings.queue = Some(rules);
            Command::OpenPartition(open)
        }
        number::DROP_PARTITION => Command::DropPartition {
            catalogue_version: input.uint("a catalogue version")?,
            partition: PartitionId(input.uint("a partition")?),
        },
        number::APPEND => Command::Append(append(input, None, None)?),
        number::APPEND_IN_TRANSACTION => {
            let joining = joining(input)?;
            Command::Append(append(input, Some(joining), None)?)
        }
        number::TRIM => Command::Trim {
            partition: PartitionId(input.uint("a partition")?),
            start: Offset(input.uint("an offset")?),
            bytes: input.uint("trimmed bytes")?,
        },
        number::COMPACTED => {
            Command::Compacted { partitions: input.list("compacted partitions", compacted_partition)? }
        }
        number::ADVANCE_CLOCK => Command::AdvanceClock,
        number::SAVE_GENERATION => Command::SaveGeneration(save_generation(input)?),
        number::COMMIT_OFFSETS => Command::CommitOffsets(save_offsets(input)?),
        number::DELETE_GROUP => Command::DeleteGroup { group: group_id(input)? },
        number::FORGET_TOPICS => Command::ForgetTopics {
            topics: input.list("forgotten topics", |input| input.topic_id("a topic's id"))?,
        },
        number::OPEN_PRODUCER => Command::OpenProducer(OpenProducer {
            id: transactional_id(input)?,
            timeout_ms: input.narrow("a transaction's timeout")?,
            present: input.option("an instance", instance)?,
            spare: ProducerId(input.int("a producer's id")?),
        }),
        number::JOIN_TRANSACTION => Command::JoinTransaction(join_transaction(input)?),
        number::JOIN_TRANSACTION_ELSEWHERE => {
            let join = join_transaction(input)?;
            let elsewhere = input.list("what a transaction spans", |input| {
                Ok((ShardId(input.narrow("a shard")?), Span::decode(input)?))
            })?;
            Command::JoinTransaction(JoinTransaction { elsewhere, ..join })
        }
        number::HOLD_OFFSETS => Command::HoldOffsets(HoldOffsets {
            instance: instance(input)?,
            joining: joining(input)?,
            save: save_offsets(input)?,
        }),
        number::END_TRANSACTION => Command::EndTransaction(end_transaction(input)?),
        number::ADMIT_GUEST => Command::AdmitGuest(AdmitGuest {
            instance: instance(input)?,
            begun: LogIndex(input.uint("a log index")?),
            span: Span::decode(input)?,
        }),
        number::RELAY => Command::Relay(Relay {
            source: ShardId(input.narrow("a shard")?),
            number: input.uint("the number of a relay")?,
            item: RelayedEnd::decode(input)?,
            mark: SlotNumber(input.narrow("a slot")?),
            mark_bytes: input.narrow("a mark's length")?,
        }),
        number::RELAYED => Command::Relayed {
            target: ShardId(input.narrow("a shard")?),
            up_to: input.uint("the number of a relay")?,
        },
        number::SET_CREDENTIAL => Command::SetCredential(SetCredential {
            key: users::decode_key(input)?,
            credential: users::decode_credential(input)?,
        }),
        number::REMOVE_CREDENTIAL => Command::RemoveCredential { key: users::decode_key(input)? },
        number::ADD_ACLS => Command::AddAcls { acls: input.list("rules of access", acls::decode_acl)? },
        number::REMOVE_ACLS => Command::RemoveAcls { acls: input.list("rules of access", acls::decode_acl)? },
        number::OPEN_SUBSCRIPTION => Command::OpenSubscription {
            subscription: SubscriptionKey::decode(input)?,
            at: start_at(input)?,
            anew: flag(input)?,
        },
        number::SETTLE => Command::Settle(Settle {
            subscription: SubscriptionKey::decode(input)?,
            since: LogIndex(input.uint("a log index")?),
            settled: input.list("settled records", settled)?,
        }),
        number::DELIVERED_UP_TO => Command::DeliveredUpTo(DeliveredUpTo {
            subscription: SubscriptionKey::decode(input)?,
            since: LogIndex(input.uint("a log index")?),
            up_to: Offset(input.uint("an offset")?),
            attempts_max: Attempts(input.narrow("attempts")?),
        }),
        number::DROP_SUBSCRIPTION => {
            Command::DropSubscription { subscription: SubscriptionKey::decode(input)? }
        }
        number::ALTER_SUBSCRIPTION => {
            Command::AlterSubscription { name: group_id(input)?, change: subscription_change(input)? }
        }
        number::ROUTE => Command::Route(routes::decode_route(input)?),
        number::IMPORT => import(input)?,
        unknown => return Err(DecodeError::UnknownCommand(unknown)),
    })
}

fn join_transaction(input: &mut Reader<'_>) -> Read<JoinTransaction> {
    Ok(JoinTransaction {
        id: transactional_id(input)?,
        instance: instance(input)?,
        partitions: input.list("partitions", |input| Ok(PartitionId(input.uint("a partition")?)))?,
        groups: input.list("groups", group_id)?,
        elsewhere: Vec::new(),
    })
}

fn create_topic(input: &mut Reader<'_>) -> Read<CreateTopic> {
    let mut create = CreateTopic {
        name: topic_name(input)?,
        id: input.topic_id("a topic's id")?,
        settings: topic_settings(input)?,
        shards: shards(input)?,
    };
    if input.has_more() {
        create.settings.cleanup = cleanup_settings(input)?;
    }
    if input.has_more() {
        create.settings.intake = intake_settings(input)?;
    }
    Ok(create)
}

/// Shared with the checkpoint.
pub(crate) fn topic_name(input: &mut Reader<'_>) -> Read<TopicName> {
    let text = input.text("a topic's name")?;
    TopicName::stored(text).map_err(|_| DecodeError::Invalid("a topic's name"))
}

fn shards(input: &mut Reader<'_>) -> Read<Vec<ShardId>> {
    input.list("the shards of a topic", |input| Ok(ShardId(input.narrow("a shard")?)))
}

/// Shared with the checkpoint. How records go and what is taken in stand elsewhere.
pub(crate) fn topic_settings(input: &mut Reader<'_>) -> Read<TopicSettings> {
    Ok(TopicSettings {
        retention_ms: inherited(input)?,
        retention_bytes: inherited(input)?,
        message_bytes_max: input.option("a size limit", |input| input.narrow("a size limit"))?,
        timestamp_type: input.option("a timestamp type", timestamp_type)?,
        flush: input.option("a flush class", flush_class)?,
        cleanup: CleanupSettings::default(),
        intake: IntakeSettings::default(),
    })
}

/// Shared with the checkpoint.
pub(crate) fn cleanup_settings(input: &mut Reader<'_>) -> Read<CleanupSettings> {
    Ok(CleanupSettings {
        policy: input.option("a cleanup policy", cleanup_policy)?,
        tombstone_ms: input.option("a time of tombstones", |input| input.uint("a time of tombstones"))?,
        lag_ms_min: input.option("a lag", |input| input.uint("a lag"))?,
        lag_ms_max: input.option("a lag", |input| input.uint("a lag"))?,
        dirty_ratio_min: input.option("a ratio", ratio)?,
        fresh_bytes: input.option("fresh bytes", |input| input.uint("fresh bytes"))?,
        fresh_ms: input.option("a fresh time", |input| input.uint("a fresh time"))?,
    })
}

fn cleanup_change(input: &mut Reader<'_>) -> Read<CleanupChange> {
    Ok(CleanupChange {
        policy: match input.u8("a change of a cleanup policy")? {
            0 => PolicyChange::Keep,
            1 => PolicyChange::Clear,
            2 => PolicyChange::Set(cleanup_policy(input)?),
            3 => PolicyChange::Add(cleanup_policy(input)?),
            4 => PolicyChange::Remove(cleanup_policy(input)?),
            _ => return Err(DecodeError::Invalid("a change of a cleanup policy")),
        },
        tombstone_ms: setting_change(input, |input| input.uint("a time of tombstones"))?,
        lag_ms_min: setting_change(input, |input| input.uint("a lag"))?,
        lag_ms_max: setting_change(input, |input| input.uint("a lag"))?,
        dirty_ratio_min: setting_change(input, ratio)?,
        fresh_bytes: setting_change(input, |input| input.uint("fresh bytes"))?,
        fresh_ms: setting_change(input, |input| input.uint("a fresh time"))?,
    })
}

/// Shared with the checkpoint.
pub(crate) fn intake_settings(input: &mut Reader<'_>) -> Read<IntakeSettings> {
    Ok(IntakeSettings {
        before_ms_max: input.option("a time", |input| input.uint("a time"))?,
        after_ms_max: input.option("a time", |input| input.uint("a time"))?,
        compression: input.option("a compression", compression)?,
        gzip_level: input.option("a level", gzip_level)?,
        zstd_level: input.option("a level", zstd_level)?,
    })
}

fn intake_change(input: &mut Reader<'_>) -> Read<IntakeChange> {
    Ok(IntakeChange {
        before_ms_max: setting_change(input, |input| input.uint("a time"))?,
        after_ms_max: setting_change(input, |input| input.uint("a time"))?,
        compression: setting_change(input, compression)?,
        gzip_level: setting_change(input, gzip_level)?,
        zstd_level: setting_change(input, zstd_level)?,
    })
}

fn level(input: &mut Reader<'_>) -> Read<i32> {
    i32::try_from(input.int("a level")?).map_err(|_| DecodeError::Invalid("a level"))
}

fn gzip_level(input: &mut Reader<'_>) -> Read<Option<GzipLevel>> {
    match level(input)? {
        0 => Ok(None),
        level => GzipLevel::of(level).map(Some).ok_or(DecodeError::Invalid("a level")),
    }
}

fn zstd_level(input: &mut Reader<'_>) -> Read<ZstdLevel> {
    ZstdLevel::of(level(input)?).ok_or(DecodeError::Invalid("a level"))
}

fn compression(input: &mut Reader<'_>) -> Read<Compression> {
    match input.u8("a compression")? {
        1 => Ok(Compression::Producer),
        2 => Ok(Compression::Uncompressed),
        3 => Ok(Compression::Gzip),
        4 => Ok(Compression::Snappy),
        5 => Ok(Compression::Lz4),
        6 => Ok(Compression::Zstd),
        _ => Err(DecodeError::Invalid("a compression")),
    }
}

fn cleanup_policy(input: &mut Reader<'_>) -> Read<CleanupPolicy> {
    match input.u8("a cleanup policy")? {
        1 => Ok(CleanupPolicy::Delete),
        2 => Ok(CleanupPolicy::Compact),
        3 => Ok(CleanupPolicy::CompactAndDelete),
        4 => Ok(CleanupPolicy::Never),
        _ => Err(DecodeError::Invalid("a cleanup policy")),
    }
}

fn ratio(input: &mut Reader<'_>) -> Read<Ratio> {
    Ratio::from_millionths(input.narrow("a ratio")?).ok_or(DecodeError::Invalid("a ratio"))
}

fn compacted_partition(input: &mut Reader<'_>) -> Read<CompactedPartition> {
    Ok(CompactedPartition {
        partition: PartitionId(input.uint("a partition")?),
        freed_bytes: input.uint("freed bytes")?,
        clean_end: input.option("an offset", |input| Ok(Offset(input.uint("an offset")?)))?,
    })
}

/// Shared with the checkpoint.
pub(crate) fn compaction(input: &mut Reader<'_>) -> Read<Compaction> {
    Ok(Compaction {
        tombstone_ms: input.uint("a time of tombstones")?,
        lag_ms_min: input.uint("a lag")?,
        lag_ms_max: input.uint("a lag")?,
        dirty_ratio_min: ratio(input)?,
        fresh_bytes: input.uint("fresh bytes")?,
        fresh_ms: input.uint("a fresh time")?,
    })
}

fn settings_change(input: &mut Reader<'_>) -> Read<SettingsChange> {
    Ok(SettingsChange {
        retention_ms: setting_change(input, bound)?,
        retention_bytes: setting_change(input, bound)?,
        message_bytes_max: setting_change(input, |input| input.narrow("a size limit"))?,
        timestamp_type: setting_change(input, timestamp_type)?,
        flush: setting_change(input, flush_class)?,
        cleanup: CleanupChange::default(),
        intake: IntakeChange::default(),
    })
}

fn setting_change<'a, T>(
    input: &mut Reader<'a>,
    set: impl FnOnce(&mut Reader<'a>) -> Read<T>,
) -> Read<SettingChange<T>> {
    match input.u8("a change of a setting")? {
        0 => Ok(SettingChange::Keep),
        1 => Ok(SettingChange::Clear),
        2 => set(input).map(SettingChange::Set),
        _ => Err(DecodeError::Invalid("a change of a setting")),
    }
}

fn bound(input: &mut Reader<'_>) -> Read<Option<u64>> {
    input.option("a retention", |input| input.uint("a retention"))
}

fn flush_class(input: &mut Reader<'_>) -> Read<FlushClass> {
    match input.u8("a flush class")? {
        0 => Ok(FlushClass::Sync),
        1 => Ok(FlushClass::Async),
        _ => Err(DecodeError::Invalid("a flush class")),
    }
}

fn inherited(input: &mut Reader<'_>) -> Read<Option<Option<u64>>> {
    match input.u8("a retention")? {
        0 => Ok(None),
        1 => Ok(Some(None)),
        2 => Ok(Some(Some(input.uint("a retention")?))),
        _ => Err(DecodeError::Invalid("a retention")),
    }
}

fn timestamp_type(input: &mut Reader<'_>) -> Read<TimestampType> {
    match input.u8("a timestamp type")? {
        0 => Ok(TimestampType::Create),
        1 => Ok(TimestampType::Append),
        _ => Err(DecodeError::Invalid("a timestamp type")),
    }
}

/// Shared with the checkpoint. How it is compacted stands elsewhere.
pub(crate) fn partition_settings(input: &mut Reader<'_>) -> Read<PartitionSettings> {
    Ok(PartitionSettings {
        retention_ms: input.option("a retention", |input| input.uint("a retention"))?,
        retention_bytes: input.option("a retention", |input| input.uint("a retention"))?,
        message_bytes_max: input.narrow("a size limit")?,
        timestamp_type: timestamp_type(input)?,
        compaction: None,
        queue: None,
    })
}

fn open_partition(input: &mut Reader<'_>) -> Read<OpenPartition> {
    let mut open = OpenPartition {
        catalogue_version: input.uint("a catalogue version")?,
        partition: PartitionId(input.uint("a partition")?),
        topic: input.topic_id("a topic's id")?,
        number: input.narrow("a partition's number")?,
        settings: partition_settings(input)?,
        base_epoch: LeaderEpoch(input.narrow("a leader epoch")?),
    };
    if input.has_more() {
        open.settings.compaction = Some(compaction(input)?);
    }
    Ok(open)
}

fn append(input: &mut Reader<'_>, transaction: Option<Joining>, import: Option<Imported>) -> Read<Append> {
    let flags = input.u8("an append's flags")?;
    if flags & !(append_flag::APPEND_TIME | append_flag::PRODUCER | append_flag::PARTS) != 0 {
        return Err(DecodeError::Invalid("an append's flags"));
    }
    let kind = match input.u8("a payload's kind")? {
        1 => PayloadKind::RecordBatch,
        2 => PayloadKind::MessageBatch,
        _ => return Err(DecodeError::Invalid("a payload's kind")),
    };
    let mut append = Append {
        targets: SmallVec::new(),
        slot: SlotNumber(input.narrow("a slot")?),
        kind,
        count: input.narrow("a count of messages")?,
        bytes: input.narrow("a payload's length")?,
        max_timestamp: Timestamp(input.int("a timestamp")?),
        append_time: None,
        producer: None,
        transaction,
        import,
        parts: Vec::new(),
    };
    append.targets = input.few("an append's targets", target)?;
    if flags & append_flag::APPEND_TIME != 0 {
        append.append_time = Some(Timestamp(input.int("a timestamp")?));
    }
    if flags & append_flag::PRODUCER != 0 {
        append.producer = Some(producer_stamp(input)?);
    }
    if flags & append_flag::PARTS != 0 {
        append.parts = input.list("an append's parts", |input| {
            Ok((LogIndex(input.uint("a log index")?), SlotNumber(input.narrow("a slot")?)))
        })?;
    }
    Ok(append)
}

fn target(input: &mut Reader<'_>) -> Read<(PartitionId, Which)> {
    let partition = PartitionId(input.uint("a partition")?);
    let which = match input.u8("an append's target")? {
        0 => Which::All,
        1 => Which::Some(input.bytes("a bitmap")?),
        _ => return Err(DecodeError::Invalid("an append's target")),
    };
    Ok((partition, which))
}

fn import(input: &mut Reader<'_>) -> Read<Command> {
    Ok(match input.u8("what an import does")? {
        import_kind::BEGIN => Command::BeginImport(BeginImport {
            partition: PartitionId(input.uint("a partition")?),
            source: import_source(input)?,
            start: Offset(input.uint("an offset")?),
        }),
        import_kind::BATCH => {
            let imported = imported(input)?;
            Command::Append(append(input, None, Some(imported))?)
        }
        import_kind::END => Command::EndImport {
            partition: PartitionId(input.uint("a partition")?),
            end: Offset(input.uint("an offset")?),
        },
        _ => return Err(DecodeError::Invalid("what an import does")),
    })
}

/// Shared with the checkpoint.
pub(crate) fn import_source(input: &mut Reader<'_>) -> Read<String> {
    Ok(input.text("the source of an import")?.to_owned())
}

fn imported(input: &mut Reader<'_>) -> Read<Imported> {
    let after = Offset(input.uint("an offset")?);
    let at = Offset(input.uint("an offset")?);
    let kind = input.u8("an imported batch's transaction")?;
    let mut producer = || -> Read<ProducerId> { Ok(ProducerId(input.int("a producer's id")?)) };
    let transaction = match kind {
        imported_transaction::NONE => None,
        imported_transaction::RECORDS => Some(ImportedTransaction::Records(producer()?)),
        imported_transaction::COMMIT => Some(ImportedTransaction::Mark(producer()?, Decision::Commit)),
        imported_transaction::ABORT => Some(ImportedTransaction::Mark(producer()?, Decision::Abort)),
        _ => return Err(DecodeError::Invalid("an imported batch's transaction")),
    };
    Ok(Imported { after, at, transaction })
}

fn joining(input: &mut Reader<'_>) -> Read<Joining> {
    match input.u8("how something joins a transaction")? {
        0 => Ok(Joining::Before),
        1 => Ok(Joining::Now),
        _ => Err(DecodeError::Invalid("how something joins a transaction")),
    }
}

/// Shared with the checkpoint.
pub(crate) fn transactional_id(input: &mut Reader<'_>) -> Read<TransactionalId> {
    Ok(TransactionalId(input.text("a transactional id")?.into()))
}

/// Shared with the checkpoint.
pub(crate) fn instance(input: &mut Reader<'_>) -> Read<Instance> {
    Ok((ProducerId(input.int("a producer's id")?), producer_epoch(input)?))
}

/// Shared with the checkpoint.
pub(crate) fn producer_epoch(input: &mut Reader<'_>) -> Read<ProducerEpoch> {
    let epoch = i16::try_from(input.int("a producer's epoch")?);
    epoch.map(ProducerEpoch).map_err(|_| DecodeError::Invalid("a producer's epoch"))
}

fn end_transaction(input: &mut Reader<'_>) -> Read<EndTransaction> {
    let spare = |input: &mut Reader<'_>| Ok(ProducerId(input.int("a producer's id")?));
    Ok(EndTransaction {
        id: transactional_id(input)?,
        instance: instance(input)?,
        decision: decision(input)?,
        next: match input.u8("who writes next")? {
            0 => Next::Same,
            1 => Next::Raised { spare: spare(input)? },
            2 => Next::Fenced,
            _ => return Err(DecodeError::Invalid("who writes next")),
        },
        mark: SlotNumber(input.narrow("a slot")?),
        mark_bytes: input.narrow("a mark's length")?,
    })
}

/// Shared with the checkpoint.
pub(crate) fn decision(input: &mut Reader<'_>) -> Read<Decision> {
    match input.u8("a decision")? {
        0 => Ok(Decision::Commit),
        1 => Ok(Decision::Abort),
        _ => Err(DecodeError::Invalid("a decision")),
    }
}

fn producer_stamp(input: &mut Reader<'_>) -> Read<ProducerStamp> {
    let id = ProducerId(input.int("a producer's id")?);
    let epoch = producer_epoch(input)?;
    let sequence = i32::try_from(input.int("a producer's sequence")?)
        .map_err(|_| DecodeError::Invalid("a producer's sequence"))?;
    Ok(ProducerStamp { id, epoch, base_sequence: BatchSequence(sequence) })
}

/// Shared with the checkpoint.
pub(crate) fn group_id(input: &mut Reader<'_>) -> Read<GroupId> {
    Ok(GroupId(input.text("a group's id")?.into()))
}

fn save_generation(input: &mut Reader<'_>) -> Read<SaveGeneration> {
    Ok(SaveGeneration {
        group: group_id(input)?,
        generation: generation(input)?,
        kind: group_text(input)?,
        strategy: group_text(input)?,
        leader: group_text(input)?,
        members: input.list("a group's members", member)?,
    })
}

/// Shared with the checkpoint.
pub(crate) fn generation(input: &mut Reader<'_>) -> Read<i32> {
    i32::try_from(input.int("a generation")?).map_err(|_| DecodeError::Invalid("a generation"))
}

/// Shared with the checkpoint.
pub(crate) fn group_text(input: &mut Reader<'_>) -> Read<String> {
    Ok(input.text("a text of a group")?.to_owned())
}

/// Shared with the checkpoint.
pub(crate) fn member(input: &mut Reader<'_>) -> Read<Member> {
    Ok(Member {
        id: group_text(input)?,
        instance: input.option("a static name", group_text)?,
        client: group_text(input)?,
        host: group_text(input)?,
        session_timeout_ms: input.narrow("a session timeout")?,
        rebalance_timeout_ms: input.narrow("a rebalance timeout")?,
        metadata: input.bytes("a member's metadata")?,
        assignment: input.bytes("a member's assignment")?,
    })
}

fn save_offsets(input: &mut Reader<'_>) -> Read<SaveOffsets> {
    Ok(SaveOffsets { group: group_id(input)?, offsets: input.list("offsets of a group", saved_offset)? })
}

/// Shared with the checkpoint.
pub(crate) fn saved_offset(input: &mut Reader<'_>) -> Read<SavedOffset> {
    Ok(SavedOffset {
        topic: input.topic_id("a topic's id")?,
        number: input.narrow("a partition's number")?,
        offset: Offset(input.uint("an offset")?),
        leader_epoch: input
            .option("a leader epoch", |input| Ok(LeaderEpoch(input.narrow("a leader epoch")?)))?,
        metadata: input.text("an offset's metadata")?.to_owned(),
    })
}

fn subscription_change(input: &mut Reader<'_>) -> Read<SubscriptionChange> {
    Ok(SubscriptionChange {
        heartbeat_interval_ms: setting_change(input, |input| input.narrow("an interval"))?,
        session_timeout_ms: setting_change(input, |input| input.narrow("a session timeout"))?,
        lease_ms: setting_change(input, |input| input.narrow("a lease"))?,
        attempts_max: setting_change(input, |input| Ok(Attempts(input.narrow("attempts")?)))?,
        span_max: setting_change(input, |input| input.narrow("a span"))?,
        begin: setting_change(input, start_at)?,
        isolation: setting_change(input, isolation)?,
        renews: setting_change(input, flag)?,
        attendance: if input.has_more() { attendance_change(input)? } else { AttendanceChange::default() },
    })
}

fn attendance_change(input: &mut Reader<'_>) -> Read<AttendanceChange> {
    Ok(AttendanceChange {
        heartbeat_interval_ms: setting_change(input, |input| input.narrow("an interval"))?,
        session_timeout_ms: setting_change(input, |input| input.narrow("a session timeout"))?,
    })
}

/// For the checkpoint.
pub(crate) fn attendance_settings(input: &mut Reader<'_>) -> Read<AttendanceSettings> {
    Ok(AttendanceSettings {
        heartbeat_interval_ms: input.option("an interval", |input| input.narrow("an interval"))?,
        session_timeout_ms: input.option("a session timeout", |input| input.narrow("a session timeout"))?,
    })
}

/// For the checkpoint.
pub(crate) fn subscription_settings(input: &mut Reader<'_>) -> Read<SubscriptionSettings> {
    Ok(SubscriptionSettings {
        heartbeat_interval_ms: input.option("an interval", |input| input.narrow("an interval"))?,
        session_timeout_ms: input.option("a session timeout", |input| input.narrow("a session timeout"))?,
        lease_ms: input.option("a lease", |input| input.narrow("a lease"))?,
        attempts_max: input.option("attempts", |input| Ok(Attempts(input.narrow("attempts")?)))?,
        span_max: input.option("a span", |input| input.narrow("a span"))?,
        begin: input.option("where a subscription begins", start_at)?,
        isolation: input.option("an isolation", isolation)?,
        renews: input.option("a flag", flag)?,
        attendance: AttendanceSettings::default(),
    })
}

fn isolation(input: &mut Reader<'_>) -> Read<Isolation> {
    match input.u8("an isolation")? {
        0 => Ok(Isolation::Uncommitted),
        1 => Ok(Isolation::Committed),
        _ => Err(DecodeError::Invalid("an isolation")),
    }
}

fn flag(input: &mut Reader<'_>) -> Read<bool> {
    match input.u8("a flag")? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(DecodeError::Invalid("a flag")),
    }
}

fn start_at(input: &mut Reader<'_>) -> Read<StartAt> {
    match input.u8("where a subscription begins")? {
        0 => Ok(StartAt::Earliest),
        1 => Ok(StartAt::Latest),
        2 => Ok(StartAt::Offset(Offset(input.uint("an offset")?))),
        3 => Ok(StartAt::NoOlderThan { ms: input.uint("a time")? }),
        _ => Err(DecodeError::Invalid("where a subscription begins")),
    }
}

fn settled(input: &mut Reader<'_>) -> Read<Settled> {
    let first = Offset(input.uint("an offset")?);
    let last = first.checked_add(input.uint("a count of records")?);
    let range = OffsetRange { first, last: last.ok_or(DecodeError::Invalid("a count of records"))? };
    let how = match input.u8("how a delivery ends")? {
        0 => Settlement::Accept,
        1 => Settlement::Release { counts: true },
        2 => Settlement::Release { counts: false },
        3 => Settlement::Reject,
        _ => return Err(DecodeError::Invalid("how a delivery ends")),
    };
    Ok(Settled { range, how })
}

//! Commands into bytes.

use bytes::Bytes;
use forebay_model::fetch::Isolation;
use forebay_model::subscription::{
    AttendanceChange, AttendanceSettings, Settlement, StartAt, SubscriptionChange, SubscriptionSettings,
};
use forebay_model::transaction::{Decision, Joining};
use forebay_model::{
    CleanupChange, CleanupPolicy, CleanupSettings, Compression, FlushClass, GzipLevel, IntakeChange,
    IntakeSettings, PolicyChange, SettingChange, SettingsChange, ShardId, TimestampType, TopicSettings,
};

use super::{
    AddPartitions, AdmitGuest, Append, BeginImport, COMMANDS_FORMAT, Command, CompactedPartition, Compaction,
    CreateTopic, DeliveredUpTo, EndTransaction, HoldOffsets, Imported, ImportedTransaction, JoinTransaction,
    Member, OpenPartition, OpenProducer, PartitionSettings, Relay, SaveGeneration, SaveOffsets, SavedOffset,
    Settle, Which, append_flag, import_kind, imported_transaction, number,
};
use crate::acls;
use crate::codec::Writer;
use crate::quotas;
use crate::routes;
use crate::table::Stored;
use crate::transactions::{Instance, Next};
use crate::users;

/// The commands of one turn, each encoded as it comes.
#[derive(Default)]
pub struct CommandList {
    count: usize,
    encoded: Writer,
    /// The command that is being encoded: its length comes before it.
    body: Writer,
}

impl CommandList {
    /// Adds a command.
    pub fn push(&mut self, command: &Command) {
        self.body.clear();
        let number = encode_body(command, &mut self.body);
        self.encoded.uint(number);
        self.encoded.bytes(self.body.as_slice());
        self.count += 1;
    }

    /// Moves all commands of `other` behind those here.
    pub fn append(&mut self, other: &mut CommandList) {
        self.count += other.count;
        self.encoded.raw(other.encoded.as_slice());
        other.clear();
    }

    /// The commands between two places, as a list of their own.
    #[must_use]
    pub fn part(&self, from: ListMark, to: ListMark) -> CommandList {
        let mut part = CommandList { count: to.count - from.count, ..CommandList::default() };
        part.encoded.raw(&self.encoded.as_slice()[from.bytes..to.bytes]);
        part
    }

    /// Its end as it is now.
    #[must_use]
    pub fn mark(&self) -> ListMark {
        ListMark { count: self.count, bytes: self.bytes() }
    }

    /// Forgets all commands and keeps the memory.
    pub fn clear(&mut self) {
        self.count = 0;
        self.encoded.clear();
    }

    /// Memory that it has, in bytes.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.encoded.capacity() + self.body.capacity()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// What they take in an entry, but for the few bytes of [`CommandList::head`].
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.encoded.as_slice().len()
    }

    /// What comes before [`CommandList::commands`] in slot 0 of an entry.
    #[must_use]
    pub fn head(&self) -> Bytes {
        let mut head = Writer::with_capacity(16);
        head.u8(COMMANDS_FORMAT);
        head.len(self.count);
        head.finish()
    }

    /// The commands, one behind the other.
    #[must_use]
    pub fn commands(&self) -> &[u8] {
        self.encoded.as_slice()
    }
}

/// A place between the commands of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListMark {
    count: usize,
    bytes: usize,
}

impl ListMark {
    /// How many commands come before it.
    #[must_use]
    pub fn count(self) -> usize {
        self.count
    }
}

/// Encodes the commands of one turn for slot 0 of an entry.
pub fn encode_commands(commands: &[Command]) -> Bytes {
    let mut list = CommandList::default();
    commands.iter().for_each(|command| list.push(command));
    [&list.head(), list.commands()].concat().into()
}

/// Writes the body and says which number the command has.
fn encode_body(command: &Command, out: &mut Writer) -> u64 {
    match command {
        Command::CreateTopic(c) => create_topic(c, out),
        Command::DeleteTopic { id } => {
            out.topic_id(*id);
            number::DELETE_TOPIC
        }
        Command::AddPartitions(c) => add_partitions(c, out),
        Command::AlterTopic { id, change } => {
            out.topic_id(*id);
            settings_change(change, out);
            // Left out where nothing is said: older machine versions have never seen it.
            let says_intake = change.intake != IntakeChange::default();
            if says_intake || change.cleanup != CleanupChange::default() {
                cleanup_change(&change.cleanup, out);
            }
            if says_intake {
                intake_change(&change.intake, out);
            }
            number::ALTER_TOPIC
        }
        Command::AlterDefaults(change) => {
            settings_change(change, out);
            cleanup_change(&change.cleanup, out);
            intake_change(&change.intake, out);
            number::ALTER_DEFAULTS
        }
        Command::AlterQuotas(change) => {
            quotas::entity(&change.entity, out);
            setting_change(change.publish_bytes, out, |out, bytes| out.uint(bytes));
            setting_change(change.read_bytes, out, |out, bytes| out.uint(bytes));
            setting_change(change.work_nanos, out, |out, nanos| out.uint(nanos));
            setting_change(change.connections, out, |out, connections| out.uint(connections));
            number::ALTER_QUOTAS
        }
        Command::AllocateProducers { count } => {
            out.uint(*count);
            number::ALLOCATE_PRODUCERS
        }
        Command::SetMachineVersion { version } => {
            out.uint(*version);
            number::SET_MACHINE_VERSION
        }
        Command::Configure(settings) => {
            out.uint(settings.producer_expiry_ms);
            out.uint(settings.offset_expiry_ms);
            number::CONFIGURE
        }
        Command::OpenPartition(c) => open_partition(c, out),
        Command::DropPartition { catalogue_version, partition } => {
            out.uint(*catalogue_version);
            out.uint(partition.0);
            number::DROP_PARTITION
        }
        Command::Append(c) => append(c, out),
        Command::Trim { partition, start, bytes } => {
            out.uint(partition.0);
            out.uint(start.0);
            out.uint(*bytes);
            number::TRIM
        }
        Command::Compacted { partitions } => {
            out.list(partitions.iter(), |out, compacted| compacted_partition(compacted, out));
            number::COMPACTED
        }
        Command::AdvanceClock => number::ADVANCE_CLOCK,
        Command::SaveGeneration(c) => save_generation(c, out),
        Command::CommitOffsets(c) => save_offsets(c, out),
        Command::DeleteGroup { group } => {
            out.text(&group.0);
            number::DELETE_GROUP
        }
        Command::ForgetTopics { topics } => {
            out.list(topics.iter(), |out, topic| out.topic_id(*topic));
            number::FORGET_TOPICS
        }
        Command::OpenProducer(c) => open_producer(c, out),
        Command::JoinTransaction(c) => join_transaction(c, out),
        Command::HoldOffsets(c) => hold_offsets(c, out),
        Command::EndTransaction(c) => end_transaction(c, out),
        Command::AdmitGuest(c) => admit_guest(c, out),
        Command::Relay(c) => relay(c, out),
        Command::Relayed { target, up_to } => {
            out.uint(target.0);
            out.uint(*up_to);
            number::RELAYED
        }
        Command::SetCredential(c) => {
            users::encode_key(&c.key, out);
            users::encode_credential(&c.credential, out);
            number::SET_CREDENTIAL
        }
        Command::RemoveCredential { key } => {
            users::encode_key(key, out);
            number::REMOVE_CREDENTIAL
        }
        Command::AddAcls { acls } => {
            out.list(acls.iter(), |out, acl| acls::encode_acl(acl, out));
            number::ADD_ACLS
        }
        Command::RemoveAcls { acls } => {
            out.list(acls.iter(), |out, acl| acls::encode_acl(acl, out));
            number::REMOVE_ACLS
        }
        Command::OpenSubscription { subscription, at, anew } => {
            subscription.encode(out);
            start_at(*at, out);
            out.u8((*anew).into());
            number::OPEN_SUBSCRIPTION
        }
        Command::Settle(c) => settle(c, out),
        Command::DeliveredUpTo(c) => delivered_up_to(c, out),
        Command::DropSubscription { subscription } => {
            subscription.encode(out);
            number::DROP_SUBSCRIPTION
        }
        Command::AlterSubscription { name, change } => {
            out.text(&name.0);
            subscription_change(change, out);
            number::ALTER_SUBSCRIPTION
        }
        Command::Route(c) => {
            routes::encode_route(c, out);
            number::ROUTE
        }
        Command::BeginImport(c) => begin_import(c, out),
        Command::EndImport { partition, end } => {
            out.u8(import_kind::END);
            out.uint(partition.0);
            out.uint(end.0);
            number::IMPORT
        }
    }
}

fn create_topic(c: &CreateTopic, out: &mut Writer) -> u64 {
    out.text(c.name.as_str());
    out.topic_id(c.id);
    topic_settings(&c.settings, out);
    shards(&c.shards, out);
    let says_intake = c.settings.intake != IntakeSettings::default();
    if says_intake || c.settings.cleanup != CleanupSettings::default() {
        cleanup_settings(&c.settings.cleanup, out);
    }
    if says_intake {
        intake_settings(&c.settings.intake, out);
    }
    number::CREATE_TOPIC
}

fn add_partitions(c: &AddPartitions, out: &mut Writer) -> u64 {
    out.topic_id(c.id);
    out.uint(c.total);
    shards(&c.shards, out);
    number::ADD_PARTITIONS
}

fn shards(shards: &[ShardId], out: &mut Writer) {
    out.list(shards.iter(), |out, shard| out.uint(shard.0));
}

/// Shared with the checkpoint. How records go and what is taken in stand elsewhere.
pub(crate) fn topic_settings(settings: &TopicSettings, out: &mut Writer) {
    inherited(settings.retention_ms, out);
    inherited(settings.retention_bytes, out);
    out.option(settings.message_bytes_max, |out, bytes| out.uint(bytes));
    out.option(settings.timestamp_type, |out, kind| out.u8(timestamp_type(kind)));
    out.option(settings.flush, |out, class| out.u8(flush_class(class)));
}

fn settings_change(change: &SettingsChange, out: &mut Writer) {
    setting_change(change.retention_ms, out, bound);
    setting_change(change.retention_bytes, out, bound);
    setting_change(change.message_bytes_max, out, |out, bytes| out.uint(bytes));
    setting_change(change.timestamp_type, out, |out, kind| out.u8(timestamp_type(kind)));
    setting_change(change.flush, out, |out, class| out.u8(flush_class(class)));
}

/// Shared with the checkpoint.
pub(crate) fn cleanup_settings(settings: &CleanupSettings, out: &mut Writer) {
    out.option(settings.policy, |out, policy| out.u8(cleanup_policy(policy)));
    out.option(settings.tombstone_ms, |out, ms| out.uint(ms));
    out.option(settings.lag_ms_min, |out, ms| out.uint(ms));
    out.option(settings.lag_ms_max, |out, ms| out.uint(ms));
    out.option(settings.dirty_ratio_min, |out, ratio| out.uint(ratio.millionths()));
    out.option(settings.fresh_bytes, |out, bytes| out.uint(bytes));
    out.option(settings.fresh_ms, |out, ms| out.uint(ms));
}

fn cleanup_change(change: &CleanupChange, out: &mut Writer) {
    match change.policy {
        PolicyChange::Keep => out.u8(0),
        PolicyChange::Clear => out.u8(1),
        PolicyChange::Set(policy) => {
            out.u8(2);
            out.u8(cleanup_policy(policy));
        }
        PolicyChange::Add(policy) => {
            out.u8(3);
            out.u8(cleanup_policy(policy));
        }
        PolicyChange::Remove(policy) => {
            out.u8(4);
            out.u8(cleanup_policy(policy));
        }
    }
    setting_change(change.tombstone_ms, out, |out, ms| out.uint(ms));
    setting_change(change.lag_ms_min, out, |out, ms| out.uint(ms));
    setting_change(change.lag_ms_max, out, |out, ms| out.uint(ms));
    setting_change(change.dirty_ratio_min, out, |out, ratio| out.uint(ratio.millionths()));
    setting_change(change.fresh_bytes, out, |out, bytes| out.uint(bytes));
    setting_change(change.fresh_ms, out, |out, ms| out.uint(ms));
}

/// Shared with the checkpoint.
pub(crate) fn intake_settings(settings: &IntakeSettings, out: &mut Writer) {
    out.option(settings.before_ms_max, |out, ms| out.uint(ms));
    out.option(settings.after_ms_max, |out, ms| out.uint(ms));
    out.option(settings.compression, |out, kind| out.u8(compression(kind)));
    out.option(settings.gzip_level, gzip_level);
    out.option(settings.zstd_level, |out, level| out.int(level.number().into()));
}

fn intake_change(change: &IntakeChange, out: &mut Writer) {
    setting_change(change.before_ms_max, out, |out, ms| out.uint(ms));
    setting_change(change.after_ms_max, out, |out, ms| out.uint(ms));
    setting_change(change.compression, out, |out, kind| out.u8(compression(kind)));
    setting_change(change.gzip_level, out, gzip_level);
    setting_change(change.zstd_level, out, |out, level| out.int(level.number().into()));
}

/// Zero is gzip's own default.
fn gzip_level(out: &mut Writer, level: Option<GzipLevel>) {
    out.int(level.map_or(0, |level| level.number().into()));
}

fn compression(compression: Compression) -> u8 {
    match compression {
        Compression::Producer => 1,
        Compression::Uncompressed => 2,
        Compression::Gzip => 3,
        Compression::Snappy => 4,
        Compression::Lz4 => 5,
        Compression::Zstd => 6,
    }
}

fn cleanup_policy(policy: CleanupPolicy) -> u8 {
    match policy {
        CleanupPolicy::Delete => 1,
        CleanupPolicy::Compact => 2,
        CleanupPolicy::CompactAndDelete => 3,
        CleanupPolicy::Never => 4,
    }
}

fn setting_change<T>(change: SettingChange<T>, out: &mut Writer, set: impl FnOnce(&mut Writer, T)) {
    match change {
        SettingChange::Keep => out.u8(0),
        SettingChange::Clear => out.u8(1),
        SettingChange::Set(value) => {
            out.u8(2);
            set(out, value);
        }
    }
}

fn bound(out: &mut Writer, value: Option<u64>) {
    out.option(value, |out, value| out.uint(value));
}

fn flush_class(class: FlushClass) -> u8 {
    match class {
        FlushClass::Sync => 0,
        FlushClass::Async => 1,
    }
}

fn inherited(value: Option<Option<u64>>, out: &mut Writer) {
    match value {
        None => out.u8(0),
        Some(None) => out.u8(1),
        Some(Some(value)) => {
            out.u8(2);
            out.uint(value);
        }
    }
}

fn timestamp_type(kind: TimestampType) -> u8 {
    match kind {
        TimestampType::Create => 0,
        TimestampType::Append => 1,
    }
}

fn compacted_partition(compacted: &CompactedPartition, out: &mut Writer) {
    out.uint(compacted.partition.0);
    out.uint(compacted.freed_bytes);
    out.option(compacted.clean_end, |out, end| out.uint(end.0));
}

/// Shared with the checkpoint.
pub(crate) fn compaction(compaction: &Compaction, out: &mut Writer) {
    out.uint(compaction.tombstone_ms);
    out.uint(compaction.lag_ms_min);
    out.uint(compaction.lag_ms_max);
    out.uint(compaction.dirty_ratio_min.millionths());
    out.uint(compaction.fresh_bytes);
    out.uint(compaction.fresh_ms);
}

/// Shared with the checkpoint. How it is compacted stands elsewhere.
pub(crate) fn partition_settings(settings: &PartitionSettings, out: &mut Writer) {
    out.option(settings.retention_ms, |out, ms| out.uint(ms));
    out.option(settings.retention_bytes, |out, bytes| out.uint(bytes));
    out.uint(settings.message_bytes_max);
    out.u8(timestamp_type(settings.timestamp_type));
}

fn open_partition(c: &OpenPartition, out: &mut Writer) -> u64 {
    if let Some(rules) = &c.settings.queue {
        routes::queue_rules(rules, out);
    }
    out.uint(c.catalogue_version);
    out.uint(c.partition.0);
    out.topic_id(c.topic);
    out.uint(c.number);
    partition_settings(&c.settings, out);
    out.uint(c.base_epoch.0);
    if let Some(settings) = &c.settings.compaction {
        compaction(settings, out);
    }
    if c.settings.queue.is_some() { number::OPEN_QUEUE } else { number::OPEN_PARTITION }
}

fn append(c: &Append, out: &mut Writer) -> u64 {
    let number = match (c.transaction, &c.import) {
        (None, None) => number::APPEND,
        (Some(joining), _) => {
            out.u8(joining_number(joining));
            number::APPEND_IN_TRANSACTION
        }
        (None, Some(import)) => {
            imported(import, out);
            number::IMPORT
        }
    };
    let mut flags = 0;
    if c.append_time.is_some() {
        flags |= append_flag::APPEND_TIME;
    }
    if c.producer.is_some() {
        flags |= append_flag::PRODUCER;
    }
    if !c.parts.is_empty() {
        flags |= append_flag::PARTS;
    }
    out.u8(flags);
    out.u8(c.kind as u8);
    out.uint(c.slot.0);
    out.uint(c.count);
    out.uint(c.bytes);
    out.int(c.max_timestamp.0);
    out.list(c.targets.iter(), |out, (partition, which)| {
        out.uint(partition.0);
        match which {
            Which::All => out.u8(0),
            Which::Some(bitmap) => {
                out.u8(1);
                out.bytes(bitmap);
            }
        }
    });
    if let Some(time) = c.append_time {
        out.int(time.0);
    }
    if let Some(stamp) = c.producer {
        out.int(stamp.id.0);
        out.int(stamp.epoch.0.into());
        out.int(stamp.base_sequence.0.into());
    }
    if !c.parts.is_empty() {
        out.list(c.parts.iter(), |out, (index, slot)| {
            out.uint(index.0);
            out.uint(slot.0);
        });
    }
    number
}

fn imported(import: &Imported, out: &mut Writer) {
    out.u8(import_kind::BATCH);
    out.uint(import.after.0);
    out.uint(import.at.0);
    let (kind, producer) = match import.transaction {
        None => (imported_transaction::NONE, None),
        Some(ImportedTransaction::Records(producer)) => (imported_transaction::RECORDS, Some(producer)),
        Some(ImportedTransaction::Mark(producer, Decision::Commit)) => {
            (imported_transaction::COMMIT, Some(producer))
        }
        Some(ImportedTransaction::Mark(producer, Decision::Abort)) => {
            (imported_transaction::ABORT, Some(producer))
        }
    };
    out.u8(kind);
    if let Some(producer) = producer {
        out.int(producer.0);
    }
}

fn begin_import(c: &BeginImport, out: &mut Writer) -> u64 {
    out.u8(import_kind::BEGIN);
    out.uint(c.partition.0);
    out.text(&c.source);
    out.uint(c.start.0);
    number::IMPORT
}

fn joining_number(joining: Joining) -> u8 {
    match joining {
        Joining::Before => 0,
        Joining::Now => 1,
    }
}

fn open_producer(c: &OpenProducer, out: &mut Writer) -> u64 {
    out.text(&c.id.0);
    out.uint(c.timeout_ms);
    out.option(c.present, |out, present| instance(present, out));
    out.int(c.spare.0);
    number::OPEN_PRODUCER
}

fn join_transaction(c: &JoinTransaction, out: &mut Writer) -> u64 {
    out.text(&c.id.0);
    instance(c.instance, out);
    out.list(c.partitions.iter(), |out, partition| out.uint(partition.0));
    out.list(c.groups.iter(), |out, group| out.text(&group.0));
    if c.elsewhere.is_empty() {
        return number::JOIN_TRANSACTION;
    }
    out.list(c.elsewhere.iter(), |out, (shard, span)| {
        out.uint(shard.0);
        span.encode(out);
    });
    number::JOIN_TRANSACTION_ELSEWHERE
}

fn admit_guest(c: &AdmitGuest, out: &mut Writer) -> u64 {
    instance(c.instance, out);
    out.uint(c.begun.0);
    c.span.encode(out);
    number::ADMIT_GUEST
}

fn relay(c: &Relay, out: &mut Writer) -> u64 {
    out.uint(c.source.0);
    out.uint(c.number);
    c.item.encode(out);
    out.uint(c.mark.0);
    out.uint(c.mark_bytes);
    number::RELAY
}

fn hold_offsets(c: &HoldOffsets, out: &mut Writer) -> u64 {
    instance(c.instance, out);
    out.u8(joining_number(c.joining));
    save_offsets(&c.save, out);
    number::HOLD_OFFSETS
}

fn end_transaction(c: &EndTransaction, out: &mut Writer) -> u64 {
    out.text(&c.id.0);
    instance(c.instance, out);
    out.u8(decision(c.decision));
    match c.next {
        Next::Same => out.u8(0),
        Next::Raised { spare } => {
            out.u8(1);
            out.int(spare.0);
        }
        Next::Fenced => out.u8(2),
    }
    out.uint(c.mark.0);
    out.uint(c.mark_bytes);
    number::END_TRANSACTION
}

/// Shared with the checkpoint.
pub(crate) fn decision(decision: Decision) -> u8 {
    match decision {
        Decision::Commit => 0,
        Decision::Abort => 1,
    }
}

/// Shared with the checkpoint.
pub(crate) fn instance((producer, epoch): Instance, out: &mut Writer) {
    out.int(producer.0);
    out.int(epoch.0.into());
}

fn save_generation(c: &SaveGeneration, out: &mut Writer) -> u64 {
    out.text(&c.group.0);
    out.int(c.generation.into());
    out.text(&c.kind);
    out.text(&c.strategy);
    out.text(&c.leader);
    out.list(c.members.iter(), |out, m| member(m, out));
    number::SAVE_GENERATION
}

/// Shared with the checkpoint.
pub(crate) fn member(m: &Member, out: &mut Writer) {
    out.text(&m.id);
    out.option(m.instance.as_deref(), |out, name| out.text(name));
    out.text(&m.client);
    out.text(&m.host);
    out.uint(m.session_timeout_ms);
    out.uint(m.rebalance_timeout_ms);
    out.bytes(&m.metadata);
    out.bytes(&m.assignment);
}

fn save_offsets(c: &SaveOffsets, out: &mut Writer) -> u64 {
    out.text(&c.group.0);
    out.list(c.offsets.iter(), |out, offset| saved_offset(offset, out));
    number::COMMIT_OFFSETS
}

/// Shared with the checkpoint.
pub(crate) fn saved_offset(offset: &SavedOffset, out: &mut Writer) {
    out.topic_id(offset.topic);
    out.uint(offset.number);
    out.uint(offset.offset.0);
    out.option(offset.leader_epoch, |out, epoch| out.uint(epoch.0));
    out.text(&offset.metadata);
}

fn subscription_change(change: &SubscriptionChange, out: &mut Writer) {
    let uint = |out: &mut Writer, value: u32| out.uint(value);
    setting_change(change.heartbeat_interval_ms, out, uint);
    setting_change(change.session_timeout_ms, out, uint);
    setting_change(change.lease_ms, out, uint);
    setting_change(change.attempts_max, out, |out, attempts| out.uint(attempts.0));
    setting_change(change.span_max, out, uint);
    setting_change(change.begin, out, |out, at| start_at(at, out));
    setting_change(change.isolation, out, |out, isolation| out.u8(isolation_number(isolation)));
    setting_change(change.renews, out, |out, renews| out.u8(renews.into()));
    // Left out where nothing is said, as it was before there was any.
    if change.attendance != AttendanceChange::default() {
        setting_change(change.attendance.heartbeat_interval_ms, out, uint);
        setting_change(change.attendance.session_timeout_ms, out, uint);
    }
}

/// For the checkpoint.
pub(crate) fn attendance_settings(settings: &AttendanceSettings, out: &mut Writer) {
    let uint = |out: &mut Writer, value: u32| out.uint(value);
    out.option(settings.heartbeat_interval_ms, uint);
    out.option(settings.session_timeout_ms, uint);
}

/// For the checkpoint.
pub(crate) fn subscription_settings(settings: &SubscriptionSettings, out: &mut Writer) {
    let uint = |out: &mut Writer, value: u32| out.uint(value);
    out.option(settings.heartbeat_interval_ms, uint);
    out.option(settings.session_timeout_ms, uint);
    out.option(settings.lease_ms, uint);
    out.option(settings.attempts_max, |out, attempts| out.uint(attempts.0));
    out.option(settings.span_max, uint);
    out.option(settings.begin, |out, at| start_at(at, out));
    out.option(settings.isolation, |out, isolation| out.u8(isolation_number(isolation)));
    out.option(settings.renews, |out, renews| out.u8(renews.into()));
}

fn isolation_number(isolation: Isolation) -> u8 {
    match isolation {
        Isolation::Uncommitted => 0,
        Isolation::Committed => 1,
    }
}

fn start_at(at: StartAt, out: &mut Writer) {
    match at {
        StartAt::Earliest => out.u8(0),
        StartAt::Latest => out.u8(1),
        StartAt::Offset(offset) => {
            out.u8(2);
            out.uint(offset.0);
        }
        StartAt::NoOlderThan { ms } => {
            out.u8(3);
            out.uint(ms);
        }
    }
}

fn settle(c: &Settle, out: &mut Writer) -> u64 {
    c.subscription.encode(out);
    out.uint(c.since.0);
    out.list(c.settled.iter(), |out, settled| {
        out.uint(settled.range.first.0);
        out.uint(settled.range.last.0.saturating_sub(settled.range.first.0));
        out.u8(match settled.how {
            Settlement::Accept => 0,
            Settlement::Release { counts: true } => 1,
            Settlement::Release { counts: false } => 2,
            Settlement::Reject => 3,
        });
    });
    number::SETTLE
}

fn delivered_up_to(c: &DeliveredUpTo, out: &mut Writer) -> u64 {
    c.subscription.encode(out);
    out.uint(c.since.0);
    out.uint(c.up_to.0);
    out.uint(c.attempts_max.0);
    number::DELIVERED_UP_TO
}

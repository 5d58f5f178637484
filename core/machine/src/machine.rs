//! Applying commands.

mod import;
mod subscription;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use forebay_model::acl::Acl;
use forebay_model::limits::PARTITIONS_MAX;
use forebay_model::quota::QuotaChange;
use forebay_model::{
    CleanupChange, CleanupSettings, Count, IntakeChange, IntakeSettings, LogTime, Offset, PartitionId,
    ProducerId, Refusal, ShardId, Timestamp,
};

use crate::limits::{
    DROPPED_PARTITIONS_MAX, PARTITIONS_PER_COMPACTED_MAX, PARTS_PER_APPEND_MAX, PRODUCERS_PER_BLOCK_MAX,
    TARGETS_PER_APPEND_MAX, TRANSACTIONAL_ID_EXPIRY_MS,
};
use crate::producers::{Judgement, StoredBatch};
use crate::{
    Append, AppendedTo, Catalog, Command, CompactedPartition, DeadSlot, Effects, Groups, Guests, IndexEntry,
    MachineSettings, Meta, OpenPartition, Outcome, Partition, Producers, Relays, Route, Subscriptions,
    Transactions, Unstable, Which,
};

/// The machine version that a new log begins with.
pub const MACHINE_VERSION_FIRST: u32 = 1;
/// The newest machine version that this binary can apply.
pub const MACHINE_VERSION_LATEST: u32 = 4;
/// The machine version that can change the settings of a topic.
const MACHINE_VERSION_SETTINGS: u32 = 2;
/// The machine version that has transactions.
pub const MACHINE_VERSION_TRANSACTIONS: u32 = 2;
/// The machine version whose transactions span several shards.
pub const MACHINE_VERSION_RELAYS: u32 = 3;
/// The machine version that has quotas of clients.
pub const MACHINE_VERSION_QUOTAS: u32 = 3;
/// The machine version that has users.
pub const MACHINE_VERSION_USERS: u32 = 3;
/// The machine version that has rules of access.
pub const MACHINE_VERSION_ACLS: u32 = 3;
/// The machine version that has compaction.
pub const MACHINE_VERSION_COMPACTION: u32 = 3;
/// The machine version that has shared subscriptions.
pub const MACHINE_VERSION_SUBSCRIPTIONS: u32 = 3;
/// The machine version that has imports.
pub const MACHINE_VERSION_IMPORTS: u32 = 3;
/// The first one in which topics say what they take in.
pub const MACHINE_VERSION_INTAKE: u32 = 3;
/// The first one in which the defaults for topics can be changed.
pub const MACHINE_VERSION_DEFAULTS: u32 = 3;
/// The first one that has exchanges and queues.
pub const MACHINE_VERSION_QUEUES: u32 = 4;
/// Why a partition under import takes nothing else.
const UNDER_IMPORT: &str = "the partition is being imported and takes no other records";
/// The shard whose log holds the catalogue.
pub const CATALOGUE_SHARD: ShardId = ShardId(0);

/// The replicated state of one shard. The same commands in the same order give the same state and the same answers
/// everywhere: it reads no clock, draws nothing at random, and never waits.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) shard: ShardId,
    pub(crate) version: u32,
    pub(crate) applied: Meta,
    pub(crate) settings: MachineSettings,
    pub(crate) catalog: Catalog,
    pub(crate) next_producer: i64,
    pub(crate) partitions: BTreeMap<PartitionId, Partition>,
    pub(crate) dropped: Dropped,
    pub(crate) producers: Producers,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
    pub(crate) unstable: Unstable,
    pub(crate) relays: Relays,
    pub(crate) guests: Guests,
    pub(crate) subscriptions: Subscriptions,
}

/// Why a replica cannot go on with its log. The state is unchanged; the shard has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// From here on the log means something that this binary does not know: it has to be upgraded.
    UnknownMachineVersion {
        /// The version asked for.
        version: u32,
    },
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Halt::UnknownMachineVersion { version } = self;
        write!(
            f,
            "the log goes on with machine version {version}, and this binary knows none above {MACHINE_VERSION_LATEST}"
        )
    }
}

impl std::error::Error for Halt {}

impl Machine {
    /// The state before the first entry.
    pub fn new(shard: ShardId) -> Machine {
        Machine {
            shard,
            version: MACHINE_VERSION_FIRST,
            applied: Meta::default(),
            settings: MachineSettings::default(),
            catalog: Catalog::default(),
            next_producer: 0,
            partitions: BTreeMap::new(),
            dropped: Dropped::default(),
            producers: Producers::default(),
            groups: Groups::default(),
            transactions: Transactions::default(),
            unstable: Unstable::default(),
            relays: Relays::default(),
            guests: Guests::default(),
            subscriptions: Subscriptions::default(),
        }
    }

    /// Applies one committed command. Commands come in log order; those of one entry share their `meta`. A fact that
    /// every replica must act on is added to `effects`.
    ///
    /// # Errors
    /// [`Halt`]: this binary must not apply anything more of this log.
    ///
    /// # Panics
    /// When index or term fall: the caller applied something twice or out of order.
    pub fn apply(&mut self, meta: Meta, command: Command, effects: &mut Effects) -> Result<Outcome, Halt> {
        assert!(meta.index >= self.applied.index, "entries are applied in log order");
        assert!(meta.term >= self.applied.term, "terms never fall along a log");
        if let Command::SetMachineVersion { version } = command
            && version > MACHINE_VERSION_LATEST
        {
            return Err(Halt::UnknownMachineVersion { version });
        }
        let meta = self.advance(meta, effects);
        Ok(self.carry_out(&meta, command, effects).unwrap_or_else(Outcome::Refused))
    }

    /// Takes over the entry's place and time; time never falls, whatever a leader wrote.
    fn advance(&mut self, meta: Meta, effects: &mut Effects) -> Meta {
        let before = self.applied.time;
        self.applied = Meta { time: meta.time.max(before), ..meta };
        if self.applied.time > before {
            self.producers.expire(self.producers_oldest());
            let oldest = self.ago(self.settings.offset_expiry_ms);
            self.groups.expire(self.applied.time, oldest, &mut effects.expired_groups);
            self.transactions.expire(self.ago(TRANSACTIONAL_ID_EXPIRY_MS));
            self.guests.expire(self.ago(TRANSACTIONAL_ID_EXPIRY_MS));
        }
        self.applied
    }

    /// Producers last heard then or before count as forgotten.
    fn producers_oldest(&self) -> LogTime {
        self.ago(self.settings.producer_expiry_ms)
    }

    fn ago(&self, ms: u64) -> LogTime {
        LogTime(self.applied.time.0.saturating_sub_unsigned(ms))
    }

    fn carry_out(
        &mut self,
        meta: &Meta,
        command: Command,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        if command.is_of_catalogue() && self.shard != CATALOGUE_SHARD {
            return Err(Refusal::InvalidRequest("the catalogue is on shard 0".into()));
        }
        let is_unknown = command.is_about_compaction() && self.version < MACHINE_VERSION_COMPACTION
            || command.is_about_intake() && self.version < MACHINE_VERSION_INTAKE
            || matches!(command, Command::AlterDefaults(_)) && self.version < MACHINE_VERSION_DEFAULTS
            || command.opens_a_queue() && self.version < MACHINE_VERSION_QUEUES;
        if is_unknown {
            // A checkpoint could not hold what it says.
            return Err(Refusal::Unsupported("the machine version in force does not know this yet"));
        }
        let catalogue_before = self.catalog.version();
        let outcome = match command {
            Command::CreateTopic(create) => self.catalog.create(create, meta.time).map(Outcome::TopicCreated),
            Command::DeleteTopic { id } => self.catalog.delete(id).map(Outcome::TopicDeleted),
            Command::AddPartitions(grow) => self
                .catalog
                .grow(&grow)
                .map(|(topic, first_number)| Outcome::PartitionsAdded { topic, first_number }),
            Command::AlterTopic { id, change } => self.catalog.alter(id, &change).map(Outcome::TopicAltered),
            Command::AlterDefaults(change) => self.catalog.alter_defaults(&change).map(|()| Outcome::Done),
            Command::AlterQuotas(change) => self.alter_quotas(&change),
            Command::AllocateProducers { count } => self.allocate_producers(count),
            Command::SetMachineVersion { version } => self.set_version(version),
            Command::Configure(settings) => {
                self.settings = settings;
                Ok(Outcome::Done)
            }
            Command::OpenPartition(open) => self.open_partition(meta, &open, effects),
            Command::DropPartition { catalogue_version, partition } => {
                self.drop_partition(catalogue_version, partition, effects)
            }
            Command::Append(append) => self.append(meta, append, effects),
            Command::Trim { partition, start, bytes } => {
                let state = self.partitions.get_mut(&partition).ok_or(Refusal::UnknownPartition)?;
                if state.trim(start, bytes)? {
                    self.unstable.trim(partition, start);
                    self.subscriptions.trim(partition, start);
                    effects.trimmed.push((partition, start));
                }
                Ok(Outcome::Trimmed { start: state.start })
            }
            Command::Compacted { partitions } => self.compacted(meta, &partitions, effects),
            Command::AdvanceClock => Ok(Outcome::Done),
            Command::SaveGeneration(save) => self.groups.save(save, meta.time).map(|()| Outcome::Done),
            Command::CommitOffsets(save) => {
                Ok(Outcome::OffsetsCommitted(self.groups.commit(save, meta.time)))
            }
            Command::DeleteGroup { group } => self.groups.delete(&group).map(|()| Outcome::Done),
            Command::ForgetTopics { topics } => self.groups.forget_topics(&topics).map(|()| Outcome::Done),
            Command::OpenProducer(open) => self.open_producer(meta, open),
            Command::JoinTransaction(join) => self.join_transaction(meta, join),
            Command::HoldOffsets(hold) => self.hold_offsets(meta, hold),
            Command::EndTransaction(end) => self.end_transaction(meta, &end, effects),
            Command::AdmitGuest(admit) => self.admit_guest(meta, admit),
            Command::Relay(relay) => self.relay(meta, &relay, effects),
            Command::Relayed { target, up_to } => self.relayed(meta, target, up_to, effects),
            Command::SetCredential(set) => {
                self.has_users().and_then(|()| self.catalog.set_credential(set)).map(|()| Outcome::Done)
            }
            Command::RemoveCredential { key } => {
                self.has_users().and_then(|()| self.catalog.remove_credential(&key)).map(|()| Outcome::Done)
            }
            Command::AddAcls { acls } => self.add_acls(&acls),
            Command::RemoveAcls { acls } => self.remove_acls(&acls),
            Command::OpenSubscription { subscription, at, anew } => {
                self.open_subscription(meta, subscription, at, anew)
            }
            Command::Settle(settle) => self.settle_deliveries(&settle),
            Command::DeliveredUpTo(deliver) => self.deliver(meta, &deliver),
            Command::DropSubscription { subscription } => self.drop_subscription(&subscription),
            Command::AlterSubscription { name, change } => self.alter_subscription(name, &change),
            Command::Route(route) => self.route(route, meta),
            Command::BeginImport(begin) => self.begin_import(begin, effects),
            Command::EndImport { partition, end } => self.end_import(partition, end),
        };
        if self.catalog.version() != catalogue_before {
            effects.catalogue_version = Some(self.catalog.version());
        }
        outcome
    }

    fn allocate_producers(&mut self, count: u32) -> Result<Outcome, Refusal> {
        if count == 0 || count > PRODUCERS_PER_BLOCK_MAX {
            return Err(Refusal::LimitReached { limit: "PRODUCERS_PER_BLOCK_MAX" });
        }
        let first = self.next_producer;
        self.next_producer =
            first.checked_add(count.into()).ok_or(Refusal::LimitReached { limit: "producer ids" })?;
        Ok(Outcome::ProducersAllocated { first: ProducerId(first), count: Count(count.into()) })
    }

    fn alter_quotas(&mut self, change: &QuotaChange) -> Result<Outcome, Refusal> {
        if self.version < MACHINE_VERSION_QUOTAS {
            return Err(Refusal::Unsupported("the machine version in force has no quotas"));
        }
        self.catalog.alter_quotas(change).map(|()| Outcome::Done)
    }

    fn route(&mut self, route: Route, meta: &Meta) -> Result<Outcome, Refusal> {
        if self.version < MACHINE_VERSION_QUEUES {
            return Err(Refusal::Unsupported("the machine version in force has no exchanges and queues"));
        }
        self.catalog.route(route, meta.time)
    }

    fn has_users(&self) -> Result<(), Refusal> {
        if self.version < MACHINE_VERSION_USERS {
            return Err(Refusal::Unsupported("the machine version in force has no users"));
        }
        Ok(())
    }

    fn add_acls(&mut self, acls: &[Acl]) -> Result<Outcome, Refusal> {
        self.check_acls()?;
        self.catalog.add_acls(acls).map(|()| Outcome::Done)
    }

    fn remove_acls(&mut self, acls: &[Acl]) -> Result<Outcome, Refusal> {
        self.check_acls()?;
        self.catalog.remove_acls(acls);
        Ok(Outcome::Done)
    }

    /// A checkpoint of an older version has no place for them.
    fn check_acls(&self) -> Result<(), Refusal> {
        if self.version < MACHINE_VERSION_ACLS {
            return Err(Refusal::Unsupported("this machine version has no rules of access"));
        }
        Ok(())
    }

    fn set_version(&mut self, version: u32) -> Result<Outcome, Refusal> {
        if version <= self.version {
            let present = self.version;
            return Err(Refusal::InvalidRequest(format!("the machine version is {present} already")));
        }
        self.version = version;
        Ok(Outcome::Done)
    }

    fn open_partition(
        &mut self,
        meta: &Meta,
        open: &OpenPartition,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        if let Some(present) = self.partitions.get_mut(&open.partition) {
            if (present.topic, present.number) != (open.topic, open.number) {
                return Err(Refusal::InvalidRequest("this id belongs to another partition".into()));
            }
            if open.catalogue_version >= present.catalogue_version {
                present.catalogue_version = open.catalogue_version;
                present.set(open.settings);
            }
            return Ok(Outcome::Opened);
        }
        if self.dropped.contains(open.partition) {
            return Err(Refusal::UnknownPartition);
        }
        if self.partitions.len() >= PARTITIONS_MAX {
            return Err(Refusal::LimitReached { limit: "PARTITIONS_MAX" });
        }
        self.partitions.insert(open.partition, Partition::open(open, self.shard, meta));
        effects.opened.push(open.partition);
        Ok(Outcome::Opened)
    }

    /// A partition that is gone meanwhile is passed over.
    fn compacted(
        &mut self,
        meta: &Meta,
        partitions: &[CompactedPartition],
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        if partitions.len() > PARTITIONS_PER_COMPACTED_MAX {
            return Err(Refusal::LimitReached { limit: "PARTITIONS_PER_COMPACTED_MAX" });
        }
        for found in partitions {
            if let Some(partition) = self.partitions.get_mut(&found.partition) {
                partition.compacted(found, meta);
                if found.freed_bytes > 0 {
                    effects.compacted.push(found.partition);
                }
            }
        }
        Ok(Outcome::Done)
    }

    /// Remembers an id that it does not know: the command that would open it may come later. What a catalogue says that is
    /// older than the one behind the partition is not meant for it and changes nothing.
    fn drop_partition(
        &mut self,
        catalogue_version: u64,
        id: PartitionId,
        effects: &mut Effects,
    ) -> Result<Outcome, Refusal> {
        let present = self.partitions.get(&id);
        if present.is_some_and(|partition| catalogue_version < partition.catalogue_version) {
            return Ok(Outcome::Done);
        }
        self.dropped.insert(id);
        if self.partitions.remove(&id).is_some() {
            self.producers.forget(id);
            self.unstable.forget(id);
            self.subscriptions.forget(id);
            effects.dropped.push(id);
        }
        Ok(Outcome::Done)
    }

    fn append(&mut self, meta: &Meta, append: Append, effects: &mut Effects) -> Result<Outcome, Refusal> {
        let indexed_before = effects.indexed.len();
        let outcome = check_append(&append).map(|()| {
            let targets = append.targets.iter();
            let results = targets.map(|(id, which)| self.append_to(meta, *id, which, &append, effects));
            Outcome::Appended(results.collect())
        });
        if effects.indexed.len() == indexed_before {
            let Append { slot, bytes, parts, .. } = append;
            effects.dead.push(DeadSlot { log_index: meta.index, slot, bytes, parts });
        }
        outcome
    }

    fn append_to(
        &mut self,
        meta: &Meta,
        id: PartitionId,
        which: &Which,
        append: &Append,
        effects: &mut Effects,
    ) -> Result<AppendedTo, Refusal> {
        if let Which::Some(_) = which {
            return Err(Refusal::Unsupported("a part of a payload cannot be routed yet"));
        }
        if let Some(import) = &append.import {
            return self.append_imported(meta, id, append, import, effects);
        }
        let oldest = self.producers_oldest();
        let partition = self.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
        if partition.is_under_import() {
            return Err(Refusal::Forbidden(UNDER_IMPORT));
        }
        if append.bytes > partition.settings.message_bytes_max {
            return Err(Refusal::TooLarge { limit: partition.settings.message_bytes_max.into() });
        }
        let start_offset = partition.start;
        if let Some(stamp) = &append.producer {
            match self.producers.judge(id, stamp, append.count, oldest) {
                Judgement::Fresh => {}
                Judgement::Refused(refusal) => return Err(refusal),
                Judgement::Duplicate(StoredBatch { base_offset, append_time, .. }) => {
                    let duplicate = true;
                    return Ok(AppendedTo {
                        partition: id,
                        base_offset,
                        start_offset,
                        append_time,
                        duplicate,
                    });
                }
            }
        }
        partition.room_for(partition.end, append.count)?;
        self.admit_append(meta, id, append.producer.as_ref(), append.transaction)?;
        let partition = self.partitions.get_mut(&id).ok_or(Refusal::UnknownPartition)?;
        let base_offset = partition.end;
        let max_timestamp = append.append_time.unwrap_or(append.max_timestamp);
        partition.append(append.count, append.bytes, max_timestamp, meta.term);
        let append_time = append.append_time;
        if let Some(stamp) = &append.producer {
            let base_sequence = stamp.base_sequence;
            let batch = StoredBatch { base_sequence, count: append.count, base_offset, append_time };
            self.producers.remember(id, stamp, batch, meta.time, oldest);
            if append.transaction.is_some() {
                self.unstable.begin(id, stamp.id, base_offset);
                partition.first_open = self.unstable.first_open(id);
            }
        }
        effects.appended.push(id);
        effects.indexed.push(append.indexed(meta, id, base_offset, max_timestamp));
        Ok(AppendedTo { partition: id, base_offset, start_offset, append_time, duplicate: false })
    }
}

impl Append {
    /// As [`Command::since`].
    pub fn since(&self) -> u32 {
        if self.import.is_some() {
            MACHINE_VERSION_IMPORTS
        } else if self.transaction.is_some() {
            MACHINE_VERSION_TRANSACTIONS
        } else {
            MACHINE_VERSION_FIRST
        }
    }

    /// Where its payload became part of a partition.
    fn indexed(
        &self,
        meta: &Meta,
        partition: PartitionId,
        first_offset: Offset,
        max_timestamp: Timestamp,
    ) -> IndexEntry {
        IndexEntry {
            partition,
            first_offset,
            count: self.count,
            log_index: meta.index,
            slot: self.slot,
            first_position: 0,
            bytes: self.bytes,
            max_timestamp,
            earliest_expiry: None,
            parts: self.parts.clone(),
        }
    }
}

impl Command {
    /// Whether it says what a topic takes in.
    fn is_about_intake(&self) -> bool {
        match self {
            Command::CreateTopic(create) => create.settings.intake != IntakeSettings::default(),
            Command::AlterTopic { change, .. } => change.intake != IntakeChange::default(),
            _ => false,
        }
    }

    fn opens_a_queue(&self) -> bool {
        matches!(self, Command::OpenPartition(open) if open.settings.queue.is_some())
    }

    /// Whether it says how records go, or what compaction did.
    fn is_about_compaction(&self) -> bool {
        match self {
            Command::Compacted { .. } => true,
            Command::CreateTopic(create) => create.settings.cleanup != CleanupSettings::default(),
            Command::AlterTopic { change, .. } => change.cleanup != CleanupChange::default(),
            Command::OpenPartition(open) => open.settings.compaction.is_some(),
            _ => false,
        }
    }

    /// The first machine version that knows it: it may be proposed when that one is in force.
    pub fn since(&self) -> u32 {
        match self {
            command if command.opens_a_queue() => MACHINE_VERSION_QUEUES,
            command if command.is_about_compaction() => MACHINE_VERSION_COMPACTION,
            command if command.is_about_intake() => MACHINE_VERSION_INTAKE,
            Command::AlterTopic { .. } => MACHINE_VERSION_SETTINGS,
            Command::JoinTransaction(join) if !join.elsewhere.is_empty() => MACHINE_VERSION_RELAYS,
            Command::AdmitGuest(_) | Command::Relay(_) | Command::Relayed { .. } => MACHINE_VERSION_RELAYS,
            Command::AlterQuotas(_) => MACHINE_VERSION_QUOTAS,
            Command::AlterDefaults(_) => MACHINE_VERSION_DEFAULTS,
            Command::OpenProducer(_)
            | Command::JoinTransaction(_)
            | Command::HoldOffsets(_)
            | Command::EndTransaction(_) => MACHINE_VERSION_TRANSACTIONS,
            Command::SetCredential(_) | Command::RemoveCredential { .. } => MACHINE_VERSION_USERS,
            Command::AddAcls { .. } | Command::RemoveAcls { .. } => MACHINE_VERSION_ACLS,
            Command::OpenSubscription { .. }
            | Command::Settle(_)
            | Command::DeliveredUpTo(_)
            | Command::DropSubscription { .. }
            | Command::AlterSubscription { .. } => MACHINE_VERSION_SUBSCRIPTIONS,
            Command::Route(_) => MACHINE_VERSION_QUEUES,
            Command::BeginImport(_) | Command::EndImport { .. } => MACHINE_VERSION_IMPORTS,
            Command::Append(append) => append.since(),
            _ => MACHINE_VERSION_FIRST,
        }
    }

    /// Whether only shard 0 may carry it out.
    pub fn is_of_catalogue(&self) -> bool {
        matches!(
            self,
            Command::CreateTopic(_)
                | Command::DeleteTopic { .. }
                | Command::AddPartitions(_)
                | Command::AlterTopic { .. }
                | Command::AlterDefaults(_)
                | Command::AlterQuotas(_)
                | Command::AllocateProducers { .. }
                | Command::SetCredential(_)
                | Command::RemoveCredential { .. }
                | Command::AddAcls { .. }
                | Command::RemoveAcls { .. }
                | Command::AlterSubscription { .. }
                | Command::Route(_)
        )
    }
}

fn check_append(append: &Append) -> Result<(), Refusal> {
    if append.count == 0 || append.count > i32::MAX as u32 {
        return Err(Refusal::InvalidPayload("a payload has 1 to 2147483647 messages".into()));
    }
    if append.targets.is_empty() {
        return Err(Refusal::InvalidRequest("an append without a target".into()));
    }
    if append.targets.len() > TARGETS_PER_APPEND_MAX {
        return Err(Refusal::LimitReached { limit: "TARGETS_PER_APPEND_MAX" });
    }
    if append.parts.len() > PARTS_PER_APPEND_MAX {
        return Err(Refusal::LimitReached { limit: "PARTS_PER_APPEND_MAX" });
    }
    Ok(())
}

/// The last dropped partitions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dropped {
    oldest_first: VecDeque<PartitionId>,
    set: BTreeSet<PartitionId>,
}

impl Dropped {
    pub(crate) fn contains(&self, id: PartitionId) -> bool {
        self.set.contains(&id)
    }

    pub(crate) fn insert(&mut self, id: PartitionId) {
        if !self.set.insert(id) {
            return;
        }
        self.oldest_first.push_back(id);
        if self.oldest_first.len() > DROPPED_PARTITIONS_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.set.remove(&oldest);
        }
    }

    pub(crate) fn oldest_first(&self) -> impl ExactSizeIterator<Item = &PartitionId> {
        self.oldest_first.iter()
    }
}

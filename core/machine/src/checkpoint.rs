//! The whole state as bytes and back: see docs/formats/machine-checkpoint.md.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::exchange::QueueName;
use forebay_model::queue::NamespaceName;
use forebay_model::subscription::{AttendanceSettings, SubscriptionSettings};
use forebay_model::{
    CleanupSettings, IntakeSettings, LeaderEpoch, LogIndex, LogTime, Offset, PartitionId, ShardId, Term,
    Timestamp, TopicId, TopicSettings,
};

use crate::acls::Acls;
use crate::catalog::{Topic, TopicPartition};
use crate::codec::{DecodeError, Reader, Writer};
use crate::command::{decode, encode};
use crate::guests::Guests;
use crate::limits::{DROPPED_PARTITIONS_MAX, EPOCHS_PER_PARTITION_MAX};
use crate::machine::{
    Dropped, MACHINE_VERSION_ACLS, MACHINE_VERSION_COMPACTION, MACHINE_VERSION_DEFAULTS,
    MACHINE_VERSION_FIRST, MACHINE_VERSION_IMPORTS, MACHINE_VERSION_INTAKE, MACHINE_VERSION_LATEST,
    MACHINE_VERSION_QUEUES, MACHINE_VERSION_QUOTAS, MACHINE_VERSION_RELAYS, MACHINE_VERSION_SUBSCRIPTIONS,
    MACHINE_VERSION_TRANSACTIONS, MACHINE_VERSION_USERS,
};
use crate::namespaces;
use crate::quotas;
use crate::relays::Relays;
use crate::routes;
use crate::users::Users;
use crate::{
    Catalog, CleanMark, CleanMarks, Compaction, EpochStart, Extent, Groups, Import, Machine, MachineSettings,
    Meta, Partition, Producers, Subscriptions, Transactions, Unstable,
};

type Read<T> = Result<T, DecodeError>;

/// What a section of a checkpoint holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionKind(pub u32);

impl SectionKind {
    /// Versions, the place in the log, settings, counters.
    pub const HEADER: SectionKind = SectionKind(1);
    /// Topics.
    pub const CATALOGUE: SectionKind = SectionKind(2);
    /// Partitions of this shard.
    pub const PARTITIONS: SectionKind = SectionKind(3);
    /// Ids of partitions dropped lately.
    pub const DROPPED: SectionKind = SectionKind(4);
    /// Idempotent producers.
    pub const PRODUCERS: SectionKind = SectionKind(5);
    /// Groups.
    pub const GROUPS: SectionKind = SectionKind(6);
    /// Committed offsets.
    pub const OFFSETS: SectionKind = SectionKind(7);
    /// Transactional producers, from machine version 2 on.
    pub const TRANSACTIONS: SectionKind = SectionKind(8);
    /// What of the partitions belongs to transactions, from machine version 2 on.
    pub const UNSTABLE: SectionKind = SectionKind(9);
    /// Cursors of open transactions, from machine version 2 on.
    pub const PENDING_CURSORS: SectionKind = SectionKind(10);
    /// What is handed over to other shards and taken from them, from machine version 3 on.
    pub const RELAYS: SectionKind = SectionKind(11);
    /// Transactional producers of other shards, from machine version 3 on.
    pub const GUESTS: SectionKind = SectionKind(12);
    /// Users, from machine version 3 on.
    pub const USERS: SectionKind = SectionKind(16);
    /// Rules of access, from machine version 3 on.
    pub const ACLS: SectionKind = SectionKind(17);
    /// Shared subscriptions and what was set on them, from machine version 3 on.
    pub const SUBSCRIPTIONS: SectionKind = SectionKind(18);
    /// How records of topics and partitions go, from machine version 3 on.
    pub const CLEANUP: SectionKind = SectionKind(52);
    /// Quotas of clients, from machine version 3 on. Its number is that of its command.
    pub const QUOTAS: SectionKind = SectionKind(53);
    /// Partitions under import, from machine version 3 on.
    pub const IMPORTS: SectionKind = SectionKind(59);
    /// What topics take in, from machine version 3 on.
    pub const INTAKE: SectionKind = SectionKind(60);
    /// Exchanges, bindings and queues, from machine version 4 on.
    pub const NAMESPACES: SectionKind = SectionKind(62);
    /// What applies to topics that set nothing, from machine version 3 on.
    pub const DEFAULTS: SectionKind = SectionKind(61);
}

/// The format of every section, written at its beginning.
const SECTION_FORMAT: u64 = 1;

impl Machine {
    /// The whole state, in sections by rising kind. Equal states give equal bytes.
    pub fn encode_checkpoint(&self) -> Vec<(SectionKind, Bytes)> {
        let mut sections = vec![
            section(SectionKind::HEADER, |out| self.encode_header(out)),
            section(SectionKind::CATALOGUE, |out| encode_catalog(&self.catalog, out)),
            section(SectionKind::PARTITIONS, |out| {
                out.list(self.partitions.values(), |out, partition| encode_partition(partition, out));
            }),
            section(SectionKind::DROPPED, |out| {
                out.list(self.dropped.oldest_first(), |out, id| out.uint(id.0));
            }),
            section(SectionKind::PRODUCERS, |out| self.producers.encode(out)),
            section(SectionKind::GROUPS, |out| self.groups.encode_groups(out)),
            section(SectionKind::OFFSETS, |out| self.groups.encode_offsets(out)),
        ];
        if self.version >= MACHINE_VERSION_TRANSACTIONS {
            sections.extend([
                section(SectionKind::TRANSACTIONS, |out| self.transactions.encode(out)),
                section(SectionKind::UNSTABLE, |out| self.unstable.encode(out)),
                section(SectionKind::PENDING_CURSORS, |out| self.groups.encode_pending(out)),
            ]);
        }
        if self.version >= MACHINE_VERSION_RELAYS {
            sections.extend([
                section(SectionKind::RELAYS, |out| self.relays.encode(out)),
                section(SectionKind::GUESTS, |out| self.guests.encode(out)),
            ]);
        }
        if self.version >= MACHINE_VERSION_USERS {
            sections.push(section(SectionKind::USERS, |out| self.catalog.users().encode(out)));
        }
        if self.version >= MACHINE_VERSION_ACLS {
            sections.push(section(SectionKind::ACLS, |out| self.catalog.acls().encode(out)));
        }
        if self.version >= MACHINE_VERSION_SUBSCRIPTIONS {
            sections.push(section(SectionKind::SUBSCRIPTIONS, |out| {
                self.subscriptions.encode(out);
                encode_subscription_settings(&self.catalog, out);
            }));
        }
        if self.version >= MACHINE_VERSION_COMPACTION {
            sections.push(section(SectionKind::CLEANUP, |out| self.encode_cleanup(out)));
        }
        if self.version >= MACHINE_VERSION_QUOTAS {
            sections.push(section(SectionKind::QUOTAS, |out| quotas::encode(self.catalog.quotas(), out)));
        }
        if self.version >= MACHINE_VERSION_IMPORTS {
            sections.push(section(SectionKind::IMPORTS, |out| self.encode_imports(out)));
        }
        if self.version >= MACHINE_VERSION_INTAKE {
            sections.push(section(SectionKind::INTAKE, |out| self.encode_intake(out)));
        }
        if self.version >= MACHINE_VERSION_DEFAULTS {
            sections.push(section(SectionKind::DEFAULTS, |out| encode_defaults(&self.catalog, out)));
        }
        if self.version >= MACHINE_VERSION_QUEUES {
            sections.push(section(SectionKind::NAMESPACES, |out| {
                encode_namespaces(&self.catalog, out);
                let queues: Vec<_> =
                    self.partitions.values().filter_map(|one| Some((one.id, one.settings.queue?))).collect();
                out.list(queues.into_iter(), |out, (partition, rules)| {
                    out.uint(partition.0);
                    routes::queue_rules(&rules, out);
                });
            }));
        }
        sections
    }

    /// Puts the state together again.
    ///
    /// # Errors
    /// A section is missing, doubled, unknown or damaged, or was written by a newer machine.
    pub fn decode_checkpoint(sections: &[(SectionKind, Bytes)]) -> Result<Machine, DecodeError> {
        let mut left = Sections::new(sections)?;
        let mut header = left.take(SectionKind::HEADER, "header")?;
        let mut machine = decode_header(&mut header)?;
        header.end("the header")?;
        let mut compacted = Vec::new();
        let mut input = left.take(SectionKind::CATALOGUE, "catalogue")?;
        let mut cleanup = BTreeMap::new();
        if machine.version >= MACHINE_VERSION_COMPACTION {
            let mut input = left.take(SectionKind::CLEANUP, "cleanup")?;
            cleanup = decode_topic_cleanup(&mut input)?;
            compacted = decode_compacted(&mut input)?;
            input.end("the cleanup")?;
        }
        let mut intake = BTreeMap::new();
        if machine.version >= MACHINE_VERSION_INTAKE {
            let mut input = left.take(SectionKind::INTAKE, "intake")?;
            intake = decode_topic_intake(&mut input)?;
            input.end("the intake")?;
        }
        machine.catalog = decode_catalog(&mut input, cleanup, intake)?;
        input.end("the catalogue")?;
        let mut input = left.take(SectionKind::PARTITIONS, "partitions")?;
        machine.partitions = decode_partitions(&mut input)?;
        input.end("the partitions")?;
        machine.restore_compacted(compacted)?;
        let mut input = left.take(SectionKind::DROPPED, "dropped")?;
        machine.dropped = decode_dropped(&mut input)?;
        input.end("the dropped partitions")?;
        let mut input = left.take(SectionKind::PRODUCERS, "producers")?;
        machine.producers = Producers::decode(&mut input)?;
        input.end("the producers")?;
        let mut groups = left.take(SectionKind::GROUPS, "groups")?;
        let mut offsets = left.take(SectionKind::OFFSETS, "offsets")?;
        machine.groups = Groups::decode(&mut groups, &mut offsets)?;
        groups.end("the groups")?;
        offsets.end("the offsets")?;
        if machine.version >= MACHINE_VERSION_TRANSACTIONS {
            machine.decode_transactions(&mut left)?;
        }
        if machine.version >= MACHINE_VERSION_RELAYS {
            let mut input = left.take(SectionKind::RELAYS, "relays")?;
            machine.relays = Relays::decode(&mut input)?;
            input.end("the relays")?;
            let mut input = left.take(SectionKind::GUESTS, "guests")?;
            machine.guests = Guests::decode(&mut input)?;
            input.end("the guests")?;
        }
        if machine.version >= MACHINE_VERSION_USERS {
            let mut input = left.take(SectionKind::USERS, "users")?;
            machine.catalog.restore_users(Users::decode(&mut input)?);
            input.end("the users")?;
        }
        if machine.version >= MACHINE_VERSION_ACLS {
            let mut input = left.take(SectionKind::ACLS, "rules of access")?;
            machine.catalog.restore_acls(Acls::decode(&mut input)?);
            input.end("the rules of access")?;
        }
        if machine.version >= MACHINE_VERSION_SUBSCRIPTIONS {
            machine.decode_subscriptions(&mut left)?;
        }
        if machine.version >= MACHINE_VERSION_QUOTAS {
            let mut input = left.take(SectionKind::QUOTAS, "quotas")?;
            machine.catalog.restore_quotas(quotas::decode(&mut input)?);
            input.end("the quotas")?;
        }
        if machine.version >= MACHINE_VERSION_IMPORTS {
            let mut input = left.take(SectionKind::IMPORTS, "imports")?;
            machine.decode_imports(&mut input)?;
            input.end("the imports")?;
        }
        if machine.version >= MACHINE_VERSION_DEFAULTS {
            let mut input = left.take(SectionKind::DEFAULTS, "defaults")?;
            decode_defaults(&mut machine.catalog, &mut input)?;
            input.end("the defaults")?;
        }
        if machine.version >= MACHINE_VERSION_QUEUES {
            let mut input = left.take(SectionKind::NAMESPACES, "namespaces")?;
            let stored = namespaces::decode(&mut input)?;
            machine.decode_queues(&mut input)?;
            input.end("the namespaces")?;
            if !machine.catalog.restore_namespaces(stored) {
                return Err(DecodeError::Invalid("the namespaces"));
            }
        }
        left.end()?;
        Ok(machine)
    }

    fn decode_transactions(&mut self, left: &mut Sections<'_>) -> Read<()> {
        let mut input = left.take(SectionKind::TRANSACTIONS, "transactions")?;
        self.transactions = Transactions::decode(&mut input)?;
        input.end("the transactions")?;
        let mut input = left.take(SectionKind::UNSTABLE, "unstable records")?;
        self.unstable = Unstable::decode(&mut input)?;
        input.end("the unstable records")?;
        let mut input = left.take(SectionKind::PENDING_CURSORS, "pending cursors")?;
        self.groups.decode_pending(&mut input)?;
        input.end("the pending cursors")?;
        for (id, partition) in &mut self.partitions {
            partition.first_open = self.unstable.first_open(*id);
        }
        Ok(())
    }

    fn encode_cleanup(&self, out: &mut Writer) {
        let topics: Vec<_> = self.catalog.topics().filter(|topic| is_set(&topic.settings.cleanup)).collect();
        out.list(topics.into_iter(), |out, topic| {
            out.topic_id(topic.id);
            encode::cleanup_settings(&topic.settings.cleanup, out);
        });
        let compacted: Vec<_> = self.partitions.values().filter(|partition| partition.has_gaps).collect();
        out.list(compacted.into_iter(), |out, partition| {
            out.uint(partition.id.0);
            out.option(partition.settings.compaction, |out, compaction| encode::compaction(&compaction, out));
            out.list(partition.clean.marks().iter(), |out, mark| {
                out.uint(mark.end.0);
                out.int(mark.time.0);
            });
        });
    }

    fn encode_intake(&self, out: &mut Writer) {
        let topics = self.catalog.topics().filter(|topic| topic.settings.intake != IntakeSettings::default());
        let topics: Vec<_> = topics.collect();
        out.list(topics.into_iter(), |out, topic| {
            out.topic_id(topic.id);
            encode::intake_settings(&topic.settings.intake, out);
        });
    }

    fn restore_compacted(&mut self, compacted: Vec<Compacted>) -> Read<()> {
        if !compacted.is_sorted_by(|a, b| a.partition < b.partition) {
            return Err(DecodeError::Invalid("the order of compacted partitions"));
        }
        for Compacted { partition, compaction, clean } in compacted {
            let found = self.partitions.get_mut(&partition);
            let partition = found.ok_or(DecodeError::Invalid("a compacted partition"))?;
            partition.has_gaps = true;
            partition.settings.compaction = compaction;
            partition.clean = clean;
        }
        Ok(())
    }

    fn encode_imports(&self, out: &mut Writer) {
        let imports =
            || self.partitions.values().filter_map(|p| p.import.as_ref().map(|import| (p.id, import)));
        out.len(imports().count());
        for (id, import) in imports() {
            out.uint(id.0);
            out.u8(import.has_ended.into());
            out.text(&import.source);
        }
    }

    fn decode_imports(&mut self, input: &mut Reader<'_>) -> Read<()> {
        let imports = input.list("the imports", |input| {
            let id = PartitionId(input.uint("a partition")?);
            let has_ended = match input.u8("whether an import has ended")? {
                0 => false,
                1 => true,
                _ => return Err(DecodeError::Invalid("whether an import has ended")),
            };
            Ok((id, Import { has_ended, source: decode::import_source(input)? }))
        })?;
        if !imports.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(DecodeError::Invalid("the order of imports"));
        }
        for (id, import) in imports {
            let partition = self.partitions.get_mut(&id).ok_or(DecodeError::Invalid("an import"))?;
            partition.import = Some(import);
        }
        Ok(())
    }

    fn decode_queues(&mut self, input: &mut Reader<'_>) -> Read<()> {
        let queues = input.list("partitions of queues", |input| {
            Ok((PartitionId(input.uint("a partition")?), routes::read_queue_rules(input)?))
        })?;
        if !queues.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(DecodeError::Invalid("the order of queues"));
        }
        for (id, rules) in queues {
            let partition =
                self.partitions.get_mut(&id).ok_or(DecodeError::Invalid("a queue's partition"))?;
            partition.settings.queue = Some(rules);
        }
        Ok(())
    }

    fn decode_subscriptions(&mut self, left: &mut Sections<'_>) -> Read<()> {
        let mut input = left.take(SectionKind::SUBSCRIPTIONS, "subscriptions")?;
        self.subscriptions = Subscriptions::decode(&mut input)?;
        let mut settings = input.list("settings of subscriptions", |input| {
            Ok((decode::group_id(input)?, decode::subscription_settings(input)?))
        })?;
        if input.has_more() {
            let attendance = input.list("settings of groups", |input| {
                Ok((decode::group_id(input)?, decode::attendance_settings(input)?))
            })?;
            for (name, attendance) in attendance {
                let found = settings.binary_search_by(|(known, _)| known.cmp(&name));
                let place = found.map_err(|_| DecodeError::Invalid("the settings of a group"))?;
                settings[place].1.attendance = attendance;
            }
        }
        input.end("the subscriptions")?;
        match self.catalog.restore_subscriptions(settings) {
            true => Ok(()),
            false => Err(DecodeError::Invalid("the settings of subscriptions")),
        }
    }

    fn encode_header(&self, out: &mut Writer) {
        out.uint(self.version);
        out.uint(self.shard.0);
        out.uint(self.applied.index.0);
        out.uint(self.applied.term.0);
        out.int(self.applied.time.0);
        out.uint(self.settings.producer_expiry_ms);
        out.uint(self.settings.offset_expiry_ms);
        out.int(self.next_producer);
    }
}

fn section(kind: SectionKind, write: impl FnOnce(&mut Writer)) -> (SectionKind, Bytes) {
    let mut out = Writer::default();
    out.uint(SECTION_FORMAT);
    write(&mut out);
    (kind, out.finish())
}

/// The sections of a checkpoint; each is there once, and no other is.
struct Sections<'a>(BTreeMap<SectionKind, &'a Bytes>);

impl<'a> Sections<'a> {
    fn new(sections: &'a [(SectionKind, Bytes)]) -> Read<Sections<'a>> {
        let by_kind: BTreeMap<_, _> = sections.iter().map(|(kind, bytes)| (*kind, bytes)).collect();
        if by_kind.len() != sections.len() {
            return Err(DecodeError::Section("of some kind"));
        }
        Ok(Sections(by_kind))
    }

    /// Nothing is left over.
    fn end(&self) -> Read<()> {
        match self.0.keys().next() {
            Some(kind) => Err(DecodeError::UnknownFormat { what: "a section", version: kind.0.into() }),
            None => Ok(()),
        }
    }

    fn take(&mut self, kind: SectionKind, name: &'static str) -> Read<Reader<'a>> {
        let bytes = self.0.remove(&kind).ok_or(DecodeError::Section(name))?;
        let mut input = Reader::new(bytes);
        let version = input.uint("a section's format")?;
        if version != SECTION_FORMAT {
            return Err(DecodeError::UnknownFormat { what: name, version });
        }
        Ok(input)
    }
}

fn decode_header(input: &mut Reader<'_>) -> Read<Machine> {
    let version = input.narrow("the machine version")?;
    if !(MACHINE_VERSION_FIRST..=MACHINE_VERSION_LATEST).contains(&version) {
        return Err(DecodeError::UnknownFormat { what: "the machine", version: version.into() });
    }
    let mut machine = Machine::new(ShardId(input.narrow("the shard")?));
    machine.version = version;
    machine.applied = Meta {
        index: LogIndex(input.uint("the index")?),
        term: Term(input.uint("the term")?),
        time: LogTime(input.int("the time")?),
    };
    machine.settings = MachineSettings {
        producer_expiry_ms: input.uint("the producers' expiry")?,
        offset_expiry_ms: input.uint("the offsets' expiry")?,
    };
    machine.next_producer = input.int("the next producer")?;
    if machine.next_producer < 0 {
        return Err(DecodeError::Invalid("the next producer"));
    }
    Ok(machine)
}

fn encode_catalog(catalog: &Catalog, out: &mut Writer) {
    out.uint(catalog.version());
    out.uint(catalog.next_partition());
    out.len(catalog.topics_len());
    for topic in catalog.topics() {
        out.text(topic.name.as_str());
        out.topic_id(topic.id);
        encode::topic_settings(&topic.settings, out);
        out.uint(topic.version);
        out.int(topic.created_at.0);
        out.list(topic.partitions.iter(), |out, partition| {
            out.uint(partition.id.0);
            out.uint(partition.shard.0);
        });
    }
}

fn encode_namespaces(catalog: &Catalog, out: &mut Writer) {
    let topic = |namespace: &NamespaceName, queue: &QueueName| {
        catalog.queue(namespace, queue).expect("a queue of a namespace has a topic")
    };
    namespaces::encode(catalog.namespaces(), topic, out);
}

fn encode_subscription_settings(catalog: &Catalog, out: &mut Writer) {
    out.len(catalog.subscriptions_len());
    for (name, settings) in catalog.subscriptions() {
        out.text(&name.0);
        encode::subscription_settings(settings, out);
    }
    // Left out where nothing is set, as it was before there was any.
    let is_set = |settings: &SubscriptionSettings| settings.attendance != AttendanceSettings::default();
    let set: Vec<_> = catalog.subscriptions().filter(|(_, settings)| is_set(settings)).collect();
    if !set.is_empty() {
        out.list(set.into_iter(), |out, (name, settings)| {
            out.text(&name.0);
            encode::attendance_settings(&settings.attendance, out);
        });
    }
}

fn is_set(cleanup: &CleanupSettings) -> bool {
    *cleanup != CleanupSettings::default()
}

fn decode_topic_cleanup(input: &mut Reader<'_>) -> Read<BTreeMap<TopicId, CleanupSettings>> {
    let topics = input.list("the topics", |input| {
        Ok((input.topic_id("a topic's id")?, decode::cleanup_settings(input)?))
    })?;
    let count = topics.len();
    let topics: BTreeMap<_, _> = topics.into_iter().collect();
    let sound = topics.len() == count && topics.values().all(is_set);
    if sound { Ok(topics) } else { Err(DecodeError::Invalid("how a topic's records go")) }
}

fn decode_topic_intake(input: &mut Reader<'_>) -> Read<BTreeMap<TopicId, IntakeSettings>> {
    let topics = input
        .list("the topics", |input| Ok((input.topic_id("a topic's id")?, decode::intake_settings(input)?)))?;
    let count = topics.len();
    let topics: BTreeMap<_, _> = topics.into_iter().collect();
    let sound = topics.len() == count && topics.values().all(|set| *set != IntakeSettings::default());
    if sound { Ok(topics) } else { Err(DecodeError::Invalid("what a topic takes in")) }
}

fn encode_defaults(catalog: &Catalog, out: &mut Writer) {
    out.uint(catalog.defaults_version());
    encode::topic_settings(catalog.defaults(), out);
    encode::cleanup_settings(&catalog.defaults().cleanup, out);
    encode::intake_settings(&catalog.defaults().intake, out);
}

fn decode_defaults(catalog: &mut Catalog, input: &mut Reader<'_>) -> Read<()> {
    let version = input.uint("the version of the defaults")?;
    let settings = decode::topic_settings(input)?;
    let (cleanup, intake) = (decode::cleanup_settings(input)?, decode::intake_settings(input)?);
    match catalog.restore_defaults(TopicSettings { cleanup, intake, ..settings }, version) {
        true => Ok(()),
        false => Err(DecodeError::Invalid("the defaults")),
    }
}

/// What stands of a partition that is compacted or has been.
struct Compacted {
    partition: PartitionId,
    compaction: Option<Compaction>,
    clean: CleanMarks,
}

fn decode_compacted(input: &mut Reader<'_>) -> Read<Vec<Compacted>> {
    input.list("compacted partitions", |input| {
        let partition = PartitionId(input.uint("a partition")?);
        let compaction = input.option("how it is compacted", decode::compaction)?;
        let marks = input.list("clean marks", |input| {
            Ok(CleanMark { end: Offset(input.uint("an offset")?), time: LogTime(input.int("a log time")?) })
        })?;
        let clean = CleanMarks::restore(marks).ok_or(DecodeError::Invalid("clean marks"))?;
        if compaction.is_none() && !clean.marks().is_empty() {
            return Err(DecodeError::Invalid("clean marks of what is not compacted"));
        }
        Ok(Compacted { partition, compaction, clean })
    })
}

fn decode_catalog(
    input: &mut Reader<'_>,
    mut cleanup: BTreeMap<TopicId, CleanupSettings>,
    mut intake: BTreeMap<TopicId, IntakeSettings>,
) -> Read<Catalog> {
    let version = input.uint("the catalogue's version")?;
    let next_partition = input.uint("the next partition")?;
    let mut topics = input.list("the topics", |input| {
        Ok(Topic {
            name: decode::topic_name(input)?,
            id: input.topic_id("a topic's id")?,
            settings: decode::topic_settings(input)?,
            version: input.uint("a topic's version")?,
            created_at: LogTime(input.int("a log time")?),
            partitions: input.list("a topic's partitions", |input| {
                Ok(TopicPartition {
                    id: PartitionId(input.uint("a partition")?),
                    shard: ShardId(input.narrow("a shard")?),
                })
            })?,
            queue: None,
        })
    })?;
    for topic in &mut topics {
        topic.settings.cleanup = cleanup.remove(&topic.id).unwrap_or_default();
        topic.settings.intake = intake.remove(&topic.id).unwrap_or_default();
    }
    if !cleanup.is_empty() {
        return Err(DecodeError::Invalid("how a topic's records go"));
    }
    if !intake.is_empty() {
        return Err(DecodeError::Invalid("what a topic takes in"));
    }
    Catalog::restore(version, next_partition, topics).ok_or(DecodeError::Invalid("the catalogue"))
}

fn encode_partition(partition: &Partition, out: &mut Writer) {
    out.uint(partition.id.0);
    out.topic_id(partition.topic);
    out.uint(partition.number);
    encode::partition_settings(&partition.settings, out);
    out.uint(partition.catalogue_version);
    out.list(partition.extents.iter(), |out, extent| {
        out.uint(extent.first_offset.0);
        out.uint(extent.shard.0);
        out.uint(extent.first_index.0);
        out.uint(extent.base_epoch.0);
        out.uint(extent.opened_in.0);
    });
    out.uint(partition.start.0);
    out.uint(partition.end.0);
    out.list(partition.epochs.iter(), |out, epoch| {
        out.uint(epoch.epoch.0);
        out.uint(epoch.start.0);
    });
    out.uint(partition.bytes);
    out.option(partition.newest, |out, (timestamp, offset)| {
        out.int(timestamp.0);
        out.uint(offset.0);
    });
}

fn decode_partitions(input: &mut Reader<'_>) -> Read<BTreeMap<PartitionId, Partition>> {
    let partitions = input.list("the partitions", decode_partition)?;
    if !partitions.is_sorted_by(|a, b| a.id < b.id) {
        return Err(DecodeError::Invalid("the order of partitions"));
    }
    Ok(partitions.into_iter().map(|partition| (partition.id, partition)).collect())
}

fn decode_partition(input: &mut Reader<'_>) -> Read<Partition> {
    let partition = Partition {
        id: PartitionId(input.uint("a partition")?),
        topic: input.topic_id("a topic's id")?,
        number: input.narrow("a partition's number")?,
        settings: decode::partition_settings(input)?,
        catalogue_version: input.uint("a catalogue version")?,
        extents: input.list("extents", decode_extent)?,
        start: Offset(input.uint("a start")?),
        end: Offset(input.uint("an end")?),
        epochs: input.list("epochs", |input| {
            Ok(EpochStart {
                epoch: LeaderEpoch(input.narrow("an epoch")?),
                start: Offset(input.uint("an epoch's start")?),
            })
        })?,
        bytes: input.uint("a partition's bytes")?,
        newest: input.option("a newest record", |input| {
            Ok((Timestamp(input.int("a timestamp")?), Offset(input.uint("an offset")?)))
        })?,
        first_open: None,
        clean: CleanMarks::default(),
        has_gaps: false,
        import: None,
    };
    let sound = !partition.extents.is_empty()
        && partition.start <= partition.end
        && partition.epochs.len() <= EPOCHS_PER_PARTITION_MAX
        && partition.epochs.is_sorted_by(|a, b| a.epoch < b.epoch && a.start <= b.start);
    if sound { Ok(partition) } else { Err(DecodeError::Invalid("a partition")) }
}

fn decode_extent(input: &mut Reader<'_>) -> Read<Extent> {
    Ok(Extent {
        first_offset: Offset(input.uint("an extent's offset")?),
        shard: ShardId(input.narrow("an extent's shard")?),
        first_index: LogIndex(input.uint("an extent's index")?),
        base_epoch: LeaderEpoch(input.narrow("an extent's epoch")?),
        opened_in: Term(input.uint("an extent's term")?),
    })
}

fn decode_dropped(input: &mut Reader<'_>) -> Read<Dropped> {
    let ids = input.list("dropped partitions", |input| Ok(PartitionId(input.uint("a partition")?)))?;
    if ids.len() > DROPPED_PARTITIONS_MAX {
        return Err(DecodeError::Invalid("dropped partitions"));
    }
    let mut dropped = Dropped::default();
    let count = ids.len();
    for id in ids {
        dropped.insert(id);
    }
    if dropped.oldest_first().len() == count {
        Ok(dropped)
    } else {
        Err(DecodeError::Invalid("dropped partitions"))
    }
}

/// States are equal when their checkpoints are: for tests, it costs two encodings.
impl PartialEq for Machine {
    fn eq(&self, other: &Machine) -> bool {
        self.encode_checkpoint() == other.encode_checkpoint()
    }
}

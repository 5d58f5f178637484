//! The one table of settings. Everything else about a setting is derived from its row: parsing, its flag, its variable,
//! `serve --print-config`, the error for a misspelt key, and the manual.
//!
//! A row: doc sentences; `field: type, "key", default ..., [least..=most], when a change takes effect`.

use std::path::PathBuf;
use std::time::Duration;

use forebay_gateway::ClientCertificates;
use forebay_model::login::Mechanism;
use forebay_model::{
    Cleanup, CleanupPolicy, FlushClass, Intake, NodeId, Principal, Ratio, TimestampType, TopicDefaults,
};

use super::address::{HostPort, ListenerAddress, ListenerKind};
use super::log_levels::LogLevels;
use super::reserve::{Percent, Reserve};
use super::size::{ByteSize, MIB};
use super::table::DefaultValue::{Computed, Fixed};
use super::table::settings;
use super::value::{AccessControl, FilePath, LogFormat};

settings! {
    /// The folder that holds everything the broker must not lose. It is made if it does not exist.
    data_dir: PathBuf, "data_dir", default Fixed("./forebay-data"), AtStart;

    /// Where clients are listened for: `kafka=HOST:PORT`, `amqp=HOST:PORT` (AMQP 0-9-1) or `http=HOST:PORT`. At `kafka+sasl=HOST:PORT` they have to log
    /// in before anything else, at `kafka+tls=HOST:PORT` connections are encrypted, at `kafka+tls+sasl=HOST:PORT` both. Port 0 takes any free port. While no Kafka address is given, Kafka keeps its default.
    listen: Vec<ListenerAddress>, "listen", default Fixed("kafka=127.0.0.1:9092"), AtStart;

    /// The address clients are told to connect to, where it differs from the one listened at: `kafka=HOST:PORT`. The
    /// first belongs to the first `kafka` listener, the first of `kafka+tls` to the first `kafka+tls` listener, and so
    /// on. Needed for a listener at 0.0.0.0 or [::]. Port 0 stands for the listener's own port.
    advertise: Vec<ListenerAddress>, "advertise", default Fixed(""), AtStart;

    /// Allows listeners that other machines can reach and that ask nobody who they are. Without this switch an address
    /// that is not a loopback address has to be one of `kafka+sasl` or `kafka+tls+sasl`, or one of `kafka+tls` with
    /// `tls.client_auth` `required`.
    allow_anonymous: bool, "allow_anonymous", default Fixed("false"), AtStart;

    /// How clients may log in at listeners that ask for it: `SCRAM-SHA-256`, `SCRAM-SHA-512`, `PLAIN`. PLAIN sends
    /// passwords as they are, so it is refused while a listener of `kafka+sasl` can be reached by other machines.
    sasl_mechanisms: Vec<Mechanism>, "sasl.mechanisms", default Fixed("SCRAM-SHA-256,SCRAM-SHA-512"), AtStart;

    /// The file with the certificate of this node, in PEM, and with those between it and one that clients know. It and the
    /// files of the other settings of TLS are read again on SIGHUP, for new connections.
    tls_certificate: FilePath, "tls.certificate", default Fixed(""), AtStart;

    /// The file with the private key of the certificate, in PEM, without a password.
    tls_key: FilePath, "tls.key", default Fixed(""), AtStart;

    /// The file with the certificates that those of clients have to be signed with, in PEM.
    tls_client_ca: FilePath, "tls.client_ca", default Fixed(""), AtStart;

    /// Whether clients are asked for certificates where connections are encrypted: not at all (`none`), they may show one
    /// (`requested`), or they have to (`required`). Where nobody has to log in, a client is who its certificate is about:
    /// `User:` and the subject's distinguished name.
    tls_client_auth: ClientCertificates, "tls.client_auth", default Fixed("none"), AtStart;

    /// Whether everybody may do everything (`none`), or what the rules of access allow (`acl`). The rules are kept by the cluster and are
    /// changed while it runs.
    authorization: AccessControl, "authorization", default Fixed("none"), AtStart;

    /// Who may do everything, whatever the rules say: `User:alice`, or `User:ANONYMOUS` for those whom nobody asks who they are.
    super_users: Vec<Principal>, "super_users", default Fixed(""), AtStart;

    /// Whether everybody may do to a topic, a group, a transactional id or the cluster what they like as long as no rule is about it.
    allow_everyone_if_no_acl_found: bool, "allow_everyone_if_no_acl_found", default Fixed("false"), AtStart;

    /// This node's number in its cluster. Fixed when the data directory is made.
    node_id: NodeId, "node_id", default Fixed("1"), ["0"..="2147483647"], AtStart;

    /// Shards for topics that are confirmed after fdatasync. Fixed when the data directory is made.
    shards_sync: u32, "shards.sync", default Computed {
        rule: "one per four cores, at least 1",
        value: |facts| (facts.machine.cores / 4).clamp(1, 256).to_string(),
    }, ["1"..="256"], AtStart;

    /// Shards for topics that are confirmed after write and flushed in the background. Fixed when the data directory
    /// is made.
    shards_async: u32, "shards.async", default Fixed("1"), ["1"..="256"], AtStart;

    /// The one budget of memory that buffers, caches and queues share. The process needs some more for itself. Caches of payloads
    /// take no more than 80MiB of it: the page cache of the operating system holds what is older.
    memory_limit: ByteSize, "memory.limit", default Computed {
        rule: "a quarter of the memory, at least 256MiB",
        value: |facts| ByteSize((facts.machine.memory_bytes / 4 / MIB * MIB).max(256 * MIB)).to_string(),
    }, ["64MiB"..="1024GiB"], AtStart;

    /// The largest record batch or message. A topic can set a smaller one for itself.
    message_bytes_max: ByteSize, "message.bytes_max", default Fixed("16MiB"), ["1KiB"..="128MiB"], AtStart;

    /// A segment file is sealed when it reaches this size.
    segment_bytes: ByteSize, "segment.bytes", default Fixed("64MiB"), ["1MiB"..="64MiB"], AtStart;

    /// Whether a topic is created when a client that allows it asks for one that does not exist.
    topic_auto_create: bool, "topic.auto_create", default Fixed("true"), AtStart;

    /// Partitions of a topic that is created without a number of them.
    topic_partitions: u32, "topic.partitions", default Fixed("1"), ["1"..="10000"], AtStart;

    /// How long records are kept, unless the topic says otherwise.
    topic_retention: Option<Duration>, "topic.retention", default Fixed("7d"), ["1s"..="36500d"], AtStart;

    /// How many bytes of records a partition keeps, unless the topic says otherwise.
    topic_retention_bytes: Option<ByteSize>, "topic.retention_bytes", default Fixed("unlimited"), ["0"..="1048576GiB"],
        AtStart;

    /// Whose timestamp a record carries, unless the topic says otherwise: the producer's (`create`) or the broker's
    /// (`append`).
    topic_timestamp: TimestampType, "topic.timestamp", default Fixed("create"), AtStart;

    /// When a record is confirmed, unless the topic says otherwise: once fdatasync has returned (`sync`), or once it
    /// is written (`async`; a power cut may then lose confirmed records).
    topic_flush: FlushClass, "topic.flush", default Fixed("sync"), AtStart;

    /// How often it is looked for records that retention or compaction takes.
    topic_check_interval: Duration, "topic.check_interval", default Fixed("30s"), ["1s"..="1h"], AtStart;

    /// How long a tombstone of a compacted topic stays when it has nothing left to hide, unless the topic says otherwise.
    topic_tombstone_retention: Duration, "topic.tombstone_retention", default Fixed("1d"), ["0"..="36500d"], AtStart;

    /// How long every record of a compacted topic is kept, replaced or not, unless the topic says otherwise.
    topic_compaction_lag_min: Duration, "topic.compaction_lag_min", default Fixed("0"), ["0"..="36500d"], AtStart;

    /// How long a record of a compacted topic is kept at most once it was replaced, about, unless the topic says otherwise.
    topic_compaction_lag_max: Option<Duration>, "topic.compaction_lag_max", default Fixed("unlimited"),
        ["1s"..="36500d"], AtStart;

    /// Which share of a segment, or in time of a partition, is dead before compaction writes it again, unless the topic says otherwise.
    topic_dirty_min: Percent, "topic.dirty_min", default Fixed("50%"), ["0%"..="100%"], AtStart;

    /// The newest records of a partition of a compacted topic are left as they are, as far back as they take so many bytes and are
    /// younger than `topic.fresh`, unless the topic says otherwise.
    topic_fresh_bytes: ByteSize, "topic.fresh_bytes", default Fixed("1GiB"), ["0"..="2047MiB"], AtStart;

    /// How long the newest records of a compacted topic are left as they are, unless the topic says otherwise.
    topic_fresh: Duration, "topic.fresh", default Fixed("7d"), ["0"..="36500d"], AtStart;

    /// How long the first member of an empty group is kept waiting for others before partitions are handed out.
    group_initial_rebalance_delay: Duration, "group.initial_rebalance_delay", default Fixed("3s"), ["0"..="10m"],
        AtStart;

    /// The shortest session timeout a group member may ask for.
    group_session_timeout_min: Duration, "group.session_timeout_min", default Fixed("6s"), ["1ms"..="1d"], AtStart;

    /// The longest session timeout a group member may ask for.
    group_session_timeout_max: Duration, "group.session_timeout_max", default Fixed("30m"), ["1ms"..="1d"], AtStart;

    /// Members of one group.
    group_members_max: u32, "group.members_max", default Fixed("5000"), ["1"..="100000"], AtStart;

    /// How long the offsets of a group without members are kept.
    group_offsets_retention: Duration, "group.offsets_retention", default Fixed("7d"), ["1m"..="36500d"], AtStart;

    /// Free space that the broker leaves on the disk: a size, a share of the disk (`5%`), or the lesser of both.
    /// Below it produce is refused until there is space again; consuming and committing go on.
    disk_reserve: Reserve, "disk.reserve", default Fixed("min(5%, 10GiB)"), AtStart;

    /// Produce is slowed when the free space falls below this share of the reserve.
    disk_slow_at: Percent, "disk.slow_at", default Fixed("200%"), ["100%"..="1000%"], AtStart;

    /// Open connections, all listeners together.
    connections_max: u32, "connections_max", default Fixed("10000"), ["1"..="1000000"], AtStart;

    /// Open connections from one address.
    connections_per_address_max: u32, "connections_per_address_max", default Fixed("5000"), ["1"..="1000000"], AtStart;

    /// Requests of one connection that are being worked on; further ones are not read until one is answered.
    requests_open_max: u32, "requests_open_max", default Fixed("64"), ["1"..="10000"], AtStart;

    /// The largest frame a client may send: one request with all that it carries.
    frame_bytes_max: ByteSize, "frame_bytes_max", default Computed {
        rule: "100MiB, or half of memory.limit if that is less; never below message.bytes_max and 1MiB more",
        value: |facts| {
            let usual = (100 * MIB).min(facts.number("memory.limit") as u64 / 2);
            ByteSize(usual.max(facts.number("message.bytes_max") as u64 + MIB)).to_string()
        },
    }, ["64KiB"..="1GiB"], AtStart;

    /// What is logged: a level, and levels of single targets after it: `info,forebay_shard=debug`. The levels are off,
    /// error, warn, info, debug, trace.
    log_level: LogLevels, "log.level", default Fixed("info"), Live;

    /// How a line of the log looks: for people (`text`) or for machines (`json`).
    log_format: LogFormat, "log.format", default Fixed("text"), AtStart;

    /// A step of the wall clock larger than this is not believed: time in the log goes on at its pace, and the
    /// operator is told.
    clock_step_max: Duration, "clock.step_max", default Fixed("5m"), ["1s"..="1d"], AtStart;

    /// An idempotent producer that has been silent for this long is forgotten.
    producer_expiry: Duration, "producer.expiry", default Fixed("7d"), ["1m"..="36500d"], AtStart;

    /// How long a stop waits for open requests to be answered.
    shutdown_drain_max: Duration, "shutdown.drain_max", default Fixed("30s"), ["0"..="1h"], AtStart;

    /// Topics, and as many groups, that have metrics of their own; the rest is summed up.
    metrics_topics_max: u32, "metrics.topics_max", default Fixed("200"), ["0"..="100000"], AtStart;

    /// Bytes per second that are read again from sealed files to find what rotted. 0 turns it off.
    scrub_rate: ByteSize, "scrub.rate", default Fixed("8MiB"), ["0"..="64GiB"], AtStart;
}

impl Config {
    /// What applies to a topic that sets nothing itself.
    #[must_use]
    pub fn topic_defaults(&self) -> TopicDefaults {
        TopicDefaults {
            retention_ms: self.topic_retention.map(|span| span.as_millis() as u64),
            retention_bytes: self.topic_retention_bytes.map(|size| size.0),
            message_bytes_max: u32::try_from(self.message_bytes_max.0).expect("its bound is 128 MiB"),
            timestamp_type: self.topic_timestamp,
            flush: self.topic_flush,
            cleanup: self.cleanup(),
            intake: Intake::default(),
            partitions: self.topic_partitions,
        }
    }

    fn cleanup(&self) -> Cleanup {
        let ms = |span: Duration| span.as_millis() as u64;
        Cleanup {
            policy: CleanupPolicy::Delete,
            tombstone_ms: ms(self.topic_tombstone_retention),
            lag_ms_min: ms(self.topic_compaction_lag_min),
            lag_ms_max: self.topic_compaction_lag_max.map_or(i64::MAX as u64, ms),
            dirty_ratio_min: Ratio::from_percent(self.topic_dirty_min.0).expect("its bound is 100%"),
            fresh_bytes: self.topic_fresh_bytes.0,
            fresh_ms: ms(self.topic_fresh),
        }
    }

    /// The listeners of one kind, in the order they were given, each with the address its clients are told. `None`:
    /// the address it is bound to.
    pub fn listeners(
        &self,
        kind: ListenerKind,
    ) -> impl Iterator<Item = (&ListenerAddress, Option<&HostPort>)> {
        let listeners = self.listen.iter().enumerate().filter(move |(_, listener)| listener.kind == kind);
        listeners.map(move |(at, listener)| {
            let before = self.listen[..at].iter().filter(|earlier| earlier.is_like(listener)).count();
            let told = self.advertise.iter().filter(|told| told.is_like(listener)).nth(before);
            (listener, told.map(|told| &told.address))
        })
    }
}

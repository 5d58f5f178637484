//! The interpreter of scripts.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use bytes::Bytes;
use forebay_machine::*;
use forebay_model::publish::PayloadKind;
use forebay_model::subscription::{OffsetRange, Settlement, StartAt};
use forebay_model::transaction::{Decision, Joining, TransactionalId};
use forebay_model::user::PasswordHash;
use forebay_model::*;

/// One command of a script.
pub struct Block {
    /// Lines before it that are blank or begin with `#`.
    pub comment: String,
    /// The command.
    pub input: String,
}

/// Takes a script apart; the expected output is left out.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut comment = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() || line.starts_with('#') {
            comment.push_str(line);
            comment.push('\n');
            continue;
        }
        assert_eq!(lines.next(), Some("----"), "behind {line:?}");
        let mut output = lines.clone();
        for line in output.by_ref() {
            if line.is_empty() {
                break;
            }
        }
        lines = output;
        blocks.push(Block { comment: std::mem::take(&mut comment), input: line.to_owned() });
    }
    blocks
}

/// Plays commands on a machine.
pub struct Interpreter {
    machine: Machine,
    meta: Meta,
}

impl Default for Interpreter {
    fn default() -> Interpreter {
        let meta = Meta { index: LogIndex(10), term: Term(1), time: LogTime(1_000) };
        Interpreter { machine: Machine::new(ShardId(0)), meta }
    }
}

/// The words of a command: `verb word name=value ...`.
struct Words<'a> {
    plain: Vec<&'a str>,
    named: BTreeMap<&'a str, &'a str>,
}

impl<'a> Words<'a> {
    fn parse(line: &'a str) -> Words<'a> {
        let mut words = Words { plain: Vec::new(), named: BTreeMap::new() };
        for word in line.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => {
                    words.named.insert(name, value);
                }
                None => words.plain.push(word),
            }
        }
        words
    }

    fn find<T: FromStr>(&self, name: &str) -> Option<T> {
        let value = self.named.get(name)?;
        Some(value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
    }

    fn get<T: FromStr>(&self, name: &str) -> T {
        self.find(name).unwrap_or_else(|| panic!("{name}= is missing"))
    }

    fn or<T: FromStr>(&self, name: &str, default: T) -> T {
        self.find(name).unwrap_or(default)
    }

    fn list<T: FromStr>(&self, name: &str) -> Vec<T> {
        let text: String = self.get(name);
        let parse = |item: &str| item.parse().unwrap_or_else(|_| panic!("{name}={text}"));
        text.split(',').filter(|item| !item.is_empty()).map(parse).collect()
    }
}

fn topic_id(number: u8) -> TopicId {
    TopicId([number; 16])
}

impl Interpreter {
    /// Plays one command; the text of everything that came of it.
    pub fn run(&mut self, line: &str) -> String {
        let words = Words::parse(line);
        let mut out = String::new();
        match words.plain[0] {
            "shard" => self.machine = Machine::new(ShardId(words.plain[1].parse().unwrap())),
            "term" => self.meta.term = Term(words.plain[1].parse().unwrap()),
            "time" => self.meta.time = LogTime(words.plain[1].parse().unwrap()),
            "restart" => self.restart(),
            "partition" => self.show_partition(&words, &mut out),
            "epoch-end" => self.show_epoch_end(&words, &mut out),
            "producers" => self.show_producers(&words, &mut out),
            "topics" => self.show_topics(&mut out),
            "defaults" => self.show_defaults(&mut out),
            "groups" => self.show_groups(&mut out),
            "offsets" => self.show_offsets(&words, &mut out),
            "transactions" => self.show_transactions(&mut out),
            "users" => self.show_users(&mut out),
            "aborted" => self.show_aborted(&words, &mut out),
            "unstable" => self.show_unstable(&words, &mut out),
            "overdue" => self.show_overdue(&words, &mut out),
            "retention" => self.show_retention(&words, &mut out),
            "clean" => self.show_clean(&words, &mut out),
            "subscriptions" => self.show_subscriptions(&mut out),
            "subscribe" | "reset" | "unsubscribe" | "settle" | "delivered" => {
                self.apply(self.parse_subscription(&words), &mut out);
            }
            _ => self.apply(parse_command(&words), &mut out),
        }
        if out.is_empty() { "ok\n".to_owned() } else { out }
    }

    fn restart(&mut self) {
        let checkpoint = self.machine.encode_checkpoint();
        self.machine = Machine::decode_checkpoint(&checkpoint).unwrap();
        assert_eq!(self.machine.encode_checkpoint(), checkpoint);
    }

    fn apply(&mut self, command: Command, out: &mut String) {
        // Every command takes the way through its bytes.
        let bytes = encode_commands(std::slice::from_ref(&command));
        let mut decoded = decode_commands(&bytes).unwrap();
        assert_eq!(decoded, [command]);
        self.meta.index = self.meta.index.next();
        let mut effects = Effects::default();
        match self.machine.apply(self.meta, decoded.remove(0), &mut effects) {
            Ok(outcome) => show_outcome(&outcome, out),
            Err(halt) => writeln!(out, "HALT {halt}").unwrap(),
        }
        show_effects(&effects, out);
    }

    fn show_partition(&self, words: &Words<'_>, out: &mut String) {
        let id = PartitionId(words.plain[1].parse().unwrap());
        let Some(p) = self.machine.partition(id) else {
            writeln!(out, "none").unwrap();
            return;
        };
        let epochs: Vec<String> = p.epochs.iter().map(|e| format!("{}@{}", e.epoch, e.start)).collect();
        let open = p.first_open.map_or(String::new(), |_| format!(" stable {}", p.last_stable_offset()));
        let import = p.import.as_ref().map_or(String::new(), |import| {
            format!(" {} '{}'", if import.has_ended { "imported" } else { "import" }, import.source)
        });
        let newest = p.newest.map_or("none".into(), |(time, offset)| format!("{time}@{offset}"));
        writeln!(
            out,
            "{}..{} bytes {} newest {newest} epoch {} epochs [{}] catalogue v{}{open}{import}",
            p.start,
            p.end,
            p.bytes,
            p.leader_epoch(self.meta.term),
            epochs.join(" "),
            p.catalogue_version,
        )
        .unwrap();
    }

    fn show_epoch_end(&self, words: &Words<'_>, out: &mut String) {
        let p = self.machine.partition(PartitionId(words.plain[1].parse().unwrap())).unwrap();
        let epoch = LeaderEpoch(words.get("epoch"));
        match p.epoch_end(epoch, self.meta.term) {
            Some(end) => writeln!(out, "epoch {} ends at {}", end.epoch, end.end).unwrap(),
            None => writeln!(out, "none").unwrap(),
        }
    }

    fn show_producers(&self, words: &Words<'_>, out: &mut String) {
        let partition = PartitionId(words.plain[1].parse().unwrap());
        for (id, producer) in self.machine.producers().of(partition) {
            let batches: Vec<String> = producer
                .batches
                .iter()
                .map(|b| format!("{}+{}@{}", b.base_sequence, b.count, b.base_offset))
                .collect();
            writeln!(
                out,
                "producer {id} epoch {} next {} known {} seen {} [{}]",
                producer.epoch,
                producer.next_sequence(),
                producer.known,
                producer.seen_at,
                batches.join(" ")
            )
            .unwrap();
        }
    }

    fn show_topics(&self, out: &mut String) {
        let catalog = self.machine.catalog();
        writeln!(out, "v{} partitions {}", catalog.version(), catalog.partitions_len()).unwrap();
        for topic in catalog.topics() {
            writeln!(out, "{}", topic_text(topic)).unwrap();
        }
    }

    fn show_defaults(&self, out: &mut String) {
        let catalog = self.machine.catalog();
        writeln!(out, "v{}{}", catalog.defaults_version(), settings_text(catalog.defaults())).unwrap();
    }

    fn show_groups(&self, out: &mut String) {
        for (id, group) in self.machine.groups().iter() {
            let members: Vec<&str> = group.members.iter().map(|m| m.id.as_str()).collect();
            writeln!(
                out,
                "{id} kind '{}' generation {} strategy '{}' leader '{}' members [{}] offsets {} active {}",
                group.kind,
                group.generation,
                group.strategy,
                group.leader,
                members.join(" "),
                group.offsets_len(),
                group.active_at
            )
            .unwrap();
        }
    }

    fn show_offsets(&self, words: &Words<'_>, out: &mut String) {
        for (topic, number, offset) in self.machine.groups().offsets(&GroupId(words.plain[1].into())) {
            let epoch = offset.leader_epoch.map_or("none".into(), |epoch| epoch.to_string());
            writeln!(
                out,
                "topic {} partition {number}: {} epoch {epoch} '{}' at {}",
                topic.0[0], offset.offset, offset.metadata, offset.committed_at
            )
            .unwrap();
        }
    }

    fn show_transactions(&self, out: &mut String) {
        for (id, producer) in self.machine.transactions().iter() {
            let state = match &producer.state {
                TransactionState::Empty => "empty".to_owned(),
                TransactionState::Ended(decision) => format!("ended {decision:?}"),
                TransactionState::Ending { decision, left } => format!("ending {decision:?} {left:?}"),
                TransactionState::Open(open) => {
                    let partitions: Vec<String> =
                        open.here.partitions.iter().map(|p| format!("p{p}")).collect();
                    let groups: Vec<String> =
                        open.here.groups.iter().map(|group| group.to_string()).collect();
                    format!("open since {} [{}] [{}]", open.since, partitions.join(" "), groups.join(" "))
                }
            };
            let before =
                producer.before.map_or(String::new(), |before| format!(" before {}", instance(before)));
            let (now, changed) = (instance(producer.now), producer.changed_at);
            writeln!(out, "{id} {now}{before} timeout {} changed {changed} {state}", producer.timeout_ms)
                .unwrap();
        }
    }

    fn show_users(&self, out: &mut String) {
        for (key, credential) in self.machine.catalog().users().credentials() {
            let (user, hash, iterations) = (&key.user, key.hash, credential.iterations);
            writeln!(out, "{user} {hash:?} {iterations} iterations").unwrap();
        }
    }

    fn show_aborted(&self, words: &Words<'_>, out: &mut String) {
        let partition = PartitionId(words.plain[1].parse().unwrap());
        for range in self.machine.unstable().aborted_from(partition, Offset(words.get("from"))) {
            let AbortedRange { producer, first, last, stable } = range;
            writeln!(out, "producer {producer} {first}..={last} stable {stable}").unwrap();
        }
    }

    fn show_unstable(&self, words: &Words<'_>, out: &mut String) {
        let group = GroupId(words.plain[1].into());
        let unstable =
            self.machine.groups().is_unstable(&group, topic_id(words.get("topic")), words.or("partition", 0));
        writeln!(out, "{unstable}").unwrap();
    }

    fn show_overdue(&self, words: &Words<'_>, out: &mut String) {
        for id in self.machine.transactions().overdue(LogTime(words.get("now"))) {
            writeln!(out, "{id}").unwrap();
        }
    }

    fn show_clean(&self, words: &Words<'_>, out: &mut String) {
        let p = self.machine.partition(PartitionId(words.plain[1].parse().unwrap())).unwrap();
        let Some(compaction) = p.settings.compaction else {
            return writeln!(out, "not compacted{}", if p.has_gaps { ", with gaps" } else { "" }).unwrap();
        };
        let (now, kept_ms) = (self.meta.time, compaction.tombstone_ms);
        let (end, ripe) = (p.clean.end(), p.clean.ripe_end(now, kept_ms));
        let next = p.clean.next_ripe(now, kept_ms).map_or("never".into(), |time| format!("at {time}"));
        writeln!(out, "clean to {end}, ripe to {ripe}, more {next}").unwrap();
    }

    fn show_subscriptions(&self, out: &mut String) {
        for (key, progress) in self.machine.subscriptions().iter() {
            let (cursor, delivered) = (progress.cursor(), progress.delivered());
            write!(out, "p{} {} since {}: {cursor}", key.partition, key.name, progress.since).unwrap();
            for run in progress.runs() {
                let OffsetRange { first, last } = run.range;
                match run.state {
                    RecordState::Settled => write!(out, " {first}-{last} settled").unwrap(),
                    RecordState::Open(attempts) => write!(out, " {first}-{last} tried {attempts}").unwrap(),
                }
            }
            writeln!(out, " delivered {delivered} in term {}", progress.term()).unwrap();
        }
    }

    /// `subscribe|reset P NAME at=earliest|latest|Nms|N`, `unsubscribe P NAME`, `delivered P NAME to=N [max=N] [since=N]`,
    /// `settle P NAME accept|release|return|reject=FIRST-LAST,... [since=N]`: in this order of the names.
    fn parse_subscription(&self, words: &Words<'_>) -> Command {
        let partition = PartitionId(words.plain[1].parse().unwrap());
        let subscription = SubscriptionKey { partition, name: GroupId(words.plain[2].into()) };
        let at = || match words.get::<String>("at").as_str() {
            "earliest" => StartAt::Earliest,
            "latest" => StartAt::Latest,
            young if young.ends_with("ms") => {
                StartAt::NoOlderThan { ms: young.trim_end_matches("ms").parse().unwrap() }
            }
            offset => StartAt::Offset(Offset(offset.parse().unwrap())),
        };
        let present = self.machine.subscriptions().get(&subscription).map_or(LogIndex(0), |p| p.since);
        let since = words.find("since").map_or(present, LogIndex);
        match words.plain[0] {
            "subscribe" => Command::OpenSubscription { subscription, at: at(), anew: false },
            "reset" => Command::OpenSubscription { subscription, at: at(), anew: true },
            "unsubscribe" => Command::DropSubscription { subscription },
            "delivered" => Command::DeliveredUpTo(DeliveredUpTo {
                subscription,
                since,
                up_to: Offset(words.get("to")),
                attempts_max: Attempts(words.or("max", 4)),
            }),
            _ => Command::Settle(Settle { subscription, since, settled: parse_settled(words) }),
        }
    }

    /// `runs=END:TIMESTAMP:BYTES,...`
    fn show_retention(&self, words: &Words<'_>, out: &mut String) {
        let p = self.machine.partition(PartitionId(words.plain[1].parse().unwrap())).unwrap();
        let runs: Vec<String> = words.list("runs");
        let runs = runs.iter().map(|run| {
            let numbers: Vec<i64> = run.split(':').map(|n| n.parse().unwrap()).collect();
            RunSummary {
                end: Offset(numbers[0] as u64),
                max_timestamp: Timestamp(numbers[1]),
                appended_by: numbers.get(3).map(|time| LogTime(*time)),
                bytes: numbers[2] as u64,
            }
        });
        match retention_due(p, self.meta.time, Offset(words.or("settled", 0)), runs) {
            Some(due) => writeln!(out, "trim to {} frees {}", due.start, due.bytes).unwrap(),
            None => writeln!(out, "nothing").unwrap(),
        }
    }
}

fn topic_text(topic: &Topic) -> String {
    let place = |p: &TopicPartition| format!("{}@{}", p.id, p.shard);
    let places: Vec<String> = topic.partitions.iter().map(place).collect();
    format!("{} id {} v{} partitions [{}]", topic.name, topic.id.0[0], topic.version, places.join(" "))
}

/// What is set, if anything is.
fn settings_text(settings: &TopicSettings) -> String {
    let bound = |bound: Option<u64>| bound.map_or("none".to_owned(), |bound| bound.to_string());
    let set = [
        ("retention-ms", settings.retention_ms.map(bound)),
        ("retention-bytes", settings.retention_bytes.map(bound)),
        ("max", settings.message_bytes_max.map(|bytes| bytes.to_string())),
        ("timestamps", settings.timestamp_type.map(|kind| format!("{kind:?}"))),
        ("flush", settings.flush.map(|class| format!("{class:?}"))),
        ("cleanup", settings.cleanup.policy.map(|policy| format!("{policy:?}"))),
        ("tombstone-ms", settings.cleanup.tombstone_ms.map(|ms| ms.to_string())),
        ("lag-ms-min", settings.cleanup.lag_ms_min.map(|ms| ms.to_string())),
        ("lag-ms-max", settings.cleanup.lag_ms_max.map(|ms| ms.to_string())),
        ("ratio", settings.cleanup.dirty_ratio_min.map(|ratio| ratio.to_string())),
        ("fresh-bytes", settings.cleanup.fresh_bytes.map(|bytes| bytes.to_string())),
        ("fresh-ms", settings.cleanup.fresh_ms.map(|ms| ms.to_string())),
        ("before-ms", settings.intake.before_ms_max.map(|ms| ms.to_string())),
        ("after-ms", settings.intake.after_ms_max.map(|ms| ms.to_string())),
        ("compression", settings.intake.compression.map(|kind| format!("{kind:?}"))),
        (
            "gzip",
            settings
                .intake
                .gzip_level
                .map(|level| level.map_or("none".to_owned(), |l| l.number().to_string())),
        ),
        ("zstd", settings.intake.zstd_level.map(|level| level.number().to_string())),
    ];
    set.into_iter().filter_map(|(name, value)| Some(format!(" {name}={}", value?))).collect()
}

fn show_outcome(outcome: &Outcome, out: &mut String) {
    let text = match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::Refused(refusal) => format!("refused {}: {refusal}", refusal.name()),
        Outcome::TopicCreated(topic) => format!("created {}", topic_text(topic)),
        Outcome::TopicDeleted(topic) => format!("deleted {}", topic_text(topic)),
        Outcome::PartitionsAdded { topic, first_number } => {
            format!("grown from {first_number}: {}", topic_text(topic))
        }
        Outcome::TopicAltered(topic) => {
            format!("altered {}{}", topic_text(topic), settings_text(&topic.settings))
        }
        Outcome::Routed(Ok(())) => "routed".to_owned(),
        Outcome::Routed(Err(refusal)) => format!("refused: {refusal}"),
        Outcome::ProducersAllocated { first, count } => format!("producers {first}+{count}"),
        Outcome::Opened => "opened".to_owned(),
        Outcome::Appended(results) => results.iter().map(target_text).collect::<Vec<_>>().join("\n"),
        Outcome::Trimmed { start } => format!("trimmed to {start}"),
        Outcome::OffsetsCommitted(results) => {
            let text = |result: &Result<(), Refusal>| match result {
                Ok(()) => "committed".to_owned(),
                Err(refusal) => format!("refused {}", refusal.name()),
            };
            results.iter().map(text).collect::<Vec<_>>().join("\n")
        }
        Outcome::ProducerOpened { instance: opened } => format!("opened {}", instance(*opened)),
        Outcome::TransactionEnded { instance: next } => format!("ended, next {}", instance(*next)),
        Outcome::TransactionEnding { id, instance: next } => {
            format!("ending {id}, next {}", instance(*next))
        }
        Outcome::Joined { begun } => format!("joined, begun at {begun}"),
        Outcome::Relayed { up_to } => format!("relayed up to {up_to}"),
    };
    writeln!(out, "{text}").unwrap();
}

fn instance((producer, epoch): Instance) -> String {
    format!("{producer}/{epoch}")
}

fn target_text(result: &Result<AppendedTo, Refusal>) -> String {
    match result {
        Ok(to) => {
            let duplicate = if to.duplicate { " duplicate" } else { "" };
            let time = to.append_time.map_or(String::new(), |time| format!(" time {time}"));
            format!(
                "appended p{} at {} start {}{time}{duplicate}",
                to.partition, to.base_offset, to.start_offset
            )
        }
        Err(refusal) => format!("refused {}: {refusal}", refusal.name()),
    }
}

fn show_effects(effects: &Effects, out: &mut String) {
    for e in &effects.indexed {
        writeln!(
            out,
            "  index p{} {}+{} at {}/{} bytes {} newest {}{}",
            e.partition,
            e.first_offset,
            e.count,
            e.log_index,
            e.slot,
            e.bytes,
            e.max_timestamp,
            parts_text(&e.parts)
        )
        .unwrap();
    }
    for d in &effects.dead {
        writeln!(out, "  dead {}/{} bytes {}{}", d.log_index, d.slot, d.bytes, parts_text(&d.parts)).unwrap();
    }
    for id in &effects.opened {
        writeln!(out, "  opened p{id}").unwrap();
    }
    for id in &effects.dropped {
        writeln!(out, "  dropped p{id}").unwrap();
    }
    for (id, start) in &effects.trimmed {
        writeln!(out, "  trimmed p{id} to {start}").unwrap();
    }
    for id in &effects.appended {
        writeln!(out, "  wake p{id}").unwrap();
    }
    for group in &effects.expired_groups {
        writeln!(out, "  expired group {group}").unwrap();
    }
    if let Some(version) = effects.catalogue_version {
        writeln!(out, "  catalogue v{version}").unwrap();
    }
}

fn parts_text(parts: &[(LogIndex, SlotNumber)]) -> String {
    let text = |(index, slot): &(LogIndex, SlotNumber)| format!(" {index}/{slot}");
    if parts.is_empty() {
        String::new()
    } else {
        " parts".to_owned() + &parts.iter().map(text).collect::<String>()
    }
}

fn parse_command(words: &Words<'_>) -> Command {
    let partition = |place: usize| PartitionId(words.plain[place].parse().unwrap());
    let group = || GroupId(words.plain[1].into());
    let topics = |name| words.list(name).into_iter().map(topic_id).collect();
    let shards = |name| words.list(name).into_iter().map(ShardId).collect();
    match words.plain[0] {
        "create-topic" => Command::CreateTopic(CreateTopic {
            name: TopicName::parse(words.plain[1]).unwrap(),
            id: topic_id(words.get("id")),
            settings: TopicSettings {
                cleanup: parse_cleanup(words),
                intake: parse_intake(words),
                ..TopicSettings::default()
            },
            shards: shards("shards"),
        }),
        "delete-topic" => Command::DeleteTopic { id: topic_id(words.get("id")) },
        "add-partitions" => Command::AddPartitions(AddPartitions {
            id: topic_id(words.get("id")),
            total: words.get("total"),
            shards: shards("shards"),
        }),
        "alter-topic" => Command::AlterTopic { id: topic_id(words.get("id")), change: parse_change(words) },
        "alter-defaults" => Command::AlterDefaults(parse_change(words)),
        "allocate-producers" => Command::AllocateProducers { count: words.get("count") },
        "set-machine-version" => Command::SetMachineVersion { version: words.get("version") },
        "configure" => Command::Configure(MachineSettings {
            producer_expiry_ms: words.get("producers"),
            offset_expiry_ms: words.get("offsets"),
        }),
        "open" => Command::OpenPartition(OpenPartition {
            catalogue_version: words.or("v", 1),
            partition: partition(1),
            topic: topic_id(words.or("topic", 1)),
            number: words.or("number", 0),
            settings: PartitionSettings {
                retention_ms: words.find("retention-ms"),
                retention_bytes: words.find("retention-bytes"),
                message_bytes_max: words.or("max", 1_000),
                timestamp_type: TimestampType::Create,
                compaction: words.find("tombstone-ms").map(|tombstone_ms| Compaction {
                    tombstone_ms,
                    lag_ms_min: words.or("lag-ms-min", 0),
                    lag_ms_max: words.or("lag-ms-max", 1_000_000),
                    dirty_ratio_min: words.find::<String>("ratio").map_or(Ratio::HALF, |text| ratio(&text)),
                    fresh_bytes: words.or("fresh-bytes", 0),
                    fresh_ms: words.or("fresh-ms", 0),
                }),
                queue: None,
            },
            base_epoch: LeaderEpoch(words.or("base-epoch", 0)),
        }),
        "drop" => Command::DropPartition { catalogue_version: words.or("v", 1), partition: partition(1) },
        "append" => Command::Append(parse_append(words)),
        "trim" => Command::Trim {
            partition: partition(1),
            start: Offset(words.get("start")),
            bytes: words.or("bytes", 0),
        },
        "compacted" => Command::Compacted {
            partitions: vec![CompactedPartition {
                partition: partition(1),
                freed_bytes: words.or("freed", 0),
                clean_end: words.find("clean").map(Offset),
            }],
        },
        "advance-clock" => Command::AdvanceClock,
        "save-generation" => Command::SaveGeneration(SaveGeneration {
            group: group(),
            generation: words.get("generation"),
            kind: words.or("kind", "consumer".into()),
            strategy: words.or("strategy", "range".into()),
            leader: words.or("leader", String::new()),
            members: words.list("members").into_iter().map(member).collect(),
        }),
        "commit" => Command::CommitOffsets(parse_commit(group(), words)),
        "delete-group" => Command::DeleteGroup { group: group() },
        "open-producer" => Command::OpenProducer(OpenProducer {
            id: TransactionalId(words.plain[1].into()),
            timeout_ms: words.get("timeout"),
            present: words.find::<String>("present").map(|present| {
                let (producer, epoch) = present.split_once('/').unwrap();
                (ProducerId(producer.parse().unwrap()), ProducerEpoch(epoch.parse().unwrap()))
            }),
            spare: ProducerId(words.get("spare")),
        }),
        "join" => Command::JoinTransaction(JoinTransaction {
            id: TransactionalId(words.plain[1].into()),
            instance: parse_instance(words),
            partitions: words
                .find::<String>("partitions")
                .map_or(Vec::new(), |_| words.list("partitions").into_iter().map(PartitionId).collect()),
            groups: words.find::<String>("groups").into_iter().map(|name| GroupId(name.into())).collect(),
            elsewhere: Vec::new(),
        }),
        "hold" => Command::HoldOffsets(HoldOffsets {
            instance: parse_instance(words),
            joining: parse_joining(words).unwrap(),
            save: parse_commit(group(), words),
        }),
        "end" => Command::EndTransaction(EndTransaction {
            id: TransactionalId(words.plain[1].into()),
            instance: parse_instance(words),
            decision: match words.plain[2] {
                "commit" => Decision::Commit,
                "abort" => Decision::Abort,
                other => panic!("{other}"),
            },
            next: match words.get::<String>("next").as_str() {
                "same" => Next::Same,
                "raised" => Next::Raised { spare: ProducerId(words.or("spare", -1)) },
                "fenced" => Next::Fenced,
                other => panic!("{other}"),
            },
            mark: SlotNumber(1),
            mark_bytes: 78,
        }),
        "set-credential" => {
            let key = credential_key(words);
            let keys = vec![words.or("keys", 1); words.or("bytes", key.hash.bytes())];
            let credential = Credential {
                salt: words.or("salt", "salt".to_owned()).into_bytes().into(),
                iterations: words.or("iterations", 4096),
                stored_key: keys.clone().into(),
                server_key: keys.into(),
            };
            Command::SetCredential(SetCredential { key, credential })
        }
        "remove-credential" => Command::RemoveCredential { key: credential_key(words) },
        "begin-import" => Command::BeginImport(BeginImport {
            partition: partition(1),
            source: words.or("source", "there".into()),
            start: Offset(words.get("start")),
        }),
        "end-import" => Command::EndImport { partition: partition(1), end: Offset(words.get("end")) },
        "forget-topics" => Command::ForgetTopics { topics: topics("ids") },
        verb => panic!("unknown verb {verb}"),
    }
}

fn credential_key(words: &Words<'_>) -> CredentialKey {
    let hash = match words.or("hash", 256) {
        256 => PasswordHash::Sha256,
        512 => PasswordHash::Sha512,
        other => panic!("hash={other}"),
    };
    CredentialKey { user: words.plain[1].into(), hash }
}

fn parse_commit(group: GroupId, words: &Words<'_>) -> SaveOffsets {
    let offset = SavedOffset {
        topic: topic_id(words.get("topic")),
        number: words.or("partition", 0),
        offset: Offset(words.get("offset")),
        leader_epoch: words.find("leader-epoch").map(LeaderEpoch),
        metadata: "m".repeat(words.or("metadata", 0)),
    };
    SaveOffsets { group, offsets: vec![offset] }
}

fn parse_instance(words: &Words<'_>) -> Instance {
    (ProducerId(words.get("pid")), ProducerEpoch(words.get("epoch")))
}

fn parse_joining(words: &Words<'_>) -> Option<Joining> {
    words.find::<String>("joining").map(|joining| match joining.as_str() {
        "before" => Joining::Before,
        "now" => Joining::Now,
        other => panic!("{other}"),
    })
}

fn ratio(text: &str) -> Ratio {
    text.parse().unwrap()
}

fn policy(text: &str) -> CleanupPolicy {
    match text {
        "delete" => CleanupPolicy::Delete,
        "compact" => CleanupPolicy::Compact,
        "both" => CleanupPolicy::CompactAndDelete,
        "never" => CleanupPolicy::Never,
        other => panic!("cleanup={other}"),
    }
}

/// `[cleanup=delete|compact|both|never] [tombstone-ms=N] [lag-ms-min=N] [lag-ms-max=N] [ratio=N] [fresh-bytes=N] [fresh-ms=N]`
fn parse_cleanup(words: &Words<'_>) -> CleanupSettings {
    CleanupSettings {
        policy: words.find::<String>("cleanup").map(|text| policy(&text)),
        tombstone_ms: words.find("tombstone-ms"),
        lag_ms_min: words.find("lag-ms-min"),
        lag_ms_max: words.find("lag-ms-max"),
        dirty_ratio_min: words.find::<String>("ratio").map(|text| ratio(&text)),
        fresh_bytes: words.find("fresh-bytes"),
        fresh_ms: words.find("fresh-ms"),
    }
}

fn compression(text: &str) -> Compression {
    match text {
        "producer" => Compression::Producer,
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
        other => panic!("compression={other}"),
    }
}

fn gzip(text: &str) -> Option<GzipLevel> {
    (text != "none").then(|| GzipLevel::of(text.parse().unwrap()).unwrap())
}

fn zstd(text: &str) -> ZstdLevel {
    ZstdLevel::of(text.parse().unwrap()).unwrap()
}

/// `[before-ms=N] [after-ms=N] [compression=producer|gzip|zstd] [gzip=N|none] [zstd=N]`
fn parse_intake(words: &Words<'_>) -> IntakeSettings {
    IntakeSettings {
        before_ms_max: words.find("before-ms"),
        after_ms_max: words.find("after-ms"),
        compression: words.find::<String>("compression").map(|text| compression(&text)),
        gzip_level: words.find::<String>("gzip").map(|text| gzip(&text)),
        zstd_level: words.find::<String>("zstd").map(|text| zstd(&text)),
    }
}

/// As [`parse_intake`]; each may be `clear`.
fn parse_intake_change(words: &Words<'_>) -> IntakeChange {
    let number = |text: &str| text.parse().unwrap();
    IntakeChange {
        before_ms_max: change(words, "before-ms", number),
        after_ms_max: change(words, "after-ms", number),
        compression: change(words, "compression", compression),
        gzip_level: change(words, "gzip", gzip),
        zstd_level: change(words, "zstd", zstd),
    }
}

fn change<T>(words: &Words<'_>, name: &str, parse: impl FnOnce(&str) -> T) -> SettingChange<T> {
    match words.find::<String>(name).as_deref() {
        None => SettingChange::Keep,
        Some("clear") => SettingChange::Clear,
        Some(text) => SettingChange::Set(parse(text)),
    }
}

/// `[cleanup=clear|P|+P|-P] [tombstone-ms=N|clear] [lag-ms-min=N|clear] [lag-ms-max=N|clear] [ratio=N|clear]
/// [fresh-bytes=N|clear] [fresh-ms=N|clear]`
fn parse_cleanup_change(words: &Words<'_>) -> CleanupChange {
    let number = |text: &str| text.parse().unwrap();
    CleanupChange {
        policy: match words.find::<String>("cleanup").as_deref() {
            None => PolicyChange::Keep,
            Some("clear") => PolicyChange::Clear,
            Some(text) => match (text.strip_prefix('+'), text.strip_prefix('-')) {
                (Some(more), _) => PolicyChange::Add(policy(more)),
                (_, Some(gone)) => PolicyChange::Remove(policy(gone)),
                _ => PolicyChange::Set(policy(text)),
            },
        },
        tombstone_ms: change(words, "tombstone-ms", number),
        lag_ms_min: change(words, "lag-ms-min", number),
        lag_ms_max: change(words, "lag-ms-max", number),
        dirty_ratio_min: change(words, "ratio", ratio),
        fresh_bytes: change(words, "fresh-bytes", number),
        fresh_ms: change(words, "fresh-ms", number),
    }
}

/// `[retention-ms=N|none|clear] [retention-bytes=N|none|clear] [max=N|clear] [timestamps=create|append|clear] [flush=sync|async|clear]`,
/// and as [`parse_cleanup_change`] and [`parse_intake_change`].
fn parse_change(words: &Words<'_>) -> SettingsChange {
    let bound = |text: &str| if text == "none" { None } else { Some(text.parse().unwrap()) };
    SettingsChange {
        retention_ms: change(words, "retention-ms", bound),
        retention_bytes: change(words, "retention-bytes", bound),
        message_bytes_max: change(words, "max", |text| text.parse().unwrap()),
        timestamp_type: change(words, "timestamps", |text| match text {
            "create" => TimestampType::Create,
            "append" => TimestampType::Append,
            other => panic!("timestamps={other}"),
        }),
        flush: change(words, "flush", |text| match text {
            "sync" => FlushClass::Sync,
            "async" => FlushClass::Async,
            other => panic!("flush={other}"),
        }),
        cleanup: parse_cleanup_change(words),
        intake: parse_intake_change(words),
    }
}

/// `append P[,P...] count=N [bytes=N] [timestamp=N] [append-time=N] [pid=N epoch=N seq=N] [joining=before|now] [parts=I/S,...]
/// [bitmap=yes]` and what [`parse_imported`] reads.
fn parse_append(words: &Words<'_>) -> Append {
    let which = || match words.find::<String>("bitmap") {
        Some(_) => Which::Some(Bytes::from_static(&[1])),
        None => Which::All,
    };
    let targets = words.plain[1].split(',').map(|p| (PartitionId(p.parse().unwrap()), which()));
    let parts = |part: String| {
        let (index, slot) = part.split_once('/').unwrap();
        (LogIndex(index.parse().unwrap()), SlotNumber(slot.parse().unwrap()))
    };
    Append {
        targets: targets.collect(),
        slot: SlotNumber(words.or("slot", 1)),
        kind: PayloadKind::RecordBatch,
        count: words.or("count", 1),
        bytes: words.or("bytes", 100),
        max_timestamp: Timestamp(words.or("timestamp", -1)),
        append_time: words.find("append-time").map(Timestamp),
        producer: words.find("pid").map(|id| ProducerStamp {
            id: ProducerId(id),
            epoch: ProducerEpoch(words.or("epoch", 0)),
            base_sequence: BatchSequence(words.get("seq")),
        }),
        transaction: parse_joining(words),
        import: parse_imported(words),
        parts: words
            .find::<String>("parts")
            .map_or(Vec::new(), |_| words.list("parts").into_iter().map(parts).collect()),
    }
}

fn parse_settled(words: &Words<'_>) -> Vec<Settled> {
    let hows = [
        ("accept", Settlement::Accept),
        ("release", Settlement::Release { counts: true }),
        ("return", Settlement::Release { counts: false }),
        ("reject", Settlement::Reject),
    ];
    let mut settled = Vec::new();
    for (name, how) in hows {
        let ranges = words.find::<String>(name).map_or(Vec::new(), |_| words.list::<String>(name));
        for range in ranges {
            let (first, last) = range.split_once('-').unwrap();
            let [first, last] = [first, last].map(|offset| Offset(offset.parse().unwrap()));
            settled.push(Settled { range: OffsetRange { first, last }, how });
        }
    }
    settled
}

/// `[after=N at=N [records=PID|commits=PID|aborts=PID]]`
fn parse_imported(words: &Words<'_>) -> Option<Imported> {
    use ImportedTransaction::{Mark, Records};
    let after = words.find("after").map(Offset)?;
    let records = words.find("records").map(|id| Records(ProducerId(id)));
    let commits = words.find("commits").map(|id| Mark(ProducerId(id), Decision::Commit));
    let aborts = words.find("aborts").map(|id| Mark(ProducerId(id), Decision::Abort));
    Some(Imported { after, at: Offset(words.get("at")), transaction: records.or(commits).or(aborts) })
}

fn member(id: String) -> Member {
    Member {
        client: format!("{id}-client"),
        host: "/127.0.0.1".into(),
        instance: None,
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        metadata: Bytes::from_static(b"topics"),
        assignment: Bytes::copy_from_slice(id.as_bytes()),
        id,
    }
}

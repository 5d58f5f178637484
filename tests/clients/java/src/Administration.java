import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/** What the Java client's Admin asks of a broker at work. */
public final class Administration {
    private Administration() {}

    private static Harness.Story story(String name) {
        return switch (name) {
            case "settings" -> Administration::settings;
            case "settings-of-all-nodes" -> Administration::settingsOfAllNodes;
            case "lowered-retention" -> Administration::loweredRetention;
            case "delete-records" -> Administration::deleteRecords;
            case "delete-offsets" -> Administration::deleteOffsets;
            case "log-dirs" -> Administration::logDirs;
            case "replicas" -> Administration::replicas;
            case "producers" -> Administration::producers;
            case "config-resources" -> Administration::configResources;
            case "quorum" -> Administration::quorum;
            case "features" -> Administration::features;
            case "quotas" -> Quotas::settings;
            case "quota-of-a-producer" -> Quotas::producer;
            case "quota-of-a-consumer" -> Quotas::consumer;
            case "quota-of-work" -> Quotas::work;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args[0]).tell());
    }

    /** The future fails with an error of this class. */
    private static void refused(KafkaFuture<?> future, Class<?> error, String what) throws Exception {
        try {
            future.get();
        } catch (ExecutionException e) {
            Harness.check(error.isInstance(e.getCause()), what + " was refused with " + e.getCause());
            return;
        }
        throw new AssertionError(what + " was not refused");
    }

    private static void send(String topic, int partition, int records) throws Exception {
        try (var producer = Lib.producer()) {
            List<java.util.concurrent.Future<org.apache.kafka.clients.producer.RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < records; i++) {
                sent.add(producer.send(Lib.record(topic, partition, "record " + i)));
            }
            Lib.confirms(producer, sent);
        }
    }

    private static long earliest(Admin admin, TopicPartition partition) throws Exception {
        var offsets = admin.listOffsets(Map.of(partition, OffsetSpec.earliest())).all().get();
        return offsets.get(partition).offset();
    }

    // --- settings

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    private static AlterConfigOp take(String name) {
        return new AlterConfigOp(new ConfigEntry(name, ""), AlterConfigOp.OpType.DELETE);
    }

    private static KafkaFuture<Void> alter(Admin admin, ConfigResource resource, AlterConfigOp... operations) {
        Map<ConfigResource, Collection<AlterConfigOp>> change = Map.of(resource, List.of(operations));
        return admin.incrementalAlterConfigs(change).all();
    }

    private static String shown(Admin admin, ConfigResource resource, String name) throws Exception {
        return entry(admin, resource, name).value();
    }

    private static ConfigEntry entry(Admin admin, ConfigResource resource, String name) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name);
    }

    /** What applies to topics that set nothing follows at once, what a topic sets is stronger, and a crash changes nothing. */
    private static void settingsOfAllNodes() throws Exception {
        String plain = Lib.topic("plain", 2);
        String own = Lib.topic("own", 1);
        ConfigResource all = new ConfigResource(ConfigResource.Type.BROKER, "");
        ConfigResource ofPlain = new ConfigResource(ConfigResource.Type.TOPIC, plain);
        ConfigResource ofOwn = new ConfigResource(ConfigResource.Type.TOPIC, own);
        String retention;
        try (Admin admin = Lib.admin()) {
            retention = shown(admin, ofPlain, "retention.ms");
            alter(admin, ofOwn, set("max.message.bytes", "50000")).get();
            alter(admin, all, set("message.max.bytes", "1000"), set("log.retention.ms", "8100000")).get();
            Harness.waitUntil("the default is shown", () -> shown(admin, ofPlain, "retention.ms").equals("8100000"));
            ConfigEntry entry = entry(admin, ofPlain, "retention.ms");
            Harness.equal(entry.source(), ConfigEntry.ConfigSource.DYNAMIC_DEFAULT_BROKER_CONFIG, "where it comes from");
            Harness.equal(shown(admin, all, "log.retention.ms"), "8100000", "what is set for all nodes");
            Harness.waitUntil("the bound is shown", () -> shown(admin, ofPlain, "max.message.bytes").equals("1000"));
            try (var producer = Lib.producer()) {
                Harness.waitUntil("a record above the bound is refused", () -> isTooLarge(producer, plain));
                Harness.check(!isTooLarge(producer, own), "the topic's own bound is not in force");
            }
            refused(
                    alter(admin, all, set("log.retention.ms", "soon")),
                    InvalidRequestException.class,
                    "a value that is none");
        }
        Harness.killBroker();
        try (Admin admin = Lib.admin(); var producer = Lib.producer()) {
            Harness.equal(shown(admin, ofPlain, "retention.ms"), "8100000", "the default after a crash");
            Harness.check(isTooLarge(producer, plain), "the bound after a crash");
            alter(admin, all, take("message.max.bytes"), take("log.retention.ms")).get();
            Harness.waitUntil("what was there is back", () -> shown(admin, ofPlain, "retention.ms").equals(retention));
            Harness.waitUntil("a record is taken", () -> !isTooLarge(producer, plain));
        }
    }

    private static boolean isTooLarge(KafkaProducer<byte[], byte[]> producer, String topic) throws Exception {
        try {
            producer.send(Lib.record(topic, 0, "x".repeat(2_000))).get();
            return false;
        } catch (ExecutionException e) {
            Harness.check(e.getCause() instanceof RecordTooLargeException, "the refusal was " + e.getCause());
            return true;
        }
    }

    private static void settings() throws Exception {
        String topic = Lib.topic("settings", 2);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = Lib.admin()) {
            String retention = shown(admin, resource, "retention.ms");
            alter(admin, resource, set("max.message.bytes", "1000"), set("retention.ms", "7200000")).get();
            Harness.waitUntil("the change is shown", () -> shown(admin, resource, "retention.ms").equals("7200000"));
            try (var producer = Lib.producer()) {
                try {
                    producer.send(Lib.record(topic, 1, "x".repeat(2_000))).get();
                    throw new AssertionError("a record above max.message.bytes was taken");
                } catch (ExecutionException e) {
                    Harness.check(e.getCause() instanceof RecordTooLargeException, "the refusal was " + e.getCause());
                }
                producer.send(Lib.record(topic, 1, "small")).get();
            }
            // Only what is named changes.
            alter(admin, resource, take("retention.ms")).get();
            Harness.waitUntil("the default is shown", () -> shown(admin, resource, "retention.ms").equals(retention));
            Harness.equal(shown(admin, resource, "max.message.bytes"), "1000", "max.message.bytes");
            var append = new AlterConfigOp(new ConfigEntry("cleanup.policy", "delete"), AlterConfigOp.OpType.APPEND);
            alter(admin, resource, append).get();
            // Checked and not done.
            Map<ConfigResource, Collection<AlterConfigOp>> change =
                    Map.of(resource, List.of(set("max.message.bytes", "5000")));
            admin.incrementalAlterConfigs(change, new AlterConfigsOptions().validateOnly(true)).all().get();
            Harness.equal(shown(admin, resource, "max.message.bytes"), "1000", "max.message.bytes");
            // Refused, and nothing of it happens.
            refused(
                    alter(admin, resource, set("max.message.bytes", "9"), set("no.such.setting", "1")),
                    InvalidConfigurationException.class,
                    "a setting that does not exist");
            refused(
                    alter(admin, resource, set("retention.ms", "soon")),
                    InvalidConfigurationException.class,
                    "a value that is none");
            var list = new AlterConfigOp(new ConfigEntry("retention.ms", "1"), AlterConfigOp.OpType.APPEND);
            refused(alter(admin, resource, list), InvalidConfigurationException.class, "appending to no list");
            refused(
                    alter(admin, resource, set("retention.ms", "1"), set("retention.ms", "2")),
                    InvalidRequestException.class,
                    "a setting named twice");
            ConfigResource gone = new ConfigResource(ConfigResource.Type.TOPIC, Harness.name("gone"));
            refused(
                    alter(admin, gone, set("retention.ms", "1")),
                    UnknownTopicOrPartitionException.class,
                    "a topic that does not exist");
            Harness.equal(shown(admin, resource, "max.message.bytes"), "1000", "max.message.bytes");
        }
        Harness.killBroker();
        try (Admin admin = Lib.admin()) {
            Harness.equal(shown(admin, resource, "max.message.bytes"), "1000", "max.message.bytes after a crash");
        }
    }

    /** Records that are too old under the new bound go, though their topic was made to keep them. */
    private static void loweredRetention() throws Exception {
        String topic = Lib.topic("bound", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        send(topic, 0, 500);
        try (Admin admin = Lib.admin()) {
            Harness.equal(earliest(admin, partition), 0L, "earliest offset");
            alter(admin, resource, set("retention.ms", "1")).get();
            Harness.waitUntil("the old records are gone", () -> earliest(admin, partition) == 500);
        }
        send(topic, 0, 1);
    }

    // --- records and offsets

    private static void deleteRecords() throws Exception {
        String topic = Lib.topic("trim", 3);
        for (int p = 0; p < 3; p++) {
            send(topic, p, 100);
        }
        try (Admin admin = Lib.admin()) {
            var first = new TopicPartition(topic, 0);
            var second = new TopicPartition(topic, 1);
            var third = new TopicPartition(topic, 2);
            var deleted = admin.deleteRecords(Map.of(
                            first, RecordsToDelete.beforeOffset(30),
                            second, RecordsToDelete.beforeOffset(-1),
                            third, RecordsToDelete.beforeOffset(101)))
                    .lowWatermarks();
            Harness.equal(deleted.get(first).get().lowWatermark(), 30L, "low watermark");
            Harness.equal(deleted.get(second).get().lowWatermark(), 100L, "low watermark of all");
            refused(deleted.get(third), OffsetOutOfRangeException.class, "an offset behind the end");
            // What is gone already.
            var again = admin.deleteRecords(Map.of(first, RecordsToDelete.beforeOffset(10))).lowWatermarks();
            Harness.equal(again.get(first).get().lowWatermark(), 30L, "low watermark again");
            Harness.equal(earliest(admin, first), 30L, "earliest offset");
            Harness.equal(earliest(admin, third), 0L, "earliest offset of another partition");
            try (var consumer = Lib.consumer()) {
                consumer.assign(List.of(first));
                consumer.seek(first, 30);
                var seen = new ArrayList<org.apache.kafka.clients.consumer.ConsumerRecord<byte[], byte[]>>();
                Harness.waitUntil("what is left is read", () -> {
                    seen.addAll(Lib.poll(consumer));
                    return seen.size() >= 70;
                });
                Harness.equal(seen.get(0).offset(), 30L, "first offset");
                Harness.equal(Harness.text(seen.get(0).value()), "record 30", "first record");
                Harness.equal(seen.size(), 70, "records");
            }
        }
        send(topic, 1, 1);
        try (var consumer = Lib.consumer()) {
            var second = new TopicPartition(topic, 1);
            consumer.assign(List.of(second));
            consumer.seekToBeginning(List.of(second));
            Harness.equal(consumer.position(second), 100L, "the beginning");
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> committed(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    }

    private static void deleteOffsets() throws Exception {
        String read = Lib.topic("read", 2);
        String left = Lib.topic("left", 1);
        String group = Harness.name("group");
        var first = new TopicPartition(read, 0);
        var second = new TopicPartition(read, 1);
        var other = new TopicPartition(left, 0);
        try (Admin admin = Lib.admin()) {
            refused(
                    admin.deleteConsumerGroupOffsets(group, Set.of(first)).all(),
                    GroupIdNotFoundException.class,
                    "a group that does not exist");
            try (KafkaConsumer<byte[], byte[]> consumer = Lib.consumer("group.id", group)) {
                consumer.subscribe(List.of(read));
                Harness.waitUntil("the member has its share", () -> {
                    Lib.poll(consumer);
                    return consumer.assignment().size() == 2;
                });
                consumer.commitSync(Map.of(
                        first, new OffsetAndMetadata(0),
                        second, new OffsetAndMetadata(0),
                        other, new OffsetAndMetadata(0)));
                var result = admin.deleteConsumerGroupOffsets(group, Set.of(first, other));
                refused(result.partitionResult(first), GroupSubscribedToTopicException.class, "a topic that is read");
                result.partitionResult(other).get();
                Harness.equal(committed(admin, group).keySet(), Set.of(first, second), "what is left");
            }
            Harness.waitUntil("the member has left", () -> {
                try {
                    admin.deleteConsumerGroupOffsets(group, Set.of(first)).all().get();
                    return true;
                } catch (ExecutionException e) {
                    Harness.check(
                            e.getCause() instanceof GroupSubscribedToTopicException,
                            "the refusal was " + e.getCause());
                    return false;
                }
            });
            Harness.equal(committed(admin, group).keySet(), Set.of(second), "what is left");
        }
    }

    // --- what there is

    private static void logDirs() throws Exception {
        String topic = Lib.topic("dirs", 2);
        send(topic, 1, 1_000);
        var full = new TopicPartition(topic, 1);
        try (Admin admin = Lib.admin()) {
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            Map<String, LogDirDescription> dirs = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node);
            Harness.equal(dirs.size(), 1, "directories");
            var entry = dirs.entrySet().iterator().next();
            Harness.check(entry.getKey().startsWith("/"), "the directory is " + entry.getKey());
            LogDirDescription dir = entry.getValue();
            Harness.check(dir.error() == null, "its error is " + dir.error());
            var replica = dir.replicaInfos().get(full);
            Harness.check(replica.size() > 10_000 && replica.size() < 1_000_000, "it takes " + replica.size() + " bytes");
            Harness.equal(replica.offsetLag(), 0L, "lag");
            Harness.check(!replica.isFuture(), "it is a copy on its way");
            Harness.equal(dir.replicaInfos().get(new TopicPartition(topic, 0)).size(), 0L, "bytes of an empty partition");
            long total = dir.totalBytes().getAsLong();
            long usable = dir.usableBytes().getAsLong();
            Harness.check(0 < usable && usable <= total, usable + " of " + total + " bytes are left");
        }
    }

    private static void replicas() throws Exception {
        String topic = Lib.topic("replicas", 2);
        var partition = new TopicPartition(topic, 0);
        var missing = new TopicPartition(topic, 7);
        try (Admin admin = Lib.admin()) {
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            for (ElectionType type : ElectionType.values()) {
                var elected = admin.electLeaders(type, Set.of(partition, missing)).partitions().get();
                var why = elected.get(partition).orElseThrow();
                Harness.check(why instanceof ElectionNotNeededException, type + " said " + why);
                why = elected.get(missing).orElseThrow();
                Harness.check(why instanceof UnknownTopicOrPartitionException, type + " said " + why);
            }
            Harness.equal(admin.electLeaders(ElectionType.PREFERRED, null).partitions().get(), Map.of(), "elections");
            Harness.equal(admin.listPartitionReassignments().reassignments().get(), Map.of(), "reassignments");
            var here = Optional.of(new NewPartitionReassignment(List.of(node)));
            admin.alterPartitionReassignments(Map.of(partition, here)).all().get();
            var elsewhere = Optional.of(new NewPartitionReassignment(List.of(node + 1)));
            refused(
                    admin.alterPartitionReassignments(Map.of(partition, elsewhere)).all(),
                    InvalidReplicaAssignmentException.class,
                    "a node that does not exist");
            refused(
                    admin.alterPartitionReassignments(Map.of(partition, Optional.empty())).all(),
                    NoReassignmentInProgressException.class,
                    "taking back nothing");
            refused(
                    admin.alterPartitionReassignments(Map.of(missing, here)).all(),
                    UnknownTopicOrPartitionException.class,
                    "a partition that does not exist");
        }
    }

    private static void producers() throws Exception {
        String topic = Lib.topic("producers", 2);
        var partition = new TopicPartition(topic, 0);
        var silent = new TopicPartition(topic, 1);
        long before = System.currentTimeMillis();
        send(topic, 0, 50);
        try (Admin admin = Lib.admin()) {
            var described = admin.describeProducers(Set.of(partition, silent)).all().get();
            Harness.equal(described.get(silent).activeProducers().size(), 0, "producers of the silent partition");
            var producers = described.get(partition).activeProducers();
            Harness.equal(producers.size(), 1, "producers");
            var producer = producers.get(0);
            Harness.check(producer.producerId() >= 0, "its id is " + producer.producerId());
            Harness.equal(producer.lastSequence(), 49, "last sequence");
            Harness.check(producer.lastTimestamp() >= before - 1_000, "it wrote at " + producer.lastTimestamp());
            Harness.check(producer.currentTransactionStartOffset().isEmpty(), "it has an open transaction");
        }
    }

    private static void configResources() throws Exception {
        String topic = Lib.topic("resources", 1);
        var wanted = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = Lib.admin()) {
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            var broker = new ConfigResource(ConfigResource.Type.BROKER, String.valueOf(node));
            var all = admin.listConfigResources().all().get();
            Harness.check(all.contains(wanted) && all.contains(broker), "listed: " + all);
            var topics = admin.listConfigResources(Set.of(ConfigResource.Type.TOPIC), new ListConfigResourcesOptions());
            var listed = topics.all().get();
            Harness.check(listed.contains(wanted) && !listed.contains(broker), "listed: " + listed);
            var groups = admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions());
            Harness.equal(Set.copyOf(groups.all().get()), Set.of(), "client metrics");
        }
    }

    private static void quorum() throws Exception {
        try (Admin admin = Lib.admin()) {
            var quorum = admin.describeMetadataQuorum().quorumInfo().get();
            var voters = quorum.voters().stream().map(voter -> voter.replicaId()).toList();
            Harness.check(voters.contains(quorum.leaderId()), "leader " + quorum.leaderId() + " of " + voters);
            Harness.check(quorum.leaderEpoch() > 0, "its epoch is " + quorum.leaderEpoch());
            var leader = quorum.voters().get(voters.indexOf(quorum.leaderId()));
            Harness.check(leader.logEndOffset() > 0, "its log ends at " + leader.logEndOffset());
            // The high watermark moves with what is written.
            long before = quorum.highWatermark();
            Lib.topic("written", 1);
            Harness.waitUntil("the high watermark has risen", () ->
                    admin.describeMetadataQuorum().quorumInfo().get().highWatermark() > before);
        }
    }

    private static void features() throws Exception {
        String feature = "transaction.version";
        try (Admin admin = Lib.admin()) {
            var level = admin.describeFeatures().featureMetadata().get().finalizedFeatures().get(feature);
            short present = level.maxVersionLevel();
            var upgrade = org.apache.kafka.clients.admin.FeatureUpdate.UpgradeType.UPGRADE;
            var options = new org.apache.kafka.clients.admin.UpdateFeaturesOptions().validateOnly(true);
            var same = new org.apache.kafka.clients.admin.FeatureUpdate(present, upgrade);
            admin.updateFeatures(Map.of(feature, same), options).all().get();
            var above = new org.apache.kafka.clients.admin.FeatureUpdate((short) 99, upgrade);
            refused(
                    admin.updateFeatures(Map.of(feature, above), options).all(),
                    org.apache.kafka.common.errors.InvalidUpdateVersionException.class,
                    "a level that nobody knows");
            refused(
                    admin.updateFeatures(Map.of("no.such.feature", same), options).all(),
                    org.apache.kafka.common.errors.InvalidUpdateVersionException.class,
                    "a feature that nobody knows");
        }
    }
}

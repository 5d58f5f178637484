import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.LogDirNotFoundException;
import org.apache.kafka.common.errors.RecordTooLargeException;

/** The stories of tests/src/suites/intake.rs with Kafka's Java client. */
public final class Intake {
    private Intake() {}

    private static final long HOUR_MS = 3_600_000;
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};

    private static Harness.Story story(String name) {
        return switch (name) {
            case "timestamps" -> Intake::timestamps;
            case "compressed-anew" -> Intake::compressedAnew;
            case "compressed-too-large" -> Intake::compressedTooLarge;
            case "one-directory" -> Intake::oneDirectory;
            case "listed-by-pattern" -> Intake::listedByPattern;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args[0]).tell());
    }

    private static String topic(String part, Map<String, String> settings) throws Exception {
        String topic = Harness.name(part);
        try (Admin admin = Lib.admin()) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1).configs(settings))).all().get();
        }
        return topic;
    }

    private static void set(String topic, String name, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        AlterConfigOp.OpType kind = value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
        AlterConfigOp change = new AlterConfigOp(new ConfigEntry(name, value), kind);
        try (Admin admin = Lib.admin()) {
            admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all().get();
        }
    }

    private static Throwable refused(Callable what) throws Exception {
        try {
            what.call();
        } catch (ExecutionException refused) {
            return refused.getCause();
        }
        throw new AssertionError("it was taken");
    }

    private interface Callable {
        void call() throws Exception;
    }

    /** Writes one batch of records with these timestamps. */
    private static void write(String topic, Long... timestamps) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer("linger.ms", 200, "compression.type", "zstd")) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (Long timestamp : timestamps) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, timestamp, null, Harness.bytes("v"))));
            }
            Lib.confirms(producer, sent);
        }
    }

    private static void timestamps() throws Exception {
        String plain = topic("plain", Map.of());
        try (Admin admin = Lib.admin()) {
            Harness.equal(Lib.setting(admin, plain, "message.timestamp.after.max.ms"), "3600000", "after");
            Harness.equal(
                    Lib.setting(admin, plain, "message.timestamp.before.max.ms"), "" + Long.MAX_VALUE, "before");
        }
        long now = System.currentTimeMillis();
        write(plain, 0L, now, now + HOUR_MS / 2);
        Throwable late = refused(() -> write(plain, now + 2 * HOUR_MS));
        Harness.check(late instanceof InvalidTimestampException, "told " + late);
        // The others of its batch are told that it is not theirs, and may be sent again.
        refused(() -> write(plain, now, now + 2 * HOUR_MS));
        Harness.equal(Lib.read(plain, 1, 3).size(), 3, "what was refused is not there");

        set(plain, "message.timestamp.after.max.ms", "" + 3 * HOUR_MS);
        write(plain, now + 2 * HOUR_MS);
        set(plain, "message.timestamp.before.max.ms", "60000");
        write(plain, now);
        Throwable early = refused(() -> write(plain, now - 2 * HOUR_MS));
        Harness.check(early instanceof InvalidTimestampException, "told " + early);
        set(plain, "message.timestamp.before.max.ms", null);
        write(plain, now - 2 * HOUR_MS);
        Harness.equal(Lib.read(plain, 1, 6).size(), 6, "what was taken is there");

        // The time of a record is that of its append: nobody is early or late.
        String appended = topic("appended", Map.of("message.timestamp.type", "LogAppendTime"));
        write(appended, 0L, now + 5 * HOUR_MS);
        Throwable refused = refused(() -> topic("wrong", Map.of("message.timestamp.after.max.ms", "-1")));
        Harness.check(refused instanceof InvalidConfigurationException, "told " + refused);
    }

    private static long bytesOf(String topic) throws Exception {
        try (Admin admin = Lib.admin()) {
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            TopicPartition partition = new TopicPartition(topic, 0);
            for (LogDirDescription dir : admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).values()) {
                if (dir.replicaInfos().containsKey(partition)) {
                    return dir.replicaInfos().get(partition).size();
                }
            }
        }
        throw new AssertionError("no directory has " + topic);
    }

    private static final int RECORDS = 200;
    private static final int RECORD_BYTES = 1_000;

    /** Writes the same records by one producer; some of them in a transaction. */
    private static void fill(String topic, String codec, boolean inTransaction) throws Exception {
        Object[] settings = {"compression.type", codec, "linger.ms", 100, "batch.size", 1 << 20};
        if (inTransaction) {
            settings = Arrays.copyOf(settings, settings.length + 2);
            settings[settings.length - 2] = "transactional.id";
            settings[settings.length - 1] = Harness.name("writer");
        }
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer(settings)) {
            if (inTransaction) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < RECORDS; i++) {
                byte[] value = new byte[RECORD_BYTES];
                Arrays.fill(value, (byte) i);
                ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, (long) i, Harness.bytes("k" + i), value);
                record.headers().add("codec", Harness.bytes(codec));
                sent.add(producer.send(record));
            }
            Lib.confirms(producer, sent);
            if (inTransaction) {
                producer.commitTransaction();
            }
        }
    }

    private static void isWhole(String topic, int times) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = Lib.read(topic, 1, RECORDS * times);
        Harness.equal(records.size(), RECORDS * times, "records");
        for (int i = 0; i < records.size(); i++) {
            ConsumerRecord<byte[], byte[]> record = records.get(i);
            int number = i % RECORDS;
            boolean same = record.timestamp() == number
                    && Harness.text(record.key()).equals("k" + number)
                    && record.value().length == RECORD_BYTES
                    && record.value()[0] == (byte) number
                    && record.headers().lastHeader("codec") != null;
            Harness.check(same, "record " + i + " is another: " + record);
        }
    }

    private static void compressedAnew() throws Exception {
        long raw = (long) RECORDS * RECORD_BYTES;
        for (String stored : List.of("uncompressed", "gzip", "snappy", "lz4", "zstd")) {
            String topic = topic(stored, Map.of("compression.type", stored));
            for (String codec : CODECS) {
                long before = bytesOf(topic);
                fill(topic, codec, false);
                long bytes = bytesOf(topic) - before;
                boolean fits = stored.equals("uncompressed") ? bytes > raw : bytes < raw / 4;
                Harness.check(fits, codec + " is stored as " + bytes + " bytes where it should be " + stored);
            }
            isWhole(topic, CODECS.length);
            Harness.killBroker();
            isWhole(topic, CODECS.length);
        }
        // From here on otherwise, also in a transaction.
        String live = topic("live", Map.of());
        fill(live, "none", false);
        Harness.check(bytesOf(live) > raw, "as the producer wrote it");
        set(live, "compression.type", "zstd");
        set(live, "compression.zstd.level", "-5");
        long before = bytesOf(live);
        fill(live, "none", false);
        Harness.check(bytesOf(live) - before < raw / 4, "compressed");
        isWhole(live, 2);
        String transacted = topic("transacted", Map.of("compression.type", "gzip", "compression.gzip.level", "1"));
        fill(transacted, "lz4", true);
        isWhole(transacted, 1);
        Throwable refused = refused(() -> topic("wrong", Map.of("compression.type", "brotli")));
        Harness.check(refused instanceof InvalidConfigurationException, "told " + refused);
    }

    /** What fits as it comes and does not as it would be stored. */
    private static void compressedTooLarge() throws Exception {
        String topic =
                topic("small", Map.of("compression.type", "uncompressed", "max.message.bytes", "100000"));
        Throwable refused = refused(() -> writeOne(topic, new byte[500_000]));
        Harness.check(refused instanceof RecordTooLargeException, "told " + refused);
        Harness.equal(bytesOf(topic), 0L, "bytes");
        // What the client can split it sends again in smaller batches.
        fill(topic, "zstd", false);
        isWhole(topic, 1);
    }

    private static void writeOne(String topic, byte[] value) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer("compression.type", "zstd")) {
            producer.send(new ProducerRecord<>(topic, 0, null, value)).get();
        }
    }

    private static void oneDirectory() throws Exception {
        String topic = topic("dirs", Map.of());
        try (Admin admin = Lib.admin()) {
            int node = admin.describeCluster().nodes().get().iterator().next().id();
            String there = admin.describeLogDirs(List.of(node)).allDescriptions().get().get(node).keySet().iterator().next();
            TopicPartitionReplica replica = new TopicPartitionReplica(topic, 0, node);
            admin.alterReplicaLogDirs(Map.of(replica, there)).all().get();
            Throwable elsewhere =
                    refused(() -> admin.alterReplicaLogDirs(Map.of(replica, "/elsewhere")).all().get());
            Harness.check(elsewhere instanceof LogDirNotFoundException, "told " + elsewhere);
            Harness.equal(
                    admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica).getCurrentReplicaLogDir(),
                    there,
                    "the directory");
        }
    }

    private static void listedByPattern() throws Exception {
        for (String id : List.of("a1", "a2", "b1")) {
            try (KafkaProducer<byte[], byte[]> producer =
                    Lib.producer("transactional.id", Harness.name("tx-") + id)) {
                producer.initTransactions();
            }
        }
        try (Admin admin = Lib.admin()) {
            Harness.equal(listed(admin, Harness.name("tx-") + "a."), Set.of("a1", "a2"), "by a pattern");
            Harness.equal(listed(admin, ".*" + Harness.name("tx-") + ".*1"), Set.of("a1", "b1"), "by another");
            Harness.equal(listed(admin, Harness.name("tx-")), Set.of(), "a part is no match");
            Throwable broken = refused(() -> listed(admin, "a("));
            Harness.check(broken instanceof InvalidRegularExpression, "told " + broken);
        }
    }

    private static Set<String> listed(Admin admin, String pattern) throws Exception {
        Set<String> ids = new HashSet<>();
        ListTransactionsOptions options = new ListTransactionsOptions().filterOnTransactionalIdPattern(pattern);
        for (TransactionListing listing : admin.listTransactions(options).all().get()) {
            ids.add(listing.transactionalId().substring(Harness.name("tx-").length()));
        }
        return ids;
    }
}

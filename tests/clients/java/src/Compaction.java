import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.PolicyViolationException;

/** The stories of tests/src/suites/compaction.rs with Kafka's Java client. */
public final class Compaction {
    private Compaction() {}

    /** Compaction comes after so long at the latest: brokers look for what is to be done twice a minute or so. */
    private static final long COMPACTED_MS_MAX = 180_000;

    private static final Map<String, String> QUICK = Map.of(
            "cleanup.policy", "compact",
            "min.cleanable.dirty.ratio", "0.01",
            "max.compaction.lag.ms", "1000",
            "delete.retention.ms", "1000");

    private static Harness.Story story(String name) {
        return switch (name) {
            case "newest-stay" -> Compaction::newestStay;
            case "tombstones-go" -> Compaction::tombstonesGo;
            case "killed-while-compacting" -> Compaction::killedWhileCompacting;
            case "in-transactions" -> Compaction::inTransactions;
            case "by-segments" -> Compaction::bySegments;
            case "switched-on" -> Compaction::switchedOn;
            case "without-a-key" -> Compaction::withoutAKey;
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

    /** What the last record of every key says; nothing for those that were deleted. */
    private static final class State {
        final String topic;
        final Map<String, String> values = new HashMap<>();
        /** Records that were written. */
        int written;

        State(String topic) {
            this.topic = topic;
        }

        /** Writes this many records over some keys, of which now and then one is deleted. */
        void write(KafkaProducer<byte[], byte[]> producer, int count, int keys, Random random) throws Exception {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                String key = "key " + random.nextInt(keys);
                String value = random.nextInt(10) == 0 ? null : written + " " + "x".repeat(random.nextInt(200));
                sent.add(put(producer, key, value));
            }
            Lib.confirms(producer, sent);
        }

        Future<RecordMetadata> put(KafkaProducer<byte[], byte[]> producer, String key, String value) {
            written++;
            if (value == null) {
                values.remove(key);
            } else {
                values.put(key, value);
            }
            return producer.send(new ProducerRecord<>(topic, 0, Harness.bytes(key), Harness.bytes(value)));
        }

        /** Reads all of it; answers how many records there are. */
        int check() throws Exception {
            List<ConsumerRecord<byte[], byte[]>> records = everything(topic, written, "read_uncommitted");
            check(records);
            return records.size();
        }

        /** Whether a record of one of these keys is there. */
        boolean hasAny(List<String> keys) throws Exception {
            List<ConsumerRecord<byte[], byte[]>> records = everything(topic, written, "read_uncommitted");
            check(records);
            return records.stream().anyMatch(record -> keys.contains(Harness.text(record.key())));
        }

        void check(List<ConsumerRecord<byte[], byte[]>> records) {
            Map<String, String> found = new HashMap<>();
            long last = -1;
            for (ConsumerRecord<byte[], byte[]> record : records) {
                Harness.check(record.offset() > last, "offset " + record.offset() + " follows " + last);
                last = record.offset();
                String key = Harness.text(record.key());
                if (record.value() == null) {
                    found.remove(key);
                } else {
                    found.put(key, Harness.text(record.value()));
                }
            }
            Harness.equal(found, values, "the last of every key");
        }

        /** Goes on writing to one key until so many records are left, and what is read stays right. */
        void untilLeft(int records) throws Exception {
            ticking("only " + records + " records are left", () -> check() <= records);
        }

        /** Goes on writing to one key until something is so: segments end as they are written to. */
        void ticking(String what, Callable<Boolean> condition) throws Exception {
            long end = System.nanoTime() + COMPACTED_MS_MAX * 1_000_000;
            while (!condition.call()) {
                Harness.check(System.nanoTime() < end, "timed out waiting until " + what);
                tick();
                Thread.sleep(1_000);
            }
        }

        void tick() throws Exception {
            try (var producer = Lib.producer()) {
                Lib.confirms(producer, List.of(put(producer, "tick", String.valueOf(written))));
            }
        }
    }

    /** All records of a topic of one partition that ends at an offset. */
    private static List<ConsumerRecord<byte[], byte[]>> everything(String topic, long end, String isolation)
            throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (var consumer = Lib.consumer("isolation.level", isolation)) {
            var partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            Harness.equal(consumer.endOffsets(List.of(partition)).get(partition), end, "the end");
            Harness.waitUntil("all is read", () -> {
                records.addAll(Lib.poll(consumer));
                return consumer.position(partition) >= end;
            });
        }
        return records;
    }

    private static void newestStay() throws Exception {
        State state = new State(topic("state", QUICK));
        Random random = new Random(1);
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            try (var producer = Lib.producer("compression.type", codec, "linger.ms", 20)) {
                state.write(producer, 1_000, 40, random);
            }
        }
        state.untilLeft(1_000);
        Harness.killBroker();
        state.check();
        try (var producer = Lib.producer()) {
            state.write(producer, 2_000, 60, random);
        }
        Harness.killBroker();
        state.check();
        state.untilLeft(1_000);
    }

    private static void tombstonesGo() throws Exception {
        State state = new State(topic("deleted", QUICK));
        List<String> deleted = new ArrayList<>();
        try (var producer = Lib.producer("linger.ms", 20)) {
            state.write(producer, 1_000, 50, new Random(3));
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int key = 0; key < 50; key += 2) {
                deleted.add("key " + key);
                sent.add(state.put(producer, "key " + key, null));
            }
            Lib.confirms(producer, sent);
        }
        Harness.check(state.hasAny(deleted), "tombstones are read");
        Harness.killBroker();
        state.ticking("nothing of what was deleted is left", () -> !state.hasAny(deleted));
        Harness.killBroker();
        Harness.check(!state.hasAny(deleted), "something that was deleted is there again");
    }

    private static void killedWhileCompacting() throws Exception {
        State state = new State(topic("killed", QUICK));
        Random random = new Random(4);
        for (int round = 0; round < 5; round++) {
            try (var producer = Lib.producer("linger.ms", 20, "compression.type", round % 2 == 0 ? "none" : "lz4")) {
                state.write(producer, 3_000, 30 + 10 * round, random);
            }
            long end = System.nanoTime() + random.nextInt(20) * 1_000_000_000L;
            while (System.nanoTime() < end) {
                state.tick();
                Thread.sleep(500);
            }
            Harness.killBroker();
            state.check();
        }
        state.untilLeft(1_500);
    }

    /** What is aborted leaves nothing, and replaces nothing. */
    private static void inTransactions() throws Exception {
        State state = new State(topic("transactions", QUICK));
        Random random = new Random(5);
        try (var producer = Lib.producer("linger.ms", 20, "transactional.id", Harness.name("keeper"))) {
            producer.initTransactions();
            for (int number = 0; number < 60; number++) {
                producer.beginTransaction();
                boolean aborts = number % 3 == 0;
                for (int i = 0; i < 50; i++) {
                    String key = "key " + random.nextInt(20);
                    if (aborts) {
                        state.written++;
                        producer.send(new ProducerRecord<>(
                                state.topic, 0, Harness.bytes(key), Harness.bytes("aborted")));
                    } else {
                        state.put(producer, key, number + " " + i);
                    }
                }
                producer.flush();
                if (aborts) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
                // The mark.
                state.written++;
            }
        }
        state.ticking("only what counts is left", () -> {
            var committed = everything(state.topic, state.written, "read_committed");
            state.check(committed);
            var all = everything(state.topic, state.written, "read_uncommitted");
            return all.size() <= 300 && all.stream().noneMatch(r -> "aborted".equals(Harness.text(r.value())));
        });
        Harness.killBroker();
        state.check(everything(state.topic, state.written, "read_committed"));
    }

    /** Without any lag at most: what lies behind the newest segment.bytes of a partition is compacted. */
    private static void bySegments() throws Exception {
        String topic = topic("segments", Map.of(
                "cleanup.policy", "compact",
                "min.cleanable.dirty.ratio", "0.01",
                "segment.bytes", "1048576",
                "segment.ms", "3600000"));
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = Lib.admin()) {
            var shown = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            Harness.equal(shown.get("segment.bytes").value(), "1048576", "segment.bytes");
            Harness.equal(shown.get("segment.ms").value(), "3600000", "segment.ms");
        }
        State state = new State(topic);
        Random random = new Random(6);
        byte[] noise = new byte[512];
        try (var producer = Lib.producer("linger.ms", 20)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 6_000; i++) {
                random.nextBytes(noise);
                String value = java.util.HexFormat.of().formatHex(noise);
                sent.add(state.put(producer, "key " + random.nextInt(10), value));
            }
            Lib.confirms(producer, sent);
        }
        // Of 6 MiB the newest one, and a record of each key before.
        state.untilLeft(1_400);
        Harness.check(state.check() >= 10, "the newest are there");
    }

    private static void switchedOn() throws Exception {
        String topic = Lib.topic("switched", 1);
        State state = new State(topic);
        try (var producer = Lib.producer()) {
            state.write(producer, 3_000, 20, new Random(2));
        }
        Harness.equal(state.check(), 3_000, "records");
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        try (Admin admin = Lib.admin()) {
            List<AlterConfigOp> change = new ArrayList<>();
            change.add(new AlterConfigOp(new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND));
            change.add(new AlterConfigOp(new ConfigEntry("min.cleanable.dirty.ratio", "0.01"), AlterConfigOp.OpType.SET));
            change.add(new AlterConfigOp(new ConfigEntry("max.compaction.lag.ms", "1000"), AlterConfigOp.OpType.SET));
            admin.incrementalAlterConfigs(Map.of(resource, change)).all().get();
            Harness.waitUntil("the change is shown", () -> {
                var shown = admin.describeConfigs(List.of(resource)).all().get().get(resource);
                return List.of(shown.get("cleanup.policy").value().split(",")).containsAll(List.of("delete", "compact"));
            });
        }
        state.untilLeft(500);
    }

    private static void withoutAKey() throws Exception {
        String topic = topic("keys", QUICK);
        try (var producer = Lib.producer()) {
            try {
                producer.send(new ProducerRecord<>(topic, 0, null, Harness.bytes("nobody's"))).get();
                throw new AssertionError("a record without a key was taken");
            } catch (ExecutionException e) {
                Harness.check(e.getCause() instanceof InvalidRecordException, "the refusal was " + e.getCause());
            }
            long offset = producer.send(new ProducerRecord<>(topic, 0, Harness.bytes("key"), Harness.bytes("value")))
                    .get()
                    .offset();
            Harness.equal(offset, 0L, "offset of the record with a key");
        }
        try (Admin admin = Lib.admin()) {
            var before = Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(1));
            admin.deleteRecords(before).all().get();
            throw new AssertionError("records of a compacted topic were deleted by hand");
        } catch (ExecutionException e) {
            Harness.check(e.getCause() instanceof PolicyViolationException, "the refusal was " + e.getCause());
        }
    }
}

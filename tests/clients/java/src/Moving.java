import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;

/** What tests/src/suites/import.rs moves from one cluster to another, and what it looks at afterwards. */
public final class Moving {
    /** Name and partitions of every topic that is filled. */
    private static final Map<String, Integer> TOPICS =
            new TreeMap<>(Map.of("compacted", 1, "tx", 2, "plain", 3, "empty", 1));

    public static void main(String[] args) {
        Harness.tell(() -> {
            switch (args[0]) {
                case "fill" -> fill();
                case "fill-much" -> fillMuch();
                case "digest" -> {
                    digest(TOPICS);
                    settings();
                }
                case "digest-much" -> digest(Map.of("much", 4));
                case "continue" -> goOn();
                case "write" -> write();
                case "open" -> open();
                case "digest-open" -> digest(Map.of("open", 1));
                case "count" -> count(Integer.parseInt(args[1]));
                case "refused" -> refused();
                default -> throw new IllegalArgumentException("no story " + args[0]);
            }
        });
    }

    // --- the source

    private static void fill() throws Exception {
        try (Admin admin = Lib.admin()) {
            NewTopic compacted = new NewTopic(Harness.name("compacted"), 1, (short) 1).configs(Map.of(
                    "cleanup.policy", "compact",
                    "segment.ms", "100",
                    "min.cleanable.dirty.ratio", "0.01",
                    "min.compaction.lag.ms", "0"));
            NewTopic plain = new NewTopic(Harness.name("plain"), 3, (short) 1).configs(Map.of(
                    "cleanup.policy", "delete",
                    "retention.bytes", "1000000000",
                    "retention.ms", "-1",
                    "min.compaction.lag.ms", "86400000",
                    "delete.retention.ms", "123456",
                    "max.message.bytes", "2000000",
                    "message.timestamp.type", "CreateTime",
                    "compression.type", "producer"));
            admin.createTopics(List.of(compacted, plain)).all().get();
        }
        Lib.topic("tx", 2);
        Lib.topic("empty", 1);
        plain();
        transactions();
        compacted();
        try (Admin admin = Lib.admin()) {
            Map<TopicPartition, OffsetAndMetadata> cursors = Map.of(
                    at("plain", 0), new OffsetAndMetadata(500),
                    at("plain", 1), new OffsetAndMetadata(333, "a note"),
                    at("tx", 0), new OffsetAndMetadata(60),
                    at("compacted", 0), new OffsetAndMetadata(77));
            admin.alterConsumerGroupOffsets(Harness.name("g"), cursors).all().get();
        }
    }

    private static TopicPartition at(String part, int partition) {
        return new TopicPartition(Harness.name(part), partition);
    }

    /** Three partitions of 1,000: one that begins at 137, one that is all there, one that holds nothing any more. */
    private static void plain() throws Exception {
        String topic = Harness.name("plain");
        try (var producer = Lib.producer("compression.type", "lz4", "batch.size", 2_000)) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < 3_000; i++) {
                var record = new ProducerRecord<>(
                        topic, i % 3, 1_700_000_000_000L + i, Harness.bytes("key " + i % 50), Harness.bytes("value " + i));
                record.headers().add("header", Harness.bytes(String.valueOf(i)));
                sent.add(producer.send(record));
            }
            Lib.confirms(producer, sent);
        }
        try (Admin admin = Lib.admin()) {
            admin.deleteRecords(Map.of(
                            at("plain", 0), RecordsToDelete.beforeOffset(137),
                            at("plain", 2), RecordsToDelete.beforeOffset(-1)))
                    .all()
                    .get();
        }
    }

    private static void transactions() throws Exception {
        String topic = Harness.name("tx");
        try (var plain = Lib.producer();
                var first = Lib.producer("transactional.id", Harness.name("one"), "batch.size", 200);
                var second = Lib.producer("transactional.id", Harness.name("two"), "batch.size", 200)) {
            first.initTransactions();
            second.initTransactions();
            for (int round = 0; round < 12; round++) {
                first.beginTransaction();
                second.beginTransaction();
                for (int i = 0; i < 10; i++) {
                    first.send(Lib.record(topic, i % 2, "first " + round + " " + i));
                    second.send(Lib.record(topic, i % 2, "second " + round + " " + i));
                }
                first.flush();
                second.flush();
                plain.send(Lib.record(topic, round % 2, "plain " + round)).get();
                if (round % 3 == 0) {
                    first.abortTransaction();
                } else {
                    first.commitTransaction();
                }
                if (round % 4 == 1) {
                    second.abortTransaction();
                } else {
                    second.commitTransaction();
                }
            }
        }
    }

    /** Most of what was written is cleaned away, and holes stay. */
    private static void compacted() throws Exception {
        String topic = Harness.name("compacted");
        int written = 0;
        try (var producer = Lib.producer("batch.size", 300)) {
            for (int round = 0; round < 6; round++) {
                for (int i = 0; i < 200; i++) {
                    byte[] value = i % 17 == 3 ? null : Harness.bytes("round " + round + " of " + i);
                    producer.send(new ProducerRecord<>(topic, 0, Harness.bytes("key " + i % (40 + round)), value));
                    written++;
                }
                producer.flush();
                // The next record rolls the segment, and only those behind it are cleaned.
                Thread.sleep(150);
            }
            producer.send(new ProducerRecord<>(topic, 0, Harness.bytes("last"), Harness.bytes("last"))).get();
            written++;
        }
        int all = written;
        Harness.waitUntil("the cleaner has been there", () -> everything(at("compacted", 0), "read_uncommitted").size() < all / 2);
    }

    /** Much enough to be in the middle of when something is killed. */
    private static void fillMuch() throws Exception {
        String topic = Lib.topic("much", 4);
        byte[] value = new byte[1_000];
        try (var producer = Lib.producer("batch.size", 16_000, "buffer.memory", 64L << 20)) {
            for (int i = 0; i < 240_000; i++) {
                ByteBuffer.wrap(value).putInt(i);
                producer.send(new ProducerRecord<>(topic, i % 4, null, value.clone()));
            }
        }
    }

    /** Numbers into three partitions of a topic, until the harness says stop. */
    private static void write() throws Exception {
        String topic = Lib.topic("live", 3);
        AtomicBoolean stopped = new AtomicBoolean();
        Thread listens = new Thread(() -> {
            try {
                Harness.wish();
            } catch (java.io.IOException e) {
                // Whoever is gone wants nothing more.
            }
            stopped.set(true);
        });
        listens.setDaemon(true);
        listens.start();
        int sent = 0;
        try (var producer = Lib.producer()) {
            List<Future<RecordMetadata>> confirms = new ArrayList<>();
            for (; !stopped.get(); sent++) {
                confirms.add(producer.send(Lib.record(topic, sent % 3, String.valueOf(sent))));
                if (sent % 10 == 9) {
                    Thread.sleep(2);
                }
                if (sent == 100) {
                    System.out.println("writing");
                }
            }
            Lib.confirms(producer, confirms);
        }
        System.out.println("answer " + sent);
        System.out.flush();
    }

    /** A transaction that stays open until the harness wants it committed, between two that have ended. */
    private static void open() throws Exception {
        String topic = Lib.topic("open", 1);
        try (var ended = Lib.producer("transactional.id", Harness.name("ended"));
                var open = Lib.producer("transactional.id", Harness.name("open"))) {
            ended.initTransactions();
            open.initTransactions();
            ended.beginTransaction();
            ended.send(Lib.record(topic, 0, "ended")).get();
            open.beginTransaction();
            open.send(Lib.record(topic, 0, "open")).get();
            ended.abortTransaction();
            Harness.equal(Harness.wish(), "write", "the harness's wish");
            System.out.println("answer written");
            System.out.flush();
            Harness.equal(Harness.wish(), "commit", "the harness's wish");
            open.commitTransaction();
            System.out.println("answer committed");
            System.out.flush();
        }
    }

    // --- either side

    /** All records from the start to the end that is told. */
    private static List<ConsumerRecord<byte[], byte[]>> everything(TopicPartition at, String isolation) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = Lib.consumer("isolation.level", isolation)) {
            consumer.assign(List.of(at));
            long end = consumer.endOffsets(List.of(at)).get(at);
            consumer.seekToBeginning(List.of(at));
            while (consumer.position(at) < end) {
                records.addAll(Lib.poll(consumer));
            }
        }
        return records;
    }

    /** A line for all that readers of either kind see of each partition; the same on both sides. */
    private static void digest(Map<String, Integer> topics) throws Exception {
        try (Admin admin = Lib.admin()) {
            for (var topic : new TreeMap<>(topics).entrySet()) {
                for (int partition = 0; partition < topic.getValue(); partition++) {
                    TopicPartition at = at(topic.getKey(), partition);
                    long start = admin.listOffsets(Map.of(at, OffsetSpec.earliest())).partitionResult(at).get().offset();
                    long end = admin.listOffsets(Map.of(at, OffsetSpec.latest())).partitionResult(at).get().offset();
                    for (String isolation : List.of("read_uncommitted", "read_committed")) {
                        var records = everything(at, isolation);
                        System.out.println("digest " + topic.getKey() + " " + partition + " " + start + ".." + end + " "
                                + isolation + " " + records.size() + " " + hash(records));
                    }
                }
            }
        }
    }

    private static final List<String> SETTINGS = List.of(
            "cleanup.policy", "compression.type", "delete.retention.ms", "max.compaction.lag.ms", "max.message.bytes",
            "message.timestamp.type", "min.cleanable.dirty.ratio", "min.compaction.lag.ms", "retention.bytes",
            "retention.ms", "segment.bytes", "segment.ms");

    /** A line for what is in force of each topic, whether it was set there or is the broker's default. */
    private static void settings() throws Exception {
        try (Admin admin = Lib.admin()) {
            for (String topic : TOPICS.keySet()) {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, Harness.name(topic));
                var all = admin.describeConfigs(List.of(resource)).all().get().get(resource);
                var values = SETTINGS.stream().map(name -> name + "=" + all.get(name).value()).toList();
                System.out.println("digest settings " + topic + " " + values);
            }
        }
    }

    private static String hash(List<ConsumerRecord<byte[], byte[]>> records) throws Exception {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        for (var record : records) {
            digest.update(ByteBuffer.allocate(16).putLong(record.offset()).putLong(record.timestamp()).array());
            digest.update(Harness.bytes(record.timestampType().name));
            update(digest, record.key());
            update(digest, record.value());
            for (Header header : record.headers()) {
                update(digest, Harness.bytes(header.key()));
                update(digest, header.value());
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    private static void update(MessageDigest digest, byte[] bytes) {
        digest.update(ByteBuffer.allocate(4).putInt(bytes == null ? -1 : bytes.length).array());
        if (bytes != null) {
            digest.update(bytes);
        }
    }

    // --- the target

    /** The group goes on at the very next record, and producers behind the last. */
    private static void goOn() throws Exception {
        try (Admin admin = Lib.admin()) {
            var cursors = admin.listConsumerGroupOffsets(Harness.name("g")).partitionsToOffsetAndMetadata().get();
            Map<TopicPartition, Long> found = new HashMap<>();
            cursors.forEach((at, cursor) -> found.put(at, cursor.offset()));
            Harness.equal(
                    found,
                    Map.of(at("plain", 0), 500L, at("plain", 1), 333L, at("tx", 0), 60L, at("compacted", 0), 77L),
                    "the group's cursors");
            Harness.equal(cursors.get(at("plain", 1)).metadata(), "a note", "its note");
        }
        Map<TopicPartition, Long> first = new HashMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = Lib.consumer("group.id", Harness.name("g"))) {
            consumer.subscribe(List.of(Harness.name("plain")));
            Harness.waitUntil("both partitions go on", () -> {
                Lib.poll(consumer)
                        .forEach(r -> first.putIfAbsent(new TopicPartition(r.topic(), r.partition()), r.offset()));
                return first.size() >= 2;
            });
        }
        Harness.equal(first, Map.of(at("plain", 0), 500L, at("plain", 1), 333L), "where the group went on");
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer()) {
            for (int partition = 0; partition < 3; partition++) {
                var confirm = producer.send(Lib.record(Harness.name("plain"), partition, "here")).get();
                Harness.equal(confirm.offset(), 1_000L, "the first offset of a producer here");
            }
        }
        try (var producer = Lib.producer("transactional.id", Harness.name("one"))) {
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(Lib.record(Harness.name("tx"), 0, "here")).get();
            producer.commitTransaction();
        }
        var values = Lib.values(everything(at("tx", 0), "read_committed"), 0);
        Harness.equal(values.get(values.size() - 1), "here", "the last committed value");
    }

    /** As many numbers as were written, each partition's in their order. */
    private static void count(int written) throws Exception {
        int found = 0;
        for (int partition = 0; partition < 3; partition++) {
            int expected = partition;
            for (var record : everything(at("live", partition), "read_uncommitted")) {
                Harness.equal(Harness.text(record.value()), String.valueOf(expected), "in partition " + partition);
                expected += 3;
                found++;
            }
        }
        Harness.equal(found, written, "records");
    }

    /** A producer of the target is refused while its topic is under import. */
    private static void refused() throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer("delivery.timeout.ms", 20_000, "request.timeout.ms", 10_000)) {
            producer.send(Lib.record(Harness.name("live"), 0, "too early")).get();
            throw new AssertionError("a topic under import took a record");
        } catch (java.util.concurrent.ExecutionException e) {
            Harness.check(
                    e.getCause() instanceof org.apache.kafka.common.errors.PolicyViolationException,
                    "refused for another reason: " + e.getCause());
        }
    }
}

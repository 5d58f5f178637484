import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.processor.StateRestoreListener;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/** A table of Kafka Streams, restored from its changelog after that was compacted. */
final class Table {
    private static final String STORE = "newest";
    private static final int PARTITIONS = 2;
    private static final int CHANGES = 30_000;
    private static final int KEYS = 300;
    /** Restored from no more records than this, of more than {@link #CHANGES}. */
    private static final int RESTORED_MAX = 10_000;
    /** Compaction comes after so long at the latest. */
    private static final long COMPACTED_MS_MAX = 180_000;
    /** A value that takes its key out of the table. */
    private static final String NOTHING = "nothing";

    private Table() {}

    static void restored() throws Exception {
        String from = Lib.topic("changes", PARTITIONS);
        String changelog = Harness.name("table-" + STORE + "-changelog");
        Map<String, String> expected = new HashMap<>();
        try (var producer = Lib.producer("linger.ms", 20)) {
            change(producer, from, expected);
            try (KafkaStreams first = start("first", from, null)) {
                waitFor(first, expected);
                try (Admin admin = Lib.admin()) {
                    Harness.equal(Lib.setting(admin, changelog, "cleanup.policy"), "compact", "its cleanup.policy");
                }
                long end = System.nanoTime() + COMPACTED_MS_MAX * 1_000_000;
                while (count(changelog) > RESTORED_MAX / 2) {
                    Harness.check(System.nanoTime() < end, changelog + " has " + count(changelog) + " records");
                    // Segments end as they are written to.
                    put(producer, from, "tick", String.valueOf(System.nanoTime()), expected).get();
                    Thread.sleep(1_000);
                }
                waitFor(first, expected);
            }
        }
        Harness.killBroker();
        AtomicLong restored = new AtomicLong();
        try (KafkaStreams second = start("second", from, restored)) {
            waitFor(second, expected);
        }
        Harness.check(restored.get() >= expected.size(), "it was restored from " + restored + " records");
        Harness.check(restored.get() <= RESTORED_MAX, "it was restored from " + restored + " records");
        System.out.println("streams: a table of " + expected.size() + " keys restored from " + restored + " records");
    }

    /** Changes all keys many times, and deletes every fifth in the end. */
    private static void change(KafkaProducer<byte[], byte[]> producer, String topic, Map<String, String> expected)
            throws Exception {
        Random random = new Random(1);
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int number = 0; number < CHANGES; number++) {
            sent.add(put(producer, topic, "key " + random.nextInt(KEYS), number + " " + "x".repeat(100), expected));
        }
        for (int key = 0; key < KEYS; key += 5) {
            sent.add(put(producer, topic, "key " + key, NOTHING, expected));
        }
        Lib.confirms(producer, sent);
    }

    private static Future<RecordMetadata> put(
            KafkaProducer<byte[], byte[]> producer,
            String topic,
            String key,
            String value,
            Map<String, String> expected) {
        if (value.equals(NOTHING)) {
            expected.remove(key);
        } else {
            expected.put(key, value);
        }
        return producer.send(new ProducerRecord<>(topic, Harness.bytes(key), Harness.bytes(value)));
    }

    private static Topology topology(String from) {
        var strings = Serdes.String();
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(from, Consumed.with(strings, strings))
                .groupByKey()
                .aggregate(
                        () -> null,
                        (key, value, before) -> value.equals(NOTHING) ? null : value,
                        Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as(STORE)
                                .withKeySerde(strings)
                                .withValueSerde(strings)
                                .withLoggingEnabled(Map.of(
                                        "min.cleanable.dirty.ratio", "0.01",
                                        "max.compaction.lag.ms", "1000",
                                        "delete.retention.ms", "1000",
                                        "segment.ms", "1000",
                                        "segment.bytes", "1048576")));
        return builder.build();
    }

    /** Starts an instance with a directory of its own, and counts what it restores. */
    private static KafkaStreams start(String name, String from, AtomicLong restored) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, Harness.name("table"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Harness.BOOTSTRAP);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Path.of(System.getenv("WORK_DIR"), "table-" + name).toString());
        // Every change goes into the changelog.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6_000);
        settings.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 500);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        KafkaStreams streams = new KafkaStreams(topology(from), settings);
        if (restored != null) {
            streams.setGlobalStateRestoreListener(new StateRestoreListener() {
                @Override
                public void onRestoreStart(TopicPartition partition, String store, long start, long end) {}

                @Override
                public void onBatchRestored(TopicPartition partition, String store, long end, long count) {
                    restored.addAndGet(count);
                }

                @Override
                public void onRestoreEnd(TopicPartition partition, String store, long total) {}
            });
        }
        streams.start();
        return streams;
    }

    /** Waits until the table is just this. */
    private static void waitFor(KafkaStreams streams, Map<String, String> expected) throws Exception {
        Map<String, String> found = new HashMap<>();
        try {
            Harness.waitUntil("the table is complete", () -> {
                if (streams.state() != KafkaStreams.State.RUNNING) {
                    return false;
                }
                found.clear();
                var store = streams.store(
                        StoreQueryParameters.fromNameAndType(STORE, QueryableStoreTypes.<String, String>keyValueStore()));
                try (var all = store.all()) {
                    all.forEachRemaining(entry -> found.put(entry.key, entry.value));
                }
                return found.equals(expected);
            });
        } catch (AssertionError e) {
            Harness.equal(found, expected, "the table of an instance in state " + streams.state());
            throw e;
        }
    }

    /** How many committed records a topic has. */
    private static int count(String topic) {
        int count = 0;
        var partitions = Lib.partitions(topic, PARTITIONS);
        try (KafkaConsumer<byte[], byte[]> consumer = Lib.consumer("isolation.level", "read_committed")) {
            consumer.assign(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(at -> consumer.position(at) < ends.get(at))) {
                List<ConsumerRecord<byte[], byte[]>> records = Lib.poll(consumer);
                count += records.size();
            }
        }
        return count;
    }
}

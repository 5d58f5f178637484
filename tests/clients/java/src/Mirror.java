import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.header.Header;

/**
 * The stories of tests/src/suites/mirror.rs: topics of the cluster at SOURCE are mirrored to the broker under test, which gives the
 * source the name ALIAS, and back. The harness starts MirrorMaker when it is asked to, and kills what it is asked to.
 */
public final class Mirror {
    private Mirror() {}

    private static final String SOURCE = System.getenv("SOURCE");
    private static final String ALIAS = System.getenv("ALIAS");
    private static final String TARGET = Harness.BOOTSTRAP;
    /** MirrorMaker starts for some ten seconds, and as long again after it was killed. */
    private static final long MIRRORED_MS_MAX = 120_000;
    private static final int PARTITIONS = 3;
    /** Every record tells its number in a header of this name, which tells records that were sent again from new ones. */
    private static final String NUMBER = "number";

    public static void main(String[] args) {
        Harness.tell(() -> {
            switch (args[0]) {
                case "over-a-crash" -> overACrash();
                case "exactly-once-over-crashes" -> exactlyOnceOverCrashes();
                default -> throw new IllegalArgumentException("no story " + args[0]);
            }
        });
    }

    private static Admin admin(String at) {
        return Admin.create(Map.of("bootstrap.servers", at));
    }

    private static void topic(String at, String part, int partitions, Map<String, String> settings) throws Exception {
        try (Admin admin = admin(at)) {
            admin.createTopics(List.of(new NewTopic(Harness.name(part), partitions, (short) 1).configs(settings)))
                    .all()
                    .get();
        }
    }

    /** A map over the partitions of one topic. */
    private static <T> Map<TopicPartition, T> byPartition() {
        return new TreeMap<>(Comparator.comparingInt(TopicPartition::partition));
    }

    private static void until(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + MIRRORED_MS_MAX * 1_000_000;
        while (!condition.call()) {
            Harness.check(System.nanoTime() < end, "timed out waiting until " + what);
            Thread.sleep(100);
        }
    }

    // --- the stories

    private static void overACrash() throws Exception {
        Map<String, String> settings = Map.of(
                "retention.ms", "-1",
                "max.message.bytes", "2000000",
                "compression.type", "producer",
                "segment.bytes", "16777216",
                "delete.retention.ms", "3600000");
        topic(SOURCE, "plain", PARTITIONS, settings);
        topic(SOURCE, "compacted", 1, Map.of("cleanup.policy", "compact", "min.compaction.lag.ms", "86400000"));
        topic(TARGET, "back", 2, Map.of());
        write(SOURCE, "plain", PARTITIONS, 0, 20_000);
        write(SOURCE, "compacted", 1, 0, 2_000);
        write(TARGET, "back", 2, 0, 5_000);
        readAndCommit(2_000);
        Harness.wish("mirror");
        until("the first records have arrived", () -> count(TARGET, ALIAS + "." + Harness.name("plain")) >= 5_000);

        try (Writer there = new Writer(SOURCE, "plain", PARTITIONS, 20_000);
                Writer here = new Writer(TARGET, "back", 2, 5_000)) {
            Harness.killBroker();
            long before = count(TARGET, ALIAS + "." + Harness.name("plain"));
            until("mirroring goes on", () -> count(TARGET, ALIAS + "." + Harness.name("plain")) > before + 1_000);
            alter(SOURCE, "plain", "retention.ms", "1000000000000");
            alter(SOURCE, "plain", "delete.retention.ms", null);
        }
        same("plain", PARTITIONS, SOURCE, TARGET, ALIAS, true);
        same("compacted", 1, SOURCE, TARGET, ALIAS, true);
        same("back", 2, TARGET, SOURCE, "here", true);
        settingsAreMirrored();
        groupGoesOn();
        until("there are heartbeats of both", () -> count(TARGET, "heartbeats") > 0 && count(TARGET, ALIAS + ".heartbeats") > 0);
    }

    private static void exactlyOnceOverCrashes() throws Exception {
        topic(SOURCE, "plain", PARTITIONS, Map.of());
        write(SOURCE, "plain", PARTITIONS, 0, 20_000);
        Harness.wish("mirror");
        String mirrored = ALIAS + "." + Harness.name("plain");
        until("the first records have arrived", () -> count(TARGET, mirrored) >= 5_000);
        try (Writer ignored = new Writer(SOURCE, "plain", PARTITIONS, 20_000)) {
            for (String killed : List.of("kill9", "kill-mirror")) {
                Harness.wish(killed);
                if (killed.equals("kill-mirror")) {
                    Harness.wish("mirror");
                }
                long before = count(TARGET, mirrored);
                until("mirroring goes on after " + killed, () -> count(TARGET, mirrored) > before + 500);
            }
        }
        int records = same("plain", PARTITIONS, SOURCE, TARGET, ALIAS, false);
        // The marks of transactions have offsets too.
        Harness.check(count(TARGET, mirrored) > records, "it was not mirrored in transactions");
    }

    // --- writing

    /** Records with and without keys and values, with headers, and times of their own. */
    private static ProducerRecord<byte[], byte[]> record(String topic, int partition, int number) {
        byte[] key = number % 7 == 0 && !topic.endsWith("compacted") ? null : Harness.bytes("key " + number % 100);
        byte[] value = number % 31 == 5 && key != null ? null : Harness.bytes("value " + number + " " + "x".repeat(number % 200));
        var record = new ProducerRecord<>(topic, partition, 1_700_000_000_000L + number * 10L, key, value);
        record.headers().add(NUMBER, Harness.bytes(String.valueOf(number)));
        if (number % 3 == 0) {
            record.headers().add("again", Harness.bytes("one")).add("again", null);
        }
        return record;
    }

    private static void write(String at, String part, int partitions, int from, int to) throws Exception {
        String[] codecs = {"none", "gzip", "snappy", "lz4", "zstd"};
        try (var producer = Lib.producer("bootstrap.servers", at, "compression.type", codecs[from / 1_000 % codecs.length])) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = from; i < to; i++) {
                sent.add(producer.send(record(Harness.name(part), i % partitions, i)));
            }
            Lib.confirms(producer, sent);
        }
    }

    /** Writes on and on, until it is closed. */
    private static final class Writer implements AutoCloseable {
        private final AtomicBoolean stopped = new AtomicBoolean();
        private final Thread thread;
        private volatile Throwable failed;

        Writer(String at, String part, int partitions, int from) {
            thread = new Thread(() -> {
                try (KafkaProducer<byte[], byte[]> producer = Lib.producer("bootstrap.servers", at, "compression.type", "lz4")) {
                    List<Future<RecordMetadata>> sent = new ArrayList<>();
                    for (int i = from; !stopped.get(); i++) {
                        sent.add(producer.send(record(Harness.name(part), i % partitions, i)));
                        if (i % 20 == 0) {
                            // Some thousands a second leave the machine to the others.
                            Thread.sleep(5);
                        }
                    }
                    Lib.confirms(producer, sent);
                } catch (Throwable e) {
                    failed = e;
                }
            });
            thread.start();
        }

        @Override
        public void close() throws Exception {
            stopped.set(true);
            thread.join();
            Harness.check(failed == null, "the writer failed: " + failed);
        }
    }

    // --- looking

    private static TopicPartition at(String topic, int partition) {
        return new TopicPartition(topic, partition);
    }

    /** Records in a topic, markers included; none where there is no such topic. */
    private static long count(String at, String topic) throws Exception {
        try (Admin admin = admin(at)) {
            var described = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
            Map<TopicPartition, OffsetSpec> ends = byPartition();
            described.partitions().forEach(p -> ends.put(at(topic, p.partition()), OffsetSpec.latest()));
            return admin.listOffsets(ends).all().get().values().stream().mapToLong(found -> found.offset()).sum();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof UnknownTopicOrPartitionException) {
                return 0;
            }
            throw e;
        }
    }

    private static List<ConsumerRecord<byte[], byte[]>> everything(String at, TopicPartition partition) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (var consumer = Lib.consumer("bootstrap.servers", at, "isolation.level", "read_committed")) {
            consumer.assign(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            consumer.seekToBeginning(List.of(partition));
            while (consumer.position(partition) < end) {
                records.addAll(Lib.poll(consumer));
            }
        }
        return records;
    }

    private static int number(ConsumerRecord<byte[], byte[]> record) {
        return Integer.parseInt(Harness.text(record.headers().lastHeader(NUMBER).value()));
    }

    /** All that a reader sees of a record, but for its offset. */
    private static List<String> seen(ConsumerRecord<byte[], byte[]> record) {
        List<String> seen = new ArrayList<>();
        seen.add(record.timestampType() + " " + record.timestamp());
        seen.add(Harness.text(record.key()));
        seen.add(Harness.text(record.value()));
        for (Header header : record.headers()) {
            seen.add(header.key() + "=" + Arrays.toString(header.value()));
        }
        return seen;
    }

    /**
     * Every partition's records are there in their order; where they may repeat themselves, each counts where it stands first. Answers
     * how many there are.
     */
    private static int same(String part, int partitions, String from, String to, String alias, boolean repeating)
            throws Exception {
        String topic = Harness.name(part);
        int all = 0;
        int repeated = 0;
        for (int p = 0; p < partitions; p++) {
            var there = everything(from, at(topic, p));
            Harness.check(!there.isEmpty(), "nothing was mirrored");
            List<ConsumerRecord<byte[], byte[]>> found = new ArrayList<>();
            int partition = p;
            int[] read = {0};
            until("all of partition " + p + " of " + part + " have arrived", () -> {
                found.clear();
                Set<Integer> known = new HashSet<>();
                var here = everything(to, at(alias + "." + topic, partition));
                read[0] = here.size();
                here.stream().filter(record -> known.add(number(record)) || !repeating).forEach(found::add);
                return found.size() >= there.size();
            });
            for (int i = 0; i < there.size(); i++) {
                Harness.equal(seen(found.get(i)), seen(there.get(i)), "record " + i + " of partition " + p + " of " + part);
            }
            Harness.equal(found.size(), there.size(), "records of partition " + p + " of " + part);
            all += there.size();
            repeated += read[0] - there.size();
        }
        System.out.println("mirror: " + all + " records of " + part + (repeating ? ", " + repeated + " of them again" : ", each once"));
        return all;
    }

    // --- settings

    private static void alter(String at, String part, String name, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, Harness.name(part));
        var kind = value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET;
        try (Admin admin = admin(at)) {
            admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(name, value), kind))))
                    .all()
                    .get();
        }
    }

    /** What was set when the topics were made, and what changed since. */
    private static void settingsAreMirrored() throws Exception {
        try (Admin here = admin(TARGET)) {
            String plain = ALIAS + "." + Harness.name("plain");
            until("a changed setting has arrived", () -> Lib.setting(here, plain, "retention.ms").equals("1000000000000"));
            until("a setting that was taken back has gone", () -> Lib.setting(here, plain, "delete.retention.ms").equals("86400000"));
            Harness.equal(Lib.setting(here, plain, "max.message.bytes"), "2000000", "max.message.bytes");
            Harness.equal(Lib.setting(here, plain, "segment.bytes"), "16777216", "segment.bytes");
            String compacted = ALIAS + "." + Harness.name("compacted");
            Harness.equal(Lib.setting(here, compacted, "cleanup.policy"), "compact", "cleanup.policy");
            Harness.equal(Lib.setting(here, compacted, "min.compaction.lag.ms"), "86400000", "min.compaction.lag.ms");
        }
    }

    // --- groups

    /** A group reads so many records of every partition at the source. */
    private static void readAndCommit(int each) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> cursors = byPartition();
        try (var consumer = Lib.consumer("bootstrap.servers", SOURCE, "group.id", Harness.name("g"))) {
            consumer.subscribe(List.of(Harness.name("plain")));
            Harness.waitUntil("the group has read", () -> {
                for (var record : Lib.poll(consumer)) {
                    if (record.offset() < each) {
                        cursors.put(at(record.topic(), record.partition()), new OffsetAndMetadata(record.offset() + 1));
                    }
                }
                return cursors.size() == PARTITIONS && cursors.values().stream().allMatch(cursor -> cursor.offset() == each);
            });
            consumer.commitSync(cursors);
        }
    }

    /** The group goes on here at what its checkpoint says: not at the start, and with nothing left out. */
    private static void groupGoesOn() throws Exception {
        String group = Harness.name("g");
        String mirrored = ALIAS + "." + Harness.name("plain");
        Map<TopicPartition, Long> starts = byPartition();
        until("the group's cursors have arrived", () -> {
            try (Admin here = admin(TARGET)) {
                starts.clear();
                here.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().forEach((at, cursor) -> {
                    if (at.topic().equals(mirrored)) {
                        starts.put(at, cursor.offset());
                    }
                });
                return starts.size() == PARTITIONS && starts.values().stream().allMatch(offset -> offset > 0);
            }
        });
        System.out.println("mirror: the group goes on at " + starts.values());
        // What the group has not had at the source comes here.
        Set<Integer> left = new HashSet<>();
        for (int p = 0; p < PARTITIONS; p++) {
            everything(SOURCE, at(Harness.name("plain"), p)).stream()
                    .filter(record -> record.offset() >= 2_000)
                    .forEach(record -> left.add(number(record)));
        }
        Harness.check(!left.isEmpty(), "there is something left");
        try (var consumer = Lib.consumer("group.id", group)) {
            consumer.subscribe(List.of(mirrored));
            Map<TopicPartition, Long> first = byPartition();
            Harness.waitUntil("the group has read the rest", () -> {
                for (var record : Lib.poll(consumer)) {
                    first.putIfAbsent(at(record.topic(), record.partition()), record.offset());
                    left.remove(number(record));
                }
                return left.isEmpty();
            });
            Harness.equal(first, starts, "where the group went on");
            consumer.commitSync();
        }
    }
}

import static java.util.stream.Collectors.toSet;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/** The stories of tests/src/suites/clients.rs with Kafka's own Java client. */
public final class Stories {
    private static final long START_MS = 1_700_000_000_000L;
    private static final String COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

    private static Harness.Story story(String name) {
        if (name.startsWith("roundtrip-")) {
            return () -> roundtrip(name.substring("roundtrip-".length()));
        }
        return switch (name) {
            case "large-record" -> Stories::largeRecord;
            case "many-small" -> Stories::manySmall;
            case "acks-0" -> () -> acknowledged("0");
            case "acks-1" -> () -> acknowledged("1");
            case "acks-all" -> () -> acknowledged("all");
            case "idempotent" -> Stories::idempotent;
            case "offsets-for-times" -> Stories::offsetsForTimes;
            case "seek" -> Stories::seek;
            case "auto-create" -> Stories::autoCreate;
            case "admin" -> Stories::admin;
            case "group-resume" -> Stories::groupResume;
            case "rebalance" -> () -> shareAndLeave(false);
            case "cooperative" -> () -> shareAndLeave(true);
            case "member-dies" -> Stories::memberDies;
            case "static-member" -> Stories::staticMember;
            case "restart-idempotent" -> Stories::restartIdempotent;
            case "restart-plain" -> Stories::restartPlain;
            case "restart-consume" -> Stories::restartConsume;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> {
            if (args[0].equals("member")) {
                member(args[1], args[2]);
            } else {
                story(args[0]).tell();
            }
        });
    }

    // --- producing and consuming

    private static void roundtrip(String codec) throws Exception {
        String topic = Lib.topic("roundtrip", 1);
        byte[] binary = new byte[256];
        for (int i = 0; i < 256; i++) {
            binary[i] = (byte) i;
        }
        byte[][] keys = {null, {}, Harness.bytes("key"), binary};
        byte[][] values = {null, {}, Harness.bytes("value"), Harness.bytes("long and compressible ".repeat(50))};
        List<List<Header>> headers = List.of(
                List.of(),
                List.of(new RecordHeader("once", Harness.bytes("1"))),
                List.of(
                        new RecordHeader("twice", Harness.bytes("first")),
                        new RecordHeader("twice", Harness.bytes("second")),
                        new RecordHeader("null", (byte[]) null),
                        new RecordHeader("empty", new byte[0])),
                List.of(new RecordHeader("\u00fc\u6f22", binary)));
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        try (var producer = Lib.producer("compression.type", codec)) {
            for (int i = 0; i < 300; i++) {
                var record = new ProducerRecord<>(
                        topic, 0, START_MS + i * 10, keys[i % 4], values[i / 4 % 4], headers.get(i / 16 % 4));
                sent.add(record);
                futures.add(producer.send(record));
            }
            Lib.confirms(producer, futures);
        }
        var records = Lib.read(topic, 1, sent.size());
        Harness.equal(records.size(), sent.size(), "records");
        for (int i = 0; i < sent.size(); i++) {
            var found = records.get(i);
            var expected = sent.get(i);
            String where = " at offset " + i;
            Harness.equal(found.offset(), (long) i, "offset");
            Harness.equal(found.key(), expected.key(), "key" + where);
            Harness.equal(found.value(), expected.value(), "value" + where);
            Harness.equal(Arrays.asList(found.headers().toArray()), headers.get(i / 16 % 4), "headers" + where);
            Harness.equal(found.timestamp(), expected.timestamp(), "timestamp" + where);
        }
    }

    private static void largeRecord() throws Exception {
        String topic = Lib.topic("large", 1);
        byte[] large = new byte[5 * 1024 * 1024];
        new Random(7).nextBytes(large);
        List<byte[]> sent = List.of(Harness.bytes("before"), large, Harness.bytes("after"));
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        try (var producer = Lib.producer("max.request.size", 8 * 1024 * 1024)) {
            for (byte[] value : sent) {
                futures.add(producer.send(new ProducerRecord<>(topic, 0, null, value)));
            }
            Lib.confirms(producer, futures);
        }
        var records = Lib.read(topic, 1, 3);
        for (int i = 0; i < 3; i++) {
            Harness.check(Arrays.equals(records.get(i).value(), sent.get(i)), "record " + i + " came back changed");
        }
    }

    private static void manySmall() throws Exception {
        String topic = Lib.topic("many", 3);
        send(topic, 3, 20_000);
        var records = Lib.read(topic, 3, 20_000);
        for (int p = 0; p < 3; p++) {
            Harness.equal(Lib.values(records, p), numbers(20_000, 3, p), "partition " + p);
        }
    }

    /** Sends numbers, spread over the partitions in turn, and waits for the confirms. */
    private static List<RecordMetadata> send(String topic, int partitions, int count, Object... settings)
            throws Exception {
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        try (var producer = Lib.producer(settings)) {
            for (int i = 0; i < count; i++) {
                futures.add(producer.send(Lib.record(topic, i % partitions, String.valueOf(i))));
            }
            return Lib.confirms(producer, futures);
        }
    }

    private static List<String> numbers(int count, int partitions, int partition) {
        return IntStream.range(0, count).filter(i -> i % partitions == partition).mapToObj(String::valueOf).toList();
    }

    private static void acknowledged(String acks) throws Exception {
        String topic = Lib.topic("acks", 1);
        send(topic, 1, 500, "acks", acks, "enable.idempotence", false);
        Harness.equal(Lib.values(Lib.read(topic, 1, 500), 0), numbers(500, 1, 0), "values");
    }

    private static void idempotent() throws Exception {
        String topic = Lib.topic("idempotent", 1);
        var confirms = send(topic, 1, 5_000, "acks", "all", "enable.idempotence", true, "batch.size", 1_024);
        Harness.equal(Lib.values(Lib.read(topic, 1, 5_000), 0), numbers(5_000, 1, 0), "values");
        for (int i = 0; i < 5_000; i++) {
            Harness.equal(confirms.get(i).offset(), (long) i, "the confirmed offset of record " + i);
        }
    }

    private static void offsetsForTimes() throws Exception {
        String topic = Lib.topic("times", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        List<Future<RecordMetadata>> futures = new ArrayList<>();
        try (var producer = Lib.producer("batch.size", 1_024)) {
            for (int i = 0; i < 200; i++) {
                byte[] value = Harness.bytes(String.valueOf(i));
                futures.add(producer.send(new ProducerRecord<>(topic, 0, START_MS + i * 1_000L, null, value)));
            }
            Lib.confirms(producer, futures);
        }
        long[][] expected = {{-5_000, 0}, {0, 0}, {100_000, 100}, {100_001, 101}, {199_000, 199}, {199_001, -1}};
        try (var consumer = Lib.consumer()) {
            for (long[] pair : expected) {
                OffsetAndTimestamp found =
                        consumer.offsetsForTimes(Map.of(partition, START_MS + pair[0])).get(partition);
                long offset = found == null ? -1 : found.offset();
                Harness.equal(offset, pair[1], "the offset for time start+" + pair[0] + " ms");
                if (found != null) {
                    Harness.equal(found.timestamp(), START_MS + offset * 1_000, "the found record's timestamp");
                }
            }
            Harness.equal(consumer.beginningOffsets(List.of(partition)), Map.of(partition, 0L), "the beginning");
            Harness.equal(consumer.endOffsets(List.of(partition)), Map.of(partition, 200L), "the end");
        }
        try (Admin admin = Lib.admin()) {
            var result = admin.listOffsets(Map.of(partition, OffsetSpec.maxTimestamp())).partitionResult(partition);
            Harness.equal(result.get().offset(), 199L, "the offset of the greatest timestamp");
        }
    }

    private static void seek() throws Exception {
        String topic = Lib.topic("seek", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        send(topic, 1, 300);
        try (var consumer = Lib.consumer(); var producer = Lib.producer()) {
            consumer.assign(List.of(partition));
            Harness.equal(first(consumer).offset(), 0L, "the first offset from the earliest on");
            consumer.seek(partition, 250);
            Harness.equal(first(consumer).offset(), 250L, "the first offset after seek(250)");
            consumer.seekToBeginning(List.of(partition));
            Harness.equal(first(consumer).offset(), 0L, "the first offset after seek to the beginning");
            consumer.seekToEnd(List.of(partition));
            Harness.equal(consumer.position(partition), 300L, "the position after seek to the end");
            producer.send(Lib.record(topic, 0, "behind the end")).get();
            Harness.equal(first(consumer).offset(), 300L, "the first offset behind the end");
        }
    }

    private static ConsumerRecord<byte[], byte[]> first(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        Harness.waitUntil("a record comes", () -> {
            records.addAll(Lib.poll(consumer));
            return !records.isEmpty();
        });
        return records.get(0);
    }

    private static void autoCreate() throws Exception {
        String topic = Harness.name("made-by-the-first-record");
        try (var producer = Lib.producer()) {
            producer.send(new ProducerRecord<>(topic, Harness.bytes("hello"))).get();
        }
        Harness.equal(Lib.values(Lib.read(topic, 1, 1), 0), List.of("hello"), "values");
        try (Admin admin = Lib.admin()) {
            Harness.check(admin.listTopics().names().get().contains(topic), "the topic is not listed");
        }
    }

    private static void admin() throws Exception {
        String topic = Harness.name("admin");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        NewTopic wanted = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "3600000"));
        try (Admin admin = Lib.admin()) {
            admin.createTopics(List.of(wanted)).all().get();
            Harness.waitUntil("the new topic is listed", () -> admin.listTopics().names().get().contains(topic));
            Harness.equal(partitions(admin, topic), 3, "partitions");
            ConfigEntry retention =
                    admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms");
            Harness.equal(retention.value(), "3600000", "retention.ms");
            try {
                admin.createTopics(List.of(wanted)).all().get();
                throw new AssertionError("a topic was created twice");
            } catch (ExecutionException e) {
                Harness.check(e.getCause() instanceof TopicExistsException, "the refusal was " + e.getCause());
            }
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
            Harness.waitUntil("there are five partitions", () -> partitions(admin, topic) == 5);
            try (var producer = Lib.producer()) {
                producer.send(Lib.record(topic, 4, "in the new one")).get();
            }
            Harness.equal(Lib.values(Lib.read(topic, 5, 1), 4), List.of("in the new one"), "values");
            var id = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId();
            Harness.check(!id.equals(org.apache.kafka.common.Uuid.ZERO_UUID), "the topic has no id");
            admin.deleteTopics(List.of(topic)).all().get();
            Harness.waitUntil("the deleted topic is gone", () -> !admin.listTopics().names().get().contains(topic));
            admin.createTopics(List.of(wanted)).all().get();
            var again = new ArrayList<>();
            Harness.waitUntil("the topic is back", () -> {
                if (!admin.listTopics().names().get().contains(topic)) {
                    return false;
                }
                again.add(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId());
                return true;
            });
            Harness.check(!again.get(0).equals(id), "a new topic of an old name has the old id");
        }
    }

    private static int partitions(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size();
    }

    // --- groups

    private static void groupResume() throws Exception {
        String topic = Lib.topic("resume", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        send(topic, 1, 1_000);
        String group = Harness.name("group");
        List<ConsumerRecord<byte[], byte[]>> seen = new ArrayList<>();
        for (int until : new int[] {400, 1_000}) {
            try (var consumer = Lib.consumer("group.id", group, "max.poll.records", 100)) {
                consumer.subscribe(List.of(topic));
                Harness.waitUntil(until + " records are read", () -> {
                    seen.addAll(Lib.poll(consumer));
                    return seen.size() >= until;
                });
                consumer.commitSync();
                long committed = consumer.committed(Set.of(partition)).get(partition).offset();
                Harness.equal(committed, (long) seen.size(), "the committed offset");
            }
        }
        Harness.equal(Lib.values(seen, 0), numbers(1_000, 1, 0), "both consumers' records together");
    }

    /** A second member joins and leaves; cooperatively, the first one gives up no more than it must. */
    private static void shareAndLeave(boolean cooperative) throws Exception {
        String topic = Lib.topic("rebalance", 4);
        String group = Harness.name("group");
        Object[] settings = cooperative ? new Object[] {"partition.assignment.strategy", COOPERATIVE} : new Object[] {};
        Stream stream = new Stream(topic, 4);
        Member first = new Member(group, topic, settings);
        Harness.waitUntil("the first member has all partitions", () -> first.assigned.size() == 4);
        Member second = new Member(group, topic, settings);
        Harness.waitUntil(
                "the members share the partitions", () -> first.assigned.size() == 2 && second.assigned.size() == 2);
        int[] marks = {first.seen.size(), second.seen.size()};
        Harness.waitUntil(
                "both members read", () -> first.seen.size() > marks[0] && second.seen.size() > marks[1]);
        second.stop();
        Harness.waitUntil("the first member has all partitions back", () -> first.assigned.size() == 4);
        if (cooperative) {
            Harness.equal(first.revoked.size(), 2, "partitions that the first member had to give up");
        }
        waitUntilAllAreSeen(stream.stop(), first.seen, second.seen);
        first.stop();
    }

    @SafeVarargs
    private static void waitUntilAllAreSeen(Set<String> sent, Set<String>... seen) throws Exception {
        Set<String> missing = new HashSet<>(sent);
        try {
            Harness.waitUntil("all records are read", () -> {
                for (Set<String> some : seen) {
                    missing.removeAll(some);
                }
                return missing.isEmpty();
            });
        } catch (AssertionError e) {
            throw new AssertionError(e.getMessage() + "; missing: " + missing);
        }
    }

    private static void memberDies() throws Exception {
        String topic = Lib.topic("dies", 4);
        String group = Harness.name("group");
        Stream stream = new Stream(topic, 4);
        Member first = new Member(group, topic);
        Harness.waitUntil("the first member has all partitions", () -> first.assigned.size() == 4);
        Process second = new ProcessBuilder(
                        "java", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                        System.getProperty("java.class.path"), "Stories", "member", group, topic)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        Set<String> elsewhere = ConcurrentHashMap.newKeySet();
        Thread reader = new Thread(() -> readFrom(second, elsewhere));
        reader.start();
        Harness.waitUntil("the second member reads", () -> !elsewhere.isEmpty());
        // Through its handle: the process's own method closes its output, and what it said last would be lost.
        second.toHandle().destroyForcibly();
        second.waitFor();
        reader.join();
        Harness.waitUntil("the first member took over", () -> first.assigned.size() == 4);
        waitUntilAllAreSeen(stream.stop(), first.seen, elsewhere);
        first.stop();
    }

    private static void readFrom(Process member, Set<String> seen) {
        try (var lines = new BufferedReader(new InputStreamReader(member.getInputStream()))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.startsWith("saw ") && line.endsWith(".")) {
                    seen.add(line.substring(4, line.length() - 1));
                }
            }
        } catch (java.io.IOException e) {
            // It was killed, as it should be.
        }
    }

    /** Says each record before it commits it, until it is killed. */
    private static void member(String group, String topic) {
        try (var consumer = Lib.consumer("group.id", group)) {
            consumer.subscribe(List.of(topic));
            while (true) {
                var records = Lib.poll(consumer);
                records.forEach(r -> System.out.println("saw " + Harness.text(r.value()) + "."));
                System.out.flush();
                if (!records.isEmpty()) {
                    consumer.commitSync();
                }
            }
        }
    }

    private static void staticMember() throws Exception {
        String topic = Lib.topic("static", 4);
        String group = Harness.name("group");
        Stream stream = new Stream(topic, 4);
        Member first = new Member(group, topic, "group.instance.id", "one", "session.timeout.ms", 30_000);
        Member second = new Member(group, topic, "group.instance.id", "two", "session.timeout.ms", 30_000);
        Harness.waitUntil(
                "the members share the partitions", () -> first.assigned.size() == 2 && second.assigned.size() == 2);
        Harness.waitUntil("the second member reads", () -> !second.seen.isEmpty());
        Set<Integer> had = second.assigned;
        int rebalances = first.rebalances;
        second.stop();
        Member again = new Member(group, topic, "group.instance.id", "two", "session.timeout.ms", 30_000);
        Harness.waitUntil("the returned member has the partitions it had", () -> again.assigned.equals(had));
        Harness.waitUntil("the returned member reads", () -> !again.seen.isEmpty());
        Harness.equal(first.rebalances, rebalances, "rebalances that the first member saw");
        waitUntilAllAreSeen(stream.stop(), first.seen, second.seen, again.seen);
        again.stop();
        first.stop();
    }

    // --- crashes of the broker

    /** Sends before, during and after a crash; what was sent by partition, with the confirms. */
    private record Sent(String topic, List<List<String>> values, List<List<RecordMetadata>> confirms) {}

    private static Sent produceOverACrash(Object... settings) throws Exception {
        String topic = Lib.topic("crash", 2);
        List<List<String>> values = List.of(new ArrayList<>(), new ArrayList<>());
        List<List<Future<RecordMetadata>>> futures = List.of(new ArrayList<>(), new ArrayList<>());
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer(settings)) {
            int count = send(producer, topic, values, futures, 0, 4_000);
            producer.flush();
            Thread crash = new Thread(() -> {
                try {
                    Harness.killBroker();
                } catch (java.io.IOException e) {
                    throw new java.io.UncheckedIOException(e);
                }
            });
            crash.start();
            while (crash.isAlive()) {
                count = send(producer, topic, values, futures, count, 20);
                Thread.sleep(5);
            }
            send(producer, topic, values, futures, count, 2_000);
            return new Sent(
                    topic,
                    values,
                    List.of(Lib.confirms(producer, futures.get(0)), Lib.confirms(producer, futures.get(1))));
        }
    }

    private static int send(
            KafkaProducer<byte[], byte[]> producer,
            String topic,
            List<List<String>> values,
            List<List<Future<RecordMetadata>>> futures,
            int from,
            int count) {
        for (int i = from; i < from + count; i++) {
            int p = i % 2;
            String value = String.valueOf(i);
            values.get(p).add(value);
            futures.get(p).add(producer.send(Lib.record(topic, p, value)));
        }
        return from + count;
    }

    private static void restartIdempotent() throws Exception {
        Sent sent = produceOverACrash("acks", "all", "enable.idempotence", true, "batch.size", 1_024);
        int count = sent.values.get(0).size() + sent.values.get(1).size();
        var records = Lib.read(sent.topic, 2, count);
        for (int p = 0; p < 2; p++) {
            Harness.equal(Lib.values(records, p), sent.values.get(p), "partition " + p);
            Map<Long, String> found = new HashMap<>();
            int partition = p;
            records.stream().filter(r -> r.partition() == partition)
                    .forEach(r -> found.put(r.offset(), Harness.text(r.value())));
            for (int i = 0; i < sent.values.get(p).size(); i++) {
                long offset = sent.confirms.get(p).get(i).offset();
                Harness.equal(found.get(offset), sent.values.get(p).get(i), "the record confirmed at " + offset);
            }
        }
    }

    private static void restartPlain() throws Exception {
        Sent sent = produceOverACrash("acks", "all", "enable.idempotence", false, "batch.size", 1_024);
        Set<String> missing = new HashSet<>(sent.values.get(0));
        missing.addAll(sent.values.get(1));
        try (var consumer = Lib.consumer()) {
            consumer.assign(Lib.partitions(sent.topic, 2));
            Harness.waitUntil("all records are read", () -> {
                Lib.poll(consumer).forEach(r -> missing.remove(Harness.text(r.value())));
                return missing.isEmpty();
            });
        }
    }

    private static void restartConsume() throws Exception {
        String topic = Lib.topic("crash", 2);
        send(topic, 2, 4_000);
        boolean[] crashed = {false};
        try (var consumer = Lib.consumer("group.id", Harness.name("group"), "max.poll.records", 50)) {
            consumer.subscribe(List.of(topic));
            Set<String> seen = new HashSet<>();
            Harness.waitUntil("all records are read over the crash", () -> {
                Lib.poll(consumer).forEach(r -> seen.add(Harness.text(r.value())));
                if (seen.size() >= 1_500 && !crashed[0]) {
                    consumer.commitSync();
                    Harness.killBroker();
                    crashed[0] = true;
                }
                return seen.size() >= 4_000;
            });
            consumer.commitSync();
            var committed = consumer.committed(new HashSet<>(Lib.partitions(topic, 2)));
            Set<Long> offsets = committed.values().stream().map(o -> o.offset()).collect(toSet());
            Harness.equal(offsets, Set.of(2_000L), "the committed offsets");
        }
        Harness.check(crashed[0], "the broker was never killed");
    }
}

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.ShareGroupDescription;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** The stories of tests/src/suites/shares.rs. */
public final class Shares {
    private static Harness.Story story(String name) {
        return switch (name) {
            case "implicit" -> Shares::implicit;
            case "by-time" -> Shares::byTime;
            case "explicit" -> Shares::explicit;
            case "lock-timeout" -> Shares::lockTimeout;
            case "renew" -> Shares::renew;
            case "two-consumers" -> Shares::twoConsumers;
            case "crashes" -> Shares::crashes;
            case "committed" -> Shares::committed;
            case "groups" -> Shares::groups;
            case "deleted-records" -> Shares::deletedRecords;
            case "member-dies" -> Shares::memberDies;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args[0]).tell());
    }

    /** Settings by name, over the stories' defaults. */
    static KafkaShareConsumer<byte[], byte[]> consumer(String group, Object... settings) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", Harness.BOOTSTRAP);
        properties.put("group.id", group);
        for (int i = 0; i < settings.length; i += 2) {
            properties.put(settings[i], settings[i + 1]);
        }
        return new KafkaShareConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** A group of this case's own that begins with the oldest record. */
    static String group(String part, String... settings) throws Exception {
        String group = Harness.name(part);
        set(group, "share.auto.offset.reset", "earliest");
        for (int i = 0; i < settings.length; i += 2) {
            set(group, settings[i], settings[i + 1]);
        }
        return group;
    }

    private static void set(String group, String name, String value) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        Collection<AlterConfigOp> ops =
                List.of(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET));
        try (Admin admin = Lib.admin()) {
            admin.incrementalAlterConfigs(Map.of(resource, ops)).all().get();
        }
    }

    private static void send(String topic, int partition, int from, int to) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer()) {
            Lib.confirms(
                    producer,
                    IntStream.range(from, to)
                            .mapToObj(i -> producer.send(Lib.record(topic, partition, String.valueOf(i))))
                            .toList());
        }
    }

    private static int number(ConsumerRecord<byte[], byte[]> record) {
        return Integer.parseInt(Harness.text(record.value()));
    }

    private static List<ConsumerRecord<byte[], byte[]>> poll(KafkaShareConsumer<byte[], byte[]> consumer) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        consumer.poll(Duration.ofMillis(300)).forEach(records::add);
        return records;
    }

    /** Reads until so many records came, each handed to somebody; also what comes in one poll more. */
    private static List<ConsumerRecord<byte[], byte[]>> read(
            KafkaShareConsumer<byte[], byte[]> consumer,
            int count,
            BiConsumer<KafkaShareConsumer<byte[], byte[]>, ConsumerRecord<byte[], byte[]>> each)
            throws Exception {
        List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
        Harness.waitUntil(count + " records are received", () -> {
            for (ConsumerRecord<byte[], byte[]> record : poll(consumer)) {
                all.add(record);
                each.accept(consumer, record);
            }
            return all.size() >= count;
        });
        return all;
    }

    private static void nothing(KafkaShareConsumer<byte[], byte[]> consumer) {
        for (int i = 0; i < 3; i++) {
            Harness.equal(poll(consumer).size(), 0, "records that should not be there");
        }
    }

    private static void commit(KafkaShareConsumer<byte[], byte[]> consumer) {
        consumer.commitSync().forEach((partition, error) ->
                Harness.check(error.isEmpty(), "acknowledging " + partition + ": " + error));
    }

    private static Set<Integer> numbers(Collection<ConsumerRecord<byte[], byte[]>> records) {
        Set<Integer> numbers = new TreeSet<>();
        records.forEach(record -> Harness.check(numbers.add(number(record)), "twice: " + number(record)));
        return numbers;
    }

    private static Set<Integer> upTo(int count) {
        return new TreeSet<>(IntStream.range(0, count).boxed().toList());
    }

    /** What is polled is accepted by the next poll. */
    private static void implicit() throws Exception {
        String topic = Lib.topic("t", 3);
        for (int partition = 0; partition < 3; partition++) {
            send(topic, partition, partition * 50, partition * 50 + 50);
        }
        String group = group("g");
        try (var consumer = consumer(group)) {
            consumer.subscribe(List.of(topic));
            var records = read(consumer, 150, (c, r) -> {});
            Harness.equal(numbers(records), upTo(150), "values");
            records.forEach(r -> Harness.equal(r.deliveryCount().get(), (short) 1, "delivery count"));
            nothing(consumer);
        }
        try (var consumer = consumer(group)) {
            consumer.subscribe(List.of(topic));
            send(topic, 1, 150, 160);
            Harness.equal(numbers(read(consumer, 10, (c, r) -> {})).size(), 10, "records of the second consumer");
            nothing(consumer);
        }
    }

    /** A group that never read begins with the first record that is young enough. */
    private static void byTime() throws Exception {
        String topic = Lib.topic("t", 1);
        long now = System.currentTimeMillis();
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer()) {
            for (int i = 0; i < 20; i++) {
                long age = i < 10 ? 7_200_000 : 600_000;
                byte[] value = Harness.bytes(String.valueOf(i));
                producer.send(new ProducerRecord<>(topic, 0, now - age, null, value)).get();
            }
        }
        String group = group("g", "share.auto.offset.reset", "by_duration:PT1H");
        try (var consumer = consumer(group)) {
            consumer.subscribe(List.of(topic));
            var expected = new TreeSet<>(IntStream.range(10, 20).boxed().toList());
            Harness.equal(numbers(read(consumer, 10, (c, r) -> {})), expected, "values");
            nothing(consumer);
        }
    }

    /** Accepted is done, released comes again and is counted, rejected never comes again. */
    private static void explicit() throws Exception {
        String topic = Lib.topic("t", 1);
        send(topic, 0, 0, 30);
        String group = group("g");
        try (var consumer = consumer(group, "share.acknowledgement.mode", "explicit")) {
            consumer.subscribe(List.of(topic));
            var first = read(consumer, 30, (c, record) -> c.acknowledge(record, switch (number(record) % 3) {
                case 0 -> AcknowledgeType.ACCEPT;
                case 1 -> AcknowledgeType.RELEASE;
                default -> AcknowledgeType.REJECT;
            }));
            Harness.equal(numbers(first), upTo(30), "values");
            commit(consumer);
            // What was released often comes few at a time, some of it before the rest came as often.
            var again = read(consumer, 40, (c, record) -> c.acknowledge(record, AcknowledgeType.RELEASE));
            commit(consumer);
            Map<Integer, Short> counts = new HashMap<>();
            for (ConsumerRecord<byte[], byte[]> record : again) {
                Harness.equal(number(record) % 3, 1, "what comes again");
                short before = counts.getOrDefault(number(record), (short) 1);
                Harness.equal(record.deliveryCount().get(), (short) (before + 1), "delivery count");
                counts.put(number(record), record.deliveryCount().get());
            }
            Harness.equal(again.size(), 40, "deliveries");
            // That was the fifth delivery: nobody gets them any more.
            nothing(consumer);
        }
    }

    /** A record that nobody speaks of comes again when its lock ends. */
    private static void lockTimeout() throws Exception {
        String topic = Lib.topic("t", 1);
        send(topic, 0, 0, 5);
        String group = group("g", "share.record.lock.duration.ms", "15000");
        try (var slow = consumer(group, "share.acknowledgement.mode", "explicit");
                var other = consumer(group, "share.acknowledgement.mode", "explicit")) {
            slow.subscribe(List.of(topic));
            Harness.equal(numbers(read(slow, 5, (c, r) -> {})), upTo(5), "values");
            other.subscribe(List.of(topic));
            var again = read(other, 5, (c, record) -> c.acknowledge(record));
            commit(other);
            Harness.equal(numbers(again), upTo(5), "values");
            again.forEach(r -> Harness.equal(r.deliveryCount().get(), (short) 2, "delivery count"));
        }
    }

    /** A lock that is renewed lasts longer than one that is not. */
    private static void renew() throws Exception {
        String topic = Lib.topic("t", 1);
        send(topic, 0, 0, 1);
        String group = group("g", "share.record.lock.duration.ms", "15000");
        try (var holder = consumer(group, "share.acknowledgement.mode", "explicit");
                var other = consumer(group, "share.acknowledgement.mode", "explicit")) {
            holder.subscribe(List.of(topic));
            other.subscribe(List.of(topic));
            AtomicReference<ConsumerRecord<byte[], byte[]>> held = new AtomicReference<>();
            read(holder, 1, (c, record) -> held.set(record));
            for (int i = 0; i < 3; i++) {
                Thread.sleep(7_000);
                holder.acknowledge(held.get(), AcknowledgeType.RENEW);
                commit(holder);
                Harness.equal(poll(other).size(), 0, "records with the other consumer");
                // The next poll hands out again what was renewed.
                read(holder, 1, (c, record) -> held.set(record));
                Harness.equal(held.get().deliveryCount().get(), (short) 1, "delivery count");
            }
            holder.acknowledge(held.get(), AcknowledgeType.ACCEPT);
            commit(holder);
            nothing(other);
        }
    }

    /** Two consumers share one partition: every record goes to one of them. */
    private static void twoConsumers() throws Exception {
        String topic = Lib.topic("t", 1);
        String group = group("g", "share.partition.max.record.locks", "200");
        List<Integer> seen = java.util.Collections.synchronizedList(new ArrayList<>());
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        int[] by = new int[2];
        List<Thread> threads = new ArrayList<>();
        for (int own = 0; own < 2; own++) {
            int me = own;
            Thread thread = new Thread(() -> {
                try (var consumer = consumer(group, "max.poll.records", 50, "share.acquire.mode", "record_limit")) {
                    consumer.subscribe(List.of(topic));
                    while (seen.size() < 5_000) {
                        for (ConsumerRecord<byte[], byte[]> record : poll(consumer)) {
                            seen.add(number(record));
                            by[me]++;
                        }
                    }
                    // What was polled last is not accepted by the end of the consumer.
                    commit(consumer);
                } catch (Throwable e) {
                    failures.add(e);
                }
            });
            threads.add(thread);
            thread.start();
        }
        send(topic, 0, 0, 5_000);
        for (Thread thread : threads) {
            thread.join();
        }
        Harness.equal(failures, List.of(), "failures");
        Harness.equal(new TreeSet<>(seen), upTo(5_000), "values");
        Harness.equal(seen.size(), 5_000, "records");
        Harness.check(by[0] > 0 && by[1] > 0, "both have work: " + by[0] + " and " + by[1]);
    }

    /** What was accepted before a crash never comes again; everything else comes until it is. */
    private static void crashes() throws Exception {
        final int count = 3_000;
        String topic = Lib.topic("t", 2);
        send(topic, 0, 0, count / 2);
        send(topic, 1, count / 2, count);
        String group = group("g");
        Set<Integer> accepted = new HashSet<>();
        // Accepted by an answer that did not come: either they come again, or the group is done with them.
        Set<Integer> unknown = new HashSet<>();
        int crashes = 0;
        try (var consumer = consumer(group, "share.acknowledgement.mode", "explicit", "max.poll.records", 100)) {
            consumer.subscribe(List.of(topic));
            long end = System.nanoTime() + 180_000_000_000L;
            while (accepted.size() < count) {
                Harness.check(System.nanoTime() < end, "timed out with " + accepted.size() + " accepted");
                List<Integer> batch = new ArrayList<>();
                for (ConsumerRecord<byte[], byte[]> record : poll(consumer)) {
                    Harness.check(!accepted.contains(number(record)), "it was accepted: " + number(record));
                    consumer.acknowledge(record);
                    batch.add(number(record));
                }
                if (accepted.size() > count * (crashes + 1) / 4) {
                    crashes++;
                    Harness.killBroker();
                }
                var results = consumer.commitSync();
                boolean durable = results.values().stream().allMatch(java.util.Optional::isEmpty);
                (durable && !results.isEmpty() ? accepted : unknown).addAll(batch);
                if (batch.isEmpty() && lag(group, topic) == 0) {
                    accepted.addAll(unknown);
                }
            }
        }
        Harness.check(crashes >= 3, "crashes: " + crashes);
    }

    /** How many records the group is not done with. */
    private static long lag(String group, String topic) throws Exception {
        long lag = 0;
        try (Admin admin = Lib.admin()) {
            var spec = new ListShareGroupOffsetsSpec()
                    .topicPartitions(List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1)));
            var offsets = admin.listShareGroupOffsets(Map.of(group, spec)).partitionsToOffsetInfo(group).get();
            for (var info : offsets.values()) {
                lag += info.lag().orElse(1L);
            }
        }
        return lag;
    }

    /** Readers of committed records do not see those of aborted transactions. */
    private static void committed() throws Exception {
        String topic = Lib.topic("t", 1);
        String group = group("g", "share.isolation.level", "read_committed");
        String all = group("all");
        try (var producer = Lib.producer("transactional.id", Harness.name("p"))) {
            producer.initTransactions();
            for (int i = 0; i < 10; i++) {
                producer.beginTransaction();
                producer.send(Lib.record(topic, 0, String.valueOf(i)));
                // What was not sent when it is aborted never is.
                producer.flush();
                if (i % 2 == 0) {
                    producer.commitTransaction();
                } else {
                    producer.abortTransaction();
                }
            }
        }
        try (var consumer = consumer(group)) {
            consumer.subscribe(List.of(topic));
            Harness.equal(numbers(read(consumer, 5, (c, r) -> {})), Set.of(0, 2, 4, 6, 8), "committed values");
            nothing(consumer);
        }
        try (var consumer = consumer(all)) {
            consumer.subscribe(List.of(topic));
            Harness.equal(numbers(read(consumer, 10, (c, r) -> {})), upTo(10), "all values");
        }
    }

    /** Records are deleted while somebody has them: what is left goes on. */
    private static void deletedRecords() throws Exception {
        String topic = Lib.topic("t", 1);
        send(topic, 0, 0, 20);
        String group = group("g");
        try (Admin admin = Lib.admin();
                var consumer = consumer(
                        group,
                        "share.acknowledgement.mode", "explicit",
                        "share.acquire.mode", "record_limit",
                        "max.poll.records", 10)) {
            consumer.subscribe(List.of(topic));
            List<ConsumerRecord<byte[], byte[]>> held = read(consumer, 1, (c, r) -> {});
            Set<Integer> released = numbers(held);
            Harness.check(released.contains(0), "the oldest come first: " + released);
            admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(5))).all().get();
            held.forEach(r -> consumer.acknowledge(r, AcknowledgeType.RELEASE));
            commit(consumer);
            Set<Integer> seen = new TreeSet<>();
            while (seen.size() < 15) {
                for (ConsumerRecord<byte[], byte[]> record : read(consumer, 1, (c, r) -> c.acknowledge(r))) {
                    Harness.check(seen.add(number(record)), "twice: " + number(record));
                    short count = (short) (released.contains(number(record)) ? 2 : 1);
                    Harness.equal(record.deliveryCount().get(), count, "delivery count of " + number(record));
                }
                commit(consumer);
            }
            Set<Integer> left = new TreeSet<>(IntStream.range(5, 20).boxed().toList());
            Harness.equal(seen, left, "values behind the deleted");
            // All of it goes while somebody has some.
            send(topic, 0, 20, 30);
            read(consumer, 1, (c, r) -> {});
            admin.deleteRecords(Map.of(new TopicPartition(topic, 0), RecordsToDelete.beforeOffset(-1))).all().get();
        }
        send(topic, 0, 30, 40);
        try (var consumer = consumer(group)) {
            consumer.subscribe(List.of(topic));
            Set<Integer> last = new TreeSet<>(IntStream.range(30, 40).boxed().toList());
            Harness.equal(numbers(read(consumer, 10, (c, r) -> {})), last, "values behind all that were deleted");
            nothing(consumer);
        }
    }

    /** A member that goes with records in its hands leaves them to the others; it counts. */
    private static void memberDies() throws Exception {
        String topic = Lib.topic("t", 1);
        send(topic, 0, 0, 10);
        String group = group("g");
        var dies = consumer(group, "share.acknowledgement.mode", "explicit");
        dies.subscribe(List.of(topic));
        Harness.equal(numbers(read(dies, 10, (c, r) -> {})), upTo(10), "values");
        try (var other = consumer(group)) {
            other.subscribe(List.of(topic));
            nothing(other);
            dies.close(Duration.ZERO);
            var again = read(other, 10, (c, r) -> {});
            Harness.equal(numbers(again), upTo(10), "values of the other");
            again.forEach(r -> Harness.equal(r.deliveryCount().get(), (short) 2, "delivery count"));
        }
    }

    /** Groups are listed, described, set elsewhere and deleted. */
    private static void groups() throws Exception {
        String topic = Lib.topic("t", 2);
        send(topic, 0, 0, 10);
        String group = group("g");
        TopicPartition zero = new TopicPartition(topic, 0);
        try (Admin admin = Lib.admin()) {
            try (var consumer = consumer(group)) {
                consumer.subscribe(List.of(topic));
                read(consumer, 10, (c, r) -> {});
                poll(consumer);
                ShareGroupDescription described =
                        admin.describeShareGroups(List.of(group)).describedGroups().get(group).get();
                Harness.equal(described.members().size(), 1, "members");
                Harness.equal(
                        described.members().iterator().next().assignment().topicPartitions(),
                        Set.of(zero, new TopicPartition(topic, 1)),
                        "assignment");
                try {
                    admin.alterShareGroupOffsets(group, Map.of(zero, 3L)).all().get();
                    throw new AssertionError("offsets of a group with members were set");
                } catch (java.util.concurrent.ExecutionException e) {
                    System.out.println("refused: " + e.getCause());
                }
            }
            var listed = admin.listGroups(ListGroupsOptions.forShareGroups()).all().get();
            Harness.check(
                    listed.stream().anyMatch(l -> l.groupId().equals(group) && l.type().equals(java.util.Optional.of(GroupType.SHARE))),
                    "listed: " + listed);
            Harness.waitUntil("the group is empty", () -> admin.describeShareGroups(List.of(group))
                    .describedGroups().get(group).get().members().isEmpty());
            Map<String, ListShareGroupOffsetsSpec> all = new HashMap<>();
            all.put(group, new ListShareGroupOffsetsSpec());
            var offsets = admin.listShareGroupOffsets(all).partitionsToOffsetInfo(group).get();
            Harness.equal(offsets.get(zero).startOffset(), 10L, "start offset");
            admin.alterShareGroupOffsets(group, Map.of(zero, 7L)).all().get();
            try (var consumer = consumer(group)) {
                consumer.subscribe(List.of(topic));
                Harness.equal(numbers(read(consumer, 3, (c, r) -> {})), Set.of(7, 8, 9), "values behind 7");
            }
            Harness.waitUntil("the group is empty", () -> admin.describeShareGroups(List.of(group))
                    .describedGroups().get(group).get().members().isEmpty());
            admin.deleteShareGroupOffsets(group, Set.of(topic)).all().get();
            try (var consumer = consumer(group)) {
                consumer.subscribe(List.of(topic));
                Harness.equal(numbers(read(consumer, 10, (c, r) -> {})), upTo(10), "values from the beginning");
            }
            Harness.waitUntil("the group is empty", () -> admin.describeShareGroups(List.of(group))
                    .describedGroups().get(group).get().members().isEmpty());
            admin.deleteShareGroups(List.of(group)).all().get();
            var left = admin.listGroups(ListGroupsOptions.forShareGroups()).all().get();
            Harness.check(left.stream().noneMatch(l -> l.groupId().equals(group)), "still listed: " + left);
        }
    }
}

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

/** The stories of tests/src/suites/transactions.rs with Kafka's own Java client. */
public final class Transactions {
    private static Harness.Story story(String name) {
        return switch (name) {
            case "commit-and-abort" -> Transactions::commitAndAbort;
            case "open-hides" -> Transactions::openHides;
            case "offsets" -> Transactions::offsets;
            case "fenced" -> Transactions::fenced;
            case "time-is-up" -> Transactions::timeIsUp;
            case "many-ids" -> Transactions::manyIds;
            case "copy-over-crashes" -> Transactions::copyOverCrashes;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args[0]).tell());
    }

    private static KafkaProducer<byte[], byte[]> producer(String id, Object... settings) {
        List<Object> all = new ArrayList<>(List.of("transactional.id", Harness.name(id)));
        all.addAll(List.of(settings));
        KafkaProducer<byte[], byte[]> producer = Lib.producer(all.toArray());
        producer.initTransactions();
        return producer;
    }

    private static void send(KafkaProducer<byte[], byte[]> producer, String topic, int partition, int from, int to) {
        IntStream.range(from, to).forEach(i -> producer.send(Lib.record(topic, partition, String.valueOf(i))));
    }

    /**
     * Ends the transaction when all that was sent has been confirmed. The library (4.3) looks whether records wait before it takes
     * the lock under which it picks the next request. Where they are sent and the end is asked for in between, the end goes first
     * and they lie in the next transaction: a committed one shows what was aborted, or an end finds nothing that it could commit.
     */
    private static void end(KafkaProducer<byte[], byte[]> producer, boolean commits) {
        producer.flush();
        if (commits) {
            producer.commitTransaction();
        } else {
            producer.abortTransaction();
        }
    }

    /** All that a reader of this kind sees up to the end that it is told. */
    private static List<String> all(String topic, int partition, String isolation) {
        List<String> values = new ArrayList<>();
        TopicPartition at = new TopicPartition(topic, partition);
        try (KafkaConsumer<byte[], byte[]> consumer = Lib.consumer("isolation.level", isolation)) {
            consumer.assign(List.of(at));
            long end = consumer.endOffsets(List.of(at)).get(at);
            consumer.seekToBeginning(List.of(at));
            // The position passes over marks and aborted records too.
            while (consumer.position(at) < end) {
                Lib.poll(consumer).forEach(r -> values.add(Harness.text(r.value())));
            }
        }
        return values;
    }

    private static List<String> committed(String topic, int partition) {
        return all(topic, partition, "read_committed");
    }

    private static List<String> numbers(int from, int to) {
        return IntStream.range(from, to).mapToObj(String::valueOf).toList();
    }

    // --- what readers see

    private static void commitAndAbort() throws Exception {
        String topic = Lib.topic("t", 3);
        List<String> expected = new ArrayList<>();
        List<String> everything = new ArrayList<>();
        try (var producer = producer("p", "batch.size", 200)) {
            for (int round = 0; round < 20; round++) {
                producer.beginTransaction();
                for (int partition = 0; partition < 3; partition++) {
                    send(producer, topic, partition, round * 50, round * 50 + 50);
                }
                List<String> values = numbers(round * 50, round * 50 + 50);
                everything.addAll(values);
                boolean commits = round % 3 != 1;
                end(producer, commits);
                if (commits) {
                    expected.addAll(values);
                }
            }
        }
        for (int partition = 0; partition < 3; partition++) {
            Harness.equal(committed(topic, partition), expected, "committed values of partition " + partition);
            Harness.equal(all(topic, partition, "read_uncommitted"), everything, "all values");
        }
        // Marks take offsets too.
        try (Admin admin = Lib.admin()) {
            TopicPartition first = new TopicPartition(topic, 0);
            long end = admin.listOffsets(Map.of(first, OffsetSpec.latest())).partitionResult(first).get().offset();
            Harness.equal(end, 20L * 50 + 20, "the end");
        }
    }

    private static void openHides() throws Exception {
        String topic = Lib.topic("t", 1);
        TopicPartition at = new TopicPartition(topic, 0);
        try (var first = producer("first"); var second = producer("second"); var plain = Lib.producer()) {
            plain.send(Lib.record(topic, 0, "before")).get();
            first.beginTransaction();
            first.send(Lib.record(topic, 0, "first")).get();
            second.beginTransaction();
            second.send(Lib.record(topic, 0, "second")).get();
            plain.send(Lib.record(topic, 0, "behind")).get();
            Harness.equal(committed(topic, 0), List.of("before"), "beside two open transactions");
            second.commitTransaction();
            Harness.equal(committed(topic, 0), List.of("before"), "beside one");
            try (KafkaConsumer<byte[], byte[]> waits =
                    Lib.consumer("isolation.level", "read_committed", "fetch.max.wait.ms", 5_000)) {
                waits.assign(List.of(at));
                waits.seek(at, 1);
                Harness.check(waits.poll(Duration.ofMillis(300)).isEmpty(), "something of it was seen");
                first.abortTransaction();
                List<String> values = new ArrayList<>();
                Harness.waitUntil("the rest is seen", () -> {
                    waits.poll(Duration.ofSeconds(5)).forEach(r -> values.add(Harness.text(r.value())));
                    return values.size() >= 2;
                });
                Harness.equal(values, List.of("second", "behind"), "what became visible");
            }
        }
        Harness.equal(committed(topic, 0), List.of("before", "second", "behind"), "at the end");
    }

    // --- cursors

    private static void offsets() throws Exception {
        String topic = Lib.topic("t", 1);
        String group = Harness.name("g");
        TopicPartition at = new TopicPartition(topic, 0);
        try (var plain = Lib.producer()) {
            IntStream.range(0, 10).forEach(i -> plain.send(Lib.record(topic, 0, String.valueOf(i))));
        }
        try (var producer = producer("p");
                var consumer = Lib.consumer("group.id", group, "isolation.level", "read_committed")) {
            consumer.subscribe(List.of(topic));
            List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
            Harness.waitUntil("records are there", () -> records.addAll(Lib.poll(consumer)) && records.size() >= 10);
            producer.beginTransaction();
            producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(4)), consumer.groupMetadata());
            producer.abortTransaction();
            Harness.equal(consumer.committed(java.util.Set.of(at)).get(at), null, "after an abort");

            producer.beginTransaction();
            producer.send(Lib.record(Lib.topic("out", 1), 0, "x"));
            producer.sendOffsetsToTransaction(
                    Map.of(at, new OffsetAndMetadata(7, "note")), consumer.groupMetadata());
            // Whoever asks for a stable cursor waits until the transaction has ended.
            Thread ends = new Thread(() -> {
                try {
                    Thread.sleep(300);
                } catch (InterruptedException e) {
                    throw new IllegalStateException(e);
                }
                producer.commitTransaction();
            });
            ends.start();
            OffsetAndMetadata found = consumer.committed(java.util.Set.of(at)).get(at);
            ends.join();
            Harness.equal(found.offset(), 7L, "the cursor after a commit");
            Harness.equal(found.metadata(), "note", "its note");

            // A member that is not in the group any more cannot set anything.
            var gone = consumer.groupMetadata();
            consumer.unsubscribe();
            producer.beginTransaction();
            try {
                producer.sendOffsetsToTransaction(Map.of(at, new OffsetAndMetadata(9)), gone);
                throw new AssertionError("a member that left has set a cursor");
            } catch (KafkaException e) {
                producer.abortTransaction();
            }
        }
        try (Admin admin = Lib.admin()) {
            var found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
            Harness.equal(found.get(at).offset(), 7L, "the cursor at the end");
        }
    }

    // --- who may write

    private static void fenced() throws Exception {
        String topic = Lib.topic("t", 1);
        try (var old = producer("p")) {
            old.beginTransaction();
            old.send(Lib.record(topic, 0, "of the old one")).get();
            try (var anew = producer("p")) {
                anew.beginTransaction();
                anew.send(Lib.record(topic, 0, "of the new one"));
                end(anew, true);
                try {
                    old.send(Lib.record(topic, 0, "too late")).get();
                    throw new AssertionError("a fenced producer has written");
                } catch (ExecutionException e) {
                    Harness.check(
                            e.getCause() instanceof InvalidProducerEpochException
                                    || e.getCause() instanceof ProducerFencedException,
                            "refused for another reason: " + e.getCause());
                }
                try {
                    old.commitTransaction();
                    throw new AssertionError("a fenced producer has committed");
                } catch (KafkaException e) {
                    System.out.println("refused: " + e);
                }
                anew.beginTransaction();
                anew.send(Lib.record(topic, 0, "of the new one again"));
                end(anew, true);
            }
        }
        Harness.equal(committed(topic, 0), List.of("of the new one", "of the new one again"), "committed values");
    }

    private static void timeIsUp() throws Exception {
        String topic = Lib.topic("t", 1);
        try (var slow = producer("p", "transaction.timeout.ms", 1_000); var plain = Lib.producer()) {
            slow.beginTransaction();
            slow.send(Lib.record(topic, 0, "left open")).get();
            plain.send(Lib.record(topic, 0, "behind")).get();
            Harness.waitUntil("it was aborted", () -> committed(topic, 0).equals(List.of("behind")));
            try {
                slow.send(Lib.record(topic, 0, "too late")).get();
                slow.commitTransaction();
                throw new AssertionError("an aborted transaction was committed");
            } catch (KafkaException | ExecutionException e) {
                System.out.println("refused: " + e);
            }
        }
        try (var anew = producer("p")) {
            anew.beginTransaction();
            anew.send(Lib.record(topic, 0, "again"));
            end(anew, true);
        }
        Harness.equal(committed(topic, 0), List.of("behind", "again"), "committed values");
    }

    /** Transactions of many producers over the same partitions, at the same time. */
    private static void manyIds() throws Exception {
        String topic = Lib.topic("t", 4);
        List<Thread> threads = new ArrayList<>();
        List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
        for (int id = 0; id < 8; id++) {
            int own = id;
            Thread thread = new Thread(() -> {
                try (var producer = producer("p" + own)) {
                    for (int round = 0; round < 25; round++) {
                        producer.beginTransaction();
                        for (int partition = 0; partition < 4; partition++) {
                            producer.send(Lib.record(topic, partition, own + "/" + round));
                        }
                        end(producer, round % 2 == 0);
                    }
                } catch (Throwable e) {
                    failures.add(e);
                }
            });
            threads.add(thread);
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        Harness.equal(failures, List.of(), "failures");
        for (int partition = 0; partition < 4; partition++) {
            Map<String, List<Integer>> rounds = new HashMap<>();
            for (String value : committed(topic, partition)) {
                String[] parts = value.split("/");
                rounds.computeIfAbsent(parts[0], key -> new ArrayList<>()).add(Integer.valueOf(parts[1]));
            }
            List<Integer> expected = IntStream.range(0, 25).filter(round -> round % 2 == 0).boxed().toList();
            for (int id = 0; id < 8; id++) {
                Harness.equal(rounds.get(String.valueOf(id)), expected, "rounds of " + id);
            }
        }
    }

    // --- exactly once

    /** What is copied with its cursor in one transaction is there once, whenever the broker dies. */
    private static void copyOverCrashes() throws Exception {
        final int count = 6_000;
        String from = Lib.topic("from", 2);
        String to = Lib.topic("to", 2);
        try (var plain = Lib.producer()) {
            for (int i = 0; i < count; i++) {
                plain.send(Lib.record(from, i % 2, String.valueOf(i)));
            }
        }
        int copied = 0;
        int crashes = 0;
        while (copied < count) {
            try (var producer = producer("copy", "transaction.timeout.ms", 60_000);
                    var consumer = Lib.consumer(
                            "group.id", Harness.name("g"),
                            "isolation.level", "read_committed",
                            "max.poll.records", 100)) {
                consumer.subscribe(List.of(from));
                while (copied < count) {
                    ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
                    if (records.isEmpty()) {
                        copied = committed(to, 0).size() + committed(to, 1).size();
                        continue;
                    }
                    producer.beginTransaction();
                    Map<TopicPartition, OffsetAndMetadata> cursors = new HashMap<>();
                    for (ConsumerRecord<byte[], byte[]> record : records) {
                        producer.send(Lib.record(to, record.partition(), Harness.text(record.value())));
                        cursors.put(
                                new TopicPartition(from, record.partition()),
                                new OffsetAndMetadata(record.offset() + 1));
                    }
                    producer.sendOffsetsToTransaction(cursors, consumer.groupMetadata());
                    if (crashes < 4 && copied >= count / 5 * (crashes + 1)) {
                        crashes++;
                        Harness.killBroker();
                    }
                    producer.commitTransaction();
                    copied += records.count();
                }
            } catch (KafkaException e) {
                // The next instance of the producer goes on where the last transaction that was committed ended.
                System.out.println("begins anew: " + e);
                copied = committed(to, 0).size() + committed(to, 1).size();
            }
        }
        Harness.equal(crashes, 4, "crashes");
        for (int partition = 0; partition < 2; partition++) {
            int first = partition;
            List<String> expected =
                    IntStream.range(0, count).filter(i -> i % 2 == first).mapToObj(String::valueOf).toList();
            Harness.equal(committed(to, partition), expected, "copied to partition " + partition);
        }
    }
}

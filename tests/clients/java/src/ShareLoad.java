import java.time.Duration;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * The only member of a share group that never stops by itself, and accepts what the load of kill9 produces. The harness asks: "confirmed" is
 * how many records were accepted for certain, "verify" that none of these came again, "stop" that the group is done with all, and that
 * each was accepted.
 */
public final class ShareLoad {
    private static final int PARTITIONS = 4;
    private static final int RECORDS_PER_COMMIT = 200;

    private final String topic = Harness.name("kill9");
    private final String group;
    /** By partition the offsets whose acceptance was answered. */
    private final BitSet[] accepted = sets();
    /** Those that were accepted, and the answer did not come: they may come again. */
    private final BitSet[] unknown = sets();
    private volatile long count = 0;
    private volatile Throwable failure;
    private volatile boolean stops = false;
    private final Thread thread = new Thread(this::run);

    private ShareLoad() throws Exception {
        // A record that is handed out while the broker dies over and over is not given up.
        group = Shares.group("kill9-share", "share.delivery.count.limit", "10");
        thread.setDaemon(true);
    }

    public static void main(String[] args) {
        Harness.tell(() -> new ShareLoad().serve());
    }

    private static BitSet[] sets() {
        return IntStream.range(0, PARTITIONS).mapToObj(p -> new BitSet()).toArray(BitSet[]::new);
    }

    private void serve() throws Exception {
        thread.start();
        for (String wish = Harness.wish(); wish != null; wish = Harness.wish()) {
            if (failure != null) {
                throw new AssertionError("the member has failed", failure);
            }
            switch (wish) {
                case "confirmed", "verify" -> answer(count);
                case "stop" -> {
                    stops = true;
                    thread.join();
                    if (failure != null) {
                        throw new AssertionError("the member has failed", failure);
                    }
                    answer(all());
                    return;
                }
                default -> throw new AssertionError("an unknown wish: " + wish);
            }
        }
    }

    private static void answer(long number) {
        System.out.println("answer " + number);
        System.out.flush();
    }

    private void run() {
        try (KafkaShareConsumer<byte[], byte[]> consumer = Shares.consumer(
                group, "share.acknowledgement.mode", "explicit", "max.poll.records", RECORDS_PER_COMMIT)) {
            consumer.subscribe(List.of(topic));
            while (!stops || !isDone()) {
                takeSome(consumer);
            }
        } catch (Throwable e) {
            failure = e;
        }
    }

    private void takeSome(KafkaShareConsumer<byte[], byte[]> consumer) {
        Map<Integer, BitSet> taken = new HashMap<>();
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
            int offset = Math.toIntExact(record.offset());
            boolean again = accepted[record.partition()].get(offset);
            Harness.check(!again, "offset " + offset + " of " + record.partition() + " came again, and was accepted");
            consumer.acknowledge(record);
            taken.computeIfAbsent(record.partition(), p -> new BitSet()).set(offset);
        }
        var results = consumer.commitSync();
        boolean isDurable = !results.isEmpty() && results.values().stream().allMatch(java.util.Optional::isEmpty);
        taken.forEach((partition, offsets) -> {
            (isDurable ? accepted : unknown)[partition].or(offsets);
            count += isDurable ? offsets.cardinality() : 0;
        });
    }

    /** Whether the group waits for nothing more. */
    private boolean isDone() throws Exception {
        try (Admin admin = Lib.admin()) {
            List<TopicPartition> partitions = IntStream.range(0, PARTITIONS)
                    .mapToObj(p -> new TopicPartition(topic, p))
                    .collect(Collectors.toList());
            var spec = new ListShareGroupOffsetsSpec().topicPartitions(partitions);
            var offsets = admin.listShareGroupOffsets(Map.of(group, spec)).partitionsToOffsetInfo(group).get();
            return offsets.size() == PARTITIONS
                    && offsets.values().stream().allMatch(info -> info.lag().orElse(1L) == 0);
        }
    }

    /** How many records there are, each of which was accepted: the log begins with offset 0 and has no holes. */
    private long all() {
        long all = 0;
        for (int partition = 0; partition < PARTITIONS; partition++) {
            BitSet seen = (BitSet) accepted[partition].clone();
            seen.or(unknown[partition]);
            Harness.equal(seen.nextClearBit(0), seen.length(), "the first that never came, of partition " + partition);
            all += seen.length();
        }
        return all;
    }
}

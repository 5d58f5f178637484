import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/** A group member in a thread: reads, remembers, commits. */
final class Member implements ConsumerRebalanceListener {
    volatile Set<Integer> assigned = Set.of();
    final List<Integer> revoked = new CopyOnWriteArrayList<>();
    final Set<String> seen = ConcurrentHashMap.newKeySet();
    volatile int rebalances = 0;
    private volatile boolean stopping = false;
    private volatile Exception error;
    private final Thread thread;

    Member(String group, String topic, Object... settings) {
        List<Object> all = new ArrayList<>(List.of("group.id", group));
        all.addAll(List.of(settings));
        KafkaConsumer<byte[], byte[]> consumer = Lib.consumer(all.toArray());
        thread = new Thread(() -> run(consumer, topic));
        thread.setDaemon(true);
        thread.start();
    }

    private void run(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        try (consumer) {
            consumer.subscribe(List.of(topic), this);
            while (!stopping) {
                var records = Lib.poll(consumer);
                assigned = numbers(consumer.assignment());
                records.forEach(r -> seen.add(Harness.text(r.value())));
                if (!records.isEmpty()) {
                    tryCommit(consumer);
                }
            }
        } catch (Exception e) {
            error = e;
        }
    }

    /** A rebalance may be under way: then nothing is committed, and nothing is lost by that. */
    private static void tryCommit(KafkaConsumer<byte[], byte[]> consumer) {
        try {
            consumer.commitSync();
        } catch (KafkaException e) {
            System.out.println("not committed: " + e);
        }
    }

    private static Set<Integer> numbers(Collection<TopicPartition> partitions) {
        return partitions.stream().map(TopicPartition::partition).collect(Collectors.toSet());
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        rebalances++;
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        rebalances++;
        revoked.addAll(numbers(partitions));
    }

    void stop() throws Exception {
        stopping = true;
        thread.join(30_000);
        Harness.check(!thread.isAlive(), "the member's thread does not end");
        if (error != null) {
            throw error;
        }
    }
}

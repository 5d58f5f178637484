import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A member, in a thread, of a group whose partitions the broker assigns. */
final class Attendant implements ConsumerRebalanceListener {
    /** Who has a partition by what listeners were told; shared by all members of a story. */
    static class Owners {
        private final Map<TopicPartition, String> owners = new ConcurrentHashMap<>();
        final List<String> twice = new CopyOnWriteArrayList<>();

        void take(TopicPartition partition, String member) {
            String other = owners.putIfAbsent(partition, member);
            if (other != null && !other.equals(member)) {
                twice.add(partition + " is " + other + "'s and " + member + "'s");
            }
        }

        void give(TopicPartition partition, String member) {
            owners.remove(partition, member);
        }

        void check() {
            Harness.equal(twice, List.of(), "partitions with two owners");
        }
    }

    final String name;
    final Set<String> seen = ConcurrentHashMap.newKeySet();
    final Set<TopicPartition> assigned = ConcurrentHashMap.newKeySet();
    volatile int rebalances = 0;
    private final Owners owners;
    private volatile boolean stopping = false;
    private boolean closing = false;
    private volatile Exception error;
    private final Thread thread;

    Attendant(String name, String group, Owners owners, Consumer<Subscriber> subscribe, Object... settings) {
        this.name = name;
        this.owners = owners;
        KafkaConsumer<byte[], byte[]> consumer = consumer(group, settings);
        thread = new Thread(() -> run(consumer, subscribe));
        thread.setDaemon(true);
        thread.start();
    }

    /** What a member subscribes with. */
    record Subscriber(KafkaConsumer<byte[], byte[]> consumer, ConsumerRebalanceListener listener) {}

    static Consumer<Subscriber> topics(String... topics) {
        return s -> s.consumer().subscribe(List.of(topics), s.listener());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String group, Object... settings) {
        Properties properties = new Properties();
        List<Object> all = new ArrayList<>(List.of(
                "bootstrap.servers", Harness.BOOTSTRAP,
                "group.id", group,
                "group.protocol", "consumer",
                "auto.offset.reset", "earliest",
                "enable.auto.commit", false));
        all.addAll(List.of(settings));
        for (int i = 0; i < all.size(); i += 2) {
            properties.put(all.get(i), all.get(i + 1));
        }
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private void run(KafkaConsumer<byte[], byte[]> consumer, Consumer<Subscriber> subscribe) {
        try {
            subscribe.accept(new Subscriber(consumer, this));
            while (!stopping) {
                var records = Lib.poll(consumer);
                records.forEach(r -> seen.add(Harness.text(r.value())));
                if (!records.isEmpty()) {
                    commit(consumer);
                }
            }
            closing = true;
            consumer.close();
        } catch (Exception e) {
            error = e;
        }
    }

    /** What was given back meanwhile is not committed, and read again by who has it now. */
    private static void commit(KafkaConsumer<byte[], byte[]> consumer) {
        try {
            consumer.commitSync();
        } catch (KafkaException e) {
            System.out.println("not committed: " + e);
        }
    }

    /** A client that is being closed may hear of partitions behind the call by which it gave all of its own back: it never reads them. */
    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        if (closing) {
            return;
        }
        partitions.forEach(p -> owners.take(p, name));
        assigned.addAll(partitions);
        rebalances += partitions.isEmpty() ? 0 : 1;
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        partitions.forEach(p -> owners.give(p, name));
        partitions.forEach(assigned::remove);
        rebalances += partitions.isEmpty() ? 0 : 1;
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        onPartitionsRevoked(partitions);
    }

    /** Leaves, as its client does when it is closed. */
    void stop() throws Exception {
        stopping = true;
        thread.join(40_000);
        Harness.check(!thread.isAlive(), name + "'s thread does not end");
        healthy();
    }

    void healthy() throws Exception {
        if (error != null) {
            throw new Exception(name + " failed", error);
        }
    }

    Exception failure() {
        return error;
    }
}

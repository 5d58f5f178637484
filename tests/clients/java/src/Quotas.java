import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterClientQuotasOptions;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Quotas: set, found, kept over a crash, and what they do to a producer and a consumer. */
final class Quotas {
    private static final double RATE = 1_000_000;
    /** Long enough that the ten seconds' worth which may come at once do not matter. */
    private static final int TOTAL = 45_000_000;
    private static final int RECORD = 9_000;

    private Quotas() {}

    private static ClientQuotaEntity client(String name) {
        return new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, name));
    }

    private static void set(Admin admin, String client, boolean check, String key, Double value) throws Exception {
        var alteration = new ClientQuotaAlteration(client(client), List.of(new ClientQuotaAlteration.Op(key, value)));
        var options = new AlterClientQuotasOptions().validateOnly(check);
        admin.alterClientQuotas(List.of(alteration), options).all().get();
    }

    private static Map<String, Double> found(Admin admin, String client) throws Exception {
        var component = ClientQuotaFilterComponent.ofEntity(ClientQuotaEntity.CLIENT_ID, client);
        var found = admin.describeClientQuotas(ClientQuotaFilter.containsOnly(List.of(component))).entities().get();
        return found.getOrDefault(client(client), Map.of());
    }

    static void settings() throws Exception {
        String client = Harness.name("client");
        try (Admin admin = Lib.admin()) {
            set(admin, client, true, "producer_byte_rate", RATE);
            Harness.equal(found(admin, client), Map.of(), "what was only checked");
            set(admin, client, false, "producer_byte_rate", RATE);
            set(admin, client, false, "consumer_byte_rate", 2 * RATE);
            var both = Map.of("producer_byte_rate", RATE, "consumer_byte_rate", 2 * RATE);
            Harness.waitUntil("both are told", () -> found(admin, client).equals(both));
            try {
                set(admin, client, false, "no.such.rate", 1.0);
                throw new AssertionError("a quota that does not exist was taken");
            } catch (ExecutionException e) {
                Harness.check(e.getCause() instanceof InvalidRequestException, "the refusal was " + e.getCause());
            }
            set(admin, client, false, "consumer_byte_rate", null);
        }
        Harness.killBroker();
        try (Admin admin = Lib.admin()) {
            Harness.equal(found(admin, client), Map.of("producer_byte_rate", RATE), "what is left after a crash");
            set(admin, client, false, "producer_byte_rate", null);
            Harness.waitUntil("none is left", () -> found(admin, client).isEmpty());
        }
    }

    /** The greatest value of a client's metric. */
    private static double metric(Map<?, ? extends org.apache.kafka.common.Metric> metrics, String name) {
        return metrics.values().stream()
                .filter(metric -> metric.metricName().name().equals(name))
                .mapToDouble(metric -> (Double) metric.metricValue())
                .filter(value -> !Double.isNaN(value))
                .max()
                .orElse(0);
    }

    static void producer() throws Exception {
        String client = Harness.name("fast");
        String topic = Lib.topic("held", 1);
        try (Admin admin = Lib.admin()) {
            set(admin, client, false, "producer_byte_rate", RATE);
            Harness.waitUntil("the quota is told", () -> !found(admin, client).isEmpty());
            try (KafkaProducer<byte[], byte[]> producer =
                    Lib.producer("client.id", client, "batch.size", 100_000, "delivery.timeout.ms", 120_000)) {
                String value = "v".repeat(RECORD);
                Collection<Future<RecordMetadata>> sent = new ArrayList<>();
                long begun = System.nanoTime();
                for (int bytes = 0; bytes < TOTAL; bytes += RECORD) {
                    sent.add(producer.send(Lib.record(topic, 0, value)));
                }
                Lib.confirms(producer, sent);
                double seconds = (System.nanoTime() - begun) / 1e9;
                double rate = TOTAL / seconds;
                // A slow machine makes it less, nothing may make it more.
                Harness.check(rate < 1.3 * RATE, "it wrote " + (long) rate + " bytes per second");
                double throttled = metric(producer.metrics(), "produce-throttle-time-max");
                Harness.check(throttled > 0, "it was not told that it is held back");
            }
            set(admin, client, false, "producer_byte_rate", null);
        }
    }

    /** What a user of the stories about logins may write. */
    private static final double SMALL_RATE = 200_000;
    /** Twice as much as may come at once. */
    private static final int SMALL_TOTAL = 4_000_000;

    static void limit(Admin admin, ClientQuotaEntity entity) throws Exception {
        var op = new ClientQuotaAlteration.Op("producer_byte_rate", SMALL_RATE);
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(op)))).all().get();
        var all = ClientQuotaFilter.all();
        Harness.waitUntil(
                "the quota is told",
                () -> admin.describeClientQuotas(all).entities().get().containsKey(entity));
    }

    /** It takes as long as the quota makes it last at least, and loses nothing. */
    static void isHeldBack(Map<String, Object> login, String topic) throws Exception {
        long begun = System.nanoTime();
        double throttled = publish(login, topic);
        long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun);
        Harness.check(seconds >= 5, "it wrote all within " + seconds + " s");
        Harness.check(throttled > 0, "it was not told that it is held back");
    }

    /** The same by somebody whose name has no quota. */
    static void isFree(Map<String, Object> login, String topic) throws Exception {
        Harness.equal(publish(login, topic), 0.0, "how long it was held back");
    }

    /** Writes all; for how long at most it was told to wait. */
    private static double publish(Map<String, Object> login, String topic) throws Exception {
        Map<String, Object> settings = new HashMap<>(login);
        settings.remove("default.api.timeout.ms");
        settings.put("client.id", "the same");
        settings.put("batch.size", 50_000);
        var serializer = new ByteArraySerializer();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings, serializer, serializer)) {
            String value = "v".repeat(RECORD);
            Collection<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int bytes = 0; bytes < SMALL_TOTAL; bytes += RECORD) {
                sent.add(producer.send(Lib.record(topic, 0, value)));
            }
            long offset = 0;
            for (Future<RecordMetadata> confirm : sent) {
                Harness.equal(confirm.get().offset(), offset, "the offset of a record");
                offset++;
            }
            return metric(producer.metrics(), "produce-throttle-time-max");
        }
    }

    /** Next to no time of the broker's threads: the client is told, and what it wrote is there nevertheless. */
    static void work() throws Exception {
        String client = Harness.name("heavy");
        String topic = Lib.topic("worked", 1);
        try (Admin admin = Lib.admin()) {
            set(admin, client, false, "request_percentage", 0.001);
            Harness.waitUntil("the quota is told", () -> !found(admin, client).isEmpty());
            try (KafkaProducer<byte[], byte[]> producer = Lib.producer("client.id", client)) {
                Harness.waitUntil("it was told that it is held back", () -> {
                    Lib.confirms(producer, List.of(producer.send(Lib.record(topic, 0, "v"))));
                    return metric(producer.metrics(), "produce-throttle-time-max") > 0;
                });
            }
            set(admin, client, false, "request_percentage", null);
        }
    }

    static void consumer() throws Exception {
        String client = Harness.name("slow");
        String topic = Lib.topic("read", 1);
        int records = 20_000_000 / RECORD;
        try (KafkaProducer<byte[], byte[]> producer = Lib.producer()) {
            Collection<Future<RecordMetadata>> sent = new ArrayList<>();
            for (int i = 0; i < records; i++) {
                sent.add(producer.send(Lib.record(topic, 0, "v".repeat(RECORD))));
            }
            Lib.confirms(producer, sent);
        }
        try (Admin admin = Lib.admin()) {
            set(admin, client, false, "consumer_byte_rate", RATE);
            Harness.waitUntil("the quota is told", () -> !found(admin, client).isEmpty());
            try (var consumer = Lib.consumer("client.id", client, "max.partition.fetch.bytes", 500_000)) {
                consumer.assign(Lib.partitions(topic, 1));
                long begun = System.nanoTime();
                int[] seen = {0};
                Harness.waitUntil("all is read", () -> (seen[0] += Lib.poll(consumer).size()) >= records);
                long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun);
                // Ten seconds' worth come at once, the rest at the rate.
                Harness.check(seconds >= 5, "it read all within " + seconds + " s");
                double throttled = metric(consumer.metrics(), "fetch-throttle-time-max");
                Harness.check(throttled > 0, "it was not told that it is held back");
            }
            set(admin, client, false, "consumer_byte_rate", null);
        }
    }
}

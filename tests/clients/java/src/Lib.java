import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Producers, consumers and topics as the stories want them. */
final class Lib {
    private Lib() {}

    /** Settings by name, over the stories' defaults. */
    static KafkaProducer<byte[], byte[]> producer(Object... settings) {
        Properties properties = properties("bootstrap.servers", Harness.BOOTSTRAP, "linger.ms", 2);
        properties.putAll(properties(settings));
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Object... settings) {
        Properties properties = properties(
                "bootstrap.servers", Harness.BOOTSTRAP,
                "auto.offset.reset", "earliest",
                "enable.auto.commit", false,
                "session.timeout.ms", 6_000,
                "heartbeat.interval.ms", 500,
                "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor",
                "max.partition.fetch.bytes", 8 * 1024 * 1024);
        properties.putAll(properties(settings));
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static Admin admin() {
        return Admin.create(properties("bootstrap.servers", Harness.BOOTSTRAP));
    }

    private static Properties properties(Object... settings) {
        Properties properties = new Properties();
        for (int i = 0; i < settings.length; i += 2) {
            properties.put(settings[i], settings[i + 1]);
        }
        return properties;
    }

    /** Makes a topic of this case's own. */
    static String topic(String part, int partitions) throws Exception {
        String topic = Harness.name(part);
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
        return topic;
    }

    /** A setting of a topic as it is described. */
    static String setting(Admin admin, String topic, String name) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        return admin.describeConfigs(List.of(resource)).all().get().get(resource).get(name).value();
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int partition, String value) {
        return new ProducerRecord<>(topic, partition, null, Harness.bytes(value));
    }

    /** Waits for every confirm; an error of any of them ends the story. */
    static List<RecordMetadata> confirms(KafkaProducer<?, ?> producer, Collection<Future<RecordMetadata>> sent)
            throws Exception {
        producer.flush();
        List<RecordMetadata> confirms = new ArrayList<>();
        for (Future<RecordMetadata> future : sent) {
            confirms.add(future.get());
        }
        return confirms;
    }

    static List<TopicPartition> partitions(String topic, int count) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (int p = 0; p < count; p++) {
            partitions.add(new TopicPartition(topic, p));
        }
        return partitions;
    }

    static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        consumer.poll(java.time.Duration.ofMillis(200)).forEach(records::add);
        return records;
    }

    /** Reads this many records from the start, and one poll more: what should not be there would come then. */
    static List<ConsumerRecord<byte[], byte[]>> read(String topic, int partitions, int count) throws Exception {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            consumer.assign(partitions(topic, partitions));
            Harness.waitUntil(count + " records are read from " + topic, () -> {
                records.addAll(poll(consumer));
                return records.size() >= count;
            });
            records.addAll(poll(consumer));
        }
        return records;
    }

    static List<String> values(List<ConsumerRecord<byte[], byte[]>> records, int partition) {
        return records.stream().filter(r -> r.partition() == partition).map(r -> Harness.text(r.value())).toList();
    }

}

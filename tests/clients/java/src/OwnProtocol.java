import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/** The protocol of groups that only Kafka Streams speaks, where the broker has it and where it has not. */
final class OwnProtocol {
    private static final int RECORDS = 200;
    private static final int PARTITIONS = 2;

    private OwnProtocol() {}

    static void told() throws Exception {
        String from = Lib.topic("from", PARTITIONS);
        try (var producer = Lib.producer()) {
            List<java.util.concurrent.Future<org.apache.kafka.clients.producer.RecordMetadata>> sent = new ArrayList<>();
            for (int number = 0; number < RECORDS; number++) {
                sent.add(producer.send(Lib.record(from, number % PARTITIONS, "n" + number)));
            }
            Lib.confirms(producer, sent);
        }
        if (isOffered()) {
            works("streams", from, Lib.topic("to-streams", PARTITIONS));
            System.out.println("streams: the broker offers its protocol");
        } else {
            isRefused(from, Lib.topic("to-nobody", PARTITIONS));
        }
        works("classic", from, Lib.topic("to-classic", PARTITIONS));
    }

    private static boolean isOffered() throws Exception {
        try (Admin admin = Lib.admin()) {
            var level = admin.describeFeatures().featureMetadata().get().finalizedFeatures().get("streams.version");
            return level != null && level.maxVersionLevel() > 0;
        }
    }

    /** The application ends, and its handler is told that it is the version which the broker does not have. */
    private static void isRefused(String from, String to) throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (KafkaStreams streams = start("streams", from, to, failure)) {
            Harness.waitUntil("the application has an error", () -> failure.get() != null);
            Harness.waitUntil(
                    "it has ended", () -> streams.state() == KafkaStreams.State.ERROR || streams.state().hasCompletedShutdown());
        }
        boolean told = false;
        for (Throwable cause = failure.get(); cause != null; cause = cause.getCause()) {
            told = told || cause instanceof UnsupportedVersionException;
        }
        Harness.check(told, "the error was " + failure.get());
        System.out.println("streams: " + failure.get());
    }

    private static void works(String protocol, String from, String to) throws Exception {
        AtomicReference<Throwable> failure = new AtomicReference<>();
        List<String> expected = new ArrayList<>();
        for (int number = 0; number < RECORDS; number++) {
            expected.add("N" + number);
        }
        List<String> seen = new ArrayList<>();
        try (KafkaStreams streams = start(protocol, from, to, failure);
                KafkaConsumer<byte[], byte[]> consumer = Lib.consumer()) {
            consumer.assign(Lib.partitions(to, PARTITIONS));
            Harness.waitUntil("all is seen by " + protocol, () -> {
                Harness.check(failure.get() == null, protocol + ": " + failure.get());
                Lib.poll(consumer).forEach(record -> seen.add(Harness.text(record.value())));
                return seen.size() >= RECORDS;
            });
        }
        seen.sort(null);
        expected.sort(null);
        Harness.equal(seen, expected, "what came by " + protocol);
    }

    private static KafkaStreams start(String protocol, String from, String to, AtomicReference<Throwable> failure) {
        var strings = Serdes.String();
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(from, Consumed.with(strings, strings))
                .mapValues(value -> value.toUpperCase())
                .to(to, Produced.with(strings, strings));
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, Harness.name("by-" + protocol));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Harness.BOOTSTRAP);
        settings.put(StreamsConfig.GROUP_PROTOCOL_CONFIG, protocol);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, Path.of(System.getenv("WORK_DIR"), protocol).toString());
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        streams.setUncaughtExceptionHandler(why -> {
            failure.compareAndSet(null, why);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        return streams;
    }
}

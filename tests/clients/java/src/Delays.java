import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/** Flights and their delays by carrier and route, week by week: with Kafka Streams, and without any broker. */
final class Delays {
    /** Streams names its own topics by these. */
    static final String BY_ROUTE = "by-route";
    static final String STORE = "delays";
    private static final Duration WINDOW = Duration.ofDays(7);
    /** The months do not follow each other in the file, and none of its flights is late. */
    private static final Duration GRACE = Duration.ofDays(400);
    private static final String NONE = "0 0";

    private Delays() {}

    /** How many flights, and their minutes of delay. */
    private static String add(String sums, long delay) {
        String[] parts = sums.split(" ");
        return (Long.parseLong(parts[0]) + 1) + " " + (Long.parseLong(parts[1]) + delay);
    }

    private static String key(String route, long window) {
        return route + " " + window;
    }

    /** What the application's output has to end with, by its key. */
    static Map<String, String> expected(List<String> flights) {
        Map<String, String> sums = new HashMap<>();
        for (String line : flights) {
            long time = Flights.time(line);
            String key = key(Flights.route(line), time - time % WINDOW.toMillis());
            sums.put(key, add(sums.getOrDefault(key, NONE), Flights.delay(line)));
        }
        return sums;
    }

    private static Topology topology(String from, String to) {
        var strings = Serdes.String();
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(from, Consumed.with(strings, strings))
                .selectKey((aircraft, line) -> Flights.route(line))
                .mapValues(line -> String.valueOf(Flights.delay(line)))
                .groupByKey(Grouped.with(BY_ROUTE, strings, strings))
                .windowedBy(TimeWindows.ofSizeAndGrace(WINDOW, GRACE))
                .aggregate(
                        () -> NONE,
                        (route, delay, sums) -> add(sums, Long.parseLong(delay)),
                        Materialized.<String, String, org.apache.kafka.streams.state.WindowStore<
                                        org.apache.kafka.common.utils.Bytes, byte[]>>as(STORE)
                                .withKeySerde(strings)
                                .withValueSerde(strings))
                .toStream()
                .map((window, sums) -> KeyValue.pair(key(window.key(), window.window().start()), sums))
                .to(to, Produced.with(strings, strings));
        return builder.build();
    }

    /** Runs the application in this process until the one that started it ends. */
    static void run(String id, String dir, String from, String to) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, Harness.BOOTSTRAP);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, dir);
        // Every flight becomes a record of the output: what is counted twice or never is seen there.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put(StreamsConfig.REPARTITION_PURGE_INTERVAL_MS_CONFIG, 500);
        // The flights are years old: retention by time would take them out of the changelog while it is needed.
        settings.put(StreamsConfig.WINDOW_STORE_CHANGE_LOG_ADDITIONAL_RETENTION_MS_CONFIG, 100L * 365 * 24 * 3600 * 1000);
        settings.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6_000);
        settings.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 500);
        KafkaStreams streams = new KafkaStreams(topology(from, to), settings);
        streams.setUncaughtExceptionHandler(failure -> {
            failure.printStackTrace(System.out);
            return StreamThreadExceptionResponse.REPLACE_THREAD;
        });
        streams.start();
        while (System.in.read() >= 0) {
            // Nothing is said to it: its input ends with the process that started it.
        }
    }
}

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** The stories of tests/src/suites/streams.rs: Kafka Streams with exactly_once_v2, in processes that are killed. */
public final class Streams {
    private static final int FLIGHTS = 100_000;
    private static final int PARTITIONS = 4;
    private static final int APPLICATIONS = 2;
    /** Output that has not grown in this time does not grow any more. */
    private static final long STILL_MS = 90_000;

    private static Harness.Story story(String[] args) {
        return switch (args[0]) {
            case "flights-over-crashes" -> Streams::flightsOverCrashes;
            case "table-from-a-compacted-changelog" -> Table::restored;
            case "by-its-own-protocol" -> OwnProtocol::told;
            // Not a story: the application.
            case "application" -> () -> Delays.run(args[1], args[2], args[3], args[4]);
            default -> throw new IllegalArgumentException("no story " + args[0]);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args).tell());
    }

    private static void flightsOverCrashes() throws Exception {
        String from = Lib.topic("flights", PARTITIONS);
        String to = Lib.topic("output", PARTITIONS);
        List<String> flights = Flights.read(FLIGHTS);
        send(from, flights);
        List<Application> applications = new ArrayList<>();
        try {
            for (int number = 0; number < APPLICATIONS; number++) {
                applications.add(new Application(number, from, to));
            }
            Output seen = watch(to, applications);
            seen.isExactly(Delays.expected(flights));
            repartitionedIsTrimmed();
            itsTopicsAreAsItWantsThem();
        } catch (Throwable e) {
            applications.forEach(Application::tell);
            throw e;
        } finally {
            applications.forEach(Application::kill);
        }
        Output written = new Output();
        for (ConsumerRecord<byte[], byte[]> record : all(to)) {
            written.take(record);
        }
        written.isExactly(Delays.expected(flights));
        System.out.println("streams: " + FLIGHTS + " flights in " + written.sums.size() + " sums, each counted once");
    }

    private static void send(String topic, List<String> flights) throws Exception {
        try (var producer = Lib.producer("linger.ms", 20)) {
            List<java.util.concurrent.Future<org.apache.kafka.clients.producer.RecordMetadata>> sent = new ArrayList<>();
            for (String line : flights) {
                byte[] key = Harness.bytes(Flights.aircraft(line));
                sent.add(producer.send(
                        new ProducerRecord<>(topic, null, Flights.time(line), key, Harness.bytes(line))));
            }
            Lib.confirms(producer, sent);
        }
    }

    /** Reads the output as it comes, and kills the broker and the applications on the way. */
    private static Output watch(String topic, List<Application> applications) throws Exception {
        List<Harness.Story> faults = List.of(
                Harness::killBroker,
                () -> applications.get(0).killAndStart(),
                Harness::killBroker,
                () -> applications.get(1).killAndStart(),
                () -> {
                    applications.get(0).kill();
                    Harness.killBroker();
                    applications.get(0).start();
                },
                () -> {
                    applications.forEach(Application::kill);
                    for (Application application : applications) {
                        application.start();
                    }
                });
        Output output = new Output();
        int done = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = Lib.consumer("isolation.level", "read_committed")) {
            consumer.assign(Lib.partitions(topic, PARTITIONS));
            long grown = System.nanoTime();
            while (output.count < FLIGHTS) {
                List<ConsumerRecord<byte[], byte[]>> records = Lib.poll(consumer);
                records.forEach(output::take);
                if (!records.isEmpty()) {
                    grown = System.nanoTime();
                }
                Harness.check(
                        System.nanoTime() - grown < STILL_MS * 1_000_000,
                        "the output stands at " + output.count + " records, after " + done + " faults");
                applications.forEach(Application::isThere);
                if (done < faults.size() && output.count >= FLIGHTS / (faults.size() + 2) * (done + 1)) {
                    faults.get(done).tell();
                    done++;
                    System.out.println("fault " + done + " with " + output.count + " records of output");
                    grown = System.nanoTime();
                }
            }
            // What should not be there would come now.
            Lib.poll(consumer).forEach(output::take);
        }
        Harness.equal(done, faults.size(), "faults");
        return output;
    }

    /** All committed records up to the end that a reader of them is told. */
    private static List<ConsumerRecord<byte[], byte[]>> all(String topic) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        var partitions = Lib.partitions(topic, PARTITIONS);
        try (KafkaConsumer<byte[], byte[]> consumer = Lib.consumer("isolation.level", "read_committed")) {
            consumer.assign(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            while (partitions.stream().anyMatch(at -> consumer.position(at) < ends.get(at))) {
                records.addAll(Lib.poll(consumer));
            }
        }
        return records;
    }

    /** Streams deletes what it has read of a topic between two of its steps. */
    private static void repartitionedIsTrimmed() throws Exception {
        String topic = Harness.name("app-" + Delays.BY_ROUTE + "-repartition");
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        Lib.partitions(topic, PARTITIONS).forEach(at -> wanted.put(at, OffsetSpec.earliest()));
        try (Admin admin = Lib.admin()) {
            Harness.waitUntil("records of " + topic + " are deleted", () -> admin.listOffsets(wanted).all().get()
                    .values().stream().anyMatch(found -> found.offset() > 0));
        }
    }

    /** Nobody but Streams has made these. */
    private static void itsTopicsAreAsItWantsThem() throws Exception {
        try (Admin admin = Lib.admin()) {
            String between = Harness.name("app-" + Delays.BY_ROUTE + "-repartition");
            Harness.equal(Lib.setting(admin, between, "segment.bytes"), "52428800", "segment.bytes of " + between);
            Harness.equal(Lib.setting(admin, between, "cleanup.policy"), "delete", "cleanup.policy of " + between);
            Harness.equal(Lib.setting(admin, between, "retention.ms"), "-1", "retention.ms of " + between);
            String changelog = Harness.name("app-" + Delays.STORE + "-changelog");
            List<String> policy = List.of(Lib.setting(admin, changelog, "cleanup.policy").split(","));
            Harness.check(policy.size() == 2 && policy.contains("compact") && policy.contains("delete"), "" + policy);
        }
    }

    /** What the records of the output say: for each key its number of flights, counted up one by one. */
    private static final class Output {
        private final Map<String, String> sums = new HashMap<>();
        private int count = 0;

        void take(ConsumerRecord<byte[], byte[]> record) {
            String key = Harness.text(record.key());
            String sum = Harness.text(record.value());
            String before = sums.put(key, sum);
            long expected = before == null ? 1 : flights(before) + 1;
            if (flights(sum) != expected) {
                throw new AssertionError(key + " goes from '" + before + "' to '" + sum + "' at " + record.partition()
                        + "/" + record.offset());
            }
            count++;
        }

        private static long flights(String sum) {
            return Long.parseLong(sum.split(" ")[0]);
        }

        void isExactly(Map<String, String> expected) {
            Harness.equal(count, FLIGHTS, "records of the output");
            Harness.equal(sums.size(), expected.size(), "sums");
            expected.forEach((key, sum) -> Harness.equal(sums.get(key), sum, key));
        }
    }

    /** An instance of the application in a process of its own, with a directory that outlives it. */
    private static final class Application {
        private static final int LINES_TOLD = 40;
        private final List<String> words;
        private final Path said;
        private Process process;

        Application(int number, String from, String to) throws Exception {
            String dir = Path.of(System.getenv("WORK_DIR"), "state-" + number).toString();
            said = Path.of(System.getenv("WORK_DIR"), "said-" + number);
            words = List.of(
                    "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx512m",
                    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", System.getProperty("java.class.path"),
                    "Streams", "application", Harness.name("app"), dir, from, to);
            start();
        }

        void start() throws Exception {
            process = new ProcessBuilder(words)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.appendTo(said.toFile()))
                    .start();
        }

        /** What it said last, for the report of a failure. */
        void tell() {
            try {
                List<String> lines = Files.readAllLines(said);
                lines.subList(Math.max(0, lines.size() - LINES_TOLD), lines.size()).forEach(System.out::println);
            } catch (java.io.IOException e) {
                System.out.println("nothing is known of what it said: " + e);
            }
        }

        /** kill -9. */
        void kill() {
            process.destroyForcibly();
            process.onExit().join();
        }

        void killAndStart() throws Exception {
            kill();
            start();
        }

        void isThere() {
            Harness.check(process.isAlive(), "an application has ended by itself");
        }
    }
}

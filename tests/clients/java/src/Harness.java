import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.Callable;

/** What the stories need: their surroundings, waiting for conditions, and asking the harness for a crash. */
final class Harness {
    static final String BOOTSTRAP = System.getenv("BOOTSTRAP");
    private static final String PREFIX = System.getenv("PREFIX");
    /** Past this a wait has failed. The harness has limits of its own; this one names what was waited for. */
    private static final long WAIT_MS = 40_000;
    private static final BufferedReader IN =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));

    private Harness() {}

    /** What a driver does when it is asked for a case. */
    interface Story {
        void tell() throws Exception;
    }

    /** Ends the process with 0 when the story was told to its end. */
    static void tell(Story story) {
        try {
            story.tell();
        } catch (Throwable e) {
            e.printStackTrace(System.out);
            System.out.flush();
            // Threads of the library must not keep a failed driver alive.
            Runtime.getRuntime().halt(1);
        }
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }

    /** A topic or group name of this case's own. */
    static String name(String part) {
        return PREFIX + part;
    }

    static void check(boolean condition, String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void equal(Object found, Object expected, String what) {
        boolean same = found instanceof byte[] a && expected instanceof byte[] b
                ? Arrays.equals(a, b)
                : Objects.equals(found, expected);
        if (!same) {
            throw new AssertionError(what + ": found " + shown(found) + ", expected " + shown(expected));
        }
    }

    private static String shown(Object value) {
        String text = value instanceof byte[] bytes ? Arrays.toString(bytes) : String.valueOf(value);
        return text.length() < 400 ? text : text.substring(0, 400) + "...";
    }

    /** Checks a condition until it holds. */
    static void waitUntil(String what, Callable<Boolean> condition) throws Exception {
        long end = System.nanoTime() + WAIT_MS * 1_000_000;
        while (!condition.call()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("timed out waiting until " + what);
            }
            Thread.sleep(10);
        }
    }

    /** kill -9 and a new start of the broker; returns when it answers again. */
    static void killBroker() throws IOException {
        wish("kill9");
    }

    /** Asks the harness for a service and returns when it is done. */
    static void wish(String service) throws IOException {
        System.out.println("@" + service);
        System.out.flush();
        equal(IN.readLine(), "ok", "the harness's answer");
    }

    /** The next wish of the harness; null when it has no more. */
    static String wish() throws IOException {
        return IN.readLine();
    }

    static byte[] bytes(String text) {
        return text == null ? null : text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
    }
}

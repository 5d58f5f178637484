import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.TopicPartition;

/**
 * A member in a process of its own, of a group whose other members another library has: it says what it gets, gives back and sees, a line each,
 * and leaves when nobody writes to it any more. Arguments: group, topic, and settings by pairs.
 */
public final class AssignedMember {
    private static final Set<String> TOLD = new HashSet<>();

    private AssignedMember() {}

    /** Says it all. */
    private static final class Aloud extends Attendant.Owners {
        @Override
        void take(TopicPartition partition, String member) {
            say("+" + partition.partition());
        }

        @Override
        void give(TopicPartition partition, String member) {
            say("-" + partition.partition());
        }
    }

    private static synchronized void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    public static void main(String[] args) throws Exception {
        Object[] settings = List.of(args).subList(2, args.length).toArray();
        Attendant member = new Attendant("java", args[0], new Aloud(), Attendant.topics(args[1]), settings);
        Thread speaker = new Thread(() -> tell(member.seen));
        speaker.setDaemon(true);
        speaker.start();
        waitForTheEnd();
        member.stop();
        // What came last was committed, and nobody else reads it again.
        tellNews(member.seen);
        say("left");
        System.exit(0);
    }

    private static void tell(Set<String> seen) {
        while (true) {
            tellNews(seen);
            try {
                Thread.sleep(50);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private static synchronized void tellNews(Set<String> seen) {
        List<String> news = new ArrayList<>(seen);
        news.removeAll(TOLD);
        news.forEach(value -> say("=" + value));
        TOLD.addAll(news);
    }

    private static void waitForTheEnd() throws IOException {
        while (System.in.read() != -1) {
            // Whatever is said to it means nothing.
        }
    }
}

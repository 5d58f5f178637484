import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.RecordMetadata;

/** Produces a numbered record every few milliseconds until it is stopped. */
final class Stream {
    private final KafkaProducer<byte[], byte[]> producer = Lib.producer();
    private final Set<String> sent = new HashSet<>();
    private final List<Future<RecordMetadata>> confirms = new ArrayList<>();
    private volatile boolean stopping = false;
    private final Thread thread;

    Stream(String topic, int partitions) {
        thread = new Thread(() -> run(topic, partitions));
        thread.setDaemon(true);
        thread.start();
    }

    private void run(String topic, int partitions) {
        while (!stopping) {
            String value = String.valueOf(sent.size());
            confirms.add(producer.send(Lib.record(topic, sent.size() % partitions, value)));
            sent.add(value);
            try {
                Thread.sleep(3);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    /** All that was sent, once all of it is confirmed. */
    Set<String> stop() throws Exception {
        stopping = true;
        thread.join();
        Lib.confirms(producer, confirms);
        producer.close();
        return sent;
    }
}

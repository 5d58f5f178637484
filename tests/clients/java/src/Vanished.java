import java.util.List;

/**
 * A process that another story stops in the middle of its work, so that nobody hears of its end: a member of a group, a producer in a
 * transaction, a consumer of a share group that has a record.
 */
public final class Vanished {
    private Vanished() {}

    public static void main(String[] args) throws Exception {
        String group = args[0];
        String topic = args[1];
        String inTransaction = args[2];
        String shareGroup = args[3];
        String shared = args[4];
        Attendant member = new Attendant("vanished", group, new Attendant.Owners(), Attendant.topics(topic));
        try (var sharer = Shares.consumer(shareGroup, "share.acknowledgement.mode", "explicit");
                var producer = Lib.producer(
                        "transactional.id", Harness.name("vanished"), "transaction.timeout.ms", 4_000)) {
            sharer.subscribe(List.of(shared));
            while (sharer.poll(java.time.Duration.ofMillis(300)).isEmpty()) {
                member.healthy();
            }
            producer.initTransactions();
            producer.beginTransaction();
            producer.send(Lib.record(inTransaction, 0, "never committed")).get();
            System.out.println("at work");
            System.out.flush();
            // It is stopped while it waits here, for longer than its transaction may last.
            System.in.read();
            try {
                producer.commitTransaction();
                System.out.println("committed");
            } catch (org.apache.kafka.common.KafkaException e) {
                System.out.println("refused " + e.getClass().getSimpleName());
            }
            System.out.flush();
        } finally {
            Runtime.getRuntime().halt(0);
        }
    }
}

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

/** The stories of tests/src/suites/assigned.rs with Kafka's own Java client. */
public final class Assigned {
    private static final String GROUP = Harness.name("group");

    private static Harness.Story story(String name) {
        return switch (name) {
            case "come-and-go" -> Assigned::comeAndGo;
            case "assignors" -> Assigned::assignors;
            case "static-bounce" -> Assigned::staticBounce;
            case "pattern" -> Assigned::pattern;
            case "dies" -> Assigned::dies;
            case "vanishes" -> Assigned::vanishes;
            case "over-crashes" -> Assigned::overCrashes;
            case "administration" -> Assigned::administration;
            case "migrates-eager" -> () -> migrates(RANGE, false);
            case "migrates-cooperative" -> () -> migrates(COOPERATIVE, false);
            case "migrates-over-crashes" -> () -> migrates(COOPERATIVE, true);
            case "migrates-static" -> Assigned::migratesStatic;
            case "unmigratable" -> Assigned::unmigratable;
            case "settings" -> Assigned::settings;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args[0]).tell());
    }

    /** Sends numbers to the partitions in turn, slowly, until it is told to stop. */
    private static final class Flow implements AutoCloseable {
        private final List<String> sent = new ArrayList<>();
        private volatile boolean stopping = false;
        private volatile Exception error;
        private final Thread thread;

        Flow(String topic, int partitions) {
            thread = new Thread(() -> run(topic, partitions));
            thread.start();
        }

        private void run(String topic, int partitions) {
            try (KafkaProducer<byte[], byte[]> producer = Lib.producer()) {
                for (int i = 0; !stopping; i++) {
                    String value = String.valueOf(i);
                    producer.send(Lib.record(topic, i % partitions, value)).get();
                    synchronized (sent) {
                        sent.add(value);
                    }
                    Thread.sleep(5);
                }
            } catch (Exception e) {
                error = e;
            }
        }

        /** Everything that was sent. */
        List<String> stop() throws Exception {
            stopping = true;
            thread.join();
            if (error != null) {
                throw error;
            }
            return sent;
        }

        @Override
        public void close() {
            stopping = true;
        }
    }

    private static void allSeen(List<String> sent, List<Attendant> members) throws Exception {
        Harness.waitUntil("every record is seen", () -> {
            Set<String> seen = new HashSet<>();
            for (Attendant member : members) {
                member.healthy();
                seen.addAll(member.seen);
            }
            return seen.containsAll(sent);
        });
    }

    /** Waits until these members share this many partitions, each having at least so many. */
    private static void settled(int partitions, int least, Attendant... members) throws Exception {
        Harness.waitUntil(partitions + " partitions are shared by " + members.length, () -> {
            Set<TopicPartition> all = new HashSet<>();
            int sum = 0;
            for (Attendant member : members) {
                member.healthy();
                if (member.assigned.size() < least) {
                    return false;
                }
                all.addAll(member.assigned);
                sum += member.assigned.size();
            }
            return sum == partitions && all.size() == partitions;
        });
    }

    private static void comeAndGo() throws Exception {
        String topic = Lib.topic("t", 8);
        Attendant.Owners owners = new Attendant.Owners();
        List<Attendant> ever = new ArrayList<>();
        try (Flow flow = new Flow(topic, 8)) {
            for (String name : List.of("a", "b", "c", "d")) {
                ever.add(new Attendant(name, GROUP, owners, Attendant.topics(topic)));
                int members = ever.size();
                settled(8, 8 / members, ever.toArray(Attendant[]::new));
            }
            ever.get(0).stop();
            settled(8, 2, ever.get(1), ever.get(2), ever.get(3));
            ever.get(2).stop();
            settled(8, 4, ever.get(1), ever.get(3));
            ever.add(new Attendant("e", GROUP, owners, Attendant.topics(topic)));
            settled(8, 2, ever.get(1), ever.get(3), ever.get(4));
            allSeen(flow.stop(), ever);
        }
        for (int left : new int[] {1, 3, 4}) {
            ever.get(left).stop();
        }
        owners.check();
    }

    private static void assignors() throws Exception {
        String one = Lib.topic("one", 4);
        String two = Lib.topic("two", 4);
        Attendant.Owners owners = new Attendant.Owners();
        Object[] range = {"group.remote.assignor", "range"};
        Attendant a = new Attendant("a", GROUP, owners, Attendant.topics(one, two), range);
        Attendant b = new Attendant("b", GROUP, owners, Attendant.topics(one, two), range);
        settled(8, 4, a, b);
        for (Attendant member : List.of(a, b)) {
            Map<String, Set<Integer>> numbers = member.assigned.stream().collect(Collectors.groupingBy(
                    TopicPartition::topic, Collectors.mapping(TopicPartition::partition, Collectors.toSet())));
            Harness.equal(numbers.get(one), numbers.get(two), "the numbers of both topics");
        }
        try (Admin admin = Lib.admin()) {
            Harness.equal(described(admin).partitionAssignor(), "range", "the assignor");
            a.stop();
            b.stop();
            a = new Attendant("a", GROUP, owners, Attendant.topics(one, two));
            b = new Attendant("b", GROUP, owners, Attendant.topics(one, two), "group.remote.assignor", "uniform");
            settled(8, 4, a, b);
            Harness.equal(described(admin).partitionAssignor(), "uniform", "the assignor");
        }
        Attendant wrong = new Attendant("c", GROUP, owners, Attendant.topics(one), "group.remote.assignor", "sticky");
        Harness.waitUntil("an assignor that there is not is an error",
                () -> wrong.failure() instanceof UnsupportedAssignorException);
        a.stop();
        b.stop();
        owners.check();
    }

    private static ConsumerGroupDescription described(Admin admin) throws Exception {
        return admin.describeConsumerGroups(List.of(GROUP)).describedGroups().get(GROUP).get();
    }

    private static void staticBounce() throws Exception {
        String topic = Lib.topic("t", 4);
        Attendant.Owners owners = new Attendant.Owners();
        Attendant other = new Attendant("other", GROUP, owners, Attendant.topics(topic));
        Attendant first = new Attendant("first", GROUP, owners, Attendant.topics(topic), "group.instance.id", "i");
        settled(4, 2, other, first);
        Attendant thief = new Attendant("thief", GROUP, owners, Attendant.topics(topic), "group.instance.id", "i");
        Harness.waitUntil("a name in use is refused",
                () -> thief.failure() instanceof UnreleasedInstanceIdException);
        Set<TopicPartition> had = Set.copyOf(first.assigned);
        int rebalances = other.rebalances;
        for (int bounce = 0; bounce < 3; bounce++) {
            first.stop();
            Attendant next = new Attendant("next", GROUP, owners, Attendant.topics(topic), "group.instance.id", "i");
            settled(4, 2, other, next);
            Harness.equal(Set.copyOf(next.assigned), had, "what the static member has");
            first = next;
        }
        // Longer than a heartbeat: who is to give back would know by now.
        Thread.sleep(6_000);
        Harness.equal(other.rebalances, rebalances, "what the other member heard of");
        first.stop();
        other.stop();
        owners.check();
    }

    private static void pattern() throws Exception {
        String prefix = Harness.name("logs");
        Lib.topic("logs-a", 2);
        Lib.topic("other", 2);
        SubscriptionPattern pattern = new SubscriptionPattern(prefix + "-[a-z]+");
        Attendant.Owners owners = new Attendant.Owners();
        Attendant a = new Attendant("a", GROUP, owners, s -> s.consumer().subscribe(pattern, s.listener()));
        settled(2, 2, a);
        Lib.topic("logs-1", 2);
        String later = Lib.topic("logs-later", 3);
        settled(5, 5, a);
        try (Admin admin = Lib.admin(); var producer = Lib.producer()) {
            producer.send(Lib.record(later, 2, "seen")).get();
            admin.createPartitions(Map.of(later, NewPartitions.increaseTo(4))).all().get();
            settled(6, 6, a);
            Harness.waitUntil("a record of the later topic is seen", () -> a.seen.contains("seen"));
            admin.deleteTopics(List.of(later)).all().get();
            settled(2, 2, a);
        }
        Attendant wrong = new Attendant("wrong", Harness.name("wrong"), owners,
                s -> s.consumer().subscribe(new SubscriptionPattern("(")));
        Harness.waitUntil("a wrong pattern is an error", () -> wrong.failure() instanceof InvalidRegularExpression);
        a.stop();
        owners.check();
    }

    private static void dies() throws Exception {
        String topic = Lib.topic("t", 4);
        Attendant.Owners owners = new Attendant.Owners();
        Attendant a = new Attendant("a", GROUP, owners, Attendant.topics(topic));
        // Another process, which can be killed.
        List<String> command = new ArrayList<>(List.of(
                ProcessHandle.current().info().command().orElse("java"),
                "-cp", System.getProperty("java.class.path"), "AssignedVictim", GROUP, topic));
        Process victim = new ProcessBuilder(command).redirectErrorStream(true).start();
        Harness.waitUntil("the victim has its half", () -> a.assigned.size() == 2);
        Thread.sleep(2_000);
        victim.destroyForcibly().waitFor();
        Thread.sleep(20_000);
        Harness.equal(a.assigned.size(), 2, "partitions while the victim's session lasts");
        Harness.waitUntil("all partitions are those of who is left", () -> a.assigned.size() == 4);
        a.stop();
        owners.check();
    }

    private static void vanishes() throws Exception {
        String topic = Lib.topic("t", 4);
        String inTransaction = Lib.topic("tx", 1);
        String shared = Lib.topic("shared", 1);
        String shareGroup = Shares.group("shares", "share.record.lock.duration.ms", "15000");
        try (var producer = Lib.producer()) {
            producer.send(Lib.record(shared, 0, "for one of them")).get();
        }
        Attendant.Owners owners = new Attendant.Owners();
        Attendant a = new Attendant("a", GROUP, owners, Attendant.topics(topic));
        Process vanished = new ProcessBuilder(
                        ProcessHandle.current().info().command().orElse("java"),
                        "-cp", System.getProperty("java.class.path"), "Vanished",
                        GROUP, topic, inTransaction, shareGroup, shared)
                .start();
        try (var said = new java.io.BufferedReader(new java.io.InputStreamReader(vanished.getInputStream()))) {
            Harness.waitUntil("the other has its half", () -> a.assigned.size() == 2);
            Harness.equal(said.readLine(), "at work", "what it says");
            // Its sockets stay open, and nothing comes over them any more.
            signal(vanished, "STOP");
            try (var producer = Lib.producer();
                    var reader = Lib.consumer("isolation.level", "read_committed")) {
                TopicPartition at = new TopicPartition(inTransaction, 0);
                producer.send(Lib.record(inTransaction, 0, "behind")).get();
                reader.assign(List.of(at));
                reader.seekToBeginning(List.of(at));
                List<String> values = new ArrayList<>();
                Harness.waitUntil("its transaction is aborted", () -> {
                    Lib.poll(reader).forEach(r -> values.add(Harness.text(r.value())));
                    return !values.isEmpty();
                });
                Harness.equal(values, List.of("behind"), "committed values");
            }
            try (var sharer = Shares.consumer(shareGroup, "share.acknowledgement.mode", "implicit")) {
                sharer.subscribe(List.of(shared));
                List<Integer> counts = new ArrayList<>();
                Harness.waitUntil("its record comes to somebody else", () -> {
                    sharer.poll(java.time.Duration.ofMillis(300))
                            .forEach(r -> counts.add((int) r.deliveryCount().get()));
                    return !counts.isEmpty();
                });
                Harness.equal(counts, List.of(2), "delivery counts");
            }
            Harness.waitUntil("its partitions are those of who is left", () -> a.assigned.size() == 4);
            signal(vanished, "CONT");
            vanished.getOutputStream().write('\n');
            vanished.getOutputStream().flush();
            String last = said.readLine();
            Harness.check(last != null && last.startsWith("refused "), "its transaction ended with: " + last);
            System.out.println(last);
        } finally {
            vanished.destroyForcibly();
        }
        a.stop();
        owners.check();
    }

    private static void signal(Process process, String signal) throws Exception {
        Harness.equal(new ProcessBuilder("kill", "-" + signal, String.valueOf(process.pid())).start().waitFor(), 0, "kill");
    }

    private static void overCrashes() throws Exception {
        String topic = Lib.topic("t", 6);
        Attendant.Owners owners = new Attendant.Owners();
        List<Attendant> members = new ArrayList<>();
        for (String name : List.of("a", "b", "c")) {
            members.add(new Attendant(name, GROUP, owners, Attendant.topics(topic)));
        }
        Attendant[] three = members.toArray(Attendant[]::new);
        settled(6, 2, three);
        try (Flow flow = new Flow(topic, 6)) {
            List<Set<TopicPartition>> had = Arrays.stream(three).map(m -> Set.copyOf(m.assigned)).toList();
            Harness.killBroker();
            Thread.sleep(8_000);
            for (int i = 0; i < 3; i++) {
                Harness.equal(Set.copyOf(three[i].assigned), had.get(i), "what a member has after a crash");
            }
            // One comes in the middle of the next crash.
            members.add(new Attendant("d", GROUP, owners, Attendant.topics(topic)));
            Harness.killBroker();
            settled(6, 1, members.toArray(Attendant[]::new));
            allSeen(flow.stop(), members);
        }
        for (Attendant member : members) {
            member.stop();
        }
        owners.check();
    }

    private static void administration() throws Exception {
        String topic = Lib.topic("t", 2);
        Attendant.Owners owners = new Attendant.Owners();
        Attendant a = new Attendant("a", GROUP, owners, Attendant.topics(topic), "client.id", "client-a");
        settled(2, 2, a);
        try (Admin admin = Lib.admin(); var producer = Lib.producer()) {
            Harness.waitUntil("the group is stable", () -> described(admin).groupState() == GroupState.STABLE);
            ConsumerGroupDescription group = described(admin);
            Harness.equal(group.type(), GroupType.CONSUMER, "the type");
            Harness.equal(group.members().size(), 1, "members");
            var member = group.members().iterator().next();
            Harness.equal(member.clientId(), "client-a", "the client");
            Harness.equal(member.assignment().topicPartitions(), Set.copyOf(a.assigned), "the assignment");
            Harness.equal(member.targetAssignment().get().topicPartitions(), Set.copyOf(a.assigned), "the target");
            var consumers = admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CONSUMER))).all().get();
            Harness.check(consumers.stream().anyMatch(g -> g.groupId().equals(GROUP)), "the group is listed");
            var classic = admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.CLASSIC))).all().get();
            Harness.check(classic.stream().noneMatch(g -> g.groupId().equals(GROUP)), "it is listed as another");
            producer.send(Lib.record(topic, 0, "one")).get();
            TopicPartition at = new TopicPartition(topic, 0);
            Harness.waitUntil("the offset is committed", () -> {
                OffsetAndMetadata offset =
                        admin.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata().get().get(at);
                return offset != null && offset.offset() == 1;
            });
            refused(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(GROUP)).all().get());
            a.stop();
            Harness.equal(described(admin).groupState(), GroupState.EMPTY, "the state");
            // Without members the group takes whichever protocol comes.
            Member classicOne = new Member(GROUP, topic);
            Harness.waitUntil("the classic member has all", () -> classicOne.assigned.size() == 2);
            Harness.equal(described(admin).type(), GroupType.CLASSIC, "the type");
            classicOne.stop();
            admin.deleteConsumerGroups(List.of(GROUP)).all().get();
        }
        owners.check();
    }

    /** A classic member, of an assignor that gives up everything first, and of one that does not. */
    private static final Object[] RANGE = {
        "group.protocol", "classic", "session.timeout.ms", 10_000, "heartbeat.interval.ms", 1_000,
        "partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor"};
    private static final Object[] COOPERATIVE = {
        "group.protocol", "classic", "session.timeout.ms", 10_000, "heartbeat.interval.ms", 1_000,
        "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"};

    /** Classic members are replaced one by one by native ones while records flow, and these by classic ones. */
    private static void migrates(Object[] classic, boolean crashes) throws Exception {
        String topic = Lib.topic("t", 6);
        Attendant.Owners owners = new Attendant.Owners();
        List<Attendant> ever = new ArrayList<>();
        List<Attendant> now = new ArrayList<>();
        try (Flow flow = new Flow(topic, 6); Admin admin = Lib.admin()) {
            for (int i = 0; i < 3; i++) {
                now.add(new Attendant("classic-" + i, GROUP, owners, Attendant.topics(topic), classic));
            }
            ever.addAll(now);
            settled(6, 2, now.toArray(Attendant[]::new));
            Harness.equal(described(admin).type(), GroupType.CLASSIC, "the type before");
            for (int i = 0; i < 3; i++) {
                now.get(i).stop();
                now.set(i, new Attendant("native-" + i, GROUP, owners, Attendant.topics(topic)));
                ever.add(now.get(i));
                if (crashes && i == 1) {
                    Harness.killBroker();
                }
                settled(6, 2, now.toArray(Attendant[]::new));
                Harness.equal(described(admin).type(), GroupType.CONSUMER, "the type upwards");
                long natives = described(admin).members().stream().filter(m -> m.upgraded().orElse(false)).count();
                Harness.equal(natives, i + 1L, "native members");
            }
            for (int i = 0; i < 3; i++) {
                now.get(i).stop();
                now.set(i, new Attendant("again-" + i, GROUP, owners, Attendant.topics(topic), classic));
                ever.add(now.get(i));
                if (crashes && i == 1) {
                    Harness.killBroker();
                }
                settled(6, 2, now.toArray(Attendant[]::new));
                GroupType type = i < 2 ? GroupType.CONSUMER : GroupType.CLASSIC;
                Harness.equal(described(admin).type(), type, "the type downwards");
            }
            allSeen(flow.stop(), ever);
        }
        for (Attendant member : now) {
            member.stop();
        }
        owners.check();
    }

    /** Static members change their protocol under their names: nobody else hears of it. */
    private static void migratesStatic() throws Exception {
        String topic = Lib.topic("t", 4);
        Attendant.Owners owners = new Attendant.Owners();
        Attendant[] two = new Attendant[2];
        for (int i = 0; i < 2; i++) {
            two[i] = new Attendant("classic-" + i, GROUP, owners, Attendant.topics(topic), named(i, COOPERATIVE));
        }
        settled(4, 2, two);
        try (Admin admin = Lib.admin()) {
            for (int i = 0; i < 2; i++) {
                Set<TopicPartition> had = Set.copyOf(two[i].assigned);
                two[i].stop();
                two[i] = new Attendant("native-" + i, GROUP, owners, Attendant.topics(topic), named(i));
                settled(4, 2, two);
                Harness.equal(Set.copyOf(two[i].assigned), had, "what the static member has");
            }
            Harness.equal(described(admin).type(), GroupType.CONSUMER, "the type");
            for (int i = 0; i < 2; i++) {
                two[i].stop();
                two[i] = new Attendant("again-" + i, GROUP, owners, Attendant.topics(topic), named(i, COOPERATIVE));
                settled(4, 2, two);
            }
            Harness.equal(described(admin).type(), GroupType.CLASSIC, "the type");
        }
        for (Attendant member : two) {
            member.stop();
        }
        owners.check();
    }

    private static Object[] named(int number, Object... settings) {
        List<Object> all = new ArrayList<>(List.of(settings));
        all.addAll(List.of("group.instance.id", "i" + number));
        return all.toArray();
    }

    /** An assignor that says something of its own to its members: no broker could assign for it. */
    public static final class Chatty extends org.apache.kafka.clients.consumer.RoundRobinAssignor {
        @Override
        public String name() {
            return "chatty";
        }

        @Override
        public GroupAssignment assign(org.apache.kafka.common.Cluster cluster, GroupSubscription subscriptions) {
            GroupAssignment plain = super.assign(cluster, subscriptions);
            Map<String, Assignment> chatty = new java.util.HashMap<>();
            plain.groupAssignment().forEach((member, share) -> chatty.put(member,
                    new Assignment(share.partitions(), java.nio.ByteBuffer.wrap(new byte[] {1}))));
            return new GroupAssignment(chatty);
        }
    }

    private static void unmigratable() throws Exception {
        String topic = Lib.topic("t", 2);
        Attendant.Owners owners = new Attendant.Owners();
        Attendant classic = new Attendant("classic", GROUP, owners, Attendant.topics(topic),
                "group.protocol", "classic", "partition.assignment.strategy", Chatty.class.getName());
        settled(2, 2, classic);
        Attendant refused = new Attendant("refused", GROUP, owners, Attendant.topics(topic));
        Harness.waitUntil("a group that no broker can assign for is not found",
                () -> refused.failure() instanceof GroupIdNotFoundException);
        Thread.sleep(4_000);
        Harness.equal(classic.assigned.size(), 2, "what the classic member has");
        classic.stop();
        owners.check();
    }

    private static void settings() throws Exception {
        ConfigResource group = new ConfigResource(ConfigResource.Type.GROUP, GROUP);
        try (Admin admin = Lib.admin()) {
            for (String[] wrong : new String[][] {
                    {"consumer.session.timeout.ms", "44999"}, {"consumer.heartbeat.interval.ms", "15001"}}) {
                refused(InvalidConfigurationException.class,
                        () -> set(admin, group, new ConfigEntry(wrong[0], wrong[1])));
            }
            set(admin, group, new ConfigEntry("consumer.session.timeout.ms", "50000"));
            set(admin, group, new ConfigEntry("consumer.heartbeat.interval.ms", "6000"));
            Config config = admin.describeConfigs(List.of(group)).all().get().get(group);
            Harness.equal(config.get("consumer.session.timeout.ms").value(), "50000", "the session timeout");
            Harness.equal(config.get("consumer.heartbeat.interval.ms").value(), "6000", "the heartbeat interval");
        }
    }

    private static void set(Admin admin, ConfigResource resource, ConfigEntry entry) throws Exception {
        AlterConfigOp op = new AlterConfigOp(entry, AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(op))).all().get();
    }

    /** What is to fail with this. */
    private interface Attempt {
        void make() throws Exception;
    }

    private static void refused(Class<? extends Throwable> expected, Attempt attempt) throws Exception {
        try {
            attempt.make();
        } catch (ExecutionException e) {
            Harness.check(expected.isInstance(e.getCause()), "refused with " + e.getCause());
            return;
        }
        throw new AssertionError("not refused with " + expected);
    }
}

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.errors.ClusterAuthorizationException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Rules of access, and clients that are held to them. Who comes to BOOTSTRAP may do everything, alice comes to SASL. */
public final class Acls {
    private static final String CLUSTER = "kafka-cluster";
    private static final String TOPIC = Harness.name("orders");
    private static final String OTHER = Harness.name("others");
    private static final String GROUP = Harness.name("readers");
    private static final Admin ADMIN = Admin.create(Map.of("bootstrap.servers", Harness.BOOTSTRAP));

    private Acls() {}

    private static Harness.Story story(String name) {
        return switch (name) {
            case "rules" -> Acls::rules;
            case "admin" -> Acls::admin;
            case "producers" -> Acls::producers;
            case "consumers" -> Acls::consumers;
            case "transactions" -> Acls::transactions;
            case "revoked-while-connected" -> Acls::revoked;
            case "rules-after-a-crash" -> Acls::afterACrash;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args[0]).tell());
    }

    private static AclBinding rule(
            ResourceType type, String name, PatternType pattern, String host, AclOperation operation, boolean allowed) {
        AclPermissionType permission = allowed ? AclPermissionType.ALLOW : AclPermissionType.DENY;
        return new AclBinding(
                new ResourcePattern(type, name, pattern),
                new AccessControlEntry("User:alice", host, operation, permission));
    }

    private static AclBinding allow(ResourceType type, String name, AclOperation operation) {
        return rule(type, name, PatternType.LITERAL, "*", operation, true);
    }

    private static AclBinding deny(ResourceType type, String name, AclOperation operation) {
        return rule(type, name, PatternType.LITERAL, "*", operation, false);
    }

    private static void add(AclBinding... rules) throws Exception {
        ADMIN.createAcls(List.of(rules)).all().get();
    }

    private static Collection<AclBinding> remove(AclBinding... rules) throws Exception {
        List<AclBindingFilter> filters = new ArrayList<>();
        for (AclBinding rule : rules) {
            filters.add(rule.toFilter());
        }
        return ADMIN.deleteAcls(filters).all().get();
    }

    private static Set<AclBinding> shown(AclBindingFilter filter) throws Exception {
        return Set.copyOf(ADMIN.describeAcls(filter).values().get());
    }

    private static AclBindingFilter about(ResourceType type, String name, PatternType pattern) {
        return new AclBindingFilter(new ResourcePatternFilter(type, name, pattern), AccessControlEntryFilter.ANY);
    }

    /** The settings of a client that is alice. */
    private static Map<String, Object> alice() {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", System.getenv("SASL"));
        settings.put("security.protocol", "SASL_PLAINTEXT");
        settings.put("sasl.mechanism", "SCRAM-SHA-256");
        settings.put(
                "sasl.jaas.config",
                "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"alice\" password=\"a secret\";");
        settings.put("default.api.timeout.ms", 20_000);
        settings.put("request.timeout.ms", 10_000);
        return settings;
    }

    private static void begin() throws Exception {
        var info = new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096);
        ADMIN.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("alice", info, "a secret"))).all().get();
        ADMIN.createTopics(List.of(new NewTopic(TOPIC, 1, (short) 1), new NewTopic(OTHER, 1, (short) 1))).all().get();
    }

    private static void refused(KafkaFuture<?> future, Class<?> error, String what) throws Exception {
        try {
            future.get();
        } catch (ExecutionException e) {
            Harness.check(error.isInstance(e.getCause()), what + " is refused with " + e.getCause());
            return;
        }
        throw new AssertionError(what + " is not refused");
    }

    private interface Doing {
        void run() throws Exception;
    }

    private static void refused(Doing doing, Class<?> error, String what) throws Exception {
        try {
            doing.run();
        } catch (Exception e) {
            Throwable why = e instanceof ExecutionException ? e.getCause() : e;
            boolean found = error.isInstance(why) || error.isInstance(why.getCause());
            Harness.check(found, what + " is refused with " + why);
            return;
        }
        throw new AssertionError(what + " is not refused");
    }

    private static void rules() throws Exception {
        AclBinding literal = allow(ResourceType.TOPIC, "a", AclOperation.READ);
        AclBinding prefixed =
                rule(ResourceType.TOPIC, "a", PatternType.PREFIXED, "10.0.0.1", AclOperation.WRITE, false);
        AclBinding every = allow(ResourceType.TOPIC, "*", AclOperation.ALL);
        AclBinding group = allow(ResourceType.GROUP, "g", AclOperation.READ);
        AclBinding id = allow(ResourceType.TRANSACTIONAL_ID, "t", AclOperation.DESCRIBE);
        AclBinding cluster = allow(ResourceType.CLUSTER, CLUSTER, AclOperation.ALTER);
        AclBinding token = allow(ResourceType.DELEGATION_TOKEN, "d", AclOperation.DESCRIBE);
        AclBinding user = allow(ResourceType.USER, "User:bob", AclOperation.CREATE_TOKENS);
        Set<AclBinding> all = Set.of(literal, prefixed, every, group, id, cluster, token, user);
        add(all.toArray(AclBinding[]::new));
        add(literal);
        Harness.equal(shown(AclBindingFilter.ANY), all, "all rules");
        Harness.equal(shown(about(ResourceType.TOPIC, "a", PatternType.ANY)), Set.of(literal, prefixed), "by name");
        Harness.equal(
                shown(about(ResourceType.TOPIC, "ab", PatternType.MATCH)), Set.of(prefixed, every), "about a name");
        Harness.equal(shown(about(ResourceType.TOPIC, "a", PatternType.LITERAL)), Set.of(literal), "this one");
        Harness.equal(shown(about(ResourceType.ANY, "g", PatternType.ANY)), Set.of(group), "of any type");
        var denied = new AccessControlEntryFilter(null, null, AclOperation.ANY, AclPermissionType.DENY);
        Harness.equal(shown(new AclBindingFilter(ResourcePatternFilter.ANY, denied)), Set.of(prefixed), "that deny");
        var bobs = new AccessControlEntryFilter("User:bob", null, AclOperation.ANY, AclPermissionType.ANY);
        Harness.equal(shown(new AclBindingFilter(ResourcePatternFilter.ANY, bobs)), Set.of(), "bob's");
        AclBinding wrong = allow(ResourceType.CLUSTER, "another", AclOperation.ALTER);
        refused(ADMIN.createAcls(List.of(wrong)).all(), InvalidRequestException.class, "a cluster of another name");
        AclBinding nobody = new AclBinding(
                new ResourcePattern(ResourceType.TOPIC, "a", PatternType.LITERAL),
                new AccessControlEntry("alice", "*", AclOperation.READ, AclPermissionType.ALLOW));
        var mixed = ADMIN.createAcls(List.of(nobody, allow(ResourceType.TOPIC, "m", AclOperation.READ)));
        refused(mixed.values().get(nobody), InvalidRequestException.class, "a principal without a kind");
        mixed.values().get(allow(ResourceType.TOPIC, "m", AclOperation.READ)).get();
        var gone = ADMIN.deleteAcls(List.of(about(ResourceType.TOPIC, "ab", PatternType.MATCH))).all().get();
        Harness.equal(Set.copyOf(gone), Set.of(prefixed, every), "what was removed");
        ADMIN.deleteAcls(List.of(AclBindingFilter.ANY)).all().get();
        Harness.equal(shown(AclBindingFilter.ANY), Set.of(), "rules in the end");
    }

    private static void admin() throws Exception {
        begin();
        try (Admin alice = Admin.create(alice())) {
            refused(
                    alice.createTopics(List.of(new NewTopic(Harness.name("new"), 1, (short) 1))).all(),
                    TopicAuthorizationException.class,
                    "a new topic");
            refused(alice.describeTopics(List.of(TOPIC)).allTopicNames(), TopicAuthorizationException.class, "a topic");
            refused(alice.deleteTopics(List.of(TOPIC)).all(), TopicAuthorizationException.class, "a topic's end");
            refused(alice.describeAcls(AclBindingFilter.ANY).values(), ClusterAuthorizationException.class, "rules");
            AclBinding more = allow(ResourceType.CLUSTER, CLUSTER, AclOperation.ALL);
            refused(alice.createAcls(List.of(more)).all(), ClusterAuthorizationException.class, "a rule of her own");
            refused(
                    alice.deleteAcls(List.of(AclBindingFilter.ANY)).all(),
                    ClusterAuthorizationException.class,
                    "the end of rules");
            refused(alice.describeUserScramCredentials().all(), ClusterAuthorizationException.class, "users");
            refused(
                    alice.describeConsumerGroups(List.of(GROUP)).all(), GroupAuthorizationException.class, "a group");
            refused(
                    alice.listConsumerGroupOffsets(GROUP).partitionsToOffsetAndMetadata(),
                    GroupAuthorizationException.class,
                    "a group's offsets");
            Harness.equal(alice.listTopics().names().get(), Set.of(), "the topics that she sees");
            Harness.check(!alice.describeCluster().nodes().get().isEmpty(), "everybody may know the nodes");

            add(allow(ResourceType.TOPIC, TOPIC, AclOperation.DESCRIBE), allow(ResourceType.TOPIC, TOPIC, AclOperation.ALTER_CONFIGS));
            Harness.equal(alice.listTopics().names().get(), Set.of(TOPIC), "the topics that she sees now");
            var options = new DescribeTopicsOptions().includeAuthorizedOperations(true);
            var described = alice.describeTopics(List.of(TOPIC), options).allTopicNames().get().get(TOPIC);
            Harness.equal(
                    described.authorizedOperations(),
                    Set.of(AclOperation.DESCRIBE, AclOperation.ALTER_CONFIGS, AclOperation.DESCRIBE_CONFIGS),
                    "what she may do");
            String own = Harness.name("own.");
            add(rule(ResourceType.TOPIC, own, PatternType.PREFIXED, "*", AclOperation.CREATE, true));
            alice.createTopics(List.of(new NewTopic(own + "1", 1, (short) 1))).all().get();
            refused(
                    alice.createTopics(List.of(new NewTopic(Harness.name("new"), 1, (short) 1))).all(),
                    TopicAuthorizationException.class,
                    "a topic that is not hers");
            add(rule(ResourceType.TOPIC, own, PatternType.PREFIXED, "*", AclOperation.DELETE, true));
            alice.deleteTopics(List.of(own + "1")).all().get();
            add(allow(ResourceType.CLUSTER, CLUSTER, AclOperation.DESCRIBE));
            Harness.check(!alice.describeAcls(AclBindingFilter.ANY).values().get().isEmpty(), "rules can be seen");
            refused(alice.createAcls(List.of(more)).all(), ClusterAuthorizationException.class, "and not be made");
        }
    }

    private static KafkaProducer<String, String> producer(Map<String, Object> more) {
        Map<String, Object> settings = alice();
        settings.remove("default.api.timeout.ms");
        settings.put("max.block.ms", 20_000);
        settings.putAll(more);
        var serializer = new StringSerializer();
        return new KafkaProducer<>(settings, serializer, serializer);
    }

    private static void send(KafkaProducer<String, String> producer, String topic, String value) throws Exception {
        producer.send(new ProducerRecord<>(topic, value)).get();
    }

    private static void producers() throws Exception {
        begin();
        Map<String, Object> plain = Map.of("enable.idempotence", false);
        try (var producer = producer(plain)) {
            refused(() -> send(producer, TOPIC, "a"), TopicAuthorizationException.class, "a topic that is not seen");
        }
        try (var producer = producer(Map.of())) {
            add(allow(ResourceType.TOPIC, TOPIC, AclOperation.DESCRIBE));
            refused(() -> send(producer, TOPIC, "b"), ClusterAuthorizationException.class, "an id for a producer");
        }
        try (var producer = producer(plain)) {
            refused(() -> send(producer, TOPIC, "c"), TopicAuthorizationException.class, "a write");
            add(allow(ResourceType.TOPIC, TOPIC, AclOperation.WRITE));
            send(producer, TOPIC, "d");
        }
        // Who may write to some topic may have an id.
        try (var producer = producer(Map.of())) {
            send(producer, TOPIC, "e");
            refused(() -> send(producer, OTHER, "f"), TopicAuthorizationException.class, "another topic");
            send(producer, TOPIC, "g");
        }
        add(deny(ResourceType.TOPIC, TOPIC, AclOperation.WRITE));
        try (var producer = producer(plain)) {
            refused(() -> send(producer, TOPIC, "h"), TopicAuthorizationException.class, "what is denied and allowed");
        }
        remove(deny(ResourceType.TOPIC, TOPIC, AclOperation.WRITE));
        add(rule(ResourceType.TOPIC, TOPIC, PatternType.LITERAL, "127.0.0.1", AclOperation.WRITE, false));
        try (var producer = producer(plain)) {
            refused(() -> send(producer, TOPIC, "i"), TopicAuthorizationException.class, "from this address");
        }
        Harness.equal(values(), new TreeSet<>(Set.of("d", "e", "g")), "what was written");
    }

    /** All values of the topic. */
    private static Set<String> values() {
        Map<String, Object> settings = Map.of("bootstrap.servers", Harness.BOOTSTRAP);
        var deserializer = new StringDeserializer();
        Set<String> values = new TreeSet<>();
        try (var consumer = new KafkaConsumer<>(settings, deserializer, deserializer)) {
            var partition = new TopicPartition(TOPIC, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            long end = consumer.endOffsets(List.of(partition)).get(partition);
            while (consumer.position(partition) < end) {
                consumer.poll(Duration.ofMillis(200)).forEach(record -> values.add(record.value()));
            }
        }
        return values;
    }

    private static KafkaConsumer<String, String> consumer() {
        Map<String, Object> settings = alice();
        settings.put("group.id", GROUP);
        settings.put("auto.offset.reset", "earliest");
        var deserializer = new StringDeserializer();
        return new KafkaConsumer<>(settings, deserializer, deserializer);
    }

    private static void reads(KafkaConsumer<String, String> consumer, String value) throws Exception {
        Harness.waitUntil(value + " is read", () -> {
            for (var record : consumer.poll(Duration.ofMillis(200))) {
                if (record.value().equals(value)) {
                    return true;
                }
            }
            return false;
        });
    }

    /** Polls until it fails. */
    private static void failsToPoll(KafkaConsumer<String, String> consumer, Class<?> error, String what) throws Exception {
        Harness.waitUntil(what + " is refused", () -> {
            try {
                consumer.poll(Duration.ofMillis(200));
                return false;
            } catch (RuntimeException e) {
                Harness.check(error.isInstance(e), what + " is refused with " + e);
                return true;
            }
        });
    }

    private static void write(String value) throws Exception {
        var serializer = new StringSerializer();
        Map<String, Object> settings = Map.of("bootstrap.servers", Harness.BOOTSTRAP);
        try (var producer = new KafkaProducer<>(settings, serializer, serializer)) {
            producer.send(new ProducerRecord<>(TOPIC, value)).get();
        }
    }

    private static void consumers() throws Exception {
        begin();
        write("a");
        add(allow(ResourceType.TOPIC, TOPIC, AclOperation.READ));
        try (var consumer = consumer()) {
            consumer.subscribe(List.of(TOPIC));
            failsToPoll(consumer, GroupAuthorizationException.class, "the group");
        }
        add(allow(ResourceType.GROUP, GROUP, AclOperation.READ));
        try (var consumer = consumer()) {
            consumer.subscribe(List.of(TOPIC));
            reads(consumer, "a");
            consumer.commitSync();
        }
        remove(allow(ResourceType.TOPIC, TOPIC, AclOperation.READ));
        try (var consumer = consumer()) {
            consumer.subscribe(List.of(TOPIC));
            failsToPoll(consumer, TopicAuthorizationException.class, "the topic");
        }
        add(allow(ResourceType.TOPIC, TOPIC, AclOperation.DESCRIBE));
        try (var consumer = consumer()) {
            var partition = new TopicPartition(TOPIC, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            failsToPoll(consumer, TopicAuthorizationException.class, "a fetch");
        }
    }

    private static void transactions() throws Exception {
        begin();
        String id = Harness.name("copier");
        Map<String, Object> transactional = Map.of("transactional.id", id);
        add(allow(ResourceType.TOPIC, TOPIC, AclOperation.WRITE));
        try (var producer = producer(transactional)) {
            refused(producer::initTransactions, TransactionalIdAuthorizationException.class, "a transactional id");
        }
        add(allow(ResourceType.TRANSACTIONAL_ID, id, AclOperation.WRITE));
        try (var producer = producer(transactional)) {
            producer.initTransactions();
            producer.beginTransaction();
            send(producer, TOPIC, "a");
            producer.commitTransaction();
            producer.beginTransaction();
            refused(() -> send(producer, OTHER, "b"), TopicAuthorizationException.class, "another topic");
            producer.abortTransaction();
            producer.beginTransaction();
            var offsets = Map.of(
                    new TopicPartition(TOPIC, 0), new org.apache.kafka.clients.consumer.OffsetAndMetadata(1));
            var group = new org.apache.kafka.clients.consumer.ConsumerGroupMetadata(GROUP);
            refused(
                    () -> {
                        producer.sendOffsetsToTransaction(offsets, group);
                        producer.commitTransaction();
                    },
                    GroupAuthorizationException.class,
                    "a group's offsets");
        }
        Harness.equal(values(), Set.of("a"), "what was written");
    }

    private static void revoked() throws Exception {
        begin();
        AclBinding write = allow(ResourceType.TOPIC, TOPIC, AclOperation.WRITE);
        AclBinding read = allow(ResourceType.TOPIC, TOPIC, AclOperation.READ);
        add(write, read, allow(ResourceType.GROUP, GROUP, AclOperation.READ));
        try (var producer = producer(Map.of("enable.idempotence", false)); var consumer = consumer()) {
            consumer.subscribe(List.of(TOPIC));
            for (int time = 0; time < 3; time++) {
                send(producer, TOPIC, "before " + time);
                reads(consumer, "before " + time);
                remove(write);
                refused(() -> send(producer, TOPIC, "no"), TopicAuthorizationException.class, "a write after all");
                remove(read);
                failsToPoll(consumer, TopicAuthorizationException.class, "a read after all");
                add(write, read);
            }
        }
        Harness.equal(values(), Set.of("before 0", "before 1", "before 2"), "what was written");
    }

    private static void afterACrash() throws Exception {
        begin();
        AclBinding write = allow(ResourceType.TOPIC, TOPIC, AclOperation.WRITE);
        AclBinding denied = deny(ResourceType.TOPIC, OTHER, AclOperation.ALL);
        add(write, denied);
        for (int time = 0; time < 5; time++) {
            AclBinding more = allow(ResourceType.GROUP, GROUP + time, AclOperation.READ);
            add(more);
            Harness.killBroker();
            Set<AclBinding> expected = new java.util.HashSet<>(Set.of(write, denied));
            for (int before = 0; before <= time; before++) {
                expected.add(allow(ResourceType.GROUP, GROUP + before, AclOperation.READ));
            }
            Harness.equal(shown(AclBindingFilter.ANY), expected, "rules after a crash");
            try (var producer = producer(Map.of("enable.idempotence", false))) {
                refused(() -> send(producer, OTHER, "no"), TopicAuthorizationException.class, "what was denied");
                send(producer, TOPIC, "after " + time);
            }
        }
        remove(denied);
        Harness.killBroker();
        Harness.check(!shown(AclBindingFilter.ANY).contains(denied), "what was removed stays so");
    }
}

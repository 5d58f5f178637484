import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialAlteration;
import org.apache.kafka.clients.admin.UserScramCredentialDeletion;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.clients.admin.UserScramCredentialsDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.DuplicateResourceException;
import org.apache.kafka.common.errors.ResourceNotFoundException;
import org.apache.kafka.common.errors.SaslAuthenticationException;
import org.apache.kafka.common.errors.SslAuthenticationException;
import org.apache.kafka.common.errors.UnacceptableCredentialException;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Users, and clients that have to say who they are. */
public final class Logins {
    private static final Path DIR = Path.of(System.getenv("WORK_DIR"));

    private Logins() {}

    private static Harness.Story story(String name) {
        return switch (name) {
            case "login" -> Logins::login;
            case "crash" -> Logins::crash;
            case "certificate" -> Logins::certificate;
            case "renewed" -> Logins::renewed;
            case "scram" -> Logins::scram;
            case "users" -> Logins::users;
            case "quota-of-a-user" -> Logins::quota;
            default -> throw new IllegalArgumentException("no story " + name);
        };
    }

    public static void main(String[] args) {
        Harness.tell(() -> story(args[0]).tell());
    }

    /** Settings of a client that goes to one of the listeners and says who it is. */
    private static Map<String, Object> as(
            String listener, String protocol, String mechanism, String user, String password) {
        String module = mechanism.equals("PLAIN")
                ? "org.apache.kafka.common.security.plain.PlainLoginModule"
                : "org.apache.kafka.common.security.scram.ScramLoginModule";
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", System.getenv(listener));
        settings.put("security.protocol", protocol);
        settings.put("sasl.mechanism", mechanism);
        settings.put(
                "sasl.jaas.config",
                module + " required username=\"" + user + "\" password=\"" + password + "\";");
        trust(settings, "authority");
        return settings;
    }

    /** Settings of a client of which nothing more is asked than that it trusts the broker's certificate. */
    private static Map<String, Object> encrypted(String authority) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", System.getenv("TLS"));
        settings.put("security.protocol", "SSL");
        trust(settings, authority);
        return settings;
    }

    private static void trust(Map<String, Object> settings, String authority) {
        settings.put("default.api.timeout.ms", 20_000);
        settings.put("request.timeout.ms", 10_000);
        settings.put("ssl.truststore.type", "PEM");
        settings.put("ssl.truststore.location", DIR.resolve(authority + ".pem").toString());
    }

    private static void alter(UserScramCredentialAlteration... changes) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", Harness.BOOTSTRAP))) {
            admin.alterUserScramCredentials(List.of(changes)).all().get();
        }
    }

    private static UserScramCredentialUpsertion password(String user, ScramMechanism mechanism, String password) {
        return new UserScramCredentialUpsertion(user, new ScramCredentialInfo(mechanism, 4096), password);
    }

    /** The future fails with an error of this class. */
    private static void refused(KafkaFuture<?> future, Class<?> error, String what) throws Exception {
        try {
            future.get();
        } catch (ExecutionException e) {
            Harness.check(error.isInstance(e.getCause()), what + " is refused with " + e.getCause());
            return;
        }
        throw new AssertionError(what + " is not refused");
    }

    private static void refused(Map<String, Object> settings, Class<?> error, String what) throws Exception {
        try (Admin admin = Admin.create(settings)) {
            refused(admin.describeCluster().clusterId(), error, what);
        }
    }

    private static KafkaProducer<String, String> producer(Map<String, Object> settings) {
        Map<String, Object> producing = new HashMap<>(settings);
        producing.remove("default.api.timeout.ms");
        producing.put("max.block.ms", 20_000);
        var serializer = new StringSerializer();
        return new KafkaProducer<>(producing, serializer, serializer);
    }

    private static void send(KafkaProducer<String, String> producer, String value) throws Exception {
        producer.send(new ProducerRecord<>(Harness.name("t"), value)).get();
    }

    /** A record there and back. */
    private static void works(Map<String, Object> settings, String value) throws Exception {
        String topic = Harness.name("t");
        try (var producer = producer(settings)) {
            send(producer, value);
        }
        var deserializer = new StringDeserializer();
        try (var consumer = new KafkaConsumer<>(settings, deserializer, deserializer)) {
            var partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            Harness.waitUntil(value + " is read", () -> {
                for (var record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.value().equals(value)) {
                        return true;
                    }
                }
                return false;
            });
        }
    }

    private static Map<String, Object> alice(String mechanism, String password) {
        return as("TLS_SASL", "SASL_SSL", mechanism, "alice", password);
    }

    private static Map<String, Object> bob(String password) {
        return as("TLS_SASL", "SASL_SSL", "SCRAM-SHA-512", "bob", password);
    }

    private static void isWrong(Map<String, Object> settings, String what) throws Exception {
        refused(settings, SaslAuthenticationException.class, what);
    }

    private static void login() throws Exception {
        works(alice("SCRAM-SHA-256", "a secret"), "alice");
        works(bob("b secret"), "bob");
        for (int time = 0; time < 3; time++) {
            works(alice("PLAIN", "a secret"), "plain " + time);
        }
        isWrong(alice("SCRAM-SHA-256", "another"), "a wrong password");
        isWrong(bob("a secret"), "the password of somebody else");
        isWrong(alice("PLAIN", "another"), "a wrong password in PLAIN");
        isWrong(as("TLS_SASL", "SASL_SSL", "SCRAM-SHA-512", "carol", "a secret"), "a user that does not exist");
        isWrong(as("TLS_SASL", "SASL_SSL", "PLAIN", "carol", "a secret"), "the same in PLAIN");
        // The other mechanism needs a credential of its own.
        isWrong(alice("SCRAM-SHA-512", "a secret"), "a mechanism for which alice has no credential");
    }

    private static void crash() throws Exception {
        try (var producer = producer(bob("b secret"))) {
            send(producer, "before");
            Harness.killBroker();
            send(producer, "behind");
        }
        works(alice("SCRAM-SHA-256", "a secret"), "alice");
        works(alice("PLAIN", "a secret"), "plain");
        isWrong(bob("another"), "a wrong password");
    }

    private static void renewed() throws Exception {
        var before = encrypted("authority");
        try (var producer = producer(before)) {
            send(producer, "before");
            Harness.wish("renew");
            send(producer, "behind");
            refused(before, SslAuthenticationException.class, "a certificate that somebody else has signed");
            works(encrypted("other"), "anew");
            send(producer, "still there");
        }
    }

    private static void scram() throws Exception {
        for (ScramMechanism mechanism : List.of(ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)) {
            String name = mechanism.mechanismName();
            Map<String, Object> alice = as("SASL", "SASL_PLAINTEXT", name, "alice", "a secret");
            refused(alice, SaslAuthenticationException.class, "a user that does not exist");
            alter(password("alice", mechanism, "a secret"));
            works(alice, name);
            Map<String, Object> wrong = as("SASL", "SASL_PLAINTEXT", name, "alice", "another");
            refused(wrong, SaslAuthenticationException.class, "a wrong password");
            alter(password("alice", mechanism, "another"));
            refused(alice, SaslAuthenticationException.class, "the password before");
            works(wrong, name + " again");
            alter(new UserScramCredentialDeletion("alice", mechanism));
            refused(wrong, SaslAuthenticationException.class, "a user that is gone");
        }
    }

    /** Alice has a quota, bob has none; both come with a client of the same name. */
    private static void quota() throws Exception {
        ScramMechanism mechanism = ScramMechanism.SCRAM_SHA_256;
        alter(password("alice", mechanism, "a secret"), password("bob", mechanism, "b secret"));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", Harness.BOOTSTRAP))) {
            Quotas.limit(admin, new ClientQuotaEntity(Map.of(ClientQuotaEntity.USER, "alice")));
        }
        Quotas.isHeldBack(as("SASL", "SASL_PLAINTEXT", "SCRAM-SHA-256", "alice", "a secret"), Harness.name("alices"));
        Quotas.isFree(as("SASL", "SASL_PLAINTEXT", "SCRAM-SHA-256", "bob", "b secret"), Harness.name("bobs"));
    }

    private static void users() throws Exception {
        ScramMechanism small = ScramMechanism.SCRAM_SHA_256;
        ScramMechanism large = ScramMechanism.SCRAM_SHA_512;
        alter(password("alice", small, "a"), password("bob", large, "b"));
        alter(new UserScramCredentialUpsertion("alice", new ScramCredentialInfo(large, 8192), "a"));
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", Harness.BOOTSTRAP))) {
            Map<String, UserScramCredentialsDescription> all =
                    admin.describeUserScramCredentials().all().get();
            Harness.equal(
                    all.get("alice").credentialInfos(),
                    List.of(new ScramCredentialInfo(small, 4096), new ScramCredentialInfo(large, 8192)),
                    "alice's credentials");
            Harness.equal(all.keySet(), java.util.Set.of("alice", "bob"), "all users");
            refused(
                    admin.describeUserScramCredentials(List.of("nobody")).description("nobody"),
                    ResourceNotFoundException.class,
                    "a description of nobody");
            refused(
                    admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion("bob", small))).all(),
                    ResourceNotFoundException.class,
                    "the end of what is not there");
            var few = new UserScramCredentialUpsertion("few", new ScramCredentialInfo(small, 4095), "f");
            refused(
                    admin.alterUserScramCredentials(List.of(few)).all(),
                    UnacceptableCredentialException.class,
                    "too few iterations");
            List<UserScramCredentialAlteration> twice =
                    List.of(new UserScramCredentialDeletion("bob", large), password("bob", large, "c"));
            refused(
                    admin.alterUserScramCredentials(twice).all(),
                    DuplicateResourceException.class,
                    "two changes of a user");
        }
        works(as("SASL", "SASL_PLAINTEXT", "SCRAM-SHA-512", "bob", "b"), "bob is as before");
    }

    private static void certificate() throws Exception {
        var settings = encrypted("authority");
        refused(settings, SslAuthenticationException.class, "a client without a certificate");
        settings.put("ssl.keystore.type", "PEM");
        settings.put("ssl.keystore.certificate.chain", Files.readString(DIR.resolve("alice.pem")));
        settings.put("ssl.keystore.key", Files.readString(DIR.resolve("alice.key")));
        works(settings, "certified");
    }
}

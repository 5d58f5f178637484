"""The stories of tests/src/suites/schemas.rs: a registry that keeps all it knows in topics of the broker, and librdkafka's serializers; and
what other registries do with one compacted topic."""

import json
import os
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext

from harness import BOOTSTRAP, BrokerKill, check, equal, kill_broker, main, name, wait_until, wish

REGISTRY = os.environ.get("REGISTRY")
SUBJECTS = 12


def client():
    """A client that knows nothing yet."""
    return SchemaRegistryClient({"url": REGISTRY})


def schema(subject, version):
    """Every version has one field more, with a default: readers of the newer understand the older."""
    fields = [{"name": "id", "type": "long"}]
    fields += [{"name": f"f{n}", "type": "string", "default": f"none {n}"} for n in range(version)]
    return json.dumps({"type": "record", "name": f"R{subject}", "namespace": "forebay", "fields": fields})


def subject_of(number):
    return f"{name('topic')}-{number}-value"


class Known:
    """What the registry has confirmed: of every subject its versions in order, each with its id."""

    def __init__(self):
        self.ids = {}

    def register(self, number, version, patient=False):
        """Registers a version. A patient one tries again for as long as the registry cannot answer."""
        end = time.monotonic() + 60
        while True:
            try:
                found = client().register_schema(subject_of(number), Schema(schema(number, version), "AVRO"))
                break
            except Exception:
                if not patient or time.monotonic() > end:
                    raise
                time.sleep(0.1)
        check(found not in self.ids.values(), f"the id {found} was given before")
        self.ids[(number, version)] = found

    def check(self):
        """Every id says what it said when it was given, and every subject has all its versions."""
        registry = client()
        for (number, version), id in self.ids.items():
            equal(json.loads(registry.get_schema(id).schema_str), json.loads(schema(number, version)), f"schema {id}")
            found = registry.lookup_schema(subject_of(number), Schema(schema(number, version), "AVRO"))
            equal(found.schema_id, id, f"the id of version {version} of subject {number}")
        for number in {number for number, _ in self.ids}:
            versions = [version for of, version in self.ids if of == number]
            equal(len(registry.get_versions(subject_of(number))), len(versions), f"versions of subject {number}")
            equal(
                registry.get_latest_version(subject_of(number)).schema_id,
                self.ids[(number, max(versions))],
                f"the newest of subject {number}",
            )


def refuse_incompatible():
    """What readers of the newer could not understand is refused, and leaves nothing behind."""
    subject = subject_of(0)
    registry = client()
    registry.set_compatibility(subject, "BACKWARD")
    before = registry.get_versions(subject)
    other = json.dumps({"type": "record", "name": "R0", "namespace": "forebay", "fields": [{"name": "new", "type": "long"}]})
    check(not registry.test_compatibility(subject, Schema(other, "AVRO")), "it is said to be compatible")
    try:
        registry.register_schema(subject, Schema(other, "AVRO"))
        raise AssertionError("an incompatible schema was taken")
    except SchemaRegistryError as why:
        equal(why.http_status_code, 409, "how it is refused")
    equal(registry.get_versions(subject), before, "versions")


def produce(topic, version, ids):
    serialize = AvroSerializer(client(), schema(0, version), conf={"auto.register.schemas": False})
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for id in ids:
        value = {"id": id} | {f"f{n}": f"of {id}" for n in range(version)}
        producer.produce(topic, serialize(value, SerializationContext(topic, MessageField.VALUE)))
    equal(producer.flush(30), 0, "records without a confirm")


def consume(topic, count):
    """All records, by one that knows no schema and asks for each."""
    deserialize = AvroDeserializer(client())
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": name(f"g{time.time()}"), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    records = []

    def all_there():
        message = consumer.poll(0.5)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            records.append(deserialize(message.value(), SerializationContext(topic, MessageField.VALUE)))
        return len(records) >= count

    wait_until(all_there, f"{count} records are read")
    consumer.close()
    return records


def compact_journal():
    """The registry's topic is compacted from now on, at once and all the time. Each of its records has a key of its own."""
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    settings = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"}
    entries = [ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET) for key, value in settings.items()]
    resource = ConfigResource(ResourceType.TOPIC, name("journal"), incremental_configs=entries)
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(30)


def over_crashes():
    topic = name("topic") + "-0"
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(30)
    known = Known()
    wish("registry")
    for number in range(SUBJECTS):
        known.register(number, 0)
    refuse_incompatible()
    for number in range(SUBJECTS):
        known.register(number, 1)
    known.check()
    produce(topic, 0, range(0, 100))
    produce(topic, 1, range(100, 200))
    compact_journal()

    # New versions come while the broker goes and comes back.
    kill = BrokerKill()
    version = 2
    while not kill.done.is_set() or version < 4:
        for number in range(SUBJECTS):
            known.register(number, version, patient=True)
        version += 1
    known.check()

    # A registry that knows nothing but what the topics hold.
    wish("kill-registry")
    wish("registry")
    known.check()
    for number in range(SUBJECTS):
        known.register(number, version)
    produce(topic, version, range(200, 300))
    refuse_incompatible()

    # Both at once.
    wish("kill-registry")
    wish("kill9")
    wish("registry")
    known.check()
    refuse_incompatible()
    equal([record["id"] for record in consume(topic, 300)], list(range(300)), "the records")
    print(f"schemas: {len(known.ids)} versions of {SUBJECTS} subjects")


class Store:
    """A registry's memory over one compacted topic, as Confluent's and Karapace keep it: read from its start up to a mark of its own."""

    def __init__(self, topic):
        self.topic = topic
        self.schemas, self.configs = {}, {}
        # Records that were read, and that were written.
        self.read, self.next = 0, 0
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "linger.ms": 1})
        self.consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "no-group", "enable.auto.commit": False})
        self.consumer.assign([TopicPartition(topic, 0, 0)])
        self.noop()

    def close(self):
        self.consumer.close()

    def noop(self):
        self.put([({"keytype": "NOOP"}, None)], value_of=lambda _: b"{}")

    def put(self, changes, value_of=None):
        """Writes changes, and knows them when they have come back."""
        confirmed = []

        def confirm(error, message):
            if error:
                raise KafkaException(error)
            confirmed.append(message.offset())

        value_of = value_of or (lambda value: None if value is None else json.dumps(value).encode())
        for key, value in changes:
            key = json.dumps(key, sort_keys=True).encode()
            self.producer.produce(self.topic, value_of(value), key, partition=0, on_delivery=confirm)
        equal(self.producer.flush(40), 0, "records without a confirm")
        end = time.monotonic() + 40
        while self.next <= max(confirmed):
            check(time.monotonic() < end, f"offset {max(confirmed)} does not come, only {self.next}")
            message = self.consumer.poll(0.5)
            if message is not None and not message.error():
                self.apply(message)

    def apply(self, message):
        check(message.offset() >= self.next, f"offset {message.offset()} comes after {self.next - 1}")
        self.next, self.read = message.offset() + 1, self.read + 1
        key = json.loads(message.key())
        value = None if message.value() is None else json.loads(message.value())
        if key["keytype"] == "SCHEMA":
            change(self.schemas, (key["subject"], key["version"]), value)
        elif key["keytype"] == "CONFIG":
            change(self.configs, key["subject"], value)

    def register(self, subject, version):
        id = 1 + max((value["id"] for value in self.schemas.values()), default=0)
        return ({"keytype": "SCHEMA", "subject": subject, "version": version}, {"id": id, "schema": schema(subject, version)})


def change(memory, key, value):
    if value is None:
        memory.pop(key, None)
    else:
        memory[key] = value


def in_one_compacted_topic():
    topic = name("_schemas")
    settings = {
        "cleanup.policy": "compact",
        "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "1000",
        "delete.retention.ms": "1000",
        "segment.ms": "1000",
    }
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, 1, 1, config=settings)])[topic].result(30)
    schemas, configs = {}, {}
    for round in range(6):
        store = Store(topic)
        equal(store.schemas, schemas, f"the schemas at start {round}")
        equal(store.configs, configs, f"the settings at start {round}")
        kill = BrokerKill() if round % 2 else None
        for subject in range(SUBJECTS):
            store.put([store.register(f"s{subject}", round)])
        # Settings change often, and every change but the last of a subject is there to be compacted.
        changes = [({"keytype": "CONFIG", "subject": f"s{n % SUBJECTS}"}, {"level": f"{round} {n}"}) for n in range(600)]
        # One subject's first version goes for good.
        changes.append(({"keytype": "SCHEMA", "subject": f"s{round}", "version": 0}, None))
        changes.append(({"keytype": "CONFIG", "subject": f"s{round}"}, None))
        store.put(changes)
        if kill:
            kill.done.wait()
        schemas, configs = store.schemas, store.configs
        store.close()
    equal(len(schemas), 6 * SUBJECTS - 6, "schemas")
    equal(len({value["id"] for value in schemas.values()}), len(schemas), "ids")

    # A registry that starts when all is compacted reads little, and knows all.
    end = time.monotonic() + 120
    while True:
        store = Store(topic)
        equal((store.schemas, store.configs), (schemas, configs), "what it knows")
        store.close()
        if store.read < store.next / 4:
            break
        check(time.monotonic() < end, f"{store.read} of {store.next} records are left")
        time.sleep(0.5)
    kill_broker()
    store = Store(topic)
    equal((store.schemas, store.configs), (schemas, configs), "what it knows after the last crash")
    print(f"schemas: {store.next} records, of which {store.read} are left")
    store.close()


main({"over-crashes": over_crashes, "in-one-compacted-topic": in_one_compacted_topic})

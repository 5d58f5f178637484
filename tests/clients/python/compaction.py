"""The stories of tests/src/suites/compaction.rs with librdkafka."""

import random
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import BOOTSTRAP, check, equal, kill_broker, main, name

# Compaction comes after so long at the latest: brokers look for what is to be done twice a minute or so.
COMPACTED_S_MAX = 180

QUICK = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "1000",
    "delete.retention.ms": "1000",
}


def make_topic(part, settings):
    topic = name(part)
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, 1, 1, config=settings)])[topic].result(30)
    return topic


class State:
    """What the last record of every key says; nothing for those that were deleted."""

    def __init__(self, topic):
        self.topic = topic
        self.values = {}
        self.written = 0

    def put(self, producer, key, value):
        self.written += 1
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value
        producer.produce(self.topic, value, key, partition=0)
        producer.poll(0)

    def write(self, producer, count, keys, draw):
        """Writes this many records over some keys, of which now and then one is deleted."""
        for _ in range(count):
            key = b"key %d" % draw.randrange(keys)
            value = b"%d %s" % (self.written, b"x" * draw.randrange(200))
            self.put(producer, key, None if draw.randrange(10) == 0 else value)
        equal(producer.flush(30), 0, "records without a confirm")

    def check(self):
        """Reads all of it; answers the keys of the records that there are."""
        found, keys, last = {}, [], -1
        for message in everything(self.topic):
            check(message.offset() > last, f"offset {message.offset()} follows {last}")
            last = message.offset()
            keys.append(message.key())
            if message.value() is None:
                found.pop(message.key(), None)
            else:
                found[message.key()] = message.value()
        equal(last, self.written - 1, "the last offset")
        equal(found, self.values, "the last of every key")
        return keys

    def tick(self, producer):
        """Writes to one key: segments end as they are written to."""
        self.put(producer, b"tick", b"%d" % self.written)
        equal(producer.flush(30), 0, "records without a confirm")

    def ticking(self, condition, what):
        """Goes on writing to one key until the keys that are left are as they should be, and what is read stays right."""
        end = time.monotonic() + COMPACTED_S_MAX
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 2})
        while not condition(self.check()):
            check(time.monotonic() < end, f"timed out waiting until {what}")
            self.tick(producer)
            time.sleep(1)

    def until_left(self, records):
        self.ticking(lambda keys: len(keys) <= records, f"only {records} records are left")


def everything(topic):
    """All records up to the end that the reader is told."""
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": "no-group",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = []
    end = time.monotonic() + 40
    while True:
        check(time.monotonic() < end, f"timed out waiting for the end of {topic}")
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            if message.error().code() == KafkaError._PARTITION_EOF:
                break
            raise KafkaException(message.error())
        messages.append(message)
    consumer.close()
    return messages


def newest_stay():
    state = State(make_topic("state", QUICK))
    draw = random.Random(1)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer(
            {"bootstrap.servers": BOOTSTRAP, "linger.ms": 20, "compression.type": codec, "enable.idempotence": True}
        )
        state.write(producer, 1_000, 40, draw)
    state.until_left(1_000)
    kill_broker()
    state.check()
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 2})
    state.write(producer, 2_000, 60, draw)
    kill_broker()
    state.check()
    state.until_left(1_000)


def tombstones_go():
    state = State(make_topic("deleted", QUICK))
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 20})
    state.write(producer, 1_000, 50, random.Random(3))
    deleted = {b"key %d" % key for key in range(0, 50, 2)}
    for key in deleted:
        state.put(producer, key, None)
    equal(producer.flush(30), 0, "records without a confirm")
    kill_broker()
    state.ticking(lambda keys: deleted.isdisjoint(keys), "nothing of what was deleted is left")
    kill_broker()
    check(deleted.isdisjoint(state.check()), "something that was deleted is there again")


def killed_while_compacting():
    state = State(make_topic("killed", QUICK))
    draw = random.Random(4)
    for number in range(5):
        codec = "none" if number % 2 == 0 else "zstd"
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 20, "compression.type": codec})
        state.write(producer, 3_000, 30 + 10 * number, draw)
        end = time.monotonic() + draw.randrange(20)
        while time.monotonic() < end:
            state.tick(producer)
            time.sleep(0.5)
        kill_broker()
        state.check()
    state.until_left(1_500)


def without_a_key():
    topic = make_topic("keys", QUICK)
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    answers = []
    producer.produce(topic, b"nobody's", partition=0, on_delivery=lambda error, _: answers.append(error))
    equal(producer.flush(30), 0, "records without an answer")
    check(answers[0] is not None, "a record without a key was taken")
    equal(answers[0].code(), KafkaError.INVALID_RECORD, "the refusal")


STORIES = {
    "newest-stay": newest_stay,
    "tombstones-go": tombstones_go,
    "killed-while-compacting": killed_while_compacting,
    "without-a-key": without_a_key,
}

if __name__ == "__main__":
    main(STORIES)

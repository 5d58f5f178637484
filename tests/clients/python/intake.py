"""The stories of tests/src/suites/intake.rs with librdkafka."""

import time

from confluent_kafka import KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from harness import BOOTSTRAP, check, equal, main, name

HOUR_MS = 3_600_000


def make_topic(part, settings):
    topic = name(part)
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, 1, 1, config=settings)])[topic].result(30)
    return topic


def outcome(topic, codec, timestamp, value=b"v"):
    """What becomes of one record: its error's code, or none."""
    told = []
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "compression.type": codec, "retries": 0})
    producer.produce(topic, value, partition=0, timestamp=timestamp, on_delivery=lambda e, _: told.append(e))
    equal(producer.flush(30), 0, "records without a confirm")
    return told[0].code() if told[0] is not None else None


def timestamps():
    topic = make_topic("plain", {})
    now = int(time.time() * 1000)
    equal(outcome(topic, "none", now + HOUR_MS // 2), None, "soon")
    equal(outcome(topic, "none", now + 2 * HOUR_MS), KafkaError.INVALID_TIMESTAMP, "late")
    near = make_topic("near", {"message.timestamp.before.max.ms": "60000"})
    equal(outcome(near, "lz4", now - HOUR_MS), KafkaError.INVALID_TIMESTAMP, "early")
    equal(outcome(near, "lz4", now), None, "now")


def compressed_too_large():
    topic = make_topic("small", {"compression.type": "uncompressed", "max.message.bytes": "100000"})
    now = int(time.time() * 1000)
    equal(outcome(topic, "zstd", now, b"x" * 500_000), KafkaError.MSG_SIZE_TOO_LARGE, "what it would be stored as")
    equal(outcome(topic, "zstd", now, b"x" * 50_000), None, "what fits")
    check(topic, "a topic")


main({"timestamps": timestamps, "compressed-too-large": compressed_too_large})

"""What librdkafka makes of quotas: it waits, loses nothing, and tells its application. The harness has set them for the client's name."""

import time

from confluent_kafka import Consumer, KafkaException, OFFSET_BEGINNING, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import BOOTSTRAP, check, equal, main, name, wait_until

# Bytes per second; src/suites/quotas.rs has set it.
RATE = 200_000
# Ten seconds' worth may come at once; so much takes twice that time.
TOTAL = 4_000_000
RECORD = 5_000
# What the quota alone must make it last, with room for the last request of all. However slow the machine is, it lasts no shorter.
LEAST_S = 5.0


def make_topic():
    topic = name("held")
    # It has to live as long as its answers are waited for.
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.create_topics([NewTopic(topic, 1)]).values():
        future.result(30)
    return topic


def publish(topic, config):
    errors = []
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "batch.size": 50_000, "linger.ms": 5, **config})
    begun = time.monotonic()
    for _ in range(TOTAL // RECORD):
        producer.produce(topic, b"v" * RECORD, on_delivery=lambda error, _: error and errors.append(str(error)))
        producer.poll(0)
    equal(producer.flush(90), 0, "records without a confirm")
    equal(errors, [], "errors")
    return time.monotonic() - begun


def publishes():
    told = []
    topic = make_topic()
    config = {"client.id": name("librdkafka"), "throttle_cb": lambda event: told.append(event.throttle_time)}
    took = publish(topic, config)
    check(took >= LEAST_S, f"{TOTAL} bytes were published in {took:.1f} s")
    check(told and max(told) > 0, "it was told of no throttle time")


def reads():
    told = []
    topic = make_topic()
    publish(topic, {"client.id": name("unbound")})
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "client.id": name("librdkafka"),
            "group.id": "no-group",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 100_000,
            "throttle_cb": lambda event: told.append(event.throttle_time),
        }
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    begun = time.monotonic()
    seen = 0

    def all_is_read():
        nonlocal seen
        for message in consumer.consume(500, timeout=0.2):
            if message.error() is not None:
                raise KafkaException(message.error())
            seen += 1
        return seen >= TOTAL // RECORD

    wait_until(all_is_read, "all is read", 90)
    took = time.monotonic() - begun
    check(took >= LEAST_S, f"{TOTAL} bytes were read in {took:.1f} s")
    wait_until(lambda: consumer.poll(0.2) is None and told, "it was told of a throttle time")


STORIES = {"publishes": publishes, "reads": reads}

if __name__ == "__main__":
    main(STORIES)

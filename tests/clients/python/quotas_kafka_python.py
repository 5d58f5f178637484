"""What kafka-python makes of a quota: it waits, loses nothing, and has a metric of it. The harness has set it for the client's name."""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from harness import BOOTSTRAP, check, equal, main, name, wait_until
from quotas import LEAST_S, RECORD, TOTAL, make_topic


def value(number):
    return f"{number} ".encode().ljust(RECORD, b"v")


def publishes():
    topic = make_topic()
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP, client_id=name("kafka-python"), batch_size=50_000, linger_ms=5
    )
    begun = time.monotonic()
    sent = [producer.send(topic, value(number), partition=0) for number in range(TOTAL // RECORD)]
    for future in sent:
        future.get(90)
    took = time.monotonic() - begun
    check(took >= LEAST_S, f"{TOTAL} bytes were published in {took:.1f} s")
    longest = max(group.get("throttle-time-max", 0) for group in producer.metrics().values())
    check(longest > 0, "it was told of no throttle time")
    everything_is_there(topic)


def everything_is_there(topic):
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest", enable_auto_commit=False)
    at = TopicPartition(topic, 0)
    consumer.assign([at])
    found = []

    def all_is_read():
        found.extend(record.value for record in consumer.poll(200).get(at, []))
        return len(found) >= TOTAL // RECORD

    wait_until(all_is_read, "all is read")
    equal(len(found), TOTAL // RECORD, "records")
    check(found == [value(number) for number in range(TOTAL // RECORD)], "records came back changed")


if __name__ == "__main__":
    main({"publishes": publishes})

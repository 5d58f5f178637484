"""The stories of tests/src/suites/transactions.rs with librdkafka, whose transactions go the older way: partitions and groups are
announced before anything is written to them, and the epoch stays."""

import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from harness import BOOTSTRAP, check, equal, main, name, wait_until


def make_topic(part, partitions=1):
    topic = name(part)
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
    return topic


def open_producer(part, timeout_ms=60_000):
    producer = Producer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "transactional.id": name(part),
            "transaction.timeout.ms": timeout_ms,
            "linger.ms": 2,
        }
    )
    producer.init_transactions(30)
    return producer


def send(producer, topic, partition, values):
    for value in values:
        producer.produce(topic, value, partition=partition)
        producer.poll(0)


def everything(topic, partition=0, isolation="read_committed"):
    """All that a reader of this kind sees up to the end that it is told."""
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": "no-group",
            "isolation.level": isolation,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, partition, 0)])
    values = []
    end = time.monotonic() + 40
    while True:
        check(time.monotonic() < end, f"timed out waiting for the end of {topic}")
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error():
            if message.error().name() == "_PARTITION_EOF":
                break
            raise KafkaException(message.error())
        values.append(message.value())
    consumer.close()
    return values


def numbers(start, end):
    return [str(i).encode() for i in range(start, end)]


def commit_and_abort():
    topic = make_topic("t", 3)
    producer = open_producer("p")
    expected, written = [], []
    for round in range(20):
        values = numbers(round * 50, round * 50 + 50)
        producer.begin_transaction()
        for partition in range(3):
            send(producer, topic, partition, values)
        written += values
        if round % 3 == 1:
            check(producer.flush(30) == 0, "not all was confirmed")
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
            expected += values
    for partition in range(3):
        equal(everything(topic, partition), expected, f"committed values of partition {partition}")
        equal(everything(topic, partition, "read_uncommitted"), written, "all values")


def offsets():
    topic = make_topic("t")
    plain = Producer({"bootstrap.servers": BOOTSTRAP})
    send(plain, topic, 0, numbers(0, 10))
    plain.flush(30)
    producer = open_producer("p")
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": name("g"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    wait_until(lambda: consumer.poll(0.2), "a record is read")
    metadata = consumer.consumer_group_metadata()
    at = TopicPartition(topic, 0)

    def committed():
        return consumer.committed([at], timeout=30)[0].offset

    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 4)], metadata, 30)
    producer.abort_transaction(30)
    check(committed() < 0, "an aborted transaction has set a cursor")
    producer.begin_transaction()
    producer.send_offsets_to_transaction([TopicPartition(topic, 0, 7)], metadata, 30)
    producer.commit_transaction(30)
    equal(committed(), 7, "the cursor after a commit")
    consumer.close()


def fenced():
    topic = make_topic("t")
    old = open_producer("p")
    old.begin_transaction()
    send(old, topic, 0, [b"of the old one"])
    old.flush(30)
    new = open_producer("p")
    new.begin_transaction()
    send(new, topic, 0, [b"of the new one"])
    new.commit_transaction(30)
    try:
        old.commit_transaction(30)
        check(False, "a fenced producer has committed")
    except KafkaException as refused:
        check(refused.args[0].fatal(), f"refused for another reason: {refused}")
    equal(everything(topic), [b"of the new one"], "committed values")


def time_is_up():
    topic = make_topic("t")
    slow = open_producer("p", timeout_ms=1_000)
    slow.begin_transaction()
    send(slow, topic, 0, [b"left open"])
    slow.flush(30)
    plain = Producer({"bootstrap.servers": BOOTSTRAP})
    send(plain, topic, 0, [b"behind"])
    plain.flush(30)
    wait_until(lambda: everything(topic) == [b"behind"], "it was aborted")
    try:
        slow.commit_transaction(30)
        check(False, "an aborted transaction was committed")
    except KafkaException as refused:
        print(f"refused: {refused}")


STORIES = {
    "commit-and-abort": commit_and_abort,
    "offsets": offsets,
    "fenced": fenced,
    "time-is-up": time_is_up,
}

if __name__ == "__main__":
    main(STORIES)

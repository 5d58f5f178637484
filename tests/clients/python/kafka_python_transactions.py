"""The stories of tests/src/suites/transactions.rs with kafka-python."""

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from harness import BOOTSTRAP, check, equal, main, name, wait_until

# The last record of a partition, without a transaction: who has read it has seen all before it.
LAST = b"the last one"


def make_topic(part, partitions=1):
    topic = name(part)
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}}, timeout_ms=30_000)
    admin.close()
    return topic


def open_producer(part, timeout_ms=60_000):
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP, transactional_id=name(part), transaction_timeout_ms=timeout_ms, linger_ms=2
    )
    producer.init_transactions()
    return producer


def send(producer, topic, partition, values):
    """Sends and waits for the confirms."""
    futures = [producer.send(topic, value, partition=partition) for value in values]
    producer.flush(timeout=30)
    for future in futures:
        future.get(timeout=30)


def send_plainly(topic, partition, values):
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    send(producer, topic, partition, values)
    producer.close()


def everything(topic, partition=0, isolation="read_committed"):
    """All that a reader of this kind sees up to the last record."""
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, isolation_level=isolation, enable_auto_commit=False)
    at = TopicPartition(topic, partition)
    consumer.assign([at])
    consumer.seek_to_beginning(at)
    values = []

    def is_over():
        for records in consumer.poll(timeout_ms=200).values():
            values.extend(record.value for record in records)
        return LAST in values

    wait_until(is_over, f"the end of {topic} is read")
    consumer.close()
    return values[: values.index(LAST)]


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
            producer.abort_transaction()
        else:
            producer.commit_transaction()
            expected += values
    for partition in range(3):
        send_plainly(topic, partition, [LAST])
        equal(everything(topic, partition), expected, f"committed values of partition {partition}")
        equal(everything(topic, partition, "read_uncommitted"), written, "all values")


def offsets():
    topic = make_topic("t")
    send_plainly(topic, 0, numbers(0, 10))
    producer = open_producer("p")
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=BOOTSTRAP,
        group_id=name("g"),
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    wait_until(lambda: consumer.poll(timeout_ms=200), "a record is read")
    at = TopicPartition(topic, 0)
    producer.begin_transaction()
    producer.send_offsets_to_transaction({at: OffsetAndMetadata(4, "", -1)}, consumer.group_metadata())
    producer.abort_transaction()
    equal(consumer.committed(at), None, "the cursor after an abort")
    producer.begin_transaction()
    producer.send_offsets_to_transaction({at: OffsetAndMetadata(7, "", -1)}, consumer.group_metadata())
    producer.commit_transaction()
    equal(consumer.committed(at), 7, "the cursor after a commit")
    consumer.close()


def fenced():
    topic = make_topic("t")
    old = open_producer("p")
    old.begin_transaction()
    send(old, topic, 0, [b"of the old one"])
    new = open_producer("p")
    new.begin_transaction()
    send(new, topic, 0, [b"of the new one"])
    new.commit_transaction()
    try:
        old.commit_transaction()
    except KafkaError as refused:
        print(f"refused: {refused!r}")
    else:
        check(False, "a fenced producer has committed")
    send_plainly(topic, 0, [LAST])
    equal(everything(topic), [b"of the new one"], "committed values")


def time_is_up():
    topic = make_topic("t")
    slow = open_producer("p", timeout_ms=1_000)
    slow.begin_transaction()
    send(slow, topic, 0, [b"left open"])
    # It is read when what was left open before it is aborted.
    send_plainly(topic, 0, [LAST])
    equal(everything(topic), [], "committed values")
    try:
        slow.commit_transaction()
    except KafkaError as refused:
        print(f"refused: {refused!r}")
    else:
        check(False, "an aborted transaction was committed")


STORIES = {
    "commit-and-abort": commit_and_abort,
    "offsets": offsets,
    "fenced": fenced,
    "time-is-up": time_is_up,
}

if __name__ == "__main__":
    main(STORIES)

"""The stories of tests/src/suites/transactions.rs with aiokafka."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from harness import BOOTSTRAP, WAIT_S, check, equal, main, name

# The last record of a partition, without a transaction: who has read it has seen all before it.
LAST = b"the last one"


async def make_topic(part, partitions=1):
    topic = name(part)
    admin = AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    await admin.start()
    answer = await admin.create_topics([NewTopic(topic, partitions, 1)])
    equal([code for _, code, *_ in answer.topic_errors], [0], "the codes of the topic's creation")
    await admin.close()
    return topic


async def open_producer(part, timeout_ms=60_000):
    producer = AIOKafkaProducer(
        bootstrap_servers=BOOTSTRAP, transactional_id=name(part), transaction_timeout_ms=timeout_ms, linger_ms=2
    )
    await producer.start()
    return producer


async def send(producer, topic, partition, values):
    """Sends and waits for the confirms."""
    confirms = [await producer.send(topic, value, partition=partition) for value in values]
    await asyncio.wait_for(asyncio.gather(*confirms), WAIT_S)


async def send_plainly(topic, partition, values):
    producer = AIOKafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all")
    await producer.start()
    await send(producer, topic, partition, values)
    await producer.stop()


async def everything(topic, partition=0, isolation="read_committed"):
    """All that a reader of this kind sees up to the last record."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=BOOTSTRAP, isolation_level=isolation, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition)])
    values = []

    async def read_to_the_last():
        while LAST not in values:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                values.extend(record.value for record in records)

    await asyncio.wait_for(read_to_the_last(), WAIT_S)
    await consumer.stop()
    return values[: values.index(LAST)]


def numbers(start, end):
    return [str(i).encode() for i in range(start, end)]


async def commit_and_abort():
    topic = await make_topic("t", 3)
    producer = await open_producer("p")
    expected, written = [], []
    for round in range(20):
        values = numbers(round * 50, round * 50 + 50)
        await producer.begin_transaction()
        for partition in range(3):
            await send(producer, topic, partition, values)
        written += values
        if round % 3 == 1:
            await producer.abort_transaction()
        else:
            await producer.commit_transaction()
            expected += values
    for partition in range(3):
        await send_plainly(topic, partition, [LAST])
        equal(await everything(topic, partition), expected, f"committed values of partition {partition}")
        equal(await everything(topic, partition, "read_uncommitted"), written, "all values")


async def offsets():
    topic = await make_topic("t")
    await send_plainly(topic, 0, numbers(0, 10))
    producer = await open_producer("p")
    group = name("g")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=BOOTSTRAP, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    first = await asyncio.wait_for(consumer.getone(), WAIT_S)
    equal(first.value, b"0", "the first record")
    at = TopicPartition(topic, 0)
    await producer.begin_transaction()
    await producer.send_offsets_to_transaction({at: 4}, group)
    await producer.abort_transaction()
    equal(await consumer.committed(at), None, "the cursor after an abort")
    await producer.begin_transaction()
    await producer.send_offsets_to_transaction({at: 7}, group)
    await producer.commit_transaction()
    equal(await consumer.committed(at), 7, "the cursor after a commit")
    await consumer.stop()


async def is_refused(attempt, what):
    try:
        await asyncio.wait_for(attempt, WAIT_S)
    except KafkaError as refused:
        print(f"refused: {refused!r}")
    else:
        check(False, what)


async def fenced():
    topic = await make_topic("t")
    old = await open_producer("p")
    await old.begin_transaction()
    await send(old, topic, 0, [b"of the old one"])
    new = await open_producer("p")
    await new.begin_transaction()
    await send(new, topic, 0, [b"of the new one"])
    await new.commit_transaction()
    await is_refused(old.commit_transaction(), "a fenced producer has committed")
    await send_plainly(topic, 0, [LAST])
    equal(await everything(topic), [b"of the new one"], "committed values")


async def time_is_up():
    topic = await make_topic("t")
    slow = await open_producer("p", timeout_ms=1_000)
    await slow.begin_transaction()
    await send(slow, topic, 0, [b"left open"])
    # It is read when what was left open before it is aborted.
    await send_plainly(topic, 0, [LAST])
    equal(await everything(topic), [], "committed values")
    await is_refused(slow.commit_transaction(), "an aborted transaction was committed")


STORIES = {
    "commit-and-abort": commit_and_abort,
    "offsets": offsets,
    "fenced": fenced,
    "time-is-up": time_is_up,
}

if __name__ == "__main__":
    main({story: (lambda tell=tell: asyncio.run(tell())) for story, tell in STORIES.items()})

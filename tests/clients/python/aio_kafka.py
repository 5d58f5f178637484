"""The stories with aiokafka. Its loop runs in a thread of its own; the stories call into it and wait."""

import asyncio
import sys
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from harness import BOOTSTRAP, Record, TopicExists, main
from stories import Stories

# Past this a call has failed; longer than any wait of a story.
CALL_S = 90.0

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def wait(coroutine):
    """Runs it in the library's thread and returns what it returned."""
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(CALL_S)


async def started(make):
    """What the library makes wants to be made and started in its loop."""
    made = make()
    await made.start()
    return made


class AioProducer:
    def __init__(self, compression="none", acks="all", idempotent=True, max_bytes=None, small_batches=False):
        config = {
            "bootstrap_servers": BOOTSTRAP,
            "compression_type": None if compression == "none" else compression,
            "acks": acks if acks == "all" else int(acks),
            "enable_idempotence": idempotent,
            "linger_ms": 2,
            "max_batch_size": 1024 if small_batches else 64 * 1024,
        }
        if max_bytes:
            config["max_request_size"] = max_bytes
            config["max_batch_size"] = max_bytes
        self.producer = wait(started(lambda: AIOKafkaProducer(**config)))
        self.errors = []
        self.confirmed = []

    def send(self, topic, value, key=None, headers=None, partition=None, timestamp_ms=None):
        async def hand_over():
            confirm = await self.producer.send(
                topic, value, key=key, headers=headers, partition=partition, timestamp_ms=timestamp_ms
            )
            confirm.add_done_callback(lambda done: self.on_confirm(done, value))

        wait(hand_over())

    def on_confirm(self, done, value):
        if done.cancelled() or done.exception() is not None:
            self.errors.append("cancelled" if done.cancelled() else repr(done.exception()))
        elif done.result() is not None:
            self.confirmed.append((done.result().partition, done.result().offset, value))

    def flush(self):
        wait(self.producer.flush())


class Listener(ConsumerRebalanceListener):
    def __init__(self, on_assigned, on_revoked):
        self.on_assigned = on_assigned
        self.on_revoked = on_revoked

    def on_partitions_assigned(self, assigned):
        if self.on_assigned:
            self.on_assigned([p.partition for p in assigned])

    def on_partitions_revoked(self, revoked):
        if self.on_revoked:
            self.on_revoked([p.partition for p in revoked])


class AioConsumer:
    def __init__(self, group=None, instance=None, session_ms=6_000, max_poll=500):
        self.consumer = wait(
            started(
                lambda: AIOKafkaConsumer(
                    bootstrap_servers=BOOTSTRAP,
                    group_id=group,
                    group_instance_id=instance,
                    auto_offset_reset="earliest",
                    enable_auto_commit=False,
                    session_timeout_ms=session_ms,
                    heartbeat_interval_ms=500,
                    max_poll_records=max_poll,
                    max_partition_fetch_bytes=8 * 1024 * 1024,
                    partition_assignment_strategy=[RangePartitionAssignor],
                )
            )
        )

    def assign(self, partitions):
        wait(called(self.consumer.assign, [TopicPartition(t, p) for t, p in partitions]))

    def subscribe(self, topics, on_assigned=None, on_revoked=None):
        wait(called(self.consumer.subscribe, topics, listener=Listener(on_assigned, on_revoked)))

    def poll(self):
        return [
            Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, list(r.headers))
            for records in wait(self.consumer.getmany(timeout_ms=200)).values()
            for r in records
        ]

    def assignment(self):
        return {p.partition for p in wait(called(self.consumer.assignment))}

    def commit(self):
        wait(self.consumer.commit())

    def try_commit(self):
        try:
            self.commit()
        except KafkaError:
            pass

    def committed(self, topic, partition):
        return wait(self.consumer.committed(TopicPartition(topic, partition)))

    def seek(self, topic, partition, offset):
        wait(called(self.consumer.seek, TopicPartition(topic, partition), offset))

    def seek_to_beginning(self, topic, partition):
        wait(self.consumer.seek_to_beginning(TopicPartition(topic, partition)))

    def seek_to_end(self, topic, partition):
        wait(self.consumer.seek_to_end(TopicPartition(topic, partition)))

    def offset_for_time(self, topic, partition, timestamp_ms):
        at = TopicPartition(topic, partition)
        found = wait(self.consumer.offsets_for_times({at: timestamp_ms}))[at]
        return None if found is None else found.offset

    def close(self):
        wait(self.consumer.stop())


async def called(function, *args, **named):
    """A plain function of the library, called where its loop runs."""
    return function(*args, **named)


class AioAdmin:
    """It returns the broker's answers as they came, errors included."""

    def __init__(self):
        self.admin = wait(started(lambda: AIOKafkaAdminClient(bootstrap_servers=BOOTSTRAP)))

    def create(self, topic, partitions, config):
        answer = wait(self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)]))
        try:
            check_codes(answer.topic_errors)
        except TopicAlreadyExistsError as e:
            raise TopicExists from e

    def list(self):
        return set(wait(self.admin.list_topics()))

    def partitions(self, topic):
        return len(wait(self.admin.describe_topics([topic]))[0]["partitions"])

    def config(self, topic, key):
        answers = wait(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
        entries = answers[0].resources[0][4]
        return next(entry[1] for entry in entries if entry[0] == key)

    def grow(self, topic, partitions):
        check_codes(wait(self.admin.create_partitions({topic: NewPartitions(partitions)})).topic_errors)

    def delete(self, topic):
        check_codes(wait(self.admin.delete_topics([topic])).topic_error_codes)


def check_codes(answers):
    """Each answer starts with a topic and the code of its error."""
    for answer in answers:
        if answer[1] != 0:
            raise for_code(answer[1])(f"{answer[0]}: {answer[2:]}")


class AioKafka:
    producer = AioProducer
    consumer = AioConsumer
    admin = AioAdmin
    null_header = None


if __name__ == "__main__":
    main(Stories(AioKafka(), sys.argv[0]).table)

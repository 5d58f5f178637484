"""The stories with kafka-python."""

import sys

from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetSpec, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError, TopicAlreadyExistsError

from harness import BOOTSTRAP, Record, TopicExists, main
from stories import Stories


class PythonProducer:
    def __init__(self, compression="none", acks="all", idempotent=True, max_bytes=None, small_batches=False):
        config = {
            "bootstrap_servers": BOOTSTRAP,
            "compression_type": None if compression == "none" else compression,
            "acks": acks if acks == "all" else int(acks),
            "enable_idempotence": idempotent,
            "linger_ms": 2,
            "batch_size": 1024 if small_batches else 64 * 1024,
        }
        if not idempotent:
            # One request at a time: so is order kept without sequence numbers.
            config["max_in_flight_requests_per_connection"] = 1
        if max_bytes:
            config["max_request_size"] = max_bytes
            config["batch_size"] = max_bytes
        self.producer = KafkaProducer(**config)
        self.errors = []
        self.confirmed = []

    def send(self, topic, value, key=None, headers=None, partition=None, timestamp_ms=None):
        future = self.producer.send(
            topic, value, key=key, headers=headers, partition=partition, timestamp_ms=timestamp_ms
        )
        future.add_callback(lambda m: self.confirmed.append((m.partition, m.offset, value)))
        future.add_errback(lambda e: self.errors.append(repr(e)))

    def flush(self):
        self.producer.flush(timeout=90)


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


class PythonConsumer:
    def __init__(self, group=None, instance=None, cooperative=False, session_ms=6_000, max_poll=500):
        self.consumer = KafkaConsumer(
            bootstrap_servers=BOOTSTRAP,
            group_id=group,
            group_instance_id=instance,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=500,
            max_poll_records=max_poll,
            max_partition_fetch_bytes=8 * 1024 * 1024,
            partition_assignment_strategy=[CooperativeStickyAssignor if cooperative else RangePartitionAssignor],
        )

    def assign(self, partitions):
        self.consumer.assign([TopicPartition(t, p) for t, p in partitions])

    def subscribe(self, topics, on_assigned=None, on_revoked=None):
        self.consumer.subscribe(topics, listener=Listener(on_assigned, on_revoked))

    def poll(self):
        return [
            Record(r.topic, r.partition, r.offset, r.timestamp, r.key, r.value, [(k, v) for k, v in r.headers or []])
            for records in self.consumer.poll(timeout_ms=200).values()
            for r in records
        ]

    def assignment(self):
        return {p.partition for p in self.consumer.assignment()}

    def commit(self):
        self.consumer.commit()

    def try_commit(self):
        try:
            self.commit()
        except KafkaError:
            pass

    def committed(self, topic, partition):
        return self.consumer.committed(TopicPartition(topic, partition))

    def seek(self, topic, partition, offset):
        self.consumer.seek(TopicPartition(topic, partition), offset)

    def seek_to_beginning(self, topic, partition):
        self.consumer.seek_to_beginning(TopicPartition(topic, partition))

    def seek_to_end(self, topic, partition):
        self.consumer.seek_to_end(TopicPartition(topic, partition))

    def offset_for_time(self, topic, partition, timestamp_ms):
        at = TopicPartition(topic, partition)
        found = self.consumer.offsets_for_times({at: timestamp_ms})[at]
        return None if found is None else found.offset

    def close(self):
        self.consumer.close()


class PythonAdmin:
    def __init__(self):
        self.admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)

    def create(self, topic, partitions, config):
        wanted = {topic: {"num_partitions": partitions, "replication_factor": 1, "configs": config}}
        try:
            self.admin.create_topics(wanted, timeout_ms=30_000)
        except TopicAlreadyExistsError as e:
            raise TopicExists from e

    def list(self):
        return set(self.admin.list_topics())

    def partitions(self, topic):
        return len(self.admin.describe_topics([topic])[0]["partitions"])

    def config(self, topic, key):
        found = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        return found["topic"][topic][key]["value"]

    def grow(self, topic, partitions):
        self.admin.create_partitions({topic: partitions}, timeout_ms=30_000)

    def delete(self, topic):
        self.admin.delete_topics([topic], timeout_ms=30_000)

    def offset_of_max_timestamp(self, topic, partition):
        at = TopicPartition(topic, partition)
        return self.admin.list_partition_offsets({at: OffsetSpec.MAX_TIMESTAMP})[at].offset


class KafkaPython:
    producer = PythonProducer
    consumer = PythonConsumer
    admin = PythonAdmin
    # It refuses to send a header without a value.
    null_header = b"null"


if __name__ == "__main__":
    main(Stories(KafkaPython(), sys.argv[0]).table)

"""The stories with confluent-kafka: librdkafka's Python face."""

import sys

from confluent_kafka import Consumer, KafkaError, KafkaException, OFFSET_BEGINNING, OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, OffsetSpec, ResourceType

from harness import BOOTSTRAP, Record, TopicExists, main
from stories import Stories


class ConfluentProducer:
    def __init__(self, compression="none", acks="all", idempotent=True, max_bytes=None, small_batches=False):
        config = {
            "bootstrap.servers": BOOTSTRAP,
            "compression.type": compression,
            "acks": acks,
            "enable.idempotence": idempotent,
            "linger.ms": 2,
            "queue.buffering.max.messages": 1_000_000,
        }
        if max_bytes:
            config["message.max.bytes"] = max_bytes
        if small_batches:
            config["batch.num.messages"] = 50
        self.producer = Producer(config)
        self.errors = []
        self.confirmed = []

    def on_delivery(self, error, message):
        if error is not None:
            self.errors.append(str(error))
        else:
            self.confirmed.append((message.partition(), message.offset(), message.value()))

    def send(self, topic, value, key=None, headers=None, partition=-1, timestamp_ms=0):
        self.producer.produce(
            topic,
            value,
            key=key,
            headers=headers or None,
            partition=partition,
            timestamp=timestamp_ms,
            on_delivery=self.on_delivery,
        )
        self.producer.poll(0)

    def flush(self):
        left = self.producer.flush(90)
        if left:
            self.errors.append(f"{left} records were not confirmed in time")


class ConfluentConsumer:
    def __init__(self, group=None, instance=None, cooperative=False, session_ms=6_000, max_poll=500):
        config = {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group or "no-group",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": 500,
            "partition.assignment.strategy": "cooperative-sticky" if cooperative else "range",
            "fetch.message.max.bytes": 8 * 1024 * 1024,
        }
        if instance:
            config["group.instance.id"] = instance
        self.max_poll = max_poll
        self.consumer = Consumer(config)

    def assign(self, partitions):
        self.consumer.assign([TopicPartition(t, p, OFFSET_BEGINNING) for t, p in partitions])

    def subscribe(self, topics, on_assigned=None, on_revoked=None):
        numbers = lambda partitions: [p.partition for p in partitions]
        callbacks = {}
        if on_assigned:
            callbacks["on_assign"] = lambda _, partitions: on_assigned(numbers(partitions))
        if on_revoked:
            callbacks["on_revoke"] = lambda _, partitions: on_revoked(numbers(partitions))
        self.consumer.subscribe(topics, **callbacks)

    def poll(self):
        records = []
        for message in self.consumer.consume(self.max_poll, timeout=0.2):
            error = message.error()
            if error is None:
                records.append(
                    Record(
                        message.topic(),
                        message.partition(),
                        message.offset(),
                        message.timestamp()[1],
                        message.key(),
                        message.value(),
                        message.headers() or [],
                    )
                )
            elif not (error.retriable() or error.code() in TRANSIENT):
                raise KafkaException(error)
        return records

    def assignment(self):
        return {p.partition for p in self.consumer.assignment()}

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def try_commit(self):
        try:
            self.commit()
        except KafkaException:
            pass

    def committed(self, topic, partition):
        return self.consumer.committed([TopicPartition(topic, partition)], timeout=30)[0].offset

    def seek(self, topic, partition, offset):
        self.consumer.seek(TopicPartition(topic, partition, offset))

    def seek_to_beginning(self, topic, partition):
        self.seek(topic, partition, OFFSET_BEGINNING)

    def seek_to_end(self, topic, partition):
        self.seek(topic, partition, OFFSET_END)

    def offset_for_time(self, topic, partition, timestamp_ms):
        offset = self.consumer.offsets_for_times([TopicPartition(topic, partition, timestamp_ms)], timeout=30)[0].offset
        return None if offset == OFFSET_END else offset

    def close(self):
        self.consumer.close()


# What a consumer is told while its broker is away, and lives through by itself.
TRANSIENT = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._RESOLVE, KafkaError._TIMED_OUT}


class ConfluentAdmin:
    def __init__(self):
        self.admin = AdminClient({"bootstrap.servers": BOOTSTRAP})

    def create(self, topic, partitions, config):
        future = self.admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic]
        try:
            future.result(30)
        except KafkaException as e:
            if e.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                raise TopicExists from e
            raise

    def list(self):
        return set(self.admin.list_topics(timeout=30).topics)

    def partitions(self, topic):
        return len(self.admin.list_topics(topic, timeout=30).topics[topic].partitions)

    def config(self, topic, key):
        resource = ConfigResource(ResourceType.TOPIC, topic)
        return self.admin.describe_configs([resource])[resource].result(30)[key].value

    def grow(self, topic, partitions):
        self.admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)

    def delete(self, topic):
        self.admin.delete_topics([topic])[topic].result(30)

    def offset_of_max_timestamp(self, topic, partition):
        at = TopicPartition(topic, partition)
        return self.admin.list_offsets({at: OffsetSpec.max_timestamp()})[at].result(30).offset


class Confluent:
    producer = ConfluentProducer
    consumer = ConfluentConsumer
    admin = ConfluentAdmin
    null_header = None


if __name__ == "__main__":
    main(Stories(Confluent(), sys.argv[0]).table)

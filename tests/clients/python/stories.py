"""The stories of tests/src/suites/clients.rs, told through an adapter to one library.

An adapter has `producer(**options)`, `consumer(**options)` and `admin()`: confluent.py, kafka_python.py and aio_kafka.py are such.
"""

import os
import subprocess
import sys
import threading
import time

from harness import BrokerKill, TopicExists, check, equal, kill_broker, name, wait_until

START_MS = 1_700_000_000_000


class Stories:
    def __init__(self, lib, script):
        self.lib = lib
        self.script = script
        self.table = {
            "large-record": self.large_record,
            "many-small": self.many_small,
            "acks-0": lambda: self.acknowledged("0"),
            "acks-1": lambda: self.acknowledged("1"),
            "acks-all": lambda: self.acknowledged("all"),
            "idempotent": self.idempotent,
            "offsets-for-times": self.offsets_for_times,
            "seek": self.seek,
            "auto-create": self.auto_create,
            "admin": self.admin,
            "group-resume": self.group_resume,
            "rebalance": self.rebalance,
            "member-dies": self.member_dies,
            "cooperative": self.cooperative,
            "static-member": self.static_member,
            "restart-idempotent": self.restart_idempotent,
            "restart-plain": self.restart_plain,
            "restart-consume": self.restart_consume,
            # Not a story: the member that member-dies kills.
            "member": self.member,
        }
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
            self.table[f"roundtrip-{codec}"] = lambda codec=codec: self.roundtrip(codec)

    # --- helpers

    def topic(self, part, partitions=1, config=None):
        topic = name(part)
        self.lib.admin().create(topic, partitions, config or {})
        return topic

    def read(self, topic, partitions, count):
        """Reads `count` records from the start, without a group."""
        consumer = self.lib.consumer()
        consumer.assign([(topic, p) for p in range(partitions)])
        records = []
        wait_until(
            lambda: records.extend(consumer.poll()) or len(records) >= count, f"{count} records are read from {topic}"
        )
        # What should not be there would come right behind.
        records.extend(consumer.poll())
        consumer.close()
        return records

    def values(self, records, partition):
        return [r.value for r in records if r.partition == partition]

    # --- producing and consuming

    def roundtrip(self, codec):
        topic = self.topic("roundtrip")
        # kafka-python refuses a record with neither key nor value, so that pair is left out.
        keys = [None, b"", b"key", bytes(range(256))]
        values = [None, b"", b"value", b"long and compressible " * 50]
        headers = [
            [],
            [("once", b"1")],
            [("twice", b"first"), ("twice", b"second"), ("null", self.lib.null_header), ("empty", b"")],
            [("\u00fc\u6f22", bytes(range(256)))],
        ]
        sent = []
        for i in range(300):
            key, value, header = keys[i % 4], values[i // 4 % 4], headers[i // 16 % 4]
            if key is not None or value is not None:
                sent.append((key, value, header, START_MS + i * 10))
        producer = self.lib.producer(compression=codec)
        for key, value, header, timestamp in sent:
            producer.send(topic, value, key=key, headers=header, partition=0, timestamp_ms=timestamp)
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        records = self.read(topic, 1, len(sent))
        equal([r.offset for r in records], list(range(len(sent))), "offsets")
        for record, (key, value, header, timestamp) in zip(records, sent):
            where = f"at offset {record.offset}"
            equal(record.key, key, f"key {where}")
            equal(record.value, value, f"value {where}")
            equal(record.headers, header, f"headers {where}")
            equal(record.timestamp_ms, timestamp, f"timestamp {where}")

    def large_record(self):
        topic = self.topic("large")
        large = os.urandom(5 * 1024 * 1024)
        producer = self.lib.producer(max_bytes=8 * 1024 * 1024)
        for value in [b"before", large, b"after"]:
            producer.send(topic, value, partition=0)
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        records = self.read(topic, 1, 3)
        equal([len(r.value) for r in records], [6, len(large), 5], "lengths")
        check(records[1].value == large, "the large record came back changed")

    def many_small(self):
        topic = self.topic("many", 3)
        producer = self.lib.producer()
        for i in range(20_000):
            producer.send(topic, b"%d" % i, partition=i % 3)
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        records = self.read(topic, 3, 20_000)
        for p in range(3):
            expected = [b"%d" % i for i in range(20_000) if i % 3 == p]
            equal(self.values(records, p), expected, f"partition {p}")

    def acknowledged(self, acks):
        topic = self.topic("acks")
        producer = self.lib.producer(acks=acks, idempotent=False)
        sent = [b"%d" % i for i in range(500)]
        for value in sent:
            producer.send(topic, value, partition=0)
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        equal(self.values(self.read(topic, 1, 500), 0), sent, "values")

    def idempotent(self):
        topic = self.topic("idempotent")
        producer = self.lib.producer(acks="all", idempotent=True, small_batches=True)
        sent = [b"%d" % i for i in range(5_000)]
        for value in sent:
            producer.send(topic, value, partition=0)
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        equal(self.values(self.read(topic, 1, 5_000), 0), sent, "values")
        equal(sorted(o for _, o, _ in producer.confirmed), list(range(5_000)), "confirmed offsets")

    def offsets_for_times(self):
        topic = self.topic("times")
        producer = self.lib.producer(small_batches=True)
        for i in range(200):
            producer.send(topic, b"%d" % i, partition=0, timestamp_ms=START_MS + i * 1000)
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        consumer = self.lib.consumer()
        consumer.assign([(topic, 0)])
        for at, offset in [
            (START_MS - 5_000, 0),
            (START_MS, 0),
            (START_MS + 100_000, 100),
            (START_MS + 100_001, 101),
            (START_MS + 199_000, 199),
            (START_MS + 199_001, None),
        ]:
            equal(consumer.offset_for_time(topic, 0, at), offset, f"the offset for time start+{at - START_MS} ms")
        consumer.close()
        admin = self.lib.admin()
        # aiokafka cannot ask for it.
        if hasattr(admin, "offset_of_max_timestamp"):
            equal(admin.offset_of_max_timestamp(topic, 0), 199, "the offset of the greatest timestamp")

    def seek(self):
        topic = self.topic("seek")
        producer = self.lib.producer()
        for i in range(300):
            producer.send(topic, b"%d" % i, partition=0)
        producer.flush()
        consumer = self.lib.consumer()
        consumer.assign([(topic, 0)])

        def first():
            return wait_until(consumer.poll, "a record comes")[0].offset

        equal(first(), 0, "the first offset from the earliest on")
        consumer.seek(topic, 0, 250)
        equal(first(), 250, "the first offset after seek(250)")
        consumer.seek_to_beginning(topic, 0)
        equal(first(), 0, "the first offset after seek to the beginning")
        consumer.seek_to_end(topic, 0)

        # A library may look the end up later than it says, so records keep coming until one is seen.
        def behind_the_end():
            producer.send(topic, b"behind the end", partition=0)
            producer.flush()
            return consumer.poll()

        found = wait_until(behind_the_end, "a record behind the end comes")[0]
        equal((found.offset >= 300, found.value), (True, b"behind the end"), "the record after seek to the end")
        consumer.close()

    def auto_create(self):
        topic = name("made-by-the-first-record")
        producer = self.lib.producer()
        producer.send(topic, b"hello")
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        equal([r.value for r in self.read(topic, 1, 1)], [b"hello"], "values")
        check(topic in self.lib.admin().list(), "the topic is not listed")

    def admin(self):
        admin = self.lib.admin()
        topic = name("admin")
        admin.create(topic, 3, {"retention.ms": "3600000"})
        wait_until(lambda: topic in admin.list(), "the new topic is listed")
        equal(admin.partitions(topic), 3, "partitions")
        equal(admin.config(topic, "retention.ms"), "3600000", "retention.ms")
        try:
            admin.create(topic, 3, {})
            check(False, "a topic was created twice")
        except TopicExists:
            pass
        admin.grow(topic, 5)
        wait_until(lambda: admin.partitions(topic) == 5, "there are five partitions")
        producer = self.lib.producer()
        producer.send(topic, b"in the new one", partition=4)
        producer.flush()
        equal(producer.errors, [], "errors of the producer")
        equal(self.values(self.read(topic, 5, 1), 4), [b"in the new one"], "values in the new partition")
        admin.delete(topic)
        wait_until(lambda: topic not in admin.list(), "the deleted topic is not listed any more")

    # --- groups

    def group_resume(self):
        topic = self.topic("resume")
        producer = self.lib.producer()
        for i in range(1_000):
            producer.send(topic, b"%d" % i, partition=0)
        producer.flush()
        group = name("group")
        seen = []
        for until in [400, 1_000]:
            consumer = self.lib.consumer(group=group, max_poll=100)
            consumer.subscribe([topic])
            wait_until(lambda: seen.extend(consumer.poll()) or len(seen) >= until, f"{until} records are read")
            consumer.commit()
            equal(consumer.committed(topic, 0), len(seen), "the committed offset")
            consumer.close()
        equal([r.value for r in seen], [b"%d" % i for i in range(1_000)], "both consumers' records together")

    def rebalance(self):
        topic = self.topic("rebalance", 4)
        stream = Stream(self.lib, topic, 4)
        first = Member(self.lib, name("group"), topic)
        wait_until(lambda: len(first.assigned) == 4, "the first member has all partitions")
        second = Member(self.lib, name("group"), topic)
        wait_until(lambda: len(first.assigned) == 2 and len(second.assigned) == 2, "the members share the partitions")
        marks = (len(first.seen), len(second.seen))
        wait_until(lambda: len(first.seen) > marks[0] and len(second.seen) > marks[1], "both members read")
        second.stop()
        wait_until(lambda: len(first.assigned) == 4, "the first member has all partitions back")
        sent = stream.stop()
        wait_until(lambda: sent <= first.seen | second.seen, "all records are read")
        first.stop()

    def member_dies(self):
        topic = self.topic("dies", 4)
        group = name("group")
        stream = Stream(self.lib, topic, 4)
        first = Member(self.lib, group, topic)
        wait_until(lambda: len(first.assigned) == 4, "the first member has all partitions")
        second = subprocess.Popen([sys.executable, "-u", self.script, "member", group, topic], stdout=subprocess.PIPE)
        wait_until(lambda: len(first.assigned) == 2, "the first member gave two partitions away")
        said = []
        reader = threading.Thread(target=lambda: said.extend(second.stdout.readlines()), daemon=True)
        first_line = second.stdout.readline()
        reader.start()
        second.kill()
        second.wait()
        reader.join()
        wait_until(lambda: len(first.assigned) == 4, "the first member took over")
        sent = stream.stop()
        elsewhere = {line.split(b" ")[1].strip() for line in [first_line] + said if line.endswith(b"\n")}
        wait_until(lambda: sent <= first.seen | elsewhere, "all records are read")
        first.stop()

    def member(self, group, topic):
        """Says each record before it commits it, until it is killed."""
        consumer = self.lib.consumer(group=group)
        consumer.subscribe([topic])
        while True:
            records = consumer.poll()
            for record in records:
                sys.stdout.write(f"saw {record.value.decode()}\n")
            sys.stdout.flush()
            if records:
                consumer.commit()

    def cooperative(self):
        topic = self.topic("cooperative", 4)
        stream = Stream(self.lib, topic, 4)
        first = Member(self.lib, name("group"), topic, cooperative=True)
        wait_until(lambda: len(first.assigned) == 4, "the first member has all partitions")
        second = Member(self.lib, name("group"), topic, cooperative=True)
        wait_until(lambda: len(first.assigned) == 2 and len(second.assigned) == 2, "the members share the partitions")
        equal(len(first.revoked), 2, "partitions that the first member had to give up")
        check(not set(first.revoked) & first.assigned, "a partition was taken and given back")
        second.stop()
        wait_until(lambda: len(first.assigned) == 4, "the first member has all partitions back")
        equal(len(first.revoked), 2, "partitions that the first member had to give up in the end")
        sent = stream.stop()
        wait_until(lambda: sent <= first.seen | second.seen, "all records are read")
        first.stop()

    def static_member(self):
        topic = self.topic("static", 4)
        group = name("group")
        stream = Stream(self.lib, topic, 4)
        first = Member(self.lib, group, topic, instance="one", session_ms=30_000)
        second = Member(self.lib, group, topic, instance="two", session_ms=30_000)
        wait_until(lambda: len(first.assigned) == 2 and len(second.assigned) == 2, "the members share the partitions")
        wait_until(lambda: len(second.seen) > 0, "the second member reads")
        had, rebalances = set(second.assigned), first.rebalances
        second.stop()
        again = Member(self.lib, group, topic, instance="two", session_ms=30_000)
        wait_until(lambda: again.assigned == had, "the returned member has the partitions it had")
        wait_until(lambda: len(again.seen) > 0, "the returned member reads")
        equal(first.rebalances, rebalances, "rebalances that the first member saw")
        sent = stream.stop()
        wait_until(lambda: sent <= first.seen | second.seen | again.seen, "all records are read")
        again.stop()
        first.stop()

    # --- crashes of the broker

    def produce_over_a_crash(self, **options):
        """Sends before, during and after a crash. Returns the topic, the producer, and what was sent where."""
        topic = self.topic("crash", 2)
        producer = self.lib.producer(acks="all", small_batches=True, **options)
        sent = {0: [], 1: []}

        def send(count):
            for _ in range(count):
                p = (len(sent[0]) + len(sent[1])) % 2
                value = b"%d-%d" % (p, len(sent[p]))
                producer.send(topic, value, partition=p)
                sent[p].append(value)

        send(4_000)
        producer.flush()
        crash = BrokerKill()
        while not crash.done.is_set():
            send(20)
            time.sleep(0.005)
        send(2_000)
        producer.flush()
        return topic, producer, sent

    def restart_idempotent(self):
        topic, producer, sent = self.produce_over_a_crash(idempotent=True)
        equal(producer.errors, [], "errors of the producer")
        records = self.read(topic, 2, len(sent[0]) + len(sent[1]))
        for p in range(2):
            equal(self.values(records, p), sent[p], f"partition {p}")
        found = {(r.partition, r.offset): r.value for r in records}
        for partition, offset, value in producer.confirmed:
            equal(found.get((partition, offset)), value, f"the record confirmed at {partition}/{offset}")

    def restart_plain(self):
        topic, producer, sent = self.produce_over_a_crash(idempotent=False)
        equal(producer.errors, [], "errors of the producer")
        consumer = self.lib.consumer()
        consumer.assign([(topic, 0), (topic, 1)])
        missing = set(sent[0]) | set(sent[1])
        wait_until(
            lambda: missing.difference_update(r.value for r in consumer.poll()) or not missing, "all records are read"
        )
        consumer.close()

    def restart_consume(self):
        topic = self.topic("crash", 2)
        producer = self.lib.producer()
        for i in range(4_000):
            producer.send(topic, b"%d" % i, partition=i % 2)
        producer.flush()
        group = name("group")
        consumer = self.lib.consumer(group=group, max_poll=50)
        consumer.subscribe([topic])
        seen = set()
        crashed = False

        def step():
            nonlocal crashed
            records = consumer.poll()
            seen.update(r.value for r in records)
            if len(seen) >= 1_500 and not crashed:
                consumer.commit()
                kill_broker()
                crashed = True
            return len(seen) >= 4_000

        wait_until(step, "all records are read over the crash")
        consumer.commit()
        for p in range(2):
            equal(consumer.committed(topic, p), 2_000, f"the committed offset of partition {p}")
        consumer.close()
        check(crashed, "the broker was never killed")


class Stream:
    """Produces a numbered record every few milliseconds until it is stopped."""

    def __init__(self, lib, topic, partitions):
        self.producer = lib.producer()
        self.topic = topic
        self.partitions = partitions
        self.sent = set()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopping.is_set():
            value = b"%d" % len(self.sent)
            self.producer.send(self.topic, value, partition=len(self.sent) % self.partitions)
            self.sent.add(value)
            time.sleep(0.003)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        self.producer.flush()
        equal(self.producer.errors, [], "errors of the producer")
        return self.sent


class Member:
    """A group member in a thread: reads, remembers, commits."""

    def __init__(self, lib, group, topic, **options):
        self.assigned = set()
        self.revoked = []
        self.rebalances = 0
        self.seen = set()
        self.error = None
        self.stopping = threading.Event()
        self.consumer = lib.consumer(group=group, **options)
        self.topic = topic
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def on_assigned(self, partitions):
        self.rebalances += 1

    def on_revoked(self, partitions):
        self.rebalances += 1
        self.revoked.extend(partitions)

    def run(self):
        self.consumer.subscribe([self.topic], self.on_assigned, self.on_revoked)
        while not self.stopping.is_set():
            records = self.consumer.poll()
            self.assigned = self.consumer.assignment()
            self.seen.update(r.value for r in records)
            if records:
                # A rebalance may be under way: then nothing is committed, and nothing is lost by that.
                self.consumer.try_commit()
        # Leaving is not a revocation that a story counts.
        self.consumer.close()

    def stop(self):
        self.stopping.set()
        self.thread.join(60)
        check(not self.thread.is_alive(), "the member's thread does not end")

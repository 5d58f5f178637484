"""The stories of tests/src/suites/assigned.rs with librdkafka: members of groups whose partitions the broker assigns."""

import os
import subprocess
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from harness import BOOTSTRAP, check, equal, kill_broker, main, name, wait_until

GROUP = name("group")


def make_topic(part, partitions=1):
    topic = name(part)
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(30)
    return topic


class Owners:
    """Who has a partition by what the callbacks were told; shared by all members of a story."""

    def __init__(self):
        self.lock = threading.Lock()
        self.owners = {}
        self.twice = []

    def take(self, partition, member):
        with self.lock:
            other = self.owners.setdefault(partition, member)
            if other != member:
                self.twice.append((partition, other, member))

    def give(self, partition, member):
        with self.lock:
            if self.owners.get(partition) == member:
                del self.owners[partition]

    def check(self):
        equal(self.twice, [], "partitions with two owners")


class Attendant:
    """A member in a thread: reads, remembers, commits."""

    def __init__(self, who, owners, topic, **settings):
        self.who = who
        self.owners = owners
        self.assigned = set()
        self.seen = set()
        self.rebalances = 0
        self.error = None
        self.stopping = False
        config = {
            "bootstrap.servers": BOOTSTRAP,
            "group.id": GROUP,
            "group.protocol": "consumer",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
        config.update({key.replace("_", "."): value for key, value in settings.items()})
        self.consumer = Consumer(config)
        self.consumer.subscribe([topic], on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_revoke)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def on_assign(self, _consumer, partitions):
        for p in partitions:
            self.owners.take((p.topic, p.partition), self.who)
            self.assigned.add((p.topic, p.partition))
        self.rebalances += bool(partitions)

    def on_revoke(self, _consumer, partitions):
        for p in partitions:
            self.owners.give((p.topic, p.partition), self.who)
            self.assigned.discard((p.topic, p.partition))
        self.rebalances += bool(partitions)

    def run(self):
        try:
            while not self.stopping:
                message = self.consumer.poll(0.2)
                if message is None:
                    continue
                if message.error():
                    if message.error().fatal():
                        raise KafkaException(message.error())
                    continue
                self.seen.add(message.value())
                try:
                    self.consumer.commit(message, asynchronous=False)
                except KafkaException as error:
                    # Given back meanwhile, or the broker is away: it is read again by who has it then.
                    print("not committed:", error)
            self.consumer.close()
        except BaseException as error:  # The story asks for it.
            self.error = error

    def healthy(self):
        if self.error is not None:
            raise self.error

    def stop(self):
        self.stopping = True
        self.thread.join(40)
        check(not self.thread.is_alive(), f"{self.who}'s thread does not end")
        self.healthy()


class JavaMember:
    """A member of Kafka's Java client in a process of its own, which says what it gets, gives back and sees."""

    def __init__(self, who, owners, topic, **settings):
        self.who = who
        self.owners = owners
        self.topic = topic
        self.assigned = set()
        self.seen = set()
        self.has_left = False
        pairs = [text for key, value in settings.items() for text in (key.replace("_", "."), str(value))]
        command = ["java", "-cp", os.environ["JAVA_CLASS_PATH"], "AssignedMember", GROUP, topic, *pairs]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            kind, what = line[0], line[1:].strip()
            if kind == "+":
                self.owners.take((self.topic, int(what)), self.who)
                self.assigned.add((self.topic, int(what)))
            elif kind == "-":
                self.owners.give((self.topic, int(what)), self.who)
                self.assigned.discard((self.topic, int(what)))
            elif kind == "=":
                self.seen.add(what.encode())
            elif line.strip() == "left":
                self.has_left = True

    def healthy(self):
        check(self.process.poll() is None, f"{self.who}'s process has ended")

    def stop(self):
        self.process.stdin.close()
        self.process.wait(40)
        self.thread.join(10)
        check(self.has_left, f"{self.who} did not leave as it should")


class Flow:
    """Sends numbers, slowly, until it is told to stop."""

    def __init__(self, topic, partitions):
        self.sent = set()
        self.stopping = False
        self.thread = threading.Thread(target=self.run, args=(topic, partitions), daemon=True)
        self.thread.start()

    def run(self, topic, partitions):
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 2, "enable.idempotence": True})

        def confirmed(error, message):
            if error is None:
                self.sent.add(message.value())

        number = 0
        while not self.stopping:
            producer.produce(topic, str(number).encode(), partition=number % partitions, on_delivery=confirmed)
            producer.poll(0.005)
            number += 1
        producer.flush(60)

    def stop(self):
        self.stopping = True
        self.thread.join()
        return self.sent


def settled(partitions, least, *members):
    def shared():
        for member in members:
            member.healthy()
        shares = [set(member.assigned) for member in members]
        return (
            all(len(share) >= least for share in shares)
            and sum(map(len, shares)) == partitions
            and len(set().union(*shares)) == partitions
        )

    wait_until(shared, f"{partitions} partitions are shared by {len(members)}")


def all_seen(sent, members):
    wait_until(lambda: sent <= set().union(*(set(m.seen) for m in members)), "every record is seen", 60)


def come_and_go():
    topic, owners, ever = make_topic("t", 8), Owners(), []
    flow = Flow(topic, 8)
    for who in "abcd":
        ever.append(Attendant(who, owners, topic))
        settled(8, 8 // len(ever), *ever)
    ever[0].stop()
    settled(8, 2, *ever[1:])
    ever[2].stop()
    settled(8, 4, ever[1], ever[3])
    all_seen(flow.stop(), ever)
    ever[1].stop()
    ever[3].stop()
    owners.check()


def static_bounce():
    topic, owners = make_topic("t", 4), Owners()
    other = Attendant("other", owners, topic)
    first = Attendant("first", owners, topic, group_instance_id="i")
    settled(4, 2, other, first)
    had, rebalances = set(first.assigned), other.rebalances
    first.stop()
    after = Attendant("after", owners, topic, group_instance_id="i")
    settled(4, 2, other, after)
    equal(set(after.assigned), had, "what the static member has")
    # Longer than a heartbeat: who is to give back would know by now.
    time.sleep(6)
    equal(other.rebalances, rebalances, "what the other member heard of")
    after.stop()
    other.stop()
    owners.check()


def dies():
    topic, owners = make_topic("t", 4), Owners()
    left = Attendant("left", owners, topic)
    victim = subprocess.Popen([sys.executable, __file__, "victim", topic])
    wait_until(lambda: len(left.assigned) == 2, "the victim has its half")
    time.sleep(2)
    victim.kill()
    victim.wait()
    time.sleep(20)
    equal(len(left.assigned), 2, "partitions while the victim's session lasts")
    wait_until(lambda: len(left.assigned) == 4, "all partitions are those of who is left")
    left.stop()
    owners.check()


def victim(topic):
    member = Attendant("victim", Owners(), topic)
    while True:
        member.healthy()
        time.sleep(0.1)


def over_crashes():
    topic, owners = make_topic("t", 6), Owners()
    members = [Attendant(who, owners, topic) for who in "abc"]
    settled(6, 2, *members)
    flow = Flow(topic, 6)
    had = [set(member.assigned) for member in members]
    kill_broker()
    time.sleep(8)
    equal([set(member.assigned) for member in members], had, "what members have after a crash")
    members.append(Attendant("d", owners, topic))
    kill_broker()
    settled(6, 1, *members)
    all_seen(flow.stop(), members)
    for member in members:
        member.stop()
    owners.check()


CLASSIC = {"group_protocol": "classic", "session_timeout_ms": 10000, "heartbeat_interval_ms": 1000}


def migrate(kinds, strategy, crashes=False):
    """Classic members are replaced one by one by native ones while records flow, and these by classic ones."""
    topic, owners, ever = make_topic("t", 6), Owners(), []
    classic = {**CLASSIC, "partition_assignment_strategy": strategy}

    def member(who, place, settings):
        kind = kinds[place]
        if kind is JavaMember and settings is classic:
            classes = {"range": "RangeAssignor", "cooperative-sticky": "CooperativeStickyAssignor"}
            assignor = "org.apache.kafka.clients.consumer." + classes[strategy]
            settings = {**settings, "partition_assignment_strategy": assignor}
        ever.append(kind(f"{who}-{place}", owners, topic, **settings))
        return ever[-1]

    now = [member("classic", place, classic) for place in range(3)]
    settled(6, 2, *now)
    flow = Flow(topic, 6)
    for who, settings in (("native", {}), ("again", classic)):
        for place in range(3):
            now[place].stop()
            now[place] = member(who, place, settings)
            if crashes and place == 1:
                kill_broker()
            settled(6, 2, *now)
    all_seen(flow.stop(), ever)
    for left in now:
        left.stop()
    owners.check()


def migrates_cooperative():
    migrate([Attendant] * 3, "cooperative-sticky")


def migrates_eager():
    migrate([Attendant] * 3, "range")


def migrates_with_java():
    migrate([JavaMember, Attendant, JavaMember], "cooperative-sticky", crashes=True)


main(
    {
        "come-and-go": come_and_go,
        "static-bounce": static_bounce,
        "dies": dies,
        "victim": victim,
        "over-crashes": over_crashes,
        "migrates-cooperative": migrates_cooperative,
        "migrates-eager": migrates_eager,
        "migrates-with-java": migrates_with_java,
    }
)

"""What every driver needs: its surroundings, waiting for conditions, and asking the harness for a crash."""

import os
import sys
import threading
import time
import traceback

BOOTSTRAP = os.environ["BOOTSTRAP"]
PREFIX = os.environ["PREFIX"]
WORK_DIR = os.environ["WORK_DIR"]

# Past this a wait has failed. The harness has limits of its own; this one names what was waited for.
WAIT_S = 40.0


class Record:
    """A consumed record, the same for every library."""

    __slots__ = ("topic", "partition", "offset", "timestamp_ms", "key", "value", "headers")

    def __init__(self, topic, partition, offset, timestamp_ms, key, value, headers):
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp_ms = timestamp_ms
        self.key = key
        self.value = value
        self.headers = headers


class TopicExists(Exception):
    """A topic of that name is already there."""


def name(part):
    """A topic or group name of this case's own."""
    return PREFIX + part


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def equal(found, expected, what):
    if found != expected:
        raise AssertionError(f"{what}: found {shown(found)}, expected {shown(expected)}")


def shown(value):
    text = repr(value)
    return text if len(text) < 400 else text[:400] + "..."


def wait_until(condition, what, limit_s=WAIT_S):
    """Checks a condition until it holds. Returns what it returned."""
    end = time.monotonic() + limit_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"timed out waiting until {what}")
        time.sleep(0.01)


def wish(service):
    """Asks the harness for a service and returns when it is done."""
    print(f"@{service}", flush=True)
    answer = sys.stdin.readline().strip()
    equal(answer, "ok", "the harness's answer")


def kill_broker():
    """kill -9 and a new start of the broker; returns when it answers again."""
    wish("kill9")


class BrokerKill:
    """kill_broker beside other work."""

    def __init__(self):
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        kill_broker()
        self.done.set()


def main(stories):
    """Runs the story named on the command line."""
    story = sys.argv[1]
    try:
        stories[story](*sys.argv[2:])
    except BaseException:
        traceback.print_exc()
        sys.stdout.flush()
        # Threads of a client library must not keep a failed driver alive.
        os._exit(1)
    sys.stdout.flush()
    os._exit(0)

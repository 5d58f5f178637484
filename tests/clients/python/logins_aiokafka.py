"""The stories of tests/src/suites/logins.rs with aiokafka. Its loop runs in a thread of its own; the stories call into it and wait."""

import asyncio
import threading

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.helpers import create_ssl_context

from harness import check, main
from logins import TOPIC, Log, Stories, in_dir

# Past this a call has failed.
CALL_S = 60.0

LOG = Log("aiokafka")

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def wait(coroutine):
    """Runs it in the library's thread and returns what it returned."""
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(CALL_S)


def settings(client):
    made = {"bootstrap_servers": client.at, "security_protocol": client.protocol}
    if client.mechanism:
        made |= {
            "sasl_mechanism": client.mechanism,
            "sasl_plain_username": client.user,
            "sasl_plain_password": client.password,
        }
    if client.authority:
        own = client.certificate
        made["ssl_context"] = create_ssl_context(
            cafile=in_dir(f"{client.authority}.pem"),
            certfile=own and in_dir(f"{own}.pem"),
            keyfile=own and in_dir(f"{own}.key"),
        )
    return made


class OneProducer:
    def __init__(self, client):
        async def start():
            producer = AIOKafkaProducer(**settings(client))
            await producer.start()
            return producer

        self.producer = wait(start())

    def send(self, value):
        wait(self.producer.send_and_wait(TOPIC, value, partition=0))

    def close(self):
        wait(self.producer.stop())


async def read(client, value):
    consumer = AIOKafkaConsumer(enable_auto_commit=False, **settings(client))
    await consumer.start()
    try:
        at = TopicPartition(TOPIC, 0)
        consumer.assign([at])
        await consumer.seek_to_beginning(at)
        while (await consumer.getone()).value != value:
            pass
    finally:
        await consumer.stop()


async def failure(client, what):
    consumer = AIOKafkaConsumer(**settings(client))
    try:
        await consumer.start()
        await consumer.topics()
    except KafkaError as error:
        return error
    finally:
        await consumer.stop()
    return check(False, f"{what} is served")


class AioKafka:
    producer = OneProducer

    def reads(self, client, value):
        wait(read(client, value))

    def is_wrong(self, client, what):
        self.fails(client, what)
        LOG.has_heard(what)

    def fails(self, client, what):
        print(f"{what}: {wait(failure(client, what))!r}")


if __name__ == "__main__":
    main(Stories(AioKafka()).all())

"""What aiokafka makes of a quota: it is held back and loses nothing. It reads no throttle times. The harness has set it for the client's name."""

import asyncio
import time

from aiokafka import AIOKafkaProducer

from harness import BOOTSTRAP, check, main, name
from quotas import LEAST_S, RECORD, TOTAL, make_topic
from quotas_kafka_python import everything_is_there, value


async def publish(topic):
    producer = AIOKafkaProducer(
        bootstrap_servers=BOOTSTRAP, client_id=name("aiokafka"), max_batch_size=50_000, linger_ms=5
    )
    await producer.start()
    begun = time.monotonic()
    sent = [await producer.send(topic, value(number), partition=0) for number in range(TOTAL // RECORD)]
    await asyncio.gather(*sent)
    took = time.monotonic() - begun
    await producer.stop()
    return took


def publishes():
    topic = make_topic()
    took = asyncio.run(publish(topic))
    check(took >= LEAST_S, f"{TOTAL} bytes were published in {took:.1f} s")
    everything_is_there(topic)


if __name__ == "__main__":
    main({"publishes": publishes})

"""Tells the story of tests/wire/README.md with pika: `python pika_story.py PORT`."""

import sys
from datetime import datetime, timezone
from decimal import Decimal

import pika

connection = pika.BlockingConnection(
    pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), client_properties={"connection_name": "a story"})
)
channel = connection.channel()
channel.exchange_declare("orders", "topic", durable=True, arguments={"alternate-exchange": "rest"})
channel.exchange_declare("rest", "fanout", internal=True, auto_delete=True)
channel.exchange_bind("rest", "orders", "a.*", arguments={"x-match": "any"})
channel.exchange_unbind("rest", "orders", "a.*")
channel.queue_declare("stock", passive=True)
name = channel.queue_declare("", exclusive=True).method.queue
channel.queue_declare(
    "orders",
    durable=True,
    arguments={
        "x-queue-type": "quorum",
        "x-message-ttl": 60_000,
        "x-max-length": 10**12,
        "x-single-active-consumer": True,
        "x-dead-letter-exchange": "dead",
        "a list": [1, "two", None, {"three": 3}],
    },
)
channel.queue_bind("orders", "orders", "a.#", arguments={"x-match": "all", "region": "eu"})
channel.queue_unbind("orders", "orders", "b.#")
channel.queue_purge("stock")
channel.queue_delete("stock", if_unused=True, if_empty=True)
channel.basic_qos(prefetch_count=10)
channel.confirm_delivery()

everything = pika.BasicProperties(
    content_type="application/json",
    content_encoding="utf-8",
    headers={
        "true": True,
        "long": -(2**40),
        "text": "grün",
        "bytes": b"\x00\xff",
        "decimal": Decimal("3.14"),
        "time": datetime(2026, 11, 23, tzinfo=timezone.utc),
        "none": None,
        "list": [1, [2, [3]]],
        "table": {"in": {"in": "in"}},
    },
    delivery_mode=2,
    priority=9,
    correlation_id="c-1",
    reply_to="amq.rabbitmq.reply-to",
    expiration="60000",
    message_id="m-1",
    timestamp=1_700_000_000,
    type="order",
    user_id="guest",
    app_id="story",
    cluster_id="none",
)
channel.basic_publish("orders", "a.b", b"", everything)
channel.basic_publish("orders", "a.b", b"x" * 9_000)
channel.basic_publish("", "orders", b"the body", everything)
try:
    channel.basic_publish("", "nowhere", b"back", mandatory=True)
    raise SystemExit("it did not come back")
except pika.exceptions.UnroutableError:
    pass

got, properties, body = channel.basic_get("orders")
assert (properties.headers["text"], body) == ("grün", b"the body"), (properties, body)
channel.basic_ack(got.delivery_tag)
assert channel.basic_get("empty", auto_ack=True) == (None, None, None)

seen = []


def consume(channel, delivery, properties, body):
    assert properties == everything and body == b"the body"
    seen.append(delivery.delivery_tag)
    if len(seen) == 1:
        channel.basic_ack(delivery.delivery_tag)
    elif len(seen) == 2:
        channel.basic_nack(delivery.delivery_tag, multiple=True, requeue=False)
    else:
        channel.basic_reject(delivery.delivery_tag, requeue=True)
        channel.stop_consuming()


channel.basic_consume("orders", consume, exclusive=True, arguments={"x-priority": 5})
channel.start_consuming()
channel.basic_recover(requeue=True)
transactions = connection.channel()
transactions.tx_select()
transactions.basic_publish("", name, b"in a transaction")
transactions.tx_commit()
transactions.tx_rollback()
transactions.close()
channel.exchange_delete("orders", if_unused=True)
channel.close()
connection.update_secret("new secret", "it was time")
connection.close()

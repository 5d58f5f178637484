"""The stories of tests/src/suites/amqp.rs with pika."""

import os
import socket
import time

import pika
from confluent_kafka import Consumer, TopicPartition
from pika.exceptions import (
    AMQPConnectionError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ProbableAccessDeniedError,
    UnroutableError,
)

from harness import BOOTSTRAP, check, equal, kill_broker, main, name, wait_until

HOST, PORT = os.environ["AMQP"].rsplit(":", 1)
PERSISTENT = pika.BasicProperties(delivery_mode=2)


def connect():
    return pika.BlockingConnection(pika.ConnectionParameters(HOST, int(PORT)))


def lose(connection):
    """Ends a connection without a word."""
    connection._impl._transport._sock.shutdown(socket.SHUT_RDWR)


def connect_again():
    """Once the broker is back."""

    def attempt():
        try:
            return connect()
        except AMQPConnectionError:
            return None

    return wait_until(attempt, "the broker takes connections again")


def passive(connection, queue):
    """What a queue says of itself."""
    channel = connection.channel()
    found = channel.queue_declare(queue, passive=True).method
    channel.close()
    return found.message_count, found.consumer_count


def refused(connection, ask):
    """What the server says to a mistake on a new channel."""
    channel = connection.channel()
    try:
        ask(channel)
    except ChannelClosedByBroker as why:
        return why.reply_code, why.reply_text
    raise AssertionError("it was not refused")


def drain(channel, queue, count=None, limit_s=20):
    """Messages of a queue, acknowledged one by one; without a count as many as there are."""
    found = []
    for method, properties, body in channel.consume(queue, inactivity_timeout=0.5 if count is None else limit_s):
        if method is None:
            break
        found.append((method, properties, body))
        channel.basic_ack(method.delivery_tag)
        if len(found) == count:
            break
    channel.cancel()
    return found


def bodies(found):
    return [body.decode() for _, _, body in found]


def routes():
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    for kind in ["direct", "topic", "fanout", "headers"]:
        channel.exchange_declare(name(kind), kind, durable=True)
        channel.queue_declare(name(f"q-{kind}"), durable=True)
    channel.queue_bind(name("q-direct"), name("direct"), "key")
    channel.queue_bind(name("q-topic"), name("topic"), "order.*.paid")
    channel.queue_bind(name("q-topic"), name("topic"), "#.urgent")
    channel.queue_bind(name("q-fanout"), name("fanout"))
    channel.queue_bind(name("q-headers"), name("headers"), arguments={"x-match": "all", "a": 1, "b": "two"})
    channel.exchange_bind(name("fanout"), name("topic"), "order.#")

    sent = [
        ("direct", "key", {}, True),
        ("direct", "other", {}, False),
        ("topic", "order.7.paid", {}, True),
        ("topic", "order.7.late.urgent", {}, True),
        ("topic", "stock.7", {}, False),
        ("headers", "", {"a": 1, "b": "two", "c": 3}, True),
        ("headers", "", {"a": 1}, False),
    ]
    for number, (exchange, key, headers, arrives) in enumerate(sent):
        properties = pika.BasicProperties(delivery_mode=2, headers=headers)
        try:
            channel.basic_publish(name(exchange), key, f"{number}".encode(), properties, mandatory=True)
            check(arrives, f"{exchange} {key} went somewhere")
        except UnroutableError as why:
            check(not arrives, f"{exchange} {key} went nowhere")
            returned = why.messages[0]
            equal((returned.method.reply_code, returned.method.reply_text), (312, "NO_ROUTE"), "the return")
            equal(returned.body, f"{number}".encode(), "what came back")
    equal(bodies(drain(channel, name("q-direct"))), ["0"], "direct")
    equal(bodies(drain(channel, name("q-topic"))), ["2", "3"], "topic")
    equal(bodies(drain(channel, name("q-fanout"))), ["2", "3"], "what the topic exchange led to the fanout")
    equal(bodies(drain(channel, name("q-headers"))), ["5"], "headers")

    full = pika.BasicProperties(
        content_type="text/plain",
        content_encoding="utf-8",
        headers={"n": 7, "text": "x", "list": [1, "two", None], "deep": {"yes": True}},
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        reply_to="r",
        message_id="m",
        timestamp=1_700_000_000,
        type="t",
        user_id="guest",
        app_id="a",
    )
    body = bytes(range(256)) * 2_000
    queue = name("q-direct")
    channel.basic_publish("", queue, body, full)
    channel.basic_publish("", queue, b"", PERSISTENT)
    equal(passive(connection, queue), (2, 0), "what waits")
    method, properties, found = channel.basic_get(queue)
    equal((method.routing_key, method.redelivered, method.message_count), (queue, False, 1), "what was got")
    equal((vars(properties), found), (vars(full), body), "the message")
    channel.basic_ack(method.delivery_tag)
    equal(channel.basic_get(queue, auto_ack=True)[2], b"", "nothing is a body too")
    equal(channel.basic_get(queue), (None, None, None), "nothing is left")
    for number in range(10):
        channel.basic_publish("", queue, f"{number}".encode(), PERSISTENT)
    equal(channel.queue_purge(queue).method.message_count, 10, "purged")
    channel.basic_publish("", queue, b"last", PERSISTENT)
    equal(
        refused(connection, lambda channel: channel.queue_delete(queue, if_empty=True)),
        (406, f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty"),
        "deleted only if empty",
    )
    equal(channel.queue_delete(queue).method.message_count, 1, "deleted with what was in it")
    connection.close()


def settlements():
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    queue = name("q")
    channel.queue_declare(queue, durable=True)
    for number in range(20):
        channel.basic_publish("", queue, f"{number}".encode(), PERSISTENT)
    seen = []
    channel.basic_qos(prefetch_count=5)
    tag = channel.basic_consume(queue, lambda _, method, properties, body: seen.append((method, body.decode())))

    def have(count):
        def arrived():
            connection.process_data_events(0.01)
            return len(seen) >= count

        wait_until(arrived, f"{count} deliveries came")
        connection.process_data_events(0.05)
        equal(len(seen), count, "deliveries under the prefetch")

    have(5)
    equal([body for _, body in seen], ["0", "1", "2", "3", "4"], "in order")
    channel.basic_ack(seen[2][0].delivery_tag, multiple=True)
    have(8)
    channel.basic_nack(seen[3][0].delivery_tag, requeue=True)
    have(9)
    equal((seen[8][1], seen[8][0].redelivered), ("3", True), "what was given back comes first, and again")
    channel.basic_reject(seen[4][0].delivery_tag, requeue=False)
    have(10)
    channel.basic_ack(0, multiple=True)
    have(15)
    equal([method.redelivered for method, _ in seen[9:]], [False] * 6, "what comes for the first time")
    equal([method.delivery_tag for method, _ in seen], list(range(1, 16)), "tags")
    channel.basic_cancel(tag)
    equal(passive(connection, queue)[1], 0, "consumers")
    channel.basic_ack(seen[10][0].delivery_tag)
    # The other four of them are with a client that is lost without a word.
    left = [body for _, body in seen[11:15]]
    lose(connection)
    again = connect()
    second = again.channel()
    wait_until(lambda: passive(again, queue)[0] == 20 - 10, "what it had is ready again")
    found = drain(second, queue)
    rest = [str(number) for number in range(14, 20)]
    equal([body.decode() for _, _, body in found], sorted(set(left) | set(rest), key=int), "the rest, in order")
    redelivered = [body.decode() for method, _, body in found if method.redelivered]
    check(set(left) <= set(redelivered), f"{left} say that they come again, not only {redelivered}")
    equal(passive(again, queue), (0, 0), "at the end")
    again.close()


def over_crashes():
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.exchange_declare(name("all"), "fanout", durable=True)
    for queue in ["a", "b"]:
        channel.queue_declare(name(queue), durable=True)
        channel.queue_bind(name(queue), name("all"))
    channel.queue_declare(name("goes"))
    channel.queue_bind(name("goes"), name("all"))
    confirmed = []
    settled = []
    for round_number in range(3):
        for number in range(200):
            body = f"{round_number}-{number}"
            channel.basic_publish(name("all"), "", body.encode(), PERSISTENT)
            confirmed.append(body)
        for _ in range(50):
            method, _, body = channel.basic_get(name("a"))
            settled.append(body.decode())
            channel.basic_ack(method.delivery_tag)
        # Whoever hears of the queue hears it behind what was settled.
        equal(passive(connection, name("a"))[0], len(confirmed) - len(settled), "what waits")
        held = channel.basic_get(name("b"))[2].decode()
        kill_broker()
        connection = connect_again()
        channel = connection.channel()
        channel.confirm_delivery()
        goes = name("goes")
        equal(
            refused(connection, lambda channel: channel.queue_declare(goes, passive=True)),
            (404, f"NOT_FOUND - no queue '{goes}' in vhost '/'"),
            "what was not durable",
        )
        method, _, body = channel.basic_get(name("b"))
        equal((body.decode(), method.redelivered), (held, True), "what somebody had")
        channel.basic_nack(method.delivery_tag, requeue=True)
    equal(settled, confirmed[: len(settled)], "what was taken from one queue")
    equal(bodies(drain(channel, name("a"))), confirmed[len(settled) :], "what is left of it")
    equal(bodies(drain(channel, name("b"))), confirmed, "the other queue")
    connection.close()


def mistakes():
    connection = connect()
    channel = connection.channel()
    queue, exchange = name("q"), name("x")
    about, of = f"queue '{queue}' in vhost '/'", f"exchange '{exchange}' in vhost '/'"
    channel.queue_declare(queue, durable=True)
    channel.exchange_declare(exchange, "direct", durable=True)
    cases = [
        (lambda c: c.queue_declare("nope", passive=True), 404, "NOT_FOUND - no queue 'nope' in vhost '/'"),
        (lambda c: c.exchange_declare("nope", passive=True), 404, "NOT_FOUND - no exchange 'nope' in vhost '/'"),
        (lambda c: c.basic_consume("nope", print), 404, "NOT_FOUND - no queue 'nope' in vhost '/'"),
        (lambda c: c.basic_get("nope"), 404, "NOT_FOUND - no queue 'nope' in vhost '/'"),
        (lambda c: c.queue_bind(queue, "nope", "k"), 404, "NOT_FOUND - no exchange 'nope' in vhost '/'"),
        (lambda c: c.queue_bind("nope", exchange, "k"), 404, "NOT_FOUND - no queue 'nope' in vhost '/'"),
        (
            lambda c: c.queue_declare(queue),
            406,
            f"PRECONDITION_FAILED - inequivalent arg 'durable' for {about}: received 'false' but current is 'true'",
        ),
        (
            lambda c: c.queue_declare(queue, durable=True, auto_delete=True),
            406,
            f"PRECONDITION_FAILED - inequivalent arg 'auto_delete' for {about}: received 'true' but current is 'false'",
        ),
        (
            lambda c: c.exchange_declare(exchange, "fanout", durable=True),
            406,
            f"PRECONDITION_FAILED - inequivalent arg 'type' for {of}: received 'fanout' but current is 'direct'",
        ),
        (
            lambda c: c.queue_declare("amq.mine", durable=True),
            403,
            "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
        ),
        (
            lambda c: c.queue_bind(queue, "", "k"),
            403,
            "ACCESS_REFUSED - operation not permitted on the default exchange",
        ),
    ]
    for ask, code, text in cases:
        equal(refused(connection, ask), (code, text), text)

    def ack_nothing(channel):
        channel.basic_ack(17)
        channel.queue_declare(queue, passive=True)

    equal(refused(connection, ack_nothing), (406, "PRECONDITION_FAILED - unknown delivery tag 17"), "an unknown tag")

    def publish_nowhere(channel):
        channel.basic_publish("nope", "k", b"")
        channel.queue_declare(queue, passive=True)

    equal(
        refused(connection, publish_nowhere),
        (404, "NOT_FOUND - no exchange 'nope' in vhost '/'"),
        "an unknown exchange",
    )
    # What is not done at all ends the connection.
    try:
        connection.channel().queue_declare(name("later"), durable=True, arguments={"x-max-priority": 10})
        raise AssertionError("it was not refused")
    except ConnectionClosedByBroker as why:
        equal(why.reply_code, 540, why.reply_text)
    try:
        pika.BlockingConnection(pika.ConnectionParameters(HOST, int(PORT), virtual_host="nope"))
        raise AssertionError("it was not refused")
    except ProbableAccessDeniedError as why:
        check("(530) 'NOT_ALLOWED - vhost nope not found'" in str(why), str(why))


def is_there(connection, queue):
    try:
        passive(connection, queue)
        return True
    except ChannelClosedByBroker as why:
        if why.reply_code == 405:
            return True
        equal(why.reply_code, 404, why.reply_text)
        return False


def lives():
    watcher = connect()
    connection = connect()
    channel = connection.channel()
    mine = channel.queue_declare("", exclusive=True).method.queue
    check(mine.startswith("amq.gen-"), mine)
    locked = (
        f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{mine}' in vhost '/'. It could be originally declared on "
        "another connection or the exclusive property value does not match that of the original declaration."
    )
    equal(refused(watcher, lambda c: c.queue_declare(mine, passive=True)), (405, locked), "somebody else's")
    equal(refused(watcher, lambda c: c.basic_consume(mine, print)), (405, locked), "somebody else's")
    connection.close()
    check(not is_there(watcher, mine), "a queue goes with its connection before that says that it is closed")
    lost = connect()
    mine = lost.channel().queue_declare("", exclusive=True).method.queue
    lose(lost)
    wait_until(lambda: not is_there(watcher, mine), "the queue of a lost connection goes")

    connection = connect()
    channel = connection.channel()
    last = name("last")
    channel.queue_declare(last, auto_delete=True)
    first, second = (channel.basic_consume(last, print) for _ in range(2))
    equal(passive(watcher, last), (0, 2), "consumers")
    channel.basic_cancel(first)
    check(is_there(watcher, last), "one is left")
    channel.basic_cancel(second)
    wait_until(lambda: not is_there(watcher, last), "a queue goes with the last of its consumers")

    expires, kept = name("expires"), name("kept")
    for queue in [expires, kept]:
        channel.queue_declare(queue, arguments={"x-expires": 400})
    channel.basic_consume(kept, print)
    # To look would be to use it.
    time.sleep(1.2)
    check(not is_there(watcher, expires), "nobody used it")
    check(is_there(watcher, kept), "it is used")

    alone = name("alone")
    channel.queue_declare(alone, durable=True)
    tag = channel.basic_consume(alone, print, exclusive=True)
    in_use = (403, f"ACCESS_REFUSED - queue '{alone}' in vhost '/' in exclusive use")
    equal(refused(watcher, lambda c: c.basic_consume(alone, print)), in_use, "beside an exclusive one")
    channel.basic_cancel(tag)
    other = watcher.channel()
    other.basic_consume(alone, print)
    equal(refused(connection, lambda c: c.basic_consume(alone, print, exclusive=True)), in_use, "not alone")

    single = name("single")
    channel.queue_declare(single, durable=True, arguments={"x-single-active-consumer": True})
    got = []
    tags = {}

    def consumer(number, priority):
        def on(channel, method, properties, body):
            got.append((number, body.decode()))
            channel.basic_ack(method.delivery_tag)

        tags[number] = channel.basic_consume(single, on, arguments={"x-priority": priority})

    for number, priority in [(1, 0), (2, 1), (3, 9)]:
        consumer(number, priority)
    sent = []

    def send(count):
        for _ in range(count):
            sent.append(str(len(sent)))
            channel.basic_publish("", single, sent[-1].encode(), PERSISTENT)

        def all_came():
            connection.process_data_events(0.01)
            return len(got) >= len(sent)

        wait_until(all_came, "all came")

    send(10)
    channel.basic_cancel(tags[1])
    send(10)
    equal(got, [(1, str(n)) for n in range(10)] + [(3, str(n)) for n in range(10, 20)], "one at a time, in order")
    connection.close()
    watcher.close()


def replies():
    server, client = connect(), connect()
    serving = server.channel()
    questions = name("questions")
    serving.queue_declare(questions, durable=True)

    def answer(channel, method, properties, body):
        properties_of_answer = pika.BasicProperties(correlation_id=properties.correlation_id)
        channel.basic_publish("", properties.reply_to, body.upper(), properties_of_answer)
        channel.basic_ack(method.delivery_tag)

    def ask(channel, reply_to, count):
        got.clear()
        for number in range(count):
            properties = pika.BasicProperties(reply_to=reply_to, correlation_id=str(number))
            channel.basic_publish("", questions, f"q{number}".encode(), properties)

        def answered():
            server.process_data_events(0.005)
            client.process_data_events(0.005)
            return len(got) >= count

        wait_until(answered, f"{count} answers came")
        equal(got, {str(number): f"Q{number}" for number in range(count)}, "answers")

    got = {}

    def take(channel, method, properties, body):
        got[properties.correlation_id] = body.decode()

    tag = serving.basic_consume(questions, answer)
    asking = client.channel()
    own = asking.queue_declare("", exclusive=True).method.queue
    asking.basic_consume(own, take, auto_ack=True)
    ask(asking, own, 20)

    direct = client.channel()
    equal(
        refused(client, lambda c: c.basic_consume("amq.rabbitmq.reply-to", take)),
        (406, "PRECONDITION_FAILED - reply consumer cannot acknowledge"),
        "with acknowledgement",
    )
    direct.basic_consume("amq.rabbitmq.reply-to", take, auto_ack=True)
    ask(direct, "amq.rabbitmq.reply-to", 20)
    serving.basic_cancel(tag)
    server.close()
    client.close()


def read_by_kafka():
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    queue = name("orders")
    channel.queue_declare(queue, durable=True)
    for number in range(100):
        channel.basic_publish("", queue, f"order {number}".encode(), PERSISTENT)
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": name("readers"), "enable.auto.commit": False})
    consumer.assign([TopicPartition(queue, 0, 0)])
    found = []

    def read():
        for record in consumer.consume(100, 0.2):
            check(not record.error(), record.error())
            found.append(record.value().decode())
        return len(found) >= 100

    wait_until(read, "everything is read")
    equal(found, [f"order {number}" for number in range(100)], "what Kafka's client reads")
    consumer.close()
    equal(passive(connection, queue), (100, 0), "to read is not to take")
    connection.close()


main(
    {
        "routes": routes,
        "settlements": settlements,
        "over-crashes": over_crashes,
        "mistakes": mistakes,
        "lives": lives,
        "replies": replies,
        "read-by-kafka": read_by_kafka,
    }
)

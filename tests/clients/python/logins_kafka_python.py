"""The stories of tests/src/suites/logins.rs with kafka-python."""

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from harness import check, main, wait_until
from logins import TOPIC, Log, Stories, in_dir

LOG = Log("kafka")


def settings(client):
    made = {"bootstrap_servers": client.at, "security_protocol": client.protocol}
    if client.mechanism:
        made |= {
            "sasl_mechanism": client.mechanism,
            "sasl_plain_username": client.user,
            "sasl_plain_password": client.password,
        }
    if client.authority:
        made["ssl_cafile"] = in_dir(f"{client.authority}.pem")
    if client.certificate:
        made["ssl_certfile"] = in_dir(f"{client.certificate}.pem")
        made["ssl_keyfile"] = in_dir(f"{client.certificate}.key")
    return made


class OneProducer:
    def __init__(self, client):
        self.producer = KafkaProducer(**settings(client))

    def send(self, value):
        sent = self.producer.send(TOPIC, value, partition=0)
        self.producer.flush(timeout=30)
        sent.get(timeout=30)

    def close(self):
        self.producer.close()


class KafkaPython:
    producer = OneProducer

    def reads(self, client, value):
        consumer = KafkaConsumer(enable_auto_commit=False, **settings(client))
        at = TopicPartition(TOPIC, 0)
        consumer.assign([at])
        consumer.seek_to_beginning(at)

        def read():
            polled = consumer.poll(timeout_ms=200).values()
            return any(record.value == value for records in polled for record in records)

        wait_until(read, f"{value} is read")
        consumer.close()

    def is_wrong(self, client, what):
        self.fails(client, what)
        LOG.has_heard(what)

    def fails(self, client, what):
        try:
            consumer = KafkaConsumer(bootstrap_timeout_ms=3_000, **settings(client))
            consumer.topics()
        except KafkaError as error:
            print(f"{what}: {error!r}")
        else:
            check(False, f"{what} is served")


if __name__ == "__main__":
    main(Stories(KafkaPython()).all())

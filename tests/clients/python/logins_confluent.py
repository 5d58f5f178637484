"""The stories of tests/src/suites/logins.rs with librdkafka."""

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

from harness import BOOTSTRAP, check, equal, main, name, wait_until
from logins import TOPIC, WRONG, Client, Stories, in_dir


def settings(client):
    made = {"bootstrap.servers": client.at, "security.protocol": client.protocol}
    if client.mechanism:
        made |= {
            "sasl.mechanism": client.mechanism,
            "sasl.username": client.user,
            "sasl.password": client.password,
        }
    if client.authority:
        made["ssl.ca.location"] = in_dir(f"{client.authority}.pem")
    if client.certificate:
        made["ssl.certificate.location"] = in_dir(f"{client.certificate}.pem")
        made["ssl.key.location"] = in_dir(f"{client.certificate}.key")
    return made


class OneProducer:
    def __init__(self, client):
        self.producer = Producer({**settings(client), "message.timeout.ms": 30000})

    def send(self, value):
        failed = []
        self.producer.produce(TOPIC, value, on_delivery=lambda error, _: failed.append(error))
        equal(self.producer.flush(30), 0, "records that are still on their way")
        equal(failed, [None], "the confirm")

    def close(self):
        equal(self.producer.flush(10), 0, "records that are still on their way")


class Confluent:
    producer = OneProducer

    def reads(self, client, value):
        consumer = Consumer({**settings(client), "group.id": name("g"), "auto.offset.reset": "earliest"})
        consumer.assign([TopicPartition(TOPIC, 0, 0)])

        def read():
            record = consumer.poll(0.2)
            return record is not None and not record.error() and record.value() == value

        wait_until(read, f"{value} is read")
        consumer.close()

    def is_wrong(self, client, what):
        errors = []
        producer = Producer({**settings(client), "error_cb": errors.append})

        def told():
            producer.poll(0.1)
            return any(error.code() == KafkaError._AUTHENTICATION for error in errors)

        wait_until(told, f"{what} is told that it could not authenticate")
        # The broker's own words: not the connection has failed, but the proof.
        words = [error.str() for error in errors]
        check(any(text in word for word in words for text in WRONG), f"{what} is refused with {words}")
        self.fails(client, what)

    def fails(self, client, what):
        try:
            Producer(settings(client)).list_topics(timeout=3)
        except KafkaException as error:
            print(f"{what}: {error}")
        else:
            check(False, f"{what} is served")


LIBRARY = Confluent()


def alter(changes):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.alter_user_scram_credentials(changes).values():
        future.result(30)


def set_password(user, mechanism, password):
    info = ScramCredentialInfo(mechanism, 4096)
    alter([UserScramCredentialUpsertion(user, info, password.encode())])


def scram():
    """Users by librdkafka's Admin, and logins without encryption."""
    stories = Stories(LIBRARY)
    for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):
        named = mechanism.name.replace("_", "-")
        right = Client("SASL", None, named, "alice", "a secret")
        LIBRARY.is_wrong(right, "a user that does not exist")
        set_password("alice", mechanism, "a secret")
        stories.works(right, named.encode())
        LIBRARY.is_wrong(Client("SASL", None, named, "alice", "another"), "a wrong password")
        alter([UserScramCredentialDeletion("alice", mechanism)])
        LIBRARY.is_wrong(right, "a user that is gone")


if __name__ == "__main__":
    main(Stories(LIBRARY).all() | {"scram": scram})

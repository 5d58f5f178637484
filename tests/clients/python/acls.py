"""The stories of tests/src/suites/acls.rs with librdkafka."""

import os

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from harness import BOOTSTRAP, check, equal, main, name, wait_until

TOPIC = name("orders")
GROUP = name("readers")
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})


def alice():
    return {
        "bootstrap.servers": os.environ["SASL"],
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "alice",
        "sasl.password": "a secret",
    }


def results(futures):
    for future in futures.values():
        future.result(30)


def begin():
    info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    results(ADMIN.alter_user_scram_credentials([UserScramCredentialUpsertion("alice", info, b"a secret")]))
    results(ADMIN.create_topics([NewTopic(TOPIC, 1, 1)]))


def rule(resource, named, operation, permission=AclPermissionType.ALLOW):
    return AclBinding(
        resource, named, ResourcePatternType.LITERAL, "User:alice", "*", operation, permission
    )


def add(*rules):
    results(ADMIN.create_acls(list(rules)))


def remove(binding):
    only = AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
    found = []
    for future in ADMIN.delete_acls([only]).values():
        found.extend(future.result(30))
    equal(len(found), 1, "rules that were removed")


def refused(producer, code):
    """A record is not delivered, for this reason."""
    errors = []
    producer.produce(TOPIC, b"no", on_delivery=lambda error, _: errors.append(error.code()))
    producer.flush(20)
    equal(errors, [code], "the error")


def writes(producer, value):
    errors = []
    producer.produce(TOPIC, value, on_delivery=lambda error, _: errors.append(error))
    producer.flush(20)
    equal(errors, [None], "the confirm")


def allowed_denied_revoked():
    begin()
    producer = Producer({**alice(), "message.timeout.ms": 10000})
    refused(producer, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    write = rule(ResourceType.TOPIC, TOPIC, AclOperation.WRITE)
    add(write)
    producer = Producer({**alice(), "message.timeout.ms": 10000})
    writes(producer, b"a")
    add(rule(ResourceType.TOPIC, TOPIC, AclOperation.READ))
    consumer = Consumer({**alice(), "group.id": GROUP, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])

    def fails_with(code):
        record = consumer.poll(0.2)
        return record is not None and record.error() and record.error().code() == code

    wait_until(lambda: fails_with(KafkaError.GROUP_AUTHORIZATION_FAILED), "the group is refused")
    consumer.close()
    add(rule(ResourceType.GROUP, GROUP, AclOperation.READ))
    consumer = Consumer({**alice(), "group.id": GROUP, "auto.offset.reset": "earliest"})
    consumer.subscribe([TOPIC])

    def read():
        record = consumer.poll(0.2)
        return record is not None and not record.error() and record.value() == b"a"

    wait_until(read, "a is read")
    consumer.close()
    remove(write)
    refused(producer, KafkaError.TOPIC_AUTHORIZATION_FAILED)


def rules():
    begin()
    wanted = [
        rule(ResourceType.TOPIC, TOPIC, AclOperation.READ),
        rule(ResourceType.GROUP, GROUP, AclOperation.ALL, AclPermissionType.DENY),
        rule(ResourceType.BROKER, "kafka-cluster", AclOperation.CREATE),
    ]
    add(*wanted)
    every = AclBindingFilter(
        ResourceType.ANY,
        None,
        ResourcePatternType.ANY,
        None,
        None,
        AclOperation.ANY,
        AclPermissionType.ANY,
    )
    equal(set(ADMIN.describe_acls(every).result(30)), set(wanted), "all rules")
    hers = AdminClient(alice())
    # librdkafka tells a refusal of the whole request with every rule in the answer, and there is none.
    equal(hers.describe_acls(every).result(30), [], "rules that alice sees")
    equal(set(hers.list_topics(timeout=20).topics), {TOPIC}, "the topics that she sees")


STORIES = {"allowed-denied-revoked": allowed_denied_revoked, "rules": rules}

if __name__ == "__main__":
    main(STORIES)

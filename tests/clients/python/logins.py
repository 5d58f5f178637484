"""The stories of tests/src/suites/logins.rs that every library of Python tells."""

import logging
import os
from dataclasses import dataclass

from harness import WORK_DIR, check, name, wish


def in_dir(part):
    return os.path.join(WORK_DIR, part)


@dataclass
class Client:
    """Who goes where, and how."""

    # The variable that has the listener's address.
    listener: str
    # The authority that it trusts; none without encryption.
    authority: str | None = None
    mechanism: str | None = None
    user: str | None = None
    password: str | None = None
    # The name of its own certificate.
    certificate: str | None = None

    @property
    def at(self):
        return os.environ[self.listener]

    @property
    def protocol(self):
        return ("SASL_" if self.mechanism else "") + ("SSL" if self.authority else "PLAINTEXT")


def logs_in(mechanism, user, password):
    return Client("TLS_SASL", "authority", mechanism, user, password)


def encrypted(authority, certificate=None):
    return Client("TLS", authority, certificate=certificate)


TOPIC = name("t")

# The broker's words for a wrong password or user, by SCRAM and by PLAIN.
WRONG = ("invalid credentials", "Invalid username or password")


class Log(logging.Handler):
    """What a library logs: some tell nobody else why they could not connect."""

    def __init__(self, library):
        super().__init__()
        self.lines = []
        logging.getLogger(library).addHandler(self)

    def emit(self, record):
        self.lines.append(record.getMessage())

    def has_heard(self, what):
        """The broker has said that credentials are wrong since this was asked last."""
        heard, self.lines = self.lines, []
        told = any(words in line for line in heard for words in WRONG)
        check(told, f"{what}: nothing is heard of wrong credentials in {heard}")


class Stories:
    """A library brings `producer(client)` with `send(value)` and `close()`, `reads(client, value)`, and two that fail where a client is
    served: `is_wrong(client, what)` for one that has to be told SASL_AUTHENTICATION_FAILED, and `fails(client, what)`."""

    def __init__(self, library):
        self.library = library

    def all(self):
        return {
            "login": self.login,
            "crash": self.crash,
            "certificate": self.certificate,
            "renewed": self.renewed,
        }

    def works(self, client, value):
        """A record there and back."""
        producer = self.library.producer(client)
        producer.send(value)
        producer.close()
        self.library.reads(client, value)

    def login(self):
        is_wrong = self.library.is_wrong
        self.works(logs_in("SCRAM-SHA-256", "alice", "a secret"), b"alice")
        self.works(logs_in("SCRAM-SHA-512", "bob", "b secret"), b"bob")
        self.works(logs_in("PLAIN", "alice", "a secret"), b"plain")
        is_wrong(logs_in("SCRAM-SHA-256", "alice", "another"), "a wrong password")
        is_wrong(logs_in("SCRAM-SHA-512", "bob", "a secret"), "the password of somebody else")
        is_wrong(logs_in("PLAIN", "alice", "another"), "a wrong password in PLAIN")
        is_wrong(logs_in("SCRAM-SHA-512", "carol", "a secret"), "a user that does not exist")
        is_wrong(logs_in("PLAIN", "carol", "a secret"), "the same in PLAIN")

    def crash(self):
        bob = self.library.producer(logs_in("SCRAM-SHA-512", "bob", "b secret"))
        bob.send(b"before")
        wish("kill9")
        bob.send(b"behind")
        bob.close()
        self.works(logs_in("SCRAM-SHA-256", "alice", "a secret"), b"alice")
        self.works(logs_in("PLAIN", "alice", "a secret"), b"plain")
        self.library.is_wrong(logs_in("SCRAM-SHA-512", "bob", "another"), "a wrong password")

    def certificate(self):
        self.library.fails(encrypted("authority"), "a client without a certificate")
        self.works(encrypted("authority", certificate="alice"), b"certified")

    def renewed(self):
        before = self.library.producer(encrypted("authority"))
        before.send(b"before")
        wish("renew")
        before.send(b"behind")
        self.library.fails(encrypted("authority"), "a certificate that somebody else has signed")
        self.works(encrypted("other"), b"anew")
        before.send(b"still there")
        before.close()

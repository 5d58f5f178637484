"""Stands in for the module of this name, which kafka-python's source distribution leaves out: brokers that run already."""


class ExternalService:
    """A broker that somebody else has started and will stop."""

    def __init__(self, host, port):
        self.host, self.port = host, port

    def open(self):
        pass

    def close(self):
        pass

    def dump_logs(self):
        pass

    def wait_for(self, pattern, timeout=30):
        del pattern, timeout


class SpawnedService:
    """A broker or a ZooKeeper of the tests' own: there is none."""

    def __init__(self, args=None, env=None):
        raise RuntimeError(f"nothing is started here: {args}")
